//! Probing: every place, every kind, damaged, truncated and hostile content.

use super::*;
use crate::array::member::{NoBitmap, Role, SlotState};
use crate::device::MemoryStore;
use crate::format::level::Level;
use crate::format::super_check::Check;
use crate::units::Events;
use proptest::prelude::*;

const SECTORS: u64 = 40000;
const BYTES: usize = SECTORS as usize * 512;

fn put(image: &mut [u8], start: u64, bytes: &[u8]) {
    image[start as usize..start as usize + bytes.len()].copy_from_slice(bytes);
}

fn v1_builder(minor: Minor) -> md_v1::Builder {
    md_v1::Builder::mirror(minor, Sectors(SECTORS))
}

fn put_v1(image: &mut [u8], builder: &md_v1::Builder) {
    let start = builder.minor.super_start(Sectors(SECTORS)).unwrap();
    put(image, start.0 * 512, &builder.build().to_bytes());
}

fn image_of(builder: &md_v1::Builder) -> Vec<u8> {
    let mut image = vec![0; BYTES];
    put_v1(&mut image, builder);
    image
}

fn image_v090(builder: &md_v090::Builder) -> Vec<u8> {
    let mut image = vec![0; BYTES];
    put(&mut image, 39808 * 512, &builder.build().to_bytes());
    image
}

fn probed(image: Vec<u8>) -> ProbeResult {
    probe(&MemoryStore::new("image", image), None)
}

fn names(result: &ProbeResult) -> Vec<String> {
    result
        .found
        .iter()
        .map(|found| found.member.metadata.to_string())
        .collect()
}

fn only_member(image: Vec<u8>) -> MemberSuper {
    let result = probed(image);
    assert!(result.rejected.is_empty() && result.unreadable.is_empty());
    assert_eq!(result.found.len(), 1);
    result.found[0].member.clone()
}

#[test]
fn each_1x_version_is_found_at_its_place() {
    // reference/mdadm.md 2.10 A: bitmap at sector 39968, 8, 16.
    let cases = [
        (Minor::V0, "1.0", 39984, 39968, Some(16)),
        (Minor::V1, "1.1", 0, 8, None),
        (Minor::V2, "1.2", 8, 16, None),
    ];
    for (minor, name, start, bitmap, space) in cases {
        let builder = md_v1::Builder {
            name: "host:0".into(),
            events: Events(12),
            ..v1_builder(minor)
        };
        let member = only_member(image_of(&builder));
        assert_eq!(member.metadata.to_string(), name);
        assert_eq!(member.super_start, Bytes(start * 512));
        let place = member.bitmap.clone().unwrap();
        assert_eq!(
            (place.start, place.space, place.clustered),
            (Bytes(bitmap * 512), space.map(Sectors), false)
        );
        assert_eq!(
            (member.level, member.raid_disks, member.role),
            (Level::Raid1, 2, Role::Slot(0))
        );
        assert_eq!((member.events, member.is_clean()), (Events(12), true));
        assert_eq!(member.array_name.as_deref(), Some("host:0"));
        assert_eq!(member.slots, [SlotState::Occupied; 2]);
        assert_eq!(member.areas.superblock, start * 512..start * 512 + 512);
    }
}

#[test]
fn both_byte_orders_of_090_are_found() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let uuid = *b"0123456789abcdef";
        let builder = md_v090::Builder {
            order,
            uuid,
            events: Events(1 << 33 | 5),
            ..md_v090::Builder::mirror(Bytes(BYTES as u64))
        };
        let member = only_member(image_v090(&builder));
        assert_eq!(member.metadata, MetadataVersion::V0_90(order));
        assert_eq!(
            (member.array_uuid, member.events),
            (uuid, Events(1 << 33 | 5))
        );
        let place = member.bitmap.clone().unwrap();
        assert_eq!(
            (place.start, place.space),
            (Bytes(39816 * 512), Some(Sectors(120)))
        );
        assert_eq!(
            (member.component, member.is_clean()),
            (Some(Sectors(39808)), true)
        );
        assert_eq!(member.slots, [SlotState::Occupied; 2]);
    }
}

