//! `mdbitmap create`, as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod device;
mod file;
mod full;
mod like;

use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const UUID: &str = "01234567:89abcdef:fedcba98:76543210";

fn create<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .arg("create")
        .args(arguments)
        .output()
        .unwrap()
}

/// Standard output and standard error of a run that ended with status `want`.
#[track_caller]
fn status(output: &Output, want: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(want), "{out}{err}");
    (out, err)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A folder on a disk: /tmp may be in memory, which md cannot use.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Runs a program of the system; `None` when it is missing or fails (no root, no loop devices).
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A loop device of our own, detached when dropped.
struct Loop {
    node: String,
}

impl Loop {
    /// On a file; `None` where loop devices cannot be had.
    fn on(file: &Path) -> Option<Self> {
        let node = run("losetup", &["--find", "--show", file.to_str().unwrap()])?;
        Some(Loop { node })
    }

    /// The same with blocks of 4096 bytes.
    fn with_blocks_of_4096(file: &Path) -> Option<Self> {
        let file = file.to_str().unwrap();
        let node = run(
            "losetup",
            &["--find", "--show", "--sector-size", "4096", file],
        )?;
        Some(Loop { node })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run("losetup", &["--detach", &self.node]);
    }
}
