//! Chunk sizes: what the kernel accepts, and what mdadm chooses.

use super::PlacementError;
use crate::units::Sectors;
use std::fmt;

/// Bytes that one bit (or one lockless byte) stands for: a power of two that the kernel accepts.
///
/// The field on disk has 32 bits, so the largest is 2 GiB (reference/kernel.md 2.1, R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkSize(u32);

/// Why a number of bytes is not a chunk size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Zero, not a power of two, or below 512.
    #[error("must be a power of two, at least 512 bytes")]
    NotPowerOfTwo,
    /// Too large for the field on disk.
    #[error("must be a power of two, at most 2G: the bitmap superblock has 32 bits for it")]
    TooLarge,
}

impl ChunkSize {
    /// The smallest that the kernel loads.
    pub const SMALLEST: ChunkSize = ChunkSize(512);
    /// The largest that 32 bits of bytes can say.
    pub const LARGEST: ChunkSize = ChunkSize(1 << 31);
    /// The smallest that mdadm chooses or accepts for a bitmap beside md metadata.
    pub const MDADM_SMALLEST: ChunkSize = ChunkSize(4096);
    /// What mdadm chooses for a bitmap beside md metadata, unless that is too small.
    pub const MDADM_DEFAULT: ChunkSize = ChunkSize(64 << 20);

    /// A chunk size of so many bytes.
    ///
    /// # Errors
    /// When it is zero, no power of two, below 512, or above 2 GiB.
    pub const fn new(bytes: u64) -> Result<ChunkSize, ChunkError> {
        if !bytes.is_power_of_two() || bytes < 512 {
            return Err(ChunkError::NotPowerOfTwo);
        }
        if bytes > 1 << 31 {
            return Err(ChunkError::TooLarge);
        }
        Ok(ChunkSize(bytes as u32))
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0 as u64
    }

    /// In bytes, as the superblock stores it.
    pub const fn field(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ChunkSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b if b >= 1 << 30 => write!(f, "{}G", b >> 30),
            b if b >= 1 << 20 => write!(f, "{}M", b >> 20),
            b if b >= 1 << 10 => write!(f, "{}K", b >> 10),
            b => write!(f, "{b} bytes"),
        }
    }
}

/// The smallest chunk that mdadm accepts for `sync_size` in a bitmap of at most `max_bits` bits.
///
/// mdadm starts at 4 KiB with one bit more than needed and doubles (reference/mdadm.md 2.1,
/// 2.4), so near a limit it asks for twice what would do.
///
/// `None` when the answer would be above 2 GiB.
pub fn mdadm_smallest(sync_size: Sectors, max_bits: u64) -> Option<ChunkSize> {
    let mut chunk = ChunkSize::MDADM_SMALLEST.bytes();
    let mut bits = sync_size.0 / 8 + 1;
    while bits > max_bits {
        chunk = chunk.checked_mul(2)?;
        if chunk > ChunkSize::LARGEST.bytes() {
            return None;
        }
        bits = bits.div_ceil(2);
    }
    ChunkSize::new(chunk).ok()
}

/// The smallest power of two from 4 KiB on for which `sync_size` truly fits `max_bits` bits.
pub fn truly_smallest(sync_size: Sectors, max_bits: u64) -> Option<ChunkSize> {
    (12..=31)
        .filter_map(|shift| ChunkSize::new(1 << shift).ok())
        .find(|&chunk| super::area::bits(sync_size, chunk) <= max_bits)
}

/// The chunk of a bitmap beside md metadata: the one given if it fits, else mdadm's default,
/// 64 MiB or larger where it must be.
///
/// # Errors
/// [`PlacementError::ChunkTooSmall`] names the smallest that fits.
pub fn internal(
    sync_size: Sectors,
    given: Option<ChunkSize>,
    room_bytes: u64,
) -> Result<ChunkSize, PlacementError> {
    let max_bits = super::area::max_bits(room_bytes);
    let smallest = mdadm_smallest(sync_size, max_bits)
        .filter(|_| max_bits > 0)
        .ok_or(PlacementError::NoChunkFits {
            sync_size,
            room_bytes,
        })?;
    match given {
        None => Ok(smallest.max(ChunkSize::MDADM_DEFAULT)),
        Some(given) if given < smallest => Err(PlacementError::ChunkTooSmall {
            given,
            smallest,
            room_bytes,
        }),
        Some(given) => Ok(given),
    }
}

/// mdadm's default chunk for a bitmap file: 4 KiB, doubled while the file would have more than
/// 2^20 bits (reference/mdadm.md 3.2). `None` when that exceeds 2 GiB.
pub fn file_default(sync_size: Sectors) -> Option<ChunkSize> {
    (12..=31)
        .filter_map(|shift| ChunkSize::new(1 << shift).ok())
        // chunk << 11 sectors are 2^20 chunks.
        .find(|chunk| sync_size.0 <= chunk.bytes() << 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_chunk_size() {
        assert_eq!(ChunkSize::new(0), Err(ChunkError::NotPowerOfTwo));
        assert_eq!(ChunkSize::new(256), Err(ChunkError::NotPowerOfTwo));
        assert_eq!(ChunkSize::new(3072), Err(ChunkError::NotPowerOfTwo));
        assert_eq!(ChunkSize::new(512), Ok(ChunkSize::SMALLEST));
        assert_eq!(ChunkSize::new(1 << 31), Ok(ChunkSize::LARGEST));
        // mdadm 4.2 wraps these to 0 (reference/mdadm.md 6.3).
        for shift in 32..64 {
            assert_eq!(ChunkSize::new(1 << shift), Err(ChunkError::TooLarge));
        }
    }

    #[test]
    fn chunk_sizes_are_shown_in_mdadm_suffixes() {
        for (bytes, text) in [
            (512, "512 bytes"),
            (1024, "1K"),
            (512 << 10, "512K"),
            (64 << 20, "64M"),
            (2 << 30, "2G"),
        ] {
            assert_eq!(ChunkSize::new(bytes).unwrap().to_string(), text);
        }
    }

    /// reference/mdadm.md 3.2, with the number of bits and bytes stated there.
    #[test]
    fn default_chunk_of_a_bitmap_file() {
        const GIB: u64 = 2 << 20;
        for (sectors, chunk) in [
            (0, 4096),
            (39976, 4096),
            (4 * GIB, 4096),
            (4 * GIB + 1, 8192),
            (100 * GIB, 128 << 10),
            (1024 * GIB, 1 << 20),
            ((1 << 31) << 11, 1 << 31),
        ] {
            assert_eq!(
                file_default(Sectors(sectors)).unwrap().bytes(),
                chunk,
                "{sectors}"
            );
        }
        assert_eq!(file_default(Sectors(((1 << 31) << 11) + 1)), None);
        assert_eq!(file_default(Sectors(u64::MAX)), None);
    }

    #[test]
    fn the_largest_sizes_neither_wrap_nor_hang() {
        assert_eq!(mdadm_smallest(Sectors(u64::MAX), 30720), None);
        assert_eq!(mdadm_smallest(Sectors(u64::MAX), 0), None);
        assert_eq!(truly_smallest(Sectors(u64::MAX), 0), None);
        assert!(mdadm_smallest(Sectors(u64::MAX), u64::MAX).is_some());
    }
}
