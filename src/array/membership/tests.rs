//! Who is current: reference/kernel.md 7.2; W7, W17.

use super::*;
use crate::array::probe::probe;
use crate::device::MemoryStore;
use crate::format::md_v1::{Builder, Minor};
use crate::format::md_v090;
use crate::units::{Bytes, Events};

/// A member of an array of three; `roles` by device number.
fn member(number: u32, events: u64, roles: &[u16]) -> FoundSuper {
    changed(number, events, roles, |_| ())
}

fn changed(
    number: u32,
    events: u64,
    roles: &[u16],
    change: impl FnOnce(&mut Builder),
) -> FoundSuper {
    let mut builder = Builder::mirror(Minor::V2, Sectors(1 << 20));
    (builder.set_uuid, builder.raid_disks) = (*b"an array of ours", 3);
    (builder.dev_number, builder.events) = (number, Events(events));
    builder.device_uuid = [u8::try_from(number).unwrap() + 1; 16];
    builder.roles = roles.to_vec();
    change(&mut builder);
    found(4096, &builder.build().to_bytes(), 1 << 19)
}

fn found(start: usize, bytes: &[u8], len: usize) -> FoundSuper {
    let mut image = vec![0; len];
    image[start..start + bytes.len()].copy_from_slice(bytes);
    let mut result = probe(&MemoryStore::new("image", image), None);
    assert_eq!(result.rejected, []);
    result.found.remove(0)
}

const ALL: [u16; 3] = [0, 1, 2];
const GONE: u16 = 0xfffe;

fn of(members: &[FoundSuper]) -> Membership {
    Membership::of(&members.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn one_event_behind_is_current_two_are_not() {
    let membership = of(&[
        member(0, 12, &ALL),
        member(1, 11, &ALL),
        member(2, 10, &ALL),
    ]);
    assert_eq!(
        membership.standings(),
        [
            Standing::Current { slot: 0 },
            Standing::Current { slot: 1 },
            Standing::OutOfDate {
                slot: Some(2),
                behind: 2
            }
        ]
    );
    assert_eq!((membership.freshest(), membership.missing), (0, vec![2]));
    assert_eq!(membership.conflicts, []);
}

#[test]
fn what_is_not_given_is_missing_and_what_failed_is_vacant() {
    let roles = [0, GONE, 2];
    let membership = of(&[member(0, 12, &roles), member(1, 11, &ALL)]);
    assert_eq!(membership.standing(1), Standing::Faulty);
    assert_eq!((membership.missing, membership.vacant), (vec![2], vec![1]));
    assert!(of(&[member(0, 1, &ALL), member(1, 1, &ALL), member(2, 1, &ALL)]).is_complete());
}

#[test]
fn the_freshest_is_one_that_holds_a_slot() {
    let spare = member(3, 40, &[0, 1, 2, 0xffff]);
    let membership = of(&[spare, member(0, 12, &ALL), member(1, 13, &ALL)]);
    assert_eq!(membership.freshest(), 2);
    assert_eq!(membership.standing(0), Standing::Spare);
    assert_eq!(membership.current().collect::<Vec<_>>(), [1, 2]);
    // Of equals, one that is in sync.
    let recovering = |number| {
        changed(number, 12, &ALL, |builder| {
            builder.features = feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP;
        })
    };
    let membership = of(&[recovering(0), member(1, 12, &ALL)]);
    assert_eq!(membership.freshest(), 1);
    let standing = Standing::Recovering {
        slot: 0,
        up_to: Sectors(0),
        by_bitmap: true,
    };
    assert_eq!(membership.standing(0), standing);
    assert!(membership.is_recovering() && !membership.is_complete());
}

#[test]
fn two_that_went_on_alone_are_a_split_brain() {
    let split = |events| {
        of(&[
            member(0, 12, &[0, GONE, GONE]),
            member(1, events, &[GONE, 1, 2]),
        ])
        .conflicts
    };
    let found = [Conflict::SplitBrain {
        first: 0,
        second: 1,
    }];
    assert_eq!(split(12), found);
    assert_eq!(split(40), found, "one of them went further");
}

#[test]
fn members_that_failed_or_were_replaced_are_no_split_brain() {
    // Device 1 failed, device 3 took its slot, then device 0 failed.
    let old = member(1, 10, &[0, 1, 2]);
    let second = member(0, 14, &[0, GONE, 2, 1]);
    let now = member(3, 20, &[GONE, GONE, 2, 1]);
    let membership = of(&[old, second, now]);
    assert_eq!(membership.conflicts, []);
    assert_eq!(membership.vacant, [0]);
    assert_eq!(
        membership.standing(0),
        Standing::OutOfDate {
            slot: Some(1),
            behind: 10
        }
    );
}

#[test]
fn copies_and_occupied_slots_are_conflicts() {
    let membership = of(&[member(0, 12, &ALL), member(0, 12, &ALL)]);
    assert_eq!(
        membership.conflicts,
        [
            Conflict::SameSlot {
                slot: 0,
                first: 0,
                second: 1
            },
            Conflict::SameDevice {
                first: 0,
                second: 1
            }
        ]
    );
}

#[test]
fn members_in_sync_describe_the_same_array() {
    let other = changed(1, 12, &ALL, |builder| builder.component = Sectors(4096));
    let membership = of(&[member(0, 12, &ALL), other]);
    assert!(
        matches!(&membership.conflicts[..], [Conflict::Geometry { member: 1, field: "size", found, .. }] if found == "4096"),
        "{membership:?}"
    );
}

#[test]
fn other_arrays_are_refused() {
    let other = changed(1, 12, &ALL, |builder| builder.set_uuid[0] ^= 1);
    let members = [member(0, 12, &ALL), other];
    let result = Membership::of(&members.iter().collect::<Vec<_>>());
    assert!(matches!(
        result,
        Err(NotOneArray::Different {
            first: 0,
            other: 1,
            ..
        })
    ));
    assert_eq!(Membership::of(&[]), Err(NotOneArray::NoMember));
}

#[test]
fn a_0_90_member_is_what_the_freshest_says() {
    let of_slot = |own_slot, events, vacant: &[u32]| {
        let mut builder = md_v090::Builder::mirror(Bytes(1 << 20));
        (builder.own_slot, builder.events) = (own_slot, Events(events));
        builder.vacant = vacant.to_vec();
        let bytes = builder.build().to_bytes();
        found((1 << 20) - 65536, &bytes, 1 << 20)
    };
    let membership = of(&[of_slot(0, 12, &[1]), of_slot(1, 11, &[])]);
    assert_eq!(membership.standing(0), Standing::Current { slot: 0 });
    assert!(!membership.standing(1).is_current(), "{membership:?}");
    assert_eq!(membership.vacant, [1]);
}

#[test]
fn a_hostile_number_of_slots_does_not_fill_memory() {
    let hostile = changed(0, 1, &ALL, |builder| builder.raid_disks = u32::MAX);
    if let Ok(membership) = Membership::of(&[&hostile]) {
        assert!(membership.vacant.len() <= MAX_SLOTS as usize);
    }
}
