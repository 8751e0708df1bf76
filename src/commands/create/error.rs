//! Why a bitmap was not created.

use crate::commands::Status;
use crate::device::{NewFileError, StoreError};
use crate::format::placement::ChunkSize;
use crate::units::{Bytes, Sectors};
use std::io;

/// Why a bitmap was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A file is there already.
    #[error("{path}: exists already; --force replaces it")]
    Exists {
        /// The file.
        path: String,
    },
    /// The file is in use as a bitmap.
    #[error(
        "{path}: is the bitmap file of the running array {array}; replacing it would leave the array \
         writing to a file without a name (detach it first)"
    )]
    ActiveBitmap {
        /// The file.
        path: String,
        /// The array.
        array: String,
    },
    /// Something writes to the file.
    #[error(
        "{path}: something has it open for writing, perhaps an array that uses it as its bitmap; \
         not replaced, even with --force"
    )]
    HasWriter {
        /// The file.
        path: String,
    },
    /// Something uses the device or file.
    #[error("{path}: is in use: {holders}")]
    InUse {
        /// The device or file.
        path: String,
        /// By what.
        holders: String,
    },
    /// The target is what the bitmap is to describe.
    #[error(
        "{path}: is a member of the array that the bitmap is for; a bitmap there would destroy it"
    )]
    IsMember {
        /// The file or device.
        path: String,
    },
    /// The file would lie on the array that needs it.
    #[error(
        "{path}: lies on the array {array} itself; to write to the array md would have to write the file first, \
         and for that to the array"
    )]
    OnArray {
        /// The file.
        path: String,
        /// The array.
        array: String,
    },
    /// Neither a file nor a block device.
    #[error("{path}: is a {found}; expected a new or existing regular file, or a block device")]
    WrongKind {
        /// What was named.
        path: String,
        /// What it is.
        found: &'static str,
    },
    /// There is something on the device.
    #[error("{path}: holds {found} (at byte {start}); --force overwrites it")]
    NotEmpty {
        /// The device.
        path: String,
        /// What is there.
        found: String,
        /// Where.
        start: Bytes,
    },
    /// The bitmap is larger than the device.
    #[error(
        "{path}: a bitmap of {sync_size} sectors with chunks of {chunk} takes {needed} bytes, the device has {available}; {}",
        smallest_text(smallest)
    )]
    TooSmall {
        /// The device.
        path: String,
        /// Sectors to cover.
        sync_size: Sectors,
        /// The chunk.
        chunk: ChunkSize,
        /// Bytes needed.
        needed: Bytes,
        /// Bytes there.
        available: Bytes,
        /// The smallest chunk that fits.
        smallest: Option<ChunkSize>,
    },
    /// The default rule has no answer.
    #[error(
        "{sync_size} sectors are beyond the rule for the default chunk size; name one with --chunk"
    )]
    NoDefaultChunk {
        /// Sectors to cover.
        sync_size: Sectors,
    },
    /// This process may not write files so large.
    #[error(
        "{path}: the bitmap takes {needed} bytes, the file size limit of this process (ulimit -f) is {limit}"
    )]
    FileSizeLimit {
        /// The file.
        path: String,
        /// Bytes needed.
        needed: Bytes,
        /// Bytes allowed.
        limit: u64,
    },
    /// The array to describe could not be read or understood.
    #[error("{path}: {reason}")]
    Source {
        /// The member or array.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Zero bits would be wrong or cannot be vouched for.
    #[error("--clean refused: {reason}")]
    NotClean {
        /// Why.
        reason: String,
    },
    /// The file system did not store the file the way that md needs.
    #[error("{path}: md could not use this file: {reason}; nothing was left behind")]
    Unfit {
        /// The file.
        path: String,
        /// What FIEMAP says.
        reason: String,
    },
    /// What was written is not what is read.
    #[error("{path}: read back after writing, byte {at} differs from what was written; {}", left_behind(*is_device))]
    ReadBack {
        /// The file or device.
        path: String,
        /// The first byte that differs.
        at: u64,
        /// A device keeps the bad bytes.
        is_device: bool,
    },
    /// A path could not be looked at.
    #[error("{path}: cannot {step}: {source}")]
    Path {
        /// The path.
        path: String,
        /// What was to be done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be made.
    #[error(transparent)]
    File(#[from] NewFileError),
    /// Storage could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn smallest_text(smallest: &Option<ChunkSize>) -> String {
    match smallest {
        Some(chunk) => format!("the smallest chunk size that fits is {chunk}"),
        None => "no chunk size fits".to_owned(),
    }
}

fn left_behind(is_device: bool) -> &'static str {
    match is_device {
        true => "the device holds no usable bitmap now",
        false => "nothing was left behind",
    }
}

impl CreateError {
    /// How the command ended.
    pub fn status(&self) -> Status {
        match self {
            CreateError::Exists { .. }
            | CreateError::ActiveBitmap { .. }
            | CreateError::HasWriter { .. }
            | CreateError::InUse { .. }
            | CreateError::WrongKind { .. }
            | CreateError::IsMember { .. }
            | CreateError::OnArray { .. }
            | CreateError::NotEmpty { .. }
            | CreateError::TooSmall { .. }
            | CreateError::NoDefaultChunk { .. }
            | CreateError::FileSizeLimit { .. }
            | CreateError::Source { .. }
            | CreateError::NotClean { .. }
            | CreateError::File(NewFileError::Exists { .. } | NewFileError::BadName { .. })
            | CreateError::Store(StoreError::Busy { .. } | StoreError::Unsuitable { .. }) => {
                Status::Refused
            }
            CreateError::Unfit { .. }
            | CreateError::Path { .. }
            | CreateError::Store(StoreError::Open { .. } | StoreError::PastEnd { .. }) => {
                Status::Failed
            }
            CreateError::ReadBack { .. }
            | CreateError::Store(
                StoreError::Read { .. } | StoreError::Write { .. } | StoreError::Flush { .. },
            ) => Status::Unreadable,
            CreateError::File(
                NewFileError::Write { source, .. } | NewFileError::Step { source, .. },
            ) => of_io(source),
        }
    }
}

/// A full disk or a missing permission is a failure; a disk that does not answer is an I/O error.
fn of_io(error: &io::Error) -> Status {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    match errno {
        Some(Errno::IO | Errno::NXIO | Errno::NODEV | Errno::NOMEDIUM) => Status::Unreadable,
        _ => Status::Failed,
    }
}
