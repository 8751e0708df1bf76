//! From what the bitmap counts to the addresses of a space.

use super::dirt::Dirt;
use super::merge::{Coalesced, Merged};
use super::stripes::Stripes;
use super::{Pieces, Space};
use crate::array::geometry::{Geometry, MemberPieces};
use crate::array::member::{MemberSuper, MetadataVersion};
use crate::bitmap::BitmapError;
use crate::units::Sectors;
use std::ops::Range;

/// Dirty pieces of one stripe that are kept in memory at most, 4 MiB of them.
const MAX_PIECES: u64 = 1 << 19;

/// Why extents cannot be told in a space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSpace {
    /// dm-raid: the data is on another device.
    #[error(
        "this is the metadata device of an LVM RAID volume, and the data is on another one (rmeta and rimage); \
         --space=member counts from the start of that data device"
    )]
    DataElsewhere,
    /// A raid10 member without a slot holds nothing that could be told.
    #[error("this member holds no slot of the array, so what it stores is unknown")]
    NoSlot,
    /// Addresses beyond 64 bits.
    #[error("data_offset: found {data_offset}, with which the data ends past 2^64 sectors")]
    TooFar {
        /// The offset found.
        data_offset: Sectors,
    },
    /// Putting a stripe in order would take too much memory.
    #[error(
        "a RAID chunk of {raid_chunk} sectors has too many bitmap chunks of {finest} sectors to be put in order; \
         use --space=member"
    )]
    StripeTooLarge {
        /// Sectors of a RAID chunk.
        raid_chunk: Sectors,
        /// Sectors of the smallest bitmap chunk.
        finest: u64,
    },
}

/// How what a bitmap counts becomes extents of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    kind: Kind,
    /// Added to every address.
    shift: Sectors,
    /// End of the addresses.
    end: Sectors,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Same,
    Stripes { chunk: Sectors, data: u32 },
    Copies { geometry: Box<Geometry>, slot: u32 },
}

impl Mapping {
    /// What the bitmap counts, over its first `size` sectors.
    pub fn bitmap(size: Sectors) -> Mapping {
        Mapping {
            kind: Kind::Same,
            shift: Sectors(0),
            end: size,
        }
    }

    /// The array's addresses, for `dirt` over the geometry's sync size.
    ///
    /// # Errors
    /// [`NoSpace::StripeTooLarge`].
    pub fn array(geometry: &Geometry, dirt: &Dirt<'_>) -> Result<Mapping, NoSpace> {
        let kind = match geometry.data_disks() {
            Some(data) if data > 1 => {
                let (chunk, finest) = (geometry.raid_chunk(), dirt.finest());
                if chunk.0 / finest / 2 > MAX_PIECES {
                    return Err(NoSpace::StripeTooLarge {
                        raid_chunk: chunk,
                        finest,
                    });
                }
                Kind::Stripes { chunk, data }
            }
            // A mirror, raid10, and parity over one data disk: a mirror, too.
            _ => Kind::Same,
        };
        Ok(Mapping {
            kind,
            shift: Sectors(0),
            end: geometry.array_size(),
        })
    }

    /// The addresses of one member: from the start of its data or of its device. `slot` is the one
    /// that it holds, and matters to raid10 alone.
    ///
    /// # Errors
    /// [`NoSpace`].
    pub fn of_member(
        space: Space,
        geometry: &Geometry,
        member: &MemberSuper,
        slot: Option<u32>,
    ) -> Result<Mapping, NoSpace> {
        let shift = match space {
            Space::Device if member.metadata == MetadataVersion::DmRaid => {
                return Err(NoSpace::DataElsewhere);
            }
            Space::Device => member.data_offset,
            _ => Sectors(0),
        };
        let end = geometry.member_size().checked_add(shift);
        let end = end.ok_or(NoSpace::TooFar { data_offset: shift })?;
        let kind = match geometry.data_disks() {
            Some(_) => Kind::Same,
            None => Kind::Copies {
                geometry: Box::new(geometry.clone()),
                slot: slot.ok_or(NoSpace::NoSlot)?,
            },
        };
        Ok(Mapping { kind, shift, end })
    }

    /// The end of the addresses that extents can have.
    pub fn end(&self) -> Sectors {
        self.end
    }

    /// True when extents are the ranges of the bitmap themselves, perhaps moved as a whole.
    pub fn is_plain(&self) -> bool {
        self.kind == Kind::Same
    }

    /// The extents of what `open` gives: ascending and apart from each other. `open` is called once
    /// for each ascending sequence that the space holds, with the number of such sequences, and
    /// must give the same ranges, sorted and apart, each time.
    ///
    /// # Errors
    /// Those of `open`; later ones come from the stream, which ends after the first.
    pub fn extents<'a, E: 'a>(
        &'a self,
        open: &dyn Fn(u32) -> Result<Pieces<'a, E>, E>,
    ) -> Result<Pieces<'a, E>, E> {
        let pieces: Pieces<'a, E> = match &self.kind {
            Kind::Same => open(1)?,
            Kind::Stripes { chunk, data } => {
                let stripes = Stripes::new(open(1)?, *chunk, *data);
                Box::new(Coalesced::new(stripes))
            }
            Kind::Copies { geometry, slot } => {
                let copies = geometry.copies();
                let streams: Result<Vec<Pieces<'a, E>>, E> = (0..copies)
                    .map(|copy| {
                        let copies = Copy {
                            ranges: open(copies)?,
                            geometry,
                            slot: *slot,
                            copy,
                            pieces: None,
                        };
                        Ok(Box::new(copies) as Pieces<'a, E>)
                    })
                    .collect();
                Box::new(Coalesced::new(Merged::of(streams?)))
            }
        };
        if self.shift.0 == 0 {
            return Ok(pieces);
        }
        let shift = self.shift.0;
        // `end` fits, so every address does.
        let moved = move |at: Sectors| Sectors(at.0.saturating_add(shift));
        Ok(Box::new(pieces.map(move |piece| {
            piece.map(|range| moved(range.start)..moved(range.end))
        })))
    }

    /// The extents of `dirt`.
    ///
    /// # Errors
    /// As [`Dirt::open`].
    pub fn extents_of<'a>(&'a self, dirt: &'a Dirt<'a>) -> Result<Pieces<'a>, BitmapError> {
        self.extents(&|readers| dirt.open(readers))
    }
}

/// The pieces of one slot that one copy of the ranges occupies: ascending as the ranges are, since
/// every copy keeps the order of the array on each member (reference/kernel.md 9.3).
struct Copy<'a, E> {
    ranges: Pieces<'a, E>,
    geometry: &'a Geometry,
    slot: u32,
    copy: u32,
    pieces: Option<MemberPieces>,
}

impl<E> Iterator for Copy<'_, E> {
    type Item = Result<Range<Sectors>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.pieces.as_mut().and_then(Iterator::next) {
                return Some(Ok(piece));
            }
            match self.ranges.next()? {
                Ok(range) => {
                    self.pieces = Some(self.geometry.member_pieces(self.slot, self.copy, range));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
