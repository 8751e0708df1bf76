//! `examine`: finds bitmaps, reads and counts them, and asks whether the kernel would trust them.

mod heat_map;
mod judge;
mod layout;
mod options;
mod read;
pub mod result;

pub use options::ExamineOptions;
pub(in crate::commands) use read::{header_problem, problem_of};
pub use result::Examined;

use crate::commands::given::{self, Given};
use crate::commands::users;
use crate::device::Store;
use judge::{AtHand, Judge};
use read::Reader;
use result::Device;
use std::ffi::OsStr;

/// Examines every device in turn. What goes wrong with one is told in its entry and does not keep
/// the others from being examined.
///
/// All md superblocks are read before the first bitmap: the freshest one of an array judges all of
/// its bitmaps.
pub fn examine(options: &ExamineOptions) -> Examined {
    let given = given::open_all(&options.paths, &options.given());
    let mut devices: Vec<Device> = given.iter().map(Device::of).collect();
    let at_hand = AtHand::new(devices.iter());
    for (index, (device, mut given)) in devices.iter_mut().zip(given).enumerate() {
        device.array = at_hand.array_of(index);
        device.judged_by = at_hand.judged_by(index);
        read(device, &mut given, &at_hand.judge(index, options), options);
    }
    Examined {
        devices,
        brief: options.brief,
    }
}

/// Examines one store that is open already, as [`examine`] does with each path: for stores without
/// a path, for tests and fuzzers.
pub fn examine_store(store: &dyn Store, options: &ExamineOptions) -> Device {
    let mut given = Given::unopened(OsStr::new(store.name()).to_owned());
    given::locate(&mut given, store, &options.given());
    let mut device = Device::of(&given);
    let at_hand = AtHand::new(std::iter::once(&device));
    device.array = at_hand.array_of(0);
    device.judged_by = at_hand.judged_by(0);
    read_from(store, &mut device, &at_hand.judge(0, options), options);
    device
}

/// Reads the bitmap that was found on `given`, which is closed afterwards.
fn read(device: &mut Device, given: &mut Given, judge: &Judge<'_>, options: &ExamineOptions) {
    if given.is_usable() && options.users {
        device.notes.extend(users::of(&device.path));
    }
    // A member without a bitmap has a layout all the same.
    let wanted = device.found.is_some() || (options.layout && device.member.is_some());
    if !wanted || !given.is_usable() {
        return;
    }
    let known = given.problems.len();
    given.reopen();
    device
        .problems
        .extend(given.problems.iter().skip(known).cloned());
    if let Some(store) = given.store() {
        read_from(store, device, judge, options);
    }
    given.close();
}

/// Reads the bitmap that was found, and what lies around it.
fn read_from(store: &dyn Store, device: &mut Device, judge: &Judge<'_>, options: &ExamineOptions) {
    if let Some(found) = device.found.clone() {
        Reader::new(store, &found, options, judge).read(device);
    }
    if options.layout {
        device.layout = layout::layout(device, store);
    }
}

#[cfg(test)]
mod tests;
