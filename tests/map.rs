//! `map` from outside, on small arrays made here: forwards and back, the bitmap, the areas, what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mdbitmap::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use mdbitmap::format::level::Level;
use mdbitmap::format::md_v1::{Builder, Minor, feature};
use mdbitmap::units::{Events, Sectors};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::{fs, process};

const MDBITMAP: &str = env!("CARGO_BIN_EXE_mdbitmap");
const UUID: [u8; 16] = [
    1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10,
];
/// Sectors of a member's image: superblock at 8, bitmap at 16, log at 24, data from 48 on.
const DEVICE: u64 = 128;
const DATA: u64 = 48;

/// An array of small members: RAID and bitmap chunks of 4 KiB, 72 sectors used of each of 80.
#[derive(Clone)]
struct Array {
    level: Level,
    layout: u32,
    members: u32,
    /// Dirty chunks, for each member its own.
    dirty: Vec<Vec<u64>>,
    events: Vec<u64>,
    bitmap_uuid: [u8; 16],
    features: u32,
    sync_size: u64,
}

impl Array {
    fn new(level: Level, layout: u32, members: u32) -> Array {
        Array {
            level,
            layout,
            members,
            dirty: vec![Vec::new(); members as usize],
            events: vec![10; members as usize],
            bitmap_uuid: UUID,
            features: 0,
            sync_size: 72,
        }
    }

    /// Slot `slot`'s image.
    fn image(&self, slot: u32) -> Vec<u8> {
        let mut builder = Builder::mirror(Minor::V2, Sectors(DEVICE));
        builder.set_uuid = UUID;
        builder.device_uuid = [slot as u8 + 1; 16];
        (builder.level, builder.layout) = (self.level, self.layout);
        (builder.raid_disks, builder.raid_chunk) = (self.members, Sectors(8));
        (builder.component, builder.data_size) = (Sectors(72), Sectors(DEVICE - DATA));
        builder.data_offset = Sectors(DATA);
        builder.dev_number = slot;
        builder.roles = (0..self.members as u16).collect();
        builder.events = Events(self.events[slot as usize]);
        builder.bad_block_log = Some((16, 8));
        builder.features = self.features;
        let events = *self.events.iter().max().unwrap();
        let bitmap = RawBitmapSuper {
            magic: BITMAP_MAGIC,
            version: 4,
            uuid: self.bitmap_uuid,
            events,
            events_cleared: events - 1,
            sync_size_sectors: self.sync_size,
            state: 0,
            chunksize: 4096,
            daemon_sleep_seconds: 5,
            write_behind: 0,
            sectors_reserved: 0,
            nodes: 0,
            cluster_name: [0; 64],
            pad: [0; 120],
        };
        let mut image = vec![0; DEVICE as usize * 512];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(4096, &builder.build().to_bytes());
        put(8192, &bitmap.to_bytes());
        for chunk in &self.dirty[slot as usize] {
            image[8192 + 256 + *chunk as usize / 8] |= 1 << (chunk % 8);
        }
        image
    }

    /// Writes the images `sdX1.img`.
    fn write(&self, folder: &Path) -> Vec<PathBuf> {
        (0..self.members)
            .map(|slot| {
                let letter = char::from(b'a' + slot as u8);
                let path = folder.join(format!("sd{letter}1.img"));
                fs::write(&path, self.image(slot)).unwrap();
                path
            })
            .collect()
    }
}

fn run(arguments: &[&str], members: &[PathBuf]) -> Output {
    process::Command::new(MDBITMAP)
        .arg("map")
        .args(arguments)
        .args(members)
        .output()
        .unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON, from a run that succeeds.
fn json(arguments: &[&str], members: &[PathBuf]) -> Value {
    let output = run(&[&["--json"], arguments].concat(), members);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} of {value}"))
}

fn arrays() -> Vec<Array> {
    vec![
        Array::new(Level::Raid1, 0, 3),
        Array::new(Level::Raid4, 0, 3),
        Array::new(Level::Raid5, 2, 4),
        Array::new(Level::Raid6, 10, 5),
        Array::new(Level::Raid10, 0x102, 3),
        Array::new(Level::Raid10, 0x4_0201, 5),
        Array::new(Level::Raid10, 0x1_0301, 4),
    ]
}

