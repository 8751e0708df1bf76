//! Places on arrays in memory: mdadm's where they are free, never on anything, whatever the superblocks say.

use super::*;
use crate::array::probe::{RawSuper, probe};
use crate::change::testing::{TestArray, read, reasons};
use crate::device::{MemoryStore, Store};
use crate::format::md_v1::{Fixed, Minor};
use proptest::prelude::*;

/// One stretch.
fn one(start: i64, end: i64) -> Vec<Range<i64>> {
    std::iter::once(start..end).collect()
}

const BITS: Shape = Shape::Bits { slots: 1 };

fn chunk(bytes: u64) -> ChunkSize {
    ChunkSize::new(bytes).unwrap()
}

fn room(stores: &[MemoryStore]) -> Room {
    Room::of(&read(stores)).unwrap()
}

/// Room between a 1.2 superblock and data, for an array of so many sectors.
fn between(free: &[Range<i64>], sync_size: u64) -> Room {
    Room {
        sync_size: Sectors(sync_size),
        free: free.to_vec(),
        around: "between this and that".to_owned(),
        fixed: false,
        block: 1,
        members: Vec::new(),
    }
}

fn edit(store: &MemoryStore, change: impl FnOnce(&mut Fixed)) {
    let found = probe(store, None).found.remove(0);
    let RawSuper::V1(mut raw) = found.raw else {
        panic!("not 1.x")
    };
    change(&mut raw.fixed);
    raw.seal();
    store
        .write_at(found.member.super_start, &raw.to_bytes())
        .unwrap();
}

#[test]
fn what_is_free_on_each_kind_of_metadata() {
    let free = |minor, change: &dyn Fn(&mut TestArray)| {
        let mut array = TestArray::mirror();
        array.minor = minor;
        change(&mut array);
        room(&array.stores()).free
    };
    // The superblock takes 260 bytes, hence one sector.
    assert_eq!(free(Some(Minor::V2), &|_| ()), one(1, 248));
    assert_eq!(free(Some(Minor::V1), &|_| ()), one(1, 256));
    let with_log: &dyn Fn(&mut TestArray) = &|array| array.bad_block_log = Some((16, 8));
    assert_eq!(free(Some(Minor::V2), with_log), [1..16, 24..248]);
    // The superblock lies at sector 2032; the data ends at 1024. Behind it, up to 4 KiB.
    assert_eq!(free(Some(Minor::V0), &|_| ()), [-1008..0, 1..8]);
    assert_eq!(free(None, &|_| ()), one(8, 128));
}

#[test]
fn what_is_taken_on_any_member_or_spare_is_taken() {
    let mut array = TestArray::mirror();
    array.spares = 1;
    let stores = array.stores();
    edit(&stores[1], |fixed| {
        (fixed.bblog_offset, fixed.bblog_size) = (40, 8)
    });
    edit(&stores[2], |fixed| fixed.data_offset = 136);
    let room = room(&stores);
    assert_eq!(room.free, [1..40, 48..128]);
    assert_eq!(room.largest(), 80);
    let error = room.place(BITS, chunk(512), None).unwrap();
    assert_eq!((error.offset, error.slot_sectors), (8, 8));
    assert!(
        room.around.contains("the bad-block log on m1"),
        "{}",
        room.around
    );
    assert!(
        room.around.contains("the data of the array on m2"),
        "{}",
        room.around
    );
}

