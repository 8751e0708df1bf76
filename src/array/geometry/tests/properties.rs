//! Bijection, partition, and agreement with the naive model, for any geometry.

use super::naive::{self, Block};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const RAID6: [Layout; 14] = [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20];

/// A small geometry: chunks of 8 or 16 sectors, some rows, an odd rest.
fn any_geometry() -> impl Strategy<Value = Geometry> {
    let raid10 = (1u32..=4, 1u32..=4, any::<bool>(), 0u32..=2, 0u32..=8).prop_map(
        |(near, far, offset, sets, more)| {
            let (near, far) = if near * far < 2 {
                (2, far)
            } else {
                (near, far)
            };
            let layout = near | far << 8 | u32::from(offset) << 16 | sets << 17;
            (Level::Raid10, layout, near * far + more)
        },
    );
    let kinds = prop_oneof![
        1 => (1u32..=5).prop_map(|n| (Level::Raid1, 0, n)),
        1 => (2u32..=7).prop_map(|n| (Level::Raid4, 0, n)),
        3 => (0u32..=5, 2u32..=8).prop_map(|(layout, n)| (Level::Raid5, layout, n)),
        4 => (proptest::sample::select(&RAID6[..]), 4u32..=9)
            .prop_map(|(layout, n)| (Level::Raid6, layout, n)),
        6 => raid10,
    ];
    (kinds, 3u32..=4, 1u64..=24, 0u64..8).prop_filter_map(
        "a layout that is refused",
        |((level, layout, n), shift, rows, rest)| {
            let chunk = 1 << shift;
            geometry(level, layout, n, chunk, rows * chunk + rest).ok()
        },
    )
}

fn parities(geometry: &Geometry) -> u64 {
    match geometry.level() {
        Level::Raid6 => 2,
        Level::Raid4 | Level::Raid5 => 1,
        _ => 0,
    }
}

/// All places of the used parts, sector by sector.
fn places(geometry: &Geometry) -> impl Iterator<Item = Place> {
    let size = geometry.member_size().0;
    (0..geometry.raid_disks()).flat_map(move |slot| (0..size).map(move |sector| at(slot, sector)))
}

/// Cuts `0..end` into ranges.
fn cut(end: u64, cuts: &[u64]) -> Vec<Range<Sectors>> {
    let mut points: BTreeSet<u64> = cuts.iter().map(|cut| cut % (end + 1)).collect();
    points.extend([0, end]);
    let points: Vec<u64> = points.into_iter().collect();
    points
        .windows(2)
        .map(|pair| Sectors(pair[0])..Sectors(pair[1]))
        .collect()
}

