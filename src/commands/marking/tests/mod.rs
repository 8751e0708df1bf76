//! `set` on arrays in memory.

mod hostile;

use super::*;
use crate::array::spaces::Space;
use crate::array::{MemberSuper, probe};
use crate::change::testing::{TestArray, next_resync, read, reasons, zoo};
use crate::change::{execute, postcondition};
use crate::commands::set::{self, SetOptions};
use crate::device::{MemoryStore, Store};
use crate::units::{Bytes, Sectors};
use std::ops::Range;

pub(in crate::commands) const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

pub(in crate::commands) fn run(planned: &Planned, stores: &[MemoryStore], steps: usize) {
    let mut part = planned.plan.clone();
    part.steps.truncate(steps);
    let stores: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    execute(&part, &stores, |_, _| {}).unwrap();
}

pub(in crate::commands) fn supers(stores: &[MemoryStore]) -> Vec<MemberSuper> {
    let member = |store| probe(store, None).found.remove(0).member;
    stores
        .iter()
        .map(|store| member(store as &dyn Store))
        .collect()
}

fn ranges(ranges: &[Range<u64>]) -> Asked {
    let sectors = ranges
        .iter()
        .map(|range| Sectors(range.start)..Sectors(range.end));
    Asked {
        what: What::Ranges(sectors.collect()),
        ..Asked::all()
    }
}

pub(in crate::commands) fn range(range: Range<u64>) -> Asked {
    ranges(std::slice::from_ref(&range))
}

fn options(asked: Asked) -> SetOptions {
    SetOptions {
        asked,
        force: false,
    }
}

fn set(stores: &[MemoryStore], asked: Asked) -> Planned {
    checked(
        &read(stores),
        set::plan(&read(stores), &options(asked), NOW).unwrap(),
    )
}

/// A plan that leads to what it says.
pub(in crate::commands) fn checked(array: &StoppedArray<'_>, planned: Planned) -> Planned {
    postcondition::check(array, &planned).unwrap();
    planned
}

fn whole(planned: &Planned) -> usize {
    planned.plan.steps.len()
}

/// The same chunk on every copy, for every kind of array, and the kernel synchronises it at the next start, whichever
/// copy it reads; at no step less than what was marked before.
#[test]
fn what_is_set_is_synchronised_by_the_next_start() {
    for version in [4, 6] {
        for (array, block) in zoo(version, &[3, 9]) {
            let make = || -> Vec<MemoryStore> {
                let stores = array.stores().into_iter();
                stores
                    .map(|store| store.with_blocks(block, block))
                    .collect()
            };
            let stores = make();
            // Chunk 5, and chunks 60 and 61 in part.
            let planned = set(&stores, ranges(&[40..48, 484..490]));
            assert_eq!(whole(&planned), 3, "{array:?}");
            let before = supers(&stores);
            for steps in 0..=3 {
                let stores = make();
                run(&planned, &stores, steps);
                let now = supers(&stores);
                let unclean = steps >= 2;
                for (now, before) in now.iter().zip(&before) {
                    assert_eq!(now.is_clean(), !unclean);
                    assert_eq!(now.events.0, before.events.0 + u64::from(unclean));
                }
                let expected: Vec<u64> = match (steps, version) {
                    // A clean array drops the marks of bits; states are synchronised all the same.
                    (0 | 1, 4) => Vec::new(),
                    (3, _) => vec![3, 5, 9, 60, 61],
                    _ => vec![3, 9],
                };
                for copy in next_resync(&stores) {
                    assert_eq!(copy, expected, "{array:?} step {steps}");
                }
            }
            run(&planned, &stores, 3);
            assert_eq!(planned.after.bitmap.as_ref().unwrap().dirty_chunks, 5);
            assert_eq!(
                planned.after.events,
                before[0].events.checked_add(Events(1)).unwrap()
            );
            assert!(!planned.after.clean);
            // Once more, there is nothing to do.
            assert!(set(&stores, ranges(&[40..48, 484..490])).plan.is_empty());
        }
    }
}

