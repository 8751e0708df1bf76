//! What a power cut, or a failing device, can leave of what was written: a recorder, and all the states after it.
//!
//! A command is run on the stores of a [`Recorder`], which write down every call. From its [`Log`] come [`Window`]s, one
//! before every flush and one at the end: between two flushes of any store, what a cut can leave only grows, so the states of
//! every moment are among those of the window that it lies in. In a window a store holds what it held at its last flush,
//! and of every block that was written since any version, independently of every other block: that is what "any subset, in
//! any order, torn at any sector" comes to. A block is what the device writes at once, its logical block.
//!
//! A [`State`] is made of [`Image`]s, which are what a [`Recorder`] starts from: so a second run can be cut short as well.
//!
//! Nothing here knows what is written: metadata and data alike.

mod image;
mod log;
mod random;
mod recorder;
mod window;

#[cfg(test)]
mod tests;

pub use image::{BLOCK, Image, hash_of};
pub use log::{Entry, Log};
pub use random::Random;
pub use recorder::{CallKind, Fault, Kept, Recorder, RecordingStore, What};
pub use window::{Effort, State, Window, windows};
