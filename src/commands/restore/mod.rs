//! `restore`: the marks of a dump, back into the bitmap of a stopped array, or into a bitmap file (design.md W12).
//!
//! What a dump lacks, nobody knows: what was marked after it was made. So it is united with what is there, where that is to be
//! believed; where it is not, everything is dirty, unless nothing can have happened since. `--replace` takes the dump for the whole truth, which
//! the user has to vouch for as far as superblocks cannot.

mod evidence;
mod file;
mod rebuild;
#[cfg(test)]
mod tests;

pub use file::{FileOptions, RestoredFile, is_for_file, restore_file};

use super::marking::{Marking, amount, listed};
use super::merge::{told, unite};
use super::source::{MarkSource, of_array};
use crate::change::draft::Draft;
use crate::change::mark::{self, Edit, StateMap};
use crate::change::stopped::too_many;
use crate::change::{Knowledge, Moment, PlanError, Planned, StoppedArray};
use crate::format::coverage::Coverage;
use evidence::unchanged_since;
use std::ffi::OsString;

/// What is to be restored.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// The bitmaps of the dump.
    pub dump: Vec<MarkSource>,
    /// The one device of the dump that counts; all of the array's when `None`.
    pub device: Option<OsString>,
    /// Exactly the dump's marks, not those that are there as well.
    pub replace: bool,
    /// The user vouches that nothing was marked after the dump was made; members that were not given have failed; no node of
    /// a cluster is up.
    pub force: bool,
}

/// Plans it.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    array: &StoppedArray<'_>,
    options: &RestoreOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let mut sources = chosen(array, options)?;
    if options.replace {
        sources = freshest(&sources);
    }
    match (mark::editable(array), options.replace) {
        (Ok(coverage), true) => replaced(array, coverage, &sources, options, now),
        (Ok(coverage), false) => unite(array, coverage, &sources, options.force, now),
        (Err(PlanError::Refused(_)), _) => rebuild::plan(array, &sources, options, now),
        (Err(error), _) => Err(error),
    }
}

/// The bitmaps of the dump that are of this array, and of the device that was named.
fn chosen<'o>(
    array: &StoppedArray<'_>,
    options: &'o RestoreOptions,
) -> Result<Vec<&'o MarkSource>, PlanError> {
    let uuid = array.array()?.array_uuid;
    let Some(device) = &options.device else {
        return of_array(&options.dump, &uuid);
    };
    let named = options
        .dump
        .iter()
        .filter(|source| source.device_path() == *device);
    let named: Vec<MarkSource> = named.cloned().collect();
    if named.is_empty() {
        let mut all: Vec<String> = options
            .dump
            .iter()
            .map(|source| source.device_path().to_string_lossy().into_owned())
            .collect();
        all.dedup();
        return Err(PlanError::refuse(
            "device-not-in-dump",
            format!(
                "\"{}\" is none of the devices with a bitmap in the dump ({})",
                device.display(),
                all.join(", ")
            ),
        ));
    }
    of_array(&named, &uuid)?;
    let all = options.dump.iter();
    Ok(all
        .filter(|source| source.device_path() == *device && source.is_of(&uuid))
        .collect())
}

/// Without the devices that were out of date when they were dumped, as a member that had failed: what their bitmaps said was
/// not what the array's did, and their superblocks are not its own.
fn freshest<'s>(sources: &[&'s MarkSource]) -> Vec<&'s MarkSource> {
    let events = |source: &MarkSource| source.md.as_ref().map(|md| md.events);
    let newest = sources.iter().filter_map(|source| events(source)).max();
    // The kernel takes a member that is one event behind for one in sync.
    let is_fresh = |source: &&&'s MarkSource| match (events(source), newest) {
        (Some(events), Some(newest)) => events.saturating_add(1) >= newest,
        _ => true,
    };
    sources.iter().filter(is_fresh).copied().collect()
}

