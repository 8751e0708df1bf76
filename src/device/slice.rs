//! A window of another store.

use super::store::{Store, StoreError, check_range};
use crate::units::Bytes;

/// `len` bytes of another store from byte `start` on, addressed from 0.
///
/// Errors of the store itself name its own byte positions; errors of this window name the window.
#[derive(Debug)]
pub struct SliceStore<S> {
    inner: S,
    name: String,
    start: u64,
    len: u64,
}

impl<S: Store> SliceStore<S> {
    /// The window `start..start + len`.
    ///
    /// # Errors
    /// [`StoreError::PastEnd`] when it does not lie inside the store.
    pub fn new(inner: S, start: Bytes, len: Bytes) -> Result<Self, StoreError> {
        let end = start.checked_add(len).map_or(u64::MAX, |end| end.0);
        if end > inner.len().0 || end == u64::MAX {
            return Err(StoreError::PastEnd {
                device: inner.name().to_owned(),
                start: start.0,
                end,
                len: inner.len().0,
            });
        }
        let name = format!("{} (from byte {})", inner.name(), start.0);
        Ok(Self {
            inner,
            name,
            start: start.0,
            len: len.0,
        })
    }

    /// Everything from byte `start` on.
    ///
    /// # Errors
    /// [`StoreError::PastEnd`] when the store ends before `start`.
    pub fn from(inner: S, start: Bytes) -> Result<Self, StoreError> {
        let len = inner.len().checked_sub(start).unwrap_or_default();
        Self::new(inner, start, len)
    }

    /// The store that this is a window of.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn shifted(&self, start: Bytes) -> Bytes {
        // Cannot overflow: `check_range` passed, and the window lies inside the store.
        Bytes(self.start.saturating_add(start.0))
    }
}

impl<S: Store> Store for SliceStore<S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn logical_block_bytes(&self) -> u32 {
        self.inner.logical_block_bytes()
    }

    fn physical_block_bytes(&self) -> u32 {
        self.inner.physical_block_bytes()
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        check_range(self, start, buffer.len())?;
        self.inner.read_at(self.shifted(start), buffer)
    }

    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        check_range(self, start, data.len())?;
        self.inner.write_at(self.shifted(start), data)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryStore;

    #[test]
    fn a_window_is_addressed_from_zero_and_ends_where_it_ends() {
        let memory = MemoryStore::new("m", (0..100).collect());
        let slice = SliceStore::new(&memory, Bytes(10), Bytes(5)).unwrap();
        let mut bytes = [0; 5];
        slice.read_at(Bytes(0), &mut bytes).unwrap();
        assert_eq!(bytes, [10, 11, 12, 13, 14]);
        slice.write_at(Bytes(4), &[200]).unwrap();
        assert_eq!(memory.contents()[14], 200);
        assert!(slice.read_at(Bytes(1), &mut bytes).is_err());
        assert!(slice.write_at(Bytes(5), &[0]).is_err());
        assert_eq!(SliceStore::from(&memory, Bytes(90)).unwrap().len().0, 10);
        assert_eq!(SliceStore::from(&memory, Bytes(100)).unwrap().len().0, 0);
        assert!(SliceStore::from(&memory, Bytes(101)).is_err());
        assert!(SliceStore::new(&memory, Bytes(1), Bytes(u64::MAX)).is_err());
        let boxed: Box<dyn Store> = Box::new(slice);
        assert_eq!(SliceStore::from(boxed, Bytes(2)).unwrap().len().0, 3);
    }
}
