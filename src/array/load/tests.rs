//! Assembling exactly what is given: reference/kernel.md 3.7, 4.1, 7.1, 7.2.

use super::*;
use crate::array::probe::probe;
use crate::device::MemoryStore;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor, feature};
use crate::units::{Bytes, Events};

const UUID: [u8; 16] = *b"an array of ours";
const GONE: u16 = 0xfffe;

/// 64 chunks of 64 KiB, described in few words.
#[derive(Clone)]
struct Member {
    md: Builder,
    events: u64,
    cleared: u64,
    bits: u64,
    /// How far a recovery got, where the features speak of one.
    recovered: u64,
}

/// Device `number` of three, with `events`, not stopped cleanly, chunk `number` dirty on its copy.
fn member(level: Level, number: u32, events: u64) -> Member {
    let mut md = Builder::mirror(Minor::V2, Sectors(1 << 20));
    (md.set_uuid, md.component, md.events) = (UUID, Sectors(64 * 128), Events(events));
    (md.level, md.raid_disks, md.dev_number) = (level, 3, number);
    (md.roles, md.resync_offset) = (vec![0, 1, 2], Some(Sectors(0)));
    if level != Level::Raid1 {
        (md.layout, md.raid_chunk) = (2, Sectors(128));
    }
    Member {
        md,
        events,
        cleared: 1,
        bits: 1 << number,
        recovered: 0,
    }
}

fn mirror(number: u32, events: u64) -> Member {
    member(Level::Raid1, number, events)
}

impl Member {
    fn with(mut self, change: impl FnOnce(&mut Member)) -> Member {
        change(&mut self);
        self
    }

    fn store(&self) -> MemoryStore {
        let mut bitmap = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        (bitmap.magic, bitmap.version, bitmap.uuid) = (BITMAP_MAGIC, 4, UUID);
        (bitmap.events, bitmap.events_cleared) = (self.events, self.cleared);
        (bitmap.chunksize, bitmap.daemon_sleep_seconds) = (65536, 5);
        bitmap.sync_size_sectors = 64 * 128;
        let mut image = vec![0; 16384];
        let mut sb = self.md.build();
        sb.fixed.recovery_offset = self.recovered;
        sb.seal();
        let sb = sb.to_bytes();
        image[4096..4096 + sb.len()].copy_from_slice(&sb);
        image[8192..8448].copy_from_slice(&bitmap.to_bytes());
        image[8448..8456].copy_from_slice(&self.bits.to_le_bytes());
        MemoryStore::new("member", image)
    }
}

fn assembled(members: &[Member]) -> Assembled {
    let stores: Vec<MemoryStore> = members.iter().map(Member::store).collect();
    let supers: Vec<FoundSuper> = stores
        .iter()
        .map(|store| probe(store, None).found.remove(0))
        .collect();
    let bitmaps: Vec<Bitmap<'_>> = stores
        .iter()
        .map(|store| Bitmap::open(store, Bytes(8192), BitOrder::Little).unwrap())
        .collect();
    let present = supers.iter().zip(&bitmaps);
    let present: Vec<Present<'_>> = present
        .map(|(found, bitmap)| Present {
            found,
            bitmap: Some(bitmap),
            counts: None,
        })
        .collect();
    let result = load(&present).unwrap();
    for reading in result.readings.iter().filter(|_| result.starts()) {
        let bitmap = &bitmaps[reading.member];
        let bytes = reading.scope.measure(bitmap, None).unwrap();
        let verdict = reading.verdict.as_ref().unwrap();
        assert_eq!(bytes.map(|bytes| bytes as u64), verdict.resync_bytes);
    }
    result
}

fn order(result: &Assembled) -> Vec<usize> {
    result
        .readings
        .iter()
        .map(|reading| reading.member)
        .collect()
}

fn outcomes(result: &Assembled) -> verdict::Outcomes {
    let verdict = result.reading().unwrap().verdict.as_ref().unwrap();
    verdict.outcomes.unwrap()
}

