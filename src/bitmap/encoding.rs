//! How chunks lie on disk: bits or state bytes, behind one interface.

use super::edit::Mark;
use crate::format::bit_array::{self, BitArray, BitOrder, OutOfRange};
use crate::format::bitmap_super::{BITS_OFFSET, RawBitmapSuper, STATES_OFFSET};
use crate::format::lockless::{self, StateArray, StateCounts};
use std::ops::Range;

/// How the chunks of a bitmap lie on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Versions 3 to 5: one bit a chunk, from byte 256 on.
    Bits(BitOrder),
    /// Version 6: one byte a chunk, from byte 1024 on.
    States,
}

impl Encoding {
    /// The encoding of a version; `None` for versions not known. Only version 3 has an order
    /// other than little (reference/kernel.md 1.3).
    pub fn of(raw: &RawBitmapSuper, order: BitOrder) -> Option<Self> {
        match raw.version {
            3 => Some(Self::Bits(order)),
            4 | 5 => Some(Self::Bits(BitOrder::Little)),
            6 => Some(Self::States),
            _ => None,
        }
    }

    /// Distance of the first chunk's byte from the start of the superblock.
    pub fn header_bytes(self) -> u64 {
        match self {
            Self::Bits(_) => BITS_OFFSET,
            Self::States => STATES_OFFSET,
        }
    }

    /// Bytes that `chunks` chunks need.
    pub fn bytes_for(self, chunks: u64) -> u64 {
        match self {
            Self::Bits(order) => order.bytes_for(chunks),
            Self::States => chunks,
        }
    }

    /// Chunks that `bytes` bytes hold.
    pub fn chunks_in(self, bytes: u64) -> u64 {
        match self {
            Self::Bits(order) => order.bits_in(bytes),
            Self::States => bytes,
        }
    }

    /// The byte, from the first chunk's on, of the word that holds `chunk`.
    pub(super) fn byte_of(self, chunk: u64) -> u64 {
        match self {
            Self::Bits(_) => chunk / 64 * 8,
            Self::States => chunk,
        }
    }

    /// The first chunk in `range` that is dirty, or that is not.
    pub(super) fn find(self, cells: &[u8], range: Range<u64>, dirty: bool) -> Option<u64> {
        match self {
            Self::Bits(order) => BitArray::new(cells, order).find(range, dirty),
            Self::States => StateArray::new(cells).find(range, dirty),
        }
    }

    /// 64 chunks from 64 times `index` on, the first in the lowest bit; `None` where they are not all
    /// there or are no bits.
    #[inline]
    pub(super) fn word(self, cells: &[u8], index: u64) -> Option<u64> {
        match self {
            Self::Bits(order) => BitArray::new(cells, order).whole_word(index),
            Self::States => None,
        }
    }

    /// Dirty chunks in `range`, and their states where there are any.
    pub(super) fn count(self, cells: &[u8], range: Range<u64>) -> (u64, Option<StateCounts>) {
        match self {
            Self::Bits(order) => (BitArray::new(cells, order).count_ones(range), None),
            Self::States => {
                let states = StateArray::new(cells).count(range);
                (states.dirty_chunks(), Some(states))
            }
        }
    }

    /// Marks `range`.
    pub(super) fn mark(
        self,
        cells: &mut [u8],
        range: Range<u64>,
        mark: Mark,
    ) -> Result<(), OutOfRange> {
        match (self, mark) {
            (Self::Bits(order), _) => bit_array::fill(cells, order, range, mark == Mark::Dirty),
            (Self::States, Mark::Dirty) => lockless::set(cells, range),
            (Self::States, Mark::Clean) => lockless::clear(cells, range),
        }
    }
}
