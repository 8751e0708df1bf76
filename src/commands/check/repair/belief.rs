//! What the copies of a damaged bitmap still tell (design.md W11).
//!
//! The kernel keeps each copy complete by itself, so one that can be believed is enough; what several of them mark is
//! marked. Bits of which nobody can say that they were kept say nothing, whatever could be mended around them.

use crate::array::FoundSuper;
use crate::array::load::reading_order;
use crate::bitmap::Bitmap;
use crate::change::stopped::{Copy, Trust, cannot_know, too_many};
use crate::change::{Knowledge, PlanError, StoppedArray};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::placement::ChunkSize;
use crate::units::Events;

/// What is believed.
pub struct Belief<'c> {
    /// The copies that can be believed, the one that the kernel reads first in front.
    pub copies: Vec<&'c Copy<'c>>,
    /// What they say together; `None` where there is none, and every chunk is dirty.
    pub known: Option<Knowledge>,
    /// The events_cleared of all copies of this array; `None` beside no knowledge, when nothing was cleared before now
    /// (W3).
    pub cleared: Option<Events>,
    /// Chunks count as dirty that no copy marks: what a copy did not cover, or where it is cut off.
    pub gained: bool,
    /// Why nothing is believed: a sentence each.
    pub doubts: Vec<String>,
}

impl<'c> Belief<'c> {
    /// What can be believed of the copies of `array`.
    ///
    /// # Errors
    /// [`PlanError`] when a copy that is to be believed cannot be read.
    pub fn of(array: &'c StoppedArray<'c>) -> Result<Belief<'c>, PlanError> {
        let ahead = ahead(array);
        let copies: Vec<&'c Copy<'c>> = in_reading_order(array)
            .filter(|copy| !matches!(copy.trust, Trust::Worthless(_)) && ahead.is_none())
            .collect();
        let mut belief = Belief {
            gained: false,
            known: None,
            cleared: None,
            doubts: Vec::new(),
            copies,
        };
        if belief.copies.is_empty() {
            belief.doubts = ahead.into_iter().chain(doubts(array)).collect();
            return Ok(belief);
        }
        for copy in &belief.copies {
            for bitmap in copy.slots(array.sync_size())? {
                belief.gained |= gains(array, &bitmap)?;
            }
        }
        belief.known = array.knowledge()?;
        if let Some(known) = &mut belief.known {
            for other in at_own_places(array) {
                let also = Knowledge::read(&other, array.sync_size()).map_err(cannot_know)?;
                known.unite(&also).map_err(|error| too_many(&error))?;
            }
        }
        let headers = array.copies.iter().filter_map(|copy| of_array(array, copy));
        belief.cleared = headers.map(|raw| Events(raw.events_cleared)).max();
        Ok(belief)
    }
}

/// The copies in the order in which the kernel would read them.
pub fn in_reading_order<'c, 'a>(array: &'c StoppedArray<'a>) -> impl Iterator<Item = &'c Copy<'a>> {
    let supers: Vec<&FoundSuper> = array.devices.iter().map(|device| &device.found).collect();
    let order = reading_order(&supers, &array.membership);
    order
        .into_iter()
        .filter_map(|place| array.copies.iter().find(|copy| copy.device == place))
}

/// The superblock of a copy that is one of this array.
pub fn of_array<'c>(array: &StoppedArray<'_>, copy: &'c Copy<'_>) -> Option<&'c RawBitmapSuper> {
    let raw = copy.bitmap.as_ref().ok()?.raw();
    let uuid = array.freshest()?.member().array_uuid;
    (raw.has_magic() && raw.uuid == uuid).then_some(raw)
}

/// A bitmap is written before the superblocks, hence at most one event ahead of them. One that is further ahead comes
/// from a later time than these superblocks: what they call in sync may be out of date, and with it all bits.
fn ahead(array: &StoppedArray<'_>) -> Option<String> {
    let events = array.freshest()?.member().events;
    array.copies.iter().find_map(|copy| {
        let raw = of_array(array, copy)?;
        let clustered = raw.version == 5 && raw.nodes > 0;
        let name = array.devices.get(copy.device)?.store.name();
        (raw.events.saturating_sub(events.0) > 1 && !clustered).then(|| {
            format!(
                "{name}: the bitmap is {} events ahead of the superblocks, which may be older than the data",
                raw.events.saturating_sub(events.0)
            )
        })
    })
}

/// Whether chunks of the array count as dirty that a copy says nothing about.
fn gains(array: &StoppedArray<'_>, bitmap: &Bitmap<'_>) -> Result<bool, PlanError> {
    let counted = bitmap.clone().with_sync_size(array.sync_size());
    let missing = counted
        .missing_chunks()
        .map_err(|error| cannot_know(error.into()))?;
    Ok(missing > 0 || bitmap.raw().sync_size() < array.sync_size())
}

/// Bitmaps of members whose superblocks have another place than the freshest one, as far as they look as if they had been
/// kept: what they mark is marked, too. The kernel goes by the freshest superblock, so they alone prove nothing.
fn at_own_places<'a>(array: &StoppedArray<'a>) -> Vec<Bitmap<'a>> {
    let Some(freshest) = array.freshest().map(|device| device.member()) else {
        return Vec::new();
    };
    let of = |place: usize| {
        let device = array.devices.get(place)?;
        let start = device.member().bitmap.as_ref().ok()?.start;
        let bitmap = Bitmap::open(device.store, start, BitOrder::Little).ok()?;
        let same = array.copies.iter().any(|copy| {
            let start_of = copy.bitmap.as_ref().map(Bitmap::start);
            copy.device == place && start_of.is_ok_and(|at| at == start)
        });
        let raw = bitmap.raw();
        let kept = raw.has_magic()
            && raw.uuid == freshest.array_uuid
            && (3..=6).contains(&raw.version)
            && raw.events >= freshest.events.0
            && !raw.is_first_use()
            && ChunkSize::new(raw.chunk_bytes()?).is_ok();
        (!same && kept).then_some(bitmap)
    };
    array.current().filter_map(of).collect()
}

/// Why no copy is believed.
fn doubts(array: &StoppedArray<'_>) -> Vec<String> {
    let told = |copy: &Copy<'_>| {
        let name = array
            .devices
            .get(copy.device)
            .map_or("", |device| device.store.name());
        match &copy.trust {
            Trust::Worthless(reasons) => {
                let reasons: Vec<&str> = reasons
                    .iter()
                    .map(|reason| reason.sentence.as_str())
                    .collect();
                Some(format!("{name}: {}", reasons.join("; ")))
            }
            Trust::Trusted | Trust::Mendable(_) => None,
        }
    };
    array.copies.iter().filter_map(told).collect()
}
