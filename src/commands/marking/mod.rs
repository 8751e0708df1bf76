//! What the verbs have in common that mark chunks of the bitmap of a stopped array.

mod asked;
#[cfg(test)]
pub(in crate::commands) mod tests;

pub use asked::{Asked, What};

use crate::bitmap::ChunkSet;
use crate::change::admission::{Admitted, Demand, admit};
use crate::change::draft::Draft;
use crate::change::mark::{self, Beside, Edit, Marked};
use crate::change::stopped::{Copy, cannot_know, too_many};
use crate::change::told::{after_bitmap, describe, is_alone, next_start};
use crate::change::{After, Knowledge, Moment, PlanError, Planned, StoppedArray};
use crate::format::coverage::Coverage;
use crate::units::{ChunkIndex, Events, SECTOR_BYTES};

/// How the marks of an array are to be changed.
pub(super) struct Marking<'m> {
    /// The array, whose bitmap is one that [`mark::editable`] has let pass.
    pub array: &'m StoppedArray<'m>,
    /// What its chunks cover.
    pub coverage: Coverage,
    /// The marks.
    pub edit: Edit,
    /// Chunks that have to be synchronised between the members: those that are asked for, marked already or not.
    pub dirty: &'m ChunkSet,
    /// The marks are those that the copies have already, each: they mean what they meant.
    pub unites: bool,
    /// `--force`.
    pub force: bool,
}

/// A plan that changes marks.
pub(super) struct Planning {
    /// The plan, without its sentences.
    pub planned: Planned,
    /// What becomes of the chunks.
    pub marked: Marked,
    /// True when the array becomes one that was not stopped cleanly.
    pub made_unclean: bool,
    admitted: Admitted,
}

impl Marking<'_> {
    /// Plans it, if the array bears it.
    ///
    /// W4: on a clean array the kernel lets marks lapse without synchronising anything, and behind a checkpoint it
    /// takes those before it for done. A mirror with one member has nothing to synchronise: its marks are for a member
    /// that is re-added.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan(self, now: Moment) -> Result<Planning, PlanError> {
        let array = self.array;
        let member = array.array()?;
        let first = self
            .dirty
            .runs()
            .next()
            .map(|run| self.first_sector(run.start));
        let reaches = |first: u64| match member.resync_offset {
            None => true,
            Some(checkpoint) => checkpoint.0 > first,
        };
        let lacks = self.unites && member.is_clean() && !array.open_slots().is_empty();
        let unclean = first.is_some_and(reaches) && !is_alone(array) && !lacks;
        let mut draft = Draft::new(array, now)?;
        let clears = !mark::plan(&draft, &self.edit)?.cleared.is_empty();
        let admitted = admit(
            array,
            Demand {
                clears,
                unclean,
                lockless: false,
                force: self.force,
            },
        )?;
        let beside = Beside {
            unclean,
            failed: admitted.failed.clone(),
        };
        let marked = mark::change(&mut draft, &self.edit, &beside)?;
        let known = after(array, self.coverage, &marked)?;
        let notes = unlike(array, self.coverage, &marked)?;
        let after = After {
            array: describe(array),
            events: draft.events(),
            clean: member.is_clean() && !unclean,
            bitmap: bitmap_after(
                array,
                &known,
                clears.then_some(marked.cleared_at(draft.events())),
            ),
        };
        Ok(Planning {
            planned: Planned {
                plan: draft.finish()?,
                after,
                notes: notes.into_iter().collect(),
                ..Planned::default()
            },
            marked,
            made_unclean: unclean && member.is_clean(),
            admitted,
        })
    }

    fn first_sector(&self, chunk: ChunkIndex) -> u64 {
        let next = ChunkIndex(chunk.0.saturating_add(1));
        let bytes = self.coverage.bytes_of(&(chunk..next));
        u64::try_from(bytes.start / u128::from(SECTOR_BYTES)).unwrap_or(u64::MAX)
    }
}

impl Planning {
    /// The plan with what the verb has to say, and what holds for all of them.
    pub fn told(
        self,
        array: &StoppedArray<'_>,
        sentences: Vec<String>,
        notes: Vec<String>,
    ) -> Planned {
        let beside = Beside {
            unclean: self.made_unclean,
            failed: self.admitted.failed,
        };
        told(array, self.planned, &beside, sentences, notes)
    }
}

/// A plan with what the verb has to say, and what holds for all of them. `beside` is what newly becomes of the array.
pub(super) fn told(
    array: &StoppedArray<'_>,
    mut planned: Planned,
    beside: &Beside,
    mut sentences: Vec<String>,
    notes: Vec<String>,
) -> Planned {
    if !beside.failed.is_empty() {
        let missing = &array.membership.missing;
        let slots: Vec<String> = missing.iter().map(u32::to_string).collect();
        sentences.push(format!(
            "slot {}: the member that was not given has failed, and has to be added anew",
            slots.join(", ")
        ));
    }
    if beside.unclean {
        sentences.push(
            "the array counts as not stopped cleanly from now on: of a clean one, kernels drop the marks and synchronise nothing"
                .to_owned(),
        );
    }
    sentences.push(next_start(array, &planned.after));
    if is_alone(array) {
        sentences.push("a member that is re-added gets what is marked".to_owned());
    }
    planned.sentences = sentences;
    planned.notes.extend(notes);
    let bitmap = planned.after.bitmap.as_ref();
    if bitmap.is_some_and(|bitmap| bitmap.version == 6 && bitmap.dirty_chunks > 0) {
        // reference/kernel.md trap 12.
        planned.notes.push(
            "kernels before 7.3 leave out some of the marked chunks of a lockless bitmap when they synchronise: start the array on a newer one"
                .to_owned(),
        );
    }
    planned
}

