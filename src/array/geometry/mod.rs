//! Which sector of an array lives where, and back: all levels that can have a bitmap, all their
//! layouts (reference/kernel.md 9).
//!
//! Three spaces. *Array*: sectors of `/dev/mdN`. *Member*: a slot and a sector from the start of
//! that member's data (its device's sector is `data_offset` further). *Bitmap*: what the bitmap
//! counts; the member's sector for raid1, 4, 5 and 6, the array's for raid10. Everything here is
//! arithmetic on validated numbers: no I/O, nothing that can overflow or panic.

mod parity;
mod pieces;
mod raid10;
#[cfg(test)]
mod tests;

use super::member::MemberSuper;
use super::sync_size::{self, Raid10Layout, SizeError};
use crate::format::level::Level;
use crate::units::Sectors;
use parity::ParityShape;
pub use pieces::{ArrayPieces, MemberPieces};
use raid10::Raid10Shape;
use std::ops::Range;

/// Slots that superblocks can describe: 1.x has 1920 roles at most.
const MAX_MEMBERS: u32 = crate::format::md_v1::MAX_ROLES;

/// Why an array's geometry cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The superblock's numbers make no array, or one whose layout is refused.
    #[error(transparent)]
    Size(#[from] SizeError),
}

/// A parity block of a stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parity {
    /// The exclusive or of the data.
    P,
    /// raid6's second syndrome.
    Q,
}

/// A sector of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Raid slot.
    pub slot: u32,
    /// Sectors from the start of the member's data.
    pub sector: Sectors,
}

/// Where a sector of the array is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its copies, in the kernel's order (raid1: by slot; raid10: near copy 0, its far copies,
    /// near copy 1, ...). The index is the number of the copy. One for raid4, 5 and 6.
    pub copies: Vec<Place>,
    /// The parity sectors that cover it: none, P, or P and Q.
    pub parity: Vec<(Parity, Place)>,
    /// The row of RAID chunks that it belongs to; 0 for raid1, which has none.
    pub stripe: u64,
    /// The sector as the bitmap counts.
    pub bitmap: Sectors,
}

/// What a sector of a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A copy of a sector of the array.
    Data {
        /// Sector of the array.
        array: Sectors,
        /// Number of the copy: an index into [`Located::copies`].
        copy: u32,
    },
    /// Parity.
    Parity {
        /// Which.
        which: Parity,
        /// The row of RAID chunks that it covers.
        stripe: u64,
    },
    /// Nothing: behind the used part of the member, or the unused end of the last raid10 row.
    Unused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Mirror,
    Parity(ParityShape),
    Raid10(Raid10Shape),
}

/// The geometry of one array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    level: Level,
    raid_disks: u32,
    raid_chunk: Sectors,
    array_size: Sectors,
    member_size: Sectors,
    sync_size: Sectors,
    shape: Shape,
}

impl Geometry {
    /// The geometry of the array that a superblock describes.
    ///
    /// # Errors
    /// [`GeometryError`] for a level without bitmap, a reshape under way, numbers that the kernel
    /// refuses, and raid10 layouts in which copies collide.
    pub fn of(member: &MemberSuper) -> Result<Geometry, GeometryError> {
        let sync_size = sync_size::expected(member)?;
        let component = sync_size::component(member)?;
        let (level, raid_disks) = (member.level, member.raid_disks);
        if !(1..=MAX_MEMBERS).contains(&raid_disks) {
            return Err(SizeError::RaidDisks { level, raid_disks }.into());
        }
        let chunk = member.raid_chunk;
        let (shape, member_size, array_size) = match level {
            Level::Raid10 => {
                let layout = Raid10Layout::decode(member.layout, raid_disks)?;
                let shape = Raid10Shape::new(layout, raid_disks, chunk, component, sync_size);
                let member_size = shape.member_size();
                (Shape::Raid10(shape), member_size, sync_size)
            }
            Level::Raid4 | Level::Raid5 | Level::Raid6 => {
                let shape = ParityShape::new(level, member.layout, raid_disks, chunk);
                let array_size = sync_size
                    .checked_mul(u64::from(shape.data_disks()))
                    .ok_or(SizeError::Overflow)?;
                (Shape::Parity(shape), sync_size, array_size)
            }
            _ => (Shape::Mirror, sync_size, sync_size),
        };
        Ok(Geometry {
            level,
            raid_disks,
            raid_chunk: chunk,
            array_size,
            member_size,
            sync_size,
            shape,
        })
    }

