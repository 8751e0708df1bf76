//! Chunks of a bitmap are marked in place, on every member's copy: only sectors that change are written, and in
//! them nothing changes but the chunks.
//!
//! What a copy's header vouches for must be durable first (design.md W2, W3, R5 of reference/kernel.md 10), so marks
//! come in one of three orders ([`change`]):
//! - marks alone, where no superblock has to move;
//! - W4, a superblock becomes unclean: headers at the new event count, superblocks, marks;
//! - W6, marks are cleared: headers at the new event count, which is when bits were cleared last, marks, superblocks.

use super::content::Content;
use super::draft::{Draft, Piece, SuperChange};
use super::knowledge::{Knowledge, Known};
use super::plan::{Part, UNIT};
use super::refusal::{PlanError, Refusal};
use super::replace::now_or_before;
use super::stopped::{Copy, StoppedArray, Trust, cannot_know, too_many};
use super::superblock::Announce;
use crate::bitmap::{Bitmap, ChunkSet, Encoding};
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, BITS_OFFSET, RawBitmapSuper, STATES_OFFSET};
use crate::format::coverage::Coverage;
use crate::format::lockless::ChunkState;
use crate::units::{Bytes, ChunkIndex, Events};
use std::ops::Range;
use std::sync::Arc;

/// State bytes that are looked at together.
const WINDOW: u64 = 64 << 10;

/// The most bytes of state bytes that one plan changes: they are held in memory, old and new.
const MOST_STATE_BYTES: u64 = 128 << 20;

/// What is to become of some chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The chunks.
    chunks: ChunkSet,
    /// What they are to be; of the others it says nothing.
    known: Knowledge,
    /// The very states that say so, where they are known (version 6).
    states: Option<StateMap>,
}

/// The states of the chunks of a lockless bitmap. Those that no kernel knows are "needs sync".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMap {
    /// Where each state but 0 is.
    sets: Vec<ChunkSet>,
}

impl StateMap {
    /// All `chunks` chunks unwritten.
    ///
    /// # Errors
    /// [`PlanError::Refused`] where there are too many.
    pub fn unwritten(chunks: u64) -> Result<StateMap, PlanError> {
        let empty = ChunkSet::empty(chunks).map_err(|error| too_many(&error))?;
        Ok(StateMap {
            sets: vec![empty; usize::from(ChunkState::CleanUnwritten.to_byte())],
        })
    }

    /// Gives chunks that are unwritten so far a state.
    pub fn set(&mut self, chunks: &Range<ChunkIndex>, state: ChunkState) {
        let state = match state {
            ChunkState::Unwritten => return,
            ChunkState::Unknown(_) => ChunkState::NeedSync,
            known => known,
        };
        let at = usize::from(state.to_byte()).saturating_sub(1);
        if let Some(set) = self.sets.get_mut(at) {
            set.set(chunks, true);
        }
    }

    fn of(&self, chunk: ChunkIndex) -> ChunkState {
        let found = (1..).zip(&self.sets).find(|(_, set)| set.contains(chunk));
        found.map_or(ChunkState::Unwritten, |(byte, _)| {
            ChunkState::from_byte(byte)
        })
    }
}

impl Edit {
    /// `chunks`, of as many as `coverage` has, become dirty.
    ///
    /// # Errors
    /// [`PlanError::Refused`] where there are too many.
    pub fn dirty(coverage: Coverage, chunks: ChunkSet) -> Result<Edit, PlanError> {
        let known = Knowledge::all_dirty(coverage).map_err(|error| too_many(&error))?;
        Ok(Edit {
            chunks,
            known,
            states: None,
        })
    }

    /// `chunks` become clean.
    ///
    /// # Errors
    /// [`PlanError::Refused`] where there are too many.
    pub fn clean(coverage: Coverage, chunks: ChunkSet) -> Result<Edit, PlanError> {
        let known = Knowledge::all_clean(coverage).map_err(|error| too_many(&error))?;
        Ok(Edit {
            chunks,
            known,
            states: None,
        })
    }

    /// Every chunk becomes what `known` says.
    ///
    /// # Errors
    /// [`PlanError::Refused`] where there are too many.
    pub fn exactly(known: Knowledge) -> Result<Edit, PlanError> {
        let chunks = ChunkSet::full(known.coverage().chunks()).map_err(|error| too_many(&error))?;
        Ok(Edit {
            chunks,
            known,
            states: None,
        })
    }

    /// The same, and a lockless bitmap gets these very states, which say what `known` says.
    #[must_use]
    pub fn with_states(self, states: Option<StateMap>) -> Edit {
        Edit { states, ..self }
    }

