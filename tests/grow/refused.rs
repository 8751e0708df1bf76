//! What is in use, ill-named or in the way: refused, and not a byte is written.

use super::{Set, json, run};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::path::Path;

fn set() -> Set {
    Set::of("raid1-1.2-dirty")
}

/// The change fails so, and no member is touched.
fn fails(set: &Set, status: i32, word: &str, arguments: &[&str]) {
    let before = set.bytes();
    let said = run(set.folder.path(), arguments);
    assert_eq!(
        said.status, status,
        "{arguments:?}: {}{}",
        said.out, said.err
    );
    assert!(said.err.contains(word), "{arguments:?}: {}", said.err);
    assert!(before == set.bytes(), "{arguments:?}");
}

#[test]
fn images_that_others_hold() {
    let set = set();
    let held = fs::File::open(set.path("b.img")).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    fails(
        &set,
        3,
        "b.img: is held by ",
        &["grow", "--no-undo", "--chunk=4K", "a.img", "b.img"],
    );
    drop(held);
    let free = set.run(&["grow", "--no-undo", "--chunk=4K"]);
    assert_eq!(free.status, 0, "{}", free.err);
}

#[test]
fn members_that_are_not_one_array() {
    let set = set();
    fs::copy(set.path("a.img"), set.path("copy.img")).unwrap();
    std::os::unix::fs::symlink("a.img", set.path("link.img")).unwrap();
    fs::write(set.path("zeros.img"), vec![0; 1 << 20]).unwrap();
    let cases: [(&str, &[&str]); 4] = [
        ("slot 1 is in use", &["a.img"]),
        (
            "one is a copy of the other",
            &["a.img", "b.img", "copy.img"],
        ),
        (
            "are the same file; give it once",
            &["a.img", "b.img", "link.img"],
        ),
        ("has no md superblock", &["a.img", "b.img", "zeros.img"]),
    ];
    for (word, members) in cases {
        let arguments = ["grow", "--no-undo", "--bitmap=none"];
        let all: Vec<&str> = arguments.iter().chain(members).copied().collect();
        fails(&set, 3, word, &all);
    }
}

#[test]
fn files_that_cannot_be_made() {
    let set = set();
    fs::write(set.path("taken"), "mine").unwrap();
    fs::create_dir(set.path("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", set.path("dangling")).unwrap();
    let members = ["a.img", "b.img"];
    for (file, status, word) in [
        ("./taken", 3, "exists already"),
        ("./missing/file", 4, "open the folder"),
        ("./folder", 1, "folder"),
        ("./dangling", 1, "dangling"),
        ("./file/", 1, "file"),
    ] {
        let bitmap = format!("--bitmap={file}");
        let arguments = ["grow", "--no-undo", &bitmap, members[0], members[1]];
        let before = set.bytes();
        let said = run(set.folder.path(), &arguments);
        assert_eq!(said.status, status, "{file}: {}", said.err);
        assert!(said.err.contains(word), "{file}: {}", said.err);
        assert!(before == set.bytes(), "{file}");
    }
    assert_eq!(fs::read(set.path("taken")).unwrap(), b"mine");
    let left: Vec<_> = fs::read_dir(set.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".mdbitmap"))
        .collect();
    assert_eq!(left, [""; 0], "no temporary file is left");
    fails(
        &set,
        1,
        "cannot open",
        &[
            "grow",
            "--no-undo",
            "--bitmap=internal",
            "--merge=nothing",
            "a.img",
            "b.img",
        ],
    );
    fails(
        &set,
        3,
        "not the bitmap",
        &[
            "grow",
            "--no-undo",
            "--bitmap=internal",
            "--merge=./a.img",
            "a.img",
            "b.img",
        ],
    );
}

#[test]
fn a_file_is_made_whole_and_taken_back_whole() {
    let set = set();
    let dirt = set.dirt();
    let said = set.run(&["grow", "--no-undo", "--json", "--bitmap=./md.bitmap"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let plan = json(&said.out);
    let length = plan["new_file"]["length_bytes"].as_u64().unwrap();
    assert_eq!(fs::metadata(set.path("md.bitmap")).unwrap().len(), length);
    assert_eq!(plan["new_file"]["path"], "./md.bitmap");
    assert_eq!(plan["after"]["bitmap"], serde_json::Value::Null);
    // The file is the array's, by our own judgement.
    let judged = run(
        set.folder.path(),
        &["check", "--json", "a.img", "b.img", "md.bitmap"],
    );
    let judged = json(&judged.out).to_string();
    assert!(
        !judged.contains("events-stale") && !judged.contains("uuid-mismatch"),
        "{judged}"
    );
    let again = set.run(&["grow", "--bitmap=./md.bitmap"]);
    assert!(
        again.out.ends_with("nothing to do\n"),
        "{}{}",
        again.out,
        again.err
    );
    let back = set.run(&[
        "grow",
        "--no-undo",
        "--bitmap=internal",
        "--merge=md.bitmap",
        "--chunk=64K",
    ]);
    assert_eq!(back.status, 0, "{}", back.err);
    assert_eq!(set.dirt(), dirt);
}

#[test]
fn mdadms_statuses_under_mdadms_spelling() {
    let set = set();
    fails(
        &set,
        2,
        "changes the array itself",
        &["--grow", "a.img", "b.img", "--chunk=64K"],
    );
    fails(
        &set,
        2,
        "device name came before",
        &["a.img", "--grow", "--bitmap=none"],
    );
    fails(
        &set,
        1,
        "slot 1",
        &["--grow", "a.img", "--bitmap=none", "--no-undo"],
    );
    fails(&set, 2, "what is to be changed", &["grow", "a.img"]);
    fails(
        &set,
        2,
        "at least 2",
        &["grow", "--bitmap=clustered", "--nodes=1", "a.img"],
    );
    let done = set.run(&["-G", "-b", "internal", "--bitmap-chunk", "4K", "--no-undo"]);
    assert_eq!(done.status, 0, "{}", done.err);
}

/// A loop device is made by root alone.
#[test]
fn images_behind_loop_devices_and_members_on_them() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: no loop device can be made here");
        return;
    }
    let images = super::Images::of("raid1-1.2-dirty");
    let set = images.unpack();
    let loops: Vec<super::loops::Loop> = match set
        .members
        .iter()
        .map(|name| super::loops::Loop::attach(&set.path(name)))
        .collect()
    {
        Ok(loops) => loops,
        Err(why) => {
            eprintln!("SKIPPED: no loop device can be made here: {why}");
            return;
        }
    };
    fails(
        &set,
        3,
        "loop",
        &["grow", "--no-undo", "--chunk=4K", "a.img", "b.img"],
    );
    let names: Vec<&str> = loops
        .iter()
        .map(|device| device.0.to_str().unwrap())
        .collect();
    let said = run(
        Path::new("/"),
        &["grow", "--no-undo", "--chunk=4K", names[0], names[1]],
    );
    assert_eq!(said.status, 0, "{}", said.err);
    drop(loops);
    assert!(
        set.run(&["grow", "--chunk=4K"])
            .out
            .ends_with("nothing to do\n")
    );
}
