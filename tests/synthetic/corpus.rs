//! The synthetic fixtures: what no kernel at hand can make (clusters), and what no kernel would.

use super::{BitmapSuper, Image, Super090, SuperV1, bad_block_log, dm_raid_super, name, seal_v1};

/// What a fixture is to mdadm: a plain file, or a block device (it reads images only as devices).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Member,
}

pub struct Fixture {
    pub name: &'static str,
    pub kind: Kind,
    /// Why it exists.
    pub why: &'static str,
    /// A word that our output (`--explain`, either stream) must contain: the field at fault.
    pub field: Option<&'static str>,
    /// False when mdadm 4.2 does not end on it, so that nothing can be recorded.
    pub mdadm_ends: bool,
    pub image: Image,
}

/// A whole small member: 256 KiB, metadata 1.2, bitmap at byte 8192, log at 12288, data at 32768.
pub fn small_super() -> SuperV1 {
    SuperV1 {
        size: 448,
        data_offset: 64,
        data_size: 448,
        ..SuperV1::default()
    }
}

/// Its bitmap: 56 chunks of 4 KiB.
pub fn small_bitmap() -> BitmapSuper {
    BitmapSuper {
        sync_size: 448,
        ..BitmapSuper::default()
    }
}

pub fn small_member(md: &SuperV1, bitmap: &[u8]) -> Image {
    Image::sectors(512)
        .put(12288, &bad_block_log(&[]))
        .put(8192, bitmap)
        .put(4096, &md.bytes())
}

/// Every fifth chunk dirty.
pub fn fifth(bit: u64) -> bool {
    bit.is_multiple_of(5)
}

/// Member of a four-node clustered mirror on 1 GiB devices (mdadm.md 2.10 H), cut after the metadata.
pub fn clustered_member(slots: [Vec<u8>; 4]) -> Image {
    let md = SuperV1 {
        feature_map: 0x101,
        size: 2_093_056,
        data_offset: 4096,
        data_size: 2_093_056,
        bblog_size: 0,
        bblog_offset: 0,
        ..SuperV1::default()
    };
    let mut image = Image::sectors(4096).put(4096, &md.bytes());
    for (slot, bytes) in slots.iter().enumerate() {
        image = image.put(8192 + 4096 * slot as u64, bytes);
    }
    image
}

/// Header of each slot: 16352 chunks of 64 KiB.
pub fn clustered_bitmap() -> BitmapSuper {
    BitmapSuper {
        version: 5,
        sync_size: 2_093_056,
        chunksize: 65536,
        nodes: 4,
        cluster_name: name(b"mycluster"),
        ..BitmapSuper::default()
    }
}

/// The header that mdadm writes for example H (Appendix B): default chunk, no event yet.
pub fn clustered_fresh() -> BitmapSuper {
    BitmapSuper {
        chunksize: 1 << 26,
        events: 0,
        events_cleared: 0,
        ..clustered_bitmap()
    }
}

fn file(
    name: &'static str,
    why: &'static str,
    field: Option<&'static str>,
    bytes: Vec<u8>,
) -> Fixture {
    Fixture {
        name,
        kind: Kind::File,
        why,
        field,
        mdadm_ends: true,
        image: Image { bytes },
    }
}

fn member(
    name: &'static str,
    why: &'static str,
    field: Option<&'static str>,
    image: Image,
) -> Fixture {
    Fixture {
        name,
        kind: Kind::Member,
        why,
        field,
        mdadm_ends: true,
        image,
    }
}

/// All of them, in the order of the manifest.
pub fn fixtures() -> Vec<Fixture> {
    let mut all = valid();
    all.extend(clustered());
    all.extend(hostile_files());
    all.extend(hostile_members());
    all
}

