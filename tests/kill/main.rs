//! Every command that changes a stopped array, killed at random moments: the members can be assembled, nothing that was
//! dirty passes for clean, and the same command given again finishes the job.
//!
//! 25 kills of each command, 100 with `tests/run --long` (MDBITMAP_SCALE); MDBITMAP_SEED repeats the moments, as far as time
//! can be repeated. As root on loop devices, where mdadm 4.2 reads the superblocks as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod cases;
mod disks;
#[path = "../marks/images.rs"]
mod images;
mod judge;
#[path = "../lib/loops.rs"]
mod loops;

use cases::Case;
use disks::{Disks, kill};
use judge::judge;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Random moments.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// mdadm 4.2, if there is one; `tests/run` fetches it.
fn mdadm() -> Option<&'static PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lib/mdadm-4.2");
        let output = Command::new(script).arg("--offline").output().ok()?;
        if !output.status.success() {
            eprintln!("\nSKIPPED: there is no mdadm 4.2 here to read the superblocks");
            return None;
        }
        Some(String::from_utf8(output.stdout).ok()?.trim().into())
    });
    found.as_ref()
}

fn text(output: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Images of which two runs at different moments give the same: without the times and checksums of superblocks.
fn timeless(images: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut images = images.to_vec();
    for image in &mut images {
        image[4096 + 192..4096 + 200].fill(0);
        image[4096 + 216..4096 + 220].fill(0);
    }
    images
}

/// A command, what it starts from, and what it leads to.
struct Trial {
    name: &'static str,
    case: Case,
    disks: Disks,
    before: Vec<Vec<u8>>,
    files: Vec<(String, Vec<u8>)>,
    after: Vec<Vec<u8>>,
    files_after: Vec<(String, Vec<u8>)>,
    /// Microseconds that it takes undisturbed.
    takes: u64,
    /// Microseconds from its first write to its end.
    writes: u64,
}

/// When a command is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Microseconds after its start.
    AfterStart(u64),
    /// Microseconds after its first write to a member.
    AfterWrite(u64),
}

impl Trial {
    fn new(name: &'static str, case: Case) -> Trial {
        let disks = Disks::of(&case.array);
        for arguments in case.first {
            let output = disks.run(arguments);
            assert!(
                output.status.success(),
                "{name}: {arguments:?}: {}",
                text(&output)
            );
        }
        let mut before = disks.contents();
        for (member, at, value) in case.damage {
            before[*member][*at] = *value;
        }
        let files = disks.files();
        let mut trial = Trial {
            name,
            before,
            files,
            after: Vec::new(),
            files_after: Vec::new(),
            takes: 0,
            writes: 0,
            case,
            disks,
        };
        for _ in 0..3 {
            trial.reset();
            let started = Instant::now();
            let mut child = trial.disks.start(trial.case.arguments);
            trial.disks.first_write(&trial.before, &mut child);
            let written = Instant::now();
            let status = child.wait().unwrap();
            trial.takes += started.elapsed().as_micros() as u64 / 3;
            trial.writes += written.elapsed().as_micros() as u64 / 3;
            assert!(status.success(), "{name}: {status:?}");
        }
        (trial.after, trial.files_after) = (trial.disks.contents(), trial.disks.files());
        assert!(trial.after != trial.before, "{name}");
        trial.safe(&trial.before, "before");
        trial.safe(&trial.after, "after");
        trial
    }

    fn reset(&self) {
        self.disks.put(&self.before);
        self.disks.put_files(&self.files);
    }

    /// Killed when no member has a bitmap any more and the file has no name yet, `grow --bitmap=FILE` knows of no mark when it
    /// is given again: then all are in the file.
    fn marks_more(&self, files: &[(String, Vec<u8>)]) -> bool {
        let all = |bytes: &[u8]| bytes[256..].iter().all(|byte| *byte == 0xff);
        self.name == "to_file"
            && matches!(files, [(name, bytes)] if name == "md.bitmap" && bytes.len() >= 264 && all(bytes))
    }

    /// Nothing can be half-done of what changes a sector of one member.
    fn is_one_write(&self) -> bool {
        let pairs = self.before.iter().zip(&self.after);
        let sectors = pairs.flat_map(|(old, new)| old.chunks(512).zip(new.chunks(512)));
        sectors.filter(|(old, new)| old != new).count() == 1
    }

    fn safe(&self, images: &[Vec<u8>], what: &str) {
        let judged = judge(images, self.case.array.chunks(), &self.case.required);
        assert_eq!(judged, Ok(()), "{}: {what}", self.name);
    }

