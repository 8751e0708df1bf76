//! Arrays in memory, written through the geometry with parity computed here, then spoiled.

use super::*;
use crate::array::geometry::Parity;
use crate::array::probe::probe;
use crate::device::MemoryStore;
use crate::format::md_v1::{Builder, Minor};
use proptest::prelude::*;

const DATA_OFFSET: u64 = 2048;
const COMPONENT: u64 = 512;

fn geometry(level: Level, disks: u32, layout: u32, chunk: u64) -> Geometry {
    let mut builder = Builder::mirror(Minor::V2, Sectors(DATA_OFFSET + COMPONENT));
    (builder.level, builder.layout, builder.raid_disks) = (level, layout, disks);
    builder.raid_chunk = Sectors(chunk);
    builder.component = Sectors(COMPONENT);
    let mut image = vec![0; (DATA_OFFSET + COMPONENT) as usize * 512];
    let bytes = builder.build().to_bytes();
    image[4096..4096 + bytes.len()].copy_from_slice(&bytes);
    let found = probe(&MemoryStore::new("image", image), None);
    Geometry::of(&found.found[0].member).unwrap()
}

/// Slow multiplication, unlike that of the code under test.
fn multiply(mut a: u32, mut b: u32) -> u8 {
    let mut sum = 0;
    while b > 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        a <<= 1;
        if a & 0x100 != 0 {
            a ^= 0x11d;
        }
        b >>= 1;
    }
    sum as u8
}

/// The data of every member, all copies and parities right.
fn members(geometry: &Geometry, seed: u64) -> Vec<Vec<u8>> {
    let mut random = seed | 1;
    let mut next = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 56) as u8
    };
    let mut members = vec![vec![0xee; COMPONENT as usize * 512]; geometry.raid_disks() as usize];
    for sector in 0..geometry.array_size().0 {
        let data: Vec<u8> = (0..512).map(|_| next()).collect();
        let located = geometry.locate(Sectors(sector)).unwrap();
        for place in &located.copies {
            let at = place.sector.0 as usize * 512;
            members[place.slot as usize][at..at + 512].copy_from_slice(&data);
        }
    }
    for slot in 0..geometry.raid_disks() {
        for sector in 0..geometry.member_size().0 {
            let place = Place {
                slot,
                sector: Sectors(sector),
            };
            let Held::Parity { which, stripe } = geometry.held_at(place) else {
                continue;
            };
            let at = sector as usize * 512;
            let mut parity = vec![0_u8; 512];
            for data in 0..geometry.raid_disks() {
                if let Held::Data { .. } = held(geometry, data, sector) {
                    let exponent = geometry.q_exponent(stripe, data).unwrap_or(0);
                    let mut factor = 1_u32;
                    for _ in 0..exponent {
                        factor = u32::from(multiply(factor, 2));
                    }
                    for (sum, byte) in parity.iter_mut().zip(&members[data as usize][at..]) {
                        *sum ^= match which {
                            Parity::P => *byte,
                            Parity::Q => multiply(u32::from(*byte), factor),
                        };
                    }
                }
            }
            members[slot as usize][at..at + 512].copy_from_slice(&parity);
        }
    }
    members
}

fn store(data: &[u8]) -> MemoryStore {
    let mut image = vec![0x55; DATA_OFFSET as usize * 512];
    image.extend(data);
    MemoryStore::new("member", image)
}

fn side(slot: u32, store: &MemoryStore) -> Side<'_> {
    Side {
        slot,
        store,
        data_offset: Sectors(DATA_OFFSET),
    }
}

/// All differences, asked for in pieces of `step` sectors.
fn differences(
    geometry: &Geometry,
    stores: &[MemoryStore],
    device: u32,
    without: Option<u32>,
    step: u64,
) -> Vec<u64> {
    let others = (0..geometry.raid_disks())
        .filter(|slot| *slot != device && Some(*slot) != without)
        .map(|slot| side(slot, &stores[slot as usize]))
        .collect();
    let device = side(device, &stores[device as usize]);
    let mut comparer = Comparer::new(geometry.clone(), device, others).unwrap();
    assert!(comparer.window().0 > 0);
    let mut found = Vec::new();
    let end = geometry.sync_size().0;
    for start in (0..end).step_by(step as usize) {
        let range = Sectors(start)..Sectors((start + step).min(end));
        found.extend(comparer.differing(range).unwrap().iter().map(|one| one.0));
    }
    found.sort_unstable();
    found
}

