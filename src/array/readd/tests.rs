//! Would the kernel use the bitmap, and may it: reference/kernel.md 7.2, traps 10 and 11; W9, W17.

use super::*;
use crate::array::probe::probe;
use crate::device::MemoryStore;
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor, feature};

const GONE: u16 = 0xfffe;
const SPARE: u16 = 0xffff;

/// Device `number` of an array of two at `events`.
fn member(number: u8, events: u64, roles: &[u16]) -> FoundSuper {
    changed(number, events, roles, |_| ())
}

fn changed(
    number: u8,
    events: u64,
    roles: &[u16],
    change: impl FnOnce(&mut Builder),
) -> FoundSuper {
    let mut builder = Builder::mirror(Minor::V2, Sectors(1 << 20));
    builder.set_uuid = *b"an array of ours";
    builder.dev_number = u32::from(number);
    builder.events = Events(events);
    builder.device_uuid = [number + 1; 16];
    builder.roles = roles.to_vec();
    change(&mut builder);
    let mut image = vec![0; 1 << 29];
    let bytes = builder.build().to_bytes();
    image[4096..4096 + bytes.len()].copy_from_slice(&bytes);
    let mut result = probe(&MemoryStore::new("image", image), None);
    assert_eq!(result.rejected, []);
    result.found.remove(0)
}

fn bitmap(events_cleared: u64) -> BitmapCopy {
    let mut raw = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
    (raw.version, raw.events_cleared) = (4, events_cleared);
    BitmapCopy {
        name: "a".to_owned(),
        raw,
        distrust: Vec::new(),
    }
}

fn lockless() -> BitmapCopy {
    let mut copy = bitmap(77);
    copy.raw.version = 6;
    copy
}

/// The usual case: device 1 left a mirror at event 10; the array went on to event 20.
struct World {
    members: Vec<FoundSuper>,
    device: FoundSuper,
    others: Vec<FoundSuper>,
    bitmaps: Vec<BitmapCopy>,
}

impl World {
    fn honest() -> World {
        World {
            members: vec![member(0, 20, &[0, GONE])],
            device: member(1, 10, &[0, 1]),
            others: Vec::new(),
            bitmaps: vec![bitmap(10)],
        }
    }

    fn judge(&self) -> Judgement {
        let named = |found| Named { name: "x", found };
        let members: Vec<Named<'_>> = self.members.iter().map(named).collect();
        let others: Vec<Named<'_>> = self.others.iter().map(named).collect();
        let membership = Membership::of(&self.members.iter().collect::<Vec<_>>()).unwrap();
        judge(&Situation {
            members: &members,
            membership: &membership,
            device: named(&self.device),
            bitmaps: &self.bitmaps,
            others: &others,
        })
        .unwrap()
    }

    /// Entry, names of the obstacles, names of the evidence.
    fn names(&self) -> (Entry, Vec<&'static str>, Vec<&'static str>) {
        let judged = self.judge();
        (
            judged.entry,
            judged.obstacles.iter().map(|one| one.name).collect(),
            judged.evidence.iter().map(|one| one.reason.name).collect(),
        )
    }

    fn entry(&self) -> (Entry, Vec<&'static str>) {
        let (entry, obstacles, _) = self.names();
        (entry, obstacles)
    }

    fn evidence(&self) -> Vec<&'static str> {
        self.names().2
    }
}

#[test]
fn an_honest_absence_is_copied_by_bitmap_and_unproven() {
    let world = World::honest();
    assert_eq!(world.names(), (Entry::Bitmap, vec![], vec![]));
    let judged = world.judge();
    assert_eq!(judged.safety(None), Safety::Unproven);
    assert_eq!(judged.safety(Some(Compared::SampleEqual)), Safety::Unproven);
    assert_eq!(judged.safety(Some(Compared::AllEqual)), Safety::Proven);
    assert_eq!(judged.safety(Some(Compared::Differs)), Safety::Unsafe);
    assert_eq!((judged.slot, judged.notes), (Some(1), vec![]));
    let events = (judged.device_events.0, judged.array_events.0);
    assert_eq!(
        (events, judged.events_cleared),
        ((10, 20), Some(Events(10)))
    );
}

#[test]
fn events_cleared_is_the_limit() {
    let mut world = World::honest();
    world.bitmaps = vec![bitmap(11)];
    let older = (Entry::Spare, vec!["older-than-events-cleared"]);
    assert_eq!(world.entry(), older);
    // The kernel reads one copy, no one knows which: one that accepts suffices.
    world.bitmaps.push(bitmap(10));
    assert_eq!(world.entry(), (Entry::Bitmap, vec![]));
    world.bitmaps = vec![lockless()];
    assert_eq!(world.entry(), (Entry::Bitmap, vec![]), "trap 11");
}