    fn state(&self, chunk: u64, byte: u8) -> u8 {
        let chunk = ChunkIndex(chunk);
        if !self.chunks.contains(chunk) {
            return byte;
        }
        if let Some(states) = &self.states {
            return states.of(chunk).to_byte();
        }
        // What means the same stays; what is new is a state that every kernel knows (reference/kernel.md R11).
        let now = ChunkState::from_byte(byte);
        let new = match self.known.of(chunk) {
            Known::Dirty if now.is_dirty() && !matches!(now, ChunkState::Unknown(_)) => now,
            Known::Dirty => ChunkState::NeedSync,
            Known::Clean => ChunkState::Clean,
            Known::Unwritten if now.is_dirty() || now == ChunkState::Clean => ChunkState::Unwritten,
            Known::Unwritten => now,
        };
        new.to_byte()
    }
}

/// What an edit comes to.
#[derive(Debug, Clone)]
pub struct Marked {
    /// Chunks that some copy did not mark, and all will.
    pub set: ChunkSet,
    /// Chunks that some copy marked, and none will.
    pub cleared: ChunkSet,
    /// Some bit stays or becomes set.
    left: bool,
    pieces: Vec<Piece>,
}

impl Marked {
    /// True when every copy says already what it is to say.
    pub fn is_nothing(&self) -> bool {
        self.pieces.is_empty()
    }

    /// When bits were cleared last, where that happens on the way to this event count (W3).
    pub fn cleared_at(&self, events: Events) -> Events {
        now_or_before(events, self.left)
    }
}

/// What the chunks of the array's bitmap cover, where all members have it and it is to be believed on all of them: then
/// alone does a mark mean what it says wherever the kernel reads it (reference/kernel.md trap 9).
///
/// # Errors
/// [`PlanError::Refused`], with the copies that are in the way.
pub fn editable(array: &StoppedArray<'_>) -> Result<Coverage, PlanError> {
    let mut refusals = Vec::new();
    if !array.has_bitmap() {
        return Err(PlanError::refuse(
            "no-bitmap",
            "the array has no bitmap; mdbitmap grow --bitmap=internal makes one",
        ));
    }
    let place = |copy: &Copy<'_>| {
        let member = array.devices.get(copy.device)?.member();
        let start = copy.bitmap.as_ref().ok()?.start();
        Some(i128::from(start.0) - i128::from(member.super_start.0))
    };
    let first = array.copies.first();
    let expected = first.and_then(|first| Some((place(first)?, shape(first)?)));
    for place_of_member in array.current() {
        let name = array.name(place_of_member);
        let copy = array
            .copies
            .iter()
            .find(|copy| copy.device == place_of_member);
        let Some(copy) = copy else {
            refusals.push(unlike(
                name,
                "its superblock does not announce the bitmap that the freshest one does",
            ));
            continue;
        };
        let (kind, reasons, so) = match &copy.trust {
            Trust::Trusted => ("", &[][..], ""),
            Trust::Mendable(reasons) => (
                "bitmap-not-taken",
                reasons.as_slice(),
                "no kernel takes its bitmap as it is; mdbitmap check --repair puts that right, and keeps the marks",
            ),
            Trust::Worthless(reasons) => (
                "bitmap-not-believed",
                reasons.as_slice(),
                "its bitmap is not to be believed, so there is nothing that marks could be added to or taken from; mdbitmap check \
                 --repair makes one that is",
            ),
        };
        if !kind.is_empty() {
            let reasons: Vec<&str> = reasons
                .iter()
                .map(|reason| reason.sentence.as_str())
                .collect();
            refusals.push(Refusal::new(
                kind,
                format!("{name}: {}: {so}", reasons.join("; ")),
            ));
            continue;
        }
        if place(copy).zip(shape(copy)) != expected {
            refusals.push(unlike(
                name,
                "its bitmap has another place, version or chunk size than that of the first member",
            ));
        } else if copy
            .bitmap
            .as_ref()
            .is_ok_and(|bitmap| is_cut_off(bitmap, array))
        {
            refusals.push(unlike(
                name,
                "its bitmap reaches past the end of the device",
            ));
        }
    }
    let bitmap = first.and_then(|first| first.bitmap.as_ref().ok());
    let coverage = bitmap.and_then(|bitmap| array.coverage(bitmap.raw().coverage()?.chunk_bytes()));
    match coverage {
        Some(coverage) if refusals.is_empty() => Ok(coverage),
        Some(_) => Err(PlanError::Refused(refusals)),
        None if refusals.is_empty() => {
            Err(PlanError::refuse("no-bitmap", "no member has a bitmap"))
        }
        None => Err(PlanError::Refused(refusals)),
    }
}

