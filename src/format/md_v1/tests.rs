//! Round trips, checks and the checksum of 1.x superblocks.

use super::*;
use crate::format::super_check::Check as C;
use crate::units::Sectors;
use proptest::prelude::*;

fn position(minor: Minor) -> Position {
    Position {
        minor,
        start: minor.super_start(Sectors(40000)).unwrap(),
        device: Sectors(40000),
        logical_block_bytes: 512,
    }
}

fn valid(minor: Minor) -> RawSuper {
    Builder::mirror(minor, Sectors(40000)).build()
}

fn failed(raw: RawSuper, minor: Minor) -> Vec<C> {
    match Super::validate(raw, position(minor)) {
        Ok(ok) => ok.refusals().iter().map(|failure| failure.check).collect(),
        Err(failures) => failures.iter().map(|failure| failure.check).collect(),
    }
}

#[test]
fn positions_of_the_reference() {
    // reference/mdadm.md 2.10 A.
    assert_eq!(Minor::V0.super_start(Sectors(40000)), Some(Sectors(39984)));
    assert_eq!(Minor::V1.super_start(Sectors(40000)), Some(Sectors(0)));
    assert_eq!(Minor::V2.super_start(Sectors(40000)), Some(Sectors(8)));
    assert_eq!(
        Minor::V0.super_start(Sectors(7_814_037_168)),
        Some(Sectors(7_814_037_152))
    );
    assert_eq!(Minor::V0.super_start(Sectors(15)), None);
    assert_eq!(Minor::V2.super_start(Sectors(8)), None);
}

#[test]
fn fields_lie_where_the_table_says() {
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend([1, 2, 3, 4]);
    let raw = RawSuper::from_bytes(&bytes).unwrap();
    let word = |at: u32| 0x0302_0100 + at * 0x0101_0101;
    let long = |at: u32| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let sb = &raw.fixed;
    assert_eq!(
        (sb.feature_map, sb.set_uuid[0], sb.set_name[0]),
        (word(8), 16, 32)
    );
    assert_eq!(
        (sb.ctime, sb.level as u32, sb.layout),
        (long(64), word(72), word(76))
    );
    assert_eq!(
        (sb.size, sb.chunksize, sb.raid_disks),
        (long(80), word(88), word(92))
    );
    assert_eq!(
        (sb.bitmap_offset as u32, sb.reshape_position),
        (word(96), long(104))
    );
    assert_eq!(
        (sb.delta_disks, sb.new_layout, sb.new_chunk, sb.new_offset),
        (word(112), word(116), word(120), word(124))
    );
    assert_eq!(
        (sb.data_offset, sb.data_size, sb.super_offset),
        (long(128), long(136), long(144))
    );
    assert_eq!(
        (sb.recovery_offset, sb.dev_number, sb.device_uuid[0]),
        (long(152), word(160), 168)
    );
    assert_eq!(
        (sb.devflags, sb.bblog_shift, sb.bblog_size),
        (184, 185, 187 << 8 | 186)
    );
    assert_eq!(
        (sb.bblog_offset as u32, sb.utime, sb.events),
        (word(188), long(192), long(200))
    );
    assert_eq!(
        (sb.resync_offset, sb.sb_csum, sb.max_dev),
        (long(208), word(216), word(220))
    );
    assert_eq!((sb.logical_block_size, sb.pad3[0]), (word(224), 228));
    assert_eq!(raw.roles, [0x0201, 0x0403]);
    assert_eq!(raw.ppl(), (0x6160, 0x6362));
}

#[test]
fn the_checksum_follows_the_rule_also_for_odd_numbers_of_roles() {
    // Recomputed here the long way: byte by byte.
    for roles in [0usize, 1, 2, 3, 128, 1919, 1920] {
        let mut builder = Builder::mirror(Minor::V2, Sectors(1 << 33));
        builder.set_uuid = [0xff; 16];
        builder.roles = (0..roles)
            .map(|n| if n % 2 == 0 { 0xffff } else { n as u16 })
            .collect();
        let raw = builder.build();
        let mut bytes = raw.to_bytes();
        bytes[216..220].fill(0);
        let mut sum = 0u64;
        for (at, byte) in bytes.iter().enumerate() {
            sum += u64::from(*byte) << (8 * (at % 4));
        }
        let expected = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
        assert_eq!(raw.fixed.sb_csum, expected, "{roles} roles");
        assert_eq!(
            failed(raw, Minor::V2)
                .iter()
                .filter(|check| **check == C::Checksum)
                .count(),
            0
        );
    }
}

#[test]
fn a_built_superblock_passes_every_check() {
    for minor in [Minor::V0, Minor::V1, Minor::V2] {
        assert_eq!(failed(valid(minor), minor), []);
    }
}

/// One change, the place to look at it, and the one check that has to fail.
type Case = (fn(&mut RawSuper), Minor, C);

