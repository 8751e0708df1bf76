//! Adds, removes, re-chunks, moves and converts the bitmap of a stopped array.
//!
//! What is asked for is a state, not a step: where everything is so already nothing is done, and a command that was
//! interrupted is finished by running it again. Everything that vouches for bits goes by `change::replace` (W2).

mod beside;
mod file;
mod none;
mod options;
mod present;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod text;

pub use options::{FileWanted, Files, GrowOptions, Wanted};

use crate::change::draft::{Draft, SuperChange};
use crate::change::superblock::Announce;
use crate::change::{Moment, PlanError, Planned, StoppedArray};
use crate::commands::offline::{Changed, OfflineOptions, change};

/// Changes the bitmap of the stopped array of `offline.devices`; `files` are opened for `wanted`.
pub fn grow(offline: &OfflineOptions, mut wanted: GrowOptions, files: &Files) -> Changed {
    match wanted.open(files) {
        Ok(()) => change(offline, &|array, now| plan(array, &wanted, now)),
        Err(failure) => Changed {
            verb: offline.verb,
            ..Changed::failed(failure)
        },
    }
}

/// The plan of a change.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    array: &StoppedArray<'_>,
    options: &GrowOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    match &options.bitmap {
        Some(Wanted::None) => none::plan(array, options, now),
        Some(Wanted::File(wanted)) => file::plan(array, options, wanted, now),
        Some(Wanted::Internal | Wanted::Lockless | Wanted::Clustered) | None => {
            beside::plan(array, options, now)
        }
    }
}

/// Members that were not given become faulty, and the bitmap is announced no more; one event later the kernel takes
/// none of them for current any longer, whichever it finds (W7).
fn fail_absent(draft: &mut Draft<'_>, failed: &[u32], unclean: bool) -> Result<(), PlanError> {
    if failed.is_empty() {
        return Ok(());
    }
    draft.superblocks(
        "superblocks: members that were not given have failed, no bitmap",
        &SuperChange {
            announce: Announce::Off,
            unclean,
            failed: failed.to_vec(),
        },
    )?;
    Ok(())
}
