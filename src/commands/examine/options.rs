//! What `examine` is asked for.

use crate::array::MetadataFilter;
use crate::commands::given::GivenOptions;
use crate::format::bit_array::BitOrder;
use crate::units::Bytes;
use std::ffi::OsString;
use std::num::NonZeroUsize;

/// What `examine` is asked for.
#[derive(Debug, Clone, Default)]
pub struct ExamineOptions {
    /// Devices, images and files, in order.
    pub paths: Vec<OsString>,
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
    /// Byte at which the bitmap starts, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// The one slot wanted; all when `None`.
    pub slot: Option<u32>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
    /// Superblocks only.
    pub brief: bool,
    /// Whether the kernel would trust the bitmaps is wanted as well.
    pub judge: bool,
    /// Whether a running array uses the devices is wanted as well.
    pub users: bool,
    /// What lies where on the devices is wanted as well.
    pub layout: bool,
    /// A heat map of each bitmap with at most so many cells is wanted as well.
    pub map_cells: Option<NonZeroUsize>,
}

impl ExamineOptions {
    /// How superblocks and bitmaps are looked for.
    pub fn given(&self) -> GivenOptions {
        GivenOptions {
            metadata: self.metadata,
            offset: self.offset,
            order: self.order,
        }
    }
}
