//! A plan with what it comes to: what a command says it will do, or has done.

use super::content::Content;
use super::plan::Plan;
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use crate::units::{Bytes, Events, Sectors};
use std::path::PathBuf;

/// A plan and its meaning.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// What is written.
    pub plan: Plan,
    /// What the array has afterwards.
    pub after: After,
    /// What the change does, a sentence each, in the order in which it is worth knowing.
    pub sentences: Vec<String>,
    /// What the user should be warned of.
    pub notes: Vec<String>,
    /// What was asked for and is not in the plan; the notes say what it is.
    pub left: Left,
    /// A bitmap file that is made beside.
    pub file: Option<PlannedFile>,
}

impl Planned {
    /// True when nothing is to be written.
    pub fn is_nothing(&self) -> bool {
        self.plan.is_empty() && self.file.is_none()
    }
}

/// What was asked for and could not be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Left {
    /// All of it is planned.
    #[default]
    Nothing,
    /// Some of it would not be right.
    NotRight,
    /// Of some of it, it could not be read whether it would be right.
    Unreadable,
}

/// A bitmap file. It gets its header, without which nothing attaches it, once all steps of the plan are done.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    /// Its name, which nothing may have yet.
    pub path: PathBuf,
    /// Its bytes, with zeros in the place of the header.
    pub bits: Content,
    /// The header.
    pub header: [u8; BITMAP_SUPER_BYTES],
}

/// A stopped array after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct After {
    /// Level, members and UUID of the array, for people.
    pub array: String,
    /// Its event count.
    pub events: Events,
    /// False when the next start synchronises what the bitmap marks.
    pub clean: bool,
    /// Its internal bitmap; `None` when it has none.
    pub bitmap: Option<AfterBitmap>,
}

/// The bitmap of a stopped array after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterBitmap {
    /// Version.
    pub version: u32,
    /// Sectors from the md superblock.
    pub offset_sectors: i64,
    /// Bytes a chunk.
    pub chunk_bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// Chunks to be synchronised.
    pub dirty_chunks: u64,
    /// Bytes in them.
    pub dirty_bytes: Bytes,
    /// Version 6: chunks that were never written to.
    pub unwritten_chunks: u64,
    /// Sectors covered.
    pub sync_size: Sectors,
    /// Seconds between lazy clean passes.
    pub daemon_sleep_seconds: u32,
    /// Outstanding write-behind writes.
    pub write_behind: u32,
    /// Events at which bits were cleared last.
    pub events_cleared: Events,
    /// Slots of a clustered bitmap; 0 otherwise.
    pub nodes: u32,
}
