//! Compares the device's data with that of the members.

use super::array::{AtHand, Opened};
use super::facts::{Bitmaps, is_block_device};
use super::{Doing, ReaddOptions, Verified, settle};
use crate::array::compare::{Comparer, Side};
use crate::array::geometry::{Geometry, GeometryError};
use crate::array::readd::Marks;
use crate::array::readd::verify::{Extent, Plan, Verification, verify};
use crate::bitmap::Bitmap;
use crate::commands::given::Given;
use crate::device::{DirectStore, OpenMode};
use crate::format::bit_array::BitOrder;
use crate::units::Bytes;
use std::time::Duration;

/// Why several copies cannot be taken together.
pub(super) const DIFFERENT_CHUNKS: &str =
    "the members' copies of the bitmap differ in their chunk size";

/// How long to wait for a write in flight.
const PATIENCE: Duration = Duration::from_millis(200);

/// Compares, or says why not.
pub(super) fn run(
    options: &ReaddOptions,
    extent: Extent,
    at_hand: &AtHand,
    bitmaps: &Bitmaps<'_>,
    file: Option<&Given>,
    geometry: &Result<Geometry, GeometryError>,
    retell: &mut dyn FnMut(Doing),
) -> Verified {
    let outcome = match geometry {
        Ok(geometry) => compare(options, extent, at_hand, bitmaps, file, geometry, retell),
        Err(error) => Err(error.to_string()),
    };
    Verified { extent, outcome }
}

/// A member that is in sync, opened anew: nothing that was read before is believed.
struct Source<'a> {
    member: &'a Opened,
    slot: u32,
    store: DirectStore,
}

fn compare(
    options: &ReaddOptions,
    extent: Extent,
    at_hand: &AtHand,
    bitmaps: &Bitmaps<'_>,
    file: Option<&Given>,
    geometry: &Geometry,
    retell: &mut dyn FnMut(Doing),
) -> Result<Verification, String> {
    let open = |opened: &Opened| {
        DirectStore::open(&opened.given.path, OpenMode::Read).map_err(|error| error.to_string())
    };
    let device = open(&at_hand.device)?;
    let mut sources = Vec::new();
    for index in at_hand.membership.current() {
        let slot = at_hand.membership.standing(index).slot();
        if let (Some(member), Some(slot)) = (at_hand.members.get(index), slot) {
            let store = open(member)?;
            sources.push(Source {
                member,
                slot,
                store,
            });
        }
    }
    // The kernel's source is the lowest slot (reference/kernel.md 7.3).
    sources.sort_by_key(|source| source.slot);
    let file_store = file
        .map(|file| DirectStore::open(&file.path, OpenMode::Read))
        .transpose()
        .map_err(|error| error.to_string())?;
    let marks = match &file_store {
        Some(store) => vec![marks_at(store, Bytes(0), geometry)?],
        None => member_marks(&sources, bitmaps, geometry)?,
    };
    if marks.is_empty() {
        return Err("there is no bitmap that the kernel would trust: nothing would be left out, and there is nothing to compare".to_owned());
    }
    if !Marks::count_alike(&marks) {
        return Err(DIFFERENT_CHUNKS.to_owned());
    }
    let side = |opened: &Opened, slot| Side {
        slot,
        store: &device,
        data_offset: opened.found.member.data_offset,
    };
    let own_slot = match at_hand.device.found.member.role {
        crate::array::Role::Slot(slot) => slot,
        _ => return Err("the device held no slot: nothing of it can be compared".to_owned()),
    };
    let others = sources
        .iter()
        .map(|source| Side {
            store: &source.store,
            ..side(source.member, source.slot)
        })
        .collect();
    let mut comparer = Comparer::new(geometry.clone(), side(&at_hand.device, own_slot), others)
        .map_err(|error| error.to_string())?;
    let live = (at_hand.members.iter()).any(|member| is_block_device(&member.given.path));
    let unsettled = settle::settle(at_hand, &marks, &mut |left| retell(Doing::Waiting(left)))
        .map_err(|error| error.to_string())?;
    let plan = Plan {
        extent,
        limit: options.limit,
        patience: live.then_some(PATIENCE),
        settled: unsettled.is_none(),
    };
    let mut comparing = |progress| retell(Doing::Comparing(progress));
    let found = verify(&marks, &mut comparer, plan, &mut comparing);
    found
        .map(|found| Verification { unsettled, ..found })
        .map_err(|error| error.to_string())
}

fn member_marks<'a>(
    sources: &'a [Source<'_>],
    bitmaps: &Bitmaps<'_>,
    geometry: &Geometry,
) -> Result<Vec<Marks<'a>>, String> {
    let mut marks = Vec::new();
    for source in sources {
        let trusted = |bitmap: &Bitmap<'_>| bitmap.store().name() == source.member.name();
        if let Ok(place) = &source.member.found.member.bitmap
            && bitmaps.trusted.iter().any(trusted)
        {
            marks.push(marks_at(&source.store, place.start, geometry)?);
        }
    }
    Ok(marks)
}

fn marks_at<'a>(
    store: &'a DirectStore,
    start: Bytes,
    geometry: &Geometry,
) -> Result<Marks<'a>, String> {
    let bitmap =
        Bitmap::open(store, start, BitOrder::default()).map_err(|error| error.to_string())?;
    Marks::new(&bitmap, geometry.sync_size()).map_err(|error| error.to_string())
}
