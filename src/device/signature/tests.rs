use super::*;
use crate::device::{DirectStore, MemoryStore, OpenMode};
use std::path::Path;
use std::process::{Command, Stdio};

fn names(store: &dyn Store) -> Vec<&'static str> {
    scan(store).unwrap().iter().map(|s| s.name).collect()
}

fn with(len: usize, at: usize, bytes: &[u8]) -> MemoryStore {
    let mut content = vec![0; len];
    content[at..at + bytes.len()].copy_from_slice(bytes);
    MemoryStore::new("m", content)
}

#[test]
fn nothing_is_found_on_nothing() {
    for len in [0, 1, 511, 512, 4095, 4096, 69632, 1 << 20] {
        assert!(scan(&MemoryStore::zeroed("m", len)).unwrap().is_empty());
        let filled = MemoryStore::new("m", vec![0xff; len]);
        assert!(scan(&filled).unwrap().is_empty());
    }
}

#[test]
fn every_fixed_magic_is_found_at_its_place_and_only_there() {
    let len = 5 << 20;
    for magic in MAGICS {
        let at = (magic.at + magic.skip) as usize;
        let found = scan(&with(len, at, magic.bytes)).unwrap();
        let expected = Signature {
            name: magic.name,
            start: Bytes(magic.at),
            end: Bytes(magic.at + magic.len),
        };
        assert!(found.contains(&expected), "{}", magic.name);
        assert!(found.iter().all(|s| s.start == expected.start));
        let moved = with(len, at + 1, magic.bytes);
        assert!(names(&moved).is_empty(), "{}", magic.name);
        // On a store that ends within the magic there is none, and no error.
        let short = MemoryStore::zeroed("m", at + magic.bytes.len() - 1);
        assert!(scan(&short).unwrap().is_empty());
    }
    for magic in AT_END {
        let at = len - magic.at as usize;
        let found = scan(&with(len, at + magic.skip as usize, magic.bytes)).unwrap();
        assert_eq!(found.len(), 1, "{}", magic.name);
        assert_eq!(found[0].name, magic.name);
        assert_eq!(found[0].start, Bytes(at as u64));
        assert_eq!(found[0].end, Bytes((at as u64) + magic.len));
    }
}

#[test]
fn a_gpt_on_a_tiny_store_is_reported_once_per_place() {
    let store = with(1024, 512, b"EFI PART");
    assert_eq!(names(&store).len(), 2);
}

#[test]
fn partition_tables_need_more_than_the_mark() {
    let mut sector = vec![0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    assert_eq!(boot_sector(&sector), None);
    sector[446..462].copy_from_slice(&[0x80, 1, 1, 0, 0x83, 2, 2, 2, 0, 8, 0, 0, 0, 0, 1, 0]);
    assert_eq!(boot_sector(&sector), Some("MBR partition table"));
    sector[462] = b'x';
    assert_eq!(boot_sector(&sector), None);
    sector[462] = 0;
    sector[450] = 0xee;
    assert!(boot_sector(&sector).unwrap().contains("GPT"));
    sector[510] = 0;
    assert_eq!(boot_sector(&sector), None);
}

#[test]
fn zfs_is_found_in_either_label_and_byte_order() {
    let len = 2 << 20;
    let mut little = vec![0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
    little.extend(5000_u64.to_le_bytes());
    let mut big = vec![0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c];
    big.extend(28_u64.to_be_bytes());
    for at in [
        128 << 10,
        (384 << 10) + 4096,
        len - (128 << 10),
        len - (384 << 10),
    ] {
        assert_eq!(names(&with(len, at, &little)), ["zfs pool member"]);
        assert_eq!(names(&with(len, at, &big)), ["zfs pool member"]);
    }
    little[9] = 0xff;
    assert!(names(&with(len, 128 << 10, &little)).is_empty());
}

/// Makes an image with a real program and scans it; says so when the program is missing.
fn made_by(program: &str, arguments: &[&str], megabytes: u64, expected: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(megabytes << 20).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin");
    let status = Command::new(program)
        .env("PATH", folders)
        .args(arguments)
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Err(error) => crate::device::testing::skipped(format_args!("no {program} here ({error})")),
        Ok(status) if !status.success() => {
            crate::device::testing::skipped(format_args!("{program} failed ({status})"))
        }
        Ok(_) => {
            let store = DirectStore::open(file.path(), OpenMode::Read).unwrap();
            let found = scan(&store).unwrap();
            assert!(
                found.iter().any(|s| s.name == expected),
                "{program} {arguments:?}: {found:?}"
            );
            // A real thing is recognised as one thing, not as several.
            let others: Vec<_> = found.iter().filter(|s| s.name != expected).collect();
            assert!(others.is_empty(), "{program}: {others:?}");
        }
    }
}

#[test]
fn what_real_programs_make_is_recognised() {
    assert!(Path::new("/").exists());
    made_by("mke2fs", &["-qF", "-t", "ext2"], 16, "ext2 file system");
    made_by("mke2fs", &["-qF", "-t", "ext3"], 16, "ext3 file system");
    made_by("mke2fs", &["-qF", "-t", "ext4"], 16, "ext4 file system");
    let journal = ["-qF", "-b", "4096", "-O", "journal_dev"];
    made_by("mke2fs", &journal, 16, "ext4 journal device");
    made_by("mkswap", &["-q"], 4, "swap space");
    made_by("mkswap", &["-q", "-p", "16384"], 4, "swap space");
    made_by("mkfs.xfs", &["-qf"], 512, "xfs file system");
    made_by("mkfs.btrfs", &["-qf"], 256, "btrfs file system");
    made_by("mkfs.vfat", &[], 64, "fat file system");
    made_by("mkfs.vfat", &["-F", "32"], 64, "fat file system");
    made_by("mkfs.exfat", &[], 64, "exfat file system");
    made_by("mkntfs", &["-qQF"], 64, "ntfs file system");
    made_by("mkfs.f2fs", &["-q"], 128, "f2fs file system");
}
