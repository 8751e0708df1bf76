//! The order of the steps, and what is on the members after each of them.

use super::*;
use crate::change::draft::Draft;
use crate::change::stopped::Trust;
use crate::change::superblock::{Announce, Moment};
use crate::change::testing::{TestArray, read};
use crate::change::{Plan, StoppedArray, execute, preview_steps};
use crate::device::{MemoryStore, Store};
use crate::units::ChunkIndex;

const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

fn views(stores: &[MemoryStore]) -> Vec<&dyn Store> {
    stores.iter().map(|store| store as &dyn Store).collect()
}

/// What the first copy says, with chunk 120 marked besides, on all members.
fn mended(array: &StoppedArray<'_>, supers: Option<SuperChange>) -> Mended {
    let first = array.copies.iter().find(|copy| copy.is_trusted()).unwrap();
    let raw = first.bitmap.as_ref().unwrap().raw();
    let mut known = array.knowledge().unwrap().unwrap();
    known.set(
        &(ChunkIndex(120)..ChunkIndex(121)),
        super::super::Known::Dirty,
    );
    Mended {
        header: raw.clone(),
        offset: 8,
        slot_bytes: 4096,
        known,
        cleared: Events(raw.events_cleared),
        supers,
    }
}

fn plan(array: &StoppedArray<'_>, supers: Option<SuperChange>) -> Plan {
    let mut draft = Draft::new(array, NOW).unwrap();
    let believed: Vec<&Copy<'_>> = array.believed().collect();
    mend(&mut draft, &believed, &mended(array, supers)).unwrap();
    draft.finish().unwrap()
}

fn unclean(failed: Vec<u32>) -> Option<SuperChange> {
    Some(SuperChange {
        announce: Announce::AsItIs,
        unclean: true,
        failed,
    })
}

/// Copies with many chunks, the second one worthless.
fn stores() -> Vec<MemoryStore> {
    let mut array = TestArray::mirror().with_bitmap(&[3]);
    array.bitmap.as_mut().unwrap().chunk_bytes = 512;
    let stores = array.stores();
    stores[1].write_at(Bytes(8192), &[1; 4]).unwrap();
    stores[1].write_at(Bytes(8192 + 300), &[0x55; 200]).unwrap();
    stores
}

#[test]
fn a_worthless_copy_is_whole_before_it_is_vouched_for() {
    let stores = stores();
    let array = read(&stores);
    let plan = plan(&array, None);
    let order = views(&stores);
    for steps in 0..=plan.steps.len() {
        let previews = preview_steps(&plan, &order, steps);
        let views: Vec<&dyn Store> = previews.iter().map(|view| view as &dyn Store).collect();
        let now = StoppedArray::read(&views).unwrap();
        assert!(now.copies[0].is_trusted());
        let is_last = steps == plan.steps.len();
        assert_eq!(now.copies[1].is_trusted(), is_last, "step {steps}");
        for copy in now.believed() {
            let bitmap = copy.bitmap.as_ref().unwrap();
            let marked: Vec<u64> = bitmap
                .runs()
                .unwrap()
                .flat_map(|run| run.map(|run| run.start.0..run.end.0).unwrap())
                .collect();
            assert!(
                marked.contains(&3) && (!is_last || marked == [3, 120]),
                "{marked:?}"
            );
        }
    }
}

#[test]
fn headers_go_before_superblocks_and_marks_behind_them() {
    let stores = stores();
    let array = read(&stores);
    for (failed, expected) in [
        (
            Vec::new(),
            vec![
                "bitmap headers: the new event count",
                "superblocks: not stopped cleanly",
                "header, on every copy",
            ],
        ),
        (
            vec![7],
            vec![
                "bitmap headers: the new event count",
                "superblocks: not stopped cleanly, members that were not given failed",
                "bitmap headers: the new event count",
                "superblocks: one event more, so that the failed member stays out",
                "header, on every copy",
            ],
        ),
    ] {
        let plan = plan(&array, unclean(failed));
        let mut titles: Vec<&str> = plan.steps.iter().map(|step| step.title.as_str()).collect();
        titles.retain(|title| *title != "chunks, on every copy");
        assert_eq!(titles, expected);
        // No superblock is ever ahead of a bitmap that is believed.
        let order = views(&stores);
        for steps in 0..=plan.steps.len() {
            let previews = preview_steps(&plan, &order, steps);
            let views: Vec<&dyn Store> = previews.iter().map(|view| view as &dyn Store).collect();
            let now = StoppedArray::read(&views).unwrap();
            assert!(now.copies[0].is_trusted(), "step {steps}");
        }
    }
}

#[test]
fn all_copies_are_alike_in_the_end() {
    let stores = stores();
    let array = read(&stores);
    let plan = plan(&array, unclean(Vec::new()));
    execute(&plan, &views(&stores), |_, _| {}).unwrap();
    let now = read(&stores);
    assert!(now.copies.iter().all(|copy| copy.trust == Trust::Trusted));
    let headers: Vec<RawBitmapSuper> = now
        .copies
        .iter()
        .map(|copy| copy.bitmap.as_ref().unwrap().raw().clone())
        .collect();
    assert_eq!(headers[0], headers[1]);
    assert_eq!((headers[0].events, headers[0].events_cleared), (41, 39));
    assert_eq!(now.array().unwrap().resync_offset.map(|at| at.0), Some(0));
    let [a, b] = [0, 1].map(|n| stores[n].contents()[8192 + 256..8192 + 512].to_vec());
    assert_eq!(a, b);
}

/// Copies whose states mean the same are made the same: what Dirty does to its neighbours, NeedSync does not (kernel.md 6.4).
#[test]
fn states_are_the_same_on_every_copy() {
    let mut array = TestArray::mirror().with_bitmap(&[3]);
    array.bitmap.as_mut().unwrap().version = 6;
    let stores = array.stores();
    let state = 8192 + 1024;
    // Dirty and clean, NeedSync and unwritten; one says what the other does not.
    stores[0].write_at(Bytes(state + 4), &[2, 1, 2, 5]).unwrap();
    stores[1].write_at(Bytes(state + 4), &[3, 2, 1, 0]).unwrap();
    let array = read(&stores);
    let plan = plan(&array, None);
    execute(&plan, &views(&stores), |_, _| {}).unwrap();
    for store in &stores {
        let mut bytes = [0; 4];
        store.read_at(Bytes(state + 4), &mut bytes).unwrap();
        assert_eq!(bytes, [3, 3, 3, 0], "{}", store.name());
    }
}
