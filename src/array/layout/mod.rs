//! The areas of a member, or of a bitmap without one: what lies where, and what lies on what.
//!
//! Nothing is read here. A superblock says where its areas are, and a hostile one may say anything:
//! ranges are kept as they are told, past the end of the device too, and saturate at 2^64-1.

mod bitmap_areas;
#[cfg(test)]
mod tests;

use super::member::MemberSuper;
use crate::device::extents::Unfit;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::units::{Bytes, SECTOR_BYTES};
use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;

/// What an area holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// The md superblock.
    Superblock,
    /// A whole bitmap: superblock, bits, and what is reserved for it.
    Bitmap {
        /// Its slot, when it is one of a clustered bitmap.
        slot: Option<u32>,
    },
    /// The slots of a clustered bitmap that are not listed one by one.
    MoreBitmaps {
        /// The first of them.
        first: u32,
        /// The last one.
        last: u32,
    },
    /// The superblock of a bitmap file or bare bitmap.
    BitmapSuperblock,
    /// The bits of a bitmap file or bare bitmap.
    Bits,
    /// The state bytes of one of version 6.
    States,
    /// The bad-block log.
    BadBlockLog,
    /// The partial parity log.
    Ppl,
    /// The array's data.
    Data,
    /// Bytes of a file that no block of its file system stores.
    Hole,
    /// Bytes of a file that are stored, but where md cannot write them in place.
    Unfit,
    /// Nothing that md knows of.
    Gap,
    /// Nothing that md knows of, up to the end of the device or file.
    End,
}

impl Content {
    /// Stable name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Content::Superblock => "md_superblock",
            Content::Bitmap { .. } | Content::MoreBitmaps { .. } => "bitmap",
            Content::BitmapSuperblock => "bitmap_superblock",
            Content::Bits => "bits",
            Content::States => "states",
            Content::BadBlockLog => "bad_block_log",
            Content::Ppl => "ppl",
            Content::Data => "data",
            Content::Hole => "hole",
            Content::Unfit => "unfit",
            Content::Gap => "gap",
            Content::End => "end",
        }
    }

    /// The slot of a clustered bitmap; the first one of several.
    pub fn slot(self) -> Option<u32> {
        match self {
            Content::Bitmap { slot } => slot,
            Content::MoreBitmaps { first, .. } => Some(first),
            _ => None,
        }
    }

    /// True for what no other area may share bytes with. Holes are a property of what lies there.
    fn is_exclusive(self) -> bool {
        !matches!(self, Content::Hole | Content::Unfit)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Superblock => f.write_str("md superblock"),
            Content::Bitmap { slot: None } => f.write_str("bitmap"),
            Content::Bitmap { slot: Some(slot) } => write!(f, "bitmap, slot {slot}"),
            Content::MoreBitmaps { first, last } => write!(f, "bitmaps, slots {first} to {last}"),
            Content::BitmapSuperblock => f.write_str("bitmap superblock"),
            Content::Bits => f.write_str("bits"),
            Content::States => f.write_str("state bytes"),
            Content::BadBlockLog => f.write_str("bad-block log"),
            Content::Ppl => f.write_str("partial parity log"),
            Content::Data => f.write_str("data"),
            Content::Hole => f.write_str("hole"),
            Content::Unfit => f.write_str("not writable in place"),
            Content::Gap => f.write_str("gap"),
            Content::End => f.write_str("rest"),
        }
    }
}

/// One area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// What it holds.
    pub content: Content,
    /// Its bytes, from the start of the device; never empty.
    pub range: Range<u64>,
    /// What else is worth knowing; may be empty.
    pub detail: String,
    /// Areas that share bytes with it: their index in the layout, and the bytes shared.
    pub overlaps: Vec<(usize, Range<u64>)>,
}

/// All areas of a device or file, by their first byte; together they cover it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Length of the device or file.
    pub device: Bytes,
    /// The areas, gaps included. Areas may reach past the end of the device.
    pub areas: Vec<Area>,
    /// True when the bad-block log lies inside the version 6 bitmap where mdadm 4.6 puts it.
    pub mdadm_lockless_defect: bool,
}

/// Holes listed one by one; a hostile file may have a million.
const MOST_HOLES: usize = 16;

impl Layout {
    /// The layout of a member. `bitmap` is what lies where its superblock places the bitmap, when
    /// that could be read.
    pub fn of_member(member: &MemberSuper, bitmap: Option<&RawBitmapSuper>) -> Layout {
        let areas = &member.areas;
        let mut found = Vec::new();
        let mut add = |content, range: Option<&Range<u64>>, detail: String| {
            found.extend(range.map(|range| area(content, range.clone(), detail)));
        };
        let superblock = format!("metadata {}, events {}", member.metadata, member.events);
        add(Content::Superblock, Some(&areas.superblock), superblock);
        let log = areas.bad_block_log.as_ref();
        add(Content::BadBlockLog, log, String::new());
        add(Content::Ppl, areas.ppl.as_ref(), String::new());
        add(Content::Data, areas.data.as_ref(), used_of(member));
        match &member.bitmap {
            Ok(place) => found.extend(bitmap_areas::on_member(member, place, bitmap)),
            Err(none) => found.extend(bitmap_areas::outside(none)),
        }
        let mdadm_lockless_defect = bitmap.is_some_and(|raw| is_mdadm_lockless_defect(member, raw));
        Layout {
            mdadm_lockless_defect,
            ..Layout::new(member.device_bytes, found)
        }
    }

