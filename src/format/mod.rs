//! Bytes to types and back, bit-exact; no I/O.

pub mod bitmap_super;
