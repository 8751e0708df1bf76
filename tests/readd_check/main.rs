//! `mdbitmap readd-check` on images, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod images;

use images::{CHUNK, Image};
use mdbitmap::format::md_v1::feature;
use mdbitmap::units::Sectors;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn folder(images: &[(&str, Image)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, image) in images {
        fs::write(folder.path().join(name), image.bytes()).unwrap();
    }
    folder
}

/// Exit status, stdout, stderr.
fn run(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder.path())
        .arg("readd-check")
        .arg("--no-scan")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Exit status and the answer.
fn ask(folder: &TempDir, args: &[&str]) -> (i32, Value) {
    let (status, out, err) = run(folder, &[args, &["--json"]].concat());
    let value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (status, value)
}

/// Exit status, would_use_bitmap, verdict, copy_bytes, names of the reasons.
type Short = (i32, bool, String, Option<u64>, Vec<String>);

fn short(folder: &TempDir, args: &[&str]) -> Short {
    let (status, answer) = ask(folder, args);
    assert_eq!(answer["schema"], 1);
    let reasons = answer["reasons"].as_array().unwrap().iter();
    (
        status,
        answer["would_use_bitmap"].as_bool().unwrap(),
        answer["verdict"].as_str().unwrap().to_owned(),
        answer["copy_bytes"].as_u64(),
        reasons
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect(),
    )
}

fn expect(status: i32, used: bool, verdict: &str, bytes: u64, reasons: &[&str]) -> Short {
    let reasons = reasons.iter().map(|&one| one.to_owned()).collect();
    (status, used, verdict.to_owned(), Some(bytes), reasons)
}

const COPIED: u64 = 2 * CHUNK as u64;
const WHOLE: u64 = images::COMPONENT * 512;

fn honest() -> TempDir {
    folder(&[
        ("a", Image::survivor()),
        ("b", Image::returning()),
        ("c", Image::third()),
    ])
}

#[test]
fn an_ordinary_re_add() {
    let folder = honest();
    let unproven = |status| expect(status, true, "unproven", COPIED, &[]);
    let proven = || expect(0, true, "proven", COPIED, &[]);
    assert_eq!(short(&folder, &["a", "--member", "b"]), unproven(0));
    assert_eq!(short(&folder, &["a", "b", "--member", "b"]), unproven(0));
    assert_eq!(
        short(&folder, &["a", "--member", "b", "--strict"]),
        unproven(1)
    );
    for extent in ["--verify=sample", "--verify=full"] {
        // Ten chunks: a sample of a thousand has them all.
        assert_eq!(
            short(&folder, &["a", "--member", "b", extent, "--strict"]),
            proven()
        );
    }
    let (_, answer) = ask(&folder, &["a", "--member", "b", "--verify=full"]);
    let verify = &answer["verify"];
    assert_eq!(verify["unmarked_chunks"], 10);
    assert_eq!(verify["compared_chunks"], 10);
    assert_eq!(verify["compared_bytes"], 10 * CHUNK);
    assert_eq!(answer["member"]["events"], 10);
    assert_eq!(answer["array"]["events"], 20);
    assert_eq!(answer["events_cleared"], 10);
}

#[test]
fn a_third_device_is_evidence_that_a_comparison_overrules() {
    let folder = honest();
    let held = |status, verdict| expect(status, true, verdict, COPIED, &["slot-was-held"]);
    let args = ["a", "c", "--member", "b"];
    assert_eq!(short(&folder, &args), held(1, "unsafe"));
    let args = ["a", "c", "--member", "b", "--verify=full"];
    assert_eq!(short(&folder, &args), held(0, "proven"));
    let (_, text, _) = run(&folder, &args);
    assert!(
        text.contains("overruled by the comparison: c held slot 1"),
        "{text}"
    );
}

#[test]
fn a_difference_is_found_by_comparing() {
    let trapped = Image {
        changed: vec![7],
        ..Image::returning()
    };
    let folder = folder(&[("a", Image::survivor()), ("b", trapped)]);
    let differs = expect(1, true, "unsafe", COPIED, &["difference-found"]);
    for extent in ["--verify=sample", "--verify=full"] {
        assert_eq!(short(&folder, &["a", "--member", "b", extent]), differs);
    }
    let (_, answer) = ask(&folder, &["a", "--member", "b", "--verify=sample"]);
    assert_eq!(answer["verify"]["differing_chunks"], 1);
    assert_eq!(
        answer["verify"]["first_differing_chunks"],
        serde_json::json!([7])
    );
    let (_, text, _) = run(&folder, &["a", "--member", "b", "--verify=sample"]);
    assert!(text.contains("Verdict: UNSAFE"), "{text}");
    assert!(text.contains("chunk 7"), "{text}");
    assert!(text.contains("mdadm ARRAY --add-spare b"), "{text}");
}

