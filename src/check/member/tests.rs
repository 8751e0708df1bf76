//! For each kind of finding: an image that has it, and sound ones that have none of them.

use super::RULES;
use crate::array::MetadataFilter;
use crate::check::{
    Case, FileFacts, Finding, Input, LookOptions, catalogue, leave_elsewhere,
    tests::assert_repair_is_told,
};
use crate::device::extents::Unfit;
use crate::device::{MemoryStore, Store, StoreError, filesystem};
use crate::format::bitmap_rules::Rule as KernelRule;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper, state};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor, RawSuper, feature};
use crate::format::{dm_raid, md_v090};
use crate::units::{Bytes, Events, Sectors};
use std::collections::BTreeSet;
use std::ops::Range;

const UUID: [u8; 16] = *b"an array of ours";
/// Sectors of a device; data begins at sector 2048.
const DEVICE: u64 = 8192;
const SYNC: u64 = 6144;

/// What is found, and the members of the array that it is found on.
pub(crate) struct Shown {
    pub findings: Vec<Finding>,
    pub members: Vec<MemoryStore>,
}

/// A member of a clean mirror, and what lies on it.
#[derive(Clone)]
struct Disk {
    md: Builder,
    last: fn(&mut RawSuper),
    bitmap: RawBitmapSuper,
    cells: Vec<u8>,
    len: u64,
    /// Written over everything else: at, bytes.
    patch: Vec<(usize, Vec<u8>)>,
    blocks: (u32, u32),
    metadata: Option<MetadataFilter>,
    offset: Option<Bytes>,
}

fn header(version: u32) -> RawBitmapSuper {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (raw.magic, raw.version, raw.uuid) = (BITMAP_MAGIC, version, UUID);
    (raw.events, raw.events_cleared) = (20, 20);
    (raw.chunksize, raw.daemon_sleep_seconds) = (4096, 5);
    raw.sync_size_sectors = SYNC;
    raw
}

/// 768 chunks of 4 KiB, none dirty.
fn disk() -> Disk {
    let mut md = Builder::mirror(Minor::V2, Sectors(DEVICE));
    (md.set_uuid, md.events) = (UUID, Events(20));
    assert_eq!(md.component, Sectors(SYNC));
    Disk {
        md,
        last: |_| (),
        bitmap: header(4),
        cells: vec![0; 256],
        len: DEVICE * 512,
        patch: Vec::new(),
        blocks: (512, 512),
        metadata: None,
        offset: None,
    }
}

/// The same with version 6: 48 chunks of 64 KiB, all clean.
fn lockless() -> Disk {
    let mut disk = disk();
    disk.bitmap = header(6);
    (disk.bitmap.chunksize, disk.bitmap.sectors_reserved) = (128, 256);
    (disk.bitmap.events_cleared, disk.cells) = (0, vec![1; 48]);
    disk
}

impl Disk {
    fn image(&self) -> Vec<u8> {
        let mut raw = self.md.build();
        (self.last)(&mut raw);
        raw.seal();
        let start = (raw.fixed.super_offset * 512) as usize;
        let bitmap = start as i64 + i64::from(self.md.bitmap_offset.unwrap_or(8)) * 512;
        let cells = if self.bitmap.version == 6 { 1024 } else { 256 };
        let mut image = vec![0; DEVICE as usize * 512];
        let mut put = |at: usize, bytes: &[u8]| {
            let end = (at + bytes.len()).min(image.len());
            if let Some(room) = image.get_mut(at..end) {
                room.copy_from_slice(&bytes[..end - at]);
            }
        };
        put(bitmap as usize, &self.bitmap.to_bytes());
        put(bitmap as usize + cells, &self.cells);
        put(start, &raw.to_bytes());
        self.patch.iter().for_each(|(at, bytes)| put(*at, bytes));
        image.resize(self.len as usize, 0);
        image
    }

    fn store(&self, name: &str) -> MemoryStore {
        MemoryStore::new(name, self.image()).with_blocks(self.blocks.0, self.blocks.1)
    }

