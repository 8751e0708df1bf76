//! What a dump says about a device and a bitmap.

use crate::array::{MemberSuper, MetadataVersion, Role, SlotState};
use crate::bitmap::Bitmap;
use crate::commands::given::Given;
use crate::format::bit_array::BitOrder;
use crate::format::dump_text::{self, BitmapFacts, DeviceFacts, MAX_DEVICES, MdFacts, Metadata};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

/// The facts of a device; `None` when it is not open.
pub(super) fn device(given: &Given) -> Option<DeviceFacts> {
    Some(DeviceFacts {
        path: given.path.as_bytes().to_vec(),
        device_bytes: given.store()?.len().0,
        md: given.member.as_ref().map(|found| md(&found.member)),
    })
}

/// The facts of a bitmap with a magic number.
pub(super) fn bitmap(slot: u32, bitmap: &Bitmap<'_>) -> BitmapFacts {
    let raw = bitmap.raw().clone();
    BitmapFacts {
        slot,
        start_bytes: bitmap.start().0,
        order: match raw.version {
            3 => bitmap.order(),
            _ => BitOrder::Little,
        },
        has_runs: bitmap.encoding().is_some() && !raw.is_first_use() && bitmap.coverage().is_some(),
        raw,
    }
}

fn md(member: &MemberSuper) -> MdFacts {
    let devices = member.devices.iter().take(MAX_DEVICES);
    MdFacts {
        metadata: match member.metadata {
            MetadataVersion::V0_90(order) => Metadata::V0_90(order),
            MetadataVersion::V1_0 => Metadata::V1_0,
            MetadataVersion::V1_1 => Metadata::V1_1,
            MetadataVersion::V1_2 => Metadata::V1_2,
            MetadataVersion::DmRaid => Metadata::DmRaid,
        },
        super_start_bytes: member.super_start.0,
        array_uuid: member.array_uuid,
        device_uuid: member.device_uuid,
        array_name: member.array_name.clone(),
        created_seconds: member.created,
        updated_seconds: member.updated,
        level: member.level,
        layout: member.layout,
        raid_chunk_sectors: member.raid_chunk.0,
        raid_disks: member.raid_disks,
        number: member.number,
        role: role(member.role),
        events: member.events.0,
        resync_offset_sectors: member.resync_offset.map(|offset| offset.0),
        recovery_offset_sectors: member.recovery_offset.map(|offset| offset.0),
        component_sectors: member.component.map(|size| size.0),
        array_sectors: member.array_sectors.map(|size| size.0),
        data_offset_sectors: member.data_offset.0,
        features: member.features,
        reshaping: member.reshaping,
        logical_block_bytes: member.logical_block_bytes,
        vacant_slots: vacant(&member.slots),
        device_roles: (0..)
            .zip(devices)
            .filter(|(_, device)| **device != Role::Spare)
            .map(|(number, device)| (number, role(*device)))
            .collect(),
    }
}

fn role(role: Role) -> dump_text::Role {
    match role {
        Role::Slot(slot) => dump_text::Role::Slot(slot),
        Role::Spare => dump_text::Role::Spare,
        Role::Faulty => dump_text::Role::Faulty,
        Role::Journal => dump_text::Role::Journal,
    }
}

/// The vacant slots as ranges.
fn vacant(slots: &[SlotState]) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for (slot, _) in (0u32..)
        .zip(slots)
        .filter(|(_, state)| **state == SlotState::Vacant)
    {
        match ranges.last_mut() {
            Some(last) if last.end == slot => last.end = slot.saturating_add(1),
            _ => ranges.push(slot..slot.saturating_add(1)),
        }
    }
    ranges
}
