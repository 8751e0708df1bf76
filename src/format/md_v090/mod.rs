//! The md superblock of metadata 0.90: 4096 bytes near the end of the device, written in the
//! byte order of the host.

mod builder;
mod checks;
mod raw;

#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use checks::{Position, Super, super_start};
pub use raw::{Disk, RawSuper, disk_state, state};

/// Marks a 0.90 superblock; the same number as in 1.x.
pub const MAGIC: u32 = 0xa92b_4efc;

/// Bytes of a superblock.
pub const BYTES: usize = 4096;

/// Disks that its table has room for.
pub const MAX_DISKS: usize = 27;

/// Sectors from the superblock to the bitmap (reference/kernel.md 1.4).
pub const BITMAP_OFFSET_SECTORS: u64 = 8;

/// Room for the bitmap in sectors.
pub const BITMAP_SPACE_SECTORS: u64 = 120;

/// `recovery_cp` of an array whose members are in sync.
pub const RECOVERED: u32 = u32::MAX;
