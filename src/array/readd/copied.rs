//! How many bytes a recovery by bitmap writes to the device.

use crate::array::geometry::Geometry;
use crate::bitmap::BitmapError;
use crate::format::coverage::Coverage;
use crate::format::level::Level;
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// The bytes of slot `slot` that the chunks of `runs` cover: on raid10, whose bitmap counts the array,
/// those of its copies that lie on this member.
///
/// # Errors
/// The first error of `runs`.
pub fn copied_bytes(
    geometry: &Geometry,
    slot: u32,
    coverage: Coverage,
    runs: impl Iterator<Item = Result<Range<ChunkIndex>, BitmapError>>,
) -> Result<u128, BitmapError> {
    let mut sum = 0;
    for run in runs {
        let bytes = coverage.bytes_of(&run?);
        sum += match geometry.level() {
            Level::Raid10 => on_member(geometry, slot, bytes),
            _ => bytes.end - bytes.start,
        };
    }
    Ok(sum)
}

fn on_member(geometry: &Geometry, slot: u32, bytes: Range<u128>) -> u128 {
    let sectors = |bytes: u128| {
        let sectors = bytes / u128::from(SECTOR_BYTES);
        Sectors(u64::try_from(sectors).unwrap_or(u64::MAX))
    };
    let range = sectors(bytes.start)..sectors(bytes.end.next_multiple_of(SECTOR_BYTES.into()));
    let copies = 0..geometry.copies();
    let pieces = copies.flat_map(|copy| geometry.member_pieces(slot, copy, range.clone()));
    pieces
        .map(|piece| piece.end.bytes_wide() - piece.start.bytes_wide())
        .sum()
}
