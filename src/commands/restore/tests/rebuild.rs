//! A bitmap that is made as the dump describes it.

use super::*;
use crate::change::testing::zoo;
use crate::format::md_v1::Minor;

/// The array that nothing believes the bitmap of: events that are behind.
fn untrusted(mut array: TestArray) -> TestArray {
    if let Some(bitmap) = &mut array.bitmap {
        bitmap.events -= 1;
    }
    array
}

fn all_dirty(stores: &[MemoryStore]) -> bool {
    read(stores).knowledge().unwrap().unwrap().dirty().is_full()
}

/// W12, W11: a dump of another moment does not help where nothing else is known. Everything is marked, and synchronised (W4).
#[test]
fn an_old_dump_over_a_lost_bitmap_marks_everything() {
    for version in [4, 6] {
        for (array, block) in zoo(version, &[1]) {
            if version == 6 && array.minor == Some(Minor::V0) {
                continue;
            }
            // Chunks of a lockless bitmap are of 64 KiB at least.
            let stores: Vec<MemoryStore> = untrusted(array.clone())
                .stores()
                .into_iter()
                .map(|s| s.with_blocks(block, block))
                .collect();
            let mut old = dump(&stores, version, &[3]);
            if version == 6 {
                old.bitmap.raw.chunksize = 128;
                old.bitmap.raw.sync_size_sectors = read(&stores).sync_size().0;
            }
            old.md.as_mut().unwrap().events = 30;
            old.bitmap.raw.events = 30;
            let known = read(&stores)
                .coverage(if version == 6 { 65536 } else { 4096 })
                .unwrap();
            let old = old.with_known(Knowledge::all_clean(known).unwrap());
            let planned = restore(&stores, &options(old));
            let told = planned.sentences.join("\n");
            assert!(
                told.contains("every chunk, because nothing is known"),
                "{told}"
            );
            run(&planned, &stores, 9);
            assert!(all_dirty(&stores), "{array:?}");
            for copy in next_resync(&stores) {
                assert_eq!(copy.len() as u64, known.chunks());
            }
            assert!(!supers(&stores)[0].is_clean());
            let array = read(&stores);
            for copy in &array.copies {
                let raw = copy.bitmap.as_ref().unwrap().raw();
                // W3: nobody is re-added by what was made anew.
                assert_eq!(
                    (raw.version, raw.events, raw.events_cleared),
                    (version, 42, if version == 6 { 42 } else { 41 })
                );
                assert_eq!(raw.daemon_sleep_seconds, 7);
            }
        }
    }
}

/// Of the same moment, it does where the members are known to be equal; else only the user's word makes up for what
/// no superblock shows.
#[test]
fn a_dump_of_now_counts_as_far_as_it_can_be_trusted() {
    let clean = || untrusted(TestArray::mirror().with_bitmap(&[])).stores();
    let stores = clean();
    run(
        &restore(&stores, &options(dump(&stores, 4, &[3]))),
        &stores,
        9,
    );
    assert_eq!(dirty(&stores), chunks(&[3]));
    assert_eq!(next_resync(&stores), [[3], [3]]);

    let unclean = || {
        let mut array = untrusted(TestArray::mirror().with_bitmap(&[]));
        array.resync_offset = Some(0);
        array.stores()
    };
    let stores = unclean();
    let planned = restore(&stores, &options(dump(&stores, 4, &[3])));
    assert!(
        planned
            .sentences
            .join("\n")
            .contains("lacks what was marked later")
    );
    run(&planned, &stores, 9);
    assert!(all_dirty(&stores));
    let stores = unclean();
    let mut exact = replacing(dump(&stores, 4, &[3]));
    assert_eq!(refused(&stores, &exact), ["replace-unproven"]);
    exact.force = true;
    run(&restore(&stores, &exact), &stores, 9);
    assert_eq!(dirty(&stores), chunks(&[3]));

    // A slot is open: what the absent member lacks, nothing tells but the marks.
    let mut degraded = untrusted(TestArray::mirror().with_bitmap(&[]));
    degraded.vacant = vec![1];
    let stores = degraded.stores();
    run(
        &restore(&stores, &options(dump(&stores, 4, &[3]))),
        &stores,
        9,
    );
    assert!(all_dirty(&stores) && supers(&stores)[0].is_clean());
    let stores = degraded.stores();
    exact.dump = vec![dump(&stores, 4, &[3])];
    assert_eq!(refused(&stores, &exact), ["degraded"]);
}

/// W10: a lockless bitmap is the only record, whatever the superblock says.
#[test]
fn a_lost_lockless_bitmap_is_all_dirt() {
    let mut array = untrusted(TestArray::mirror().with_bitmap(&[]));
    let bitmap = array.bitmap.as_mut().unwrap();
    (bitmap.version, bitmap.chunk_bytes) = (6, 65536);
    let stores = array.stores();
    let coverage = Coverage::new(Sectors(1024), 65536).unwrap();
    let mut source = dump(&stores, 6, &[]).with_known(Knowledge::all_clean(coverage).unwrap());
    source.bitmap.raw.chunksize = 128;
    run(&restore(&stores, &options(source.clone())), &stores, 9);
    assert!(all_dirty(&stores));
    let stores = array.stores();
    assert_eq!(refused(&stores, &replacing(source)), ["replace-unproven"]);
}

