//! What each verb does, as a function of an options struct; no clap, no printing.

pub mod bundle;
pub mod check;
pub mod clear;
pub mod compare;
pub mod create;
pub mod dump;
pub mod dump_file;
pub mod examine;
pub mod extent_file;
pub mod extents;
pub mod given;
pub mod grow;
mod lines;
pub mod map;
pub mod marking;
pub mod merge;
pub mod offline;
pub mod output;
pub mod readd_check;
pub mod restore;
pub mod set;
pub mod source;
pub mod status;
pub mod unbundle;
pub mod undo;
pub mod undo_files;
mod users;

pub use status::Status;