    /// The layout of a bitmap file, or of a device that bears a bitmap at byte `start` alone.
    /// `unwritable`: bytes of a file that md could not write in place.
    pub fn of_bare(
        device: Bytes,
        start: Bytes,
        raw: &RawBitmapSuper,
        unwritable: &[Unfit],
    ) -> Layout {
        let mut found = bitmap_areas::bare(start, raw);
        found.extend(unwritable.iter().take(MOST_HOLES).map(|unfit| match unfit {
            Unfit::Hole { start, end } => area(Content::Hole, *start..*end, String::new()),
            Unfit::State { start, end, state } => {
                area(Content::Unfit, *start..*end, (*state).to_owned())
            }
        }));
        let more = unwritable.len().saturating_sub(MOST_HOLES);
        if let Some(last) = found.last_mut().filter(|_| more > 0) {
            last.detail = format!("and {more} more behind this one");
        }
        let mut layout = Layout::new(device, found);
        if start.0 > 0 {
            // The user chose the place: what else is on the device was not asked.
            let unknown = |area: &&mut Area| match area.content {
                Content::Gap => area.range.start == 0,
                content => content == Content::End,
            };
            for area in layout.areas.iter_mut().filter(unknown) {
                area.detail = "not looked at".to_owned();
            }
        }
        layout
    }

    /// Sorts the areas, fills what lies between them, and finds what lies on what.
    fn new(device: Bytes, mut areas: Vec<Area>) -> Layout {
        areas.retain(|area| !area.range.is_empty());
        let gaps = gaps(device, &areas);
        areas.extend(gaps);
        // Of two that start together the longer first: it is the ground that the other lies on.
        areas.sort_by_key(|area| {
            (
                area.range.start,
                Reverse(area.range.end),
                area.content.name(),
            )
        });
        let overlaps: Vec<_> = (0..areas.len()).map(|at| overlaps_of(&areas, at)).collect();
        for (area, overlaps) in areas.iter_mut().zip(overlaps) {
            area.overlaps = overlaps;
        }
        Layout {
            device,
            areas,
            mdadm_lockless_defect: false,
        }
    }

    /// Bytes by which an area reaches past the end of the device.
    pub fn past_end(&self, area: &Area) -> u64 {
        area.range.end.saturating_sub(self.device.0)
    }
}

/// Whether the bad-block log lies inside a version 6 bitmap where mdadm 4.6 puts it on every array
/// that it creates with `--bitmap=lockless` (reference/kernel.md trap 4): 16 sectors behind the
/// superblock, 8 behind the start of the bitmap.
fn is_mdadm_lockless_defect(member: &MemberSuper, raw: &RawBitmapSuper) -> bool {
    const FROM_BITMAP: u64 = 8 * SECTOR_BYTES;
    let place = member.bitmap.as_ref().ok();
    let expected = place.and_then(|place| place.start.0.checked_add(FROM_BITMAP));
    let log = member.areas.bad_block_log.as_ref().map(|log| log.start);
    raw.has_magic() && raw.is_lockless() && log.is_some() && log == expected
}

fn area(content: Content, range: Range<u64>, detail: String) -> Area {
    Area {
        content,
        range,
        detail,
        overlaps: Vec::new(),
    }
}

/// How much of its data area the array uses, where that is less than all.
fn used_of(member: &MemberSuper) -> String {
    let room = member.areas.data.as_ref();
    let room = room.map_or(0, |range| range.end - range.start);
    match member.component.and_then(|used| used.to_bytes()) {
        Some(used) if used.0 < room => format!("the array uses the first {used} bytes"),
        _ => String::new(),
    }
}

/// What no area covers.
fn gaps(device: Bytes, areas: &[Area]) -> Vec<Area> {
    let mut taken: Vec<&Range<u64>> = areas
        .iter()
        .filter(|area| area.content.is_exclusive())
        .map(|area| &area.range)
        .collect();
    taken.sort_by_key(|range| range.start);
    let mut gaps = Vec::new();
    let mut covered = 0;
    for range in taken {
        let end = range.start.min(device.0);
        if end > covered {
            gaps.push(area(Content::Gap, covered..end, String::new()));
        }
        covered = covered.max(range.end);
    }
    if covered < device.0 {
        gaps.push(area(Content::End, covered..device.0, String::new()));
    }
    gaps
}

fn overlaps_of(areas: &[Area], own: usize) -> Vec<(usize, Range<u64>)> {
    let Some(area) = areas.get(own).filter(|area| area.content.is_exclusive()) else {
        return Vec::new();
    };
    areas
        .iter()
        .enumerate()
        .filter(|(at, other)| *at != own && other.content.is_exclusive())
        .map(|(at, other)| {
            let start = area.range.start.max(other.range.start);
            (at, start..area.range.end.min(other.range.end))
        })
        .filter(|(_, shared)| !shared.is_empty())
        .collect()
}