/// What the copies of one bitmap have in common.
fn shape(copy: &Copy<'_>) -> Option<(u32, u32, u32)> {
    let raw = copy.bitmap.as_ref().ok()?.raw();
    Some((raw.version, raw.chunksize, raw.nodes))
}

fn unlike(name: &str, what: &str) -> Refusal {
    Refusal::new(
        "copies-unlike",
        format!(
            "{name}: {what}; if a command was interrupted, run it again, else mdbitmap check --repair makes the copies alike"
        ),
    )
}

fn is_cut_off(bitmap: &Bitmap<'_>, array: &StoppedArray<'_>) -> bool {
    let counted = bitmap.clone().with_sync_size(array.sync_size());
    counted.missing_chunks().map_or(true, |missing| missing > 0)
}

/// What editing every copy of an array that is [`editable`] takes. No earlier step of `draft` may have changed chunks.
///
/// # Errors
/// [`PlanError`] when a copy cannot be read, or too much would have to be held in memory.
pub fn plan(draft: &Draft<'_>, edit: &Edit) -> Result<Marked, PlanError> {
    plan_on(draft, &draft.array().copies, edit)
}

/// What an edit of these copies alone takes, sector by sector; all of them have the chunks that `edit` has.
///
/// # Errors
/// As [`plan`].
pub fn pieces_on<'d, 'c>(
    draft: &Draft<'d>,
    copies: impl IntoIterator<Item = &'c Copy<'d>>,
    edit: &Edit,
) -> Result<Vec<Piece>, PlanError>
where
    'd: 'c,
{
    Ok(plan_on(draft, copies, edit)?.pieces)
}

fn plan_on<'d, 'c>(
    draft: &Draft<'d>,
    copies: impl IntoIterator<Item = &'c Copy<'d>>,
    edit: &Edit,
) -> Result<Marked, PlanError>
where
    'd: 'c,
{
    let array = draft.array();
    let empty = || ChunkSet::empty(edit.chunks.len()).map_err(|error| too_many(&error));
    let mut marked = Marked {
        set: empty()?,
        cleared: empty()?,
        left: false,
        pieces: Vec::new(),
    };
    let mut state_bytes = 0;
    for copy in copies {
        for (number, slot) in (0..).zip(copy.slots(array.sync_size())?) {
            let slot = slot.with_sync_size(array.sync_size());
            let editor = Editor {
                draft,
                edit,
                device: copy.device,
                bitmap: &slot,
            };
            match slot.encoding() {
                Some(Encoding::States) => editor.states(&mut marked, &mut state_bytes)?,
                // Nodes mark their own writes in their own slots: what is clean, is so in all of them; what is dirty is taken
                // over by the first node that starts, wherever it is marked (reference/kernel.md 3.9).
                _ => editor.bits(&mut marked, number == 0)?,
            }
        }
    }
    Ok(marked)
}

/// One copy, or one slot of it.
struct Editor<'e, 'd> {
    draft: &'e Draft<'d>,
    edit: &'e Edit,
    device: usize,
    bitmap: &'e Bitmap<'d>,
}

impl Editor<'_, '_> {
    fn bits(&self, marked: &mut Marked, sets: bool) -> Result<(), PlanError> {
        let mut before =
            ChunkSet::empty(self.edit.chunks.len()).map_err(|error| too_many(&error))?;
        for run in self
            .bitmap
            .runs()
            .map_err(|error| cannot_know(error.into()))?
        {
            before.set(&run.map_err(|error| cannot_know(error.into()))?, true);
        }
        // Unwritten is dirty where there are but bits (W10).
        let dirty = self.edit.known.bits();
        let mut on = self.edit.chunks.clone();
        on.keep_common(&dirty);
        on.remove_all(&before);
        let mut off = self.edit.chunks.clone();
        off.remove_all(&dirty);
        off.keep_common(&before);
        marked.cleared.add_all(&off);
        let mut after = before;
        let mut differ = off;
        after.remove_all(&differ);
        if sets {
            marked.set.add_all(&on);
            after.add_all(&on);
            differ.add_all(&on);
        }
        marked.left |= !after.is_empty();
        let after = Arc::new(after);
        let chunks = self.edit.chunks.len();
        // Sectors of chunks alone are made up from the set; the first one, and one that the last chunk ends within, are edited.
        let last = (BITS_OFFSET + chunks / 8) / UNIT;
        let whole = Content::bits(None, Arc::clone(&after), u64::MAX);
        for sectors in sectors_of(&differ) {
            let (mut at, end) = (sectors.start, sectors.end);
            while at < end {
                let stop = match at {
                    0 => 1,
                    at if at < last => end.min(last),
                    at => at + 1,
                };
                let range = at * UNIT..stop * UNIT;
                let new = match at > 0 && at < last {
                    true => whole.part(range.clone()),
                    false => Content::bytes(self.edited_sector(at, &after)?),
                };
                marked.pieces.push(self.piece(range.start, new));
                at = stop;
            }
        }
        Ok(())
    }

