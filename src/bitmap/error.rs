//! Why a bitmap cannot be read or changed.

use crate::device::StoreError;
use crate::format::bit_array::OutOfRange;

/// Why a bitmap cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum BitmapError {
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store ends before the superblock does.
    #[error(
        "{device}: a bitmap superblock of 256 bytes was expected at byte {start}, but the device ends at byte {len}"
    )]
    NoRoom {
        /// Path or name of the store.
        device: String,
        /// Where the superblock was to start.
        start: u64,
        /// Length of the store.
        len: u64,
    },
    /// The version says nothing about how chunks are stored.
    #[error(
        "{device}: version: found {found}, expected 3, 4, 5 or 6; the chunks cannot be counted"
    )]
    UnknownVersion {
        /// Path or name of the store.
        device: String,
        /// The version field.
        found: u32,
    },
    /// The chunk size is zero.
    #[error("{device}: chunksize: found 0; the chunks cannot be counted")]
    ZeroChunk {
        /// Path or name of the store.
        device: String,
    },
    /// Version 6 with FIRST_USE: there is no bitmap content yet.
    #[error(
        "{device}: the kernel is asked to initialise this bitmap (FIRST_USE): its chunk size and states are not chosen yet"
    )]
    FirstUse {
        /// Path or name of the store.
        device: String,
    },
    /// Chunks past the end of the bitmap.
    #[error("{device}: {source}")]
    OutOfRange {
        /// Path or name of the store.
        device: String,
        /// The range and the number of chunks.
        source: OutOfRange,
    },
    /// Chunks whose bits lie past the end of the store cannot be changed.
    #[error(
        "{device}: the bitmap is cut off: it has {chunks} chunks, of which the first {present} are there; chunks up to {end} cannot be changed"
    )]
    CutOff {
        /// Path or name of the store.
        device: String,
        /// Chunks of the bitmap.
        chunks: u64,
        /// Chunks that are there.
        present: u64,
        /// First chunk not wanted.
        end: u64,
    },
    /// Someone else wrote the superblock meanwhile.
    #[error(
        "{device}: the bitmap superblock at byte {start} was changed by something else since it was read; is the array running?"
    )]
    Changed {
        /// Path or name of the store.
        device: String,
        /// Where the superblock starts.
        start: u64,
    },
    /// What was read back differs from what was written.
    #[error(
        "{device}: bytes {start}..{end} were written and flushed, but hold something else when read back"
    )]
    NotWritten {
        /// Path or name of the store.
        device: String,
        /// First byte compared.
        start: u64,
        /// First byte not compared.
        end: u64,
    },
    /// A slot of a clustered bitmap whose place cannot be computed.
    #[error(
        "{device}: slot {slot} of the clustered bitmap lies past the end of the device ({len} bytes)"
    )]
    NoSlot {
        /// Path or name of the store.
        device: String,
        /// Number of the slot.
        slot: u32,
        /// Length of the store.
        len: u64,
    },
}
