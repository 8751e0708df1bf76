//! The crash simulator: no crash of a command that changes a stopped array makes differing data pass for equal.
//!
//! docs/crash-simulator.md says what is done, what is modelled, and how a single violation is reproduced.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod corpus;
mod world;

#[test]
fn histories_are_faithful() {
    for number in 0..600 {
        let base = corpus::Base::new(1, number);
        if number % 50 == 0 {
            println!("{}", base.name());
        }
    }
}
