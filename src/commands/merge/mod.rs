//! `merge`: adds the marks of other bitmaps to those of a stopped array, or makes its own copies alike.

#[cfg(test)]
mod tests;

use super::marking::{Marking, amount, bytes_of};
use super::source::{MarkSource, of_array};
use crate::bitmap::ChunkSet;
use crate::change::draft::Draft;
use crate::change::mark::{self, Edit};
use crate::change::stopped::too_many;
use crate::change::{Knowledge, Moment, PlanError, Planned, StoppedArray};
use crate::format::coverage::Coverage;

/// What is to be merged.
#[derive(Debug, Clone, Default)]
pub struct MergeOptions {
    /// The bitmaps whose marks are added; none makes the array's own copies alike.
    pub sources: Vec<MarkSource>,
    /// Members that were not given have failed; no node of a cluster is up.
    pub force: bool,
}

/// Plans it.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    array: &StoppedArray<'_>,
    options: &MergeOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let coverage = mark::editable(array)?;
    let sources = of_array(&options.sources, &array.array()?.array_uuid)?;
    unite(array, coverage, &sources, options.force, now)
}

/// Plans to add the marks of sources to those of an array whose bitmap is to be believed.
pub(super) fn unite(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    sources: &[&MarkSource],
    force: bool,
    now: Moment,
) -> Result<Planned, PlanError> {
    let member = array.array()?;
    let own = own_knowledge(array, coverage)?;
    let mut sentences = Vec::new();
    let mut notes = Vec::new();
    let mut added = ChunkSet::empty(coverage.chunks()).map_err(|error| too_many(&error))?;
    for source in sources {
        let known = source.known()?;
        sentences.push(told(source, &known));
        notes.extend(source.doubts(member.events, array.sync_size()));
        added.add_all(&contribution(&own, &known)?);
    }
    let mut all = own.dirty().clone();
    all.add_all(&added);
    let edit = Edit::dirty(coverage, all.clone())?;
    // Without sources, what has to be synchronised is what some copy says already; where all say it, nothing is asked for.
    let unlike = || Ok::<_, PlanError>(!mark::plan(&Draft::new(array, now)?, &edit)?.is_nothing());
    let dirty = match sources.is_empty() && unlike()? {
        true => all,
        false => added,
    };
    let planning = Marking {
        array,
        coverage,
        edit,
        dirty: &dirty,
        unites: sources.is_empty(),
        force,
    }
    .plan(now)?;
    sentences.push(format!(
        "newly marked: {}",
        amount(coverage, &planning.marked.set)
    ));
    Ok(planning.told(array, sentences, notes))
}

/// What the copies of the array say together.
fn own_knowledge(array: &StoppedArray<'_>, coverage: Coverage) -> Result<Knowledge, PlanError> {
    match array.knowledge()? {
        Some(known) => Ok(known),
        None => Knowledge::all_dirty(coverage).map_err(|error| too_many(&error).into()),
    }
}

/// The chunks of the array that another bitmap calls dirty, or that it and the array's own contradict each other about.
pub(super) fn contribution(own: &Knowledge, other: &Knowledge) -> Result<ChunkSet, PlanError> {
    let other = other
        .rescaled(own.coverage())
        .map_err(|error| too_many(&error))?;
    let mut united = own.clone();
    united.unite(&other).map_err(|error| too_many(&error))?;
    let mut added = united.dirty().clone();
    added.remove_all(own.dirty());
    added.add_all(other.dirty());
    Ok(added)
}

/// What a source is and says.
pub(super) fn told(source: &MarkSource, known: &Knowledge) -> String {
    let coverage = known.coverage();
    let dirty = known.dirty();
    format!(
        "{}: version {}, event {}, chunks of {} bytes: {} dirty ({} bytes)",
        source.name,
        source.bitmap.raw.version,
        source.bitmap.raw.events,
        coverage.chunk_bytes(),
        dirty.count(),
        bytes_of(coverage, dirty)
    )
}
