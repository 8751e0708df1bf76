//! Stopped arrays in memory, for tests.

use super::stopped::StoppedArray;
use crate::array::load::{self, Present};
use crate::bitmap::Bitmap;
use crate::device::{MemoryStore, Store};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor};
use crate::format::{md_v1, md_v090};
use crate::units::{Bytes, Events, Sectors};

/// An array to be made; fields may be changed before [`TestArray::stores`].
#[derive(Debug, Clone)]
pub(crate) struct TestArray {
    pub level: Level,
    pub layout: u32,
    pub raid_chunk: u64,
    pub members: u32,
    /// Metadata 1.x; `None` is 0.90.
    pub minor: Option<Minor>,
    pub device_sectors: u64,
    pub data_offset: u64,
    pub component: u64,
    pub events: u64,
    pub resync_offset: Option<u64>,
    /// Slots that nothing holds.
    pub vacant: Vec<u32>,
    pub spares: u32,
    /// Sectors from the superblock, and its own sectors.
    pub bad_block_log: Option<(i32, u16)>,
    pub bitmap: Option<TestBitmap>,
}

/// Its bitmap, the same on all members.
#[derive(Debug, Clone)]
pub(crate) struct TestBitmap {
    pub version: u32,
    pub chunk_bytes: u64,
    /// Sectors from the superblock; 8 for 0.90.
    pub offset: i32,
    pub events: u64,
    pub events_cleared: u64,
    /// Marked chunks: set bits, or state 3; the others are clear, or state 1.
    pub dirty: Vec<u64>,
    /// Sectors counted.
    pub sync_size: u64,
}

pub(crate) const UUID: [u8; 16] = *b"mdbitmap-testing";

impl TestArray {
    /// A clean mirror of two with 1.2 metadata: devices of 1 MiB, data from sector 256 on, 512 KiB of it, and no bitmap.
    pub fn mirror() -> TestArray {
        TestArray {
            level: Level::Raid1,
            layout: 0,
            raid_chunk: 0,
            members: 2,
            minor: Some(Minor::V2),
            device_sectors: 2048,
            data_offset: 256,
            component: 1024,
            events: 40,
            resync_offset: None,
            vacant: Vec::new(),
            spares: 0,
            bad_block_log: None,
            bitmap: None,
        }
    }

    /// The same size as a raid5 of three.
    pub fn raid5() -> TestArray {
        TestArray {
            level: Level::Raid5,
            layout: 2,
            raid_chunk: 16,
            members: 3,
            ..TestArray::mirror()
        }
    }

    /// With a trusted bitmap of version 4: chunks of 4 KiB, these of them marked.
    pub fn with_bitmap(mut self, dirty: &[u64]) -> TestArray {
        self.bitmap = Some(TestBitmap {
            version: 4,
            chunk_bytes: 4096,
            offset: 8,
            events: self.events,
            events_cleared: self.events - 1,
            dirty: dirty.to_vec(),
            sync_size: self.component,
        });
        self
    }

    /// The members in sync by slot, then the spares.
    pub fn stores(&self) -> Vec<MemoryStore> {
        let slots = (0..self.members).filter(|slot| !self.vacant.contains(slot));
        let spares = self.members..self.members + self.spares;
        slots
            .chain(spares)
            .map(|number| self.store(number))
            .collect()
    }

    fn store(&self, number: u32) -> MemoryStore {
        let store = MemoryStore::zeroed(format!("m{number}"), self.device_sectors as usize * 512);
        let (at, bytes) = match self.minor {
            Some(minor) => self.super_v1(minor, number),
            None => self.super_v090(number),
        };
        store.write_at(Bytes(at), &bytes).unwrap();
        if let Some(bitmap) = self.bitmap.as_ref().filter(|_| number < self.members) {
            let start = at as i64 + i64::from(bitmap.offset) * 512;
            store
                .write_at(Bytes(start as u64), &bitmap.bytes())
                .unwrap();
        }
        store
    }

    fn super_v1(&self, minor: Minor, number: u32) -> (u64, Vec<u8>) {
        let mut builder = Builder::mirror(minor, Sectors(self.device_sectors));
        builder.set_uuid = UUID;
        builder.device_uuid = [number as u8 + 1; 16];
        builder.level = self.level;
        builder.layout = self.layout;
        builder.raid_chunk = Sectors(self.raid_chunk);
        builder.raid_disks = self.members;
        builder.component = Sectors(self.component);
        builder.data_offset = Sectors(if minor == Minor::V0 {
            0
        } else {
            self.data_offset
        });
        builder.data_size = Sectors(self.component);
        builder.dev_number = number;
        builder.roles = (0..self.members + self.spares)
            .map(|number| match number {
                slot if slot >= self.members => md_v1::role::SPARE,
                slot if self.vacant.contains(&slot) => md_v1::role::FAULTY,
                slot => slot as u16,
            })
            .collect();
        builder.events = Events(self.events);
        builder.resync_offset = self.resync_offset.map(Sectors);
        builder.bad_block_log = self.bad_block_log;
        builder.bitmap_offset = self.bitmap.as_ref().map(|bitmap| bitmap.offset);
        let at = minor.super_start(Sectors(self.device_sectors)).unwrap().0 * 512;
        (at, builder.build().to_bytes())
    }

