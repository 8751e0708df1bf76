//! What a bitmap says about every chunk, streamed as runs: for dumps.

use super::encoding::Encoding;
use super::error::BitmapError;
use super::runs::Runs;
use super::view::Bitmap;
use super::window::{Area, Reader};
use crate::device::Store;
use crate::format::dump_text::{DumpRun, RunMark};
use crate::format::popcount;
use crate::units::ChunkIndex;
use std::ops::Range;

/// Iterator of the maximal runs of chunks about which a bitmap says the same, in order: set bits, or
/// the states of version 6 but Unwritten. What is not listed is clean or unwritten; chunks past the
/// end of the store are [`RunMark::Missing`]. It ends after the first error.
pub struct Marks<'a>(Inner<'a>);

enum Inner<'a> {
    Bits {
        runs: Box<Runs<'a>>,
        /// Chunks whose bits are there.
        present: u64,
        /// The missing part of a run whose first part was given.
        rest: Option<Range<u64>>,
    },
    States(Box<States<'a>>),
}

/// Reading of state bytes.
struct States<'a> {
    store: &'a dyn Store,
    area: Area,
    reader: Reader,
    position: u64,
    failed: bool,
}

impl std::fmt::Debug for Marks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marks").finish_non_exhaustive()
    }
}

impl<'a> Bitmap<'a> {
    /// What is said about every chunk; see [`Marks`].
    ///
    /// # Errors
    /// As [`Bitmap::count`] when there is nothing to read; read errors come from the iterator.
    pub fn marks(&self) -> Result<Marks<'a>, BitmapError> {
        let area = self.area()?;
        Ok(Marks(match area.encoding {
            Encoding::Bits(_) => Inner::Bits {
                runs: Box::new(self.runs()?),
                present: area.present,
                rest: None,
            },
            Encoding::States => Inner::States(Box::new(States {
                reader: Reader::new(self.store, &area),
                store: self.store,
                area,
                position: 0,
                failed: false,
            })),
        }))
    }
}

fn run(chunks: Range<u64>, mark: RunMark) -> DumpRun {
    DumpRun {
        chunks: ChunkIndex(chunks.start)..ChunkIndex(chunks.end),
        mark,
    }
}

impl States<'_> {
    /// The next run, of any state.
    fn advance(&mut self) -> Result<Option<DumpRun>, BitmapError> {
        let start = self.position;
        let mut state = None;
        while self.position < self.area.present {
            if !self.reader.chunks.contains(&self.position) {
                self.reader.load(self.store, &self.area, self.position)?;
            }
            let at = (self.position - self.reader.chunks.start) as usize;
            let here = (self.reader.chunks.end - self.position) as usize;
            let cells = self.reader.cells().get(at..at.saturating_add(here));
            let cells = cells.unwrap_or_default();
            let Some(&first) = cells.first() else { break };
            let state = *state.get_or_insert(first);
            // Short runs are common; the wide scan is for long ones.
            let equal = match cells.get(1) {
                Some(&second) if first == state && second != state => 1,
                _ => popcount::leading_equal(cells, state),
            };
            self.position += equal as u64;
            if equal < cells.len() {
                break;
            }
        }
        if let Some(state) = state {
            return Ok(Some(run(start..self.position, RunMark::State(state))));
        }
        self.position = self.area.chunks;
        Ok((start < self.position).then(|| run(start..self.position, RunMark::Missing)))
    }

    fn next(&mut self) -> Option<Result<DumpRun, BitmapError>> {
        while !self.failed {
            match self.advance() {
                Ok(Some(found)) if found.mark == RunMark::State(0) => {}
                Ok(found) => return found.map(Ok),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Iterator for Marks<'_> {
    type Item = Result<DumpRun, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (runs, present, rest) = match &mut self.0 {
            Inner::States(states) => return states.next(),
            Inner::Bits {
                runs,
                present,
                rest,
            } => (runs, *present, rest),
        };
        if let Some(missing) = rest.take() {
            return Some(Ok(run(missing, RunMark::Missing)));
        }
        let found = match runs.next()? {
            Ok(found) => found.start.0..found.end.0,
            Err(error) => return Some(Err(error)),
        };
        if found.start >= present {
            return Some(Ok(run(found, RunMark::Missing)));
        }
        if found.end > present {
            *rest = Some(present..found.end);
        }
        Some(Ok(run(found.start..found.end.min(present), RunMark::Dirty)))
    }
}

impl std::iter::FusedIterator for Marks<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryStore;
    use crate::format::bit_array::BitOrder;
    use crate::format::bitmap_super::{BITMAP_MAGIC, BITMAP_SUPER_BYTES, RawBitmapSuper};
    use crate::units::Bytes;
    use proptest::prelude::*;

    fn image(version: u32, chunks: u64, cells: &[u8]) -> MemoryStore {
        let mut raw = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
        raw.magic = BITMAP_MAGIC;
        raw.version = version;
        raw.chunksize = if version == 6 { 8 } else { 4096 };
        raw.sync_size_sectors = chunks * 8;
        let mut bytes = raw.to_bytes().to_vec();
        bytes.resize(if version == 6 { 1024 } else { 256 }, 0xff);
        bytes.extend(cells);
        MemoryStore::new("m", bytes)
    }

    /// What every chunk is, one by one.
    fn naive(version: u32, chunks: u64, cells: &[u8]) -> Vec<Option<RunMark>> {
        let chunk = |chunk: u64| {
            let bits = version != 6;
            let byte = cells.get(if bits { chunk / 8 } else { chunk } as usize);
            match byte {
                None => Some(RunMark::Missing),
                Some(byte) if bits => (byte >> (chunk % 8) & 1 == 1).then_some(RunMark::Dirty),
                Some(0) => None,
                Some(state) => Some(RunMark::State(*state)),
            }
        };
        (0..chunks).map(chunk).collect()
    }

    fn cells() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            (0usize..9000, 0u8..10).prop_map(|(len, byte)| vec![byte; len]),
            proptest::collection::vec(prop_oneof![Just(0u8), Just(255), 0u8..10], 0..50),
        ];
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn runs_are_those_of_the_naive_model(version in prop_oneof![Just(4u32), Just(6)], cells in cells(), more in 0u64..70) {
            let there = if version == 6 { cells.len() as u64 } else { cells.len() as u64 * 8 };
            let chunks = (there + more).saturating_sub(20);
            let store = image(version, chunks, &cells);
            let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
            let runs: Vec<DumpRun> = bitmap.with_window(4096).marks().unwrap().map(Result::unwrap).collect();
            for pair in runs.windows(2) {
                let touch = pair[0].chunks.end == pair[1].chunks.start;
                prop_assert!(pair[0].chunks.end <= pair[1].chunks.start);
                prop_assert!(!touch || pair[0].mark != pair[1].mark);
            }
            let mut found = vec![None; chunks as usize];
            for run in runs {
                for chunk in run.chunks.start.0..run.chunks.end.0 {
                    found[chunk as usize] = Some(run.mark);
                }
            }
            prop_assert_eq!(found, naive(version, chunks, &cells));
        }
    }
}
