//! Where a new bitmap can go: a place that is free on every member in sync and every spare.
//!
//! All members have their bitmap at the same distance from their superblocks, and a spare gets it there when it is
//! put to use. So what counts are the stretches that are free on all of them, counted from each one's superblock:
//! neither superblock, bad-block log, partial parity log nor data, on the device, and where the kernel keeps
//! a bitmap at all (reference/kernel.md 4.2, 7.4, R8).

mod stretch;
#[cfg(test)]
mod tests;

use self::stretch::{common, of_device};
use super::refusal::{PlanError, Refusal};
use super::stopped::StoppedArray;
use crate::array::overlap;
use crate::format::bitmap_super::{BITS_OFFSET, RawBitmapSuper, STATES_OFFSET};
use crate::format::coverage::Coverage;
use crate::format::placement::area::BLOCK_SECTORS;
use crate::format::placement::v1::{self, Kind, Request};
use crate::format::placement::{ChunkSize, v090};
use crate::units::{SECTOR_BYTES, Sectors};
use std::ops::Range;

/// Sectors that mdadm reserves for a lockless bitmap, and the most that it takes for a classic one of its own accord
/// (reference/mdadm.md 1.4, 2.4).
pub const USUAL_SECTORS: u64 = v1::LOCKLESS_SECTORS;

/// The smallest chunk of a lockless bitmap: what the kernel itself starts from (reference/kernel.md 6.3). Below a page
/// of memory, which may have 64 KiB, its resync of mirrors stops at a BUG.
pub const SMALLEST_LOCKLESS_CHUNK: ChunkSize = match ChunkSize::new(64 << 10) {
    Ok(chunk) => chunk,
    Err(_) => ChunkSize::LARGEST,
};

/// How chunks are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Bits, in one slot or one for each node of a cluster.
    Bits {
        /// Slots.
        slots: u32,
    },
    /// A byte each (version 6).
    States,
}

/// A place for a bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Sectors from each superblock.
    pub offset: i32,
    /// Sectors that one slot takes.
    pub slot_sectors: u64,
}

/// The room that there is on all members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    sync_size: Sectors,
    /// Free on all, ascending, in sectors from the superblock.
    free: Vec<Range<i64>>,
    /// What lies around the largest, for people.
    around: String,
    /// The place is given by the metadata (0.90).
    fixed: bool,
    /// The largest logical block of a member, in sectors: the kernel writes no less.
    block: u64,
    /// Where mdadm would put a classic bitmap with a chunk of this size, if it says the same of all members.
    members: Vec<v1::Member>,
}

impl Room {
    /// The room on the members of an array.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when a superblock contradicts itself.
    pub fn of(array: &StoppedArray<'_>) -> Result<Room, PlanError> {
        let mut free: Option<Vec<Range<i64>>> = None;
        let mut members = Vec::new();
        let mut block = 1;
        let mut fixed = false;
        for place in array.current().chain(array.spares()) {
            let Some(device) = array.devices.get(place) else {
                continue;
            };
            let own = of_device(device)?;
            fixed |= own.member.is_none();
            members.extend(own.member);
            // A damaged superblock may say anything: part of a sector is one.
            block =
                block.max(u64::from(device.member().logical_block_bytes).div_ceil(SECTOR_BYTES));
            free = Some(match free {
                Some(so_far) => common(&so_far, &own.free),
                None => own.free,
            });
        }
        let free = free.unwrap_or_default();
        let around = match largest(&free) {
            Some(stretch) => stretch::around(array, &stretch)?,
            None => String::new(),
        };
        Ok(Room {
            sync_size: array.sync_size(),
            free,
            around,
            fixed,
            block,
            members,
        })
    }

    /// True when nothing but the bitmap may lie in these sectors, on all members.
    pub fn is_free(&self, offset: i64, sectors: u64) -> bool {
        let end = i64::try_from(sectors)
            .ok()
            .and_then(|sectors| offset.checked_add(sectors));
        end.is_some_and(|end| {
            let holds = |stretch: &Range<i64>| stretch.start <= offset && end <= stretch.end;
            self.free.iter().any(holds)
        })
    }

    /// True when a bitmap with this superblock can stay `offset` sectors from the superblocks: all that it takes or
    /// reserves is free.
    pub fn holds(&self, raw: &RawBitmapSuper, offset: i64) -> bool {
        let block = u32::try_from(self.block * SECTOR_BYTES).unwrap_or(u32::MAX);
        let array_sized = RawBitmapSuper {
            sync_size_sectors: self.sync_size.0,
            ..raw.clone()
        };
        let extent = overlap::extent(&array_sized, crate::units::Bytes(0), block);
        self.is_free(offset, extent.end.div_ceil(SECTOR_BYTES))
    }

