//! mdbitmap: the write-intent bitmaps of Linux md arrays.
//!
//! Rooms, from the top down; a room uses only rooms below it (`tests/house.rs` holds us to that).

pub mod array;
pub mod bitmap;
pub mod change;
pub mod check;
pub mod cli;
pub mod commands;
pub mod device;
pub mod format;
pub mod kernel;
pub mod report;
pub mod units;
