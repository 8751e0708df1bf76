//! What `examine` is asked for.

use crate::format::bit_array::BitOrder;
use crate::units::Bytes;
use std::ffi::OsString;

/// The metadata that is looked for, when not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataChoice {
    /// 0.90, of either byte order.
    V0_90,
    /// Any of 1.0, 1.1, 1.2.
    V1,
    /// 1.0.
    V1_0,
    /// 1.1.
    V1_1,
    /// 1.2.
    V1_2,
    /// The metadata device of an LVM RAID volume.
    DmRaid,
}

impl MetadataChoice {
    /// The choice of this name; mdadm's names are understood.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "0" | "0.90" => MetadataChoice::V0_90,
            "1" | "default" => MetadataChoice::V1,
            "1.0" => MetadataChoice::V1_0,
            "1.1" => MetadataChoice::V1_1,
            "1.2" => MetadataChoice::V1_2,
            "dm-raid" => MetadataChoice::DmRaid,
            _ => return None,
        })
    }
}

/// What `examine` is asked for.
#[derive(Debug, Clone, Default)]
pub struct ExamineOptions {
    /// Devices, images and files, in order.
    pub paths: Vec<OsString>,
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataChoice>,
    /// Byte at which the bitmap starts, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// The one slot wanted; all when `None`.
    pub slot: Option<u32>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
    /// Superblocks only.
    pub brief: bool,
}