    /// Sectors of the largest stretch.
    pub fn largest(&self) -> u64 {
        largest(&self.free).map_or(0, |stretch| length(&stretch))
    }

    /// The place for chunks of this size: `present`, if they fit there; else where mdadm would put them; else the
    /// smallest stretch that holds them.
    ///
    /// # Errors
    /// [`PlanError::Refused`], with the smallest chunk that fits and what is in the way.
    pub fn place(
        &self,
        shape: Shape,
        chunk: ChunkSize,
        present: Option<i32>,
    ) -> Result<Spot, PlanError> {
        if shape == Shape::States && chunk < SMALLEST_LOCKLESS_CHUNK {
            return Err(PlanError::refuse(
                "chunk-too-small",
                format!(
                    "chunks of {chunk} are too small for a lockless bitmap: at least {SMALLEST_LOCKLESS_CHUNK}, \
                     the smallest that the kernel itself chooses"
                ),
            ));
        }
        let sizes = self.sizes(shape, chunk);
        // A few sectors less are better than a move; a lockless bitmap is better moved than without its reserve.
        let stays = match shape {
            Shape::Bits { .. } => sizes
                .iter()
                .find_map(|sectors| self.stays(shape, *sectors, present?)),
            Shape::States => None,
        };
        let anywhere = || {
            sizes.iter().find_map(|sectors| {
                let stays = present.and_then(|present| self.stays(shape, *sectors, present));
                stays.or_else(|| self.goes(shape, chunk, *sectors))
            })
        };
        stays
            .or_else(anywhere)
            .ok_or_else(|| self.no_room(shape, chunk).into())
    }

    /// The chunk of a bitmap for which none was named: the usual one, or the smallest above it that fits.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when none fits.
    pub fn usual_chunk(&self, shape: Shape) -> Result<ChunkSize, PlanError> {
        let usual = match shape {
            Shape::Bits { .. } => ChunkSize::MDADM_DEFAULT,
            Shape::States => SMALLEST_LOCKLESS_CHUNK,
        };
        let modest = |chunk: &ChunkSize| {
            let needed = self.needed(shape, *chunk);
            needed.is_some_and(|bytes| bytes <= USUAL_SECTORS * SECTOR_BYTES)
        };
        let all = || chunks().filter(|chunk| *chunk >= usual && self.fits(shape, *chunk));
        all()
            .find(modest)
            .or_else(|| all().next())
            .ok_or_else(|| self.no_room(shape, usual).into())
    }

    /// The smallest chunk that fits anywhere.
    pub fn smallest_chunk(&self, shape: Shape) -> Option<ChunkSize> {
        let least = match shape {
            Shape::Bits { .. } => ChunkSize::SMALLEST,
            Shape::States => SMALLEST_LOCKLESS_CHUNK,
        };
        chunks()
            .filter(|chunk| *chunk >= least)
            .find(|chunk| self.fits(shape, *chunk))
    }

    fn fits(&self, shape: Shape, chunk: ChunkSize) -> bool {
        let mut sizes = self.sizes(shape, chunk).into_iter();
        sizes.any(|sectors| self.goes(shape, chunk, sectors).is_some())
    }

    /// Bytes of header and chunks of one slot.
    fn needed(&self, shape: Shape, chunk: ChunkSize) -> Option<u64> {
        let chunks = Coverage::new(self.sync_size, chunk.bytes())?.chunks();
        match shape {
            Shape::Bits { .. } => chunks.div_ceil(8).checked_add(BITS_OFFSET),
            // The kernel forgets the bytes before the states when it counts (reference/kernel.md trap 3).
            Shape::States => chunks.checked_add(STATES_OFFSET),
        }
    }

    /// Sectors that a slot may take, the best first: whole blocks of 4 KiB, or, where these do not fit, what the
    /// kernel writes at least. A lockless bitmap reserves what mdadm reserves, if there is room.
    fn sizes(&self, shape: Shape, chunk: ChunkSize) -> Vec<u64> {
        let Some(bytes) = self.needed(shape, chunk) else {
            return Vec::new();
        };
        if self.fixed {
            // All of it is written, as mdadm does (reference/mdadm.md 2.1).
            let fits = bytes <= v090::AREA.0 && shape == (Shape::Bits { slots: 1 });
            return fits
                .then_some(v090::AREA.0 / SECTOR_BYTES)
                .into_iter()
                .collect();
        }
        let sectors = bytes.div_ceil(SECTOR_BYTES);
        let blocks = sectors
            .div_ceil(BLOCK_SECTORS)
            .saturating_mul(BLOCK_SECTORS);
        match shape {
            Shape::States => {
                let mut sizes = vec![blocks.max(USUAL_SECTORS), blocks];
                // What is reserved has a field of 32 bits.
                sizes.retain(|size| u32::try_from(*size).is_ok());
                sizes
            }
            // Slots begin at multiples of 4 KiB (reference/kernel.md 1.4).
            Shape::Bits { slots: 2.. } => vec![blocks],
            Shape::Bits { .. } => {
                let least = sectors.div_ceil(self.block).saturating_mul(self.block);
                // Damage, or a device of blocks above 4 KiB: less than one of them is never written.
                vec![blocks.max(least), least]
            }
        }
    }

