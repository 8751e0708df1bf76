//! The bitmap superblock as it lies on disk.

use super::coverage::Coverage;
use crate::units::{SECTOR_BYTES, Sectors};
use binrw::{BinRead, BinWrite, binrw};
use std::io::Cursor;

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

    /// Names of the bits set, lowest first; unknown ones as `bit_N`.
    pub fn names(bits: u32) -> Vec<String> {
        const KNOWN: [(u32, &str); 7] = [
            (STALE, "stale"),
            (WRITE_ERROR, "write_error"),
            (FIRST_USE, "first_use"),
            (CLEAN, "clean"),
            (DAEMON_BUSY, "daemon_busy"),
            (SHUTDOWN, "shutdown"),
            (HOSTENDIAN, "hostendian"),
        ];
        let name = |bit: u32| {
            let known = KNOWN.iter().find(|(mask, _)| *mask == 1 << bit);
            known.map_or_else(|| format!("bit_{bit}"), |(_, name)| (*name).to_owned())
        };
        (0..u32::BITS)
            .filter(|bit| bits & (1 << bit) != 0)
            .map(name)
            .collect()
    }
}

/// Offset of the first bitmap byte after the start of the superblock, versions 3 to 5
/// (reference/kernel.md 1.3).
pub const BITS_OFFSET: u64 = 256;

/// Offset of the first state byte after the start of the superblock, version 6
/// (reference/kernel.md 1.3).
pub const STATES_OFFSET: u64 = 1024;

/// Fewer than 256 bytes were given for a bitmap superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a bitmap superblock has 256 bytes, only {found} were found")]
pub struct SuperTooShort {
    /// How many bytes there were.
    pub found: usize,
}

impl RawBitmapSuper {
    /// Decodes the first 256 bytes of `bytes`; any content is accepted.
    ///
    /// # Errors
    /// [`SuperTooShort`] when there are fewer than 256 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SuperTooShort> {
        let short = SuperTooShort { found: bytes.len() };
        let bytes = bytes.get(..BITMAP_SUPER_BYTES).ok_or(short)?;
        Self::read(&mut Cursor::new(bytes)).map_err(|_| short)
    }

    /// Encodes all 256 bytes: exactly those that were decoded when no field was changed.
    pub fn to_bytes(&self) -> [u8; BITMAP_SUPER_BYTES] {
        let mut bytes = [0; BITMAP_SUPER_BYTES];
        // Writing fixed-size fields into a buffer of their total size cannot fail; should it ever,
        // the zeros left behind carry no magic and no one takes them for a bitmap.
        let _ = self.write(&mut Cursor::new(bytes.as_mut_slice()));
        bytes
    }

    /// True when the superblock has the magic number of a bitmap.
    pub fn has_magic(&self) -> bool {
        self.magic == BITMAP_MAGIC
    }

    /// True for version 6, one byte a chunk.
    pub fn is_lockless(&self) -> bool {
        self.version == 6
    }

    /// True when all bits of `mask` (see [`state`]) are set.
    pub fn has_state(&self, mask: u32) -> bool {
        self.state & mask == mask
    }

    /// True when the kernel is asked to initialise this (version 6) bitmap: chunk size, daemon
    /// sleep and every state byte on disk are then meaningless (reference/kernel.md 6.3).
    pub fn is_first_use(&self) -> bool {
        self.is_lockless() && self.has_state(state::FIRST_USE)
    }

    /// The chunk size in bytes, whatever the unit of the field: version 6 stores sectors.
    /// `None` while the kernel has still to choose it. Unchecked: may be 0 or odd.
    pub fn chunk_bytes(&self) -> Option<u64> {
        match (self.is_lockless(), self.is_first_use()) {
            (_, true) => None,
            (true, false) => Some(u64::from(self.chunksize) * SECTOR_BYTES),
            (false, false) => Some(u64::from(self.chunksize)),
        }
    }

    /// Sectors covered, as the field says.
    pub fn sync_size(&self) -> Sectors {
        Sectors(self.sync_size_sectors)
    }

    /// What the bitmap counts, from its own fields; `None` when it has no usable chunk size.
    pub fn coverage(&self) -> Option<Coverage> {
        Coverage::new(self.sync_size(), self.chunk_bytes()?)
    }

    /// The cluster name up to its first NUL; bytes that are not UTF-8 are shown as U+FFFD.
    pub fn cluster_name_text(&self) -> String {
        let name = self.cluster_name.split(|&byte| byte == 0).next();
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_256_bytes_survive_decoding(bytes in proptest::collection::vec(any::<u8>(), 256..300)) {
            let raw = RawBitmapSuper::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&raw.to_bytes()[..], &bytes[..256]);
        }

        #[test]
        fn fewer_bytes_are_refused(len in 0usize..256) {
            prop_assert_eq!(RawBitmapSuper::from_bytes(&vec![0; len]), Err(SuperTooShort { found: len }));
        }
    }

    #[test]
    fn unknown_state_bits_are_numbered() {
        assert_eq!(state::names(0), Vec::<String>::new());
        assert_eq!(state::names(0x8050), ["clean", "shutdown", "hostendian"]);
        assert_eq!(state::names(0x8000_0003), ["bit_0", "stale", "bit_31"]);
    }

    #[test]
    fn every_field_lies_at_its_documented_offset() {
        let bytes: Vec<u8> = (0..=255).collect();
        let raw = RawBitmapSuper::from_bytes(&bytes).unwrap();
        let word = |at: u32| 0x0302_0100 + at * 0x0101_0101;
        assert_eq!(raw.magic, word(0));
        assert_eq!(raw.version, word(4));
        assert_eq!(raw.uuid[0], 8);
        assert_eq!(raw.events as u32, word(24));
        assert_eq!(raw.events_cleared as u32, word(32));
        assert_eq!(raw.sync_size_sectors as u32, word(40));
        assert_eq!(raw.state, word(48));
        assert_eq!(raw.chunksize, word(52));
        assert_eq!(raw.daemon_sleep_seconds, word(56));
        assert_eq!(raw.write_behind, word(60));
        assert_eq!(raw.sectors_reserved, word(64));
        assert_eq!(raw.nodes, word(68));
        assert_eq!(raw.cluster_name[0], 72);
        assert_eq!(raw.pad[0], 136);
    }

    #[test]
    fn version_6_counts_chunks_in_sectors_once_initialised() {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        raw.version = 6;
        raw.chunksize = 128;
        assert_eq!(raw.chunk_bytes(), Some(65536));
        raw.state = state::FIRST_USE;
        assert_eq!(raw.chunk_bytes(), None);
        raw.version = 4;
        assert_eq!(raw.chunk_bytes(), Some(128));
    }
}
