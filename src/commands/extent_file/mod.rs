//! Reading a list of extents from a file: our own JSON or CSV, or a domain map of GNU ddrescue, told apart by how it begins.
//!
//! A list is read twice: once to see that all of it can be used ([`ExtentFile::open`]), once for what it names
//! ([`ExtentFile::read`]). Memory does not grow with it.

mod error;
mod json;
#[cfg(test)]
mod tests;

pub use error::ExtentFileError;

use super::lines::{Lines, NoLines, open_regular};
use crate::array::spaces::Space;
use crate::format::extent_list::{
    CsvParser, ListError, ListedExtent, MAX_LINE, MapHead, MapParser, Statuses,
};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read;

/// Members that a list tells apart at most: more than an array has.
const MOST_MEMBERS: usize = 4096;

/// A list of extents in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentFile {
    path: OsString,
    kind: Kind,
    statuses: Statuses,
    /// In which addresses it is, where it says so.
    pub space: Option<Space>,
    /// The device that it is of, where it says so, and its extents do not.
    pub device: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Csv,
    Map,
}

/// An extent of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The extent.
    pub extent: ListedExtent,
    /// Where in the file it stands.
    pub place: String,
}

impl ExtentFile {
    /// Reads the list `path` once. `statuses` are the blocks of a map that are meant.
    ///
    /// # Errors
    /// [`ExtentFileError`] when it cannot be read, or is not a whole, sound list.
    pub fn open(path: &OsStr, statuses: Statuses) -> Result<ExtentFile, ExtentFileError> {
        let mut list = ExtentFile {
            kind: kind_of(path)?,
            path: path.to_owned(),
            statuses,
            space: None,
            device: None,
        };
        let told = list.read(&mut |_| Ok(()))?;
        list.space = told.space;
        list.device = told.device;
        Ok(list)
    }

    /// True for a map of ddrescue.
    pub fn is_map(&self) -> bool {
        self.kind == Kind::Map
    }

    /// Reads the list again: each extent in turn. Those of a member, or of the array, stand together, in ascending order and
    /// apart from each other.
    ///
    /// # Errors
    /// [`ExtentFileError`], and the first that `each` gives.
    pub fn read(
        &self,
        each: &mut dyn FnMut(&ListedExtent) -> Result<(), ExtentFileError>,
    ) -> Result<Told, ExtentFileError> {
        let mut order = Order::default();
        let path = self.path.display().to_string();
        let mut take = |found: Found| {
            order.check(&path, &found)?;
            each(&found.extent)
        };
        match self.kind {
            Kind::Json => {
                let file = open_regular(&self.path).map_err(|error| self.unopened(error))?;
                let space = json::read(&path, file, &mut take)?;
                Ok(Told {
                    space: Some(space),
                    device: None,
                })
            }
            Kind::Csv => {
                let mut parser = CsvParser::default();
                self.each_line(&mut |line| parser.line(line), &mut take)?;
                parser.finish().map_err(|error| self.wrong(error))?;
                Ok(Told::default())
            }
            Kind::Map => {
                let mut parser = MapParser::new(self.statuses.clone());
                self.each_line(&mut |line| parser.line(line), &mut take)?;
                parser.finish().map_err(|error| self.wrong(error))?;
                self.told(parser.head())
            }
        }
    }

    fn each_line(
        &self,
        parse: &mut ParseLine<'_>,
        take: &mut dyn FnMut(Found) -> Result<(), ExtentFileError>,
    ) -> Result<(), ExtentFileError> {
        let lines = Lines::open(&self.path, MAX_LINE);
        let mut lines = lines.map_err(|error| self.unopened(error))?;
        loop {
            let line = lines.next().map_err(|source| ExtentFileError::Read {
                path: self.path.display().to_string(),
                source,
            })?;
            let Some(line) = line else { return Ok(()) };
            let place = line.number;
            if let Some(extent) = parse(line.bytes).map_err(|error| self.wrong(error))? {
                take(Found {
                    extent,
                    place: format!("line {place}"),
                })?;
            }
        }
    }

    fn told(&self, head: &MapHead) -> Result<Told, ExtentFileError> {
        let space = head.space.as_deref().map(str::parse::<Space>);
        let space = space.transpose().map_err(|error| ExtentFileError::Space {
            path: self.path.display().to_string(),
            message: error.to_string(),
        })?;
        Ok(Told {
            space,
            device: head.device.clone(),
        })
    }

    fn wrong(&self, source: ListError) -> ExtentFileError {
        ExtentFileError::Text {
            path: self.path.display().to_string(),
            source,
        }
    }

    fn unopened(&self, error: NoLines) -> ExtentFileError {
        ExtentFileError::unopened(&self.path, error)
    }
}

/// Reads a line; an extent, when one is complete.
type ParseLine<'p> = dyn FnMut(&[u8]) -> Result<Option<ListedExtent>, ListError> + 'p;

/// What a list tells about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// In which addresses it is.
    pub space: Option<Space>,
    /// The device that all of it is of.
    pub device: Option<String>,
}

/// What the file seems to be, by the first of it that is not blank.
fn kind_of(path: &OsStr) -> Result<Kind, ExtentFileError> {
    let file = open_regular(path).map_err(|error| ExtentFileError::unopened(path, error))?;
    let mut head = Vec::new();
    let read = file.take(4096).read_to_end(&mut head);
    read.map_err(|source| ExtentFileError::Read {
        path: path.display().to_string(),
        source,
    })?;
    let text = head.trim_ascii_start();
    let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if text.first() == Some(&b'{') {
        Ok(Kind::Json)
    } else if CsvParser::is_start(first_line) {
        Ok(Kind::Csv)
    } else if MapParser::is_start(text) {
        Ok(Kind::Map)
    } else {
        Err(ExtentFileError::Unknown {
            path: path.display().to_string(),
        })
    }
}

/// Sees that extents come in order: so any list takes no more time than what it names.
#[derive(Default)]
struct Order {
    last: Option<(Option<String>, u128)>,
    done: BTreeSet<Option<String>>,
}

impl Order {
    fn check(&mut self, path: &str, found: &Found) -> Result<(), ExtentFileError> {
        let (member, bytes) = (&found.extent.member, &found.extent.bytes);
        let wrong = |message: String| {
            Err(ExtentFileError::Order {
                path: path.to_owned(),
                place: found.place.clone(),
                message,
            })
        };
        match &mut self.last {
            Some((last, end)) if last == member => {
                if bytes.start < *end {
                    return wrong(format!(
                        "begins at byte {}, before the end of the extent before it ({end}); extents must be in ascending order and apart",
                        bytes.start
                    ));
                }
                *end = bytes.end;
            }
            _ => {
                if !self.done.insert(member.clone()) {
                    let name = member.as_deref().unwrap_or_default();
                    return wrong(format!(
                        "\"{name}\" was listed before; the extents of a member must stand together"
                    ));
                }
                if self.done.len() > MOST_MEMBERS {
                    return wrong(format!(
                        "more than {MOST_MEMBERS} members; no array has so many"
                    ));
                }
                self.last = Some((member.clone(), bytes.end));
            }
        }
        Ok(())
    }
}
