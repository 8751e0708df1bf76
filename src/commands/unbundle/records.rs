//! The records of a bundle file, one after the other.

use super::UnbundleError;
use crate::format::bundle::{BundleError, Decoder, RECORD_HEAD, Record};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read};

/// Reads a bundle. After the end record nothing may follow.
pub(super) struct Records {
    path: OsString,
    file: BufReader<File>,
    decoder: Decoder,
    /// Bytes read so far.
    at: u64,
    done: bool,
}

impl Records {
    pub(super) fn open(path: &OsStr) -> Result<Self, UnbundleError> {
        let failed = |step| {
            move |source| UnbundleError::Bundle {
                path: path.display().to_string(),
                step,
                source,
            }
        };
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(failed("open"))?.is_file() {
            return Err(UnbundleError::NotAFile {
                path: path.display().to_string(),
            });
        }
        let mut file = BufReader::new(File::open(path).map_err(failed("open"))?);
        let mut start = Vec::new();
        let most = Decoder::START as u64;
        (&mut file)
            .take(most)
            .read_to_end(&mut start)
            .map_err(failed("read"))?;
        let decoder = Decoder::new(&start).map_err(|source| UnbundleError::Format {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            decoder,
            at: start.len() as u64,
            done: false,
        })
    }

    /// The next record; none behind the end record.
    pub(super) fn next(&mut self) -> Result<Option<Record>, UnbundleError> {
        if self.done {
            return Ok(None);
        }
        let mut head = [0; RECORD_HEAD];
        self.fill(&mut head)?;
        let len = self
            .decoder
            .rest_of(head)
            .map_err(|error| self.format(error))?;
        let mut rest = vec![0; len];
        self.fill(&mut rest)?;
        let record = self
            .decoder
            .record(head, &rest)
            .map_err(|error| self.format(error))?;
        if matches!(record, Record::End { .. }) {
            self.done = true;
            let mut more = [0];
            match self.file.read(&mut more) {
                Ok(0) => {}
                Ok(_) => {
                    return Err(self.format(BundleError::Record {
                        at: self.at,
                        reason: "something follows the end record",
                    }));
                }
                Err(source) => return Err(self.failed(source)),
            }
        }
        Ok(Some(record))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), UnbundleError> {
        match self.file.read_exact(bytes) {
            Ok(()) => {
                self.at = self.at.saturating_add(bytes.len() as u64);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.format(BundleError::CutOff { at: self.at }))
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    fn format(&self, source: BundleError) -> UnbundleError {
        UnbundleError::Format {
            path: self.path.display().to_string(),
            source,
        }
    }

    fn failed(&self, source: io::Error) -> UnbundleError {
        UnbundleError::Bundle {
            path: self.path.display().to_string(),
            step: "read",
            source,
        }
    }
}
