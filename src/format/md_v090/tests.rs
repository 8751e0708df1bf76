//! Round trips, checks and the checksum of 0.90 superblocks.

use super::*;
use crate::format::super_check::Check as C;
use crate::format::uuid_text::ByteOrder;
use crate::units::{Bytes, Sectors};
use proptest::prelude::*;

const DEVICE: Bytes = Bytes(40000 * 512);

fn position() -> Position {
    Position {
        start: super_start(DEVICE).unwrap(),
    }
}

fn failed(raw: RawSuper) -> Vec<C> {
    match Super::validate(raw, position()) {
        Ok(ok) => ok.refusals().iter().map(|failure| failure.check).collect(),
        Err(failures) => failures.iter().map(|failure| failure.check).collect(),
    }
}

#[test]
fn position_of_the_reference() {
    // reference/mdadm.md 2.10 A: superblock at sector 39808 of 40000.
    assert_eq!(super_start(DEVICE), Some(Sectors(39808)));
    assert_eq!(super_start(Bytes(0xffff)), None);
    assert_eq!(super_start(Bytes(0x1_0000)), Some(Sectors(0)));
    assert_eq!(
        super_start(Bytes(u64::MAX)),
        Some(Sectors(0xffff_ffff_fffe_0000 / 512))
    );
}

#[test]
fn words_lie_where_the_table_says_in_both_orders() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut raw = RawSuper::zeroed(order);
        for index in 0..1024 {
            raw.set_word(index, index as u32 * 4);
        }
        assert_eq!(
            (raw.ctime(), raw.level(), raw.size_kib(), raw.raid_disks()),
            (24, 28, 32, 40)
        );
        assert_eq!(
            (
                raw.utime(),
                raw.state(),
                raw.stored_checksum(),
                raw.recovery_cp()
            ),
            (128, 132, 152, 172)
        );
        assert_eq!((raw.layout(), raw.chunk_bytes()), (256, 260));
        let (events, checkpoint) = match order {
            ByteOrder::Little => (160u64 << 32 | 156, 168u64 << 32 | 164),
            ByteOrder::Big => (156u64 << 32 | 160, 164u64 << 32 | 168),
        };
        assert_eq!((raw.events(), raw.cp_events()), (events, checkpoint));
        assert_eq!(raw.disks()[26].number, 512 + 26 * 128);
        assert_eq!(raw.this_disk().state, 3968 + 16);
    }
}

#[test]
fn the_uuid_is_words_0_and_13_to_15() {
    // reference/mdadm.md 2.1: little-endian words of the text.
    let bytes = [
        0x67, 0x45, 0x23, 0x01, 0xef, 0xcd, 0xab, 0x89, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32, 0x54,
        0x76,
    ];
    let mut raw = RawSuper::zeroed(ByteOrder::Little);
    raw.set_uuid(&bytes);
    assert_eq!(raw.uuid(), bytes);
    assert_eq!(
        (raw.word(5), raw.word(13), raw.word(15)),
        (0x0123_4567, 0x89ab_cdef, 0x7654_3210)
    );
    assert_eq!(raw.to_bytes()[20..24], bytes[..4]);
    assert_eq!(raw.to_bytes()[52..64], bytes[4..]);
}

#[test]
fn a_built_superblock_passes_every_check_in_both_orders() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let raw = Builder {
            order,
            ..Builder::mirror(DEVICE)
        }
        .build();
        let again = RawSuper::from_bytes(&raw.to_bytes()).unwrap();
        assert_eq!(again.order(), order);
        assert_eq!(again, raw);
        assert_eq!(failed(raw), []);
    }
}

#[test]
fn each_check_fails_for_its_own_reason() {
    let cases: [(usize, u32, C); 6] = [
        (0, 0, C::Magic),
        (1, 1, C::MajorVersion),
        (2, 92, C::MinorVersion),
        (10, 0, C::RaidDisks),
        (992, 27, C::OwnNumber),
        (8, 19905, C::DeviceTooSmall),
    ];
    for (index, value, check) in cases {
        let mut raw = Builder::mirror(DEVICE).build();
        raw.set_word(index, value);
        raw.seal();
        assert_eq!(failed(raw), [check]);
    }
    let mut raw = Builder::mirror(DEVICE).build();
    raw.set_events(99);
    assert_eq!(failed(raw), [C::Checksum]);
}

#[test]
fn the_checksum_is_compared_folded() {
    let mut raw = Builder::mirror(DEVICE).build();
    let sum = raw.checksum();
    // Both halves exchanged: another 32-bit value with the same 16-bit fold.
    raw.set_word(38, sum.rotate_left(16));
    assert!(raw.checksum_holds());
    raw.set_word(38, sum ^ 1);
    assert!(!raw.checksum_holds());
}

proptest! {
    #[test]
    fn any_bytes_survive_decoding(bytes in proptest::collection::vec(any::<u8>(), 4096..4100), big: bool) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let raw = RawSuper::from_bytes_in(&bytes, order).unwrap();
        prop_assert_eq!(&raw.to_bytes()[..], &bytes[..4096]);
        let _ = Super::validate(raw, position());
    }

    #[test]
    fn the_checksum_matches_the_rule(bytes in proptest::collection::vec(any::<u8>(), 4096)) {
        let mut bytes = bytes;
        bytes[152..156].fill(0);
        let sum: u64 = bytes.chunks(4).map(|w| u64::from(u32::from_le_bytes(w.try_into().unwrap()))).sum();
        let raw = RawSuper::from_bytes_in(&bytes, ByteOrder::Little).unwrap();
        prop_assert_eq!(raw.checksum(), (sum as u32).wrapping_add((sum >> 32) as u32));
    }
}
