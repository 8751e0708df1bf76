//! From each kind of superblock to the view they share.

use super::member::{Areas, BitmapPlace, MemberSuper, MetadataVersion, NoBitmap, Role, SlotState};
use crate::format::level::Level;
use crate::format::md_v1::{Minor, feature};
use crate::format::{dm_raid, md_v1, md_v090};
use crate::units::{Bytes, Events, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// The view of a 1.x superblock on a device of `device` bytes.
pub fn from_v1(sb: &md_v1::Super, device: Bytes) -> MemberSuper {
    let raw = sb.raw();
    let fixed = &raw.fixed;
    let features = raw.features();
    let metadata = match sb.position().minor {
        Minor::V0 => MetadataVersion::V1_0,
        Minor::V1 => MetadataVersion::V1_1,
        Minor::V2 => MetadataVersion::V1_2,
    };
    let super_start = bytes_of(sb.position().start);
    MemberSuper {
        metadata,
        super_start,
        array_uuid: fixed.set_uuid,
        device_uuid: Some(fixed.device_uuid),
        array_name: Some(raw.name()),
        created: raw.created_seconds(),
        updated: raw.updated_seconds(),
        level: Level::from_number(fixed.level),
        layout: fixed.layout,
        raid_chunk: Sectors(u64::from(fixed.chunksize)),
        raid_disks: fixed.raid_disks,
        number: fixed.dev_number,
        role: raw.own_role().map_or(Role::Spare, v1_role),
        devices: raw.roles.iter().copied().map(v1_role).collect(),
        recovery_offset: features
            .has(feature::RECOVERY_OFFSET)
            .then_some(Sectors(fixed.recovery_offset)),
        events: Events(fixed.events),
        resync_offset: unless_done(fixed.resync_offset),
        component: Some(Sectors(fixed.size)),
        data_offset: Sectors(fixed.data_offset),
        bitmap: v1_bitmap(sb, metadata, device),
        slots: v1_slots(raw),
        features: fixed.feature_map,
        areas: v1_areas(sb),
        array_sectors: None,
        reshaping: features.has(feature::RESHAPE_ACTIVE),
        logical_block_bytes: match fixed.logical_block_size {
            0 => sb.position().logical_block_bytes,
            recorded => recorded,
        },
        device_bytes: device,
    }
}

/// What a role means. (A device whose number has no role is a spare, as in the kernel.)
fn v1_role(role: u16) -> Role {
    match role {
        md_v1::role::SPARE => Role::Spare,
        md_v1::role::FAULTY => Role::Faulty,
        md_v1::role::JOURNAL => Role::Journal,
        slot => Role::Slot(u32::from(slot)),
    }
}

fn v1_slots(raw: &md_v1::RawSuper) -> Vec<SlotState> {
    let slots = raw.fixed.raid_disks.min(md_v1::MAX_ROLES);
    let mut held = vec![SlotState::Vacant; slots as usize];
    for role in &raw.roles {
        if let Some(slot) = held.get_mut(usize::from(*role)) {
            *slot = SlotState::Occupied;
        }
    }
    held
}

fn v1_bitmap(
    sb: &md_v1::Super,
    metadata: MetadataVersion,
    device: Bytes,
) -> Result<BitmapPlace, NoBitmap> {
    let fixed = &sb.raw().fixed;
    let features = sb.raw().features();
    let super_start = bytes_of(sb.position().start);
    if !features.has(feature::BITMAP_OFFSET) || fixed.bitmap_offset == 0 {
        return Err(NoBitmap::NotAnnounced {
            metadata,
            super_start,
            field: format!(
                "feature_map 0x{:x}, bitmap_offset {}",
                fixed.feature_map, fixed.bitmap_offset
            ),
            would_be: None,
        });
    }
    let offset = i64::from(fixed.bitmap_offset);
    let outside = || NoBitmap::OutsideDevice {
        metadata,
        super_start,
        offset_sectors: offset,
        device_bytes: device,
    };
    let start = shifted(super_start, offset)
        .filter(|start| start.0 < device.0)
        .ok_or_else(outside)?;
    // Room that the kernel assumes (reference/kernel.md 7.4): 1.0 alone.
    let space = match (metadata, offset) {
        (MetadataVersion::V1_0, ..0) => offset.unsigned_abs(),
        (MetadataVersion::V1_0, 0..=8) => 8 - offset.unsigned_abs(),
        _ => 0,
    };
    let space = (space > 0).then_some(Sectors(space));
    Ok(BitmapPlace {
        start,
        space,
        clustered: features.has(feature::CLUSTERED),
    })
}

fn v1_areas(sb: &md_v1::Super) -> Areas {
    let fixed = &sb.raw().fixed;
    let position = sb.position();
    let super_start = bytes_of(position.start);
    let block = u64::from(position.logical_block_bytes).max(SECTOR_BYTES);
    let super_bytes =
        (md_v1::FIXED_BYTES as u64 + 2 * u64::from(fixed.max_dev)).div_ceil(block) * block;
    let beside = |offset: i64, sectors: u16| {
        let start = shifted(super_start, offset)?;
        (sectors > 0).then(|| range_of(start.0, u64::from(sectors) * SECTOR_BYTES))
    };
    let log =
        (fixed.bblog_offset != 0).then(|| beside(i64::from(fixed.bblog_offset), fixed.bblog_size));
    let (ppl_offset, ppl_size) = sb.raw().ppl();
    let has_ppl = fixed.feature_map & (feature::PPL | feature::MULTIPLE_PPLS) != 0;
    let data_start = bytes_of(Sectors(fixed.data_offset)).0;
    Areas {
        superblock: range_of(super_start.0, super_bytes),
        bad_block_log: log.flatten(),
        ppl: has_ppl
            .then(|| beside(i64::from(ppl_offset), ppl_size))
            .flatten(),
        data: Some(range_of(data_start, bytes_of(Sectors(fixed.data_size)).0)),
    }
}

/// The view of a 0.90 superblock on a device of `device` bytes.
pub fn from_v090(sb: &md_v090::Super, device: Bytes, logical_block_bytes: u32) -> MemberSuper {
    let raw = sb.raw();
    let metadata = MetadataVersion::V0_90(raw.order());
    let start = sb.position().start;
    let super_start = bytes_of(start);
    let component = Sectors(u64::from(raw.size_kib()) * 2);
    let own = own_disk(raw);
    let recovering = own.state & (md_v090::disk_state::ACTIVE | md_v090::disk_state::SYNC);
    MemberSuper {
        metadata,
        super_start,
        array_uuid: raw.uuid(),
        device_uuid: None,
        array_name: None,
        created: u64::from(raw.ctime()),
        updated: u64::from(raw.utime()),
        level: Level::from_number(raw.level()),
        layout: raw.layout(),
        raid_chunk: Bytes(u64::from(raw.chunk_bytes())).sectors_floor(),
        raid_disks: raw.raid_disks(),
        number: raw.this_disk().number,
        role: v090_role(own),
        devices: raw.disks().into_iter().map(v090_role).collect(),
        // Active but not in sync: 0.90 does not say how far.
        recovery_offset: (recovering == md_v090::disk_state::ACTIVE).then_some(Sectors(0)),
        events: Events(raw.events()),
        resync_offset: v090_resync_offset(raw),
        component: Some(component),
        data_offset: Sectors(0),
        bitmap: v090_bitmap(raw, metadata, super_start, device),
        slots: v090_slots(raw),
        features: 0,
        areas: Areas {
            superblock: range_of(super_start.0, md_v090::BYTES as u64),
            bad_block_log: None,
            ppl: None,
            data: Some(range_of(0, bytes_of(component.min(start)).0)),
        },
        array_sectors: None,
        reshaping: raw.version().1 == 91,
        logical_block_bytes,
        device_bytes: device,
    }
}

/// The kernel takes the entry of the table that this disk's number points at.
fn own_disk(raw: &md_v090::RawSuper) -> md_v090::Disk {
    let this = raw.this_disk();
    raw.disks()
        .get(this.number as usize)
        .copied()
        .unwrap_or(this)
}

fn v090_role(own: md_v090::Disk) -> Role {
    use md_v090::disk_state::{ACTIVE, FAULTY, SYNC};
    if own.state & FAULTY != 0 {
        Role::Faulty
    } else if own.state & (ACTIVE | SYNC) != 0 {
        Role::Slot(own.raid_disk)
    } else {
        Role::Spare
    }
}

/// Clean; else the checkpoint if it was made in this very state; else the start
/// (reference/kernel.md 7.5).
fn v090_resync_offset(raw: &md_v090::RawSuper) -> Option<Sectors> {
    if raw.state() & md_v090::state::CLEAN != 0 {
        None
    } else if raw.cp_events() == raw.events() {
        Some(Sectors(u64::from(raw.recovery_cp())))
    } else {
        Some(Sectors(0))
    }
}

fn v090_slots(raw: &md_v090::RawSuper) -> Vec<SlotState> {
    use md_v090::disk_state::{ACTIVE, FAULTY, REMOVED, SYNC};
    let slots = raw.raid_disks().min(md_v090::MAX_DISKS as u32);
    let mut held = vec![SlotState::Vacant; slots as usize];
    for disk in raw.disks() {
        let present = disk.state & (ACTIVE | SYNC) != 0 && disk.state & (FAULTY | REMOVED) == 0;
        if let (true, Some(slot)) = (present, held.get_mut(disk.raid_disk as usize)) {
            *slot = SlotState::Occupied;
        }
    }
    held
}

fn v090_bitmap(
    raw: &md_v090::RawSuper,
    metadata: MetadataVersion,
    super_start: Bytes,
    device: Bytes,
) -> Result<BitmapPlace, NoBitmap> {
    let offset = i64::try_from(md_v090::BITMAP_OFFSET_SECTORS).unwrap_or_default();
    let place = shifted(super_start, offset)
        .filter(|start| start.0 < device.0)
        .map(|start| BitmapPlace {
            start,
            space: Some(Sectors(md_v090::BITMAP_SPACE_SECTORS)),
            clustered: raw.state() & md_v090::state::CLUSTERED != 0,
        });
    if raw.state() & md_v090::state::BITMAP_PRESENT == 0 {
        let field = format!("state 0x{:x} without bit 8", raw.state());
        return Err(NoBitmap::NotAnnounced {
            metadata,
            super_start,
            field,
            would_be: place,
        });
    }
    place.ok_or(NoBitmap::OutsideDevice {
        metadata,
        super_start,
        offset_sectors: offset,
        device_bytes: device,
    })
}

/// Bit of `flags`: a reshape is under way.
const DM_RESHAPE_ACTIVE: u32 = 1;

/// The view of a dm-raid superblock on a metadata device of `device` bytes.
pub fn from_dm_raid(sb: &dm_raid::Super, device: Bytes, logical_block_bytes: u32) -> MemberSuper {
    let raw = sb.raw();
    let metadata = MetadataVersion::DmRaid;
    let level = Level::from_number(raw.level);
    let devices = raw.num_devices.min(dm_raid::MAX_DEVICES);
    let slot = |position| {
        if raw.is_failed(position) {
            SlotState::Vacant
        } else {
            SlotState::Occupied
        }
    };
    let role = |position| {
        if raw.is_failed(position) {
            Role::Faulty
        } else {
            Role::Slot(position)
        }
    };
    let extended = |value: u64| raw.is_extended().then_some(Sectors(value));
    MemberSuper {
        metadata,
        super_start: Bytes(0),
        array_uuid: [0; 16],
        device_uuid: None,
        array_name: None,
        created: 0,
        updated: 0,
        level,
        layout: raw.layout,
        raid_chunk: Sectors(u64::from(raw.stripe_sectors)),
        raid_disks: raw.num_devices,
        number: raw.array_position,
        role: role(raw.array_position),
        devices: (0..devices).map(role).collect(),
        recovery_offset: unless_done(raw.disk_recovery_offset),
        events: Events(raw.events),
        resync_offset: unless_done(raw.array_resync_offset),
        component: extended(raw.sectors),
        data_offset: extended(raw.data_offset).unwrap_or_default(),
        bitmap: dm_bitmap(level, metadata, device),
        slots: (0..devices).map(slot).collect(),
        features: 0,
        areas: Areas {
            superblock: range_of(
                0,
                u64::from(logical_block_bytes).clamp(SECTOR_BYTES, dm_raid::BITMAP_START),
            ),
            bad_block_log: None,
            ppl: None,
            data: None,
        },
        array_sectors: extended(raw.array_sectors),
        reshaping: raw.is_extended() && raw.flags & DM_RESHAPE_ACTIVE != 0,
        logical_block_bytes,
        device_bytes: device,
    }
}

fn dm_bitmap(
    level: Level,
    metadata: MetadataVersion,
    device: Bytes,
) -> Result<BitmapPlace, NoBitmap> {
    if !level.has_bitmap() {
        return Err(NoBitmap::Level { level });
    }
    if device.0 <= dm_raid::BITMAP_START {
        return Err(NoBitmap::OutsideDevice {
            metadata,
            super_start: Bytes(0),
            offset_sectors: 8,
            device_bytes: device,
        });
    }
    Ok(BitmapPlace {
        start: Bytes(dm_raid::BITMAP_START),
        space: None,
        clustered: false,
    })
}

/// `None` for the value that means "done".
fn unless_done(offset: u64) -> Option<Sectors> {
    (offset != u64::MAX).then_some(Sectors(offset))
}

/// Bytes, saturating: a hostile field may name any sector.
fn bytes_of(sectors: Sectors) -> Bytes {
    sectors.to_bytes().unwrap_or(Bytes(u64::MAX))
}

fn range_of(start: u64, len: u64) -> Range<u64> {
    start..start.saturating_add(len)
}

/// `start` moved by a signed number of sectors; `None` outside 64 bits.
fn shifted(start: Bytes, sectors: i64) -> Option<Bytes> {
    let moved = i128::from(start.0) + i128::from(sectors) * i128::from(SECTOR_BYTES);
    u64::try_from(moved).ok().map(Bytes)
}