/// Sound images of every kind.
pub fn valid() -> Vec<Fixture> {
    let bits = || small_bitmap().with_bits(fifth);
    let old = Super090::default();
    let old_bitmap = |md: &Super090| BitmapSuper {
        sync_size: 39808,
        uuid: md.uuid(),
        ..BitmapSuper::default()
    };
    let old_image = |md: &Super090| {
        // Sector 39808 of the whole device; here the smallest device that has its superblock at sector 128.
        let header = BitmapSuper {
            sync_size: 128,
            ..old_bitmap(md)
        };
        let md = Super090 {
            size_kib: 64,
            ..md.clone()
        };
        Image::sectors(256)
            .put(128 * 512, &md.bytes())
            .put(128 * 512 + 4096, &header.with_bits(fifth))
    };
    let v10 = SuperV1 {
        minor: 0,
        size: 96,
        data_offset: 0,
        data_size: 96,
        super_offset: 112,
        bitmap_offset: -16,
        bblog_offset: -8,
        ..SuperV1::default()
    };
    let v10_image = Image::sectors(128)
        .put(
            96 * 512,
            &BitmapSuper {
                sync_size: 96,
                ..BitmapSuper::default()
            }
            .with_bits(fifth),
        )
        .put(104 * 512, &bad_block_log(&[]))
        .put(112 * 512, &v10.bytes());
    let v11 = SuperV1 {
        minor: 1,
        super_offset: 0,
        ..small_super()
    };
    let v11_image = Image::sectors(512)
        .put(0, &v11.bytes())
        .put(4096, &bits())
        .put(8192, &bad_block_log(&[]));
    let states: Vec<u8> = (0..=8)
        .chain([200])
        .flat_map(|state| [state; 10])
        .take(96)
        .collect();
    let lockless = BitmapSuper {
        version: 6,
        chunksize: 8,
        sync_size: 768,
        sectors_reserved: 16,
        daemon_sleep: 30,
        ..small_bitmap()
    };
    let lockless_md = SuperV1 {
        size: 768,
        data_size: 768,
        feature_map: 1,
        bblog_size: 0,
        bblog_offset: 0,
        ..small_super()
    };
    let unborn = BitmapSuper {
        state: 0x8,
        chunksize: 1 << 26,
        events: 0,
        events_cleared: 0,
        ..lockless.clone()
    };
    let dm = BitmapSuper {
        uuid: [0; 16],
        events: 20,
        events_cleared: 1,
        chunksize: 65536,
        sync_size: 262_144,
        ..BitmapSuper::default()
    };
    vec![
        file(
            "file",
            "an external bitmap file",
            None,
            BitmapSuper::default().with_bits(fifth),
        ),
        member(
            "member-0.90",
            "metadata 0.90, little-endian host",
            None,
            old_image(&old),
        ),
        member(
            "member-0.90-be",
            "metadata 0.90, written by a big-endian host",
            None,
            old_image(&Super090 {
                big_endian: true,
                ..old.clone()
            }),
        ),
        member(
            "member-1.0",
            "metadata 1.0: the bitmap lies before the superblock",
            None,
            v10_image.clone(),
        ),
        member("member-1.1", "metadata 1.1", None, v11_image),
        member(
            "member-1.2",
            "metadata 1.2",
            None,
            small_member(&small_super(), &bits()),
        ),
        member(
            "member-unclean",
            "an array that was running when the image was made",
            None,
            small_member(
                &SuperV1 {
                    resync_offset: 0,
                    ..small_super()
                },
                &bits(),
            ),
        ),
        member(
            "member-two-superblocks",
            "a 1.0 superblock left behind an older 1.2 one",
            Some("1.0"),
            {
                let newer = SuperV1 {
                    super_offset: 496,
                    data_offset: 0,
                    data_size: 480,
                    size: 448,
                    minor: 0,
                    bitmap_offset: -16,
                    bblog_offset: -8,
                    events: 40,
                    ..small_super()
                };
                small_member(&small_super(), &bits())
                    .put(
                        480 * 512,
                        &BitmapSuper {
                            events: 40,
                            ..small_bitmap()
                        }
                        .with_bits(|b| b < 7),
                    )
                    .put(496 * 512, &newer.bytes())
            },
        ),
        member(
            "lockless",
            "version 6 with every state, unknown ones included",
            None,
            Image::sectors(64 + 768)
                .put(4096, &lockless_md.bytes())
                .put(8192, &lockless.lockless(&states)),
        ),
        member(
            "lockless-first-use",
            "version 6 before the kernel has seen it: the chunk size means nothing yet",
            None,
            Image::sectors(64 + 768)
                .put(4096, &lockless_md.bytes())
                .put(8192, &unborn.lockless(&[0xff; 96])),
        ),
        member(
            "dm-raid",
            "the metadata device of an LVM RAID volume",
            None,
            Image::sectors(24)
                .put(0, &dm_raid_super(262_144))
                .put(4096, &dm.with_bits(fifth)),
        ),
    ]
}

