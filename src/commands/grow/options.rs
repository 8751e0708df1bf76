//! What is asked of `grow`.

use crate::commands::Status;
use crate::commands::offline::Failure;
use crate::device::{DirectStore, OpenMode, Store, StoreError};
use crate::format::placement::ChunkSize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the bitmap of a stopped array is to be. What is not named stays as it is.
#[derive(Clone, Default)]
pub struct GrowOptions {
    /// Where and of which kind; `None` keeps the kind, and adds an internal one where there is none.
    pub bitmap: Option<Wanted>,
    /// Bytes a chunk.
    pub chunk: Option<ChunkSize>,
    /// Seconds between passes that clear bits on disk; at least 1.
    pub delay_seconds: Option<u32>,
    /// Most writes outstanding to write-mostly members; at most 16383.
    pub write_behind: Option<u32>,
    /// Slots of a clustered bitmap; at least 2.
    pub nodes: Option<u32>,
    /// Name of its cluster, NUL padded.
    pub cluster_name: Option<[u8; 64]>,
    /// A bitmap file of the array whose marks the internal bitmap takes over.
    pub merge: Option<Arc<dyn Store>>,
    /// Members that were not given are out of the array, and no node of a cluster is up (W7, W18).
    pub force: bool,
}

/// A kind of bitmap, or none.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// One bit a chunk, beside the superblocks.
    Internal,
    /// One byte a chunk (version 6), beside the superblocks.
    Lockless,
    /// A bitmap for each node of a cluster (version 5), beside the superblocks.
    Clustered,
    /// None.
    None,
    /// One bit a chunk, in a file.
    File(FileWanted),
}

/// A bitmap file that is to be made.
#[derive(Clone)]
pub struct FileWanted {
    /// Its name.
    pub path: PathBuf,
    /// What has that name already.
    pub existing: Option<Arc<dyn Store>>,
}

impl fmt::Debug for FileWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWanted")
            .field("path", &self.path)
            .field("exists", &self.existing.is_some())
            .finish()
    }
}

impl fmt::Debug for GrowOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowOptions")
            .field("bitmap", &self.bitmap)
            .field("chunk", &self.chunk)
            .field("delay_seconds", &self.delay_seconds)
            .field("write_behind", &self.write_behind)
            .field("nodes", &self.nodes)
            .field("cluster_name", &self.cluster_name)
            .field(
                "merge",
                &self.merge.as_ref().map(|store| store.name().to_owned()),
            )
            .field("force", &self.force)
            .finish()
    }
}

/// Files that are named beside the members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The bitmap file whose marks are taken over.
    pub merge: Option<PathBuf>,
}

impl GrowOptions {
    /// Opens the files that are named.
    ///
    /// # Errors
    /// [`Failure::Input`] for one that is there and cannot be read, or has to be and is not.
    pub(super) fn open(&mut self, files: &Files) -> Result<(), Failure> {
        if let Some(path) = &files.merge {
            self.merge = Some(opened(path)?);
        }
        if let Some(Wanted::File(wanted)) = &mut self.bitmap {
            // A dangling symbolic link is a name that is taken.
            if wanted.path.symlink_metadata().is_ok() {
                wanted.existing = Some(opened(&wanted.path)?);
            }
        }
        Ok(())
    }
}

fn opened(path: &Path) -> Result<Arc<dyn Store>, Failure> {
    let failed = |error: &StoreError| Failure::Input {
        message: error.to_string(),
        status: Status::Failed,
    };
    let store = DirectStore::open(path, OpenMode::Read).map_err(|error| failed(&error))?;
    Ok(Arc::new(store))
}
