//! Added, re-chunked, resized, moved, edited in place (W2, W3, W4).

use super::*;
use crate::change::Room;
use crate::change::testing::reasons;

#[test]
fn a_first_bitmap_is_clean_exactly_if_the_array_is_w3() {
    for mut array in all(&[]) {
        array.bitmap = None;
        for resync_offset in [None, Some(0), Some(640)] {
            array.resync_offset = resync_offset;
            let stores = array.stores();
            let mut options = asked(Wanted::Internal);
            options.chunk = chunk(4096);
            let planned = grow(&stores, &options);
            let known = knowledge(&stores);
            match resync_offset {
                None => assert!(known.is_all_clean()),
                Some(_) => assert!(known.dirty().is_full()),
            }
            let raw = header(&stores);
            // With marks it is the count before (FINDINGS, lone-mirror).
            let before = u64::from(resync_offset.is_some());
            assert_eq!(
                (raw.events, raw.events_cleared),
                (array.events + 2, array.events + 2 - before)
            );
            assert_eq!((raw.version, raw.uuid), (4, crate::change::testing::UUID));
            // The checkpoint of an unfinished resync is still there.
            let found = read(&stores).array().unwrap().resync_offset.map(|s| s.0);
            assert_eq!(found, resync_offset);
            // The area is full of zeros already.
            assert_eq!(
                planned.plan.steps.len(),
                4 - usize::from(resync_offset.is_none()),
                "W2"
            );
        }
    }
}

#[test]
fn what_is_there_already_is_left_alone() {
    for array in all(&[1, 5]) {
        let stores = array.stores();
        let before: Vec<_> = stores.iter().map(MemoryStore::contents).collect();
        let mut again = asked(Wanted::Internal);
        (again.chunk, again.delay_seconds, again.write_behind) = (chunk(4096), Some(5), Some(0));
        for options in [asked(Wanted::Internal), again] {
            assert!(grow(&stores, &options).is_nothing());
        }
        let after: Vec<_> = stores.iter().map(MemoryStore::contents).collect();
        assert!(before == after);
    }
}

#[test]
fn chunks_change_their_size_and_no_dirt_is_lost() {
    for mut array in all(&[0, 3, 90, 127]) {
        for resync_offset in [None, Some(0)] {
            array.resync_offset = resync_offset;
            let stores = array.stores();
            let options = GrowOptions {
                chunk: chunk(16384),
                ..GrowOptions::default()
            };
            grow(&stores, &options);
            assert_eq!(dirty(&stores), [0, 22, 31], "coarser is OR");
            let options = GrowOptions {
                chunk: chunk(1024),
                ..GrowOptions::default()
            };
            grow(&stores, &options);
            let expected: Vec<u64> = (0..16).chain(352..368).chain(496..512).collect();
            assert_eq!(dirty(&stores), expected, "finer is replicate");
            let raw = header(&stores);
            assert_eq!(raw.events_cleared, array.events - 1, "W3: kept");
            assert_eq!(raw.events, array.events + 4);
            let clean = read(&stores).array().unwrap().is_clean();
            assert_eq!(
                clean,
                resync_offset.is_none(),
                "marks of a classic bitmap need no resync (W4)"
            );
        }
    }
}

#[test]
fn delay_and_write_behind_are_edited_in_place() {
    for array in all(&[2]) {
        let stores = array.stores();
        let before: Vec<_> = stores.iter().map(MemoryStore::contents).collect();
        let options = GrowOptions {
            delay_seconds: Some(77),
            write_behind: Some(16383),
            ..GrowOptions::default()
        };
        let planned = grow(&stores, &options);
        assert_eq!(planned.plan.steps.len(), 1);
        assert_eq!(planned.after.events.0, array.events);
        assert_eq!(planned.notes.len(), 1, "{:?}", planned.notes);
        for (before, store) in before.iter().zip(&stores) {
            let after = store.contents();
            let changed: Vec<usize> = (0..after.len())
                .filter(|i| before[*i] != after[*i])
                .collect();
            let start = read(&stores).copies[0].bitmap.as_ref().unwrap().start().0 as usize;
            assert!(
                changed.iter().all(|i| (start + 56..start + 64).contains(i)),
                "{changed:?}"
            );
        }
        let raw = header(&stores);
        assert_eq!((raw.daemon_sleep_seconds, raw.write_behind), (77, 16383));
        // Beside another change they go into the new header.
        let options = GrowOptions {
            chunk: chunk(8192),
            delay_seconds: Some(9),
            ..GrowOptions::default()
        };
        grow(&stores, &options);
        let raw = header(&stores);
        assert_eq!((raw.daemon_sleep_seconds, raw.write_behind), (9, 16383));
    }
}