    /// The RAID level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Slots of the array.
    pub fn raid_disks(&self) -> u32 {
        self.raid_disks
    }

    /// The layout in mdadm's words; empty for levels that have but one.
    pub fn layout_name(&self) -> String {
        match &self.shape {
            Shape::Mirror => String::new(),
            Shape::Parity(shape) => shape.name().to_owned(),
            Shape::Raid10(shape) => shape.name(),
        }
    }

    /// Sectors of a RAID chunk; whatever the superblock says (0 as a rule) for raid1, which has none.
    pub fn raid_chunk(&self) -> Sectors {
        self.raid_chunk
    }

    /// Length of `/dev/mdN`.
    pub fn array_size(&self) -> Sectors {
        self.array_size
    }

    /// Sectors used on each member, from the start of its data.
    pub fn member_size(&self) -> Sectors {
        self.member_size
    }

    /// Sectors that a bitmap of this array counts.
    pub fn sync_size(&self) -> Sectors {
        self.sync_size
    }

    /// Copies of each sector: the members of a mirror, near times far for raid10, 1 with parity.
    pub fn copies(&self) -> u32 {
        match &self.shape {
            Shape::Mirror => self.raid_disks,
            Shape::Parity(_) => 1,
            Shape::Raid10(shape) => shape.copies(),
        }
    }

    /// Members whose worth of data a row holds: `raid_disks` less parity; 1 for raid1, `None` for
    /// raid10, where it need not be whole.
    pub fn data_disks(&self) -> Option<u32> {
        match &self.shape {
            Shape::Mirror => Some(1),
            Shape::Parity(shape) => Some(shape.data_disks()),
            Shape::Raid10(_) => None,
        }
    }

    /// Where a sector of the array is stored; `None` behind its end.
    pub fn locate(&self, array: Sectors) -> Option<Located> {
        if array >= self.array_size {
            return None;
        }
        Some(match &self.shape {
            Shape::Mirror => Located {
                copies: (0..self.raid_disks)
                    .map(|slot| Place {
                        slot,
                        sector: array,
                    })
                    .collect(),
                parity: Vec::new(),
                stripe: 0,
                bitmap: array,
            },
            Shape::Parity(shape) => shape.locate(array),
            Shape::Raid10(shape) => shape.locate(array),
        })
    }

    /// What a sector of a member holds. Slots that the array has not hold nothing.
    pub fn held_at(&self, place: Place) -> Held {
        if place.slot >= self.raid_disks || place.sector >= self.member_size {
            return Held::Unused;
        }
        match &self.shape {
            Shape::Mirror => Held::Data {
                array: place.sector,
                copy: place.slot,
            },
            Shape::Parity(shape) => shape.held_at(place),
            Shape::Raid10(shape) => shape.held_at(place),
        }
    }

    /// The sector, as the bitmap counts, of a sector of the array; `None` behind its end.
    pub fn bitmap_of_array(&self, array: Sectors) -> Option<Sectors> {
        if array >= self.array_size {
            return None;
        }
        Some(match &self.shape {
            Shape::Mirror | Shape::Raid10(_) => array,
            Shape::Parity(shape) => shape.bitmap_of_array(array),
        })
    }

    /// The smallest bitmap range that holds all sectors of an array range, clipped to the array.
    pub fn bitmap_of_array_range(&self, array: Range<Sectors>) -> Range<Sectors> {
        let array = clip(&array, self.array_size);
        match &self.shape {
            Shape::Parity(shape) if array.start < array.end => shape.bitmap_of_range(array),
            _ => array,
        }
    }

