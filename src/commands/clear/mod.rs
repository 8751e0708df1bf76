//! `clear`: takes marks off chunks of a stopped array's bitmap, once their data was compared (design.md W13).
//!
//! A mark may be the only record that members differ. So it goes only from chunks that are named as a whole (W5), while no
//! slot is open (W7), and, unless the user vouches for it, only when all members were read and agree.

mod agree;
#[cfg(test)]
mod tests;

use super::marking::{Asked, Marking, amount, listed, marked_chunks};
use crate::bitmap::ChunkSet;
use crate::change::admission::{Demand, admit};
use crate::change::mark::{self, Edit};
use crate::change::stopped::too_many;
use crate::change::{Left, Moment, PlanError, Planned, StoppedArray};
use crate::format::coverage::Coverage;
use agree::Judged;

/// What is to be cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearOptions {
    /// Every chunk that lies wholly in this.
    pub asked: Asked,
    /// No data is compared; no node of a cluster is up.
    pub force: bool,
}

/// Plans it, which takes reading the data of the chunks.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    array: &StoppedArray<'_>,
    options: &ClearOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let coverage = mark::editable(array)?;
    // Before hours are spent on reading.
    admit(
        array,
        Demand {
            clears: true,
            unclean: false,
            lockless: false,
            force: options.force,
        },
    )?;
    let resolved = options.asked.resolve(array, coverage)?;
    let marked = marked_chunks(array, coverage)?;
    let mut candidates = resolved.named.whole.clone();
    candidates.keep_common(&marked);
    let judged = match options.force {
        true => Judged {
            agree: candidates,
            ..Judged::nothing(coverage)?
        },
        false => agree::judge(array, coverage, &candidates)?,
    };
    let nothing = ChunkSet::empty(coverage.chunks()).map_err(|error| too_many(&error))?;
    let planning = Marking {
        array,
        coverage,
        edit: Edit::clean(coverage, judged.agree.clone())?,
        dirty: &nothing,
        unites: false,
        force: options.force,
    }
    .plan(now)?;
    let mut partly = resolved.named.touched;
    partly.remove_all(&resolved.named.whole);
    partly.keep_common(&marked);
    let sentence = cleared(coverage, &judged.agree, options.force);
    let mut notes = resolved.notes;
    notes.extend(kept(coverage, &judged, &partly));
    let left = match (judged.unreadable.is_empty(), judged.differ.is_empty()) {
        (false, _) => Left::Unreadable,
        (_, false) => Left::NotRight,
        _ => Left::Nothing,
    };
    Ok(Planned {
        left,
        ..planning.told(array, vec![sentence], notes)
    })
}

fn cleared(coverage: Coverage, chunks: &ChunkSet, force: bool) -> String {
    let amount = amount(coverage, chunks);
    match (chunks.is_empty(), force) {
        (true, _) => "no mark is cleared".to_owned(),
        (false, false) => {
            format!("equal on all members, not marked any more: {amount}")
        }
        (false, true) => format!(
            "not marked any more, and not compared: {amount}, {}; where members differ there, nothing tells any more",
            listed(coverage, chunks)
        ),
    }
}

/// What stays marked, and why.
fn kept(coverage: Coverage, judged: &Judged, partly: &ChunkSet) -> Vec<String> {
    let mut notes = Vec::new();
    if !judged.differ.is_empty() {
        notes.push(format!(
            "different on members, still marked: {}, {}",
            amount(coverage, &judged.differ),
            listed(coverage, &judged.differ)
        ));
    }
    if !judged.unreadable.is_empty() {
        notes.push(format!(
            "not to be compared, still marked: {}, {}; {}",
            amount(coverage, &judged.unreadable),
            listed(coverage, &judged.unreadable),
            judged.error.as_deref().unwrap_or_default()
        ));
    }
    if !partly.is_empty() {
        notes.push(format!(
            "named in part alone, still marked: {}",
            amount(coverage, partly)
        ));
    }
    notes
}