#[test]
fn what_a_bitmap_did_not_cover_is_dirty_w11() {
    for mut array in all(&[7]) {
        let bitmap = array.bitmap.as_mut().unwrap();
        let factor = bitmap.sync_size / 1024;
        bitmap.sync_size = 100 * 8;
        let stores = array.stores();
        grow(&stores, &asked(Wanted::Internal));
        let expected: Vec<u64> = [7].into_iter().chain(100..128 * factor).collect();
        assert_eq!(dirty(&stores), expected);
        assert!(read(&stores).array().unwrap().is_clean());
    }
}

#[test]
fn copies_that_differ_are_united() {
    let mut one = TestArray::mirror().with_bitmap(&[1]);
    let first = one.stores().remove(0);
    // Of bits that were cleared at different times the later counts (W3).
    one.bitmap.as_mut().unwrap().dirty = vec![2];
    one.bitmap.as_mut().unwrap().events_cleared = 33;
    let mixed = [first, one.stores().remove(1)];
    let options = GrowOptions {
        chunk: chunk(2048),
        ..GrowOptions::default()
    };
    grow(&mixed, &options);
    assert_eq!(dirty(&mixed), [2, 3, 4, 5]);
    assert_eq!(header(&mixed).events_cleared, 39);
    // One that says 0 says nothing: no former member is re-added by it.
    one.bitmap.as_mut().unwrap().events_cleared = 0;
    let stores = one.stores();
    let options = GrowOptions {
        chunk: chunk(2048),
        ..GrowOptions::default()
    };
    grow(&stores, &options);
    assert_eq!(header(&stores).events_cleared, 41);
}

#[test]
fn what_is_not_believed_is_refused_with_a_way_out_w11() {
    let sound = TestArray::mirror().with_bitmap(&[1]);
    let start = 8 * 512 + 4096;
    for (at, bytes) in [
        (start, &b"x"[..]),
        (start + 8, &b"x"[..]),
        (start + 24, &[0; 8][..]),
        (start + 48, &[4][..]),
    ] {
        let stores = sound.stores();
        stores[1].write_at(Bytes(at), bytes).unwrap();
        for options in [
            asked(Wanted::Internal),
            asked(Wanted::Lockless),
            GrowOptions {
                chunk: chunk(8192),
                ..GrowOptions::default()
            },
            asked(Wanted::File(FileWanted {
                path: "/x/y".into(),
                existing: None,
            })),
        ] {
            let error = planned(&stores, &options).err().unwrap();
            let text = error.to_string();
            assert!(
                text.contains("check --repair") && text.starts_with("m1: "),
                "{text}"
            );
            assert_eq!(reasons::<()>(Err(error)), ["bitmap-not-believed"]);
        }
        // It can always be taken away.
        grow(&stores, &asked(Wanted::None));
    }
    for (events, count) in [(39, 2), (40, 0), (41, 0), (42, 2)] {
        let mut other = sound.clone();
        other.bitmap.as_mut().unwrap().events = events;
        let found = reasons(planned(&other.stores(), &asked(Wanted::Internal)));
        assert_eq!(found.len(), count, "{events}");
    }
}

#[test]
fn a_field_that_keeps_the_kernel_from_starting_is_put_right() {
    let stores = TestArray::mirror().with_bitmap(&[3]).stores();
    for store in &stores {
        store.write_at(Bytes(8192 + 56), &[0; 4]).unwrap();
        store.write_at(Bytes(8192 + 60), &[0xff; 4]).unwrap();
    }
    grow(&stores, &asked(Wanted::Internal));
    let raw = header(&stores);
    assert_eq!((raw.daemon_sleep_seconds, raw.write_behind), (5, 0));
    assert_eq!(dirty(&stores), [3]);
}