    /// The bitmap range that the kernel marks before a write to an array range: with parity,
    /// whole rows of RAID chunks (reference/kernel.md 3.3).
    pub fn bitmap_of_write(&self, array: Range<Sectors>) -> Range<Sectors> {
        let array = clip(&array, self.array_size);
        match &self.shape {
            Shape::Parity(shape) if array.start < array.end => shape.bitmap_of_write(array),
            _ => array,
        }
    }

    /// True when kernels with the defect of tests/vm/scenarios/unmarked-rows.sh (seen on 6.12.107,
    /// not on 6.1, 7.2 and 7.3) leave rows of this array unmarked that they write to: parity, and
    /// a number of data members that is no power of two. What such a kernel wrote may differ
    /// wherever its bitmap says clean.
    pub fn rows_may_go_unmarked(&self) -> bool {
        match &self.shape {
            Shape::Parity(shape) => !shape.data_disks().is_power_of_two(),
            _ => false,
        }
    }

    /// What kernels with that defect mark before a write instead of [`Self::bitmap_of_write`]:
    /// they round to rows by masking bits. It may leave out rows of the write, or be empty.
    pub fn bitmap_of_masked_write(&self, array: Range<Sectors>) -> Range<Sectors> {
        let array = clip(&array, self.array_size);
        match &self.shape {
            Shape::Parity(shape) if array.start < array.end => shape.bitmap_of_masked_write(array),
            _ => array,
        }
    }

    /// The sector, as the bitmap counts, of a sector of a member; `None` where it holds nothing.
    pub fn bitmap_of_member(&self, place: Place) -> Option<Sectors> {
        match (self.held_at(place), &self.shape) {
            (Held::Unused, _) => None,
            (Held::Data { array, .. }, Shape::Raid10(_)) => Some(array),
            _ => Some(place.sector),
        }
    }

    /// The array sectors that the parity at `place` covers, one for each data member, in the
    /// order of the array; empty where `place` holds no parity.
    pub fn covered_by_parity(&self, place: Place) -> Vec<Sectors> {
        match (self.held_at(place), &self.shape) {
            (Held::Parity { .. }, Shape::Parity(shape)) => shape.covered(place.sector),
            _ => Vec::new(),
        }
    }

    /// The exponent e of this slot's data in Q's sum of g^e times data, for the stripe
    /// (reference/kernel.md 9.2); `None` for P and Q themselves and for other levels.
    pub fn q_exponent(&self, stripe: u64, slot: u32) -> Option<u32> {
        match &self.shape {
            Shape::Parity(shape) if slot < self.raid_disks => shape.q_exponent(stripe, slot),
            _ => None,
        }
    }

    /// The ascending pieces of member `slot` that copy number `copy` of a bitmap range occupies.
    ///
    /// raid1, 4, 5 and 6 (parity included): the range itself, as copy 0; other copies have no
    /// pieces, so that all copies together cover the slot once, whatever the level.
    pub fn member_pieces(&self, slot: u32, copy: u32, bitmap: Range<Sectors>) -> MemberPieces {
        let range = clip(&bitmap, self.sync_size);
        if slot >= self.raid_disks || copy >= self.copies() || range.start >= range.end {
            return MemberPieces::none();
        }
        match &self.shape {
            Shape::Raid10(shape) => shape.member_pieces(slot, copy, range),
            _ if copy == 0 => MemberPieces::one(range),
            _ => MemberPieces::none(),
        }
    }

    /// The ascending pieces of the array that a bitmap range covers: with parity, each data
    /// member's exact piece of each row, nothing for parity; else the range itself.
    pub fn array_pieces(&self, bitmap: Range<Sectors>) -> ArrayPieces {
        let range = clip(&bitmap, self.sync_size);
        match &self.shape {
            _ if range.start >= range.end => ArrayPieces::none(),
            Shape::Parity(shape) => shape.array_pieces(range),
            Shape::Mirror | Shape::Raid10(_) => ArrayPieces::one(range),
        }
    }
}

/// The part of a range below `end`; empty ranges come out empty.
fn clip(range: &Range<Sectors>, end: Sectors) -> Range<Sectors> {
    let stop = range.end.min(end);
    range.start.min(stop)..stop
}
