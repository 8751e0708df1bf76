use super::*;
use crate::device::filesystem;
use crate::device::testing::{LoopDevice, Mount, root};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

/// A folder on the file system that holds the build, which is hardly ever a tmpfs.
fn build_folder() -> tempfile::TempDir {
    let program = std::env::current_exe().unwrap();
    tempfile::tempdir_in(program.parent().unwrap()).unwrap()
}

/// Folders on different file systems: the build folder, and tmpfs where there is one.
fn folders() -> Vec<tempfile::TempDir> {
    let mut folders = vec![build_folder()];
    if Path::new("/dev/shm").is_dir() {
        folders.push(tempfile::tempdir_in("/dev/shm").unwrap());
    } else {
        crate::device::testing::skipped(format_args!("no /dev/shm, nothing was tested on tmpfs"));
    }
    folders
}

/// The store as it is, as on a kernel that does not tell the alignment, and as on a file system
/// without O_DIRECT.
fn variants(path: &Path, mode: OpenMode) -> [DirectStore; 3] {
    let normal = DirectStore::open(path, mode).unwrap();
    let mut safe = DirectStore::open(path, mode).unwrap();
    safe.logical = 4096;
    let cached = DirectStore::open_with(path, mode, OFlags::empty()).unwrap();
    assert!(!cached.is_direct());
    assert!(cached.note().unwrap().contains("no O_DIRECT"));
    [normal, safe, cached]
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn file(folder: &tempfile::TempDir, content: &[u8]) -> PathBuf {
    let path = folder.path().join("store");
    fs::write(&path, content).unwrap();
    path
}

fn read(store: &dyn Store, start: u64, len: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![0xee; len];
    store.read_at(Bytes(start), &mut bytes)?;
    Ok(bytes)
}

#[test]
fn a_file_of_no_whole_block_is_read_to_its_last_byte() {
    for folder in folders() {
        for len in [1, 511, 512, 513, 881, 4096, 4097, 70_001] {
            let content = pattern(len);
            let path = file(&folder, &content);
            for store in variants(&path, OpenMode::Read) {
                assert_eq!(store.len(), Bytes(len as u64));
                assert_eq!(read(&store, 0, len).unwrap(), content);
                assert_eq!(read(&store, len as u64 - 1, 1).unwrap(), content[len - 1..]);
                let error = read(&store, 1, len).unwrap_err().to_string();
                assert!(error.contains("past the end"), "{error}");
                let mut aligned = AlignedBuffer::new(len);
                store.read_at(Bytes(0), &mut aligned).unwrap();
                assert_eq!(aligned[..], content[..]);
                assert!(!store.is_block_device());
                assert_eq!(store.device_number(), None);
            }
        }
    }
}

#[test]
fn reads_bypass_the_page_cache_or_say_so() {
    for folder in folders() {
        let store = DirectStore::open(file(&folder, &[1; 8192]), OpenMode::Read).unwrap();
        assert_eq!(store.is_direct(), store.note().is_none());
        let fs = filesystem::of_path(folder.path()).unwrap();
        if fs.name == Some("ext2/ext3/ext4") {
            assert!(store.is_direct());
        }
    }
}

#[test]
fn a_write_never_extends_a_file_and_is_there_after_the_flush() {
    for folder in folders() {
        let mut content = pattern(9001);
        let path = file(&folder, &content);
        for (number, store) in variants(&path, OpenMode::ReadWrite).iter().enumerate() {
            for (start, len) in [(0, 9001), (9000, 1), (8191, 810), (100, 7), (4000, 200)] {
                let data = vec![(len % 256 + number) as u8; len];
                store.write_at(Bytes(start as u64), &data).unwrap();
                store.flush().unwrap();
                content[start..start + len].copy_from_slice(&data);
                assert_eq!(read(store, 0, 9001).unwrap(), content);
                assert_eq!(fs::read(&path).unwrap(), content);
            }
            assert!(store.write_at(Bytes(9000), &[1, 2]).is_err());
            assert!(store.write_at(Bytes(u64::MAX), &[1]).is_err());
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }
}

#[test]
fn a_store_opened_for_reading_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &[3; 512]);
    let store = DirectStore::open(&path, OpenMode::Read).unwrap();
    let error = store.write_at(Bytes(0), &[1]).unwrap_err().to_string();
    assert!(error.contains("bytes 0..1"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), [3; 512]);
}

