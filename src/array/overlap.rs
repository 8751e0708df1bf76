//! Whether a bitmap lies on something else of the same member.

use super::member::MemberSuper;
use crate::format::bitmap_super::{BITS_OFFSET, RawBitmapSuper, STATES_OFFSET};
use crate::units::{Bytes, SECTOR_BYTES};
use std::fmt;
use std::ops::Range;

/// What a bitmap can collide with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Neighbour {
    /// The md superblock.
    Superblock,
    /// The bad-block log.
    BadBlockLog,
    /// The partial parity log.
    Ppl,
    /// The array's data.
    Data,
}

impl Neighbour {
    /// Stable name of such a collision, in kebab case.
    pub fn overlap_name(self) -> &'static str {
        match self {
            Neighbour::Superblock => "overlaps-superblock",
            Neighbour::BadBlockLog => "overlaps-bad-block-log",
            Neighbour::Ppl => "overlaps-ppl",
            Neighbour::Data => "overlaps-data",
        }
    }
}

/// What the kernel does about a collision (reference/kernel.md 4.2, trap 4; scenario check-claims).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It does not look: each overwrites the other.
    Unnoticed,
    /// It looks before it writes a page of the bitmap, and writes the first one when the array starts.
    RefusesToStart,
    /// It looks before it writes a page of the bitmap; the first one is free.
    OutOfUse,
}

impl Outcome {
    /// What the kernel does, as the end of a sentence about it.
    pub fn sentence(self) -> &'static str {
        match self {
            Outcome::Unnoticed => "the kernel does not notice, and each overwrites the other",
            Outcome::RefusesToStart => "the kernel refuses to start the array (EIO)",
            Outcome::OutOfUse => {
                "the kernel loads it, and puts it out of use when it is to write there"
            }
        }
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Neighbour::Superblock => "md superblock",
            Neighbour::BadBlockLog => "bad-block log",
            Neighbour::Ppl => "partial parity log",
            Neighbour::Data => "data",
        })
    }
}

/// A collision: absolute byte ranges of the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// With what.
    pub with: Neighbour,
    /// Bytes of the bitmap.
    pub bitmap: Range<u64>,
    /// Bytes of the other.
    pub other: Range<u64>,
    /// What the kernel does about it.
    pub outcome: Outcome,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bitmap, other) = (&self.bitmap, &self.other);
        write!(
            f,
            "the bitmap (bytes {} to {}) overlaps the {} (bytes {} to {}): {}",
            bitmap.start,
            bitmap.end,
            self.with,
            other.start,
            other.end,
            self.outcome.sentence()
        )
    }
}

/// The bytes that a bitmap at `start` takes, all slots included: as much as its own geometry
/// needs, in whole logical blocks, and for version 6 all that it reserves.
pub fn extent(raw: &RawBitmapSuper, start: Bytes, logical_block_bytes: u32) -> Range<u64> {
    let block = u128::from(logical_block_bytes.max(1));
    let chunks = raw.coverage().map_or(0, |coverage| coverage.chunks_wide());
    let bytes = if raw.is_lockless() {
        let reserved = u128::from(raw.sectors_reserved) * u128::from(SECTOR_BYTES);
        (u128::from(STATES_OFFSET) + chunks)
            .next_multiple_of(block)
            .max(reserved)
    } else {
        let one = u128::from(BITS_OFFSET) + chunks.div_ceil(8);
        match raw.nodes {
            // Each node's slot takes whole pages (reference/kernel.md 1.4).
            nodes if raw.version == 5 && nodes > 1 => {
                one.next_multiple_of(4096).saturating_mul(u128::from(nodes))
            }
            _ => one.next_multiple_of(block),
        }
    };
    let end = (u128::from(start.0)).saturating_add(bytes);
    start.0..u64::try_from(end).unwrap_or(u64::MAX)
}

/// Everything on this member that the bitmap at `start` overlaps.
pub fn overlaps(member: &MemberSuper, raw: &RawBitmapSuper, start: Bytes) -> Vec<Overlap> {
    let bitmap = extent(raw, start, member.logical_block_bytes);
    let areas = &member.areas;
    let neighbours = [
        (Neighbour::Superblock, Some(&areas.superblock)),
        (Neighbour::BadBlockLog, areas.bad_block_log.as_ref()),
        (Neighbour::Ppl, areas.ppl.as_ref()),
        (Neighbour::Data, areas.data.as_ref()),
    ];
    neighbours
        .into_iter()
        .filter_map(|(with, other)| Some((with, other?)))
        .filter(|(_, other)| bitmap.start < other.end && other.start < bitmap.end)
        .map(|(with, other)| Overlap {
            with,
            bitmap: bitmap.clone(),
            other: other.clone(),
            outcome: outcome(member, raw, with, &bitmap, other),
        })
        .collect()
}

/// The unit in which the kernel writes a bitmap.
const PAGE: u64 = 4096;

