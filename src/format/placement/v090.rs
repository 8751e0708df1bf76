//! md 0.90: everything is at a fixed place (reference/mdadm.md 2.1).

use super::{ChunkSize, PlacementError, area, chunk};
use crate::units::{Bytes, Sectors};

/// Sectors kept free at the end of a device, and the alignment of the superblock.
pub const RESERVED: u64 = 128;
/// Sectors from the md superblock to the bitmap.
pub const BITMAP_OFFSET: u64 = 8;
/// Bytes of the bitmap area; all of it is written.
pub const AREA: Bytes = Bytes(60 * 1024);
/// Sizes are stored as 32 bits of KiB.
const LIMIT: u64 = (1 << 32) * 2;

/// The sector of the md superblock on a device of `device` sectors. It is also the number of
/// sectors for data.
///
/// # Errors
/// When the device is below 64 KiB, or too large for the format (4 TiB).
pub fn super_offset(device: Sectors) -> Result<Sectors, PlacementError> {
    let start = (device.0 & !(RESERVED - 1)).checked_sub(RESERVED).ok_or(
        PlacementError::DeviceTooSmall {
            metadata: "0.90",
            found: device,
            needed: RESERVED,
        },
    )?;
    if start >= LIMIT {
        return Err(PlacementError::DeviceTooLarge {
            metadata: "0.90",
            found: device,
            limit: LIMIT,
        });
    }
    Ok(Sectors(start))
}

/// The sector of the bitmap behind an md superblock at `super_offset`.
pub fn bitmap_start(super_offset: Sectors) -> Option<Sectors> {
    super_offset.checked_add(Sectors(BITMAP_OFFSET))
}

/// The chunk for `sync_size` sectors: the one given if the 60 KiB hold it, else mdadm's default.
///
/// # Errors
/// [`PlacementError::ChunkTooSmall`] and [`PlacementError::NoChunkFits`].
pub fn chunk(sync_size: Sectors, given: Option<ChunkSize>) -> Result<ChunkSize, PlacementError> {
    chunk::internal(sync_size, given, AREA.0)
}

/// The most bits that the 60 KiB hold.
pub fn max_bits() -> u64 {
    area::max_bits(AREA.0)
}