    /// A sector with the bits of `after` in the place of those that it holds.
    fn edited_sector(&self, sector: u64, after: &ChunkSet) -> Result<Vec<u8>, PlanError> {
        let start = Bytes(self.bitmap.start().0.saturating_add(sector * UNIT));
        let mut bytes = self.draft.read_now(self.device, start, UNIT)?;
        for (at, byte) in (sector * UNIT..).zip(&mut bytes) {
            let Some(first) = at.checked_sub(BITS_OFFSET).map(|at| at.saturating_mul(8)) else {
                continue;
            };
            for bit in 0..8 {
                let chunk = first.saturating_add(bit);
                if chunk < after.len() {
                    *byte &= !(1 << bit);
                    *byte |= u8::from(after.contains(ChunkIndex(chunk))) << bit;
                }
            }
        }
        Ok(bytes)
    }

    fn states(&self, marked: &mut Marked, total: &mut u64) -> Result<(), PlanError> {
        let chunks = self.edit.chunks.len();
        let mut done = 0;
        for run in self.edit.chunks.runs() {
            let mut window = byte_of_state(run.start.0.max(done)) / WINDOW * WINDOW;
            // Whole windows: what the run begins in may have been looked at for the run before it.
            while window < byte_of_state(run.end.0) {
                let end = (window + WINDOW).min(byte_of_state(chunks).next_multiple_of(UNIT));
                if state_at(end) > done {
                    self.state_window(window..end, marked, total)?;
                    done = state_at(end);
                }
                window += WINDOW;
            }
        }
        Ok(())
    }

    /// The sectors of a range of the bitmap that the edit changes.
    fn state_window(
        &self,
        window: Range<u64>,
        marked: &mut Marked,
        total: &mut u64,
    ) -> Result<(), PlanError> {
        let start = Bytes(self.bitmap.start().0.saturating_add(window.start));
        let len = window.end.saturating_sub(window.start);
        let old = self.draft.read_now(self.device, start, len)?;
        let mut new = old.clone();
        for (at, byte) in (window.start..).zip(&mut new) {
            let chunk = at.checked_sub(STATES_OFFSET);
            let Some(chunk) = chunk.filter(|chunk| *chunk < self.edit.chunks.len()) else {
                continue;
            };
            let (was, now) = (*byte, self.edit.state(chunk, *byte));
            *byte = now;
            let is_dirty = |byte| ChunkState::from_byte(byte).is_dirty();
            let run = ChunkIndex(chunk)..ChunkIndex(chunk.saturating_add(1));
            match (is_dirty(was), is_dirty(now)) {
                (false, true) => marked.set.set(&run, true),
                (true, false) => marked.cleared.set(&run, true),
                _ => {}
            }
        }
        let unit = UNIT as usize;
        let pairs = (0..).zip(old.chunks(unit).zip(new.chunks(unit)));
        let differ = pairs.filter(|(_, (old, new))| old != new);
        let sectors: Vec<(u64, &[u8])> = differ.map(|(sector, (_, new))| (sector, new)).collect();
        for run in sectors.chunk_by(|a, b| a.0 + 1 == b.0) {
            let Some((first, _)) = run.first() else {
                continue;
            };
            let bytes: Vec<u8> = run
                .iter()
                .flat_map(|(_, bytes)| bytes.iter().copied())
                .collect();
            *total = total.saturating_add(bytes.len() as u64);
            if *total > MOST_STATE_BYTES {
                return Err(PlanError::refuse(
                    "too-many-chunks",
                    format!(
                        "more than {MOST_STATE_BYTES} bytes of chunk states would change, more than are kept in memory; change them range by range"
                    ),
                ));
            }
            let piece = self.piece(window.start + first * UNIT, Content::bytes(bytes));
            marked.pieces.push(piece);
        }
        Ok(())
    }

    fn piece(&self, at: u64, new: Content) -> Piece {
        Piece {
            device: self.device,
            start: Bytes(self.bitmap.start().0.saturating_add(at)),
            part: match at {
                0 => Part::BitmapHeader,
                _ => Part::BitmapArea,
            },
            new,
        }
    }
}