#[test]
fn the_present_place_then_mdadms_then_the_best() {
    let mut array = TestArray::mirror();
    array.bad_block_log = Some((16, 8));
    let room = room(&array.stores());
    let place = |chunk, present| {
        let spot = room.place(BITS, chunk, present).unwrap();
        (spot.offset, spot.slot_sectors)
    };
    assert_eq!(place(chunk(4096), Some(200)), (200, 8));
    assert_eq!(place(chunk(4096), Some(20)), (8, 8), "on the log");
    assert_eq!(place(chunk(4096), None), (8, 8));
    // A place that the kernel chose when it was not told any (reference/kernel.md 1.4).
    assert_eq!(place(chunk(4096), Some(2)), (2, 8));
    assert_eq!(place(chunk(4096), Some(15)), (15, 1), "less than a block");
    // Nothing fits there, and the smallest stretch that is large enough lies elsewhere.
    let rooms = between(&[8..16, 24..240, 300..340], 8 * 120_000);
    let spot = rooms.place(BITS, chunk(4096), Some(8)).unwrap();
    assert_eq!((spot.offset, spot.slot_sectors), (304, 32));
    // Before a 1.0 superblock it ends where the stretch does.
    let before = between(&one(-99, -8), 8 * 30_000);
    let spot = before.place(BITS, chunk(4096), None).unwrap();
    assert_eq!((spot.offset, spot.slot_sectors), (-16, 8));
}

#[test]
fn without_room_the_smallest_chunk_is_named_truly() {
    // One block holds (4096 - 256) * 8 bits.
    let room = between(&one(8, 16), 30_720 * 16);
    assert_eq!(room.smallest_chunk(BITS), Some(chunk(8192)));
    let error = room.place(BITS, chunk(4096), Some(8)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the smallest chunk that fits is 8K"),
        "{text}"
    );
    assert!(text.contains("between this and that"), "{text}");
    assert!(room.place(BITS, chunk(8192), None).is_ok());
    let more = between(&one(8, 16), 30_720 * 16 + 1);
    assert_eq!(more.smallest_chunk(BITS), Some(chunk(16384)));
    let nowhere = between(&one(3, 5), 1 << 40);
    assert_eq!(nowhere.smallest_chunk(BITS), None);
    assert_eq!(
        reasons(nowhere.place(BITS, chunk(1 << 31), None)),
        ["no-room"]
    );
    assert_eq!(reasons(between(&[], 1024).usual_chunk(BITS)), ["no-room"]);
}

#[test]
fn the_usual_chunk_takes_128_kib_at_most() {
    let usual = |sync_size| {
        let room = between(&one(8, 4096), sync_size);
        room.usual_chunk(BITS).unwrap()
    };
    // reference/mdadm.md 2.4.
    assert_eq!(usual(1024), chunk(64 << 20));
    assert_eq!(usual(32 << 31), chunk(64 << 20));
    assert_eq!(usual(64 << 31), chunk(128 << 20));
    // On a smaller reserve, the smallest that fits above the usual one.
    let room = between(&one(8, 16), 4 << 31);
    assert_eq!(room.usual_chunk(BITS).unwrap(), chunk(256 << 20));
}

#[test]
fn lockless_states_fit_with_what_lies_before_them_trap_3() {
    let usual = |chunks: u64| {
        let room = between(&one(8, 4096), chunks * 128);
        room.usual_chunk(Shape::States).unwrap()
    };
    assert_eq!(usual(1), chunk(65536));
    assert_eq!(usual(130_048), chunk(65536));
    // The kernel would take 131072 chunks for 128 KiB.
    assert_eq!(usual(130_049), chunk(131_072));
    let room = between(&one(8, 4096), 131_072 * 128);
    let spot = room.place(Shape::States, chunk(65536), Some(8)).unwrap();
    assert_eq!(
        (spot.offset, spot.slot_sectors),
        (8, 264),
        "asked for, and there is room"
    );
    // Better moved than without its reserve; if it has to be, without.
    let room = between(&[8..16, 24..4096], 8 * 128);
    let spot = room.place(Shape::States, chunk(65536), Some(8)).unwrap();
    assert_eq!((spot.offset, spot.slot_sectors), (24, 256));
    let room = between(&[8..16, 24..100], 8 * 128);
    let spot = room.place(Shape::States, chunk(65536), Some(24)).unwrap();
    assert_eq!((spot.offset, spot.slot_sectors), (24, 8));
    assert_eq!(
        reasons(room.place(Shape::States, chunk(32768), None)),
        ["chunk-too-small"]
    );
}