#[test]
fn forwards_and_back_are_one() {
    for array in arrays() {
        let folder = tempfile::tempdir().unwrap();
        let members = array.write(folder.path());
        let all = json(&["--range", "0s+8s", "--sector", "0s"], &members);
        let size = number(&all["array"], "array_sectors");
        let whole = json(&["--range", &format!("0s+{size}s")], &members);
        let mut next = 0;
        for answer in whole["answers"].as_array().unwrap() {
            assert_eq!(number(answer, "start_sectors"), next, "a partition");
            next += number(answer, "length_sectors");
            for place in answer["places"].as_array().unwrap() {
                let device = place["device"].as_str().unwrap();
                let lba = format!("{}s", number(place, "lba_sectors"));
                let back = json(&["--of", device, "--sector", &lba], &members);
                let back = &back["answers"][0];
                if place["role"] == "data" {
                    assert_eq!(back["array_start_sectors"], answer["start_sectors"]);
                    assert_eq!(back["copy"], place["copy"]);
                } else {
                    assert_eq!(back["kind"], place["role"]);
                    let mut covered = back["places"].as_array().unwrap().iter();
                    assert!(covered.any(|c| c["array_start_sectors"] == answer["start_sectors"]));
                }
                assert_eq!(back["chunk"], answer["chunk"]);
            }
        }
        assert_eq!(next, size);
    }
}

#[test]
fn every_sector_of_a_device_is_named() {
    for array in arrays() {
        let folder = tempfile::tempdir().unwrap();
        let members = array.write(folder.path());
        let of = members[1].to_str().unwrap();
        let whole = json(&["--of", of, "--range", &format!("0s+{DEVICE}s")], &[]);
        let (mut next, mut areas) = (0, Vec::new());
        for answer in whole["answers"].as_array().unwrap() {
            assert_eq!(number(answer, "start_sectors"), next, "a partition");
            next += number(answer, "length_sectors");
            match answer["kind"].as_str().unwrap() {
                "area" => areas.push(answer["area"].as_str().unwrap().to_owned()),
                "unused" => assert!(number(answer, "start_sectors") >= DATA),
                _ => assert!((DATA..DATA + 72).contains(&number(answer, "start_sectors"))),
            }
        }
        assert_eq!(next, DEVICE);
        areas.dedup();
        let expected = [
            "gap",
            "md_superblock",
            "gap",
            "bitmap",
            "gap",
            "bad_block_log",
            "gap",
        ];
        assert_eq!(areas, expected);
    }
}

#[test]
fn the_bitmap_says_whether_a_chunk_is_dirty() {
    let state = |array: &Array, arguments: &[&str], given: usize| {
        let folder = tempfile::tempdir().unwrap();
        let members = array.write(folder.path());
        let answer = json(arguments, &members[..given]);
        let chunk = answer["answers"][0]["chunk"].clone();
        assert_eq!(chunk["dirty"], chunk["state"] != "clean");
        (
            number(&chunk, "index"),
            chunk["state"].as_str().unwrap().to_owned(),
        )
    };
    let mut array = Array::new(Level::Raid5, 2, 3);
    array.dirty = vec![vec![2]; 3];
    // Two data members: chunk 2 of the bitmap is the third stripe, array sectors 32 to 47.
    assert_eq!(state(&array, &["--sector", "31s"], 3), (1, "clean".into()));
    assert_eq!(state(&array, &["--sector", "32s"], 3), (2, "dirty".into()));
    assert_eq!(state(&array, &["--sector", "47s"], 1), (2, "dirty".into()));
    assert_eq!(state(&array, &["--sector", "48s"], 3), (3, "clean".into()));
    array.dirty[1].clear();
    assert_eq!(state(&array, &["--sector", "32s"], 3).1, "dirty_on_some");
    // A member that is out of date does not speak for the array.
    array.events = vec![10, 5, 10];
    assert_eq!(state(&array, &["--sector", "32s"], 3).1, "dirty");
    array.dirty = vec![vec![], vec![2], vec![]];
    assert_eq!(state(&array, &["--sector", "32s"], 3).1, "clean");
    // A bitmap of another array is not believed.
    array.bitmap_uuid = [9; 16];
    assert_eq!(state(&array, &["--sector", "32s"], 3).1, "untrusted");
    // The bitmap's own size does not count.
    let mut short = Array::new(Level::Raid1, 0, 2);
    (short.dirty, short.sync_size) = (vec![vec![5]; 2], 24);
    assert_eq!(state(&short, &["--sector", "40s"], 2), (5, "dirty".into()));
    // raid10: the bitmap counts sectors of the array.
    let mut ten = Array::new(Level::Raid10, 0x102, 4);
    ten.dirty = vec![vec![17]; 4];
    assert_eq!(state(&ten, &["--sector", "143s"], 4), (17, "dirty".into()));
}