/// Only versions 3 to 5 are checked, page by page: against the data behind it, or, before the md superblock,
/// against that and the data before it.
fn outcome(
    member: &MemberSuper,
    raw: &RawBitmapSuper,
    with: Neighbour,
    bitmap: &Range<u64>,
    other: &Range<u64>,
) -> Outcome {
    let before_super = bitmap.start < member.super_start.0;
    let super_first = member.super_start.0 < other.start;
    let checked = match with {
        Neighbour::Superblock => before_super,
        Neighbour::Data => before_super || super_first,
        Neighbour::BadBlockLog | Neighbour::Ppl => false,
    };
    if raw.is_lockless() || !checked {
        return Outcome::Unnoticed;
    }
    let page_end = bitmap.end.min(bitmap.start.saturating_add(PAGE));
    if other.start < page_end {
        Outcome::RefusesToStart
    } else {
        Outcome::OutOfUse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::probe::probe;
    use crate::device::MemoryStore;
    use crate::format::md_v1::{Builder, Minor};
    use crate::units::Sectors;

    fn member(builder: &Builder) -> MemberSuper {
        let start = builder.minor.super_start(builder.device).unwrap().0 as usize * 512;
        let mut image = vec![0; builder.device.0 as usize * 512];
        let bytes = builder.build().to_bytes();
        image[start..start + bytes.len()].copy_from_slice(&bytes);
        probe(&MemoryStore::new("image", image), None)
            .found
            .remove(0)
            .member
    }

    fn bitmap(sectors: u64, chunk: u32) -> RawBitmapSuper {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        (raw.version, raw.sync_size_sectors, raw.chunksize) = (4, sectors, chunk);
        raw
    }

    fn found(builder: &Builder, raw: &RawBitmapSuper) -> Vec<Neighbour> {
        let member = member(builder);
        let start = member.bitmap.clone().unwrap().start;
        overlaps(&member, raw, start)
            .iter()
            .map(|overlap| overlap.with)
            .collect()
    }

    #[test]
    fn what_mdadm_places_overlaps_nothing() {
        // reference/mdadm.md 2.10 A, with the bad-block log that mdadm puts beside the bitmap.
        for minor in [Minor::V0, Minor::V1, Minor::V2] {
            let mut builder = Builder::mirror(minor, Sectors(40000));
            builder.bad_block_log = Some((if minor == Minor::V0 { -8 } else { 16 }, 8));
            assert_eq!(found(&builder, &bitmap(37888, 4096)), []);
        }
    }

    #[test]
    fn each_neighbour_is_noticed() {
        let log = Builder {
            bad_block_log: Some((16, 8)),
            ..Builder::mirror(Minor::V2, Sectors(40000))
        };
        // 30720 bits fill 4 KiB with the header; one more reaches the log.
        assert_eq!(found(&log, &bitmap(30720 * 8, 4096)), []);
        assert_eq!(
            found(&log, &bitmap(30721 * 8, 4096)),
            [Neighbour::BadBlockLog]
        );
        let data = Builder {
            bitmap_offset: Some(2039),
            ..Builder::mirror(Minor::V2, Sectors(40000))
        };
        assert_eq!(found(&data, &bitmap(8, 4096)), []);
        assert_eq!(found(&data, &bitmap(40000, 4096)), [Neighbour::Data]);
        let near = Builder {
            bitmap_offset: Some(-1),
            ..Builder::mirror(Minor::V2, Sectors(40000))
        };
        assert_eq!(found(&near, &bitmap(8, 4096)), []);
        assert_eq!(found(&near, &bitmap(40000, 4096)), [Neighbour::Superblock]);
    }

    #[test]
    fn the_kernel_looks_page_by_page() {
        let outcomes = |offset, sectors, version| -> Vec<Outcome> {
            let builder = Builder {
                bitmap_offset: Some(offset),
                ..Builder::mirror(Minor::V2, Sectors(40000))
            };
            let member = member(&builder);
            let mut raw = bitmap(sectors, 512);
            raw.version = version;
            let start = member.bitmap.clone().unwrap().start;
            let all = overlaps(&member, &raw, start);
            all.iter().map(|overlap| overlap.outcome).collect()
        };
        // Data begins at sector 2048, the superblock at 8: what the scenario check-claims does.
        assert_eq!(outcomes(2048 - 2 - 8, 12288, 4), [Outcome::RefusesToStart]);
        assert_eq!(outcomes(2048 - 8 - 8, 36864, 4), [Outcome::OutOfUse]);
        assert_eq!(outcomes(2048 - 4 - 8, 12288, 4), []);
        assert_eq!(outcomes(2048 - 2 - 8, 12288, 6), [Outcome::Unnoticed]);
        assert_eq!(outcomes(-1, 12288, 4), [Outcome::RefusesToStart]);
    }

    #[test]
    fn a_lockless_bitmap_takes_its_reserve_and_a_clustered_one_all_slots() {
        let log = Builder {
            bad_block_log: Some((16, 8)),
            ..Builder::mirror(Minor::V2, Sectors(40000))
        };
        let mut raw = bitmap(1000, 128);
        (raw.version, raw.sectors_reserved) = (6, 256);
        assert_eq!(extent(&raw, Bytes(8192), 512), 8192..8192 + 131_072);
        assert_eq!(
            found(&log, &raw),
            [Neighbour::BadBlockLog],
            "reference/kernel.md trap 4"
        );
        let mut raw = bitmap(1000, 65536);
        (raw.version, raw.nodes) = (5, 4);
        assert_eq!(extent(&raw, Bytes(8192), 512), 8192..8192 + 4 * 4096);
        assert_eq!(found(&log, &raw), [Neighbour::BadBlockLog]);
    }

    #[test]
    fn hostile_sizes_do_not_wrap() {
        let mut raw = bitmap(u64::MAX, 1);
        assert_eq!(extent(&raw, Bytes(u64::MAX), 4096), u64::MAX..u64::MAX);
        (raw.version, raw.nodes) = (5, u32::MAX);
        assert_eq!(extent(&raw, Bytes(1), 4096).end, u64::MAX);
    }
}
