//! Would the kernel trust this bitmap, and what would it resynchronise?
//!
//! A prediction of what happens when the array is assembled as it lies on disk, from the
//! superblocks at hand; one member is enough. Nothing here reads a device but [`verdict`],
//! and that only where the number of dirty chunks alone does not give the answer.

mod assembly;
mod effect;
mod judge;
mod outcome;
mod reload;
mod scope;
mod state_runs;

#[cfg(test)]
mod tests;

pub use assembly::Assembly;
pub use judge::{Assessment, assess, assess_file, context, obstacles};
pub use outcome::{BitLoad, ChunkFate, Load, Outcome, Outcomes, StateLoad};
pub use reload::{LoadAction, LoadModel};
pub use scope::{Scope, ScopeRuns, States};

use crate::bitmap::{Bitmap, BitmapError, Counts};
use crate::units::Bytes;
use serde::Serialize;

/// A named finding and the sentence that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Stable name, in kebab case.
    pub name: &'static str,
    /// One sentence, with the numbers.
    pub sentence: String,
}

impl Reason {
    /// A finding.
    pub fn new(name: &'static str, sentence: impl Into<String>) -> Reason {
        Reason {
            name,
            sentence: sentence.into(),
        }
    }
}

/// What the kernel would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// True when the kernel would work with the bits as they are on disk.
    pub trusted: bool,
    /// True when the array would start with this bitmap.
    pub starts: bool,
    /// Why not trusted, or why not started; empty when all is well.
    pub reasons: Vec<Reason>,
    /// What else is worth knowing; none of it changes `trusted` or `starts`.
    pub notes: Vec<Reason>,
    /// Bytes that assembling the array would resynchronise; `None` where this cannot be told or
    /// the array does not start.
    pub resync_bytes: Option<u64>,
    /// Why that much.
    pub resync_why: String,
    /// What becomes of the chunks; `None` where the bits decide nothing.
    pub outcomes: Option<Outcomes>,
}

/// Predicts what the kernel would do with `bitmap` in the array of `assembly`.
///
/// `counts`, where given, must be those of this very bitmap; they save reading it again.
///
/// # Errors
/// [`BitmapError`] when the bitmap has to be read and cannot be.
pub fn verdict(
    assembly: &Assembly<'_>,
    bitmap: &Bitmap<'_>,
    counts: Option<&Counts>,
) -> Result<Verdict, BitmapError> {
    let available = bitmap
        .store()
        .len()
        .checked_sub(bitmap.start())
        .unwrap_or(Bytes(0));
    measure(
        assess(assembly, bitmap.raw(), Some(available)),
        bitmap,
        counts,
    )
}

/// The verdict of an assessment of `bitmap`, once its chunks are counted.
///
/// # Errors
/// As [`verdict`].
pub fn measure(
    assessment: Assessment,
    bitmap: &Bitmap<'_>,
    counts: Option<&Counts>,
) -> Result<Verdict, BitmapError> {
    let outcomes = match &assessment.load {
        Some(load) => Some(load.tally(bitmap, counts)?),
        None => None,
    };
    let bytes = assessment.scope.measure(bitmap, counts)?;
    Ok(assessment.conclude(bytes, outcomes))
}
