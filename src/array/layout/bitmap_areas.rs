//! The areas that a bitmap takes.

use super::{Area, Content, area};
use crate::array::member::{BitmapPlace, MemberSuper, NoBitmap};
use crate::array::overlap;
use crate::bitmap::{Encoding, MAX_SLOTS};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::units::{Bytes, SECTOR_BYTES};
use std::ops::Range;

/// Slots of a clustered bitmap that are areas of their own; the others are taken together.
const LISTED_SLOTS: u32 = 16;

/// The bitmap of a member: one area, or one for each slot of a cluster.
pub(super) fn on_member(
    member: &MemberSuper,
    place: &BitmapPlace,
    raw: Option<&RawBitmapSuper>,
) -> Vec<Area> {
    let whole = Content::Bitmap { slot: None };
    let start = place.start;
    let Some(raw) = raw.filter(|raw| raw.has_magic()) else {
        // Nobody knows how long it would be: what the kernel assumes, or one block.
        let block = u64::from(member.logical_block_bytes).max(SECTOR_BYTES);
        let room = place.space.and_then(|space| space.to_bytes());
        let end = start.0.saturating_add(room.map_or(block, |room| room.0));
        let detail = "no bitmap superblock here; how long it should be is not known".to_owned();
        return vec![area(whole, start.0..end, detail)];
    };
    let range = overlap::extent(raw, start, member.logical_block_bytes);
    if raw.version != 5 || raw.nodes < 2 {
        return vec![area(whole, range, contents_of(raw))];
    }
    slots(raw, range)
}

/// A bitmap that is announced outside the device; `None` when it would lie before its start, or
/// when there is none.
pub(super) fn outside(none: &NoBitmap) -> Option<Area> {
    let NoBitmap::OutsideDevice {
        super_start,
        offset_sectors,
        ..
    } = none
    else {
        return None;
    };
    let distance = offset_sectors.checked_mul(SECTOR_BYTES as i64)?;
    let start = super_start.0.checked_add_signed(distance)?;
    let content = Content::Bitmap { slot: None };
    let detail = "placed outside the device".to_owned();
    Some(area(
        content,
        start..start.saturating_add(SECTOR_BYTES),
        detail,
    ))
}

/// The slots of a clustered bitmap that takes `whole`: equal parts of it.
fn slots(raw: &RawBitmapSuper, whole: Range<u64>) -> Vec<Area> {
    let each = (whole.end - whole.start) / u64::from(raw.nodes);
    let start_of = |slot: u32| whole.start.saturating_add(each.saturating_mul(slot.into()));
    let mut areas: Vec<Area> = (0..raw.nodes.min(LISTED_SLOTS))
        .map(|slot| {
            let content = Content::Bitmap { slot: Some(slot) };
            area(
                content,
                start_of(slot)..start_of(slot + 1),
                contents_of(raw),
            )
        })
        .collect();
    if raw.nodes > LISTED_SLOTS {
        let (first, last) = (LISTED_SLOTS, raw.nodes - 1);
        let detail = match raw.nodes > MAX_SLOTS {
            true => format!("{} nodes; no cluster has so many", raw.nodes),
            false => String::new(),
        };
        let content = Content::MoreBitmaps { first, last };
        areas.push(area(content, start_of(first)..whole.end, detail));
    }
    areas
}

/// What is in a bitmap, and how much of its area that takes.
fn contents_of(raw: &RawBitmapSuper) -> String {
    let version = format!("version {}", raw.version);
    if raw.is_first_use() {
        return format!("{version}, made by the kernel at the first start of the array");
    }
    let encoding = Encoding::of(raw, BitOrder::Little);
    let (Some(encoding), Some(coverage)) = (encoding, raw.coverage()) else {
        return version;
    };
    let chunks = coverage.chunks();
    let used = encoding
        .header_bytes()
        .saturating_add(bytes_for(encoding, chunks));
    format!("{version}, {chunks} chunks: {used} bytes in use")
}

/// Bytes that hold the bits or states of `chunks` chunks.
fn bytes_for(encoding: Encoding, chunks: u64) -> u64 {
    match encoding {
        Encoding::Bits(_) => chunks.div_ceil(8),
        Encoding::States => chunks,
    }
}

/// A bitmap without a member at byte `start`: its superblock, its bits.
pub(super) fn bare(start: Bytes, raw: &RawBitmapSuper) -> Vec<Area> {
    let after = |bytes: u64| start.0.saturating_add(bytes);
    if raw.version == 5 && raw.nodes > 1 {
        return slots(raw, overlap::extent(raw, start, SECTOR_BYTES as u32));
    }
    let version = format!("version {}", raw.version);
    let superblock = start.0..after(BITMAP_SUPER_BYTES as u64);
    let mut areas = vec![area(Content::BitmapSuperblock, superblock, version)];
    let encoding = Encoding::of(raw, BitOrder::Little);
    let (Some(encoding), Some(coverage)) = (encoding, raw.coverage()) else {
        return areas;
    };
    let chunks = coverage.chunks();
    let first = after(encoding.header_bytes());
    let bytes = first..first.saturating_add(bytes_for(encoding, chunks));
    let content = match encoding {
        Encoding::Bits(_) => Content::Bits,
        Encoding::States => Content::States,
    };
    areas.push(area(content, bytes, format!("{chunks} chunks")));
    areas
}