#[test]
fn the_freshest_in_the_lowest_slot_is_read_first_then_the_others_from_the_highest() {
    let all = |events: [u64; 3]| [2, 0, 1].map(|number| mirror(number, events[number as usize]));
    assert_eq!(order(&assembled(&all([12, 12, 12]))), [1, 0, 2]);
    assert_eq!(order(&assembled(&all([11, 12, 12]))), [2, 0, 1]);
    assert_eq!(order(&assembled(&all([11, 11, 12]))), [0, 2, 1]);
    // Out of date, failed or recovering: not read at all.
    assert_eq!(order(&assembled(&all([12, 10, 12]))), [1, 0]);
}

#[test]
fn copies_that_lead_elsewhere_are_named() {
    let mut members = [mirror(0, 12), mirror(1, 12), mirror(2, 12)];
    assert_eq!(assembled(&members).differing().count(), 0);
    members[2].bits = 7;
    let result = assembled(&members);
    assert_eq!(result.differing().collect::<Vec<_>>(), [2]);
    assert_eq!(outcomes(&result).resynced, 1);
    members[1].events = 3;
    assert_eq!(assembled(&members).differing().collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_member_that_is_not_given_is_not_there() {
    let result = assembled(&[mirror(0, 12), mirror(1, 12)]);
    assert!(result.starts());
    assert_eq!(result.membership.missing, [2]);
    assert_eq!(outcomes(&result).resynced, 1);
    // One that is left has nothing to copy to.
    let result = assembled(&[mirror(1, 12)]);
    assert!(result.starts());
    assert_eq!((outcomes(&result).kept, outcomes(&result).resynced), (1, 0));
    let parity = |numbers: &[u32]| {
        let members = numbers
            .iter()
            .map(|number| member(Level::Raid5, *number, 12));
        Vec::from_iter(members)
    };
    assert!(assembled(&parity(&[0, 1, 2])).starts());
    let result = assembled(&parity(&[0, 1]));
    assert!(!result.starts());
    assert_eq!(result.obstacles[0].name, "dirty-degraded");
    let clean = parity(&[0, 1]).into_iter();
    let clean: Vec<Member> = clean
        .map(|member| member.with(|member| member.md.resync_offset = None))
        .collect();
    assert!(assembled(&clean).starts());
    assert_eq!(outcomes(&assembled(&clean)).kept, 1);
    assert_eq!(
        assembled(&clean[..1]).obstacles[0].name,
        "not-enough-members"
    );
}

#[test]
fn no_member_in_sync_no_array() {
    let recovering = mirror(1, 12).with(|member| {
        member.md.features = feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP;
    });
    let result = assembled(std::slice::from_ref(&recovering));
    assert!(!result.starts() && result.reading().is_none());
    assert!(load(&[]).is_err());
}

#[test]
fn an_interrupted_recovery_goes_on_where_it_stopped() {
    let scene = |features: u32| {
        let second = mirror(1, 12).with(|member| {
            member.md.features = features;
            member.recovered = 129;
        });
        let mut members = [mirror(0, 12), second, mirror(2, 12)];
        for member in &mut members {
            member.md.resync_offset = None;
            member.bits = 0b1001;
        }
        members
    };
    let chunks = |result: &Assembled| {
        let [recovery] = &result.reading().unwrap().recoveries[..] else {
            panic!("{result:?}");
        };
        assert_eq!((recovery.member, recovery.slot), (1, 1));
        recovery.scope.clone()
    };
    let by_bitmap = scene(feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP);
    let first = ChunkIndex(1);
    assert!(
        matches!(chunks(&assembled(&by_bitmap)), Scope::SetFrom { first: from, .. } if from == first)
    );
    let full = scene(feature::RECOVERY_OFFSET);
    assert!(
        matches!(chunks(&assembled(&full)), Scope::AllFrom { first: from, .. } if from == first)
    );
    // A bitmap that is not believed does not demand anything of a clean array.
    let mut stale = by_bitmap;
    for member in &mut stale {
        member.events = 1;
    }
    assert!(
        matches!(chunks(&assembled(&stale)), Scope::AllFrom { first, .. } if first == ChunkIndex(64))
    );
}

#[test]
fn parity_that_is_still_being_built_is_no_lost_data() {
    let starts = |level: Level, layout: u32, given: &[u32]| {
        let members = given.iter().map(|number| {
            member(level, *number, 12).with(|member| {
                member.md.layout = layout;
                if *number == 2 {
                    member.md.features = feature::RECOVERY_OFFSET;
                }
            })
        });
        let result = assembled(&Vec::from_iter(members));
        let names: Vec<&str> = result.obstacles.iter().map(|reason| reason.name).collect();
        assert_eq!(result.starts(), names != ["dirty-degraded"], "{names:?}");
        result.starts()
    };
    // Layout 5: parity on the last member alone.
    assert!(starts(Level::Raid5, 5, &[0, 1, 2]));
    // Without it the parity may not be there, which the kernel does not tell from lost data.
    assert!(!starts(Level::Raid5, 5, &[0, 1]));
    assert!(!starts(Level::Raid5, 2, &[0, 1, 2]));
    assert!(!starts(Level::Raid5, 4, &[0, 1, 2]));
    // mdadm's raid4 has layout 0, by which the kernel does not know that it keeps its parity there.
    assert!(!starts(Level::Raid4, 0, &[0, 1, 2]));
    assert!(starts(Level::Raid4, 5, &[0, 1, 2]));
}

#[test]
fn a_member_that_failed_counts_for_nothing() {
    let after = |number| mirror(number, 13).with(|member| member.md.roles = vec![0, GONE, 2]);
    let result = assembled(&[after(0), mirror(1, 12), after(2)]);
    assert_eq!(order(&result), [0, 2]);
    assert_eq!(result.membership.vacant, [1]);
}

#[test]
fn a_recovery_in_full_makes_the_resync_of_a_mirror_whole() {
    let recovering = |features: u32| {
        let second = mirror(1, 12).with(|member| member.md.features = features);
        assembled(&[mirror(0, 12), second, mirror(2, 12)])
    };
    let by_bitmap = recovering(feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP);
    assert_eq!(outcomes(&by_bitmap).resynced, 1);
    let in_full = recovering(feature::RECOVERY_OFFSET);
    assert_eq!(outcomes(&in_full).resynced, 64);
    for result in [by_bitmap, in_full] {
        let verdict = result.reading().unwrap().verdict.as_ref().unwrap();
        let notes: Vec<&str> = verdict.notes.iter().map(|note| note.name).collect();
        assert!(notes.contains(&"recovery-first"), "{notes:?}");
    }
}

#[test]
fn a_spare_fills_the_vacant_slot() {
    let now = |number: u32| {
        mirror(number, 12).with(|member| {
            member.md.roles = vec![0, GONE, 2, 0xffff];
            member.md.resync_offset = None;
        })
    };
    let result = assembled(&[now(0), now(2), now(3)]);
    let [recovery] = &result.reading().unwrap().recoveries[..] else {
        panic!("{result:?}");
    };
    assert_eq!((recovery.member, recovery.slot), (2, 1));
    assert!(
        matches!(recovery.scope, Scope::AllFrom { first, .. } if first == ChunkIndex(0)),
        "{recovery:?}"
    );
    // Nothing vacant: it stays a spare.
    let full =
        |number: u32| mirror(number, 12).with(|member| member.md.roles = vec![0, 1, 2, 0xffff]);
    let result = assembled(&[full(0), full(1), full(2), full(3)]);
    assert_eq!(result.reading().unwrap().recoveries, []);
}
