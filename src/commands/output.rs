//! A file that a verb writes its result to: whole under its name, or not there at all.

use super::Status;
use crate::device::{NewFile, NewFileError, Replace};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a result cannot be kept in a file.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file exists.
    #[error("{path}: exists already; choose another name, or give --force to replace it")]
    Exists {
        /// The file.
        path: String,
    },
    /// The file is one of the devices.
    #[error("{path}: is what is to be read ({input}); it is not replaced")]
    IsInput {
        /// The file.
        path: String,
        /// The device as it was given.
        input: String,
    },
    /// It could not be made.
    #[error("{0}")]
    File(#[from] NewFileError),
}

impl OutputError {
    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            OutputError::File(NewFileError::Write { .. } | NewFileError::Step { .. }) => {
                Status::Failed
            }
            _ => Status::Refused,
        }
    }
}

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;

/// The file while it is written. Dropped before it is published, it leaves nothing.
#[derive(Debug)]
pub struct OutputFile {
    path: OsString,
    new: NewFile,
    replace: Replace,
    buffer: Vec<u8>,
    error: Option<NewFileError>,
}

impl OutputFile {
    /// Starts the file `path`, which must not be one of `inputs`, nor exist unless `force`.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn create(path: &OsStr, force: bool, inputs: &[OsString]) -> Result<Self, OutputError> {
        let name = || path.display().to_string();
        if let Ok(existing) = std::fs::metadata(path) {
            let same = |input: &&OsString| {
                std::fs::metadata(input).is_ok_and(|input| {
                    (input.dev(), input.ino()) == (existing.dev(), existing.ino())
                })
            };
            if let Some(input) = inputs.iter().find(same) {
                return Err(OutputError::IsInput {
                    path: name(),
                    input: input.display().to_string(),
                });
            }
            if !force {
                return Err(OutputError::Exists { path: name() });
            }
        }
        Ok(Self {
            path: path.to_owned(),
            new: NewFile::create(Path::new(path))?,
            replace: match force {
                true => Replace::Existing,
                false => Replace::Never,
            },
            buffer: Vec::with_capacity(BUFFER),
            error: None,
        })
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.new.len().0.saturating_add(self.buffer.len() as u64)
    }

    /// True while nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`OutputError`]; an error of an earlier write comes out here, too.
    pub fn publish(mut self) -> Result<(), OutputError> {
        if self.error.is_none() {
            let _ = self.write_out();
        }
        if let Some(error) = self.error.take() {
            return Err(error.into());
        }
        match self.new.publish(self.replace) {
            Err(NewFileError::Exists { .. }) => Err(OutputError::Exists {
                path: self.path.display().to_string(),
            }),
            other => Ok(other?),
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        let written = self.new.write(&self.buffer);
        self.buffer.clear();
        written.map_err(|error| {
            let text = error.to_string();
            self.error = Some(error);
            io::Error::other(text)
        })
    }
}

impl Write for OutputFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= BUFFER {
            self.write_out()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").into_os_string();
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let mut file = OutputFile::create(&path, false, &[]).unwrap();
        file.write_all(&[7; 600_000]).unwrap();
        drop(file);
        assert_eq!(names(), 0);
        let mut file = OutputFile::create(&path, false, &[]).unwrap();
        file.write_all(&[7; 600_000]).unwrap();
        file.publish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [7; 600_000]);
        let error = OutputFile::create(&path, false, &[]).unwrap_err();
        assert_eq!(error.status(), Status::Refused, "{error}");
        let inputs = [path.clone()];
        let error = OutputFile::create(&path, true, &inputs).unwrap_err();
        assert!(matches!(error, OutputError::IsInput { .. }), "{error}");
        OutputFile::create(&path, true, &[])
            .unwrap()
            .publish()
            .unwrap();
        assert!(std::fs::read(&path).unwrap().is_empty());
        assert_eq!(names(), 1);
    }
}
