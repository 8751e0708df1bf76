//! Raw storage: the [`Store`] trait and its implementations. The only way to touch a disk.

pub mod aligned;
pub mod cached;
pub mod crash;
pub mod direct;
pub mod extents;
pub mod filesystem;
pub mod memory;
pub mod new_file;
pub mod signature;
pub mod slice;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;

pub use aligned::AlignedBuffer;
pub use cached::CachedStore;
pub use direct::{DirectStore, OpenMode};
pub use memory::MemoryStore;
pub use new_file::{NewFile, NewFileError, Replace};
pub use signature::Signature;
pub use slice::SliceStore;
pub use store::{Store, StoreError};