#[test]
fn each_check_fails_for_its_own_reason() {
    let cases: [Case; 17] = [
        (|raw| raw.fixed.magic ^= 1, Minor::V2, C::Magic),
        (
            |raw| raw.fixed.major_version = 2,
            Minor::V2,
            C::MajorVersion,
        ),
        (|raw| raw.fixed.max_dev = 1921, Minor::V2, C::MaxDev),
        (|raw| raw.fixed.super_offset = 0, Minor::V2, C::SuperOffset),
        (
            |raw| raw.fixed.feature_map |= 0x2000,
            Minor::V2,
            C::UnknownFeatures,
        ),
        (
            |raw| raw.fixed.feature_map |= feature::PPL,
            Minor::V2,
            C::FeatureConflict,
        ),
        (
            |raw| raw.fixed.feature_map |= feature::MULTIPLE_PPLS,
            Minor::V2,
            C::FeatureConflict,
        ),
        (
            |raw| raw.fixed.feature_map = feature::PPL | feature::JOURNAL,
            Minor::V2,
            C::FeatureConflict,
        ),
        (|raw| raw.fixed.data_size = 9, Minor::V2, C::DataSize),
        (|raw| raw.fixed.pad0 = 1, Minor::V2, C::Padding),
        (|raw| raw.fixed.pad3[27] = 1, Minor::V2, C::Padding),
        (
            |raw| raw.fixed.raid_disks = u32::MAX,
            Minor::V2,
            C::RaidDisks,
        ),
        (|raw| raw.fixed.data_offset = 8, Minor::V2, C::OverlapsData),
        (|raw| raw.fixed.data_size += 1, Minor::V2, C::DeviceTooSmall),
        (
            |raw| raw.fixed.data_size = 39985,
            Minor::V0,
            C::DeviceTooSmall,
        ),
        (
            |raw| raw.fixed.feature_map |= feature::BAD_BLOCKS,
            Minor::V2,
            C::BadBlockLog,
        ),
        (
            |raw| {
                raw.fixed.feature_map |= feature::BAD_BLOCKS;
                raw.fixed.bblog_offset = 16;
                raw.fixed.bblog_size = 9;
            },
            Minor::V2,
            C::BadBlockLog,
        ),
    ];
    for (change, minor, check) in cases {
        let mut raw = valid(minor);
        change(&mut raw);
        if check != C::MaxDev {
            raw.seal();
        }
        assert_eq!(failed(raw, minor), [check]);
    }
    let mut raw = valid(Minor::V2);
    raw.fixed.events += 1;
    assert_eq!(failed(raw, Minor::V2), [C::Checksum]);
}

#[test]
fn messages_name_field_found_and_expected() {
    let mut raw = valid(Minor::V2);
    raw.fixed.major_version = 7;
    raw.seal();
    let failures = Super::validate(raw, position(Minor::V2)).unwrap_err();
    assert_eq!(failures[0].to_string(), "major_version is 7, expected 1");
}

#[test]
fn a_device_of_4_kib_blocks_needs_a_later_data_offset() {
    let mut raw = valid(Minor::V1);
    raw.fixed.data_offset = 1;
    raw.fixed.data_size = 1000;
    raw.seal();
    let at_512 = Super::validate(raw.clone(), position(Minor::V1)).unwrap();
    assert!(
        at_512.refusals().is_empty(),
        "260 bytes fit one 512-byte block"
    );
    let large = Position {
        logical_block_bytes: 4096,
        ..position(Minor::V1)
    };
    assert_eq!(
        Super::validate(raw, large).unwrap().refusals()[0].check,
        C::OverlapsData
    );
}

proptest! {
    #[test]
    fn any_bytes_survive_decoding(bytes in proptest::collection::vec(any::<u8>(), 256..4097), max_dev in 0u32..3000) {
        let mut bytes = bytes;
        bytes[220..224].copy_from_slice(&max_dev.to_le_bytes());
        let raw = RawSuper::from_bytes(&bytes).unwrap();
        let out = raw.to_bytes();
        prop_assert_eq!(&out[..], &bytes[..out.len()]);
        prop_assert_eq!(out.len(), 256 + 2 * (max_dev.min(MAX_ROLES) as usize).min((bytes.len() - 256) / 2));
        for minor in [Minor::V0, Minor::V1, Minor::V2] {
            let _ = Super::validate(raw.clone(), position(minor));
        }
    }

    #[test]
    fn one_changed_bit_is_noticed(at in 0usize..260, bit in 0u8..8) {
        let mut bytes = valid(Minor::V2).to_bytes();
        bytes[at] ^= 1 << bit;
        let raw = RawSuper::from_bytes(&bytes).unwrap();
        prop_assert!(Super::validate(raw, position(Minor::V2)).is_err());
    }
}
