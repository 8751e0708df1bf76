//! One bitmap on all members while at least one of them has it: nothing is taken away before its replacement is there.
//!
//! A copy that is believed gets marks and never loses one, and its superblock vouches at every moment for what was
//! durable before (design.md W2). A copy that is not believed stays so until all of it is there. So a power cut leaves
//! copies each of which is what it was, or what it is to be, or a believed one with more marks than before.

use super::content::Content;
use super::draft::{Draft, Piece, SuperChange};
use super::knowledge::Knowledge;
use super::mark::{self, Edit, StateMap};
use super::plan::{Part, UNIT, read_pieces};
use super::refusal::PlanError;
use super::replace::{now_or_before, start_on};
use super::stopped::Copy;
use crate::bitmap::{Bitmap, ChunkSet};
use crate::device::StoreError;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::lockless::ChunkState;
use crate::units::{Bytes, Events};
use std::ops::Range;
use std::sync::Arc;

/// What all copies are to be: a bitmap of one slot, at the place and with the chunks that the believed ones have.
#[derive(Debug, Clone)]
pub struct Mended {
    /// Its superblock; events and events_cleared are filled in.
    pub header: RawBitmapSuper,
    /// Sectors from the md superblock of each member to it.
    pub offset: i32,
    /// Bytes that the bitmap takes on a member that has none.
    pub slot_bytes: u64,
    /// What it says of every chunk: no less than any copy that is believed.
    pub known: Knowledge,
    /// The events_cleared of all copies (W3).
    pub cleared: Events,
    /// What changes in the superblocks; `None` leaves them and their event count alone.
    pub supers: Option<SuperChange>,
}

/// Adds the steps to a plan that make all copies of the array what `mended` says. `believed` are those that are.
///
/// # Errors
/// [`PlanError`].
pub fn mend(
    draft: &mut Draft<'_>,
    believed: &[&Copy<'_>],
    mended: &Mended,
) -> Result<(), PlanError> {
    if let Some(change) = &mended.supers {
        // Beside superblocks that are ahead the bitmap would look stale (reference/kernel.md R5).
        next_events(draft, believed)?;
        draft.superblocks(&title(change), change)?;
        if !change.failed.is_empty() {
            next_events(draft, believed)?;
            draft.superblocks(
                "superblocks: one event more, so that the failed member stays out",
                &SuperChange::nothing(),
            )?;
        }
    }
    let edit = Edit::exactly(mended.known.clone())?.with_states(states(mended)?);
    let mut pieces = mark::pieces_on(draft, believed.iter().copied(), &edit)?;
    // The first sector goes last, with the superblock that vouches for all of them.
    pieces.retain(|piece| piece.part == Part::BitmapArea);
    let payload = Payload::of(mended);
    let copies = all(draft, mended)?;
    let is_believed = |at: &&At| believed.iter().any(|copy| copy.device == at.device);
    for at in copies.iter().filter(|at| !is_believed(at)) {
        pieces.extend(area(draft, at, &payload, mended.slot_bytes)?);
    }
    draft.write("chunks, on every copy", pieces)?;
    let header = header(draft, believed, mended);
    let headers = copies.iter().map(|at| Piece {
        device: at.device,
        start: at.start,
        part: Part::BitmapHeader,
        new: payload.content(Some(header), UNIT),
    });
    draft.write("header, on every copy", headers.collect())
}

/// Of a lockless bitmap, the one state for each thing that can be known: states that mean the same for their chunk have
/// different effects on its neighbours when they are loaded (reference/kernel.md 6.4), so that another copy would lead to
/// something else. None of them is less than what was there.
fn states(mended: &Mended) -> Result<Option<StateMap>, PlanError> {
    if !mended.header.is_lockless() {
        return Ok(None);
    }
    let known = &mended.known;
    let mut states = StateMap::unwritten(known.coverage().chunks())?;
    for run in known.dirty().runs() {
        states.set(&run, ChunkState::NeedSync);
    }
    let mut clean = known.dirty().inverted();
    clean.remove_all(known.unwritten());
    for run in clean.runs() {
        states.set(&run, ChunkState::Clean);
    }
    Ok(Some(states))
}

fn title(change: &SuperChange) -> String {
    let mut what = Vec::new();
    if change.unclean {
        what.push("not stopped cleanly");
    }
    if !change.failed.is_empty() {
        what.push("members that were not given failed");
    }
    if what.is_empty() {
        what.push("all alike");
    }
    format!("superblocks: {}", what.join(", "))
}

/// Where a member's copy lies.
struct At {
    device: usize,
    start: Bytes,
}

/// The copies of all members in sync.
fn all(draft: &Draft<'_>, mended: &Mended) -> Result<Vec<At>, PlanError> {
    let array = draft.array();
    let mut all = Vec::new();
    for device in array.current() {
        let Some(member) = array.devices.get(device) else {
            continue;
        };
        let (store, start) = (
            member.store,
            start_on(member.member().super_start, mended.offset),
        );
        let fits = |start: &Bytes| {
            let end = start.0.checked_add(mended.slot_bytes);
            end.is_some_and(|end| end <= store.len().0)
        };
        match start.filter(fits) {
            Some(start) => all.push(At { device, start }),
            None => {
                return Err(PlanError::refuse(
                    "no-room",
                    format!("{}: the bitmap would not lie on the device", store.name()),
                ));
            }
        }
    }
    Ok(all)
}

/// A step that brings the headers of the believed copies to the next event count, before the superblocks come to it.
fn next_events(draft: &mut Draft<'_>, believed: &[&Copy<'_>]) -> Result<(), PlanError> {
    let events = draft.events_after(1)?;
    let mut pieces = Vec::new();
    for bitmap in bitmaps(believed) {
        let (device, bitmap) = bitmap;
        let mut bytes = draft.read_now(device, bitmap.start(), UNIT)?;
        let head = bytes.get_mut(..BITMAP_SUPER_BYTES).unwrap_or_default();
        if let Ok(mut raw) = RawBitmapSuper::from_bytes(head) {
            raw.events = raw.events.max(events.0);
            head.copy_from_slice(&raw.to_bytes());
        }
        pieces.push(Piece {
            device,
            start: bitmap.start(),
            part: Part::BitmapHeader,
            new: Content::bytes(bytes),
        });
    }
    draft.write("bitmap headers: the new event count", pieces)
}

