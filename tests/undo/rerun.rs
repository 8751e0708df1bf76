//! A command that is given again after a crash.

use super::*;
use mdbitmap::change::plan::Part;

/// Images of which two runs at different moments give the same: without the times and checksums of superblocks.
fn timeless(images: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut images = images.to_vec();
    for image in &mut images {
        image[4096 + 192..4096 + 200].fill(0);
        image[4096 + 216..4096 + 220].fill(0);
    }
    images
}

#[test]
fn the_second_run_finishes_the_job_from_every_point() {
    for change in changes() {
        let made = Made::new(&change);
        let saved = fs::read(&made.file).unwrap();
        for groups in 0..made.groups() {
            for sectors in [0, 0x5555_5555] {
                for path in undo_files(made.path()) {
                    fs::remove_file(path).unwrap();
                }
                fs::write(&made.file, &saved).unwrap();
                made.crash(groups, sectors);
                let half = contents(made.path(), &made.names);
                let begun = half != made.before;
                let is_half = begun && half != made.after;
                let what = format!("{} {groups} {sectors:x}", change.name);
                if sectors == 0 {
                    // Said, and not done.
                    let dry = change.with(&["--dry-run"], &made.names);
                    let (out, err) = ends(made.path(), &dry, 0);
                    let said = out.contains(": stopped half-way, and would be taken back first");
                    assert_eq!(said, is_half, "{what}\n{out}{err}");
                    assert_eq!(contents(made.path(), &made.names), half, "{what}");
                }
                let (out, err) = ends(made.path(), &change.with(&[], &made.names), 0);
                let said = out.contains(": stopped half-way, and was taken back first");
                assert_eq!(said, is_half, "{what}\n{out}{err}");
                let now = contents(made.path(), &made.names);
                assert!(
                    timeless(&now) == timeless(&made.after),
                    "{what}\n{out}{err}"
                );
                // The new file takes the new change back; the old one is gone where it was of no use any more.
                let files = undo_files(made.path());
                assert_eq!(files.contains(&made.file), !is_half, "{what}");
                let new: Vec<_> = files.iter().filter(|path| **path != made.file).collect();
                if half != made.after {
                    assert_eq!(new.len(), 1, "{what}: {files:?}");
                    if sectors != 0 {
                        ends(made.path(), &["undo", new[0].to_str().unwrap()], 0);
                        assert!(contents(made.path(), &made.names) == made.before, "{what}");
                    }
                }
            }
        }
    }
}

/// A superblock of three sectors, of which the write changes two.
#[test]
fn a_torn_superblock_does_not_matter() {
    let folder = folder();
    let array = Array {
        members: 3,
        ..changes()[0].array.clone()
    };
    array.write(folder.path());
    for name in array.names() {
        edit(&folder.path().join(&name), |raw| {
            (raw.fixed.max_dev, raw.roles) = (512, vec![0xffff; 512]);
            (raw.roles[0], raw.roles[1], raw.roles[300]) = (0, 1, 2);
            if name == "m2.img" {
                raw.fixed.dev_number = 300;
            }
        });
    }
    // The third is not given: it is called faulty, in the third sector.
    let names = array.names()[..2].to_vec();
    let before = contents(folder.path(), &names);
    let set = ["grow", "--chunk=8K", "--force", "m0.img", "m1.img"];
    ends(folder.path(), &set, 0);
    let made = Made {
        file: undo_files(folder.path()).remove(0),
        after: contents(folder.path(), &names),
        names,
        before,
        folder,
    };
    let file = open(&made.file);
    let supers = |number: usize| {
        let writes = file.writes[file.groups[number].writes.clone()].iter();
        let supers = writes.filter(|write| write.part == Part::Superblock);
        let sectors: u64 = supers
            .map(|write| write.range.end - write.range.start)
            .sum();
        sectors == 1024
    };
    let torn: Vec<usize> = (0..made.groups())
        .filter(|number| supers(*number))
        .collect();
    assert!(!torn.is_empty());
    for group in torn {
        for sectors in [1, 2] {
            for path in undo_files(made.path()) {
                if path != made.file {
                    fs::remove_file(path).unwrap();
                }
            }
            let kept = fs::read(&made.file).unwrap();
            made.crash(group, sectors);
            let (out, err) = ends(made.path(), &[&set[..], &["--no-undo"]].concat(), 3);
            assert!(
                err.contains("superblock found at byte 4096, but its checksum"),
                "{out}{err}"
            );
            assert!(err.contains("`mdbitmap undo` puts it back"), "{err}");
            let (out, _) = ends(made.path(), &set, 0);
            assert!(
                out.contains("stopped half-way, and was taken back first"),
                "{out}"
            );
            let now = contents(made.path(), &made.names);
            assert!(timeless(&now) == timeless(&made.after));
            fs::write(&made.file, kept).unwrap();
            made.crash(group, sectors);
            let newer: Vec<PathBuf> = undo_files(made.path());
            for path in newer.iter().filter(|path| **path != made.file) {
                fs::remove_file(path).unwrap();
            }
            ends(made.path(), &["undo", made.file()], 0);
            assert_eq!(contents(made.path(), &made.names), made.before);
        }
    }
}

