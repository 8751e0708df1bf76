//! Builds md images from nothing: bitmap superblocks, md superblocks and their surroundings.
//!
//! Written apart from `src/format`, straight from the offset tables of reference/kernel.md 1.1,
//! 7.4, 7.5 and 13, so that a wrong offset there cannot hide behind the same wrong offset here.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

pub mod corpus;
pub mod random;

/// "bitm".
pub const BITMAP_MAGIC: u32 = 0x6d74_6962;
/// The array UUID of mdadm.md Appendix B.
pub const UUID: [u8; 16] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10,
];

/// Bytes in which later pieces overwrite earlier ones; grows as needed.
#[derive(Clone, Default)]
pub struct Image {
    pub bytes: Vec<u8>,
}

impl Image {
    pub fn sectors(count: u64) -> Self {
        Self {
            bytes: vec![0; usize::try_from(count * 512).unwrap()],
        }
    }

    pub fn put(mut self, at: u64, piece: &[u8]) -> Self {
        let at = usize::try_from(at).unwrap();
        if self.bytes.len() < at + piece.len() {
            self.bytes.resize(at + piece.len(), 0);
        }
        self.bytes[at..at + piece.len()].copy_from_slice(piece);
        self
    }

    pub fn truncate(mut self, length: u64) -> Self {
        self.bytes.truncate(usize::try_from(length).unwrap());
        self
    }
}

/// A bitmap superblock, every field free.
#[derive(Clone)]
pub struct BitmapSuper {
    pub magic: u32,
    pub version: u32,
    pub uuid: [u8; 16],
    pub events: u64,
    pub events_cleared: u64,
    pub sync_size: u64,
    pub state: u32,
    pub chunksize: u32,
    pub daemon_sleep: u32,
    pub write_behind: u32,
    pub sectors_reserved: u32,
    pub nodes: u32,
    pub cluster_name: [u8; 64],
}

impl Default for BitmapSuper {
    /// Example A of mdadm.md 2.10 (metadata 1.2), a little used.
    fn default() -> Self {
        Self {
            magic: BITMAP_MAGIC,
            version: 4,
            uuid: UUID,
            events: 12,
            events_cleared: 11,
            sync_size: 37888,
            state: 0,
            chunksize: 4096,
            daemon_sleep: 5,
            write_behind: 0,
            sectors_reserved: 0,
            nodes: 0,
            cluster_name: [0; 64],
        }
    }
}

impl BitmapSuper {
    pub fn bytes(&self) -> [u8; 256] {
        let mut b = [0; 256];
        put(&mut b, 0, &self.magic.to_le_bytes());
        put(&mut b, 4, &self.version.to_le_bytes());
        put(&mut b, 8, &self.uuid);
        put(&mut b, 24, &self.events.to_le_bytes());
        put(&mut b, 32, &self.events_cleared.to_le_bytes());
        put(&mut b, 40, &self.sync_size.to_le_bytes());
        put(&mut b, 48, &self.state.to_le_bytes());
        put(&mut b, 52, &self.chunksize.to_le_bytes());
        put(&mut b, 56, &self.daemon_sleep.to_le_bytes());
        put(&mut b, 60, &self.write_behind.to_le_bytes());
        put(&mut b, 64, &self.sectors_reserved.to_le_bytes());
        put(&mut b, 68, &self.nodes.to_le_bytes());
        put(&mut b, 72, &self.cluster_name);
        b
    }

    /// Bits that this header counts: sync_size over chunksize, rounded up. Wide: nothing wraps.
    pub fn bits(&self) -> u128 {
        match self.chunksize {
            0 => 0,
            chunk => (u128::from(self.sync_size) * 512).div_ceil(u128::from(chunk)),
        }
    }

    /// One slot as mdadm writes it: header and bits of one value to the next multiple of 4 KiB.
    pub fn filled(&self, fill: u8) -> Vec<u8> {
        let used = 256 + usize::try_from(self.bits().div_ceil(8)).unwrap();
        let mut slot = vec![fill; used.next_multiple_of(4096)];
        slot[..256].copy_from_slice(&self.bytes());
        slot
    }

    /// One slot with the bits that `dirty` names, padding bits zero.
    pub fn with_bits(&self, dirty: impl Fn(u64) -> bool) -> Vec<u8> {
        let mut slot = self.filled(0);
        for bit in 0..u64::try_from(self.bits()).unwrap() {
            if dirty(bit) {
                slot[256 + usize::try_from(bit / 8).unwrap()] |= 1 << (bit % 8);
            }
        }
        slot
    }