#[test]
fn the_resync_offset_of_090_needs_matching_events() {
    let mirror = md_v090::Builder::mirror(Bytes(BYTES as u64));
    let unclean = md_v090::Builder {
        resync_offset: Some(Sectors(4096)),
        ..mirror
    };
    assert_eq!(
        only_member(image_v090(&unclean)).resync_offset,
        Some(Sectors(4096))
    );
    let mut raw = unclean.build();
    raw.set_cp_events(7);
    raw.seal();
    let mut image = vec![0; BYTES];
    put(&mut image, 39808 * 512, &raw.to_bytes());
    assert_eq!(only_member(image).resync_offset, Some(Sectors(0)));
}

#[test]
fn a_dm_raid_metadata_device_is_found() {
    let mut raw = dm_raid::RawSuper::mirror(2, 262_144);
    (raw.events, raw.failed_devices, raw.array_resync_offset) = (20, 2, 512);
    let mut image = vec![0; BYTES];
    put(&mut image, 0, &raw.to_bytes());
    let member = only_member(image);
    assert_eq!(
        (member.metadata.to_string().as_str(), member.events),
        ("dm-raid", Events(20))
    );
    assert_eq!(member.bitmap.clone().unwrap().start, Bytes(4096));
    assert_eq!(
        (member.array_uuid, member.vacant_slots()),
        ([0; 16], vec![1])
    );
    assert_eq!(
        (member.component, member.resync_offset),
        (Some(Sectors(262_144)), Some(Sectors(512)))
    );
    raw.level = 0;
    let mut image = vec![0; BYTES];
    put(&mut image, 0, &raw.to_bytes());
    assert_eq!(
        only_member(image).bitmap,
        Err(NoBitmap::Level {
            level: Level::Raid0
        })
    );
}

#[test]
fn of_several_the_newest_comes_first_and_all_are_told() {
    let mut image = image_v090(&md_v090::Builder {
        created: 50,
        ..md_v090::Builder::mirror(Bytes(BYTES as u64))
    });
    let ages = [(Minor::V0, 30), (Minor::V1, 70), (Minor::V2, 60)];
    for (minor, created) in ages {
        // An old array may have seen more events than a new one.
        put_v1(
            &mut image,
            &md_v1::Builder {
                created,
                events: Events(1000 - created),
                ..v1_builder(minor)
            },
        );
    }
    assert_eq!(names(&probed(image.clone())), ["1.1", "1.2", "0.90", "1.0"]);
    let store = MemoryStore::new("image", image);
    let asked = |filter| names(&probe(&store, Some(filter)));
    assert_eq!(asked(MetadataFilter::V0_90), ["0.90"]);
    assert_eq!(asked(MetadataFilter::AnyV1), ["1.1", "1.2", "1.0"]);
    assert_eq!(asked(MetadataFilter::V1_0), ["1.0"]);
    assert!(asked(MetadataFilter::DmRaid).is_empty());
}

#[test]
fn of_equals_mdadms_order_decides() {
    let mut image = image_v090(&md_v090::Builder::mirror(Bytes(BYTES as u64)));
    for minor in [Minor::V2, Minor::V1, Minor::V0] {
        put_v1(&mut image, &v1_builder(minor));
    }
    assert_eq!(names(&probed(image)), ["0.90", "1.0", "1.1", "1.2"]);
}

#[test]
fn a_damaged_superblock_is_reported_with_its_reason() {
    let mut image = image_of(&v1_builder(Minor::V2));
    image[4096 + 200] ^= 1;
    let result = probed(image);
    assert!(result.found.is_empty());
    let rejected = &result.rejected[0];
    assert_eq!(rejected.failures[0].check, Check::Checksum);
    let text = rejected.to_string();
    assert!(
        text.starts_with("1.2 superblock found at byte 4096, but its checksum is 0x"),
        "{text}"
    );

    let mut image = image_v090(&md_v090::Builder::mirror(Bytes(BYTES as u64)));
    image[39808 * 512 + 156] ^= 1;
    assert_eq!(probed(image).rejected[0].failures[0].check, Check::Checksum);
}