#[test]
fn an_array_without_bitmap_has_no_delay() {
    let stores = TestArray::mirror().stores();
    let options = GrowOptions {
        delay_seconds: Some(9),
        ..GrowOptions::default()
    };
    assert_eq!(reasons(planned(&stores, &options)), ["no-bitmap"]);
    let options = GrowOptions {
        chunk: chunk(65536),
        ..GrowOptions::default()
    };
    let planned = grow(&stores, &options);
    assert!(
        planned.sentences[0].contains("the array had none"),
        "{:?}",
        planned.sentences
    );
}

#[test]
fn a_bitmap_that_lies_on_something_is_moved() {
    // Over a bad-block log that was never used, one sector behind.
    let mut array = TestArray::mirror().with_bitmap(&[5]);
    array.bad_block_log = Some((24, 8));
    array.bitmap.as_mut().unwrap().offset = 20;
    let stores = array.stores();
    for store in &stores {
        edit_super(store, |raw| raw.fixed.feature_map &= !8);
    }
    assert!(!Room::of(&read(&stores)).unwrap().is_free(20, 8));
    // 272 bytes need one sector: it may stay.
    assert!(
        planned(&stores, &asked(Wanted::Internal))
            .unwrap()
            .is_nothing()
    );
    let options = GrowOptions {
        chunk: chunk(512),
        ..GrowOptions::default()
    };
    grow(&stores, &options);
    assert_eq!(dirty(&stores), (40..48).collect::<Vec<u64>>());
    for store in &stores {
        edit_super(store, |raw| raw.fixed.bblog_offset = 16);
        edit_super(store, |raw| raw.fixed.bblog_size = 6);
    }
    let planned = grow(&stores, &asked(Wanted::Internal));
    assert_eq!(
        planned.after.bitmap.unwrap().offset_sectors,
        8,
        "where mdadm would put it"
    );
    assert_eq!(dirty(&stores), (40..48).collect::<Vec<u64>>());
    // What lies in the place of something else is left alone.
    for store in &stores {
        let mut sector = [0; 4];
        store.read_at(Bytes((8 + 20) * 512), &mut sector).unwrap();
        assert_eq!(&sector, b"bitm");
    }
}

#[test]
fn members_of_an_interrupted_change_are_brought_into_line() {
    // The first member announces a bitmap, the second is one event behind and does not.
    let array = TestArray::mirror().with_bitmap(&[9]);
    let stores = array.stores();
    edit_super(&stores[1], |raw| {
        raw.fixed.feature_map = 0;
        raw.fixed.bitmap_offset = 0;
        raw.fixed.events -= 1;
    });
    let planned = grow(&stores, &asked(Wanted::Internal));
    assert!(!planned.is_nothing());
    assert_eq!(dirty(&stores), [9]);
}

#[test]
fn the_usual_chunk_is_mdadms() {
    let stores = TestArray::mirror().stores();
    grow(&stores, &asked(Wanted::Internal));
    let raw = header(&stores);
    assert_eq!(
        (
            raw.chunksize,
            raw.daemon_sleep_seconds,
            raw.sectors_reserved
        ),
        (64 << 20, 5, 0)
    );
}

#[test]
fn a_chunk_that_is_kept_and_does_not_fit_any_more_is_doubled() {
    // The component has grown from 512 KiB to 12 MiB, and there are 4 KiB of room.
    let mut array = TestArray::mirror().with_bitmap(&[1]);
    array.component = 24 << 11;
    array.data_offset = 24;
    array.device_sectors = array.component + 64;
    let bitmap = array.bitmap.as_mut().unwrap();
    (bitmap.chunk_bytes, bitmap.sync_size) = (512, 1024);
    let stores = array.stores();
    let planned = grow(&stores, &asked(Wanted::Internal));
    let after = planned.after.bitmap.unwrap();
    assert!(
        after.chunk_bytes > 512 && after.offset_sectors == 8,
        "{after:?}"
    );
    assert!(
        knowledge(&stores)
            .dirty()
            .contains(ChunkIndex(after.chunks - 1))
    );
    let text = planned.sentences[0].clone();
    assert!(text.contains("the smallest that fits"), "{text}");
}
