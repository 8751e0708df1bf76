//! A 1.x superblock as it lies on disk.

use super::{FIXED_BYTES, MAX_ROLES};
use binrw::{BinRead, BinWrite, binrw};
use std::io::Cursor;

/// A 1.x superblock, as read: nothing is checked, nothing is lost.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | magic |
/// | 4 | 4 | major version |
/// | 8 | 4 | feature map |
/// | 12 | 4 | pad0 |
/// | 16 | 16 | array UUID |
/// | 32 | 32 | array name |
/// | 64 | 8 | ctime: low 40 bits seconds, high 24 microseconds |
/// | 72 | 4 | level, signed |
/// | 76 | 4 | layout |
/// | 80 | 8 | size: sectors used on each device |
/// | 88 | 4 | chunk size, sectors |
/// | 92 | 4 | raid disks |
/// | 96 | 4 | bitmap offset, sectors from the superblock, signed; or PPL offset (s16) and size (u16) |
/// | 100 | 4 | new level |
/// | 104 | 8 | reshape position |
/// | 112 | 4 | delta disks |
/// | 116 | 4 | new layout |
/// | 120 | 4 | new chunk |
/// | 124 | 4 | new offset |
/// | 128 | 8 | data offset |
/// | 136 | 8 | data size |
/// | 144 | 8 | superblock offset |
/// | 152 | 8 | recovery offset, or journal tail |
/// | 160 | 4 | device number |
/// | 164 | 4 | corrected read errors |
/// | 168 | 16 | device UUID |
/// | 184 | 1 | device flags: 1 write-mostly, 2 failfast |
/// | 185 | 1 | bad-block log shift |
/// | 186 | 2 | bad-block log size, sectors |
/// | 188 | 4 | bad-block log offset, sectors from the superblock, signed |
/// | 192 | 8 | utime, like ctime |
/// | 200 | 8 | events |
/// | 208 | 8 | resync offset |
/// | 216 | 4 | checksum |
/// | 220 | 4 | number of roles |
/// | 224 | 4 | logical block size, bytes; 0 on older kernels |
/// | 228 | 28 | pad3 |
/// | 256 | 2 each | roles, indexed by device number |
///
/// All little-endian. Source: reference/kernel.md 7.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSuper {
    /// The fixed part.
    pub fixed: Fixed,
    /// As many of the announced roles as the bytes at hand held.
    pub roles: Vec<u16>,
}

/// The first 256 bytes of a [`RawSuper`], which has the offset table.
#[binrw]
#[brw(little)]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the offset table of RawSuper names every field"
)]
pub struct Fixed {
    pub magic: u32,
    pub major_version: u32,
    pub feature_map: u32,
    pub pad0: u32,
    pub set_uuid: [u8; 16],
    pub set_name: [u8; 32],
    pub ctime: u64,
    pub level: i32,
    pub layout: u32,
    pub size: u64,
    pub chunksize: u32,
    pub raid_disks: u32,
    pub bitmap_offset: i32,
    pub new_level: u32,
    pub reshape_position: u64,
    pub delta_disks: u32,
    pub new_layout: u32,
    pub new_chunk: u32,
    pub new_offset: u32,
    pub data_offset: u64,
    pub data_size: u64,
    pub super_offset: u64,
    pub recovery_offset: u64,
    pub dev_number: u32,
    pub cnt_corrected_read: u32,
    pub device_uuid: [u8; 16],
    pub devflags: u8,
    pub bblog_shift: u8,
    pub bblog_size: u16,
    pub bblog_offset: i32,
    pub utime: u64,
    pub events: u64,
    pub resync_offset: u64,
    pub sb_csum: u32,
    pub max_dev: u32,
    pub logical_block_size: u32,
    pub pad3: [u8; 28],
}

/// The feature map: named bits, and all others kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features(pub u32);

/// Bits of [`Features`] (reference/kernel.md 7.4).
pub mod feature {
    /// There is a bitmap at `bitmap_offset`.
    pub const BITMAP_OFFSET: u32 = 1;
    /// The device is recovered up to `recovery_offset` only.
    pub const RECOVERY_OFFSET: u32 = 2;
    /// A reshape is under way.
    pub const RESHAPE_ACTIVE: u32 = 4;
    /// The bad-block log is in use.
    pub const BAD_BLOCKS: u32 = 8;
    /// The device replaces another one.
    pub const REPLACEMENT: u32 = 16;
    /// The reshape runs from the end.
    pub const RESHAPE_BACKWARDS: u32 = 32;
    /// `new_offset` is valid.
    pub const NEW_OFFSET: u32 = 64;
    /// The recovery is guided by the bitmap.
    pub const RECOVERY_BITMAP: u32 = 128;
    /// The bitmap is clustered.
    pub const CLUSTERED: u32 = 256;
    /// The array has a write journal.
    pub const JOURNAL: u32 = 512;
    /// There is a partial parity log.
    pub const PPL: u32 = 1024;
    /// There are several partial parity logs.
    pub const MULTIPLE_PPLS: u32 = 2048;
    /// The raid0 layout is recorded.
    pub const RAID0_LAYOUT: u32 = 4096;
    /// Every bit that has a meaning.
    pub const KNOWN: u32 = 0x1fff;
}

