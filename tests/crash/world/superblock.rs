//! md superblocks as the kernel reads and writes them (kernel.md 7.4, 7.5): parsers and writers of this model's own.

use super::bytes::{put, u16_at, u32_at, u64_at};

/// No resync is due.
pub const CLEAN: u64 = u64::MAX;

/// Where the superblock is, and of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    V090,
    V10,
    V11,
    V12,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Slot(u32),
    Spare,
    Faulty,
}

pub const RECOVERY_OFFSET: u32 = 2;
pub const RECOVERY_BITMAP: u32 = 128;
const BITMAP_OFFSET: u32 = 1;
const BAD_BLOCKS: u32 = 8;
/// What a kernel of this model knows and this model knows what to do about.
const CLUSTERED: u32 = 256;
const KNOWN: u32 = BITMAP_OFFSET | RECOVERY_OFFSET | BAD_BLOCKS | RECOVERY_BITMAP | CLUSTERED;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Super {
    pub kind: Kind,
    pub uuid: [u8; 16],
    pub device_uuid: [u8; 16],
    pub level: i32,
    pub layout: u32,
    /// Sectors.
    pub raid_chunk: u32,
    /// Sectors used of each member.
    pub size: u64,
    pub slots: u32,
    pub data_offset: u64,
    pub data_size: u64,
    pub events: u64,
    /// Up to where a resync has come, in sectors; [`CLEAN`].
    pub resync: u64,
    /// Sectors from the superblock.
    pub bitmap: Option<i64>,
    /// The bitmap is that of a cluster.
    pub clustered: bool,
    /// The member's own number, by which it finds its role.
    pub number: u32,
    pub roles: Vec<Role>,
    /// Up to where the member is recovered; `None` when it is in sync. True: by the bitmap.
    pub recovery: Option<(u64, bool)>,
    /// Sectors from the superblock, and sectors.
    pub bad_block_log: Option<(i32, u16)>,
}

impl Kind {
    /// First sector of the superblock on a device of so many sectors.
    pub fn start(self, sectors: u64) -> u64 {
        match self {
            Kind::V090 => sectors / 128 * 128 - 128,
            Kind::V10 => (sectors - 16) / 8 * 8,
            Kind::V11 => 0,
            Kind::V12 => 8,
        }
    }

    /// Bytes that the superblock takes in any case.
    pub fn bytes(self) -> usize {
        match self {
            Kind::V090 => 4096,
            _ => 256 + 2 * 128,
        }
    }
}

impl Super {
    pub fn own_role(&self) -> Role {
        self.role_of(self.number)
    }

    pub fn role_of(&self, number: u32) -> Role {
        self.roles
            .get(number as usize)
            .copied()
            .unwrap_or(Role::Spare)
    }

    /// The superblock at the start of `bytes`, if a kernel believes it.
    pub fn parse(kind: Kind, sectors: u64, bytes: &[u8]) -> Option<Super> {
        match kind {
            Kind::V090 => parse_090(bytes),
            _ => parse_1(kind, kind.start(sectors), bytes),
        }
    }

    pub fn to_bytes(&self, sectors: u64) -> Vec<u8> {
        match self.kind {
            Kind::V090 => write_090(self),
            _ => write_1(self, sectors),
        }
    }
}

pub fn checksum_1(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(4).enumerate();
    let mut sum: u64 = words
        .filter(|(at, _)| *at != 54)
        .map(|(_, word)| u64::from(u32_at(word, 0)))
        .sum();
    if bytes.len() % 4 == 2 {
        sum += u64::from(u16_at(bytes, bytes.len() - 2));
    }
    (sum as u32).wrapping_add((sum >> 32) as u32)
}

