//! Reading the chunk area of a bitmap in large aligned pieces.

use super::encoding::Encoding;
use super::error::BitmapError;
use crate::device::{AlignedBuffer, Store};
use crate::format::coverage::Coverage;
use crate::units::Bytes;
use std::ops::Range;

/// Bytes read at a time.
pub const WINDOW: u64 = 1 << 20;

/// Where the chunks of a bitmap lie on its store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub encoding: Encoding,
    pub coverage: Coverage,
    /// Chunks of the bitmap.
    pub chunks: u64,
    /// Chunks whose bits are on the store: the first ones.
    pub present: u64,
    /// First byte of the chunks on the store.
    pub data_start: u64,
    /// First byte past the chunks, or past the store.
    pub data_end: u64,
    /// Window borders lie at multiples of `window` from here.
    origin: u64,
    /// Bytes read at a time, a multiple of 8.
    window: u64,
}

impl Area {
    pub fn new(
        encoding: Encoding,
        coverage: Coverage,
        start: u64,
        store_len: u64,
        window: u64,
    ) -> Self {
        let chunks = coverage.chunks();
        let data_start = start.saturating_add(encoding.header_bytes());
        let room = store_len.saturating_sub(data_start);
        let bytes = encoding.bytes_for(chunks).min(room);
        Self {
            encoding,
            coverage,
            chunks,
            present: encoding.chunks_in(bytes).min(chunks),
            data_start,
            data_end: data_start.saturating_add(bytes),
            // Aligned on the store if that keeps words of 64 bits whole, which it does wherever
            // a bitmap really lies (superblocks start at sectors).
            origin: if data_start.is_multiple_of(8) {
                0
            } else {
                data_start
            },
            window,
        }
    }

    /// The bytes of the window that holds `chunk`, on the store.
    fn window_of(&self, chunk: u64) -> Range<u64> {
        let byte = self.data_start.saturating_add(self.encoding.byte_of(chunk));
        let start = byte - (byte - self.origin) % self.window;
        start.max(self.data_start)..start.saturating_add(self.window).min(self.data_end)
    }

    /// The chunks that lie in bytes `window` of the store.
    fn chunks_of(&self, window: &Range<u64>) -> Range<u64> {
        let at = |byte: u64| match self.encoding {
            Encoding::Bits(_) => (byte - self.data_start).saturating_mul(8),
            Encoding::States => byte - self.data_start,
        };
        at(window.start)..at(window.end).min(self.present)
    }
}

/// A piece of the chunk area in memory.
#[derive(Debug)]
pub(super) struct Window<'b> {
    /// The chunks it holds.
    pub chunks: Range<u64>,
    /// Their bits or state bytes.
    pub cells: &'b [u8],
}

/// Holds one window at a time.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: AlignedBuffer,
    /// What of the buffer is the window.
    used: Range<usize>,
    /// The window's place on the store.
    pub bytes: Range<u64>,
    /// The chunks in the window.
    pub chunks: Range<u64>,
}

impl Reader {
    /// A reader with room for the largest window of `area`.
    pub fn new(store: &dyn Store, area: &Area) -> Self {
        let align = u64::from(store.logical_block_bytes().max(1));
        let longest = area.window.min(area.data_end - area.data_start);
        let room = longest.saturating_add(2 * align);
        Self {
            buffer: AlignedBuffer::new(usize::try_from(room).unwrap_or(usize::MAX)),
            used: 0..0,
            bytes: 0..0,
            chunks: 0..0,
        }
    }

    /// Reads the window that holds `chunk`, which must be present.
    pub fn load(&mut self, store: &dyn Store, area: &Area, chunk: u64) -> Result<(), BitmapError> {
        let bytes = area.window_of(chunk);
        // Whole blocks go to the device as they are; the last block of a file may be partial.
        let align = u64::from(store.logical_block_bytes().max(1));
        let first = bytes.start - bytes.start % align;
        let end = bytes.end.next_multiple_of(align).min(store.len().0);
        let (len, skip) = ((end - first) as usize, (bytes.start - first) as usize);
        self.chunks = 0..0;
        let room = self.buffer.get_mut(..len).unwrap_or_default();
        store.read_at(Bytes(first), room)?;
        self.used = skip..skip + (bytes.end - bytes.start) as usize;
        self.chunks = area.chunks_of(&bytes);
        self.bytes = bytes;
        Ok(())
    }

    /// The window's bits or state bytes.
    pub fn cells(&self) -> &[u8] {
        self.buffer.get(self.used.clone()).unwrap_or_default()
    }

    /// The same, to be changed.
    pub fn cells_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.used.clone()).unwrap_or_default()
    }
}

/// Reads all chunks that are present, window by window.
pub(super) fn for_each_window(
    store: &dyn Store,
    area: &Area,
    mut visit: impl FnMut(Window<'_>),
) -> Result<(), BitmapError> {
    let mut reader = Reader::new(store, area);
    let mut chunk = 0;
    while chunk < area.present {
        reader.load(store, area, chunk)?;
        visit(Window {
            chunks: reader.chunks.clone(),
            cells: reader.cells(),
        });
        chunk = reader.chunks.end;
    }
    Ok(())
}