#[test]
fn chunks_that_cannot_be_read_are_not_clean() {
    let folder = tempfile::tempdir().unwrap();
    let members = Array::new(Level::Raid1, 0, 2).write(folder.path());
    for member in &members {
        let bytes = fs::read(member).unwrap();
        fs::write(member, &bytes[..8192 + 100]).unwrap();
    }
    let output = run(&["--json", "--sector", "0s"], &members);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("\"clean\""), "{text}");
    assert_ne!(status(&output), 0);
}

#[test]
fn the_gravest_statuses() {
    let folder = tempfile::tempdir().unwrap();
    let members = Array::new(Level::Raid5, 2, 3).write(folder.path());
    let outside = run(&["--sector", "144s", "--sector", "0s"], &members);
    assert_eq!(status(&outside), 1);
    let text = String::from_utf8_lossy(&outside.stdout);
    assert!(text.contains("behind the end: the array has 144 sectors"));
    assert!(text.contains("array sector 0: stripe 0"), "goes on");
    for usage in [
        &["--sector", "5"][..],
        &["--range", "5s"],
        &["--range", "1s+0s"],
        &[],
    ] {
        assert_eq!(status(&run(usage, &members)), 2, "{usage:?}");
    }
    assert_eq!(status(&run(&["--sector", "5s"], &[])), 2, "no member");
    let stranger = folder.path().join("nothing.img");
    fs::write(&stranger, vec![0; 8192]).unwrap();
    let nobody = run(&["--sector", "5s"], std::slice::from_ref(&stranger));
    assert_eq!(status(&nobody), 1, "{}", stderr(&nobody));
    let of = ["--sector", "5s", "--of", stranger.to_str().unwrap()];
    let of = run(&of, &members);
    assert_eq!(status(&of), 1);
    assert!(stderr(&of).contains("nothing.img: is not a member"));
    assert_ne!(status(&run(&["--sector", "5s"], &["/nowhere".into()])), 0);
}

#[test]
fn what_has_no_geometry_is_refused_with_its_reason() {
    let refusal = |change: fn(&mut Array)| {
        let mut array = Array::new(Level::Raid10, 0x102, 5);
        change(&mut array);
        let folder = tempfile::tempdir().unwrap();
        let output = run(&["--sector", "0s"], &array.write(folder.path()));
        assert_eq!(status(&output), 1);
        assert!(output.stdout.is_empty());
        stderr(&output)
    };
    let collision = refusal(|array| array.layout = 0x1_0202);
    assert!(collision.contains("two chunks in one place"), "{collision}");
    let reshape = refusal(|array| array.features = feature::RESHAPE_ACTIVE);
    assert!(reshape.contains("reshape"), "{reshape}");
    let level = refusal(|array| array.level = Level::Raid0);
    assert!(level.contains("raid0"), "{level}");
    let two = tempfile::tempdir().unwrap();
    let mut members = Array::new(Level::Raid1, 0, 2).write(two.path());
    let mut other = Array::new(Level::Raid1, 0, 2).image(0);
    other[4096 + 16] ^= 1;
    let other_path = two.path().join("other.img");
    fs::write(&other_path, other).unwrap();
    members.push(other_path);
    let output = run(&["--sector", "0s"], &members);
    assert_ne!(status(&output), 0, "a damaged superblock is a problem");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::io::Read;
    let folder = tempfile::tempdir().unwrap();
    let mut array = Array::new(Level::Raid1, 0, 2);
    array.dirty = vec![vec![1]; 2];
    let mut child = process::Command::new(MDBITMAP)
        .args(["map", "--sector", "0s", "--range", "0s+72s"])
        .args(array.write(folder.path()))
        .stdout(process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut one = [0];
    child.stdout.take().unwrap().read_exact(&mut one).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The images that tests/cmd/map.md shows; MAP_IMAGES=write makes them anew.
#[test]
fn the_images_of_the_transcript() {
    let mut array = Array::new(Level::Raid5, 2, 3);
    array.dirty = vec![vec![2, 3], vec![2], vec![2, 3]];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/map.in");
    if std::env::var_os("MAP_IMAGES").is_some() {
        fs::create_dir_all(&folder).unwrap();
        array.write(&folder);
    }
    for slot in 0..3 {
        let letter = char::from(b'a' + slot as u8);
        let kept = fs::read(folder.join(format!("sd{letter}1.img"))).unwrap();
        assert!(kept == array.image(slot), "slot {slot}");
    }
}
