//! Raw storage: the [`Store`] trait and its implementations. The only way to touch a disk.

pub mod store;

pub use store::{Store, StoreError};
