//! From the addresses of a space to what the bitmap counts: the way back of [`super::Mapping`].

use super::{NoSpace, Space};
use crate::array::geometry::{Geometry, Held, Place};
use crate::array::member::{MemberSuper, MetadataVersion};
use crate::units::Sectors;
use std::ops::Range;

/// Where the addresses of a space lie in what a bitmap counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inverse {
    kind: Kind,
    /// The addresses that mean something.
    addresses: Range<Sectors>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Same,
    Stripes { chunk: u64, data: u64 },
    Copy { geometry: Box<Geometry>, slot: u32 },
}

/// Sectors as the bitmap counts that addresses stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The sectors.
    pub bitmap: Range<Sectors>,
    /// Which of the data members' shares of these rows is meant; `None` is the whole of them.
    pub column: Option<u32>,
}

impl Inverse {
    /// What the bitmap counts itself, over its first `size` sectors.
    pub fn bitmap(size: Sectors) -> Inverse {
        Inverse {
            kind: Kind::Same,
            addresses: Sectors(0)..size,
        }
    }

    /// The array's addresses.
    pub fn array(geometry: &Geometry) -> Inverse {
        let kind = match geometry.data_disks() {
            Some(data) if data > 1 => Kind::Stripes {
                chunk: geometry.raid_chunk().0.max(1),
                data: u64::from(data),
            },
            _ => Kind::Same,
        };
        Inverse {
            kind,
            addresses: Sectors(0)..geometry.array_size(),
        }
    }

    /// The addresses of one member: from the start of its data or of its device. `slot` is the one that it holds, and
    /// matters to raid10 alone.
    ///
    /// # Errors
    /// [`NoSpace`].
    pub fn of_member(
        space: Space,
        geometry: &Geometry,
        member: &MemberSuper,
        slot: Option<u32>,
    ) -> Result<Inverse, NoSpace> {
        let start = match space {
            Space::Device if member.metadata == MetadataVersion::DmRaid => {
                return Err(NoSpace::DataElsewhere);
            }
            Space::Device => member.data_offset,
            _ => Sectors(0),
        };
        let end = geometry.member_size().checked_add(start);
        let end = end.ok_or(NoSpace::TooFar { data_offset: start })?;
        let kind = match geometry.data_disks() {
            Some(_) => Kind::Same,
            None => Kind::Copy {
                geometry: Box::new(geometry.clone()),
                slot: slot.ok_or(NoSpace::NoSlot)?,
            },
        };
        Ok(Inverse {
            kind,
            addresses: start..end,
        })
    }

    /// The addresses that stand for something; a raid10 member may have unused ones among them.
    pub fn addresses(&self) -> Range<Sectors> {
        self.addresses.clone()
    }

    /// Data members of which each has a share of what the bitmap counts: 1 unless these are the addresses of an array with
    /// parity.
    pub fn columns(&self) -> u32 {
        match &self.kind {
            Kind::Stripes { data, .. } => u32::try_from(*data).unwrap_or(u32::MAX),
            _ => 1,
        }
    }

    /// What a range of addresses stands for; nothing for those outside [`Inverse::addresses`].
    pub fn parts(&self, range: &Range<Sectors>) -> Parts<'_> {
        let end = range.end.min(self.addresses.end).0;
        let start = range.start.max(self.addresses.start).0;
        let moved = |at: u64| at.saturating_sub(self.addresses.start.0);
        Parts {
            kind: &self.kind,
            rest: moved(start)..moved(end),
        }
    }
}

/// Iterator of what a range of addresses stands for.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    kind: &'a Kind,
    rest: Range<u64>,
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        while self.rest.start < self.rest.end {
            let (start, end) = (self.rest.start, self.rest.end);
            let (bitmap, column, stop) = match self.kind {
                Kind::Same => (Some(start..end), None, end),
                Kind::Stripes { chunk, data } => stripe(*chunk, *data, start, end),
                Kind::Copy { geometry, slot } => copy(geometry, *slot, start, end),
            };
            self.rest.start = stop;
            if let Some(bitmap) = bitmap {
                return Some(Part {
                    bitmap: Sectors(bitmap.start)..Sectors(bitmap.end),
                    column,
                });
            }
        }
        None
    }
}

/// Where the first part of a range lies, whose share it is, and where the range goes on behind it.
type First = (Option<Range<u64>>, Option<u32>, u64);

/// Whole rows at once; else a piece of one data member's chunk. The array's size fits 64 bits, and so do its rows.
fn stripe(chunk: u64, data: u64, start: u64, end: u64) -> First {
    let width = chunk.saturating_mul(data).max(1);
    let (row, within) = (start / width, start % width);
    let whole = end / width;
    if within == 0 && whole > row {
        return (Some(row * chunk..whole * chunk), None, whole * width);
    }
    let (column, offset) = (within / chunk, within % chunk);
    let stop = end.min(start.saturating_add(chunk - offset));
    let first = row * chunk + offset;
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    (Some(first..first + (stop - start)), Some(column), stop)
}

/// What a raid10 member holds, RAID chunk by RAID chunk.
fn copy(geometry: &Geometry, slot: u32, start: u64, end: u64) -> First {
    let chunk = geometry.raid_chunk().0.max(1);
    let stop = end.min((start / chunk + 1).saturating_mul(chunk));
    let place = Place {
        slot,
        sector: Sectors(start),
    };
    match geometry.held_at(place) {
        Held::Data { array, .. } => (Some(array.0..array.0 + (stop - start)), None, stop),
        _ => (None, None, stop),
    }
}
