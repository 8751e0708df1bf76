//! `examine --map` and `--layout` from outside, over images that show what the pictures are for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mdbitmap::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use mdbitmap::format::md_v1::{Builder, Minor};
use mdbitmap::units::Sectors;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const CHUNK: u64 = 65536;

fn bitmap(version: u32, chunks: u64) -> RawBitmapSuper {
    RawBitmapSuper {
        magic: BITMAP_MAGIC,
        version,
        uuid: [7; 16],
        events: 12,
        events_cleared: 11,
        sync_size_sectors: chunks * CHUNK / 512,
        state: 0,
        chunksize: if version == 6 { 128 } else { CHUNK as u32 },
        daemon_sleep_seconds: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: [0; 64],
        pad: [0; 120],
    }
}

/// A bitmap file of `chunks` chunks, of which `dirty` are.
fn file(folder: &TempDir, chunks: u64, dirty: impl Fn(u64) -> bool) -> PathBuf {
    let mut bytes = bitmap(4, chunks).to_bytes().to_vec();
    bytes.resize(256 + chunks.div_ceil(8) as usize, 0);
    for chunk in (0..chunks).filter(|chunk| dirty(*chunk)) {
        bytes[256 + chunk as usize / 8] |= 1 << (chunk % 8);
    }
    let path = folder.path().join("bitmap");
    fs::write(&path, bytes).unwrap();
    path
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Exit status and standard output, the text before the first picture left out.
fn run(path: &Path, args: &[&str], columns: Option<&str>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdbitmap"));
    command.arg("examine").args(args).arg(path);
    for name in ["COLUMNS", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command.envs(columns.map(|columns| ("COLUMNS", columns)));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let pictures = text.split_once("\n\n").map_or("", |(_, rest)| rest);
    (output.status.code().unwrap(), pictures.to_owned())
}

/// The rows of a map between their borders.
fn rows(picture: &str) -> Vec<&str> {
    let rows = picture.lines().filter(|line| line.ends_with('|'));
    rows.map(|row| row.trim_end_matches('|').split_once('|').unwrap().1)
        .collect()
}

fn map(path: &Path) -> String {
    run(path, &["--map"], None).1
}

/// 8 rows of 64 cells of 16 chunks.
const WHOLE: u64 = 8 * 64 * 16;

#[test]
fn two_bursts() {
    let folder = folder();
    let path = file(&folder, WHOLE, |chunk| {
        (0..40).contains(&chunk) || (5 * 1024..5 * 1024 + 160).contains(&chunk)
    });
    let picture = map(&path);
    let rows = rows(&picture);
    assert_eq!(rows.len(), 8);
    assert_eq!(rows[0], format!("##+{}", ".".repeat(61)));
    assert_eq!(rows[5], format!("##########{}", ".".repeat(54)));
    for row in [1, 2, 3, 4, 6, 7] {
        assert_eq!(rows[row], ".".repeat(64));
    }
    let head = "200 of 8192 chunks dirty (2.4%), 12.5 MiB of 512 MiB, all between 0 and 330 MiB";
    assert!(picture.lines().next().unwrap().ends_with(head), "{picture}");
    let lines: Vec<&str> = picture.lines().collect();
    assert!(lines[6].starts_with("     320 MiB |####"), "{picture}");
    assert_eq!(
        lines[9].split_whitespace().collect::<Vec<_>>().join(" "),
        "+0 +16 MiB +32 MiB +48 MiB +64 MiB"
    );
    assert!(lines[10].starts_with("  a cell is 16 chunks of 64 KiB: 1 MiB;"));
}

#[test]
fn scattered_all_none() {
    let folder = folder();
    let path = file(&folder, WHOLE, |chunk| chunk % 160 == 7);
    let picture = map(&path);
    let cells: String = rows(&picture).concat();
    assert_eq!(cells.matches(':').count(), 52, "{picture}");
    assert_eq!(cells.matches('.').count(), 512 - 52, "{picture}");
    let picture = map(&file(&folder, WHOLE, |_| true));
    assert!(rows(&picture).iter().all(|row| *row == "#".repeat(64)));
    let picture = map(&file(&folder, WHOLE, |_| false));
    assert!(rows(&picture).iter().all(|row| *row == ".".repeat(64)));
    assert!(!picture.contains("between"), "{picture}");
    // All but one.
    let picture = map(&file(&folder, WHOLE, |chunk| chunk != 100));
    assert_eq!(rows(&picture)[0], format!("######%{}", "#".repeat(57)));
}

/// 2^31 chunks are 256 MiB of bits, here almost all of them a hole.
#[test]
fn one_chunk_of_two_thousand_million() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let big = File::create(&path).unwrap();
    big.write_all_at(&bitmap(4, 1 << 31).to_bytes(), 0).unwrap();
    big.set_len(256 + (1 << 28)).unwrap();
    let chunk = 1_234_567_890_u64;
    big.write_all_at(&[1 << (chunk % 8)], 256 + chunk / 8)
        .unwrap();
    let (status, picture) = run(&path, &["--map"], None);
    assert_eq!(status, 0);
    let cells = rows(&picture).concat();
    assert_eq!(cells.len(), 512);
    assert_eq!(cells.find(':'), Some((chunk >> 22) as usize), "{picture}");
    assert_eq!(cells.matches('.').count(), 511);
}

#[test]
fn few_chunks_and_none_at_all() {
    let folder = folder();
    let picture = map(&file(&folder, 1, |_| true));
    assert_eq!(rows(&picture), ["#"], "{picture}");
    let picture = map(&file(&folder, 65, |chunk| chunk == 64));
    assert_eq!(rows(&picture), [&*".".repeat(64), "#"]);
    let picture = map(&file(&folder, 0, |_| true));
    assert_eq!(rows(&picture), Vec::<&str>::new());
    assert!(picture.contains("0 of 0 chunks dirty"), "{picture}");
}

#[test]
fn as_wide_as_it_is_told() {
    let folder = folder();
    let path = file(&folder, 1 << 20, |_| false);
    let widest = |picture: &str| rows(picture).iter().map(|row| row.len()).max();
    let with = |args: &[&str], columns| run(&path, args, columns).1;
    assert_eq!(widest(&with(&["--map"], Some("132"))), Some(112));
    assert_eq!(widest(&with(&["--map"], Some("rubbish"))), Some(64));
    assert_eq!(widest(&with(&["--map"], Some("0"))), Some(64));
    let told = with(&["--map", "--width=40"], Some("132"));
    assert_eq!(widest(&told), Some(24));
    for columns in ["1", "40", "79", "80", "200", "65535"] {
        let picture = with(&["--map", "--layout"], Some(columns));
        let most = columns.parse::<usize>().unwrap().clamp(40, 1000);
        let drawn = picture
            .lines()
            .filter(|line| line.ends_with(['|', ']']) || line.trim_start().starts_with('+'));
        for line in drawn {
            assert!(line.chars().count() <= most, "{columns}: {line}");
        }
    }
    let status = |args: &[&str]| run(&path, args, None).0;
    assert_eq!(status(&["--map", "--width=39"]), 2);
    assert_eq!(status(&["--map", "--json"]), 2);
    assert_eq!(status(&["--map", "--brief"]), 2);
    assert_eq!(status(&["--layout", "--brief"]), 0);
}

#[test]
fn states_of_a_lockless_bitmap() {
    let folder = folder();
    let mut bytes = bitmap(6, 64).to_bytes().to_vec();
    bytes.resize(1024, 0xff);
    for (state, count) in [
        (0, 20),
        (1, 20),
        (2, 4),
        (3, 4),
        (4, 4),
        (0, 4),
        (9, 4),
        (1, 4),
    ] {
        bytes.extend(vec![state; count]);
    }
    let path = folder.path().join("bitmap");
    fs::write(&path, &bytes).unwrap();
    let picture = map(&path);
    let expected = format!(
        "{}{}############    ####....",
        " ".repeat(20),
        ".".repeat(20)
    );
    assert_eq!(rows(&picture), [&*expected]);
    assert!(picture.contains("blank: nothing written yet"), "{picture}");
    // Cut off: what is missing looks neither clean nor unwritten.
    fs::write(&path, &bytes[..1024 + 30]).unwrap();
    let (status, picture) = run(&path, &["--map"], None);
    assert_eq!(status, 1);
    assert!(rows(&picture)[0].ends_with(&format!("..{}", "?".repeat(34))));
    assert!(picture.contains("Do not go by this picture"), "{picture}");
}

#[test]
fn one_map_for_each_slot_of_a_cluster() {
    let folder = folder();
    let raw = RawBitmapSuper {
        nodes: 3,
        ..bitmap(5, 16)
    };
    let mut bytes = Vec::new();
    for slot in 0..3_usize {
        bytes.extend(raw.to_bytes());
        bytes.extend([1 << slot, 0]);
        bytes.resize(4096 * (slot + 1), 0);
    }
    let path = folder.path().join("bitmap");
    fs::write(&path, &bytes).unwrap();
    let (_, picture) = run(&path, &["--map", "--layout"], None);
    let expected = ["#...............", ".#..............", "..#............."];
    assert_eq!(rows(&picture), expected, "{picture}");
    for slot in 0..3 {
        assert!(picture.contains(&format!("bitmap, slot {slot}: 1 of 16 chunks")));
        let area = format!("{slot} bitmap, slot {slot} (version 5");
        assert!(picture.contains(&area), "{picture}");
    }
    assert!(picture.contains("[00000000111111112222222"), "{picture}");
    let (_, one) = run(&path, &["--map", "--slot=1"], None);
    assert_eq!(rows(&one), [".#.............."]);
}

/// An image of a member with this superblock.
fn member(folder: &TempDir, builder: &Builder) -> PathBuf {
    let path = folder.path().join("member.img");
    let image = File::create(&path).unwrap();
    image.set_len(builder.device.0 * 512).unwrap();
    let start = builder.minor.super_start(builder.device).unwrap();
    let bytes = builder.build().to_bytes();
    image.write_all_at(&bytes, start.0 * 512).unwrap();
    path
}

/// The member holds all that is needed: its layout is drawn where there is no bitmap as well.
#[test]
fn a_member_without_a_bitmap_has_a_layout() {
    let folder = folder();
    let builder = Builder {
        bitmap_offset: None,
        ..Builder::mirror(Minor::V2, Sectors(40_000))
    };
    let path = member(&folder, &builder);
    let (status, picture) = run(&path, &["--layout"], None);
    assert_eq!(status, 1, "there is no bitmap to examine");
    assert!(picture.is_empty());
    let output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .args(["examine", "--layout"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  [........S...//...DDD//DDD]\n"), "{text}");
    assert!(!text.contains("bitmap ("), "{text}");
}

#[test]
fn an_overlap_is_drawn_and_named() {
    let folder = folder();
    let builder = Builder {
        bad_block_log: Some((16, 8)),
        ..Builder::mirror(Minor::V2, Sectors(40_000))
    };
    let path = member(&folder, &builder);
    let raw = RawBitmapSuper {
        uuid: builder.set_uuid,
        sectors_reserved: 256,
        ..bitmap(6, 300)
    };
    let image = File::options().write(true).open(&path).unwrap();
    image.write_all_at(&raw.to_bytes(), 8192).unwrap();
    let (_, picture) = run(&path, &["--layout"], None);
    let lines: Vec<&str> = picture.lines().collect();
    assert_eq!(
        lines[1],
        "  [.S.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB...//...DDD//DDD]"
    );
    assert_eq!(lines[2], "       L");
    assert_eq!(lines[3], "       ^ overlap");
    assert!(picture.contains("bytes in use), OVERLAPS bad-block log (bytes 12288 to 16384)\n"));
    assert!(picture.contains("L bad-block log, OVERLAPS bitmap (bytes 12288 to 16384)\n"));
    assert!(
        picture.contains("mdadm 4.6 places the bad-block log"),
        "{picture}"
    );
    let narrow = run(&path, &["--layout", "--width=40"], None).1;
    let drawn = narrow.lines().find(|line| line.ends_with(']')).unwrap();
    assert!(drawn.len() <= 40, "{narrow}");
    assert!(narrow.contains("^ overlap"), "{narrow}");
}

/// md cannot write to a hole of a bitmap file (reference/kernel.md 4.3).
#[test]
fn a_hole_in_a_bitmap_file() {
    // Beside the build: /tmp may be a tmpfs, which does not tell where a file lies.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("bitmap");
    let sparse = File::create(&path).unwrap();
    sparse
        .write_all_at(&bitmap(4, 1 << 20).to_bytes(), 0)
        .unwrap();
    sparse.set_len(256 + (1 << 17)).unwrap();
    sparse.write_all_at(&[0; 4096], 65536).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .args(["examine", "--layout"])
        .arg(&path)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    if told.contains("whether the file has holes is not known") {
        eprintln!("skipped: {told}");
        return;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("61440  o hole"), "{text}");
    assert!(text.contains("ooo//ooo"), "{text}");
}
