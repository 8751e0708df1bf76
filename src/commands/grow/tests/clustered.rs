//! To and from clustered bitmaps (reference/mdadm.md 2.5, 2.7; W18).

use super::*;
use crate::change::testing::reasons;

fn with_nodes(nodes: u32, name: &str) -> GrowOptions {
    let mut bytes = [0; 64];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    GrowOptions {
        nodes: Some(nodes),
        cluster_name: Some(bytes),
        ..asked(Wanted::Clustered)
    }
}

fn forced(options: GrowOptions) -> GrowOptions {
    GrowOptions {
        force: true,
        ..options
    }
}

/// A mirror with four slots of one block each, and these chunks marked by the nodes.
fn clustered(marked: &[(u32, u64)]) -> Vec<MemoryStore> {
    let stores = TestArray::mirror().with_bitmap(&[]).stores();
    grow(&stores, &with_nodes(4, "name"));
    for (slot, chunk) in marked {
        for store in &stores {
            let at = 8192 + u64::from(*slot) * 4096 + 256 + chunk / 8;
            store.write_at(Bytes(at), &[1 << (chunk % 8)]).unwrap();
        }
    }
    stores
}

#[test]
fn the_first_slot_gets_the_dirt_and_each_has_a_header() {
    let mut array = TestArray::mirror().with_bitmap(&[3, 99]);
    array.resync_offset = Some(0);
    let stores = array.stores();
    let planned = grow(&stores, &with_nodes(4, "mycluster"));
    let after = read(&stores);
    assert!(
        after.array().unwrap().bitmap.as_ref().unwrap().clustered,
        "feature 256"
    );
    let first = after.copies[1].bitmap.as_ref().unwrap();
    for (number, slot) in first.slots() {
        let slot = slot.unwrap();
        let raw = slot.raw();
        assert_eq!(slot.start(), Bytes(8192 + u64::from(number) * 4096));
        assert_eq!((raw.version, raw.nodes, raw.events), (5, 4, 42));
        assert_eq!(raw.cluster_name_text(), "mycluster");
        assert_eq!(slot.count().unwrap().dirty, if number == 0 { 2 } else { 0 });
    }
    assert!(planned.notes[0].contains("dlm"), "{:?}", planned.notes);
    // The header is mdadm's but for the events: the golden bytes are of the content that `create` makes.
    let mut raw = first.raw().clone();
    (raw.events, raw.events_cleared) = (0, 0);
    let same = crate::format::placement::content::NewBitmap {
        uuid: crate::change::testing::UUID,
        sync_size: after.sync_size(),
        chunk: ChunkSize::new(4096).unwrap(),
        delay_seconds: 5,
        write_behind: 0,
        events: crate::units::Events(0),
        cluster: Some(crate::format::placement::content::Cluster {
            nodes: 4,
            name: raw.cluster_name,
        }),
    };
    assert_eq!(raw, same.superblock());
}

#[test]
fn what_any_node_has_marked_is_dirty_w4() {
    let stores = clustered(&[(0, 1), (2, 77), (3, 127)]);
    assert_eq!(
        reasons(planned(&stores, &asked(Wanted::Internal))),
        ["clustered"]
    );
    grow(&stores, &forced(asked(Wanted::Internal)));
    assert_eq!(dirty(&stores), [1, 77, 127]);
    let after = read(&stores);
    assert!(
        !after.array().unwrap().is_clean(),
        "marks of a cluster count whatever the superblock says"
    );
    assert!(!after.array().unwrap().bitmap.as_ref().unwrap().clustered);
    for slot in 1..4 {
        let mut magic = [1; 4];
        stores[0]
            .read_at(Bytes(8192 + slot * 4096), &mut magic)
            .unwrap();
        assert_eq!(magic, [0; 4], "no slot is left");
    }
    let stores = clustered(&[]);
    grow(&stores, &forced(asked(Wanted::Internal)));
    assert!(dirty(&stores).is_empty() && read(&stores).array().unwrap().is_clean());
}

