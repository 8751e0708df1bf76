//! What the kernel checks before it uses a bitmap, and what it does when a check fails.
//!
//! Each check is a [`Rule`] with a stable name. They are evaluated in the kernel's order and all
//! of them are reported, although the kernel stops at the first that it cannot live with.
//! Source: reference/kernel.md 2.1 (versions 3 to 5), 2.3 (version 6), 3.7 (file length), 0.

mod classic;
mod common;
mod lockless;
#[cfg(test)]
mod tests;

use super::bitmap_super::RawBitmapSuper;
use super::coverage::Coverage;
use crate::units::{Bytes, Events, Sectors};
use serde::{Serialize, Serializer};
use std::fmt;

/// What the kernel does when a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// The array cannot be started at all.
    RefusesToStart,
    /// The array starts, and every chunk is taken to be dirty.
    TreatsAllAsDirty,
    /// The array starts, and the bitmap neither tells nor records anything.
    ActsAsAbsent,
    /// The array starts, and the kernel writes a new bitmap over this one.
    Initialises,
    /// The array starts only if the cluster's lock manager answers.
    AsksCluster,
    /// The kernel does not look at this, or puts its own value in place.
    Ignores,
}

impl Consequence {
    /// What the kernel does, as the end of a sentence about it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RefusesToStart => "the kernel refuses to start the array",
            Self::TreatsAllAsDirty => "the kernel treats every chunk as dirty",
            Self::ActsAsAbsent => "the kernel runs the array as if it had no bitmap",
            Self::Initialises => "the kernel writes a new bitmap over this one",
            Self::AsksCluster => "the kernel starts the array only in a running cluster",
            Self::Ignores => "the kernel ignores this",
        }
    }

    /// True when the bits on disk are what the kernel works with.
    pub fn keeps_bits(self) -> bool {
        matches!(self, Self::AsksCluster | Self::Ignores)
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $name:literal,)*) => {
        /// A check on a bitmap.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Every rule there is.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// The stable name, for scripts and JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }
        }
    };
}

rules! {
    /// The bitmap has a place of its own (offset not 0).
    NoLocation "no-location",
    /// The first block (version 6: the first 4 KiB) lies on the store.
    HeaderCutOff "header-cut-off",
    /// The magic number is right.
    Magic "magic",
    /// The version is 3, 4, 5 or 6.
    Version "version",
    /// A chunk has at least 512 bytes.
    ChunkTooSmall "chunk-too-small",
    /// The chunk size is a power of two.
    ChunkNotPowerOfTwo "chunk-not-power-of-two",
    /// The daemon sleeps at least a second.
    DaemonSleep "daemon-sleep",
    /// At most 16383 outstanding write-behind writes.
    WriteBehind "write-behind",
    /// Version 5 with nodes belongs to a cluster.
    Cluster "cluster",
    /// sync_size is that of the array.
    SyncSize "sync-size",
    /// The bitmap belongs to this array.
    Uuid "uuid",
    /// The bitmap is not older than the array.
    EventsStale "events-stale",
    /// The bitmap is at most one event ahead of the array.
    EventsAhead "events-ahead",
    /// State bit 1 is not set.
    Stale "stale",
    /// State bit 2 is not set.
    WriteError "write-error",
    /// All bits fit the space reserved.
    SpaceTooSmall "space-too-small",
    /// A bitmap file is long enough for all bits.
    FileTooSmall "file-too-small",
    /// Version 6: the kernel is not asked to initialise.
    FirstUse "first-use",
    /// Version 6: the space times the chunk size covers the array.
    ChunkCoversTooLittle "chunk-covers-too-little",
    /// Version 6: sync_size is not larger than the array.
    SyncSizeTooLarge "sync-size-too-large",
    /// Version 6: the array has no journal.
    LocklessJournal "lockless-journal",
    /// Version 6: some space is reserved.
    LocklessNoSpace "lockless-no-space",
    /// Version 6: the bitmap is internal, on native metadata.
    LocklessPlace "lockless-place",
    /// Version 6: states and the 1024 bytes before them fit the space.
    LocklessOverrun "lockless-overrun",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}: {}", consequence.sentence())]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// What the kernel does.
    pub consequence: Consequence,
    /// The field, what was found and what was expected.
    pub message: String,
}

/// Where a bitmap lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// On the members, with md's own metadata.
    Internal,
    /// In a file of its own.
    File,
    /// On the members of an array with external metadata (DDF, IMSM).
    External,
    /// On the metadata devices of an LVM RAID volume.
    DmRaid,
}

/// What is known beside the bitmap superblock. `None` skips the checks that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    /// The array's UUID, 16 raw bytes.
    pub uuid: Option<[u8; 16]>,
    /// The array's event count.
    pub events: Option<Events>,
    /// The sectors that the array resynchronises (`resync_max_sectors`).
    pub resync_max: Option<Sectors>,
    /// The space that the md superblock leaves for the bitmap.
    pub space: Option<Sectors>,
    /// The space that md assumes where nothing is recorded (version 6).
    pub default_space: Option<Sectors>,
    /// Distance of the bitmap from the md superblock, sectors; 0 is no bitmap.
    pub offset: Option<i64>,
    /// Where the bitmap lies.
    pub place: Option<Place>,
    /// Whether the array has a journal.
    pub journal: Option<bool>,
    /// Bytes from the start of the superblock to the end of the file or device.
    pub available: Option<Bytes>,
}

/// A bitmap superblock that the kernel would start an array with.
///
/// Made by [`judge`] alone, so its chunk size is a power of two of at least 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitmapSuper {
    raw: RawBitmapSuper,
    coverage: Option<Coverage>,
    notes: Vec<Violation>,
}

impl BitmapSuper {
    /// The fields as they are on disk.
    pub fn raw(&self) -> &RawBitmapSuper {
        &self.raw
    }

    /// What the kernel takes the chunks to cover: the array's size where it is known, else
    /// sync_size. `None` while FIRST_USE leaves the chunk size open.
    pub fn coverage(&self) -> Option<Coverage> {
        self.coverage
    }

    /// Broken rules that do not keep the array from starting, in the kernel's order.
    pub fn notes(&self) -> &[Violation] {
        &self.notes
    }

    /// True when the kernel works with the bits as they are on disk.
    pub fn is_trusted(&self) -> bool {
        self.notes.iter().all(|note| note.consequence.keeps_bits())
    }
}

/// All rules that `raw` breaks, in the kernel's order.
pub fn violations(raw: &RawBitmapSuper, context: &Context) -> Vec<Violation> {
    let mut found = common::Findings::default();
    if raw.is_lockless() {
        lockless::check(raw, context, &mut found);
    } else {
        classic::check(raw, context, &mut found);
    }
    found.into_vec()
}

/// Judges a bitmap superblock as the kernel would.
///
/// # Errors
/// All broken rules, when at least one keeps the array from starting.
pub fn judge(raw: &RawBitmapSuper, context: &Context) -> Result<BitmapSuper, Vec<Violation>> {
    let found = violations(raw, context);
    let fatal = |violation: &Violation| violation.consequence == Consequence::RefusesToStart;
    if found.iter().any(fatal) {
        return Err(found);
    }
    let coverage = raw.coverage().map(|coverage| match context.resync_max {
        Some(size) => coverage.with_sync_size(size),
        None => coverage,
    });
    Ok(BitmapSuper {
        raw: raw.clone(),
        coverage,
        notes: found,
    })
}
