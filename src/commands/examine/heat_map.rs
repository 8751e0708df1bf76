//! A bitmap shrunk to a few hundred cells, each a shade of dirt.

use crate::bitmap::{Cell, CellCounts, Counts};
use crate::format::coverage::Coverage;
use crate::units::ChunkIndex;
use std::ops::Range;

/// How dirty one cell is. It never looks cleaner than it is: one dirty chunk among millions is
/// [`Shade::Light`], one clean chunk among millions of dirty ones is not [`Shade::Full`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shade {
    /// Version 6: no data was ever written here.
    Unwritten,
    /// No chunk is dirty.
    Clean,
    /// Some are: less than a third.
    Light,
    /// Less than two thirds.
    Medium,
    /// Not all.
    Dark,
    /// All are.
    Full,
    /// The bits of some chunks are missing, which counts as dirty.
    Missing,
}

impl Shade {
    /// The shade of a counted cell.
    pub fn of(cell: &Cell) -> Shade {
        let dirty = u128::from(cell.dirty) * 3;
        let third = u128::from(cell.chunks);
        let states = &cell.states;
        match dirty {
            _ if cell.missing > 0 => Shade::Missing,
            // Every other state is a statement about data, or about parity that was built.
            0 if cell.chunks > 0 && states.unwritten == cell.chunks => Shade::Unwritten,
            0 => Shade::Clean,
            _ if cell.dirty >= cell.chunks => Shade::Full,
            _ if dirty < third => Shade::Light,
            _ if dirty < 2 * third => Shade::Medium,
            _ => Shade::Dark,
        }
    }

    /// True when a chunk of the cell is to be synchronised.
    pub fn is_dirty(self) -> bool {
        !matches!(self, Shade::Unwritten | Shade::Clean)
    }
}

/// A bitmap as a row of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeatMap {
    /// Chunks in each cell; the last one may have fewer.
    pub chunks_per_cell: u64,
    /// What the chunks cover.
    pub coverage: Coverage,
    /// The cells, in order; none when the bitmap has no chunk.
    pub cells: Vec<Shade>,
    /// True for a version 6 bitmap, which tells where nothing was ever written.
    pub has_states: bool,
    /// Chunks of the whole bitmap.
    pub chunks: u64,
    /// Those to be synchronised.
    pub dirty_chunks: u64,
    /// The bytes that those cover.
    pub dirty_bytes: u128,
}

impl HeatMap {
    /// Bytes that the cells `from` up to but not including `to` stand for.
    pub fn bytes_of(&self, cells: Range<usize>) -> Range<u128> {
        let at = |cell: usize| ChunkIndex((cell as u64).saturating_mul(self.chunks_per_cell));
        let chunks = at(cells.start)..at(cells.end);
        self.coverage.bytes_of(&chunks)
    }
}

impl From<&CellCounts> for HeatMap {
    fn from(counted: &CellCounts) -> Self {
        let total: &Counts = &counted.total;
        HeatMap {
            chunks_per_cell: counted.chunks_per_cell.get(),
            coverage: total.coverage,
            cells: counted.cells.iter().map(Shade::of).collect(),
            has_states: total.states.is_some(),
            chunks: total.chunks,
            dirty_chunks: total.dirty,
            dirty_bytes: total.dirty_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::lockless::StateCounts;
    use proptest::prelude::*;

    fn cell(chunks: u64, dirty: u64) -> Cell {
        Cell {
            chunks,
            dirty,
            ..Cell::default()
        }
    }

    #[test]
    fn one_dirty_chunk_is_seen_and_one_clean_one_too() {
        for chunks in [2, 3, 1000, u64::MAX] {
            assert_eq!(Shade::of(&cell(chunks, 0)), Shade::Clean);
            assert_eq!(Shade::of(&cell(chunks, chunks)), Shade::Full);
            let almost = Shade::of(&cell(chunks, chunks - 1));
            assert!(almost.is_dirty() && almost != Shade::Full, "{chunks}");
            assert!(Shade::of(&cell(chunks, 1)).is_dirty(), "{chunks}");
        }
        assert_eq!(Shade::of(&cell(1000, 1)), Shade::Light);
        assert_eq!(Shade::of(&cell(u64::MAX, 1)), Shade::Light);
    }

    #[test]
    fn states_and_missing_bits() {
        let states = |unwritten, clean, need_sync| {
            let states = StateCounts {
                unwritten,
                clean,
                need_sync,
                ..StateCounts::default()
            };
            Shade::of(&Cell {
                chunks: states.total(),
                dirty: states.dirty_chunks(),
                missing: 0,
                states,
            })
        };
        assert_eq!(states(9, 0, 0), Shade::Unwritten);
        assert_eq!(states(8, 1, 0), Shade::Clean);
        assert_eq!(states(8, 0, 1), Shade::Light);
        assert_eq!(states(0, 0, 1), Shade::Full);
        let missing = Cell {
            missing: 1,
            ..cell(5, 1)
        };
        assert_eq!(Shade::of(&missing), Shade::Missing);
        assert!(Shade::Missing.is_dirty());
    }

    proptest! {
        #[test]
        fn never_cleaner_than_it_is(chunks in 1u64.., share in 0.0..=1.0f64) {
            let dirty = ((chunks as f64 * share) as u64).min(chunks);
            let shade = Shade::of(&cell(chunks, dirty));
            prop_assert_eq!(shade.is_dirty(), dirty > 0);
            prop_assert_eq!(shade == Shade::Full, dirty == chunks);
        }
    }
}
