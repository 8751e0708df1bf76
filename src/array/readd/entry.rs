//! What the kernel would do with a device that is hot-added (reference/kernel.md 7.2).

use super::{Situation, offered, own_slot};
use crate::array::member::{MemberSuper, Role};
use crate::array::verdict::Reason;
use crate::format::level::Level;
use crate::format::md_v1::feature;

/// What becomes of a device that is added to its array again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It returns, and the chunks that the bitmap marks are copied.
    Bitmap,
    /// It returns, and nothing at all is copied: it is as current as the array.
    Nothing,
    /// It returns, and all of it is copied.
    Full,
    /// It is not taken back as what it was, only as a new spare, all of which is copied.
    Spare,
    /// The array cannot take it.
    Impossible,
}

impl Entry {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Entry::Bitmap => "bitmap",
            Entry::Nothing => "nothing",
            Entry::Full => "full",
            Entry::Spare => "spare",
            Entry::Impossible => "impossible",
        }
    }
}

type Answer = (Entry, Vec<Reason>);

fn because(entry: Entry, name: &'static str, sentence: impl Into<String>) -> Option<Answer> {
    Some((entry, vec![Reason::new(name, sentence)]))
}

/// What becomes of the device, and why the bitmap is not used.
pub(super) fn entry(situation: &Situation<'_>, array: &MemberSuper) -> Answer {
    let device = &situation.device.found.member;
    acceptable(situation, array, device)
        .or_else(|| part_in_array(device))
        .or_else(|| place(situation, array, device))
        .or_else(|| by_events(situation, array, device))
        .unwrap_or((Entry::Bitmap, Vec::new()))
}

/// Whether the kernel takes the device at all.
fn acceptable(
    situation: &Situation<'_>,
    array: &MemberSuper,
    device: &MemberSuper,
) -> Option<Answer> {
    if let Some(failure) = situation.device.found.refusals.first() {
        let sentence = format!("the kernel refuses its superblock: its {failure}");
        return because(Entry::Impossible, "superblock-refused", sentence);
    }
    let kind = |member: &MemberSuper| std::mem::discriminant(&member.metadata);
    if kind(array) != kind(device) {
        let sentence = format!(
            "its superblock is of metadata {}, the array's of {}; the kernel looks for that one only",
            device.metadata, array.metadata
        );
        return because(Entry::Spare, "other-metadata", sentence);
    }
    let needed = array.component?;
    let offered = offered(device).filter(|offered| *offered < needed)?;
    let sentence =
        format!("it offers {offered} sectors for data, the array needs {needed} of each member");
    because(Entry::Impossible, "too-small", sentence)
}

/// mdadm asks for a re-add only of what was active by its own word (reference/mdadm.md 5.6).
fn part_in_array(device: &MemberSuper) -> Option<Answer> {
    let spare = |name, what: &str| {
        let sentence = format!("by its own superblock it {what}, not a member that comes back");
        because(Entry::Spare, name, sentence)
    };
    match device.role {
        Role::Spare => spare("was-spare", "is a spare"),
        Role::Faulty => spare("was-faulty", "has failed"),
        Role::Journal => spare("was-journal", "is a journal"),
        Role::Slot(_) if device.features & feature::REPLACEMENT != 0 && device.metadata.is_v1() => {
            because(
                Entry::Full,
                "was-replacement",
                "it was being filled as a replacement; that is always done in full",
            )
        }
        // 0.90 does not say how far it was, and the kernel does not take such a member back.
        Role::Slot(_) if device.recovery_offset.is_some() && !device.metadata.is_v1() => because(
            Entry::Spare,
            "recovery-unfinished",
            "it left before its own recovery was finished",
        ),
        Role::Slot(_)
            if device.recovery_offset.is_some()
                && device.features & feature::RECOVERY_BITMAP == 0 =>
        {
            because(
                Entry::Full,
                "recovery-unfinished",
                "it left before its own recovery, which did not go by the bitmap, was finished",
            )
        }
        Role::Slot(_) => None,
    }
}

/// Whether its old place is free.
fn place(situation: &Situation<'_>, array: &MemberSuper, device: &MemberSuper) -> Option<Answer> {
    let slot = own_slot(device)?;
    let listed = usize::try_from(device.number).ok();
    let by_number = listed.and_then(|number| array.devices.get(number));
    // The array has not noticed yet that it is gone; it will when it starts.
    if by_number == Some(&Role::Slot(slot)) && situation.membership.missing.contains(&slot) {
        return None;
    }
    let vacant = &situation.membership.vacant;
    if vacant.is_empty() {
        return because(
            Entry::Spare,
            "no-vacant-slot",
            "every slot of the array is held; it would become a spare",
        );
    }
    if let Some(Role::Slot(held)) = by_number {
        let sentence = format!(
            "another member goes by its device number {}, in slot {held}",
            device.number
        );
        return because(Entry::Spare, "number-taken", sentence);
    }
    // A mirror takes it into any slot as what it was (reference/kernel.md 7.2).
    if vacant.contains(&slot) || array.level == Level::Raid1 {
        return None;
    }
    let sentence = format!(
        "another member holds its slot {slot}; in any other slot of a {} it holds the wrong data",
        array.level
    );
    because(Entry::Full, "slot-occupied", sentence)
}

/// Whether the bitmap covers its absence.
fn by_events(
    situation: &Situation<'_>,
    array: &MemberSuper,
    device: &MemberSuper,
) -> Option<Answer> {
    let behind = device.events < array.events;
    if situation.bitmaps.is_empty() {
        return match behind {
            true => because(Entry::Spare, "no-bitmap", "the array has no bitmap"),
            false => because(
                Entry::Nothing,
                "no-bitmap",
                "the array has no bitmap, and the device is as current as the array",
            ),
        };
    }
    let Some(cleared) = situation.events_cleared() else {
        return Some(untrusted(situation, behind));
    };
    if device.events >= cleared {
        return None;
    }
    let sentence = format!(
        "it left at event {}, and bits have been cleared for writes at event {cleared}: the bitmap does not tell \
         what it missed",
        device.events
    );
    because(Entry::Spare, "older-than-events-cleared", sentence)
}

/// The kernel sets all bits of a bitmap that it does not trust, and from then on accepts only what
/// is as current as the array (reference/kernel.md 2.1, 3.7).
fn untrusted(situation: &Situation<'_>, behind: bool) -> Answer {
    let lockless = situation.bitmaps.iter().all(|copy| copy.raw.is_lockless());
    let entry = if behind && !lockless {
        Entry::Spare
    } else {
        Entry::Full
    };
    let mut reasons = Vec::new();
    for copy in situation.bitmaps {
        for distrust in &copy.distrust {
            if !reasons.contains(distrust) {
                reasons.push(distrust.clone());
            }
        }
    }
    (entry, reasons)
}
