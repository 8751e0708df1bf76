//! `clear` on arrays in memory.

use super::*;
use crate::change::testing::{TestArray, next_resync, read, reasons, zoo};
use crate::commands::marking::tests::{NOW, checked, range, run, supers};
use crate::device::{MemoryStore, Store};
use crate::units::{Bytes, Events, Sectors};
use proptest::prelude::*;

fn options(asked: Asked) -> ClearOptions {
    ClearOptions {
        asked,
        force: false,
    }
}

fn clear(stores: &[MemoryStore], asked: Asked) -> Planned {
    checked(
        &read(stores),
        plan(&read(stores), &options(asked), NOW).unwrap(),
    )
}

/// Spoils a byte of a member's data.
fn spoil(stores: &[MemoryStore], slot: usize, sector: u64) {
    let offset = supers(stores)[slot].data_offset.0;
    let at = Bytes((offset + sector) * 512 + 77);
    let mut byte = [0];
    stores[slot].read_at(at, &mut byte).unwrap();
    stores[slot].write_at(at, &[byte[0] ^ 0x10]).unwrap();
}

fn marked(stores: &[MemoryStore]) -> Vec<Vec<u64>> {
    let array = read(stores);
    let coverage = array.coverage(4096).unwrap();
    let of = |copy: &crate::change::stopped::Copy<'_>| {
        let bitmap = copy
            .bitmap
            .as_ref()
            .unwrap()
            .clone()
            .with_sync_size(coverage.sync_size());
        let runs = bitmap.runs().unwrap();
        runs.flat_map(|run| {
            let run = run.unwrap();
            run.start.0..run.end.0
        })
        .collect()
    };
    array.copies.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Of the chunks that are marked and named as a whole, exactly those become clean in which no sector differs: on every
    /// copy, for every kind of array. The array stays as it was: clean or not (W5).
    #[test]
    fn exactly_equal_chunks_are_cleared(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        dirty in proptest::collection::btree_set(0u64..128, 0..20),
        spoilt in proptest::collection::vec((0usize..6, 0u64..1024), 0..6),
        start in 0u64..1000,
        len in 1u64..1024,
        unclean in any::<bool>(),
    ) {
        let dirty: Vec<u64> = dirty.into_iter().collect();
        let zoo = zoo(version, &dirty);
        let (mut array, block) = zoo[kind.index(zoo.len())].clone();
        let bitmap = array.bitmap.as_mut().unwrap();
        let chunks = bitmap.sync_size.div_ceil(8);
        bitmap.dirty.retain(|chunk| *chunk < chunks);
        let dirty = bitmap.dirty.clone();
        array.resync_offset = unclean.then_some(0);
        let make = || -> Vec<MemoryStore> {
            let stores = array.stores().into_iter();
            let stores: Vec<_> = stores.map(|store| store.with_blocks(block, block)).collect();
            for (slot, sector) in &spoilt {
                let slot = slot % stores.len();
                if *sector < read(&stores).geometry.member_size().0 {
                    spoil(&stores, slot, *sector);
                }
            }
            stores
        };
        let stores = make();
        let geometry = read(&stores).geometry.clone();
        let size = geometry.sync_size().0;
        let (start, end) = (start % size, (start % size + len).min(size));
        // Spoilt twice is as it was; both copies spoilt alike are equal.
        let mut odd = std::collections::BTreeMap::<(usize, u64), bool>::new();
        for (slot, sector) in &spoilt {
            if *sector < geometry.member_size().0 {
                *odd.entry((slot % stores.len(), *sector)).or_default() ^= true;
            }
        }
        let is_odd = |slot: u32, sector: Sectors| odd.get(&(slot as usize, sector.0)).copied().unwrap_or(false);
        let differs = |at: u64| match geometry.level() {
            level if level.has_parity() => {
                let slots = 0..geometry.raid_disks();
                let spoilt: Vec<u32> = slots.filter(|slot| is_odd(*slot, Sectors(at))).collect();
                // The same bits in several members: P may fit. Q would not, but for rare cases that are left out here.
                match (spoilt.len(), geometry.level() == crate::format::level::Level::Raid6) {
                    (0, _) => Some(false),
                    (1, _) => Some(true),
                    (n, false) => Some(n % 2 == 1),
                    _ => None,
                }
            }
            _ => {
                let array_sector = Sectors(at);
                let copies = geometry.locate(array_sector).unwrap().copies;
                let spoilt = copies.iter().filter(|place| is_odd(place.slot, place.sector)).count();
                Some(spoilt != 0 && spoilt != copies.len())
            }
        };
        let asked = range(start..end);
        let planned = clear(&stores, asked.clone());
        let whole = |chunk: u64| start <= chunk * 8 && (chunk * 8 + 8).min(size) <= end;
        let judged = |chunk: u64| {
            let sectors = chunk * 8..(chunk * 8 + 8).min(size);
            let all: Vec<Option<bool>> = sectors.map(differs).collect();
            if all.contains(&Some(true)) { Some(true) } else if all.contains(&None) { None } else { Some(false) }
        };
        prop_assume!(dirty.iter().all(|chunk| judged(*chunk).is_some()));
        let stays = |chunk: &u64| !whole(*chunk) || judged(*chunk) == Some(true);
        let expected: Vec<u64> = dirty.iter().copied().filter(stays).collect();
        let any_differs = dirty.iter().any(|chunk| whole(*chunk) && judged(*chunk) == Some(true));
        prop_assert_eq!(planned.left == Left::NotRight, any_differs);
        let before = supers(&stores);
        for steps in 0..=planned.plan.steps.len() {
            let stores = make();
            run(&planned, &stores, steps);
            for copy in marked(&stores) {
                // Marks go in the second step, not before.
                prop_assert_eq!(&copy, if steps >= 2 { &expected } else { &dirty });
            }
            for (now, before) in supers(&stores).iter().zip(&before) {
                prop_assert_eq!(now.is_clean(), before.is_clean());
                prop_assert_eq!(now.events.0, before.events.0 + u64::from(steps == 3));
            }
            for copy in next_resync(&stores) {
                // Bits of a clean array lapse; everything else that stays is synchronised.
                let lapse = version == 4 && !unclean;
                let marks = if steps >= 2 { &expected } else { &dirty };
                prop_assert_eq!(copy, if lapse { Vec::new() } else { marks.clone() });
            }
        }
        run(&planned, &stores, 9);
        prop_assert_eq!(planned.after.bitmap.as_ref().unwrap().dirty_chunks, expected.len() as u64);
        prop_assert!(clear(&stores, asked).plan.is_empty());
    }
}