fn bitmaps<'c, 'a>(copies: &'c [&'c Copy<'a>]) -> impl Iterator<Item = (usize, &'c Bitmap<'a>)> {
    let open = |copy: &&'c Copy<'a>| Some((copy.device, copy.bitmap.as_ref().ok()?));
    copies.iter().filter_map(open)
}

/// The superblock that all copies get.
fn header(draft: &Draft<'_>, believed: &[&Copy<'_>], mended: &Mended) -> [u8; BITMAP_SUPER_BYTES] {
    let mut header = mended.header.clone();
    // A bitmap may be one event ahead, and must not fall behind what it was.
    let own = bitmaps(believed).map(|(_, bitmap)| bitmap.raw().events);
    header.events = own.fold(draft.events().0, u64::max);
    header.events_cleared = match (header.is_lockless(), mended.cleared.0) {
        // Version 6 has none (reference/kernel.md trap 11).
        (true, _) => header.events_cleared,
        // Never 0 under trusted events (W3).
        (false, 0) => now_or_before(Events(header.events), !mended.known.is_all_clean()).0,
        (false, cleared) => cleared.min(header.events),
    };
    header.to_bytes()
}

/// The content of a whole bitmap.
enum Payload {
    Bits(Arc<ChunkSet>),
    States(Arc<Knowledge>),
}

impl Payload {
    fn of(mended: &Mended) -> Payload {
        match mended.header.is_lockless() {
            true => Payload::States(Arc::new(mended.known.clone())),
            false => Payload::Bits(Arc::new(mended.known.bits())),
        }
    }

    fn content(&self, head: Option<[u8; BITMAP_SUPER_BYTES]>, len: u64) -> Content {
        match self {
            Payload::Bits(bits) => Content::bits(head, Arc::clone(bits), len),
            Payload::States(known) => Content::states(head, Arc::clone(known), len),
        }
    }
}

/// All of a bitmap but its first sector, where that lies on something else than what is there.
fn area(
    draft: &Draft<'_>,
    at: &At,
    payload: &Payload,
    slot_bytes: u64,
) -> Result<Vec<Piece>, PlanError> {
    let whole = payload.content(None, slot_bytes);
    let Some(device) = draft.array().devices.get(at.device) else {
        return Ok(Vec::new());
    };
    let mut differing: Vec<Range<u64>> = Vec::new();
    let mut expected = Vec::new();
    let unit = UNIT as usize;
    read_pieces(device.store, at.start, slot_bytes, |from, found| {
        expected.resize(found.len(), 0);
        whole.read(from, &mut expected);
        let pairs = (from..)
            .step_by(unit)
            .zip(found.chunks(unit).zip(expected.chunks(unit)));
        for (sector, (found, expected)) in pairs {
            if sector < UNIT || found == expected {
                continue;
            }
            match differing.last_mut() {
                Some(last) if last.end == sector => last.end = sector + UNIT,
                _ => differing.push(sector..sector + UNIT),
            }
        }
        Ok::<_, StoreError>(())
    })?;
    let piece = |range: Range<u64>| Piece {
        device: at.device,
        start: Bytes(at.start.0.saturating_add(range.start)),
        part: Part::BitmapArea,
        new: whole.part(range),
    };
    Ok(differing.into_iter().map(piece).collect())
}

#[cfg(test)]
mod tests;
