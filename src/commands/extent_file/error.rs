//! Why a list of extents cannot be used.

use crate::commands::Status;
use crate::commands::lines::NoLines;
use crate::format::extent_list::ListError;
use std::ffi::OsStr;
use std::io;

/// Why a list of extents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExtentFileError {
    /// It cannot be opened.
    #[error("{path}: cannot open the list of extents: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else than a regular file.
    #[error("{path}: is not a regular file; a list of extents is read twice, so it must be one")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// It cannot be read.
    #[error("{path}: cannot read the list of extents: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is no list.
    #[error(
        "{path}: is no list of extents: expected JSON or CSV as mdbitmap extents writes them, or a mapfile of ddrescue"
    )]
    Unknown {
        /// The file.
        path: String,
    },
    /// Something in it is wrong.
    #[error("{path}: {source}")]
    Text {
        /// The file.
        path: String,
        /// What is wrong, and in which line.
        source: ListError,
    },
    /// Something in it is wrong.
    #[error("{path}: line {line}, column {column}: {message}")]
    Json {
        /// The file.
        path: String,
        /// Line.
        line: u64,
        /// Column.
        column: u64,
        /// What is wrong.
        message: String,
    },
    /// It says that it is in addresses that there are not.
    #[error("{path}: {message}")]
    Space {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// Extents that are not in order.
    #[error("{path}: {place}: {message}")]
    Order {
        /// The file.
        path: String,
        /// Where in it.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// An extent that means nothing in the array at hand.
    #[error("{message}")]
    Meaningless {
        /// Why.
        message: String,
    },
}

impl ExtentFileError {
    pub(super) fn unopened(path: &OsStr, error: NoLines) -> Self {
        let path = path.display().to_string();
        match error {
            NoLines::NotAFile => ExtentFileError::NotAFile { path },
            NoLines::Failed(source) => ExtentFileError::Open { path, source },
        }
    }

    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            ExtentFileError::Read { .. } => Status::Unreadable,
            ExtentFileError::Meaningless { .. } => Status::Refused,
            _ => Status::Failed,
        }
    }
}
