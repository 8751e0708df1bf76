//! `dump --bundle`: the metadata of an array's members in one small file, and never their data.

mod areas;
mod encode;

pub use areas::Area;

use crate::commands::dump::{DumpOptions, Told};
use crate::commands::given::{self, Given, Problem, ProblemKind};
use crate::device::Store;
use crate::format::bundle::{Device, Encoder, MAX_DEVICES, Part};
use crate::{array, commands::given::Kind};
use encode::Pieces;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// What went into a bundle.
#[derive(Debug, Default)]
pub struct Bundled {
    /// Each device, in the order of the bundle.
    pub devices: Vec<BundledDevice>,
    /// Problems and notes.
    pub told: Told,
}

/// What of a device went into a bundle.
#[derive(Debug)]
pub struct BundledDevice {
    /// Its path, in readable form.
    pub path: String,
    /// The areas that were taken.
    pub areas: Vec<Area>,
}

/// Writes a bundle of all devices.
///
/// # Errors
/// Those of `out`. What cannot be read is in the result, and in the bundle.
pub fn bundle(options: &DumpOptions, out: &mut dyn Write) -> io::Result<Bundled> {
    let mut given = given::open_all(&options.paths, &options.given());
    let mut encoder = Encoder::default();
    let mut bundled = Bundled::default();
    out.write_all(&encoder.start())?;
    for (number, device) in (0..).zip(&mut given) {
        device.reopen();
        // Findings about the metadata are what the bundle is made for; only what keeps it from being
        // taken is a problem.
        let keeps_out = |problem: &&Problem| {
            use ProblemKind::{NotStorage, Open, Read};
            matches!(problem.kind, Open | Read | NotStorage)
        };
        let problems = device.problems.iter().filter(keeps_out).cloned();
        bundled.told.problems.extend(problems);
        bundled.told.notes.append(&mut device.notes.clone());
        if number >= MAX_DEVICES {
            let message = format!(
                "{}: is not in the bundle, which has {MAX_DEVICES} devices already",
                device.name()
            );
            bundled
                .told
                .problems
                .push(Problem::new(ProblemKind::BadSlot, message));
            continue;
        }
        if let Some(store) = device.store() {
            let taken = one(device, store, &mut encoder, out, &mut bundled.told)?;
            bundled.devices.push(taken);
        }
        device.close();
    }
    out.write_all(&encoder.end())?;
    Ok(bundled)
}

fn one(
    given: &Given,
    store: &dyn Store,
    encoder: &mut Encoder,
    out: &mut dyn Write,
    told: &mut Told,
) -> io::Result<BundledDevice> {
    let device = Device {
        bytes: store.len().0,
        logical_block_bytes: store.logical_block_bytes(),
        physical_block_bytes: store.physical_block_bytes(),
        is_block_device: given.is_block_device,
        part: part(given),
        path: given.path.as_bytes().iter().take(4096).copied().collect(),
    };
    let found = areas::of(given, store);
    told.notes.extend(
        found
            .left_out
            .iter()
            .map(|why| format!("{}: {why}", given.name())),
    );
    if found.areas.is_empty() {
        let message = format!(
            "{}: has no metadata of md; nothing of it but its length is in the bundle",
            given.name()
        );
        told.problems
            .push(Problem::new(ProblemKind::NoBitmap, message));
    }
    // A bitmap file has no holes, and md cares (reference/kernel.md 4.3).
    let keep_zeros = !given.is_block_device && device.part == Part::Bitmap;
    let mut pieces = Pieces::new(encoder, out, keep_zeros);
    pieces.device(device)?;
    for area in &found.areas {
        pieces.area(store, area)?;
    }
    for unreadable in pieces.finish()? {
        told.problems
            .push(Problem::new(ProblemKind::Read, unreadable));
    }
    Ok(BundledDevice {
        path: given.name().into_owned(),
        areas: found.areas,
    })
}

fn part(given: &Given) -> Part {
    use array::Role;
    let role = given.member.as_ref().map(|found| found.member.role);
    match (role, &given.found) {
        (Some(Role::Slot(slot)), _) => Part::Slot(slot),
        (Some(Role::Spare), _) => Part::Spare,
        (Some(Role::Faulty), _) => Part::Faulty,
        (Some(Role::Journal), _) => Part::Journal,
        (None, Some(found)) if found.kind != Kind::Internal => Part::Bitmap,
        (None, _) => Part::Unknown,
    }
}
