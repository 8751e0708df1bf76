//! The worked examples A to I of reference/mdadm.md 2.10, the table in 2.4, and the names of
//! past defects. Every number is computed here from the size of the device.

use super::at_create::{BitmapSpace, Finished, Reserve, data_area, finish};
use super::v1::{
    BadBlockLog, Kind, Member, Minor, Placement, Request, place, place_as_mdadm, super_offset,
};
use super::{ChunkSize, PlacementError, area, chunk, clustered, free, v090};
use crate::format::md_v1;
use crate::units::Sectors;

const GIB: u64 = 1 << 21;

fn chunk_of(bytes: u64) -> ChunkSize {
    ChunkSize::new(bytes).unwrap()
}

fn at_create(sync_size: Sectors, kind: Kind) -> Request {
    Request {
        sync_size,
        may_change: true,
        kind,
    }
}

/// A new member of an array whose levels rounds sizes down to `rounding` sectors.
fn new_member(minor: Minor, device: Sectors, raid_chunk_kib: u64, rounding: u64) -> Member {
    let (data_offset, usable) = data_area(minor, device, raid_chunk_kib, Reserve::Bitmap).unwrap();
    Member {
        minor,
        super_offset: super_offset(minor, device).unwrap(),
        data_offset,
        data_size: Sectors(0),
        size: Sectors(usable.0 / rounding * rounding),
        max_dev: 128,
        bad_blocks: None,
        ppl: None,
        logical_block_bytes: 512,
    }
}

/// A new member of a mirror (sizes in multiples of 64 KiB) and its bitmap.
pub(super) fn created(minor: Minor, device: Sectors, kind: Kind) -> (Member, Placement) {
    let member = new_member(minor, device, 0, 128);
    let request = at_create(member.size, kind);
    let placement = place(&member, device, &request).unwrap();
    assert_eq!(placement, place_as_mdadm(&member, &request).unwrap());
    (member, placement)
}

pub(super) fn example_a(minor: Minor) -> (Member, Placement) {
    created(minor, Sectors(40000), Kind::Classic(Some(chunk_of(4096))))
}

fn finished(member: &Member, device: Sectors, placement: &Placement, nodes: u32) -> Finished {
    let bitmap = BitmapSpace {
        offset: placement.offset,
        area: placement.area,
        nodes,
    };
    finish(
        member.minor,
        device,
        member.data_offset,
        member.size,
        Some(bitmap),
    )
    .unwrap()
}

fn log_at(offset: i32) -> Option<BadBlockLog> {
    Some(BadBlockLog { offset, size: 8 })
}

/// (data offset, size, bitmap offset, bits, sectors of bitmap, bad-block log)
type Row = (u64, u64, i32, u64, u64, Option<i32>);

fn row(minor: Minor, device: u64, kind: Kind) -> Row {
    let (member, placement) = created(minor, Sectors(device), kind);
    let finished = finished(&member, Sectors(device), &placement, 0);
    (
        member.data_offset.0,
        member.size.0,
        placement.offset,
        placement.bits,
        placement.area.0,
        finished.bad_blocks.map(|log| log.offset),
    )
}

#[test]
fn a_20000_kib_devices_with_4k_chunks() {
    let four_k = Kind::Classic(Some(chunk_of(4096)));
    assert_eq!(
        row(Minor::V0, 40000, four_k),
        (0, 39936, -16, 4992, 8, Some(-8))
    );
    assert_eq!(
        row(Minor::V1, 40000, four_k),
        (2048, 37888, 8, 4736, 8, Some(16))
    );
    assert_eq!(
        row(Minor::V2, 40000, four_k),
        (2048, 37888, 8, 4736, 8, Some(16))
    );
    for (minor, super_offset, absolute, data_size) in [
        (Minor::V0, 39984, 39968, 39968),
        (Minor::V1, 0, 8, 37952),
        (Minor::V2, 8, 16, 37952),
    ] {
        let (member, placement) = example_a(minor);
        assert_eq!(member.super_offset, Sectors(super_offset));
        assert_eq!(placement.on_device(member.super_offset).0, absolute);
        assert_eq!(
            finished(&member, Sectors(40000), &placement, 0).data_size,
            Sectors(data_size)
        );
        // With the default chunk: the same places, one bit.
        let (_, default) = created(minor, Sectors(40000), Kind::Classic(None));
        assert_eq!(
            (default.offset, default.bits, default.area),
            (placement.offset, 1, Sectors(8))
        );
    }
    let super_offset = v090::super_offset(Sectors(40000)).unwrap();
    assert_eq!(super_offset, Sectors(39808));
    assert_eq!(v090::bitmap_start(super_offset), Some(Sectors(39816)));
    assert_eq!(area::bits(super_offset, chunk_of(4096)), 4976);
    assert_eq!(v090::AREA.0, 61440);
}

