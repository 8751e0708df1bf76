//! The chunks of a bitmap that somebody names by ranges of addresses.
//!
//! To mark a chunk, it is enough that a range touches it; to clear one, all of it must be named, by one range or by several
//! together (design.md W5): with parity, the shares of all data members.

use super::Inverse;
use crate::bitmap::{ChunkSet, TooManyChunks};
use crate::format::coverage::Coverage;
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::collections::BTreeMap;
use std::ops::Range;

/// Pieces smaller than a chunk that are kept in mind at a time. A list in ascending order never has many.
const MOST_PIECES: usize = if cfg!(test) { 2000 } else { 1 << 20 };

/// Why ranges cannot be made into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// The bitmap has too many chunks.
    #[error(transparent)]
    TooManyChunks(#[from] TooManyChunks),
    /// More pieces than are kept in mind.
    #[error(
        "more than {MOST_PIECES} pieces that are smaller than a bitmap chunk; sort the list, or name whole chunks"
    )]
    TooManyPieces,
}

/// Chunks that are named range by range.
#[derive(Debug, Clone)]
pub struct Wanted {
    coverage: Coverage,
    touched: ChunkSet,
    whole: ChunkSet,
    /// What is named of chunks that are not wholly named yet.
    partial: BTreeMap<u64, Pieces>,
    pieces: usize,
}

/// What is named of a chunk.
#[derive(Debug, Clone, Default)]
struct Pieces {
    all: Vec<Piece>,
    /// Sectors in them, of every column that they are of; more than there are where pieces overlap.
    sectors: u128,
}

/// A part of a chunk, in sectors as the bitmap counts.
#[derive(Debug, Clone)]
struct Piece {
    column: Option<u32>,
    sectors: Range<u64>,
}

/// What was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Chunks of which any part was.
    pub touched: ChunkSet,
    /// Chunks of which every part was.
    pub whole: ChunkSet,
}

