//! The runs of chunks that need sync once a version 6 bitmap is loaded, streamed.

use super::scope::States;
use crate::bitmap::{Bitmap, BitmapError};
use crate::device::Store;
use crate::format::bitmap_super::STATES_OFFSET;
use crate::units::{Bytes, ChunkIndex};
use std::ops::Range;

/// Bytes read at a time; a multiple of every unit. Small in tests, so that runs cross the borders.
const WINDOW: usize = if cfg!(test) { 4096 } else { 1 << 20 };

/// Iterator of the maximal runs, in order. States past the end of the store need sync.
pub(super) struct StateRuns<'a> {
    states: States,
    store: &'a dyn Store,
    /// Byte of the store at which the bitmap starts.
    start: u64,
    /// First byte past the last state, from the start of the bitmap.
    end: u64,
    /// First byte past what of it lies on the store, in whole units: what lies behind the last
    /// state takes part in the spreading.
    present: u64,
    /// Bytes before this one have been loaded.
    position: u64,
    /// What of the window belongs to chunks, after loading.
    window: Vec<u8>,
    /// The first chunk of the window.
    first: u64,
    /// Everything in the window before this place has been dealt with.
    at: usize,
    /// Where the run that is still growing began.
    open: Option<u64>,
    done: bool,
}

impl std::fmt::Debug for StateRuns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateRuns")
            .field("store", &self.store.name())
            .field("states", &self.states)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<'a> StateRuns<'a> {
    /// The runs of `bitmap`.
    pub(super) fn new(states: States, bitmap: &Bitmap<'a>) -> Self {
        let (store, start) = (bitmap.store(), bitmap.start().0);
        let end = STATES_OFFSET.saturating_add(states.coverage.chunks());
        let there = store.len().0.saturating_sub(start);
        let whole = end.checked_next_multiple_of(unit_bytes(&states) as u64);
        StateRuns {
            states,
            store,
            start,
            end,
            present: there.min(whole.unwrap_or(u64::MAX)),
            position: 0,
            window: Vec::new(),
            first: 0,
            at: 0,
            open: None,
            done: false,
        }
    }

    /// Reads the next window and loads its units as the kernel would.
    fn load(&mut self) -> Result<(), BitmapError> {
        let left = usize::try_from(self.present - self.position).unwrap_or(WINDOW);
        self.window.resize(left.min(WINDOW), 0);
        let place = Bytes(self.start.saturating_add(self.position));
        self.store.read_at(place, &mut self.window)?;
        let mut position = self.position;
        for unit in self.window.chunks_mut(unit_bytes(&self.states)) {
            let inside = states_in(position, unit.len(), self.end);
            position += unit.len() as u64;
            self.states.model.load_unit(unit, inside);
        }
        let inside = states_in(self.position, self.window.len(), self.end);
        self.first = (self.position + inside.start as u64).saturating_sub(STATES_OFFSET);
        self.window.truncate(inside.end);
        self.window.drain(..inside.start);
        self.at = 0;
        self.position = position;
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Range<ChunkIndex>>, BitmapError> {
        loop {
            while let Some(rest) = self.window.get(self.at..).filter(|rest| !rest.is_empty()) {
                let wanted = self.open.is_none();
                let found = rest.iter().position(|state| needs_sync(*state) == wanted);
                let chunk = found.map(|found| self.first + (self.at + found) as u64);
                self.at += found.unwrap_or(rest.len());
                match (chunk, self.open.take()) {
                    (Some(end), Some(start)) => {
                        return Ok(Some(ChunkIndex(start)..ChunkIndex(end)));
                    }
                    (Some(start), None) => self.open = Some(start),
                    (None, open) => self.open = open,
                }
            }
            if self.position >= self.present {
                return Ok(self.rest());
            }
            self.load()?;
        }
    }

    /// What lies past the end of the store.
    fn rest(&mut self) -> Option<Range<ChunkIndex>> {
        if std::mem::replace(&mut self.done, true) {
            return None;
        }
        let chunks = self.states.coverage.chunks();
        let there = self.present.saturating_sub(STATES_OFFSET).min(chunks);
        let run = self.open.take().unwrap_or(there)..chunks;
        (run.start < run.end).then_some(ChunkIndex(run.start)..ChunkIndex(run.end))
    }
}

impl Iterator for StateRuns<'_> {
    type Item = Result<Range<ChunkIndex>, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            (self.done, self.open, self.position) = (true, None, self.present);
            self.window.clear();
        }
        result.transpose()
    }
}

fn unit_bytes(states: &States) -> usize {
    states.unit_bytes.clamp(512, 4096)
}

fn needs_sync(state: u8) -> bool {
    state == super::reload::NEED_SYNC
}

/// Which bytes of a piece of `len` bytes at `position` are states: those behind the header and
/// before `end`.
fn states_in(position: u64, len: usize, end: u64) -> Range<usize> {
    let at = |byte: u64| {
        usize::try_from(byte.saturating_sub(position))
            .unwrap_or(len)
            .min(len)
    };
    at(STATES_OFFSET)..at(end)
}
