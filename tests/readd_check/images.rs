//! Small members of one mirror, whose second member left at event 10 and is to come back at event 20.

use mdbitmap::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use mdbitmap::format::md_v1::{Builder, Minor};
use mdbitmap::units::{Events, Sectors};

/// Sectors in front of the data.
pub const DATA_OFFSET: u64 = 32;

/// Sectors of data.
pub const COMPONENT: u64 = 96;

/// Bytes of a chunk of the bitmap.
pub const CHUNK: usize = 4096;

pub const UUID: [u8; 16] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";

pub const GONE: u16 = 0xfffe;

/// A member.
#[derive(Clone)]
pub struct Image {
    pub superblock: Builder,
    pub bitmap: RawBitmapSuper,
    /// The chunks that are marked.
    pub marked: Vec<usize>,
    /// The chunks whose data is not that of the others.
    pub changed: Vec<usize>,
}

impl Image {
    /// Device `number` at an event, with these roles.
    pub fn new(number: u8, events: u64, roles: &[u16]) -> Image {
        let mut superblock = Builder::mirror(Minor::V2, Sectors(DATA_OFFSET + COMPONENT));
        superblock.set_uuid = UUID;
        superblock.device_uuid = [number + 1; 16];
        superblock.data_offset = Sectors(DATA_OFFSET);
        superblock.data_size = Sectors(COMPONENT);
        superblock.component = Sectors(COMPONENT);
        superblock.dev_number = u32::from(number);
        superblock.roles = roles.to_vec();
        superblock.events = Events(events);
        let mut bitmap = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
        (bitmap.magic, bitmap.version) = (0x6d74_6962, 4);
        (bitmap.uuid, bitmap.events) = (UUID, events);
        bitmap.events_cleared = events.min(10);
        bitmap.sync_size_sectors = COMPONENT;
        bitmap.chunksize = CHUNK as u32;
        bitmap.daemon_sleep_seconds = 5;
        Image {
            superblock,
            bitmap,
            marked: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// The member that stayed; it has marked two chunks since.
    pub fn survivor() -> Image {
        Image {
            marked: vec![3, 4],
            changed: vec![3],
            ..Image::new(0, 20, &[0, GONE])
        }
    }

    /// The member that left.
    pub fn returning() -> Image {
        Image::new(1, 10, &[0, 1])
    }

    /// A device that held the slot of the one that left.
    pub fn third() -> Image {
        Image::new(2, 15, &[0, GONE, 1])
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut image = vec![0; (DATA_OFFSET + COMPONENT) as usize * 512];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(4096, &self.superblock.build().to_bytes());
        put(8192, &self.bitmap.to_bytes());
        let mut bits = [0_u8; 8];
        for chunk in &self.marked {
            bits[chunk / 8] |= 1 << (chunk % 8);
        }
        put(8192 + 256, &bits);
        for chunk in 0..COMPONENT as usize * 512 / CHUNK {
            let line = match self.changed.contains(&chunk) {
                true => format!("chunk {chunk:2}, written anew\n"),
                false => format!("chunk {chunk:2}, as it was.\n"),
            };
            let data = line.repeat(CHUNK / line.len() + 1);
            let start = DATA_OFFSET as usize * 512 + chunk * CHUNK;
            put(start, &data.as_bytes()[..CHUNK]);
        }
        image
    }
}