/// Level, members, layout, RAID chunk.
const ARRAYS: &[(Level, u32, u32, u64)] = &[
    (Level::Raid1, 2, 0, 0),
    (Level::Raid1, 3, 0, 0),
    (Level::Raid4, 3, 0, 8),
    (Level::Raid5, 3, 2, 8),
    (Level::Raid5, 4, 0, 16),
    (Level::Raid6, 4, 2, 8),
    (Level::Raid6, 5, 10, 16),
    (Level::Raid6, 6, 17, 8),
    (Level::Raid10, 2, 0x102, 8),
    (Level::Raid10, 3, 0x102, 8),
    (Level::Raid10, 4, 0x102, 16),
    (Level::Raid10, 4, 0x201, 8),
    (Level::Raid10, 5, 0x40201, 8),
    (Level::Raid10, 4, 0x10201, 8),
    (Level::Raid10, 4, 0x202, 8),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_changed_sector_of_the_device_is_found_and_nothing_else(
        array in 0..ARRAYS.len(), seed: u64, device: u32, spoiled in proptest::collection::btree_set(0..COMPONENT, 0..4),
        step in 1..700_u64,
    ) {
        let (level, disks, layout, chunk) = ARRAYS[array];
        let geometry = geometry(level, disks, layout, chunk);
        let mut data = members(&geometry, seed);
        let device = device % disks;
        let mut expected = Vec::new();
        for sector in &spoiled {
            data[device as usize][*sector as usize * 512 + (seed % 512) as usize] ^= 1 << (seed % 8);
            let place = Place { slot: device, sector: Sectors(*sector) };
            expected.extend(geometry.bitmap_of_member(place).map(|sector| sector.0));
        }
        expected.sort_unstable();
        let stores: Vec<MemoryStore> = data.iter().map(|data| store(data)).collect();
        prop_assert_eq!(differences(&geometry, &stores, device, None, step), expected);
    }
}

#[test]
fn a_copy_that_cannot_be_read_is_replaced_by_another() {
    let geometry = geometry(Level::Raid1, 3, 0, 0);
    let mut data = members(&geometry, 5);
    data[2][77 * 512] ^= 1;
    let good = store(&data[0]);
    // Ends in the middle of its data.
    let bad = store(&data[1][..COMPONENT as usize * 256]);
    let device = store(&data[2]);
    let mut comparer = Comparer::new(
        geometry.clone(),
        side(2, &device),
        vec![side(1, &bad), side(0, &good)],
    )
    .unwrap();
    let all = || Sectors(0)..Sectors(COMPONENT);
    assert_eq!(comparer.differing(all()).unwrap(), [Sectors(77)]);
    let mut comparer =
        Comparer::new(geometry.clone(), side(2, &device), vec![side(1, &bad)]).unwrap();
    assert_eq!(
        comparer.differing(Sectors(0)..Sectors(200)).unwrap(),
        [Sectors(77)]
    );
    assert!(comparer.differing(all()).is_err());
    let mut comparer = Comparer::new(geometry, side(1, &bad), vec![side(0, &good)]).unwrap();
    assert!(comparer.differing(all()).is_err());
}

#[test]
fn parity_needs_every_member_and_raid10_a_copy() {
    let geometry = geometry(Level::Raid5, 3, 2, 8);
    let data = members(&geometry, 1);
    let stores: Vec<MemoryStore> = data.iter().map(|data| store(data)).collect();
    let made = Comparer::new(geometry, side(1, &stores[1]), vec![side(0, &stores[0])]);
    let missing = CannotCompare::MemberMissing {
        level: Level::Raid5,
        slot: 2,
    };
    assert_eq!(made.err(), Some(missing));
    let geometry = super::tests::geometry(Level::Raid10, 4, 0x102, 8);
    assert_eq!(geometry.raid_disks(), 4);
    let made = Comparer::new(
        geometry.clone(),
        side(9, &stores[1]),
        vec![side(0, &stores[0])],
    );
    assert_eq!(made.err(), Some(CannotCompare::NoSuchSlot { slot: 9 }));
    let made = Comparer::new(geometry.clone(), side(1, &stores[1]), Vec::new());
    assert_eq!(made.err(), Some(CannotCompare::NoOther));
    // Slot 0 has what slot 1 has; slot 3 has not.
    let data = members(&geometry, 3);
    let stores: Vec<MemoryStore> = data.iter().map(|data| store(data)).collect();
    assert_eq!(
        differences(&geometry, &stores, 1, Some(3), 100),
        Vec::<u64>::new()
    );
    let mut comparer =
        Comparer::new(geometry, side(1, &stores[1]), vec![side(3, &stores[3])]).unwrap();
    assert!(comparer.differing(Sectors(0)..Sectors(100)).is_err());
}