/// What the copies say together once they are changed.
fn after(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    marked: &Marked,
) -> Result<Knowledge, PlanError> {
    let mut known = match array.knowledge()? {
        Some(known) => known,
        None => Knowledge::all_dirty(coverage).map_err(|error| too_many(&error))?,
    };
    for run in marked.cleared.runs() {
        known.set(&run, crate::change::Known::Clean);
    }
    known.add_dirty(&marked.set);
    Ok(known)
}

fn bitmap_after(
    array: &StoppedArray<'_>,
    known: &Knowledge,
    cleared: Option<Events>,
) -> Option<crate::change::AfterBitmap> {
    let copy = array.copies.first()?;
    let bitmap = copy.bitmap.as_ref().ok()?;
    let member = array.devices.get(copy.device)?.member();
    let distance = i128::from(bitmap.start().0) - i128::from(member.super_start.0);
    let offset = i64::try_from(distance / i128::from(SECTOR_BYTES)).ok()?;
    let cleared = cleared.unwrap_or(Events(bitmap.raw().events_cleared));
    Some(after_bitmap(bitmap.raw(), offset, known, cleared))
}

/// Chunks that some copy marks.
///
/// # Errors
/// [`PlanError`] when a copy cannot be read.
pub(super) fn marked_chunks(
    array: &StoppedArray<'_>,
    coverage: Coverage,
) -> Result<ChunkSet, PlanError> {
    let mut marked = ChunkSet::empty(coverage.chunks()).map_err(|error| too_many(&error))?;
    for copy in &array.copies {
        marked.add_all(&marked_by(array, coverage, copy)?);
    }
    Ok(marked)
}

/// Chunks that a copy marks, in whichever of its slots.
fn marked_by(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    copy: &Copy<'_>,
) -> Result<ChunkSet, PlanError> {
    let mut marked = ChunkSet::empty(coverage.chunks()).map_err(|error| too_many(&error))?;
    for slot in copy.slots(array.sync_size())? {
        let slot = slot.with_sync_size(array.sync_size());
        for run in slot.runs().map_err(|error| cannot_know(error.into()))? {
            marked.set(&run.map_err(|error| cannot_know(error.into()))?, true);
        }
    }
    Ok(marked)
}

/// A note where copies still differ once the marks are changed: the kernel reads one of them
/// (reference/kernel.md trap 9).
fn unlike(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    marked: &Marked,
) -> Result<Option<String>, PlanError> {
    let mut all = marked_chunks(array, coverage)?;
    all.add_all(&marked.set);
    all.remove_all(&marked.cleared);
    for copy in &array.copies {
        let mut own = marked_by(array, coverage, copy)?;
        own.add_all(&marked.set);
        own.remove_all(&marked.cleared);
        let mut missing = all.clone();
        missing.remove_all(&own);
        if !missing.is_empty() {
            return Ok(Some(format!(
                "{}: its copy of the bitmap does not mark {} that another copy marks, and the kernel reads one copy alone; mdbitmap merge \
                 makes the copies alike",
                array.name(copy.device),
                amount(coverage, &missing)
            )));
        }
    }
    Ok(None)
}

/// Bytes of chunks, as the bitmap counts.
pub(super) fn bytes_of(coverage: Coverage, chunks: &ChunkSet) -> u128 {
    let ranges = chunks.runs().map(|run| coverage.bytes_of(&run));
    ranges.map(|bytes| bytes.end - bytes.start).sum()
}

/// `3 chunks (196608 bytes)`.
pub(super) fn amount(coverage: Coverage, chunks: &ChunkSet) -> String {
    let count = chunks.count();
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "{count} chunk{plural} ({} bytes)",
        bytes_of(coverage, chunks)
    )
}

/// The first runs of chunks as ranges of bytes, as the bitmap counts, and how many there are beside.
pub(super) fn listed(coverage: Coverage, chunks: &ChunkSet) -> String {
    const LISTED: usize = 8;
    let mut runs = chunks.runs();
    let first: Vec<String> = runs
        .by_ref()
        .take(LISTED)
        .map(|run| coverage.bytes_of(&run))
        .map(|bytes| format!("{}..{}", bytes.start, bytes.end))
        .collect();
    let beside = match runs.count() {
        0 => String::new(),
        more => format!(" and {more} more ranges"),
    };
    format!("bytes {}{beside}", first.join(", "))
}
