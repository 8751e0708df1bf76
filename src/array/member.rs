//! What one member's superblock says about its array: the same view for every metadata version.

use crate::format::level::Level;
use crate::format::uuid_text::{self, ByteOrder};
use crate::units::{Bytes, Events, Sectors};
use std::fmt;
use std::ops::Range;

/// Which kind of superblock describes a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetadataVersion {
    /// 0.90, in the byte order of the host that wrote it.
    V0_90(ByteOrder),
    /// 1.0: near the end of the device.
    V1_0,
    /// 1.1: at the start.
    V1_1,
    /// 1.2: 4096 bytes from the start.
    V1_2,
    /// The metadata device of an LVM RAID volume.
    DmRaid,
}

impl MetadataVersion {
    /// True for 1.0, 1.1 and 1.2.
    pub fn is_v1(self) -> bool {
        matches!(
            self,
            MetadataVersion::V1_0 | MetadataVersion::V1_1 | MetadataVersion::V1_2
        )
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetadataVersion::V0_90(_) => "0.90",
            MetadataVersion::V1_0 => "1.0",
            MetadataVersion::V1_1 => "1.1",
            MetadataVersion::V1_2 => "1.2",
            MetadataVersion::DmRaid => "dm-raid",
        })
    }
}

/// What a member is in its array, by its own superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Holds the slot of this number.
    Slot(u32),
    /// A spare.
    Spare,
    /// Failed and not yet removed.
    Faulty,
    /// A write journal.
    Journal,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Slot(slot) => write!(f, "slot {slot}"),
            Role::Spare => f.write_str("spare"),
            Role::Faulty => f.write_str("faulty"),
            Role::Journal => f.write_str("journal"),
        }
    }
}

/// A bitmap's place on the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitmapPlace {
    /// First byte of the bitmap superblock, from the start of the device.
    pub start: Bytes,
    /// Room that the kernel assumes before something else begins; `None` when it assumes none
    /// (reference/kernel.md 7.4).
    pub space: Option<Sectors>,
    /// True for a clustered bitmap: one bitmap a node, one behind the other.
    pub clustered: bool,
}

/// Why a member has no bitmap where one could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoBitmap {
    /// The superblock does not announce one.
    #[error(
        "the {metadata} superblock at byte {super_start} announces no internal bitmap ({field})"
    )]
    NotAnnounced {
        /// Metadata version.
        metadata: MetadataVersion,
        /// Where that superblock is.
        super_start: Bytes,
        /// The field that would announce it, and its value.
        field: String,
        /// Where a bitmap would be, where that is fixed (0.90): mdadm looks there regardless.
        would_be: Option<BitmapPlace>,
    },
    /// The announced place is not on the device.
    #[error(
        "the {metadata} superblock at byte {super_start} places the bitmap {offset_sectors} sectors from itself \
         (bitmap_offset), which is outside the device ({device_bytes} bytes)"
    )]
    OutsideDevice {
        /// Metadata version.
        metadata: MetadataVersion,
        /// Where that superblock is.
        super_start: Bytes,
        /// The signed offset found.
        offset_sectors: i64,
        /// Length of the device.
        device_bytes: Bytes,
    },
    /// The array's level has no bitmap.
    #[error("an array of level {level} has no bitmap")]
    Level {
        /// The level found.
        level: Level,
    },
}

/// How a raid slot is filled, by one superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// A device holds it.
    Occupied,
    /// Nothing holds it.
    Vacant,
}

/// The areas of a member that are not data: none may overlap another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Areas {
    /// The superblock itself.
    pub superblock: Range<u64>,
    /// The bad-block log, when in use or reserved.
    pub bad_block_log: Option<Range<u64>>,
    /// The partial parity log.
    pub ppl: Option<Range<u64>>,
    /// The array's data on this device; `None` for dm-raid, whose data is on another device.
    pub data: Option<Range<u64>>,
}