/// Version 5: there is no cluster to make these with.
fn clustered() -> Vec<Fixture> {
    let base = clustered_bitmap();
    let slot = |events: u64, dirty: &dyn Fn(u64) -> bool| {
        BitmapSuper {
            events,
            events_cleared: events - 1,
            ..base.clone()
        }
        .with_bits(dirty)
    };
    let sound = || {
        [
            base.filled(0xff),
            slot(13, &|b| b % 97 == 3),
            slot(14, &|_| false),
            slot(15, &|b| b < 8176),
        ]
    };
    let mut bad = sound();
    bad[2][0] ^= 0x10;
    let mut short = sound();
    short[1][68..72].fill(0);
    let strange = BitmapSuper {
        cluster_name: [0xc3; 64],
        ..base.clone()
    };
    let fresh = clustered_fresh();
    vec![
        member(
            "clustered",
            "four nodes, each with its own bits",
            None,
            clustered_member(sound()),
        ),
        member(
            "clustered-fresh",
            "four nodes as mdadm writes them (mdadm.md Appendix B)",
            None,
            clustered_member([
                fresh.filled(0xff),
                fresh.filled(0),
                fresh.filled(0),
                fresh.filled(0),
            ]),
        ),
        member(
            "clustered-bad-slot",
            "slot 2 has no magic",
            Some("magic"),
            clustered_member(bad),
        ),
        member(
            "clustered-short",
            "slot 1 says that there are no nodes",
            Some("nodes"),
            clustered_member(short),
        ),
        member(
            "clustered-name",
            "a cluster name of 64 bytes that is no text",
            None,
            clustered_member([
                strange.filled(0xff),
                strange.filled(0),
                strange.filled(0),
                strange.filled(0),
            ]),
        ),
    ]
}

