//! Which chunks a re-add copies, and which it takes for equal.

use crate::bitmap::{Bitmap, BitmapError, Encoding, Runs};
use crate::device::AlignedBuffer;
use crate::format::bit_array::BitArray;
use crate::format::coverage::Coverage;
use crate::format::lockless::ChunkState;
use crate::units::{Bytes, ChunkIndex, Sectors};
use std::iter::Peekable;
use std::ops::Range;

/// Bytes of states read at a time; small in tests, so that runs cross the borders.
const WINDOW: u64 = if cfg!(test) { 64 } else { 1 << 20 };

/// One copy of the bitmap, counted over the size that the array has.
#[derive(Debug, Clone)]
pub struct Marks<'a> {
    bitmap: Bitmap<'a>,
    encoding: Encoding,
    coverage: Coverage,
}

impl<'a> Marks<'a> {
    /// The marks of `bitmap` over `sync_size` sectors.
    ///
    /// # Errors
    /// As [`Bitmap::runs`] when there are no bits to read.
    pub fn new(bitmap: &Bitmap<'a>, sync_size: Sectors) -> Result<Marks<'a>, BitmapError> {
        let bitmap = bitmap.clone().with_sync_size(sync_size);
        // Says what is wrong when there is nothing to read.
        bitmap.runs()?;
        let device = || bitmap.store().name().to_owned();
        let encoding = bitmap
            .encoding()
            .ok_or_else(|| BitmapError::UnknownVersion {
                device: device(),
                found: bitmap.raw().version,
            })?;
        let coverage = bitmap
            .coverage()
            .ok_or_else(|| BitmapError::ZeroChunk { device: device() })?;
        Ok(Marks {
            bitmap,
            encoding,
            coverage,
        })
    }

    /// True when the chunks of all copies are the same ones.
    pub fn count_alike(copies: &[Marks<'_>]) -> bool {
        let mut all = copies.iter().map(Marks::coverage);
        let first = all.next();
        all.all(|coverage| Some(coverage) == first)
    }

    /// The bitmap itself.
    pub fn bitmap(&self) -> &Bitmap<'a> {
        &self.bitmap
    }

    /// What the chunks cover.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// The runs of chunks that a recovery copies (reference/kernel.md 3.6, 6.2: dirty, need sync,
    /// syncing, unknown; chunks past the end of the store).
    ///
    /// # Errors
    /// As [`Bitmap::runs`].
    pub fn copied(&self) -> Result<Runs<'a>, BitmapError> {
        self.bitmap.runs()
    }

    /// The runs of chunks that are taken for equal: bit clear; version 6: clean, and "clean
    /// unwritten", whose parity is believed to be valid. What version 6 calls unwritten holds no data
    /// (design.md 2, promise 1).
    ///
    /// # Errors
    /// As [`Bitmap::runs`].
    pub fn believed(&self) -> Result<Believed<'a>, BitmapError> {
        let end = self.coverage.chunks();
        let source = match self.encoding {
            Encoding::Bits(_) => Source::Gaps {
                runs: self.bitmap.runs()?,
                position: 0,
            },
            Encoding::States => Source::States(StateWindow::new(&self.bitmap)),
        };
        Ok(Believed { source, end })
    }

    /// True when `chunk` is taken for equal at this moment: its bit or state is read again.
    ///
    /// # Errors
    /// [`BitmapError::Store`].
    pub fn is_believed(&self, chunk: ChunkIndex) -> Result<bool, BitmapError> {
        let store = self.bitmap.store();
        let at = match self.encoding {
            Encoding::Bits(_) => chunk.0 / 64 * 8,
            Encoding::States => chunk.0,
        };
        let start = self
            .bitmap
            .start()
            .0
            .saturating_add(self.encoding.header_bytes())
            .saturating_add(at);
        let wanted = match self.encoding {
            Encoding::Bits(_) => 8,
            Encoding::States => 1,
        };
        let there = store.len().0.saturating_sub(start).min(wanted);
        if there == 0 {
            return Ok(false);
        }
        let mut cells = vec![0; usize::try_from(there).unwrap_or_default()];
        store.read_at(Bytes(start), &mut cells)?;
        Ok(match self.encoding {
            Encoding::Bits(order) => {
                let local = chunk.0 % 64;
                let bits = BitArray::new(&cells, order);
                local < order.bits_in(there) && bits.find(local..local + 1, false).is_some()
            }
            Encoding::States => cells.first().is_some_and(|state| is_believed(*state)),
        })
    }
}

fn is_believed(state: u8) -> bool {
    matches!(
        ChunkState::from_byte(state),
        ChunkState::Clean | ChunkState::CleanUnwritten
    )
}

