//! Every change on every array that real kernels made: it is refused with a reason and nothing is written, or exactly what
//! the dry run announced is, no dirt is lost, nothing is found afterwards that was not before, and once more is nothing.

use super::{Images, Run, Set, json, sets};
use std::collections::BTreeSet;

const CHANGES: &[&[&str]] = &[
    &["--chunk=4K"],
    &["--chunk=1M", "--bitmap=internal"],
    &["--delay=77", "--write-behind=99"],
    &["--bitmap=lockless"],
    &["--bitmap=clustered", "--nodes=3"],
    &["--bitmap=none"],
];

/// The sets in which something is refused: the change by its number, and the reason; all other changes are made.
const REFUSED: &[(&str, &[(usize, &str)])] = &[
    // A bitmap file that was attached is not announced: the members have none.
    ("file-clean", &[(2, "no-bitmap")]),
    (
        "file-dirty",
        &[
            (2, "no-bitmap"),
            (3, "lockless-metadata"),
            (4, "cluster-level"),
            (4, "cluster-metadata"),
        ],
    ),
    ("file-new", &[(2, "no-bitmap")]),
    ("lockless-raid1-assume-clean", &[(0, "chunk-too-small")]),
    ("lockless-raid1-clean", &[(0, "chunk-too-small")]),
    (
        "lockless-raid1-degraded",
        &[(0, "degraded"), (3, "degraded")],
    ),
    ("lockless-raid1-dirty", &[(0, "chunk-too-small")]),
    // The kernel is to initialise it: there are no chunks yet.
    ("lockless-raid1-first-use", NOT_BELIEVED),
    ("lockless-raid1-first-use-clean", NOT_BELIEVED),
    ("lockless-raid1-new", &[(0, "chunk-too-small")]),
    ("lockless-raid10-clean", &[(0, "chunk-too-small")]),
    (
        "lockless-raid5-clean",
        &[(0, "chunk-too-small"), (4, "cluster-level")],
    ),
    (
        "lockless-raid5-dirty",
        &[(0, "chunk-too-small"), (4, "cluster-level")],
    ),
    ("raid1-0.90-clean", OLD),
    ("raid1-0.90-degraded", OLD),
    ("raid1-0.90-dirty", OLD),
    ("raid1-0.90-pages", OLD),
    ("raid1-1.0-dirty", OLD),
    ("raid1-1.1-clean", &[(4, "cluster-metadata")]),
    ("raid1-1.2-degraded", &[(3, "degraded")]),
    ("raid1-1.2-old-bitmap", NOT_BELIEVED),
    ("raid1-1.2-stale", &[(3, "degraded")]),
    ("raid1-1.2-write-behind", &[(4, "cluster-write-mostly")]),
    ("raid10-far-1.0-dirty", OLD_NO_CLUSTER),
    (
        "raid10-offset-1.1-clean",
        &[(4, "cluster-level"), (4, "cluster-metadata")],
    ),
    ("raid4-1.0-dirty", OLD_NO_CLUSTER),
    ("raid5-0.90-degraded", OLD_NO_CLUSTER),
    ("raid5-1.2-clean", &[(4, "cluster-level")]),
    ("raid5-1.2-dirty", &[(4, "cluster-level")]),
    ("raid6-0.90-clean", OLD_NO_CLUSTER),
    (
        "raid6-1.1-dirty",
        &[(4, "cluster-level"), (4, "cluster-metadata")],
    ),
];

const NOT_BELIEVED: &[(usize, &str)] = &[
    (0, "bitmap-not-believed"),
    (1, "bitmap-not-believed"),
    (2, "bitmap-not-believed"),
    (3, "bitmap-not-believed"),
    (4, "bitmap-not-believed"),
];

const OLD: &[(usize, &str)] = &[(3, "lockless-metadata"), (4, "cluster-metadata")];

const OLD_NO_CLUSTER: &[(usize, &str)] = &[
    (3, "lockless-metadata"),
    (4, "cluster-level"),
    (4, "cluster-metadata"),
];

