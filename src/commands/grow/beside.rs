//! A bitmap beside the superblocks: added, made anew, or edited in place.

use super::fail_absent;
use super::options::GrowOptions;
use super::present::{Family, Present};
use super::source::Source;
use super::target::Target;
use super::text;
use crate::bitmap::{Bitmap, ChunkSet};
use crate::change::admission::{Admitted, Demand, admit};
use crate::change::content::Content;
use crate::change::draft::{Draft, Piece};
use crate::change::mark::{self, Beside, Edit};
use crate::change::plan::{Part, UNIT};
use crate::change::replace::{NewBitmap, replace_wiping};
use crate::change::stopped::too_many;
use crate::change::{Moment, PlanError, Planned, Room, Spot, StoppedArray};
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::coverage::Coverage;
use crate::format::placement::ChunkSize;
use crate::units::{Bytes, SECTOR_BYTES};

/// The plan of an internal, lockless or clustered bitmap.
pub(super) fn plan(
    array: &StoppedArray<'_>,
    options: &GrowOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    first_look(array, options)?;
    let present = Present::of(array)?;
    if present.is_none() && options.bitmap.is_none() && options.chunk.is_none() {
        return Err(PlanError::refuse(
            "no-bitmap",
            "the array has no bitmap whose delay or write-behind could be changed; --bitmap=internal adds one",
        ));
    }
    let room = Room::of(array)?;
    let target = Target::of(array, present.as_ref(), &room, options)?;
    let merged = match (&options.merge, present.as_ref()) {
        (Some(file), Some(present)) => {
            let usual = coverage(array, target.chunk)?;
            Source::is_merged(array, present, file.as_ref(), usual)?
        }
        (file, _) => file.is_none(),
    };
    // Where a bitmap lies is nobody's business who changes its delay.
    let fields_alone = options.bitmap.is_none() && options.chunk.is_none();
    let stays = present.as_ref().filter(|present| {
        let lies_well =
            |raw: &RawBitmapSuper| fields_alone || room.holds(raw, i64::from(present.offset));
        let same = |raw: &RawBitmapSuper| target.is_kind_of(raw) && lies_well(raw);
        merged && present.is_alike(same)
    });
    if let Some(present) = stays {
        let exactly = |bitmap: &Bitmap<'_>| target.is_exactly(bitmap.raw());
        if present.slots().iter().all(|(_, slot)| exactly(slot)) {
            return text::nothing(array, Some(present));
        }
        return edit(array, present, &target, options, now);
    }
    make(array, present.as_ref(), &room, &target, options, now)
}

/// What speaks against any change at all is worth knowing first. A cluster does not where nothing is to be changed.
pub(super) fn first_look(array: &StoppedArray<'_>, options: &GrowOptions) -> Result<(), PlanError> {
    match admit(array, Demand::of(options.force)) {
        Ok(_) => Ok(()),
        Err(PlanError::Refused(mut refusals)) => {
            refusals.retain(|refusal| refusal.name != "clustered");
            match refusals.is_empty() {
                true => Ok(()),
                false => Err(PlanError::Refused(refusals)),
            }
        }
        Err(error) => Err(error),
    }
}

/// The bitmap anew, wherever it is (W2).
fn make(
    array: &StoppedArray<'_>,
    present: Option<&Present<'_>>,
    room: &Room,
    target: &Target,
    options: &GrowOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let coverage = coverage(array, target.chunk)?;
    let source = Source::gather(array, present, options.merge.as_deref(), coverage)?;
    let known = source
        .known
        .rescaled(coverage)
        .map_err(|error| too_many(&error))?;
    let lockless = target.family == Family::Lockless;
    // Dirt of a lockless bitmap is synchronised in any case; but on parity without the superblock's word as a recovery of the
    // last member, from parity that may be old (reference/kernel.md 6.6).
    let unclean = source.must_sync.is_some() || lockless && !known.dirty().is_empty();
    let demand = Demand {
        unclean,
        lockless,
        ..Demand::of(options.force)
    };
    let Admitted { failed } = admit(array, demand)?;
    let spot = room.place(
        target.shape(),
        target.chunk,
        present.map(|present| present.offset),
    )?;
    let bitmap = NewBitmap {
        header: target.header(array.array()?, array.sync_size(), spot),
        offset: spot.offset,
        slot_bytes: spot.slot_sectors.saturating_mul(SECTOR_BYTES),
        known,
        cleared: source.cleared,
        unclean,
    };
    let mut draft = Draft::new(array, now)?;
    fail_absent(&mut draft, &failed, unclean)?;
    replace_wiping(&mut draft, &bitmap, old_headers(array, present, room)?)?;
    text::made(
        draft,
        &text::Made {
            present,
            target,
            spot,
            bitmap: &bitmap,
            source: &source,
            failed: &failed,
            options,
        },
    )
}