#[test]
fn b_10_gib_with_64k_chunks() {
    let device = 10 * GIB;
    let kind = Kind::Classic(Some(chunk_of(64 << 10)));
    assert_eq!(
        row(Minor::V2, device, kind),
        (18432, 20_953_088, 8, 163_696, 48, Some(56))
    );
    let (data_offset, size, offset, _, _, log) = row(Minor::V0, device, kind);
    assert_eq!(
        (data_offset, size, offset, log),
        (0, 20_971_264, -56, Some(-8))
    );
    let (member, placement) = created(Minor::V0, Sectors(device), kind);
    assert_eq!(
        finished(&member, Sectors(device), &placement, 0).data_size,
        Sectors(20_971_448)
    );
    for minor in [Minor::V0, Minor::V2] {
        let member = new_member(minor, Sectors(device), 0, 128);
        let refused = place_as_mdadm(
            &member,
            &at_create(member.size, Kind::Classic(Some(chunk_of(4096)))),
        );
        assert_eq!(
            refused,
            Err(PlacementError::ChunkTooSmall {
                given: chunk_of(4096),
                smallest: chunk_of(32 << 10),
                room_bytes: 65536,
            })
        );
    }
    let size = v090::super_offset(Sectors(device)).unwrap();
    assert!(v090::chunk(size, Some(chunk_of(64 << 10))).is_ok());
    assert!(matches!(
        v090::chunk(size, Some(chunk_of(4096))),
        Err(PlacementError::ChunkTooSmall { .. })
    ));
}

#[test]
fn c_500_gb_disk_with_the_default_chunk() {
    let kind = Kind::Classic(None);
    let (data_offset, size, offset, _, area, log) = row(Minor::V2, 976_773_168, kind);
    assert_eq!(
        (data_offset, size, offset, area, log),
        (264_192, 976_508_928, 8, 8, Some(16))
    );
    assert_eq!(row(Minor::V0, 976_773_168, kind).2, -16);
    let (_, placement) = created(Minor::V2, Sectors(976_773_168), kind);
    assert_eq!(placement.chunk, ChunkSize::MDADM_DEFAULT);
}

#[test]
fn d_4_tb_disk_with_the_default_chunk() {
    let kind = Kind::Classic(None);
    assert_eq!(
        row(Minor::V2, 7_814_037_168, kind),
        (264_192, 7_813_772_928, 8, 59615, 16, Some(24))
    );
    let (member, placement) = created(Minor::V0, Sectors(7_814_037_168), kind);
    assert_eq!(member.super_offset, Sectors(7_814_037_152));
    assert_eq!(placement.offset, -24);
    assert_eq!(row(Minor::V0, 7_814_037_168, kind).5, Some(-8));
}

#[test]
fn e_12_tib_with_the_default_chunk() {
    let device = 12 * 1024 * GIB;
    let kind = Kind::Classic(None);
    let (_, _, offset, bits, area, log) = row(Minor::V2, device, kind);
    assert_eq!((offset, bits, area, log), (8, 196_606, 56, Some(64)));
    assert_eq!(row(Minor::V0, device, kind).2, -64);
    assert!(matches!(
        v090::super_offset(Sectors(device)),
        Err(PlacementError::DeviceTooLarge { .. })
    ));
}

#[test]
fn f_raid10_covers_the_array_and_parity_a_component() {
    let device = Sectors(100 * GIB);
    let member = new_member(Minor::V2, device, 512, 1024);
    assert_eq!(member.size, Sectors(209_582_080));
    // Near 2 on four devices.
    let array = Sectors(member.size.0 * 4 / 2);
    assert_eq!(array, Sectors(419_164_160));
    let refused = place(
        &member,
        device,
        &at_create(array, Kind::Classic(Some(chunk_of(64 << 10)))),
    );
    assert!(matches!(refused, Err(PlacementError::ChunkTooSmall { .. })));
    let one_m = Kind::Classic(Some(chunk_of(1 << 20)));
    let raid10 = place(&member, device, &at_create(array, one_m)).unwrap();
    assert_eq!((raid10.bits, raid10.area), (204_670, Sectors(56)));
    assert_eq!(finished(&member, device, &raid10, 0).bad_blocks, log_at(64));
    let parity = place(&member, device, &at_create(member.size, one_m)).unwrap();
    assert_eq!(finished(&member, device, &parity, 0).bad_blocks, log_at(40));
}