#[test]
fn a_file_cut_meanwhile_is_an_error_that_names_the_bytes() {
    for folder in folders() {
        let path = file(&folder, &pattern(16384));
        let stores = variants(&path, OpenMode::Read);
        let cut = fs::OpenOptions::new().write(true).open(&path).unwrap();
        cut.set_len(8192).unwrap();
        for store in stores {
            let error = read(&store, 4096, 8192).unwrap_err().to_string();
            assert!(error.contains("bytes 8192..12288"), "{error}");
        }
    }
}

#[test]
fn files_that_hold_no_data_are_refused_without_hanging() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let cases: [(&Path, &str); 5] = [
        (folder.path(), "is a directory"),
        (&pipe, "is a named pipe"),
        (&socket, "is a socket"),
        (Path::new("/dev/null"), "is a character device"),
        (Path::new("/nowhere/at/all"), "No such file"),
    ];
    for (path, expected) in cases {
        for mode in [OpenMode::Read, OpenMode::ReadWrite, OpenMode::Exclusive] {
            let error = DirectStore::open(path, mode).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.starts_with(path.to_str().unwrap()), "{error}");
        }
    }
}

#[test]
fn empty_files_open_and_hold_nothing() {
    for folder in folders() {
        let store = DirectStore::open(file(&folder, &[]), OpenMode::ReadWrite).unwrap();
        assert!(store.is_empty());
        store.read_at(Bytes(0), &mut []).unwrap();
        store.write_at(Bytes(0), &[]).unwrap();
        assert!(read(&store, 0, 1).is_err());
        assert!(store.write_at(Bytes(0), &[0]).is_err());
    }
}

#[test]
fn exclusive_is_exclusive() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &[0; 512]);
    let first = DirectStore::open(&path, OpenMode::Exclusive).unwrap();
    let error = DirectStore::open(&path, OpenMode::Exclusive).unwrap_err();
    assert!(matches!(error, StoreError::Busy { holder: None, .. }));
    DirectStore::open(&path, OpenMode::Read).unwrap();
    drop(first);
    DirectStore::open(&path, OpenMode::Exclusive).unwrap();
}

