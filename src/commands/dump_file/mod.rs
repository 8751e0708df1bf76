//! Reading a dump from a file: what is in it, and the runs of each of its bitmaps as a stream.

mod error;

pub use error::DumpFileError;

use crate::commands::lines::{Line, Lines};
use crate::format::dump_text::{
    BitmapFacts, DeviceFacts, DumpRun, Event, MAGIC_WORD, MAX_LINE, Parser, RunTotals,
};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};

/// A dump that was read once, all of it: it is complete and nothing in it is wrong.
#[derive(Debug)]
pub struct DumpFile {
    /// The path; any bytes.
    pub path: OsString,
    /// The devices in it, in order.
    pub devices: Vec<DumpedDevice>,
}

/// A device in a dump.
#[derive(Debug)]
pub struct DumpedDevice {
    /// The device and its md superblock.
    pub facts: DeviceFacts,
    /// Its bitmaps, in order.
    pub bitmaps: Vec<DumpedBitmap>,
}

/// A bitmap in a dump.
#[derive(Debug)]
pub struct DumpedBitmap {
    /// Where it was and its superblock.
    pub facts: BitmapFacts,
    /// What was listed.
    pub totals: RunTotals,
    /// Byte of the file behind the line that its runs follow.
    runs_at: u64,
    /// Number of that line.
    line: u64,
}

/// Bitmaps in one dump at most: more nodes than a cluster has, for more devices than an array has.
const MAX_BITMAPS: usize = 1 << 16;

impl DumpFile {
    /// Reads the dump `path`, keeping everything but the runs.
    ///
    /// # Errors
    /// [`DumpFileError`] when it cannot be read, or is not a whole, sound dump.
    pub fn open(path: &OsStr) -> Result<Self, DumpFileError> {
        let mut lines = open_lines(path)?;
        let mut parser = Parser::default();
        let mut file = Self {
            path: path.to_owned(),
            devices: Vec::new(),
        };
        let mut bitmaps = 0;
        let failed = |source| DumpFileError::read(path, source);
        while let Some(Line { bytes, number, end }) = lines.next().map_err(failed)? {
            let read = parser.line(bytes, &mut |event| match event {
                Event::Device(facts) => file.devices.push(DumpedDevice {
                    facts: *facts,
                    bitmaps: Vec::new(),
                }),
                Event::Bitmap(facts) => {
                    bitmaps += 1;
                    if let Some(device) = file.devices.last_mut().filter(|_| bitmaps <= MAX_BITMAPS)
                    {
                        device.bitmaps.push(DumpedBitmap {
                            facts: *facts,
                            totals: RunTotals::default(),
                            runs_at: end,
                            line: number,
                        });
                    }
                }
                Event::BitmapEnd(totals) => {
                    let device = file.devices.last_mut();
                    if let Some(bitmap) = device.and_then(|device| device.bitmaps.last_mut()) {
                        bitmap.totals = totals;
                    }
                }
                Event::Run(_) => {}
            });
            read.map_err(|source| DumpFileError::text(path, source))?;
            if bitmaps > MAX_BITMAPS {
                return Err(DumpFileError::TooMany {
                    path: path.display().to_string(),
                    most: MAX_BITMAPS,
                });
            }
        }
        let complete = parser.finish();
        complete.map_err(|source| DumpFileError::text(path, source))?;
        Ok(file)
    }

    /// True when `path` is a file that starts as a dump does. What cannot be read is none.
    pub fn is_dump(path: &OsStr) -> bool {
        let Ok(mut lines) = open_lines(path) else {
            return false;
        };
        // A dump that was edited may start with many comments.
        for _ in 0..1000 {
            let Ok(Some(line)) = lines.next() else {
                return false;
            };
            let text = line.bytes.trim_ascii();
            if !text.is_empty() && !text.starts_with(b"#") {
                return text.starts_with(MAGIC_WORD.as_bytes());
            }
        }
        false
    }

    /// The runs of a bitmap of this dump, read again from the file.
    ///
    /// # Errors
    /// [`DumpFileError`] when the file cannot be opened; reading can fail later, too.
    pub fn runs(&self, bitmap: &DumpedBitmap) -> Result<DumpedRuns, DumpFileError> {
        let mut lines = open_lines(&self.path)?;
        let moved = lines.skip_to(bitmap.runs_at, bitmap.line);
        moved.map_err(|source| DumpFileError::read(&self.path, source))?;
        Ok(DumpedRuns {
            path: self.path.clone(),
            parser: Parser::at_runs(bitmap.facts.clone(), bitmap.line),
            lines,
            expected: bitmap.totals,
            ready: VecDeque::new(),
            // Without runs there is no line that ends them.
            done: bitmap.facts.coverage().is_none(),
        })
    }
}

fn open_lines(path: &OsStr) -> Result<Lines, DumpFileError> {
    Lines::open(path, MAX_LINE).map_err(|error| DumpFileError::open(path, error))
}

/// Iterator of the runs of a bitmap in a dump: ascending, no chunk twice. It ends after the first
/// error.
#[derive(Debug)]
pub struct DumpedRuns {
    path: OsString,
    parser: Parser,
    lines: Lines,
    expected: RunTotals,
    ready: VecDeque<DumpRun>,
    done: bool,
}

impl DumpedRuns {
    fn advance(&mut self) -> Result<Option<DumpRun>, DumpFileError> {
        loop {
            if let Some(run) = self.ready.pop_front() {
                return Ok(Some(run));
            }
            if self.done {
                return Ok(None);
            }
            let changed = || DumpFileError::Changed {
                path: self.path.display().to_string(),
            };
            let read = self.lines.next();
            let Some(line) = read.map_err(|source| DumpFileError::read(&self.path, source))? else {
                return Err(changed());
            };
            let mut end = None;
            let read = self.parser.line(line.bytes, &mut |event| match event {
                Event::Run(run) => self.ready.push_back(run),
                Event::BitmapEnd(totals) => end = Some(totals),
                Event::Device(_) | Event::Bitmap(_) => {}
            });
            read.map_err(|source| DumpFileError::text(&self.path, source))?;
            if let Some(totals) = end {
                self.done = true;
                if totals != self.expected {
                    return Err(changed());
                }
            }
        }
    }
}

impl Iterator for DumpedRuns {
    type Item = Result<DumpRun, DumpFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.done = true;
            self.ready.clear();
        }
        result.transpose()
    }
}

#[cfg(test)]
mod tests;