/// Values of a role that are not a slot (reference/kernel.md 7.4).
pub mod role {
    /// A spare.
    pub const SPARE: u16 = 0xffff;
    /// Failed.
    pub const FAULTY: u16 = 0xfffe;
    /// The write journal.
    pub const JOURNAL: u16 = 0xfffd;
    /// Roles below this are slots.
    pub const FIRST_SPECIAL: u16 = 0xff00;
}

impl Features {
    /// True when every bit of `mask` is set.
    pub fn has(self, mask: u32) -> bool {
        self.0 & mask == mask
    }

    /// The bits that have no known meaning.
    pub fn unknown(self) -> u32 {
        self.0 & !feature::KNOWN
    }
}

impl RawSuper {
    /// Decodes the superblock at the start of `bytes`; `None` below 256 bytes. Roles that
    /// `max_dev` announces beyond the end of `bytes` (or beyond [`MAX_ROLES`]) are left out.
    pub fn from_bytes(bytes: &[u8]) -> Option<RawSuper> {
        let (fixed, rest) = bytes.split_at_checked(FIXED_BYTES)?;
        let fixed = Fixed::read(&mut Cursor::new(fixed)).ok()?;
        let announced = usize::try_from(fixed.max_dev.min(MAX_ROLES)).ok()?;
        let (pairs, _) = rest.as_chunks::<2>();
        let roles = pairs
            .iter()
            .take(announced)
            .map(|pair| u16::from_le_bytes(*pair))
            .collect();
        Some(RawSuper { fixed, roles })
    }

    /// The bytes on disk: 256 and two a role. Exactly those it was decoded from.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::with_capacity(FIXED_BYTES + 2 * self.roles.len()));
        // Writing to memory does not fail.
        let _ = self.fixed.write(&mut bytes);
        let mut bytes = bytes.into_inner();
        bytes.extend(self.roles.iter().flat_map(|role| role.to_le_bytes()));
        bytes
    }

    /// The checksum that belongs to this content; `None` when not all announced roles are at hand.
    ///
    /// With the checksum field as 0, all little-endian 32-bit words are added in 64 bits, then
    /// a last 16-bit word where the number of roles is odd; the result is the low half plus the
    /// high half (reference/kernel.md 7.4).
    pub fn checksum(&self) -> Option<u32> {
        if u32::try_from(self.roles.len()) != Ok(self.fixed.max_dev) {
            return None;
        }
        let mut zeroed = self.clone();
        zeroed.fixed.sb_csum = 0;
        let bytes = zeroed.to_bytes();
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum: u64 = words
            .iter()
            .map(|word| u64::from(u32::from_le_bytes(*word)))
            .sum();
        if let Ok(half) = <[u8; 2]>::try_from(rest) {
            sum = sum.wrapping_add(u64::from(u16::from_le_bytes(half)));
        }
        Some(fold(sum))
    }

    /// Stores the checksum that belongs to the content. False when not all roles are at hand.
    pub fn seal(&mut self) -> bool {
        let Some(sum) = self.checksum() else {
            return false;
        };
        self.fixed.sb_csum = sum;
        true
    }

    /// The feature map.
    pub fn features(&self) -> Features {
        Features(self.fixed.feature_map)
    }

    /// Where the partial parity log is, in sectors from the superblock, and its size: the same
    /// bytes as the bitmap offset.
    pub fn ppl(&self) -> (i16, u16) {
        let [a, b, c, d] = self.fixed.bitmap_offset.to_le_bytes();
        (i16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
    }

    /// The role of this device, by its own number; `None` when that number has no role.
    pub fn own_role(&self) -> Option<u16> {
        self.roles
            .get(usize::try_from(self.fixed.dev_number).ok()?)
            .copied()
    }

    /// Seconds since 1970 of the array's creation.
    pub fn created_seconds(&self) -> u64 {
        self.fixed.ctime & 0xff_ffff_ffff
    }

    /// Seconds since 1970 of the last update.
    pub fn updated_seconds(&self) -> u64 {
        self.fixed.utime & 0xff_ffff_ffff
    }

    /// The array's name up to the first NUL, undecodable bytes replaced.
    pub fn name(&self) -> String {
        let name = self
            .fixed
            .set_name
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

/// The low half plus the high half of a 64-bit sum, in 32 bits.
fn fold(sum: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).wrapping_add(u32::from_le_bytes([e, f, g, h]))
}