/// Bitmap files with a field that no kernel accepts, or no memory can hold.
fn hostile_files() -> Vec<Fixture> {
    let plain = BitmapSuper::default;
    let with_header = |header: BitmapSuper| {
        Image {
            bytes: plain().with_bits(fifth),
        }
        .put(0, &header.bytes())
        .bytes
    };
    let cut = |length: usize| {
        let mut bytes = plain().with_bits(fifth);
        bytes.truncate(length);
        bytes
    };
    vec![
        file(
            "chunk-zero",
            "chunk size 0: a division by zero for the careless",
            Some("chunksize"),
            with_header(BitmapSuper {
                chunksize: 0,
                ..plain()
            }),
        ),
        file(
            "chunk-one",
            "chunks of one byte",
            Some("chunksize"),
            with_header(BitmapSuper {
                chunksize: 1,
                sync_size: 8,
                ..plain()
            }),
        ),
        file(
            "chunk-3000",
            "not a power of two",
            Some("chunksize"),
            with_header(BitmapSuper {
                chunksize: 3000,
                ..plain()
            }),
        ),
        file(
            "chunk-max",
            "4 GiB less one byte",
            Some("chunksize"),
            with_header(BitmapSuper {
                chunksize: u32::MAX,
                ..plain()
            }),
        ),
        file(
            "sync-size-max",
            "2^64-1 sectors: 2^73 bytes",
            Some("sync_size"),
            with_header(BitmapSuper {
                sync_size: u64::MAX,
                ..plain()
            }),
        ),
        file(
            "sync-size-2-46",
            "just above 2^46 sectors, where mdadm's sizes overflow",
            None,
            with_header(BitmapSuper {
                sync_size: (1 << 46) + 4096,
                chunksize: 1 << 31,
                ..plain()
            }),
        ),
        Fixture {
            mdadm_ends: false,
            ..file(
                "nodes-2-31",
                "2147483647 nodes: mdadm lists every one",
                Some("nodes"),
                with_header(BitmapSuper {
                    version: 5,
                    nodes: 0x7fff_ffff,
                    ..plain()
                }),
            )
        },
        file(
            "nodes-negative",
            "2^32-1 nodes, a negative number to mdadm",
            Some("nodes"),
            with_header(BitmapSuper {
                version: 5,
                nodes: u32::MAX,
                ..plain()
            }),
        ),
        file(
            "magic",
            "one bit of the magic flipped",
            Some("magic"),
            with_header(BitmapSuper {
                magic: super::BITMAP_MAGIC ^ 0x40,
                ..plain()
            }),
        ),
        file(
            "version-7",
            "a version that nobody knows",
            Some("version"),
            with_header(BitmapSuper {
                version: 7,
                ..plain()
            }),
        ),
        file(
            "version-negative",
            "version 2^32-1",
            Some("version"),
            with_header(BitmapSuper {
                version: u32::MAX,
                ..plain()
            }),
        ),
        file(
            "state-all",
            "every state bit, known and unknown",
            Some("state"),
            with_header(BitmapSuper {
                state: u32::MAX,
                ..plain()
            }),
        ),
        file(
            "state-write-error",
            "the kernel does not start an array with this",
            Some("state"),
            with_header(BitmapSuper {
                state: 0x4,
                ..plain()
            }),
        ),
        file(
            "daemon-sleep-zero",
            "the kernel does not start an array with this",
            Some("daemon_sleep"),
            with_header(BitmapSuper {
                daemon_sleep: 0,
                ..plain()
            }),
        ),
        file(
            "daemon-sleep-max",
            "2^32-1 seconds, a negative number to mdadm",
            None,
            with_header(BitmapSuper {
                daemon_sleep: u32::MAX,
                ..plain()
            }),
        ),
        file(
            "write-behind-16384",
            "one more than the kernel accepts",
            Some("write_behind"),
            with_header(BitmapSuper {
                write_behind: 16384,
                ..plain()
            }),
        ),
        file(
            "truncated-bits",
            "ends within the bits",
            Some("missing"),
            cut(600),
        ),
        file(
            "truncated-header",
            "ends within the header",
            Some("256"),
            cut(255),
        ),
        file("empty", "no byte at all", None, Vec::new()),
        file("ones", "8 KiB of 0xff", Some("magic"), vec![0xff; 8192]),
    ]
}

