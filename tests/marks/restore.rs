//! `dump`, `restore`, and `dump` again.

use super::images::{Array, UUID, all};
use super::*;
use mdbitmap::format::bitmap_super::RawBitmapSuper;
use std::fs;

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// Bytes in runs, as bitmaps have them: of bits, or of states below `states`.
    fn cells(&mut self, len: usize, states: Option<u64>) -> Vec<u8> {
        let mut cells = Vec::new();
        while cells.len() < len {
            let byte = match states {
                Some(states) => self.next(states) as u8,
                None => [0, 0xff, self.next(256) as u8][self.next(3) as usize],
            };
            let run = self.next(9) as usize + 1;
            cells.extend(std::iter::repeat_n(byte, run));
        }
        cells.truncate(len);
        cells
    }
}

fn dump(folder: &Path, names: &[&str], more: &[&str]) -> String {
    let mut arguments = vec!["dump"];
    arguments.extend(more);
    arguments.extend(names);
    let output = run(folder, &arguments);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A dump without what a change of marks may change: the event counts, and what goes with them.
fn without_events(dump: &str) -> Vec<&str> {
    let changing = [
        "events ",
        "events_cleared ",
        "updated_seconds ",
        "resync_offset_sectors ",
    ];
    let lines = dump.lines();
    lines
        .filter(|line| !changing.iter().any(|start| line.starts_with(start)))
        .collect()
}

/// A bitmap file: a superblock with odd values, then cells.
fn file(random: &mut Random, version: u32, chunks: u64, cells: &[u8]) -> Vec<u8> {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (raw.magic, raw.version, raw.uuid) = (0x6d74_6962, version, UUID);
    (raw.events, raw.events_cleared) = (random.next(1 << 30), random.next(1 << 30));
    raw.chunksize = if version == 6 { 8 } else { 4096 };
    raw.sync_size_sectors = chunks * 8 - random.next(7);
    raw.state = [0, 2, 4, 0x8000, 0x20][random.next(5) as usize];
    raw.daemon_sleep_seconds = random.next(100) as u32;
    (raw.write_behind, raw.sectors_reserved) = (random.next(300) as u32, random.next(300) as u32);
    if random.next(3) == 0 {
        raw.cluster_name[..4].copy_from_slice(b"c\x01\"x");
        raw.pad[7] = 9;
    }
    let mut bytes = raw.to_bytes().to_vec();
    bytes.resize(if version == 6 { 1024 } else { 256 }, 0);
    bytes.extend(cells);
    bytes
}

/// A bitmap file comes back byte for byte as far as a dump knows of it, whatever version, order, or damage.
#[test]
fn a_file_comes_back_as_it_was_dumped() {
    let mut random = Random(7);
    for round in 0..60 {
        let (one, two) = (folder(), folder());
        let (one, two) = (one.path(), two.path());
        let version = [3, 4, 5, 6][round % 4];
        let order = match (version, random.next(3)) {
            (3, 1) => Some("--host-endian=be32"),
            (3, 2) => Some("--host-endian=be64"),
            _ => None,
        };
        let chunks = random.next(20_000) + 1;
        let len = if version == 6 {
            chunks
        } else {
            chunks.div_ceil(64) * 8
        };
        let cells = random.cells(len as usize, (version == 6).then_some(256));
        let mut bytes = file(&mut random, version, chunks, &cells);
        if random.next(4) == 0 {
            // Cut off within the chunks.
            let header = if version == 6 { 1024 } else { 256 };
            bytes.truncate(header + random.next(len) as usize);
        }
        fs::write(one.join("bitmap"), &bytes).unwrap();
        let before = dump(one, &["bitmap"], &order.into_iter().collect::<Vec<_>>());
        fs::write(two.join("dump"), &before).unwrap();
        let output = run(two, &["restore", "dump", "bitmap"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let after = dump(two, &["bitmap"], &order.into_iter().collect::<Vec<_>>());
        assert_eq!(before, after, "version {version} {order:?}");
        if order.is_none() {
            let verified = run(two, &["dump", "--verify", "dump", "bitmap"]);
            let out = String::from_utf8(verified.stdout).unwrap();
            assert!(out.contains("Nothing differs"), "{out}");
        }
    }
}

/// All slots of a clustered one, too.
#[test]
fn the_slots_of_a_cluster_come_back() {
    let mut random = Random(3);
    let (one, two) = (folder(), folder());
    let (one, two) = (one.path(), two.path());
    let mut bytes = Vec::new();
    for slot in 0..3 {
        bytes.resize(slot * 4096, 0);
        let cells = random.cells(125, None);
        let mut slot = file(&mut random, 5, 1000, &cells);
        slot[40..48].copy_from_slice(&8000_u64.to_le_bytes());
        slot[68..72].copy_from_slice(&3_u32.to_le_bytes());
        bytes.extend(slot);
    }
    fs::write(one.join("bitmap"), &bytes).unwrap();
    let before = dump(one, &["bitmap"], &[]);
    assert_eq!(before.matches("\nbitmap ").count(), 3);
    fs::write(two.join("dump"), &before).unwrap();
    let output = run(two, &["restore", "dump", "bitmap"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("the bitmaps of 3 nodes")
    );
    assert_eq!(before, dump(two, &["bitmap"], &[]));
}

/// The bitmap of an array, of whatever state, comes back over any other marks: exactly, with `--replace`.
#[test]
fn an_array_comes_back_as_it_was_dumped() {
    let mut random = Random(11);
    for round in 0..40 {
        let folder = folder();
        let folder = folder.path();
        let version = [3, 4, 5, 6][round % 4];
        let arrays = all(if version == 6 { 6 } else { 4 });
        let array = Array {
            version: if version == 6 { 6 } else { 4 },
            ..arrays[round % arrays.len()].clone()
        };
        array.write(folder);
        let names = array.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let put = |cells: &[u8]| {
            for name in &names {
                let path = folder.join(name);
                let mut image = fs::read(&path).unwrap();
                image[8192 + 4] = version as u8;
                let start = 8192 + if version == 6 { 1024 } else { 256 };
                let chunks = array.chunks() as usize;
                match version {
                    6 => image[start..start + chunks].copy_from_slice(&cells[..chunks]),
                    _ => image[start..start + chunks / 8].copy_from_slice(&cells[..chunks / 8]),
                }
                fs::write(path, image).unwrap();
            }
        };
        let states = (version == 6).then_some(8);
        let (cells, others) = (random.cells(256, states), random.cells(256, states));
        put(&cells);
        let before = dump(folder, &names, &[]);
        fs::write(folder.join("dump"), &before).unwrap();
        // Other marks in the meantime, which nothing but the bitmap shows.
        put(&others);
        let mut arguments = vec!["restore", "--no-undo", "--replace", "--force", "dump"];
        arguments.extend(&names);
        let output = run(folder, &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let after = dump(folder, &names, &[]);
        assert_eq!(
            without_events(&before),
            without_events(&after),
            "version {version}"
        );
        // Without --replace nothing is lost of either.
        put(&others);
        let arguments: Vec<&str> = arguments
            .iter()
            .copied()
            .filter(|a| *a != "--replace")
            .collect();
        let output = run(folder, &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let united = images(folder, &array);
        let start = 8192 + if version == 6 { 1024 } else { 256 };
        let is_dirty = |cells: &[u8], chunk: usize| match version {
            6 => matches!(cells[chunk], 2..=4 | 8..),
            _ => cells[chunk / 8] >> (chunk % 8) & 1 == 1,
        };
        for chunk in 0..array.chunks() as usize {
            let now = is_dirty(&united[0][start..], chunk);
            assert!(
                now || !(is_dirty(&cells, chunk) || is_dirty(&others, chunk)),
                "chunk {chunk}"
            );
        }
    }
}

#[test]
fn files_that_are_no_bitmaps_are_left_alone() {
    let folder = folder();
    let folder = folder.path();
    let array = all(4).remove(0);
    array.write(folder);
    fs::write(folder.join("dump"), dump(folder, &["m0.img"], &[])).unwrap();
    fs::write(folder.join("letter"), "Dear Sir").unwrap();
    for (arguments, status, told) in [
        (&["restore", "dump", "letter"][..], 3, "exists already"),
        (
            &["restore", "--force", "dump", "letter"],
            3,
            "exists and is no bitmap",
        ),
        (
            &["restore", "--force", "dump", "dump"],
            3,
            "exists and is no bitmap",
        ),
        (
            &["restore", "--replace", "dump", "new"],
            2,
            "--replace is for the bitmap of an array",
        ),
        (&["restore", "letter", "new"], 1, "the start of a dump"),
        (
            &["restore", "--device=x", "dump", "new"],
            3,
            "none of the devices",
        ),
        (
            &["restore", "--no-undo", "dump", "letter", "m1.img"],
            3,
            "letter: has no md superblock",
        ),
    ] {
        let output = run(folder, arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?} {err}");
        assert!(err.contains(told), "{err}");
    }
    assert_eq!(fs::read(folder.join("letter")).unwrap(), b"Dear Sir");
    assert!(!folder.join("new").exists());
    let output = run(folder, &["restore", "--dry-run", "dump", "new"]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("would create a file of 264 bytes")
    );
    assert!(!folder.join("new").exists());
    // A member alone is one of an array, never a place for a file.
    let output = run(
        folder,
        &["restore", "--no-undo", "--force", "dump", "m0.img"],
    );
    assert_eq!(output.status.code(), Some(3));
}

/// A bitmap that is lost, or that was taken away, is made anew as the dump describes it.
#[test]
fn a_bitmap_that_is_lost_is_made_anew() {
    for (round, array) in all(4).into_iter().enumerate() {
        let array = Array {
            dirty: vec![2, 40],
            clean: round % 2 == 0,
            ..array
        };
        let folder = folder();
        let folder = folder.path();
        array.write(folder);
        let names = array.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        fs::write(folder.join("dump"), dump(folder, &names, &[])).unwrap();
        // The headers are overwritten.
        for name in &names {
            let path = folder.join(name);
            let mut image = fs::read(&path).unwrap();
            image[8192..8704].fill(0x55);
            fs::write(path, image).unwrap();
        }
        let (out, _) = verb(folder, &array, &["restore", "dump"], 0);
        let expected: Vec<u64> = match array.clean {
            true => vec![2, 40],
            false => (0..array.chunks()).collect(),
        };
        assert!(out.contains("made anew"), "{out}");
        assert_eq!(marked(folder, &array), expected);
        sound(folder, &array);
        let (out, _) = verb(folder, &array, &["examine", "--json"], 0);
        assert!(
            out.contains(&format!("\"resync_bytes\":{}", expected.len() * 4096)),
            "{out}"
        );
        // And again: what is there now is believed.
        let (out, _) = verb(folder, &array, &["restore", "dump"], 0);
        assert!(out.contains("nothing to do"), "{out}");
    }
}
