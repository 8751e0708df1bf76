//! `mdbitmap examine` on members: the synthetic fixtures, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder with these fixtures, unpacked.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(folder.path().join(format!("{name}.img")), fixture(name)).unwrap();
    }
    folder
}

fn fixture(name: &str) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/synthetic/{name}.img.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Exit status, stdout, stderr.
fn run(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder.path())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    // Without the note that the temporary folder's file system has no O_DIRECT.
    let stderr = text(output.stderr);
    let lines = stderr
        .lines()
        .filter(|line| !line.contains("offers no O_DIRECT"));
    (
        output.status.code().unwrap(),
        text(output.stdout),
        lines.map(|line| format!("{line}\n")).collect(),
    )
}

fn json(folder: &TempDir, args: &[&str]) -> Vec<Value> {
    let (_, out, _) = run(folder, &[&["examine", "--json"], args].concat());
    let value: Value = serde_json::from_str(&out).unwrap();
    value["devices"].as_array().unwrap().clone()
}

#[test]
fn every_metadata_version_is_found() {
    for (name, metadata, offset) in [
        ("member-0.90", "0.90", 69632),
        ("member-0.90-be", "0.90", 69632),
        ("member-1.1", "1.1", 4096),
        ("member-1.2", "1.2", 8192),
        ("dm-raid", "dm-raid", 4096),
    ] {
        let folder = folder(&[name]);
        let entry = &json(&folder, &[&format!("{name}.img")])[0];
        assert_eq!(entry["found"]["kind"], "internal", "{name}: {entry}");
        assert_eq!(entry["found"]["metadata"], metadata, "{name}");
        assert_eq!(entry["found"]["offset_bytes"], offset, "{name}");
        assert_eq!(entry["array"]["level"], "raid1", "{name}");
        assert_eq!(entry["array"]["members"], 2, "{name}");
        assert_eq!(entry["verdict"]["trusted"], true, "{name}: {entry}");
        assert!(entry.get("error").is_none(), "{name}: {entry}");
    }
}

/// Both byte orders of 0.90 show the UUID that their own host would show.
#[test]
fn uuids_of_both_byte_orders_read_the_same() {
    let folder = folder(&["member-0.90", "member-0.90-be"]);
    let entries = json(&folder, &["member-0.90.img", "member-0.90-be.img"]);
    assert_eq!(
        entries[0]["superblock"]["uuid"],
        "01234567:89abcdef:fedcba98:76543210"
    );
    assert_eq!(
        entries[1]["superblock"]["uuid"],
        "01234567:89abcdef:fedcba98:76543210"
    );
}

#[test]
fn the_newest_of_several_superblocks_and_the_one_asked_for() {
    let folder = folder(&["member-two-superblocks"]);
    let name = "member-two-superblocks.img";
    let (status, out, err) = run(&folder, &["examine", name]);
    assert_eq!(status, 0);
    assert!(
        err.contains("2 md superblocks") && err.contains("1.0 at byte") && err.contains("-e"),
        "{err}"
    );
    let newest = json(&folder, &[name])[0]["found"]["metadata"].clone();
    let other = if newest == "1.2" { "1.0" } else { "1.2" };
    for args in [
        &["examine", "-e", other, name][..],
        &["-X", "-e", other, name],
    ] {
        let (_, chosen, err) = run(&folder, args);
        assert!(!err.contains("2 md superblocks"), "{err}");
        assert_ne!(chosen, out);
    }
    assert_eq!(
        json(&folder, &["-e", other, name])[0]["found"]["metadata"],
        other
    );
}

