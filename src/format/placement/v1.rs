//! md 1.x: room, offset and chunk of a bitmap as mdadm computes them (reference/mdadm.md 2.2-2.4).

use super::{ChunkSize, PlacementError, area, chunk, free};
use crate::format::md_v1::{self, feature};
use crate::units::{SECTOR_BYTES, Sectors};

pub use crate::format::md_v1::Minor;

/// As mdadm spells it.
fn name(minor: Minor) -> &'static str {
    match minor {
        Minor::V0 => "1.0",
        Minor::V1 => "1.1",
        Minor::V2 => "1.2",
    }
}

/// The sector of the md superblock on a new member of `device` sectors.
///
/// # Errors
/// When the device has fewer than 24 sectors.
pub fn super_offset(minor: Minor, device: Sectors) -> Result<Sectors, PlacementError> {
    minor
        .super_start(device)
        .filter(|_| device.0 >= SMALLEST_DEVICE)
        .ok_or(PlacementError::DeviceTooSmall {
            metadata: name(minor),
            found: device,
            needed: SMALLEST_DEVICE,
        })
}

/// Sectors below which no 1.x superblock fits.
const SMALLEST_DEVICE: u64 = 24;
/// Sectors that a lockless bitmap reserves (reference/mdadm.md 1.4).
pub const LOCKLESS_SECTORS: u64 = 256;
/// Sectors beyond which mdadm does not go on its own choice.
const LARGEST_CHOSEN_ROOM: u64 = 256;
/// Sectors of the bad-block log for which mdadm leaves room.
pub const BAD_BLOCK_LOG: u64 = 8;

/// Sectors that mdadm keeps for a bitmap on a device (or component) of `d` sectors.
pub fn choose_bm_space(d: Sectors) -> u64 {
    const GIB: u64 = 1 << 21;
    match d.0 {
        0..128 => 0,
        d if d - 128 >= 200 * GIB => 256,
        d if d - 8 > 8 * GIB => 128,
        _ => 8,
    }
}

/// The bad-block log as the md superblock records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBlockLog {
    /// Sectors from the superblock, signed.
    pub offset: i32,
    /// Sectors.
    pub size: u16,
}

/// The partial parity log as the md superblock records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialParityLog {
    /// Sectors from the superblock, signed.
    pub offset: i16,
    /// Sectors.
    pub size: u16,
}

/// What placing a bitmap needs to know about a member with 1.x metadata. The numbers may come
/// straight from a disk: nothing is assumed of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where the superblock is by rule.
    pub minor: Minor,
    /// Where it is.
    pub super_offset: Sectors,
    /// First sector of data.
    pub data_offset: Sectors,
    /// Sectors for data; 0 while the array is being created, as in mdadm.
    pub data_size: Sectors,
    /// Sectors of each member that the array uses.
    pub size: Sectors,
    /// Entries of the role table, of two bytes each behind 256 bytes of superblock.
    pub max_dev: u32,
    /// Bad-block log, if there is one.
    pub bad_blocks: Option<BadBlockLog>,
    /// Partial parity log, if there is one.
    pub ppl: Option<PartialParityLog>,
    /// The device's smallest addressable unit: the kernel writes the superblock in whole ones.
    pub logical_block_bytes: u32,
}

impl Member {
    /// The member that a superblock describes.
    pub fn of(superblock: &md_v1::Super) -> Member {
        let (raw, position) = (superblock.raw(), superblock.position());
        let fixed = &raw.fixed;
        let has_log = fixed.bblog_offset != 0 && fixed.bblog_size != 0;
        let (offset, size) = raw.ppl();
        let has_ppl = fixed.feature_map & (feature::PPL | feature::MULTIPLE_PPLS) != 0;
        Member {
            minor: position.minor,
            super_offset: position.start,
            data_offset: Sectors(fixed.data_offset),
            data_size: Sectors(fixed.data_size),
            size: Sectors(fixed.size),
            max_dev: fixed.max_dev,
            // Reserved or in use: mdadm counts both.
            bad_blocks: has_log.then_some(BadBlockLog {
                offset: fixed.bblog_offset,
                size: fixed.bblog_size,
            }),
            ppl: has_ppl.then_some(PartialParityLog { offset, size }),
            logical_block_bytes: position.logical_block_bytes,
        }
    }

    /// mdadm takes a member without data size for one that is being created.
    pub fn is_being_created(&self) -> bool {
        self.data_size.0 == 0
    }
}

/// How the bitmap is to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One bit a chunk (version 4, or 5 with nodes), with the chunk if the user named one.
    Classic(Option<ChunkSize>),
    /// One byte a chunk (version 6): takes 256 sectors, whatever its size, and the kernel
    /// chooses the chunk.
    Lockless,
}

impl Kind {
    fn chunk(self) -> Option<ChunkSize> {
        match self {
            Kind::Classic(chunk) => chunk,
            Kind::Lockless => None,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Sectors to cover.
    pub sync_size: Sectors,
    /// The kernel can be told the offset: true at create, and on every kernel with
    /// `md/bitmap/location`.
    pub may_change: bool,
    /// Classic or lockless.
    pub kind: Kind,
}

/// Where the room for a bitmap begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// So many sectors behind the superblock.
    Behind(i32),
    /// Before the superblock, ending where the bad-block log begins.
    Before,
}

/// A row of the table in reference/mdadm.md 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    anchor: Anchor,
    /// Sectors, before those of the bad-block log are taken off.
    sectors: i128,
    bad_blocks: i128,
}