#[test]
fn g_a_bitmap_added_later_has_only_the_room_before_the_bad_block_log() {
    let device = Sectors(GIB);
    let mut member = new_member(Minor::V2, device, 0, 128);
    let done = finish(member.minor, device, member.data_offset, member.size, None).unwrap();
    assert_eq!(done.bad_blocks, log_at(16));
    member.bad_blocks = done.bad_blocks;
    member.data_size = done.data_size;
    let grow = |kind| place(&member, device, &at_create(member.size, kind));
    let default = grow(Kind::Classic(None)).unwrap();
    assert_eq!(
        (default.offset, default.chunk),
        (8, ChunkSize::MDADM_DEFAULT)
    );
    for shift in 12..16 {
        assert_eq!(
            grow(Kind::Classic(Some(chunk_of(1 << shift)))),
            Err(PlacementError::ChunkTooSmall {
                given: chunk_of(1 << shift),
                smallest: chunk_of(64 << 10),
                room_bytes: 4096,
            })
        );
    }
    assert_eq!(
        grow(Kind::Classic(Some(chunk_of(65536)))).unwrap().area.0,
        8
    );
    // The true room is far larger than mdadm's (reference/mdadm.md 9.13).
    let taken = free::Taken::of(&member, device).unwrap();
    assert_eq!(taken.gap(&member), [16..24, 32..4096]);
}

#[test]
fn h_four_cluster_nodes() {
    let (member, placement) = created(Minor::V2, Sectors(GIB), Kind::Classic(None));
    let start = Sectors(placement.on_device(member.super_offset).0 as u64);
    let slots: Vec<_> = (0..4)
        .map(|slot| {
            clustered::slot_start(start, slot, placement.bits)
                .unwrap()
                .0
        })
        .collect();
    assert_eq!(slots, [16, 24, 32, 40]);
    let done = finished(&member, Sectors(GIB), &placement, 4);
    assert_eq!(done.bad_blocks, None);
    assert_eq!(
        clustered::slot_start(Sectors(u64::MAX), 1, placement.bits),
        None
    );
}

#[test]
fn h_the_largest_number_of_cluster_nodes() {
    for (device, most) in [(40000, 254), (GIB, 510)] {
        let (member, placement) = created(Minor::V2, Sectors(device), Kind::Classic(None));
        let room = clustered::room_bytes(member.super_offset, member.data_offset).unwrap();
        assert_eq!(clustered::max_nodes(room, placement.bits), most);
        assert_eq!(
            clustered::check_nodes(most as u32, room, placement.bits),
            Ok(())
        );
        assert!(matches!(
            clustered::check_nodes(most as u32 + 1, room, placement.bits),
            Err(PlacementError::TooManyNodes { max, .. }) if max == most
        ));
        assert_eq!(
            clustered::check_nodes(1, room, placement.bits),
            Err(PlacementError::TooFewNodes { nodes: 1 })
        );
    }
    assert!(clustered::room_bytes(Sectors(8), Sectors(0)).is_err());
}

#[test]
fn i_tiny_devices() {
    let device = Sectors(2048);
    let member = new_member(Minor::V2, device, 0, 128);
    assert_eq!((member.data_offset.0, member.size.0), (2048, 0));
    assert_eq!(
        place(
            &member,
            device,
            &at_create(member.size, Kind::Classic(None))
        ),
        Err(PlacementError::NoRoom { room: 0 })
    );
    assert_eq!(v090::super_offset(Sectors(128)), Ok(Sectors(0)));
    assert!(v090::super_offset(Sectors(127)).is_err());
    assert!(super_offset(Minor::V2, Sectors(23)).is_err());
}