#[test]
fn another_command_finishes_the_undoing_too() {
    let change = &changes()[3];
    let made = Made::new(change);
    made.crash(made.groups() / 2, 0x1111);
    let names: Vec<&str> = made.names.iter().map(String::as_str).collect();
    let set = [&["set", "--range", "0K+4K"], &names[..]].concat();
    let (out, _) = ends(made.path(), &set, 0);
    assert!(out.starts_with("the grow of 2"), "{out}");
    assert!(out.contains(" (undo/01234567-89abcdef-"), "{out}");
    // The chunk size is the old one.
    let (out, _) = ends(made.path(), &["examine", "m0.img"], 0);
    assert!(out.contains("Chunksize : 4 KB"), "{out}");
}

#[test]
fn with_undo_file_the_file_is_the_journal() {
    let change = &changes()[3];
    let mut made = Made::new(change);
    let journal = made.path().join("mine.undo");
    fs::rename(&made.file, &journal).unwrap();
    made.file = journal.clone();
    made.crash(3, 0);
    let again = change.with(&["--undo", "mine.undo"], &made.names);
    let (out, _) = ends(made.path(), &again, 0);
    assert!(out.contains("was taken back first"), "{out}");
    assert!(
        out.contains("to take it back: mdbitmap undo mine.undo"),
        "{out}"
    );
    assert!(undo_files(made.path()).is_empty());
    // Done: it is needed, and not replaced.
    let kept = fs::read(&journal).unwrap();
    let other = [
        "set",
        "--all",
        "--undo",
        "mine.undo",
        "m0.img",
        "m1.img",
        "m2.img",
        "m3.img",
    ];
    let (_, err) = ends(made.path(), &other, 3);
    assert!(err.contains("mine.undo: exists already"), "{err}");
    assert!(err.contains("nothing was written"), "{err}");
    assert_eq!(fs::read(&journal).unwrap(), kept);
    ends(made.path(), &["undo", "mine.undo"], 0);
    assert_eq!(contents(made.path(), &made.names), made.before);
    // Undone: it may be.
    ends(made.path(), &other, 0);
    assert_ne!(fs::read(&journal).unwrap(), kept);
}

#[test]
fn without_undo_nothing_is_looked_for() {
    let change = &changes()[3];
    let made = Made::new(change);
    made.crash(5, 0);
    let arguments = change.with(&["--no-undo"], &made.names);
    let (out, _) = ends(made.path(), &arguments, 0);
    assert!(
        !out.contains("taken back") && !out.contains("take it back"),
        "{out}"
    );
    assert_eq!(undo_files(made.path()), std::slice::from_ref(&made.file));
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_taken_back() {
    let change = &changes()[3];
    let made = Made::new(change);
    made.crash(5, 0);
    let half = contents(made.path(), &made.names);
    let names: Vec<&str> = made.names.iter().map(String::as_str).collect();
    let impossible = [&["grow", "--nodes=4", "--bitmap=clustered"], &names[..]].concat();
    let (_, err) = ends(made.path(), &impossible, 3);
    assert!(
        err.contains("stopped half-way; `mdbitmap undo undo/"),
        "{err}"
    );
    assert_eq!(contents(made.path(), &made.names), half);
}

#[test]
fn a_member_that_is_missing_is_told() {
    let change = &changes()[3];
    let made = Made::new(change);
    made.crash(2, 0);
    let (_, err) = ends(
        made.path(),
        &["set", "--all", "m0.img", "m1.img", "m2.img"],
        3,
    );
    assert!(
        err.contains("stopped half-way, and cannot be taken back: "),
        "{err}"
    );
    assert!(err.contains("m3.img (device UUID 04040404:"), "{err}");
}