#[test]
fn copies_of_the_bitmap_that_differ_are_united_for_copying_and_not_for_comparing() {
    let three = |mut image: Image| {
        image.superblock.raid_disks = 3;
        image
    };
    let roles = [0, images::GONE, 2];
    let mut first = three(Image {
        marked: vec![3],
        ..Image::new(0, 20, &roles)
    });
    first.bitmap.events_cleared = 10;
    let second = three(Image {
        marked: vec![4],
        ..Image::new(2, 20, &roles)
    });
    // What one copy does not mark may not be copied.
    let device = three(Image {
        changed: vec![4],
        ..Image::new(1, 10, &[0, 1, 2])
    });
    let folder = folder(&[("a", first), ("b", device), ("c", second)]);
    let (status, answer) = ask(&folder, &["a", "c", "--member", "b"]);
    assert_eq!((status, &answer["copy_bytes"]), (0, &(2 * CHUNK).into()));
    assert_eq!(answer["copy_bytes_by_copy"][1]["path"], "c");
    assert_eq!(answer["copy_bytes_by_copy"][1]["copy_bytes"], CHUNK);
    let (status, answer) = ask(&folder, &["a", "c", "--member", "b", "--verify=full"]);
    assert_eq!((status, &answer["verdict"]), (1, &"unsafe".into()));
}

#[test]
fn when_the_bitmap_would_not_be_used_everything_is_copied() {
    let mut older = Image::returning();
    older.superblock.events.0 = 9;
    let mut recovering = Image::returning();
    recovering.superblock.features = feature::RECOVERY_OFFSET;
    let mut small = Image::returning();
    small.superblock.data_size = Sectors(images::COMPONENT - 8);
    let mut stale = Image::survivor();
    stale.bitmap.events = 18;
    let mut without = Image::survivor();
    without.superblock.bitmap_offset = None;
    let folder = folder(&[
        ("a", Image::survivor()),
        ("stale", stale),
        ("without", without),
        ("older", older),
        ("recovering", recovering),
        ("small", small),
        ("b", Image::returning()),
        ("c", Image::third()),
    ]);
    for (array, device, reason) in [
        ("a", "older", "older-than-events-cleared"),
        ("a", "recovering", "recovery-unfinished"),
        ("without", "b", "no-bitmap"),
    ] {
        let (status, used, _, bytes, reasons) = short(&folder, &[array, "--member", device]);
        assert_eq!((status, used, bytes), (1, false, Some(WHOLE)), "{device}");
        assert_eq!(reasons, [reason], "{device}");
    }
    let (status, used, _, bytes, reasons) = short(&folder, &["stale", "--member", "b"]);
    assert_eq!((status, used, bytes), (1, false, Some(WHOLE)));
    assert!(!reasons.is_empty());
    let (status, used, _, bytes, reasons) = short(&folder, &["a", "--member", "small"]);
    assert_eq!((status, used, bytes), (1, false, None));
    assert_eq!(reasons, ["too-small"]);
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let mut stranger = Image::returning();
    stranger.superblock.set_uuid = [7; 16];
    let folder = folder(&[
        ("a", Image::new(0, 20, &[0, 1])),
        ("b", Image::new(1, 20, &[0, 1])),
        ("stranger", stranger),
    ]);
    fs::write(folder.path().join("empty"), [0; 8192]).unwrap();
    for (args, said) in [
        (vec!["a", "--member", "b"], "b: is a current member already"),
        (
            vec!["a", "--member", "stranger"],
            "stranger: belongs to array 07070707:",
        ),
        (
            vec!["a", "--member", "empty"],
            "empty: bears no md superblock",
        ),
        (vec!["b", "--member", "b"], "the device itself was given"),
        (
            vec!["empty", "--member", "b"],
            "empty: bears no md superblock",
        ),
        (vec!["a", "--member", "nowhere"], "nowhere: cannot open"),
    ] {
        let (status, out, err) = run(&folder, &args);
        assert_eq!((status, out.as_str()), (3, ""), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
        let (status, answer) = ask(&folder, &args);
        assert_eq!((status, &answer["error"]["kind"]), (3, &"refused".into()));
        assert!(answer["error"]["message"].as_str().unwrap().contains(said));
    }
    assert_eq!(run(&folder, &["a"]).0, 2);
    assert_eq!(run(&folder, &["a", "--member", "b", "--verify=some"]).0, 2);
    assert_eq!(run(&folder, &["a", "--member", "b", "--limit=5"]).0, 2);
}

#[test]
fn what_cannot_be_read_is_no_proof() {
    // The superblock promises more than the image has.
    let folder = honest();
    let mut cut = Image::returning().bytes();
    cut.truncate(40 * 512);
    fs::write(folder.path().join("cut"), cut).unwrap();
    let (status, out, err) = run(&folder, &["a", "--member", "cut", "--verify=full"]);
    assert_ne!(status, 0, "{out}{err}");
    assert!(!out.contains("proven: every"), "{out}");
}

/// The images of the transcript tests/cmd/readd-check.md. MDBITMAP_BLESS=1 writes them.
#[test]
fn the_images_of_the_transcript_are_these() {
    let old = Image {
        changed: vec![7],
        ..Image::returning()
    };
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/readd-check.in");
    for (name, image) in [
        ("sda1.img", Image::survivor()),
        ("sdb1.img", Image::returning()),
        ("old-sdb1.img", old),
        ("sdc1.img", Image::third()),
    ] {
        let path = place.join(name);
        if std::env::var_os("MDBITMAP_BLESS").is_some() {
            fs::write(&path, image.bytes()).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), image.bytes(), "{name}");
    }
}
