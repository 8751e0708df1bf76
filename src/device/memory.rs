//! A store in memory, for tests, simulations and metadata at hand.

use super::store::{Store, StoreError, check_range};
use crate::units::Bytes;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

/// Bytes in memory that behave like a device.
#[derive(Debug)]
pub struct MemoryStore {
    name: String,
    len: u64,
    bytes: RwLock<Vec<u8>>,
    logical: u32,
    physical: u32,
    /// Bytes that cannot be read.
    unreadable: Range<u64>,
}

impl MemoryStore {
    /// A store with this content, of 512-byte blocks.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            len: bytes.len() as u64,
            bytes: RwLock::new(bytes),
            logical: 512,
            physical: 512,
            unreadable: 0..0,
        }
    }

    /// A store of `len` zero bytes.
    pub fn zeroed(name: impl Into<String>, len: usize) -> Self {
        Self::new(name, vec![0; len])
    }

    /// The same store, claiming these block sizes (in bytes).
    #[must_use]
    pub fn with_blocks(mut self, logical: u32, physical: u32) -> Self {
        self.logical = logical;
        self.physical = physical;
        self
    }

    /// The same store, of which these bytes fail to be read as on a damaged disk.
    #[must_use]
    pub fn with_unreadable(mut self, bytes: Range<u64>) -> Self {
        self.unreadable = bytes;
        self
    }

    /// A copy of the content.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The content itself.
    pub fn into_contents(self) -> Vec<u8> {
        self.bytes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn logical_block_bytes(&self) -> u32 {
        self.logical
    }

    fn physical_block_bytes(&self) -> u32 {
        self.physical
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = check_range(self, start, buffer.len())?;
        if self.unreadable.start.max(start.0) < self.unreadable.end.min(end) {
            return Err(StoreError::Read {
                device: self.name.clone(),
                start: start.0,
                end,
                source: std::io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()),
            });
        }
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        // The range was checked, and it came from memory: both ends fit a usize.
        if let Some(range) = bytes.get(start.0 as usize..end as usize) {
            buffer.copy_from_slice(range);
        }
        Ok(())
    }

    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        let end = check_range(self, start, data.len())?;
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(range) = bytes.get_mut(start.0 as usize..end as usize) {
            range.copy_from_slice(data);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_inside_and_refuses_outside() {
        let store = MemoryStore::new("m", vec![1, 2, 3, 4]).with_blocks(4096, 4096);
        assert_eq!(store.logical_block_bytes(), 4096);
        store.write_at(Bytes(1), &[9, 8]).unwrap();
        let mut two = [0; 2];
        store.read_at(Bytes(2), &mut two).unwrap();
        assert_eq!(two, [8, 4]);
        let error = store.read_at(Bytes(3), &mut two).unwrap_err();
        assert_eq!(
            error.to_string(),
            "m: bytes 3..5 are past the end of the device (4 bytes)"
        );
        assert!(store.write_at(Bytes(u64::MAX), &[0]).is_err());
        store.read_at(Bytes(4), &mut []).unwrap();
        assert_eq!(store.into_contents(), [1, 9, 8, 4]);
    }
}
