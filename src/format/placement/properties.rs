//! Whatever mdadm would do: our placement touches nothing that is taken.

use super::v1::{BadBlockLog, Kind, Member, Minor, PartialParityLog, Request, place, super_offset};
use super::{ChunkSize, area, chunk, free};
use crate::units::Sectors;
use proptest::prelude::*;

fn minors() -> impl Strategy<Value = Minor> {
    prop_oneof![Just(Minor::V0), Just(Minor::V1), Just(Minor::V2)]
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Lockless),
        2 => Just(Kind::Classic(None)),
        4 => (9_u32..32).prop_map(|s| Kind::Classic(ChunkSize::new(1 << s).ok())),
    ]
}

/// Sizes of all magnitudes.
fn sectors() -> impl Strategy<Value = u64> {
    (5_u32..46).prop_flat_map(|bits| (1_u64 << bits)..(2_u64 << bits))
}

prop_compose! {
    /// Members as they could be: everything somewhere, often close together.
    fn members()(
        minor in minors(),
        device in sectors(),
        data_offset in prop_oneof![0_u64..64, 0_u64..4096, 0_u64..600_000],
        used in 0_u64..=1000,
        creating in any::<bool>(),
        max_dev in 0_u32..1920,
        log in proptest::option::of((-300_i32..300, 1_u16..64)),
        large_blocks in any::<bool>(),
        ppl in proptest::option::of((-3000_i16..3000, 1_u16..2100)),
    ) -> (Member, Sectors) {
        let device = Sectors(device);
        let super_offset = super_offset(minor, device).unwrap();
        let room = match minor {
            Minor::V0 => super_offset.0.saturating_sub(data_offset),
            Minor::V1 | Minor::V2 => device.0.saturating_sub(data_offset),
        };
        let size = Sectors((u128::from(room) * u128::from(used) / 1000) as u64);
        let member = Member {
            minor,
            super_offset,
            data_offset: Sectors(data_offset),
            data_size: if creating { Sectors(0) } else { size },
            size,
            max_dev,
            bad_blocks: log.map(|(offset, size)| BadBlockLog { offset, size }),
            ppl: ppl.map(|(offset, size)| PartialParityLog { offset, size }),
            logical_block_bytes: if large_blocks { 4096 } else { 512 },
        };
        (member, device)
    }
}

/// Every area, spelled out anew: (first, first behind).
fn areas(member: &Member) -> Vec<(i128, i128)> {
    let at = i128::from(member.super_offset.0);
    let data = i128::from(member.data_offset.0);
    let block = i128::from(member.logical_block_bytes);
    let super_blocks = (256 + 2 * i128::from(member.max_dev) + block - 1) / block;
    let mut areas = vec![
        (at, at + super_blocks * block / 512),
        (data, data + i128::from(member.size.0)),
    ];
    if let Some(log) = member.bad_blocks {
        let start = at + i128::from(log.offset);
        areas.push((start, start + i128::from(log.size)));
    }
    if let Some(log) = member.ppl {
        let start = at + i128::from(log.offset);
        areas.push((start, start + i128::from(log.size)));
    }
    areas.retain(|(start, end)| start < end);
    areas
}

fn disjoint(a: (i128, i128), b: (i128, i128)) -> bool {
    a.1 <= b.0 || b.1 <= a.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_placement_never_overlaps_anything(
        (member, device) in members(),
        kind in kinds(),
        may_change in any::<bool>(),
        raid10 in 1_u64..4,
    ) {
        let sync_size = Sectors(member.size.0 * raid10);
        let request = Request { sync_size, may_change, kind };
        let Ok(placed) = place(&member, device, &request) else {
            return Ok(());
        };
        let (start, end) = placed.on_device(member.super_offset);
        prop_assert!(start >= 0 && end <= i128::from(device.0));
        for taken in areas(&member) {
            prop_assert!(disjoint((start, end), taken), "{start}..{end} and {taken:?}");
        }
        // And it holds all its bits.
        if kind != Kind::Lockless {
            prop_assert_eq!(placed.bits, area::bits(sync_size, placed.chunk));
            prop_assert!(area::file_bytes(placed.bits).0 <= placed.area.0 * 512);
        }
    }

    #[test]
    fn gaps_are_all_that_is_free_and_nothing_else((member, device) in members()) {
        let Ok(taken) = free::Taken::of(&member, device) else {
            return Ok(());
        };
        let gaps = taken.gaps();
        let mut edges: Vec<i128> = areas(&member)
            .into_iter()
            .flat_map(|(start, end)| [start - 1, start, end - 1, end])
            .chain([0, i128::from(device.0) - 1, i128::from(device.0)])
            .chain(gaps.iter().flat_map(|g| [i128::from(g.start), i128::from(g.end) - 1]))
            .collect();
        edges.sort_unstable();
        let boot = if member.minor == Minor::V2 { 8 } else { 0 };
        for sector in edges {
            let free = sector >= boot
                && sector < i128::from(device.0)
                && areas(&member).iter().all(|&a| disjoint(a, (sector, sector + 1)));
            let said = gaps.iter().any(|gap| {
                i128::from(gap.start) <= sector && sector < i128::from(gap.end)
            });
            prop_assert_eq!(free, said, "sector {}", sector);
        }
        for gap in taken.gap(&member) {
            prop_assert_eq!(taken.overlap(gap.start.into(), gap.end.into()), None);
            let offset = i128::from(gap.start) - i128::from(member.super_offset.0);
            prop_assert_eq!(offset.rem_euclid(8), 0);
        }
    }

    /// mdadm's chunk always suffices, and is at most twice what truly would do.
    #[test]
    fn the_smallest_chunk_suffices_and_is_the_smallest(size in any::<u64>(), bits in 1_u64..(1 << 40)) {
        let size = Sectors(size);
        let truly = chunk::truly_smallest(size, bits);
        match chunk::mdadm_smallest(size, bits) {
            None => prop_assert!(truly.is_none_or(|t| t == ChunkSize::LARGEST)),
            Some(theirs) => {
                prop_assert!(area::bits(size, theirs) <= bits);
                let truly = truly.unwrap();
                prop_assert!(truly <= theirs && theirs.bytes() <= truly.bytes() * 2);
            }
        }
        if let Some(half) = truly.and_then(|t| ChunkSize::new(t.bytes() / 2).ok()) {
            prop_assert!(half < ChunkSize::MDADM_SMALLEST || area::bits(size, half) > bits);
        }
    }
}
