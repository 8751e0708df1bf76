//! Changes of arrays: plans as the verbs make them.

use super::*;
use crate::array::probe::probe;
use crate::change::draft::{Draft, SuperChange};
use crate::change::execute;
use crate::change::knowledge::Knowledge;
use crate::change::replace::{NewBitmap, replace};
use crate::change::stopped::StoppedArray;
use crate::change::superblock::Moment;
use crate::change::testing::{TestArray, UUID};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::md_v1::Minor;
use proptest::prelude::*;

const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 123,
};

/// The plan that replaces the bitmap by one with chunks of 8 KiB.
fn replacing(stores: &[MemoryStore]) -> Plan {
    let array = StoppedArray::read(&refs(stores)).unwrap();
    let mut header = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    header.magic = BITMAP_MAGIC;
    header.version = 4;
    header.uuid = UUID;
    header.chunksize = 8192;
    header.daemon_sleep_seconds = 5;
    header.sync_size_sectors = array.sync_size().0;
    let mut draft = Draft::new(&array, NOW).unwrap();
    let bitmap = NewBitmap {
        header,
        offset: 8,
        slot_bytes: 4096,
        known: Knowledge::all_dirty(array.coverage(8192).unwrap()).unwrap(),
        cleared: None,
        unclean: true,
    };
    replace(&mut draft, &bitmap).unwrap();
    draft.finish().unwrap()
}

fn arrays() -> impl Strategy<Value = TestArray> {
    let minor = prop_oneof![
        Just(None),
        Just(Some(Minor::V0)),
        Just(Some(Minor::V1)),
        Just(Some(Minor::V2))
    ];
    (minor, any::<bool>(), 0u32..2).prop_map(|(minor, raid5, spares)| {
        let mut array = match raid5 {
            true => TestArray::raid5(),
            false => TestArray::mirror(),
        };
        array.minor = minor;
        array.spares = match minor {
            None => 0,
            Some(_) => spares,
        };
        array.with_bitmap(&[1, 7])
    })
}

fn groups(plan: &Plan) -> Vec<&[Write]> {
    let steps = plan.steps.iter();
    steps
        .flat_map(|step| step.writes.chunk_by(|a, b| a.device == b.device))
        .collect()
}

fn apply(stores: &[MemoryStore], writes: &[Write], sectors: u64) {
    let mut bit = 0;
    for write in writes {
        for (number, bytes) in (0u64..).zip(write.new.to_vec().chunks(512)) {
            if sectors >> bit & 1 == 1 {
                let at = Bytes(write.start.0 + number * 512);
                stores[write.device].write_at(at, bytes).unwrap();
            }
            bit = (bit + 1) % 64;
        }
    }
}

