//! The devices of a change as they would be once it was taken back.

use super::contents::Cursor;
use super::open::{FileCause, FileError, UndoFile};
use crate::device::{Store, StoreError};
use crate::units::Bytes;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A device as it would be once a change was taken back. Only read.
pub struct Before<'f> {
    store: &'f dyn Store,
    /// What was there before each write, the last write first: the one before the first counts.
    olds: Vec<(Range<u64>, Mutex<Cursor<'f>>)>,
}

/// The devices of a change, whose stores these are in its order, as they would be once it was taken back: right where
/// [`super::judge`] finds nothing foreign.
pub fn before<'f>(file: &'f UndoFile, stores: &[&'f dyn Store]) -> Vec<Before<'f>> {
    let one = |(device, store): (usize, &&'f dyn Store)| {
        let mut olds: Vec<_> = file
            .writes_of(device)
            .map(|(_, write)| {
                let cursor = Mutex::new(Cursor::new(file, &write.old));
                (write.range.clone(), cursor)
            })
            .collect();
        olds.reverse();
        Before {
            store: *store,
            olds,
        }
    };
    stores.iter().enumerate().map(one).collect()
}

impl Before<'_> {
    fn is_read_only(&self) -> StoreError {
        StoreError::Unsuitable {
            device: self.name().to_owned(),
            reason: "what taking a change back leads to is only looked at, not written to"
                .to_owned(),
        }
    }
}

impl Store for Before<'_> {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn len(&self) -> Bytes {
        self.store.len()
    }

    fn logical_block_bytes(&self) -> u32 {
        self.store.logical_block_bytes()
    }

    fn physical_block_bytes(&self) -> u32 {
        self.store.physical_block_bytes()
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.store.read_at(start, buffer)?;
        let end = start.0.saturating_add(buffer.len() as u64);
        for (range, cursor) in &self.olds {
            let (from, to) = (start.0.max(range.start), end.min(range.end));
            if from >= to {
                continue;
            }
            let ends = usize::try_from(from - start.0)
                .ok()
                .zip(usize::try_from(to - start.0).ok());
            if let Some(part) = ends.and_then(|(from, to)| buffer.get_mut(from..to)) {
                let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
                cursor.read(from - range.start, part).map_err(store_error)?;
            }
        }
        Ok(())
    }

    fn write_at(&self, _: Bytes, _: &[u8]) -> Result<(), StoreError> {
        Err(self.is_read_only())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Err(self.is_read_only())
    }
}

fn store_error(error: FileError) -> StoreError {
    match error.cause {
        FileCause::Store(error) => error,
        cause => StoreError::Unsuitable {
            device: error.path,
            reason: cause.to_string(),
        },
    }
}
