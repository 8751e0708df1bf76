use super::result::ProblemKind;
use super::{ExamineOptions, examine_store};
use crate::commands::Status;
use crate::device::MemoryStore;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};

/// 1024 KiB of clear bits behind a superblock.
fn bitmap(bad: u64) -> MemoryStore {
    let raw = RawBitmapSuper {
        magic: BITMAP_MAGIC,
        version: 4,
        uuid: [7; 16],
        events: 5,
        events_cleared: 5,
        sync_size_sectors: 8 << 20,
        state: 0,
        chunksize: 512,
        daemon_sleep_seconds: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: [0; 64],
        pad: [0; 120],
    };
    let mut bytes = raw.to_bytes().to_vec();
    bytes.resize(256 + (1 << 20), 0);
    MemoryStore::new("bad", bytes).with_unreadable(bad..bad + 1)
}

/// mdadm counts whatever is in its buffer; here no count at all is given.
#[test]
fn a_read_error_is_an_error_and_never_a_count() {
    for judge in [false, true] {
        let options = ExamineOptions {
            judge,
            ..ExamineOptions::default()
        };
        let device = examine_store(&bitmap(300_000), &options);
        assert_eq!(device.status(), Status::Unreadable);
        assert!(device.slots[0].contents.is_none());
        let problems: Vec<_> = device.all_problems().collect();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].kind, ProblemKind::Read);
        assert!(
            problems[0].message.starts_with("bad: cannot read bytes"),
            "{}",
            problems[0].message
        );
    }
    // Behind the end nothing is read.
    let fine = examine_store(&bitmap(1 << 30), &ExamineOptions::default());
    assert_eq!(fine.status(), Status::Done);
    assert_eq!(fine.slots[0].contents.as_ref().unwrap().dirty_chunks, 0);
}

/// The superblock itself cannot be read.
#[test]
fn an_unreadable_superblock() {
    let device = examine_store(&bitmap(10), &ExamineOptions::default());
    assert_eq!(device.status(), Status::Unreadable);
    assert!(device.slots.is_empty());
}

/// With `brief` no bit is read, so a bad one does not matter.
#[test]
fn brief_reads_no_bits() {
    let options = ExamineOptions {
        brief: true,
        judge: true,
        ..ExamineOptions::default()
    };
    let device = examine_store(&bitmap(300_000), &options);
    assert_eq!(device.status(), Status::Done);
    assert!(device.slots[0].verdict.is_none());
}
