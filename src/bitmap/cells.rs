//! Counting the chunks of a bitmap in stretches of equal length ("cells"): all at once, or as a
//! picture needs them. Memory is bounded by the number of cells, whatever the size of the bitmap.

use super::encoding::Encoding;
use super::error::BitmapError;
use super::view::{Bitmap, Counts};
use super::window::{Area, Window, fold_windows};
use crate::format::lockless::StateCounts;
use crate::units::ChunkIndex;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::Range;

/// One stretch of a bitmap, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// Chunks in it, the missing ones included.
    pub chunks: u64,
    /// Chunks to be synchronised, the missing ones included.
    pub dirty: u64,
    /// Chunks whose bits lie past the end of the store.
    pub missing: u64,
    /// Chunks by state, version 6 only (else all 0); missing ones are unknown.
    pub states: StateCounts,
}

/// A bitmap counted cell by cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellCounts {
    /// The sum of all cells.
    pub total: Counts,
    /// Chunks in each cell; the last one may have fewer.
    pub chunks_per_cell: NonZeroU64,
    /// The cells, in order; none when the bitmap has no chunk.
    pub cells: Vec<Cell>,
}

impl CellCounts {
    /// The bytes that cell `index` stands for, clipped at the end of the covered area.
    pub fn bytes_of(&self, index: usize) -> Range<u128> {
        let at = |cell: u64| ChunkIndex(cell.saturating_mul(self.chunks_per_cell.get()));
        let index = index as u64;
        let chunks = at(index)..at(index.saturating_add(1));
        self.total.coverage.bytes_of(&chunks)
    }
}

impl Bitmap<'_> {
    /// Counts the chunks in at most `most` cells of equal length, which is a power of two chunks:
    /// positions are then as round as chunk sizes. Each bit is read once.
    ///
    /// # Errors
    /// As [`Bitmap::count`].
    pub fn count_cells(&self, most: NonZeroUsize) -> Result<CellCounts, BitmapError> {
        let area = self.area()?;
        let fewest = area.chunks.div_ceil(most.get() as u64).max(1);
        let per_cell = fewest.checked_next_power_of_two().unwrap_or(fewest);
        let cells = usize::try_from(area.chunks.div_ceil(per_cell)).unwrap_or(most.get());
        let tallies = fold_windows(self.store(), &area, |tally: &mut Tally, window| {
            tally.add(&area, window, per_cell, cells);
        })?;
        Ok(CellCounts::new(&area, per_cell, cells, &tallies))
    }
}

/// What one reader counted.
#[derive(Default)]
struct Tally {
    cells: Vec<Cell>,
    last_dirty: bool,
}

impl Tally {
    fn add(&mut self, area: &Area, window: &Window<'_>, per_cell: u64, cells: usize) {
        self.cells.resize(cells, Cell::default());
        let base = window.chunks.start;
        let mut chunk = base;
        while chunk < window.chunks.end {
            let number = chunk / per_cell;
            let next = number.saturating_add(1).saturating_mul(per_cell);
            let end = next.min(window.chunks.end);
            let (dirty, states) = (area.encoding).count(window.cells, chunk - base..end - base);
            if let Some(cell) = self.cells.get_mut(number as usize) {
                cell.dirty += dirty;
                cell.states.add(&states.unwrap_or_default());
            }
            chunk = end;
        }
        let last = area.chunks.saturating_sub(1);
        if window.chunks.contains(&last) {
            let last = last - base..last - base + 1;
            self.last_dirty |= area.encoding.find(window.cells, last, true).is_some();
        }
    }
}

impl CellCounts {
    /// The sum of all readers, and the chunks that are missing.
    fn new(area: &Area, per_cell: u64, cells: usize, tallies: &[Tally]) -> Self {
        let mut sums = vec![Cell::default(); cells];
        for tally in tallies {
            // A reader that found nothing left to read has no cells.
            for (sum, cell) in sums.iter_mut().zip(&tally.cells) {
                sum.dirty += cell.dirty;
                sum.states.add(&cell.states);
            }
        }
        let mut start = 0_u64;
        for cell in &mut sums {
            let end = start.saturating_add(per_cell).min(area.chunks);
            cell.chunks = end - start;
            cell.missing = end.saturating_sub(start.max(area.present));
            cell.dirty += cell.missing;
            if area.encoding == Encoding::States {
                cell.states.unknown += cell.missing;
            }
            start = end;
        }
        let last_dirty = tallies.iter().any(|tally| tally.last_dirty);
        Self {
            total: total(area, &sums, last_dirty),
            chunks_per_cell: NonZeroU64::new(per_cell).unwrap_or(NonZeroU64::MIN),
            cells: sums,
        }
    }
}

fn total(area: &Area, cells: &[Cell], last_dirty: bool) -> Counts {
    let missing = area.chunks - area.present;
    let mut states = StateCounts::default();
    cells.iter().for_each(|cell| states.add(&cell.states));
    Counts {
        chunks: area.chunks,
        dirty: cells.iter().map(|cell| cell.dirty).sum(),
        missing_chunks: missing,
        last_dirty: missing > 0 || last_dirty,
        states: (area.encoding == Encoding::States).then_some(states),
        coverage: area.coverage,
    }
}
