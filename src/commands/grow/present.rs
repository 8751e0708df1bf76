//! The bitmap that an array has, as far as it is to be believed.

use crate::array::probe::RawSuper;
use crate::array::verdict::Reason;
use crate::array::{MemberSuper, NoBitmap};
use crate::bitmap::Bitmap;
use crate::change::refusal::Refusal;
use crate::change::stopped::{Copy, Trust};
use crate::change::{PlanError, StoppedArray};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::md_v1::feature;
use crate::format::md_v090::state;
use crate::units::{Events, SECTOR_BYTES};

/// What a bitmap works like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Versions 3 and 4, and 5 without nodes.
    Classic,
    /// Version 5 with a slot for each node.
    Clustered,
    /// Version 6.
    Lockless,
}

impl Family {
    pub fn of(raw: &RawBitmapSuper) -> Family {
        match raw.version {
            6 => Family::Lockless,
            5 if raw.nodes > 0 => Family::Clustered,
            _ => Family::Classic,
        }
    }
}

/// A bitmap that is there and believed on every member in sync that has it.
pub(super) struct Present<'a> {
    array: &'a StoppedArray<'a>,
    /// The superblock of the first copy.
    pub header: RawBitmapSuper,
    /// Sectors from the md superblocks.
    pub offset: i32,
    /// Why nothing is known of any chunk: a slot of a cluster that is no bitmap.
    pub lost: Option<String>,
}

/// True when the superblock announces a bitmap, wherever.
pub(super) fn announces(member: &MemberSuper) -> bool {
    matches!(member.bitmap, Ok(_) | Err(NoBitmap::OutsideDevice { .. }))
}

/// True when the array has a bitmap, of whatever worth.
pub(super) fn has_bitmap(array: &StoppedArray<'_>) -> bool {
    array
        .freshest()
        .is_some_and(|device| announces(device.member()))
}

impl<'a> Present<'a> {
    /// The array's bitmap; `None` when no superblock speaks of one.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when a copy is not believed (W11).
    pub fn of(array: &'a StoppedArray<'a>) -> Result<Option<Present<'a>>, PlanError> {
        if !has_bitmap(array) {
            return Ok(None);
        }
        let mut lost = None;
        let mut refusals = Vec::new();
        for copy in &array.copies {
            if let Some(reason) = ahead(array, copy)? {
                refusals.push(not_believed(array.name(copy.device), &[reason]));
                continue;
            }
            let Trust::Worthless(reasons) = &copy.trust else {
                continue;
            };
            match lost_slot(copy, reasons) {
                Some(reason) => lost = lost.or(Some(reason)),
                None => refusals.push(not_believed(array.name(copy.device), reasons)),
            }
        }
        let place = array.array()?.bitmap.as_ref();
        let first = array
            .copies
            .first()
            .and_then(|copy| copy.bitmap.as_ref().ok());
        match (place, first) {
            _ if !refusals.is_empty() => {}
            (Ok(place), Some(first)) => {
                let own = array.array()?.super_start.0;
                let distance =
                    (i128::from(place.start.0) - i128::from(own)) / i128::from(SECTOR_BYTES);
                return Ok(Some(Present {
                    array,
                    header: first.raw().clone(),
                    offset: i32::try_from(distance).unwrap_or_default(),
                    lost,
                }));
            }
            (Err(error), _) => {
                let reason = Reason::new("outside-device", error.to_string());
                refusals.push(not_believed(
                    array.name(array.membership.freshest()),
                    &[reason],
                ));
            }
            (Ok(_), None) => {
                let reason = Reason::new("unreadable", "no member in sync has it");
                refusals.push(not_believed(
                    array.name(array.membership.freshest()),
                    &[reason],
                ));
            }
        }
        Err(PlanError::Refused(refusals))
    }

    /// What it works like.
    pub fn family(&self) -> Family {
        Family::of(&self.header)
    }

    /// The copies.
    pub fn bitmaps(&self) -> impl Iterator<Item = (usize, &Bitmap<'a>)> {
        let all = self.array.copies.iter();
        all.filter_map(|copy| Some((copy.device, copy.bitmap.as_ref().ok()?)))
    }

    /// Every bitmap of every copy: those of all nodes of a cluster. Slots that cannot be read are left out.
    pub fn slots(&self) -> Vec<(usize, Bitmap<'a>)> {
        let sync_size = self.array.sync_size();
        let of_copy = |(device, first): (usize, &Bitmap<'a>)| -> Vec<(usize, Bitmap<'a>)> {
            let sized = first.clone().with_sync_size(sync_size);
            let slots = sized.slots().filter_map(|(_, slot)| slot.ok());
            slots.map(|slot| (device, slot)).collect()
        };
        self.bitmaps().flat_map(of_copy).collect()
    }

    /// When bits were cleared last, by any copy; `None` where that says nothing: 0 is what mdadm and version 6 have,
    /// whatever was cleared (W3, reference/kernel.md trap 11).
    pub fn events_cleared(&self) -> Option<Events> {
        let slots = self.slots();
        if self.lost.is_some() || slots.iter().any(|(_, slot)| slot.raw().is_lockless()) {
            return None;
        }
        let all = slots
            .iter()
            .map(|(_, slot)| Events(slot.raw().events_cleared));
        all.max().filter(|cleared| cleared.0 > 0)
    }

    /// True when the kernel would work with every copy as it is, all superblocks in sync speak of it in the same words,
    /// and all copies have the size of the array and these properties.
    pub fn is_alike(&self, same: impl Fn(&RawBitmapSuper) -> bool) -> bool {
        let sync_size = self.array.sync_size().0;
        let as_it_should = |(_, bitmap): &(usize, Bitmap<'a>)| {
            let raw = bitmap.raw();
            raw.sync_size_sectors == sync_size && same(raw)
        };
        self.lost.is_none()
            && self.array.copies.iter().all(Copy::is_trusted)
            && self.array.copies.len() == self.array.current().count()
            && announced_alike(self.array)
            && self.slots().iter().all(as_it_should)
    }
}

