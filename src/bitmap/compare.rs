//! How two bitmaps differ, streamed: as many runs in memory as there are sources.

use super::encoding::Encoding;
use super::error::BitmapError;
use super::view::Bitmap;
use super::window::{Area, Reader};
use crate::units::ChunkIndex;
use std::ops::Range;

/// Which of two bitmaps marks chunks that the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first.
    First,
    /// The second.
    Second,
}

/// A run of chunks that one bitmap alone calls dirty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The bitmap that does.
    pub dirty_in: Side,
    /// The chunks; never empty.
    pub chunks: Range<ChunkIndex>,
}

/// Iterator of the runs of chunks that are dirty in one of two sources and not in the other: in
/// order, maximal where the runs of the sources are. It ends after the first error.
///
/// The sources are runs in ascending order, such as [`Bitmap::runs`] or those of a dump.
#[derive(Debug)]
pub struct Differences<A, B> {
    first: Source<A>,
    second: Source<B>,
}

/// A source, and what of its current run has not been dealt with.
#[derive(Debug)]
struct Source<I> {
    runs: Option<I>,
    rest: Option<Range<u64>>,
}

impl<I> Source<I> {
    fn new(runs: I) -> Self {
        Self {
            runs: Some(runs),
            rest: None,
        }
    }

    /// The rest of the current run; the next run when that is used up.
    fn peek<E>(&mut self) -> Result<Option<Range<u64>>, E>
    where
        I: Iterator<Item = Result<Range<ChunkIndex>, E>>,
    {
        while self.rest.as_ref().is_none_or(Range::is_empty) {
            match self.runs.as_mut().and_then(Iterator::next) {
                Some(run) => self.rest = Some(run.map(|run| run.start.0..run.end.0)?),
                None => {
                    self.runs = None;
                    return Ok(None);
                }
            }
        }
        Ok(self.rest.clone())
    }

    fn skip_to(&mut self, chunk: u64) {
        if let Some(rest) = &mut self.rest {
            rest.start = chunk;
        }
    }
}

impl<A, B, E> Differences<A, B>
where
    A: Iterator<Item = Result<Range<ChunkIndex>, E>>,
    B: Iterator<Item = Result<Range<ChunkIndex>, E>>,
{
    /// Compares two sources of runs, which should count chunks of the same size.
    pub fn new(first: A, second: B) -> Self {
        Self {
            first: Source::new(first),
            second: Source::new(second),
        }
    }

    fn advance(&mut self) -> Result<Option<Difference>, E> {
        loop {
            let (dirty_in, run) = match (self.first.peek()?, self.second.peek()?) {
                (None, None) => return Ok(None),
                (Some(run), None) => (Side::First, run),
                (None, Some(run)) => (Side::Second, run),
                (Some(a), Some(b)) if a.start < b.start => {
                    (Side::First, a.start..a.end.min(b.start))
                }
                (Some(a), Some(b)) if b.start < a.start => {
                    (Side::Second, b.start..b.end.min(a.start))
                }
                (Some(a), Some(b)) => {
                    let common = a.end.min(b.end);
                    self.first.skip_to(common);
                    self.second.skip_to(common);
                    continue;
                }
            };
            match dirty_in {
                Side::First => self.first.skip_to(run.end),
                Side::Second => self.second.skip_to(run.end),
            }
            let chunks = ChunkIndex(run.start)..ChunkIndex(run.end);
            return Ok(Some(Difference { dirty_in, chunks }));
        }
    }

    fn stop(&mut self) {
        (self.first.runs, self.first.rest) = (None, None);
        (self.second.runs, self.second.rest) = (None, None);
    }
}

impl<A, B, E> Iterator for Differences<A, B>
where
    A: Iterator<Item = Result<Range<ChunkIndex>, E>>,
    B: Iterator<Item = Result<Range<ChunkIndex>, E>>,
{
    type Item = Result<Difference, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.stop();
        }
        result.transpose()
    }
}