    /// Both members of the mirror, but for one that has failed.
    fn members(&self) -> Vec<MemoryStore> {
        let member = |number: u32| {
            let mut disk = self.clone();
            disk.md.dev_number = number;
            disk.md.device_uuid[0] ^= number as u8;
            let failed = disk.md.roles.get(number as usize) == Some(&0xfffe);
            (!failed).then(|| disk.store(&format!("disk{number}")))
        };
        (0..self.md.raid_disks).filter_map(member).collect()
    }

    fn shown(&self) -> Shown {
        Shown {
            findings: self.found(),
            members: self.members(),
        }
    }

    fn found(&self) -> Vec<Finding> {
        let store = self.store("disk");
        let options = LookOptions {
            metadata: self.metadata,
            offset: self.offset,
            ..LookOptions::default()
        };
        let mut input = Input::look(&store, &options);
        input.is_block_device = true;
        judged(vec![input])
    }
}

fn judged(inputs: Vec<Input<'_>>) -> Vec<Finding> {
    let cases = Case::group(inputs);
    let all = |case: &Case<'_>| -> Vec<Finding> {
        let found = RULES.iter().flat_map(|rule| (rule.judge)(case));
        let mut found: Vec<Finding> = found.collect();
        leave_elsewhere(case, &mut found);
        found
    };
    cases.iter().flat_map(all).collect()
}

fn disk_with(change: fn(&mut Disk)) -> Shown {
    let mut disk = disk();
    change(&mut disk);
    disk.shown()
}

fn lockless_with(change: fn(&mut Disk)) -> Shown {
    let mut disk = lockless();
    change(&mut disk);
    disk.shown()
}

/// Something that is no member of md's own arrays.
fn apart(findings: Vec<Finding>) -> Shown {
    Shown {
        findings,
        members: Vec::new(),
    }
}

/// Two of these as members 0 and 1.
fn pair(change: fn(&mut Disk, u32)) -> Shown {
    let image = |number| {
        let mut disk = disk();
        disk.md.dev_number = number;
        disk.md.device_uuid[0] ^= number as u8;
        change(&mut disk, number);
        MemoryStore::new(format!("disk{number}"), disk.image())
    };
    let members = vec![image(0), image(1)];
    let looked = members
        .iter()
        .map(|store| Input::look(store, &LookOptions::default()));
    let findings = judged(looked.collect());
    Shown { findings, members }
}

/// A clustered bitmap of three nodes, a slot each 4 KiB.
fn cluster(change: fn(&mut RawBitmapSuper, u32)) -> Shown {
    let mut disk = disk();
    disk.md.features = feature::CLUSTERED;
    disk.bitmap = header(5);
    disk.bitmap.nodes = 3;
    for slot in 1..3 {
        let mut raw = disk.bitmap.clone();
        change(&mut raw, slot);
        disk.patch
            .push((8192 + 4096 * slot as usize, raw.to_bytes().to_vec()));
    }
    disk.shown()
}

fn dm_raid(change: fn(&mut RawBitmapSuper)) -> Shown {
    let mut raw = dm_raid::RawSuper::mirror(2, SYNC);
    raw.events = 20;
    let mut bitmap = header(4);
    bitmap.uuid = [0; 16];
    change(&mut bitmap);
    let mut image = vec![0; 16384];
    image[..512].copy_from_slice(&raw.to_bytes());
    image[4096..4352].copy_from_slice(&bitmap.to_bytes());
    let store = MemoryStore::new("meta", image);
    apart(judged(vec![Input::look(&store, &LookOptions::default())]))
}