#[test]
fn without_a_bitmap_or_with_one_that_is_not_trusted_all_is_copied() {
    let mut world = World::honest();
    world.bitmaps.clear();
    assert_eq!(world.entry(), (Entry::Spare, vec!["no-bitmap"]));
    world.device = member(1, 20, &[0, 1]);
    assert_eq!(world.entry(), (Entry::Nothing, vec!["no-bitmap"]));
    let mut world = World::honest();
    world.bitmaps[0].distrust = vec![Reason::new("events-stale", "stale")];
    assert_eq!(world.entry(), (Entry::Spare, vec!["events-stale"]));
    // The kernel may take the copy that is good.
    world.bitmaps.push(bitmap(10));
    assert_eq!(world.entry(), (Entry::Bitmap, vec![]));
    assert_eq!(world.judge().notes[0].name, "copies-differ");
}

#[test]
fn what_the_device_is_by_its_own_word() {
    let with = |device: FoundSuper| World {
        device,
        ..World::honest()
    };
    assert_eq!(
        with(member(1, 10, &[0, SPARE])).entry(),
        (Entry::Spare, vec!["was-spare"])
    );
    assert_eq!(
        with(member(1, 10, &[0, GONE])).entry(),
        (Entry::Spare, vec!["was-faulty"])
    );
    let featured = |features| {
        with(changed(1, 10, &[0, 1], |builder| {
            builder.features = features
        }))
    };
    assert_eq!(
        featured(feature::RECOVERY_OFFSET).entry(),
        (Entry::Full, vec!["recovery-unfinished"])
    );
    let interrupted = featured(feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP);
    let expected = (Entry::Bitmap, vec![], vec!["recovery-interrupted"]);
    assert_eq!(interrupted.names(), expected);
    assert_eq!(
        featured(feature::REPLACEMENT).entry(),
        (Entry::Full, vec!["was-replacement"])
    );
    let small = with(changed(1, 10, &[0, 1], |builder| {
        builder.data_size = Sectors(builder.component.0 - 1);
    }));
    assert_eq!(small.entry(), (Entry::Impossible, vec!["too-small"]));
}

#[test]
fn the_slot_must_be_free_and_on_parity_arrays_the_same() {
    let mut world = World::honest();
    world.members = vec![member(0, 20, &[0, GONE, 1]), member(2, 20, &[0, GONE, 1])];
    assert_eq!(world.entry(), (Entry::Spare, vec!["no-vacant-slot"]));
    assert_eq!(world.evidence(), ["slot-was-held"]);
    // Another slot is free: good enough for the kernel on a mirror, which makes it no safer.
    let of = |level, number, events, roles: &[u16]| {
        changed(number, events, roles, |builder| {
            (builder.level, builder.raid_chunk, builder.raid_disks) = (level, Sectors(128), 3);
        })
    };
    let another = |level| World {
        members: vec![
            of(level, 0, 20, &[0, GONE, 1]),
            of(level, 2, 20, &[0, GONE, 1]),
        ],
        device: of(level, 1, 10, &[0, 1, 2]),
        ..World::honest()
    };
    let (entry, _, evidence) = another(Level::Raid1).names();
    assert_eq!((entry, evidence), (Entry::Bitmap, vec!["slot-was-held"]));
    assert_eq!(
        another(Level::Raid5).entry(),
        (Entry::Full, vec!["slot-occupied"])
    );
    // The number is another's.
    let mut world = another(Level::Raid1);
    world.members = vec![of(Level::Raid1, 0, 20, &[0, 2])];
    assert_eq!(world.entry(), (Entry::Spare, vec!["number-taken"]));
}

#[test]
fn an_array_that_has_not_noticed_takes_it_back() {
    let mut world = World::honest();
    world.members = vec![member(0, 20, &[0, 1])];
    assert_eq!(world.names(), (Entry::Bitmap, vec![], vec![]));
    let array = &world.members[0].member;
    assert!(!is_in_array(array, &world.device.member));
    for events in [19, 20, 21] {
        assert!(is_in_array(array, &member(1, events, &[0, 1]).member));
    }
    assert!(!is_in_array(array, &member(1, 20, &[1, 0]).member));
}

#[test]
fn a_third_device_that_held_the_slot_is_evidence() {
    let third = |events| World {
        others: vec![member(2, events, &[0, GONE, 1])],
        ..World::honest()
    };
    assert_eq!(third(15).evidence(), ["slot-was-held"]);
    assert_eq!(third(15).judge().safety(None), Safety::Unsafe);
    assert_eq!(
        third(15).judge().safety(Some(Compared::AllEqual)),
        Safety::Proven
    );
    assert_eq!(third(10).evidence(), ["slot-was-held"], "at the same event");
    // It was there before this device came.
    assert_eq!(third(9).evidence(), Vec::<&str>::new());
    // A spare held nothing.
    let mut world = third(15);
    world.others = vec![member(2, 15, &[0, GONE, SPARE])];
    assert_eq!(world.evidence(), Vec::<&str>::new());
}

