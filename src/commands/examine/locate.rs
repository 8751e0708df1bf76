//! Where the bitmap of a device is.

use super::options::ExamineOptions;
use super::result::{Device, Found, Kind, UuidText};
use crate::device::Store;
use crate::units::Bytes;

/// Fills in where the bitmap is, or why there is none.
pub(super) fn locate(
    device: &mut Device,
    _store: &dyn Store,
    is_block_device: bool,
    options: &ExamineOptions,
) {
    let start = options.offset.unwrap_or(Bytes(0));
    device.found = Some(bare(start, is_block_device));
}

/// A bitmap without an md superblock.
fn bare(start: Bytes, is_block_device: bool) -> Found {
    let kind = if is_block_device {
        Kind::Device
    } else {
        Kind::File
    };
    Found {
        kind,
        metadata: None,
        start,
        uuid_text: UuidText::Bytes,
    }
}
