//! `restore` on arrays in memory.

mod rebuild;

use super::*;
use crate::bitmap::ChunkSet;
use crate::change::Known;
use crate::change::testing::{TestArray, UUID, next_resync, read, reasons, zoo};
use crate::commands::marking::tests::{NOW, checked, run, supers};
use crate::commands::source::tests::{md_of, ready};
use crate::device::MemoryStore;
use crate::units::{ChunkIndex, Events, Sectors};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A dump of the array as it is, which marks these chunks.
fn dump(stores: &[MemoryStore], version: u32, dirty: &[u64]) -> MarkSource {
    let coverage = Coverage::new(Sectors(1024), 4096).unwrap();
    let mut known = Knowledge::all_clean(coverage).unwrap();
    for chunk in dirty {
        known.set(&(ChunkIndex(*chunk)..ChunkIndex(chunk + 1)), Known::Dirty);
    }
    let member = &supers(stores)[0];
    let mut source = ready(version, member.events.0, &known);
    source.md = Some(md_of(member));
    source
}

fn options(source: MarkSource) -> RestoreOptions {
    RestoreOptions {
        dump: vec![source],
        ..RestoreOptions::default()
    }
}

fn replacing(source: MarkSource) -> RestoreOptions {
    RestoreOptions {
        replace: true,
        ..options(source)
    }
}

fn restore(stores: &[MemoryStore], options: &RestoreOptions) -> Planned {
    let array = read(stores);
    checked(&array, plan(&array, options, NOW).unwrap())
}

fn refused(stores: &[MemoryStore], options: &RestoreOptions) -> Vec<&'static str> {
    reasons(plan(&read(stores), options, NOW))
}

fn unclean(version: u32, dirty: &[u64]) -> Vec<MemoryStore> {
    let mut array = TestArray::mirror().with_bitmap(dirty);
    array.resync_offset = Some(0);
    array.bitmap.as_mut().unwrap().version = version;
    array.stores()
}

fn dirty(stores: &[MemoryStore]) -> ChunkSet {
    read(stores).knowledge().unwrap().unwrap().dirty().clone()
}

fn chunks(chunks: &[u64]) -> ChunkSet {
    let mut set = ChunkSet::empty(128).unwrap();
    for chunk in chunks {
        set.set(&(ChunkIndex(*chunk)..ChunkIndex(chunk + 1)), true);
    }
    set
}

/// W12: what is marked since is not in an old dump, so nothing is taken away.
#[test]
fn an_old_dump_adds_its_marks_and_takes_none() {
    for version in [4, 6] {
        let stores = unclean(version, &[1, 7]);
        let mut old = dump(&stores, version, &[1, 3]);
        let md = old.md.as_mut().unwrap();
        (md.events, old.bitmap.raw.events) = (30, 30);
        let planned = restore(&stores, &options(old));
        assert!(
            planned
                .notes
                .iter()
                .any(|note| note.contains("is of event 30")),
            "{:?}",
            planned.notes
        );
        run(&planned, &stores, 9);
        assert_eq!(dirty(&stores), chunks(&[1, 3, 7]));
        assert_eq!(next_resync(&stores), [[1, 3, 7], [1, 3, 7]]);
    }
}

/// `--replace`: exactly the dump, for which the superblocks must be those of the dump.
#[test]
fn replacing_takes_the_superblocks_of_the_dump() {
    for version in [4, 6] {
        let stores = unclean(version, &[1, 3, 7]);
        let mut exact = replacing(dump(&stores, version, &[1, 3, 9]));
        // Not stopped cleanly: a dump of the running array would look the same, and lack chunk 7.
        assert_eq!(refused(&stores, &exact), ["replace-unproven"]);
        exact.force = true;
        let planned = restore(&stores, &exact);
        let told = planned.sentences.join("\n");
        assert!(
            told.contains("not marked any more: 1 chunk (4096 bytes), bytes 28672..32768"),
            "{told}"
        );
        // W3, W6: the header says when marks were cleared.
        assert_eq!(planned.plan.steps.len(), 3);
        run(&planned, &stores, 9);
        assert_eq!(dirty(&stores), chunks(&[1, 3, 9]));
        let array = read(&stores);
        let raw = array.copies[1].bitmap.as_ref().unwrap().raw();
        let expected = if version == 6 { 41 } else { 40 };
        assert_eq!((raw.events, raw.events_cleared), (41, expected));
        // Once more there is nothing to do; but for another dump the array has been changed since it was made.
        assert!(restore(&stores, &exact).is_nothing());
        let mut other = exact.clone();
        other.dump = vec![dump(&stores, version, &[1, 3])];
        let md = other.dump[0].md.as_mut().unwrap();
        md.events -= 1;
        assert_eq!(refused(&stores, &other), ["dump-not-of-now"]);
    }
}

/// Marks that are only added need nobody's word.
#[test]
fn replacing_without_taking_marks_away_is_not_forced() {
    let stores = unclean(4, &[1]);
    let planned = restore(&stores, &replacing(dump(&stores, 4, &[1, 2])));
    assert_eq!(planned.plan.steps.len(), 1);
    run(&planned, &stores, 9);
    assert_eq!(dirty(&stores), chunks(&[1, 2]));
}

