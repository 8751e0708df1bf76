//! What is done about a damaged bitmap, and the steps that it takes.

use super::belief::Belief;
use super::target::Target;
use crate::array::probe::RawSuper;
use crate::bitmap::Bitmap;
use crate::change::admission::{Admitted, Demand, admit};
use crate::change::draft::{Draft, SuperChange};
use crate::change::mend::{Mended, mend};
use crate::change::replace::{NewBitmap, now_or_before, replace};
use crate::change::stopped::{Copy, too_many};
use crate::change::superblock::Announce;
use crate::change::told::is_alone;
use crate::change::{Knowledge, PlanError, Refusal, StoppedArray};
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{RawBitmapSuper, state};
use crate::format::md_v1::feature;
use crate::format::md_v090;
use crate::units::Events;

/// A repair.
pub struct Remedy<'c> {
    /// What the copies tell.
    pub belief: Belief<'c>,
    /// What the bitmap is to be; `None`: the superblocks shall announce none any more.
    pub target: Option<Wanted>,
    /// The array has to be marked as not stopped cleanly (W4).
    pub unclean: bool,
    /// Device numbers of members that were not given and become faulty (W7).
    pub failed: Vec<u32>,
}

/// The bitmap that is wanted, and how it comes about.
pub struct Wanted {
    /// Its place and superblock.
    pub target: Target,
    /// What it says.
    pub known: Knowledge,
    /// Copies are changed where they are; else it is made anew, step by step (W2).
    pub in_place: bool,
}

impl<'c> Remedy<'c> {
    /// What is to be done about the bitmap of `array`.
    ///
    /// # Errors
    /// [`PlanError::Refused`], with every reason, when the array may not be changed so or there is no room.
    pub fn of(array: &'c StoppedArray<'c>, force: bool) -> Result<Remedy<'c>, PlanError> {
        let mut refusals = Vec::new();
        let mut collect = |error| match error {
            PlanError::Refused(reasons) => {
                refusals.extend(reasons);
                Ok(())
            }
            error => Err(error),
        };
        let belief = Belief::of(array)?;
        let target = match wants_bitmap(array)? {
            false => None,
            true => match Wanted::of(array, &belief) {
                Ok(wanted) => Some(wanted),
                Err(error) => {
                    collect(error)?;
                    None
                }
            },
        };
        let unclean = needs_unclean(array, &belief, target.as_ref())?;
        let demand = Demand {
            unclean,
            force,
            ..Demand::default()
        };
        let admitted = match admit(array, demand) {
            Ok(admitted) => admitted,
            Err(error) => {
                collect(error)?;
                Admitted::default()
            }
        };
        if refusals.is_empty() {
            return Ok(Remedy {
                belief,
                target,
                unclean,
                failed: admitted.failed,
            });
        }
        refusals.extend(way_out(array, &refusals));
        Err(PlanError::Refused(refusals))
    }

    /// Adds its steps to a plan.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn steps(&self, draft: &mut Draft<'c>) -> Result<(), PlanError> {
        match &self.target {
            None => self.withdraw(draft),
            Some(wanted) if wanted.in_place => self.mend(draft, wanted),
            Some(wanted) => self.replace(draft, wanted),
        }
    }

    fn withdraw(&self, draft: &mut Draft<'_>) -> Result<(), PlanError> {
        let change = SuperChange {
            announce: Announce::Off,
            unclean: self.unclean,
            failed: self.failed.clone(),
        };
        draft.superblocks("superblocks: no bitmap", &change)?;
        if !self.failed.is_empty() {
            draft.superblocks(
                "superblocks: one event more, so that the failed member stays out",
                &SuperChange::nothing(),
            )?;
        }
        Ok(())
    }

    fn mend(&self, draft: &mut Draft<'c>, wanted: &Wanted) -> Result<(), PlanError> {
        let moves = self.unclean || !self.failed.is_empty() || !announced_alike(draft.array());
        let supers = moves.then(|| SuperChange {
            announce: Announce::AsItIs,
            unclean: self.unclean,
            failed: self.failed.clone(),
        });
        let mended = Mended {
            header: wanted.target.header.clone(),
            offset: wanted.target.offset,
            slot_bytes: wanted.target.slot_bytes,
            known: wanted.known.clone(),
            cleared: self.belief.cleared.unwrap_or_default(),
            supers,
        };
        mend(draft, &self.belief.copies, &mended)
    }

    fn replace(&self, draft: &mut Draft<'_>, wanted: &Wanted) -> Result<(), PlanError> {
        if !self.failed.is_empty() {
            let change = SuperChange {
                announce: Announce::Off,
                unclean: self.unclean,
                failed: self.failed.clone(),
            };
            draft.superblocks(
                "superblocks: members that were not given have failed, no bitmap",
                &change,
            )?;
        }
        let bitmap = NewBitmap {
            header: anew(&wanted.target.header),
            offset: wanted.target.offset,
            slot_bytes: wanted.target.slot_bytes,
            known: wanted.known.clone(),
            cleared: self.belief.cleared,
            unclean: self.unclean,
        };
        replace(draft, &bitmap)
    }
}

