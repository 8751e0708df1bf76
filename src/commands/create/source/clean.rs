//! `--clean`: zero bits, where the array itself says that its members are equal (design.md W19).
//!
//! Zero bits that are wrong are the one error that cannot be forgiven, so everything that could
//! speak against them does: an unfinished resync, reshape or recovery, a vacant slot (W7), bits
//! that are set in the array's own bitmap. What is left is valid for exactly one event count:
//! the kernel distrusts the bitmap as soon as the array has a later one (reference/kernel.md 2.1).
//!
//! One thing a 1.x superblock does not tell: whether *another* member is being recovered with the
//! help of a bitmap (feature RECOVERY_BITMAP stands in that member's superblock alone). Such a
//! recovery, interrupted, would go on with the new bitmap, find nothing to do, and call the member
//! current. It is ruled out by the array's own bitmap, if that is internal and all zero; else by
//! seeing the superblock of every member.

use super::members::{self, Member};
use crate::array::{MetadataVersion, NoBitmap, Role};
use crate::bitmap::Bitmap;
use crate::commands::create::CreateError;
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::state;
use crate::format::md_v1::feature;
use crate::kernel::System;
use crate::kernel::holders::Subject;
use crate::units::{Bytes, Events};
use std::collections::BTreeSet;

/// The event count under which the bitmap may say that all is clean.
pub(super) fn events(members: &[Member]) -> Result<Events, CreateError> {
    let Some(first) = members.first() else {
        return Err(not_clean("no member was given".to_owned()));
    };
    check(first, members)?;
    let needs_all = first.superblock.metadata.is_v1() && first.superblock.bitmap.is_err();
    if needs_all && !unseen(members).is_empty() {
        let found = other_members(first, members);
        check(first, &found)?;
        let unseen = unseen(members.iter().chain(&found));
        if !unseen.is_empty() {
            return Err(not_clean(format!(
                "the array has no bitmap of its own, so only the superblock of each member tells whether that is \
                 being recovered, and none was found for slots [{}]; give --like=MEMBER once for each",
                listed(&unseen)
            )));
        }
    }
    Ok(first.superblock.events)
}

/// Slots of the array for which there is no member here.
fn unseen<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<u32> {
    let mut slots = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for member in members {
        slots.extend(0..member.superblock.raid_disks);
        if let Role::Slot(slot) = member.superblock.role {
            seen.insert(slot);
        }
    }
    slots.difference(&seen).copied().collect()
}

/// Members of the same array, as current as the first, among the block devices of this machine.
/// Members that are out of date are no part of the array's present state.
fn other_members(first: &Member, given: &[Member]) -> Vec<Member> {
    let known: Vec<Option<Subject>> = given
        .iter()
        .map(|member| Subject::of(&member.path).ok().flatten())
        .collect();
    System::default()
        .block_nodes()
        .into_iter()
        .filter(|(_, number)| !known.contains(&Some(Subject::Block(*number))))
        .filter_map(|(path, _)| members::read(&path, &mut Vec::new()).ok())
        .filter(|found| {
            found.superblock.same_array(&first.superblock)
                && found.superblock.events == first.superblock.events
        })
        .collect()
}

/// Whether anything on these members speaks against a clean bitmap.
fn check(first: &Member, members: &[Member]) -> Result<(), CreateError> {
    for member in members {
        let path = member.path.display();
        if let Some(reason) = objection(member) {
            return Err(not_clean(format!("{path}: {reason}")));
        }
        if member.superblock.events != first.superblock.events {
            return Err(not_clean(format!(
                "{path} has event count {}, but {} has {}",
                member.superblock.events,
                first.path.display(),
                first.superblock.events
            )));
        }
        own_bitmap(member)?;
    }
    Ok(())
}

/// Slots in one list.
fn listed(slots: &[u32]) -> String {
    let slots: Vec<_> = slots.iter().map(u32::to_string).collect();
    slots.join(", ")
}

fn not_clean(reason: String) -> CreateError {
    CreateError::NotClean { reason }
}

