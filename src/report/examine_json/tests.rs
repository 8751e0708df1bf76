use super::write_examined;
use crate::array::MetadataVersion;
use crate::array::verdict::Verdict;
use crate::commands::examine::result::{
    ArrayFacts, Contents, Device, Examined, Found, Kind, Problem, ProblemKind, Slot, UuidText,
};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::lockless::StateCounts;
use crate::units::{Bytes, Events};
use std::os::unix::ffi::OsStringExt;

fn raw() -> RawBitmapSuper {
    RawBitmapSuper {
        magic: BITMAP_MAGIC,
        version: 4,
        uuid: [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
            0x32, 0x10,
        ],
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

fn device(raw: RawBitmapSuper) -> Device {
    Device {
        found: Some(Found {
            kind: Kind::Internal,
            metadata: Some(MetadataVersion::V1_2),
            announced: true,
            start: Bytes(8192),
            uuid_text: UuidText::Bytes,
        }),
        slots: vec![Slot {
            number: 0,
            start: Bytes(8192),
            superblock: Some(raw),
            contents: Some(Contents {
                chunks: 2032,
                dirty_chunks: 10,
                dirty_bytes: 655_360,
                ..Contents::default()
            }),
            map: None,
            verdict: Some(Verdict {
                trusted: true,
                starts: true,
                reasons: vec![],
                notes: vec![],
                resync_bytes: Some(655_360),
                resync_why: String::new(),
                outcomes: None,
            }),
            broken_rules: vec![],
            compared_with: None,
            problems: vec![],
        }],
        array: Some(ArrayFacts {
            level: "raid1".into(),
            members: 2,
            events: Events(12),
            clean: false,
        }),
        ..Device::new("/dev/sda1".into())
    }
}

fn json(devices: Vec<Device>) -> String {
    let mut out = Vec::new();
    write_examined(
        &mut out,
        &Examined {
            devices,
            brief: false,
        },
    )
    .unwrap();
    String::from_utf8(out).unwrap()
}

/// design.md section 4, the example: keys, their order, values.
#[test]
fn the_example_of_the_design() {
    assert_eq!(
        json(vec![device(raw())]),
        concat!(
            r#"{"schema":1,"devices":[{"path":"/dev/sda1","#,
            r#""found":{"kind":"internal","metadata":"1.2","offset_bytes":8192,"slot":0},"#,
            r#""superblock":{"version":4,"uuid":"01234567:89abcdef:fedcba98:76543210","events":12,"events_cleared":11,"#,
            r#""state":[],"state_raw":0,"sync_size_sectors":260096,"chunk_bytes":65536,"daemon_sleep_seconds":5,"#,
            r#""write_behind":0,"sectors_reserved":0,"nodes":0,"cluster_name":""},"#,
            r#""bitmap":{"chunks":2032,"dirty_chunks":10,"dirty_bytes":655360,"states":null},"#,
            r#""array":{"level":"raid1","members":2,"events":12,"clean":false},"#,
            r#""verdict":{"trusted":true,"reasons":[],"resync_bytes":655360}}]}"#,
            "\n"
        )
    );
}

#[test]
fn version_6() {
    let mut first_use = raw();
    first_use.version = 6;
    first_use.state = 0x8;
    first_use.chunksize = 0x400_0000;
    let mut fresh = device(first_use);
    fresh.slots[0].contents = None;
    let shown = json(vec![fresh]);
    assert!(
        shown.contains(r#""state":["first_use"],"state_raw":8"#),
        "{shown}"
    );
    assert!(shown.contains(r#""chunk_bytes":null"#), "{shown}");
    assert!(shown.contains(r#""bitmap":null"#), "{shown}");

    let mut used = raw();
    used.version = 6;
    used.chunksize = 128;
    let mut used = device(used);
    used.slots[0].contents.as_mut().unwrap().states = Some(StateCounts {
        need_sync: 3,
        ..StateCounts::default()
    });
    let shown = json(vec![used]);
    assert!(shown.contains(r#""chunk_bytes":65536"#), "{shown}");
    assert!(
        shown.contains(concat!(
            r#""states":{"unwritten":0,"clean":0,"dirty":0,"need_sync":3,"syncing":0,"need_sync_unwritten":0,"#,
            r#""syncing_unwritten":0,"clean_unwritten":0,"unknown":0}}"#
        )),
        "{shown}"
    );
}

#[test]
fn a_failed_device_has_an_error() {
    let mut failed = Device::new(std::ffi::OsString::from_vec(b"\xff.img".to_vec()));
    failed
        .problems
        .push(Problem::new(ProblemKind::Open, "cannot open"));
    assert_eq!(
        json(vec![failed]),
        concat!(
            "{\"schema\":1,\"devices\":[{\"path\":\"\u{fffd}.img\",",
            r#""found":null,"superblock":null,"bitmap":null,"array":null,"verdict":null,"#,
            r#""error":{"kind":"open","message":"cannot open"}}]}"#,
            "\n"
        )
    );
}

/// Garbage is not passed off as a superblock.
#[test]
fn wrong_magic_shows_no_fields() {
    let mut odd = raw();
    odd.magic = 7;
    let mut device = device(odd);
    device.slots[0]
        .problems
        .push(Problem::new(ProblemKind::BadMagic, "magic"));
    let shown = json(vec![device]);
    assert!(
        shown.contains(r#""superblock":null,"bitmap":null"#),
        "{shown}"
    );
    assert!(
        shown.contains(r#""error":{"kind":"bad_magic","message":"magic"}"#),
        "{shown}"
    );
}

#[test]
fn one_entry_a_slot_and_wide_numbers() {
    let mut clustered = device(raw());
    let mut second = Slot {
        number: 1,
        start: Bytes(12288),
        superblock: None,
        contents: None,
        map: None,
        verdict: None,
        broken_rules: vec![],
        compared_with: None,
        problems: vec![],
    };
    second.problems.push(Problem::new(ProblemKind::Read, "EIO"));
    clustered.slots[0].contents.as_mut().unwrap().dirty_bytes = 1 << 73;
    clustered.slots.push(second);
    let value: serde_json::Value = serde_json::from_str(&json(vec![clustered])).unwrap();
    let devices = value["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    assert_eq!(
        devices[0]["bitmap"]["dirty_bytes"].as_f64(),
        Some((1u128 << 73) as f64)
    );
    assert_eq!(devices[1]["found"]["slot"], 1);
    assert_eq!(devices[1]["found"]["offset_bytes"], 12288);
    assert_eq!(devices[1]["error"]["kind"], "read");
    assert!(devices[0].get("error").is_none());
}