pub(super) fn coverage(array: &StoppedArray<'_>, chunk: ChunkSize) -> Result<Coverage, PlanError> {
    array
        .coverage(chunk.bytes())
        .ok_or_else(|| PlanError::refuse("no-room", "a chunk of 0 bytes covers nothing"))
}

/// The headers of the bitmap that is there, as zeros: what nothing announces any more is not to be taken for a bitmap. Those
/// that lie on something else are left alone.
pub(super) fn old_headers(
    array: &StoppedArray<'_>,
    present: Option<&Present<'_>>,
    room: &Room,
) -> Result<Vec<Piece>, PlanError> {
    let Some(present) = present else {
        return Ok(Vec::new());
    };
    let slots = present.slots().into_iter();
    let piece = |(device, slot): (usize, Bitmap<'_>)| wipe(array, room, device, slot.start());
    Ok(slots.filter_map(piece).collect())
}

/// The sector of a header as zeros, where it lies on nothing else.
pub(super) fn wipe(
    array: &StoppedArray<'_>,
    room: &Room,
    device: usize,
    start: Bytes,
) -> Option<Piece> {
    let own = array.devices.get(device)?;
    let distance = i128::from(start.0) - i128::from(own.member().super_start.0);
    let offset = i64::try_from(distance.div_euclid(i128::from(SECTOR_BYTES))).ok()?;
    let sectors = UNIT / SECTOR_BYTES;
    (start.0.is_multiple_of(UNIT) && room.is_free(offset, sectors)).then(|| Piece {
        device,
        start,
        part: Part::BitmapHeader,
        new: Content::bytes(vec![0; usize::try_from(UNIT).unwrap_or_default()]),
    })
}

/// Delay and write-behind alone: they vouch for no chunk, so headers are written where they are.
fn edit(
    array: &StoppedArray<'_>,
    present: &Present<'_>,
    target: &Target,
    options: &GrowOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let Admitted { failed } = admit(array, Demand::of(options.force))?;
    let mut draft = Draft::new(array, now)?;
    let mut pieces = Vec::new();
    for (device, slot) in present.slots() {
        let mut sector = draft.read_now(device, slot.start(), UNIT)?;
        let header = RawBitmapSuper {
            daemon_sleep_seconds: target.delay_seconds,
            write_behind: target.write_behind,
            ..slot.raw().clone()
        };
        if let Some(place) = sector.get_mut(..BITMAP_SUPER_BYTES) {
            place.copy_from_slice(&header.to_bytes());
        }
        pieces.push(Piece {
            device,
            start: slot.start(),
            part: Part::BitmapHeader,
            new: Content::bytes(sector),
        });
    }
    draft.write("bitmap header: delay and write-behind", pieces)?;
    if !failed.is_empty() {
        // The bitmap stays in use, so its header moves before the superblocks do (reference/kernel.md R5).
        let coverage = coverage(array, target.chunk)?;
        let none = ChunkSet::empty(coverage.chunks()).map_err(|error| too_many(&error))?;
        let beside = Beside {
            unclean: false,
            failed: failed.clone(),
        };
        mark::change(&mut draft, &Edit::dirty(coverage, none)?, &beside)?;
    }
    text::edited(draft, present, target, &failed)
}

/// Where a bitmap lies, for a message.
pub(super) fn place(offset: i32, spot: Option<Spot>) -> String {
    let distance = offset.unsigned_abs();
    let side = if offset < 0 { "before" } else { "behind" };
    let takes = spot.map_or(String::new(), |spot| {
        format!(
            ", takes {} bytes",
            spot.slot_sectors.saturating_mul(SECTOR_BYTES)
        )
    });
    format!("{distance} sectors {side} the md superblock{takes}")
}