/// Iterator of the runs of chunks whose state bytes differ between two bitmaps of version 6,
/// whether or not one of them calls for a resync. It ends after the first error, and where either
/// store ends: what is missing has no state.
#[derive(Debug)]
pub struct StateDifferences<'a> {
    first: Bitmap<'a>,
    second: Bitmap<'a>,
    areas: (Area, Area),
    readers: (Reader, Reader),
    position: u64,
    end: u64,
}

impl<'a> Bitmap<'a> {
    /// The runs of chunks whose states differ from those of `other`; `None` unless both have
    /// states and chunks of the same size.
    ///
    /// # Errors
    /// As [`Bitmap::count`]; read errors come from the iterator.
    pub fn state_differences(
        &self,
        other: &Bitmap<'a>,
    ) -> Result<Option<StateDifferences<'a>>, BitmapError> {
        let (a, b) = (self.area()?, other.area()?);
        let states = a.encoding == Encoding::States && b.encoding == Encoding::States;
        if !states || a.coverage.chunk_bytes() != b.coverage.chunk_bytes() {
            return Ok(None);
        }
        Ok(Some(StateDifferences {
            readers: (Reader::new(self.store, &a), Reader::new(other.store, &b)),
            first: self.clone(),
            second: other.clone(),
            position: 0,
            end: a.present.min(b.present),
            areas: (a, b),
        }))
    }
}

/// The states from chunk `position` to `end`, which lie in the window that `reader` holds.
fn rest(reader: &Reader, position: u64, end: u64) -> &[u8] {
    let base = reader.chunks.start;
    let range = (position - base) as usize..(end - base) as usize;
    reader.cells().get(range).unwrap_or_default()
}

impl StateDifferences<'_> {
    /// The first chunk from the position on whose states differ, or do not.
    fn find(&mut self, different: bool) -> Result<Option<u64>, BitmapError> {
        while self.position < self.end {
            let (first, second) = (&mut self.readers.0, &mut self.readers.1);
            if !first.chunks.contains(&self.position) {
                first.load(self.first.store, &self.areas.0, self.position)?;
            }
            if !second.chunks.contains(&self.position) {
                second.load(self.second.store, &self.areas.1, self.position)?;
            }
            let end = first.chunks.end.min(second.chunks.end).min(self.end);
            let position = self.position;
            let (a, b) = (rest(first, position, end), rest(second, position, end));
            let at = (a.iter().zip(b)).position(|(a, b)| (a != b) == different);
            if let Some(at) = at {
                self.position += at as u64;
                return Ok(Some(self.position));
            }
            self.position = end;
        }
        Ok(None)
    }

    fn advance(&mut self) -> Result<Option<Range<ChunkIndex>>, BitmapError> {
        let Some(start) = self.find(true)? else {
            return Ok(None);
        };
        let end = self.find(false)?.unwrap_or(self.end);
        Ok(Some(ChunkIndex(start)..ChunkIndex(end)))
    }
}

