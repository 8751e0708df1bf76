//! The text form of a dump: what write-intent bitmaps held, one line a run of chunks, to be read and
//! edited by people and read back by `dump --verify`, `compare` and `restore`.
//!
//! docs/dump-format.md is the grammar for people. The parser takes one line at a time and keeps no
//! run but the last, so any size can be read in bounded memory; what it gives is in ascending order,
//! without overlaps.

mod error;
mod parse;
mod section;
#[cfg(test)]
mod tests;
mod values;
mod write;

pub use error::DumpTextError;
pub use parse::{Event, Parser};
pub use write::{BITMAP_END, DUMP_END, bitmap_header, device_header, file_header, run_line};

use super::bit_array::BitOrder;
use super::bitmap_super::RawBitmapSuper;
use super::coverage::Coverage;
use super::level::Level;
use super::lockless::ChunkState;
use super::uuid_text::{self, ByteOrder};
use crate::units::ChunkIndex;
use std::ops::Range;

/// The first word of every dump.
pub const MAGIC_WORD: &str = "mdbitmap-dump";

/// The version of the format that is written and read.
pub const VERSION: u32 = 1;

/// The longest line that is read, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// Devices in a dump at most, and device numbers that one superblock tells about.
pub const MAX_DEVICES: usize = 4096;

/// Which kind of superblock described a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// 0.90, in the byte order of the host that wrote it.
    V0_90(ByteOrder),
    /// 1.0.
    V1_0,
    /// 1.1.
    V1_1,
    /// 1.2.
    V1_2,
    /// The metadata device of an LVM RAID volume.
    DmRaid,
}

impl Metadata {
    /// Every kind and its name in a dump.
    const NAMES: [(Metadata, &'static str); 6] = [
        (Metadata::V0_90(ByteOrder::Little), "0.90"),
        (Metadata::V0_90(ByteOrder::Big), "0.90-big-endian"),
        (Metadata::V1_0, "1.0"),
        (Metadata::V1_1, "1.1"),
        (Metadata::V1_2, "1.2"),
        (Metadata::DmRaid, "dm-raid"),
    ];

    /// The name in a dump.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(metadata, _)| *metadata == self);
        found.map_or("dm-raid", |(_, name)| name)
    }

    fn of_name(name: &str) -> Option<Self> {
        let mut all = Self::NAMES.iter();
        all.find(|(_, known)| *known == name)
            .map(|(metadata, _)| *metadata)
    }
}

/// A UUID as md writes it for this kind of metadata.
pub fn uuid_text(uuid: &[u8; 16], metadata: Option<Metadata>) -> String {
    match metadata {
        Some(Metadata::V0_90(order)) => uuid_text::as_words(uuid, order),
        _ => uuid_text::in_byte_order(uuid),
    }
}

/// What a device is in its array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds the slot of this number.
    Slot(u32),
    /// A spare.
    Spare,
    /// Failed.
    Faulty,
    /// A write journal.
    Journal,
}

/// A device and what its md superblock said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The path under which it was read; any bytes.
    pub path: Vec<u8>,
    /// Its length.
    pub device_bytes: u64,
    /// Its md superblock, when it had one.
    pub md: Option<MdFacts>,
}

