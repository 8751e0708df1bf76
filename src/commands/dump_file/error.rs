//! Why a dump cannot be used.

use crate::commands::Status;
use crate::commands::lines::NoLines;
use crate::format::dump_text::DumpTextError;
use std::ffi::OsStr;
use std::io;

/// Why a dump cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DumpFileError {
    /// It cannot be opened.
    #[error("{path}: cannot open the dump: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else than a regular file.
    #[error("{path}: is not a regular file; a dump is read more than once, so it must be one")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// It cannot be read.
    #[error("{path}: cannot read the dump: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{path}: {source}")]
    Text {
        /// The file.
        path: String,
        /// What is wrong, and in which line.
        source: DumpTextError,
    },
    /// It was changed while it was being read.
    #[error("{path}: was changed while it was being read; try again")]
    Changed {
        /// The file.
        path: String,
    },
    /// It has more bitmaps than any array.
    #[error("{path}: has more than {most} bitmaps; no array has so many")]
    TooMany {
        /// The file.
        path: String,
        /// How many are read at most.
        most: usize,
    },
}

impl DumpFileError {
    pub(super) fn open(path: &OsStr, error: NoLines) -> Self {
        let path = path.display().to_string();
        match error {
            NoLines::NotAFile => DumpFileError::NotAFile { path },
            NoLines::Failed(source) => DumpFileError::Open { path, source },
        }
    }

    pub(super) fn read(path: &OsStr, source: io::Error) -> Self {
        DumpFileError::Read {
            path: path.display().to_string(),
            source,
        }
    }

    pub(super) fn text(path: &OsStr, source: DumpTextError) -> Self {
        DumpFileError::Text {
            path: path.display().to_string(),
            source,
        }
    }

    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            DumpFileError::Read { .. } => Status::Unreadable,
            _ => Status::Failed,
        }
    }
}
