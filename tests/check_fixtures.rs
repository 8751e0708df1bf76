//! `check` on every set of images that real kernels and mdadm made: all that is found, set by set. Whatever they
//! produce in ordinary use, a crash included, has no finding above a note; what is told of the others is true of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use flate2::read::GzDecoder;
use mdbitmap::change::{Moment, PlanError, Planned, StoppedArray, execute, postcondition};
use mdbitmap::check::{self, Case, Finding, Input, LookOptions, Severity};
use mdbitmap::commands::check::repair::{self, RepairOptions};
use mdbitmap::device::{MemoryStore, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What is found in each set: `name subject`, the array's own findings without subject.
///
/// Notes on kernels come with what makes them true: a bitmap file; a logical block size in the superblock, which the
/// newest kernels record once they have written it; version 6. events_cleared 0 of a new bitmap and bits on a clean array
/// after a crash are worth a note. On purpose nothing is said about a bitmap one event ahead (crash while superblocks
/// were written), and ones behind the last chunk (mdadm fills the whole area with them).
const EXPECTED: &[(&str, &[&str])] = &[
    ("dmraid-raid1-clean", &[]),
    ("dmraid-raid1-dirty", &["dm-raid-bits-lapse"]),
    ("dmraid-raid10-clean", &[]),
    ("dmraid-raid5-dirty", &["dm-raid-bits-lapse"]),
    ("file-clean", &["kernel-bitmap-file bitmap"]),
    ("file-default-chunk", &["kernel-bitmap-file bitmap"]),
    ("file-dirty", &["kernel-bitmap-file bitmap"]),
    (
        "file-new",
        &["dirt-on-clean bitmap", "kernel-bitmap-file bitmap"],
    ),
    (
        "lockless-raid1-assume-clean",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid1-clean",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid1-degraded",
        &[
            "lockless-over-bad-block-log a",
            "readd-unsafe b",
            "member-out-of-date b",
            "vacant-slot",
            "kernel-lockless-resync",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid1-dirty",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "kernel-lockless-resync",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid1-first-use",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "first-use a",
            "first-use b",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid1-first-use-clean",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "first-use a",
            "first-use b",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid1-new",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid10-clean",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "lockless-over-bad-block-log c",
            "lockless-over-bad-block-log d",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid5-clean",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "lockless-over-bad-block-log c",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    (
        "lockless-raid5-dirty",
        &[
            "lockless-over-bad-block-log a",
            "lockless-over-bad-block-log b",
            "lockless-over-bad-block-log c",
            "kernel-lockless-resync",
            "kernel-logical-block-size",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
    ),
    ("raid1-0.90-clean", &[]),
    (
        "raid1-0.90-degraded",
        &["member-out-of-date b", "vacant-slot", "readd-unproven b"],
    ),
    ("raid1-0.90-dirty", &[]),
    ("raid1-0.90-pages", &[]),
    (
        "raid1-1.0-dirty",
        &[
            "events-cleared-zero a",
            "events-cleared-zero b",
            "events-cleared-zero c",
        ],
    ),
    ("raid1-1.1-clean", &[]),
    (
        "raid1-1.2-degraded",
        &[
            "member-out-of-date b",
            "vacant-slot",
            "readd-unproven b",
            "kernel-logical-block-size",
        ],
    ),
    (
        "raid1-1.2-dirty",
        &["events-cleared-zero a", "events-cleared-zero b"],
    ),
    (
        "raid1-1.2-idle-crash",
        &["dirt-on-clean a", "dirt-on-clean b"],
    ),
    ("raid1-1.2-new", &["dirt-on-clean a", "dirt-on-clean b"]),
    (
        "raid1-1.2-old-bitmap",
        &["stale-events a", "stale-events b"],
    ),
    (
        "raid1-1.2-stale",
        &["member-out-of-date b", "vacant-slot", "readd-unproven b"],
    ),
    ("raid1-1.2-write-behind", &[]),
    (
        "raid10-far-1.0-dirty",
        &["events-cleared-zero a", "events-cleared-zero b"],
    ),
    (
        "raid10-near-1.2-dirty",
        &[
            "events-cleared-zero a",
            "events-cleared-zero b",
            "events-cleared-zero c",
        ],
    ),
    ("raid10-offset-1.1-clean", &["kernel-logical-block-size"]),
    (
        "raid4-1.0-dirty",
        &[
            "events-cleared-zero a",
            "events-cleared-zero b",
            "events-cleared-zero c",
        ],
    ),
    (
        "raid5-0.90-degraded",
        &["member-out-of-date c", "vacant-slot", "readd-unproven c"],
    ),
    (
        "raid5-1.2-clean",
        &["kernel-rows-may-be-unmarked", "kernel-logical-block-size"],
    ),
    (
        "raid5-1.2-dirty",
        &[
            "events-cleared-zero a",
            "events-cleared-zero b",
            "events-cleared-zero c",
        ],
    ),
    ("raid6-0.90-clean", &[]),
    (
        "raid6-1.1-dirty",
        &[
            "kernel-rows-unmarked",
            "events-cleared-zero a",
            "events-cleared-zero b",
            "events-cleared-zero c",
            "events-cleared-zero d",
            "events-cleared-zero e",
            "kernel-logical-block-size",
        ],
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Sets of images of members; `synthetic` holds single images of its own kind.
fn sets() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let mut sets: Vec<String> = entries
        .filter(|entry| entry.path().join("facts").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "synthetic")
        .collect();
    sets.sort();
    sets
}

/// The images of a set by name, without dm-raid's data devices.
fn images(set: &str) -> Vec<MemoryStore> {
    let entries = fs::read_dir(folder().join(set)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = paths.iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".img.gz")?;
        (!name.starts_with("data")).then_some((name, path))
    });
    named
        .map(|(name, path)| {
            let mut image = Vec::new();
            let packed = fs::File::open(path).unwrap();
            GzDecoder::new(packed).read_to_end(&mut image).unwrap();
            MemoryStore::new(name, image)
        })
        .collect()
}

/// What is found in every set: severity, then `name subject`. Looked at once.
fn all_found() -> &'static BTreeMap<String, Vec<(Severity, String)>> {
    static FOUND: OnceLock<BTreeMap<String, Vec<(Severity, String)>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let sets = sets().into_iter();
        sets.map(|set| (set.clone(), found(&set))).collect()
    })
}