fn parse_1(kind: Kind, start: u64, bytes: &[u8]) -> Option<Super> {
    let features = u32_at(bytes, 8);
    let max_dev = u32_at(bytes, 220) as usize;
    let len = 256 + 2 * max_dev.min(1921);
    let believed = u32_at(bytes, 0) == 0xa92b_4efc
        && u32_at(bytes, 4) == 1
        && len <= bytes.len()
        && u64_at(bytes, 144) == start
        && u64_at(bytes, 136) >= 10
        && checksum_1(&bytes[..len]) == u32_at(bytes, 216);
    if !believed {
        return None;
    }
    assert_eq!(
        features & !KNOWN,
        0,
        "the world knows nothing of such features"
    );
    let roles = (0..max_dev).map(|number| match u16_at(bytes, 256 + 2 * number) {
        0xffff => Role::Spare,
        0xfffe => Role::Faulty,
        slot => Role::Slot(slot.into()),
    });
    let has = |bit: u32| features & bit != 0;
    Some(Super {
        kind,
        uuid: bytes[16..32].try_into().unwrap(),
        device_uuid: bytes[168..184].try_into().unwrap(),
        level: u32_at(bytes, 72) as i32,
        layout: u32_at(bytes, 76),
        raid_chunk: u32_at(bytes, 88),
        size: u64_at(bytes, 80),
        slots: u32_at(bytes, 92),
        data_offset: u64_at(bytes, 128),
        data_size: u64_at(bytes, 136),
        events: u64_at(bytes, 200),
        resync: u64_at(bytes, 208),
        bitmap: has(BITMAP_OFFSET).then(|| i64::from(u32_at(bytes, 96) as i32)),
        clustered: has(CLUSTERED),
        number: u32_at(bytes, 160),
        roles: roles.collect(),
        recovery: has(RECOVERY_OFFSET).then(|| (u64_at(bytes, 152), has(RECOVERY_BITMAP))),
        bad_block_log: has(BAD_BLOCKS).then(|| (u32_at(bytes, 188) as i32, u16_at(bytes, 186))),
    })
}

fn write_1(sb: &Super, sectors: u64) -> Vec<u8> {
    let mut bytes = vec![0; 256 + 2 * sb.roles.len()];
    let mut features = 0;
    put(&mut bytes, 0, &0xa92b_4efc_u32.to_le_bytes());
    put(&mut bytes, 4, &1_u32.to_le_bytes());
    put(&mut bytes, 16, &sb.uuid);
    put(&mut bytes, 32, b"world:0");
    put(&mut bytes, 64, &1_700_000_000_u64.to_le_bytes());
    put(&mut bytes, 72, &sb.level.to_le_bytes());
    put(&mut bytes, 76, &sb.layout.to_le_bytes());
    put(&mut bytes, 80, &sb.size.to_le_bytes());
    put(&mut bytes, 88, &sb.raid_chunk.to_le_bytes());
    put(&mut bytes, 92, &sb.slots.to_le_bytes());
    put(&mut bytes, 128, &sb.data_offset.to_le_bytes());
    put(&mut bytes, 136, &sb.data_size.to_le_bytes());
    put(&mut bytes, 144, &sb.kind.start(sectors).to_le_bytes());
    put(&mut bytes, 160, &sb.number.to_le_bytes());
    put(&mut bytes, 168, &sb.device_uuid);
    put(&mut bytes, 192, &1_700_000_100_u64.to_le_bytes());
    put(&mut bytes, 200, &sb.events.to_le_bytes());
    put(&mut bytes, 208, &sb.resync.to_le_bytes());
    put(&mut bytes, 220, &(sb.roles.len() as u32).to_le_bytes());
    if let Some(offset) = sb.bitmap {
        features |= BITMAP_OFFSET;
        put(&mut bytes, 96, &(offset as i32).to_le_bytes());
    }
    if sb.clustered {
        features |= CLUSTERED;
    }
    if let Some((up_to, by_bitmap)) = sb.recovery {
        features |= RECOVERY_OFFSET | if by_bitmap { RECOVERY_BITMAP } else { 0 };
        put(&mut bytes, 152, &up_to.to_le_bytes());
    }
    if let Some((offset, size)) = sb.bad_block_log {
        features |= BAD_BLOCKS;
        put(&mut bytes, 186, &size.to_le_bytes());
        put(&mut bytes, 188, &offset.to_le_bytes());
    }
    put(&mut bytes, 8, &features.to_le_bytes());
    for (number, role) in sb.roles.iter().enumerate() {
        let role: u16 = match role {
            Role::Spare => 0xffff,
            Role::Faulty => 0xfffe,
            Role::Slot(slot) => *slot as u16,
        };
        put(&mut bytes, 256 + 2 * number, &role.to_le_bytes());
    }
    let sum = checksum_1(&bytes);
    put(&mut bytes, 216, &sum.to_le_bytes());
    bytes
}

/// Numbers that a 0.90 superblock has room for.
const DISKS_090: usize = 27;