/// The table in reference/mdadm.md 2.4: room, bits, smallest chunk, default.
#[test]
fn smallest_and_default_chunk_by_size() {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    for (size, room, bits, smallest, default) in [
        (30719 * 8, 8, 30720, 4 * K, 64 * M),
        (30719 * 8 + 8, 8, 30720, 8 * K, 64 * M),
        (GIB, 8, 30720, 64 * K, 64 * M),
        (4 * GIB, 8, 30720, 256 * K, 64 * M),
        (8 * GIB, 8, 30720, 512 * K, 64 * M),
        (10 * GIB, 128, 522_240, 32 * K, 64 * M),
        (100 * GIB, 128, 522_240, 256 * K, 64 * M),
        (200 * GIB, 128, 522_240, 512 * K, 64 * M),
        (1024 * GIB, 256, 1_046_528, 2 * M, 64 * M),
        (4096 * GIB, 256, 1_046_528, 8 * M, 64 * M),
        (16384 * GIB, 256, 1_046_528, 32 * M, 64 * M),
        (65536 * GIB, 256, 1_046_528, 128 * M, 128 * M),
    ] {
        for minor in [Minor::V0, Minor::V1, Minor::V2] {
            let member = Member {
                minor,
                super_offset: Sectors(if minor == Minor::V0 { size + 4096 } else { 8 }),
                data_offset: Sectors(if minor == Minor::V0 { 0 } else { 4096 }),
                data_size: Sectors(0),
                size: Sectors(size),
                max_dev: 128,
                bad_blocks: None,
                ppl: None,
                logical_block_bytes: 512,
            };
            let sync = Sectors(size);
            let auto = place_as_mdadm(&member, &at_create(sync, Kind::Classic(None))).unwrap();
            assert_eq!((auto.room, auto.chunk.bytes()), (room, default), "{size}");
            assert_eq!(area::max_bits(room * 512), bits);
            assert_eq!(
                chunk::mdadm_smallest(sync, bits).unwrap().bytes(),
                smallest,
                "{size}"
            );
        }
    }
    for (size, smallest) in [
        (10 * GIB, 32 * K),
        (100 * GIB, 256 * K),
        (1024 * GIB, 4 * M),
        (4096 * GIB, 16 * M),
    ] {
        assert_eq!(v090::max_bits(), 489_472);
        assert_eq!(
            chunk::mdadm_smallest(Sectors(size), v090::max_bits())
                .unwrap()
                .bytes(),
            smallest
        );
        assert_eq!(
            v090::chunk(Sectors(size), None),
            Ok(ChunkSize::MDADM_DEFAULT)
        );
    }
}

/// "failed to create internal bitmap - chunksize problem" (2020, reference/anchors.md B16): with
/// 1.0 metadata on a large disk that is used in part, super_offset - data_offset - data_size
/// does not fit 32 bits, and mdadm saw a negative or tiny room.
#[test]
fn the_2020_chunksize_problem_of_1_0_on_a_large_disk_used_in_part() {
    let device = Sectors(7_814_037_168);
    for data_size in [GIB, 100 * GIB, 7_814_037_152 - (1 << 32) - 4] {
        let member = Member {
            minor: Minor::V0,
            super_offset: Sectors(7_814_037_152),
            data_offset: Sectors(0),
            data_size: Sectors(data_size),
            size: Sectors(data_size),
            max_dev: 128,
            bad_blocks: log_at(-8),
            ppl: None,
            logical_block_bytes: 512,
        };
        let room = 7_814_037_152 - data_size - 8;
        assert!(room > 1 << 31);
        let auto = place(
            &member,
            device,
            &at_create(member.size, Kind::Classic(None)),
        )
        .unwrap();
        assert_eq!((auto.room, auto.chunk), (256, ChunkSize::MDADM_DEFAULT));
        let fine = Kind::Classic(Some(chunk_of(4096)));
        let fine = place(&member, device, &at_create(member.size, fine)).unwrap();
        assert_eq!((fine.room, fine.chunk), (room, chunk_of(4096)));
        let (start, end) = fine.on_device(member.super_offset);
        assert!(start >= i128::from(data_size) && end <= 7_814_037_152 - 8);
    }
}