/// W4: a mark that is there already has to be synchronised as well, when it is asked for.
#[test]
fn a_mark_on_a_clean_array_counts_from_now_on() {
    let stores = TestArray::mirror().with_bitmap(&[5]).stores();
    let planned = set(&stores, range(40..48));
    assert_eq!(
        planned.sentences[0],
        "newly marked: 0 chunks (0 bytes); marked already: 1 chunk (4096 bytes)"
    );
    run(&planned, &stores, 9);
    assert_eq!(next_resync(&stores), [[5], [5]]);
}

/// W4: the checkpoint decides what the kernel takes for done.
#[test]
fn a_checkpoint_behind_the_marks_is_taken_back() {
    let mut array = TestArray::mirror().with_bitmap(&[]);
    for (checkpoint, steps) in [(0, 1), (40, 1), (41, 3), (48, 3), (1024, 3)] {
        array.resync_offset = Some(checkpoint);
        let stores = array.stores();
        let planned = set(&stores, range(40..48));
        assert_eq!(whole(&planned), steps, "{checkpoint}");
        run(&planned, &stores, steps);
        assert_eq!(next_resync(&stores), [[5], [5]], "{checkpoint}");
        let expected = if steps == 3 { 0 } else { checkpoint };
        assert_eq!(supers(&stores)[0].resync_offset, Some(Sectors(expected)));
    }
}

/// A mirror with one member has nothing to synchronise: the marks are for the one that is away, and the array stays clean.
#[test]
fn a_lone_member_gets_marks_and_nothing_else() {
    let mut array = TestArray::mirror().with_bitmap(&[1]);
    array.vacant = vec![1];
    let stores = array.stores();
    let planned = set(&stores, range(0..8));
    assert_eq!(whole(&planned), 1);
    run(&planned, &stores, 1);
    assert!(supers(&stores)[0].is_clean());
    assert_eq!(supers(&stores)[0].events, Events(40));
    let told = planned.sentences.join("\n");
    assert!(
        told.contains("there is one member alone") && told.contains("re-added"),
        "{told}"
    );
}

/// W7: a member that was not given is needed, unless the user says that it has failed.
#[test]
fn members_that_are_missing() {
    let array = TestArray::mirror().with_bitmap(&[]);
    let stores: Vec<MemoryStore> = array.stores().into_iter().take(1).collect();
    let asked = options(range(0..8));
    assert_eq!(
        reasons(set::plan(&read(&stores), &asked, NOW)),
        ["member-missing"]
    );
    let forced = SetOptions {
        force: true,
        ..asked
    };
    let planned = set::plan(&read(&stores), &forced, NOW).unwrap();
    run(&planned, &stores, 9);
    let member = &supers(&stores)[0];
    assert_eq!((member.events, member.is_clean()), (Events(42), true));
    assert_eq!(member.vacant_slots(), [1]);
    assert!(
        planned
            .sentences
            .iter()
            .any(|s| s.starts_with("slot 1: the member"))
    );
    // A parity array that lacks a member would be dirty and degraded (W4).
    let array = TestArray::raid5().with_bitmap(&[]);
    let stores: Vec<MemoryStore> = array.stores().into_iter().take(2).collect();
    assert_eq!(
        reasons(set::plan(&read(&stores), &forced, NOW)),
        ["degraded"]
    );
}

#[test]
fn what_is_not_to_be_believed_is_not_marked() {
    let mut array = TestArray::mirror().with_bitmap(&[]);
    array.bitmap.as_mut().unwrap().events = 39;
    let planned = set::plan(&read(&array.stores()), &options(Asked::all()), NOW);
    assert!(
        planned
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("check --repair")
    );
    assert_eq!(
        reasons(planned),
        ["bitmap-not-believed", "bitmap-not-believed"]
    );
    let planned = set::plan(
        &read(&TestArray::mirror().stores()),
        &options(Asked::all()),
        NOW,
    );
    assert_eq!(reasons(planned), ["no-bitmap"]);
}