/// W3: whoever was a member once must not be re-added by a bitmap from which marks were taken since.
#[test]
fn the_header_says_when_marks_were_cleared() {
    for version in [4, 6] {
        let mut array = TestArray::mirror().with_bitmap(&[1, 2]);
        array.bitmap.as_mut().unwrap().version = version;
        let stores = array.stores();
        let planned = clear(&stores, range(8..16));
        assert_eq!(planned.plan.steps.len(), 3);
        run(&planned, &stores, 9);
        for copy in &read(&stores).copies {
            let raw = copy.bitmap.as_ref().unwrap().raw();
            // One mark is left, in bits (FINDINGS, lone-mirror).
            let expected = if version == 6 { 41 } else { 40 };
            assert_eq!((raw.events, raw.events_cleared), (41, expected));
        }
        let expected = if version == 6 { 41 } else { 40 };
        assert_eq!(
            planned.after.bitmap.unwrap().events_cleared,
            Events(expected)
        );
        // Nothing cleared, nothing said.
        let planned = clear(&stores, range(0..8));
        assert!(planned.plan.is_empty());
    }
}

/// W7: with a slot open, a mark is the record of what somebody lacks.
#[test]
fn nothing_is_cleared_while_a_slot_is_open() {
    let array = TestArray::mirror().with_bitmap(&[1]);
    let forced = ClearOptions {
        asked: Asked::all(),
        force: true,
    };
    let mut vacant = array.clone();
    vacant.vacant = vec![1];
    let stores = vacant.stores();
    for options in [&options(Asked::all()), &forced] {
        assert_eq!(reasons(plan(&read(&stores), options, NOW)), ["degraded"]);
    }
    let stores: Vec<MemoryStore> = array.stores().into_iter().take(1).collect();
    let refused = reasons(plan(&read(&stores), &options(Asked::all()), NOW));
    assert_eq!(refused, ["member-missing", "degraded"]);
    assert_eq!(reasons(plan(&read(&stores), &forced, NOW)), ["degraded"]);
}

