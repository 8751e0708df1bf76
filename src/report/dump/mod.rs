//! Dumps as text and as JSON, and what `--verify` found.

pub mod json;
pub mod text;
pub mod verify;
