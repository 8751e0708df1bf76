//! `examine` on stores that cannot be read everywhere: an error, and nothing that was not read.
//! The same on real devices: tests/vm/scenarios/read-errors.sh.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mdbitmap::commands::Status;
use mdbitmap::commands::examine::result::Device;
use mdbitmap::commands::examine::{ExamineOptions, Examined, examine_store};
use mdbitmap::device::MemoryStore;
use mdbitmap::report::{examine_explain, examine_json, examine_text};
use serde_json::Value;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// The 1.2 member with these bytes unreadable: text, explanation, JSON entry, status.
fn examined(unreadable: Range<u64>) -> (String, String, Value, Status) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/synthetic/member-1.2.img.gz");
    let mut image = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut image)
        .unwrap();
    let options = ExamineOptions {
        judge: true,
        ..ExamineOptions::default()
    };
    let store = MemoryStore::new("image", image).with_unreadable(unreadable);
    let device = examine_store(&store, &options);
    let status = device.status();
    let text = written(|out| examine_text::write_device(out, &device, false));
    let explained = written(|out| examine_explain::write_device(out, &device));
    (text, explained, json(device), status)
}

fn json(device: Device) -> Value {
    let examined = Examined {
        devices: vec![device],
        brief: false,
    };
    let text = written(|out| examine_json::write_examined(out, &examined));
    serde_json::from_str::<Value>(&text).unwrap()["devices"][0].clone()
}

fn written(write: impl Fn(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_readable_member_is_trusted() {
    let (text, explained, json, status) = examined(0..0);
    assert_eq!(status, Status::Done);
    assert!(text.contains(" dirty "), "{text}");
    assert!(
        explained.contains("the kernel would use this bitmap as it is"),
        "{explained}"
    );
    assert_eq!(json["verdict"]["trusted"], true);
}

#[test]
fn without_some_bits_there_is_neither_count_nor_verdict() {
    let (text, explained, json, status) = examined(8192 + 300..8192 + 301);
    assert_eq!(status, Status::Unreadable);
    assert!(text.contains("Sync Size"), "{text}");
    assert!(!text.contains("dirty"), "{text}");
    assert!(!explained.contains("as it is"), "{explained}");
    assert!(!explained.contains("resync"), "{explained}");
    assert!(explained.contains("not known, because"), "{explained}");
    assert_eq!(json["bitmap"], Value::Null);
    assert_eq!(json["verdict"], Value::Null);
    assert_eq!(json["error"]["kind"], "read");
}

/// What is at the start of the device then says nothing: this may be a member.
#[test]
fn an_unreadable_md_superblock_is_the_one_complaint() {
    let (text, explained, json, status) = examined(4096..8192);
    assert_eq!(status, Status::Unreadable);
    assert_eq!((text.as_str(), explained.as_str()), ("", ""));
    assert_eq!(json["found"], Value::Null);
    assert_eq!(json["error"]["kind"], "read");
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains("cannot read bytes 4096"), "{message}");
}
