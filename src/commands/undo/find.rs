//! The devices of an undo file where nobody says which they are: under the names that they had, or, where disks have been
//! renamed, on any block device of the machine.

use crate::change::undo::{AssignError, SavedDevice, UndoFile, assign};
use crate::device::{CachedStore, DirectStore, OpenMode, Store};
use crate::kernel::system::System;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A device that could be one of them.
struct Candidate {
    path: PathBuf,
    store: CachedStore<DirectStore>,
}

fn candidate(path: &Path) -> Option<Candidate> {
    let store = DirectStore::open(path, OpenMode::Read).ok()?;
    Some(Candidate {
        path: path.to_owned(),
        store: CachedStore::new(store),
    })
}

/// Paths of the devices of `file`, as good as they can be found: read, not held, so what is found has to be looked at
/// again. What was found elsewhere is added to `notes`.
pub(super) fn devices(file: &UndoFile, notes: &mut Vec<String>) -> Vec<OsString> {
    let recorded = || file.devices.iter().map(|device| device.path.clone().into());
    let mut candidates: Vec<Candidate> = file
        .devices
        .iter()
        .filter_map(|device| candidate(&device.path))
        .collect();
    if !all_fit(file, &candidates) && file.devices.iter().any(has_node) {
        let known: Vec<PathBuf> = candidates.iter().map(|one| one.path.clone()).collect();
        candidates.extend(elsewhere(file, &known));
    }
    let stores: Vec<&dyn Store> = candidates
        .iter()
        .map(|one| &one.store as &dyn Store)
        .collect();
    let Ok(places) = assign(file, &stores) else {
        return recorded().collect();
    };
    let mut found = Vec::new();
    for (device, place) in file.devices.iter().zip(&places) {
        let Some(one) = candidates.get(*place) else {
            continue;
        };
        if one.path != device.path {
            notes.push(format!(
                "{}: has the name {} now",
                device.path.display(),
                one.path.display()
            ));
        }
        found.push(one.path.clone().into());
    }
    found
}

/// An image that was moved cannot be found by itself.
fn has_node(device: &SavedDevice) -> bool {
    device.path.starts_with("/dev")
}

/// True when each is there under its name, and holds what it should.
fn all_fit(file: &UndoFile, candidates: &[Candidate]) -> bool {
    let stores: Vec<&dyn Store> = candidates
        .iter()
        .map(|one| &one.store as &dyn Store)
        .collect();
    !matches!(assign(file, &stores), Err(AssignError::Missing { .. }))
}

/// Block devices of the right lengths.
fn elsewhere(file: &UndoFile, known: &[PathBuf]) -> Vec<Candidate> {
    let system = System::default();
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for (path, number) in system.block_nodes() {
        if seen.contains(&number) || !system.opens_harmlessly(number, &path) {
            continue;
        }
        seen.push(number);
        let path = system.device_path(number).unwrap_or(path);
        if known.contains(&path) {
            continue;
        }
        let fits = |one: &Candidate| {
            let mut devices = file.devices.iter();
            devices.any(|device| device.len == one.store.len())
        };
        found.extend(candidate(&path).filter(fits));
    }
    found
}
