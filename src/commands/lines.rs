//! The lines of a file, in bounded memory.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// Reads a regular file line by line. A line that is too long is given cut, but still longer than `longest`.
#[derive(Debug)]
pub(super) struct Lines {
    file: BufReader<File>,
    longest: usize,
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

/// Why a file cannot be opened for reading it line by line, more than once.
#[derive(Debug)]
pub(super) enum NoLines {
    /// It is something else than a regular file.
    NotAFile,
    /// What the system said.
    Failed(io::Error),
}

/// Opens a regular file.
pub(super) fn open_regular(path: &OsStr) -> Result<File, NoLines> {
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(NoLines::Failed)?.is_file() {
        return Err(NoLines::NotAFile);
    }
    File::open(path).map_err(NoLines::Failed)
}

impl Lines {
    pub fn open(path: &OsStr, longest: usize) -> Result<Self, NoLines> {
        Ok(Self {
            file: BufReader::with_capacity(256 << 10, open_regular(path)?),
            longest,
            line: Vec::new(),
            number: 0,
            position: 0,
        })
    }

    /// Goes to byte `position`, where line `line` has ended.
    pub fn skip_to(&mut self, position: u64, line: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(position))?;
        (self.number, self.position) = (line, position);
        Ok(())
    }

    /// The next line.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let most = self.longest as u64 + 2;
        let read = (&mut self.file)
            .take(most)
            .read_until(b'\n', &mut self.line)?;
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
}
