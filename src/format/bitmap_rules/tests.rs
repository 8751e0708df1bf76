use super::*;
use crate::format::bitmap_super::{BITMAP_MAGIC, state};
use proptest::prelude::*;

const UUID: [u8; 16] = *b"0123456789abcdef";

fn good(version: u32) -> RawBitmapSuper {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    raw.magic = BITMAP_MAGIC;
    raw.version = version;
    raw.uuid = UUID;
    raw.events = 20;
    raw.events_cleared = 18;
    raw.sync_size_sectors = 120_000;
    raw.chunksize = if version == 6 { 128 } else { 65536 };
    raw.daemon_sleep_seconds = 5;
    raw.sectors_reserved = if version == 6 { 256 } else { 0 };
    raw
}

fn context() -> Context {
    Context {
        uuid: Some(UUID),
        events: Some(Events(20)),
        resync_max: Some(Sectors(120_000)),
        space: Some(Sectors(256)),
        default_space: Some(Sectors(6)),
        offset: Some(8),
        place: Some(Place::Internal),
        journal: Some(false),
        available: Some(Bytes(1 << 20)),
    }
}

type Change = fn(&mut RawBitmapSuper, &mut Context);

/// The one rule that `change` breaks in a good superblock of `version`.
fn only_violation(version: u32, change: Change) -> Violation {
    let (mut raw, mut context) = (good(version), context());
    change(&mut raw, &mut context);
    let found = violations(&raw, &context);
    assert_eq!(found.len(), 1, "{found:?}");
    let fatal = found[0].consequence == Consequence::RefusesToStart;
    assert_eq!(judge(&raw, &context).is_err(), fatal);
    found[0].clone()
}

#[test]
fn good_superblocks_of_all_versions_pass() {
    for version in 3..=6 {
        let judged = judge(&good(version), &context()).unwrap();
        assert!(judged.notes().is_empty() && judged.is_trusted());
        assert_eq!(judged.coverage().unwrap().chunks(), 938);
        assert!(judge(&good(version), &Context::default()).is_ok());
    }
}

#[test]
fn each_check_of_the_classic_kernel_code() {
    use Consequence::*;
    let table: &[(&str, Consequence, &str, Change)] = &[
        (
            "no-location",
            TreatsAllAsDirty,
            "offset: found 0",
            |_, c| c.offset = Some(0),
        ),
        (
            "magic",
            RefusesToStart,
            "magic: found 0x6d746963",
            |r, _| r.magic += 1,
        ),
        ("version", RefusesToStart, "version: found 2", |r, _| {
            r.version = 2
        }),
        ("version", RefusesToStart, "version: found 7", |r, _| {
            r.version = 7
        }),
        (
            "chunk-too-small",
            RefusesToStart,
            "chunksize: found 256",
            |r, _| r.chunksize = 256,
        ),
        (
            "chunk-not-power-of-two",
            RefusesToStart,
            "chunksize: found 65537",
            |r, _| r.chunksize = 65537,
        ),
        (
            "daemon-sleep",
            RefusesToStart,
            "daemon_sleep: found 0",
            |r, _| r.daemon_sleep_seconds = 0,
        ),
        (
            "write-behind",
            RefusesToStart,
            "write_behind: found 16384",
            |r, _| r.write_behind = 16384,
        ),
        ("sync-size", Ignores, "sync_size: found 5", |r, _| {
            r.sync_size_sectors = 5
        }),
        (
            "uuid",
            RefusesToStart,
            "uuid: found 31313233:34353637",
            |r, _| r.uuid[0] = b'1',
        ),
        (
            "events-stale",
            TreatsAllAsDirty,
            "events: found 19",
            |r, _| r.events = 19,
        ),
        ("events-ahead", Ignores, "events: found 60", |r, _| {
            r.events = 60
        }),
        ("stale", TreatsAllAsDirty, "state: found 0x2", |r, _| {
            r.state = 2
        }),
        ("write-error", RefusesToStart, "state: found 0x4", |r, _| {
            r.state = 4
        }),
        (
            "space-too-small",
            Ignores,
            "1 sectors are reserved",
            |r, _| {
                r.sectors_reserved = 1;
                r.chunksize = 4096;
            },
        ),
        (
            "file-too-small",
            RefusesToStart,
            "has 373 bytes, expected at least 374",
            |_, c| {
                c.place = Some(Place::File);
                c.available = Some(Bytes(373));
            },
        ),
    ];
    for (name, consequence, text, change) in table {
        let found = only_violation(4, *change);
        assert_eq!(
            (found.rule.name(), found.consequence),
            (*name, *consequence)
        );
        assert!(found.message.contains(text), "{}", found.message);
    }
}

#[test]
fn what_the_classic_code_accepts() {
    let accepted: &[Change] = &[
        |r, _| r.events = 21,
        |r, _| r.state = 0x8050,
        |r, _| r.pad[3] = 1,
        |r, _| r.nodes = 4, // version 4: not looked at
        |r, _| r.version = 5,
        |r, _| r.write_behind = 16383,
        |r, _| r.daemon_sleep_seconds = u32::MAX,
        |r, c| {
            r.chunksize = 512;
            c.space = None;
        },
        |r, _| r.chunksize = 1 << 31,
        |_, c| {
            c.place = Some(Place::File);
            c.available = Some(Bytes(374));
        },
    ];
    for change in accepted {
        let (mut raw, mut context) = (good(4), context());
        change(&mut raw, &mut context);
        assert_eq!(violations(&raw, &context), []);
    }
}

