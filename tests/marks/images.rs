//! Images of the members of small arrays, all of whose data is equal.

use mdbitmap::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use mdbitmap::format::level::Level;
use mdbitmap::format::md_v1::{Builder, Minor};
use mdbitmap::units::{Events, Sectors};
use std::path::Path;

pub const UUID: [u8; 16] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";

/// Sectors in front of the data.
pub const DATA_OFFSET: u64 = 64;

/// Sectors of data of each member.
pub const COMPONENT: u64 = 512;

/// Sectors of a chunk of the bitmap.
pub const CHUNK: u64 = 8;

/// An array to be written as images.
#[derive(Clone)]
pub struct Array {
    pub level: Level,
    pub layout: u32,
    pub raid_chunk: u64,
    pub members: u32,
    pub version: u32,
    /// Sectors that its bitmap counts.
    pub sync_size: u64,
    /// Marked chunks.
    pub dirty: Vec<u64>,
    pub clean: bool,
}

/// One of each level.
pub fn all(version: u32) -> Vec<Array> {
    let kinds = [
        (Level::Raid1, 0, 0, 2, COMPONENT),
        (Level::Raid5, 2, 16, 3, COMPONENT),
        (Level::Raid6, 2, 128, 4, COMPONENT),
        (Level::Raid10, 0x102, 16, 4, COMPONENT * 2),
        (Level::Raid10, 0x201, 16, 3, COMPONENT * 3 / 2),
    ];
    let kinds = kinds.into_iter();
    kinds
        .map(|(level, layout, raid_chunk, members, sync_size)| Array {
            level,
            layout,
            raid_chunk,
            members,
            version,
            sync_size,
            dirty: Vec::new(),
            clean: false,
        })
        .collect()
}

impl Array {
    /// The names of its members, relative to their folder.
    pub fn names(&self) -> Vec<String> {
        (0..self.members)
            .map(|number| format!("m{number}.img"))
            .collect()
    }

    pub fn chunks(&self) -> u64 {
        self.sync_size.div_ceil(CHUNK)
    }

    /// Writes the images into a folder.
    pub fn write(&self, folder: &Path) {
        for (number, name) in (0..).zip(self.names()) {
            std::fs::write(folder.join(name), self.image(number)).unwrap();
        }
    }

    fn image(&self, number: u32) -> Vec<u8> {
        let mut builder = Builder::mirror(Minor::V2, Sectors(DATA_OFFSET + COMPONENT));
        builder.set_uuid = UUID;
        builder.device_uuid = [number as u8 + 1; 16];
        (builder.level, builder.layout) = (self.level, self.layout);
        builder.raid_chunk = Sectors(self.raid_chunk);
        builder.raid_disks = self.members;
        builder.data_offset = Sectors(DATA_OFFSET);
        builder.data_size = Sectors(COMPONENT);
        builder.component = Sectors(COMPONENT);
        builder.dev_number = number;
        builder.roles = (0..self.members as u16).collect();
        builder.events = Events(20);
        builder.resync_offset = (!self.clean).then_some(Sectors(0));
        builder.bitmap_offset = Some(8);
        let mut image = vec![0; (DATA_OFFSET + COMPONENT) as usize * 512];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(4096, &builder.build().to_bytes());
        put(8192, &self.bitmap());
        image
    }

    fn bitmap(&self) -> Vec<u8> {
        let mut raw = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
        (raw.magic, raw.version) = (0x6d74_6962, self.version);
        (raw.uuid, raw.events, raw.events_cleared) = (UUID, 20, 19);
        raw.sync_size_sectors = self.sync_size;
        raw.daemon_sleep_seconds = 5;
        let lockless = self.version == 6;
        raw.chunksize = (if lockless { CHUNK } else { CHUNK * 512 }) as u32;
        let mut bytes = raw.to_bytes().to_vec();
        if lockless {
            bytes[64..68].copy_from_slice(&16_u32.to_le_bytes());
            bytes.resize(1024, 0);
            bytes.resize(1024 + self.chunks() as usize, 1);
        } else {
            bytes.resize(256 + self.chunks().div_ceil(8) as usize, 0);
        }
        for chunk in &self.dirty {
            match lockless {
                true => bytes[1024 + *chunk as usize] = 3,
                false => bytes[256 + *chunk as usize / 8] |= 1 << (chunk % 8),
            }
        }
        bytes
    }
}