/// Events of the superblocks that can be believed.
fn events(stores: &[MemoryStore]) -> Vec<u64> {
    let found = stores.iter().flat_map(|store| probe(store, None).found);
    found.map(|found| found.member.events.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A change of a real array, interrupted anywhere, also within a superblock, given in any order and under other names,
    /// is taken back, and event counts never lie more than one apart (W1).
    #[test]
    fn interrupted_changes_are_taken_back(
        array in arrays(), behind in any::<bool>(), at in any::<prop::sample::Index>(), sectors in any::<u64>(), turn in 0usize..3,
    ) {
        let mut stores = array.stores();
        if behind && array.minor.is_some() {
            // As a crash between two superblocks leaves it: the plan brings it up first.
            let mut older = array.clone();
            older.events -= 1;
            stores[1] = older.stores().remove(1);
        }
        let before = contents(&stores);
        let plan = replacing(&stores);
        let file = file(&plan, &stores);
        let all = groups(&plan);
        let last = at.index(all.len() + 1);
        for writes in &all[..last] {
            apply(&stores, writes, u64::MAX);
        }
        if let Some(writes) = all.get(last) {
            apply(&stores, writes, sectors);
        }
        let mut moved: Vec<MemoryStore> = stores
            .iter()
            .enumerate()
            .map(|(number, store)| MemoryStore::new(format!("moved{number}"), store.contents()))
            .collect();
        let turn = turn % moved.len();
        moved.rotate_left(turn);
        for state in revert_with_failures(&file, &moved) {
            let state: Vec<MemoryStore> = state.into_iter().map(|bytes| MemoryStore::new("s", bytes)).collect();
            let events = events(&state);
            if let (Some(least), Some(most)) = (events.iter().min(), events.iter().max()) {
                prop_assert!(most - least <= 1, "{:?}", events);
            }
        }
        moved.rotate_right(turn);
        prop_assert_eq!(contents(&moved), before);
    }
}

#[test]
fn what_an_assembly_leaves_is_foreign_and_told_in_words() {
    let array = TestArray::mirror().with_bitmap(&[3]);
    let stores = array.stores();
    let plan = replacing(&stores);
    let file = file(&plan, &stores);
    execute(&plan, &refs(&stores), |_, _| {}).unwrap();
    assert_eq!(judge(&file, &refs(&stores)).unwrap().state, State::Done);
    // The array is started, and stopped again; the event count is stepped back, as kernels do.
    let array = StoppedArray::read(&refs(&stores)).unwrap();
    let mut draft = Draft::new(
        &array,
        Moment {
            seconds: 1_800_000_100,
            micros: 0,
        },
    )
    .unwrap();
    draft
        .superblocks("a kernel", &SuperChange::nothing())
        .unwrap();
    let other = draft.finish().unwrap();
    execute(&other, &refs(&stores), |_, _| {}).unwrap();
    let now = contents(&stores);
    let Err(TakeBackError::Foreign(all)) = take_back(&file, &refs(&stores)) else {
        panic!()
    };
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0].to_string(),
        "m0: bytes 4096..4608 (md superblock): found events 43, updated 2027-01-15 08:01:40 UTC, expected events 40 or 41 or 42, \
         updated 1970-01-01 00:00:00 UTC or 2027-01-15 08:00:00.000123 UTC"
    );
    assert_eq!(contents(&stores), now);
}

#[test]
fn a_change_of_a_superblock_outside_the_plan_is_found() {
    let mut array = TestArray::mirror().with_bitmap(&[]);
    array.spares = 1;
    let stores = array.stores();
    let plan = replacing(&stores);
    let file = file(&plan, &stores);
    execute(&plan, &refs(&stores), |_, _| {}).unwrap();
    // Behind the superblock's own bytes, in its sector.
    stores[2].write_at(Bytes(4096 + 400), &[1]).unwrap();
    let state = judge(&file, &refs(&stores)).unwrap().state;
    let State::Foreign(all) = state else {
        panic!("{state:?}")
    };
    assert_eq!((all[0].device, all[0].start), (2, 4096));
}

#[test]
fn devices_that_are_missing_or_given_twice_are_told() {
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    let file = file(&replacing(&stores), &stores);
    let all = refs(&stores);
    let error = assign(&file, &all[..1]).unwrap_err();
    assert!(
        error.to_string().starts_with("m1 (device UUID 02020202:"),
        "{error}"
    );
    let AssignError::Missing { found, .. } = error else {
        panic!()
    };
    assert_eq!(found, [(0, 0)]);
    let copy = MemoryStore::new("copy", stores[1].contents());
    let one = MemoryStore::new("one", stores[1].contents());
    let error = assign(&file, &[all[0], &copy, &one]).unwrap_err();
    assert!(
        error.to_string().contains("copy and one hold the same"),
        "{error}"
    );
    // The one that has the name counts.
    assert_eq!(assign(&file, &[&copy, all[1], all[0]]).unwrap(), [2, 1]);
    // Foreign, and known by its UUID under another name.
    let changed = MemoryStore::new("changed", stores[1].contents());
    changed.write_at(Bytes(4096 + 300), &[9]).unwrap();
    assert_eq!(assign(&file, &[&changed, all[0]]).unwrap(), [1, 0]);
}

#[test]
fn a_device_of_another_length_is_foreign() {
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    let file = file(&replacing(&stores), &stores);
    let mut bytes = stores[1].contents();
    bytes.resize(bytes.len() + 512, 0);
    let longer = MemoryStore::new("m1", bytes);
    let Err(TakeBackError::Foreign(all)) = take_back(&file, &[&stores[0], &longer]) else {
        panic!()
    };
    assert_eq!(
        all[0].to_string(),
        "m1: bytes 0..1049088 (the device): found 1049088 bytes, expected 1048576 bytes"
    );
}