impl Wanted {
    fn of(array: &StoppedArray<'_>, belief: &Belief<'_>) -> Result<Wanted, PlanError> {
        let target = Target::of(array, belief)?;
        let known = match &belief.known {
            Some(known) => known.rescaled(target.coverage),
            None => Knowledge::all_dirty(target.coverage),
        };
        Ok(Wanted {
            known: known.map_err(|error| too_many(&error))?,
            in_place: fits_in_place(array, belief, &target),
            target,
        })
    }

    /// The superblock of the bitmap, but for its event counts.
    pub fn header(&self) -> RawBitmapSuper {
        match self.in_place {
            true => self.target.header.clone(),
            false => anew(&self.target.header),
        }
    }
}

/// The superblock of a bitmap that is made anew: not in the bit order of a machine, which version 3 has.
fn anew(header: &RawBitmapSuper) -> RawBitmapSuper {
    let mut header = header.clone();
    if header.version == 3 {
        header.version = 4;
        header.state &= !state::HOSTENDIAN;
    }
    header
}

/// Whether copies are there that can be believed, with the place and the chunks that are wanted, so that the others can
/// be made like them (`change::mend`).
fn fits_in_place(array: &StoppedArray<'_>, belief: &Belief<'_>, target: &Target) -> bool {
    let announced = array
        .freshest()
        .and_then(|device| Target::announced(device.member()));
    let header = &target.header;
    let alike = |copy: &&Copy<'_>| {
        copy.bitmap.as_ref().is_ok_and(|bitmap| {
            let raw = bitmap.raw();
            (raw.version, raw.chunksize) == (header.version, header.chunksize)
        })
    };
    // The slots of a cluster differ from each other; bits of version 3 are written in this order only.
    let plain = !(header.version == 5 && header.nodes > 0);
    let order = header.version > 3 || cfg!(target_endian = "little");
    plain
        && order
        && !belief.copies.is_empty()
        && belief.copies.iter().all(alike)
        && announced == Some(target.offset)
}

/// True where the freshest superblock announces a bitmap, right or wrong: the kernel goes by it alone.
fn wants_bitmap(array: &StoppedArray<'_>) -> Result<bool, PlanError> {
    use crate::array::NoBitmap;
    Ok(matches!(
        array.array()?.bitmap,
        Ok(_) | Err(NoBitmap::OutsideDevice { .. })
    ))
}

