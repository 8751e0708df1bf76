//! Arrays with a slot that nothing fills (W4, W7).

use super::*;

fn degraded(base: TestArray, resync_offset: Option<u64>) -> TestArray {
    let mut array = base.with_bitmap(&[3, 9]);
    (array.vacant, array.resync_offset) = (vec![1], resync_offset);
    array
}

/// Nothing can be marked as to be synchronised, so a bitmap of which nothing is known is left.
#[test]
fn a_lost_bitmap_of_a_clean_degraded_array_is_refused_with_the_way_out() {
    let mut three = TestArray::mirror();
    three.members = 3;
    for base in [TestArray::raid5(), three] {
        let stores = degraded(base, None).stores();
        for store in &stores {
            change_header(store, 8192, |raw| raw.magic = 0);
        }
        assert_eq!(
            reasons(planned(&stores, RepairOptions::default())),
            ["degraded", "without-bitmap"]
        );
    }
    // Not stopped cleanly as well: a mirror is marked so already, and parity does not start.
    let stores = degraded(TestArray::raid5(), Some(0)).stores();
    for store in &stores {
        change_header(store, 8192, |raw| raw.magic = 0);
    }
    assert_eq!(
        reasons(planned(&stores, RepairOptions::default())),
        ["dirty-degraded"]
    );
    let mut three = TestArray::mirror();
    three.members = 3;
    let stores = degraded(three, Some(0)).stores();
    for store in &stores {
        change_header(store, 8192, |raw| raw.magic = 0);
    }
    let (planned, _) = repaired("mirror of three", &stores, RepairOptions::default());
    assert_eq!(
        planned.after.bitmap.unwrap().events_cleared.0,
        41,
        "W7: the absent one is not re-added by it"
    );
}

/// There is nothing that the only member of a mirror could differ from.
#[test]
fn the_lone_member_of_a_mirror_gets_a_new_bitmap() {
    let stores = degraded(TestArray::mirror(), None).stores();
    change_header(&stores[0], 8192, |raw| raw.uuid[0] ^= 1);
    let (planned, _) = repaired("alone", &stores, RepairOptions::default());
    assert!(planned.after.clean);
    let bitmap = planned.after.bitmap.unwrap();
    assert_eq!(
        (bitmap.dirty_chunks, bitmap.events_cleared.0),
        (128, 41),
        "W7"
    );
    assert!(
        planned
            .sentences
            .join("\n")
            .contains("resynchronises nothing")
    );
}

/// The marks that trusted copies have are kept for the member that comes back, and so is the time to which it may
/// have left: the later one of all copies.
#[test]
fn marks_for_an_absent_member_are_kept() {
    let stores = degraded(TestArray::raid5(), None).stores();
    change_header(&stores[0], 8192, |raw| raw.events_cleared = 30);
    change_header(&stores[1], 8192, |raw| {
        (raw.events_cleared, raw.daemon_sleep_seconds) = (35, 0);
    });
    stores[1].write_at(Bytes(8192 + 256), &[0x10]).unwrap();
    let (planned, after) = repaired("degraded", &stores, RepairOptions::default());
    let bitmap = planned.after.bitmap.unwrap();
    assert_eq!(
        (bitmap.dirty_chunks, bitmap.events_cleared.0),
        (3, 35),
        "W3"
    );
    assert!(planned.after.clean);
    assert_eq!(grave(&after), BTreeSet::from(["vacant-slot"]));
}

/// W7: a member that was not given may be the freshest of all; with --force it stays out for good.
#[test]
fn a_member_that_was_not_given_is_asked_for() {
    for kind in ["mended", "anew"] {
        let mut stores = TestArray::raid5().with_bitmap(&[7]).stores();
        for store in &stores {
            change_header(store, 8192, |raw| match kind {
                "mended" => raw.daemon_sleep_seconds = 0,
                _ => raw.chunksize = 8192,
            });
        }
        if kind == "anew" {
            change_header(&stores[0], 8192, |raw| raw.chunksize = 4096);
        }
        let absent = stores.pop().unwrap();
        let refused = reasons(planned(&stores, RepairOptions::default()));
        assert_eq!(refused, ["member-missing"]);
        let (planned, _) = repaired(kind, &stores, FORCED);
        assert!(
            planned.after.events.0 >= 42,
            "R9: two events ahead of the absent one"
        );
        let array = read(&stores);
        assert_eq!(
            (array.membership.missing.len(), array.open_slots()),
            (0, vec![2])
        );
        let mut all = stores;
        all.push(absent);
        let array = read(&all);
        assert_eq!(
            array.current().count(),
            2,
            "the absent member is not taken for current"
        );
    }
    let mut stores = TestArray::raid5().with_bitmap(&[7]).stores();
    stores.pop();
    assert!(
        planned(&stores, RepairOptions::default())
            .unwrap()
            .plan
            .is_empty()
    );
}
