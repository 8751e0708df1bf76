//! Would a re-add of a device use the bitmap, how much would be copied, and is it safe (design.md W9)?

mod array;
mod facts;
mod options;
mod result;
mod scan;
mod settle;
mod verification;

pub use options::ReaddOptions;
pub use result::{ArrayFacts, Checked, Copying, Refusal, Scanned, Verified};

use crate::array::readd::verify::Progress;
use std::time::Duration;

/// What is going on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Waiting until the driver has cleared what it is about to clear.
    Waiting(Duration),
    /// Comparing data.
    Comparing(Progress),
}

/// Answers for one device. `retell` is told what is going on.
///
/// # Errors
/// [`Refusal`] when the question makes no sense for what was given, or it cannot be read.
pub fn check(options: &ReaddOptions, retell: &mut dyn FnMut(Doing)) -> Result<Checked, Refusal> {
    let at_hand = array::gather(options)?;
    facts::answer(options, &at_hand, retell)
}
