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

use crate::device::{CachedStore, DirectStore, OpenMode, StoreError};
use judge::AtHand;
use result::{Device, Problem, ProblemKind};
use std::ffi::OsStr;

/// Examines every device in turn. What goes wrong with one is told in its entry and does not keep
/// the others from being examined.
///
/// All md superblocks are read before the first bitmap: the freshest one of an array judges all of
/// its bitmaps.
pub fn examine(options: &ExamineOptions) -> Examined {
    let mut subjects: Vec<Subject> = options
        .paths
        .iter()
        .map(|path| Subject::open(path))
        .collect();
    for subject in &mut subjects {
        subject.locate(options);
    }
    let mut subjects = expand::running_arrays(subjects, options);
    let at_hand = AtHand::new(subjects.iter().map(|subject| &subject.device));
    for (index, subject) in subjects.iter_mut().enumerate() {
        subject.device.array = at_hand.array_of(index);
        subject.device.judged_by = at_hand.judged_by(index);
        if options.users && subject.store.is_some() {
            users::note(&mut subject.device);
        }
        if let (Some(store), Some(found)) = (&subject.store, subject.device.found.clone()) {
            let judge = at_hand.judge(index, options);
            read::Reader::new(store, &found, options, &judge).read(&mut subject.device);
        }
    }
    Examined {
        devices: subjects.into_iter().map(|subject| subject.device).collect(),
        brief: options.brief,
    }
}

/// A device while it is examined.
struct Subject {
    device: Device,
    store: Option<CachedStore<DirectStore>>,
}

impl Subject {
    fn open(path: &OsStr) -> Subject {
        let mut device = Device::new(path.to_owned());
        let store = match DirectStore::open(path, OpenMode::Read) {
            Ok(store) => store,
            Err(error) => {
                device.problems.push(open_problem(&error));
                return Subject {
                    device,
                    store: None,
                };
            }
        };
        device.notes.extend(
            store
                .note()
                .map(|note| format!("{}: {note}", path.to_string_lossy())),
        );
        Subject {
            device,
            store: Some(CachedStore::new(store)),
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
