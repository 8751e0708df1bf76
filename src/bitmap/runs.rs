//! The dirty runs of a bitmap, streamed.

use super::error::BitmapError;
use super::window::{Area, Reader};
use crate::device::Store;
use crate::units::ChunkIndex;
use std::ops::Range;

/// Iterator of the maximal runs of dirty chunks: in order, runs over window borders merged,
/// chunks past the end of the store dirty. It ends after the first error.
#[derive(Debug)]
pub struct Runs<'a> {
    store: StoreRef<'a>,
    area: Area,
    reader: Reader,
    /// Everything before this chunk has been dealt with.
    position: u64,
    /// Where the run that is still growing began.
    open: Option<u64>,
    /// The word that the last border was found in: borders lie close together in a busy bitmap.
    word: Option<Word>,
}

/// 64 chunks of the window in memory, all of them present.
#[derive(Debug, Clone, Copy)]
struct Word {
    /// The first of them.
    first: u64,
    /// Bit i is set when chunk `first + i` is dirty.
    dirty: u64,
}

impl Word {
    /// Chunks of a word.
    const CHUNKS: u64 = u64::BITS as u64;

    /// The first chunk from `position` on, which lies in the word, that is dirty, or that is not.
    #[inline]
    fn find(self, position: u64, dirty: bool) -> Option<u64> {
        let flip = if dirty { 0 } else { u64::MAX };
        let rest = (self.dirty ^ flip) & (u64::MAX << (position - self.first));
        (rest != 0).then(|| self.first + u64::from(rest.trailing_zeros()))
    }
}

struct StoreRef<'a>(&'a dyn Store);

impl std::fmt::Debug for StoreRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

impl<'a> Runs<'a> {
    pub(super) fn new(store: &'a dyn Store, area: Area) -> Self {
        Self {
            reader: Reader::new(store, &area),
            store: StoreRef(store),
            area,
            position: 0,
            open: None,
            word: None,
        }
    }

    /// The first chunk of the window from the present position on that is dirty, or that is not.
    #[inline]
    fn find(&mut self, dirty: bool) -> Option<u64> {
        let mut position = self.position;
        if let Some(word) = self.word {
            if let Some(found) = word.find(position, dirty) {
                return Some(found);
            }
            position = word.first + Word::CHUNKS;
        }
        let (window, cells) = (self.reader.chunks.clone(), self.reader.cells());
        let local = position - window.start..window.end - window.start;
        let found = self.area.encoding.find(cells, local, dirty);
        self.word = found.and_then(|found| {
            let index = found / Word::CHUNKS;
            let first = window.start + index * Word::CHUNKS;
            let whole = first + Word::CHUNKS <= window.end;
            let dirty = self.area.encoding.word(cells, index).filter(|_| whole)?;
            Some(Word { first, dirty })
        });
        found.map(|found| found + window.start)
    }

    fn advance(&mut self) -> Result<Option<Range<ChunkIndex>>, BitmapError> {
        while self.position < self.area.present {
            if !self.reader.chunks.contains(&self.position) {
                self.word = None;
                self.reader.load(self.store.0, &self.area, self.position)?;
            }
            let found = self.find(self.open.is_none());
            self.position = found.unwrap_or(self.reader.chunks.end);
            match (found, self.open.take()) {
                (Some(end), Some(start)) => return Ok(Some(ChunkIndex(start)..ChunkIndex(end))),
                (Some(start), None) => self.open = Some(start),
                (None, open) => self.open = open,
            }
        }
        // What is left is past the end of the store: dirty.
        let start = self.open.take().unwrap_or(self.position);
        self.position = self.area.chunks;
        let run = ChunkIndex(start)..ChunkIndex(self.area.chunks);
        Ok((run.start < run.end).then_some(run))
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<Range<ChunkIndex>, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            self.open = None;
            self.position = self.area.chunks;
        }
        result.transpose()
    }
}

impl std::iter::FusedIterator for Runs<'_> {}
