//! Findings that need the array as a whole: several members, its geometry, kernels.

use super::Rule;

/// The rules of this folder.
pub const RULES: &[Rule] = &[];
