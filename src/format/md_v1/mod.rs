//! The md superblock of metadata 1.0, 1.1 and 1.2.

mod builder;
mod checks;
mod raw;

#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use checks::{Minor, Position, Super};
pub use raw::{Features, Fixed, RawSuper, feature, role};

/// Marks a 1.x superblock.
pub const MAGIC: u32 = 0xa92b_4efc;

/// Bytes of a superblock without its roles.
pub const FIXED_BYTES: usize = 256;

/// The largest number of roles that fits the 4096 bytes of a superblock.
pub const MAX_ROLES: u32 = 1920;

/// Bytes that hold any valid superblock.
pub const MAX_BYTES: usize = 4096;

/// `resync_offset` and `recovery_offset` of something that is in sync.
pub const IN_SYNC: u64 = u64::MAX;
