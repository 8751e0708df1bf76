//! Raw storage: the [`Store`] trait and its implementations. The only way to touch a disk.

pub mod aligned;
pub mod direct;
pub mod filesystem;
pub mod memory;
pub mod slice;
pub mod store;

pub use aligned::AlignedBuffer;
pub use direct::{DirectStore, OpenMode};
pub use memory::MemoryStore;
pub use slice::SliceStore;
pub use store::{Store, StoreError};
