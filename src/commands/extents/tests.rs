use super::*;
use crate::array::spaces::Space;
use crate::commands::Status;
use crate::commands::given::ProblemKind;
use crate::device::{MemoryStore, Store};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};

fn options(space: Space, mapfile: bool) -> ExtentsOptions {
    ExtentsOptions {
        paths: Vec::new(),
        members: Vec::new(),
        space,
        resync: false,
        mapfile,
        slot: None,
        metadata: None,
        offset: None,
        order: BitOrder::Little,
    }
}

/// A bitmap file of chunks of 8 sectors, every second one dirty.
fn file(sync_size: u64, cells: usize) -> Vec<u8> {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (raw.magic, raw.version, raw.chunksize) = (BITMAP_MAGIC, 4, 4096);
    (raw.sync_size_sectors, raw.daemon_sleep_seconds) = (sync_size, 5);
    let mut bytes = raw.to_bytes().to_vec();
    bytes.resize(256 + cells, 0x55);
    bytes
}

fn opened(store: impl Store + 'static, options: &ExtentsOptions) -> Opened {
    Opened::of(vec![Given::of_store(Box::new(store), &options.given())], 1)
}

#[test]
fn a_read_error_is_status_4_after_what_could_be_read() {
    let options = options(Space::Bitmap, false);
    let cells = 1 << 20;
    let memory = MemoryStore::new("m", file(cells * 64, cells as usize));
    let opened = opened(memory.with_unreadable(700_000..700_001), &options);
    let plan = plan(&opened, &options);
    assert_eq!(plan.status(), Status::Done);
    let mut extents = plan.lists[0].extents().unwrap();
    let error = extents.by_ref().find_map(Result::err).unwrap();
    assert_eq!(failure(&error).kind, ProblemKind::Read);
    assert_eq!(failure(&error).kind.status(), Status::Unreadable);
    assert!(extents.next().is_none());
}

#[test]
fn addresses_past_those_of_ddrescue_are_refused() {
    let options = options(Space::Bitmap, true);
    let of = |size| {
        let opened = opened(MemoryStore::new("m", file(size, 8)), &options);
        plan(&opened, &options).refused
    };
    assert_eq!(of(1 << 54), None);
    assert!(of((1 << 54) + 1).unwrap().contains("2^63"));
}

/// Hostile numbers: an error or a list, at once and in little memory.
#[test]
fn hostile_superblocks_are_survived() {
    for (sync_size, chunksize, version, nodes) in [
        (u64::MAX, 1, 4, 0),
        (u64::MAX, u32::MAX, 4, 0),
        (u64::MAX, 1, 6, 0),
        (u64::MAX, 512, 5, u32::MAX),
        (1 << 40, 512, 5, 1000),
        (0, 512, 4, 0),
        (1, 0, 4, 0),
        (1, 512, 99, 0),
    ] {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        (raw.magic, raw.version, raw.chunksize) = (BITMAP_MAGIC, version, chunksize);
        (raw.sync_size_sectors, raw.nodes) = (sync_size, nodes);
        let mut bytes = raw.to_bytes().to_vec();
        bytes.resize(5000, 0x55);
        for space in [Space::Bitmap, Space::Member, Space::Array, Space::Device] {
            let options = options(space, false);
            let opened = opened(MemoryStore::new("m", bytes.clone()), &options);
            let plan = plan(&opened, &options);
            for list in &plan.lists {
                let count = list.extents().unwrap().take(100_000).count();
                assert!(count < 100_000, "{sync_size} {chunksize} {version} {nodes}");
            }
        }
    }
}
