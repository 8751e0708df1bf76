//! `mdbitmap check --repair`, as a user runs it, on images.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "../marks/images.rs"]
mod images;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

/// `check ARGUMENTS MEMBER...`, which must end with status `want`: standard output and standard error.
#[track_caller]
fn check(folder: &Path, names: &[String], arguments: &[&str], want: i32) -> (String, String) {
    let mut all = vec!["check"];
    all.extend(arguments);
    all.extend(names.iter().map(String::as_str));
    let output = run(folder, &all);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(want), "{all:?}\n{out}{err}");
    (out, err)
}

const REPAIR: [&str; 2] = ["--repair", "--no-undo"];

#[track_caller]
fn json(folder: &Path, names: &[String], more: &[&str], want: i32) -> Value {
    let arguments = [&REPAIR, more, &["--json"]].concat();
    let (out, _) = check(folder, names, &arguments, want);
    serde_json::from_str(&out).unwrap()
}

/// Names of the findings of a report in JSON.
fn found(reports: &Value) -> Vec<&str> {
    let findings = reports.as_array().unwrap().iter();
    let findings = findings.flat_map(|one| one["findings"].as_array().unwrap());
    findings.map(|one| one["name"].as_str().unwrap()).collect()
}

fn bytes(folder: &Path, names: &[String]) -> Vec<Vec<u8>> {
    let read = |name: &String| fs::read(folder.join(name)).unwrap();
    names.iter().map(read).collect()
}

/// Where the bitmap starts.
const BITMAP: u64 = 8192;
const SLEEP: u64 = BITMAP + 56;
const STATE: u64 = BITMAP + 48;

fn patch(folder: &Path, name: &str, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(folder.join(name));
    file.unwrap().write_all_at(bytes, at).unwrap();
}

/// Bytes that the next start would synchronise, as `extents` lists them.
fn listed(folder: &Path, names: &[String]) -> u64 {
    let mut arguments = vec!["extents", "--resync", "--space=bitmap", "--format=json"];
    arguments.extend(names.iter().map(String::as_str));
    let output = run(folder, &arguments);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let extents = value["extents"].as_array().unwrap().iter();
    extents
        .map(|one| one["length_bytes"].as_u64().unwrap())
        .sum()
}

