//! What is asked.

use crate::array::readd::verify::Extent;
use std::ffi::OsString;

/// What is asked.
#[derive(Debug, Clone)]
pub struct ReaddOptions {
    /// The running array, or members of it.
    pub paths: Vec<OsString>,
    /// The device that is to return.
    pub member: OsString,
    /// Compare data, and how much of it.
    pub verify: Option<Extent>,
    /// Bytes a second that are read of each device at most.
    pub limit: Option<u64>,
    /// Look at all block devices of this machine for other superblocks of the array.
    pub scan: bool,
    /// Unproven is a failure too.
    pub strict: bool,
}
