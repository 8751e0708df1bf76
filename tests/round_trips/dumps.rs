//! The bitmaps of every array that real kernels made, and of clusters and lockless ones made of them: dumped, written over
//! with other marks behind everyone's back, restored, and dumped again.

use super::Random;
use super::sets::{Images, Set, json, sets};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;

/// A bitmap as a dump tells of it.
#[derive(Debug, Default, Clone)]
struct Dumped {
    image: String,
    /// Of its member.
    events: u64,
    start: u64,
    version: u64,
    chunks: u64,
}

fn dumped(dump: &str) -> Vec<Dumped> {
    let mut all: Vec<Dumped> = Vec::new();
    let (mut image, mut events, mut in_bitmap) = (String::new(), 0, false);
    for line in dump.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let number = value.parse().unwrap_or(0);
        match key {
            "device" => (image, in_bitmap) = (value.trim_matches('"').to_owned(), false),
            "events" if !in_bitmap => events = number,
            "bitmap" => {
                in_bitmap = true;
                all.push(Dumped {
                    image: image.clone(),
                    events,
                    ..Dumped::default()
                });
            }
            "start_bytes" => all.last_mut().unwrap().start = number,
            "version" => all.last_mut().unwrap().version = number,
            "runs" => {
                let end = value.split(['-', ';']).nth(1).unwrap();
                all.last_mut().unwrap().chunks = end.parse::<u64>().unwrap() + 1;
            }
            _ => {}
        }
    }
    all
}

/// What a change of marks may change besides.
fn without_events(dump: &str) -> Vec<&str> {
    let changing = [
        "events ",
        "events_cleared ",
        "updated_seconds ",
        "resync_offset_sectors ",
    ];
    let lines = dump.lines();
    lines
        .filter(|line| !changing.iter().any(|start| line.starts_with(start)))
        .collect()
}

/// What is written over the marks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Over {
    Random,
    /// As if nothing were dirty.
    Clean,
}