/// What an md superblock said. Offsets and sizes are in sectors, as in their names in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MdFacts {
    /// Which superblock.
    pub metadata: Metadata,
    /// Its first byte on the device.
    pub super_start_bytes: u64,
    /// The array's UUID, raw; zero for dm-raid.
    pub array_uuid: [u8; 16],
    /// The device's own UUID, where the metadata has one.
    pub device_uuid: Option<[u8; 16]>,
    /// The array's name, where the metadata has one.
    pub array_name: Option<String>,
    /// Seconds since 1970 of the array's creation; 0 where unknown.
    pub created_seconds: u64,
    /// Seconds since 1970 of the last update of this superblock; 0 where unknown.
    pub updated_seconds: u64,
    /// RAID level.
    pub level: Level,
    /// Layout number.
    pub layout: u32,
    /// RAID chunk; 0 for raid1.
    pub raid_chunk_sectors: u64,
    /// Slots of the array.
    pub raid_disks: u32,
    /// The device's number.
    pub number: u32,
    /// The device's part in the array, by its own superblock.
    pub role: Role,
    /// Event count.
    pub events: u64,
    /// Where a resync has to go on; `None` is clean.
    pub resync_offset_sectors: Option<u64>,
    /// How far the device was recovered, when it was not in sync.
    pub recovery_offset_sectors: Option<u64>,
    /// Sectors used on each member.
    pub component_sectors: Option<u64>,
    /// Sectors of the array, where the superblock says it.
    pub array_sectors: Option<u64>,
    /// First sector of the data on the device.
    pub data_offset_sectors: u64,
    /// Feature map of 1.x.
    pub features: u32,
    /// True during a reshape.
    pub reshaping: bool,
    /// Logical block size of the array.
    pub logical_block_bytes: u32,
    /// Slots that no device held, by this superblock: ranges in ascending order.
    pub vacant_slots: Vec<Range<u32>>,
    /// The part of every device number that is no spare, by this superblock, in ascending order.
    pub device_roles: Vec<(u32, Role)>,
}

/// A bitmap: where it was and what its superblock said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitmapFacts {
    /// Slot of a clustered bitmap, else 0.
    pub slot: u32,
    /// Its first byte on the device.
    pub start_bytes: u64,
    /// Its superblock; the magic number is always right.
    pub raw: RawBitmapSuper,
    /// The order in which the bits of version 3 were read.
    pub order: BitOrder,
    /// False when the chunks could not be told (unknown version, FIRST_USE, chunk size 0): nothing is
    /// known about them then.
    pub has_runs: bool,
}

impl BitmapFacts {
    /// What the chunks cover; `None` where they could not be told.
    pub fn coverage(&self) -> Option<Coverage> {
        self.raw.coverage().filter(|_| self.has_runs)
    }
}

/// What a dump says about the chunks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunMark {
    /// Versions 3 to 5: the bit is set.
    Dirty,
    /// The bit or state lay past the end of the device: nothing is known, so it counts as dirty.
    Missing,
    /// Version 6: the state byte.
    State(u8),
}

impl RunMark {
    /// True for chunks that have to be synchronised.
    pub fn is_dirty(self) -> bool {
        match self {
            RunMark::Dirty | RunMark::Missing => true,
            RunMark::State(byte) => ChunkState::from_byte(byte).is_dirty(),
        }
    }

    /// The name after the chunk numbers; empty for a set bit.
    pub fn name(self) -> std::borrow::Cow<'static, str> {
        match self {
            RunMark::Dirty => "".into(),
            RunMark::Missing => "missing".into(),
            RunMark::State(byte) => match STATE_NAMES.get(usize::from(byte)) {
                Some(name) => (*name).into(),
                None => format!("0x{byte:02x}").into(),
            },
        }
    }
}

/// Names of the states 0 to 7, as in JSON (reference/kernel.md 6.1).
pub(crate) const STATE_NAMES: [&str; 8] = [
    "unwritten",
    "clean",
    "dirty",
    "need_sync",
    "syncing",
    "need_sync_unwritten",
    "syncing_unwritten",
    "clean_unwritten",
];

/// Chunks that a dump lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpRun {
    /// Never empty.
    pub chunks: Range<ChunkIndex>,
    /// What is said about them.
    pub mark: RunMark,
}

/// What was listed of one bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunTotals {
    /// Runs: maximal stretches of chunks with the same mark.
    pub runs: u64,
    /// Chunks to be synchronised.
    pub dirty_chunks: u64,
}

impl RunTotals {
    /// Adds a run.
    pub fn add(&mut self, run: &DumpRun) {
        self.runs = self.runs.saturating_add(1);
        if run.mark.is_dirty() {
            let chunks = run.chunks.end.0.saturating_sub(run.chunks.start.0);
            self.dirty_chunks = self.dirty_chunks.saturating_add(chunks);
        }
    }
}