/// What in the superblock speaks against a clean bitmap.
fn objection(member: &Member) -> Option<String> {
    let superblock = &member.superblock;
    if superblock.metadata == MetadataVersion::DmRaid {
        return Some("LVM RAID volumes use no bitmap outside their metadata device".to_owned());
    }
    if superblock.reshaping {
        return Some("the superblock records an unfinished reshape".to_owned());
    }
    if let Some(at) = superblock.resync_offset {
        return Some(format!(
            "the array is not clean: a resync would go on from sector {at}"
        ));
    }
    if !matches!(superblock.role, Role::Slot(_)) {
        return Some(format!(
            "this device is {} and holds no slot of the array",
            superblock.role
        ));
    }
    if let Some(at) = superblock.recovery_offset {
        return Some(format!(
            "this member is being recovered and is current only up to sector {at}"
        ));
    }
    const OTHERS: u32 =
        feature::REPLACEMENT | feature::JOURNAL | feature::PPL | feature::MULTIPLE_PPLS;
    if superblock.metadata.is_v1() && superblock.features & OTHERS != 0 {
        return Some("the array has a replacement, a journal or a partial parity log".to_owned());
    }
    let vacant = superblock.vacant_slots();
    if !vacant.is_empty() {
        return Some(format!(
            "the array is degraded: slots [{}] are vacant",
            listed(&vacant)
        ));
    }
    None
}

/// The array's own bitmap, on this member: while a recovery by bitmap is unfinished its bits are
/// still set, although every other member looks clean.
fn own_bitmap(member: &Member) -> Result<(), CreateError> {
    let name = member.path.display().to_string();
    match &member.superblock.bitmap {
        Ok(place) if place.clustered => Err(not_clean(format!(
            "{name}: the array has a clustered bitmap, whose other nodes are not looked at"
        ))),
        Ok(place) => {
            let what = format!("{name}: the array's internal bitmap");
            trusted(member, place.start, &what)?;
            match nothing_dirty(&member.store, place.start, &what)? {
                true => Ok(()),
                false => Err(not_clean(format!("{what} is announced but not there"))),
            }
        }
        Err(NoBitmap::NotAnnounced { .. }) => Ok(()),
        Err(why) => Err(not_clean(format!("{name}: {why}"))),
    }
}

/// Only a bitmap of this array, as current as the superblock, is evidence.
fn trusted(member: &Member, start: Bytes, what: &str) -> Result<(), CreateError> {
    let superblock = &member.superblock;
    let bitmap = Bitmap::open(&member.store, start, BitOrder::Little)
        .map_err(|error| not_clean(format!("{what} cannot be read: {error}")))?;
    let raw = bitmap.raw();
    let reason = if raw.uuid != superblock.array_uuid {
        "has another UUID"
    } else if raw.events < superblock.events.0 {
        "is older than the superblock"
    } else if raw.state & (state::STALE | state::WRITE_ERROR | state::FIRST_USE) != 0 {
        "is marked as out of date"
    } else {
        return Ok(());
    };
    Err(not_clean(format!("{what} {reason}")))
}

/// Refuses when a bitmap at `start` has anything but clean chunks. False when there is none.
pub(in crate::commands::create) fn nothing_dirty(
    store: &dyn Store,
    start: Bytes,
    what: &str,
) -> Result<bool, CreateError> {
    let bitmap = match Bitmap::open(store, start, BitOrder::Little) {
        Ok(bitmap) if bitmap.raw().has_magic() => bitmap,
        _ => return Ok(false),
    };
    let counts = bitmap
        .count()
        .map_err(|error| not_clean(format!("{what} cannot be counted: {error}")))?;
    // Unwritten chunks of a version 6 bitmap were never made equal (design.md W10).
    let not_clean_chunks = match counts.states {
        Some(states) => counts.chunks.saturating_sub(states.clean),
        None => counts.dirty,
    };
    if not_clean_chunks > 0 {
        return Err(not_clean(format!(
            "{what} says that {not_clean_chunks} of {} chunks may differ",
            counts.chunks
        )));
    }
    Ok(true)
}