fn found(set: &str) -> Vec<(Severity, String)> {
    let stores = images(set);
    let inputs = stores
        .iter()
        .map(|store| Input::look(store, &LookOptions::default()));
    let cases = Case::group(inputs.collect());
    let mut all = Vec::new();
    for case in &cases {
        for finding in check::check(case) {
            let of_array = finding.subject == case.title() && case.membership.is_some();
            let subject = if of_array { "" } else { &finding.subject };
            let text = format!("{} {subject}", finding.name).trim_end().to_owned();
            all.push((finding.severity, text));
        }
    }
    all
}

#[test]
fn every_set_has_the_findings_that_are_true_of_it() {
    let named: Vec<&str> = EXPECTED.iter().map(|(set, _)| *set).collect();
    let mut wrong = Vec::new();
    for (set, found) in all_found() {
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        let expected = EXPECTED.iter().find(|(name, _)| name == set);
        if expected.is_none_or(|(_, expected)| texts != *expected) {
            wrong.push(format!("(\"{set}\", &{texts:?}),"));
        }
    }
    assert!(wrong.is_empty(), "found otherwise:\n{}", wrong.join("\n"));
    assert_eq!(named, sets());
}

/// Sets whose array somebody has to look after: degraded, an older bitmap put back, LVM after a crash, version 6 that
/// is to be resynchronised (which goes wrong up to 7.2), parity arrays whose writes 6.12 marks in the wrong rows. Every version 6 array that mdadm 4.6 makes has its bad-block log
/// inside the bitmap (reference/kernel.md trap 4).
const NOT_SOUND: &[&str] = &[
    "dmraid-raid1-dirty",
    "dmraid-raid5-dirty",
    "lockless-raid1-assume-clean",
    "lockless-raid1-clean",
    "lockless-raid1-degraded",
    "lockless-raid1-dirty",
    "lockless-raid1-first-use",
    "lockless-raid1-first-use-clean",
    "lockless-raid1-new",
    "lockless-raid10-clean",
    "lockless-raid5-clean",
    "lockless-raid5-dirty",
    "raid1-0.90-degraded",
    "raid1-1.2-degraded",
    "raid1-1.2-old-bitmap",
    "raid1-1.2-stale",
    "raid5-0.90-degraded",
    "raid6-1.1-dirty",
];

#[test]
fn what_mdadm_and_kernels_ordinarily_produce_raises_no_alarm() {
    for (set, found) in all_found() {
        let worst = found.iter().map(|(severity, _)| *severity).max();
        let sound = worst.is_none_or(|severity| severity == Severity::Note);
        assert_eq!(
            sound,
            !NOT_SOUND.contains(&set.as_str()),
            "{set}: {worst:?}"
        );
    }
}

const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

/// What would be done about a set, and the devices in the plan's order.
fn repair_plan(stores: &[MemoryStore]) -> Result<(Planned, Vec<&dyn Store>), PlanError> {
    let views: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    let array = StoppedArray::read(&views)?;
    let planned = repair::plan(&array, RepairOptions::default(), NOW)?;
    postcondition::check(&array, &planned)?;
    let order = array.devices.iter().map(|device| device.store).collect();
    Ok((planned, order))
}

