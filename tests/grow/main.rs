//! `grow` as a program: on every array that real kernels and mdadm made, and on what must not be touched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod fixtures;
#[path = "../lib/loops.rs"]
mod loops;
mod mdadm;
mod refused;
mod room;
mod sets;

pub(crate) use sets::{Images, Run, Set, fixtures_folder, json, run, sets};
