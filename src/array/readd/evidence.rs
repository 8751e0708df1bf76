//! What speaks against the bits (design.md W9, W17).

use super::{Named, Situation, own_slot};
use crate::array::geometry::Geometry;
use crate::array::member::{MemberSuper, Role, SlotState};
use crate::array::verdict::Reason;
use crate::format::level::Level;
use crate::format::md_v1::feature;
use crate::units::Events;

/// Something that speaks against believing the clear bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Its name and sentence.
    pub reason: Reason,
    /// True when a comparison of every unmarked chunk overrules it. (Not so when the device holds
    /// writes of its own, which a re-add destroys.)
    pub refutable: bool,
}

fn refutable(name: &'static str, sentence: impl Into<String>) -> Evidence {
    Evidence {
        reason: Reason::new(name, sentence),
        refutable: true,
    }
}

fn final_word(name: &'static str, sentence: impl Into<String>) -> Evidence {
    Evidence {
        refutable: false,
        ..refutable(name, sentence)
    }
}

/// All evidence.
pub(super) fn evidence(situation: &Situation<'_>, array: &MemberSuper) -> Vec<Evidence> {
    let device = &situation.device.found.member;
    let mut all = Vec::new();
    all.extend(split_brain(situation, array, device));
    all.extend(slot_was_held(situation, device));
    all.extend(copies(situation, device));
    all.extend(changed_array(array, device));
    all.extend(interrupted(device));
    all.extend(never_cleared(situation, array, device));
    all
}

/// The device went on without the members at hand, or the array at hand is the one left behind (W17).
fn split_brain(
    situation: &Situation<'_>,
    array: &MemberSuper,
    device: &MemberSuper,
) -> Option<Evidence> {
    own_slot(device)?;
    if device.events > array.events {
        let sentence = format!(
            "it is at event {}, ahead of the array at hand ({}): it went on without these members, and a re-add would \
             overwrite what it has written since",
            device.events, array.events
        );
        return Some(final_word("device-ahead", sentence));
    }
    let (mut together, mut apart) = (0, 0);
    for slot in current_slots(situation) {
        match seen_by(device, slot) {
            Some(SlotState::Occupied) => together += 1,
            Some(SlotState::Vacant) => apart += 1,
            None => {}
        }
    }
    (together == 0 && apart > 0).then(|| {
        final_word(
            "split-brain",
            "its superblock calls every current member missing: it went on alone, and a re-add would overwrite what it \
             has written since",
        )
    })
}

/// Slots of the members that are current, by the array's word.
fn current_slots<'a>(situation: &'a Situation<'_>) -> impl Iterator<Item = u32> + 'a {
    let membership = situation.membership;
    (membership.current()).filter_map(|index| membership.standing(index).slot())
}

/// How the superblock of `device` sees a slot.
fn seen_by(device: &MemberSuper, slot: u32) -> Option<SlotState> {
    let index = usize::try_from(slot).ok()?;
    device.slots.get(index).copied()
}

/// Another device held the slot after this one had left: its recovery has cleared bits
/// (reference/kernel.md trap 10).
fn slot_was_held(situation: &Situation<'_>, device: &MemberSuper) -> Option<Evidence> {
    let slot = own_slot(device)?;
    let later = |witness: &Named<'_>| witness.found.member.events >= device.events;
    let mut witnesses = situation.witnesses().filter(later);
    witnesses.find_map(|witness| {
        let member = &witness.found.member;
        if same_uuid(member, device) {
            // Told as a copy.
            return None;
        }
        if member.role == Role::Slot(slot) {
            let sentence = format!(
                "{} held slot {slot} at event {}, and the device left it at event {}: when {} was recovered, bits of \
                 what the device missed were cleared",
                witness.name, member.events, device.events, witness.name
            );
            return Some(refutable("slot-was-held", sentence));
        }
        let holder = other_holder(member, device, slot)?;
        let sentence = format!(
            "the superblock of {} says that device number {holder} held slot {slot} at event {}; this device, number {}, \
             left it at event {}: when the other one was recovered, bits of what this one missed were cleared",
            witness.name, member.events, device.number, device.events
        );
        Some(refutable("slot-was-held", sentence))
    })
}

/// The number of another device that `member` lists in `slot`.
fn other_holder(member: &MemberSuper, device: &MemberSuper, slot: u32) -> Option<usize> {
    let own = usize::try_from(device.number).ok();
    let holds =
        |(number, role): &(usize, &Role)| **role == Role::Slot(slot) && Some(*number) != own;
    let all = member.devices.iter().enumerate();
    all.into_iter().find(holds).map(|(number, _)| number)
}

fn same_uuid(a: &MemberSuper, b: &MemberSuper) -> bool {
    a.device_uuid.is_some() && a.device_uuid != Some([0; 16]) && a.device_uuid == b.device_uuid
}

/// Another device has the same identity: one is a copy of the other, made at an unknown moment.
fn copies(situation: &Situation<'_>, device: &MemberSuper) -> Option<Evidence> {
    let mut witnesses = situation.witnesses();
    let twin = witnesses.find(|witness| same_uuid(&witness.found.member, device))?;
    let sentence = format!(
        "{} carries the same device UUID: one is a copy of the other, and what was written after the copy was made is \
         marked nowhere",
        twin.name
    );
    Some(refutable("copy-of-a-member", sentence))
}

