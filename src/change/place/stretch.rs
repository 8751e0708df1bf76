//! The stretches of one member that are free, and what lies around them.

use crate::array::MetadataVersion;
use crate::array::probe::RawSuper;
use crate::change::refusal::PlanError;
use crate::change::stopped::{Device, StoppedArray};
use crate::format::md_v1::{Minor, Position, Super};
use crate::format::placement::area::BLOCK_SECTORS;
use crate::format::placement::free::Taken;
use crate::format::placement::v1::Member;
use crate::format::placement::v090;
use crate::units::{Bytes, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// What is free on a member.
pub(super) struct Own {
    /// In sectors from its superblock, ascending.
    pub free: Vec<Range<i64>>,
    /// What mdadm would place a bitmap by; `None` for 0.90.
    pub member: Option<Member>,
}

/// Sectors from a 1.0 superblock behind which the kernel takes nothing to be reserved (reference/kernel.md 7.4).
const BEHIND_1_0: i64 = 8;

/// The free stretches of a member.
pub(super) fn of_device(device: &Device<'_>) -> Result<Own, PlanError> {
    let sectors = device.store.len().sectors_floor();
    let start = at_sector(device.member().super_start);
    let Some((member, taken)) = taken(device, sectors)? else {
        return Ok(Own {
            free: of_v090(start, sectors),
            member: None,
        });
    };
    let relative = |range: Range<u64>| {
        let from = i64::try_from(range.start).ok()?.checked_sub(start)?;
        let to = i64::try_from(range.end).ok()?.checked_sub(start)?;
        Some(from..to)
    };
    let data = relative(member.data_offset.0..data_end(&member)).unwrap_or(0..0);
    let gaps = taken.gaps().into_iter().filter_map(relative);
    let usable = gaps.flat_map(|gap| match member.minor {
        // Between superblock and data: what lies behind the data, the array may grow into.
        Minor::V1 | Minor::V2 => [gap.start.max(1)..gap.end.min(data.start), 0..0],
        // Between data and superblock, or in what is left of the 4 KiB in which that lies.
        Minor::V0 => [
            gap.start.max(data.end)..gap.end.min(0),
            gap.start.max(1)..gap.end.min(BEHIND_1_0),
        ],
    });
    let reachable = usable.map(|gap| gap.start.max(i64::from(i32::MIN))..gap.end);
    Ok(Own {
        free: reachable.filter(|gap| gap.start < gap.end).collect(),
        member: Some(member),
    })
}

/// The one place that 0.90 has, as far as it lies on the device.
fn of_v090(start: i64, device: Sectors) -> Vec<Range<i64>> {
    let offset = v090::BITMAP_OFFSET as i64;
    let end = offset + (v090::AREA.0 / SECTOR_BYTES) as i64;
    let left = i64::try_from(device.0)
        .unwrap_or(i64::MAX)
        .saturating_sub(start);
    let place = offset..end.min(left);
    [place]
        .into_iter()
        .filter(|place| place.start < place.end)
        .collect()
}

/// The areas that are taken on a member with 1.x metadata.
fn taken(device: &Device<'_>, sectors: Sectors) -> Result<Option<(Member, Taken)>, PlanError> {
    let name = device.store.name();
    let found = device.member();
    let minor = match found.metadata {
        MetadataVersion::V1_0 => Minor::V0,
        MetadataVersion::V1_1 => Minor::V1,
        MetadataVersion::V1_2 => Minor::V2,
        MetadataVersion::V0_90(_) | MetadataVersion::DmRaid => return Ok(None),
    };
    let RawSuper::V1(raw) = &device.found.raw else {
        return Ok(None);
    };
    let position = Position {
        minor,
        start: found.super_start.sectors_floor(),
        device: sectors,
        logical_block_bytes: device
            .store
            .logical_block_bytes()
            .max(found.logical_block_bytes),
    };
    let superblock = Super::validate((**raw).clone(), position).map_err(|failures| {
        let first = failures
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        PlanError::refuse("superblock-damaged", format!("{name}: {first}"))
    })?;
    let member = Member::of(&superblock);
    let taken = Taken::of(&member, sectors)
        .map_err(|error| PlanError::refuse("layout-contradiction", format!("{name}: {error}")))?;
    Ok(Some((member, taken)))
}

fn data_end(member: &Member) -> u64 {
    let data = member.data_size.0.max(member.size.0);
    member.data_offset.0.saturating_add(data)
}

fn at_sector(start: Bytes) -> i64 {
    i64::try_from(start.sectors_floor().0).unwrap_or(i64::MAX)
}

/// What is free in both.
pub(super) fn common(one: &[Range<i64>], other: &[Range<i64>]) -> Vec<Range<i64>> {
    let mut both = Vec::new();
    for a in one {
        for b in other {
            let shared = a.start.max(b.start)..a.end.min(b.end);
            if shared.start < shared.end {
                both.push(shared);
            }
        }
    }
    both.sort_by_key(|range| range.start);
    both
}

/// Where in a stretch an area begins that lies at a multiple of 4 KiB: at its start when it lies behind the superblock,
/// at its end when before.
pub(super) fn aligned(stretch: &Range<i64>, sectors: u64) -> Option<i32> {
    let block = BLOCK_SECTORS as i64;
    let sectors = i64::try_from(sectors).ok()?;
    let start = match stretch.end <= 0 {
        true => stretch
            .end
            .checked_sub(sectors)?
            .div_euclid(block)
            .checked_mul(block)?,
        false => stretch
            .start
            .checked_add(block - 1)?
            .div_euclid(block)
            .checked_mul(block)?,
    };
    let fits = stretch.start <= start && start.checked_add(sectors)? <= stretch.end;
    fits.then(|| i32::try_from(start).ok()).flatten()
}

/// What lies before and behind a stretch: what begins or ends there on some member.
pub(super) fn around(array: &StoppedArray<'_>, stretch: &Range<i64>) -> Result<String, PlanError> {
    let (mut before, mut behind) = (None, None);
    for place in array.current().chain(array.spares()) {
        let Some(device) = array.devices.get(place) else {
            continue;
        };
        let Some((_, taken)) = taken(device, device.store.len().sectors_floor())? else {
            return Ok("the place that 0.90 metadata has for it".to_owned());
        };
        let start = i128::from(device.member().super_start.0 / SECTOR_BYTES);
        let touching = |from: i128| {
            let (region, _) = taken.overlap(from, from + 1)?;
            Some(format!("{region} on {}", device.store.name()))
        };
        before = before.or_else(|| touching(start + i128::from(stretch.start) - 1));
        behind = behind.or_else(|| touching(start + i128::from(stretch.end)));
    }
    let side =
        |what: Option<String>| what.unwrap_or_else(|| "what the kernel does not use".to_owned());
    Ok(format!("between {} and {}", side(before), side(behind)))
}
