//! The lines of a file, in bounded memory.

use super::DumpFileError;
use crate::format::dump_text::MAX_LINE;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Reads a regular file line by line. A line that is too long is given cut, but still too long for
/// the parser, which says so.
#[derive(Debug)]
pub(super) struct Lines {
    path: OsString,
    file: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    position: u64,
}

/// A line of the file.
pub(super) struct Line<'a> {
    /// The line without its line feed.
    pub bytes: &'a [u8],
    /// Its number, from 1.
    pub number: u64,
    /// The byte at which the next one starts.
    pub end: u64,
}

impl Lines {
    pub(super) fn open(path: &OsStr) -> Result<Self, DumpFileError> {
        let failed = |source| DumpFileError::Open {
            path: path.display().to_string(),
            source,
        };
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(DumpFileError::NotAFile {
                path: path.display().to_string(),
            });
        }
        let file = File::open(path).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(256 << 10, file),
            line: Vec::new(),
            number: 0,
            position: 0,
        })
    }

    /// Goes to byte `position`, where line `line` has ended.
    pub(super) fn skip_to(&mut self, position: u64, line: u64) -> Result<(), DumpFileError> {
        let moved = self.file.seek(SeekFrom::Start(position));
        moved.map_err(|source| self.failed(source))?;
        (self.number, self.position) = (line, position);
        Ok(())
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>, DumpFileError> {
        self.line.clear();
        let most = MAX_LINE as u64 + 2;
        let read = (&mut self.file)
            .take(most)
            .read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| self.failed(source))?;
        if read == 0 {
            return Ok(None);
        }
        self.position = self.position.saturating_add(read as u64);
        self.number = self.number.saturating_add(1);
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(Some(Line {
            bytes: &self.line,
            number: self.number,
            end: self.position,
        }))
    }

    fn failed(&self, source: io::Error) -> DumpFileError {
        DumpFileError::Read {
            path: self.path.display().to_string(),
            source,
        }
    }
}
