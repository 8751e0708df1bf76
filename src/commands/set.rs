//! `set`: marks chunks of a stopped array's bitmap as dirty (design.md W4).

use super::marking::{Asked, Marking, amount};
use crate::change::mark::{self, Edit};
use crate::change::{Moment, PlanError, Planned, StoppedArray};

/// What is to be marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOptions {
    /// Every chunk that this touches.
    pub asked: Asked,
    /// Members that were not given have failed; no node of a cluster is up.
    pub force: bool,
}

/// Plans it.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    array: &StoppedArray<'_>,
    options: &SetOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let coverage = mark::editable(array)?;
    let resolved = options.asked.resolve(array, coverage)?;
    let chunks = resolved.named.touched;
    let planning = Marking {
        array,
        coverage,
        edit: Edit::dirty(coverage, chunks.clone())?,
        dirty: &chunks,
        unites: false,
        force: options.force,
    }
    .plan(now)?;
    let mut already = chunks;
    already.remove_all(&planning.marked.set);
    let mut sentence = format!("newly marked: {}", amount(coverage, &planning.marked.set));
    if !already.is_empty() {
        sentence.push_str(&format!("; marked already: {}", amount(coverage, &already)));
    }
    Ok(planning.told(array, vec![sentence], resolved.notes))
}