#[test]
fn a_clustered_bitmap_asks_the_cluster_and_is_never_stale_by_events() {
    let found = only_violation(5, |raw, _| {
        raw.nodes = 4;
        raw.events = 1;
        raw.cluster_name[..4].copy_from_slice(b"hacl");
    });
    assert_eq!(found.rule.name(), "cluster");
    assert_eq!(found.consequence, Consequence::AsksCluster);
    assert!(found.message.contains("\"hacl\""));
}

#[test]
fn each_check_of_the_lockless_kernel_code() {
    use Consequence::*;
    let table: &[(&str, Consequence, &str, Change)] = &[
        ("lockless-journal", RefusesToStart, "journal", |_, c| {
            c.journal = Some(true)
        }),
        ("lockless-place", RefusesToStart, "LVM", |_, c| {
            c.place = Some(Place::DmRaid)
        }),
        ("lockless-place", RefusesToStart, "a file", |_, c| {
            c.place = Some(Place::File)
        }),
        ("lockless-no-space", RefusesToStart, "0 sectors", |_, c| {
            c.space = Some(Sectors(0));
            c.default_space = c.space;
        }),
        ("no-location", RefusesToStart, "offset: found 0", |_, c| {
            c.offset = Some(0)
        }),
        (
            "header-cut-off",
            RefusesToStart,
            "expected at least 4096",
            |_, c| c.available = Some(Bytes(4095)),
        ),
        ("magic", RefusesToStart, "magic", |r, _| r.magic = 0),
        ("uuid", RefusesToStart, "uuid", |_, c| {
            c.uuid = Some([0; 16])
        }),
        ("write-error", ActsAsAbsent, "0x4", |r, _| r.state = 4),
        (
            "chunk-not-power-of-two",
            RefusesToStart,
            "found 129 sectors",
            |r, _| r.chunksize = 129,
        ),
        (
            "chunk-covers-too-little",
            RefusesToStart,
            "expected at least 235",
            |_, c| c.space = Some(Sectors(1)),
        ),
        ("daemon-sleep", RefusesToStart, "daemon_sleep", |r, _| {
            r.daemon_sleep_seconds = 0
        }),
        ("events-stale", TreatsAllAsDirty, "events", |r, _| {
            r.events = 0
        }),
        ("stale", TreatsAllAsDirty, "state", |r, _| r.state = 2),
        ("sync-size-too-large", RefusesToStart, "7.3", |r, _| {
            r.sync_size_sectors += 1
        }),
        ("sync-size", Ignores, "sync_size", |r, _| {
            r.sync_size_sectors -= 1
        }),
        ("first-use", Initialises, "unwritten", |r, _| {
            r.state = state::FIRST_USE;
            // Nothing after FIRST_USE is looked at.
            r.chunksize = 3;
            r.daemon_sleep_seconds = 0;
            r.events = 0;
        }),
        ("first-use", Initialises, "clean", |r, _| {
            r.state = state::FIRST_USE | state::CLEAN
        }),
        ("lockless-overrun", Ignores, "1962", |_, c| {
            c.space = Some(Sectors(2))
        }),
    ];
    for (name, consequence, text, change) in table {
        let (mut raw, mut context) = (good(6), context());
        change(&mut raw, &mut context);
        let found = violations(&raw, &context);
        // Space for one sector only overruns as well.
        let first = &found[0];
        assert_eq!(
            (first.rule.name(), first.consequence),
            (*name, *consequence),
            "{found:?}"
        );
        assert!(first.message.contains(text), "{}", first.message);
        let also: Vec<_> = found[1..].iter().map(|v| v.rule.name()).collect();
        assert!(
            also.is_empty() || (*name == "chunk-covers-too-little" && also == ["lockless-overrun"])
        );
        if let Ok(judged) = judge(&raw, &context) {
            let trusted = *consequence == Ignores;
            assert_eq!(judged.is_trusted(), trusted);
        }
    }
}

#[test]
fn all_broken_rules_are_told_in_the_kernels_order() {
    let mut raw = good(4);
    raw.magic = 0;
    raw.chunksize = 3;
    raw.state = 6;
    raw.events = 0;
    let found = judge(&raw, &context()).unwrap_err();
    let names: Vec<_> = found.iter().map(|v| v.rule.name()).collect();
    let expected = [
        "magic",
        "chunk-too-small",
        "chunk-not-power-of-two",
        "events-stale",
        "stale",
        "write-error",
        "space-too-small",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        found[0].to_string(),
        "magic: found 0x00000000, expected 0x6d746962: the kernel refuses to start the array"
    );
}

#[test]
fn names_are_unique_and_plain() {
    let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    assert!(names.iter().all(plain));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
}

proptest! {
    #[test]
    fn whatever_passes_has_a_chunk_size_to_compute_with(
        mut bytes in proptest::collection::vec(any::<u8>(), 256),
        version in 2u8..8, fix: bool, chunk: u32, sync_size: u64, space: Option<u64>, size: Option<u64>,
    ) {
        bytes[..8].copy_from_slice(&[0x62, 0x69, 0x74, 0x6d, version, 0, 0, 0]);
        if fix {
            bytes[60..64].fill(0);
        }
        let mut raw = RawBitmapSuper::from_bytes(&bytes).unwrap();
        raw.sync_size_sectors = sync_size;
        raw.chunksize = if fix { 1 << (chunk % 32) } else { chunk };
        let context = Context { resync_max: size.map(Sectors), space: space.map(Sectors), ..Context::default() };
        if let Ok(judged) = judge(&raw, &context) {
            prop_assert_eq!(judged.coverage().is_none(), raw.is_first_use());
            if let Some(coverage) = judged.coverage() {
                prop_assert!(coverage.chunk_bytes() >= 512 && coverage.chunk_bytes().is_power_of_two());
            }
        }
    }
}
