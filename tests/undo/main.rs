//! `undo` from outside: every verb that changes a stopped array, done, half-done, undone; and what is given again after a crash.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../marks/images.rs"]
mod images;

mod changes;
mod places;
mod rerun;

use images::Array;
use mdbitmap::change::undo::UndoFile;
use mdbitmap::device::{DirectStore, OpenMode};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// One in memory where there is such a place: what is flushed a thousand times takes its time on a disk.
fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| folder())
}

/// Runs it in a folder, whose `undo` is the usual folder for undo files.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder)
        .env("MDBITMAP_UNDO_DIR", "undo")
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs it; it must end with status `want`; standard output and standard error.
#[track_caller]
fn ends(folder: &Path, arguments: &[&str], want: i32) -> (String, String) {
    let output = run(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(
        output.status.code(),
        Some(want),
        "{arguments:?}\n{out}{err}"
    );
    (out, err)
}

/// A change that some verb makes.
struct Change {
    name: &'static str,
    array: Array,
    arguments: Vec<&'static str>,
}

impl Change {
    /// The arguments, then `more`, then the members.
    fn with<'a>(&'a self, more: &[&'a str], names: &'a [String]) -> Vec<&'a str> {
        let mut all = self.arguments.clone();
        all.extend(more);
        all.extend(names.iter().map(String::as_str));
        all
    }
}

/// One of each kind, on arrays of different levels.
fn changes() -> Vec<Change> {
    let array = |kind: usize, version: u32, dirty: &[u64], clean: bool| Array {
        dirty: dirty.to_vec(),
        clean,
        ..images::all(version)[kind].clone()
    };
    let change = |name, array, arguments: &[&'static str]| Change {
        name,
        array,
        arguments: arguments.to_vec(),
    };
    vec![
        change("set", array(0, 4, &[], true), &["set", "--range", "0K+12K"]),
        change("clear", array(1, 4, &[3, 9], false), &["clear", "--all"]),
        change("set-lockless", array(3, 6, &[1], true), &["set", "--all"]),
        change(
            "re-chunk",
            array(2, 4, &[0, 5, 60], false),
            &["grow", "--chunk=8K"],
        ),
        change(
            "remove",
            array(0, 4, &[2], true),
            &["grow", "--bitmap=none"],
        ),
        change(
            "delay",
            array(4, 4, &[7], false),
            &["grow", "--delay=9", "--write-behind=100"],
        ),
        change(
            "to-classic",
            array(0, 6, &[4, 5], false),
            &["grow", "--bitmap=internal"],
        ),
    ]
}

fn contents(folder: &Path, names: &[String]) -> Vec<Vec<u8>> {
    let names = names.iter();
    names
        .map(|name| fs::read(folder.join(name)).unwrap())
        .collect()
}

fn put(folder: &Path, names: &[String], contents: &[Vec<u8>]) {
    for (name, bytes) in names.iter().zip(contents) {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn open(path: &Path) -> UndoFile {
    UndoFile::open(Arc::new(DirectStore::open(path, OpenMode::Read).unwrap())).unwrap()
}

/// Changes a field of the superblock of an image, and its checksum.
fn edit(path: &Path, change: impl FnOnce(&mut mdbitmap::format::md_v1::RawSuper)) {
    let mut bytes = fs::read(path).unwrap();
    let mut raw = mdbitmap::format::md_v1::RawSuper::from_bytes(&bytes[4096..8192]).unwrap();
    change(&mut raw);
    assert!(raw.seal());
    let new = raw.to_bytes();
    bytes[4096..4096 + new.len()].copy_from_slice(&new);
    fs::write(path, bytes).unwrap();
}

/// The undo files of the usual folder.
fn undo_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("undo")) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A change that was made, with what it takes to make states in between.
struct Made {
    folder: tempfile::TempDir,
    names: Vec<String>,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
    file: PathBuf,
}

impl Made {
    /// Makes a change, in a folder of its own.
    #[track_caller]
    fn new(change: &Change) -> Made {
        let folder = quick_folder();
        change.array.write(folder.path());
        let names = change.array.names();
        let before = contents(folder.path(), &names);
        let (out, _) = ends(folder.path(), &change.with(&[], &names), 0);
        let file = undo_files(folder.path());
        assert_eq!(file.len(), 1, "{}: {out}", change.name);
        let said = format!("to take it back: mdbitmap undo undo/{}", {
            file[0].file_name().unwrap().to_str().unwrap()
        });
        assert!(out.contains(&said), "{out}");
        let after = contents(folder.path(), &names);
        assert_ne!(before, after, "{}", change.name);
        Made {
            names,
            before,
            after,
            file: file[0].clone(),
            folder,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    fn groups(&self) -> usize {
        open(&self.file).groups.len()
    }

    /// The images as a crash leaves them after so many groups of writes; of the next one, the sectors whose bit is set are
    /// written.
    fn crash(&self, groups: usize, sectors: u32) {
        let file = open(&self.file);
        let mut images = self.before.clone();
        for (number, group) in file.groups.iter().enumerate() {
            let mut bit = 0;
            for write in &file.writes[group.writes.clone()] {
                let (_, new) = file.short_contents(write, u64::MAX).unwrap();
                for (sector, bytes) in new.chunks(512).enumerate() {
                    if number < groups || (number == groups && sectors >> (bit % 32) & 1 == 1) {
                        let at = write.range.start as usize + sector * 512;
                        images[group.device][at..at + 512].copy_from_slice(bytes);
                    }
                    bit += 1;
                }
            }
        }
        put(self.path(), &self.names, &images);
    }
}
