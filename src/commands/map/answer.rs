//! What `map` answers.

use crate::array::geometry::Parity;
use crate::array::layout::Content;
use crate::units::{ChunkIndex, Sectors};
use std::ops::Range;

/// The answer about one stretch of sectors, all of which have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The sectors asked about: of the array, or of the device from its start. Whatever else is
    /// told is about the first of them; the others follow it.
    pub asked: Range<Sectors>,
    /// What is there.
    pub outcome: Outcome,
}

/// What lies at the sectors asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Data of the array.
    Data {
        /// The sector of the array.
        array: Sectors,
        /// The number of the copy that the device asked about holds.
        copy: Option<u32>,
        /// The row of RAID chunks; `None` for raid1.
        stripe: Option<u64>,
        /// The chunk of the bitmap.
        chunk: Option<Chunk>,
        /// All copies and their parity.
        spots: Vec<Spot>,
    },
    /// Parity.
    Parity {
        /// Which.
        which: Parity,
        /// The row of RAID chunks.
        stripe: u64,
        /// The chunk of the bitmap.
        chunk: Option<Chunk>,
        /// What it covers: sectors of the array, and where each lies.
        covers: Vec<(Sectors, Spot)>,
    },
    /// Metadata, or a gap.
    Area {
        /// What lies there.
        content: Content,
        /// Sectors from the start of that area.
        into: Sectors,
    },
    /// Room for data in which the array stores nothing.
    Unused {
        /// Sectors from the start of the member's data.
        sector: Sectors,
    },
    /// Data, of a device that holds no slot of the array.
    NoSlot,
    /// Behind the end.
    Outside {
        /// Sectors of the array or device.
        end: Sectors,
    },
}

/// The part of a member in keeping a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A copy, by its number: the only one, or one of several.
    Copy(u32),
    /// Parity.
    Parity(Parity),
}

/// A place where a sector of the array, or its parity, is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// What for.
    pub role: Role,
    /// Slot.
    pub slot: u32,
    /// Sectors from the start of the member's data.
    pub sector: Sectors,
    /// The device that was given for the slot, as an index into `Mapping::devices`.
    pub device: Option<usize>,
    /// Sectors from the start of that device.
    pub lba: Option<Sectors>,
}

/// A chunk of the bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Its number.
    pub index: ChunkIndex,
    /// What the bitmaps of the members in sync say about it.
    pub state: ChunkState,
}

/// What the bitmaps of the members in sync say about a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkState {
    /// Clean, on every member given.
    Clean,
    /// Dirty, on every member given.
    Dirty,
    /// Dirty on some of them.
    DirtyOnSome,
    /// Clean, in a bitmap that the kernel would not believe.
    Untrusted,
    /// It could not be read.
    Unknown,
}

impl ChunkState {
    /// Whether the chunk has to be taken for dirty: all but clean.
    pub fn is_dirty(self) -> bool {
        self != ChunkState::Clean
    }

    /// Name for programs.
    pub fn name(self) -> &'static str {
        match self {
            ChunkState::Clean => "clean",
            ChunkState::Dirty => "dirty",
            ChunkState::DirtyOnSome => "dirty_on_some",
            ChunkState::Untrusted => "untrusted",
            ChunkState::Unknown => "unknown",
        }
    }
}
