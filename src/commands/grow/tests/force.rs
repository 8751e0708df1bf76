//! Members that were not given (W7).

use super::*;
use crate::change::testing::reasons;

fn forced(options: GrowOptions) -> GrowOptions {
    GrowOptions {
        force: true,
        ..options
    }
}

/// A mirror of three, or a raid5, without its last member.
fn without_last(array: &TestArray) -> (Vec<MemoryStore>, MemoryStore) {
    let mut stores = array.stores();
    let last = stores.pop().unwrap();
    (stores, last)
}

fn arrays() -> Vec<TestArray> {
    let three = TestArray {
        members: 3,
        ..TestArray::mirror()
    };
    let all = [three, TestArray::raid5()];
    let minors = [Some(Minor::V0), Some(Minor::V1), Some(Minor::V2), None];
    let all = all.iter().flat_map(|array| {
        minors.map(|minor| {
            let mut array = array.clone().with_bitmap(&[4]);
            array.minor = minor;
            if minor == Some(Minor::V0) {
                array.bitmap.as_mut().unwrap().offset = -16;
            }
            array
        })
    });
    all.collect()
}

#[test]
fn a_missing_member_is_named_and_with_force_it_has_failed() {
    for array in arrays() {
        let options = [
            GrowOptions {
                chunk: chunk(8192),
                ..GrowOptions::default()
            },
            GrowOptions {
                delay_seconds: Some(8),
                ..GrowOptions::default()
            },
            asked(Wanted::None),
            asked(Wanted::File(FileWanted {
                path: "/a/b".into(),
                existing: None,
            })),
        ];
        for options in options {
            let (stores, _) = without_last(&array);
            let error = planned(&stores, &options).err().unwrap();
            assert!(error.to_string().contains("slot 2 is in use"), "{error}");
            let forced = forced(options);
            let planned = grow(&stores, &forced);
            let mut events = Vec::new();
            for steps in 1..=planned.plan.steps.len() {
                let (stores, _) = without_last(&array);
                run(&planned, &stores, steps);
                let after = read(&stores);
                let all: Vec<u64> = after
                    .current()
                    .map(|p| after.devices[p].member().events.0)
                    .collect();
                assert!(all.iter().all(|events| *events == all[0]), "W1");
                // From the first step of superblocks on the member counts as failed.
                assert_eq!(after.membership.missing.is_empty(), all[0] > array.events);
                assert_eq!(after.membership.vacant.is_empty(), all[0] == array.events);
                assert!(
                    after.copies.iter().all(|copy| copy.is_trusted()),
                    "never stale"
                );
                events.push(all[0]);
            }
            let end = events.last().copied().unwrap();
            events.dedup();
            let expected: Vec<u64> = (array.events..=end).collect();
            assert_eq!(
                events,
                expected[expected.len() - events.len()..],
                "one event a step"
            );
            assert!(end >= array.events + 2);
            assert!(planned.sentences.iter().any(|s| s.starts_with("slot 2: ")));
        }
    }
}

#[test]
fn the_absent_one_is_out_for_good_but_may_be_readded() {
    let array = arrays().remove(2);
    let (stores, last) = without_last(&array);
    grow(
        &stores,
        &forced(GrowOptions {
            chunk: chunk(8192),
            ..GrowOptions::default()
        }),
    );
    assert_eq!(dirty(&stores), [2]);
    let raw = header(&stores);
    assert_eq!(
        (raw.events, raw.events_cleared),
        (array.events + 3, array.events - 1)
    );
    let mut all = stores;
    all.push(last);
    let after = read(&all);
    assert_eq!(after.current().count(), 2);
}

#[test]
fn nothing_is_forced_on_what_was_not_stopped_cleanly_or_lacks_too_much() {
    for mut array in arrays() {
        array.resync_offset = Some(0);
        let (stores, _) = without_last(&array);
        let found = reasons(planned(&stores, &forced(asked(Wanted::None))));
        assert!(found.contains(&"member-missing"), "{found:?}");
    }
    let mut stores = TestArray::raid5().with_bitmap(&[]).stores();
    stores.truncate(1);
    let found = reasons(planned(&stores, &forced(asked(Wanted::None))));
    assert_eq!(found, ["not-enough-members"]);
}

#[test]
fn with_a_member_away_nothing_is_marked_as_not_stopped_cleanly_w4() {
    // A lockless bitmap whose chunks are not all clean.
    let mut array = TestArray {
        members: 3,
        data_offset: 2048,
        device_sectors: 4096,
        ..TestArray::mirror()
    };
    array.bitmap = Some(TestBitmap {
        version: 6,
        chunk_bytes: 65536,
        offset: 8,
        events: array.events,
        events_cleared: 0,
        dirty: vec![1],
        sync_size: 1024,
    });
    let (stores, _) = without_last(&array);
    for wanted in [Wanted::Internal, Wanted::None] {
        let found = reasons(planned(&stores, &forced(asked(wanted))));
        assert_eq!(found, ["degraded"]);
    }
    array.bitmap.as_mut().unwrap().dirty = Vec::new();
    let (stores, _) = without_last(&array);
    grow(&stores, &forced(asked(Wanted::Internal)));
    let (stores, _) = without_last(&array);
    let options = forced(GrowOptions {
        chunk: chunk(131_072),
        ..GrowOptions::default()
    });
    assert_eq!(reasons(planned(&stores, &options)), ["degraded"], "W10");
}

#[test]
fn what_is_as_it_should_be_forces_nothing() {
    let array = arrays().remove(2);
    let (stores, _) = without_last(&array);
    assert!(
        planned(&stores, &forced(asked(Wanted::Internal)))
            .unwrap()
            .is_nothing()
    );
}