    fn arguments(&self, more: &[&'static str]) -> Vec<&'static str> {
        [self.case.arguments, more].concat()
    }

    /// What holds of a state that a kill leaves.
    fn judge(&self, images: &[Vec<u8>], what: &str) {
        self.safe(images, what);
        let (name, disks) = (self.name, &self.disks);
        // Our own reading of it is no more hopeful.
        let is_damaged = !self.case.damage.is_empty() && images == self.before;
        if !is_damaged {
            let arguments = ["extents", "--resync", "--space=bitmap", "--json"];
            let output = disks.run(&arguments);
            let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
            // Without a bitmap it has nothing to list; in a cluster each node has a list of its own.
            let none = listed["errors"].as_array().unwrap().iter().any(|error| {
                error["kind"] == "no_bitmap"
                    || error["message"].as_str().unwrap().contains("in a cluster")
            });
            let extents = listed["extents"].as_array().unwrap();
            for chunk in &self.case.required {
                let at = chunk * images::CHUNK * 512;
                let is_listed = extents.iter().any(|extent| {
                    let start = extent["start_bytes"].as_u64().unwrap();
                    let end = start + extent["length_bytes"].as_u64().unwrap();
                    start <= at && at + images::CHUNK * 512 <= end
                });
                assert!(
                    is_listed || none,
                    "{name}, {what}: chunk {chunk}\n{}",
                    text(&output)
                );
            }
            let output = disks.run(&["check", "--json", "--min-severity=danger"]);
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            for array in found["arrays"].as_array().unwrap() {
                let dangers = array["findings"].as_array().unwrap().iter();
                // Marks that are being added are on one member before they are on the other, and so is the word that there
                // is a bitmap; what is read of both, the judge has said.
                let dangers: Vec<_> = dangers
                    .filter(|one| {
                        one["name"] != "copies-differ" && one["name"] != "bitmap-place-differs"
                    })
                    .collect();
                assert!(dangers.is_empty(), "{name}, {what}: {dangers:?}");
            }
        }
        let Some(mdadm) = mdadm().filter(|_| disks.are_devices()) else {
            return;
        };
        for ((device, now), before) in disks.names.iter().zip(images).zip(&self.before) {
            // Of a bitmap of another array mdadm believes neither the bitmap nor the checksum beside it.
            if !self.case.damage.is_empty() && now == before {
                continue;
            }
            let output = Command::new(mdadm)
                .arg("--examine")
                .arg(device)
                .output()
                .unwrap();
            let said = text(&output);
            let right = output.status.success() && said.contains("- correct");
            assert!(right, "{name}, {what}: {said}");
        }
    }

    /// Starts it and kills it at the moment; true when it had not ended by itself.
    fn cut_short(&self, arguments: &[&str], moment: Moment) -> bool {
        let now = self.disks.contents();
        let mut child = self.disks.start(arguments);
        let wait = match moment {
            Moment::AfterStart(wait) => wait,
            Moment::AfterWrite(wait) => {
                self.disks.first_write(&now, &mut child);
                wait
            }
        };
        let since = Instant::now();
        while since.elapsed() < Duration::from_micros(wait) {
            std::thread::yield_now();
        }
        kill(child)
    }

    /// One of three anywhere, the others while it writes.
    fn moment(&self, dice: &mut Dice) -> Moment {
        match dice.below(3) {
            0 => Moment::AfterStart(dice.below(self.takes * 11 / 10)),
            _ => Moment::AfterWrite(dice.below(self.writes)),
        }
    }

    /// The same command once more, to its end.
    fn finish(&self, arguments: &[&str], keeps: bool, what: &str) {
        let (name, disks) = (self.name, &self.disks);
        let output = disks.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{name}, {what}: {}",
            text(&output)
        );
        let now = disks.contents();
        self.judge(&now, what);
        if keeps {
            let same = timeless(&now) == timeless(&self.after);
            assert!(same, "{name}, {what}: {}", text(&output));
            // What the killed ones left of files that they were making has no name that anyone would take.
            let mut files = disks.files();
            files.retain(|(name, _)| !name.starts_with(".mdbitmap"));
            let same = files == self.files_after || self.marks_more(&files);
            assert!(same, "{name}, {what}: {files:?}");
        } else {
            // What was kept to take it back with is not there: more may be marked. But it is done.
            let again = disks.run(arguments);
            assert_eq!(
                again.status.code(),
                Some(0),
                "{name}, {what}: {}",
                text(&again)
            );
            assert!(disks.contents() == now, "{name}, {what}: {}", text(&again));
        }
    }
}

fn killed(name: &'static str, case: Case) {
    let seed = number_from("MDBITMAP_SEED").unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_micros() as u64
    });
    let mut dice = Dice(seed);
    let kills = 25 * number_from("MDBITMAP_SCALE").unwrap_or(1).clamp(1, 4);
    let trial = Trial::new(name, case);
    let (mut half_way, mut twice) = (0, 0);
    let mut number = 0;
    // On a busy machine more of them, until one came between two writes.
    while number < kills || (half_way == 0 && number < 8 * kills && !trial.is_one_write()) {
        let moment = trial.moment(&mut dice);
        let keeps = !trial.case.does_without || number % 4 != 3;
        let arguments = trial.arguments(if keeps { &[] } else { &["--no-undo"] });
        let what = format!("seed {seed}, kill {number}, {moment:?}, undo file {keeps}");
        trial.reset();
        trial.cut_short(&arguments, moment);
        let left = trial.disks.contents();
        trial.judge(&left, &what);
        if left != trial.before && timeless(&left) != timeless(&trial.after) {
            half_way += 1;
            // The one that finishes the job is killed, too.
            let moment = trial.moment(&mut dice);
            if trial.cut_short(&arguments, moment) {
                twice += 1;
                trial.judge(
                    &trial.disks.contents(),
                    &format!("{what}, again {moment:?}"),
                );
            }
        }
        trial.finish(&arguments, keeps, &what);
        number += 1;
    }
    println!(
        "{name}: {number} kills in {} us ({} of them writing), {half_way} half-way, {twice} of these killed again",
        trial.takes, trial.writes
    );
    assert!(
        half_way > 0 || trial.is_one_write(),
        "{name}: no kill left it half-way (seed {seed})"
    );
}

macro_rules! killed {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                killed(stringify!($name), cases::$name());
            }
        )*
    };
}

killed! {
    add_clean add_unclean remove remove_lockless coarser finer delay to_lockless to_internal clustered to_file from_file
    set set_on_clean set_lockless clear clear_all merge restore restore_replace
    repair_stale_copy repair_foreign repair_field undo_of_grow undo_of_set
}
