//! The images while they are made: all of them, or none.

use super::{Image, UnbundleError};
use crate::format::bundle::Record;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a fill written at a time.
const FILL: usize = 1 << 20;

/// Files that were made and are removed again unless they are kept.
#[derive(Debug)]
pub(super) struct Images {
    files: Vec<(PathBuf, File)>,
    /// The folder, when it was made here.
    folder: Option<PathBuf>,
    kept: bool,
}

impl Images {
    /// Makes all files, empty and of the right length. None of them may be there.
    pub(super) fn create(folder: &Path, images: &[Image]) -> Result<Self, UnbundleError> {
        let mut made = Self {
            files: Vec::new(),
            folder: None,
            kept: false,
        };
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => made.folder = Some(folder.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failed(folder, "make the folder", source)),
        }
        for image in images {
            let path = folder.join(&image.name);
            // Exclusive: neither a file nor a link that someone put there is followed or replaced.
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::AlreadyExists => UnbundleError::Exists {
                        path: path.display().to_string(),
                    },
                    _ => failed(&path, "make the image", error),
                })?;
            let bytes = image.device.bytes;
            let sized = file.set_len(bytes);
            made.files.push((path.clone(), file));
            sized.map_err(|source| UnbundleError::TooLong {
                path: path.display().to_string(),
                bytes,
                source,
            })?;
        }
        Ok(made)
    }

    /// Writes what a record says into image `number`.
    pub(super) fn write(&mut self, number: usize, record: &Record) -> Result<(), UnbundleError> {
        let Some((path, file)) = self.files.get(number) else {
            return Ok(());
        };
        let write = |bytes: &[u8], start: u64| {
            let written = file.write_all_at(bytes, start);
            written.map_err(|source| failed(path, "write", source))
        };
        match record {
            Record::Literal { start, bytes } => write(bytes, *start),
            Record::Fill { start, len, value } => {
                let piece = vec![*value; usize::try_from(*len).unwrap_or(FILL).min(FILL)];
                let (mut at, end) = (*start, start.saturating_add(*len));
                while at < end {
                    let left = usize::try_from(end - at).unwrap_or(FILL);
                    let part = piece.get(..left).unwrap_or(&piece);
                    write(part, at)?;
                    at = at.saturating_add(part.len() as u64);
                }
                Ok(())
            }
            Record::Device(_) | Record::Unreadable { .. } | Record::End { .. } => Ok(()),
        }
    }

    /// They are complete, and stay.
    pub(super) fn keep(mut self) -> Result<(), UnbundleError> {
        for (path, file) in &self.files {
            let flushed = file.sync_all();
            flushed.map_err(|source| failed(path, "flush the image", source))?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for (path, _) in &self.files {
            let _ = std::fs::remove_file(path);
        }
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn failed(path: &Path, step: &'static str, source: io::Error) -> UnbundleError {
    UnbundleError::Image {
        path: path.display().to_string(),
        step,
        source,
    }
}