/// The rows for members that exist already.
#[test]
fn room_beside_existing_superblocks() {
    let behind = |bad_blocks| Member {
        minor: Minor::V2,
        super_offset: Sectors(8),
        data_offset: Sectors(2048),
        data_size: Sectors(37952),
        size: Sectors(37888),
        max_dev: 128,
        bad_blocks,
        ppl: None,
        logical_block_bytes: 512,
    };
    let before = |data_size, max_dev, bad_blocks| Member {
        minor: Minor::V0,
        super_offset: Sectors(39984),
        data_offset: Sectors(0),
        data_size: Sectors(data_size),
        size: Sectors(data_size),
        max_dev,
        bad_blocks,
        ppl: None,
        logical_block_bytes: 512,
    };
    let log = |offset, size| Some(BadBlockLog { offset, size });
    // A chunk is named so that the room is not cut to 256 sectors.
    for (member, may_change, room, offset, area) in [
        (behind(None), true, 2048 - 8 - 8 - 8, 8, 8),
        (behind(log(56, 8)), true, 48, 8, 8),
        (behind(log(56, 16)), true, 48, 8, 8),
        (behind(None), false, 2048 - 8 - 2, 2, 2),
        (behind(log(56, 8)), false, 62, 2, 2),
        (before(39936, 128, None), true, 40, -16, 8),
        (before(39936, 128, log(-8, 8)), true, 40, -16, 8),
        (before(39936, 128, log(-24, 8)), true, 24, -32, 8),
        (before(39936, 128, log(-8, 24)), true, 24, -32, 8),
        (before(39936, 128, None), false, 6, 2, 2),
        (before(39980, 384, None), true, 6, 2, 2),
    ] {
        let request = Request {
            sync_size: Sectors(37888),
            may_change,
            kind: Kind::Classic(Some(chunk_of(8192))),
        };
        let placed = place_as_mdadm(&member, &request).unwrap();
        assert_eq!(
            (placed.room, placed.offset, placed.area.0),
            (room, offset, area),
            "{member:?} may_change {may_change}"
        );
    }
    // Too many roles for the legacy place behind a 1.0 superblock: no room.
    assert_eq!(
        place_as_mdadm(
            &before(39980, 385, None),
            &at_create(Sectors(37888), Kind::Classic(None))
        ),
        Err(PlacementError::NoRoom { room: -4 })
    );
}

/// `--data-offset=8K`: mdadm puts the bitmap onto the first data (reference/mdadm.md 2.6).
#[test]
fn a_small_data_offset_makes_mdadm_overlap_the_data_and_us_refuse() {
    let device = Sectors(GIB);
    let mut member = new_member(Minor::V2, device, 0, 128);
    member.data_offset = Sectors(16);
    member.size = Sectors(GIB - 16);
    let request = at_create(member.size, Kind::Classic(None));
    let theirs = place_as_mdadm(&member, &request).unwrap();
    assert_eq!(theirs.on_device(member.super_offset), (16, 24));
    let ours = place(&member, device, &request).unwrap_err();
    assert_eq!(
        ours.to_string(),
        format!(
            "the bitmap would take sectors 16..24, which overlap the data of the array \
             (sectors 16..{GIB}); no chunk size fits there"
        )
    );
    // 12 KiB further: one block is free, and the message says which chunk fits it.
    member.data_offset = Sectors(24);
    member.size = Sectors(16 * GIB);
    let fine = at_create(member.size, Kind::Classic(Some(chunk_of(64 << 10))));
    let device = Sectors(17 * GIB);
    assert_eq!(place_as_mdadm(&member, &fine).unwrap().area, Sectors(72));
    let ours = place(&member, device, &fine).unwrap_err().to_string();
    assert!(
        ours.ends_with("the smallest chunk size that fits there is 1M"),
        "{ours}"
    );
    let named = at_create(member.size, Kind::Classic(Some(chunk_of(1 << 20))));
    assert_eq!(place(&member, device, &named).unwrap().area, Sectors(8));
}

