//! What every storage back-end offers.

use crate::units::Bytes;
use std::io;

/// Why storage could not be read or written. Every message names the device and the byte range.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The range reaches past the end of the store.
    #[error("{device}: bytes {start}..{end} are past the end of the device ({len} bytes)")]
    PastEnd {
        /// Path or name of the store.
        device: String,
        /// First byte wanted.
        start: u64,
        /// First byte not wanted.
        end: u64,
        /// Length of the store in bytes.
        len: u64,
    },
    /// The device refused or failed a read.
    #[error("{device}: cannot read bytes {start}..{end}: {source}")]
    Read {
        /// Path or name of the store.
        device: String,
        /// First byte of the failed request.
        start: u64,
        /// First byte after the failed request.
        end: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The device refused or failed a write.
    #[error("{device}: cannot write bytes {start}..{end}: {source}")]
    Write {
        /// Path or name of the store.
        device: String,
        /// First byte of the failed request.
        start: u64,
        /// First byte after the failed request.
        end: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Written data could not be made durable.
    #[error("{device}: cannot flush: {source}")]
    Flush {
        /// Path or name of the store.
        device: String,
        /// What the system said.
        source: io::Error,
    },
    /// The store could not be opened or measured.
    #[error("{device}: cannot open: {source}")]
    Open {
        /// Path or name of the store.
        device: String,
        /// What the system said.
        source: io::Error,
    },
    /// The path is neither a regular file nor a block device, or cannot be read past the cache.
    #[error("{device}: {reason}")]
    Unsuitable {
        /// Path or name of the store.
        device: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// The store is held by something else.
    #[error("{device}: is in use{}", holder.as_deref().map(|h| format!(" by {h}")).unwrap_or_default())]
    Busy {
        /// Path or name of the store.
        device: String,
        /// Who holds it, where that can be told.
        holder: Option<String>,
    },
}

/// The end of a range of `len` bytes at `start`, when it lies inside the store.
///
/// # Errors
/// [`StoreError::PastEnd`], also when the sum does not fit 64 bits.
pub fn check_range(
    store: &(impl Store + ?Sized),
    start: Bytes,
    len: usize,
) -> Result<u64, StoreError> {
    let past_end = |end| StoreError::PastEnd {
        device: store.name().to_owned(),
        start: start.0,
        end,
        len: store.len().0,
    };
    let end = u64::try_from(len)
        .ok()
        .and_then(|len| start.0.checked_add(len))
        .ok_or_else(|| past_end(u64::MAX))?;
    if end > store.len().0 {
        return Err(past_end(end));
    }
    Ok(end)
}

/// Storage of fixed length, addressed in bytes.
///
/// Reads and writes are exact: either the whole range was transferred, or an error says which
/// bytes were not. Any alignment is accepted; implementations that need aligned requests align
/// them, a partial sector written being read, changed and written back.
pub trait Store: Send + Sync {
    /// Path or name, for messages.
    fn name(&self) -> &str;

    /// Length in bytes.
    fn len(&self) -> Bytes;

    /// True when the store holds no byte.
    fn is_empty(&self) -> bool {
        self.len().0 == 0
    }

    /// The smallest addressable unit in bytes (512, 4096, ...).
    fn logical_block_bytes(&self) -> u32;

    /// The unit that the device writes without read-modify-write of its own, in bytes.
    fn physical_block_bytes(&self) -> u32;

    /// Fills `buffer` from byte `start`.
    ///
    /// # Errors
    /// [`StoreError::PastEnd`] or [`StoreError::Read`]; the buffer's content is then unspecified.
    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError>;

    /// Writes `data` at byte `start`. Durable only after [`Store::flush`].
    ///
    /// # Errors
    /// [`StoreError::PastEnd`] or [`StoreError::Write`] (or `Read`, where a partial sector had
    /// to be read first).
    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// [`StoreError::Flush`].
    fn flush(&self) -> Result<(), StoreError>;
}

macro_rules! forward_store {
    ($($pointer:ty),*) => {$(
        impl<S: Store + ?Sized> Store for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn len(&self) -> Bytes {
                (**self).len()
            }
            fn logical_block_bytes(&self) -> u32 {
                (**self).logical_block_bytes()
            }
            fn physical_block_bytes(&self) -> u32 {
                (**self).physical_block_bytes()
            }
            fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
                (**self).read_at(start, buffer)
            }
            fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
                (**self).write_at(start, data)
            }
            fn flush(&self) -> Result<(), StoreError> {
                (**self).flush()
            }
        }
    )*};
}

forward_store!(&S, Box<S>, std::sync::Arc<S>);