/// Where a bitmap goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Sectors from the md superblock.
    pub offset: i32,
    /// Bytes a bit.
    pub chunk: ChunkSize,
    /// Sectors of room that the choice was made for.
    pub room: u64,
    /// Bits, exactly as many as there are chunks.
    pub bits: u64,
    /// Sectors that the bitmap takes.
    pub area: Sectors,
}

impl Placement {
    /// First sector on the device, and the first behind. Signed: from a hostile superblock the
    /// bitmap may lie before the device.
    pub fn on_device(&self, super_offset: Sectors) -> (i128, i128) {
        let start = i128::from(super_offset.0) + i128::from(self.offset);
        (start, start + i128::from(self.area.0))
    }
}

fn room(member: &Member, may_change: bool) -> Room {
    let creating = member.is_being_created();
    let created_room = i128::from(choose_bm_space(member.size) + BAD_BLOCK_LOG);
    let log = member
        .bad_blocks
        .map(|log| (i128::from(log.offset), i128::from(log.size)));
    let super_offset = i128::from(member.super_offset.0);
    let data_offset = i128::from(member.data_offset.0);
    if creating {
        let anchor = match member.minor {
            Minor::V0 => Anchor::Before,
            Minor::V1 | Minor::V2 => Anchor::Behind(8),
        };
        return Room {
            anchor,
            sectors: created_room,
            bad_blocks: i128::from(BAD_BLOCK_LOG),
        };
    }
    match member.minor {
        Minor::V0 => {
            // "chunksize problem" of 2020: mdadm keeps this difference in 32 bits, and on a large
            // disk that an array uses in part it does not fit (reference/anchors.md B16).
            let sectors = super_offset - data_offset - i128::from(member.data_size.0);
            if !may_change || (sectors < 6 && member.max_dev <= 384) {
                return Room {
                    anchor: Anchor::Behind(2),
                    sectors: 6,
                    bad_blocks: 0,
                };
            }
            let (offset, size) = log.unwrap_or((0, 0));
            Room {
                anchor: Anchor::Before,
                sectors,
                bad_blocks: i128::from(BAD_BLOCK_LOG).max(size).max(-offset),
            }
        }
        Minor::V1 | Minor::V2 => {
            let end = match log {
                Some((offset, size)) => offset + size,
                None => data_offset - super_offset,
            };
            let (anchor, skip, bad_blocks) = match (may_change, log) {
                (false, _) => (2, 2, 0),
                (true, Some((_, size))) => (8, 8, size),
                (true, None) => (8, 8, i128::from(BAD_BLOCK_LOG)),
            };
            Room {
                anchor: Anchor::Behind(anchor),
                sectors: end - skip,
                bad_blocks,
            }
        }
    }
}

/// Where mdadm would put the bitmap, and with which chunk. Whether something else lies there is
/// not looked at, because mdadm does not: see [`place`].
///
/// # Errors
/// When there is no room, or no chunk, or not the one asked for.
pub fn place_as_mdadm(member: &Member, request: &Request) -> Result<Placement, PlacementError> {
    let Room {
        anchor,
        sectors,
        bad_blocks,
    } = room(member, request.may_change);
    let mut room = sectors - bad_blocks;
    if request.kind.chunk().is_none() {
        room = room.min(i128::from(LARGEST_CHOSEN_ROOM));
    }
    if request.kind == Kind::Lockless {
        room = i128::from(LOCKLESS_SECTORS);
    }
    let room = match u64::try_from(room) {
        Ok(room) if room > 1 => room,
        _ => {
            return Err(PlacementError::NoRoom {
                room: i64::try_from(room).unwrap_or(i64::MIN),
            });
        }
    };
    let chunk = chunk::internal(
        request.sync_size,
        request.kind.chunk(),
        room.saturating_mul(SECTOR_BYTES),
    )?;
    let bits = area::bits(request.sync_size, chunk);
    let (offset, block) = match anchor {
        Anchor::Behind(offset) => (i128::from(offset), if offset % 8 == 0 { 8 } else { 1 }),
        Anchor::Before => (before(request.sync_size, chunk) - bad_blocks, 8),
    };
    Ok(Placement {
        offset: i32::try_from(offset).map_err(|_| PlacementError::OffsetTooFar { offset })?,
        chunk,
        room,
        bits,
        area: match request.kind {
            Kind::Classic(_) => area::area(bits, block),
            Kind::Lockless => Sectors(LOCKLESS_SECTORS),
        },
    })
}

/// The offset of a bitmap that ends at the superblock. mdadm counts one bit more than a sync
/// size of whole chunks needs.
fn before(sync_size: Sectors, chunk: ChunkSize) -> i128 {
    let bits = (sync_size.0 / (chunk.bytes() / SECTOR_BYTES)).saturating_add(1);
    -i128::from(area::area_4k(bits).0)
}

/// Where a bitmap goes: mdadm's place, if nothing else lies there.
///
/// # Errors
/// As [`place_as_mdadm`]; and [`PlacementError::Overlap`], which names what is in the way and
/// the smallest chunk that would fit before it.
pub fn place(
    member: &Member,
    device: Sectors,
    request: &Request,
) -> Result<Placement, PlacementError> {
    let placement = place_as_mdadm(member, request)?;
    free::Taken::of(member, device)?.check(member, request, &placement)?;
    Ok(placement)
}
