//! What goes out and comes back, through the program: dump, restore and dump again; chunks made larger and smaller.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod chunks;
mod dumps;
mod files;
#[allow(dead_code)]
#[path = "../grow/sets.rs"]
mod sets;

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}