/// Whether the superblocks of members in sync say the same of the bitmap, once those that are one event behind have been
/// brought up to the others.
pub fn announced_alike(array: &StoppedArray<'_>) -> bool {
    let word = |raw: &RawSuper| match raw {
        RawSuper::V1(raw) => {
            let bits = feature::BITMAP_OFFSET | feature::CLUSTERED;
            (raw.fixed.feature_map & bits, raw.fixed.bitmap_offset)
        }
        RawSuper::V0_90(raw) => {
            let bits = md_v090::state::BITMAP_PRESENT | md_v090::state::CLUSTERED;
            (raw.state() & bits, 0)
        }
        RawSuper::DmRaid(_) => (0, 0),
    };
    let Some(freshest) = array.freshest() else {
        return true;
    };
    let expected = word(&freshest.found.raw);
    let mut current = array
        .current()
        .filter_map(|place| array.devices.get(place))
        .filter(|device| device.member().events == freshest.member().events);
    current.all(|device| word(&device.found.raw) == expected)
}

/// Whether chunks have to be synchronised of which a clean array says that they are in sync (W4, W11).
fn needs_unclean(
    array: &StoppedArray<'_>,
    belief: &Belief<'_>,
    wanted: Option<&Wanted>,
) -> Result<bool, PlanError> {
    let from_start = array.array()?.resync_offset.is_some_and(|at| at.0 == 0);
    if from_start || is_alone(array) {
        return Ok(false);
    }
    let Some(wanted) = wanted else {
        return Ok(withdraws_dirt(array));
    };
    let says_more = |copy: &&Copy<'_>| {
        let raw = copy.bitmap.as_ref().ok().map(Bitmap::raw);
        raw.is_some_and(|raw| raw.is_lockless() || raw.version == 5 && raw.nodes > 0)
    };
    // A lockless bitmap has dirt beside a clean superblock (reference/kernel.md trap 8), on an array of parity as a recovery
    // of the last member, which takes old parity for right (6.6). What a node of a cluster has left counts as well (3.9).
    // For a member that is absent it is kept.
    let beside_clean = belief.copies.iter().any(says_more) && array.open_slots().is_empty();
    let dirty = match wanted.target.header.is_lockless() {
        true => !wanted.known.dirty().is_empty(),
        false => !wanted.known.is_all_clean(),
    };
    Ok(belief.known.is_none() || belief.gained || beside_clean && dirty)
}

/// Whether a bitmap that is announced no more may hold what the superblock does not say: of a lockless one, of a cluster's,
/// of one that cannot be known (W10).
fn withdraws_dirt(array: &StoppedArray<'_>) -> bool {
    let own = |place: usize| {
        let device = array.devices.get(place)?;
        let start = device.member().bitmap.as_ref().ok()?.start;
        let bitmap = Bitmap::open(device.store as &dyn Store, start, BitOrder::Little);
        Some(bitmap.is_ok_and(|bitmap| {
            let raw = bitmap.raw();
            raw.has_magic() && (3..=5).contains(&raw.version) && raw.nodes == 0
        }))
    };
    array.current().filter_map(own).any(|classic| !classic)
}

/// What is left to do where a bitmap cannot be made anew because a slot is open, and the array may not start with it.
fn way_out(array: &StoppedArray<'_>, refusals: &[Refusal]) -> Option<Refusal> {
    let degraded = refusals.iter().all(|refusal| refusal.name == "degraded");
    let distrusted = array.copies.iter().all(|copy| !copy.is_trusted());
    (degraded && distrusted).then(|| {
        Refusal::new(
            "without-bitmap",
            "if the array does not start because of its bitmap, it can be started without (mdadm --assemble --update=no-bitmap): \
             the members at hand are in sync by their superblocks, and a member that is added is copied completely",
        )
    })
}

/// The events_cleared that a bitmap will have at this event count.
pub fn events_cleared(remedy: &Remedy<'_>, header: &RawBitmapSuper, events: Events) -> Events {
    match (header.is_lockless(), remedy.belief.cleared) {
        (true, _) if remedy.target.as_ref().is_some_and(|wanted| wanted.in_place) => {
            Events(header.events_cleared)
        }
        (_, Some(cleared)) if cleared.0 > 0 => cleared.min(events),
        (lockless, _) => {
            let known = remedy.target.as_ref().map(|wanted| &wanted.known);
            let marked = known.is_some_and(|known| !known.is_all_clean());
            now_or_before(events, marked && !lockless)
        }
    }
}
