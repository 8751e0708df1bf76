//! Bitmap files.

use super::{UUID, create, folder, names, sha256, status};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// reference/mdadm.md Appendix B.
#[test]
fn the_golden_file_of_mdadm() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    status(&create(["--size=39976s".as_ref(), path.as_os_str()]), 0);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 881);
    assert_eq!(
        sha256(&bytes),
        "fbe2e1c456829f399d0036c6bca13cb911bef7c2a5097142cd6f86a6dc10e2b5"
    );
    let data = fs::metadata(&path).unwrap();
    assert_eq!(data.permissions().mode() & 0o7777, 0o600);
    assert_eq!(names(folder.path()), ["bitmap"]);
}

#[test]
fn every_field_is_where_it_belongs() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let output = create([
        "--size=1G",
        "--chunk=512B",
        "--delay=2147483647",
        "--write-behind",
        "--uuid",
        UUID,
        path.to_str().unwrap(),
    ]);
    status(&output, 0);
    let bytes = fs::read(&path).unwrap();
    let mut want = vec![0_u8; 256];
    want[..8].copy_from_slice(b"bitm\x04\0\0\0");
    want[8..24].copy_from_slice(&[
        0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32,
        0x10,
    ]);
    want[40..48].copy_from_slice(&(1_u64 << 21).to_le_bytes());
    want[52..56].copy_from_slice(&512_u32.to_le_bytes());
    want[56..60].copy_from_slice(&(i32::MAX as u32).to_le_bytes());
    want[60..64].copy_from_slice(&256_u32.to_le_bytes());
    want.resize(256 + (1 << 21) / 8, 0xff);
    assert!(bytes == want);
}

/// What md needs: every block allocated and written.
#[test]
fn no_hole_and_nothing_unwritten() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    status(
        &create(["--size=512G", "--chunk=4K", path.to_str().unwrap()]),
        0,
    );
    let data = fs::metadata(&path).unwrap();
    assert_eq!(data.len(), 256 + (128 << 20) / 8);
    assert!(data.blocks() * 512 >= data.len(), "a hole");
    assert!(fs::read(&path).unwrap()[256..].iter().all(|&b| b == 0xff));
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    fs::write(&path, "mine").unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let text = path.to_str().unwrap();
    let (out, err) = status(&create(["--size=1G", text]), 3);
    assert_eq!(out, "");
    assert_eq!(
        err,
        format!("mdbitmap: {text}: exists already; --force replaces it\n")
    );
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    status(&create(["--size=1G", "--force", text]), 0);
    assert_eq!(fs::read(&path).unwrap()[..4], *b"bitm");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(names(folder.path()), ["bitmap"]);
}

/// An array holds its bitmap file open for writing; replacing it would orphan it (W19).
#[test]
fn a_file_that_something_writes_to_is_refused_even_by_force() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let writer = fs::File::create(&path).unwrap();
    let text = path.to_str().unwrap();
    let (_, err) = status(&create(["--size=1G", "--force", text]), 3);
    assert!(err.contains("has it open for writing"), "{err}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    drop(writer);
    status(&create(["--size=1G", "--force", text]), 0);
}

#[test]
fn a_link_is_followed() {
    let folder = folder();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&real, "old").unwrap();
    symlink("real", &link).unwrap();
    let text = link.to_str().unwrap();
    status(&create(["--size=1G", text]), 3);
    status(&create(["--size=1G", "-f", text]), 0);
    assert_eq!(fs::read(&real).unwrap()[..4], *b"bitm");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // A link to nothing: what it would make is not guessed.
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    let dangling = folder.path().join("dangling");
    let (_, err) = status(&create(["--size=1G", dangling.to_str().unwrap()]), 1);
    assert!(err.contains("cannot follow the symbolic link"), "{err}");
    assert_eq!(names(folder.path()), ["dangling", "link", "real"]);
}

