//! What every verb does that changes a stopped array: hold the members, read them, plan, and, unless it is a dry run,
//! carry the plan out. A verb brings the function that plans.

mod bitmap_file;
mod result;

pub use result::{Changed, Failure};

use crate::change::{Moment, PlanError, Planned, StoppedArray, execute, hold, postcondition};
use crate::device::Store;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked of a verb that changes a stopped array, whatever the change.
#[derive(Debug, Clone, Default)]
pub struct OfflineOptions {
    /// The verb, for the report and the undo file.
    pub verb: &'static str,
    /// All members, or images of them.
    pub devices: Vec<OsString>,
    /// Write nothing.
    pub dry_run: bool,
    /// Where what is overwritten goes first.
    pub undo: UndoPlace,
}

/// Where the undo file of a change is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UndoPlace {
    /// In the usual folder.
    #[default]
    Usual,
    /// Under this name.
    File(PathBuf),
    /// Nowhere: the change cannot be undone.
    Nowhere,
}

/// Makes the plan of a change to an array.
pub type Planner<'p> = dyn Fn(&StoppedArray<'_>, Moment) -> Result<Planned, PlanError> + 'p;

/// Looks at the members while they are held: nobody else can have changed them between one look and the other.
pub trait Witness {
    /// Before anything is planned: the devices in the order given.
    fn before(&self, _devices: &[&dyn Store]) {}

    /// After everything was written and read back: the members in the order of [`StoppedArray::devices`].
    fn after(&self, _devices: &[&dyn Store]) {}
}

/// Nobody looks.
impl Witness for () {}

/// Changes the stopped array of `options.devices` as `planner` plans.
pub fn change(options: &OfflineOptions, planner: &Planner<'_>) -> Changed {
    change_before(options, planner, &())
}

/// The same before a witness.
pub fn change_before(
    options: &OfflineOptions,
    planner: &Planner<'_>,
    witness: &dyn Witness,
) -> Changed {
    Changed {
        verb: options.verb,
        dry_run: options.dry_run,
        ..changed(options, planner, witness)
    }
}

fn changed(options: &OfflineOptions, planner: &Planner<'_>, witness: &dyn Witness) -> Changed {
    let held = match hold(&options.devices) {
        Ok(held) => held,
        Err(error) => return Changed::failed(Failure::Hold(error)),
    };
    let stores = held.stores();
    witness.before(&stores);
    let planned = StoppedArray::read(&stores).and_then(|array| {
        let planned = planner(&array, Moment::now())?;
        postcondition::check(&array, &planned)?;
        let order: Vec<_> = array.devices.iter().map(|device| device.store).collect();
        Ok((planned, order))
    });
    let (planned, stores) = match planned {
        Ok(planned) => planned,
        Err(error) => return Changed::failed(Failure::Plan(error)).with_notes(&held.notes),
    };
    let mut changed = Changed::planned(planned).with_notes(&held.notes);
    if options.dry_run || changed.is_nothing() {
        return changed;
    }
    if let Some(planned) = &changed.planned {
        match carry_out(planned, &stores, &mut changed.notes) {
            Ok(()) => {
                changed.written = true;
                witness.after(&stores);
            }
            Err(failure) => changed.failure = Some(failure),
        }
    }
    changed
}

/// The steps, and the bitmap file around them: whether there is room for it shows before anything else is changed, and
/// it is no bitmap before everything else is.
fn carry_out(
    planned: &Planned,
    stores: &[&dyn Store],
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let file = match &planned.file {
        Some(file) => Some(bitmap_file::prepare(file, notes)?),
        None => None,
    };
    execute(&planned.plan, stores, |_, _| {}).map_err(Failure::Execute)?;
    file.map_or(Ok(()), |file| file.finish(planned.plan.is_empty()))
}