/// The kernel writes no less than a logical block, whatever a superblock says that is.
#[test]
fn blocks_of_any_size_are_written_whole() {
    let stores = TestArray::mirror().stores();
    edit(&stores[0], |fixed| fixed.logical_block_size = 6912);
    let room = room(&stores);
    assert_eq!(room.block, 14);
    let spot = |present| room.place(BITS, chunk(4096), Some(present)).unwrap();
    // Data is at 248.
    assert_eq!((spot(234).offset, spot(234).slot_sectors), (234, 14));
    assert_ne!(spot(235).offset, 235);
}

#[test]
fn slots_of_a_cluster_lie_in_whole_blocks() {
    let room = between(&one(2, 34), 8 * 100);
    let slots = |slots| room.place(Shape::Bits { slots }, chunk(4096), Some(2));
    let spot = slots(3).unwrap();
    assert_eq!((spot.offset, spot.slot_sectors), (8, 8));
    assert_eq!(reasons(slots(4)), ["no-room"]);
}

#[test]
fn mdadms_worked_examples_are_kept() {
    // reference/mdadm.md 2.10 A: 20000 KiB, chunks of 4 KiB.
    for (minor, data_offset, component, log, offset) in [
        (Minor::V0, 0, 39936, -8, -16),
        (Minor::V1, 2048, 37888, 16, 8),
        (Minor::V2, 2048, 37888, 16, 8),
    ] {
        let array = TestArray {
            minor: Some(minor),
            device_sectors: 40000,
            data_offset,
            component,
            bad_block_log: Some((log, 8)),
            ..TestArray::mirror()
        };
        let stores = array.stores();
        for store in &stores {
            edit(store, |fixed| {
                fixed.data_size = if minor == Minor::V0 { 39968 } else { 37952 }
            });
        }
        let spot = room(&stores).place(BITS, chunk(4096), None).unwrap();
        assert_eq!((spot.offset, spot.slot_sectors), (offset, 8), "{minor:?}");
    }
}

/// What a bitmap of such chunks at `spot` lies on, by the areas that the superblocks name.
fn collisions(stores: &[MemoryStore], spot: Spot, shape: Shape) -> Vec<String> {
    let array = read(stores);
    let mut all = Vec::new();
    for place in array.current().chain(array.spares()) {
        let device = &array.devices[place];
        let member = device.member();
        let start = member.super_start.0 as i64 + i64::from(spot.offset) * 512;
        let end = start + (spot.slot_sectors * 512 * u64::from(slots(shape))) as i64;
        if start < 0 || end > device.store.len().0 as i64 {
            all.push(format!("{}: not on the device", device.store.name()));
            continue;
        }
        let areas = &member.areas;
        let component = member.component.unwrap().0 * 512 + member.data_offset.0 * 512;
        let mut data = areas.data.clone().unwrap();
        data.end = data.end.max(component);
        let taken = [
            Some(areas.superblock.clone()),
            areas.bad_block_log.clone(),
            areas.ppl.clone(),
            Some(data),
        ];
        for taken in taken.into_iter().flatten() {
            if (start as u64) < taken.end && taken.start < end as u64 {
                all.push(format!("{}: {taken:?}", device.store.name()));
            }
        }
    }
    all
}