/// A 0.90 member; its bitmap lies 4 KiB behind the superblock.
fn v090(change: fn(&mut md_v090::Builder, &mut RawBitmapSuper)) -> Shown {
    let len = DEVICE as usize * 512;
    let mut md = md_v090::Builder::mirror(Bytes(len as u64));
    (md.uuid, md.events) = (UUID, Events(20));
    let mut bitmap = header(4);
    bitmap.sync_size_sectors = u64::from(md.size_kib) * 2;
    change(&mut md, &mut bitmap);
    let mut image = vec![0; len];
    let start = len - 65536;
    image[start..start + 4096].copy_from_slice(&md.build().to_bytes());
    image[start + 4096..start + 4352].copy_from_slice(&bitmap.to_bytes());
    let store = MemoryStore::new("old", image);
    apart(judged(vec![Input::look(&store, &LookOptions::default())]))
}

fn sound_facts() -> FileFacts {
    FileFacts {
        file_system: filesystem::of_magic(0xef53),
        owner: 0,
        mode: 0o600,
        block_bytes: 512,
        unfit: None,
        blocks_unknown: None,
    }
}

/// A bitmap file, with a member of its array, which has no other bitmap.
fn file(change: fn(&mut RawBitmapSuper, &mut FileFacts, &mut Vec<u8>)) -> Shown {
    let (mut raw, mut facts, mut bits) = (header(4), sound_facts(), vec![0; 256]);
    change(&mut raw, &mut facts, &mut bits);
    let mut member = disk();
    member.md.bitmap_offset = None;
    member.bitmap.magic = 0;
    let stores = [
        MemoryStore::new("disk", member.image()),
        MemoryStore::new("file", [raw.to_bytes().to_vec(), bits].concat()),
    ];
    let mut inputs: Vec<Input<'_>> = stores
        .iter()
        .map(|store| Input::look(store, &LookOptions::default()))
        .collect();
    inputs[1].file = Some(facts);
    apart(judged(inputs))
}

/// A store of which reads of some bytes fail.
struct Failing {
    inner: MemoryStore,
    bytes: Range<u64>,
}

impl Store for Failing {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn len(&self) -> Bytes {
        self.inner.len()
    }
    fn logical_block_bytes(&self) -> u32 {
        512
    }
    fn physical_block_bytes(&self) -> u32 {
        512
    }
    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = start.0 + buffer.len() as u64;
        if start.0 < self.bytes.end && self.bytes.start < end {
            return Err(StoreError::Read {
                device: self.name().to_owned(),
                start: start.0,
                end,
                source: std::io::ErrorKind::Other.into(),
            });
        }
        self.inner.read_at(start, buffer)
    }
    fn write_at(&self, _: Bytes, _: &[u8]) -> Result<(), StoreError> {
        panic!("check writes nothing")
    }
    fn flush(&self) -> Result<(), StoreError> {
        panic!("check writes nothing")
    }
}

/// Reads of these bytes fail.
fn failing(bytes: Range<u64>) -> Shown {
    let inner = MemoryStore::new("disk", disk().image());
    let store = Failing { inner, bytes };
    apart(judged(vec![Input::look(&store, &LookOptions::default())]))
}

pub(crate) type Make = fn() -> Shown;

