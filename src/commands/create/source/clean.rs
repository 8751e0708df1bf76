//! `--clean`: zero bits, where the array itself says that its members are equal (design.md W19).
//!
//! Zero bits that are wrong are the one error that cannot be forgiven, so everything that could
//! speak against them does: an unfinished resync, reshape or recovery, a vacant slot (W7), bits
//! that are set in the array's own bitmap. What is left is valid for exactly one event count:
//! the kernel distrusts the bitmap as soon as the array has a later one (reference/kernel.md 2.1).

use super::members::Member;
use crate::array::{MetadataVersion, NoBitmap, Role};
use crate::bitmap::Bitmap;
use crate::commands::create::CreateError;
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::units::{Bytes, Events};

/// The event count under which the bitmap may say that all is clean.
pub(super) fn events(members: &[Member]) -> Result<Events, CreateError> {
    let Some(first) = members.first() else {
        return Err(not_clean("no member was given".to_owned()));
    };
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
    Ok(first.superblock.events)
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
    let vacant = superblock.vacant_slots();
    if !vacant.is_empty() {
        return Some(format!(
            "the array is degraded: slots {vacant:?} are vacant"
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
            match nothing_dirty(&member.store, place.start, &what)? {
                true => Ok(()),
                false => Err(not_clean(format!("{what} is announced but not there"))),
            }
        }
        Err(NoBitmap::NotAnnounced { .. }) => Ok(()),
        Err(why) => Err(not_clean(format!("{name}: {why}"))),
    }
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
