//! What is known about every chunk of an array while its bitmap is rewritten.
//!
//! Three things can be known, whatever the version of the bitmap: members may differ (dirty), they are
//! equal (clean), or nothing was ever written there (unwritten, version 6 alone). Where chunks are
//! changed in size, united or shortened, what is not certain becomes dirty.

use crate::bitmap::{Bitmap, BitmapError, ChunkSet, TooManyChunks};
use crate::format::coverage::Coverage;
use crate::format::dump_text::{DumpRun, RunMark};
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// Why the knowledge in a bitmap cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// It cannot be read.
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
    /// It is too large to be rewritten.
    #[error(transparent)]
    TooMany(#[from] TooManyChunks),
}

/// What a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Members may differ.
    Dirty,
    /// Members are equal.
    Clean,
    /// Never written to: members may differ, and nobody minds.
    Unwritten,
}

/// What is known about every chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knowledge {
    coverage: Coverage,
    dirty: ChunkSet,
    /// Apart from `dirty`.
    unwritten: ChunkSet,
}

impl Knowledge {
    /// Every chunk is dirty.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn all_dirty(coverage: Coverage) -> Result<Knowledge, TooManyChunks> {
        Ok(Knowledge {
            dirty: ChunkSet::full(coverage.chunks())?,
            unwritten: ChunkSet::empty(coverage.chunks())?,
            coverage,
        })
    }

    /// Every chunk is clean.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn all_clean(coverage: Coverage) -> Result<Knowledge, TooManyChunks> {
        Ok(Knowledge {
            dirty: ChunkSet::empty(coverage.chunks())?,
            unwritten: ChunkSet::empty(coverage.chunks())?,
            coverage,
        })
    }

    /// What a bitmap says of an array of `sync_size` sectors. What lies beyond its own sync_size is dirty: the
    /// bits there were never kept (design.md W11), and so are chunks that cannot be read because the store ends.
    /// States that a version 6 bitmap was about to leave count as the kernel would load them
    /// (reference/kernel.md 6.2): unwritten chunks whose parity was being built are unwritten.
    ///
    /// # Errors
    /// [`KnowledgeError`]; a bitmap that cannot be read is no knowledge.
    pub fn read(bitmap: &Bitmap<'_>, sync_size: Sectors) -> Result<Knowledge, KnowledgeError> {
        let own = bitmap.raw().sync_size();
        let counted = bitmap.clone().with_sync_size(own.min(sync_size));
        let coverage = counted.coverage().ok_or_else(|| BitmapError::ZeroChunk {
            device: bitmap.store().name().to_owned(),
        })?;
        let marks = counted
            .marks()?
            .map(|run| run.map_err(KnowledgeError::from));
        let narrow = Knowledge::of_runs(coverage, bitmap.raw().is_lockless(), marks)?;
        Ok(narrow.rescaled(coverage.with_sync_size(sync_size))?)
    }

    /// What runs of marks say, in ascending order; what none of them names is clean, or, when `lockless`, unwritten.
    ///
    /// # Errors
    /// Those of `runs`, and [`TooManyChunks`].
    pub fn of_runs<E: From<TooManyChunks>>(
        coverage: Coverage,
        lockless: bool,
        runs: impl IntoIterator<Item = Result<DumpRun, E>>,
    ) -> Result<Knowledge, E> {
        let mut known = Knowledge::all_clean(coverage)?;
        if lockless {
            known.unwritten = ChunkSet::full(coverage.chunks())?;
        }
        for run in runs {
            let run = run?;
            known.set(&run.chunks, known_of(run.mark));
        }
        Ok(known)
    }

    /// What the chunks cover.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// What `chunk` is; dirty past the end.
    pub fn of(&self, chunk: ChunkIndex) -> Known {
        match (self.dirty.contains(chunk), self.unwritten.contains(chunk)) {
            (true, _) => Known::Dirty,
            (_, true) => Known::Unwritten,
            _ if chunk.0 >= self.dirty.len() => Known::Dirty,
            _ => Known::Clean,
        }
    }

    /// Dirty chunks.
    pub fn dirty(&self) -> &ChunkSet {
        &self.dirty
    }

    /// Unwritten chunks.
    pub fn unwritten(&self) -> &ChunkSet {
        &self.unwritten
    }

    /// True when every chunk is clean.
    pub fn is_all_clean(&self) -> bool {
        self.dirty.is_empty() && self.unwritten.is_empty()
    }

    /// States something about chunks.
    pub fn set(&mut self, chunks: &Range<ChunkIndex>, known: Known) {
        self.dirty.set(chunks, known == Known::Dirty);
        self.unwritten.set(chunks, known == Known::Unwritten);
    }

    /// Marks every chunk dirty that these sectors touch.
    pub fn add_dirty_sectors(&mut self, sectors: &Range<Sectors>) {
        let chunks = self.coverage.chunks_touched(sectors);
        self.set(&chunks, Known::Dirty);
    }

    /// Everything dirty in either is dirty, and so is what one calls unwritten and the other does not: the one
    /// that has seen no write may be the older.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn unite(&mut self, other: &Knowledge) -> Result<(), TooManyChunks> {
        let other = match other.coverage == self.coverage {
            true => other,
            false => &other.rescaled(self.coverage)?,
        };
        let mut dirty = other.dirty.clone();
        for (one, two) in [
            (&self.unwritten, &other.unwritten),
            (&other.unwritten, &self.unwritten),
        ] {
            let mut doubtful = one.clone();
            doubtful.remove_all(two);
            dirty.add_all(&doubtful);
        }
        self.add_dirty(&dirty);
        Ok(())
    }

    /// Makes every chunk of a set dirty, which must have as many chunks.
    pub fn add_dirty(&mut self, chunks: &ChunkSet) {
        self.dirty.add_all(chunks);
        self.unwritten.remove_all(chunks);
    }

    /// The same knowledge in chunks of another size, or for another length. A chunk that holds dirty sectors is
    /// dirty, a piece of a dirty chunk is dirty; a chunk that is in part unwritten and in part clean is dirty too:
    /// members may differ in the unwritten part, and nothing would tell any more that nobody minds. Sectors that
    /// the old knowledge does not reach are dirty.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn rescaled(&self, to: Coverage) -> Result<Knowledge, TooManyChunks> {
        let touched = |set: &ChunkSet| -> Result<ChunkSet, TooManyChunks> {
            let mut chunks = ChunkSet::empty(to.chunks())?;
            for run in set.runs() {
                chunks.set(&to.chunks_touched(&self.sectors_of(&run)), true);
            }
            Ok(chunks)
        };
        let mut known = Knowledge {
            coverage: to,
            dirty: touched(&self.dirty)?,
            unwritten: touched(&self.unwritten)?,
        };
        let mut mixed = touched(&self.unwritten.inverted())?;
        mixed.keep_common(&known.unwritten);
        let dirty = known.dirty.clone();
        known.add_dirty(&dirty);
        known.add_dirty(&mixed);
        known.add_dirty_sectors(&(self.coverage.sync_size()..to.sync_size()));
        Ok(known)
    }

    /// The bits of versions 3 to 5: unwritten is dirty there (design.md W10).
    pub fn bits(&self) -> ChunkSet {
        let mut bits = self.dirty.clone();
        bits.add_all(&self.unwritten);
        bits
    }

    /// The sectors that chunks cover.
    pub fn sectors_of(&self, chunks: &Range<ChunkIndex>) -> Range<Sectors> {
        let bytes = self.coverage.bytes_of(chunks);
        let sectors = |bytes: u128| Sectors(u64::try_from(bytes).unwrap_or(u64::MAX));
        sectors(bytes.start / u128::from(SECTOR_BYTES))
            ..sectors(bytes.end.div_ceil(u128::from(SECTOR_BYTES)))
    }

    /// Bytes of the dirty chunks, and of the unwritten ones where `with_unwritten`.
    pub fn dirty_bytes(&self, with_unwritten: bool) -> u128 {
        let bytes = |set: &ChunkSet| -> u128 {
            set.runs()
                .map(|run| self.coverage.bytes_of(&run))
                .map(|bytes| bytes.end - bytes.start)
                .sum()
        };
        let unwritten = if with_unwritten {
            bytes(&self.unwritten)
        } else {
            0
        };
        bytes(&self.dirty) + unwritten
    }
}