/// Reasons of a refusal, by name.
fn reasons(run: &Run) -> BTreeSet<String> {
    let said = json(&run.out);
    let all = said["refused"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|refusal| refusal["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Bytes that a plan writes: number of the image, start, end.
fn announced(set: &Set, run: &Run) -> Vec<(usize, usize, usize)> {
    let plan = json(&run.out);
    let steps = plan["steps"].as_array().unwrap().iter();
    let writes = steps.flat_map(|step| step["writes"].as_array().unwrap());
    writes
        .map(|write| {
            let device = write["device"].as_str().unwrap();
            let image = set.members.iter().position(|name| name == device).unwrap();
            let start = write["start_bytes"].as_u64().unwrap() as usize;
            (
                image,
                start,
                start + write["length_bytes"].as_u64().unwrap() as usize,
            )
        })
        .collect()
}

fn only_announced(before: &[Vec<u8>], after: &[Vec<u8>], announced: &[(usize, usize, usize)]) {
    for (image, (before, after)) in before.iter().zip(after).enumerate() {
        assert_eq!(before.len(), after.len());
        let blocks = before.chunks(65536).zip(after.chunks(65536)).enumerate();
        let changed = blocks.filter(|(_, (old, new))| old != new);
        let sectors = changed.flat_map(|(block, (old, new))| {
            let pairs = old.chunks(512).zip(new.chunks(512));
            (block * 128..).zip(pairs)
        });
        for (number, (old, new)) in sectors {
            let at = number * 512;
            let is_in = |(device, start, end): &&(usize, usize, usize)| {
                *device == image && *start <= at && at < *end
            };
            assert!(
                old == new || announced.iter().any(|a| is_in(&a)),
                "image {image}, byte {at}"
            );
        }
    }
}

fn covers(after: &[(u64, u64)], before: &[(u64, u64)]) -> bool {
    before.iter().all(|(start, end)| {
        let mut at = *start;
        for (from, to) in after {
            if *from <= at && at < *to {
                at = *to;
            }
        }
        at >= *end
    })
}

/// One change on a set as it was made; the names of the reasons against it.
fn one(images: &Images, arguments: &[&str]) -> BTreeSet<String> {
    let (name, set) = (&images.name, images.unpack());
    let change = |more: &[&'static str]| {
        let all: Vec<&str> = ["grow", "--no-undo"]
            .iter()
            .chain(arguments)
            .chain(more)
            .copied()
            .collect();
        set.run(&all)
    };
    let (before, findings, dirt) = (set.bytes(), set.findings(), set.dirt());
    let dry = change(&["--dry-run", "--json"]);
    assert!(before == set.bytes(), "{name} {arguments:?}: a dry run");
    let run = change(&["--json"]);
    let context = format!("{name} {arguments:?}: {}{}", run.out, run.err);
    if run.status == 3 {
        assert_eq!(dry.status, 3, "{context}");
        assert!(before == set.bytes(), "{context}");
        let reasons = reasons(&run);
        assert!(!reasons.is_empty(), "{context}");
        return reasons;
    }
    assert_eq!((dry.status, run.status), (0, 0), "{context}");
    let plan = announced(&set, &run);
    assert_eq!(plan, announced(&set, &dry), "{context}");
    only_announced(&before, &set.bytes(), &plan);
    if !arguments.contains(&"--bitmap=none") {
        assert!(
            covers(&set.dirt(), &dirt),
            "{context}: {dirt:?} {:?}",
            set.dirt()
        );
    }
    // What is told of every array with such a bitmap, or of one that is not clean, is nothing new in it.
    let usual = [
        "kernel-lockless",
        "kernel-lockless-resync",
        "cluster-bitmap",
        "no-bitmap",
    ];
    let new: Vec<String> = set
        .findings()
        .difference(&findings)
        .filter(|name| !usual.contains(&name.as_str()))
        .cloned()
        .collect();
    assert_eq!(new, [""; 0], "{context}");
    let force: &[&str] = if arguments.contains(&"--bitmap=clustered") {
        &["--force"]
    } else {
        &[]
    };
    let again = change(force);
    assert_eq!(again.status, 0, "{context}{}", again.err);
    assert!(
        again.out.ends_with("nothing to do\n"),
        "{context}{}",
        again.out
    );
    BTreeSet::new()
}

#[test]
fn every_change_on_every_array() {
    let mut made = 0;
    let mut found = Vec::new();
    for name in sets() {
        let mut refused = Vec::new();
        let images = Images::of(&name);
        for (number, arguments) in CHANGES.iter().enumerate() {
            let reasons = one(&images, arguments);
            made += usize::from(reasons.is_empty());
            refused.extend(reasons.into_iter().map(|reason| (number, reason)));
        }
        if !refused.is_empty() {
            found.push((name, refused));
        }
    }
    let expected: Vec<(String, Vec<(usize, String)>)> = REFUSED
        .iter()
        .map(|(name, all)| {
            let all = all
                .iter()
                .map(|(number, reason)| (*number, (*reason).to_owned()));
            ((*name).to_owned(), all.collect())
        })
        .collect();
    assert_eq!(found, expected);
    assert!(made > 100, "{made}");
}