fn ascending(pieces: &[Range<Sectors>]) -> bool {
    pieces.iter().all(|piece| piece.start < piece.end)
        && pieces.windows(2).all(|two| two[0].end < two[1].start)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_sector_is_somewhere_and_every_place_holds_one_thing(geometry in any_geometry()) {
        let mut taken: BTreeMap<Place, Held> = BTreeMap::new();
        for array in (0..geometry.array_size().0).map(Sectors) {
            let located = geometry.locate(array).unwrap();
            prop_assert_eq!(located.copies.len() as u32, geometry.copies());
            prop_assert_eq!(geometry.bitmap_of_array(array), Some(located.bitmap));
            prop_assert!(located.bitmap < geometry.sync_size());
            for (copy, place) in (0..).zip(&located.copies) {
                let held = Held::Data { array, copy };
                prop_assert_eq!(geometry.held_at(*place), held);
                prop_assert_eq!(geometry.bitmap_of_member(*place), Some(located.bitmap));
                prop_assert_eq!(taken.insert(*place, held), None);
            }
            for (which, place) in &located.parity {
                let held = Held::Parity { which: *which, stripe: located.stripe };
                prop_assert_eq!(geometry.held_at(*place), held);
                prop_assert!(geometry.covered_by_parity(*place).contains(&array));
                let before = taken.insert(*place, held);
                prop_assert!(before.is_none() || before == Some(held));
            }
        }
        let rows = geometry.array_size().0 / u64::from(geometry.data_disks().unwrap_or(1));
        prop_assert_eq!(
            taken.len() as u64,
            geometry.array_size().0 * u64::from(geometry.copies()) + rows * parities(&geometry)
        );
        for place in places(&geometry) {
            let held = taken.get(&place).copied().unwrap_or(Held::Unused);
            prop_assert_eq!(geometry.held_at(place), held);
        }
        prop_assert_eq!(geometry.locate(geometry.array_size()), None);
    }

    #[test]
    fn pieces_of_the_members_are_a_partition(
        geometry in any_geometry(),
        cuts in proptest::collection::vec(any::<u64>(), 0..6),
    ) {
        for slot in 0..geometry.raid_disks() {
            let mut owner: BTreeMap<u64, (u32, usize)> = BTreeMap::new();
            for (index, range) in cut(geometry.sync_size().0, &cuts).into_iter().enumerate() {
                for copy in 0..geometry.copies() {
                    let pieces: Vec<_> = geometry.member_pieces(slot, copy, range.clone()).collect();
                    prop_assert!(ascending(&pieces), "{:?}", pieces);
                    for sector in pieces.iter().flat_map(|piece| piece.start.0..piece.end.0) {
                        prop_assert_eq!(owner.insert(sector, (copy, index)), None);
                        let place = at(slot, sector);
                        let bitmap = geometry.bitmap_of_member(place).unwrap();
                        prop_assert!(range.contains(&bitmap));
                        if let (Level::Raid10, Held::Data { copy: held, .. }) =
                            (geometry.level(), geometry.held_at(place))
                        {
                            prop_assert_eq!(held, copy);
                        }
                    }
                }
            }
            let used = (0..geometry.member_size().0)
                .filter(|sector| geometry.held_at(at(slot, *sector)) != Held::Unused);
            prop_assert!(owner.keys().copied().eq(used));
        }
    }

    #[test]
    fn pieces_of_the_array_are_a_partition(
        geometry in any_geometry(),
        cuts in proptest::collection::vec(any::<u64>(), 0..6),
    ) {
        let mut owner: BTreeMap<u64, usize> = BTreeMap::new();
        for (index, range) in cut(geometry.sync_size().0, &cuts).into_iter().enumerate() {
            let pieces: Vec<_> = geometry.array_pieces(range.clone()).collect();
            prop_assert!(ascending(&pieces), "{:?}", pieces);
            for sector in pieces.iter().flat_map(|piece| piece.start.0..piece.end.0) {
                prop_assert_eq!(owner.insert(sector, index), None);
                let bitmap = geometry.bitmap_of_array(Sectors(sector)).unwrap();
                prop_assert!(range.contains(&bitmap));
            }
        }
        prop_assert!(owner.keys().copied().eq(0..geometry.array_size().0));
    }

    #[test]
    fn bitmap_ranges_are_the_smallest(geometry in any_geometry(), a in any::<u64>(), b in any::<u64>()) {
        let size = geometry.array_size().0;
        let (a, b) = (a % (size + 2), b % (size + 2));
        let range = Sectors(a.min(b))..Sectors(a.max(b));
        let sectors: Vec<u64> = (range.start.0..range.end.0.min(size))
            .map(|sector| geometry.bitmap_of_array(Sectors(sector)).unwrap().0)
            .collect();
        let (found, marked) =
            (geometry.bitmap_of_array_range(range.clone()), geometry.bitmap_of_write(range));
        if sectors.is_empty() {
            prop_assert!(found.start >= found.end && marked.start >= marked.end);
        } else {
            let (low, high) = (*sectors.iter().min().unwrap(), *sectors.iter().max().unwrap());
            prop_assert_eq!(&found, &(Sectors(low)..Sectors(high + 1)));
            if geometry.level().has_parity() {
                let chunk = geometry.raid_chunk().0;
                let rows = Sectors(low / chunk * chunk)..Sectors((high / chunk + 1) * chunk);
                prop_assert_eq!(marked, rows);
            } else {
                prop_assert_eq!(marked, found);
            }
        }
    }

    #[test]
    fn parity_rows_are_those_of_the_table(
        raid6 in proptest::sample::select(&RAID6[..]),
        raid5 in 0u32..=5,
        n in 4u32..=12,
        stripe in 0u64..1000,
    ) {
        for (level, layout) in [(Level::Raid4, 0), (Level::Raid5, raid5), (Level::Raid6, raid6)] {
            let geometry = geometry(level, layout, n, 8, 8 * 1000).unwrap();
            let row = naive::parity_row(level.number(), layout, u64::from(n), stripe);
            let data = u64::from(geometry.data_disks().unwrap());
            for (slot, block) in (0..).zip(&row) {
                let held = match block {
                    Block::P => Held::Parity { which: Parity::P, stripe },
                    Block::Q => Held::Parity { which: Parity::Q, stripe },
                    Block::Data(index) => {
                        Held::Data { array: Sectors((stripe * data + index) * 8 + 3), copy: 0 }
                    }
                };
                prop_assert_eq!(geometry.held_at(at(slot, stripe * 8 + 3)), held);
                if let Held::Data { array, .. } = held {
                    prop_assert_eq!(geometry.locate(array).unwrap().copies, vec![at(slot, stripe * 8 + 3)]);
                }
            }
            if level == Level::Raid6 {
                let exponents: Vec<_> =
                    (0..n).map(|slot| geometry.q_exponent(stripe, slot)).collect();
                prop_assert_eq!(exponents, naive::exponents(layout, &row));
            }
        }
    }

    #[test]
    fn no_superblock_panics(
        level in prop_oneof![Just(1), Just(4), Just(5), Just(6), Just(10), any::<i32>()],
        layout in prop_oneof![0u32..32, 0u32..0x8_0000, any::<u32>()],
        n in prop_oneof![0u32..10, 0u32..3000, any::<u32>()],
        chunk in prop_oneof![(0u32..32).prop_map(|shift| 1 << shift), any::<u32>()],
        component in any::<u64>(),
        array in any::<u64>(),
        sector in any::<u64>(),
        (slot, copy) in (any::<u32>(), any::<u32>()),
    ) {
        let level = Level::from_number(level);
        if let Ok(geometry) = geometry(level, layout, n, u64::from(chunk), component) {
            let size = geometry.array_size().0.max(1);
            for array in [array, array % size, size - 1] {
                for place in geometry.locate(Sectors(array)).into_iter().flat_map(|l| l.copies) {
                    let back = match geometry.held_at(place) {
                        Held::Data { array, .. } => Some(array.0),
                        _ => None,
                    };
                    prop_assert_eq!(back, Some(array));
                }
                let from = Sectors(array)..Sectors(u64::MAX);
                let (slot, copy) = (slot % n, copy % geometry.copies());
                let pieces = geometry.member_pieces(slot, copy, from.clone()).take(10);
                prop_assert!(pieces.into_iter().all(|piece| piece.end <= geometry.member_size()));
                let pieces = geometry.array_pieces(from.clone()).take(10);
                prop_assert!(pieces.into_iter().all(|piece| piece.end.0 <= size));
                let _ = geometry.bitmap_of_array_range(from.clone());
                let _ = geometry.bitmap_of_write(from);
            }
            let _ = geometry.held_at(at(slot, sector));
            let _ = geometry.q_exponent(sector, slot);
        }
    }
}

