//! What `extents` is asked for.

use crate::array::MetadataFilter;
use crate::array::spaces::Space;
use crate::commands::given::GivenOptions;
use crate::format::bit_array::BitOrder;
use crate::units::Bytes;
use std::ffi::OsString;

/// What `extents` is asked for.
#[derive(Debug, Clone)]
pub struct ExtentsOptions {
    /// Members, images, bitmap files or a running array, in order.
    pub paths: Vec<OsString>,
    /// Other members of the array, to judge by; their bitmaps are not listed.
    pub members: Vec<OsString>,
    /// In which addresses.
    pub space: Space,
    /// What the kernel would resynchronise is wanted, not what is marked.
    pub resync: bool,
    /// True for a ddrescue mapfile, which has room for one list, and for addresses below 2^63.
    pub mapfile: bool,
    /// The one slot wanted of a clustered bitmap; the union of all when `None`.
    pub slot: Option<u32>,
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
    /// Byte at which the bitmaps of `paths` start, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
}

impl ExtentsOptions {
    /// How superblocks and bitmaps are looked for, on the devices listed.
    pub(super) fn given(&self) -> GivenOptions {
        GivenOptions {
            metadata: self.metadata,
            offset: self.offset,
            order: self.order,
        }
    }
}
