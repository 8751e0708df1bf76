//! Taking the members of a stopped array for oneself (design.md W15, promise 5).
//!
//! All devices are claimed before the first byte is read, and let go together when [`Held`] is dropped: meanwhile
//! neither another program nor udev's assembly can use them.

use crate::array::probe;
use crate::device::{DirectStore, OpenMode, Store, StoreError};
use crate::kernel::holders::Subject;
use crate::kernel::{DeviceNumber, Holder, System};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

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
    /// Another program has claimed it.
    #[error("{path}: is held by {holder}; try again when that has ended")]
    Held {
        /// The device.
        path: String,
        /// Who holds it.
        holder: String,
    },
    /// One cannot be written to.
    #[error("{path}: cannot be written to: {reason}")]
    ReadOnly {
        /// The device.
        path: String,
        /// Why not, and what would help.
        reason: String,
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
    #[error("{first} and {second} are the same {what}; give it once")]
    Twice {
        /// One name of it.
        first: String,
        /// The other.
        second: String,
        /// `device` or `file`.
        what: &'static str,
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
    hold_on(&System::default(), paths)
}

/// The same on a system that shows itself elsewhere.
fn hold_on(system: &System, paths: &[OsString]) -> Result<Held, HoldError> {
    if paths.is_empty() {
        return Err(HoldError::None);
    }
    once_each(paths)?;
    let mut held = Held {
        stores: Vec::new(),
        notes: Vec::new(),
    };
    for path in paths {
        held.stores.push(claim(system, Path::new(path))?);
    }
    // Looked at once all are claimed: who comes now is kept out.
    for (path, store) in paths.iter().zip(&held.stores) {
        held.notes.extend(free(system, Path::new(path), store)?);
    }
    Ok(held)
}

/// Two names of one device or file are told before the first claim would be in the way of the second.
fn once_each(paths: &[OsString]) -> Result<(), HoldError> {
    let mut seen: Vec<(Subject, &OsString)> = Vec::new();
    for path in paths {
        // What cannot be looked at will say so when it is opened.
        let Ok(Some(subject)) = Subject::of(Path::new(path)) else {
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == subject) {
            return Err(HoldError::Twice {
                first: first.display().to_string(),
                second: path.display().to_string(),
                what: match subject {
                    Subject::Block(_) => "device",
                    Subject::File { .. } => "file",
                },
            });
        }
        seen.push((subject, path));
    }
    Ok(())
}

/// How long udev may look at a device that was just written to.
const PATIENCE: Duration = Duration::from_secs(5);

fn claim(system: &System, path: &Path) -> Result<DirectStore, HoldError> {
    let begun = Instant::now();
    loop {
        match DirectStore::open(path, OpenMode::Exclusive) {
            Ok(store) => return Ok(store),
            Err(StoreError::Busy { device, .. }) => match busy(system, path, device) {
                // It locks what was closed after a write, for a moment.
                Busy::ForAMoment(_) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Busy::ForAMoment(error) | Busy::For(error) => return Err(error),
            },
            Err(error) => return Err(not_opened(system, path, error)),
        }
    }
}

enum Busy {
    /// By something that lets go by itself.
    ForAMoment(HoldError),
    For(HoldError),
}

/// The kernel says that it is in use; by whom may be known.
fn busy(system: &System, path: &Path, device: String) -> Busy {
    let subject = Subject::of(path).ok().flatten();
    let users = subject.map(|subject| system.holders(subject));
    if let Some(users) = users
        && let Some(holder) = users.describe()
    {
        return Busy::For(in_use(device, holder, &users.found));
    }
    let node = std::fs::metadata(path).ok();
    let process = node.and_then(|node| system.lock_holder(node.dev(), node.ino()));
    let is_block = matches!(subject, Some(Subject::Block(_)));
    let held = |holder: String| HoldError::Held {
        path: device.clone(),
        holder,
    };
    match process {
        Some(process) if is_block && process.is_device_manager() => {
            Busy::ForAMoment(held(process.to_string()))
        }
        Some(process) => Busy::For(held(process.to_string())),
        None => Busy::For(held(
            "another program (another mdbitmap, or one that claims devices)".to_owned(),
        )),
    }
}

/// What cannot be written to is told as that.
fn not_opened(system: &System, path: &Path, error: StoreError) -> HoldError {
    let StoreError::Open { device, source } = &error else {
        return error.into();
    };
    let code = source.raw_os_error().map(Errno::from_raw_os_error);
    let number = match Subject::of(path) {
        Ok(Some(Subject::Block(number))) => Some(number),
        _ => None,
    };
    let reason = match code {
        Some(Errno::ROFS) => "it lies on a file system that is read-only".to_owned(),
        Some(Errno::ACCESS | Errno::PERM) => match number {
            Some(number) if system.is_read_only(number) == Some(true) => set_read_only(path),
            _ => format!("{source}; run as a user who may, as root for devices"),
        },
        _ => return error.into(),
    };
    HoldError::ReadOnly {
        path: device.clone(),
        reason,
    }
}

fn set_read_only(path: &Path) -> String {
    let path = path.display();
    format!("the device is set read-only (blockdev --setrw {path}, if that is not on purpose)")
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
fn free(system: &System, path: &Path, store: &DirectStore) -> Result<Vec<String>, HoldError> {
    let name = store.name().to_owned();
    let number = store.device_number().map(DeviceNumber::from);
    // Some kernels let a read-only device be opened for writing, and fail the first write.
    if number.is_some_and(|number| system.is_read_only(number) == Some(true)) {
        return Err(HoldError::ReadOnly {
            path: name,
            reason: set_read_only(path),
        });
    }
    // An array that is a member of another one has a superblock of its own.
    if let Ok(Some(_)) = system.running_array(path)
        && probe(store, None).newest().is_none()
    {
        return Err(HoldError::Running { path: name });
    }
    let subject = match number {
        Some(number) => Subject::Block(number),
        None => {
            let (device, inode) = store.identity();
            Subject::File { device, inode }
        }
    };
    let users = system.holders(subject);
    if let Some(holder) = users.describe() {
        return Err(in_use(name, holder, &users.found));
    }
    let unchecked = users.unchecked.iter();
    Ok(unchecked
        .map(|unchecked| format!("{name}: {unchecked}"))
        .collect())
}

#[cfg(test)]
mod tests;
