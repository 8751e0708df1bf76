//! A 0.90 superblock as it lies on disk.

use super::{BYTES, MAGIC, MAX_DISKS};
use crate::format::uuid_text::ByteOrder;

/// The 1024 words of a 0.90 superblock: nothing is checked, nothing is lost.
///
/// | offset | field (32-bit words in the host's order unless said) |
/// |---|---|
/// | 0 | magic |
/// | 4 | major version |
/// | 8 | minor version: 90, or 91 while reshaping |
/// | 12 | patch version |
/// | 16 | bytes in the generic part (gvalid) |
/// | 20 | UUID word 0 |
/// | 24 | ctime, seconds |
/// | 28 | level, signed |
/// | 32 | size of a member, KiB |
/// | 36 | number of disks |
/// | 40 | raid disks |
/// | 44 | preferred minor of the device |
/// | 48 | not persistent |
/// | 52, 56, 60 | UUID words 1 to 3 |
/// | 128 | utime, seconds |
/// | 132 | state, see [`state`] |
/// | 136, 140, 144, 148 | active, working, failed, spare disks |
/// | 152 | checksum |
/// | 156, 160 | events: low word first on little-endian hosts, high word first on big-endian ones |
/// | 164, 168 | events at the checkpoint, likewise |
/// | 172 | recovery_cp: resynced up to here, sectors |
/// | 176 | reshape position, 64 bits |
/// | 184, 188, 192, 196 | new level, delta disks, new layout, new chunk |
/// | 256 | layout |
/// | 260 | chunk size, bytes |
/// | 264, 268 | root_pv, root_block |
/// | 512 + 128 n | disk n of 27: number, major, minor, raid disk, state |
/// | 3968 | this disk: a copy of its entry |
///
/// Source: reference/kernel.md 7.5.
#[derive(Clone, PartialEq, Eq)]
pub struct RawSuper {
    order: ByteOrder,
    words: Box<[u32; BYTES / 4]>,
}

/// Bits of the `state` word.
pub mod state {
    /// All members are in sync.
    pub const CLEAN: u32 = 1;
    /// Errors were seen.
    pub const ERRORS: u32 = 2;
    /// Clustered.
    pub const CLUSTERED: u32 = 1 << 5;
    /// There is a bitmap, 4096 bytes behind the superblock.
    pub const BITMAP_PRESENT: u32 = 1 << 8;
}

/// Bits of a disk entry's state.
pub mod disk_state {
    /// Failed.
    pub const FAULTY: u32 = 1;
    /// Holds a slot.
    pub const ACTIVE: u32 = 1 << 1;
    /// In sync.
    pub const SYNC: u32 = 1 << 2;
    /// Removed.
    pub const REMOVED: u32 = 1 << 3;
}

/// One entry of the disk table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disk {
    /// Index in the table.
    pub number: u32,
    /// Major device number when it was last assembled.
    pub major: u32,
    /// Minor device number likewise.
    pub minor: u32,
    /// Slot in the array.
    pub raid_disk: u32,
    /// Bits of [`disk_state`].
    pub state: u32,
}

/// Word indices, from the offset table.
pub(super) mod word {
    pub const MAGIC: usize = 0;
    pub const MAJOR: usize = 1;
    pub const MINOR: usize = 2;
    pub const UUID0: usize = 5;
    pub const CTIME: usize = 6;
    pub const LEVEL: usize = 7;
    pub const SIZE: usize = 8;
    pub const NR_DISKS: usize = 9;
    pub const RAID_DISKS: usize = 10;
    pub const NOT_PERSISTENT: usize = 12;
    pub const UUID1: usize = 13;
    pub const UTIME: usize = 32;
    pub const STATE: usize = 33;
    pub const ACTIVE_DISKS: usize = 34;
    pub const WORKING_DISKS: usize = 35;
    pub const FAILED_DISKS: usize = 36;
    pub const CHECKSUM: usize = 38;
    pub const EVENTS: usize = 39;
    pub const CP_EVENTS: usize = 41;
    pub const RECOVERY_CP: usize = 43;
    pub const LAYOUT: usize = 64;
    pub const CHUNK_BYTES: usize = 65;
    pub const DISKS: usize = 128;
    pub const DISK_WORDS: usize = 32;
    pub const THIS_DISK: usize = 992;
}