#[test]
fn force_names_what_was_not_compared() {
    let array = TestArray::mirror().with_bitmap(&[1, 2, 9]);
    let stores = array.stores();
    spoil(&stores, 1, 9);
    let forced = ClearOptions {
        asked: Asked::all(),
        force: true,
    };
    let planned = plan(&read(&stores), &forced, NOW).unwrap();
    let told = &planned.sentences[0];
    assert!(
        told.starts_with("not marked any more, and not compared: 3 chunks (12288 bytes), "),
        "{told}"
    );
    assert!(
        told.contains("bytes 4096..12288, 36864..40960; where"),
        "{told}"
    );
    assert_eq!(planned.left, Left::Nothing);
    run(&planned, &stores, 9);
    assert_eq!(marked(&stores), [[0u64; 0], []]);
}

/// What cannot be read stays marked; its neighbours do not.
#[test]
fn unreadable_chunks_stay_marked() {
    let array = TestArray::mirror().with_bitmap(&[0, 1, 2, 3, 40]);
    let make = || -> Vec<MemoryStore> {
        let mut stores = array.stores();
        let bad = stores
            .remove(1)
            .with_unreadable((256 + 17) * 512..(256 + 18) * 512);
        stores.push(bad);
        spoil(&stores, 0, 30);
        stores
    };
    let stores = make();
    let planned = clear(&stores, Asked::all());
    assert_eq!(planned.left, Left::Unreadable);
    let notes = planned.notes.join("\n");
    assert!(
        notes.contains(
            "different on members, still marked: 1 chunk (4096 bytes), bytes 12288..16384"
        ),
        "{notes}"
    );
    assert!(
        notes.contains(
            "not to be compared, still marked: 1 chunk (4096 bytes), bytes 8192..12288; m1:"
        ),
        "{notes}"
    );
    run(&planned, &stores, 9);
    assert_eq!(marked(&stores), [[2, 3], [2, 3]]);
}

/// W5: what is named in part keeps its mark.
#[test]
fn a_chunk_named_in_part_is_told_about() {
    let stores = TestArray::mirror().with_bitmap(&[1, 2, 3]).stores();
    let planned = clear(&stores, range(9..31));
    assert!(
        planned.notes[0].starts_with("named in part alone, still marked: 2 chunks (8192 bytes)")
    );
    run(&planned, &stores, 9);
    assert_eq!(marked(&stores), [[1, 3], [1, 3]]);
}

/// Only marked chunks are read: an unreadable sector elsewhere is nobody's business.
#[test]
fn unmarked_chunks_are_not_read() {
    let array = TestArray::mirror().with_bitmap(&[1]);
    let mut stores = array.stores();
    let bad = stores
        .remove(1)
        .with_unreadable((256 + 16) * 512..(256 + 1000) * 512);
    stores.push(bad);
    assert_eq!(clear(&stores, Asked::all()).left, Left::Nothing);
}

/// Copies that differ: a chunk that one of them marks is a marked one, and none marks it afterwards.
#[test]
fn copies_that_differ_are_cleared_alike() {
    let stores = TestArray::mirror().with_bitmap(&[1]).stores();
    let other = TestArray::mirror().with_bitmap(&[2, 5]).stores();
    let mixed = [
        MemoryStore::new("m0", stores[0].contents()),
        MemoryStore::new("m1", other[1].contents()),
    ];
    run(&clear(&mixed, range(0..24)), &mixed, 9);
    assert_eq!(marked(&mixed), [vec![], vec![5]]);
}
