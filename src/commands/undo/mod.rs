//! `undo`: takes a change of a stopped array back (design.md W14), and lists what can be taken back.

mod find;
mod list;
mod result;
mod steps;

pub use list::{Listed, Listing, Seen, list};
pub use result::{BackStep, BackWrite, UndoFailure, Undone};

use crate::change::hold;
use crate::change::undo::{self, State, UndoFile};
use crate::commands::undo_files;
use crate::device::Store;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked of `undo`.
#[derive(Debug, Clone, Default)]
pub struct UndoOptions {
    /// The undo file.
    pub file: PathBuf,
    /// The devices by their present names; none when they have those that they had, or can be found.
    pub devices: Vec<OsString>,
    /// Write nothing.
    pub dry_run: bool,
}

/// Takes the change of `options.file` back.
pub fn undo(options: &UndoOptions) -> Undone {
    let mut undone = Undone {
        file: options.file.clone(),
        dry_run: options.dry_run,
        ..Undone::default()
    };
    if let Err(failure) = take_back(options, &mut undone) {
        undone.failure = Some(failure);
    }
    undone
}

fn take_back(options: &UndoOptions, undone: &mut Undone) -> Result<(), UndoFailure> {
    let file = undo_files::open(&options.file)?;
    undone.about = Some(file.about.clone());
    let paths = match options.devices.is_empty() {
        false => options.devices.clone(),
        true => find::devices(&file, &mut undone.notes),
    };
    let held = hold(&paths).map_err(|error| UndoFailure::Hold {
        error,
        by_itself: options.devices.is_empty(),
    })?;
    undone.notes.extend(held.notes.iter().cloned());
    let stores = held.stores();
    let places = undo::assign(&file, &stores)?;
    if let Some(other) = not_concerned(&places, &stores) {
        return Err(UndoFailure::NotConcerned { device: other });
    }
    let order: Vec<&dyn Store> = places
        .iter()
        .filter_map(|place| stores.get(*place).copied())
        .collect();
    undone.devices = order.iter().map(|store| store.name().to_owned()).collect();
    let judgement = undo::judge(&file, &order)?;
    undone.state = Some(judgement.state.clone());
    if let State::Foreign(all) = judgement.state {
        return Err(UndoFailure::Foreign(all));
    }
    undone.steps = steps::steps(&file, &order, &judgement)?;
    if options.dry_run || !judgement.state.is_begun() {
        return Ok(());
    }
    undone.bytes = undo::revert(&file, &order, &judgement)?;
    undone.written = true;
    Ok(())
}

/// A device that was given and has nothing to do with the change.
fn not_concerned(places: &[usize], stores: &[&dyn Store]) -> Option<String> {
    let mut others = stores.iter().enumerate();
    let other = others.find(|(place, _)| !places.contains(place));
    other.map(|(_, store)| store.name().to_owned())
}

/// True when the devices of a file are all as they were before the change, as far as can be seen without holding them.
pub(crate) fn seen(file: &UndoFile, stores: &[&dyn Store]) -> Result<State, UndoFailure> {
    let places = undo::assign(file, stores)?;
    let order: Vec<&dyn Store> = places
        .iter()
        .filter_map(|place| stores.get(*place).copied())
        .collect();
    Ok(undo::judge(file, &order)?.state)
}
