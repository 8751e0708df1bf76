//! Makes valid 1.x superblocks from the few fields that matter.

use super::checks::Minor;
use super::raw::{Fixed, RawSuper, feature};
use super::{IN_SYNC, MAGIC, MAX_ROLES};
use crate::format::level::Level;
use crate::units::{Events, Sectors};

/// The fields of a new 1.x superblock; the rest is zero or follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    /// Which place on the device.
    pub minor: Minor,
    /// Sectors of the device, from which the position of 1.0 follows.
    pub device: Sectors,
    /// Array UUID.
    pub set_uuid: [u8; 16],
    /// Device UUID.
    pub device_uuid: [u8; 16],
    /// Array name; cut to 32 bytes.
    pub name: String,
    /// Creation time in seconds since 1970.
    pub created: u64,
    /// RAID level.
    pub level: Level,
    /// Layout.
    pub layout: u32,
    /// RAID chunk.
    pub raid_chunk: Sectors,
    /// Slots of the array.
    pub raid_disks: u32,
    /// Sectors used on each device.
    pub component: Sectors,
    /// First sector of the data.
    pub data_offset: Sectors,
    /// Sectors available for data.
    pub data_size: Sectors,
    /// This device's number, the index of its role.
    pub dev_number: u32,
    /// Roles by device number.
    pub roles: Vec<u16>,
    /// Event count.
    pub events: Events,
    /// Where the resync has to go on; `None` is clean.
    pub resync_offset: Option<Sectors>,
    /// Sectors from the superblock to the bitmap; sets the feature bit.
    pub bitmap_offset: Option<i32>,
    /// Offset and size in sectors of an active bad-block log; sets the feature bit.
    pub bad_block_log: Option<(i32, u16)>,
    /// Further feature bits.
    pub features: u32,
}

impl Builder {
    /// A clean mirror of two on devices of `device` sectors, this being slot 0: data at sector
    /// 2048 (1.0: 0), bitmap 8 sectors behind the superblock (1.0: 16 before it).
    pub fn mirror(minor: Minor, device: Sectors) -> Builder {
        let last = minor == Minor::V0;
        let data_offset = if last { 0 } else { 2048 };
        let data_size = if last {
            minor
                .super_start(device)
                .map_or(0, |start| start.0.saturating_sub(16))
        } else {
            device.0.saturating_sub(data_offset)
        };
        Builder {
            minor,
            device,
            set_uuid: [0; 16],
            device_uuid: [0; 16],
            name: String::new(),
            created: 0,
            level: Level::Raid1,
            layout: 0,
            raid_chunk: Sectors(0),
            raid_disks: 2,
            component: Sectors(data_size & !127),
            data_offset: Sectors(data_offset),
            data_size: Sectors(data_size),
            dev_number: 0,
            roles: vec![0, 1],
            events: Events(1),
            resync_offset: None,
            bitmap_offset: Some(if last { -16 } else { 8 }),
            bad_block_log: None,
            features: 0,
        }
    }

    /// The superblock, with its checksum. Roles beyond [`MAX_ROLES`] are cut.
    pub fn build(&self) -> RawSuper {
        let roles: Vec<u16> = self
            .roles
            .iter()
            .copied()
            .take(MAX_ROLES as usize)
            .collect();
        let mut raw = RawSuper {
            fixed: self.fixed(roles.len()),
            roles,
        };
        raw.seal();
        raw
    }

    fn fixed(&self, roles: usize) -> Fixed {
        let mut set_name = [0; 32];
        for (to, from) in set_name.iter_mut().zip(self.name.bytes()) {
            *to = from;
        }
        let (bblog_offset, bblog_size) = self.bad_block_log.unwrap_or_default();
        let bit = |present: bool, mask: u32| if present { mask } else { 0 };
        Fixed {
            magic: MAGIC,
            major_version: 1,
            feature_map: self.features
                | bit(self.bitmap_offset.is_some(), feature::BITMAP_OFFSET)
                | bit(self.bad_block_log.is_some(), feature::BAD_BLOCKS),
            pad0: 0,
            set_uuid: self.set_uuid,
            set_name,
            ctime: self.created,
            level: self.level.number(),
            layout: self.layout,
            size: self.component.0,
            chunksize: u32::try_from(self.raid_chunk.0).unwrap_or(u32::MAX),
            raid_disks: self.raid_disks,
            bitmap_offset: self.bitmap_offset.unwrap_or_default(),
            new_level: 0,
            reshape_position: 0,
            delta_disks: 0,
            new_layout: 0,
            new_chunk: 0,
            new_offset: 0,
            data_offset: self.data_offset.0,
            data_size: self.data_size.0,
            super_offset: self.minor.super_start(self.device).unwrap_or_default().0,
            recovery_offset: 0,
            dev_number: self.dev_number,
            cnt_corrected_read: 0,
            device_uuid: self.device_uuid,
            devflags: 0,
            bblog_shift: 0,
            bblog_size,
            bblog_offset,
            utime: self.created,
            events: self.events.0,
            resync_offset: self.resync_offset.map_or(IN_SYNC, |offset| offset.0),
            sb_csum: 0,
            max_dev: u32::try_from(roles).unwrap_or(MAX_ROLES),
            logical_block_size: 0,
            pad3: [0; 28],
        }
    }
}
