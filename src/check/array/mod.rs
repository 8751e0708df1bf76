//! Findings that need several members, or the array as a whole.

mod copies;
mod dm_raid;
mod geometry;
mod kernels;
mod members;
mod readd;
mod recovery;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod unclean;

use super::Rule;

/// The rules of this folder.
pub const RULES: &[Rule] = &[
    members::RULE,
    geometry::RULE,
    readd::RULE,
    recovery::RULE,
    copies::RULE,
    dm_raid::RULE,
    kernels::RULE,
    unclean::RULE,
];
