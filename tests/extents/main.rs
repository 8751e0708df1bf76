//! `mdbitmap extents`, as a user runs it, on images that real kernels made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod ddrescue;
mod stream;

use flate2::read::GzDecoder;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// An image of a fixture, unpacked into `folder`.
fn image(folder: &Path, set: &str, name: &str) -> String {
    let mut bytes = Vec::new();
    let packed = fs::File::open(fixtures().join(set).join(format!("{name}.img.gz"))).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let path = folder.join(format!("{set}-{name}.img"));
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdbitmap"));
    command.args(arguments).output().unwrap()
}

/// Standard output and standard error of `extents`, which must end with status `want`.
#[track_caller]
fn extents<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, want: i32) -> (String, String) {
    let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned());
    let output = run(std::iter::once("extents".into()).chain(arguments));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(want), "{out}{err}");
    (out, err)
}

fn json(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// (start, length) of the extents of one member.
fn listed(value: &Value, member: &Value) -> Vec<(u64, u64)> {
    let extents = value["extents"].as_array().unwrap().iter();
    extents
        .filter(|extent| extent["member"] == *member)
        .map(|extent| {
            let number = |key: &str| extent[key].as_u64().unwrap();
            (number("start_bytes"), number("length_bytes"))
        })
        .collect()
}

/// What `examine` counts and predicts, `extents` lists, on every image that a real kernel made.
#[test]
fn totals_are_those_of_examine() {
    let folder = folder();
    let (mut marked, mut resynced) = (0, 0);
    for set in fs::read_dir(fixtures()).unwrap() {
        let set = set.unwrap().file_name().into_string().unwrap();
        if matches!(set.as_str(), "example" | "synthetic" | "README.md") {
            continue;
        }
        for file in fs::read_dir(fixtures().join(&set)).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            // One of each array: unpacking takes the time.
            let Some(name @ ("a" | "bitmap" | "meta0")) = file.strip_suffix(".img.gz") else {
                continue;
            };
            let path = image(folder.path(), &set, name);
            let examined = run(["examine", "--json", path.as_str()]);
            let examined = json(&String::from_utf8(examined.stdout).unwrap());
            let device = &examined["devices"][0];
            if device["bitmap"].is_null() {
                continue;
            }
            let told = run(["extents", "--json", path.as_str()]);
            let told = json(&String::from_utf8(told.stdout).unwrap());
            assert_eq!(
                told["totals"]["dirty_bytes"], device["bitmap"]["dirty_bytes"],
                "{path}"
            );
            assert_eq!(told["complete"], true, "{path}");
            let sum: u64 = listed(&told, &Value::from(path.as_str()))
                .iter()
                .map(|e| e.1)
                .sum();
            assert_eq!(told["totals"]["dirty_bytes"], sum);
            marked += u32::from(sum > 0);
            let verdict = &device["verdict"];
            if verdict["resync_bytes"].is_u64() {
                let (out, _) = extents(["--json", "--resync", &path], 0);
                assert_eq!(
                    json(&out)["totals"]["dirty_bytes"],
                    verdict["resync_bytes"],
                    "{path}"
                );
                resynced += u32::from(verdict["resync_bytes"] != 0);
            }
            fs::remove_file(path).unwrap();
        }
    }
    assert!(marked > 20 && resynced > 8, "{marked} {resynced}");
}

#[test]
fn copies_that_differ_are_united_and_told() {
    let folder = folder();
    let a = image(folder.path(), "raid1-1.2-dirty", "a");
    let b = image(folder.path(), "raid1-1.2-dirty", "b");
    let (alone, _) = extents(["--json", &a], 0);
    let (both, err) = extents(["--json", &a, &b], 0);
    assert!(!err.contains("differ"), "{err}");
    let (alone, both) = (json(&alone), json(&both));
    let of_a = listed(&alone, &Value::from(a.as_str()));
    assert_eq!(listed(&both, &Value::Null), of_a);

    // One more chunk on b.
    let mut bytes = fs::read(&b).unwrap();
    let examined = run(["examine", "--json", b.as_str()]);
    let examined = json(&String::from_utf8(examined.stdout).unwrap());
    let device = &examined["devices"][0];
    let start = device["found"]["offset_bytes"].as_u64().unwrap() as usize + 256;
    let chunk = device["superblock"]["chunk_bytes"].as_u64().unwrap();
    let bit = (0..)
        .find(|bit| bytes[start + bit / 8] >> (bit % 8) & 1 == 0)
        .unwrap();
    bytes[start + bit / 8] |= 1 << (bit % 8);
    fs::write(&b, bytes).unwrap();
    let (both, err) = extents(["--json", &a, &b], 0);
    assert!(
        err.contains("copies of the bitmap differ") && err.contains(&a),
        "{err}"
    );
    assert!(!err.contains(&b), "{err}");
    let more: u64 = of_a.iter().map(|e| e.1).sum::<u64>() + chunk;
    assert_eq!(json(&both)["totals"]["dirty_bytes"], more);
    // Of one member its own.
    let (own, _) = extents(["--json", "--space=member", &a, &b], 0);
    let own = json(&own);
    assert_eq!(listed(&own, &Value::from(a.as_str())), of_a);
    let of_b: u64 = listed(&own, &Value::from(b.as_str()))
        .iter()
        .map(|e| e.1)
        .sum();
    assert_eq!(of_b, more);
    // The kernel reads one of them: that of the lowest slot.
    let (resync, err) = extents(["--json", "--resync", &a, &b], 0);
    assert!(
        err.contains("different resyncs") && err.contains(&a),
        "{err}"
    );
    assert_eq!(listed(&json(&resync), &Value::from(a.as_str())), of_a);
}

