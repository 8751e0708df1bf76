//! Compares data: that of a device with the members ([`Comparer`]), or that of all members of an array
//! ([`Agreement`]).
//!
//! Mirrors and raid10 directly with another copy; raid4, 5 and 6 by parity, for which every other
//! member is needed. Read only, in large requests to all devices at once; memory is bounded.

mod agreement;
mod copies;
mod parity;
mod reading;
#[cfg(test)]
mod tests;

use crate::array::geometry::{Geometry, Held, Place};
use crate::device::{Store, StoreError};
use crate::format::level::Level;
use crate::units::{SECTOR_BYTES, Sectors};
pub use agreement::Agreement;
use reading::Reader;
use std::ops::Range;

/// Memory for the data of all devices together. Small in tests, so that they read more than once.
const MEMORY: u64 = if cfg!(test) { 40 << 10 } else { 32 << 20 };

/// The most that is read of one device at a time.
const LARGEST_WINDOW: u64 = 4 << 20;

/// A device whose data is read.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The slot that it holds, or held.
    pub slot: u32,
    /// Where it is read from; past the page cache if the array runs (reference/kernel.md trap 17).
    pub store: &'a dyn Store,
    /// Where its data starts.
    pub data_offset: Sectors,
}

impl std::fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (slot {})", self.store.name(), self.slot)
    }
}

/// Why data cannot be compared at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotCompare {
    /// Parity can be checked with all members alone.
    #[error(
        "the parity of a {level} can be checked only with all other members; slot {slot} is not at hand"
    )]
    MemberMissing {
        /// The level.
        level: Level,
        /// The slot of one that is missing.
        slot: u32,
    },
    /// Whether members agree can be said of all of them alone.
    #[error(
        "whether the members of a {level} agree can be told only with all of them; slot {slot} is not at hand"
    )]
    NotAll {
        /// The level.
        level: Level,
        /// The slot of one that is missing.
        slot: u32,
    },
    /// No other copy is at hand.
    #[error("no current member that could be read holds what this device should hold")]
    NoOther,
    /// The slot does not exist.
    #[error("the array has no slot {slot}, which the device held")]
    NoSuchSlot {
        /// The slot.
        slot: u32,
    },
}

/// Compares a device with the members of its array.
#[derive(Debug)]
pub struct Comparer<'a> {
    geometry: Geometry,
    device: Side<'a>,
    others: Vec<Side<'a>>,
    reader: Reader,
    /// Sectors of each device that are read at a time.
    window: u64,
}

impl<'a> Comparer<'a> {
    /// Compares `device` with the current members `others`, in the order in which they are asked.
    ///
    /// # Errors
    /// [`CannotCompare`].
    pub fn new(
        geometry: Geometry,
        device: Side<'a>,
        others: Vec<Side<'a>>,
    ) -> Result<Comparer<'a>, CannotCompare> {
        let (level, slot) = (geometry.level(), device.slot);
        if slot >= geometry.raid_disks() && level != Level::Raid1 {
            return Err(CannotCompare::NoSuchSlot { slot });
        }
        let at_hand = |slot: u32| others.iter().any(|other| other.slot == slot);
        if level.has_parity() {
            let mut needed = (0..geometry.raid_disks()).filter(|needed| *needed != slot);
            if let Some(slot) = needed.find(|slot| !at_hand(*slot)) {
                return Err(CannotCompare::MemberMissing { level, slot });
            }
        }
        if others.is_empty() {
            return Err(CannotCompare::NoOther);
        }
        let window = window(&geometry, others.len() as u64 + 1);
        Ok(Comparer {
            geometry,
            device,
            others,
            reader: Reader::default(),
            window,
        })
    }

    /// Sectors, as the bitmap counts, that one call of [`Comparer::differing`] may be asked for.
    pub fn window(&self) -> Sectors {
        Sectors(self.window)
    }

    /// The sectors of a range of at most one window, as the bitmap counts, in which the device
    /// differs from the members: ascending.
    ///
    /// # Errors
    /// The read error when the device cannot be read there, or no member can be in its stead.
    pub fn differing(&mut self, range: Range<Sectors>) -> Result<Vec<Sectors>, StoreError> {
        let mut found = match self.geometry.level() {
            level if level.has_parity() => self.by_parity(range),
            _ => self.by_copies(range),
        }?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// Sectors of each of so many devices that are read at a time: whole RAID chunks, where that many fit.
fn window(geometry: &Geometry, sides: u64) -> u64 {
    let bytes = (MEMORY / sides.max(1)).clamp(4 << 10, LARGEST_WINDOW);
    let unit = geometry.raid_chunk().0.max(1);
    let sectors = bytes / SECTOR_BYTES;
    match geometry.level() {
        Level::Raid1 => sectors,
        _ => (sectors / unit * unit).max(sectors.min(unit)),
    }
}

/// The numbers of the sectors in which two buffers of equal length differ.
fn different_sectors<'b>(a: &'b [u8], b: &'b [u8]) -> impl Iterator<Item = u64> + 'b {
    let equal = a == b;
    let pairs = a
        .chunks(SECTOR_BYTES as usize)
        .zip(b.chunks(SECTOR_BYTES as usize));
    (0..)
        .zip(pairs)
        .take(if equal { 0 } else { usize::MAX })
        .filter(|(_, (a, b))| a != b)
        .map(|(sector, _)| sector)
}

fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors.saturating_mul(SECTOR_BYTES)).unwrap_or(usize::MAX)
}

/// What a slot holds at a sector; see [`Geometry::held_at`].
fn held(geometry: &Geometry, slot: u32, sector: u64) -> Held {
    geometry.held_at(Place {
        slot,
        sector: Sectors(sector),
    })
}
