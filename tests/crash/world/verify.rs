//! Whether anything that differs passes for equal.

use super::array::Running;
use super::assemble::How;
use super::bitmap::state;
use super::cells::{belongs, places, solve, sum, weighed};
use super::disk::{Truth, World};
use super::map::Cell;
use super::superblock::CLEAN;
use std::sync::Arc;

/// What is wrong with an array that believes itself in sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Copies of a sector of the array, or the parity of a row, do not agree.
    Differ { bitmap: u64 },
    /// A sector of the array does not hold what was written to it last.
    Lost { array: usize },
}

impl Running<'_> {
    /// The first thing wrong with an array that has done all it wants to do: every member in sync must agree with every
    /// other, and everything must be there that was written. Chunks that a lockless bitmap calls unwritten are excepted.
    pub fn wrong(&self) -> Option<Wrong> {
        let cells = self.world.map.cells.iter().zip(self.world.excused.iter());
        let checked = cells.filter(|(cell, excused)| !**excused && !self.is_excepted(cell));
        let mut checked = checked.map(|(cell, _)| cell);
        checked.find_map(|cell| match self.world.map.has_parity() {
            true => self.wrong_row(cell),
            false => self.wrong_copies(cell),
        })
    }

    fn is_excepted(&self, cell: &Cell) -> bool {
        let Some(bitmap) = self.bitmap.as_ref().filter(|bitmap| bitmap.is_lockless()) else {
            return false;
        };
        let parity = self.world.map.has_parity();
        let never_written = || {
            let mut truths = cell.array.iter().map(|array| self.world.truth[*array]);
            truths.all(|truth| truth == Truth::Any)
        };
        // With parity, such a row waits for its first sync, which a degraded array does not start.
        let waits = || {
            let mark = bitmap.marks[bitmap.chunk_of(cell.bitmap)];
            matches!(mark, state::NEED_SYNC | state::SYNCING) && self.degraded() > 0
        };
        bitmap.is_unwritten(cell.bitmap) || (!parity || waits()) && never_written()
    }

    fn wrong_copies(&self, cell: &Cell) -> Option<Wrong> {
        let mut words = cell.data.iter().filter_map(|at| self.word(*at));
        let array = cell.array[0];
        let Some(first) = words.next() else {
            return Some(Wrong::Lost { array });
        };
        if words.any(|word| word != first) {
            return Some(Wrong::Differ {
                bitmap: cell.bitmap,
            });
        }
        (!self.world.truth[array].allows(first)).then_some(Wrong::Lost { array })
    }

    fn wrong_row(&self, cell: &Cell) -> Option<Wrong> {
        let Some(data) = solve(self, cell) else {
            return Some(Wrong::Lost {
                array: cell.array[0],
            });
        };
        let p = cell.p.and_then(|at| self.word(at));
        let q = cell.q.and_then(|at| self.word(at));
        let differs = p.is_some_and(|p| p != sum(&data))
            || q.is_some_and(|q| q != weighed(&data, &cell.factors));
        if differs {
            return Some(Wrong::Differ {
                bitmap: cell.bitmap,
            });
        }
        let mut pairs = cell.array.iter().zip(&data);
        let lost = pairs.find(|(array, word)| !self.world.truth[**array].allows(**word));
        lost.map(|(array, _)| Wrong::Lost { array: *array })
    }

    /// What an earlier crash left undecided is decided by what the members hold, now that they agree.
    pub fn decide(&mut self) {
        let undecided: Vec<usize> = (0..)
            .zip(self.world.truth.iter())
            .filter(|(_, truth)| matches!(truth, Truth::Either(..)))
            .map(|(sector, _)| sector)
            .collect();
        for sector in undecided {
            let (cell, index) = self.world.map.cell_of[sector];
            let cell = &self.world.map.cells[cell];
            let word = match self.world.map.has_parity() {
                true => solve(self, cell).map(|data| data[index]),
                false => cell.data.iter().find_map(|at| self.word(*at)),
            };
            if let Some(word) = word {
                Arc::make_mut(&mut self.world.truth)[sector] = Truth::Is(word);
            }
        }
    }
}

impl World<'_> {
    /// Where members of an array that would start differ, or parity is wrong, whatever superblocks and bitmaps say: sectors, as
    /// the bitmap counts.
    pub fn uneven(&self, given: &[usize]) -> Vec<u64> {
        let mut world = self.clone();
        for disk in &mut world.disks {
            if let Some(sb) = &mut disk.sb {
                sb.bitmap = None;
                sb.resync = CLEAN;
            }
        }
        let how = How {
            copy: 0,
            own_roles: false,
            eager: false,
        };
        let Ok(running) = world.assemble(given, how) else {
            return Vec::new();
        };
        let differs = |cell: &&Cell| match (self.map.has_parity(), solve(&running, cell)) {
            (true, Some(data)) => places(cell).any(|at| {
                let word = running.word(at);
                word.is_some_and(|word| word != belongs(cell, &data, at))
            }),
            (true, None) => true,
            (false, _) => {
                let mut words = cell.data.iter().filter_map(|at| running.word(*at));
                let first = words.next();
                words.any(|word| Some(word) != first)
            }
        };
        let cells = self.map.cells.iter().filter(differs);
        cells.map(|cell| cell.bitmap).collect()
    }
}
