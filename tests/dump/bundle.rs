//! `dump --bundle` and `unbundle`.

use crate::{Set, run, set, sets};
use mdbitmap::format::bundle::{Device, Encoder, Part, Record};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The images that are members, bitmap files or metadata devices: what a bundle is made of.
fn metadata(set: &Set) -> Vec<&str> {
    let images = set.images.iter().map(String::as_str);
    images.filter(|name| !name.starts_with("data")).collect()
}

/// Bundles these images; the report.
fn bundle(set: &Set, images: &[&str]) -> Value {
    let arguments = ["dump", "--json", "--bundle", "bundle", "--force"];
    let made = set.run(&[&arguments[..], images].concat());
    assert!(made.status <= 1, "{}: {made:?}", set.name);
    json(&made.out)
}

/// What verbs say about images in a folder.
fn said(folder: &Path, images: &[&str]) -> Vec<crate::Run> {
    let verbs: [&[&str]; 4] = [
        &["examine"],
        &["examine", "--json"],
        &["check", "--json"],
        &["extents", "--json"],
    ];
    let run = |verb: &&[&str]| run(folder, &[*verb, images].concat());
    verbs.iter().map(run).collect()
}

/// Sets whose images lose something on the way, and why: it is inside the data area by the superblock, or no
/// metadata of md at all.
const OTHERWISE: [&str; 1] = ["synthetic"];