/// What is found, all of it, and an image that has it.
pub(crate) const CASES: &[(&[&str], Make)] = &[
    // superblocks
    (&["superblock-damaged"], || {
        disk_with(|d| d.patch.push((4096 + 216, vec![1, 2, 3, 4])))
    }),
    (&["superblock-remains"], || {
        disk_with(|d| {
            let mut other = d.md.clone();
            other.minor = Minor::V1;
            let mut bytes = other.build().to_bytes();
            bytes[216] ^= 1;
            d.patch.push((0, bytes));
        })
    }),
    (&["several-superblocks"], || {
        disk_with(|d| {
            let mut other = Builder::mirror(Minor::V0, Sectors(DEVICE));
            (other.set_uuid, other.bitmap_offset) = ([7; 16], None);
            d.md.created = 1;
            let start = Minor::V0.super_start(Sectors(DEVICE)).unwrap().0 * 512;
            d.patch.push((start as usize, other.build().to_bytes()));
        })
    }),
    (&["member-refused"], || {
        disk_with(|d| d.last = |raw| raw.fixed.pad3[3] = 1)
    }),
    (&["device-too-small"], || disk_with(|d| d.len -= 1 << 20)),
    (&["no-metadata"], || {
        disk_with(|d| d.patch.push((0, vec![0; 65536])))
    }),
    // announcement
    (&["no-bitmap"], || {
        disk_with(|d| {
            d.md.bitmap_offset = None;
            d.bitmap.magic = 0;
        })
    }),
    (&["leftover-bitmap", "no-bitmap"], || {
        disk_with(|d| d.md.bitmap_offset = None)
    }),
    (&["leftover-bitmap", "no-bitmap"], || {
        v090(|md, _| md.bitmap = false)
    }),
    (&["no-location"], || {
        disk_with(|d| {
            d.md.bitmap_offset = None;
            d.md.features = feature::BITMAP_OFFSET;
            d.bitmap.magic = 0;
        })
    }),
    (&["bitmap-outside-device"], || {
        disk_with(|d| d.md.bitmap_offset = Some(1 << 20))
    }),
    (&["bitmap-place-differs"], || {
        pair(|d, number| d.md.bitmap_offset = Some(8 + 8 * number as i32))
    }),
    (&["bitmap-place-differs"], || {
        pair(|d, number| {
            if number == 1 {
                d.md.bitmap_offset = None;
                d.bitmap.magic = 0;
            }
        })
    }),
    // kernel rules
    (&["header-cut-off"], || {
        // The bitmap starts in the last sector, of which the image has 100 bytes.
        disk_with(|d| {
            (d.md.component, d.md.data_size) = (Sectors(4096), Sectors(4096));
            d.md.bitmap_offset = Some(DEVICE as i32 - 1 - 8);
            d.len = DEVICE * 512 - 412;
        })
    }),
    (&["header-cut-off"], || {
        // Of version 6 the kernel reads a page first.
        lockless_with(|d| {
            d.md.bitmap_offset = Some(DEVICE as i32 - 4 - 8);
            (d.md.component, d.md.data_size) = (Sectors(4096), Sectors(4096));
            d.bitmap.sync_size_sectors = 4096;
            d.bitmap.sectors_reserved = 3;
            (d.cells, d.len) = (vec![1; 32], DEVICE * 512);
        })
    }),
    (&["bitmap-missing"], || {
        disk_with(|d| d.bitmap = RawBitmapSuper::from_bytes(&[0; 256]).unwrap())
    }),
    (&["bad-magic"], || disk_with(|d| d.bitmap.magic ^= 1)),
    (&["bad-magic"], || {
        disk_with(|d| d.offset = Some(Bytes(65536)))
    }),
    (&["bad-version"], || disk_with(|d| d.bitmap.version = 7)),
    (&["bad-version"], || disk_with(|d| d.bitmap.version = 2)),
    (&["bad-chunk-size"], || {
        disk_with(|d| d.bitmap.chunksize = 256)
    }),
    (&["bad-chunk-size"], || {
        disk_with(|d| d.bitmap.chunksize = 4097)
    }),
    (&["bad-chunk-size"], || {
        disk_with(|d| d.bitmap.chunksize = 0)
    }),
    (&["bad-chunk-size"], || {
        lockless_with(|d| d.bitmap.chunksize = 129)
    }),
    (&["zero-daemon-sleep"], || {
        disk_with(|d| d.bitmap.daemon_sleep_seconds = 0)
    }),
    (&["bad-write-behind"], || {
        disk_with(|d| d.bitmap.write_behind = 16384)
    }),
    (&["clustered"], || cluster(|_, _| ())),
    (&["sync-size-smaller"], || {
        disk_with(|d| d.bitmap.sync_size_sectors -= 1)
    }),
    (&["sync-size-smaller", "too-few-bits"], || {
        disk_with(|d| d.bitmap.sync_size_sectors -= 8)
    }),
    (&["sync-size-smaller"], || {
        lockless_with(|d| d.bitmap.sync_size_sectors /= 2)
    }),
    (&["sync-size-larger"], || {
        disk_with(|d| d.bitmap.sync_size_sectors += 8)
    }),
    (&["uuid-mismatch"], || disk_with(|d| d.bitmap.uuid[0] ^= 1)),
    (&["uuid-mismatch"], || dm_raid(|bitmap| bitmap.uuid[0] = 1)),
    (&["stale-events"], || {
        disk_with(|d| (d.bitmap.events, d.bitmap.events_cleared) = (19, 19))
    }),
    (&["stale-events"], || {
        dm_raid(|bitmap| (bitmap.events, bitmap.events_cleared) = (3, 3))
    }),
    (&["stale-events"], || {
        v090(|_, bitmap| (bitmap.events, bitmap.events_cleared) = (3, 3))
    }),
    (&["events-ahead"], || disk_with(|d| d.bitmap.events = 22)),
    (&["marked-stale"], || {
        disk_with(|d| d.bitmap.state = state::STALE)
    }),
    (&["write-error"], || {
        disk_with(|d| d.bitmap.state = state::WRITE_ERROR)
    }),
    (&["write-error"], || {
        lockless_with(|d| d.bitmap.state = state::WRITE_ERROR)
    }),
    (&["reserved-space-too-small"], || {
        disk_with(|d| {
            d.bitmap.sectors_reserved = 1;
            d.bitmap.chunksize = 512;
        })
    }),
    (&["file-too-small"], || {
        file(|_, facts, bits| {
            bits.truncate(40);
            facts.block_bytes = 8;
        })
    }),
    (&["lockless-chunk-too-small", "lockless-overrun"], || {
        lockless_with(|d| {
            (d.bitmap.chunksize, d.bitmap.sectors_reserved) = (1, 1);
            d.cells = vec![1; SYNC as usize];
        })
    }),
    (&["lockless-sync-size-too-large"], || {
        lockless_with(|d| d.bitmap.sync_size_sectors += 1)
    }),
    (&["lockless-with-journal"], || {
        lockless_with(|d| d.md.features = feature::JOURNAL)
    }),
    (&["lockless-no-space", "lockless-wrong-place"], || {
        dm_raid(|bitmap| {
            (bitmap.version, bitmap.chunksize) = (6, 128);
            bitmap.events_cleared = 0;
        })
    }),
    (&["lockless-wrong-place"], || {
        file(|raw, _, bits| {
            (raw.version, raw.chunksize, raw.events_cleared) = (6, 128, 0);
            *bits = vec![1; 4096 - 256];
        })
    }),
    (&["lockless-overrun"], || {
        lockless_with(|d| {
            // 48 states and the 1024 bytes before them, in 512 bytes.
            d.bitmap.sectors_reserved = 1;
        })
    }),
    // state, version, padding
    (&["unknown-state-bits"], || {
        disk_with(|d| d.bitmap.state = 0x40)
    }),
    (&["unknown-state-bits"], || {
        lockless_with(|d| d.bitmap.state = 0x8000)
    }),
    (&["host-endian"], || {
        disk_with(|d| (d.bitmap.version, d.bitmap.state) = (3, state::HOSTENDIAN))
    }),
    (&["pad-not-zero"], || disk_with(|d| d.bitmap.pad[119] = 1)),
    // clusters
    (&["clustered", "slot-uuid-mismatch"], || {
        cluster(|raw, slot| {
            if slot == 2 {
                raw.uuid[0] ^= 1;
            }
        })
    }),
    (&["clustered", "slot-damaged"], || {
        cluster(|raw, _| raw.magic = 0)
    }),
    (&["clustered", "slot-damaged"], || {
        cluster(|raw, slot| raw.nodes = slot)
    }),
    (&["nodes-without-cluster"], || {
        disk_with(|d| d.bitmap.nodes = 4)
    }),
    (&["nodes-without-cluster"], || {
        disk_with(|d| d.bitmap.version = 5)
    }),
    // first use
    (&["first-use"], || {
        lockless_with(|d| {
            (d.bitmap.state, d.md.events, d.bitmap.events) = (state::FIRST_USE, Events(0), 0)
        })
    }),
    (&["first-use-on-data"], || {
        lockless_with(|d| d.bitmap.state = state::FIRST_USE)
    }),
    (&["first-use-on-data"], || {
        lockless_with(|d| {
            (d.bitmap.state, d.md.level, d.md.layout) = (state::FIRST_USE, Level::Raid5, 2);
            d.md.raid_chunk = Sectors(128);
        })
    }),
    (&["first-use-clean-on-unclean"], || {
        lockless_with(|d| {
            d.bitmap.state = state::FIRST_USE | state::CLEAN;
            d.md.resync_offset = Some(Sectors(0));
        })
    }),
    (&["first-use"], || {
        lockless_with(|d| d.bitmap.state = state::FIRST_USE | state::CLEAN)
    }),
    // events_cleared
    (&["events-cleared-zero"], || {
        disk_with(|d| d.bitmap.events_cleared = 0)
    }),
    (&["events-cleared-zero-degraded"], || {
        disk_with(|d| (d.bitmap.events_cleared, d.md.roles) = (0, vec![0, 0xfffe]))
    }),
    (&["events-cleared-ahead"], || {
        disk_with(|d| d.bitmap.events_cleared = 21)
    }),
    // dirt
    (&["dirt-on-clean"], || disk_with(|d| d.cells[7] = 3)),
    (&["ones-past-end"], || disk_with(|d| d.cells[96] = 0x80)),
    (&["bits-missing"], || {
        disk_with(|d| {
            d.md.minor = Minor::V0;
            d.md.data_offset = Sectors(0);
            d.md.component = Sectors(SYNC);
            d.md.bitmap_offset = Some(15);
            d.bitmap.chunksize = 512;
        })
    }),
    // states of version 6
    (&["unknown-chunk-states"], || {
        lockless_with(|d| d.cells[5] = 8)
    }),
    (&["states-of-newer-kernels"], || {
        lockless_with(|d| d.cells[5] = 7)
    }),
    // where it lies
    (&["dirt-on-clean", "overlaps-superblock"], || {
        disk_with(|d| {
            d.md.bitmap_offset = Some(-1);
            d.bitmap.chunksize = 512;
        })
    }),
    (&["overlaps-bad-block-log"], || {
        disk_with(|d| d.md.bad_block_log = Some((8, 8)))
    }),
    (&["lockless-over-bad-block-log"], || {
        lockless_with(|d| d.md.bad_block_log = Some((16, 8)))
    }),
    (&["overlaps-ppl"], || {
        // -16 is the bitmap's offset and, read as two halves, that of the log and its size.
        disk_with(|d| {
            d.md = Builder::mirror(Minor::V0, Sectors(DEVICE));
            (d.md.set_uuid, d.md.events, d.md.features) = (UUID, Events(20), feature::PPL);
            d.bitmap.sync_size_sectors = d.md.component.0;
        })
    }),
    (&["overlaps-data"], || {
        disk_with(|d| {
            d.md.bitmap_offset = Some(2040);
        })
    }),
    (&["unaligned-bitmap"], || {
        disk_with(|d| (d.md.bitmap_offset, d.blocks) = (Some(10), (4096, 4096)))
    }),
    (&["short-last-page"], || {
        disk_with(|d| d.blocks = (512, 4096))
    }),
    // files
    (&["file-has-holes"], || {
        file(|_, facts, _| facts.unfit = Some(Unfit::Hole { start: 0, end: 512 }))
    }),
    (&["file-blocks-unfit"], || {
        file(|_, facts, _| {
            facts.unfit = Some(Unfit::State {
                start: 0,
                end: 512,
                state: "compressed or encoded",
            });
        })
    }),
    (&["file-system-unsuitable"], || {
        file(|_, facts, _| facts.file_system = filesystem::of_magic(0x0102_1994))
    }),
    (&["file-owner"], || file(|_, facts, _| facts.owner = 1000)),
    (&["file-mode"], || file(|_, facts, _| facts.mode = 0o666)),
    (&["file-partial-block"], || {
        file(|_, facts, _| facts.block_bytes = 4096)
    }),
    (&["uuid-mismatch"], || file(|raw, _, _| raw.uuid[0] ^= 1)),
    // what cannot be read
    // The md superblock's 4096 bytes end where the bitmap begins.
    (&["unreadable"], || failing(8192..8193)),
    (&["unreadable", "unreadable"], || failing(0..1)),
    (&["unreadable"], || failing(8192 + 256..8192 + 257)),
];