impl Wanted {
    /// Nothing yet of what `coverage` says.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn new(coverage: Coverage) -> Result<Wanted, TooManyChunks> {
        Ok(Wanted {
            touched: ChunkSet::empty(coverage.chunks())?,
            whole: ChunkSet::empty(coverage.chunks())?,
            coverage,
            partial: BTreeMap::new(),
            pieces: 0,
        })
    }

    /// Adds a range of bytes; of sectors that it covers in part, it is known that they are touched.
    ///
    /// # Errors
    /// [`WantedError::TooManyPieces`].
    pub fn add_bytes(&mut self, inverse: &Inverse, bytes: &Range<u128>) -> Result<(), WantedError> {
        let sector = u128::from(SECTOR_BYTES);
        let narrow = |sectors: u128| Sectors(u64::try_from(sectors).unwrap_or(u64::MAX));
        let outer = narrow(bytes.start / sector)..narrow(bytes.end.div_ceil(sector));
        let inner = narrow(bytes.start.div_ceil(sector))..narrow(bytes.end / sector);
        for part in inverse.parts(&outer) {
            self.touched
                .set(&self.coverage.chunks_touched(&part.bitmap), true);
        }
        self.add_whole(inverse, &inner)
    }

    /// Adds a range of addresses.
    ///
    /// # Errors
    /// [`WantedError::TooManyPieces`].
    pub fn add(&mut self, inverse: &Inverse, range: &Range<Sectors>) -> Result<(), WantedError> {
        let bytes = |sectors: Sectors| sectors.bytes_wide();
        self.add_bytes(inverse, &(bytes(range.start)..bytes(range.end)))
    }

    fn add_whole(&mut self, inverse: &Inverse, range: &Range<Sectors>) -> Result<(), WantedError> {
        let columns = inverse.columns();
        for part in inverse.parts(range) {
            let within = self.coverage.chunks_within(&part.bitmap);
            let touched = self.coverage.chunks_touched(&part.bitmap);
            if part.column.is_none() && within.start < within.end {
                self.whole.set(&within, true);
                // Nothing more has to be known about them; only the chunks at both ends can be left.
                let known: Vec<u64> = self
                    .partial
                    .range(within.start.0..within.end.0)
                    .map(|(chunk, _)| *chunk)
                    .collect();
                for chunk in known {
                    self.forget(chunk);
                }
                self.add_pieces(&(touched.start..within.start), &part, columns)?;
                self.add_pieces(&(within.end..touched.end), &part, columns)?;
            } else {
                self.add_pieces(&touched, &part, columns)?;
            }
        }
        Ok(())
    }

    fn add_pieces(
        &mut self,
        chunks: &Range<ChunkIndex>,
        part: &super::Part,
        columns: u32,
    ) -> Result<(), WantedError> {
        for chunk in (chunks.start.0..chunks.end.0).map(ChunkIndex) {
            if self.whole.contains(chunk) {
                continue;
            }
            let of_chunk = self.sectors_of(chunk);
            let sectors =
                part.bitmap.start.0.max(of_chunk.start)..part.bitmap.end.0.min(of_chunk.end);
            if sectors.is_empty() {
                continue;
            }
            let pieces = self.partial.entry(chunk.0).or_default();
            self.pieces += usize::from(pieces.add(part.column, sectors, columns));
            if pieces.are_whole(&of_chunk, columns) {
                let next = ChunkIndex(chunk.0.saturating_add(1));
                self.whole.set(&(chunk..next), true);
                self.forget(chunk.0);
            }
            if self.pieces > MOST_PIECES {
                return Err(WantedError::TooManyPieces);
            }
        }
        Ok(())
    }

    fn forget(&mut self, chunk: u64) {
        if let Some(pieces) = self.partial.remove(&chunk) {
            self.pieces = self.pieces.saturating_sub(pieces.all.len());
        }
    }

    /// The sectors that a chunk covers. A chunk that begins or ends within a sector covers all of it: such chunks are not
    /// for a kernel.
    fn sectors_of(&self, chunk: ChunkIndex) -> Range<u64> {
        let next = ChunkIndex(chunk.0.saturating_add(1));
        let bytes = self.coverage.bytes_of(&(chunk..next));
        let sector = u128::from(SECTOR_BYTES);
        let narrow = |sectors: u128| u64::try_from(sectors).unwrap_or(u64::MAX);
        narrow(bytes.start / sector)..narrow(bytes.end.div_ceil(sector))
    }

    /// What was named.
    pub fn named(self) -> Named {
        Named {
            touched: self.touched,
            whole: self.whole,
        }
    }
}

impl Pieces {
    /// True when there is one more than before.
    fn add(&mut self, column: Option<u32>, sectors: Range<u64>, columns: u32) -> bool {
        let times = if column.is_none() { columns } else { 1 };
        self.sectors += u128::from(sectors.end - sectors.start) * u128::from(times);
        match self.all.last_mut() {
            Some(last) if last.column == column && last.sectors.end == sectors.start => {
                last.sectors.end = sectors.end;
                false
            }
            _ => {
                self.all.push(Piece { column, sectors });
                true
            }
        }
    }

    /// True when they cover all of a chunk in every column.
    fn are_whole(&self, chunk: &Range<u64>, columns: u32) -> bool {
        // Most of the time there is not enough of them by far.
        if self.sectors < u128::from(chunk.end - chunk.start) * u128::from(columns) {
            return false;
        }
        (0..columns).all(|column| {
            let all = self.all.iter();
            let of_column = all.filter(|piece| piece.column.is_none_or(|of| of == column));
            let mut ranges: Vec<&Range<u64>> = of_column.map(|piece| &piece.sectors).collect();
            ranges.sort_unstable_by_key(|range| range.start);
            let mut reached = chunk.start;
            for range in ranges {
                if range.start > reached {
                    return false;
                }
                reached = reached.max(range.end);
            }
            reached >= chunk.end
        })
    }
}