/// A member whose superblock is one event behind may say something else of the bitmap: a change was interrupted.
pub(super) fn announced_alike(array: &StoppedArray<'_>) -> bool {
    let word = |place: usize| match &array.devices.get(place)?.found.raw {
        RawSuper::V1(raw) => {
            let bits = feature::BITMAP_OFFSET | feature::CLUSTERED;
            Some((raw.fixed.feature_map & bits, raw.fixed.bitmap_offset))
        }
        RawSuper::V0_90(raw) => Some((raw.state() & (state::BITMAP_PRESENT | state::CLUSTERED), 0)),
        RawSuper::DmRaid(_) => None,
    };
    let expected = word(array.membership.freshest());
    array.current().all(|place| word(place) == expected)
}

/// A bitmap is written before the superblocks, so it is one event ahead of them at most. One that is further ahead is of
/// a later time: what these superblocks call in sync may be out of date, and its bits with that. Every kernel takes it.
fn ahead(array: &StoppedArray<'_>, copy: &Copy<'_>) -> Result<Option<Reason>, PlanError> {
    let member = array.array()?;
    let Ok(bitmap) = &copy.bitmap else {
        return Ok(None);
    };
    let raw = bitmap.raw();
    let ahead = raw.events.saturating_sub(member.events.0);
    // Nodes of a cluster count for themselves, and what is not this array's has other reasons.
    let counts =
        Family::of(raw) != Family::Clustered && raw.uuid == member.array_uuid && raw.has_magic();
    Ok((ahead > 1 && counts).then(|| {
        Reason::new(
            "events-ahead",
            format!(
                "it is {ahead} events ahead of the superblocks, which may be older than the data"
            ),
        )
    }))
}

/// Why a copy is not to be believed, when it is that a node's bitmap among those of a cluster is none.
fn lost_slot(copy: &Copy<'_>, reasons: &[Reason]) -> Option<String> {
    let raw = copy.bitmap.as_ref().ok()?.raw();
    let is_it = |reason: &Reason| reason.name == "slot-unlike";
    let clustered = Family::of(raw) == Family::Clustered && reasons.iter().all(is_it);
    clustered.then(|| reasons.first().map(|reason| reason.sentence.clone()))?
}

fn not_believed(name: &str, reasons: &[Reason]) -> Refusal {
    let reasons: Vec<&str> = reasons
        .iter()
        .map(|reason| reason.sentence.as_str())
        .collect();
    Refusal::new(
        "bitmap-not-believed",
        format!(
            "{name}: the bitmap that is there is not to be believed ({}), so nothing can be kept of it: \
             mdbitmap check --repair makes it one that is, --bitmap=none takes it away",
            reasons.join("; ")
        ),
    )
}