/// A bitmap with a field that no kernel takes, and good bits, is mended first.
#[test]
fn a_bitmap_that_no_kernel_takes_is_for_repair() {
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    let sleep = Bytes(4096 + 8 * 512 + 56);
    stores[1].write_at(sleep, &0u32.to_le_bytes()).unwrap();
    let refused = set::plan(&read(&stores), &options(Asked::all()), NOW);
    let told = refused.as_ref().unwrap_err().to_string();
    assert!(
        told.starts_with("m1: daemon_sleep: found 0") && told.contains("check --repair"),
        "{told}"
    );
    assert_eq!(reasons(refused), ["bitmap-not-taken"]);
}

fn in_space(space: Space, member: Option<&str>, sectors: Range<u64>) -> Asked {
    Asked {
        space,
        member: member.map(str::to_owned),
        ..range(sectors)
    }
}

#[test]
fn spaces_and_members() {
    // raid5 of three, chunks of 8 KiB: array sectors 16..32 are the second data chunk of the first row.
    let stores = TestArray::raid5().with_bitmap(&[]).stores();
    let marked = |asked: Asked| {
        let stores = TestArray::raid5().with_bitmap(&[]).stores();
        run(&set(&stores, asked), &stores, 9);
        next_resync(&stores).remove(0)
    };
    assert_eq!(marked(in_space(Space::Array, None, 16..17)), [0]);
    assert_eq!(marked(in_space(Space::Array, None, 40..41)), [3]);
    assert_eq!(marked(in_space(Space::Bitmap, None, 40..41)), [5]);
    assert_eq!(marked(in_space(Space::Member, Some("m1"), 40..41)), [5]);
    assert_eq!(marked(in_space(Space::Device, Some("m1"), 296..297)), [5]);
    let refused = |asked: Asked| reasons(set::plan(&read(&stores), &options(asked), NOW));
    assert_eq!(
        refused(in_space(Space::Member, None, 0..8)),
        ["member-unclear"]
    );
    assert_eq!(
        refused(in_space(Space::Member, Some("m7"), 0..8)),
        ["member-unknown"]
    );
    assert_eq!(
        refused(in_space(Space::Bitmap, None, 1020..1025)),
        ["range-outside"]
    );
    assert_eq!(
        refused(in_space(Space::Member, Some("m0"), 1020..1025)),
        ["range-outside"]
    );
    assert_eq!(
        refused(in_space(Space::Array, None, 2040..2049)),
        ["range-outside"]
    );
    // A device holds other things than data.
    let planned = set(&stores, in_space(Space::Device, Some("m0"), 0..257));
    assert!(
        planned.notes[0].contains("lie outside the data of the array"),
        "{:?}",
        planned.notes
    );
    assert_eq!(planned.after.bitmap.unwrap().dirty_chunks, 1);
    let planned = set(&stores, in_space(Space::Device, Some("m0"), 0..256));
    assert!(planned.plan.is_empty());
    // A spare's addresses are nothing to the array.
    let mut array = TestArray::mirror().with_bitmap(&[]);
    array.spares = 1;
    let stores = array.stores();
    let planned = set::plan(
        &read(&stores),
        &options(in_space(Space::Member, Some("m2"), 0..8)),
        NOW,
    );
    assert_eq!(reasons(planned), ["member-unknown"]);
}

/// Only what was asked is done to copies that differ, and it is said that they do.
#[test]
fn copies_that_differ_are_told_about() {
    let array = TestArray::mirror().with_bitmap(&[1, 5]);
    let other = TestArray::mirror().with_bitmap(&[1]);
    let stores = [array.stores().remove(0), other.stores().remove(1)];
    let planned = set(&stores, range(0..8));
    assert!(
        planned.notes[0]
            .starts_with("m1: its copy of the bitmap does not mark 1 chunk (4096 bytes)"),
        "{:?}",
        planned.notes
    );
    run(&planned, &stores, 9);
    assert_eq!(next_resync(&stores), [vec![0, 1, 5], vec![0, 1]]);
    // Where what is asked for makes them alike, there is nothing to say.
    assert!(set(&stores, range(40..48)).notes.is_empty());
}