/// Iterator of [`Marks::believed`]: maximal runs, in order; it ends after the first error.
#[derive(Debug)]
pub struct Believed<'a> {
    source: Source<'a>,
    end: u64,
}

#[derive(Debug)]
enum Source<'a> {
    /// What lies between the runs of set bits.
    Gaps { runs: Runs<'a>, position: u64 },
    /// States of version 6.
    States(StateWindow<'a>),
}

impl Iterator for Believed<'_> {
    type Item = Result<Range<ChunkIndex>, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::States(states) => states.next_run(self.end),
            Source::Gaps { runs, position } => loop {
                let start = *position;
                let (gap_end, next) = match runs.next() {
                    Some(Ok(run)) => (run.start.0, run.end.0),
                    Some(Err(error)) => {
                        *position = self.end;
                        return Some(Err(error));
                    }
                    None if start >= self.end => return None,
                    None => (self.end, self.end),
                };
                *position = next;
                if start < gap_end {
                    return Some(Ok(ChunkIndex(start)..ChunkIndex(gap_end)));
                }
            },
        }
    }
}

/// The states of a version 6 bitmap, a window of them in memory.
#[derive(Debug)]
struct StateWindow<'a> {
    bitmap: Bitmap<'a>,
    cells: AlignedBuffer,
    /// The chunks whose states `cells` holds.
    held: Range<u64>,
    position: u64,
}

impl<'a> StateWindow<'a> {
    fn new(bitmap: &Bitmap<'a>) -> Self {
        StateWindow {
            bitmap: bitmap.clone(),
            cells: AlignedBuffer::new(WINDOW as usize),
            held: 0..0,
            position: 0,
        }
    }

    /// The states from `chunk` on that are in memory; nothing past the end of the store.
    fn states_from(&mut self, chunk: u64, end: u64) -> Result<&[u8], BitmapError> {
        if !self.held.contains(&chunk) {
            let store = self.bitmap.store();
            let first = (self.bitmap.start().0)
                .saturating_add(Encoding::States.header_bytes())
                .saturating_add(chunk);
            let there = store.len().0.saturating_sub(first);
            let wanted = (end - chunk).min(WINDOW).min(there);
            self.held = chunk..chunk + wanted;
            let room = self.cells.get_mut(..wanted as usize).unwrap_or_default();
            store.read_at(Bytes(first), room)?;
        }
        let range = (chunk - self.held.start) as usize..(self.held.end - self.held.start) as usize;
        Ok(self.cells.get(range).unwrap_or_default())
    }

    fn next_run(&mut self, end: u64) -> Option<Result<Range<ChunkIndex>, BitmapError>> {
        let mut open = None;
        while self.position < end {
            let position = self.position;
            let states = match self.states_from(position, end) {
                Ok(states) => states,
                Err(error) => {
                    self.position = end;
                    return Some(Err(error));
                }
            };
            if states.is_empty() {
                // Past the end of the store: not to be believed.
                self.position = end;
                return open.map(|start| Ok(ChunkIndex(start)..ChunkIndex(position)));
            }
            let wanted = open.is_none();
            match states
                .iter()
                .position(|state| is_believed(*state) == wanted)
            {
                None => self.position += states.len() as u64,
                Some(found) => {
                    self.position += found as u64;
                    match open {
                        None => open = Some(self.position),
                        Some(start) => {
                            return Some(Ok(ChunkIndex(start)..ChunkIndex(self.position)));
                        }
                    }
                }
            }
        }
        open.map(|start| Ok(ChunkIndex(start)..ChunkIndex(end)))
    }
}

/// The union of several streams of ascending runs, as maximal runs; it ends after the first error.
pub struct Union<I: Iterator> {
    sources: Vec<Peekable<I>>,
}

impl<I: Iterator> Union<I> {
    /// The union of `sources`.
    pub fn new(sources: impl IntoIterator<Item = I>) -> Self {
        Union {
            sources: sources.into_iter().map(Iterator::peekable).collect(),
        }
    }
}