/// What the dump says of the array, in the array's chunks: everything that any of its devices calls dirty is.
fn united(sources: &[&MarkSource], coverage: Coverage) -> Result<Knowledge, PlanError> {
    let mut all: Option<Knowledge> = None;
    for source in sources {
        let known = source
            .known()?
            .rescaled(coverage)
            .map_err(|error| too_many(&error))?;
        match &mut all {
            Some(all) => all.unite(&known).map_err(|error| too_many(&error))?,
            None => all = Some(known),
        }
    }
    match all {
        Some(all) => Ok(all),
        None => Knowledge::all_dirty(coverage).map_err(|error| too_many(&error).into()),
    }
}

/// `--replace` of a bitmap that is to be believed: it says what the dump says, and nothing else.
fn replaced(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    sources: &[&MarkSource],
    options: &RestoreOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let planned = exactly(array, coverage, sources, options, now);
    let Err(why) = unchanged_since(array, sources) else {
        return planned;
    };
    match planned {
        // It is so already: a command that was interrupted at its very end may be given again.
        Ok(planned) if planned.is_nothing() => Ok(planned),
        _ => Err(PlanError::refuse(
            "dump-not-of-now",
            format!("{why}; without --replace its marks are added to those that are there"),
        )),
    }
}

/// The same, whatever happened since.
fn exactly(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    sources: &[&MarkSource],
    options: &RestoreOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let lockless = is_lockless(array);
    if let Some(other) = sources
        .iter()
        .find(|source| source.bitmap.raw.is_lockless() != lockless)
    {
        return Err(PlanError::refuse(
            "other-kind",
            format!(
                "{}: is of version {}, which says other things of a chunk than the array's bitmap does; without --replace its marks are \
                 added",
                other.name, other.bitmap.raw.version
            ),
        ));
    }
    let known = united(sources, coverage)?;
    let dirty = match lockless {
        true => known.dirty().clone(),
        false => known.bits(),
    };
    let edit = Edit::exactly(known)?.with_states(states(sources, coverage)?);
    let marked = mark::plan(&Draft::new(array, now)?, &edit)?;
    let clean = array.array()?.is_clean();
    // Of a clean array, bits are no record of anything; states are (reference/kernel.md trap 8).
    if !marked.cleared.is_empty() && (!clean || lockless) && !options.force {
        return Err(PlanError::refuse(
            "replace-unproven",
            format!(
                "{} marked and not in the dump ({}), and they count at the next start: a dump that was made while the array ran lacks what was \
                 marked later, and no superblock shows that; compare the data with mdbitmap clear, or vouch for the dump with --force",
                amount(coverage, &marked.cleared),
                listed(coverage, &marked.cleared)
            ),
        ));
    }
    let planning = Marking {
        array,
        coverage,
        edit,
        dirty: &dirty,
        unites: false,
        force: options.force,
    }
    .plan(now)?;
    let mut sentences = Vec::new();
    for source in sources {
        sentences.push(told(source, &source.known()?));
    }
    sentences.push(format!(
        "newly marked: {}",
        amount(coverage, &planning.marked.set)
    ));
    if !planning.marked.cleared.is_empty() {
        sentences.push(format!(
            "not marked any more: {}, {}",
            amount(coverage, &planning.marked.cleared),
            listed(coverage, &planning.marked.cleared)
        ));
    }
    Ok(planning.told(array, sentences, Vec::new()))
}

fn is_lockless(array: &StoppedArray<'_>) -> bool {
    let mut bitmaps = array
        .copies
        .iter()
        .filter_map(|copy| copy.bitmap.as_ref().ok());
    bitmaps.any(|bitmap| bitmap.raw().is_lockless())
}

/// The very states of a lockless bitmap, where all devices of the dump agree about them and its chunks are the array's.
fn states(sources: &[&MarkSource], coverage: Coverage) -> Result<Option<StateMap>, PlanError> {
    let mut found: Option<StateMap> = None;
    for source in sources {
        let Some(states) = source.states(coverage)? else {
            return Ok(None);
        };
        match &found {
            Some(first) if *first != states => return Ok(None),
            Some(_) => {}
            None => found = Some(states),
        }
    }
    Ok(found)
}
