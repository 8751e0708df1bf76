//! Marking chunks on disk.

use super::error::BitmapError;
use super::view::{Bitmap, read_super};
use super::window::{Area, Reader};
use crate::format::bit_array::OutOfRange;
use crate::units::{Bytes, ChunkIndex};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

/// Windows written before they are flushed and read back: bounds the memory for their hashes.
const BATCH: usize = 64;

/// What chunks are marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// To be synchronised.
    Dirty,
    /// Synchronised.
    Clean,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edited {
    /// Chunks that were not marked so before.
    pub changed_chunks: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// A window that was written, to be read back.
struct Written {
    chunk: u64,
    hash: u64,
}

impl Bitmap<'_> {
    /// Marks `chunks` dirty on disk: see [`Bitmap::mark`].
    ///
    /// # Errors
    /// As [`Bitmap::mark`].
    pub fn set(&self, chunks: Range<ChunkIndex>) -> Result<Edited, BitmapError> {
        self.mark(chunks, Mark::Dirty)
    }

    /// Marks `chunks` clean on disk: see [`Bitmap::mark`].
    ///
    /// # Errors
    /// As [`Bitmap::mark`].
    pub fn clear(&self, chunks: Range<ChunkIndex>) -> Result<Edited, BitmapError> {
        self.mark(chunks, Mark::Clean)
    }

    /// Marks `chunks` on this copy of the bitmap, flushes, and reads back.
    ///
    /// The superblock must still be the one that was opened, before and after. Bytes that do not
    /// change are not written; no bit outside `chunks` changes. Which order of writes on several
    /// members is safe is the caller's business (reference/kernel.md 10, design.md 6).
    ///
    /// # Errors
    /// Before anything is written: [`BitmapError::OutOfRange`], [`BitmapError::CutOff`],
    /// [`BitmapError::Changed`], and as [`Bitmap::count`]. Later: [`BitmapError::Store`],
    /// [`BitmapError::NotWritten`], [`BitmapError::Changed`].
    pub fn mark(&self, chunks: Range<ChunkIndex>, mark: Mark) -> Result<Edited, BitmapError> {
        let area = self.area()?;
        let chunks = chunks.start.0..chunks.end.0;
        self.check_range(&area, &chunks)?;
        self.check_super()?;
        let mut reader = Reader::new(self.store, &area);
        let mut edited = Edited::default();
        let mut position = chunks.start;
        while position < chunks.end {
            let mut batch = Vec::new();
            while position < chunks.end && batch.len() < BATCH {
                reader.load(self.store, &area, position)?;
                let wanted = position..chunks.end.min(reader.chunks.end);
                if self.mark_window(&area, &mut reader, wanted, mark, &mut edited)? {
                    batch.push(Written {
                        chunk: position,
                        hash: hash(reader.cells()),
                    });
                }
                position = reader.chunks.end;
            }
            self.read_back(&area, &mut reader, &batch)?;
        }
        self.check_super()?;
        Ok(edited)
    }

    /// Changes the window in memory and writes what changed; false when nothing did.
    fn mark_window(
        &self,
        area: &Area,
        reader: &mut Reader,
        wanted: Range<u64>,
        mark: Mark,
        edited: &mut Edited,
    ) -> Result<bool, BitmapError> {
        let base = reader.chunks.start;
        let local = wanted.start - base..wanted.end - base;
        // Only the bytes of words in range can change; the rest need not be looked at.
        let first = area.encoding.byte_of(local.start) as usize;
        let last = area.encoding.byte_of(local.end - 1) as usize + 8;
        let old = reader.cells().to_vec();
        let (dirty, _) = area.encoding.count(&old, local.clone());
        let device = || self.store.name().to_owned();
        (area.encoding)
            .mark(reader.cells_mut(), local.clone(), mark)
            .map_err(|source| BitmapError::OutOfRange {
                device: device(),
                source,
            })?;
        let new = reader.cells();
        if old == new {
            return Ok(false);
        }
        let span = first..last.min(new.len());
        let differ = |index: &usize| old.get(*index) != new.get(*index);
        let (Some(from), Some(to)) = (span.clone().find(differ), span.rev().find(differ)) else {
            return Ok(false);
        };
        let bytes = new.get(from..=to).unwrap_or_default();
        (self.store).write_at(Bytes(reader.bytes.start + from as u64), bytes)?;
        edited.written_bytes += bytes.len() as u64;
        edited.changed_chunks += match mark {
            Mark::Dirty => local.end - local.start - dirty,
            Mark::Clean => dirty,
        };
        Ok(true)
    }

    /// Flushes, reads each window again and compares.
    fn read_back(
        &self,
        area: &Area,
        reader: &mut Reader,
        batch: &[Written],
    ) -> Result<(), BitmapError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.store.flush()?;
        for written in batch {
            reader.load(self.store, area, written.chunk)?;
            if hash(reader.cells()) != written.hash {
                return Err(BitmapError::NotWritten {
                    device: self.store.name().to_owned(),
                    start: reader.bytes.start,
                    end: reader.bytes.end,
                });
            }
        }
        Ok(())
    }

    fn check_range(&self, area: &Area, chunks: &Range<u64>) -> Result<(), BitmapError> {
        let device = || self.store.name().to_owned();
        OutOfRange::check(chunks, area.chunks).map_err(|source| BitmapError::OutOfRange {
            device: device(),
            source,
        })?;
        if chunks.end > area.present {
            return Err(BitmapError::CutOff {
                device: device(),
                chunks: area.chunks,
                present: area.present,
                end: chunks.end,
            });
        }
        Ok(())
    }

    /// The superblock on disk is the one that was read at first.
    fn check_super(&self) -> Result<(), BitmapError> {
        if read_super(self.store, self.start)? == self.raw {
            return Ok(());
        }
        Err(BitmapError::Changed {
            device: self.store.name().to_owned(),
            start: self.start,
        })
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
