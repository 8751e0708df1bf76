//! Bytes to types and back, bit-exact; no I/O.

pub mod bad_blocks;
pub mod bit_array;
pub mod bitmap_rules;
pub mod bitmap_super;
pub mod bundle;
pub mod coverage;
pub mod crc32;
pub mod dm_raid;
pub mod dump_text;
pub mod extent_list;
pub mod framing;
pub mod level;
pub mod lockless;
pub mod md_v090;
pub mod md_v1;
pub mod placement;
pub mod popcount;
pub mod super_check;
pub mod undo;
pub mod utc;
pub mod uuid_text;
