//! `examine`: finds bitmaps, reads and counts them, and asks whether the kernel would trust them.

mod expand;
mod judge;
mod locate;
mod options;
mod read;
pub mod result;
mod users;

pub use options::ExamineOptions;
pub use result::Examined;

use crate::device::{CachedStore, DirectStore, OpenMode, Store, StoreError};
use judge::{AtHand, Judge};
use read::Reader;
use result::{Device, Problem, ProblemKind};
use std::ffi::OsStr;

/// Examines every device in turn. What goes wrong with one is told in its entry and does not keep
/// the others from being examined.
///
/// All md superblocks are read before the first bitmap: the freshest one of an array judges all of
/// its bitmaps.
pub fn examine(options: &ExamineOptions) -> Examined {
    let mut subjects = Vec::new();
    for path in &options.paths {
        let mut subject = Subject::open(path);
        subject.locate(options);
        subjects.extend(expand::running_array(subject, options));
        close_most(&mut subjects);
    }
    let at_hand = AtHand::new(subjects.iter().map(|subject| &subject.device));
    for (index, subject) in subjects.iter_mut().enumerate() {
        subject.device.array = at_hand.array_of(index);
        subject.device.judged_by = at_hand.judged_by(index);
        subject.read(&at_hand.judge(index, options), options);
    }
    Examined {
        devices: subjects.into_iter().map(|subject| subject.device).collect(),
        brief: options.brief,
    }
}

/// Examines one store that is open already, as [`examine`] does with each path: for stores without
/// a path, for tests and fuzzers.
pub fn examine_store(store: &dyn Store, options: &ExamineOptions) -> Device {
    let mut device = Device::new(OsStr::new(store.name()).to_owned());
    locate::locate(&mut device, store, false, options);
    let at_hand = AtHand::new(std::iter::once(&device));
    device.array = at_hand.array_of(0);
    device.judged_by = at_hand.judged_by(0);
    if let Some(found) = device.found.clone() {
        Reader::new(store, &found, options, &at_hand.judge(0, options)).read(&mut device);
    }
    device
}

/// Devices that stay open from the look at their superblocks until their bitmaps are read.
const KEPT_OPEN: usize = 100;

/// Closes all but the first: a process may not have many files open, and any number may be given.
fn close_most(subjects: &mut [Subject]) {
    for subject in subjects.iter_mut().skip(KEPT_OPEN) {
        subject.store = None;
    }
}

/// A device while it is examined.
struct Subject {
    device: Device,
    /// False when it could not be opened.
    usable: bool,
    store: Option<CachedStore<DirectStore>>,
}

impl Subject {
    fn open(path: &OsStr) -> Subject {
        let mut device = Device::new(path.to_owned());
        let store = open(&mut device);
        if let Some(note) = store.as_ref().and_then(|store| store.inner().note()) {
            device
                .notes
                .push(format!("{}: {note}", path.to_string_lossy()));
        }
        Subject {
            device,
            usable: store.is_some(),
            store,
        }
    }

    fn locate(&mut self, options: &ExamineOptions) {
        if let Some(store) = &self.store {
            locate::locate(
                &mut self.device,
                store,
                store.inner().is_block_device(),
                options,
            );
        }
    }

    /// Reads what was found; the device is closed afterwards.
    fn read(&mut self, judge: &Judge<'_>, options: &ExamineOptions) {
        if self.usable && options.users {
            users::note(&mut self.device);
        }
        let Some(found) = self.device.found.clone().filter(|_| self.usable) else {
            return;
        };
        let store = self.store.take().or_else(|| open(&mut self.device));
        if let Some(store) = store {
            Reader::new(&store, &found, options, judge).read(&mut self.device);
        }
    }
}

/// Opens the device for reading, or notes why it cannot be.
fn open(device: &mut Device) -> Option<CachedStore<DirectStore>> {
    match DirectStore::open(&device.path, OpenMode::Read) {
        Ok(store) => Some(CachedStore::new(store)),
        Err(error) => {
            device.problems.push(open_problem(&error));
            None
        }
    }
}

fn open_problem(error: &StoreError) -> Problem {
    let kind = match error {
        StoreError::Unsuitable { .. } => ProblemKind::NotStorage,
        StoreError::Read { .. } => ProblemKind::Read,
        StoreError::Open { source, .. } if is_io_error(source) => ProblemKind::Read,
        _ => ProblemKind::Open,
    };
    Problem::new(kind, error.to_string())
}

/// True for what the hardware, not a name or a permission, is to blame for.
fn is_io_error(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::IO, Errno::NXIO, Errno::NOMEDIUM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests;