#[test]
fn a_truncated_image_is_read_as_far_as_it_goes() {
    let mut image = image_of(&v1_builder(Minor::V2));
    image.truncate(1 << 20);
    let result = probed(image.clone());
    assert_eq!(names(&result), ["1.2"]);
    assert_eq!(result.found[0].refusals[0].check, Check::DeviceTooSmall);
    assert!(result.found[0].member.bitmap.is_ok());
    // So short that the bitmap is gone, and then the superblock.
    image.truncate(8192);
    let result = probed(image.clone());
    assert!(matches!(
        result.found[0].member.bitmap,
        Err(NoBitmap::OutsideDevice { .. })
    ));
    image.truncate(4096 + 255);
    assert!(probed(image).found.is_empty());
    let mut last = image_of(&v1_builder(Minor::V0));
    last.truncate(BYTES - 512 * 8);
    assert!(probed(last).found.is_empty());
}

#[test]
fn trailing_bytes_that_fill_no_sector_do_not_move_the_superblock() {
    let mut image = image_of(&v1_builder(Minor::V0));
    image.extend([7; 300]);
    assert_eq!(names(&probed(image)), ["1.0"]);
}

#[test]
fn tiny_and_empty_stores_hold_nothing() {
    for len in [
        0, 1, 255, 256, 511, 512, 4095, 4096, 4352, 8191, 65535, 65536, 131_072,
    ] {
        let result = probed(vec![0xff; len]);
        assert!(
            result.found.is_empty() && result.rejected.is_empty() && result.unreadable.is_empty(),
            "{len}"
        );
    }
}

#[test]
fn what_announces_no_bitmap_says_what_was_found() {
    let none = only_member(image_of(&md_v1::Builder {
        bitmap_offset: None,
        ..v1_builder(Minor::V2)
    }));
    assert_eq!(
        none.bitmap.unwrap_err().to_string(),
        "the 1.2 superblock at byte 4096 announces no internal bitmap (feature_map 0x0, bitmap_offset 0)"
    );
    let zero = only_member(image_of(&md_v1::Builder {
        bitmap_offset: Some(0),
        ..v1_builder(Minor::V2)
    }));
    assert!(matches!(zero.bitmap, Err(NoBitmap::NotAnnounced { .. })));
    for offset in [i32::MIN, i32::MAX, -9] {
        let far = only_member(image_of(&md_v1::Builder {
            bitmap_offset: Some(offset),
            ..v1_builder(Minor::V2)
        }));
        assert!(
            matches!(far.bitmap, Err(NoBitmap::OutsideDevice { offset_sectors, .. }) if offset_sectors == i64::from(offset))
        );
    }
    let builder = md_v090::Builder {
        bitmap: false,
        ..md_v090::Builder::mirror(Bytes(BYTES as u64))
    };
    let Err(NoBitmap::NotAnnounced {
        would_be: Some(place),
        ..
    }) = only_member(image_v090(&builder)).bitmap
    else {
        panic!("0.90 has a fixed place");
    };
    assert_eq!(place.start, Bytes(39816 * 512));
}

#[test]
fn roles_areas_and_features_are_told() {
    let builder = md_v1::Builder {
        raid_disks: 3,
        dev_number: 4,
        roles: vec![0, 0xfffe, 0xffff, 0xfffd, 2],
        bad_block_log: Some((16, 8)),
        features: md_v1::feature::CLUSTERED | md_v1::feature::RESHAPE_ACTIVE,
        resync_offset: Some(Sectors(0)),
        ..v1_builder(Minor::V2)
    };
    let member = only_member(image_of(&builder));
    let expected = [
        Role::Slot(0),
        Role::Faulty,
        Role::Spare,
        Role::Journal,
        Role::Slot(2),
    ];
    assert_eq!(
        (member.role, member.devices.as_slice()),
        (Role::Slot(2), expected.as_slice())
    );
    assert_eq!(member.vacant_slots(), [1]);
    assert_eq!(member.areas.bad_block_log, Some(24 * 512..32 * 512));
    assert_eq!(member.areas.data, Some(2048 * 512..BYTES as u64));
    assert_eq!(member.areas.superblock, 4096..4608);
    assert!(member.bitmap.clone().unwrap().clustered && member.reshaping && !member.is_clean());
    let stranger = md_v1::Builder {
        dev_number: 9,
        ..builder
    };
    assert_eq!(only_member(image_of(&stranger)).role, Role::Spare);
}

#[test]
fn a_partial_parity_log_shares_the_field_with_the_bitmap() {
    let mut raw = v1_builder(Minor::V2).build();
    raw.fixed.feature_map = md_v1::feature::PPL;
    raw.fixed.bitmap_offset = 2048 << 16 | 8;
    raw.seal();
    let mut image = vec![0; BYTES];
    put(&mut image, 4096, &raw.to_bytes());
    let member = only_member(image);
    assert_eq!(member.areas.ppl, Some(16 * 512..(16 + 2048) * 512));
    assert!(member.bitmap.is_err());
}

