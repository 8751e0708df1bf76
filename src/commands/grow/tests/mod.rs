//! `grow` on arrays in memory: all metadata versions and levels; what is on the members afterwards, and after every
//! step on the way.

mod again;
mod beside;
mod clustered;
mod files;
mod force;
mod lockless;
mod none;
mod own_rules;
mod property;

use super::*;
use crate::array::probe::{RawSuper, probe};
use crate::change::testing::{TestArray, TestBitmap, read};
use crate::change::{Knowledge, execute};
use crate::device::{MemoryStore, Store};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::level::Level;
use crate::format::md_v1::Minor;
use crate::format::placement::ChunkSize;
use crate::units::{Bytes, ChunkIndex};

const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

fn asked(wanted: Wanted) -> GrowOptions {
    GrowOptions {
        bitmap: Some(wanted),
        ..GrowOptions::default()
    }
}

fn chunk(bytes: u64) -> Option<ChunkSize> {
    Some(ChunkSize::new(bytes).unwrap())
}

fn planned(stores: &[MemoryStore], options: &GrowOptions) -> Result<Planned, PlanError> {
    plan(&read(stores), options, NOW)
}

/// Plans and carries out; what was planned is what is there then, and once more there is nothing to do.
fn grow(stores: &[MemoryStore], options: &GrowOptions) -> Planned {
    let planned = planned(stores, options).unwrap_or_else(|error| panic!("{error}"));
    run(&planned, stores, planned.plan.steps.len());
    is_as_announced(stores, &planned);
    let twice = plan(&read(stores), options, NOW).unwrap();
    assert!(
        twice.is_nothing() || twice.file.is_some(),
        "{:?}",
        twice.sentences
    );
    planned
}

/// Carries out the first `steps` steps.
fn run(planned: &Planned, stores: &[MemoryStore], steps: usize) {
    if planned.plan.is_empty() {
        return;
    }
    let array = read(stores);
    let mut part = planned.plan.clone();
    part.steps.truncate(steps);
    let in_order: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    execute(&part, &in_order, |_, _| {}).unwrap();
}

fn is_as_announced(stores: &[MemoryStore], planned: &Planned) {
    let array = read(stores);
    let (member, after) = (array.array().unwrap(), &planned.after);
    assert_eq!(
        (member.events, member.is_clean()),
        (after.events, after.clean)
    );
    assert!(
        array
            .current()
            .all(|place| array.devices[place].member().events == after.events)
    );
    assert_eq!(array.has_bitmap(), after.bitmap.is_some());
    let Some(bitmap) = &after.bitmap else { return };
    assert_eq!(array.copies.len(), array.current().count());
    for copy in &array.copies {
        assert!(copy.is_trusted(), "{:?}", copy.trust);
        let found = copy.bitmap.as_ref().unwrap();
        let raw = found.raw();
        let distance =
            found.start().0 as i64 - array.devices[copy.device].member().super_start.0 as i64;
        assert_eq!(distance / 512, bitmap.offset_sectors);
        assert_eq!(raw.version, bitmap.version);
        assert_eq!(raw.chunk_bytes(), Some(bitmap.chunk_bytes));
        assert_eq!(raw.sync_size(), array.sync_size());
        assert_eq!(raw.events_cleared, bitmap.events_cleared.0);
        assert_eq!(raw.daemon_sleep_seconds, bitmap.daemon_sleep_seconds);
        assert_eq!(
            (raw.write_behind, raw.nodes),
            (bitmap.write_behind, bitmap.nodes)
        );
        assert_eq!(raw.state, 0);
        let counts = found.count().unwrap();
        assert_eq!(counts.chunks, bitmap.chunks);
        assert!(counts.dirty <= bitmap.dirty_chunks);
    }
    let known = array.knowledge().unwrap().unwrap();
    let found = (known.dirty().count(), known.unwritten().count());
    assert_eq!(found, (bitmap.dirty_chunks, bitmap.unwritten_chunks));
    assert_eq!(known.dirty_bytes(false), u128::from(bitmap.dirty_bytes.0));
}

fn header(stores: &[MemoryStore]) -> RawBitmapSuper {
    read(stores).copies[0]
        .bitmap
        .as_ref()
        .unwrap()
        .raw()
        .clone()
}

fn knowledge(stores: &[MemoryStore]) -> Knowledge {
    read(stores).knowledge().unwrap().unwrap()
}

fn dirty(stores: &[MemoryStore]) -> Vec<u64> {
    let runs: Vec<_> = knowledge(stores).dirty().runs().collect();
    runs.into_iter()
        .flat_map(|run| run.start.0..run.end.0)
        .collect()
}

/// Changes a 1.x superblock where it lies.
fn edit_super(store: &MemoryStore, edit: impl FnOnce(&mut crate::format::md_v1::RawSuper)) {
    let found = probe(store, None).found.remove(0);
    let RawSuper::V1(mut raw) = found.raw else {
        panic!("not 1.x")
    };
    edit(&mut raw);
    raw.seal();
    store
        .write_at(found.member.super_start, &raw.to_bytes())
        .unwrap();
}

/// Every level with every metadata version, and a bitmap with these chunks of 4 KiB marked.
fn all(marked: &[u64]) -> Vec<TestArray> {
    let mut all = Vec::new();
    for minor in [Some(Minor::V0), Some(Minor::V1), Some(Minor::V2), None] {
        for (level, members, layout) in [
            (Level::Raid1, 2, 0),
            (Level::Raid4, 3, 0),
            (Level::Raid5, 3, 2),
            (Level::Raid6, 4, 2),
            (Level::Raid10, 4, 0x102),
        ] {
            let mut array = match level {
                Level::Raid1 => TestArray::mirror(),
                _ => TestArray::raid5(),
            };
            (array.level, array.members, array.layout) = (level, members, layout);
            array.minor = minor;
            array = array.with_bitmap(marked);
            let bitmap = array.bitmap.as_mut().unwrap();
            if minor == Some(Minor::V0) {
                bitmap.offset = -16;
            }
            if level == Level::Raid10 {
                bitmap.sync_size *= 2;
            }
            all.push(array);
        }
    }
    all
}
