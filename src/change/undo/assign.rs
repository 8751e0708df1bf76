//! Which of some stores are the devices of a change: by what their superblocks hold, which is like nothing else; where
//! that has been changed by something else, by UUID and path, so that it can be told what was changed.

use super::judge::{JudgeError, is_device};
use super::open::UndoFile;
use crate::array::probe::probe;
use crate::device::Store;
use crate::format::uuid_text;

/// Why the devices of a change are not these.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// Some were not given.
    #[error("{}", missing_lines(.missing))]
    Missing {
        /// The paths that they had, and their UUIDs.
        missing: Vec<String>,
        /// The devices that were, each with its place among the stores.
        found: Vec<(usize, usize)>,
    },
    /// Two are alike.
    #[error(
        "{first} and {second} hold the same: one is a copy of the other, or both are names of one device; give the one that was changed"
    )]
    Alike {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// They could not be looked at.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

fn missing_lines(missing: &[String]) -> String {
    let lines: Vec<String> = missing
        .iter()
        .map(|device| {
            format!(
                "{device}: was a member when the change was made, and is not among the devices given; all of them are needed, by \
                 whatever names they have now"
            )
        })
        .collect();
    lines.join("\n")
}

/// The place among `stores` of each device of `file`. There may be more stores than devices.
///
/// # Errors
/// [`AssignError`].
pub fn assign(file: &UndoFile, stores: &[&dyn Store]) -> Result<Vec<usize>, AssignError> {
    let mut assigning = Assigning {
        file,
        stores,
        places: vec![None; file.devices.len()],
    };
    assigning.by_content()?;
    assigning.by_uuid();
    assigning.by_path();
    let places = assigning.places;
    if let Some(all) = places.iter().copied().collect::<Option<Vec<usize>>>() {
        return Ok(all);
    }
    let devices = file.devices.iter().zip(&places);
    let missing = devices.filter(|(_, place)| place.is_none());
    Err(AssignError::Missing {
        missing: missing.map(|(device, _)| told(device)).collect(),
        found: (0..)
            .zip(&places)
            .filter_map(|(device, place)| Some((device, (*place)?)))
            .collect(),
    })
}

fn told(device: &super::SavedDevice) -> String {
    let path = device.path.display();
    match &device.uuid {
        Some(uuid) => format!("{path} (device UUID {})", uuid_text::in_byte_order(uuid)),
        None => path.to_string(),
    }
}

struct Assigning<'a> {
    file: &'a UndoFile,
    stores: &'a [&'a dyn Store],
    places: Vec<Option<usize>>,
}

impl Assigning<'_> {
    fn is_free(&self, place: usize) -> bool {
        !self.places.contains(&Some(place))
    }

    fn set(&mut self, device: usize, place: usize) {
        if let Some(entry) = self.places.get_mut(device) {
            *entry = Some(place);
        }
    }

    fn open(&self) -> Vec<usize> {
        let all = self.places.iter().enumerate();
        all.filter(|(_, place)| place.is_none())
            .map(|(device, _)| device)
            .collect()
    }

    /// True where a store has the path that a device had.
    fn has_path(&self, device: usize, store: &dyn Store) -> bool {
        let device = self.file.devices.get(device);
        device.is_some_and(|device| {
            let now = std::path::absolute(store.name());
            device.path.display().to_string() == store.name()
                || now.is_ok_and(|now| now == device.path)
        })
    }

    /// Most devices have the path that they had, so that is tried first.
    fn by_content(&mut self) -> Result<(), AssignError> {
        for same_path in [true, false] {
            for device in self.open() {
                let mut fitting = Vec::new();
                for (place, store) in self.stores.iter().enumerate() {
                    if self.is_free(place)
                        && (!same_path || self.has_path(device, *store))
                        && is_device(self.file, device, *store)?
                    {
                        fitting.push((place, store.name()));
                    }
                }
                match fitting.as_slice() {
                    [] => {}
                    [(place, _)] => self.set(device, *place),
                    // Nothing that tells them apart was kept: then any is as good as another, if there are as many.
                    [(place, _), ..] if self.has_no_superblock(device) => self.set(device, *place),
                    [(_, first), (_, second), ..] => {
                        return Err(AssignError::Alike {
                            first: (*first).to_owned(),
                            second: (*second).to_owned(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn has_no_superblock(&self, device: usize) -> bool {
        self.file.guards.iter().all(|guard| guard.device != device)
    }

    fn by_uuid(&mut self) {
        for device in self.open() {
            let Some(uuid) = self.file.devices.get(device).and_then(|device| device.uuid) else {
                continue;
            };
            let mut stores = self.stores.iter().enumerate();
            let found = stores.find(|(place, store)| {
                let newest = probe(*store, None).found.into_iter().next();
                self.is_free(*place)
                    && newest.is_some_and(|found| found.member.device_uuid == Some(uuid))
            });
            if let Some((place, _)) = found {
                self.set(device, place);
            }
        }
    }

    fn by_path(&mut self) {
        for device in self.open() {
            let mut stores = self.stores.iter().enumerate();
            let found = stores
                .find(|(place, store)| self.is_free(*place) && self.has_path(device, **store));
            if let Some((place, _)) = found {
                self.set(device, place);
            }
        }
    }
}