#[test]
fn vacant_slots_of_090_come_from_its_table() {
    let builder = md_v090::Builder {
        vacant: vec![1],
        ..md_v090::Builder::mirror(Bytes(BYTES as u64))
    };
    assert_eq!(only_member(image_v090(&builder)).vacant_slots(), [1]);
}

#[test]
fn hostile_numbers_of_members_cost_no_memory() {
    let mut raw = v1_builder(Minor::V2).build();
    (
        raw.fixed.raid_disks,
        raw.fixed.data_offset,
        raw.fixed.data_size,
    ) = (u32::MAX, u64::MAX, u64::MAX);
    raw.fixed.bblog_offset = i32::MIN;
    raw.fixed.bblog_size = u16::MAX;
    raw.seal();
    let mut image = vec![0; BYTES];
    put(&mut image, 4096, &raw.to_bytes());
    let result = probed(image);
    assert_eq!(result.found[0].member.slots.len(), 1920);
    let checks: Vec<Check> = result.found[0]
        .refusals
        .iter()
        .map(|failure| failure.check)
        .collect();
    assert_eq!(checks, [Check::RaidDisks, Check::DeviceTooSmall]);
}

fn all_kinds() -> Vec<u8> {
    let mut image = image_v090(&md_v090::Builder::mirror(Bytes(BYTES as u64)));
    for minor in [Minor::V0, Minor::V2] {
        put_v1(&mut image, &v1_builder(minor));
    }
    put(
        &mut image,
        0,
        &dm_raid::RawSuper::mirror(2, 1000).to_bytes(),
    );
    image
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_stores_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let _ = probed(bytes);
    }

    /// Any field may hold anything behind a right checksum.
    #[test]
    fn sealed_garbage_never_panics(fixed in proptest::collection::vec(any::<u8>(), 256), roles in 0u16..64, minor in 0usize..3) {
        let minor = [Minor::V0, Minor::V1, Minor::V2][minor];
        let mut raw = md_v1::RawSuper::from_bytes(&fixed).unwrap();
        raw.roles = (0..roles).map(|role| role.wrapping_mul(7919)).collect();
        raw.fixed.max_dev = u32::from(roles);
        (raw.fixed.magic, raw.fixed.major_version) = (md_v1::MAGIC, 1);
        let start = minor.super_start(Sectors(SECTORS)).unwrap();
        raw.fixed.super_offset = start.0;
        raw.seal();
        let mut image = vec![0; BYTES];
        put(&mut image, start.0 * 512, &raw.to_bytes());
        let result = probed(image);
        prop_assert_eq!(result.found.len(), 1);
        prop_assert_eq!(result.found[0].raw.to_bytes(), raw.to_bytes());
        let _ = crate::array::sync_size::expected(&result.found[0].member);
    }

    #[test]
    fn sealed_garbage_of_090_never_panics(words in proptest::collection::vec(any::<u8>(), 4096), big: bool) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut bytes = words;
        put(&mut bytes, 0, &word(md_v090::MAGIC));
        put(&mut bytes, 4, &word(0));
        put(&mut bytes, 8, &word(90));
        let mut raw = md_v090::RawSuper::from_bytes_in(&bytes, order).unwrap();
        raw.seal();
        let mut image = vec![0; BYTES];
        put(&mut image, 39808 * 512, &raw.to_bytes());
        let result = probed(image);
        prop_assert_eq!(result.found.len(), 1);
        prop_assert_eq!(result.found[0].raw.to_bytes(), raw.to_bytes());
        let _ = crate::array::sync_size::expected(&result.found[0].member);
    }

    #[test]
    fn mutated_images_never_panic(changes in proptest::collection::vec((0usize..4096, any::<u8>()), 1..20), place in 0usize..4, cut in 0usize..2000) {
        let mut image = all_kinds();
        let base = [0, 4096, 39808 * 512, 39984 * 512][place];
        for (at, byte) in changes {
            image[base + at] = byte;
        }
        image.truncate(BYTES - cut);
        let result = probed(image);
        prop_assert!(result.unreadable.is_empty());
    }
}
