//! Where dirt comes from: the ranges that a bitmap marks, as it counts, from one source or several.

use super::merge::{Coalesced, Merged, Tally};
use super::{Pieces, READERS_TOGETHER};
use crate::array::verdict::Scope;
use crate::bitmap::{Bitmap, BitmapError};
use crate::format::coverage::Coverage;
use crate::units::{Bytes, ChunkIndex, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// The least that a reader reads at a time, in bytes: a page is a block on every device.
const LEAST_WINDOW: u64 = 4096;

/// Something that marks ranges dirty.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// The chunks that a bitmap (or one slot of a clustered one) marks. What it does not cover of
    /// the size wanted is dirty.
    Marked(Bitmap<'a>),
    /// The chunks of a bitmap that the kernel would resynchronise.
    Resync(Bitmap<'a>, Scope),
    /// What any of these marks: the slots of a clustered bitmap.
    AnyOf(Vec<Source<'a>>),
    /// Everything: what cannot be read may be dirty.
    All,
}

impl<'a> Source<'a> {
    /// The smallest range that it marks, in sectors; at least 1.
    fn finest(&self) -> u64 {
        let bitmap = match self {
            Source::Marked(bitmap) | Source::Resync(bitmap, _) => bitmap,
            Source::AnyOf(sources) => return finest(sources),
            Source::All => return u64::MAX,
        };
        let chunk = bitmap.coverage().map_or(0, Coverage::chunk_bytes);
        // Odd sizes are rounded outwards, so two of them may be a sector apart.
        if chunk.is_multiple_of(SECTOR_BYTES) {
            (chunk / SECTOR_BYTES).max(1)
        } else {
            1
        }
    }

    fn open(&self, size: Sectors, window: u64) -> Result<Pieces<'a>, BitmapError> {
        match self {
            Source::All => Ok(Box::new(std::iter::once(Ok(Sectors(0)..size)))),
            Source::AnyOf(sources) => {
                let window = window_of_one(window, sources.len());
                let streams: Result<Vec<_>, _> = sources
                    .iter()
                    .map(|source| source.open(size, window))
                    .collect();
                Ok(Box::new(Coalesced::new(Merged::of(streams?))))
            }
            Source::Marked(bitmap) => marked(bitmap.clone().with_window(window), size),
            Source::Resync(bitmap, scope) => {
                let bitmap = bitmap.clone().with_window(window);
                let (Some(coverage), Some(runs)) = (scope.coverage(), scope.runs(&bitmap)?) else {
                    return Ok(Box::new(std::iter::empty()));
                };
                let sectors = SectorsOf::new(coverage, size);
                Ok(Box::new(runs.map(move |run| Ok(sectors.range(&run?)))))
            }
        }
    }
}

/// The smallest range that any of them marks.
fn finest(sources: &[Source<'_>]) -> u64 {
    let all = sources.iter().map(Source::finest);
    all.min().unwrap_or(u64::MAX)
}

/// The window of each of `readers` that share `bytes`.
fn window_of_one(bytes: u64, readers: usize) -> u64 {
    (bytes / (readers as u64).max(1)).max(LEAST_WINDOW)
}

/// The marked ranges of `bitmap` below `size`, and what it does not cover of it.
fn marked(bitmap: Bitmap<'_>, size: Sectors) -> Result<Pieces<'_>, BitmapError> {
    let Some(own) = bitmap.coverage() else {
        // The count says what is missing.
        return bitmap
            .runs()
            .map(|_| Box::new(std::iter::empty()) as Pieces<'_>);
    };
    let chunks_end = own.chunks_wide() * u128::from(own.chunk_bytes()) / u128::from(SECTOR_BYTES);
    let covered = Sectors(u64::try_from(chunks_end).unwrap_or(u64::MAX)).min(size);
    let sectors = SectorsOf::new(own.with_sync_size(covered), size);
    let runs = bitmap.with_sync_size(covered).runs()?;
    let ranges = runs.map(move |run| Ok(sectors.range(&run?)));
    if covered < size {
        return Ok(Box::new(ranges.chain(std::iter::once(Ok(covered..size)))));
    }
    Ok(Box::new(ranges))
}

/// Chunks to sectors, rounded outwards and clipped.
#[derive(Clone, Copy)]
struct SectorsOf {
    coverage: Coverage,
    /// Sectors a chunk, where that is whole.
    whole: Option<u64>,
    size: Sectors,
}

impl SectorsOf {
    fn new(coverage: Coverage, size: Sectors) -> Self {
        let chunk = coverage.chunk_bytes();
        SectorsOf {
            coverage,
            whole: (chunk.is_multiple_of(SECTOR_BYTES)).then_some(chunk / SECTOR_BYTES),
            size: size.min(coverage.sync_size()),
        }
    }

    #[inline]
    fn range(&self, chunks: &Range<ChunkIndex>) -> Range<Sectors> {
        if let Some(chunk) = self.whole {
            let at = |index: ChunkIndex| Sectors(index.0.saturating_mul(chunk)).min(self.size);
            return at(chunks.start)..at(chunks.end);
        }
        let bytes = self.coverage.bytes_of(chunks);
        let wide = |bytes: u128| Bytes(u64::try_from(bytes).unwrap_or(u64::MAX));
        let start = wide(bytes.start).sectors_floor().min(self.size);
        start..wide(bytes.end).sectors_ceil().min(self.size)
    }
}

/// The union of sources that count alike, over the first `size` sectors.
#[derive(Debug, Clone)]
pub struct Dirt<'a> {
    /// What marks; one bitmap, its slots, or several members' copies.
    sources: Vec<Source<'a>>,
    /// What each of them marked, and behind that what all together did.
    tallies: Vec<Tally>,
    size: Sectors,
}

impl<'a> Dirt<'a> {
    /// The union of `sources` below `size`.
    pub fn new(sources: Vec<Source<'a>>, size: Sectors) -> Self {
        Dirt {
            tallies: (0..=sources.len()).map(|_| Tally::default()).collect(),
            sources,
            size,
        }
    }

    /// Sectors that are looked at, as the bitmap counts.
    pub fn size(&self) -> Sectors {
        self.size
    }

    /// The smallest range that any source marks, in sectors; at least 1.
    pub fn finest(&self) -> u64 {
        finest(&self.sources)
    }

    /// The dirty ranges, ascending and apart from each other. `readers` streams of this dirt are
    /// read at the same time, and share their memory.
    ///
    /// # Errors
    /// [`BitmapError`] when there are no bits to read; read errors come from the stream.
    pub fn open(&self, readers: u32) -> Result<Pieces<'a>, BitmapError> {
        let window = READERS_TOGETHER / u64::from(readers.max(1));
        let window = window_of_one(window, self.sources.len());
        let streams = self.sources.iter().zip(&self.tallies);
        let streams: Result<Vec<Pieces<'a>>, BitmapError> = streams
            .map(|(source, tally)| {
                tally.reset();
                let stream = source.open(self.size, window)?;
                Ok(match self.sources.len() {
                    1 => stream,
                    _ => tally.count(stream),
                })
            })
            .collect();
        let union: Pieces<'a> = Box::new(Coalesced::new(Merged::of(streams?)));
        Ok(match self.tallies.last() {
            Some(tally) if self.sources.len() > 1 => {
                tally.reset();
                tally.count(union)
            }
            _ => union,
        })
    }

    /// The sectors that each source marked in the stream that was opened last and read to its end,
    /// and behind them those of the union: all are equal exactly when the sources agree. Empty for
    /// one source.
    pub fn tallies(&self) -> Vec<u128> {
        match self.sources.len() {
            1 => Vec::new(),
            _ => self.tallies.iter().map(Tally::sectors).collect(),
        }
    }

    /// Reads everything, and says whether all sources mark the same.
    ///
    /// # Errors
    /// [`BitmapError`] of any source.
    pub fn agree(&self) -> Result<bool, BitmapError> {
        for range in self.open(1)? {
            range?;
        }
        let tallies = self.tallies();
        Ok(tallies.iter().all(|tally| Some(tally) == tallies.last()))
    }
}
