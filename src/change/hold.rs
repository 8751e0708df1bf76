//! Taking the members of a stopped array for oneself (design.md W15, promise 5).
//!
//! All devices are claimed before the first byte is read, and let go together when [`Held`] is dropped: meanwhile
//! neither another program nor udev's assembly can use them.

use crate::array::probe;
use crate::device::{DirectStore, OpenMode, Store, StoreError};
use crate::kernel::{Holder, holders, running_array};
use std::ffi::OsString;
use std::path::Path;

/// Devices that no one else can use.
#[derive(Debug)]
pub struct Held {
    stores: Vec<DirectStore>,
    /// What could not be checked.
    pub notes: Vec<String>,
}

/// Why the devices cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// One cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One is used by something.
    #[error("{path}: is in use by {holder}; {}", advice(.is_array))]
    InUse {
        /// The device.
        path: String,
        /// Who uses it.
        holder: String,
        /// True where an array runs on it.
        is_array: bool,
    },
    /// One is an array that runs.
    #[error(
        "{path}: is a running array; stop it (mdadm --stop {path}) and give its members, or change it with mdadm --grow"
    )]
    Running {
        /// The array.
        path: String,
    },
    /// Two are one.
    #[error("{first} and {second} are the same device; give it once")]
    Twice {
        /// One name of it.
        first: String,
        /// The other.
        second: String,
    },
    /// There is none.
    #[error("no device was given")]
    None,
}

fn advice(is_array: &bool) -> &'static str {
    match is_array {
        true => "stop the array first (mdadm --stop)",
        false => "it must not be used by anything else while it is changed",
    }
}

impl Held {
    /// The devices, in the order given.
    pub fn stores(&self) -> Vec<&dyn Store> {
        self.stores
            .iter()
            .map(|store| store as &dyn Store)
            .collect()
    }
}

/// Claims every device and image of `paths`.
///
/// # Errors
/// [`HoldError`]; nothing is held then.
pub fn hold(paths: &[OsString]) -> Result<Held, HoldError> {
    if paths.is_empty() {
        return Err(HoldError::None);
    }
    let mut held = Held {
        stores: Vec::new(),
        notes: Vec::new(),
    };
    for path in paths {
        let store = claim(Path::new(path))?;
        let same = held.stores.iter().find(|other| is_same(other, &store));
        if let Some(first) = same {
            return Err(HoldError::Twice {
                first: first.name().to_owned(),
                second: store.name().to_owned(),
            });
        }
        held.stores.push(store);
    }
    // Looked at once all are claimed: who comes now is kept out.
    for (path, store) in paths.iter().zip(&held.stores) {
        held.notes.extend(free(Path::new(path), store)?);
    }
    Ok(held)
}

fn claim(path: &Path) -> Result<DirectStore, HoldError> {
    match DirectStore::open(path, OpenMode::Exclusive) {
        Ok(store) => Ok(store),
        // The kernel says that it is in use; by whom may be known.
        Err(StoreError::Busy { device, .. }) => match holders(path) {
            Ok(found) => match found.describe() {
                Some(holder) => Err(in_use(device, holder, &found.found)),
                None => Err(StoreError::Busy {
                    device,
                    holder: None,
                }
                .into()),
            },
            Err(_) => Err(StoreError::Busy {
                device,
                holder: None,
            }
            .into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn in_use(path: String, holder: String, all: &[Holder]) -> HoldError {
    let is_array = |holder: &Holder| match holder {
        Holder::Array { .. } => true,
        Holder::Related { holder, .. } => matches!(**holder, Holder::Array { .. }),
        _ => false,
    };
    HoldError::InUse {
        path,
        holder,
        is_array: all.iter().any(is_array),
    }
}

/// What a claim does not show: images behind loop devices, and arrays, which can be claimed themselves. What
/// could not be looked at is given back.
fn free(path: &Path, store: &DirectStore) -> Result<Vec<String>, HoldError> {
    let name = store.name().to_owned();
    if let Ok(Some(_)) = running_array(path)
        && probe(store, None).newest().is_none()
    {
        return Err(HoldError::Running { path: name });
    }
    let users = match holders(path) {
        Ok(users) => users,
        Err(error) => {
            return Ok(vec![format!(
                "{name}: could not check what uses it: {error}"
            )]);
        }
    };
    if let Some(holder) = users.describe() {
        return Err(in_use(name, holder, &users.found));
    }
    let unchecked = users.unchecked.iter();
    Ok(unchecked
        .map(|unchecked| format!("{name}: {unchecked}"))
        .collect())
}

fn is_same(one: &DirectStore, other: &DirectStore) -> bool {
    match (one.device_number(), other.device_number()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.identity() == other.identity(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn images_are_held_against_another_holder_and_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).into_os_string();
        let paths = [path("a"), path("b")];
        for path in &paths {
            fs::write(path, vec![0; 8192]).unwrap();
        }
        let held = hold(&paths).unwrap();
        assert_eq!(held.stores().len(), 2);
        let error = hold(&paths[1..]).unwrap_err();
        assert!(error.to_string().contains("is in use"), "{error}");
        drop(held);
        hold(&paths[1..]).unwrap();
    }

    #[test]
    fn one_device_by_two_names_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, vec![0; 4096]).unwrap();
        std::os::unix::fs::symlink(&a, &b).unwrap();
        let error = hold(&[a.into_os_string(), b.into_os_string()]).unwrap_err();
        // The lock of the first is in the way of the second, whatever its name.
        assert!(
            error.to_string().contains("in use") || error.to_string().contains("same"),
            "{error}"
        );
        assert!(matches!(hold(&[]), Err(HoldError::None)));
    }
}