/// W4: on a clean array, marks that come back are to be synchronised.
#[test]
fn a_clean_array_becomes_unclean_by_the_marks_of_a_dump() {
    let stores = TestArray::mirror().with_bitmap(&[4]).stores();
    let planned = restore(&stores, &replacing(dump(&stores, 4, &[2])));
    assert_eq!(planned.plan.steps.len(), 3);
    run(&planned, &stores, 9);
    assert_eq!(next_resync(&stores), [[2], [2]]);
    // Of a clean and complete array, a mark is no record of anything: it goes without a word.
    let stores = TestArray::mirror().with_bitmap(&[4]).stores();
    let planned = restore(&stores, &replacing(dump(&stores, 4, &[])));
    run(&planned, &stores, 9);
    assert!(supers(&stores)[0].is_clean());
    assert!(dirty(&stores).is_empty());
    // The states of a lockless bitmap count all the same.
    let mut array = TestArray::mirror().with_bitmap(&[4]);
    array.bitmap.as_mut().unwrap().version = 6;
    let stores = array.stores();
    assert_eq!(
        refused(&stores, &replacing(dump(&stores, 6, &[]))),
        ["replace-unproven"]
    );
}

/// The event count alone proves nothing: the kernel steps it back.
#[test]
fn whatever_shows_that_time_has_passed_is_seen() {
    let stores = unclean(4, &[1]);
    let good = || replacing(dump(&stores, 4, &[1, 2]));
    assert_eq!(refused(&stores, &good()), [""; 0]);
    type Change = fn(&mut MarkSource);
    let changes: [Change; 8] = [
        |s| s.md.as_mut().unwrap().events += 1,
        |s| s.md.as_mut().unwrap().updated_seconds += 1,
        |s| s.md.as_mut().unwrap().resync_offset_sectors = None,
        |s| s.bitmap.raw.events -= 1,
        |s| s.bitmap.raw.state = 2,
        |s| s.bitmap.raw.state = 4,
        |s| s.md = None,
        |s| s.md.as_mut().unwrap().array_uuid = [1; 16],
    ];
    for change in changes {
        let mut options = good();
        change(&mut options.dump[0]);
        assert_eq!(refused(&stores, &options), ["dump-not-of-now"]);
    }
    let mut options = good();
    options.dump[0].bitmap.has_runs = false;
    assert_eq!(refused(&stores, &options), ["dump-not-of-now"]);
    options.replace = false;
    assert_eq!(refused(&stores, &options), ["chunks-unknown"]);
    // One that was not given may have been used alone; --force, which calls it failed elsewhere, does not vouch for that.
    let mut forced = good();
    forced.force = true;
    let one = [unclean(4, &[1]).remove(0)];
    assert_eq!(refused(&one, &forced), ["dump-not-of-now"]);
    // Members that are one event apart.
    let mut behind = TestArray::mirror().with_bitmap(&[1]);
    behind.resync_offset = Some(0);
    behind.events = 39;
    behind.bitmap.as_mut().unwrap().events = 40;
    let mixed = [unclean(4, &[1]).remove(0), behind.stores().remove(1)];
    assert_eq!(refused(&mixed, &good()), ["dump-not-of-now"]);
}

/// W7: with a slot open, no mark goes.
#[test]
fn nothing_is_taken_from_a_degraded_array() {
    let mut array = TestArray::mirror().with_bitmap(&[1, 2]);
    array.vacant = vec![1];
    let stores = array.stores();
    let mut exact = replacing(dump(&stores, 4, &[1]));
    exact.force = true;
    assert_eq!(refused(&stores, &exact), ["degraded"]);
    let planned = restore(&stores, &replacing(dump(&stores, 4, &[1, 2, 3])));
    run(&planned, &stores, 9);
    assert_eq!(dirty(&stores), chunks(&[1, 2, 3]));
}

#[test]
fn chunks_of_another_size_and_another_kind() {
    // Chunks of 16 KiB, over half of the array: each is four of the array's, and the rest is dirty.
    let stores = unclean(4, &[]);
    let coverage = Coverage::new(Sectors(512), 16384).unwrap();
    let mut known = Knowledge::all_clean(coverage).unwrap();
    known.set(&(ChunkIndex(2)..ChunkIndex(3)), Known::Dirty);
    let coarse = ready(4, 40, &known);
    let planned = restore(&stores, &options(coarse));
    run(&planned, &stores, 9);
    let mut expected = chunks(&[8, 9, 10, 11]);
    expected.set(&(ChunkIndex(64)..ChunkIndex(128)), true);
    assert_eq!(dirty(&stores), expected);
    // A dump of states says other things; what it calls dirty is (W10).
    let stores = unclean(4, &[]);
    let mut states = known;
    states.set(&(ChunkIndex(0)..ChunkIndex(1)), Known::Unwritten);
    let mut lockless = ready(6, 40, &states);
    lockless.md = Some(md_of(&supers(&stores)[0]));
    assert_eq!(
        refused(&stores, &replacing(lockless.clone())),
        ["other-kind"]
    );
    run(&restore(&stores, &options(lockless)), &stores, 9);
    expected.set(&(ChunkIndex(0)..ChunkIndex(4)), true);
    assert_eq!(dirty(&stores), expected);
}

