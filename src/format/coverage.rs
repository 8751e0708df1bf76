//! How many chunks a bitmap counts, and which sectors each of them covers.

use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::num::NonZeroU64;
use std::ops::Range;

/// The geometry of a bitmap: sectors covered, bytes a chunk.
///
/// Any chunk size but 0 is accepted, since odd ones are counted and shown as well; whether the
/// kernel takes them is the question of [`super::bitmap_rules`]. All products are computed in
/// 128 bits: both values come from disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    sync_size: Sectors,
    chunk_bytes: NonZeroU64,
}

impl Coverage {
    /// The geometry, or `None` when the chunk size is 0.
    pub fn new(sync_size: Sectors, chunk_bytes: u64) -> Option<Self> {
        let chunk_bytes = NonZeroU64::new(chunk_bytes)?;
        Some(Self {
            sync_size,
            chunk_bytes,
        })
    }

    /// Sectors covered.
    pub fn sync_size(self) -> Sectors {
        self.sync_size
    }

    /// Bytes a chunk; never 0.
    pub fn chunk_bytes(self) -> u64 {
        self.chunk_bytes.get()
    }

    /// The same chunk size over another length: the kernel uses the array's own resync size and
    /// ignores the field in the bitmap (reference/kernel.md 2.1).
    pub fn with_sync_size(self, sync_size: Sectors) -> Self {
        Self { sync_size, ..self }
    }

    /// Number of chunks, the last one possibly partial. Saturates at `u64::MAX`, which only
    /// chunks below 512 bytes over more than 2^55 sectors reach.
    pub fn chunks(self) -> u64 {
        u64::try_from(self.chunks_wide()).unwrap_or(u64::MAX)
    }

    /// Number of chunks without saturation.
    pub fn chunks_wide(self) -> u128 {
        self.sync_size
            .bytes_wide()
            .div_ceil(u128::from(self.chunk_bytes()))
    }

    /// The bytes that `chunks` cover, clipped at the end of the covered area.
    pub fn bytes_of(self, chunks: &Range<ChunkIndex>) -> Range<u128> {
        let end = self.sync_size.bytes_wide();
        let at =
            |index: ChunkIndex| (u128::from(index.0) * u128::from(self.chunk_bytes())).min(end);
        at(chunks.start)..at(chunks.end)
    }

    /// Bytes in `dirty` chunks, of which the last chunk of the bitmap is one if `last_dirty`.
    pub fn dirty_bytes(self, dirty: u64, last_dirty: bool) -> u128 {
        let chunk = u128::from(self.chunk_bytes());
        let excess = self.chunks_wide() * chunk - self.sync_size.bytes_wide();
        let whole = u128::from(dirty) * chunk;
        if last_dirty {
            whole.saturating_sub(excess)
        } else {
            whole
        }
    }

    /// The chunks that `sectors` touch, partly covered ones included (what marking dirty needs),
    /// clipped at the end of the covered area.
    pub fn chunks_touched(self, sectors: &Range<Sectors>) -> Range<ChunkIndex> {
        let covered = sectors.start..sectors.end.min(self.sync_size);
        if covered.start >= covered.end {
            return ChunkIndex(0)..ChunkIndex(0);
        }
        let start = self.chunk_at(covered.start, Rounding::Down);
        let end = self.chunk_at(covered.end, Rounding::Up);
        start.min(end)..end
    }

    /// The chunks that lie wholly inside `sectors` (what marking clean needs). The last chunk
    /// counts as whole when the range reaches the end of the covered area.
    pub fn chunks_within(self, sectors: &Range<Sectors>) -> Range<ChunkIndex> {
        let start = self.chunk_at(sectors.start, Rounding::Up);
        let end = if sectors.end >= self.sync_size {
            ChunkIndex(self.chunks())
        } else {
            self.chunk_at(sectors.end, Rounding::Down)
        };
        start.min(end)..end
    }

    fn chunk_at(self, sector: Sectors, rounding: Rounding) -> ChunkIndex {
        let bytes = u128::from(sector.0) * u128::from(SECTOR_BYTES);
        let chunk = u128::from(self.chunk_bytes());
        let index = match rounding {
            Rounding::Down => bytes / chunk,
            Rounding::Up => bytes.div_ceil(chunk),
        };
        ChunkIndex(u64::try_from(index).unwrap_or(u64::MAX).min(self.chunks()))
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coverage(sectors: u64, chunk: u64) -> Coverage {
        Coverage::new(Sectors(sectors), chunk).unwrap()
    }

    #[test]
    fn chunk_counts_of_the_references() {
        // reference/kernel.md 10 (golden image), reference/mdadm.md 4.2 (example).
        assert_eq!(coverage(120_000, 65536).chunks(), 938);
        assert_eq!(coverage(18944 * 2, 4096).chunks(), 4736);
    }

    #[test]
    fn hostile_geometry_neither_panics_nor_wraps() {
        assert!(Coverage::new(Sectors(1), 0).is_none());
        assert_eq!(coverage(u64::MAX, 512).chunks(), u64::MAX);
        assert_eq!(coverage(u64::MAX, 1).chunks(), u64::MAX);
        assert_eq!(
            coverage(u64::MAX, 1).chunks_wide(),
            u128::from(u64::MAX) * 512
        );
        assert_eq!(coverage(0, 1).chunks(), 0);
        assert_eq!(coverage(u64::MAX, u64::MAX).chunks(), 512);
        let odd = coverage(3, 1000);
        assert_eq!(odd.chunks(), 2);
        assert_eq!(odd.dirty_bytes(2, true), 1536);
        assert_eq!(odd.dirty_bytes(1, true), 536);
        assert_eq!(odd.bytes_of(&(ChunkIndex(1)..ChunkIndex(9))), 1000..1536);
    }

    proptest! {
        #[test]
        fn ranges_match_a_naive_model(sync in 0u64..5000, chunk in 1u64..9000, a in 0u64..6000, len in 0u64..6000) {
            let c = coverage(sync, chunk);
            let range = Sectors(a)..Sectors(a + len);
            let (lo, hi) = (a * 512, (a + len).min(sync) * 512);
            let touched: Vec<u64> = (0..c.chunks())
                .filter(|i| (i * chunk).max(lo) < ((i + 1) * chunk).min(sync * 512).min(hi))
                .collect();
            let within: Vec<u64> = (0..c.chunks())
                .filter(|i| i * chunk >= lo && ((i + 1) * chunk).min(sync * 512) <= hi)
                .collect();
            let t = c.chunks_touched(&range);
            prop_assert_eq!((t.start.0..t.end.0).collect::<Vec<_>>(), touched);
            let w = c.chunks_within(&range);
            prop_assert_eq!((w.start.0..w.end.0).collect::<Vec<_>>(), within);
        }
    }
}
