//! Differential test: random bitmaps through mdadm 4.2 `-X` and through `mdbitmap -X`.
//!
//! Standard output must be the same bytes, and the exit status the same, except for the classes of
//! `classes.rs`: each is a rule over the *input*, and says what our output must be instead. Nothing
//! is forgiven by looking at the outputs.
//!
//! Needs root and mdadm 4.2 (`MDADM=/path`); `tests/run --tier differential` sees to both. Without
//! them it says so. `--seed N` (or MDBITMAP_SEED) repeats a run, MDBITMAP_SCALE multiplies it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod cases;
mod classes;
mod loopdev;
mod model;
#[path = "../synthetic/mod.rs"]
mod synthetic;

use cases::{Case, Container};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use synthetic::random::{Random, number_from, seed};

const FILE_CASES: u64 = 2400;
const MEMBER_CASES: u64 = 480;

fn main() -> ExitCode {
    let Some(mdadm) = std::env::var_os("MDADM") else {
        println!(
            "differential: not run: set MDADM=/path/to/mdadm-4.2 and be root, or use tests/run --tier differential"
        );
        return ExitCode::SUCCESS;
    };
    let seed = seed(20_260_101);
    let scale = number_from("MDBITMAP_SCALE").unwrap_or(1);
    println!(
        "differential: seed {seed} (repeat with: tests/run --tier differential --seed {seed})"
    );
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("differential-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    forget_earlier_runs();
    let mut tally = Tally::default();
    let mut bench = Bench {
        mdadm: PathBuf::from(mdadm),
        folder: folder.clone(),
    };
    let mut random = Random::new(seed);
    for number in 0..FILE_CASES * scale {
        let case = cases::file(&mut random);
        bench.judge(number, &case, &mut tally);
    }
    if loopdev::available(&folder) {
        for number in 0..MEMBER_CASES * scale {
            let case = cases::member(&mut random);
            bench.judge(number, &case, &mut tally);
        }
    } else {
        println!("SKIP members: no loop device can be made here");
        tally.failures.push("members were not compared".into());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    tally.report()
}

/// Removes the inputs that earlier runs kept because the outputs differed.
fn forget_earlier_runs() {
    for entry in std::fs::read_dir(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with("differs-") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[derive(Default)]
struct Tally {
    passed: u64,
    classes: BTreeMap<&'static str, u64>,
    shapes: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
}

impl Tally {
    fn report(self) -> ExitCode {
        println!("inputs by kind:");
        for (shape, count) in &self.shapes {
            println!("  {count:6}  {shape}");
        }
        println!(
            "outputs by class of difference (docs/differences-from-mdadm.md; an input may be in several):"
        );
        for (class, count) in &self.classes {
            println!("  {count:6}  {class}");
        }
        let mut unused: Vec<_> = classes::NAMES
            .iter()
            .filter(|name| !self.classes.contains_key(*name))
            .collect();
        unused.sort();
        for name in &unused {
            println!("class {name} was never seen: the cases do not reach it");
        }
        for failure in self.failures.iter().take(10) {
            println!("{failure}");
        }
        let failed = self.failures.len() + unused.len();
        println!("{} passed, {failed} failed", self.passed);
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

struct Bench {
    mdadm: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn judge(&mut self, number: u64, case: &Case, tally: &mut Tally) {
        let image = self.folder.join("case.img");
        std::fs::write(&image, &case.image).unwrap();
        let device = match case.container {
            Container::File => None,
            Container::Member { .. } => Some(loopdev::Loop::attach(&image)),
        };
        let path = device.as_ref().map_or(image.as_path(), |d| d.path());
        let theirs = match classes::what_mdadm_is_shown(case) {
            None => examine(&self.mdadm, case.brief, path),
            Some(part) => {
                // Under the same name, so that the first line agrees.
                std::fs::write(&image, part).unwrap();
                let theirs = examine(&self.mdadm, case.brief, path);
                std::fs::write(&image, &case.image).unwrap();
                theirs
            }
        };
        let ours = examine(Path::new(env!("CARGO_BIN_EXE_mdbitmap")), case.brief, path);

        let verdict = classes::expect(case, path.as_os_str().as_bytes(), &theirs);
        for class in &verdict.classes {
            *tally.classes.entry(class).or_default() += 1;
        }
        *tally.shapes.entry(case.shape).or_default() += 1;
        let status = ours.status.code();
        if verdict.model_errors.is_empty()
            && ours.stdout == verdict.stdout
            && status == Some(verdict.status)
        {
            tally.passed += 1;
            return;
        }
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("differs-{number}.img"));
        std::fs::copy(&image, &kept).unwrap();
        tally.failures.push(format!(
            "--- case {number} ({}, brief {}, classes {:?}), kept in {}\n{}\nexpected, status {}:\n{}ours, status {status:?}:\n{}ours, stderr:\n{}",
            case.shape, case.brief, verdict.classes, kept.display(), verdict.model_errors.join("\n"), verdict.status,
            verdict.stdout.escape_ascii().to_string().replace("\\n", "\n"),
            ours.stdout.escape_ascii().to_string().replace("\\n", "\n"),
            String::from_utf8_lossy(&ours.stderr),
        ));
    }
}

/// A hang is a failure, not a wait: `timeout` ends it with status 124.
fn examine(program: &Path, brief: bool, path: &Path) -> Output {
    let mut command = Command::new("timeout");
    command.arg("30").arg(program).arg("-X");
    if brief {
        command.arg("--brief");
    }
    command
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()))
}
