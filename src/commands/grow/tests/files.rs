//! Into a file, and back out of one (W3, W4; reference/kernel.md 4.3).

use super::*;
use crate::change::testing::reasons;
use std::sync::Arc;

fn to_file(existing: Option<Arc<dyn Store>>) -> GrowOptions {
    asked(Wanted::File(FileWanted {
        path: "/folder/bitmap".into(),
        existing,
    }))
}

/// The file that a plan makes.
fn made(planned: &Planned) -> MemoryStore {
    let file = planned.file.as_ref().unwrap();
    let mut bytes = file.bits.to_vec();
    assert!(
        bytes[..256].iter().all(|byte| *byte == 0),
        "nothing attaches it so far"
    );
    bytes[..256].copy_from_slice(&file.header);
    MemoryStore::new("/folder/bitmap", bytes)
}

fn with_merge(file: MemoryStore) -> GrowOptions {
    GrowOptions {
        merge: Some(Arc::new(file)),
        ..asked(Wanted::Internal)
    }
}

#[test]
fn the_members_lose_theirs_and_the_file_is_of_the_event_that_they_have_then() {
    for mut array in all(&[0, 77]) {
        for resync_offset in [None, Some(0)] {
            array.resync_offset = resync_offset;
            let stores = array.stores();
            let planned = grow(&stores, &to_file(None));
            assert!(!read(&stores).has_bitmap());
            let file = made(&planned);
            let chunks = read(&stores).sync_size().0 / 8;
            assert_eq!(file.len().0, 256 + chunks.div_ceil(8));
            let array_now = read(&stores);
            let bitmap = source::believed_file(&array_now, &file).unwrap();
            let raw = bitmap.raw().clone();
            assert_eq!(
                (raw.version, raw.events, raw.events_cleared),
                (4, 41, 39),
                "W3: kept"
            );
            assert_eq!(array_now.array().unwrap().events.0, 41);
            assert_eq!(bitmap.count().unwrap().dirty, 2);
            assert!(
                planned
                    .sentences
                    .iter()
                    .any(|s| s.contains("mdadm --assemble --bitmap=/folder/bitmap"))
            );
            assert!(planned.notes[0].contains("6.18"));
            // It is there: nothing to do; and another command does not take it for something else.
            let file: Arc<dyn Store> = Arc::new(file);
            assert!(
                plan(&array_now, &to_file(Some(file.clone())), NOW)
                    .unwrap()
                    .is_nothing()
            );
            let mut other = to_file(Some(file));
            other.chunk = chunk(1 << 20);
            assert_eq!(reasons(plan(&array_now, &other, NOW)), ["file-exists"]);
        }
    }
}

#[test]
fn without_an_internal_one_the_file_is_as_clean_as_the_array() {
    for resync_offset in [None, Some(0)] {
        let mut array = TestArray::mirror();
        array.resync_offset = resync_offset;
        let stores = array.stores();
        let planned = planned(&stores, &to_file(None)).unwrap();
        assert!(planned.plan.is_empty() && !planned.is_nothing());
        let file = made(&planned);
        let array = read(&stores);
        let bitmap = source::believed_file(&array, &file).unwrap();
        let before = u64::from(resync_offset.is_some());
        assert_eq!(bitmap.raw().events_cleared, 40 - before, "W3");
        assert_eq!(bitmap.raw().chunksize, 4096);
        let dirty = bitmap.count().unwrap().dirty;
        assert_eq!(dirty, if resync_offset.is_some() { 128 } else { 0 });
    }
}

#[test]
fn what_lies_under_the_name_is_not_replaced() {
    let stores = TestArray::mirror().with_bitmap(&[1]).stores();
    let other: Arc<dyn Store> = Arc::new(MemoryStore::zeroed("/folder/bitmap", 4096));
    assert_eq!(
        reasons(planned(&stores, &to_file(Some(other.clone())))),
        ["file-exists"]
    );
    let stores = TestArray::mirror().stores();
    assert_eq!(
        reasons(planned(&stores, &to_file(Some(other)))),
        ["file-exists"]
    );
}

