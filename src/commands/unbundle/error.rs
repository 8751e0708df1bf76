//! Why a bundle cannot be taken apart.

use crate::commands::Status;
use crate::format::bundle::BundleError;
use std::ffi::OsStr;
use std::io;

/// Why a bundle cannot be taken apart.
#[derive(Debug, thiserror::Error)]
pub enum UnbundleError {
    /// The bundle cannot be opened or read.
    #[error("{path}: cannot {step} the bundle: {source}")]
    Bundle {
        /// The file.
        path: String,
        /// What was to be done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else than a regular file.
    #[error("{path}: is not a regular file; a bundle is read twice, so it must be one")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// It is damaged, or no bundle.
    #[error("{path}: {source}; nothing was made")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: BundleError,
    },
    /// Something lies outside the device that it belongs to.
    #[error(
        "{path}: has something for byte {start} of a device of {bytes} bytes; nothing was made"
    )]
    Outside {
        /// The file.
        path: String,
        /// First byte of it.
        start: u64,
        /// Length of the device.
        bytes: u64,
    },
    /// It would take more than allowed.
    #[error(
        "{path}: the images would take {bytes} bytes on disk, and the limit is {limit}; raise it with --limit if you trust the \
         bundle; nothing was made"
    )]
    TooMuch {
        /// The file.
        path: String,
        /// What they would take.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// An image, or something in its place, is there already.
    #[error("{path}: exists already; choose an empty folder; nothing was made")]
    Exists {
        /// The image.
        path: String,
    },
    /// A device too long for a file here.
    #[error(
        "{path}: an image of {bytes} bytes cannot be made here: {source}; nothing was left behind"
    )]
    TooLong {
        /// The image.
        path: String,
        /// Its length.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Something else failed.
    #[error("{path}: cannot {step}: {source}; nothing was left behind")]
    Image {
        /// The image or the folder.
        path: String,
        /// What was to be done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The bundle was changed while it was being read.
    #[error("{path}: was changed while it was being read; nothing was left behind")]
    Changed {
        /// The file.
        path: String,
    },
}

impl UnbundleError {
    pub(super) fn changed(path: &OsStr) -> Self {
        UnbundleError::Changed {
            path: path.display().to_string(),
        }
    }

    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            UnbundleError::Exists { .. } | UnbundleError::TooMuch { .. } => Status::Refused,
            UnbundleError::Bundle { step: "read", .. } => Status::Unreadable,
            _ => Status::Failed,
        }
    }
}