#[test]
fn a_slot_that_is_no_bitmap_makes_everything_dirty() {
    let stores = clustered(&[(1, 5)]);
    stores[1].write_at(Bytes(8192 + 2 * 4096), b"oops").unwrap();
    let planned = grow(&stores, &forced(asked(Wanted::Internal)));
    assert!(knowledge(&stores).dirty().is_full());
    assert!(!read(&stores).array().unwrap().is_clean());
    assert!(
        planned.sentences[1].contains("every chunk is dirty"),
        "{:?}",
        planned.sentences
    );
}

#[test]
fn a_removed_one_leaves_no_slot_behind() {
    for (marked, clean) in [(&[][..], true), (&[(3, 9)][..], false)] {
        let stores = clustered(marked);
        assert_eq!(
            reasons(planned(&stores, &asked(Wanted::None))),
            ["clustered"]
        );
        grow(&stores, &forced(asked(Wanted::None)));
        assert_eq!(read(&stores).array().unwrap().is_clean(), clean);
        for slot in 0..4 {
            let mut magic = [1; 4];
            stores[1]
                .read_at(Bytes(8192 + slot * 4096), &mut magic)
                .unwrap();
            assert_eq!(magic, [0; 4]);
        }
    }
}

#[test]
fn nodes_and_chunk_change_with_force_alone() {
    let stores = clustered(&[(2, 8)]);
    assert!(
        planned(&stores, &with_nodes(4, "name"))
            .unwrap()
            .is_nothing()
    );
    assert!(
        planned(&stores, &asked(Wanted::Clustered))
            .unwrap()
            .is_nothing()
    );
    assert_eq!(
        reasons(planned(&stores, &with_nodes(3, "name"))),
        ["clustered"]
    );
    let delay = GrowOptions {
        delay_seconds: Some(60),
        ..GrowOptions::default()
    };
    assert_eq!(reasons(planned(&stores, &delay)), ["clustered"]);
    grow(&stores, &forced(delay));
    for (_, slot) in read(&stores).copies[1].bitmap.as_ref().unwrap().slots() {
        assert_eq!(slot.unwrap().raw().daemon_sleep_seconds, 60);
    }
    let mut options = forced(with_nodes(3, "other"));
    options.chunk = chunk(2048);
    grow(&stores, &options);
    assert_eq!(dirty(&stores), [16, 17]);
    let raw = header(&stores);
    assert_eq!((raw.nodes, raw.daemon_sleep_seconds), (3, 60));
    assert_eq!(raw.cluster_name_text(), "other");
}

#[test]
fn who_cannot_be_in_a_cluster() {
    let cases = [
        (TestArray::raid5(), "cluster-level"),
        (
            TestArray {
                level: Level::Raid10,
                layout: 0x201,
                members: 4,
                ..TestArray::raid5()
            },
            "cluster-level",
        ),
        (
            TestArray {
                minor: Some(Minor::V1),
                ..TestArray::mirror()
            },
            "cluster-metadata",
        ),
        (
            TestArray {
                minor: None,
                ..TestArray::mirror()
            },
            "cluster-metadata",
        ),
    ];
    for (array, reason) in cases {
        let found = planned(&array.stores(), &with_nodes(2, ""));
        assert_eq!(reasons(found), [reason]);
    }
    let stores = TestArray::mirror().stores();
    edit_super(&stores[1], |raw| raw.fixed.devflags = 1);
    assert_eq!(
        reasons(planned(&stores, &with_nodes(2, ""))),
        ["cluster-write-mostly"]
    );
    let near = TestArray {
        level: Level::Raid10,
        layout: 0x102,
        members: 4,
        ..TestArray::raid5()
    };
    grow(&near.stores(), &with_nodes(2, ""));
    // 31 blocks lie between superblock and data, and one of them is the superblock.
    let stores = TestArray::mirror().stores();
    grow(&stores, &with_nodes(30, ""));
    let stores = TestArray::mirror().stores();
    assert_eq!(reasons(planned(&stores, &with_nodes(31, ""))), ["no-room"]);
}
