//! GNU ddrescue copies exactly what a mapfile calls dirty.

use super::{extents, folder, image};
use mdbitmap::array::geometry::{Geometry, Place};
use mdbitmap::array::{Role, probe};
use mdbitmap::device::MemoryStore;
use mdbitmap::units::Sectors;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Past the test harness, which hides what a passing test prints: tests/run counts this line.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}");
}

fn has_ddrescue() -> bool {
    let there = Command::new("ddrescue").arg("--version").output().is_ok();
    if !there {
        skipped("GNU ddrescue is missing (Debian: gddrescue)");
    }
    there
}

fn ddrescue(map: &Path, from: &str, to: &Path) -> Option<i32> {
    let mut command = Command::new("ddrescue");
    command.arg("-q").arg("-m").args([map, Path::new(from), to]);
    command.output().unwrap().status.code()
}

/// What nothing on the images is made of.
const FILL: u8 = 0xee;

/// Whether each sector of the member is dirty, by its superblock, the bits that `bits` returns, and
/// the geometry, a sector at a time.
fn dirty(bytes: Vec<u8>, bits: impl Fn(u64) -> bool) -> Vec<bool> {
    let sectors = bytes.len() as u64 / 512;
    let found = probe(&MemoryStore::new("image", bytes), None).found;
    let member = &found[0].member;
    let geometry = Geometry::of(member).unwrap();
    let Role::Slot(slot) = member.role else {
        panic!("no slot")
    };
    let held = |sector: u64| {
        let sector = Sectors(sector.checked_sub(member.data_offset.0)?);
        geometry.bitmap_of_member(Place { slot, sector })
    };
    (0..sectors)
        .map(|sector| held(sector).is_some_and(|at| bits(at.0)))
        .collect()
}

/// The bits of a bitmap whose superblock is at `start`, by sector.
fn bits_at(bytes: &[u8], start: usize) -> impl Fn(u64) -> bool + '_ {
    let chunk = u32::from_le_bytes(bytes[start + 52..start + 56].try_into().unwrap()) / 512;
    move |sector| {
        let bit = (sector / u64::from(chunk)) as usize;
        bytes[start + 256 + bit / 8] >> (bit % 8) & 1 == 1
    }
}

/// Copies by the mapfile of `arguments` from `source` into an image of nothing but [`FILL`].
#[track_caller]
fn copies_exactly(folder: &Path, arguments: &[&str], source: &str, expected: &[bool]) {
    let (map, err) = extents(["--format=mapfile"].iter().chain(arguments), 0);
    let path = folder.join("dirty.map");
    fs::write(&path, &map).unwrap();
    let bytes = fs::read(source).unwrap();
    let target = folder.join("target.img");
    fs::write(&target, vec![FILL; bytes.len()]).unwrap();
    assert_eq!(ddrescue(&path, source, &target), Some(0), "{map}{err}");
    let copied = fs::read(&target).unwrap();
    assert_eq!(copied.len(), bytes.len());
    let mut count = 0;
    for (sector, dirty) in expected.iter().enumerate() {
        let range = sector * 512..sector * 512 + 512;
        let is = &copied[range.clone()];
        if *dirty {
            assert!(
                *is == bytes[range],
                "{source}: dirty sector {sector} was not copied"
            );
            count += 1;
        } else {
            assert!(
                is.iter().all(|byte| *byte == FILL),
                "{source}: clean sector {sector} was copied"
            );
        }
    }
    assert!(count > 0 && count < expected.len(), "{source}: {count}");
}

#[test]
fn exactly_the_dirty_bytes_are_copied() {
    if !has_ddrescue() {
        return;
    }
    let folder = folder();
    for (set, name) in [
        ("raid1-1.2-dirty", "a"),
        ("raid1-0.90-dirty", "b"),
        ("raid5-1.2-dirty", "c"),
        ("raid6-1.1-dirty", "a"),
        ("raid10-far-1.0-dirty", "a"),
        ("raid10-far-1.0-dirty", "b"),
        ("raid10-near-1.2-dirty", "b"),
        ("raid10-near-1.2-dirty", "c"),
    ] {
        let path = image(folder.path(), set, name);
        let bytes = fs::read(&path).unwrap();
        let found = probe(&MemoryStore::new("image", bytes.clone()), None).found;
        let start = found[0].member.bitmap.as_ref().unwrap().start.0 as usize;
        let expected = dirty(bytes.clone(), bits_at(&bytes, start));
        copies_exactly(folder.path(), &[&path], &path, &expected);
    }
}

#[test]
fn exactly_what_a_bitmap_file_marks_is_copied() {
    if !has_ddrescue() {
        return;
    }
    let folder = folder();
    let file = image(folder.path(), "file-dirty", "bitmap");
    let member = image(folder.path(), "file-dirty", "a");
    let bitmap = fs::read(&file).unwrap();
    let expected = dirty(fs::read(&member).unwrap(), bits_at(&bitmap, 0));
    copies_exactly(
        folder.path(),
        &[&file, &format!("--member={member}")],
        &member,
        &expected,
    );
}

#[test]
fn nothing_dirty_copies_nothing_and_what_is_incomplete_is_refused() {
    if !has_ddrescue() {
        return;
    }
    let folder = folder();
    let clean = image(folder.path(), "raid1-1.1-clean", "a");
    let (map, _) = extents(["--format=mapfile", &clean], 0);
    assert!(!map.contains("  +\n"), "{map}");
    let path = folder.path().join("dirty.map");
    fs::write(&path, map).unwrap();
    let target = folder.path().join("target.img");
    fs::write(&target, vec![FILL; 1 << 20]).unwrap();
    assert_eq!(ddrescue(&path, &clean, &target), Some(0));
    assert!(fs::read(&target).unwrap().iter().all(|byte| *byte == FILL));

    let (map, _) = extents(["--format=mapfile", "/nonexistent/sda1"], 1);
    fs::write(&path, map).unwrap();
    assert_eq!(ddrescue(&path, &clean, &target), Some(2));
    assert!(fs::read(&target).unwrap().iter().all(|byte| *byte == FILL));
}