/// W4, W10: what a lockless copy says that is believed is in no superblock: as bits it needs one that is not clean.
#[test]
fn dirt_of_a_lockless_copy_that_becomes_bits_is_synchronised() {
    let mut array = TestArray::mirror().with_bitmap(&[5]);
    let bitmap = array.bitmap.as_mut().unwrap();
    (bitmap.version, bitmap.chunk_bytes) = (6, 65536);
    let other = untrusted(array.clone());
    let stores = [array.stores().remove(0), other.stores().remove(1)];
    assert!(supers(&stores)[0].is_clean());
    run(
        &restore(&stores, &options(dump(&stores, 4, &[]))),
        &stores,
        9,
    );
    let marked: Vec<u64> = (5 * 16..6 * 16).collect();
    assert_eq!(dirty(&stores), chunks(&marked));
    assert_eq!(next_resync(&stores), [marked.clone(), marked]);
}

/// W11: what one copy says that is to be believed counts, beside the dump.
#[test]
fn the_copies_that_are_believed_count_beside_the_dump() {
    let array = TestArray::mirror().with_bitmap(&[5]);
    let other = untrusted(TestArray::mirror().with_bitmap(&[9]));
    let stores = [array.stores().remove(0), other.stores().remove(1)];
    let mut old = dump(&stores, 4, &[3]);
    old.bitmap.raw.events_cleared = 17;
    run(&restore(&stores, &options(old)), &stores, 9);
    assert_eq!(dirty(&stores), chunks(&[3, 5]));
    assert_eq!(next_resync(&stores), [[3, 5], [3, 5]]);
    let array = read(&stores);
    let raw = array.copies[1].bitmap.as_ref().unwrap().raw();
    assert_eq!(
        (raw.events, raw.events_cleared),
        (42, 39),
        "the largest of all sources"
    );
}

/// An array without a bitmap gets one as the dump describes it, at a place that is free.
#[test]
fn an_array_without_a_bitmap_gets_one() {
    for (array, block) in zoo(4, &[]) {
        for clean in [true, false] {
            let mut array = array.clone();
            let place = array.bitmap.take().unwrap();
            array.resync_offset = (!clean).then_some(0);
            let stores: Vec<MemoryStore> = array
                .stores()
                .into_iter()
                .map(|s| s.with_blocks(block, block))
                .collect();
            let coverage = Coverage::new(Sectors(place.sync_size), 8192).unwrap();
            let mut known = Knowledge::all_clean(coverage).unwrap();
            known.set(&(ChunkIndex(2)..ChunkIndex(4)), Known::Dirty);
            let planned = restore(&stores, &options(ready(4, 30, &known)));
            run(&planned, &stores, 9);
            let now = read(&stores);
            let raw = now.copies[0].bitmap.as_ref().unwrap().raw();
            assert_eq!(
                (raw.chunksize, raw.daemon_sleep_seconds, raw.events),
                (8192, 7, 42)
            );
            assert_eq!(raw.sync_size_sectors, place.sync_size);
            for copy in next_resync(&stores) {
                match clean {
                    true => assert_eq!(copy, [2, 3]),
                    false => assert_eq!(copy.len() as u64, coverage.chunks()),
                }
            }
        }
    }
    // Chunks that are too small for the room there is.
    let stores = TestArray::mirror().stores();
    let coverage = Coverage::new(Sectors(1 << 20), 512).unwrap();
    let planned = refused(
        &stores,
        &options(ready(4, 30, &Knowledge::all_clean(coverage).unwrap())),
    );
    assert_eq!(planned, [""; 0], "1024 chunks do fit");
    let mut cluster = ready(5, 30, &Knowledge::all_clean(coverage).unwrap());
    cluster.bitmap.raw.nodes = 2;
    assert_eq!(refused(&stores, &options(cluster)), ["clustered-dump"]);
    let lockless = ready(6, 30, &Knowledge::all_clean(coverage).unwrap());
    assert_eq!(refused(&stores, &options(lockless)), ["chunk-too-small"]);
}

/// At every step either nothing vouches for a bit, or what stands there is all of it (W2).
#[test]
fn no_step_leaves_less_than_there_is_to_know() {
    let mut array = untrusted(TestArray::mirror().with_bitmap(&[]));
    array.resync_offset = Some(0);
    let stores = array.stores();
    let mut old = dump(&stores, 4, &[3]);
    old.bitmap.raw.events = 30;
    let planned = restore(&stores, &options(old));
    assert_eq!(planned.plan.steps.len(), 4);
    for steps in 0..=4 {
        let stores = array.stores();
        run(&planned, &stores, steps);
        let now = read(&stores);
        let believed = now.believed().count();
        assert!(believed == 0 || all_dirty(&stores), "step {steps}");
        assert!(!supers(&stores)[0].is_clean());
    }
}