fn known_of(mark: RunMark) -> Known {
    match mark {
        mark if mark.is_dirty() => Known::Dirty,
        RunMark::State(1) => Known::Clean,
        _ => Known::Unwritten,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What every sector is, the slow way.
    fn sectors(known: &Knowledge) -> Vec<Known> {
        let chunk = known.coverage.chunk_bytes() / SECTOR_BYTES;
        (0..known.coverage.sync_size().0)
            .map(|sector| known.of(ChunkIndex(sector / chunk)))
            .collect()
    }

    fn knowledge() -> impl Strategy<Value = Knowledge> {
        let runs = proptest::collection::vec((0u64..200, 1u64..40, 0u8..3), 0..10);
        (1u64..600, 0u32..4, runs).prop_map(|(sync, shift, runs)| {
            let coverage = Coverage::new(Sectors(sync), 512 << shift).unwrap();
            let mut known = Knowledge::all_clean(coverage).unwrap();
            for (start, more, what) in runs {
                let what = [Known::Dirty, Known::Clean, Known::Unwritten][usize::from(what)];
                known.set(&(ChunkIndex(start)..ChunkIndex(start + more)), what);
            }
            known
        })
    }

    proptest! {
        #[test]
        fn rescaling_never_loses_a_dirty_sector(known in knowledge(), sync in 1u64..700, shift in 0u32..5) {
            let to = Coverage::new(Sectors(sync), 512 << shift).unwrap();
            let scaled = known.rescaled(to).unwrap();
            let (old, new) = (sectors(&known), sectors(&scaled));
            let chunk = (1usize << shift).max(1);
            for (sector, now) in new.iter().enumerate() {
                let first = sector / chunk * chunk;
                let group = first..(first + chunk).min(new.len());
                let olds: Vec<Known> = group.map(|s| old.get(s).copied().unwrap_or(Known::Dirty)).collect();
                let expected = match olds {
                    _ if olds.contains(&Known::Dirty) => Known::Dirty,
                    _ if olds.iter().all(|k| *k == Known::Clean) => Known::Clean,
                    _ if olds.iter().all(|k| *k == Known::Unwritten) => Known::Unwritten,
                    _ => Known::Dirty,
                };
                prop_assert_eq!(*now, expected, "sector {}", sector);
            }
            // There and back: never less than there was.
            let back = scaled.rescaled(known.coverage()).unwrap();
            for (sector, (was, now)) in old.iter().zip(sectors(&back)).enumerate() {
                prop_assert!(*was != Known::Dirty || now == Known::Dirty, "sector {}", sector);
                prop_assert!(now != Known::Clean || *was == Known::Clean, "sector {}", sector);
                prop_assert!(now != Known::Unwritten || *was == Known::Unwritten, "sector {}", sector);
            }
        }

        #[test]
        fn uniting_is_what_both_know(a in knowledge(), b in knowledge()) {
            let b = b.rescaled(a.coverage()).unwrap();
            let mut united = a.clone();
            united.unite(&b).unwrap();
            for chunk in (0..a.coverage().chunks()).map(ChunkIndex) {
                let expected = if a.of(chunk) == b.of(chunk) { a.of(chunk) } else { Known::Dirty };
                prop_assert_eq!(united.of(chunk), expected);
                prop_assert_eq!(united.bits().contains(chunk), expected != Known::Clean);
            }
        }
    }

    #[test]
    fn marks_of_both_kinds_are_understood() {
        let coverage = Coverage::new(Sectors(16), 512).unwrap();
        let run = |chunk: u64, mark| {
            Ok::<_, TooManyChunks>(DumpRun {
                chunks: ChunkIndex(chunk)..ChunkIndex(chunk + 1),
                mark,
            })
        };
        let states = (0..9).map(|state| run(u64::from(state), RunMark::State(state)));
        let known = Knowledge::of_runs(coverage, true, states).unwrap();
        use Known::{Clean as C, Dirty as D, Unwritten as U};
        let found: Vec<Known> = (0..10).map(|chunk| known.of(ChunkIndex(chunk))).collect();
        assert_eq!(found, [U, C, D, D, D, U, U, U, D, U]);
        let bits = [run(1, RunMark::Dirty), run(3, RunMark::Missing)];
        let known = Knowledge::of_runs(coverage, false, bits).unwrap();
        assert_eq!(known.dirty().count(), 2);
        assert_eq!(known.dirty_bytes(true), 1024);
        assert!(known.unwritten().is_empty());
    }
}
