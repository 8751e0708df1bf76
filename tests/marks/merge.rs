//! `merge` on images: sources of every kind.

use super::images::{Array, all};
use super::*;
use std::fs;

/// A file, a dump, an image of a member, and one of another kind: the union of all is on every member.
#[test]
fn sources_of_every_kind() {
    for version in [4, 6] {
        for array in all(version) {
            let folder = folder();
            let folder = folder.path();
            let with = |dirty: &[u64]| Array {
                dirty: dirty.to_vec(),
                ..array.clone()
            };
            with(&[1]).write(folder);
            fs::rename(folder.join("m0.img"), folder.join("old.img")).unwrap();
            with(&[3]).write(folder);
            let output = run(folder, &["dump", "m1.img"]);
            fs::write(folder.join("dump"), output.stdout).unwrap();
            with(&[5]).write(folder);
            let output = run(folder, &["dump", "m1.img"]);
            fs::write(folder.join("other"), output.stdout).unwrap();
            let output = run(folder, &["restore", "other", "file"]);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            with(&[7]).write(folder);
            let from = ["merge", "--from=old.img", "--from=dump", "--from", "file"];
            let (out, _) = verb(folder, &array, &from, 0);
            assert!(out.contains("newly marked: 3 chunks"), "{out}");
            assert_eq!(marked(folder, &array), [1, 3, 5, 7]);
            sound(folder, &array);
            // A member of the array itself, which is held meanwhile.
            let (out, _) = verb(folder, &array, &["merge", "--from=m1.img"], 0);
            assert!(out.contains("nothing to do"), "{out}");
        }
    }
}

#[test]
fn copies_are_made_alike() {
    let folder = folder();
    let folder = folder.path();
    let array = all(4).remove(1);
    let marked_copy = Array {
        dirty: vec![2, 9],
        ..array.clone()
    };
    marked_copy.write(folder);
    let kept = fs::read(folder.join("m2.img")).unwrap();
    array.write(folder);
    fs::write(folder.join("m2.img"), kept).unwrap();
    let (out, _) = verb(folder, &array, &["check"], 1);
    assert!(out.contains("copies-differ"), "{out}");
    verb(folder, &array, &["merge"], 0);
    assert_eq!(marked(folder, &array), [2, 9]);
    sound(folder, &array);
    let (out, _) = verb(folder, &array, &["merge"], 0);
    assert!(out.contains("nothing to do"), "{out}");
}

#[test]
fn what_is_no_source_is_said() {
    let folder = folder();
    let folder = folder.path();
    let array = all(4).remove(0);
    array.write(folder);
    let before = images(folder, &array);
    fs::write(folder.join("letter"), [b'x'; 5000]).unwrap();
    let mut foreign = fs::read(folder.join("m0.img")).unwrap()[8192..].to_vec();
    foreign[8] ^= 1;
    fs::write(folder.join("foreign"), foreign).unwrap();
    for (from, status, told) in [
        ("--from=letter", 1, "magic"),
        ("--from=nothing", 1, "cannot open"),
        ("--from=foreign", 3, "is that of the array"),
    ] {
        let (_, err) = verb(folder, &array, &["merge", from], status);
        assert!(err.contains(told), "{err}");
    }
    assert!(images(folder, &array) == before);
}
