//! Every kind of finding that is to be repaired, on the very images that show it to `check`.

use super::*;
use crate::check::{array, catalogue, member};

type Shown = (String, Vec<MemoryStore>);

/// All arrays that show a finding.
fn shown() -> Vec<Shown> {
    let members = member::tests::CASES.iter();
    let members = members.map(|(names, make)| (format!("{names:?}"), make().members));
    let arrays = array::tests::CASES.iter().map(|(names, make)| {
        let stores = (0..).zip(make());
        let stores = stores.map(|(n, image)| MemoryStore::new(format!("disk{n}"), image));
        (format!("{names:?}"), stores.collect())
    });
    members.chain(arrays).collect()
}

/// What is not repaired although it could be, because something else is in the way: all that is found, and why not.
const REFUSED: &[(&str, &[&str])] = &[
    (
        r#"["split-brain", "vacant-slot", "member-faulty"]"#,
        &["split-brain"],
    ),
    (r#"["geometry-differs"]"#, &["geometry-differs"]),
    (r#"["recovery-bitmap-untrusted"]"#, &["recovering"]),
];

#[test]
fn what_can_be_repaired_is() {
    let mut repaired_kinds = BTreeSet::new();
    let mut refused = Vec::new();
    for (name, stores) in shown() {
        let wrong = ours(&findings(&views(&stores)));
        if wrong.is_empty() {
            continue;
        }
        let options = RepairOptions {
            force: name.contains("clustered"),
        };
        match planned(&stores, options) {
            Ok(_) => {
                repaired(&name, &stores, options);
                repaired_kinds.extend(wrong);
            }
            Err(error) => refused.push((name, reasons::<()>(Err(error)))),
        }
    }
    let expected: Vec<(String, Vec<&str>)> = REFUSED
        .iter()
        .map(|(name, why)| ((*name).to_owned(), why.to_vec()))
        .collect();
    assert_eq!(refused, expected);
    let kinds = catalogue().filter(|kind| kind.repair_class.is_ours());
    let all: BTreeSet<&str> = kinds.map(|kind| kind.name).collect();
    assert_eq!(all, repaired_kinds);
}

/// Where nothing is for a repair, nothing is planned, whatever the state of the array.
#[test]
fn what_cannot_be_repaired_is_left_alone() {
    let mut seen = BTreeSet::new();
    for (name, stores) in shown() {
        let found = findings(&views(&stores));
        let Ok(array) = StoppedArray::read(&views(&stores)) else {
            continue;
        };
        if ours(&found).is_empty() {
            let planned = plan(&array, RepairOptions::default(), NOW).unwrap();
            assert!(planned.plan.is_empty(), "{name}");
            seen.extend(found.iter().map(|finding| finding.name));
        }
    }
    for left in [
        "vacant-slot",
        "member-recovering",
        "leftover-bitmap",
        "readd-unproven",
        "dirty-degraded",
    ] {
        assert!(seen.contains(left), "{left}");
    }
}

/// Fields beside the bits are mended where they are: one write to each member, no event moves, no bit changes.
#[test]
fn a_field_is_mended_in_place() {
    type Damage = (&'static str, fn(&mut RawBitmapSuper));
    let damages: [Damage; 5] = [
        ("zero-daemon-sleep", |raw| raw.daemon_sleep_seconds = 0),
        ("bad-write-behind", |raw| raw.write_behind = 16384),
        ("sync-size-larger", |raw| raw.sync_size_sectors += 8),
        ("events-cleared-zero", |raw| raw.events_cleared = 0),
        ("events-cleared-ahead", |raw| raw.events_cleared = 99),
    ];
    for (kind, damage) in damages {
        for one_only in [false, true] {
            let stores = TestArray::mirror().with_bitmap(&[0, 3, 90, 127]).stores();
            for store in stores.iter().skip(usize::from(one_only)) {
                change_header(store, 8192, damage);
            }
            let before = copied(&stores);
            assert!(ours(&findings(&views(&stores))).contains(kind), "{kind}");
            let (planned, _) = repaired(kind, &stores, RepairOptions::default());
            assert_eq!(planned.plan.steps.len(), 1, "{kind}");
            assert_eq!(planned.after.events.0, 40);
            assert!(planned.after.clean);
            for (store, before) in stores.iter().zip(&before) {
                let (now, was) = (store.contents(), before.contents());
                assert_eq!(now[..8192], was[..8192], "{kind}: superblocks");
                assert_eq!(now[8192 + 256..], was[8192 + 256..], "{kind}: bits");
            }
        }
    }
}

/// W11: bits that are worthless on all members are not kept, whatever field could be mended.
#[test]
fn worthless_bits_become_all_dirty() {
    type Damage = (&'static str, fn(&mut RawBitmapSuper));
    let damages: [Damage; 9] = [
        ("uuid-mismatch", |raw| raw.uuid[3] ^= 1),
        ("stale-events", |raw| {
            (raw.events, raw.events_cleared) = (38, 38)
        }),
        ("write-error", |raw| raw.state |= 4),
        ("marked-stale", |raw| raw.state |= 2),
        ("bad-magic", |raw| raw.magic ^= 1),
        ("bad-version", |raw| raw.version = 7),
        ("bad-chunk-size", |raw| raw.chunksize = 4097),
        ("events-ahead", |raw| raw.events = 44),
        ("bitmap-missing", |raw| {
            *raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap()
        }),
    ];
    for (kind, damage) in damages {
        for base in [TestArray::mirror(), TestArray::raid5()] {
            for unclean in [false, true] {
                let mut array = base.clone().with_bitmap(&[3]);
                array.resync_offset = unclean.then_some(0);
                let stores = array.stores();
                for store in &stores {
                    change_header(store, 8192, damage);
                }
                assert!(ours(&findings(&views(&stores))).contains(kind), "{kind}");
                let (planned, _) = repaired(kind, &stores, RepairOptions::default());
                // W2 on all members, W4, W3.
                assert_eq!(planned.plan.steps.len(), 4, "{kind}");
                assert!(!planned.after.clean, "{kind}: W4");
                let bitmap = planned.after.bitmap.unwrap();
                assert_eq!(bitmap.dirty_chunks, bitmap.chunks, "{kind}");
                assert_eq!((bitmap.events_cleared.0, planned.after.events.0), (41, 42));
                let raw = header(&stores, 1);
                assert_eq!(
                    (raw.events, raw.events_cleared, raw.state),
                    (42, 41, 0),
                    "{kind}"
                );
                assert_eq!(raw.daemon_sleep_seconds, 5);
                let keeps_chunk =
                    !["bad-magic", "bad-chunk-size", "bitmap-missing"].contains(&kind);
                assert_eq!(
                    raw.chunksize == 4096,
                    keeps_chunk,
                    "{kind}: {}",
                    raw.chunksize
                );
                let told = planned.sentences.join("\n");
                assert!(
                    told.contains("resynchronises 524288 bytes"),
                    "{kind}: {told}"
                );
            }
        }
    }
}

/// One copy that is believed is enough: the others become like it, and nothing else changes.
#[test]
fn a_worthless_copy_becomes_like_the_others() {
    type Damage = (&'static str, fn(&mut RawBitmapSuper));
    let damages: [Damage; 8] = [
        ("uuid-mismatch", |raw| raw.uuid[3] ^= 1),
        ("stale-events", |raw| {
            (raw.events, raw.events_cleared) = (38, 38)
        }),
        ("write-error", |raw| raw.state |= 4),
        ("marked-stale", |raw| raw.state |= 2),
        ("bad-magic", |raw| raw.magic ^= 1),
        ("bad-version", |raw| raw.version = 7),
        ("bad-chunk-size", |raw| raw.chunksize = 4097),
        ("bitmap-missing", |raw| {
            *raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap()
        }),
    ];
    for (kind, damage) in damages {
        for (minor, resync) in [
            (None, None),
            (Some(crate::format::md_v1::Minor::V1), Some(0)),
        ] {
            let mut array = TestArray::raid5().with_bitmap(&[0, 3, 90, 127]);
            (array.minor, array.resync_offset) = (minor, resync);
            let at = match minor {
                None => 2048 * 512 - 65536 + 4096,
                Some(_) => 4096,
            };
            let stores = array.stores();
            change_header(&stores[1], at, damage);
            // Bits that must not count.
            stores[1].write_at(Bytes(at + 257), &[0xff]).unwrap();
            let sound = [stores[0].contents(), stores[2].contents()];
            let (planned, _) = repaired(kind, &stores, RepairOptions::default());
            assert_eq!(
                [stores[0].contents(), stores[2].contents()],
                sound,
                "{kind}"
            );
            assert_eq!(planned.after.events.0, 40, "{kind}");
            assert_eq!(planned.after.bitmap.unwrap().dirty_chunks, 4, "{kind}");
            let parts: BTreeSet<_> = planned
                .plan
                .steps
                .iter()
                .flat_map(|step| &step.writes)
                .map(|write| write.part.to_string())
                .collect();
            assert!(!parts.contains("md superblock"), "{kind}: {parts:?}");
        }
    }
}

/// Copies that differ: on a clean array nothing becomes unclean, on the other the union is synchronised.
#[test]
fn copies_are_united() {
    for unclean in [false, true] {
        let mut array = TestArray::mirror().with_bitmap(&[5]);
        array.resync_offset = unclean.then_some(0);
        let stores = array.stores();
        stores[0].write_at(Bytes(8192 + 256), &[0b10_0010]).unwrap();
        stores[1].write_at(Bytes(8192 + 256 + 15), &[0x80]).unwrap();
        let (planned, _) = repaired("copies", &stores, RepairOptions::default());
        assert_eq!(planned.plan.steps.len(), 1);
        assert_eq!(planned.after.events.0, 40);
        assert_eq!(planned.after.clean, !unclean);
        assert_eq!(planned.after.bitmap.unwrap().dirty_chunks, 3);
        let told = planned.sentences.join("\n");
        let expected = match unclean {
            true => "resynchronises 12288 bytes",
            false => "the members at hand are equal, and stay so",
        };
        assert!(told.contains(expected), "{told}");
    }
}

/// W11: what the bitmap did not cover is dirty, and synchronised (W4).
#[test]
fn what_was_not_covered_is_marked() {
    let stores = TestArray::mirror().with_bitmap(&[5]).stores();
    for store in &stores {
        change_header(store, 8192, |raw| raw.sync_size_sectors = 512);
    }
    let (planned, _) = repaired("too few bits", &stores, RepairOptions::default());
    assert!(!planned.after.clean, "W4");
    // Headers ahead of the superblocks, superblocks, chunks and superblock of the bitmap.
    assert_eq!(planned.plan.steps.len(), 3, "{:#?}", planned.plan.steps);
    assert_eq!(planned.after.events.0, 41);
    assert_eq!(planned.after.bitmap.unwrap().dirty_chunks, 65);
    let raw = header(&stores, 0);
    assert_eq!(
        (raw.sync_size_sectors, raw.events, raw.events_cleared),
        (1024, 41, 39)
    );
}

/// W10: a lockless bitmap that is lost needs sync everywhere, and the superblock says so too.
#[test]
fn a_lockless_bitmap_that_is_lost_needs_sync() {
    use crate::format::bitmap_super::state;
    type Damage = (&'static str, fn(&mut RawBitmapSuper));
    let damages: [Damage; 5] = [
        ("first-use-on-data", |raw| raw.state = state::FIRST_USE),
        ("write-error", |raw| raw.state = state::WRITE_ERROR),
        ("stale-events", |raw| raw.events = 38),
        ("lockless-chunk-too-small", |raw| {
            (raw.chunksize, raw.sectors_reserved) = (1, 1)
        }),
        ("uuid-mismatch", |raw| raw.uuid[0] ^= 1),
    ];
    for (kind, damage) in damages {
        let mut array = TestArray::mirror().with_bitmap(&[]);
        let bitmap = array.bitmap.as_mut().unwrap();
        (bitmap.version, bitmap.chunk_bytes, bitmap.events_cleared) = (6, 65536, 0);
        let stores = array.stores();
        for store in &stores {
            change_header(store, 8192, damage);
        }
        let (planned, _) = repaired(kind, &stores, RepairOptions::default());
        let bitmap = planned.after.bitmap.unwrap();
        assert_eq!((bitmap.version, bitmap.chunk_bytes), (6, 65536), "{kind}");
        assert_eq!(
            (bitmap.dirty_chunks, bitmap.unwritten_chunks),
            (8, 0),
            "{kind}"
        );
        assert!(!planned.after.clean, "{kind}");
        let raw = header(&stores, 0);
        assert_eq!((raw.state, raw.events), (0, 42), "{kind}: never FIRST_USE");
        assert!(u64::from(raw.sectors_reserved) * 512 >= 1024 + 8, "{kind}");
    }
}

/// The superblocks say that there is a bitmap, and nowhere where: they say that there is none.
#[test]
fn an_announcement_of_nothing_is_taken_back() {
    use crate::format::md_v1::feature;
    let stores = TestArray::mirror().stores();
    for store in &stores {
        let mut bytes = vec![0; 512];
        store.read_at(Bytes(4096), &mut bytes).unwrap();
        let mut raw = crate::format::md_v1::RawSuper::from_bytes(&bytes).unwrap();
        raw.fixed.feature_map |= feature::BITMAP_OFFSET;
        raw.seal();
        store.write_at(Bytes(4096), &raw.to_bytes()).unwrap();
    }
    let (planned, after) = repaired("no-location", &stores, RepairOptions::default());
    assert_eq!((planned.plan.steps.len(), planned.after.bitmap), (1, None));
    assert!(planned.after.clean);
    assert!(after.iter().any(|finding| finding.name == "no-bitmap"));
}