impl RawSuper {
    /// Decodes 4096 bytes. The byte order is the one in which the magic number is right;
    /// `None` when neither is, or when there are fewer bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<RawSuper> {
        let magic = bytes.first_chunk::<4>()?;
        let order = if u32::from_le_bytes(*magic) == MAGIC {
            ByteOrder::Little
        } else if u32::from_be_bytes(*magic) == MAGIC {
            ByteOrder::Big
        } else {
            return None;
        };
        RawSuper::from_bytes_in(bytes, order)
    }

    /// Decodes 4096 bytes in the given byte order, whatever they hold; `None` when there are
    /// fewer.
    pub fn from_bytes_in(bytes: &[u8], order: ByteOrder) -> Option<RawSuper> {
        let (chunks, _) = bytes.get(..BYTES)?.as_chunks::<4>();
        let mut words = Box::new([0; BYTES / 4]);
        for (word, bytes) in words.iter_mut().zip(chunks) {
            *word = match order {
                ByteOrder::Little => u32::from_le_bytes(*bytes),
                ByteOrder::Big => u32::from_be_bytes(*bytes),
            };
        }
        Some(RawSuper { order, words })
    }

    /// A superblock of zeros.
    pub fn zeroed(order: ByteOrder) -> RawSuper {
        RawSuper {
            order,
            words: Box::new([0; BYTES / 4]),
        }
    }

    /// The bytes on disk: exactly those it was decoded from.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| self.bytes_of(*word))
            .collect()
    }

    fn bytes_of(&self, word: u32) -> [u8; 4] {
        match self.order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        }
    }

    /// The byte order of the host that wrote it.
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// The word at `index` (byte offset / 4); 0 beyond the end.
    pub(super) fn word(&self, index: usize) -> u32 {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// Stores a word; nothing beyond the end.
    pub(super) fn set_word(&mut self, index: usize, value: u32) {
        if let Some(word) = self.words.get_mut(index) {
            *word = value;
        }
    }

    /// A 64-bit value of two words, whose order follows the host's.
    fn long(&self, index: usize) -> u64 {
        let (first, second) = (u64::from(self.word(index)), u64::from(self.word(index + 1)));
        match self.order {
            ByteOrder::Little => second << 32 | first,
            ByteOrder::Big => first << 32 | second,
        }
    }

    /// Stores a 64-bit value of two words.
    fn set_long(&mut self, index: usize, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        let (low, high) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        let (first, second) = match self.order {
            ByteOrder::Little => (low, high),
            ByteOrder::Big => (high, low),
        };
        self.set_word(index, first);
        self.set_word(index + 1, second);
    }

    /// The magic number.
    pub fn magic(&self) -> u32 {
        self.word(word::MAGIC)
    }

    /// Major and minor version of the format.
    pub fn version(&self) -> (u32, u32) {
        (self.word(word::MAJOR), self.word(word::MINOR))
    }

    /// The UUID's bytes as they lie on disk, which is also how the bitmap superblock has them.
    pub fn uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        let words = [word::UUID0, word::UUID1, word::UUID1 + 1, word::UUID1 + 2];
        let bytes = words
            .into_iter()
            .flat_map(|index| self.bytes_of(self.word(index)));
        for (to, from) in uuid.iter_mut().zip(bytes) {
            *to = from;
        }
        uuid
    }

    /// Stores the UUID's bytes.
    pub fn set_uuid(&mut self, uuid: &[u8; 16]) {
        let words = [word::UUID0, word::UUID1, word::UUID1 + 1, word::UUID1 + 2];
        let (chunks, _) = uuid.as_chunks::<4>();
        for (index, bytes) in words.into_iter().zip(chunks) {
            let value = match self.order {
                ByteOrder::Little => u32::from_le_bytes(*bytes),
                ByteOrder::Big => u32::from_be_bytes(*bytes),
            };
            self.set_word(index, value);
        }
    }

    /// Creation time, seconds since 1970.
    pub fn ctime(&self) -> u32 {
        self.word(word::CTIME)
    }

    /// Time of the last update, seconds since 1970.
    pub fn utime(&self) -> u32 {
        self.word(word::UTIME)
    }

    /// RAID level number.
    pub fn level(&self) -> i32 {
        self.word(word::LEVEL).cast_signed()
    }

    /// Size of a member in KiB.
    pub fn size_kib(&self) -> u32 {
        self.word(word::SIZE)
    }

    /// Number of slots.
    pub fn raid_disks(&self) -> u32 {
        self.word(word::RAID_DISKS)
    }

    /// True when the array is not to have a superblock at all.
    pub fn is_not_persistent(&self) -> bool {
        self.word(word::NOT_PERSISTENT) != 0
    }

    /// Stores the time of the last update, seconds since 1970.
    pub fn set_utime(&mut self, seconds: u32) {
        self.set_word(word::UTIME, seconds);
    }

    /// Bits of [`state`].
    pub fn state(&self) -> u32 {
        self.word(word::STATE)
    }

    /// Stores the bits of [`state`].
    pub fn set_state(&mut self, bits: u32) {
        self.set_word(word::STATE, bits);
    }

    /// Event count.
    pub fn events(&self) -> u64 {
        self.long(word::EVENTS)
    }

    /// Stores the event count.
    pub fn set_events(&mut self, events: u64) {
        self.set_long(word::EVENTS, events);
    }

    /// Event count at the resync checkpoint.
    pub fn cp_events(&self) -> u64 {
        self.long(word::CP_EVENTS)
    }

    /// Stores the event count at the resync checkpoint.
    pub fn set_cp_events(&mut self, events: u64) {
        self.set_long(word::CP_EVENTS, events);
    }

    /// Resync checkpoint in sectors.
    pub fn recovery_cp(&self) -> u32 {
        self.word(word::RECOVERY_CP)
    }

    /// Stores the resync checkpoint in sectors.
    pub fn set_recovery_cp(&mut self, sectors: u32) {
        self.set_word(word::RECOVERY_CP, sectors);
    }

    /// Layout number.
    pub fn layout(&self) -> u32 {
        self.word(word::LAYOUT)
    }

    /// RAID chunk in bytes.
    pub fn chunk_bytes(&self) -> u32 {
        self.word(word::CHUNK_BYTES)
    }

    /// The whole disk table.
    pub fn disks(&self) -> Vec<Disk> {
        (0..MAX_DISKS)
            .map(|index| self.disk_at(word::DISKS + index * word::DISK_WORDS))
            .collect()
    }

    /// This device's own entry, as repeated at the end.
    pub fn this_disk(&self) -> Disk {
        self.disk_at(word::THIS_DISK)
    }

    fn disk_at(&self, index: usize) -> Disk {
        Disk {
            number: self.word(index),
            major: self.word(index + 1),
            minor: self.word(index + 2),
            raid_disk: self.word(index + 3),
            state: self.word(index + 4),
        }
    }

    pub(super) fn set_disk_at(&mut self, index: usize, disk: Disk) {
        let words = [
            disk.number,
            disk.major,
            disk.minor,
            disk.raid_disk,
            disk.state,
        ];
        for (at, value) in (index..).zip(words) {
            self.set_word(at, value);
        }
    }

    /// Stores entry `number` of the disk table; nothing beyond its end.
    pub fn set_disk(&mut self, number: u32, disk: Disk) {
        if let Some(at) = usize::try_from(number).ok().filter(|at| *at < MAX_DISKS) {
            self.set_disk_at(word::DISKS + at * word::DISK_WORDS, disk);
        }
    }

    /// Stores this device's own entry, as repeated at the end.
    pub fn set_this_disk(&mut self, disk: Disk) {
        self.set_disk_at(word::THIS_DISK, disk);
    }

    /// Active, working and failed disks.
    pub fn counts(&self) -> [u32; 3] {
        [word::ACTIVE_DISKS, word::WORKING_DISKS, word::FAILED_DISKS].map(|index| self.word(index))
    }

    /// Stores the numbers of active, working and failed disks.
    pub fn set_counts(&mut self, [active, working, failed]: [u32; 3]) {
        self.set_word(word::ACTIVE_DISKS, active);
        self.set_word(word::WORKING_DISKS, working);
        self.set_word(word::FAILED_DISKS, failed);
    }

    /// The stored checksum.
    pub fn stored_checksum(&self) -> u32 {
        self.word(word::CHECKSUM)
    }

    /// The checksum that belongs to this content: the sum of all words, its own as 0, in 64
    /// bits; then the low half plus the high half (reference/kernel.md 7.5).
    pub fn checksum(&self) -> u32 {
        let all: u64 = self.words.iter().map(|word| u64::from(*word)).sum();
        let sum = all - u64::from(self.stored_checksum());
        let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
        u32::from_le_bytes([a, b, c, d]).wrapping_add(u32::from_le_bytes([e, f, g, h]))
    }

    /// True when the stored checksum is right: the kernel compares both values folded to 16
    /// bits twice, since some processors compute a differently folded sum.
    pub fn checksum_holds(&self) -> bool {
        fold(self.stored_checksum()) == fold(self.checksum())
    }

    /// Stores the checksum that belongs to the content.
    pub fn seal(&mut self) {
        self.set_word(word::CHECKSUM, self.checksum());
    }
}

/// Low half plus high half, twice.
fn fold(sum: u32) -> u32 {
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16)
}

impl std::fmt::Debug for RawSuper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSuper")
            .field("order", &self.order)
            .field("version", &self.version())
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}