#[test]
fn each_finding_has_an_image() {
    let mut wrong = Vec::new();
    for (index, (expected, make)) in CASES.iter().enumerate() {
        let findings = make().findings;
        let names: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
        if names != *expected {
            wrong.push(format!(
                "case {index}: expected {expected:?}, found {findings:#?}"
            ));
        }
        for finding in &findings {
            for text in [&finding.sentence, &finding.kernel, &finding.repair] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{finding:?}");
            }
            assert_repair_is_told(finding);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_has_a_case() {
    let shown: BTreeSet<&str> = CASES
        .iter()
        .flat_map(|(names, _)| *names)
        .copied()
        .collect();
    let kinds = RULES.iter().flat_map(|rule| rule.kinds);
    let all: BTreeSet<&str> = kinds.map(|kind| kind.name).collect();
    assert_eq!(shown, all);
    assert!(catalogue().all(|kind| !kind.meaning.is_empty()));
}

#[test]
fn sound_images_have_no_finding() {
    assert_eq!(disk().found(), []);
    assert_eq!(lockless().found(), []);
    assert_eq!(
        disk_with(|d| d.cells[96..].fill(0xff)).findings,
        [],
        "the fill of mdadm"
    );
    assert_eq!(
        disk_with(|d| (d.bitmap.events, d.md.events) = (21, Events(20))).findings,
        [],
        "one event ahead"
    );
    assert_eq!(
        disk_with(|d| {
            d.cells[3] = 9;
            d.md.resync_offset = Some(Sectors(0));
        })
        .findings,
        [],
        "dirt on an array that is not clean"
    );
    assert_eq!(
        disk_with(|d| d.blocks = (4096, 4096)).findings,
        [],
        "aligned, whole blocks"
    );
    assert_eq!(
        disk_with(|d| d.md.bad_block_log = Some((16, 8))).findings,
        []
    );
    assert_eq!(
        lockless_with(|d| d.cells.copy_from_slice(&[0, 1, 2, 3].repeat(12))).findings,
        []
    );
    assert_eq!(dm_raid(|_| ()).findings, []);
    assert_eq!(v090(|_, _| ()).findings, []);
    assert_eq!(file(|_, _, _| ()).findings, []);
    assert_eq!(pair(|_, _| ()).findings, []);
    assert_eq!(failing(0..0).findings, []);
    // New from mdadm: all bits set, no event yet.
    let new = disk_with(|d| {
        (d.bitmap.events, d.bitmap.events_cleared, d.md.events) = (0, 0, Events(0));
        (d.cells, d.md.resync_offset) = (vec![0xff; 3840], Some(Sectors(0)));
    });
    assert_eq!(new.findings, []);
}

#[test]
fn every_rule_of_the_kernel_leads_to_a_finding() {
    // By construction: `Teller::tell` matches all of them. Two have files of their own.
    assert_eq!(KernelRule::ALL.len(), 24);
}

#[test]
fn members_out_of_sync_are_not_judged_by_their_bitmap() {
    let findings = pair(|d, number| {
        d.md.roles = vec![0, 0xfffe];
        if number == 1 {
            (d.md.events, d.bitmap.events, d.bitmap.magic) = (Events(3), 3, 1);
        }
    });
    assert_eq!(findings.findings, []);
}
