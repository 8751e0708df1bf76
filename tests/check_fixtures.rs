//! `check` on every set of images that real kernels and mdadm made: all that is found, set by set. Whatever they
//! produce in ordinary use, a crash included, has no finding above a note; what is told of the others is true of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use flate2::read::GzDecoder;
use mdbitmap::check::{self, Case, Input, LookOptions, Severity};
use mdbitmap::device::MemoryStore;
use std::collections::BTreeMap;
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