/// The kernel's forward and inverse formulas against ours, and against the rule for what is refused.
#[test]
fn raid10_agrees_with_the_kernels_two_formulas() {
    let (mut compared, mut refused) = (0, 0);
    for n in 2u32..=11 {
        for near in 1..=n {
            for far in 1..=n / near {
                for flags in (0..6).filter(|_| near * far >= 2) {
                    let layout = near | far << 8 | flags << 16;
                    let (rows, rest) = (2 * near + 1, far - 1);
                    let dev = u64::from(rows * far + rest);
                    if agrees(layout, n, dev) {
                        compared += 1;
                    } else {
                        refused += 1;
                    }
                }
            }
        }
    }
    // So that a change of the rule cannot go unseen.
    assert_eq!((compared, refused), (741, 129));
}

/// True when the layout is accepted, and then both formulas were compared; false when it is
/// refused, and then they are no bijection.
fn agrees(layout: Layout, n: u32, dev: u64) -> bool {
    let kernel = naive::Raid10::new(layout, u64::from(n), dev);
    let forward: Vec<Vec<(u64, u64)>> = (0..kernel.chunks).map(|c| kernel.forward(c)).collect();
    let found = geometry(Level::Raid10, layout, n, 8, dev * 8 + 7);
    let Ok(geometry) = found else {
        let mut seen = BTreeSet::new();
        let sound = (0..).zip(&forward).all(|(chunk, places)| {
            places
                .iter()
                .all(|place| seen.insert(*place) && kernel.inverse(place.0, place.1) == Some(chunk))
        });
        assert!(!sound, "{layout:x} on {n} is refused without need");
        return false;
    };
    assert_eq!(geometry.array_size().0, kernel.chunks * 8);
    assert_eq!(geometry.member_size().0, kernel.used * 8);
    for (chunk, places) in (0..).zip(&forward) {
        let ours: Vec<(u64, u64)> = geometry
            .locate(Sectors(chunk * 8))
            .unwrap()
            .copies
            .iter()
            .map(|place| (u64::from(place.slot), place.sector.0 / 8))
            .collect();
        assert_eq!(&ours, places, "{layout:x} on {n}, chunk {chunk}");
    }
    for slot in 0..n {
        for row in 0..kernel.used {
            let ours = match geometry.held_at(at(slot, row * 8)) {
                Held::Data { array, .. } => Some(array.0 / 8),
                _ => None,
            };
            let theirs = kernel.inverse(u64::from(slot), row);
            assert_eq!(ours, theirs, "{layout:x} on {n}, {slot}@{row}");
        }
    }
    true
}