#[test]
fn a_bitmap_file_needs_a_member_for_more_than_its_own_space() {
    let folder = folder();
    let file = image(folder.path(), "file-dirty", "bitmap");
    let member = image(folder.path(), "file-dirty", "b");
    let (bitmap, _) = extents(["--json", &file], 0);
    let bitmap = listed(&json(&bitmap), &Value::from(file.as_str()));
    assert!(!bitmap.is_empty());
    for space in ["device", "member", "array"] {
        let (out, err) = extents(["--json", &format!("--space={space}"), &file], 3);
        assert!(err.contains("without an md superblock"), "{err}");
        let out = json(&out);
        assert_eq!(out["complete"], false);
        assert_eq!(out["errors"][0]["kind"], "refused");
    }
    for arguments in [vec![&file, &member], vec![&member, &file]] {
        let arguments = ["--json", "--space=member"]
            .into_iter()
            .chain(arguments.into_iter().map(String::as_str));
        let (out, err) = extents(arguments, 0);
        assert_eq!(
            listed(&json(&out), &Value::from(member.as_str())),
            bitmap,
            "{err}"
        );
    }
    let (out, _) = extents(["--json", "--space=device", "--member", &member, &file], 0);
    let moved = listed(&json(&out), &Value::from(member.as_str()));
    let shift = moved[0].0 - bitmap[0].0;
    let expected: Vec<_> = bitmap
        .iter()
        .map(|(start, len)| (start + shift, *len))
        .collect();
    assert_eq!(moved, expected);
    // Without the file there is nothing.
    let (_, err) = extents(["--json", &member], 1);
    assert!(err.contains("has no bitmap"), "{err}");
}

#[test]
fn strangers_and_untrusted_bitmaps() {
    let folder = folder();
    let a = image(folder.path(), "raid1-1.2-dirty", "a");
    let other = image(folder.path(), "raid5-1.2-dirty", "a");
    let (_, err) = extents([&a, &other], 3);
    assert!(
        err.contains("different arrays") && err.contains(&other),
        "{err}"
    );
    let file = image(folder.path(), "file-dirty", "bitmap");
    let (out, err) = extents(["--json", &a, &file], 1);
    assert!(err.contains("belongs to another array"), "{err}");
    assert_eq!(json(&out)["complete"], false);

    let stale = image(folder.path(), "raid1-1.2-stale", "a");
    let examined = run(["examine", "--json", stale.as_str()]);
    let examined = json(&String::from_utf8(examined.stdout).unwrap());
    let trusted = &examined["devices"][0]["verdict"]["trusted"];
    let (out, err) = extents(["--json", &stale], i32::from(trusted == false));
    assert_eq!(json(&out)["trusted"], *trusted);
    assert_eq!(
        err.contains("would not go by this bitmap"),
        *trusted == false,
        "{err}"
    );
}

/// A bitmap that says that it is stale: everything but the marked chunks may differ.
#[test]
fn a_stale_bitmap_is_listed_with_a_warning_and_resynced_as_a_whole() {
    let folder = folder();
    let a = image(folder.path(), "raid1-1.2-dirty", "a");
    let examined = run(["examine", "--json", a.as_str()]);
    let examined = json(&String::from_utf8(examined.stdout).unwrap());
    let device = &examined["devices"][0];
    let size = device["superblock"]["sync_size_sectors"].as_u64().unwrap() * 512;
    let mut bytes = fs::read(&a).unwrap();
    bytes[device["found"]["offset_bytes"].as_u64().unwrap() as usize + 48] |= 2;
    fs::write(&a, bytes).unwrap();
    let (out, err) = extents(["--json", &a], 1);
    assert!(err.contains("would not go by this bitmap"), "{err}");
    assert_eq!(json(&out)["trusted"], false);
    let (map, _) = extents(["--format=mapfile", &a], 1);
    assert!(
        map.contains("# WARNING: ") && !map.contains("\nincomplete"),
        "{map}"
    );
    let (out, _) = extents(["--json", "--resync", &a], 0);
    assert_eq!(listed(&json(&out), &Value::from(a.as_str())), [(0, size)]);
}