fn checksum_090(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(4).enumerate();
    let sum: u64 = words
        .filter(|(at, _)| *at != 38)
        .map(|(_, word)| u64::from(u32_at(word, 0)))
        .sum();
    (sum as u32).wrapping_add((sum >> 32) as u32)
}

/// The kernel compares what is left of a checksum after folding it.
fn folded(sum: u32) -> u32 {
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16)
}

fn parse_090(bytes: &[u8]) -> Option<Super> {
    let word = |number: usize| u32_at(bytes, number * 4);
    let believed = word(0) == 0xa92b_4efc
        && word(1) == 0
        && word(2) == 90
        && folded(checksum_090(&bytes[..4096])) == folded(word(38));
    if !believed {
        return None;
    }
    let mut uuid = [0; 16];
    for (at, number) in [5, 13, 14, 15].into_iter().enumerate() {
        put(&mut uuid, at * 4, &word(number).to_le_bytes());
    }
    let events = u64::from(word(39)) | u64::from(word(40)) << 32;
    let checkpoint = u64::from(word(41)) | u64::from(word(42)) << 32;
    let state = word(33);
    let role = |number: usize| {
        let (slot, state) = (word(128 + number * 32 + 3), word(128 + number * 32 + 4));
        match state {
            _ if state & 1 != 0 => Role::Faulty,
            _ if state & 4 != 0 => Role::Slot(slot),
            _ if state & 8 != 0 => Role::Faulty,
            _ => Role::Spare,
        }
    };
    let numbers = 0..DISKS_090;
    Some(Super {
        kind: Kind::V090,
        uuid,
        device_uuid: [0; 16],
        level: word(7) as i32,
        layout: word(64),
        raid_chunk: word(65) / 512,
        size: u64::from(word(8)) * 2,
        slots: word(10),
        data_offset: 0,
        data_size: u64::from(word(8)) * 2,
        events,
        resync: match (state & 1 != 0, checkpoint == events) {
            (true, _) => CLEAN,
            (false, true) => word(43).into(),
            (false, false) => 0,
        },
        bitmap: (state & 0x100 != 0).then_some(8),
        clustered: false,
        number: word(992),
        roles: numbers.map(role).collect(),
        recovery: None,
        bad_block_log: None,
    })
}

fn write_090(sb: &Super) -> Vec<u8> {
    let mut words = [0_u32; 1024];
    words[0] = 0xa92b_4efc;
    words[2] = 90;
    words[4] = 0;
    for (at, number) in [5, 13, 14, 15].into_iter().enumerate() {
        words[number] = u32_at(&sb.uuid, at * 4);
    }
    words[6] = 1_700_000_000;
    words[7] = sb.level as u32;
    words[8] = (sb.size / 2) as u32;
    words[10] = sb.slots;
    words[32] = 1_700_000_100;
    words[33] = u32::from(sb.resync == CLEAN) | if sb.bitmap.is_some() { 0x100 } else { 0 };
    words[39] = sb.events as u32;
    words[40] = (sb.events >> 32) as u32;
    words[41] = words[39];
    words[42] = words[40];
    words[43] = if sb.resync == CLEAN {
        u32::MAX
    } else {
        sb.resync as u32
    };
    words[64] = sb.layout;
    words[65] = sb.raid_chunk * 512;
    let mut counts = [0_u32; 4];
    for (number, role) in sb.roles.iter().enumerate().take(DISKS_090) {
        let (slot, state, counted) = match role {
            Role::Slot(slot) => (*slot, 6, 0),
            Role::Faulty => (number as u32, 9, 2),
            Role::Spare => (number as u32, 0, 3),
        };
        counts[counted] += 1;
        let at = 128 + number * 32;
        let device = if state == 9 {
            [0, 0]
        } else {
            [7, number as u32]
        };
        words[at..at + 5].copy_from_slice(&[number as u32, device[0], device[1], slot, state]);
    }
    let own = 128 + sb.number as usize * 32;
    words.copy_within(own..own + 32, 992);
    words[992] = sb.number;
    let [active, _, failed, spare] = counts;
    words[9] = active + spare;
    words[34] = active;
    words[35] = active + spare;
    words[36] = failed;
    words[37] = spare;
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let sum = checksum_090(&bytes);
    put(&mut bytes, 38 * 4, &sum.to_le_bytes());
    bytes
}
