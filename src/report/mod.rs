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
pub mod restore;
pub mod superblock_json;

use crate::format::bitmap_super::state;
use crate::format::lockless::StateCounts;

/// Names of the bits set in a bitmap's `state`, lowest first; unknown ones as `bit_N`.
/// Source: reference/kernel.md 1.2.
pub(crate) fn state_names(bits: u32) -> Vec<String> {
    const KNOWN: [(u32, &str); 7] = [
        (state::STALE, "stale"),
        (state::WRITE_ERROR, "write_error"),
        (state::FIRST_USE, "first_use"),
        (state::CLEAN, "clean"),
        (state::DAEMON_BUSY, "daemon_busy"),
        (state::SHUTDOWN, "shutdown"),
        (state::HOSTENDIAN, "hostendian"),
    ];
    (0..u32::BITS)
        .filter(|&bit| bits & (1 << bit) != 0)
        .map(
            |bit| match KNOWN.iter().find(|(mask, _)| *mask == 1 << bit) {
                Some((_, name)) => (*name).to_owned(),
                None => format!("bit_{bit}"),
            },
        )
        .collect()
}

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

#[cfg(test)]
mod tests {
    #[test]
    fn unknown_state_bits_are_numbered() {
        assert_eq!(super::state_names(0), Vec::<String>::new());
        assert_eq!(
            super::state_names(0x8050),
            ["clean", "shutdown", "hostendian"]
        );
        assert_eq!(
            super::state_names(0x8000_0003),
            ["bit_0", "stale", "bit_31"]
        );
    }
}
