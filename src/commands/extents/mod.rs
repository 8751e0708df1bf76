//! `extents`: where the dirt of an array is, as a stream of ranges in one of four address spaces.
//!
//! Three steps: [`open`] the devices, [`plan`] what is to be listed (everything that can be judged
//! without reading bits is judged here), and stream each [`List`].
//!
//! Spaces that the members share (`bitmap`, `array`) get one list: the union of the current members'
//! copies, since a chunk that is dirty on any of them may differ. Spaces of one member get a list for
//! each, by its own copy.

mod copies;
mod lists;
mod members;
mod options;
mod plan;
#[cfg(test)]
mod tests;
mod told;

pub use lists::List;
pub use options::ExtentsOptions;
pub use plan::{Plan, plan};

use crate::bitmap::BitmapError;
use crate::commands::examine::problem_of;
use crate::commands::given::{self, Given, GivenOptions, Problem};

/// The devices of a call, open.
pub struct Opened {
    /// Those that are to be listed, then those that were given to judge by.
    pub(super) given: Vec<Given>,
    /// How many are to be listed.
    pub(super) listed: usize,
}

/// Opens everything that was given, and finds superblocks and bitmaps.
pub fn open(options: &ExtentsOptions) -> Opened {
    let mut given = given::open_all(&options.paths, &options.given());
    let listed = given.len();
    let beside = GivenOptions {
        offset: None,
        ..options.given()
    };
    given.extend(given::open_all(&options.members, &beside));
    for given in given.iter_mut().filter(|given| given.is_usable()) {
        given.reopen();
    }
    Opened { given, listed }
}

impl Opened {
    /// The same for devices that are open already: for tests.
    pub fn of(given: Vec<Given>, listed: usize) -> Opened {
        Opened { given, listed }
    }
}

/// What it means that a list broke off.
pub fn failure(error: &BitmapError) -> Problem {
    problem_of(error)
}
