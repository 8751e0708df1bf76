//! How results are shown: mdadm-style text, JSON, plain explanations.

pub mod bundle;
pub mod change_json;
pub mod change_text;
pub mod check_json;
pub mod check_text;
pub mod compare;
pub mod create;
pub mod dump;
pub mod examine_explain;
pub mod examine_json;
pub mod examine_text;
pub mod extents;
pub mod heat_map;
pub mod layout;
pub mod map_json;
pub mod map_text;
pub mod number;
pub mod readd_json;
pub mod readd_text;
pub mod repair_json;
pub mod repair_text;
pub mod restore;
pub mod superblock_json;
pub mod undo_json;
pub mod undo_text;

pub(crate) use crate::format::bitmap_super::state::names as state_names;
use crate::format::lockless::StateCounts;

/// Names and counts of the states of a version 6 bitmap, in the order of the reports.
pub(crate) fn state_rows(counts: &StateCounts) -> [(&'static str, u64); 9] {
    [
        ("unwritten", counts.unwritten),
        ("clean", counts.clean),
        ("dirty", counts.dirty),
        ("need sync", counts.need_sync),
        ("syncing", counts.syncing),
        ("need sync unwritten", counts.need_sync_unwritten),
        ("syncing unwritten", counts.syncing_unwritten),
        ("clean unwritten", counts.clean_unwritten),
        ("unknown", counts.unknown),
    ]
}
