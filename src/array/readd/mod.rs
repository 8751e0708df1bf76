//! A device that was a member once: would a re-add use the bitmap, and would that be safe?
//!
//! When a member comes back, the kernel copies the chunks whose bit is set and takes the rest for
//! equal. Two questions, two answers here, both plain facts from superblocks:
//!
//! - [`Entry`]: what the kernel (and mdadm before it) would do with the device
//!   (reference/kernel.md 7.2, reference/mdadm.md 5.6);
//! - [`Safety`]: whether the chunks whose bit is clear may be believed to be equal (design.md W9).
//!   The kernel does not know: another device may have held the slot meanwhile, its recovery has
//!   cleared the bits, and nothing on the survivors shows it (reference/kernel.md traps 10, 11).
//!
//! [`judge`] reads nothing; [`super::compare`] reads the data.

mod copied;
mod entry;
mod evidence;
mod marks;
mod safety;
mod sample;
#[cfg(test)]
mod tests;
pub mod verify;

pub use copied::copied_bytes;
pub use entry::Entry;
pub use evidence::Evidence;
pub use marks::{Believed, Marks, Union};
pub use safety::{Compared, Safety};
pub use sample::{SAMPLE, Sample};

use super::member::{MemberSuper, Role};
use super::membership::Membership;
use super::probe::FoundSuper;
use super::verdict::{self, Assembly, Reason};
use crate::format::bitmap_rules::{self, Context, Place};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::units::{Bytes, Events, Sectors};

/// A superblock and where it was found.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Path of the device, for messages.
    pub name: &'a str,
    /// Its superblock.
    pub found: &'a FoundSuper,
}

/// The bitmap superblock that a current member of the array carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitmapCopy {
    /// Path of the member (or of the bitmap file).
    pub name: String,
    /// What it says.
    pub raw: RawBitmapSuper,
    /// Why the kernel would not take its bits as they are; empty when it would.
    pub distrust: Vec<Reason>,
}

impl BitmapCopy {
    /// The bitmap of `own`, one of the current `members`, judged as the kernel judges it when it starts
    /// the array; `available` bytes lie between the bitmap's start and the end of the device.
    pub fn of_member(
        own: Named<'_>,
        members: &[Named<'_>],
        raw: &RawBitmapSuper,
        available: Option<Bytes>,
    ) -> BitmapCopy {
        let assembly = Assembly::new(own.found, members.iter().map(|member| member.found));
        let assessment = verdict::assess(&assembly, raw, available);
        let distrust = if assessment.trusted {
            Vec::new()
        } else if assessment.reasons.is_empty() {
            vec![Reason::new("bitmap-untrusted", "its bitmap is not trusted")]
        } else {
            assessment.reasons
        };
        BitmapCopy {
            name: own.name.to_owned(),
            raw: raw.clone(),
            distrust,
        }
    }

    /// A bitmap of a running array whose UUID is `uuid`. The driver has accepted it, and judges neither
    /// it nor the array again: only what makes the bits unreadable counts. (Its events move while
    /// one looks, and the array may well be neither clean nor complete.)
    pub fn in_use(
        name: impl Into<String>,
        raw: &RawBitmapSuper,
        uuid: [u8; 16],
        place: Place,
        available: Option<Bytes>,
    ) -> BitmapCopy {
        let context = Context {
            place: Some(place),
            uuid: Some(uuid),
            available,
            ..Context::default()
        };
        let broken = bitmap_rules::violations(raw, &context);
        let distrust = broken
            .iter()
            .filter(|violation| !violation.consequence.keeps_bits())
            .map(|violation| Reason::new("bitmap-unusable", violation.to_string()));
        BitmapCopy {
            name: name.into(),
            raw: raw.clone(),
            distrust: distrust.collect(),
        }
    }

    /// True when the kernel would take its bits as they are.
    pub fn is_trusted(&self) -> bool {
        self.distrust.is_empty()
    }

    /// The event count below which the kernel refuses a returning device. Version 6 never loads
    /// the field, so that any device is accepted (reference/kernel.md trap 11).
    pub fn events_cleared(&self) -> Events {
        if self.raw.is_lockless() {
            Events(0)
        } else {
            Events(self.raw.events_cleared)
        }
    }
}

/// All that is known about an array and a device that is to return to it.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The members at hand, without the device in question.
    pub members: &'a [Named<'a>],
    /// Their array.
    pub membership: &'a Membership,
    /// The device in question.
    pub device: Named<'a>,
    /// The bitmaps of the current members; empty when the array has none.
    pub bitmaps: &'a [BitmapCopy],
    /// Superblocks of the same array on other devices (spares, failed and forgotten ones), the
    /// device in question left out under all its names.
    pub others: &'a [Named<'a>],
}

