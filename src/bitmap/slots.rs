//! The slots of a clustered bitmap (version 5): one bitmap a node, one after the other.

use super::error::BitmapError;
use super::view::Bitmap;
use crate::format::bitmap_super::BITS_OFFSET;
use crate::units::Bytes;

/// Slots that are looked at at most. A real cluster has a few dozen nodes; a hostile superblock
/// may claim four billion.
pub const MAX_SLOTS: u32 = 1024;

/// Slots begin at multiples of this many bytes.
const SLOT_ALIGN: u128 = 4096;

impl<'a> Bitmap<'a> {
    /// Number of slots that the superblock claims, at least 1: a version 5 bitmap with 0 nodes is
    /// a plain one (reference/kernel.md 2.1).
    pub fn slot_count(&self) -> u32 {
        match self.raw.version {
            5 => self.raw.nodes.max(1),
            _ => 1,
        }
    }

    /// Where slot `slot` starts, if this bitmap is slot 0: each slot takes its superblock and
    /// bits, rounded up to 4 KiB (reference/kernel.md 1.4).
    ///
    /// # Errors
    /// [`BitmapError::NoSlot`] when it would start past the end of the store; as
    /// [`Bitmap::count`] without a usable geometry (slot 0 excepted).
    pub fn slot_start(&self, slot: u32) -> Result<Bytes, BitmapError> {
        if slot == 0 {
            return Ok(self.start());
        }
        let area = self.area()?;
        let bytes = u128::from(area.chunks.div_ceil(8)) + u128::from(BITS_OFFSET);
        let stride = bytes.next_multiple_of(SLOT_ALIGN);
        let start = u128::from(self.start) + stride * u128::from(slot);
        let len = self.store.len().0;
        match u64::try_from(start) {
            Ok(start) if start < len => Ok(Bytes(start)),
            _ => Err(BitmapError::NoSlot {
                device: self.store.name().to_owned(),
                slot,
                len,
            }),
        }
    }

    /// Opens slot `slot`, if this bitmap is slot 0. A slot has a superblock of its own, which is
    /// not checked.
    ///
    /// # Errors
    /// As [`Bitmap::slot_start`] and [`Bitmap::open`].
    pub fn slot(&self, slot: u32) -> Result<Bitmap<'a>, BitmapError> {
        let start = self.slot_start(slot)?;
        Bitmap::open(self.store, start, self.order())
    }

    /// Every slot that the superblock claims, up to [`MAX_SLOTS`], with its number.
    pub fn slots(&self) -> impl Iterator<Item = (u32, Result<Bitmap<'a>, BitmapError>)> {
        (0..self.slot_count().min(MAX_SLOTS)).map(|slot| (slot, self.slot(slot)))
    }
}
