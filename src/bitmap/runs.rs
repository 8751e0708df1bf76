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
        }
    }

    fn advance(&mut self) -> Result<Option<Range<ChunkIndex>>, BitmapError> {
        while self.position < self.area.present {
            if !self.reader.chunks.contains(&self.position) {
                self.reader.load(self.store.0, &self.area, self.position)?;
            }
            let chunks = self.reader.chunks.clone();
            let wanted = self.position - chunks.start..chunks.end - chunks.start;
            let dirty = self.open.is_none();
            let found = (self.area.encoding)
                .find(self.reader.cells(), wanted, dirty)
                .map(|at| at + chunks.start);
            self.position = found.unwrap_or(chunks.end);
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
