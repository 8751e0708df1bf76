//! What each verb does, as a function of an options struct; no clap, no printing.

pub mod check;
pub mod create;
pub mod examine;
pub mod extents;
pub mod given;
pub mod status;
mod users;

pub use status::Status;
