//! `mdbitmap examine` from outside: output, exit statuses, hostile input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mdbitmap::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// 2032 chunks of 64 KiB.
fn sound() -> RawBitmapSuper {
    RawBitmapSuper {
        magic: BITMAP_MAGIC,
        version: 4,
        uuid: *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10",
        events: 12,
        events_cleared: 11,
        sync_size_sectors: 260_096,
        state: 0,
        chunksize: 65536,
        daemon_sleep_seconds: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: [0; 64],
        pad: [0; 120],
    }
}

/// A bitmap file: superblock and bits.
fn file(raw: &RawBitmapSuper, bits: &[u8]) -> Vec<u8> {
    [&raw.to_bytes()[..], bits].concat()
}

/// 254 bytes of bits, of which the first three chunks and the last one are dirty.
fn bits() -> Vec<u8> {
    let mut bits = vec![0; 254];
    bits[0] = 0b111;
    bits[253] = 0x80;
    bits
}

fn folder() -> TempDir {
    // On /tmp a tmpfs without O_DIRECT would do as well; the text on stdout is the same.
    tempfile::tempdir().unwrap()
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn mdbitmap(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Standard error without the note that the temporary folder's file system has no O_DIRECT.
fn without_cache_notes(stderr: Vec<u8>) -> String {
    let text = String::from_utf8(stderr).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.contains("offers no O_DIRECT"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Exit status, stdout, stderr.
fn run(folder: &TempDir, args: &[&str]) -> (i32, String, String) {
    let output = mdbitmap(folder.path(), args);
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        without_cache_notes(output.stderr),
    )
}

const SOUND: &str = "        Filename : a.bm
           Magic : 6d746962
         Version : 4
            UUID : 01234567:89abcdef:fedcba98:76543210
          Events : 12
  Events Cleared : 11
           State : OK
       Chunksize : 64 KB
          Daemon : 5s flush period
      Write Mode : Normal
       Sync Size : 130048 (127.00 MiB 133.17 MB)
          Bitmap : 2032 bits (chunks), 4 dirty (0.2%)
";

#[test]
fn a_sound_file() {
    let folder = folder();
    put(&folder, "a.bm", &file(&sound(), &bits()));
    let (status, out, _) = run(&folder, &["examine", "a.bm"]);
    assert_eq!((status, out.as_str()), (0, SOUND));
    let brief = SOUND
        .lines()
        .take(11)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    for args in [
        &["examine", "-b", "a.bm"][..],
        &["-X", "a.bm", "-b"],
        &["-Xb", "a.bm"],
        &["-bX", "a.bm"],
    ] {
        let (status, out, _) = run(&folder, args);
        assert_eq!((status, out.as_str()), (0, brief.as_str()), "{args:?}");
    }
    let (status, out, _) = run(&folder, &["-X", "a.bm", "a.bm"]);
    assert_eq!((status, out), (0, SOUND.repeat(2)));
}

#[test]
fn json_of_several_devices_is_one_object() {
    let folder = folder();
    put(&folder, "a.bm", &file(&sound(), &bits()));
    let (status, out, err) = run(&folder, &["examine", "--json", "a.bm", "absent", "a.bm"]);
    assert_eq!(status, 1);
    assert!(err.contains("absent"), "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["schema"], 1);
    let devices = json["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 3);
    assert_eq!(devices[0], devices[2]);
    assert_eq!(devices[0]["found"]["kind"], "file");
    assert_eq!(devices[0]["bitmap"]["dirty_chunks"], 4);
    assert_eq!(devices[0]["bitmap"]["dirty_bytes"], 4 * 65536);
    assert_eq!(devices[1]["error"]["kind"], "open");
    assert!(devices[1]["superblock"].is_null());
}

/// Wrong magic: the same stdout as mdadm, but status 1.
#[test]
fn what_is_here_instead_is_named() {
    let folder = folder();
    let mut disk = vec![0; 1 << 20];
    disk[512..520].copy_from_slice(b"EFI PART");
    put(&folder, "disk", &disk);
    let (status, _, stderr) = run(&folder, &["examine", "disk"]);
    assert_eq!(status, 1);
    assert!(
        stderr.contains(
            "(found instead: GPT partition table): examine the partition that is a member"
        ),
        "{stderr}"
    );
    let mut xfs = vec![0; 1 << 20];
    xfs[..4].copy_from_slice(b"XFSB");
    put(&folder, "xfs", &xfs);
    let (status, _, stderr) = run(&folder, &["examine", "xfs"]);
    assert_eq!(status, 1);
    assert!(
        stderr.contains("(found instead: xfs file system): examine a member of the array instead"),
        "{stderr}"
    );
}

#[test]
fn wrong_magic() {
    let folder = folder();
    let raw = RawBitmapSuper {
        magic: 0x12345,
        ..sound()
    };
    put(&folder, "a.bm", &file(&raw, &bits()));
    let (status, out, err) = run(&folder, &["-X", "a.bm"]);
    assert_eq!((status, out), (1, SOUND.replace("6d746962", "00012345")));
    assert!(
        err.contains("expected 6d746962") && err.contains("found 00012345"),
        "{err}"
    );
}

#[test]
fn unknown_versions_end_the_text() {
    let folder = folder();
    for (version, shown) in [(7, "7"), (2, "2"), (u32::MAX, "-1")] {
        put(
            &folder,
            "a.bm",
            &file(&RawBitmapSuper { version, ..sound() }, &bits()),
        );
        let (status, out, err) = run(&folder, &["examine", "a.bm"]);
        let expected = format!(
            "        Filename : a.bm\n           Magic : 6d746962\n         Version : {shown}\n"
        );
        assert_eq!((status, out), (1, expected));
        assert!(err.contains("version"), "{err}");
    }
}

/// What is missing is dirty, and the total stays.
#[test]
fn a_truncated_bitmap() {
    let folder = folder();
    put(&folder, "a.bm", &file(&sound(), &bits()[..100]));
    let (status, out, err) = run(&folder, &["examine", "a.bm"]);
    assert_eq!(status, 1);
    assert!(
        out.ends_with("          Bitmap : 2032 bits (chunks), 1235 dirty (60.8%)\n"),
        "{out}"
    );
    assert!(err.contains("1232 chunks are missing"), "{err}");
}

#[test]
fn a_truncated_superblock() {
    let folder = folder();
    for len in [0, 1, 255] {
        put(&folder, "a.bm", &file(&sound(), &[])[..len]);
        let (status, out, err) = run(&folder, &["examine", "a.bm"]);
        assert_eq!((status, out.as_str()), (1, ""));
        assert!(err.contains("256 bytes"), "{err}");
    }
}

/// Version 6: the chunk size is sectors, one byte a chunk from byte 1024 on.
#[test]
fn lockless() {
    let folder = folder();
    let raw = RawBitmapSuper {
        version: 6,
        chunksize: 128,
        sync_size_sectors: 1280,
        ..sound()
    };
    let mut bytes = file(&raw, &[0xff; 768]);
    bytes.extend([0, 1, 2, 3, 4, 5, 6, 7, 8, 255]);
    put(&folder, "a.bm", &bytes);
    let (status, out, _) = run(&folder, &["examine", "a.bm"]);
    assert_eq!(status, 0);
    assert!(
        out.ends_with(
            "       Chunksize : 64 KB
          Daemon : 5s flush period
      Write Mode : Normal
       Sync Size : 640
          Bitmap : 10 bits (chunks), 5 dirty (50.0%)
          States : 1 unwritten, 1 clean, 1 dirty, 1 need sync, 1 syncing, 1 need sync unwritten, 1 syncing unwritten, 1 clean unwritten, 2 unknown\n"
        ),
        "{out}"
    );
    let (_, out, _) = run(&folder, &["examine", "--json", "a.bm"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["devices"][0]["superblock"]["chunk_bytes"], 65536);
    assert_eq!(json["devices"][0]["bitmap"]["states"]["unknown"], 2);
    assert_eq!(json["devices"][0]["bitmap"]["dirty_bytes"], 5 * 65536);
}

#[test]
fn lockless_before_the_kernel_has_seen_it() {
    let folder = folder();
    let raw = RawBitmapSuper {
        version: 6,
        state: 0x18,
        chunksize: 0x400_0000,
        ..sound()
    };
    put(&folder, "a.bm", &file(&raw, &[0xff; 768]));
    let (status, out, err) = run(&folder, &["examine", "a.bm"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(
        out.contains(
            "           State : first use, clean\n       Chunksize : chosen by the kernel\n"
        ),
        "{out}"
    );
    let (_, out, _) = run(&folder, &["examine", "--json", "a.bm"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(json["devices"][0]["superblock"]["chunk_bytes"].is_null());
    assert!(json["devices"][0]["bitmap"].is_null());
}

/// Two slots, each at its own place.
#[test]
fn slots_of_a_clustered_file() {
    let folder = folder();
    let mut raw = RawBitmapSuper {
        version: 5,
        nodes: 2,
        ..sound()
    };
    raw.cluster_name[..9].copy_from_slice(b"mycluster");
    let mut bytes = file(&raw, &bits());
    bytes.resize(4096, 0);
    bytes.extend(file(
        &RawBitmapSuper {
            events: 77,
            ..raw.clone()
        },
        &[0xff; 254],
    ));
    put(&folder, "a.bm", &bytes);
    let (status, out, _) = run(&folder, &["examine", "a.bm"]);
    assert_eq!(status, 0);
    let slots: Vec<&str> = out.lines().skip(10).collect();
    assert_eq!(
        slots,
        [
            "       Node Slot : 0",
            "          Events : 12",
            "  Events Cleared : 11",
            "           State : OK",
            "          Bitmap : 2032 bits (chunks), 4 dirty (0.2%)",
            "       Node Slot : 1",
            "          Events : 77",
            "  Events Cleared : 11",
            "           State : OK",
            "          Bitmap : 2032 bits (chunks), 2032 dirty (100.0%)",
        ]
    );
    let (status, out, _) = run(&folder, &["examine", "--slot", "1", "--json", "a.bm"]);
    assert_eq!(status, 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["devices"].as_array().unwrap().len(), 1);
    assert_eq!(json["devices"][0]["found"]["slot"], 1);
    assert_eq!(json["devices"][0]["found"]["offset_bytes"], 4096);
    assert_eq!(json["devices"][0]["superblock"]["events"], 77);
    let (status, out, err) = run(&folder, &["examine", "--slot", "2", "a.bm"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("slots 0 to 1"), "{err}");
}

/// Bit order of a host with big-endian words of 64 bits: chunk 0 is in byte 7.
#[test]
fn host_endian() {
    let folder = folder();
    let raw = RawBitmapSuper {
        version: 3,
        sync_size_sectors: 128 * 4,
        ..sound()
    };
    put(
        &folder,
        "a.bm",
        &file(&raw, &[0xf0, 0, 0, 0, 0, 0, 0, 0x03]),
    );
    let bitmap_line = |args: &[&str]| run(&folder, args).1.lines().last().unwrap().to_owned();
    assert_eq!(
        bitmap_line(&["examine", "a.bm"]),
        "          Bitmap : 4 bits (chunks), 0 dirty (0.0%)"
    );
    assert_eq!(
        bitmap_line(&["examine", "--host-endian=be64", "a.bm"]),
        "          Bitmap : 4 bits (chunks), 2 dirty (50.0%)"
    );
}

#[test]
fn what_is_no_storage_is_refused_at_once() {
    let folder = folder();
    let fifo = folder.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    fs::create_dir(folder.path().join("dir")).unwrap();
    for path in ["fifo", "dir", "/dev/null", "/dev/zero", "absent", ""] {
        let (status, out, err) = run(&folder, &["examine", path]);
        assert_eq!((status, out.as_str()), (1, ""), "{path}: {err}");
        assert!(err.starts_with("mdbitmap: "), "{path}: {err}");
    }
}

/// 2^60 bytes of array and a file of a few bytes: told at once, in 64 bits.
#[test]
fn absurd_sizes_neither_hang_nor_wrap() {
    let folder = folder();
    for (chunksize, sync_size_sectors, chunks) in [
        (512, 1 << 51, "2251799813685248"),
        (1, u64::MAX, "18446744073709551615"),
        (u32::MAX, 1 << 51, "268435457"),
    ] {
        put(
            &folder,
            "a.bm",
            &file(
                &RawBitmapSuper {
                    chunksize,
                    sync_size_sectors,
                    ..sound()
                },
                &[0; 8],
            ),
        );
        let (status, out, _) = run(&folder, &["examine", "a.bm"]);
        assert_eq!(status, 1);
        assert!(
            out.contains(&format!("Bitmap : {chunks} bits (chunks), ")),
            "{out}"
        );
    }
    let raw = RawBitmapSuper {
        version: 5,
        nodes: i32::MAX as u32,
        ..sound()
    };
    put(&folder, "a.bm", &file(&raw, &bits()));
    let (status, out, err) = run(&folder, &["examine", "a.bm"]);
    assert_eq!(status, 1);
    assert!(out.len() < 100_000, "{}", out.len());
    assert!(err.contains("nodes"), "{err}");
}

#[test]
fn usage_errors_are_status_2() {
    let folder = folder();
    put(&folder, "a.bm", &file(&sound(), &bits()));
    for args in [
        &[][..],
        &["examine"],
        &["nonsense", "a.bm"],
        &["examine", "--nonsense", "a.bm"],
        &["examine", "-e", "2.0", "a.bm"],
        &["examine", "--slot", "-1", "a.bm"],
        &["examine", "--host-endian=le", "a.bm"],
        &["-X"],
        &["a.bm", "-X"],
        &["-X", "-E", "a.bm"],
        &["-X", "-e", "foo", "a.bm"],
    ] {
        let (status, out, err) = run(&folder, args);
        assert_eq!((status, out.as_str()), (2, ""), "{args:?}");
        assert!(!err.is_empty(), "{args:?}");
    }
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["examine", "--help"],
    ] {
        let (status, out, err) = run(&folder, args);
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
        assert!(!out.is_empty(), "{args:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let folder = folder();
    put(&folder, "a.bm", &file(&sound(), &bits()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let start = |stdout: Stdio, args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
            .current_dir(folder.path())
            .args(args)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .output()
            .unwrap()
    };
    for args in [
        &["examine", "a.bm"][..],
        &["examine", "--json", "a.bm"],
        &["--help"],
    ] {
        let closed = start(writer.try_clone().unwrap().into(), args);
        assert_eq!(
            (closed.status.code(), without_cache_notes(closed.stderr)),
            (Some(0), String::new()),
            "{args:?}"
        );
        let full = start(File::create("/dev/full").unwrap().into(), args);
        assert_eq!(full.status.code(), Some(1), "{args:?}");
        assert!(
            String::from_utf8_lossy(&full.stderr).contains("standard output"),
            "{args:?}"
        );
    }
}

/// Bytes of a path that are no text are shown as they are, and replaced in JSON.
#[test]
fn paths_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let name = std::ffi::OsStr::from_bytes(b"a\xff.bm");
    fs::write(folder.path().join(name), file(&sound(), &bits())).unwrap();
    let start = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
            .current_dir(folder.path())
            .args(args)
            .arg(name)
            .output()
            .unwrap()
    };
    assert!(
        start(&["examine"])
            .stdout
            .starts_with(b"        Filename : a\xff.bm\n")
    );
    let json = String::from_utf8(start(&["examine", "--json"]).stdout).unwrap();
    assert!(json.contains("\"path\":\"a\u{fffd}.bm\""), "{json}");
}

/// More devices than a process may have open files.
#[test]
fn any_number_of_devices() {
    let folder = folder();
    put(&folder, "a.bm", &file(&sound(), &bits()));
    let script = format!(
        "ulimit -n 128; exec {} examine -b $(yes a.bm | head -n 1000)",
        env!("CARGO_BIN_EXE_mdbitmap")
    );
    let output = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8(output.stdout)
            .unwrap()
            .matches("Filename")
            .count(),
        1000
    );
}

/// A file that has nothing to do with md: one complaint or two, not one for each of the slots that it seems to have.
#[test]
fn garbage_is_told_in_a_few_lines() {
    let folder = folder();
    let garbage: Vec<u8> = (0..200_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    put(&folder, "a", &garbage);
    let (status, out, err) = run(&folder, &["examine", "a"]);
    assert_eq!(
        (status, out.lines().count(), err.lines().count()),
        (1, 3, 1),
        "{out}{err}"
    );
    // Slots that are not there, of a superblock that claims a thousand.
    put(
        &folder,
        "b",
        &file(
            &RawBitmapSuper {
                version: 5,
                nodes: 1000,
                ..sound()
            },
            &bits(),
        ),
    );
    let (status, out, err) = run(&folder, &["examine", "b"]);
    assert_eq!((status, err.lines().count()), (1, 17), "{err}");
    assert_eq!(out.matches("Unable to read bitmap on node").count(), 999);
}
