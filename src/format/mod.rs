//! Bytes to types and back, bit-exact; no I/O.

pub mod bit_array;
pub mod bitmap_rules;
pub mod bitmap_super;
pub mod coverage;
pub mod level;
pub mod lockless;
pub mod placement;
pub mod popcount;
pub mod uuid_text;
