//! Reading the chunk area of a bitmap in large aligned pieces.

use super::encoding::Encoding;
use super::error::BitmapError;
use crate::device::{AlignedBuffer, Store};
use crate::format::coverage::Coverage;
use crate::units::Bytes;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// Bytes read at a time.
pub const WINDOW: u64 = 1 << 20;

/// The least that can be read at a time: a word of bits.
pub(super) const SMALLEST_WINDOW: u64 = 8;

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
    /// Bytes read at a time, a multiple of [`SMALLEST_WINDOW`].
    pub window: u64,
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

    /// Number of windows that hold a chunk.
    fn windows(&self) -> u64 {
        if self.present == 0 {
            return 0;
        }
        let number = |byte: u64| (byte - self.origin) / self.window;
        let last = self.data_start + self.encoding.byte_of(self.present - 1);
        number(last) - number(self.data_start) + 1
    }

    /// The first chunk of window `number`, which must exist.
    fn first_chunk(&self, number: u64) -> u64 {
        let border = self.data_start - (self.data_start - self.origin) % self.window;
        let byte = border.saturating_add(number.saturating_mul(self.window));
        self.chunk_at(byte.max(self.data_start))
    }

    /// The chunk whose bits start at `byte` of the store.
    fn chunk_at(&self, byte: u64) -> u64 {
        match self.encoding {
            Encoding::Bits(_) => (byte - self.data_start).saturating_mul(8),
            Encoding::States => byte - self.data_start,
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
        self.chunk_at(window.start)..self.chunk_at(window.end).min(self.present)
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

/// Readers at work at the same time on a large bitmap: enough to keep a fast device and the
/// processor busy together, and 4 MiB of memory.
const WORKERS: usize = 4;

/// Windows from which on more than one reader is worth starting.
const MANY_WINDOWS: u64 = 16;

/// Reads all chunks that are present, window by window, and folds each into one of the results,
/// in no particular order.
///
/// # Errors
/// The first read error, by position among those met; reading stops then.
pub(super) fn fold_windows<T: Default + Send>(
    store: &dyn Store,
    area: &Area,
    visit: impl Fn(&mut T, &Window<'_>) + Sync,
) -> Result<Vec<T>, BitmapError> {
    let windows = area.windows();
    let next = AtomicU64::new(0);
    let work = || -> (T, Option<(u64, BitmapError)>) {
        let mut result = T::default();
        let mut reader = Reader::new(store, area);
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= windows {
                return (result, None);
            }
            if let Err(error) = reader.load(store, area, area.first_chunk(number)) {
                // The others find nothing left to do.
                next.store(windows, Relaxed);
                return (result, Some((number, error)));
            }
            let window = Window {
                chunks: reader.chunks.clone(),
                cells: reader.cells(),
            };
            visit(&mut result, &window);
        }
    };
    let outcomes = match windows {
        0 => Vec::new(),
        1..MANY_WINDOWS => vec![work()],
        MANY_WINDOWS.. => in_parallel(&work),
    };
    let (results, errors): (Vec<T>, Vec<_>) = outcomes.into_iter().unzip();
    let first = errors
        .into_iter()
        .flatten()
        .min_by_key(|(number, _)| *number);
    first.map_or(Ok(results), |(_, error)| Err(error))
}

/// Runs `work` in several threads, this one included: where no thread can be had, alone.
fn in_parallel<R: Send>(work: &(impl Fn() -> R + Sync)) -> Vec<R> {
    thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..WORKERS).filter_map(spawn).collect();
        let mut outcomes = vec![work()];
        for other in others {
            match other.join() {
                Ok(outcome) => outcomes.push(outcome),
                // Its share is not counted: never go on without it.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcomes
    })
}
