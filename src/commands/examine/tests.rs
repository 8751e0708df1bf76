use super::result::ProblemKind;
use super::{ExamineOptions, examine_store};
use crate::commands::Status;
use crate::device::{MemoryStore, Store, StoreError};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::units::Bytes;

/// A store that cannot be read at one byte.
struct BadSector {
    memory: MemoryStore,
    bad: u64,
}

impl Store for BadSector {
    fn name(&self) -> &str {
        "bad"
    }
    fn len(&self) -> Bytes {
        self.memory.len()
    }
    fn logical_block_bytes(&self) -> u32 {
        512
    }
    fn physical_block_bytes(&self) -> u32 {
        512
    }
    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = start.0 + buffer.len() as u64;
        if (start.0..end).contains(&self.bad) {
            let source = std::io::Error::from_raw_os_error(5);
            return Err(StoreError::Read {
                device: "bad".into(),
                start: start.0,
                end,
                source,
            });
        }
        self.memory.read_at(start, buffer)
    }
    fn write_at(&self, _: Bytes, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("examine writes nothing")
    }
    fn flush(&self) -> Result<(), StoreError> {
        unreachable!("examine writes nothing")
    }
}

/// 1024 KiB of clear bits behind a superblock.
fn bitmap(bad: u64) -> BadSector {
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
    BadSector {
        memory: MemoryStore::new("bad", bytes),
        bad,
    }
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
    let fine = examine_store(&bitmap(u64::MAX), &ExamineOptions::default());
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
