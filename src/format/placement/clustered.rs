//! Clustered bitmaps (version 5): one slot a node, one behind the other
//! (reference/mdadm.md 2.5, 2.7; reference/kernel.md 1.4).

use super::{PlacementError, area};
use crate::units::{SECTOR_BYTES, Sectors};

/// Nodes that mdadm assumes when none are given.
pub const DEFAULT_NODES: u32 = 4;

/// The first sector of slot `slot` of a clustered bitmap that starts at `start` and has `bits`
/// bits a node. `None` when that exceeds 64 bits.
pub fn slot_start(start: Sectors, slot: u32, bits: u64) -> Option<Sectors> {
    area::area_4k(bits)
        .checked_mul(u64::from(slot))
        .and_then(|skip| start.checked_add(skip))
}

/// Bytes that mdadm allows for all slots together: from the md superblock to the data, less one
/// block. It does not see a bad-block log in between (reference/mdadm.md 2.5); [`super::free`]
/// does.
///
/// # Errors
/// When the data does not lie behind the superblock.
pub fn room_bytes(super_offset: Sectors, data_offset: Sectors) -> Result<u64, PlacementError> {
    data_offset
        .checked_sub(super_offset)
        .and_then(Sectors::to_bytes)
        .map(|bytes| bytes.0.saturating_sub(area::BLOCK_SECTORS * SECTOR_BYTES))
        .ok_or_else(|| PlacementError::Inconsistent {
            what: format!("data at sector {data_offset} before the superblock at {super_offset}"),
        })
}

/// The largest number of nodes whose bitmaps of `bits` bits fit into `room_bytes`.
pub fn max_nodes(room_bytes: u64, bits: u64) -> u64 {
    let each = area::area_4k(bits).bytes_wide().max(1);
    u64::try_from(u128::from(room_bytes) / each).unwrap_or(u64::MAX)
}

/// Checks a number of nodes as mdadm does when it makes the bitmap.
///
/// # Errors
/// [`PlacementError::TooFewNodes`], [`PlacementError::TooManyNodes`].
pub fn check_nodes(nodes: u32, room_bytes: u64, bits: u64) -> Result<(), PlacementError> {
    if nodes < 2 {
        return Err(PlacementError::TooFewNodes { nodes });
    }
    let max = max_nodes(room_bytes, bits);
    if u64::from(nodes) > max {
        return Err(PlacementError::TooManyNodes {
            nodes,
            needed: area::area_4k(bits)
                .bytes_wide()
                .saturating_mul(u128::from(nodes)),
            available: room_bytes,
            max,
        });
    }
    Ok(())
}