/// mdadm 4.6 puts the bad-block log inside the 256 sectors of a lockless bitmap
/// (reference/mdadm.md 1.4).
#[test]
fn a_lockless_bitmap_over_the_bad_block_log_is_refused() {
    for (device, theirs) in [(GIB, 16), (7_814_037_168, 24)] {
        let device = Sectors(device);
        let (mut member, classic) = created(Minor::V2, device, Kind::Classic(None));
        let (_, lockless) = created(Minor::V2, device, Kind::Lockless);
        assert_eq!((lockless.offset, lockless.area.0), (8, 256));
        assert_eq!(lockless.chunk, ChunkSize::MDADM_DEFAULT);
        // mdadm reckons with the size of a classic bitmap.
        member.bad_blocks = finished(&member, device, &classic, 0).bad_blocks;
        assert_eq!(member.bad_blocks, log_at(theirs));
        let request = at_create(member.size, Kind::Lockless);
        assert_eq!(place_as_mdadm(&member, &request), Ok(lockless));
        let ours = place(&member, device, &request).unwrap_err().to_string();
        assert!(
            ours.starts_with(
                "the bitmap would take sectors 16..272, which overlap the bad-block log"
            ),
            "{ours}"
        );
        // With its true size the log lands behind it.
        member.bad_blocks = finished(&member, device, &lockless, 0).bad_blocks;
        assert_eq!(member.bad_blocks, log_at(264));
        assert!(place(&member, device, &request).is_ok());
    }
}

/// `--grow --bitmap=clustered` puts slot 1 onto the bad-block log (reference/mdadm.md 2.5).
#[test]
fn slots_of_a_cluster_over_the_bad_block_log_are_seen() {
    let device = Sectors(GIB);
    let (mut member, placement) = created(Minor::V2, device, Kind::Classic(None));
    member.bad_blocks = log_at(16);
    let room = clustered::room_bytes(member.super_offset, member.data_offset).unwrap();
    assert_eq!(clustered::check_nodes(4, room, placement.bits), Ok(()));
    let (start, _) = placement.on_device(member.super_offset);
    let end = start + 4 * i128::from(placement.area.0);
    let taken = free::Taken::of(&member, device).unwrap();
    assert_eq!(
        taken.overlap(start, end),
        Some((free::Region::BadBlockLog, 24..32))
    );
}

#[test]
fn a_partial_parity_log_is_reckoned_with_at_create() {
    let device = Sectors(GIB);
    let reserve = Reserve::PartialParityLog;
    assert_eq!(
        data_area(Minor::V2, device, 64, reserve).unwrap().0,
        Sectors(6144)
    );
    assert_eq!(
        data_area(Minor::V0, device, 64, reserve).unwrap(),
        (Sectors(0), Sectors(GIB - 24 - 2048))
    );
}

#[test]
fn a_member_on_disk_is_placed_beside() {
    let device = Sectors(40000);
    let raw = md_v1::Builder {
        bitmap_offset: None,
        bad_block_log: Some((16, 8)),
        ..md_v1::Builder::mirror(Minor::V2, device)
    }
    .build();
    let position = |logical_block_bytes| md_v1::Position {
        minor: Minor::V2,
        start: Sectors(8),
        device,
        logical_block_bytes,
    };
    let read = |block| md_v1::Super::validate(raw.clone(), position(block)).unwrap();
    let member = Member::of(&read(512));
    assert_eq!(member.bad_blocks, log_at(16));
    assert_eq!(
        (member.data_offset, member.size),
        (Sectors(2048), Sectors(37888))
    );
    let request = at_create(member.size, Kind::Classic(None));
    assert_eq!(place(&member, device, &request).unwrap().offset, 8);
    // The place 1 KiB behind the superblock, for old kernels: with blocks of 4096 bytes the
    // superblock takes it.
    let legacy = Request {
        may_change: false,
        ..request
    };
    assert_eq!(place(&member, device, &legacy).unwrap().offset, 2);
    let large = place(&Member::of(&read(4096)), device, &legacy).unwrap_err();
    assert!(matches!(
        large,
        PlacementError::Overlap {
            region: free::Region::Superblock,
            ..
        }
    ));
}

#[test]
fn a_hostile_superblock_gives_an_error_and_no_overflow() {
    let far = Member {
        minor: Minor::V0,
        super_offset: Sectors(u64::MAX),
        data_offset: Sectors(u64::MAX),
        data_size: Sectors(u64::MAX),
        size: Sectors(u64::MAX),
        max_dev: u32::MAX,
        bad_blocks: log_at(i32::MIN),
        ppl: None,
        logical_block_bytes: 512,
    };
    for minor in [Minor::V0, Minor::V1, Minor::V2] {
        for may_change in [false, true] {
            for kind in [Kind::Classic(None), Kind::Lockless] {
                let request = Request {
                    sync_size: Sectors(u64::MAX),
                    may_change,
                    kind,
                };
                let member = Member { minor, ..far };
                assert!(place(&member, Sectors(u64::MAX), &request).is_err());
            }
        }
    }
}
