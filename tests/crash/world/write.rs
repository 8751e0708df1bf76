//! Writes to the running array (kernel.md 3.3, 3.5, 6.2, 7.1), and the power going in their midst.

use super::array::Running;
use super::bitmap::state;
use super::cells::{belongs, places, solve};
use super::disk::{Truth, World};
use mdbitmap::device::crash::Random;
use std::sync::Arc;

/// A sector of the array, and what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    pub sector: usize,
    pub word: u64,
}

impl<'w> Running<'w> {
    /// Writes, and their ends.
    pub fn write(&mut self, writes: &[Write]) {
        self.begin_writes(writes);
        for write in writes {
            for (at, word) in self.parts(*write) {
                self.put(at, word);
            }
            Arc::make_mut(&mut self.world.truth)[write.sector] = Truth::Is(write.word);
        }
        let (degraded, events) = (self.degraded() > 0, self.events);
        if let Some(bitmap) = self.bitmap.as_mut().filter(|bitmap| !bitmap.is_lockless())
            && !degraded
        {
            bitmap.header.cleared = bitmap.header.cleared.max(events);
        }
    }

    /// The superblocks become unclean and the chunks are marked, durably, on all members.
    fn begin_writes(&mut self, writes: &[Write]) {
        if !self.active {
            self.active = true;
            self.commit();
        }
        self.mark(writes);
        self.write_bitmap();
    }

    fn mark(&mut self, writes: &[Write]) {
        let degraded = self.degraded() > 0;
        let parity = self.world.map.has_parity();
        let Some(bitmap) = &mut self.bitmap else {
            return;
        };
        for write in writes {
            let range = &self.world.map.marked[write.sector];
            for chunk in bitmap.chunk_of(range.start)..=bitmap.chunk_of(range.end - 1) {
                if bitmap.is_lockless() {
                    let mark = &mut bitmap.marks[chunk];
                    *mark = started(*mark, degraded, parity);
                } else {
                    bitmap.marks[chunk] = 1;
                    bitmap.needed[chunk] |= degraded;
                }
            }
        }
    }

    /// What a write puts where.
    fn parts(&self, write: Write) -> Vec<((usize, usize), u64)> {
        let (cell, index) = self.world.map.cell_of[write.sector];
        let cell = &self.world.map.cells[cell];
        if !self.world.map.has_parity() {
            return cell.data.iter().map(|at| (*at, write.word)).collect();
        }
        let Some(mut data) = solve(self, cell) else {
            return Vec::new();
        };
        data[index] = write.word;
        let changed = places(cell).filter(|at| !cell.data.contains(at) || *at == cell.data[index]);
        changed.map(|at| (at, belongs(cell, &data, at))).collect()
    }

    /// The power goes while these are written: each member has got any of its parts.
    pub fn crash_writing(mut self, writes: &[Write], random: &mut Random) -> World<'w> {
        self.begin_writes(writes);
        for write in writes {
            let parts = self.parts(*write);
            // What is gone of a row would be made up from what a torn write left of it (the write hole, which no bitmap closes): a
            // degraded one is whole or not at all.
            let torn = self.degraded() == 0 || !self.world.map.has_parity();
            let all = random.once_in(2);
            for (at, word) in parts {
                if if torn { random.once_in(2) } else { all } {
                    self.put(at, word);
                }
            }
            let truth = &mut Arc::make_mut(&mut self.world.truth)[write.sector];
            *truth = match *truth {
                Truth::Is(old) if torn || !all => Truth::Either(old, write.word),
                Truth::Is(_) => Truth::Is(write.word),
                Truth::Any => Truth::Any,
                Truth::Either(..) => panic!("a crash in what an earlier one left undecided"),
            };
        }
        self.world
    }

    /// The power goes while chunks are marked for writes that are never sent: each member has got the marks or not.
    pub fn crash_marking(mut self, writes: &[Write], random: &mut Random) -> World<'w> {
        if !self.active {
            self.active = true;
            self.commit();
        }
        self.mark(writes);
        let lucky = random.bits();
        self.write_bitmap_to(&mut |disk| lucky >> (disk % 64) & 1 == 1);
        self.world
    }

    /// The power goes while the superblocks are written.
    pub fn crash_committing(mut self, random: &mut Random) -> World<'w> {
        self.active = !self.active;
        if !self.active {
            self.idle();
        }
        let lucky = random.bits();
        self.commit_to(&mut |disk| lucky >> (disk % 64) & 1 == 1);
        self.world
    }
}

/// The state of a chunk that is written to (kernel.md 6.2: Startwrite, and its overrides).
fn started(now: u8, degraded: bool, parity: bool) -> u8 {
    use state::*;
    match now {
        UNWRITTEN if degraded => NEED_SYNC,
        // The rest of the chunk has no parity yet.
        UNWRITTEN if parity => NEED_SYNC,
        UNWRITTEN | CLEAN | CLEAN_UNWRITTEN if degraded => NEED_SYNC,
        UNWRITTEN | CLEAN | CLEAN_UNWRITTEN => DIRTY,
        NEED_SYNC_UNWRITTEN => NEED_SYNC,
        SYNCING_UNWRITTEN => SYNCING,
        other => other,
    }
}
