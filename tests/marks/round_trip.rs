//! What `extents` lists, `set` marks and `clear` clears: in every space, in every form, for every level.

use super::images::all;
use super::*;
use std::fs;

/// Some chunks: runs, single ones, the first and the last.
fn some(chunks: u64, seed: u64) -> Vec<u64> {
    let mut random = seed;
    let mut chosen = vec![0, chunks - 1];
    for chunk in 1..chunks - 1 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        if random >> 62 == 0 || (20..30).contains(&chunk) {
            chosen.push(chunk);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// Lists of the marks, one for all members or one for each.
fn lists(folder: &Path, array: &Array, format: &str, space: &str) -> Vec<String> {
    let names = array.names();
    let format_of = format!("--format={format}");
    let space_of = format!("--space={space}");
    let of_member = ["member", "device"].contains(&space);
    let mut lists = Vec::new();
    if format == "mapfile" && of_member {
        for (number, name) in names.iter().enumerate() {
            let mut arguments = vec!["extents", &format_of, &space_of, name.as_str()];
            let others: Vec<String> = names
                .iter()
                .filter(|n| *n != name)
                .map(|n| format!("--member={n}"))
                .collect();
            arguments.extend(others.iter().map(String::as_str));
            let output = run(folder, &arguments);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let list = format!("list{number}");
            fs::write(folder.join(&list), output.stdout).unwrap();
            lists.push(list);
        }
    } else {
        let (out, _) = verb(folder, array, &["extents", &format_of, &space_of], 0);
        fs::write(folder.join("list"), out).unwrap();
        lists.push("list".to_owned());
    }
    lists
}

#[test]
fn lists_of_extents_come_back_as_the_marks_that_they_were() {
    for version in [4, 6] {
        for (number, empty) in (0..).zip(all(version)) {
            let dirty = some(empty.chunks(), number * 77 + 5);
            let full = Array {
                dirty: dirty.clone(),
                ..empty.clone()
            };
            for format in ["json", "csv", "mapfile"] {
                for space in ["bitmap", "array", "member", "device"] {
                    let folder = folder();
                    let folder = folder.path();
                    full.write(folder);
                    let original = images(folder, &full);
                    let lists = lists(folder, &full, format, space);
                    empty.write(folder);
                    let space = format!("--space={space}");
                    for list in &lists {
                        let list = format!("--extents={list}");
                        let mut arguments = vec!["set", &list];
                        // The others say it themselves.
                        if format == "csv" {
                            arguments.push(&space);
                        }
                        verb(folder, &empty, &arguments, 0);
                    }
                    assert!(
                        images(folder, &empty) == original,
                        "{format} {space} {} {version}",
                        full.level
                    );
                    // One member of a raid10 does not hold all of every chunk; all lists in one do name them.
                    if lists.len() == 1 {
                        verb(folder, &full, &["clear", "--extents=list", &space], 0);
                        assert_eq!(marked(folder, &full), [0u64; 0], "{format} {space}");
                        sound(folder, &full);
                    }
                }
            }
        }
    }
}

/// A list is taken for what it says, or not at all.
#[test]
fn lists_that_are_not_what_they_seem_are_refused() {
    let folder = folder();
    let folder = folder.path();
    let array = Array {
        dirty: vec![3],
        ..all(4).remove(0)
    };
    array.write(folder);
    let before = images(folder, &array);
    let map = "# Mapfile. Created by GNU ddrescue\n0 + 1\n0 4096 +\n4096 4096 -\n8192 4096 +\n";
    fs::write(folder.join("map"), map).unwrap();
    let (_, err) = verb(folder, &array, &["set", "--extents=map"], 1);
    assert!(err.contains("map: line 4: the block status '-'"), "{err}");
    let (_, err) = verb(folder, &array, &["set", "--extents=map", "--status=-"], 2);
    assert!(err.contains("does not say in which addresses"), "{err}");
    let arguments = ["set", "--extents=map", "--status=-", "--space=device"];
    let (_, err) = verb(folder, &array, &arguments, 3);
    assert!(err.contains("--member"), "{err}");
    let lists = lists(folder, &array, "json", "array");
    assert_eq!(lists.len(), 1);
    let (_, err) = verb(
        folder,
        &array,
        &["set", "--extents=list", "--space=bitmap"],
        3,
    );
    assert!(
        err.contains("is a list in the space array by its own word"),
        "{err}"
    );
    let csv = "member,start_bytes,length_bytes\nm0.img,0,4096\n";
    fs::write(folder.join("csv"), csv).unwrap();
    let (_, err) = verb(folder, &array, &["set", "--extents=csv"], 3);
    assert!(err.contains("say --space=member"), "{err}");
    fs::write(folder.join("csv"), format!("{csv}incomplete,,\n")).unwrap();
    let (_, err) = verb(
        folder,
        &array,
        &["set", "--extents=csv", "--space=member"],
        1,
    );
    assert!(
        err.contains("csv: line 3: the list is marked as incomplete"),
        "{err}"
    );
    let (_, err) = verb(folder, &array, &["set", "--extents=."], 1);
    assert!(err.contains("not a regular file"), "{err}");
    assert!(images(folder, &array) == before);
    // Said rightly, the bad sectors of a rescue are marked.
    let whose = [
        "set",
        "--extents=map",
        "--status=-",
        "--space=member",
        "--member=m1.img",
    ];
    verb(folder, &array, &whose, 0);
    assert_eq!(marked(folder, &array), [1, 3]);
}