#[test]
fn lvm_raid_has_its_data_elsewhere() {
    let folder = folder();
    let meta = image(folder.path(), "dmraid-raid1-dirty", "meta0");
    let (bitmap, _) = extents(["--json", &meta], 0);
    let (member, err) = extents(["--json", "--space=member", &meta], 0);
    assert!(err.contains("those of its data device"), "{err}");
    let of = |out: &str| listed(&json(out), &Value::from(meta.as_str()));
    assert_eq!(of(&member), of(&bitmap));
    let (array, _) = extents(["--json", "--space=array", &meta], 0);
    assert_eq!(of(&array), of(&bitmap));
    let (_, err) = extents(["--space=device", &meta], 3);
    assert!(err.contains("LVM RAID"), "{err}");
}

#[test]
fn slots_of_a_cluster_are_united_or_listed_one_by_one() {
    let folder = folder();
    let path = image(folder.path(), "synthetic", "clustered");
    let bytes_of = |arguments: &[&str]| {
        let output = run(["extents", "--json"].iter().chain(arguments));
        let value = json(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(value["complete"], true);
        listed(&value, &Value::from(path.as_str()))
    };
    let all = bytes_of(&[&path]);
    let examined = run(["examine", "--json", path.as_str()]);
    let examined = json(&String::from_utf8(examined.stdout).unwrap());
    let devices = examined["devices"].as_array().unwrap();
    assert!(devices.len() > 1);
    let covered = |extents: &[(u64, u64)], at: u64| {
        extents
            .iter()
            .any(|(start, len)| (*start..start + len).contains(&at))
    };
    let slots: Vec<_> = (0..devices.len())
        .map(|slot| {
            let listed = bytes_of(&["--slot", &slot.to_string(), &path]);
            let sum: u64 = listed.iter().map(|e| e.1).sum();
            assert_eq!(devices[slot]["bitmap"]["dirty_bytes"], sum, "slot {slot}");
            listed
        })
        .collect();
    let size = devices[0]["superblock"]["sync_size_sectors"]
        .as_u64()
        .unwrap();
    for at in (0..size * 512).step_by(4096) {
        assert_eq!(
            covered(&all, at),
            slots.iter().any(|slot| covered(slot, at)),
            "{at}"
        );
    }
    let (_, err) = extents(["--slot", "99", &path], 1);
    assert!(err.contains("there is no slot 99"), "{err}");
}

#[test]
fn what_is_missing_is_dirty() {
    let folder = folder();
    let path = image(folder.path(), "file-dirty", "bitmap");
    let whole = json(&extents(["--json", &path], 0).0);
    let examined = run(["examine", "--json", path.as_str()]);
    let size = json(&String::from_utf8(examined.stdout).unwrap())["devices"][0]["superblock"]["sync_size_sectors"].as_u64().unwrap() * 512;
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(256)
        .unwrap();
    let (out, err) = extents(["--json", &path], 1);
    assert!(err.contains("truncated"), "{err}");
    assert_eq!(
        listed(&json(&out), &Value::from(path.as_str())),
        [(0, size)]
    );
    assert_ne!(json(&out), whole);
}

#[test]
fn what_fails_cannot_be_taken_for_nothing_dirty() {
    let (map, err) = extents(["--format=mapfile", "/nonexistent/sda1"], 1);
    assert!(map.ends_with("\nincomplete\n"), "{map}");
    assert!(err.contains("/nonexistent/sda1"), "{err}");
    let (csv, _) = extents(["--format=csv", "/nonexistent/sda1"], 1);
    assert_eq!(csv, "member,start_bytes,length_bytes\nincomplete,,\n");
    let (out, _) = extents(["--json", "/nonexistent/sda1"], 1);
    assert_eq!(json(&out)["complete"], false);
    let folder = folder();
    let a = image(folder.path(), "raid1-1.2-dirty", "a");
    let b = image(folder.path(), "raid1-1.2-dirty", "b");
    let (map, err) = extents(["--format=mapfile", &a, &b], 3);
    assert!(
        err.contains("one device") && map.ends_with("\nincomplete\n"),
        "{err}{map}"
    );
    let (_, err) = extents(["--space=nowhere", "x"], 2);
    assert!(err.contains("unknown space"), "{err}");
}

/// Version 6 before the kernel made anything of it: there are no states to list, and nothing failed to be read.
#[test]
fn a_bitmap_that_is_not_initialised_has_no_list() {
    let folder = folder();
    let path = image(folder.path(), "lockless-raid1-first-use", "a");
    let (out, err) = extents(["--json", &path], 1);
    assert!(err.contains("FIRST_USE"), "{err}");
    assert_eq!(json(&out)["complete"], false);
}
