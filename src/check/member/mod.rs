//! Findings about one member, one bitmap, one bitmap file.

mod kernel_rules;
mod repair;
mod unreadable;

pub use unreadable::NAME as UNREADABLE;

use super::Rule;

/// The rules of this folder.
pub const RULES: &[Rule] = &[kernel_rules::RULE, unreadable::RULE];