    fn super_v090(&self, number: u32) -> (u64, Vec<u8>) {
        let device = Bytes(self.device_sectors * 512);
        let mut builder = md_v090::Builder::mirror(device);
        builder.uuid = UUID;
        builder.level = self.level;
        builder.layout = self.layout;
        builder.chunk_bytes = self.raid_chunk as u32 * 512;
        builder.raid_disks = self.members;
        builder.size_kib = self.component as u32 / 2;
        builder.own_slot = number;
        builder.vacant = self.vacant.clone();
        builder.events = Events(self.events);
        builder.resync_offset = self.resync_offset.map(Sectors);
        builder.bitmap = self.bitmap.is_some();
        let at = md_v090::super_start(device).unwrap().0 * 512;
        (at, builder.build().to_bytes())
    }
}

impl TestBitmap {
    fn bytes(&self) -> Vec<u8> {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        raw.magic = BITMAP_MAGIC;
        raw.version = self.version;
        raw.uuid = UUID;
        raw.events = self.events;
        raw.events_cleared = self.events_cleared;
        raw.sync_size_sectors = self.sync_size;
        raw.chunksize = match self.version {
            6 => self.chunk_bytes / 512,
            _ => self.chunk_bytes,
        } as u32;
        raw.daemon_sleep_seconds = 5;
        let chunks = (self.sync_size * 512).div_ceil(self.chunk_bytes);
        if self.version == 6 {
            raw.sectors_reserved = ((1024 + chunks).div_ceil(4096) * 8) as u32;
            let mut bytes = raw.to_bytes().to_vec();
            bytes.resize(1024, 0);
            bytes.resize(1024 + chunks as usize, 1);
            for chunk in &self.dirty {
                bytes[1024 + *chunk as usize] = 3;
            }
            return bytes;
        }
        let mut bytes = raw.to_bytes().to_vec();
        bytes.resize(256 + chunks.div_ceil(8) as usize, 0);
        for chunk in &self.dirty {
            bytes[256 + *chunk as usize / 8] |= 1 << (chunk % 8);
        }
        bytes
    }
}

/// One array of each kind: metadata, levels and layouts, 512 and 4096 byte blocks; each with a trusted bitmap of this
/// version in which these chunks of 4 KiB are marked. All are clean and complete.
pub(crate) fn zoo(version: u32, dirty: &[u64]) -> Vec<(TestArray, u32)> {
    let kinds = [
        (Level::Raid1, 0, 0, 2),
        (Level::Raid1, 0, 0, 3),
        (Level::Raid4, 0, 16, 3),
        (Level::Raid5, 2, 16, 3),
        (Level::Raid5, 0, 128, 4),
        (Level::Raid6, 2, 16, 4),
        (Level::Raid6, 10, 16, 5),
        (Level::Raid10, 0x102, 16, 4),
        (Level::Raid10, 0x102, 16, 3),
        (Level::Raid10, 0x201, 16, 4),
        (Level::Raid10, 0x10201, 16, 4),
    ];
    let metadata = [Some(Minor::V0), Some(Minor::V1), Some(Minor::V2), None];
    let mut all = Vec::new();
    for ((level, layout, raid_chunk, members), number) in kinds.into_iter().zip(0..) {
        for minor in metadata {
            let mut array = TestArray {
                level,
                layout,
                raid_chunk,
                members,
                minor,
                ..TestArray::mirror()
            };
            let sync_size = read(&array.stores()).sync_size().0;
            array = array.with_bitmap(dirty);
            if let Some(bitmap) = &mut array.bitmap {
                bitmap.version = version;
                bitmap.sync_size = sync_size;
                if minor == Some(Minor::V0) {
                    bitmap.offset = -16;
                }
            }
            // Lockless bitmaps come with 1.x alone.
            if version != 6 || minor.is_some() {
                all.push((array, if number % 2 == 0 { 512 } else { 4096 }));
            }
        }
    }
    all
}

/// What the next start would resynchronise by each member's copy, whichever the kernel reads: chunks, in order.
pub(crate) fn next_resync(stores: &[MemoryStore]) -> Vec<Vec<u64>> {
    let array = read(stores);
    let bitmaps: Vec<Option<Bitmap<'_>>> = (0..array.devices.len())
        .map(|place| {
            let mut copies = array.copies.iter();
            let copy = copies.find(|copy| copy.device == place)?;
            copy.bitmap.as_ref().ok().cloned()
        })
        .collect();
    let members: Vec<Present<'_>> = array
        .devices
        .iter()
        .zip(&bitmaps)
        .map(|(device, bitmap)| Present {
            found: &device.found,
            bitmap: bitmap.as_ref(),
            counts: None,
        })
        .collect();
    let assembled = load::load(&members).unwrap();
    assert!(assembled.starts(), "{:?}", assembled.readings);
    let of = |reading: &load::Reading| {
        let verdict = reading.verdict.as_ref().unwrap();
        assert!(verdict.trusted, "{:?}", verdict.reasons);
        let bitmap = bitmaps[reading.member].as_ref().unwrap();
        let runs = reading.scope.runs(bitmap).unwrap().expect("a scope");
        let chunks = runs.flat_map(|run| {
            let run = run.unwrap();
            run.start.0..run.end.0
        });
        chunks.collect()
    };
    assembled.readings.iter().map(of).collect()
}

/// The array of these stores.
pub(crate) fn read(stores: &[MemoryStore]) -> StoppedArray<'_> {
    let stores: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    StoppedArray::read(&stores).unwrap()
}

/// The names of the reasons of a refusal; none for success.
pub(crate) fn reasons<T>(result: Result<T, super::PlanError>) -> Vec<&'static str> {
    match result {
        Ok(_) => Vec::new(),
        Err(super::PlanError::Refused(all)) => all.iter().map(|refusal| refusal.name).collect(),
        Err(error) => panic!("{error}"),
    }
}