/// The array was another one when the device left: where its data lies has changed, or what was
/// added is marked nowhere (reference/kernel.md 3.8).
fn changed_array(array: &MemberSuper, device: &MemberSuper) -> Option<Evidence> {
    if array.reshaping || device.reshaping {
        return Some(final_word(
            "reshape",
            "a reshape is under way, or was when it left: its data does not lie where the array's does",
        ));
    }
    let fields = |member: &MemberSuper| {
        let chunk = match member.level {
            Level::Raid1 => 0,
            _ => member.raid_chunk.0,
        };
        let size = member.component.map_or(0, |size| size.0);
        [
            ("level", member.level.to_string()),
            ("number of slots", member.raid_disks.to_string()),
            ("layout", member.layout.to_string()),
            ("RAID chunk", format!("{chunk} sectors")),
            ("size used of each member", format!("{size} sectors")),
        ]
    };
    let mut pairs = fields(array).into_iter().zip(fields(device));
    let ((name, now), (_, then)) = pairs.find(|(now, then)| now != then)?;
    let sentence = format!(
        "the array has changed since the device left it: its {name} was {then} and is {now}; what that moved or added \
         is marked nowhere"
    );
    Some(final_word("array-changed", sentence))
}

/// A recovery by bitmap was under way when it left; the rest is known only as long as that very
/// bitmap lives (tests/vm/FINDINGS.md; W8).
fn interrupted(device: &MemberSuper) -> Option<Evidence> {
    let both = feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP;
    let is = device.metadata.is_v1() && device.features & both == both;
    is.then(|| {
        refutable(
            "recovery-interrupted",
            "it left in the middle of a recovery by bitmap: if the array's bitmap was replaced or removed since, what was \
             left of it is forgotten",
        )
    })
}

/// `events_cleared` 0 under trusted events accepts any old member (W3, W9). A device that missed at
/// most one superblock update is spared: taking another one into its slot needs several.
fn never_cleared(
    situation: &Situation<'_>,
    array: &MemberSuper,
    device: &MemberSuper,
) -> Option<Evidence> {
    let copy = situation
        .trusted()
        .find(|copy| copy.events_cleared() == Events(0))?;
    let gap = array.events.0.saturating_sub(device.events.0);
    if gap <= 1 {
        return None;
    }
    let sentence = if copy.raw.is_lockless() {
        format!(
            "a version 6 bitmap does not record when chunks were last cleared, so the kernel accepts any old member; this \
             one is {gap} events behind"
        )
    } else {
        format!(
            "events_cleared is 0 in the bitmap of {}, which accepts any old member; this one is {gap} events behind",
            copy.name
        )
    };
    Some(refutable("events-cleared-zero", sentence))
}

/// What should be known and proves nothing.
pub(super) fn notes(situation: &Situation<'_>, array: &MemberSuper) -> Vec<Reason> {
    let device = &situation.device.found.member;
    let mut notes = Vec::new();
    let list = |slots: &[u32]| {
        let all: Vec<String> = slots.iter().map(ToString::to_string).collect();
        all.join(", ")
    };
    let missing = &situation.membership.missing;
    if !missing.is_empty() {
        let sentence = format!(
            "the array calls slot {} active, and no member given fills it: a fresher superblock there may say otherwise",
            list(missing)
        );
        notes.push(Reason::new("members-missing", sentence));
    }
    let (apart, together): (Vec<u32>, Vec<u32>) = current_slots(situation)
        .partition(|slot| seen_by(device, *slot) == Some(SlotState::Vacant));
    if !apart.is_empty() && !together.is_empty() {
        let sentence = format!(
            "when the device left, slot {} was missing; it has returned since",
            list(&apart)
        );
        notes.push(Reason::new("left-with-others-missing", sentence));
    }
    if situation.bitmaps.iter().any(|copy| !copy.is_trusted())
        && situation.trusted().next().is_some()
    {
        notes.push(Reason::new(
            "copies-differ",
            "the kernel reads the bitmap of one member, and not every member's is trusted",
        ));
    }
    if array.level == Level::Raid10 && !array.is_clean() {
        notes.push(Reason::new(
            "resync-first",
            "the array is not marked clean: it is resynchronised before it takes a member",
        ));
    }
    if Geometry::of(array).is_ok_and(|geometry| geometry.rows_may_go_unmarked()) {
        notes.push(Reason::new(
            "rows-may-be-unmarked",
            "some kernels (6.12.107 among them) write rows of such an array without marking them: if one of those has run \
             it, only --verify=full tells what differs",
        ));
    }
    if situation.trusted().any(|copy| copy.raw.is_lockless()) {
        notes.push(Reason::new(
            "lockless-recovery",
            "kernels before 7.3 leave out a chunk now and then when they recover by a version 6 bitmap: run a check after \
             the re-add (echo check > /sys/block/mdX/md/sync_action)",
        ));
    }
    notes
}