#[test]
fn threads_that_write_parts_of_one_block_lose_nothing() {
    for folder in folders() {
        let path = file(&folder, &[0; 8192]);
        for store in &variants(&path, OpenMode::ReadWrite) {
            store.write_at(Bytes(0), &[0; 8192]).unwrap();
            std::thread::scope(|scope| {
                for thread in 0..4_u8 {
                    scope.spawn(move || {
                        for i in 0..64_u64 {
                            let at = i * 128 + u64::from(thread) * 32;
                            store.write_at(Bytes(at), &[thread + 1; 32]).unwrap();
                        }
                    });
                }
            });
            let expected: Vec<u8> = (0..8192).map(|i| (i / 32 % 4 + 1) as u8).collect();
            assert_eq!(read(store, 0, 8192).unwrap(), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any sequence of reads and writes does what it does to a vector.
    #[test]
    fn behaves_like_memory(
        len in 1_usize..40_000,
        variant in 0_usize..3,
        steps in prop::collection::vec((any::<bool>(), any::<u64>(), 0_usize..20_000, 0_usize..3), 1..24),
    ) {
        let folder = build_folder();
        let mut model = pattern(len);
        let path = file(&folder, &model);
        let store = &variants(&path, OpenMode::ReadWrite)[variant];
        for (is_write, at, size, grain) in steps {
            let grain = [1, 512, 4096][grain];
            let at = at as usize % len / grain * grain;
            let size = (size / grain * grain).min(len - at);
            let mut buffer = AlignedBuffer::new(size);
            if is_write {
                buffer.fill((at % 255) as u8);
                store.write_at(Bytes(at as u64), &buffer).unwrap();
                model[at..at + size].copy_from_slice(&buffer);
            } else {
                store.read_at(Bytes(at as u64), &mut buffer).unwrap();
                prop_assert_eq!(&buffer[..], &model[at..at + size]);
            }
        }
        store.flush().unwrap();
        prop_assert_eq!(read(store, 0, len).unwrap(), model.clone());
        prop_assert_eq!(fs::read(folder.path().join("store")).unwrap(), model);
    }
}

/// Block devices of both sector sizes, with whole and partial sectors, against their files.
#[test]
fn loop_devices_of_both_sector_sizes_read_and_write_any_range() {
    for sector in [512, 4096] {
        let folder = build_folder();
        let mut content = pattern(64 << 10);
        let path = file(&folder, &content);
        let Some(device) = LoopDevice::new(&path, sector) else {
            return;
        };
        let store = DirectStore::open(device.path(), OpenMode::Exclusive).unwrap();
        assert!(store.is_block_device() && store.is_direct());
        assert_eq!(store.device_number().unwrap().0, 7);
        assert_eq!(store.logical_block_bytes(), sector);
        assert!(store.physical_block_bytes() >= sector);
        assert_eq!(store.len(), Bytes(64 << 10));
        for (start, len) in [
            (0, 1),
            (511, 2),
            (4095, 4098),
            (65_535, 1),
            (1, 65_535),
            (8192, 4096),
        ] {
            let data = vec![(start % 256) as u8 ^ 0x5a; len];
            store.write_at(Bytes(start as u64), &data).unwrap();
            content[start..start + len].copy_from_slice(&data);
            assert_eq!(read(&store, 0, content.len()).unwrap(), content);
            assert_eq!(read(&store, start as u64, len).unwrap(), data);
        }
        let mut aligned = AlignedBuffer::new(4096);
        store.read_at(Bytes(8192), &mut aligned).unwrap();
        assert_eq!(aligned[..], content[8192..12288]);
        store.flush().unwrap();
        drop(store);
        drop(device);
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

/// reference/kernel.md trap 17: what the page cache of a device holds may be old.
#[test]
fn loop_device_contents_are_never_taken_from_the_page_cache() {
    use std::os::unix::fs::FileExt;
    let folder = build_folder();
    let path = file(&folder, &[1; 65536]);
    let Some(device) = LoopDevice::new(&path, 512) else {
        return;
    };
    // The cache lives as long as somebody has the device open.
    let cached = fs::File::open(device.path()).unwrap();
    let mut bytes = [0; 4096];
    cached.read_exact_at(&mut bytes, 0).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[2; 65536], 0).unwrap();
    cached.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1; 4096], "the cache should be stale here");
    let store = DirectStore::open(device.path(), OpenMode::Read).unwrap();
    assert_eq!(read(&store, 0, 4096).unwrap(), [2; 4096]);
}

#[test]
fn loop_device_in_use_is_refused_and_an_empty_one_is_empty() {
    let folder = build_folder();
    let path = file(&folder, &pattern(8192));
    let Some(device) = LoopDevice::new(&path, 512) else {
        return;
    };
    let held = DirectStore::open(device.path(), OpenMode::Exclusive).unwrap();
    let error = DirectStore::open(device.path(), OpenMode::Exclusive).unwrap_err();
    assert!(matches!(error, StoreError::Busy { holder: None, .. }));
    assert!(error.to_string().ends_with("is in use"), "{error}");
    DirectStore::open(device.path(), OpenMode::Read).unwrap();
    drop(held);
    DirectStore::open(device.path(), OpenMode::Exclusive).unwrap();
    drop(device);
    let empty = file(&folder, &[]);
    if let Some(device) = LoopDevice::new(&empty, 512) {
        let store = DirectStore::open(device.path(), OpenMode::Read).unwrap();
        assert!(store.is_empty());
        assert!(read(&store, 0, 1).is_err());
    }
}

#[test]
fn loop_device_of_no_whole_sector_is_read_as_far_as_the_kernel_goes() {
    let folder = build_folder();
    let content = pattern(10_000);
    let path = file(&folder, &content);
    for sector in [512, 4096] {
        let Some(device) = LoopDevice::new(&path, sector) else {
            return;
        };
        let store = DirectStore::open(device.path(), OpenMode::Read).unwrap();
        let len = store.len().0 as usize;
        assert!((8192..=10_000).contains(&len), "{len}");
        let whole = len - len % sector as usize;
        assert_eq!(read(&store, 0, whole).unwrap(), content[..whole]);
        match read(&store, 0, len) {
            Ok(bytes) => assert_eq!(bytes, content[..len]),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(&format!("..{len}")), "{text}");
            }
        }
    }
}

/// ramfs has no O_DIRECT, on any kernel.
#[test]
fn root_ramfs_is_read_through_the_dropped_cache_and_says_so() {
    if !root() {
        return;
    }
    let folder = build_folder();
    let Some(mount) = Mount::new(&["-t", "ramfs", "ramfs"], folder.path()) else {
        return;
    };
    let path = mount.path().join("store");
    let content = pattern(5000);
    fs::write(&path, &content).unwrap();
    let store = DirectStore::open(&path, OpenMode::ReadWrite).unwrap();
    assert!(!store.is_direct());
    assert!(store.note().unwrap().contains("(ramfs)"));
    assert_eq!(read(&store, 0, 5000).unwrap(), content);
    store.write_at(Bytes(4990), &[0; 10]).unwrap();
    store.flush().unwrap();
    assert_eq!(read(&store, 4990, 10).unwrap(), [0; 10]);
    assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
}
