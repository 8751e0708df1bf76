//! No bitmap.

use super::beside::wipe;
use super::options::GrowOptions;
use super::present::{Family, announces, has_bitmap};
use super::source::LOCKLESS_DIRT;
use super::{fail_absent, text};
use crate::array::NoBitmap;
use crate::bitmap::{Bitmap, MAX_SLOTS};
use crate::change::admission::{Admitted, Demand, admit};
use crate::change::draft::{Draft, Piece, SuperChange};
use crate::change::stopped::Trust;
use crate::change::superblock::Announce;
use crate::change::{Knowledge, Moment, PlanError, Planned, Room, StoppedArray};
use crate::format::bit_array::BitOrder;
use crate::units::Bytes;

/// The plan of removing the bitmap: nothing announces it any more, then its headers go.
pub(super) fn plan(
    array: &StoppedArray<'_>,
    options: &GrowOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let must_sync = must_sync(array)?;
    let demand = Demand {
        unclean: must_sync.is_some(),
        ..Demand::of(options.force)
    };
    let Admitted { failed } = admit(array, demand)?;
    let room = Room::of(array)?;
    let mut headers = Vec::new();
    for place in array.current() {
        headers.extend(headers_of(array, &room, place));
    }
    let announced = array
        .current()
        .filter_map(|place| array.devices.get(place))
        .any(|device| announces(device.member()));
    if !announced {
        // 0.90: mdadm looks where a bitmap would be, announced or not (reference/mdadm.md 2.1).
        let mut draft = Draft::new(array, now)?;
        draft.write("bitmap headers", headers)?;
        return text::stale_headers(draft);
    }
    let mut draft = Draft::new(array, now)?;
    fail_absent(&mut draft, &failed, must_sync.is_some())?;
    draft.superblocks(
        "superblocks: no bitmap",
        &SuperChange {
            announce: Announce::Off,
            unclean: must_sync.is_some(),
            failed: Vec::new(),
        },
    )?;
    draft.write("bitmap headers", headers)?;
    text::removed(draft, must_sync, &failed)
}

/// Why the whole array has to be synchronised once its bitmap is gone, though the superblock calls it clean (W4, W10).
fn must_sync(array: &StoppedArray<'_>) -> Result<Option<&'static str>, PlanError> {
    if !has_bitmap(array) {
        return Ok(None);
    }
    let families = array.copies.iter().map(|copy| {
        let raw = copy.bitmap.as_ref().ok().map(Bitmap::raw)?;
        // Of what is not a bitmap of this array nobody knows what it was: there is no sign of version 6 elsewhere.
        let of_array = raw.has_magic()
            && (3..=6).contains(&raw.version)
            && raw.uuid == array.array().ok()?.array_uuid;
        of_array.then(|| Family::of(raw))
    });
    let families: Vec<Option<Family>> = families.collect();
    if families.is_empty() || families.contains(&None) && !families.contains(&Some(Family::Classic))
    {
        return Ok(Some(
            "what lies in the bitmap's place is none, so it may have been a lockless one, whose chunks are not in sync whatever \
             the superblock says",
        ));
    }
    if !families.contains(&Some(Family::Lockless)) && !families.contains(&Some(Family::Clustered)) {
        return Ok(None);
    }
    let believed = array
        .copies
        .iter()
        .all(|copy| !matches!(copy.trust, Trust::Worthless(_)));
    let known = match believed {
        true => array.knowledge()?,
        false => None,
    };
    let clean = match families.contains(&Some(Family::Lockless)) {
        true => known.as_ref().is_some_and(Knowledge::is_all_clean),
        false => known.as_ref().is_some_and(|known| known.dirty().is_empty()),
    };
    Ok(
        (!clean).then_some(match families.contains(&Some(Family::Lockless)) {
            true => LOCKLESS_DIRT,
            false => {
                "nodes of the cluster may have left marks, which count whatever the superblock says"
            }
        }),
    )
}

/// The headers on a member, those of all nodes, as far as they are headers.
pub(super) fn headers_of(array: &StoppedArray<'_>, room: &Room, place: usize) -> Vec<Piece> {
    let Some(device) = array.devices.get(place) else {
        return Vec::new();
    };
    let own = match &device.member().bitmap {
        Ok(found) => Some(found.start),
        Err(NoBitmap::NotAnnounced { would_be, .. }) => would_be.as_ref().map(|found| found.start),
        Err(_) => None,
    };
    let by_freshest = array.copies.iter().find(|copy| copy.device == place);
    let by_freshest = by_freshest.and_then(|copy| Some(copy.bitmap.as_ref().ok()?.start()));
    let mut starts: Vec<Bytes> = own.into_iter().chain(by_freshest).collect();
    starts.dedup();
    let mut pieces = Vec::new();
    for start in starts {
        let Ok(first) = Bitmap::open(device.store, start, BitOrder::Little) else {
            continue;
        };
        let sized = first.with_sync_size(array.sync_size());
        let slots = (0..sized.slot_count().min(MAX_SLOTS)).filter_map(|slot| sized.slot(slot).ok());
        let headers = slots.filter(|slot| slot.raw().has_magic());
        pieces.extend(headers.filter_map(|slot| wipe(array, room, place, slot.start())));
    }
    pieces
}
