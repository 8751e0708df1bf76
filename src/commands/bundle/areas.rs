//! Which bytes of a device are metadata.

use crate::array::probe::RawSuper;
use crate::array::{FoundSuper, MetadataVersion, RejectedSuper, probe};
use crate::bitmap::{Bitmap, MAX_SLOTS};
use crate::commands::given::{Given, Kind};
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::format::{dm_raid, md_v1, md_v090};
use crate::units::{Bytes, SECTOR_BYTES};
use std::ops::Range;

/// A stretch of a device that is metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// What it is: `superblock`, `bitmap` or `bad-block log`.
    pub what: &'static str,
    /// Its bytes.
    pub bytes: Range<u64>,
}

/// All of them, and what was left out though a superblock calls it metadata.
#[derive(Debug, Default)]
pub(super) struct Areas {
    /// In ascending order, apart from each other.
    pub areas: Vec<Area>,
    pub left_out: Vec<String>,
}

/// Bitmaps are written in whole blocks of so many bytes (reference/mdadm.md 2.5).
const BLOCK: u64 = 4096;

/// The metadata areas of a device.
///
/// Superblocks count as such wherever their magic number is, a damaged or an old one too. Of the
/// bitmap and of the bad-block log that part is left out which lies inside the data area of the
/// superblock that places them: those bytes are data, whatever else they are. A log of partial parity
/// is left out altogether: parity is made of data.
pub(super) fn of(given: &Given, store: &dyn Store) -> Areas {
    let mut found = Areas::default();
    let len = store.len().0;
    let probed = probe(store, None);
    for member in &probed.found {
        let start = member.member.super_start.0;
        found.add(
            "superblock",
            start..start.saturating_add(member.raw.to_bytes().len() as u64),
            len,
        );
    }
    for rejected in &probed.rejected {
        let start = rejected.start.0;
        found.add(
            "superblock",
            start..start.saturating_add(rejected_bytes(rejected, store)),
            len,
        );
    }
    let member = given.member.as_ref().map(|found| &found.member);
    let data = match member {
        Some(member) => member.areas.data.clone(),
        None => probed
            .rejected
            .first()
            .and_then(|rejected| rejected_data(rejected, store)),
    };
    let data = data.unwrap_or(0..0);
    if let Some(log) = member.and_then(|member| member.areas.bad_block_log.clone()) {
        found.add_outside("bad-block log", log, &data, len);
    }
    if let Ok(Some(bitmap)) = given.bitmap() {
        let kind = given.found.as_ref().map(|found| found.kind);
        // Without an md superblock only the magic number shows that there is a bitmap at all.
        if kind == Some(Kind::Internal) || bitmap.raw().has_magic() {
            for area in bitmap_areas(&bitmap) {
                found.add_outside("bitmap", area, &data, len);
            }
        }
    }
    if let Some(area) = given
        .member
        .as_ref()
        .and_then(|member| unannounced(member, store))
    {
        found.add_outside("bitmap", area, &data, len);
    }
    found.unite();
    found
}

/// The array's own bitmap, where a 1.x superblock still names its place and says that there is none.
fn unannounced(found: &FoundSuper, store: &dyn Store) -> Option<Range<u64>> {
    let RawSuper::V1(raw) = &found.raw else {
        return None;
    };
    let off = !raw.features().has(md_v1::feature::BITMAP_OFFSET);
    let distance = i64::from(raw.fixed.bitmap_offset).checked_mul(SECTOR_BYTES as i64)?;
    let start = found.member.super_start.0.checked_add_signed(distance)?;
    let bitmap = Bitmap::open(store, Bytes(start), BitOrder::Little).ok()?;
    let ours = bitmap.raw().has_magic() && bitmap.raw().uuid == found.member.array_uuid;
    (off && distance != 0 && ours).then(|| block_range(start, &bitmap))
}

