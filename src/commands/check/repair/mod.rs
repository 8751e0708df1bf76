//! `check --repair`: what is wrong with the bitmap of a stopped array is put right, as far as that is safe.
//!
//! The findings say whether there is anything to repair; what the bitmap has to be is worked out from its copies, once
//! for all findings; whichever way leads there with the least risk is taken (design.md W2, W3, W4, W11).

mod belief;
mod prediction;
mod remedy;
mod run;
mod target;
#[cfg(test)]
mod tests;
mod text;

pub use prediction::Prediction;
pub use run::{Repaired, repair};

use self::remedy::{Remedy, events_cleared};
use crate::change::draft::Draft;
use crate::change::plan::Plan;
use crate::change::told::{after_bitmap, describe};
use crate::change::{After, Moment, PlanError, Planned, StoppedArray, preview};
use crate::check::{self, Case, Finding, Input, LookOptions};
use crate::device::Store;

/// What is asked of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepairOptions {
    /// Members that were not given are out of the array; no node of a cluster is up.
    pub force: bool,
}

/// The plan of repairing the bitmap of `array`: an empty one where no finding calls for it.
///
/// # Errors
/// [`PlanError`]: with every reason why the array is not changed.
pub fn plan(
    array: &StoppedArray<'_>,
    options: RepairOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    let stores: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    let found = findings(&stores);
    if !found.iter().any(|finding| finding.repair_class.is_ours()) {
        return Ok(nothing(array));
    }
    let remedy = Remedy::of(array, options.force)?;
    let mut draft = Draft::new(array, now)?;
    remedy.steps(&mut draft)?;
    let after = after(array, &remedy, &draft)?;
    let plan = draft.finish()?;
    let prediction = Prediction::of(array, &plan)?;
    Ok(Planned {
        sentences: text::sentences(array, &remedy, &after, &prediction, &found),
        notes: text::notes(&remaining(&plan, &stores)),
        plan,
        after,
        ..Planned::default()
    })
}

/// What is wrong with the members of an array.
pub fn findings(stores: &[&dyn Store]) -> Vec<Finding> {
    cases(stores).iter().flat_map(check::check).collect()
}

/// The arrays of these members.
pub fn cases<'a>(stores: &[&'a dyn Store]) -> Vec<Case<'a>> {
    let look = |store: &&'a dyn Store| Input::look(*store, &LookOptions::default());
    Case::group(stores.iter().map(look).collect())
}

/// What would still be wrong after a plan.
fn remaining(plan: &Plan, stores: &[&dyn Store]) -> Vec<Finding> {
    let previews = preview(plan, stores);
    let views: Vec<&dyn Store> = previews.iter().map(|view| view as &dyn Store).collect();
    findings(&views)
}

/// Nothing is done.
fn nothing(array: &StoppedArray<'_>) -> Planned {
    let member = array.freshest().map(|device| device.member());
    Planned {
        after: After {
            array: describe(array),
            events: member.map(|member| member.events).unwrap_or_default(),
            clean: member.is_some_and(|member| member.is_clean()),
            bitmap: None,
        },
        ..Planned::default()
    }
}

/// What the array has after all steps.
fn after(
    array: &StoppedArray<'_>,
    remedy: &Remedy<'_>,
    draft: &Draft<'_>,
) -> Result<After, PlanError> {
    let events = draft.events();
    let bitmap = remedy.target.as_ref().map(|wanted| {
        let header = wanted.header();
        let cleared = events_cleared(remedy, &header, events);
        let offset = i64::from(wanted.target.offset);
        after_bitmap(&header, offset, &wanted.known, cleared)
    });
    Ok(After {
        array: describe(array),
        events,
        clean: array.array()?.is_clean() && !remedy.unclean,
        bitmap,
    })
}
