//! What is really taken on a member with 1.x metadata, and what is really free.
//!
//! mdadm derives the room for a bitmap from what it once reserved; it sees neither free space
//! beyond that nor other things inside it (reference/mdadm.md 2.5, 2.6, 9.13, 9.16). Here the
//! areas themselves are looked at.

use super::v1::{Kind, Member, Minor, Placement, Request};
use super::{ChunkSize, PlacementError, area, chunk};
use crate::units::{SECTOR_BYTES, Sectors};
use std::fmt;
use std::ops::Range;

/// What lies on a member beside the bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// Boot sectors before a 1.2 superblock.
    Boot,
    /// The md superblock with its role table.
    Superblock,
    /// The bad-block log.
    BadBlockLog,
    /// The partial parity log.
    PartialParityLog,
    /// The array's data.
    Data,
    /// Not on the device at all.
    Outside,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Region::Boot => "the boot sectors",
            Region::Superblock => "the md superblock",
            Region::BadBlockLog => "the bad-block log",
            Region::PartialParityLog => "the partial parity log",
            Region::Data => "the data of the array",
            Region::Outside => "what is beyond the device",
        })
    }
}

/// The areas that are taken, in sectors of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    device: Sectors,
    regions: Vec<(Region, Range<u64>)>,
}

impl Taken {
    /// The areas of a member on a device of `device` sectors.
    ///
    /// # Errors
    /// [`PlacementError::Inconsistent`] when an area ends beyond 64 bits or starts before the
    /// device.
    pub fn of(member: &Member, device: Sectors) -> Result<Taken, PlacementError> {
        let at = member.super_offset.0;
        let block = u64::from(member.logical_block_bytes).max(SECTOR_BYTES);
        // At most 2^33 bytes rounded up to 2^32: no overflow.
        let super_bytes = (256 + 2 * u64::from(member.max_dev)).div_ceil(block) * block;
        // A new array uses the data area up to its component size; mdadm fixes data_size later.
        let data = match member.is_being_created() {
            true => member.size.0,
            false => member.data_size.0.max(member.size.0),
        };
        let mut regions = vec![
            region(
                Region::Superblock,
                i128::from(at),
                super_bytes.div_ceil(SECTOR_BYTES),
            )?,
            region(Region::Data, i128::from(member.data_offset.0), data)?,
        ];
        if member.minor == Minor::V2 {
            regions.push(region(Region::Boot, 0, at.min(8))?);
        }
        if let Some(log) = member.bad_blocks {
            let start = i128::from(at) + i128::from(log.offset);
            regions.push(region(Region::BadBlockLog, start, u64::from(log.size))?);
        }
        if let Some(log) = member.ppl {
            let start = i128::from(at) + i128::from(log.offset);
            regions.push(region(
                Region::PartialParityLog,
                start,
                u64::from(log.size),
            )?);
        }
        regions.retain(|(_, range)| !range.is_empty());
        regions.sort_by_key(|(_, range)| range.start);
        Ok(Taken { device, regions })
    }

    /// The first area that sectors `start..end` touch.
    pub fn overlap(&self, start: i128, end: i128) -> Option<(Region, Range<u64>)> {
        if start < 0 || end > i128::from(self.device.0) {
            return Some((Region::Outside, self.device.0..u64::MAX));
        }
        self.regions
            .iter()
            .find(|(_, range)| start < i128::from(range.end) && i128::from(range.start) < end)
            .cloned()
    }

