use super::write_device;
use crate::array::MetadataVersion;
use crate::commands::examine::result::{Contents, Device, Found, Kind, Slot, UuidText};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::lockless::StateCounts;
use crate::units::Bytes;
use std::os::unix::ffi::OsStringExt;

/// The superblock of mdadm 4.2's example in reference/mdadm.md 4.2.
fn example() -> RawBitmapSuper {
    RawBitmapSuper {
        magic: BITMAP_MAGIC,
        version: 4,
        uuid: [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
            0x32, 0x10,
        ],
        events: 0,
        events_cleared: 0,
        sync_size_sectors: 37888,
        state: 0,
        chunksize: 4096,
        daemon_sleep_seconds: 1,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: [0; 64],
        pad: [0; 120],
    }
}

fn slot(number: u32, superblock: Option<RawBitmapSuper>, contents: Option<Contents>) -> Slot {
    Slot {
        number,
        start: Bytes(0),
        superblock,
        contents,
        map: None,
        verdict: None,
        broken_rules: Vec::new(),
        compared_with: None,
        problems: Vec::new(),
    }
}

fn device(slots: Vec<Slot>) -> Device {
    let mut device = Device::new("/dev/loop1".into());
    device.found = Some(Found {
        kind: Kind::Internal,
        metadata: Some(MetadataVersion::V1_2),
        announced: true,
        start: Bytes(8192),
        uuid_text: UuidText::Bytes,
    });
    device.slots = slots;
    device
}

fn counted(chunks: u64, dirty_chunks: u64) -> Option<Contents> {
    Some(Contents {
        chunks,
        dirty_chunks,
        ..Contents::default()
    })
}

fn text(device: &Device, brief: bool) -> String {
    let mut out = Vec::new();
    write_device(&mut out, device, brief).unwrap();
    String::from_utf8(out).unwrap()
}

const EXAMPLE: &str = "        Filename : /dev/loop1
           Magic : 6d746962
         Version : 4
            UUID : 01234567:89abcdef:fedcba98:76543210
          Events : 0
  Events Cleared : 0
           State : OK
       Chunksize : 4 KB
          Daemon : 1s flush period
      Write Mode : Normal
       Sync Size : 18944 (18.50 MiB 19.40 MB)
          Bitmap : 4736 bits (chunks), 4736 dirty (100.0%)
";

#[test]
fn the_example_of_mdadm() {
    let device = device(vec![slot(0, Some(example()), counted(4736, 4736))]);
    assert_eq!(text(&device, false), EXAMPLE);
    let without_last = EXAMPLE.trim_end().rsplit_once('\n').unwrap().0;
    assert_eq!(text(&device, true), format!("{without_last}\n"));
}

/// Run through mdadm 4.2: numbers that are unsigned on disk are printed signed.
#[test]
fn signed_numbers_and_spelled_out_states() {
    let mut raw = example();
    raw.version = 3;
    raw.daemon_sleep_seconds = u32::MAX;
    raw.write_behind = 0xffff_fffe;
    raw.chunksize = 0;
    raw.state = 2;
    let shown = text(
        &device(vec![slot(0, Some(raw.clone()), counted(0, 0))]),
        false,
    );
    assert!(shown.contains("         Version : 3\n"), "{shown}");
    assert!(
        shown.contains("           State : Out of date\n"),
        "{shown}"
    );
    assert!(
        shown.contains("       Chunksize : 0 B\n          Daemon : -1s flush period\n"),
        "{shown}"
    );
    assert!(
        shown.contains("      Write Mode : Allow write behind, max -2\n"),
        "{shown}"
    );
    assert!(
        shown.ends_with("          Bitmap : 0 bits (chunks), 0 dirty (0.0%)\n"),
        "{shown}"
    );
    raw.state = 0x2006;
    let shown = text(&device(vec![slot(0, Some(raw), None)]), false);
    assert!(
        shown.contains("           State : stale, write error, bit 13\n"),
        "{shown}"
    );
}

