//! Where a bitmap may live and which chunk sizes fit.
//!
//! Two things are kept apart. What **mdadm does** is computed here exactly as it does it, quirks
//! included, because arrays in the field look like that ([`v090`], [`v1`], [`at_create`],
//! [`clustered`]; reference/mdadm.md 2). What is **right** is computed from the areas that are
//! really taken ([`free`]); our own placement is mdadm's wherever that is free, and an error
//! that names what is in the way where it is not.
//!
//! All arithmetic is 64 bits wide or wider, and checked: the numbers come from disks.

pub mod area;
pub mod at_create;
pub mod chunk;
pub mod clustered;
pub mod content;
pub mod free;
pub mod v090;
pub mod v1;

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod worked_examples;

pub use chunk::{ChunkError, ChunkSize};

use crate::units::Sectors;

/// Why a bitmap cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The device cannot even hold the md superblock.
    #[error("the device has {found} sectors; md {metadata} metadata needs at least {needed}")]
    DeviceTooSmall {
        /// Metadata version, as mdadm spells it.
        metadata: &'static str,
        /// Sectors of the device.
        found: Sectors,
        /// Sectors needed.
        needed: u64,
    },
    /// The format cannot describe a device this large.
    #[error(
        "the device has {found} sectors; md {metadata} metadata counts at most {limit} (use 1.2 metadata)"
    )]
    DeviceTooLarge {
        /// Metadata version, as mdadm spells it.
        metadata: &'static str,
        /// Sectors of the device.
        found: Sectors,
        /// Largest number of sectors.
        limit: u64,
    },
    /// There is no room at all.
    #[error(
        "there is no room for a bitmap: {room} sectors are left beside the md superblock, at least 2 are needed"
    )]
    NoRoom {
        /// Sectors left.
        room: i64,
    },
    /// The chosen chunk makes the bitmap larger than its room.
    #[error(
        "bitmap chunk size {given} is too small: the bitmap would not fit into its {room_bytes} bytes (smallest that fits: {smallest})"
    )]
    ChunkTooSmall {
        /// The chunk asked for.
        given: ChunkSize,
        /// The smallest chunk that fits.
        smallest: ChunkSize,
        /// Bytes there are for superblock and bits.
        room_bytes: u64,
    },
    /// Even the largest chunk that the format can express is too small.
    #[error(
        "no bitmap chunk size fits: {sync_size} sectors need a chunk above 2G in {room_bytes} bytes of bitmap"
    )]
    NoChunkFits {
        /// Sectors to cover.
        sync_size: Sectors,
        /// Bytes there are for superblock and bits.
        room_bytes: u64,
    },
    /// Something else lies where the bitmap would go.
    #[error(
        "the bitmap would take sectors {start}..{end}, which overlap {region} (sectors {region_start}..{region_end}); {}",
        fitting(smallest)
    )]
    Overlap {
        /// First sector of the bitmap.
        start: i128,
        /// First sector after the bitmap.
        end: i128,
        /// What is in the way.
        region: free::Region,
        /// First sector of that.
        region_start: u64,
        /// First sector after that.
        region_end: u64,
        /// The smallest chunk for which the bitmap fits before it, if there is one.
        smallest: Option<ChunkSize>,
    },
    /// The place is too far from the superblock for the 32 bits that record it.
    #[error(
        "the bitmap would lie {offset} sectors from the md superblock, more than its 32-bit field can say"
    )]
    OffsetTooFar {
        /// Sectors from the superblock.
        offset: i128,
    },
    /// Positions in the md superblock contradict each other.
    #[error("the md superblock contradicts itself: {what}")]
    Inconsistent {
        /// What does not fit together.
        what: String,
    },
    /// Too many cluster nodes for the space before the data.
    #[error(
        "{nodes} cluster nodes need {needed} bytes of bitmaps, {available} are there (at most {max} nodes)"
    )]
    TooManyNodes {
        /// Nodes asked for.
        nodes: u32,
        /// Bytes needed.
        needed: u128,
        /// Bytes available.
        available: u64,
        /// The largest number of nodes that fits.
        max: u64,
    },
    /// A cluster of fewer than two nodes.
    #[error("a clustered bitmap needs at least 2 nodes, {nodes} given")]
    TooFewNodes {
        /// Nodes asked for.
        nodes: u32,
    },
}

fn fitting(smallest: &Option<ChunkSize>) -> String {
    match smallest {
        Some(chunk) => format!("the smallest chunk size that fits there is {chunk}"),
        None => "no chunk size fits there".to_owned(),
    }
}
