//! A bitmap on a store, and counting it.

use super::encoding::Encoding;
use super::error::BitmapError;
use super::runs::Runs;
use super::window::{Area, Reader, SMALLEST_WINDOW, WINDOW};
use crate::device::{Store, StoreError};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::coverage::Coverage;
use crate::format::lockless::StateCounts;
use crate::units::{Bytes, ChunkIndex, Sectors};
use std::num::NonZeroUsize;

/// A bitmap at a place of a store.
///
/// Opening reads the superblock and checks nothing: whether the kernel would take it is for
/// [`crate::format::bitmap_rules`] to say.
#[derive(Clone)]
pub struct Bitmap<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) start: u64,
    pub(super) raw: RawBitmapSuper,
    order: BitOrder,
    /// Replaces the sync_size of the superblock.
    sync_size: Option<Sectors>,
    /// Bytes read at a time: [`WINDOW`], less in tests.
    pub(super) window: u64,
}

/// What counting found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Chunks of the bitmap, the missing ones included.
    pub chunks: u64,
    /// Chunks to be synchronised, the missing ones included.
    pub dirty: u64,
    /// Chunks whose bits lie past the end of the store.
    pub missing_chunks: u64,
    /// True when the last chunk, which may be partial, is dirty.
    pub last_dirty: bool,
    /// Chunks by state, version 6 only; missing ones are unknown.
    pub states: Option<StateCounts>,
    /// What the chunks cover.
    pub coverage: Coverage,
}

impl Counts {
    /// Bytes to be synchronised; the last chunk counts with the bytes that it covers.
    pub fn dirty_bytes(&self) -> u128 {
        self.coverage.dirty_bytes(self.dirty, self.last_dirty)
    }
}

impl<'a> Bitmap<'a> {
    /// Reads the superblock at byte `start`. `order` matters for version 3 alone.
    ///
    /// # Errors
    /// [`BitmapError::NoRoom`] when the store ends too early, [`BitmapError::Store`].
    pub fn open(store: &'a dyn Store, start: Bytes, order: BitOrder) -> Result<Self, BitmapError> {
        let raw = read_super(store, start.0)?;
        Ok(Self {
            store,
            start: start.0,
            raw,
            order,
            sync_size: None,
            window: WINDOW,
        })
    }

    /// The same bitmap, counted over `sync_size` sectors. The kernel takes this size from the
    /// array and ignores the bitmap's own field (reference/kernel.md 2.1).
    #[must_use]
    pub fn with_sync_size(self, sync_size: Sectors) -> Self {
        Self {
            sync_size: Some(sync_size),
            ..self
        }
    }

    /// The same bitmap, read at most about `bytes` at a time by each reader: for many readers at once.
    #[must_use]
    pub fn with_window(self, bytes: u64) -> Self {
        Self {
            window: bytes.clamp(8, WINDOW) / 8 * 8,
            ..self
        }
    }

    /// The superblock, as read.
    pub fn raw(&self) -> &RawBitmapSuper {
        &self.raw
    }

    /// Where the superblock starts on the store.
    pub fn start(&self) -> Bytes {
        Bytes(self.start)
    }

    /// The store it lies on.
    pub fn store(&self) -> &'a dyn Store {
        self.store
    }

    /// The order in which a version 3 bitmap is read.
    pub fn order(&self) -> BitOrder {
        self.order
    }

    /// What the chunks cover; `None` without a usable chunk size.
    pub fn coverage(&self) -> Option<Coverage> {
        let coverage = self.raw.coverage()?;
        Some(match self.sync_size {
            Some(sync_size) => coverage.with_sync_size(sync_size),
            None => coverage,
        })
    }

    /// Bits or states; `None` for an unknown version.
    pub fn encoding(&self) -> Option<Encoding> {
        Encoding::of(&self.raw, self.order)
    }

    /// Chunks whose bits lie past the end of the store; nothing is read for that.
    ///
    /// # Errors
    /// As [`Bitmap::count`], but for read errors.
    pub fn missing_chunks(&self) -> Result<u64, BitmapError> {
        let area = self.area()?;
        Ok(area.chunks - area.present)
    }

    /// Bytes read at a time.
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Counts the dirty chunks.
    ///
    /// # Errors
    /// [`BitmapError::Store`] when a part cannot be read; [`BitmapError::UnknownVersion`],
    /// [`BitmapError::ZeroChunk`] and [`BitmapError::FirstUse`] when there is nothing to count.
    pub fn count(&self) -> Result<Counts, BitmapError> {
        Ok(self.count_cells(NonZeroUsize::MIN)?.total)
    }

    /// The maximal runs of dirty chunks, in order, read as they are asked for.
    ///
    /// # Errors
    /// As [`Bitmap::count`] when there is nothing to read; read errors come from the iterator.
    pub fn runs(&self) -> Result<Runs<'a>, BitmapError> {
        Ok(Runs::new(self.store, self.area()?))
    }

    /// Whether `chunk` is dirty; reads one block. Chunks whose bits lie past the end of the store are,
    /// chunks past the last one are not.
    ///
    /// # Errors
    /// As [`Bitmap::count`].
    pub fn is_marked(&self, chunk: ChunkIndex) -> Result<bool, BitmapError> {
        let mut area = self.area()?;
        if chunk.0 >= area.present {
            return Ok(chunk.0 < area.chunks);
        }
        area.window = SMALLEST_WINDOW;
        let mut reader = Reader::new(self.store, &area);
        reader.load(self.store, &area, chunk.0)?;
        let at = chunk.0 - reader.chunks.start;
        let found = area.encoding.find(reader.cells(), at..at + 1, true);
        Ok(found.is_some())
    }

    /// Where the chunks lie.
    pub(super) fn area(&self) -> Result<Area, BitmapError> {
        let device = || self.store.name().to_owned();
        let encoding = self.encoding().ok_or_else(|| BitmapError::UnknownVersion {
            device: device(),
            found: self.raw.version,
        })?;
        if self.raw.is_first_use() {
            return Err(BitmapError::FirstUse { device: device() });
        }
        let coverage = self
            .coverage()
            .ok_or_else(|| BitmapError::ZeroChunk { device: device() })?;
        Ok(Area::new(
            encoding,
            coverage,
            self.start,
            self.store.len().0,
            self.window,
        ))
    }
}

impl std::fmt::Debug for Bitmap<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bitmap")
            .field("store", &self.store.name())
            .field("start", &self.start)
            .field("raw", &self.raw)
            .field("order", &self.order)
            .field("sync_size", &self.sync_size)
            .finish()
    }
}

/// Reads and decodes the superblock at byte `start`.
pub(super) fn read_super(store: &dyn Store, start: u64) -> Result<RawBitmapSuper, BitmapError> {
    let no_room = || BitmapError::NoRoom {
        device: store.name().to_owned(),
        start,
        len: store.len().0,
    };
    let mut bytes = [0; BITMAP_SUPER_BYTES];
    match store.read_at(Bytes(start), &mut bytes) {
        Err(StoreError::PastEnd { .. }) => return Err(no_room()),
        result => result?,
    }
    RawBitmapSuper::from_bytes(&bytes).map_err(|_| no_room())
}