#[test]
fn a_superblock_that_lists_another_holder_is_evidence() {
    let mut world = World::honest();
    world.others = vec![changed(0, 15, &[0, GONE, 1], |builder| {
        builder.device_uuid = [9; 16];
    })];
    let judged = world.judge();
    assert_eq!(judged.evidence.len(), 1);
    let sentence = &judged.evidence[0].reason.sentence;
    assert!(
        sentence.contains("device number 2 held slot 1 at event 15"),
        "{sentence}"
    );
}

#[test]
fn events_cleared_zero_accepts_anything_and_is_evidence() {
    for copy in [bitmap(0), lockless()] {
        let mut world = World::honest();
        world.bitmaps = vec![copy];
        assert_eq!(
            world.names(),
            (Entry::Bitmap, vec![], vec!["events-cleared-zero"])
        );
        // No other device can have been taken in between.
        world.device = member(1, 19, &[0, 1]);
        assert_eq!(world.evidence(), Vec::<&str>::new());
    }
}

#[test]
fn a_copy_of_another_member_is_evidence() {
    let mut world = World::honest();
    let twin = |builder: &mut Builder| builder.device_uuid = [2; 16];
    world.others = vec![changed(1, 12, &[0, 1], twin)];
    assert_eq!(world.evidence(), ["copy-of-a-member"]);
    // Superblocks without device UUIDs are no copies of each other for that.
    let none = |builder: &mut Builder| builder.device_uuid = [0; 16];
    world.device = changed(1, 10, &[0, 1], none);
    world.others = vec![changed(0, 12, &[0, 1], none)];
    assert_eq!(world.evidence(), Vec::<&str>::new());
}

#[test]
fn a_device_that_went_on_alone_stays_unsafe_whatever_is_compared() {
    let mut world = World::honest();
    world.device = member(1, 18, &[GONE, 1]);
    assert_eq!(world.evidence(), ["split-brain"]);
    world.device = member(1, 21, &[GONE, 1]);
    assert_eq!(world.evidence(), ["device-ahead"]);
    let judged = world.judge();
    assert_eq!(judged.safety(Some(Compared::AllEqual)), Safety::Unsafe);
}

#[test]
fn members_that_failed_one_after_the_other_are_no_split_brain() {
    // Device 2 failed first, then device 1; device 2 has been re-added since.
    let three = |builder: &mut Builder| builder.raid_disks = 3;
    let mut world = World::honest();
    world.members = vec![
        changed(0, 20, &[0, GONE, 2], three),
        changed(2, 20, &[0, GONE, 2], three),
    ];
    world.device = changed(1, 10, &[0, 1, GONE], three);
    assert_eq!(world.names(), (Entry::Bitmap, vec![], vec![]));
    assert_eq!(world.judge().notes[0].name, "left-with-others-missing");
}

#[test]
fn an_array_that_was_changed_meanwhile_is_evidence() {
    let changes: [fn(&mut Builder); 4] = [
        |builder| builder.raid_disks = 3,
        |builder| builder.component = Sectors(builder.component.0 - 128),
        |builder| builder.layout = 1,
        |builder| builder.level = Level::Raid4,
    ];
    for change in changes {
        let mut world = World::honest();
        world.device = changed(1, 10, &[0, 1], change);
        let judged = world.judge();
        assert_eq!(judged.evidence[0].reason.name, "array-changed");
        assert_eq!(
            judged.safety(Some(Compared::AllEqual)),
            Safety::Unsafe,
            "where it lies is not known"
        );
    }
}

#[test]
fn missing_members_are_said() {
    let three = |builder: &mut Builder| builder.raid_disks = 3;
    let mut world = World::honest();
    world.members = vec![changed(0, 20, &[0, GONE, 2], three)];
    world.device = changed(1, 10, &[0, 1, 2], three);
    let judged = world.judge();
    assert_eq!(judged.notes[0].name, "members-missing");
    assert!(judged.notes[0].sentence.contains("slot 2 "));
}

#[test]
fn of_a_running_array_only_what_makes_the_bits_unreadable_counts() {
    let uuid = *b"an array of ours";
    let mut raw = bitmap(10).raw;
    (raw.magic, raw.uuid, raw.chunksize) = (0x6d74_6962, uuid, 65536);
    (raw.daemon_sleep_seconds, raw.sync_size_sectors) = (5, 1 << 20);
    let judged = |raw: &RawBitmapSuper| {
        BitmapCopy::in_use("a", raw, uuid, Place::Internal, None).is_trusted()
    };
    // Stale for an array that is to be started; the driver has moved on while we looked.
    assert!(judged(&raw));
    raw.chunksize = 0;
    assert!(!judged(&raw));
    (raw.chunksize, raw.uuid) = (65536, [1; 16]);
    assert!(!judged(&raw));
}
