//! What the file system says of a bitmap file: whether the kernel could write to it in place, and
//! who else can.

use crate::device::extents::{self, Unfit};
use crate::device::filesystem::{self, FileSystem};
use crate::units::Bytes;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What the file system says of a bitmap file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Where it lives.
    pub file_system: FileSystem,
    /// The user that owns it.
    pub owner: u32,
    /// Permission bits.
    pub mode: u32,
    /// Block size of the file system in bytes.
    pub block_bytes: u64,
    /// Why md cannot write it in place; `None` where it can, or where this is not known.
    pub unfit: Option<Unfit>,
    /// Why its blocks are not known.
    pub blocks_unknown: Option<String>,
}

impl FileFacts {
    /// The facts of the regular file at `path`; `None` for anything else.
    pub fn of(path: &Path) -> Option<FileFacts> {
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
        let name = path.to_string_lossy();
        let (unfit, blocks_unknown) = match extents::extents(&file, &name) {
            Ok(extents) => {
                let unfit = extents::check_written(&extents, Bytes(metadata.len()));
                (unfit.err(), None)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        Some(FileFacts {
            file_system: filesystem::of_file(&file),
            owner: metadata.uid(),
            mode: metadata.mode() & 0o7777,
            block_bytes: metadata.blksize(),
            unfit,
            blocks_unknown,
        })
    }
}
