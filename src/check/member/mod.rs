//! Findings about one member, one bitmap, one bitmap file.

mod announcement;
mod area;
mod cluster;
mod dirt;
mod events_cleared;
mod files;
mod first_use;
mod kernel_rules;
mod lockless_states;
pub(super) mod repair;
mod state_bits;
mod superblocks;
#[cfg(test)]
pub(crate) mod tests;
mod unreadable;

pub use unreadable::NAME as UNREADABLE;

use super::{Case, Input, Rule};

/// The rules of this folder.
pub const RULES: &[Rule] = &[
    unreadable::RULE,
    superblocks::RULE,
    announcement::RULE,
    kernel_rules::RULE,
    state_bits::RULE,
    cluster::RULE,
    first_use::RULE,
    events_cleared::RULE,
    dirt::RULE,
    lockless_states::RULE,
    area::RULE,
    files::RULE,
];

/// What bears a bitmap that the kernel may read: members in sync (reference/kernel.md 4.1), bitmap
/// files, bare bitmaps.
fn in_use<'c, 'a>(case: &'c Case<'a>) -> impl Iterator<Item = &'c Input<'a>> {
    let members = case.current().map(|(_, input)| input);
    members.chain(case.others.iter().filter(|input| input.is_bitmap_file()))
}