    /// The place at `offset`, if it is free.
    fn stays(&self, shape: Shape, slot_sectors: u64, offset: i32) -> Option<Spot> {
        let sectors = slot_sectors.checked_mul(u64::from(slots(shape)))?;
        let aligned = i64::from(offset).rem_euclid(BLOCK_SECTORS as i64) == 0;
        let may_be_odd = matches!(shape, Shape::Bits { slots: 0..2 });
        let fits = (aligned || may_be_odd) && self.is_free(i64::from(offset), sectors);
        fits.then_some(Spot {
            offset,
            slot_sectors,
        })
    }

    /// mdadm's place, or the smallest stretch that is large enough.
    fn goes(&self, shape: Shape, chunk: ChunkSize, slot_sectors: u64) -> Option<Spot> {
        let sectors = slot_sectors.checked_mul(u64::from(slots(shape)))?;
        let mdadms = self.mdadms(shape, chunk);
        let mdadms = mdadms.and_then(|offset| self.stays(shape, slot_sectors, offset));
        mdadms.or_else(|| {
            let start = |stretch: &Range<i64>| stretch::aligned(stretch, sectors);
            let fitting = self.free.iter().filter(|stretch| start(stretch).is_some());
            let offset = start(fitting.min_by_key(|stretch| length(stretch))?)?;
            Some(Spot {
                offset,
                slot_sectors,
            })
        })
    }

    /// Where mdadm would put it, if that is the same place on all members.
    fn mdadms(&self, shape: Shape, chunk: ChunkSize) -> Option<i32> {
        let kind = match shape {
            Shape::Bits { .. } => Kind::Classic(Some(chunk)),
            Shape::States => Kind::Lockless,
        };
        let request = Request {
            sync_size: self.sync_size,
            may_change: true,
            kind,
        };
        let place = |member: &v1::Member| v1::place_as_mdadm(member, &request).ok();
        let mut places = self
            .members
            .iter()
            .map(|member| Some(place(member)?.offset));
        let first = places.next()??;
        places.all(|place| place == Some(first)).then_some(first)
    }

    /// What is to be said when chunks of this size fit nowhere.
    fn no_room(&self, shape: Shape, chunk: ChunkSize) -> Refusal {
        let needed = self.needed(shape, chunk).unwrap_or(u64::MAX);
        let what = match slots(shape) {
            1 => format!("a bitmap of {needed} bytes"),
            slots => format!(
                "a bitmap of {slots} slots with {} bytes each",
                needed.div_ceil(4096).saturating_mul(4096)
            ),
        };
        let there = match self.largest() {
            0 => "there is no stretch that is free on all members".to_owned(),
            sectors => format!(
                "the largest stretch that is free on all members has {} bytes ({})",
                sectors.saturating_mul(SECTOR_BYTES),
                self.around
            ),
        };
        let advice = match self.smallest_chunk(shape) {
            Some(smallest) => format!("the smallest chunk that fits is {smallest}"),
            None => "no chunk size makes it fit".to_owned(),
        };
        Refusal::new(
            "no-room",
            format!("chunks of {chunk} make {what}, and {there}; {advice}"),
        )
    }
}

fn slots(shape: Shape) -> u32 {
    match shape {
        Shape::Bits { slots } => slots.max(1),
        Shape::States => 1,
    }
}

/// All chunk sizes, ascending.
fn chunks() -> impl Iterator<Item = ChunkSize> {
    (9..=31).filter_map(|shift| ChunkSize::new(1 << shift).ok())
}

fn length(stretch: &Range<i64>) -> u64 {
    u64::try_from(stretch.end.saturating_sub(stretch.start)).unwrap_or_default()
}

/// The largest stretch, of equals the first.
fn largest(free: &[Range<i64>]) -> Option<Range<i64>> {
    let all = free.iter().rev();
    all.max_by_key(|stretch| length(stretch)).cloned()
}
