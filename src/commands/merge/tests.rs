//! `merge` on arrays in memory.

use super::*;
use crate::change::Known;
use crate::change::testing::{TestArray, next_resync, read, reasons, zoo};
use crate::commands::marking::tests::{NOW, checked, run, supers};
use crate::commands::source::tests::ready;
use crate::device::MemoryStore;
use crate::units::{ChunkIndex, Events, Sectors};
use proptest::prelude::*;

fn merge(stores: &[MemoryStore], sources: Vec<MarkSource>) -> Planned {
    let options = MergeOptions {
        sources,
        force: false,
    };
    let array = read(stores);
    checked(&array, plan(&array, &options, NOW).unwrap())
}

fn known(sync_size: u64, chunk_bytes: u64, runs: &[(u64, u64, u8)]) -> Knowledge {
    let coverage = Coverage::new(Sectors(sync_size), chunk_bytes).unwrap();
    let mut known = Knowledge::all_clean(coverage).unwrap();
    for (start, len, what) in runs {
        let what = [Known::Dirty, Known::Clean, Known::Unwritten][usize::from(what % 3)];
        known.set(&(ChunkIndex(*start)..ChunkIndex(start + len)), what);
    }
    known
}

fn sources() -> impl Strategy<Value = Vec<(u32, Knowledge)>> {
    let runs = |kinds: u8| proptest::collection::vec((0u64..300, 1u64..20, 0..kinds), 0..5);
    let source = prop_oneof![
        (500u64..1100, 0u32..7, runs(2))
            .prop_map(|(size, shift, runs)| (4, known(size, 512 << shift, &runs))),
        (500u64..1100, 0u32..7, runs(3))
            .prop_map(|(size, shift, runs)| (6, known(size, 512 << shift, &runs))),
    ];
    proptest::collection::vec(source, 1..4)
}

/// What a source says of a sector; dirty where it does not reach.
fn of_sector(known: &Knowledge, sector: u64) -> Known {
    let coverage = known.coverage();
    match sector < coverage.sync_size().0 {
        true => known.of(ChunkIndex(sector * 512 / coverage.chunk_bytes())),
        false => Known::Dirty,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    /// A chunk is dirty afterwards when it was, or when a source knows of dirt in it, or does not reach all of it, or (with
    /// lockless ones) contradicts what is known; on all copies, and the next start synchronises it.
    #[test]
    fn the_union_is_on_every_copy(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        dirty in proptest::collection::btree_set(0u64..128, 0..10),
        sources in sources(),
    ) {
        let zoo = zoo(version, &[]);
        let (mut array, block) = zoo[kind.index(zoo.len())].clone();
        let bitmap = array.bitmap.as_mut().unwrap();
        let size = bitmap.sync_size;
        let chunks = size.div_ceil(8);
        bitmap.dirty = dirty.iter().copied().filter(|chunk| *chunk < chunks).collect();
        let dirty = bitmap.dirty.clone();
        let stores: Vec<MemoryStore> = array.stores().into_iter().map(|s| s.with_blocks(block, block)).collect();
        let given = sources.iter().map(|(version, known)| ready(*version, 40, known)).collect();
        let planned = merge(&stores, given);
        let expected: Vec<u64> = (0..chunks)
            .filter(|chunk| {
                let sectors = chunk * 8..(chunk * 8 + 8).min(size);
                dirty.contains(chunk) || sources.iter().any(|(_, known)| {
                    // What the array calls clean and a source unwritten may be either.
                    sectors.clone().any(|sector| of_sector(known, sector) != Known::Clean)
                })
            })
            .collect();
        let asked = sources.iter().any(|(_, known)| {
            (0..size).any(|sector| of_sector(known, sector) != Known::Clean)
        });
        run(&planned, &stores, 9);
        prop_assert_eq!(supers(&stores)[0].is_clean(), !asked);
        let synced = if asked || version == 6 { expected } else { Vec::new() };
        for copy in next_resync(&stores) {
            prop_assert_eq!(&copy, &synced);
        }
        let again = merge(&stores, sources.iter().map(|(version, known)| ready(*version, 40, known)).collect());
        prop_assert!(again.plan.is_empty());
    }
}

/// Without sources the copies are made alike; where they are, nothing is done.
#[test]
fn own_copies_are_made_alike() {
    for clean in [true, false] {
        let mut one = TestArray::mirror().with_bitmap(&[1, 5]);
        let mut two = TestArray::mirror().with_bitmap(&[1, 9]);
        for array in [&mut one, &mut two] {
            array.resync_offset = (!clean).then_some(0);
        }
        let stores = [one.stores().remove(0), two.stores().remove(1)];
        let planned = merge(&stores, Vec::new());
        assert_eq!(planned.plan.steps.len(), if clean { 3 } else { 1 });
        run(&planned, &stores, 9);
        assert_eq!(next_resync(&stores), [[1, 5, 9], [1, 5, 9]]);
        let alike = one.stores();
        assert!(merge(&alike, Vec::new()).plan.is_empty());
    }
}

/// On a clean array that lacks a member, the marks are what that one lacks: all copies get them, and it stays clean.
#[test]
fn copies_of_a_degraded_array_are_made_alike_and_it_stays_clean() {
    let make = |dirty: &[u64]| {
        let mut array = TestArray::mirror().with_bitmap(dirty);
        (array.members, array.vacant) = (3, vec![2]);
        array
    };
    let stores = [make(&[1]).stores().remove(0), make(&[2]).stores().remove(1)];
    let planned = merge(&stores, Vec::new());
    assert_eq!(planned.plan.steps.len(), 1);
    run(&planned, &stores, 9);
    assert!(supers(&stores)[0].is_clean());
    let own = read(&stores).knowledge().unwrap().unwrap();
    assert_eq!(own.dirty().count(), 2);
    // Marks from elsewhere would have to be synchronised between those that are there.
    let source = ready(4, 40, &known(1024, 4096, &[(7, 1, 0)]));
    let options = MergeOptions {
        sources: vec![source],
        force: false,
    };
    assert_eq!(reasons(plan(&read(&stores), &options, NOW)), ["degraded"]);
}

#[test]
fn sources_are_told_about_and_foreign_ones_refused() {
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    let source = ready(4, 38, &known(1000, 8192, &[(3, 2, 0)]));
    let planned = merge(&stores, vec![source.clone()]);
    assert_eq!(
        planned.sentences[0],
        "source: version 4, event 38, chunks of 8192 bytes: 2 dirty (16384 bytes)"
    );
    let notes = planned.notes.join("\n");
    assert!(
        notes.contains("is of event 38, and the array is at 40"),
        "{notes}"
    );
    assert!(notes.contains("covers 1000 of 1024 sectors"), "{notes}");
    assert_eq!(planned.after.events, Events(41));
    let mut foreign = source;
    foreign.bitmap.raw.uuid = [9; 16];
    let options = MergeOptions {
        sources: vec![foreign],
        force: true,
    };
    assert_eq!(
        reasons(plan(&read(&stores), &options, NOW)),
        ["foreign-source"]
    );
}
