//! The random inputs: bitmap files, and members of arrays that hold a bitmap.

use crate::synthetic::random::Random;
use crate::synthetic::{BITMAP_MAGIC, BitmapSuper, Image, Super090, SuperV1};

/// Where the bitmap of a case lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A bitmap file: at byte 0.
    File,
    /// A member, shown as a block device: at this byte.
    Member {
        bitmap_at: u64,
        metadata: &'static str,
    },
}

pub struct Case {
    pub shape: &'static str,
    pub brief: bool,
    pub container: Container,
    pub image: Vec<u8>,
}

impl Case {
    pub fn bitmap_at(&self) -> u64 {
        match self.container {
            Container::File => 0,
            Container::Member { bitmap_at, .. } => bitmap_at,
        }
    }
}

/// The most bits that a case has room for; a header may claim any number.
const MOST_BITS: u64 = 600_000;

/// A bitmap file, four times out of five a readable one.
pub fn file(random: &mut Random) -> Case {
    let mut header = header(random);
    let mut shape = "file, plain";
    if random.one_in(12) {
        header.nodes = random.pick(&[1, 2, 3, 4, 17, u32::MAX, 0x8000_0000]);
        shape = "file, clustered";
    }
    let mut image = if header.nodes > 0 {
        slots(random, &header)
    } else {
        area(random, &header)
    };
    match random.below(16) {
        0 => {
            header.magic = random.pick(&[0, 1, BITMAP_MAGIC.swap_bytes(), 0x1234_5678, u32::MAX]);
            image[..256].copy_from_slice(&header.bytes());
            shape = "file, wrong magic";
        }
        1 => {
            header.version =
                random.pick(&[0, 1, 2, 7, 8, 1000, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
            image[..256].copy_from_slice(&header.bytes());
            shape = "file, unknown version";
        }
        2 | 3 => {
            image.truncate(random.below(image.len() as u64 + 1) as usize);
            shape = "file, truncated";
        }
        4 => {
            // Behind the header too: nothing about the content is assumed.
            image.truncate(300);
            shape = "file, header and little else";
        }
        _ => {}
    }
    Case {
        shape,
        brief: random.one_in(8),
        container: Container::File,
        image,
    }
}

/// A member of metadata 0.90, 1.0, 1.1 or 1.2, clustered ones included.
pub fn member(random: &mut Random) -> Case {
    let mut header = header(random);
    header.magic = BITMAP_MAGIC;
    header.uuid = crate::synthetic::UUID;
    let brief = random.one_in(8);
    match random.below(5) {
        0 => member_090(random, header, brief),
        1 => member_10(random, &header, brief),
        2 => member_start(random, &header, 1, "member 1.1", brief),
        3 => member_start(random, &header, 2, "member 1.2", brief),
        _ => {
            header.version = random.pick(&[5, 5, 5, 4]);
            header.nodes = random.pick(&[1, 2, 3, 4, 8]);
            // All slots lie on the device: for one past its end mdadm shows what it read last.
            if header.bits() > u128::from(MOST_BITS) {
                header.sync_size = random.below(MOST_BITS);
                header.chunksize = 1 << (9 + random.below(22));
            }
            member_start(random, &header, 2, "member 1.2, clustered", brief)
        }
    }
}

fn member_090(random: &mut Random, mut header: BitmapSuper, brief: bool) -> Case {
    let md = Super090 {
        size_kib: 64,
        ..Super090::default()
    };
    header.uuid = md.uuid();
    let mut area = area(random, &header);
    area.truncate(60 * 1024);
    // Superblock at sector 128 of 256; the bitmap 4 KiB on, in the 64 KiB kept for both.
    let image = Image::sectors(256)
        .put(65536 + 4096, &area)
        .put(65536, &md.bytes());
    let container = Container::Member {
        bitmap_at: 65536 + 4096,
        metadata: "0.90",
    };
    Case {
        shape: "member 0.90",
        brief,
        container,
        image: image.bytes,
    }
}

fn member_10(random: &mut Random, header: &BitmapSuper, brief: bool) -> Case {
    let area = area(random, header);
    let sectors = (area.len() as u64).div_ceil(4096) * 8;
    let bitmap_sector = 64;
    let super_sector = bitmap_sector + sectors;
    let md = SuperV1 {
        minor: 0,
        feature_map: 1,
        size: header.sync_size,
        data_offset: 0,
        data_size: header.sync_size,
        super_offset: super_sector,
        bitmap_offset: -i32::try_from(sectors).unwrap(),
        bblog_size: 0,
        bblog_offset: 0,
        ..SuperV1::default()
    };
    let image = Image::sectors(super_sector + 16)
        .put(bitmap_sector * 512, &area)
        .put(super_sector * 512, &md.bytes());
    let container = Container::Member {
        bitmap_at: bitmap_sector * 512,
        metadata: "1.0",
    };
    Case {
        shape: "member 1.0",
        brief,
        container,
        image: image.bytes,
    }
}

fn member_start(
    random: &mut Random,
    header: &BitmapSuper,
    minor: u32,
    shape: &'static str,
    brief: bool,
) -> Case {
    let area = if header.nodes > 0 {
        slots(random, header)
    } else {
        area(random, header)
    };
    let super_sector = if minor == 1 { 0 } else { 8 };
    let bitmap_at = (super_sector + 8) * 512;
    let data_offset = (bitmap_at + area.len() as u64).div_ceil(4096) * 8;
    let md = SuperV1 {
        minor,
        feature_map: if header.nodes > 0 { 0x101 } else { 1 },
        size: header.sync_size,
        data_offset,
        data_size: header.sync_size,
        super_offset: super_sector,
        bblog_size: 0,
        bblog_offset: 0,
        ..SuperV1::default()
    };
    let mut image = Image::sectors(data_offset + 64)
        .put(bitmap_at, &area)
        .put(super_sector * 512, &md.bytes());
    let mut shape = shape;
    if header.nodes == 0 && random.one_in(6) {
        // Below 24 sectors mdadm sees no superblock.
        let least = (bitmap_at / 512 + 1).max(24);
        image = image.truncate((least + random.below(data_offset + 64 - least)) * 512);
        shape = "member, image cut short";
    }
    let container = Container::Member {
        bitmap_at,
        metadata: if minor == 1 { "1.1" } else { "1.2" },
    };
    Case {
        shape,
        brief,
        container,
        image: image.bytes,
    }
}

/// Any bytes but line ends, so that outputs can be compared line by line.
fn any_name(random: &mut Random) -> [u8; 64] {
    let mut name = [0; 64];
    let length = random.pick(&[0, 0, 7, 9, 63, 64]);
    random.fill(&mut name[..length]);
    name.map(|byte| if byte == b'\n' { 0 } else { byte })
}

/// Any header of versions 3 to 5 without nodes.
fn header(random: &mut Random) -> BitmapSuper {
    let chunksize = match random.below(8) {
        0 => 0,
        1 => random.magnitude(32) as u32,
        2 => random.pick(&[1, 511, 513, 1536, 65535, 1 << 31, u32::MAX]),
        _ => 1 << (9 + random.below(22)),
    };
    let sync_size = match random.below(8) {
        0 => random.magnitude(64),
        1 => random.pick(&[
            0,
            1,
            u64::MAX,
            9999,
            10000,
            4_194_303,
            4_194_304,
            (1 << 32) - 1,
            1 << 32,
            1 << 46,
            (1 << 46) + 1,
            1 << 54,
            1 << 55,
        ]),
        // What there is room for, so that most files are whole.
        _ => {
            let bits = random.magnitude(20).min(MOST_BITS);
            let most = u128::from(bits) * u128::from(chunksize) / 512;
            u64::try_from(most).unwrap().saturating_sub(random.below(3))
        }
    };
    let one_state_bit = 1 << random.below(32);
    let (any_state, any_sleep, any_behind, any_reserved) = (
        random.next() as u32,
        random.magnitude(32) as u32,
        random.magnitude(32) as u32,
        random.magnitude(32) as u32,
    );
    let mut header = BitmapSuper {
        version: random.pick(&[3, 4, 4, 4, 5]),
        events: random.magnitude(64),
        events_cleared: random.magnitude(64),
        sync_size,
        state: random.pick(&[0, 0, 0, 0, 2, 2, one_state_bit, any_state]),
        chunksize,
        daemon_sleep: random.pick(&[5, 0, 1, any_sleep, u32::MAX]),
        write_behind: random.pick(&[0, 0, 256, any_behind]),
        sectors_reserved: random.pick(&[0, 0, 8, any_reserved]),
        ..BitmapSuper::default()
    };
    random.fill(&mut header.uuid);
    header.cluster_name = any_name(random);
    header
}

/// Header and bits of some kind; now and then bytes behind them.
fn area(random: &mut Random, header: &BitmapSuper) -> Vec<u8> {
    let bits = u64::try_from(header.bits().min(u128::from(MOST_BITS))).unwrap();
    let mut area = vec![0; 256 + bits.div_ceil(8) as usize];
    area[..256].copy_from_slice(&header.bytes());
    content(random, &mut area[256..]);
    if random.one_in(4) {
        let mut tail = vec![0; random.below(9000) as usize];
        random.fill(&mut tail);
        area.extend(tail);
    }
    area
}

fn content(random: &mut Random, bits: &mut [u8]) {
    match random.below(5) {
        0 => bits.fill(0),
        1 => bits.fill(0xff),
        2 => random.fill(bits),
        3 if !bits.is_empty() => {
            for _ in 0..random.below(20) {
                let at = random.below(bits.len() as u64) as usize;
                bits[at] |= 1 << random.below(8);
            }
        }
        _ => {
            let from = random.below(bits.len() as u64 + 1) as usize;
            bits[from..].fill(0xff);
        }
    }
}

/// Several slots, 4 KiB aligned; later ones may disagree with the first, or be broken.
fn slots(random: &mut Random, first: &BitmapSuper) -> Vec<u8> {
    let slot_bytes = 256 + first.bits().min(u128::from(MOST_BITS)).div_ceil(8) as usize;
    let slot_bytes = slot_bytes.next_multiple_of(4096);
    let count = (first.nodes as i32).clamp(1, 8) as usize;
    let mut all = vec![0; slot_bytes * count];
    for (number, slot) in all.chunks_mut(slot_bytes).enumerate() {
        let mut header = first.clone();
        if number > 0 {
            header.events = random.magnitude(64);
            match random.below(10) {
                0 => header.magic = random.next() as u32,
                1 => header.nodes = random.pick(&[0, 1, 2, 3]),
                2 => header.version = random.pick(&[0, 3, 4, 9]),
                3 => header.sync_size = random.magnitude(30),
                4 => header.state = random.pick(&[2, 4, 0x8000]),
                5 => header.chunksize = random.pick(&[0, 512, 4096, 1 << 20]),
                _ => {}
            }
        }
        slot[..256].copy_from_slice(&header.bytes());
        content(random, &mut slot[256..]);
    }
    all
}
