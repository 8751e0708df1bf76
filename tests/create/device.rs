//! Bare bitmaps on loop devices of our own.

use super::{Loop, create, folder, sha256, status};
use std::fs;
use std::path::{Path, PathBuf};

/// A loop device on a file of these bytes; `None` (and a word) where that cannot be had.
fn device(folder: &Path, bytes: &[u8]) -> Option<(PathBuf, Loop)> {
    let file = folder.join("disk");
    fs::write(&file, bytes).unwrap();
    let device = Loop::on(&file);
    if device.is_none() {
        eprintln!("SKIPPED: no loop device can be made here");
    }
    Some((file, device?))
}

#[test]
fn only_the_bytes_of_the_bitmap_are_written() {
    let folder = folder();
    let Some((file, device)) = device(folder.path(), &[0xaa; 1 << 20]) else {
        return;
    };
    let (out, err) = status(&create(["--size=39976s", &device.node]), 0);
    assert!(
        out.contains("4997 chunks of 4K, all dirty; 881 bytes written"),
        "{out}"
    );
    assert!(err.contains("no kernel attaches a block device"), "{err}");
    let bytes = fs::read(&file).unwrap();
    assert_eq!(
        sha256(&bytes[..881]),
        "fbe2e1c456829f399d0036c6bca13cb911bef7c2a5097142cd6f86a6dc10e2b5"
    );
    assert!(bytes[881..].iter().all(|&b| b == 0xaa));
    // A second time it is not empty.
    let (_, err) = status(&create(["--size=39976s", &device.node]), 3);
    assert!(
        err.contains("holds a bitmap (at byte 0); --force overwrites it"),
        "{err}"
    );
    status(&create(["--size=39976s", "--force", &device.node]), 0);
}

/// The header and the first bits share a block of 4096 bytes, which is read, changed and written.
#[test]
fn blocks_of_4096_bytes_keep_what_is_behind_the_bitmap() {
    let folder = folder();
    let file = folder.path().join("disk");
    fs::write(&file, [0xaa; 1 << 20]).unwrap();
    let Some(device) = Loop::with_blocks_of_4096(&file) else {
        eprintln!("SKIPPED: no loop device of 4096-byte blocks can be made here");
        return;
    };
    status(&create(["--size=39976s", &device.node]), 0);
    let bytes = fs::read(&file).unwrap();
    assert_eq!(
        sha256(&bytes[..881]),
        "fbe2e1c456829f399d0036c6bca13cb911bef7c2a5097142cd6f86a6dc10e2b5"
    );
    assert!(bytes[881..].iter().all(|&b| b == 0xaa));
}

#[test]
fn what_a_device_holds_is_named_and_kept() {
    let folder = folder();
    let mut bytes = vec![0; 1 << 20];
    bytes[..4].copy_from_slice(b"XFSB");
    let Some((file, device)) = device(folder.path(), &bytes) else {
        return;
    };
    let (_, err) = status(&create(["--size=1G", &device.node]), 3);
    assert!(err.contains("holds a xfs file system"), "{err}");
    assert!(fs::read(&file).unwrap() == bytes);
    let (out, _) = status(&create(["--size=1G", "-f", "--dry-run", &device.node]), 0);
    assert!(
        out.contains("  bytes 0..256 now:\n    0000  58 46 53 42 00"),
        "{out}"
    );
    assert!(fs::read(&file).unwrap() == bytes);
}

#[test]
fn a_device_in_use_is_refused_by_name_even_by_force() {
    let folder = folder();
    let Some((file, lower)) = device(folder.path(), &[0; 1 << 20]) else {
        return;
    };
    // The file behind a loop device.
    let (_, err) = status(&create(["--size=1G", "-f", file.to_str().unwrap()]), 3);
    let name = lower.node.trim_start_matches("/dev/");
    assert!(
        err.contains(&format!("is in use: loop device {name}")),
        "{err}"
    );
    // A device under another device.
    let upper = Loop::on(Path::new(&lower.node)).unwrap();
    let (_, err) = status(&create(["--size=1G", "-f", &lower.node]), 3);
    assert!(err.contains("is in use"), "{err}");
    drop(upper);
    assert!(fs::read(&file).unwrap().iter().all(|&b| b == 0));
}

#[test]
fn a_device_too_small_is_refused() {
    let folder = folder();
    let Some((file, device)) = device(folder.path(), &[0; 4096]) else {
        return;
    };
    let (_, err) = status(&create(["--size=4G", "--chunk=64K", &device.node]), 3);
    assert!(
        err.ends_with("the smallest chunk size that fits is 256K\n"),
        "{err}"
    );
    assert!(fs::read(&file).unwrap().iter().all(|&b| b == 0));
    status(&create(["--size=4G", "--chunk=256K", &device.node]), 0);
}