#[test]
fn a_mended_field_lets_every_kind_of_array_start_again_with_its_marks() {
    for version in [4, 6] {
        for mut array in images::all(version) {
            let folder = folder();
            array.dirty = vec![1, 2, 30];
            array.write(folder.path());
            let names = array.names();
            for name in &names {
                patch(folder.path(), name, SLEEP, &[0; 4]);
            }
            // What kernels up to 7.2 leave out of a lockless resync cannot be helped, and is told.
            let status = i32::from(version == 6);
            let value = json(folder.path(), &names, &[], status);
            let label = format!("{} {}", array.level, array.version);
            assert!(
                found(&value["before"]).contains(&"zero-daemon-sleep"),
                "{label}"
            );
            assert!(
                !found(&value["after"]).contains(&"zero-daemon-sleep"),
                "{label}"
            );
            assert_eq!(value["change"]["written"], true, "{label}");
            assert_eq!(value["prediction"]["starts"], true, "{label}");
            let predicted = value["prediction"]["resync_bytes"].as_u64().unwrap();
            assert_eq!(predicted, listed(folder.path(), &names), "{label}");
            assert_eq!(
                value["change"]["after"]["bitmap"]["dirty_chunks"], 3,
                "{label}"
            );
        }
    }
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_would_be_left() {
    let array = &images::all(4)[0];
    let folder = folder();
    array.write(folder.path());
    let names = array.names();
    for name in &names {
        patch(folder.path(), name, STATE, &[4, 0, 0, 0]);
    }
    let before = bytes(folder.path(), &names);
    let dry = json(folder.path(), &names, &["--dry-run"], 0);
    assert_eq!(bytes(folder.path(), &names), before);
    assert_eq!(
        (&dry["change"]["written"], &dry["change"]["dry_run"]),
        (&Value::Bool(false), &Value::Bool(true))
    );
    let real = json(folder.path(), &names, &[], 0);
    assert_ne!(bytes(folder.path(), &names), before);
    assert_eq!(found(&dry["after"]), found(&real["after"]));
    assert_eq!(dry["prediction"], real["prediction"]);
    assert_eq!(real["prediction"]["resync_bytes"], images::COMPONENT * 512);
    let titles = |value: &Value| -> Vec<String> {
        let steps = value["change"]["steps"].as_array().unwrap().iter();
        steps.map(|step| step["title"].to_string()).collect()
    };
    assert_eq!(titles(&dry), titles(&real));
    let (out, _) = check(folder.path(), &names, &REPAIR, 0);
    assert!(out.ends_with("Nothing to repair.\n"), "{out}");
}

#[test]
fn what_cannot_be_repaired_is_left_and_told() {
    let array = &images::all(4)[0];
    let folder = folder();
    array.write(folder.path());
    let names = array.names();
    for name in &names {
        // A state bit that no kernel knows.
        patch(folder.path(), name, STATE, &[0x40, 0, 0, 0]);
    }
    let before = bytes(folder.path(), &names);
    let (out, _) = check(folder.path(), &names, &REPAIR, 1);
    assert!(out.contains("unknown-state-bits"), "{out}");
    assert!(
        out.ends_with("Nothing of this is repaired here: each finding says what can be done.\n"),
        "{out}"
    );
    // What can be repaired beside it is.
    for name in &names {
        patch(folder.path(), name, SLEEP, &[0; 4]);
    }
    let value = json(folder.path(), &names, &[], 1);
    assert!(found(&value["after"]).contains(&"unknown-state-bits"));
    for (now, was) in bytes(folder.path(), &names).iter().zip(&before) {
        assert_eq!(now, was, "the field is as it was before");
    }
}

#[test]
fn what_may_not_be_changed_is_refused_with_all_reasons() {
    let mut arrays = images::all(4);
    let array = &mut arrays[1];
    array.dirty = vec![3];
    let folder = folder();
    array.write(folder.path());
    let names = array.names();
    for name in &names {
        patch(folder.path(), name, BITMAP, &[0; 4]);
    }
    let before = bytes(folder.path(), &names);
    let (out, err) = check(folder.path(), &names[..2], &REPAIR, 3);
    assert!(
        out.contains("bad-magic") && err.contains("slot 2 is in use"),
        "{out}{err}"
    );
    let value = json(folder.path(), &names[..2], &[], 3);
    let refused = value["change"]["refused"].as_array().unwrap();
    let refused: Vec<&str> = refused
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert!(refused.contains(&"member-missing"), "{refused:?}");
    assert_eq!(
        (&value["after"], &value["prediction"]),
        (&Value::Array(Vec::new()), &Value::Null)
    );
    // No member at all.
    fs::write(folder.path().join("nothing"), vec![0; 65536]).unwrap();
    let mut more = names.clone();
    more.push("nothing".to_owned());
    let (_, err) = check(folder.path(), &more, &REPAIR, 3);
    assert!(err.contains("nothing: has no md superblock"), "{err}");
    let (_, err) = check(folder.path(), &["nowhere".to_owned()], &REPAIR, 1);
    assert!(err.contains("nowhere: cannot open"), "{err}");
    assert_eq!(bytes(folder.path(), &names), before);
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let names = ["a".to_owned()];
    let folder = folder();
    let wrong: [&[&str]; 6] = [
        &["--dry-run"],
        &["--no-undo"],
        &["--force"],
        &["--repair", "--offset=4K"],
        &["--repair", "-e", "1.2"],
        &["--repair", "--undo=x", "--no-undo"],
    ];
    for arguments in wrong {
        check(folder.path(), &names, arguments, 2);
    }
}

#[test]
fn quiet_says_it_by_the_status_alone() {
    let array = &images::all(4)[0];
    let folder = folder();
    array.write(folder.path());
    let names = array.names();
    patch(folder.path(), &names[0], BITMAP + 24, &[0; 8]);
    let quiet = [&REPAIR[..], &["-q"]].concat();
    let (out, err) = check(folder.path(), &names, &["--repair", "-n", "-q"], 0);
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
    check(folder.path(), &names, &[], 1);
    let (out, err) = check(folder.path(), &names, &quiet, 0);
    assert_eq!((out.as_str(), err.as_str()), ("", ""));
    check(folder.path(), &names, &["-q"], 0);
}
