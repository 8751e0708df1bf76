//! Makes valid 0.90 superblocks from the few fields that matter.

use super::raw::{Disk, RawSuper, disk_state, state, word};
use super::{MAGIC, MAX_DISKS, RECOVERED, super_start};
use crate::format::level::Level;
use crate::format::uuid_text::ByteOrder;
use crate::units::{Bytes, Events, Sectors};

/// The fields of a new 0.90 superblock; the rest is zero or follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    /// Byte order of the host.
    pub order: ByteOrder,
    /// UUID bytes as they lie on disk.
    pub uuid: [u8; 16],
    /// Creation time in seconds since 1970.
    pub created: u32,
    /// RAID level.
    pub level: Level,
    /// Layout.
    pub layout: u32,
    /// RAID chunk in bytes.
    pub chunk_bytes: u32,
    /// Slots of the array.
    pub raid_disks: u32,
    /// Size of a member in KiB.
    pub size_kib: u32,
    /// Slot of this disk, which is also its number.
    pub own_slot: u32,
    /// Slots without a disk.
    pub vacant: Vec<u32>,
    /// Event count.
    pub events: Events,
    /// Where the resync has to go on; `None` is clean.
    pub resync_offset: Option<Sectors>,
    /// Whether a bitmap is announced.
    pub bitmap: bool,
}

impl Builder {
    /// A clean mirror of two with a bitmap on devices of `device` bytes, this being slot 0.
    pub fn mirror(device: Bytes) -> Builder {
        let sectors = super_start(device).unwrap_or_default();
        Builder {
            order: ByteOrder::Little,
            uuid: [0; 16],
            created: 0,
            level: Level::Raid1,
            layout: 0,
            chunk_bytes: 0,
            raid_disks: 2,
            size_kib: u32::try_from(sectors.0 / 2).unwrap_or(u32::MAX),
            own_slot: 0,
            vacant: Vec::new(),
            events: Events(1),
            resync_offset: None,
            bitmap: true,
        }
    }

    /// The superblock, with its checksum.
    pub fn build(&self) -> RawSuper {
        let mut raw = RawSuper::zeroed(self.order);
        let words = [
            (word::MAGIC, MAGIC),
            (word::MINOR, 90),
            (word::CTIME, self.created),
            (word::UTIME, self.created),
            (word::LEVEL, self.level.number().cast_unsigned()),
            (word::SIZE, self.size_kib),
            (word::NR_DISKS, self.raid_disks),
            (word::RAID_DISKS, self.raid_disks),
            (word::ACTIVE_DISKS, self.raid_disks),
            (word::WORKING_DISKS, self.raid_disks),
            (word::LAYOUT, self.layout),
            (word::CHUNK_BYTES, self.chunk_bytes),
        ];
        for (index, value) in words {
            raw.set_word(index, value);
        }
        raw.set_uuid(&self.uuid);
        raw.set_events(self.events.0);
        raw.set_cp_events(self.events.0);
        let clean = if self.resync_offset.is_none() {
            state::CLEAN
        } else {
            0
        };
        let bitmap = if self.bitmap {
            state::BITMAP_PRESENT
        } else {
            0
        };
        raw.set_state(clean | bitmap);
        let checkpoint = self
            .resync_offset
            .map(|offset| u32::try_from(offset.0).unwrap_or_default());
        raw.set_recovery_cp(checkpoint.unwrap_or(RECOVERED));
        self.set_disks(&mut raw);
        raw.seal();
        raw
    }

    fn set_disks(&self, raw: &mut RawSuper) {
        for slot in (0..self.raid_disks).take(MAX_DISKS) {
            let vacant = self.vacant.contains(&slot);
            let state = if vacant {
                disk_state::FAULTY | disk_state::REMOVED
            } else {
                disk_state::ACTIVE | disk_state::SYNC
            };
            let disk = Disk {
                number: slot,
                major: 0,
                minor: 0,
                raid_disk: slot,
                state,
            };
            raw.set_disk_at(word::DISKS + slot as usize * word::DISK_WORDS, disk);
            if slot == self.own_slot {
                raw.set_disk_at(word::THIS_DISK, disk);
            }
        }
    }
}
