//! A store that remembers the few blocks it was asked for last.

use super::store::{Store, StoreError, check_range};
use crate::units::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes remembered together: the head of a member, with superblock and the start of the bitmap.
const BLOCK: u64 = 16 << 10;

/// Blocks remembered.
const BLOCKS: usize = 8;

/// Another store, whose small reads come from memory when they lie beside an earlier one.
///
/// Looking for superblocks asks for the same few sectors again and again, and each read past the
/// page cache is a request to the device. Large reads go through; writes forget what they touch.
/// For one look at a device, not for waiting until it changes.
#[derive(Debug)]
pub struct CachedStore<S> {
    inner: S,
    /// Start and content of the blocks, the oldest first.
    blocks: Mutex<Vec<(u64, Vec<u8>)>>,
}

impl<S: Store> CachedStore<S> {
    /// Nothing is read yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            blocks: Mutex::new(Vec::new()),
        }
    }

    /// The store behind it.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn blocks(&self) -> MutexGuard<'_, Vec<(u64, Vec<u8>)>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what the block at `block` has of the range at `start`; how many bytes that was.
    fn copy(&self, block: u64, start: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let mut blocks = self.blocks();
        if !blocks.iter().any(|(at, _)| *at == block) {
            let len = BLOCK.min(self.inner.len().0 - block);
            let mut content = vec![0; usize::try_from(len).unwrap_or(0)];
            self.inner.read_at(Bytes(block), &mut content)?;
            if blocks.len() >= BLOCKS {
                blocks.remove(0);
            }
            blocks.push((block, content));
        }
        let skip = usize::try_from(start - block).unwrap_or(usize::MAX);
        let found = blocks.iter().find(|(at, _)| *at == block);
        let from = found
            .and_then(|(_, content)| content.get(skip..))
            .unwrap_or_default();
        let take = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..take), from.get(..take)) {
            to.copy_from_slice(from);
        }
        Ok(take)
    }

    fn read_blocks(&self, start: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let mut position = start;
        let mut rest = buffer;
        while !rest.is_empty() {
            let taken = self.copy(position - position % BLOCK, position, rest)?;
            position += taken as u64;
            rest = rest.get_mut(taken..).unwrap_or_default();
        }
        Ok(())
    }
}

impl<S: Store> Store for CachedStore<S> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn len(&self) -> Bytes {
        self.inner.len()
    }

    fn logical_block_bytes(&self) -> u32 {
        self.inner.logical_block_bytes()
    }

    fn physical_block_bytes(&self) -> u32 {
        self.inner.physical_block_bytes()
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        check_range(self, start, buffer.len())?;
        // A bad sector beside the range must not fail it, so the range alone is tried then.
        if buffer.len() as u64 <= BLOCK && self.read_blocks(start.0, buffer).is_ok() {
            return Ok(());
        }
        self.inner.read_at(start, buffer)
    }

    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        let end = start.0.saturating_add(data.len() as u64);
        let mut blocks = self.blocks();
        blocks.retain(|(at, _)| end <= *at || start.0 >= at.saturating_add(BLOCK));
        self.inner.write_at(start, data)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryStore;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts reads; a read that touches `bad` fails.
    struct Watched {
        memory: MemoryStore,
        reads: AtomicUsize,
        bad: u64,
    }

    impl Watched {
        fn new(len: usize, bad: u64) -> Self {
            let bytes = (0..len).map(|i| ((i * 31) >> 3) as u8).collect();
            Self {
                memory: MemoryStore::new("m", bytes),
                reads: AtomicUsize::new(0),
                bad,
            }
        }
    }

    impl Store for Watched {
        fn name(&self) -> &str {
            "m"
        }
        fn len(&self) -> Bytes {
            self.memory.len()
        }
        fn logical_block_bytes(&self) -> u32 {
            512
        }
        fn physical_block_bytes(&self) -> u32 {
            512
        }
        fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if (start.0..start.0 + buffer.len() as u64).contains(&self.bad) {
                return Err(StoreError::Read {
                    device: "m".into(),
                    start: start.0,
                    end: start.0 + buffer.len() as u64,
                    source: std::io::ErrorKind::Other.into(),
                });
            }
            self.memory.read_at(start, buffer)
        }
        fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
            self.memory.write_at(start, data)
        }
        fn flush(&self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn neighbours_are_read_once() {
        let store = CachedStore::new(Watched::new(100_000, u64::MAX));
        let mut bytes = [0; 512];
        for start in [0, 512, 4096, 8192, 15_872] {
            store.read_at(Bytes(start), &mut bytes).unwrap();
        }
        assert_eq!(store.inner().reads.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_bad_neighbour_does_no_harm_and_a_bad_range_is_an_error() {
        let store = CachedStore::new(Watched::new(100_000, 5000));
        let mut bytes = [0; 512];
        store.read_at(Bytes(0), &mut bytes).unwrap();
        assert_eq!(bytes[80], ((80 * 31) >> 3) as u8);
        let error = store.read_at(Bytes(4608), &mut bytes).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Read {
                    start: 4608,
                    end: 5120,
                    ..
                }
            ),
            "{error}"
        );
        assert!(matches!(
            store.read_at(Bytes(99_999), &mut bytes),
            Err(StoreError::PastEnd { .. })
        ));
    }

    proptest! {
        #[test]
        fn reads_and_writes_are_those_of_the_store(
            steps in proptest::collection::vec((0u64..70_000, 1usize..40_000, any::<Option<u8>>()), 1..30)
        ) {
            let plain = Watched::new(70_000, u64::MAX);
            let cached = CachedStore::new(Watched::new(70_000, u64::MAX));
            for (start, len, write) in steps {
                let len = len.min(70_000 - start as usize);
                if let Some(value) = write {
                    plain.write_at(Bytes(start), &vec![value; len]).unwrap();
                    cached.write_at(Bytes(start), &vec![value; len]).unwrap();
                } else {
                    let (mut a, mut b) = (vec![0; len], vec![1; len]);
                    plain.read_at(Bytes(start), &mut a).unwrap();
                    cached.read_at(Bytes(start), &mut b).unwrap();
                    prop_assert_eq!(a, b);
                }
            }
        }
    }
}
