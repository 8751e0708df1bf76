//! To, from and between lockless bitmaps (W4, W10; reference/kernel.md traps 1 to 4, 11).

use super::*;
use crate::change::testing::reasons;

/// With room for what mdadm reserves.
fn roomy(mut array: TestArray) -> TestArray {
    array.data_offset = 2048;
    array.device_sectors += 2048;
    array
}

fn lockless(states: &[u8]) -> (TestArray, Vec<MemoryStore>) {
    let mut array = roomy(TestArray::mirror().with_bitmap(&[]));
    let bitmap = array.bitmap.as_mut().unwrap();
    (bitmap.version, bitmap.chunk_bytes, bitmap.events_cleared) = (6, 65536, 0);
    let stores = array.stores();
    for store in &stores {
        // 128 KiB are reserved, as mdadm does.
        store
            .write_at(Bytes(8192 + 64), &256u32.to_le_bytes())
            .unwrap();
        store.write_at(Bytes(8192 + 1024), states).unwrap();
    }
    (array, stores)
}

fn states(stores: &[MemoryStore]) -> Vec<u8> {
    let array = read(stores);
    let found = array.copies[0].bitmap.as_ref().unwrap();
    let chunks = found.count().unwrap().chunks as usize;
    let mut bytes = vec![0; chunks];
    found
        .store()
        .read_at(Bytes(found.start().0 + 1024), &mut bytes)
        .unwrap();
    bytes
}

#[test]
fn a_clean_classic_bitmap_becomes_clean_states() {
    for mut array in all(&[]).into_iter().map(roomy) {
        let takes = matches!(array.minor, Some(Minor::V1 | Minor::V2));
        let stores = array.stores();
        let result = planned(&stores, &asked(Wanted::Lockless));
        if !takes {
            assert_eq!(reasons(result), ["lockless-metadata"]);
            continue;
        }
        let planned = grow(&stores, &asked(Wanted::Lockless));
        let raw = header(&stores);
        assert_eq!(
            (raw.version, raw.chunksize, raw.state),
            (6, 128, 0),
            "sectors; never FIRST_USE"
        );
        assert_eq!((raw.sectors_reserved, raw.daemon_sleep_seconds), (256, 30));
        assert!(states(&stores).iter().all(|state| *state == 1));
        assert!(read(&stores).array().unwrap().is_clean());
        assert!(planned.notes[0].contains("CONFIG_MD_LLBITMAP"));
        array.bitmap = None;
        let stores = array.stores();
        grow(&stores, &asked(Wanted::Lockless));
        assert!(
            states(&stores).iter().all(|state| *state == 1),
            "from nothing"
        );
        array.resync_offset = Some(0);
        let stores = array.stores();
        grow(&stores, &asked(Wanted::Lockless));
        assert!(
            states(&stores).iter().all(|state| *state == 3),
            "from nothing, not stopped cleanly"
        );
    }
}

#[test]
fn marks_become_chunks_that_need_sync_and_the_array_says_so_w4() {
    for resync_offset in [None, Some(0), Some(512)] {
        for array in [TestArray::mirror(), TestArray::raid5()] {
            let mut array = roomy(array.with_bitmap(&[0, 17, 127]));
            array.resync_offset = resync_offset;
            let stores = array.stores();
            grow(&stores, &asked(Wanted::Lockless));
            assert_eq!(states(&stores), [3, 3, 1, 1, 1, 1, 1, 3]);
            // Otherwise parity that may be old would be believed (reference/kernel.md 6.6).
            let found = read(&stores).array().unwrap().resync_offset.map(|s| s.0);
            assert_eq!(found, Some(0));
        }
    }
}

#[test]
fn every_state_but_clean_is_dirty_in_bits_w10() {
    let all = [0, 1, 2, 3, 4, 5, 6, 7];
    for wanted in [Wanted::Internal, Wanted::Clustered] {
        let (array, stores) = lockless(&all);
        let planned = grow(&stores, &asked(wanted));
        assert_eq!(dirty(&stores), [0, 2, 3, 4, 5, 6, 7]);
        let raw = header(&stores);
        assert_eq!((raw.chunksize, raw.daemon_sleep_seconds), (65536, 5));
        assert_eq!(
            raw.events_cleared,
            array.events + 1,
            "W3: a version 6 bitmap does not know"
        );
        assert!(!read(&stores).array().unwrap().is_clean(), "W4");
        assert!(
            planned
                .sentences
                .iter()
                .any(|s| s.contains("not stopped cleanly from now on"))
        );
    }
    let (_, stores) = lockless(&[1; 8]);
    grow(&stores, &asked(Wanted::Internal));
    assert!(dirty(&stores).is_empty());
    assert!(read(&stores).array().unwrap().is_clean());
}