fn minors() -> impl Strategy<Value = Option<Minor>> {
    proptest::sample::select(vec![
        Some(Minor::V0),
        Some(Minor::V1),
        Some(Minor::V2),
        None,
    ])
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        3 => Just(BITS),
        1 => (2u32..6).prop_map(|slots| Shape::Bits { slots }),
        2 => Just(Shape::States),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_place_is_on_nothing_of_any_member(
        minor in minors(),
        shape in shapes(),
        shift in 9u32..20,
        present in proptest::option::of(-600i32..600),
        data in proptest::collection::vec((24u64..900, 0u64..64), 3),
        logs in proptest::collection::vec(proptest::option::of((-600i32..600, 1u16..64)), 3),
        component in 1u64..1024,
        spares in 0u32..2,
    ) {
        let array = TestArray { minor, component, spares, device_sectors: 2048, ..TestArray::mirror() };
        let stores = array.stores();
        if minor.is_some() {
            for (store, ((data_offset, more), log)) in stores.iter().zip(data.iter().zip(&logs)) {
                edit(store, |fixed| {
                    fixed.data_offset = if minor == Some(Minor::V0) { 0 } else { *data_offset };
                    fixed.data_size = component + more;
                    (fixed.bblog_offset, fixed.bblog_size) = log.unwrap_or_default();
                });
            }
        }
        let views: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
        let Ok(array) = StoppedArray::read(&views) else { return Ok(()) };
        let Ok(room) = Room::of(&array) else { return Ok(()) };
        let chunk = chunk(1 << shift);
        match room.place(shape, chunk, present) {
            Ok(spot) => {
                let found = collisions(&stores, spot, shape);
                prop_assert!(found.is_empty(), "{spot:?} {found:?} {:?}", room.free);
                let bytes = room.needed(shape, chunk).unwrap();
                prop_assert!(bytes <= spot.slot_sectors * 512);
            }
            // What is named does fit, and nothing smaller does.
            Err(_) => {
                let smallest = room.smallest_chunk(shape);
                prop_assert!(smallest.is_none_or(|smallest| smallest > chunk || chunk < SMALLEST_LOCKLESS_CHUNK));
                if let Some(smallest) = smallest {
                    prop_assert!(room.place(shape, smallest, present).is_ok());
                }
            }
        }
    }

    /// Any bytes in the fields that are not checked when a superblock is read.
    #[test]
    fn hostile_superblocks_end_in_a_message(
        minor in proptest::sample::select(vec![Minor::V0, Minor::V1, Minor::V2]),
        shape in shapes(),
        shift in 9u32..32,
        data_offset in any::<u64>(),
        data_size in any::<u64>(),
        size in any::<u64>(),
        small in 0u32..4,
        log in any::<(i32, u16)>(),
        features in any::<u32>(),
        bitmap_offset in any::<i32>(),
        max_dev in 2u32..2000,
        present in any::<i32>(),
    ) {
        let array = TestArray { minor: Some(minor), ..TestArray::mirror() };
        let stores = array.stores();
        edit(&stores[1], |fixed| {
            if small & 1 == 0 { fixed.data_offset = data_offset; }
            if small & 2 == 0 { fixed.data_size = data_size; fixed.size = size; }
            (fixed.bblog_offset, fixed.bblog_size) = log;
            fixed.feature_map = features;
            fixed.bitmap_offset = bitmap_offset;
            fixed.max_dev = if features & 1 == 0 { 2 } else { max_dev };
        });
        for store in [&stores[..1], &stores[1..], &stores[..]] {
            let views: Vec<&dyn Store> = store.iter().map(|store| store as &dyn Store).collect();
            if let Ok(array) = StoppedArray::read(&views)
                && let Ok(room) = Room::of(&array)
            {
                let _ = room.usual_chunk(shape);
                let _ = room.smallest_chunk(shape);
                if let Ok(spot) = room.place(shape, chunk(1 << shift), Some(present)) {
                    let found = collisions(store, spot, shape);
                    prop_assert!(found.is_empty(), "{spot:?} {found:?}");
                }
            }
        }
    }
}

#[test]
fn a_bitmap_beyond_64_bits_is_refused() {
    for sync_size in [u64::MAX, u64::MAX - 1] {
        let room = between(&one(8, 1 << 40), sync_size);
        for shape in [BITS, Shape::States, Shape::Bits { slots: u32::MAX }] {
            assert_eq!(
                reasons(room.place(shape, SMALLEST_LOCKLESS_CHUNK, Some(8))),
                ["no-room"]
            );
        }
    }
}