#[test]
fn what_is_neither_file_nor_device_is_refused() {
    let folder = folder();
    let (_, err) = status(
        &create(["--size=1G", "-f", folder.path().to_str().unwrap()]),
        3,
    );
    assert!(err.contains("is a folder; expected"), "{err}");
    let (_, err) = status(&create(["--size=1G", "-f", "/dev/null"]), 3);
    assert!(err.contains("is a character device"), "{err}");
    // mdadm 4.2 reports success for this one (reference/mdadm.md 3.2).
    status(&create(["--size=1G", "-f", "/dev/full"]), 3);
    let missing = folder.path().join("no/such/folder");
    status(&create(["--size=1G", missing.to_str().unwrap()]), 1);
    let (_, err) = status(&create(["--size=1G", "/dev/null/x"]), 1);
    assert!(err.contains("/dev/null/x"), "{err}");
}

#[test]
fn a_dry_run_writes_nothing_and_says_everything() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let text = path.to_str().unwrap();
    let (out, _) = status(&create(["--size=39976s", "--dry-run", text]), 0);
    assert!(names(folder.path()).is_empty());
    assert_eq!(
        out,
        format!(
            "{text}: would create a file of 881 bytes, mode 0600
  bytes 0..256, the superblock:
    0000  62 69 74 6d 04 00 00 00 00 00 00 00 00 00 00 00
    0020  00 00 00 00 00 00 00 00 28 9c 00 00 00 00 00 00
    0030  00 00 00 00 00 10 00 00 05 00 00 00 00 00 00 00
  bytes 256..881, the bits: every byte ff (4997 chunks of 4K, all dirty)
"
        )
    );
    fs::write(&path, "mine").unwrap();
    status(&create(["--size=1G", "--dry-run", text]), 3);
    let (out, _) = status(&create(["--size=1G", "--dry-run", "-f", text]), 0);
    assert!(out.contains("would replace the file of 4 bytes"), "{out}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn json_has_the_keys_of_examine() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let text = path.to_str().unwrap();
    let (out, _) = status(
        &create(["--size=39976s", "--json", "--uuid", UUID, text]),
        0,
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["path"], text);
    assert_eq!(json["kind"], "file");
    assert_eq!(json["written"], true);
    assert_eq!(json["length_bytes"], 881);
    assert_eq!(json["superblock"]["uuid"], UUID);
    assert_eq!(json["superblock"]["chunk_bytes"], 4096);
    assert_eq!(json["bitmap"]["chunks"], 4997);
    assert_eq!(json["bitmap"]["dirty_chunks"], 4997);
}

#[test]
fn usage_errors_name_the_value() {
    let (_, err) = status(&create(["--size=1G", "--chunk=3K", "x"]), 2);
    assert!(
        err.starts_with(
            "mdbitmap: invalid bitmap chunksize: 3K (must be a power of two, at least 512 bytes)\n"
        ),
        "{err}"
    );
    status(&create(["x"]), 2);
    status(&create(["--size=1G"]), 2);
    let (_, err) = status(&create(["--size=1G", "--clean", "x"]), 3);
    assert!(err.contains("--clean refused: it needs --like"), "{err}");
    assert!(!Path::new("x").exists());
}

/// The process would be killed while it writes, and leave a temporary file.
#[test]
fn a_file_size_limit_is_seen_before_anything_is_written() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let output = Command::new("sh")
        .arg("-c")
        .arg("ulimit -f 100; exec \"$0\" create --size=100G --chunk=4K \"$1\"")
        .arg(env!("CARGO_BIN_EXE_mdbitmap"))
        .arg(&path)
        .output()
        .unwrap();
    let (_, err) = status(&output, 3);
    assert!(err.contains("ulimit -f"), "{err}");
    assert!(names(folder.path()).is_empty());
}

/// 256 MiB of bits in little memory: the address space limit would stop a buffer of that size.
#[test]
fn a_bitmap_of_two_to_the_31_chunks_needs_little_memory() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let output = Command::new("sh")
        .arg("-c")
        .arg("ulimit -v 16384; exec \"$0\" create --size=1T --chunk=512B \"$1\"")
        .arg(env!("CARGO_BIN_EXE_mdbitmap"))
        .arg(&path)
        .output()
        .unwrap();
    status(&output, 0);
    assert_eq!(fs::metadata(&path).unwrap().len(), 256 + (1 << 28));
}
