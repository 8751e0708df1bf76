//! A version 6 bitmap as it is once it is loaded, streamed; and the runs of chunks that need sync.

use super::outcome::needs_sync;
use super::scope::States;
use crate::bitmap::{Bitmap, BitmapError};
use crate::device::Store;
use crate::format::bitmap_super::STATES_OFFSET;
use crate::format::lockless::ChunkState;
use crate::units::{Bytes, ChunkIndex};
use std::ops::Range;

/// Bytes read at a time; a multiple of every unit. Small in tests, so that runs cross the borders.
const WINDOW: usize = if cfg!(test) { 4096 } else { 1 << 20 };

/// Reads the states window by window and loads them, unit by unit, as the kernel would.
pub(super) struct StateWindows<'a> {
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
    /// Bytes to read at a time.
    window: usize,
    buffer: Vec<u8>,
}

/// A piece of the states after loading.
pub(super) struct LoadedWindow<'b> {
    /// Chunk of the first state.
    pub first: u64,
    /// The states; none where the window holds nothing but the header.
    pub states: &'b [u8],
}

impl<'a> StateWindows<'a> {
    /// The states of `bitmap`.
    pub(super) fn new(states: States, bitmap: &Bitmap<'a>) -> Self {
        let (store, start) = (bitmap.store(), bitmap.start().0);
        let end = STATES_OFFSET.saturating_add(states.coverage.chunks());
        let there = store.len().0.saturating_sub(start);
        let whole = end.checked_next_multiple_of(unit_bytes(&states) as u64);
        StateWindows {
            states,
            store,
            start,
            end,
            present: there.min(whole.unwrap_or(u64::MAX)),
            position: 0,
            window: window(bitmap),
            buffer: Vec::new(),
        }
    }

    /// The next window; `None` behind the last that lies on the store.
    pub(super) fn next(&mut self) -> Result<Option<LoadedWindow<'_>>, BitmapError> {
        let position = self.position;
        let left = usize::try_from(self.present.saturating_sub(position)).unwrap_or(self.window);
        if left == 0 {
            return Ok(None);
        }
        let inside = self.load(position, left.min(self.window))?;
        self.position = position.saturating_add(self.buffer.len() as u64);
        let first = position.saturating_add(inside.start as u64);
        Ok(Some(LoadedWindow {
            first: first.saturating_sub(STATES_OFFSET),
            states: self.buffer.get(inside).unwrap_or_default(),
        }))
    }

    /// Chunks whose states lie past the end of the store. They need sync.
    pub(super) fn missing(&self) -> u64 {
        let chunks = self.states.coverage.chunks();
        chunks - self.present.saturating_sub(STATES_OFFSET).min(chunks)
    }

    /// Reads no more: what is left counts neither as loaded nor as missing.
    fn abandon(&mut self) {
        self.position = self.present;
        self.buffer.clear();
    }

    /// Reads and loads `len` bytes at `position`, which is the border of a unit; says which of them
    /// are states.
    fn load(&mut self, position: u64, len: usize) -> Result<Range<usize>, BitmapError> {
        self.read(position, len)?;
        let mut at = position;
        for unit in self.buffer.chunks_mut(unit_bytes(&self.states)) {
            let inside = states_in(at, unit.len(), self.end);
            at += unit.len() as u64;
            self.states.model.load_unit(unit, inside);
        }
        Ok(states_in(position, self.buffer.len(), self.end))
    }

    fn read(&mut self, position: u64, len: usize) -> Result<(), BitmapError> {
        self.buffer.resize(len, 0);
        let place = Bytes(self.start.saturating_add(position));
        Ok(self.store.read_at(place, &mut self.buffer)?)
    }

    /// The state of `chunk` on disk and once it is loaded; `None` past the end of the store.
    pub(super) fn chunk(
        states: States,
        bitmap: &Bitmap<'a>,
        chunk: ChunkIndex,
    ) -> Result<Option<(ChunkState, ChunkState)>, BitmapError> {
        let mut windows = StateWindows::new(states, bitmap);
        let unit = unit_bytes(&states) as u64;
        let byte = STATES_OFFSET.saturating_add(chunk.0);
        if byte >= windows.present {
            return Ok(None);
        }
        let position = byte - byte % unit;
        let len = usize::try_from(unit.min(windows.present - position)).unwrap_or_default();
        let at = usize::try_from(byte - position).unwrap_or_default();
        let state = |buffer: &[u8]| buffer.get(at).map(|byte| ChunkState::from_byte(*byte));
        windows.read(position, len)?;
        let before = state(&windows.buffer);
        windows.load(position, len)?;
        Ok(before.zip(state(&windows.buffer)))
    }
}

impl std::fmt::Debug for StateWindows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateWindows")
            .field("store", &self.store.name())
            .field("states", &self.states)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Iterator of the maximal runs that need sync, in order. States past the end of the store do.
#[derive(Debug)]
pub(super) struct StateRuns<'a> {
    windows: StateWindows<'a>,
    /// States of the present window.
    window: Vec<u8>,
    /// The chunk of the first of them.
    first: u64,
    /// Everything in the window before this place has been dealt with.
    at: usize,
    /// Where the run that is still growing began.
    open: Option<u64>,
    done: bool,
}

impl<'a> StateRuns<'a> {
    /// The runs of `bitmap`.
    pub(super) fn new(states: States, bitmap: &Bitmap<'a>) -> Self {
        StateRuns {
            windows: StateWindows::new(states, bitmap),
            window: Vec::new(),
            first: 0,
            at: 0,
            open: None,
            done: false,
        }
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
            let Some(window) = self.windows.next()? else {
                return Ok(self.rest());
            };
            (self.first, self.at) = (window.first, 0);
            self.window.clear();
            self.window.extend_from_slice(window.states);
        }
    }

    /// What lies past the end of the store.
    fn rest(&mut self) -> Option<Range<ChunkIndex>> {
        if std::mem::replace(&mut self.done, true) {
            return None;
        }
        let chunks = self.windows.states.coverage.chunks();
        let run = self.open.take().unwrap_or(chunks - self.windows.missing())..chunks;
        (run.start < run.end).then_some(ChunkIndex(run.start)..ChunkIndex(run.end))
    }
}

impl Iterator for StateRuns<'_> {
    type Item = Result<Range<ChunkIndex>, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.advance();
        if result.is_err() {
            (self.done, self.open) = (true, None);
            self.window.clear();
            self.windows.abandon();
        }
        result.transpose()
    }
}

/// Bytes to read at a time: no more than the bitmap is read by, in whole units.
fn window(bitmap: &Bitmap<'_>) -> usize {
    let wanted = usize::try_from(bitmap.window()).unwrap_or(WINDOW);
    wanted.clamp(4096, WINDOW) / 4096 * 4096
}

fn unit_bytes(states: &States) -> usize {
    states.unit_bytes.clamp(512, 4096)
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