#[test]
fn devices_of_the_dump() {
    let stores = unclean(4, &[]);
    let one = dump(&stores, 4, &[1]);
    let mut two = dump(&stores, 4, &[2]);
    two.name = "other".to_owned();
    let mut foreign = dump(&stores, 4, &[3]);
    foreign.bitmap.raw.uuid = [3; 16];
    foreign.name = "foreign".to_owned();
    let mut all = RestoreOptions {
        dump: vec![one, two, foreign],
        ..RestoreOptions::default()
    };
    let restored = |options: &RestoreOptions| {
        let stores = unclean(4, &[]);
        run(&restore(&stores, options), &stores, 9);
        dirty(&stores)
    };
    assert_eq!(restored(&all), chunks(&[1, 2]));
    all.device = Some(OsString::from("other"));
    assert_eq!(restored(&all), chunks(&[2]));
    all.device = Some(OsString::from("foreign"));
    assert_eq!(refused(&stores, &all), ["foreign-source"]);
    all.device = Some(OsString::from("nothing"));
    assert_eq!(refused(&stores, &all), ["device-not-in-dump"]);
    assert_eq!(supers(&stores)[0].array_uuid, UUID);
    assert_eq!(supers(&stores)[0].events, Events(40));
}

/// A dump of an array as it is.
fn dump_of(stores: &[MemoryStore], version: u32) -> MarkSource {
    let known = read(stores).knowledge().unwrap().unwrap();
    let member = &supers(stores)[0];
    let mut source = ready(version, member.events.0, &known);
    source.bitmap.raw.uuid = member.array_uuid;
    source.md = Some(md_of(member));
    source
}

fn listed_chunks(set: &ChunkSet) -> BTreeSet<u64> {
    set.runs().flat_map(|run| run.start.0..run.end.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Dump, other marks, restore: with --replace exactly what was, and else that and what there is now.
    #[test]
    fn what_was_dumped_comes_back(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        then in proptest::collection::btree_set(0u64..128, 0..9),
        now in proptest::collection::btree_set(0u64..128, 0..9),
        unclean: bool,
        degraded: bool,
    ) {
        let zoo = zoo(version, &[]);
        let (mut array, _) = zoo[kind.index(zoo.len())].clone();
        array.resync_offset = unclean.then_some(0);
        if degraded && !unclean {
            array.vacant = vec![array.members - 1];
        }
        let (is_degraded, members) = (!array.vacant.is_empty(), array.members);
        let chunks = array.bitmap.as_ref().unwrap().sync_size.div_ceil(8);
        let mut with = |marks: &BTreeSet<u64>| {
            let marks: Vec<u64> = marks.iter().copied().filter(|chunk| *chunk < chunks).collect();
            array.bitmap.as_mut().unwrap().dirty = marks;
            array.stores()
        };
        let source = dump_of(&with(&then), version);
        let (then, now_dirty) = (listed_chunks(&dirty(&with(&then))), listed_chunks(&dirty(&with(&now))));
        for replace in [true, false] {
            let stores = with(&now);
            let options = RestoreOptions { replace, force: true, ..options(source.clone()) };
            if is_degraded {
                // W7, W5: no mark is taken, and members that may differ do not become unclean.
                let takes_away = replace && !now_dirty.is_subset(&then);
                let is_lone = members == 2;
                if let Err(error) = plan(&read(&stores), &options, NOW) {
                    prop_assert_eq!(reasons::<()>(Err(error)), ["degraded"]);
                    prop_assert!(takes_away || !is_lone);
                    continue;
                }
                prop_assert!(!takes_away);
            }
            let planned = restore(&stores, &options);
            run(&planned, &stores, 9);
            let expected = match replace {
                true => then.clone(),
                false => then.union(&now_dirty).copied().collect(),
            };
            prop_assert_eq!(listed_chunks(&dirty(&stores)), expected.clone());
            // Of a clean array, marks are to be synchronised once they are restored (W4).
            if unclean {
                let again = restore(&stores, &replacing(dump_of(&stores, version)));
                prop_assert!(again.plan.is_empty(), "once more is nothing");
            }
        }
    }
}

/// What a member that had failed had to say is no part of what the array's bitmap said.
#[test]
fn devices_that_were_out_of_date_in_the_dump_do_not_count() {
    let mut array = TestArray::mirror().with_bitmap(&[1]);
    array.vacant = vec![1];
    let stores = array.stores();
    let good = dump(&stores, 4, &[1, 2]);
    let mut failed = dump(&stores, 4, &[9]);
    let md = failed.md.as_mut().unwrap();
    (md.events, failed.bitmap.raw.events) = (30, 30);
    let both = RestoreOptions {
        dump: vec![failed.clone(), good],
        ..replacing(failed)
    };
    let planned = restore(&stores, &both);
    run(&planned, &stores, 9);
    assert_eq!(dirty(&stores), chunks(&[1, 2]));
}
