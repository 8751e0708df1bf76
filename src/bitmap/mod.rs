//! One bitmap on a store: locate, stream, count, runs, set and clear; bits and state bytes alike.
//!
//! Everything is read in windows of [`WINDOW`] bytes, so memory does not grow with the bitmap.
//! Chunks whose bits lie past the end of the store are dirty and are reported as missing; a read
//! error is an error that names the bytes, never a count.

mod cells;
mod chunk_set;
mod compare;
mod edit;
mod encoding;
mod error;
mod marks;
mod runs;
mod slots;
mod sweep;
#[cfg(test)]
mod tests;
mod view;
mod window;

pub use cells::{Cell, CellCounts};
pub use chunk_set::{ChunkSet, MAX_CHUNKS, SetRuns, TooManyChunks};
pub use compare::{Difference, Differences, Side, StateDifferences};
pub use edit::{Edited, Mark};
pub use encoding::Encoding;
pub use error::BitmapError;
pub use marks::Marks;
pub use runs::Runs;
pub use slots::MAX_SLOTS;
pub use sweep::{Marked, Sweep};
pub use view::{Bitmap, Counts};
pub use window::WINDOW;
