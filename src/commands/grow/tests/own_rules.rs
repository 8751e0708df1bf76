//! What is under way, or has rules of its own (W18).

use super::*;
use crate::change::StoppedArray;
use crate::format::md_v1::feature;

fn refusal(stores: &[MemoryStore], options: &GrowOptions) -> String {
    let views: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    match StoppedArray::read(&views).and_then(|array| plan(&array, options, NOW)) {
        Ok(planned) => panic!("admitted: {:?}", planned.sentences),
        Err(error) => error.to_string(),
    }
}

fn all_changes() -> [GrowOptions; 4] {
    [
        GrowOptions {
            chunk: chunk(8192),
            ..asked(Wanted::Internal)
        },
        GrowOptions {
            delay_seconds: Some(9),
            ..GrowOptions::default()
        },
        asked(Wanted::None),
        asked(Wanted::Lockless),
    ]
}

#[test]
fn features_with_rules_of_their_own_are_refused_w18() {
    const UNKNOWN: u32 = 1 << 20;
    for (bit, word) in [
        (feature::JOURNAL, "journal"),
        (feature::PPL, "parity log"),
        (feature::MULTIPLE_PPLS, "parity log"),
        (feature::REPLACEMENT, "replaced"),
        (feature::RESHAPE_ACTIVE, "reshape"),
        (feature::NEW_OFFSET, "reshape"),
        (feature::RECOVERY_OFFSET, "recover"),
        (UNKNOWN, ""),
    ] {
        for everywhere in [false, true] {
            for force in [false, true] {
                for options in all_changes() {
                    let stores = TestArray::raid5().with_bitmap(&[3]).stores();
                    let edited = if everywhere {
                        &stores[..]
                    } else {
                        &stores[1..2]
                    };
                    for store in edited {
                        edit_super(store, |raw| raw.fixed.feature_map |= bit);
                    }
                    let options = GrowOptions { force, ..options };
                    let said = refusal(&stores, &options);
                    assert!(said.contains(word), "{bit} on all: {everywhere}: {said}");
                }
            }
        }
    }
}

#[test]
fn members_that_each_call_the_other_failed_are_refused_w17() {
    for ahead in [0, 1] {
        for options in all_changes() {
            let stores = TestArray::mirror().with_bitmap(&[3]).stores();
            for (device, store) in stores.iter().enumerate() {
                edit_super(store, |raw| {
                    raw.fixed.events += if device == 1 { ahead } else { 0 };
                    // The role of the other one.
                    raw.roles[1 - device] = 0xfffe;
                });
            }
            let said = refusal(&stores, &options);
            assert!(
                said.contains("each say that the other has failed"),
                "{said}"
            );
        }
    }
}