#[test]
fn images_from_a_bundle_are_read_as_the_devices_were() {
    let mut images_seen = 0;
    for set in sets() {
        if OTHERWISE.contains(&set.name.as_str()) {
            continue;
        }
        let images = metadata(&set);
        bundle(&set, &images);
        let size = fs::metadata(set.path("bundle")).unwrap().len();
        assert!(size < 40_000, "{}: {size} bytes", set.name);
        let made = set.run(&["unbundle", "--json", "bundle", "out"]);
        assert_eq!(made.status, 0, "{}: {made:?}", set.name);
        let made = json(&made.out);
        for (image, made) in images.iter().zip(made["images"].as_array().unwrap()) {
            let (original, copy) = (set.path(image), set.path(made["path"].as_str().unwrap()));
            assert_eq!(
                fs::metadata(&original).unwrap().len(),
                fs::metadata(&copy).unwrap().len()
            );
            // Findings name the mode of a file.
            fs::set_permissions(&copy, fs::metadata(&original).unwrap().permissions()).unwrap();
            fs::rename(copy, set.path("out").join(image)).unwrap();
            images_seen += 1;
        }
        assert_eq!(
            said(&set.path("out"), &images),
            said(set.folder.path(), &images),
            "{}",
            set.name
        );
        let slots: Vec<&str> = made["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["path"].as_str().unwrap())
            .collect();
        assert_eq!(slots.len(), images.len());
    }
    assert!(images_seen > 60, "{images_seen}");
}

/// The same for damaged images one by one, as far as nothing had to be left out.
#[test]
fn damaged_images_are_read_as_they_were() {
    let set = set("synthetic");
    let (mut same, mut left_out) = (0, 0);
    for image in set.images.iter().map(String::as_str) {
        let made = set.run(&["dump", "--bundle", "bundle", "--force", image]);
        if made.err.contains("not taken") || made.err.contains("no metadata of md") {
            left_out += 1;
            continue;
        }
        let folder = format!("{image}.d");
        let unbundled = set.run(&["unbundle", "--json", "bundle", &folder]);
        assert_eq!(unbundled.status, 0, "{image}: {unbundled:?}");
        let unbundled = json(&unbundled.out);
        let copy = set.path(unbundled["images"][0]["path"].as_str().unwrap());
        fs::set_permissions(&copy, fs::metadata(set.path(image)).unwrap().permissions()).unwrap();
        fs::rename(copy, set.path(&folder).join(image)).unwrap();
        assert_eq!(
            said(&set.path(&folder), &[image]),
            said(set.folder.path(), &[image]),
            "{image}"
        );
        same += 1;
    }
    assert!(
        same > 40 && left_out < 12,
        "{same} same, {left_out} left out"
    );
}

fn ranges(report: &Value, device: usize) -> Vec<(String, u64, u64)> {
    let areas = report["devices"][device]["areas"].as_array().unwrap();
    let number = |area: &Value, key: &str| area[key].as_u64().unwrap();
    areas
        .iter()
        .map(|area| {
            let start = number(area, "start_bytes");
            (
                area["what"].as_str().unwrap().to_owned(),
                start,
                start + number(area, "length_bytes"),
            )
        })
        .collect()
}

/// Everything outside the areas that are named is overwritten: the bundle stays the same to the byte, so
/// nothing of it got in. And no area but a superblock reaches into the data area.
#[test]
fn no_byte_of_data_gets_in() {
    let mut checked = 0;
    for set in sets() {
        for image in metadata(&set) {
            let title = format!("{}/{image}", set.name);
            let report = bundle(&set, &[image]);
            let areas = ranges(&report, 0);
            let whole = json(&set.run(&["dump", "--json", image]).out);
            let md = &whole["devices"][0]["md"];
            if let (Some(start), Some(len)) = (
                md["data_offset_sectors"].as_u64(),
                md["component_sectors"].as_u64(),
            ) && md["metadata"] != "dm-raid"
            {
                let data = start.saturating_mul(512)..start.saturating_add(len).saturating_mul(512);
                for (what, start, end) in &areas {
                    let apart = *end <= data.start || *start >= data.end;
                    assert!(
                        apart || what == "superblock",
                        "{title}: {what} at {start}..{end} in {data:?}"
                    );
                }
                checked += 1;
            }
            if areas.is_empty() {
                continue;
            }
            let before = fs::read(set.path("bundle")).unwrap();
            set.own(image);
            let file = fs::OpenOptions::new()
                .write(true)
                .open(set.path(image))
                .unwrap();
            let len = file.metadata().unwrap().len();
            let mut at = 0;
            let secret = b"SECRET user data ".repeat(241);
            for (_, start, end) in areas.iter().chain([&(String::new(), len, len)]) {
                while at < *start {
                    let piece = (*start - at).min(secret.len() as u64) as usize;
                    // Sparse images stay small: the ends of each gap are enough.
                    if at + 65536 < *start && *start > 1 << 20 {
                        file.write_all_at(&secret, at).unwrap();
                        at = *start - 65536;
                        continue;
                    }
                    file.write_all_at(&secret[..piece], at).unwrap();
                    at += piece as u64;
                }
                at = at.max(*end);
            }
            drop(file);
            bundle(&set, &[image]);
            let after = fs::read(set.path("bundle")).unwrap();
            assert!(
                !String::from_utf8_lossy(&after).contains("SECRET"),
                "{title}"
            );
            assert_eq!(before, after, "{title}");
        }
    }
    assert!(checked > 60, "{checked}");
}

fn device(bytes: u64) -> Record {
    Record::Device(Device {
        bytes,
        logical_block_bytes: 512,
        physical_block_bytes: 512,
        is_block_device: true,
        part: Part::Slot(0),
        path: b"../../../etc/passwd".to_vec(),
    })
}

fn write(folder: &Path, records: &[Record]) {
    let mut encoder = Encoder::default();
    let mut bytes = encoder.start();
    for record in records {
        bytes.extend(encoder.record(record));
    }
    bytes.extend(encoder.end());
    fs::write(folder.join("bundle"), bytes).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn hostile_bundles_make_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let fill = |start, len, value| Record::Fill { start, len, value };
    for (records, status, message) in [
        (vec![device(u64::MAX)], 1, "cannot be made here"),
        (
            vec![device(1 << 40), device(u64::MAX)],
            1,
            "cannot be made here",
        ),
        (
            vec![device(1 << 40), fill(0, 1 << 40, 255)],
            3,
            "the limit is 1073741824",
        ),
        (
            vec![device(1 << 40), fill(0, 1 << 30, 0), fill(0, 1, 0)],
            3,
            "the limit is",
        ),
        (
            vec![device(4096), fill(4000, 97, 255)],
            1,
            "has something for byte 4000 of a device of 4096 bytes",
        ),
        (
            vec![device(4096), fill(u64::MAX, 2, 255)],
            1,
            "has something for byte",
        ),
        (vec![fill(0, 1, 255)], 1, "belongs to no device"),
        (vec![device(0); 5000], 1, "more devices than any array has"),
    ] {
        write(path, &records);
        let refused = run(path, &["unbundle", "bundle", "out"]);
        assert_eq!(
            (refused.status, refused.out.as_str()),
            (status, ""),
            "{refused:?}"
        );
        assert!(refused.err.contains(message), "{message}: {refused:?}");
        assert_eq!(names(path), ["bundle"], "{message}");
    }
    // Nothing that is there is touched, and a link is not followed.
    write(path, &[device(4096), fill(0, 100, 255), device(8192)]);
    fs::create_dir(path.join("out")).unwrap();
    fs::write(path.join("mine"), "mine").unwrap();
    std::os::unix::fs::symlink("../mine", path.join("out/1-slot0.img")).unwrap();
    let refused = run(path, &["unbundle", "bundle", "out"]);
    assert_eq!(refused.status, 3, "{refused:?}");
    assert_eq!(names(&path.join("out")), ["1-slot0.img"]);
    assert_eq!(fs::read(path.join("mine")).unwrap(), b"mine");
    fs::remove_file(path.join("out/1-slot0.img")).unwrap();
    let made = run(path, &["unbundle", "bundle", "out"]);
    assert_eq!(made.status, 0, "{made:?}");
    assert_eq!(names(&path.join("out")), ["0-slot0.img", "1-slot0.img"]);
    let image = fs::read(path.join("out/0-slot0.img")).unwrap();
    assert_eq!((image.len(), &image[99..101]), (4096, &[255, 0][..]));
    // A dry run makes nothing.
    let listed = run(path, &["unbundle", "--dry-run", "bundle", "other"]);
    assert_eq!(listed.status, 0);
    assert!(
        listed
            .out
            .contains("other/0-slot0.img: 4096 bytes, 100 of them taken from ../../../etc/passwd"),
        "{listed:?}"
    );
    assert_eq!(names(path), ["bundle", "mine", "out"]);
}

#[test]
fn a_damaged_bundle_is_noticed_wherever_the_damage_is() {
    let set = set("raid1-1.2-dirty");
    bundle(&set, &metadata(&set));
    let whole = fs::read(set.path("bundle")).unwrap();
    let step = whole.len() / 40;
    for at in (0..whole.len()).step_by(step.max(1)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(set.path("bundle"), &bytes).unwrap();
        let refused = set.run(&["unbundle", "bundle", "out"]);
        assert_eq!(refused.status, 1, "byte {at}: {refused:?}");
        fs::write(set.path("bundle"), &whole[..at]).unwrap();
        let refused = set.run(&["unbundle", "bundle", "out"]);
        assert_eq!(refused.status, 1, "cut at {at}: {refused:?}");
        assert!(!set.path("out").exists());
    }
}

#[test]
fn ones_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(
        folder.path(),
        &["create", "--size=1T", "--chunk=4M", "bitmap"],
    );
    assert_eq!(made.status, 0, "{made:?}");
    let made = run(folder.path(), &["dump", "--bundle", "bundle", "bitmap"]);
    assert_eq!(made.status, 0, "{made:?}");
    let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
    assert!(
        size("bitmap") > 32_000 && size("bundle") < 500,
        "{} {}",
        size("bitmap"),
        size("bundle")
    );
}