impl<'a> Situation<'a> {
    /// The superblock that speaks for the array.
    pub fn array(&self) -> Option<&'a MemberSuper> {
        let freshest = self.members.get(self.membership.freshest())?;
        Some(&freshest.found.member)
    }

    /// Every superblock but that of the device.
    fn witnesses(&self) -> impl Iterator<Item = Named<'a>> {
        self.members.iter().chain(self.others).copied()
    }

    /// The bitmaps whose bits the kernel would take as they are.
    fn trusted(&self) -> impl Iterator<Item = &'a BitmapCopy> {
        self.bitmaps.iter().filter(|copy| copy.is_trusted())
    }

    /// The lowest event count with which a device is accepted for a recovery by bitmap.
    fn events_cleared(&self) -> Option<Events> {
        self.trusted().map(BitmapCopy::events_cleared).min()
    }
}

/// What is to be said of a re-add, from superblocks alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the kernel would do with the device.
    pub entry: Entry,
    /// Why not use the bitmap; empty when it would be used.
    pub obstacles: Vec<Reason>,
    /// What speaks against the bits (W9).
    pub evidence: Vec<Evidence>,
    /// What else should be known; none of it changes the answers.
    pub notes: Vec<Reason>,
    /// The slot that the device held, by its own superblock.
    pub slot: Option<u32>,
    /// Events of the device's superblock.
    pub device_events: Events,
    /// Events of the array.
    pub array_events: Events,
    /// The lowest event count that the bitmap accepts; `None` without a trusted one.
    pub events_cleared: Option<Events>,
}

/// Judges a re-add; `None` when no member at hand speaks for the array.
///
/// Whether the device is a member of the array at this moment is for [`is_in_array`] to say.
pub fn judge(situation: &Situation<'_>) -> Option<Judgement> {
    let array = situation.array()?;
    let device = &situation.device.found.member;
    let (entry, obstacles) = entry::entry(situation, array);
    Some(Judgement {
        entry,
        obstacles,
        evidence: evidence::evidence(situation, array),
        notes: evidence::notes(situation, array),
        slot: own_slot(device),
        device_events: device.events,
        array_events: array.events,
        events_cleared: situation.events_cleared(),
    })
}

/// True when `array`, the freshest superblock, lists the device as a member that fills a slot and
/// its events are no more than one behind: there is nothing to re-add.
pub fn is_in_array(array: &MemberSuper, device: &MemberSuper) -> bool {
    let listed = usize::try_from(device.number).ok();
    let role = listed.and_then(|number| array.devices.get(number));
    let gap = array.events.0.abs_diff(device.events.0);
    matches!((role, device.role), (Some(Role::Slot(by_array)), Role::Slot(own)) if *by_array == own)
        && gap <= 1
}

/// The slot that a device held by its own word.
fn own_slot(device: &MemberSuper) -> Option<u32> {
    match device.role {
        Role::Slot(slot) => Some(slot),
        _ => None,
    }
}

/// Sectors that a device offers for data, by its superblock.
fn offered(device: &MemberSuper) -> Option<Sectors> {
    let data = device.areas.data.as_ref()?;
    let end = data.end.min(device.device_bytes.0);
    Some(Bytes(end.saturating_sub(data.start)).sectors_floor())
}
