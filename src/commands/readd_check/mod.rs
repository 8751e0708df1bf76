//! Would a re-add of a device use the bitmap, how much would be copied, and is it safe (design.md W9)?

mod array;
mod facts;
mod options;
mod result;
mod scan;
mod verification;

pub use options::ReaddOptions;
pub use result::{ArrayFacts, Checked, Copying, Refusal, Scanned, Verified};

use crate::array::readd::verify::Progress;

/// Answers for one device. `retell` is told how far a comparison is.
///
/// # Errors
/// [`Refusal`] when the question makes no sense for what was given, or it cannot be read.
pub fn check(options: &ReaddOptions, retell: &mut dyn FnMut(Progress)) -> Result<Checked, Refusal> {
    let at_hand = array::gather(options)?;
    facts::answer(options, &at_hand, retell)
}
