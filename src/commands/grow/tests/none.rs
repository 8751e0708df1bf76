//! Removed.

use super::*;

#[test]
fn superblocks_speak_of_none_and_no_header_is_left() {
    for mut array in all(&[3]) {
        for resync_offset in [None, Some(0)] {
            array.resync_offset = resync_offset;
            let stores = array.stores();
            let start = read(&stores).copies[0].bitmap.as_ref().unwrap().start();
            let planned = grow(&stores, &asked(Wanted::None));
            assert_eq!(planned.plan.steps.len(), 2);
            assert_eq!(planned.after.events.0, array.events + 1);
            assert_eq!(planned.notes.len(), usize::from(resync_offset.is_some()));
            for store in &stores {
                let mut sector = [1; 512];
                store.read_at(start, &mut sector).unwrap();
                assert_eq!(sector, [0; 512]);
            }
            let found = read(&stores).array().unwrap().resync_offset.map(|s| s.0);
            assert_eq!(found, resync_offset);
        }
    }
}

#[test]
fn what_a_member_that_is_away_has_missed_is_forgotten() {
    let mut array = TestArray::mirror().with_bitmap(&[3]);
    array.vacant = vec![0];
    let stores = array.stores();
    let planned = grow(&stores, &asked(Wanted::None));
    assert!(
        planned.notes[0].contains("recovered in full"),
        "{:?}",
        planned.notes
    );
    // A new one takes no former member for current (W3).
    grow(&stores, &asked(Wanted::Internal));
    let raw = header(&stores);
    assert_eq!(raw.events_cleared, raw.events);
}

#[test]
fn without_a_bitmap_there_is_nothing_to_do_but_to_wipe_what_mdadm_would_show() {
    for minor in [Some(Minor::V2), Some(Minor::V0), None] {
        let mut array = TestArray::mirror();
        array.minor = minor;
        assert!(grow(&array.stores(), &asked(Wanted::None)).is_nothing());
    }
    let mut array = TestArray::mirror().with_bitmap(&[1]);
    array.minor = None;
    let stores = array.stores();
    for store in &stores {
        let mut found = probe(store, None).found.remove(0);
        let RawSuper::V0_90(raw) = &mut found.raw else {
            panic!()
        };
        raw.set_state(raw.state() & !256);
        raw.seal();
        store
            .write_at(found.member.super_start, &raw.to_bytes())
            .unwrap();
    }
    let planned = grow(&stores, &asked(Wanted::None));
    assert_eq!(planned.plan.steps.len(), 1);
    assert_eq!(planned.after.events.0, array.events);
}

#[test]
fn what_is_no_bitmap_may_have_been_a_lockless_one_w10() {
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    for store in &stores {
        store.write_at(Bytes(8192), b"gone").unwrap();
    }
    grow(&stores, &asked(Wanted::None));
    assert!(!read(&stores).array().unwrap().is_clean());
    // One member still shows what it was.
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    stores[0].write_at(Bytes(8192), b"gone").unwrap();
    grow(&stores, &asked(Wanted::None));
    assert!(read(&stores).array().unwrap().is_clean());
}

#[test]
fn an_announcement_beyond_the_device_or_over_data_is_removed_and_nothing_is_written_there() {
    for offset in [1 << 30, 300] {
        let mut array = TestArray::mirror();
        array.bitmap = None;
        let stores = array.stores();
        for store in &stores {
            edit_super(store, |raw| {
                raw.fixed.feature_map |= 1;
                raw.fixed.bitmap_offset = offset;
            });
            store.write_at(Bytes((8 + 300) * 512), b"bitm").unwrap();
        }
        let found = crate::change::testing::reasons(planned(&stores, &asked(Wanted::Internal)));
        assert!(found.iter().all(|name| *name == "bitmap-not-believed") && !found.is_empty());
        let planned = grow(&stores, &asked(Wanted::None));
        assert_eq!(planned.plan.steps.len(), 1);
    }
}
