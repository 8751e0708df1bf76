//! The bitmap superblock as it lies on disk.

use binrw::binrw;

/// The 256 bytes of a bitmap superblock, as read: nothing is checked, nothing is lost.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | magic |
/// | 4 | 4 | version: 3 host-endian, 4 little-endian, 5 clustered, 6 lockless |
/// | 8 | 16 | uuid, raw bytes |
/// | 24 | 8 | events |
/// | 32 | 8 | events_cleared |
/// | 40 | 8 | sync_size, sectors |
/// | 48 | 4 | state, bit set |
/// | 52 | 4 | chunksize: bytes (3, 4, 5), sectors (6) |
/// | 56 | 4 | daemon_sleep, seconds |
/// | 60 | 4 | write_behind |
/// | 64 | 4 | sectors_reserved |
/// | 68 | 4 | nodes |
/// | 72 | 64 | cluster_name |
/// | 136 | 120 | pad |
///
/// All little-endian in every version. Source: reference/kernel.md 1.1.
#[binrw]
#[brw(little)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBitmapSuper {
    /// [`BITMAP_MAGIC`] when this is a bitmap at all.
    pub magic: u32,
    /// Format version.
    pub version: u32,
    /// Array UUID, raw.
    pub uuid: [u8; 16],
    /// md events at the last write of this superblock.
    pub events: u64,
    /// md events when bits were last cleared.
    pub events_cleared: u64,
    /// Sectors covered.
    pub sync_size_sectors: u64,
    /// Bit set, see [`state`].
    pub state: u32,
    /// Bytes (versions 3-5) or sectors (version 6) a chunk.
    pub chunksize: u32,
    /// Seconds between lazy clean passes.
    pub daemon_sleep_seconds: u32,
    /// Largest number of outstanding write-behind writes; 0 is off.
    pub write_behind: u32,
    /// Sectors reserved for the bitmap; 0 is unknown.
    pub sectors_reserved: u32,
    /// Cluster nodes (slots); 0 when not clustered.
    pub nodes: u32,
    /// Cluster name, NUL padded.
    pub cluster_name: [u8; 64],
    /// Zero in every version known; kept as found.
    pub pad: [u8; 120],
}

/// "bitm" on disk.
pub const BITMAP_MAGIC: u32 = 0x6d74_6962;

/// Length of a bitmap superblock in bytes.
pub const BITMAP_SUPER_BYTES: usize = 256;

/// Masks of the `state` field (reference/kernel.md 1.2).
pub mod state {
    /// Bits are not to be trusted.
    pub const STALE: u32 = 0x2;
    /// A write of the bitmap failed; a classic array does not start with this on disk.
    pub const WRITE_ERROR: u32 = 0x4;
    /// Version 6: the kernel is asked to initialise.
    pub const FIRST_USE: u32 = 0x8;
    /// Version 6, with FIRST_USE: initialise as clean.
    pub const CLEAN: u32 = 0x10;
    /// Version 6: run-time only, may leak to disk.
    pub const DAEMON_BUSY: u32 = 0x20;
    /// Version 6: run-time only.
    pub const SHUTDOWN: u32 = 0x40;
    /// Version 3: bits in the host's own order.
    pub const HOSTENDIAN: u32 = 0x8000;
}