/// Other marks on all members that are up to date, which no superblock shows.
fn write_over(set: &Set, all: &[Dumped], over: Over, random: &mut Random) {
    let newest = all.iter().map(|one| one.events).max();
    let mut cells = Vec::new();
    for one in all.iter().filter(|one| Some(one.events) == newest) {
        let lockless = one.version == 6;
        let len = if lockless { one.chunks } else { one.chunks / 8 } as usize;
        while cells.len() < len {
            let cell = match (over, lockless) {
                (Over::Random, true) => random.next(8),
                (Over::Random, false) => [0, 0xff, random.next(256)][random.next(3) as usize],
                (Over::Clean, _) => u64::from(lockless),
            };
            let run = random.next(40) as usize + 1;
            cells.extend(std::iter::repeat_n(cell as u8, run));
        }
        let file = fs::OpenOptions::new()
            .write(true)
            .open(set.path(&one.image));
        let to = one.start + if lockless { 1024 } else { 256 };
        file.unwrap().write_all_at(&cells[..len], to).unwrap();
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

/// Restores with these arguments; the names of the reasons against it.
fn restore(set: &Set, arguments: &[&str], context: &str) -> BTreeSet<String> {
    let before = set.bytes();
    let all = [&["restore", "--no-undo", "--json"], arguments, &["dump"]].concat();
    let run = set.run(&all);
    if run.status == 0 {
        return BTreeSet::new();
    }
    assert_eq!(run.status, 3, "{context}: {run:?}");
    assert!(before == set.bytes(), "{context}");
    let refused = json(&run.out)["refused"].as_array().cloned();
    let names = refused.unwrap_or_default();
    let names: BTreeSet<String> = names
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(!names.is_empty(), "{context}: {run:?}");
    names
}

/// Dump, other marks, `--replace`, dump: the same. Then other marks again, and not `--replace`, which loses nothing of
/// either. The reasons against the first, and against the second.
fn there_and_back(
    set: &Set,
    context: &str,
    over: Over,
    random: &mut Random,
) -> [BTreeSet<String>; 2] {
    let before = set.run(&["dump"]);
    assert!(before.status < 2, "{context}: {before:?}");
    fs::write(set.path("dump"), &before.out).unwrap();
    let bitmaps = dumped(&before.out);
    let dirt = set.dirt();
    write_over(set, &bitmaps, over, random);
    let replaced = restore(set, &["--replace", "--force"], context);
    if replaced.is_empty() {
        let after = set.run(&["dump"]).out;
        // Which node's slot a mark is in means nothing: what all of them say together does.
        if bitmaps.iter().all(|one| one.version != 5) {
            assert_eq!(
                without_events(&before.out),
                without_events(&after),
                "{context}"
            );
        }
        assert_eq!(dirt, set.dirt(), "{context}");
    }
    write_over(set, &bitmaps, over, random);
    let other = set.dirt();
    let united = restore(set, &["--force"], context);
    if united.is_empty() {
        let after = set.dirt();
        assert!(covers(&after, &dirt) && covers(&after, &other), "{context}");
    }
    [replaced, united]
}

/// Sets whose members have bitmaps of their own.
fn with_bitmaps() -> Vec<String> {
    let all = sets().into_iter();
    all.filter(|name| !name.starts_with("file-")).collect()
}

#[test]
fn every_array_comes_back_as_it_was_dumped() {
    let mut random = Random(5);
    let (mut refused, mut done) = (Vec::new(), 0);
    for name in with_bitmaps() {
        for over in [Over::Random, Over::Clean] {
            let set = Set::of(&name);
            let reasons = there_and_back(&set, &name, over, &mut random);
            for (way, reasons) in ["replaced", "united"].iter().zip(reasons) {
                done += usize::from(reasons.is_empty());
                let reasons = reasons.into_iter();
                refused.extend(reasons.map(|reason| format!("{name} {over:?} {way} {reason}")));
            }
        }
    }
    assert_eq!(refused, REFUSED);
    assert!(done > 100, "{done}");
}

/// Arrays, what was written over their marks, how they are to be restored, and what is against it.
const REFUSED: &[&str] = &[
    // W7: no mark is taken; what a copy lacks comes back.
    "lockless-raid1-degraded Random replaced degraded",
    // The kernel is to make it: there are no chunks yet.
    "lockless-raid1-first-use Random replaced chunk-unfit",
    "lockless-raid1-first-use Random united chunk-unfit",
    "lockless-raid1-first-use Clean replaced chunk-unfit",
    "lockless-raid1-first-use Clean united chunk-unfit",
    "lockless-raid1-first-use-clean Random replaced chunk-unfit",
    "lockless-raid1-first-use-clean Random united chunk-unfit",
    "lockless-raid1-first-use-clean Clean replaced chunk-unfit",
    "lockless-raid1-first-use-clean Clean united chunk-unfit",
    "raid1-0.90-degraded Random replaced degraded",
    "raid1-1.2-degraded Random replaced degraded",
    // Out of date when it was dumped.
    "raid1-1.2-old-bitmap Random replaced dump-not-of-now",
    "raid1-1.2-old-bitmap Clean replaced dump-not-of-now",
    // W5: a degraded parity array that would have to count as unclean.
    "raid5-0.90-degraded Random replaced degraded",
    "raid5-0.90-degraded Random united degraded",
    "raid5-0.90-degraded Clean replaced degraded",
    "raid5-0.90-degraded Clean united degraded",
];

/// Every array that can have one, with the bitmap of a cluster of three nodes.
#[test]
fn the_bitmaps_of_nodes_come_back() {
    let mut random = Random(9);
    let mut done = 0;
    for name in with_bitmaps() {
        let set = Images::of(&name).unpack();
        let grown = set.run(&[
            "grow",
            "--no-undo",
            "--bitmap=clustered",
            "--nodes=3",
            "--force",
        ]);
        if grown.status != 0 {
            continue;
        }
        let marked = set.run(&["set", "--no-undo", "--force", "--range=1M+2M"]);
        assert_eq!(marked.status, 0, "{name} {marked:?}");
        let dump = set.run(&["dump"]).out;
        let bitmaps = dumped(&dump);
        // A member that has failed keeps what it had.
        let nodes = bitmaps.iter().filter(|one| one.version == 5).count();
        assert!(nodes >= 3 && nodes % 3 == 0, "{name}: {dump}");
        // Of a degraded array no mark is taken (W7).
        let over = match name.ends_with("-degraded") {
            true => Over::Clean,
            false => Over::Random,
        };
        let reasons = there_and_back(&set, &name, over, &mut random);
        assert_eq!(reasons, [const { BTreeSet::new() }; 2], "{name}");
        done += 1;
    }
    assert!(done > 3, "{done}");
}