/// One member's superblock in the terms that all metadata versions share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSuper {
    /// Which superblock this was read from.
    pub metadata: MetadataVersion,
    /// Its first byte on the device.
    pub super_start: Bytes,
    /// The array's UUID as the bitmap superblock stores it; all zero for dm-raid.
    pub array_uuid: [u8; 16],
    /// This device's own UUID, where the metadata has one.
    pub device_uuid: Option<[u8; 16]>,
    /// The array's name, where the metadata has one.
    pub array_name: Option<String>,
    /// Seconds since 1970 at which the array was created; 0 where unknown.
    pub created: u64,
    /// Seconds since 1970 at which this superblock was last written; 0 where unknown.
    pub updated: u64,
    /// RAID level.
    pub level: Level,
    /// Layout number, as the level understands it.
    pub layout: u32,
    /// RAID chunk in sectors; 0 for raid1.
    pub raid_chunk: Sectors,
    /// Number of slots of the array ("members" in JSON).
    pub raid_disks: u32,
    /// This device's number: the index of its entry in `devices`.
    pub number: u32,
    /// This device's part in the array.
    pub role: Role,
    /// The part of every device that this superblock knows, by device number.
    pub devices: Vec<Role>,
    /// How far this device was recovered, when it is not in sync yet.
    pub recovery_offset: Option<Sectors>,
    /// Event count.
    pub events: Events,
    /// Where a resync has to go on; `None` is clean: the members are in sync.
    pub resync_offset: Option<Sectors>,
    /// Sectors used on each member; `None` where the superblock does not say (old dm-raid).
    pub component: Option<Sectors>,
    /// First sector of the data on this device; 0 for 0.90.
    pub data_offset: Sectors,
    /// Where the bitmap is, or why there is none.
    pub bitmap: Result<BitmapPlace, NoBitmap>,
    /// The raid slots, in order, as this superblock sees them.
    pub slots: Vec<SlotState>,
    /// Feature map of 1.x; 0 otherwise.
    pub features: u32,
    /// Byte ranges taken by metadata and data.
    pub areas: Areas,
    /// Sectors of the whole array, where the superblock says it (dm-raid).
    pub array_sectors: Option<Sectors>,
    /// True while the superblock records an unfinished reshape.
    pub reshaping: bool,
    /// Logical block size of the array's device in bytes: as recorded (newer kernels), else
    /// that of this member.
    pub logical_block_bytes: u32,
    /// Length of the device or image that it was read from.
    pub device_bytes: Bytes,
}

impl MemberSuper {
    /// True when the superblock says that all members are in sync.
    pub fn is_clean(&self) -> bool {
        self.resync_offset.is_none()
    }

    /// Slots that no device holds, by this superblock.
    pub fn vacant_slots(&self) -> Vec<u32> {
        (0..)
            .zip(&self.slots)
            .filter(|(_, state)| **state == SlotState::Vacant)
            .map(|(slot, _)| slot)
            .collect()
    }

    /// The array UUID in mdadm's spelling for this metadata.
    pub fn uuid_text(&self) -> String {
        match self.metadata {
            MetadataVersion::V0_90(order) => uuid_text::as_words(&self.array_uuid, order),
            _ => uuid_text::in_byte_order(&self.array_uuid),
        }
    }

    /// True when both describe the same array: equal UUIDs. dm-raid has none, so only number of
    /// devices, level and size can be compared there (reference/kernel.md 13).
    pub fn same_array(&self, other: &MemberSuper) -> bool {
        let dm = MetadataVersion::DmRaid;
        match (self.metadata == dm, other.metadata == dm) {
            (false, false) => self.array_uuid == other.array_uuid,
            (true, true) => {
                self.raid_disks == other.raid_disks
                    && self.level == other.level
                    && self.array_sectors == other.array_sectors
                    && self.component == other.component
            }
            _ => false,
        }
    }
}