#[test]
fn an_unknown_version_ends_the_text() {
    let mut raw = example();
    raw.version = 0xffff_fff0;
    raw.magic = 5;
    let shown = text(&device(vec![slot(0, Some(raw), None)]), false);
    assert_eq!(
        shown,
        "        Filename : /dev/loop1\n           Magic : 00000005\n         Version : -16\n"
    );
}

/// The same bytes as mdadm 4.2, trailing blanks included; an unreadable slot is a line on stdout.
#[test]
fn clustered_listing() {
    let mut raw = example();
    raw.version = 5;
    raw.nodes = 2;
    raw.cluster_name[..9].copy_from_slice(b"mycluster");
    let second = RawBitmapSuper {
        events: 77,
        ..raw.clone()
    };
    let device = device(vec![
        slot(0, Some(raw), counted(4736, 0)),
        slot(1, Some(second), counted(4736, 8)),
        slot(2, None, None),
    ]);
    let blanks = " ".repeat(55);
    assert_eq!(
        text(&device, false),
        format!(
            "        Filename : /dev/loop1
           Magic : 6d746962
         Version : 5
            UUID : 01234567:89abcdef:fedcba98:76543210
       Chunksize : 4 KB
          Daemon : 1s flush period
      Write Mode : Normal
       Sync Size : 18944 (18.50 MiB 19.40 MB)
   Cluster nodes : 2
    Cluster name : mycluster{blanks}
       Node Slot : 0
          Events : 0
  Events Cleared : 0
           State : OK
          Bitmap : 4736 bits (chunks), 0 dirty (0.0%)
       Node Slot : 1
          Events : 77
  Events Cleared : 0
           State : OK
          Bitmap : 4736 bits (chunks), 8 dirty (0.2%)
   Unable to read bitmap on node: 2
"
        )
    );
    assert_eq!(text(&device, true).matches("Bitmap :").count(), 0);
}

#[test]
fn version_6_shows_its_states() {
    let mut raw = example();
    raw.version = 6;
    raw.chunksize = 128;
    let states = StateCounts {
        unwritten: 496,
        dirty: 512,
        ..StateCounts::default()
    };
    let contents = Contents {
        chunks: 1008,
        dirty_chunks: 512,
        states: Some(states),
        ..Contents::default()
    };
    let shown = text(
        &device(vec![slot(0, Some(raw.clone()), Some(contents))]),
        false,
    );
    assert!(shown.contains("       Chunksize : 64 KB\n"), "{shown}");
    assert!(
        shown.ends_with(
            "          Bitmap : 1008 bits (chunks), 512 dirty (50.8%)
          States : 496 unwritten, 0 clean, 512 dirty, 0 need sync, 0 syncing, 0 need sync unwritten, 0 syncing unwritten, 0 clean unwritten, 0 unknown\n"
        ),
        "{shown}"
    );
    raw.state = 0x18;
    let shown = text(&device(vec![slot(0, Some(raw), None)]), false);
    assert!(
        shown.contains(
            "           State : first use, clean\n       Chunksize : chosen by the kernel\n"
        ),
        "{shown}"
    );
    assert!(
        shown.ends_with("          Bitmap : made by the kernel at the first start of the array\n"),
        "{shown}"
    );
}

/// A path is bytes; none of them is lost.
#[test]
fn paths_are_raw_bytes() {
    let mut device = device(vec![slot(0, Some(example()), None)]);
    device.path = std::ffi::OsString::from_vec(b"a\xff\nb".to_vec());
    let mut out = Vec::new();
    write_device(&mut out, &device, false).unwrap();
    assert!(out.starts_with(b"        Filename : a\xff\nb\n           Magic"));
}

#[test]
fn nothing_without_a_superblock() {
    assert_eq!(text(&device(vec![]), false), "");
}