#[test]
fn the_marks_of_a_file_go_into_the_internal_bitmap() {
    for resync_offset in [None, Some(0)] {
        let mut array = TestArray::mirror().with_bitmap(&[3, 100]);
        array.resync_offset = resync_offset;
        let stores = array.stores();
        let file = made(&grow(&stores, &to_file(None)));
        let options = with_merge(file);
        let planned = super::planned(&stores, &options).unwrap();
        run(&planned, &stores, planned.plan.steps.len());
        is_as_announced(&stores, &planned);
        // The usual chunk is 64 MiB: the finer one of the file is not kept.
        assert!(knowledge(&stores).dirty().is_full());
        assert_eq!(header(&stores).events_cleared, 39);
        assert!(!read(&stores).array().unwrap().is_clean(), "W4");
        // Once more: all its marks are there.
        assert!(super::planned(&stores, &options).unwrap().is_nothing());
    }
}

#[test]
fn an_older_file_with_a_mark_that_the_array_lacks_is_refused() {
    let mut array = TestArray::mirror().with_bitmap(&[3, 100]);
    array.resync_offset = Some(0);
    let stores = array.stores();
    let file = made(&grow(&stores, &to_file(None)));
    let mut options = with_merge(file);
    options.chunk = chunk(4096);
    grow(&stores, &options);
    assert_eq!(dirty(&stores), [3, 100]);
    assert!(super::planned(&stores, &options).unwrap().is_nothing());
    // Another chunk, but nothing is added: the marks are the array's own.
    options.chunk = chunk(8192);
    assert!(!super::planned(&stores, &options).unwrap().is_nothing());
    options.chunk = chunk(4096);
    for store in &stores {
        store.write_at(Bytes(8192 + 256), &[0]).unwrap();
    }
    assert_eq!(dirty(&stores), [100]);
    assert_eq!(
        reasons(super::planned(&stores, &options)),
        ["file-not-believed"]
    );
}

#[test]
fn of_two_bitmaps_all_marks_count() {
    let mut array = TestArray::mirror().with_bitmap(&[3]);
    let stores = array.stores();
    array.bitmap.as_mut().unwrap().dirty = vec![40];
    array.bitmap.as_mut().unwrap().events_cleared = 40;
    let second = array.stores().remove(0);
    let mut file = second.contents()[8192..8192 + 272].to_vec();
    file[52..56].copy_from_slice(&8192u32.to_le_bytes());
    file.truncate(256 + 8);
    let mut options = with_merge(MemoryStore::new("/f", file));
    options.chunk = chunk(4096);
    let planned = super::planned(&stores, &options).unwrap();
    run(&planned, &stores, planned.plan.steps.len());
    is_as_announced(&stores, &planned);
    // Byte 5, bit 0 of the file: its chunk 40 of 8 KiB.
    assert_eq!(dirty(&stores), [3, 80, 81]);
    assert!(!read(&stores).array().unwrap().is_clean(), "W4");
    assert_eq!(header(&stores).events_cleared, 40, "W3: the later");
}

#[test]
fn a_file_that_is_not_believed_is_refused_with_the_reason() {
    let stores = TestArray::mirror().with_bitmap(&[3]).stores();
    let file = made(&grow(&stores, &to_file(None)));
    let spoilt: [(u64, &[u8], &str); 4] = [
        (0, b"x", "magic"),
        (8, b"x", "uuid"),
        (24, &[7], "events"),
        (24, &[99], "events"),
    ];
    for (at, bytes, word) in spoilt {
        let copy = MemoryStore::new("/f", file.contents());
        copy.write_at(Bytes(at), bytes).unwrap();
        let error = planned(&stores, &with_merge(copy)).err().unwrap();
        let text = error.to_string();
        assert!(
            text.contains(word) && text.contains("without --merge"),
            "{text}"
        );
        assert_eq!(reasons::<()>(Err(error)), ["file-not-believed"]);
    }
    let mut short = file.contents();
    short.truncate(260);
    let short = MemoryStore::new("/f", short);
    assert_eq!(
        reasons(planned(&stores, &with_merge(short))),
        ["file-not-believed"]
    );
}

#[test]
fn what_a_member_that_is_away_lacks_is_kept_on_the_way_through_a_file() {
    let mut array = TestArray::mirror().with_bitmap(&[3]);
    array.vacant = vec![1];
    let stores = array.stores();
    let file = made(&grow(&stores, &to_file(None)));
    let mut options = with_merge(file);
    options.chunk = chunk(4096);
    let planned = super::planned(&stores, &options).unwrap();
    run(&planned, &stores, planned.plan.steps.len());
    assert_eq!(dirty(&stores), [3]);
    assert_eq!(header(&stores).events_cleared, 39);
    assert!(read(&stores).array().unwrap().is_clean());
}