impl Areas {
    fn add(&mut self, what: &'static str, bytes: Range<u64>, len: u64) {
        let bytes = bytes.start..bytes.end.min(len);
        if !bytes.is_empty() {
            self.areas.push(Area { what, bytes });
        }
    }

    /// What of an area is no data.
    fn add_outside(&mut self, what: &'static str, bytes: Range<u64>, data: &Range<u64>, len: u64) {
        let bytes = bytes.start..bytes.end.min(len);
        let inside = bytes.start.max(data.start)..bytes.end.min(data.end);
        if inside.is_empty() {
            return self.add(what, bytes, len);
        }
        self.left_out.push(format!(
            "the {what} lies at bytes {}..{}, of which {}..{} are inside the array's data; that part is not taken",
            bytes.start, bytes.end, inside.start, inside.end
        ));
        self.add(what, bytes.start..inside.start, len);
        self.add(what, inside.end..bytes.end, len);
    }

    /// Puts the areas in order and joins those that overlap.
    fn unite(&mut self) {
        self.areas
            .sort_by_key(|area| (area.bytes.start, area.bytes.end));
        let mut united: Vec<Area> = Vec::new();
        for area in self.areas.drain(..) {
            match united.last_mut() {
                Some(last) if area.bytes.start < last.bytes.end => {
                    last.bytes.end = last.bytes.end.max(area.bytes.end);
                }
                _ => united.push(area),
            }
        }
        self.areas = united;
    }
}

/// The superblock and the chunks of each slot, in whole blocks.
fn bitmap_areas(first: &Bitmap<'_>) -> Vec<Range<u64>> {
    let slots = match first.raw().has_magic() {
        true => first.slot_count().min(MAX_SLOTS),
        false => 1,
    };
    let places = (0..slots).map_while(|slot| first.slot_start(slot).ok());
    places.map(|start| block_range(start.0, first)).collect()
}

fn block_range(start: u64, bitmap: &Bitmap<'_>) -> Range<u64> {
    let cells = match (bitmap.encoding(), bitmap.coverage()) {
        (Some(encoding), Some(coverage)) => {
            let bytes = encoding.bytes_for(coverage.chunks());
            bytes.saturating_add(encoding.header_bytes())
        }
        // Nothing but a superblock can be told.
        _ => 0,
    };
    let blocks = cells.max(1).div_ceil(BLOCK);
    start..start.saturating_add(blocks.saturating_mul(BLOCK))
}

/// How long a superblock is that was not believed.
fn rejected_bytes(rejected: &RejectedSuper, store: &dyn Store) -> u64 {
    match rejected.metadata {
        MetadataVersion::V0_90(_) => md_v090::BYTES as u64,
        MetadataVersion::DmRaid => dm_raid::BITMAP_START.min(SECTOR_BYTES),
        _ => {
            let roles = raw_v1(rejected, store).map_or(0, |raw| raw.fixed.max_dev);
            let roles = roles.min(md_v1::MAX_ROLES);
            md_v1::FIXED_BYTES as u64 + 2 * u64::from(roles)
        }
    }
}

fn raw_v1(rejected: &RejectedSuper, store: &dyn Store) -> Option<md_v1::RawSuper> {
    let mut bytes = [0; md_v1::FIXED_BYTES];
    store.read_at(Bytes(rejected.start.0), &mut bytes).ok()?;
    md_v1::RawSuper::from_bytes(&bytes)
}

/// Where the data are by a superblock that was not believed; everything when it does not say.
fn rejected_data(rejected: &RejectedSuper, store: &dyn Store) -> Option<Range<u64>> {
    let all = 0..rejected.start.0;
    if !rejected.metadata.is_v1() {
        return Some(all);
    }
    let fixed = raw_v1(rejected, store)?.fixed;
    let start = fixed.data_offset.saturating_mul(SECTOR_BYTES);
    Some(start..start.saturating_add(fixed.data_size.saturating_mul(SECTOR_BYTES)))
}