impl Iterator for StateDifferences<'_> {
    type Item = Result<Range<ChunkIndex>, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.position = self.end;
        }
        result.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryStore;
    use crate::format::bit_array::BitOrder;
    use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
    use crate::units::Bytes;
    use proptest::prelude::*;

    fn store(version: u32, chunks: u64, cells: &[u8]) -> MemoryStore {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        (raw.magic, raw.version) = (BITMAP_MAGIC, version);
        raw.chunksize = if version == 6 { 8 } else { 4096 };
        raw.sync_size_sectors = chunks * 8;
        let start = if version == 6 { 1024 } else { 256 };
        let mut image = raw.to_bytes().to_vec();
        image.resize(start, 0);
        image.extend_from_slice(cells);
        MemoryStore::new("image", image)
    }

    fn open(store: &MemoryStore, window: u64) -> Bitmap<'_> {
        let mut bitmap = Bitmap::open(store, Bytes(0), BitOrder::Little).unwrap();
        bitmap.window = window;
        bitmap
    }

    fn differences(a: &Bitmap<'_>, b: &Bitmap<'_>) -> Vec<Difference> {
        let all = Differences::new(a.runs().unwrap(), b.runs().unwrap());
        all.map(Result::unwrap).collect()
    }

    fn naive(a: &[bool], b: &[bool]) -> Vec<(u64, Side)> {
        let side = |a: bool| if a { Side::First } else { Side::Second };
        let pairs = a.iter().zip(b).zip(0..);
        pairs
            .filter(|((a, b), _)| a != b)
            .map(|((a, _), at)| (at, side(*a)))
            .collect()
    }

    fn spread(found: &[Difference]) -> Vec<(u64, Side)> {
        let chunks = |d: &Difference| d.chunks.start.0..d.chunks.end.0;
        found
            .iter()
            .flat_map(|d| chunks(d).map(|at| (at, d.dirty_in)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn differences_equal_the_naive_model(
            a in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 40),
            changes in proptest::collection::vec((0usize..40, any::<u8>()), 0..20),
            cut in 0usize..=40,
        ) {
            let mut b = a.clone();
            for (at, byte) in changes {
                b[at] = byte;
            }
            let bits = |bytes: &[u8], present: usize| -> Vec<bool> {
                (0..317).map(|i| i / 8 >= present || bytes[i / 8] >> (i % 8) & 1 == 1).collect()
            };
            // The second is cut off: what is missing is dirty.
            let (first, second) = (store(4, 317, &a), store(4, 317, &b[..cut]));
            let found = differences(&open(&first, 8), &open(&second, 8));
            prop_assert_eq!(spread(&found), naive(&bits(&a, 40), &bits(&b, cut)));
            let touch = |pair: &[Difference]| {
                pair[0].chunks.end == pair[1].chunks.start && pair[0].dirty_in == pair[1].dirty_in
            };
            prop_assert!(!found.windows(2).any(touch), "not maximal: {:?}", found);
        }

        #[test]
        fn state_differences_equal_the_naive_model(
            a in proptest::collection::vec(0u8..9, 100),
            changes in proptest::collection::vec((0usize..100, 0u8..9), 0..40),
        ) {
            let mut b = a.clone();
            for (at, byte) in changes {
                b[at] = byte;
            }
            let (first, second) = (store(6, 100, &a), store(6, 100, &b));
            let (first, second) = (open(&first, 16), open(&second, 24));
            let found: Vec<Range<ChunkIndex>> =
                first.state_differences(&second).unwrap().unwrap().map(Result::unwrap).collect();
            prop_assert!(found.windows(2).all(|pair| pair[0].end < pair[1].start));
            let found: Vec<u64> = found.iter().flat_map(|run| run.start.0..run.end.0).collect();
            let naive: Vec<u64> = (0..100).filter(|&at| a[at as usize] != b[at as usize]).collect();
            prop_assert_eq!(found, naive);
        }
    }

    #[test]
    fn an_error_ends_it_and_other_runs_can_be_compared() {
        let run = |range: Range<u64>| Ok(ChunkIndex(range.start)..ChunkIndex(range.end));
        let mut all = Differences::new(
            [run(0..2), Err("unreadable"), run(5..6)].into_iter(),
            [run(1..3)].into_iter(),
        );
        let first = all.next().unwrap().unwrap();
        assert_eq!(
            (first.dirty_in, first.chunks.end),
            (Side::First, ChunkIndex(1))
        );
        assert_eq!(all.next(), Some(Err("unreadable")));
        assert_eq!(all.next(), None);
    }

    #[test]
    fn states_are_compared_with_states_only() {
        let (bits, states) = (store(4, 8, &[0]), store(6, 8, &[0; 8]));
        let (bits, states) = (open(&bits, 8), open(&states, 8));
        assert!(bits.state_differences(&states).unwrap().is_none());
        assert!(states.state_differences(&states).unwrap().is_some());
    }
}