fn of(stores: &[MemoryStore]) -> Vec<Finding> {
    let views: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    repair::findings(&views)
}

fn repairable(findings: &[Finding]) -> Vec<&'static str> {
    let ours = findings.iter().filter(|f| f.repair_class.is_ours());
    ours.map(|finding| finding.name).collect()
}

/// Sets that a repair is not for: LVM's, and bitmap files.
const OF_OTHERS: &[(&str, &str)] = &[
    ("dmraid-", "is the metadata device of an LVM RAID volume"),
    ("file-", "has no md superblock"),
];

/// What is repaired: steps of the plan, whether the array is called clean afterwards, what the next start does. Where
/// events_cleared is 0 only a field of the bitmap changes, and what the crash left marked is synchronised as before;
/// version 6 goes out of the bad-block log; an older bitmap that was put back becomes all dirty.
const REPAIRS: &[(&str, usize, bool, &str)] = &[
    ("lockless-raid1-assume-clean", 4, true, "nothing"),
    ("lockless-raid1-clean", 4, true, "nothing"),
    ("lockless-raid1-degraded", 4, true, "nothing"),
    ("lockless-raid1-dirty", 4, false, "7340032 bytes"),
    ("lockless-raid1-first-use", 4, false, "40894464 bytes"),
    ("lockless-raid1-first-use-clean", 4, false, "40894464 bytes"),
    ("lockless-raid1-new", 3, true, "nothing"),
    ("lockless-raid10-clean", 4, true, "nothing"),
    ("lockless-raid5-clean", 4, true, "nothing"),
    ("lockless-raid5-dirty", 4, false, "7405568 bytes"),
    ("raid1-1.0-dirty", 1, false, "360448 bytes"),
    ("raid1-1.2-dirty", 1, false, "524288 bytes"),
    ("raid1-1.2-old-bitmap", 4, false, "5242880 bytes"),
    ("raid10-far-1.0-dirty", 1, false, "65536 bytes"),
    ("raid10-near-1.2-dirty", 1, false, "262144 bytes"),
    ("raid4-1.0-dirty", 1, false, "131072 bytes"),
    ("raid5-1.2-dirty", 1, false, "196608 bytes"),
    ("raid6-1.1-dirty", 1, false, "327680 bytes"),
];

#[test]
fn a_repair_changes_no_sound_array_and_leaves_nothing_that_it_could_repair() {
    let mut changed = Vec::new();
    for set in sets() {
        let stores = images(&set);
        let before = of(&stores);
        let others = OF_OTHERS.iter().find(|(start, _)| set.starts_with(start));
        if let Some((_, why)) = others {
            let error = repair_plan(&stores).err().unwrap().to_string();
            assert!(error.contains(why), "{set}: {error}");
            assert_eq!(repairable(&before), [""; 0], "{set}");
            continue;
        }
        let (planned, order) = repair_plan(&stores).unwrap_or_else(|e| panic!("{set}: {e}"));
        assert_eq!(
            planned.plan.is_empty(),
            repairable(&before).is_empty(),
            "{set}"
        );
        if planned.plan.is_empty() {
            continue;
        }
        execute(&planned.plan, &order, |_, _| {}).unwrap();
        let after = of(&stores);
        assert_eq!(repairable(&after), [""; 0], "{set}");
        let grave = |all: &[Finding]| -> BTreeSet<&'static str> {
            let all = all.iter().filter(|f| f.severity > Severity::Note);
            // What the resync of a version 6 bitmap is, up to 7.2: nothing on disk helps.
            let all = all.filter(|f| f.name != "kernel-lockless-resync");
            all.map(|finding| finding.name).collect()
        };
        assert!(
            grave(&after).is_subset(&grave(&before)),
            "{set}: {after:#?}"
        );
        let (again, _) = repair_plan(&stores).unwrap();
        assert!(again.plan.is_empty(), "{set}");
        let told = planned.sentences.last().cloned().unwrap_or_default();
        changed.push((set, planned.plan.steps.len(), planned.after.clean, told));
    }
    let told: Vec<String> = changed.iter().map(|entry| format!("{entry:?}")).collect();
    let expected = REPAIRS.iter().zip(&changed).all(|(expected, found)| {
        let (set, steps, clean, resync) = *expected;
        (set, steps, clean) == (found.0.as_str(), found.1, found.2) && found.3.contains(resync)
    });
    assert!(
        expected && REPAIRS.len() == changed.len(),
        "{}",
        told.join("\n")
    );
}