    /// All free stretches of the device, in order: the true room, whatever was once reserved.
    /// What lies behind the data of a 1.1 or 1.2 member is among them, although the kernel may
    /// grow the array into it.
    pub fn gaps(&self) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = 0;
        for (_, range) in &self.regions {
            if range.start > at {
                gaps.push(at..range.start.min(self.device.0));
            }
            at = at.max(range.end);
        }
        gaps.push(at..self.device.0);
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }

    /// The free stretches that a bitmap can use: on the superblock's side of the data, as the
    /// kernel demands (reference/kernel.md 4.2), from and to 4 KiB boundaries counted from the
    /// superblock, and in reach of the 32-bit offset.
    pub fn gap(&self, member: &Member) -> Vec<Range<u64>> {
        let at = i128::from(member.super_offset.0);
        let data = i128::from(member.data_offset.0);
        self.gaps()
            .into_iter()
            .filter_map(|gap| {
                let (start, end) = (i128::from(gap.start), i128::from(gap.end));
                // Before the data for 1.1 and 1.2; behind it for 1.0.
                let usable = if at < data {
                    end <= data
                } else {
                    start >= data
                };
                let start = at + up(start - at).max(-(1 << 31));
                let end = at + (end - at).div_euclid(8) * 8;
                let range = u64::try_from(start).ok()?..u64::try_from(end).ok()?;
                let reachable = start - at <= i128::from(i32::MAX);
                (usable && reachable && !range.is_empty()).then_some(range)
            })
            .collect()
    }

    /// The smallest chunk whose bitmap fits between sector `start` and whatever comes next.
    pub fn smallest_chunk_from(&self, start: u64, request: &Request) -> Option<ChunkSize> {
        let gap = self.gaps().into_iter().find(|gap| gap.contains(&start))?;
        smallest_chunk(request, gap.end - start)
    }

    /// Refuses a placement that touches anything.
    pub(super) fn check(
        &self,
        member: &Member,
        request: &Request,
        placement: &Placement,
    ) -> Result<(), PlacementError> {
        let (start, end) = placement.on_device(member.super_offset);
        let Some((region, range)) = self.overlap(start, end) else {
            return Ok(());
        };
        Err(PlacementError::Overlap {
            start,
            end,
            region,
            region_start: range.start,
            region_end: range.end,
            smallest: self.smallest_beside(member, request, placement),
        })
    }

    /// The smallest chunk that fits at mdadm's place: from there on when the bitmap lies behind
    /// the superblock, up to its end when it lies before.
    fn smallest_beside(
        &self,
        member: &Member,
        request: &Request,
        placement: &Placement,
    ) -> Option<ChunkSize> {
        let (start, end) = placement.on_device(member.super_offset);
        if placement.offset >= 0 {
            return self.smallest_chunk_from(u64::try_from(start).ok()?, request);
        }
        let end = u64::try_from(end).ok()?;
        let gap = self
            .gaps()
            .into_iter()
            .find(|gap| gap.start < end && end <= gap.end)?;
        smallest_chunk(request, (end - gap.start) / 8 * 8)
    }
}

/// Rounds up to 8 sectors.
fn up(sectors: i128) -> i128 {
    (sectors + 7).div_euclid(8) * 8
}

fn region(
    region: Region,
    start: i128,
    sectors: u64,
) -> Result<(Region, Range<u64>), PlacementError> {
    let range = || {
        let start = u64::try_from(start).ok()?;
        Some(start..start.checked_add(sectors)?)
    };
    range()
        .map(|range| (region, range))
        .ok_or_else(|| PlacementError::Inconsistent {
            what: format!("{region} would be {sectors} sectors from sector {start}"),
        })
}

/// The smallest chunk whose bitmap fits `sectors` in whole 4 KiB blocks.
pub fn smallest_chunk(request: &Request, sectors: u64) -> Option<ChunkSize> {
    let blocks = sectors / area::BLOCK_SECTORS * area::BLOCK_SECTORS;
    match request.kind {
        Kind::Classic(_) => {
            let bytes = blocks.saturating_mul(SECTOR_BYTES);
            chunk::truly_smallest(request.sync_size, area::max_bits(bytes)).filter(|_| blocks > 0)
        }
        // mdadm always reserves 256 sectors, so a larger chunk does not make it smaller.
        Kind::Lockless => None,
    }
}
