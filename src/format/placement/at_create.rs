//! How mdadm divides up a device when it creates an array: data offset, bitmap, bad-block log
//! (reference/mdadm.md 2.3, 2.6).

use super::PlacementError;
use super::v1::{BAD_BLOCK_LOG, BadBlockLog, Minor, choose_bm_space, super_offset};
use crate::units::Sectors;

/// Sectors that mdadm keeps for a partial parity log.
pub const PPL_SECTORS: u64 = 2048;

/// What is kept beside the superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// Room for a bitmap, whether one is made now or later.
    Bitmap,
    /// A partial parity log, which excludes a bitmap.
    PartialParityLog,
}

impl Reserve {
    fn sectors(self, device: Sectors) -> u64 {
        match self {
            Reserve::Bitmap => choose_bm_space(device),
            Reserve::PartialParityLog => PPL_SECTORS,
        }
    }
}

/// Where data begins on a new member, and how many sectors there are for it.
///
/// `raid_chunk_kib` is the array's own chunk, 0 where the level has none.
///
/// # Errors
/// When the device is too small for a superblock.
pub fn data_area(
    minor: Minor,
    device: Sectors,
    raid_chunk_kib: u64,
    reserve: Reserve,
) -> Result<(Sectors, Sectors), PlacementError> {
    super_offset(minor, device)?;
    let reserved = reserve.sectors(device);
    if minor == Minor::V0 {
        let usable = (device.0 & !7).saturating_sub(24).saturating_sub(reserved);
        return Ok((Sectors(0), Sectors(usable)));
    }
    let offset = (24 + reserved + headroom(device, raid_chunk_kib)).next_multiple_of(2048);
    Ok((Sectors(offset), Sectors(device.0.saturating_sub(offset))))
}

/// Sectors that mdadm leaves before the data so that a later reshape has room to move.
fn headroom(device: Sectors, raid_chunk_kib: u64) -> u64 {
    let mut headroom: u64 = 128 << 11;
    while headroom << 10 > device.0
        && (raid_chunk_kib == 0 || headroom / 2 >= raid_chunk_kib.saturating_mul(4))
    {
        headroom /= 2;
    }
    headroom
}

/// The bitmap of a new member, as far as the bad-block log depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitmapSpace {
    /// Sectors from the superblock.
    pub offset: i32,
    /// Sectors taken, in whole 4 KiB blocks.
    pub area: Sectors,
    /// Cluster nodes; from one on mdadm makes no bad-block log.
    pub nodes: u32,
}

/// The end of a new member's set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The bad-block log, if it has a place.
    pub bad_blocks: Option<BadBlockLog>,
    /// Sectors for data: up to the end of the device on 1.1 and 1.2, up to the first of bitmap
    /// and bad-block log on 1.0.
    pub data_size: Sectors,
}

/// Where mdadm puts the bad-block log of a new member, and what is left for data.
///
/// # Errors
/// When the bitmap does not fit between the data's start and the superblock.
pub fn finish(
    minor: Minor,
    device: Sectors,
    data_offset: Sectors,
    size: Sectors,
    bitmap: Option<BitmapSpace>,
) -> Result<Finished, PlacementError> {
    let super_offset = super_offset(minor, device)?;
    let space = bitmap.map_or(choose_bm_space(size), |b| b.area.0);
    let log = |offset: i128| {
        let log = BadBlockLog {
            offset: i32::try_from(offset).ok()?,
            size: BAD_BLOCK_LOG as u16,
        };
        bitmap.is_none_or(|b| b.nodes == 0).then_some(log)
    };
    if minor == Minor::V0 {
        let taken = Sectors(space.saturating_add(BAD_BLOCK_LOG));
        let data_size = super_offset
            .checked_sub(taken)
            .and_then(|end| end.checked_sub(data_offset))
            .ok_or(PlacementError::NoRoom {
                room: i64::try_from(super_offset.0).unwrap_or(i64::MAX),
            })?;
        let bad_blocks = (space >= BAD_BLOCK_LOG).then(|| log(-8)).flatten();
        return Ok(Finished {
            bad_blocks,
            data_size,
        });
    }
    let behind = bitmap.map_or(8, |b| i128::from(b.offset)) + i128::from(space);
    let before_data = i128::from(data_offset.0) - i128::from(super_offset.0);
    let bad_blocks = if before_data >= behind + 8 {
        log(behind)
    } else if before_data >= 16 {
        log(before_data - 8)
    } else {
        None
    };
    Ok(Finished {
        bad_blocks,
        data_size: device.checked_sub(data_offset).unwrap_or_default(),
    })
}