/// All sectors in which the members do not agree, asked for in pieces of `step` sectors.
fn disagreements(geometry: &Geometry, stores: &[MemoryStore], step: u64) -> Vec<u64> {
    let sides = (0..).zip(stores).map(|(slot, store)| side(slot, store));
    let mut sides: Vec<Side<'_>> = sides.collect();
    // The order in which members come does not matter.
    sides.reverse();
    let mut agreement = Agreement::new(geometry.clone(), sides).unwrap();
    assert!(agreement.window().0 > 0);
    let mut found = Vec::new();
    let end = geometry.sync_size().0;
    for start in (0..end + 10).step_by(step as usize) {
        let range = Sectors(start)..Sectors(start + step);
        found.extend(agreement.differing(range).unwrap().iter().map(|one| one.0));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn every_changed_sector_of_any_member_is_found_and_nothing_else(
        array in 0..ARRAYS.len(), seed: u64,
        spoiled in proptest::collection::btree_map(0..COMPONENT, any::<u32>(), 0..5),
        step in 1..700_u64,
    ) {
        let (level, disks, layout, chunk) = ARRAYS[array];
        let geometry = geometry(level, disks, layout, chunk);
        let mut data = members(&geometry, seed);
        let mut expected = Vec::new();
        for (sector, slot) in &spoiled {
            let slot = *slot % disks;
            data[slot as usize][*sector as usize * 512 + (seed % 512) as usize] ^= 1 << (seed % 8);
            let place = Place { slot, sector: Sectors(*sector) };
            expected.extend(geometry.bitmap_of_member(place).map(|sector| sector.0));
        }
        expected.sort_unstable();
        expected.dedup();
        // Two copies of one sector that are spoiled alike agree.
        let stores: Vec<MemoryStore> = data.iter().map(|data| store(data)).collect();
        let found = disagreements(&geometry, &stores, step);
        let copies: usize = if level.has_parity() { 1 } else { geometry.copies() as usize };
        let all_spoiled = |sector: &u64| {
            let located = geometry.locate(Sectors(*sector)).unwrap();
            copies > 1 && located.copies.iter().all(|place| {
                spoiled.get(&place.sector.0).is_some_and(|slot| *slot % disks == place.slot)
            })
        };
        expected.retain(|sector| level.has_parity() || !all_spoiled(sector));
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn agreement_is_of_all_members_or_it_is_not_told() {
    for (level, disks, layout, chunk) in ARRAYS.iter().copied() {
        let geometry = geometry(level, disks, layout, chunk);
        let data = members(&geometry, 9);
        let mut stores: Vec<MemoryStore> = data.iter().map(|data| store(data)).collect();
        let sides = (1..)
            .zip(&stores[1..])
            .map(|(slot, store)| side(slot, store));
        let error = Agreement::new(geometry.clone(), sides.collect()).unwrap_err();
        assert_eq!(error, CannotCompare::NotAll { level, slot: 0 });
        // What cannot be read of one member is an error, though others have it.
        let bad = stores.pop().unwrap();
        let lost = (DATA_OFFSET + 5) * 512..(DATA_OFFSET + 6) * 512;
        stores.push(bad.with_unreadable(lost));
        let sides = (0..).zip(&stores).map(|(slot, store)| side(slot, store));
        let mut agreement = Agreement::new(geometry.clone(), sides.collect()).unwrap();
        let place = Place {
            slot: disks - 1,
            sector: Sectors(5),
        };
        let at = geometry.bitmap_of_member(place).unwrap();
        let range = at..Sectors(at.0 + 1);
        assert!(agreement.differing(range).is_err(), "{level} {layout:#x}");
    }
}
