//! Lists of extents as text: what `extents` writes as CSV or as a domain map of GNU ddrescue, read back line by line.
//!
//! Nothing is taken on trust: a list that was cut off, or says itself that it is not complete, would name less than is
//! meant. (JSON is read elsewhere: it is no text of lines.)

mod csv;
mod mapfile;
#[cfg(test)]
mod tests;

pub use csv::CsvParser;
pub use mapfile::{MapHead, MapParser, Statuses};

use std::ops::Range;

/// The longest line that is read, in bytes; a record of CSV may have several, which together are no longer.
pub const MAX_LINE: usize = 64 << 10;

/// One extent of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedExtent {
    /// The member that it is of, as the list names it; `None` where it names none.
    pub member: Option<String>,
    /// Its bytes.
    pub bytes: Range<u128>,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A line that is not what the form asks for.
    #[error("line {line}: expected {expected}, found {found}")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// What would be right there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The list says itself that it lacks something.
    #[error(
        "line {line}: the list is marked as incomplete: what it does not name may be meant too"
    )]
    Incomplete {
        /// Number of the line.
        line: u64,
    },
    /// The list ends too early.
    #[error("the list is cut off after line {line}: expected {expected}")]
    CutOff {
        /// Number of the last line.
        line: u64,
        /// What has to come.
        expected: &'static str,
    },
    /// A map of a rescue, not of a domain.
    #[error(
        "line {line}: the block status '{status}' is that of a map of a rescue under way; a domain has '+' (meant) and '?' (not \
         meant) alone; say which statuses are meant with --status"
    )]
    Rescue {
        /// Number of the line.
        line: u64,
        /// The status.
        status: char,
    },
}

/// A line that is wrong.
fn wrong(line: u64, expected: impl Into<String>, found: &[u8]) -> ListError {
    let text = String::from_utf8_lossy(found);
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 {
        shown.push_str("...");
    }
    ListError::Line {
        line,
        expected: expected.into(),
        found: format!("\"{shown}\""),
    }
}