    /// Version 6: one byte a chunk from byte 1024 on, filler 0xff as mdadm leaves it.
    pub fn lockless(&self, states: &[u8]) -> Vec<u8> {
        let mut area = vec![0xff; 1024 + states.len()];
        area[..256].copy_from_slice(&self.bytes());
        area[1024..].copy_from_slice(states);
        area.resize(area.len().next_multiple_of(4096), 0);
        area
    }
}

pub fn name(text: &[u8]) -> [u8; 64] {
    let mut name = [0; 64];
    name[..text.len()].copy_from_slice(text);
    name
}

/// A version-1 md superblock, the fields that matter; the checksum is always right.
#[derive(Clone)]
pub struct SuperV1 {
    pub minor: u32,
    pub feature_map: u32,
    pub uuid: [u8; 16],
    pub level: i32,
    pub layout: u32,
    pub size: u64,
    pub chunk_sectors: u32,
    pub raid_disks: u32,
    pub bitmap_offset: i32,
    pub data_offset: u64,
    pub data_size: u64,
    pub super_offset: u64,
    pub recovery_offset: u64,
    pub dev_number: u32,
    pub bblog_size: u16,
    pub bblog_offset: i32,
    pub events: u64,
    pub resync_offset: u64,
    pub roles: Vec<u16>,
}

impl Default for SuperV1 {
    /// Metadata 1.2, example A of mdadm.md 2.10: a 20000 KiB member of a two-way mirror.
    fn default() -> Self {
        Self {
            minor: 2,
            feature_map: 1 | 8,
            uuid: UUID,
            level: 1,
            layout: 0,
            size: 37888,
            chunk_sectors: 0,
            raid_disks: 2,
            bitmap_offset: 8,
            data_offset: 2048,
            data_size: 37952,
            super_offset: 8,
            recovery_offset: 0,
            dev_number: 0,
            bblog_size: 8,
            bblog_offset: 16,
            events: 12,
            resync_offset: u64::MAX,
            roles: [0, 1].into_iter().chain([0xffff; 126]).collect(),
        }
    }
}

impl SuperV1 {
    pub fn bytes(&self) -> Vec<u8> {
        let mut b = vec![0; 256 + 2 * self.roles.len()];
        put(&mut b, 0, &0xa92b_4efc_u32.to_le_bytes());
        put(&mut b, 4, &1_u32.to_le_bytes());
        put(&mut b, 8, &self.feature_map.to_le_bytes());
        put(&mut b, 16, &self.uuid);
        put(&mut b, 32, b"synthetic:0");
        put(&mut b, 64, &0x6000_0000_u64.to_le_bytes());
        put(&mut b, 72, &self.level.to_le_bytes());
        put(&mut b, 76, &self.layout.to_le_bytes());
        put(&mut b, 80, &self.size.to_le_bytes());
        put(&mut b, 88, &self.chunk_sectors.to_le_bytes());
        put(&mut b, 92, &self.raid_disks.to_le_bytes());
        put(&mut b, 96, &self.bitmap_offset.to_le_bytes());
        put(&mut b, 128, &self.data_offset.to_le_bytes());
        put(&mut b, 136, &self.data_size.to_le_bytes());
        put(&mut b, 144, &self.super_offset.to_le_bytes());
        put(&mut b, 152, &self.recovery_offset.to_le_bytes());
        put(&mut b, 160, &self.dev_number.to_le_bytes());
        put(&mut b, 168, &[0x5a; 16]);
        put(&mut b, 186, &self.bblog_size.to_le_bytes());
        put(&mut b, 188, &self.bblog_offset.to_le_bytes());
        put(&mut b, 192, &0x6000_0001_u64.to_le_bytes());
        put(&mut b, 200, &self.events.to_le_bytes());
        put(&mut b, 208, &self.resync_offset.to_le_bytes());
        put(
            &mut b,
            220,
            &u32::try_from(self.roles.len()).unwrap().to_le_bytes(),
        );
        for (at, role) in self.roles.iter().enumerate() {
            put(&mut b, 256 + 2 * at, &role.to_le_bytes());
        }
        seal_v1(&mut b);
        b
    }
}

/// Puts the right checksum into a version-1 superblock (kernel.md 7.4).
pub fn seal_v1(b: &mut [u8]) {
    put(b, 216, &[0; 4]);
    let mut sum: u64 = 0;
    let words = b.chunks_exact(4);
    if let [low, high] = *words.remainder() {
        sum += u64::from(u16::from_le_bytes([low, high]));
    }
    for word in words {
        sum += u64::from(u32::from_le_bytes(word.try_into().unwrap()));
    }
    let folded = (sum as u32).wrapping_add((sum >> 32) as u32);
    put(b, 216, &folded.to_le_bytes());
}