fn byte_of_state(chunk: u64) -> u64 {
    STATES_OFFSET.saturating_add(chunk)
}

/// The chunk whose state lies at a byte of the bitmap.
fn state_at(byte: u64) -> u64 {
    byte.saturating_sub(STATES_OFFSET)
}

/// The sectors of a bitmap that the bits of chunks lie in: ascending, and apart from each other.
fn sectors_of(chunks: &ChunkSet) -> Vec<Range<u64>> {
    let byte = |chunk: u64| BITS_OFFSET.saturating_add(chunk / 8);
    let mut all: Vec<Range<u64>> = Vec::new();
    for run in chunks.runs() {
        let start = byte(run.start.0) / UNIT;
        let end = byte(run.end.0.saturating_sub(1)) / UNIT + 1;
        match all.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => all.push(start..end),
        }
    }
    all
}

/// What beside marks changes with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beside {
    /// The array becomes one that was not stopped cleanly, so that the marks are synchronised (W4).
    pub unclean: bool,
    /// Device numbers of members that become faulty (W7).
    pub failed: Vec<u32>,
}

/// Adds the steps to a plan that bring an edit about, and says what it comes to. No earlier step may have changed chunks.
///
/// # Errors
/// [`PlanError`].
pub fn change(draft: &mut Draft<'_>, edit: &Edit, beside: &Beside) -> Result<Marked, PlanError> {
    let marked = plan(draft, edit)?;
    let clears = !marked.cleared.is_empty();
    let change = SuperChange {
        announce: Announce::AsItIs,
        unclean: beside.unclean,
        failed: beside.failed.clone(),
    };
    let moves = beside.unclean || !beside.failed.is_empty();
    if moves {
        headers(draft, clears.then_some(marked.left))?;
        draft.superblocks(title(beside), &change)?;
    }
    if !beside.failed.is_empty() {
        // Two events behind, a member that was called failed is not taken for current any more (W7, R9).
        headers(draft, None)?;
        draft.superblocks(
            "superblocks: one event more, so that the failed member stays out",
            &SuperChange::nothing(),
        )?;
    }
    if !moves && clears {
        headers(draft, Some(marked.left))?;
    }
    // Marks share a sector with the header, which may be another one by now.
    let pieces = plan(draft, edit)?.pieces;
    draft.write("marks", pieces)?;
    if !moves && clears {
        draft.superblocks("superblocks: the new event count", &SuperChange::nothing())?;
    }
    Ok(marked)
}

fn title(beside: &Beside) -> &'static str {
    match (beside.unclean, beside.failed.is_empty()) {
        (true, true) => "superblocks: not stopped cleanly",
        (true, false) => "superblocks: not stopped cleanly, members that were not given failed",
        (false, _) => "superblocks: members that were not given failed",
    }
}

/// A step that brings the headers of all copies to the next event count, before the superblocks come to it: beside those
/// they would look stale (R5). With `cleared`, bits are cleared at it (W3); true: others are left.
fn headers(draft: &mut Draft<'_>, cleared: Option<bool>) -> Result<(), PlanError> {
    let events = draft.events_after(1)?;
    let array = draft.array();
    let mut pieces = Vec::new();
    for copy in &array.copies {
        for slot in copy.slots(array.sync_size())? {
            pieces.push(Piece {
                device: copy.device,
                start: slot.start(),
                part: Part::BitmapHeader,
                new: Content::bytes(header(draft, copy.device, &slot, events, cleared)?),
            });
        }
    }
    let title = match cleared {
        Some(_) => "bitmap headers: the new event count, at which bits are cleared",
        None => "bitmap headers: the new event count",
    };
    draft.write(title, pieces)
}

/// The first sector of a bitmap with the new counts in it.
fn header(
    draft: &Draft<'_>,
    device: usize,
    bitmap: &Bitmap<'_>,
    events: Events,
    cleared: Option<bool>,
) -> Result<Vec<u8>, PlanError> {
    let mut bytes = draft.read_now(device, bitmap.start(), UNIT)?;
    let head = bytes.get_mut(..BITMAP_SUPER_BYTES).unwrap_or_default();
    if let Ok(mut raw) = RawBitmapSuper::from_bytes(head) {
        raw.events = raw.events.max(events.0);
        if let Some(left) = cleared {
            let now = now_or_before(events, left);
            raw.events_cleared = raw.events_cleared.max(now.0);
        }
        head.copy_from_slice(&raw.to_bytes());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
