//! The layout of members that real kernels and mdadm made, against what `mdadm --examine` said about
//! them (fixtures/README.md), and their heat maps against the number of dirty chunks recorded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use flate2::read::GzDecoder;
use mdbitmap::array::layout::{Area, Content, Layout};
use mdbitmap::commands::examine::result::Device;
use mdbitmap::commands::examine::{ExamineOptions, examine_store};
use mdbitmap::device::MemoryStore;
use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Visits all images of the sets, one in memory at a time: the set, its name there, its bytes.
fn each_image(mut visit: impl FnMut(&Path, &str, Vec<u8>)) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let sets = fs::read_dir(fixtures).unwrap();
    let sets: Vec<PathBuf> = sets
        .map(|entry| entry.unwrap().path())
        .filter(|set| set.join("facts").is_file() && !set.ends_with("synthetic"))
        .collect();
    for set in sets {
        for entry in fs::read_dir(&set).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            let name = file.strip_suffix(".img.gz");
            // The legs of an LVM volume bear no metadata.
            let Some(name) = name.filter(|name| !name.starts_with("data")) else {
                continue;
            };
            let mut image = Vec::new();
            let mut packed = GzDecoder::new(File::open(&path).unwrap());
            packed.read_to_end(&mut image).unwrap();
            visit(&set, name, image);
        }
    }
}

fn examined(image: Vec<u8>) -> Device {
    let options = ExamineOptions {
        layout: true,
        map_cells: NonZeroUsize::new(500),
        ..ExamineOptions::default()
    };
    examine_store(&MemoryStore::new("image", image), &options)
}

/// The number of sectors behind a label of `mdadm --examine`.
fn sectors(report: &str, label: &str) -> Option<i64> {
    let line = report
        .lines()
        .find(|line| line.trim_start().starts_with(label))?;
    let words = line.split_once(" : ")?.1.split_whitespace();
    let words: Vec<&str> = words.collect();
    let before = words.iter().position(|word| *word == "sectors")?;
    words[before - 1].parse().ok()
}

fn area(layout: &Layout, wanted: impl Fn(Content) -> bool) -> Option<&Area> {
    layout.areas.iter().find(|area| wanted(area.content))
}

#[test]
fn areas_are_where_mdadm_says_and_maps_show_the_dirt() {
    let (mut compared, mut defects, mut drawn) = (0, 0, 0);
    each_image(|set, name, image| {
        let title = format!("{}/{name}", set.display());
        let device = examined(image);
        let facts = fs::read_to_string(set.join("facts")).unwrap();
        drawn += compare_map(&title, name, &device, &facts);
        if let Ok(report) = fs::read_to_string(set.join(format!("{name}.mdadm-E")))
            && sectors(&report, "Super Offset").is_some()
        {
            let layout = device.layout.as_ref().expect(&title);
            compare_layout(&title, layout, &report);
            compared += 1;
            defects += u32::from(layout.mdadm_lockless_defect);
        }
    });
    assert!(
        compared > 30 && defects > 5 && drawn > 40,
        "{compared} layouts, {defects} defects, {drawn} maps"
    );
}

fn compare_layout(title: &str, layout: &Layout, report: &str) {
    let start = sectors(report, "Super Offset").unwrap();
    let starts = |content| area(layout, |found| found == content).map(|area| area.range.start);
    let byte = |sector: i64| u64::try_from(sector * 512).unwrap();
    assert_eq!(starts(Content::Superblock), Some(byte(start)), "{title}");
    let bitmap = sectors(report, "Internal Bitmap").map(|offset| byte(start + offset));
    assert_eq!(starts(Content::Bitmap { slot: None }), bitmap, "{title}");
    let log = sectors(report, "Bad Block Log").map(|offset| byte(start + offset));
    assert_eq!(starts(Content::BadBlockLog), log, "{title}");
    let data = area(layout, |found| found == Content::Data).expect(title);
    let offset = sectors(report, "Data Offset").unwrap_or(0);
    let length = sectors(report, "Avail Dev Size").unwrap();
    assert_eq!(data.range, byte(offset)..byte(offset + length), "{title}");
    // Only the defect of mdadm 4.6 makes anything overlap.
    let overlap = layout.areas.iter().any(|area| !area.overlaps.is_empty());
    assert_eq!(overlap, layout.mdadm_lockless_defect, "{title}");
    assert_eq!(overlap, title.contains("/lockless-"), "{title}");
}

/// The cells of a map together hold the dirty chunks that the kernel left on the disk. How many
/// maps there were.
fn compare_map(title: &str, name: &str, device: &Device, facts: &str) -> u32 {
    let key = format!("{name}.dirty_chunks=");
    let Some(dirty) = facts.lines().find_map(|line| line.strip_prefix(&key)) else {
        return 0;
    };
    let dirty: u64 = dirty.parse().unwrap();
    let mut drawn = 0;
    for map in device.slots.iter().filter_map(|slot| slot.map.as_ref()) {
        let shown = map.cells.iter().filter(|shade| shade.is_dirty()).count() as u64;
        assert_eq!(map.dirty_chunks, dirty, "{title}");
        assert!(shown >= dirty.div_ceil(map.chunks_per_cell) && shown <= dirty);
        drawn += 1;
    }
    drawn
}