/// Members whose metadata contradicts itself.
fn hostile_members() -> Vec<Fixture> {
    let bits = || small_bitmap().with_bits(fifth);
    let with_super = |md: SuperV1| small_member(&md, &bits());
    let with_bitmap = |header: BitmapSuper| {
        small_member(
            &small_super(),
            &Image { bytes: bits() }.put(0, &header.bytes()).bytes,
        )
    };
    let mut wrong_sum = small_super().bytes();
    wrong_sum[216] ^= 1;
    let mut many_roles = small_super().bytes();
    many_roles[220..224].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut unknown_feature = small_super().bytes();
    unknown_feature[11] |= 0x80;
    seal_v1(&mut unknown_feature);
    let stale = Super090 {
        state: 1,
        size_kib: 64,
        ..Super090::default()
    };
    let stale_bitmap = BitmapSuper {
        sync_size: 128,
        uuid: stale.uuid(),
        ..BitmapSuper::default()
    };
    vec![
        member(
            "bitmap-magic",
            "one bit of the bitmap's magic flipped",
            Some("magic"),
            with_bitmap(BitmapSuper {
                magic: super::BITMAP_MAGIC ^ 0x40,
                ..small_bitmap()
            }),
        ),
        member(
            "bitmap-uuid",
            "the bitmap of another array",
            Some("uuid"),
            with_bitmap(BitmapSuper {
                uuid: [7; 16],
                ..small_bitmap()
            }),
        ),
        member(
            "bitmap-events",
            "the bitmap is older than the superblock",
            Some("events"),
            with_bitmap(BitmapSuper {
                events: 3,
                ..small_bitmap()
            }),
        ),
        member(
            "bitmap-state",
            "marked stale on disk",
            Some("stale"),
            with_bitmap(BitmapSuper {
                state: 0x2,
                ..small_bitmap()
            }),
        ),
        member(
            "bitmap-sync-size",
            "covers less than the array",
            Some("sync_size"),
            with_bitmap(BitmapSuper {
                sync_size: 64,
                ..small_bitmap()
            }),
        ),
        member(
            "bitmap-over-data",
            "the bitmap lies in the data",
            Some("data"),
            Image::sectors(512).put(64 * 512, &bits()).put(
                4096,
                &SuperV1 {
                    bitmap_offset: 56,
                    ..small_super()
                }
                .bytes(),
            ),
        ),
        member(
            "bitmap-over-log",
            "the bad-block log lies in the bitmap, as mdadm 4.6 places it for version 6",
            Some("bad-block"),
            {
                let header = BitmapSuper {
                    version: 6,
                    chunksize: 8,
                    sync_size: 768,
                    sectors_reserved: 256,
                    ..small_bitmap()
                };
                let md = SuperV1 {
                    size: 768,
                    data_size: 768,
                    data_offset: 320,
                    ..small_super()
                };
                Image::sectors(320 + 768)
                    .put(4096, &md.bytes())
                    .put(8192, &header.lockless(&[1; 96]))
                    .put(24 * 512, &bad_block_log(&[]))
            },
        ),
        member(
            "bitmap-past-end",
            "a bitmap offset past the end of the device",
            Some("bitmap_offset"),
            with_super(SuperV1 {
                bitmap_offset: 100_000,
                ..small_super()
            }),
        ),
        member(
            "bitmap-before-start",
            "a bitmap offset before the start of the device",
            Some("bitmap_offset"),
            with_super(SuperV1 {
                bitmap_offset: -100,
                ..small_super()
            }),
        ),
        member(
            "bitmap-on-superblock",
            "bitmap offset 0: the superblock itself",
            Some("bitmap_offset"),
            with_super(SuperV1 {
                bitmap_offset: 0,
                ..small_super()
            }),
        ),
        member(
            "bitmap-and-ppl",
            "both claim the same field",
            Some("PPL"),
            with_super(SuperV1 {
                feature_map: 1 | 1024,
                ..small_super()
            }),
        ),
        member(
            "super-checksum",
            "a flipped bit in the md superblock's checksum",
            Some("checksum"),
            with_super(small_super()).put(4096, &wrong_sum),
        ),
        member(
            "super-max-dev",
            "2^32-1 roles",
            Some("max_dev"),
            with_super(small_super()).put(4096, &many_roles),
        ),
        member(
            "super-feature",
            "a feature bit that nobody knows",
            Some("feature"),
            with_super(small_super()).put(4096, &unknown_feature),
        ),
        member(
            "super-no-bitmap",
            "an array without a bitmap",
            Some("bitmap"),
            with_super(SuperV1 {
                feature_map: 8,
                ..small_super()
            }),
        ),
        member(
            "super-raid-disks",
            "2^32-1 members",
            Some("raid_disks"),
            with_super(SuperV1 {
                raid_disks: u32::MAX,
                ..small_super()
            }),
        ),
        member(
            "super-data-size",
            "more data than 64 bits can count in bytes",
            Some("data_size"),
            with_super(SuperV1 {
                data_size: u64::MAX,
                size: u64::MAX,
                ..small_super()
            }),
        ),
        member(
            "stale-0.90",
            "an array without a bitmap, with the bitmap of an earlier day still there",
            Some("bitmap"),
            Image::sectors(256)
                .put(128 * 512, &stale.bytes())
                .put(128 * 512 + 4096, &stale_bitmap.with_bits(fifth)),
        ),
    ]
}
