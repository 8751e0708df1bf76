//! `examine`: finds bitmaps, reads and counts them, and asks whether the kernel would trust them.

mod locate;
mod options;
mod read;
pub mod result;

pub use options::ExamineOptions;
pub use result::Examined;

use crate::device::{DirectStore, OpenMode, Store, StoreError};
use result::{Device, Problem, ProblemKind};
use std::ffi::OsStr;

/// Examines every device in turn. What goes wrong with one is told in its entry and does not keep
/// the others from being examined.
pub fn examine(options: &ExamineOptions) -> Examined {
    let devices = options
        .paths
        .iter()
        .map(|path| examine_path(path, options))
        .collect();
    Examined {
        devices,
        brief: options.brief,
    }
}

fn examine_path(path: &OsStr, options: &ExamineOptions) -> Device {
    let mut device = Device::new(path.to_owned());
    match DirectStore::open(path, OpenMode::Read) {
        Ok(store) => {
            device
                .notes
                .extend(store.note().map(|note| format!("{}: {note}", store.name())));
            examine_store(&mut device, &store, store.is_block_device(), options);
        }
        Err(error) => device.problems.push(open_problem(&error)),
    }
    device
}

/// The part that needs no file system: finds the bitmap on an open store and reads its slots.
fn examine_store(
    device: &mut Device,
    store: &dyn Store,
    is_block_device: bool,
    options: &ExamineOptions,
) {
    locate::locate(device, store, is_block_device, options);
    if let Some(found) = device.found.clone() {
        read::read_slots(device, store, &found, options);
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
