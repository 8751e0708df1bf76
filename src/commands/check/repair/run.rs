//! Repairs the members of an array, and looks at them before and after, all while they are held.

use super::prediction::Prediction;
use super::{RepairOptions, cases, plan};
use crate::change::{StoppedArray, preview};
use crate::check;
use crate::commands::Status;
use crate::commands::check::{ArrayReport, Checked};
use crate::commands::offline::{Changed, OfflineOptions, Witness, change_before};
use crate::device::Store;
use std::cell::RefCell;

/// What was found, what was done about it, and what is left.
#[derive(Debug, Default)]
pub struct Repaired {
    /// What is wrong; empty where the devices could not be had.
    pub before: Vec<ArrayReport>,
    /// What was, or would be, changed.
    pub changed: Changed,
    /// What the next start of the array would do after that; `None` where nothing is changed.
    pub prediction: Option<Prediction>,
    /// What is wrong afterwards, or would be; empty where nothing could be done.
    pub after: Vec<ArrayReport>,
}

impl Repaired {
    /// How it ended: what kept it from being done; else wrong where something from a warning up is left.
    pub fn status(&self) -> Status {
        if self.changed.failure.is_some() {
            return self.changed.status();
        }
        let left = Checked {
            arrays: self.after.clone(),
            ..Checked::default()
        };
        left.status().max(self.changed.status())
    }
}

/// Repairs the array of `options.devices`.
pub fn repair(options: &OfflineOptions, repair: RepairOptions) -> Repaired {
    let seen = Seen::default();
    let changed = change_before(
        options,
        &|array, now| {
            let planned = plan(array, repair, now)?;
            if !planned.plan.is_empty() {
                let prediction = Prediction::of(array, &planned.plan)?;
                seen.prediction.replace(Some(prediction));
                seen.after.replace(expected(array, &planned.plan));
            }
            Ok(planned)
        },
        &seen,
    );
    let before = seen.before.into_inner();
    Repaired {
        after: match changed.is_nothing() {
            true => before.clone(),
            false => seen.after.into_inner(),
        },
        before,
        prediction: seen.prediction.into_inner(),
        changed,
    }
}

#[derive(Default)]
struct Seen {
    before: RefCell<Vec<ArrayReport>>,
    prediction: RefCell<Option<Prediction>>,
    after: RefCell<Vec<ArrayReport>>,
}

impl Witness for Seen {
    fn before(&self, devices: &[&dyn Store]) {
        self.before.replace(reports(devices));
    }

    fn after(&self, devices: &[&dyn Store]) {
        self.after.replace(reports(devices));
    }
}

fn reports(devices: &[&dyn Store]) -> Vec<ArrayReport> {
    let cases = cases(devices);
    let report = |case: &check::Case<'_>| ArrayReport::of(case, check::check(case));
    cases.iter().map(report).collect()
}

/// What would be wrong after a plan.
fn expected(array: &StoppedArray<'_>, plan: &crate::change::Plan) -> Vec<ArrayReport> {
    let stores: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    let previews = preview(plan, &stores);
    let views: Vec<&dyn Store> = previews.iter().map(|view| view as &dyn Store).collect();
    reports(&views)
}