#[test]
fn a_lockless_bitmap_that_goes_leaves_an_unclean_array_w4() {
    for (states, clean) in [
        ([1; 8], true),
        ([1, 1, 1, 0, 1, 1, 1, 1], false),
        ([3; 8], false),
    ] {
        let (_, stores) = lockless(&states);
        let planned = grow(&stores, &asked(Wanted::None));
        assert_eq!(read(&stores).array().unwrap().is_clean(), clean);
        assert_eq!(planned.notes.is_empty(), clean);
    }
}

#[test]
fn there_and_back_no_dirt_is_lost() {
    let mut array = roomy(TestArray::mirror().with_bitmap(&[16, 40]));
    array.resync_offset = Some(0);
    let stores = array.stores();
    grow(&stores, &asked(Wanted::Lockless));
    grow(&stores, &asked(Wanted::Internal));
    let known = knowledge(&stores);
    assert_eq!(known.coverage().chunk_bytes(), 65536);
    assert_eq!(dirty(&stores), [1, 2]);
    assert!(!read(&stores).array().unwrap().is_clean());
}

#[test]
fn lockless_chunks_change_their_size() {
    let (array, stores) = lockless(&[0, 0, 1, 1, 0, 1, 3, 7]);
    let options = GrowOptions {
        chunk: chunk(131_072),
        ..GrowOptions::default()
    };
    let planned = grow(&stores, &options);
    assert_eq!(
        states(&stores),
        [0, 1, 3, 3],
        "what is but in part unwritten is dirty"
    );
    assert_eq!(planned.after.events.0, array.events + 2);
    let raw = header(&stores);
    assert_eq!((raw.chunksize, raw.sectors_reserved), (256, 256));
    let options = GrowOptions {
        chunk: chunk(65536),
        ..GrowOptions::default()
    };
    grow(&stores, &options);
    assert_eq!(states(&stores), [0, 0, 1, 1, 3, 3, 3, 3]);
    for bytes in [512, 32768] {
        let options = GrowOptions {
            chunk: chunk(bytes),
            ..GrowOptions::default()
        };
        assert_eq!(
            reasons(super::planned(&stores, &options)),
            ["chunk-too-small"]
        );
    }
}

#[test]
fn a_bad_block_log_inside_makes_it_move_trap_4() {
    for (wanted, bytes) in [(Some(Wanted::Lockless), None), (None, chunk(65536))] {
        let (array, stores) = lockless(&[1, 1, 3, 1, 0, 1, 1, 2]);
        for store in &stores {
            edit_super(store, |raw| {
                (raw.fixed.bblog_offset, raw.fixed.bblog_size) = (16, 8);
            });
        }
        let options = GrowOptions {
            bitmap: wanted,
            chunk: bytes,
            ..GrowOptions::default()
        };
        let delay = GrowOptions {
            delay_seconds: Some(31),
            ..GrowOptions::default()
        };
        assert_eq!(
            grow(&stores, &delay).after.events.0,
            array.events,
            "the delay alone is changed where it is"
        );
        let planned = grow(&stores, &options);
        let after = planned.after.bitmap.unwrap();
        assert_eq!(after.offset_sectors, 24);
        assert_eq!(header(&stores).sectors_reserved, 256);
        assert_eq!(states(&stores), [1, 1, 3, 1, 0, 1, 1, 3]);
        assert_eq!(planned.after.events.0, array.events + 2);
        for store in &stores {
            let mut old = [1; 512];
            store.read_at(Bytes(8192), &mut old).unwrap();
            assert_eq!(old, [0; 512], "the former header");
        }
        // Once the log was used, states were read as bad blocks and bad blocks as states.
        let (_, stores) = lockless(&[1; 8]);
        for store in &stores {
            edit_super(store, |raw| {
                (raw.fixed.bblog_offset, raw.fixed.bblog_size) = (16, 8);
                raw.fixed.feature_map |= 8;
            });
        }
        assert_eq!(
            reasons(super::planned(&stores, &options)),
            ["bitmap-not-believed"; 2]
        );
    }
}

#[test]
fn degraded_arrays_get_none_w10() {
    for array in [TestArray::mirror(), TestArray::raid5()] {
        for mut array in [roomy(array.clone()), roomy(array.with_bitmap(&[1]))] {
            array.vacant = vec![1];
            assert_eq!(
                reasons(planned(&array.stores(), &asked(Wanted::Lockless))),
                ["degraded"]
            );
        }
    }
}

#[test]
fn what_the_kernel_is_to_initialise_is_refused() {
    let (_, stores) = lockless(&[1; 8]);
    for store in &stores {
        store.write_at(Bytes(8192 + 48), &[0x18]).unwrap();
    }
    for wanted in [Wanted::Lockless, Wanted::Internal] {
        let found = reasons(planned(&stores, &asked(wanted)));
        assert_eq!(found, ["bitmap-not-believed"; 2]);
    }
}
