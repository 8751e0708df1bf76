//! How large a bitmap is: bits, bytes, and the whole blocks that it takes.

use super::ChunkSize;
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use crate::format::coverage::Coverage;
use crate::units::{Bytes, Sectors};

/// Sectors of the 4 KiB block in which md counts bitmap space.
pub const BLOCK_SECTORS: u64 = 8;

/// Chunks, hence bits, of a bitmap: the last chunk may be partial.
pub fn bits(sync_size: Sectors, chunk: ChunkSize) -> u64 {
    Coverage::new(sync_size, chunk.bytes()).map_or(0, Coverage::chunks)
}

/// Bytes of superblock and bits, to the byte: the length of a bitmap file.
pub fn file_bytes(bits: u64) -> Bytes {
    Bytes(BITMAP_SUPER_BYTES as u64 + bits.div_ceil(8))
}

/// Bits that fit behind the superblock in so many bytes.
pub fn max_bits(room_bytes: u64) -> u64 {
    room_bytes
        .saturating_sub(BITMAP_SUPER_BYTES as u64)
        .saturating_mul(8)
}

/// Sectors of superblock and bits in whole blocks of `block_sectors` (8, or 1 at the legacy
/// place 1 KiB behind the superblock; reference/mdadm.md 2.5).
pub fn area(bits: u64, block_sectors: u64) -> Sectors {
    let sectors = file_bytes(bits).sectors_ceil().0;
    // At most 2^52 sectors: the product cannot overflow.
    Sectors(sectors.div_ceil(block_sectors.max(1)) * block_sectors.max(1))
}

/// Sectors of one bitmap in whole 4 KiB blocks: the usual case, and the step between the slots
/// of a clustered one.
pub fn area_4k(bits: u64) -> Sectors {
    area(bits, BLOCK_SECTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// reference/mdadm.md 3.2 and 2.10.
    #[test]
    fn sizes_of_known_bitmaps() {
        let chunk = |bytes| ChunkSize::new(bytes).unwrap();
        for (sync, chunk_bytes, want_bits, want_bytes) in [
            (39976, 4096, 4997, 881),
            (8 << 20, 4096, 1 << 20, 131_328),
            (100 << 21, 128 << 10, 819_200, 102_656),
            (0, 4096, 0, 256),
        ] {
            let bits = bits(Sectors(sync), chunk(chunk_bytes));
            assert_eq!((bits, file_bytes(bits).0), (want_bits, want_bytes));
        }
        assert_eq!(area_4k(4736), Sectors(8));
        assert_eq!(area(4736, 1), Sectors(2));
        assert_eq!(area_4k(163_696), Sectors(48));
    }

    #[test]
    fn the_largest_bitmap_does_not_overflow() {
        let bits = bits(Sectors(u64::MAX), ChunkSize::SMALLEST);
        assert_eq!(bits, u64::MAX);
        assert_eq!(area_4k(bits).0 % 8, 0);
        assert!(area_4k(bits).0 >= file_bytes(bits).0 / 512);
    }
}