/// A 0.90 md superblock in either byte order; the checksum is always right.
#[derive(Clone)]
pub struct Super090 {
    pub big_endian: bool,
    pub level: i32,
    pub size_kib: u32,
    pub raid_disks: u32,
    pub state: u32,
    pub events: u64,
    pub recovery_cp: u32,
    pub layout: u32,
    pub chunk_bytes: u32,
    pub this_disk: u32,
}

impl Default for Super090 {
    /// Example A of mdadm.md 2.10: superblock at sector 39808, clean, with a bitmap.
    fn default() -> Self {
        Self {
            big_endian: false,
            level: 1,
            size_kib: 39808 / 2,
            raid_disks: 2,
            state: 1 | 0x100,
            events: 12,
            recovery_cp: u32::MAX,
            layout: 0,
            chunk_bytes: 0,
            this_disk: 0,
        }
    }
}

impl Super090 {
    /// The array UUID as the bitmap superblock holds it: the four words as they are stored.
    pub fn uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        for (at, word) in UUID.chunks_exact(4).enumerate() {
            let word = u32::from_be_bytes(word.try_into().unwrap());
            uuid[4 * at..4 * at + 4].copy_from_slice(&self.word(word));
        }
        uuid
    }

    fn word(&self, value: u32) -> [u8; 4] {
        if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut words = vec![0_u32; 1024];
        let uuid: Vec<u32> = UUID
            .chunks_exact(4)
            .map(|w| u32::from_be_bytes(w.try_into().unwrap()))
            .collect();
        words[0] = 0xa92b_4efc;
        words[2] = 90;
        words[5] = uuid[0];
        words[6] = 0x6000_0000;
        words[7] = self.level as u32;
        words[8] = self.size_kib;
        words[9] = self.raid_disks;
        words[10] = self.raid_disks;
        words[13..16].copy_from_slice(&uuid[1..]);
        words[32] = 0x6000_0001;
        words[33] = self.state;
        words[34] = self.raid_disks; // active
        words[35] = self.raid_disks; // working
        let (low, high) = (self.events as u32, (self.events >> 32) as u32);
        let (first, second) = if self.big_endian {
            (high, low)
        } else {
            (low, high)
        };
        words[39..43].copy_from_slice(&[first, second, first, second]);
        words[43] = self.recovery_cp;
        words[64] = self.layout;
        words[65] = self.chunk_bytes;
        for disk in 0..self.raid_disks.min(27) as usize {
            // number, major, minor, raid_disk, state: active and in sync
            let entry = [disk as u32, 7, disk as u32, disk as u32, 6];
            words[128 + 32 * disk..][..5].copy_from_slice(&entry);
        }
        let own = 128 + 32 * self.this_disk as usize;
        let entry: Vec<u32> = words[own..own + 5].to_vec();
        words[992..997].copy_from_slice(&entry);
        let sum: u64 = words.iter().map(|w| u64::from(*w)).sum();
        words[38] = (sum as u32).wrapping_add((sum >> 32) as u32);
        words.iter().flat_map(|w| self.word(*w)).collect()
    }
}

/// A dm-raid superblock ("DmRd", kernel.md 13), two-way mirror, finished initial sync.
pub fn dm_raid_super(sectors: u64) -> Vec<u8> {
    let mut b = vec![0; 512];
    put(&mut b, 0, &0x6452_6d44_u32.to_le_bytes());
    put(&mut b, 4, &1_u32.to_le_bytes());
    put(&mut b, 8, &2_u32.to_le_bytes());
    put(&mut b, 16, &20_u64.to_le_bytes());
    put(&mut b, 32, &u64::MAX.to_le_bytes());
    put(&mut b, 40, &u64::MAX.to_le_bytes());
    put(&mut b, 48, &1_u32.to_le_bytes());
    put(&mut b, 64, &u64::MAX.to_le_bytes());
    put(&mut b, 72, &1_u32.to_le_bytes());
    put(&mut b, 88, &sectors.to_le_bytes());
    put(&mut b, 112, &sectors.to_le_bytes());
    b
}

/// Bad-block log entries (kernel.md 7.4), closed by all ones.
pub fn bad_block_log(entries: &[(u64, u64)]) -> Vec<u8> {
    let mut b = vec![0xff; 4096];
    for (at, (sector, length)) in entries.iter().enumerate() {
        put(&mut b, 8 * at, &(sector << 10 | length).to_le_bytes());
    }
    b
}

/// Overwrites bytes of `b`.
pub fn put(b: &mut [u8], at: usize, piece: &[u8]) {
    b[at..at + piece.len()].copy_from_slice(piece);
}
