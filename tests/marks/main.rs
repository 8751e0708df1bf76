//! The verbs that change marks, as a user runs them, on images.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod clear;
mod images;
mod merge;
mod restore;
mod round_trip;
mod set;

use images::Array;
use std::path::Path;
use std::process::{Command, Output};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Runs it in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdbitmap"));
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `verb ARGUMENTS MEMBER...`, which must end with status `want`; standard output and standard error.
#[track_caller]
fn verb(folder: &Path, array: &Array, arguments: &[&str], want: i32) -> (String, String) {
    let names = array.names();
    let mut all: Vec<&str> = arguments.to_vec();
    let writes = ["set", "clear", "merge", "restore"].contains(&arguments[0]);
    if writes && !arguments.iter().any(|argument| argument.contains("undo")) {
        all.push("--no-undo");
    }
    all.extend(names.iter().map(String::as_str));
    let output = run(folder, &all);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(want), "{all:?}\n{out}{err}");
    (out, err)
}

/// The bytes of every member.
fn images(folder: &Path, array: &Array) -> Vec<Vec<u8>> {
    let names = array.names().into_iter();
    names
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .collect()
}

/// The marked chunks, on all members the same.
#[track_caller]
fn marked(folder: &Path, array: &Array) -> Vec<u64> {
    let images = images(folder, array);
    let of = |image: &[u8]| -> Vec<u64> {
        let is_marked = |chunk: &u64| match array.version {
            6 => image[8192 + 1024 + *chunk as usize] == 3,
            _ => image[8192 + 256 + *chunk as usize / 8] >> (chunk % 8) & 1 == 1,
        };
        (0..array.chunks()).filter(is_marked).collect()
    };
    let first = of(&images[0]);
    assert!(images.iter().all(|image| of(image) == first));
    first
}

/// Nothing is wrong with the array: `check` has notes at most, but for what it says of kernels.
#[track_caller]
fn sound(folder: &Path, array: &Array) {
    let mut arguments = vec!["check".to_owned(), "--json".to_owned()];
    arguments.extend(array.names());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = run(folder, &arguments);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = value["arrays"][0]["findings"].as_array().unwrap();
    let grave = findings
        .iter()
        .filter(|finding| finding["severity"] != "note");
    let grave: Vec<_> = grave
        .filter(|finding| finding["name"] != "kernel-lockless-resync")
        .collect();
    assert!(grave.is_empty(), "{grave:?}");
}