impl<I, E> Iterator for Union<I>
where
    I: Iterator<Item = Result<Range<ChunkIndex>, E>>,
{
    type Item = Result<Range<ChunkIndex>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut union: Option<Range<ChunkIndex>> = None;
        loop {
            // The source whose next run starts first; a failed one before all others.
            let next = self.sources.iter_mut().filter_map(|source| {
                let start = match source.peek()? {
                    Ok(run) => run.start,
                    Err(_) => ChunkIndex(0),
                };
                Some((start, source))
            });
            let Some((start, source)) = next.min_by_key(|(start, _)| *start) else {
                return union.map(Ok);
            };
            let is_error = matches!(source.peek(), Some(Err(_)));
            if !is_error && union.as_ref().is_some_and(|union| start > union.end) {
                return union.map(Ok);
            }
            match source.next()? {
                Err(error) => {
                    self.sources.clear();
                    return Some(Err(error));
                }
                Ok(run) => {
                    let (start, end) = union.map_or((run.start, run.end), |union| {
                        (union.start, union.end.max(run.end))
                    });
                    union = Some(start..end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryStore;
    use crate::format::bit_array::BitOrder;
    use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
    use proptest::prelude::*;

    /// A bitmap of version 4 or 6 with these cells, one a chunk of 4096 bytes.
    fn store(version: u32, cells: &[u8]) -> MemoryStore {
        let mut raw = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
        (raw.version, raw.sync_size_sectors) = (version, cells.len() as u64 * 8);
        raw.chunksize = if version == 6 { 8 } else { 4096 };
        let mut image = raw.to_bytes().to_vec();
        if version == 6 {
            image.resize(1024, 0);
            image.extend(cells);
        } else {
            let mut bits = vec![0; cells.len().div_ceil(64) * 8];
            for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| **cell != 0) {
                let _ = cell;
                bits[at / 8] |= 1 << (at % 8);
            }
            image.extend(bits);
        }
        MemoryStore::new("image", image)
    }

    fn marks<'a>(store: &'a MemoryStore, chunks: usize) -> Marks<'a> {
        let bitmap = Bitmap::open(store, Bytes(0), BitOrder::Little).unwrap();
        Marks::new(&bitmap, Sectors(chunks as u64 * 8)).unwrap()
    }

    fn flat(
        runs: impl Iterator<Item = Result<Range<ChunkIndex>, BitmapError>>,
        chunks: usize,
    ) -> Vec<bool> {
        let mut all = vec![false; chunks];
        let mut last = None;
        for run in runs {
            let run = run.unwrap();
            assert!(run.start < run.end && last < Some(run.start), "{run:?}");
            last = Some(run.end);
            (run.start.0..run.end.0).for_each(|chunk| all[chunk as usize] = true);
        }
        all
    }

    proptest! {
        #[test]
        fn bits_are_copied_or_believed(cells in proptest::collection::vec(0..2u8, 1..1500)) {
            let store = store(4, &cells);
            let marks = marks(&store, cells.len());
            let believed = flat(marks.believed().unwrap(), cells.len());
            let copied = flat(marks.copied().unwrap(), cells.len());
            for (at, cell) in cells.iter().enumerate() {
                prop_assert_eq!((believed[at], copied[at]), (*cell == 0, *cell == 1), "{}", at);
                let chunk = ChunkIndex(at as u64);
                prop_assert_eq!(marks.is_believed(chunk).unwrap(), *cell == 0);
            }
        }

        #[test]
        fn states_are_copied_believed_or_without_data(cells in proptest::collection::vec(0..10u8, 1..400)) {
            let store = store(6, &cells);
            let marks = marks(&store, cells.len());
            let believed = flat(marks.believed().unwrap(), cells.len());
            let copied = flat(marks.copied().unwrap(), cells.len());
            for (at, cell) in cells.iter().enumerate() {
                prop_assert_eq!(believed[at], [1, 7].contains(cell), "{}", at);
                prop_assert_eq!(copied[at], [2, 3, 4, 8, 9].contains(cell), "{}", at);
                prop_assert_eq!(marks.is_believed(ChunkIndex(at as u64)).unwrap(), believed[at]);
            }
        }

        #[test]
        fn a_union_has_what_any_source_has(
            sources in proptest::collection::vec(proptest::collection::vec(0..2u8, 300), 0..4)
        ) {
            let stores: Vec<MemoryStore> = sources.iter().map(|cells| store(4, cells)).collect();
            let runs = stores.iter().map(|store| marks(store, 300).copied().unwrap());
            let union = flat(Union::new(runs), 300);
            for (at, found) in union.iter().enumerate() {
                prop_assert_eq!(*found, sources.iter().any(|cells| cells[at] == 1), "{}", at);
            }
        }
    }

    #[test]
    fn what_the_store_has_lost_is_not_believed() {
        for (version, len) in [(4, 256 + 16), (6, 1024 + 100)] {
            let image = store(version, &[u8::from(version == 6); 300]);
            let mut bytes = vec![0; len];
            crate::device::Store::read_at(&image, Bytes(0), &mut bytes).unwrap();
            let cut = MemoryStore::new("cut", bytes);
            let marks = marks(&cut, 300);
            let believed = flat(marks.believed().unwrap(), 300);
            let there = if version == 4 { 128 } else { 100 };
            assert!(believed[..there].iter().all(|believed| *believed));
            assert!(!believed[there..].iter().any(|believed| *believed));
            assert!(!marks.is_believed(ChunkIndex(299)).unwrap());
        }
    }
}