#[test]
fn metadata_that_is_not_there() {
    let folder = folder(&["member-1.2", "file"]);
    let (status, out, err) = run(&folder, &["examine", "-e", "1.0", "member-1.2.img"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("leave out -e"), "{err}");
    // As in mdadm, a file is a file whatever metadata is named.
    let (status, out, _) = run(&folder, &["examine", "-e", "1.0", "file.img"]);
    assert_eq!(status, 0);
    assert!(out.contains("Bitmap : 4736 bits"), "{out}");
}

#[test]
fn offset_overrides_the_superblock() {
    let folder = folder(&["member-1.2"]);
    let (_, by_superblock, _) = run(&folder, &["examine", "member-1.2.img"]);
    for offset in ["8K", "16s", "8k"] {
        let (status, out, _) = run(&folder, &["examine", "--offset", offset, "member-1.2.img"]);
        assert_eq!((status, &out), (0, &by_superblock), "{offset}");
    }
    let entry = &json(&folder, &["--offset=16s", "member-1.2.img"])[0];
    assert_eq!(entry["found"]["kind"], "file");
    assert!(
        entry["found"]["metadata"].is_null()
            && entry["array"].is_null()
            && entry["verdict"].is_null()
    );
    assert_eq!(
        run(&folder, &["examine", "--offset=8192", "member-1.2.img"]).0,
        2
    );
    let (status, out, err) = run(&folder, &["examine", "--offset=1G", "member-1.2.img"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("1073741824"), "{err}");
}

/// mdadm shows nothing of these; we say why, and the JSON has the fields.
#[test]
fn a_bitmap_that_is_not_the_members() {
    let folder = folder(&["bitmap-uuid", "bitmap-magic", "super-no-bitmap"]);
    let (status, out, err) = run(&folder, &["-X", "bitmap-uuid.img"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(
        err.contains("uuid") && err.contains("--offset=16s"),
        "{err}"
    );
    let entry = &json(&folder, &["bitmap-uuid.img"])[0];
    assert_eq!(entry["error"]["kind"], "wrong_uuid");
    assert_eq!(entry["superblock"]["version"], 4);
    assert_eq!(entry["verdict"]["trusted"], false);
    assert_eq!(entry["verdict"]["reasons"][0]["name"], "uuid");

    let (status, out, err) = run(&folder, &["-X", "bitmap-magic.img"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("at byte 8192"), "{err}");
    assert!(json(&folder, &["bitmap-magic.img"])[0]["superblock"].is_null());

    let (status, out, err) = run(&folder, &["-X", "super-no-bitmap.img"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("has no bitmap"), "{err}");
    let entry = &json(&folder, &["super-no-bitmap.img"])[0];
    assert_eq!(entry["error"]["kind"], "no_bitmap");
    assert!(entry["found"].is_null());
    assert_eq!(entry["array"]["level"], "raid1");
}

#[test]
fn verdicts_follow_the_superblock() {
    let folder = folder(&["member-1.2", "member-unclean", "bitmap-events"]);
    let entries = json(&folder, &["member-1.2.img"]);
    assert_eq!(entries[0]["array"]["clean"], true);
    assert_eq!(entries[0]["verdict"]["resync_bytes"], 0);
    let entries = json(&folder, &["member-unclean.img"]);
    assert_eq!(entries[0]["array"]["clean"], false);
    assert_eq!(entries[0]["verdict"]["resync_bytes"], 12 * 4096);
    let entries = json(&folder, &["bitmap-events.img"]);
    assert_eq!(entries[0]["verdict"]["trusted"], false);
    assert_eq!(entries[0]["verdict"]["reasons"][0]["name"], "events-stale");
}

/// A fresher superblock of the same array makes the bitmap of an older one worthless.
#[test]
fn the_freshest_superblock_judges_all() {
    let folder = folder(&["member-1.2"]);
    let mut fresher = fixture("member-1.2");
    // Events of the 1.2 superblock at byte 4096, and its checksum (the sum of all words).
    let add = |bytes: &mut [u8], at: usize, by: u32| {
        let word: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        let sum = u32::from_le_bytes(word).wrapping_add(by);
        bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    };
    add(&mut fresher, 4096 + 200, 100);
    add(&mut fresher, 4096 + 216, 100);
    fs::write(folder.path().join("fresher.img"), fresher).unwrap();
    let alone = json(&folder, &["member-1.2.img"]);
    assert_eq!(alone[0]["verdict"]["trusted"], true);
    let both = json(&folder, &["member-1.2.img", "fresher.img"]);
    assert_eq!(both[0]["array"]["events"], 112);
    assert_eq!(both[0]["verdict"]["trusted"], false, "{}", both[0]);
    let (_, out, _) = run(
        &folder,
        &["examine", "--explain", "member-1.2.img", "fresher.img"],
    );
    assert!(
        out.contains("Judged by the md superblock of fresher.img"),
        "{out}"
    );
    assert!(!out.contains("Not known"), "{out}");
}

/// A bitmap file is judged by a member that is given along.
#[test]
fn a_file_is_judged_by_a_member_of_its_array() {
    let folder = folder(&["member-1.2"]);
    let member = fixture("member-1.2");
    let mut file = member[8192..8192 + 512].to_vec();
    fs::write(folder.path().join("file.bitmap"), &file).unwrap();
    let explain = |args: &[&str]| run(&folder, &[&["examine", "--explain"], args].concat()).1;
    let alone = explain(&["file.bitmap"]);
    assert!(
        alone.contains("nothing in this bitmap speaks against it"),
        "{alone}"
    );
    assert!(alone.contains("Not known"), "{alone}");
    let both = explain(&["file.bitmap", "member-1.2.img"]);
    assert!(
        both.contains("file.bitmap: the kernel would use this bitmap as it is, as the bitmap file"),
        "{both}"
    );
    assert!(
        both.contains(
            "UUID, events and size were compared with the md superblock of member-1.2.img"
        ),
        "{both}"
    );
    file[24] = 3;
    fs::write(folder.path().join("file.bitmap"), &file).unwrap();
    assert!(explain(&["file.bitmap"]).contains("nothing in this bitmap speaks against it"));
    let text = explain(&["file.bitmap", "member-1.2.img"]);
    assert!(
        text.contains("the kernel would not use this bitmap as it is"),
        "{text}"
    );
    assert!(text.contains("found 3"), "{text}");
}

/// reference/kernel.md trap 4: found and told.
#[test]
fn overlapping_areas_are_told() {
    let folder = folder(&["bitmap-over-log", "bitmap-over-data", "member-1.2"]);
    let err = |name: &str| run(&folder, &["examine", name]).2;
    assert!(
        err("bitmap-over-log.img").contains("overlaps the bad-block log (bytes 12288 to 16384)")
    );
    assert!(err("bitmap-over-data.img").contains("overlaps the data (bytes 32768 to 262144)"));
    assert_eq!(err("member-1.2.img"), "");
}

/// A 0.90 superblock that announces none: mdadm shows what lies there and succeeds.
#[test]
fn a_stale_bitmap_of_metadata_090() {
    let folder = folder(&["stale-0.90"]);
    let (status, out, err) = run(&folder, &["examine", "--explain", "stale-0.90.img"]);
    assert_eq!(status, 1);
    assert!(out.contains("Bitmap : 16 bits (chunks), 4 dirty"), "{out}");
    assert!(out.contains("the kernel ignores this bitmap"), "{out}");
    assert!(err.contains("announces no internal bitmap"), "{err}");
}

#[test]
fn mdadms_spelling_knows_one_failure_status() {
    let folder = folder(&["member-1.2"]);
    assert_eq!(run(&folder, &["-X", "member-1.2.img", "absent"]).0, 1);
    assert_eq!(run(&folder, &["-X", "member-1.2.img"]).0, 0);
}
