use super::{Content, Layout};
use crate::array::probe::probe;
use crate::array::{MemberSuper, MetadataVersion};
use crate::device::MemoryStore;
use crate::device::extents::Unfit;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::md_v1::{Builder, Minor, feature};
use crate::format::{dm_raid, md_v090};
use crate::units::{Bytes, Sectors};
use proptest::prelude::*;

fn member(builder: &Builder) -> MemberSuper {
    let start = builder.minor.super_start(builder.device).unwrap().0 as usize * 512;
    let mut image = vec![0; builder.device.0 as usize * 512];
    let bytes = builder.build().to_bytes();
    image[start..start + bytes.len()].copy_from_slice(&bytes);
    probed(image)
}

fn probed(image: Vec<u8>) -> MemberSuper {
    let probed = probe(&MemoryStore::new("image", image), None);
    probed.found.into_iter().next().unwrap().member
}

fn bitmap(version: u32, sectors: u64, chunk: u32) -> RawBitmapSuper {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    raw.magic = BITMAP_MAGIC;
    (raw.version, raw.sync_size_sectors, raw.chunksize) = (version, sectors, chunk);
    raw
}

/// Each area as text: `name start..end`, `!` and the names of what it overlaps.
fn told(layout: &Layout) -> Vec<String> {
    let name = |at: usize| layout.areas[at].content.to_string();
    layout
        .areas
        .iter()
        .map(|area| {
            let mut text = format!("{} {:?}", area.content, area.range);
            for (with, shared) in &area.overlaps {
                text.push_str(&format!(" ! {} {shared:?}", name(*with)));
            }
            text
        })
        .collect()
}

/// No byte of the device is without an area.
fn covers(layout: &Layout) -> bool {
    let mut covered = 0;
    for area in &layout.areas {
        if area.range.start > covered && covered < layout.device.0 {
            return false;
        }
        covered = covered.max(area.range.end);
    }
    covered >= layout.device.0
}

#[test]
fn a_member_of_metadata_1_2() {
    let builder = Builder {
        bad_block_log: Some((16, 8)),
        ..Builder::mirror(Minor::V2, Sectors(40000))
    };
    let layout = Layout::of_member(&member(&builder), Some(&bitmap(4, 37888, 65536)));
    assert_eq!(
        told(&layout),
        [
            "gap 0..4096",
            "md superblock 4096..4608",
            "gap 4608..8192",
            "bitmap 8192..8704",
            "gap 8704..12288",
            "bad-block log 12288..16384",
            "gap 16384..1048576",
            "data 1048576..20480000",
        ]
    );
    let bitmap = &layout.areas[3];
    assert_eq!(bitmap.detail, "version 4, 296 chunks: 293 bytes in use");
}

/// reference/kernel.md trap 4.
#[test]
fn the_lockless_bitmap_of_mdadm_4_6() {
    let builder = Builder {
        bad_block_log: Some((16, 8)),
        ..Builder::mirror(Minor::V2, Sectors(40000))
    };
    let mut raw = bitmap(6, 37888, 128);
    raw.sectors_reserved = 256;
    let layout = Layout::of_member(&member(&builder), Some(&raw));
    let told = told(&layout);
    assert_eq!(
        told[3], "bitmap 8192..139264 ! bad-block log 12288..16384",
        "{told:?}"
    );
    assert_eq!(told[4], "bad-block log 12288..16384 ! bitmap 12288..16384");
    assert!(layout.mdadm_lockless_defect);
    // The same places with a classic bitmap, or a log elsewhere, are no such defect.
    let classic = bitmap(4, 37888, 65536);
    let layout = Layout::of_member(&member(&builder), Some(&classic));
    assert!(!layout.mdadm_lockless_defect);
    let elsewhere = Builder {
        bad_block_log: Some((300, 8)),
        ..builder
    };
    let layout = Layout::of_member(&member(&elsewhere), Some(&raw));
    assert!(!layout.mdadm_lockless_defect);
    assert!(layout.areas.iter().all(|area| area.overlaps.is_empty()));
}

#[test]
fn metadata_at_the_end_of_the_device() {
    let layout = Layout::of_member(
        &member(&Builder {
            bad_block_log: Some((-8, 8)),
            ..Builder::mirror(Minor::V0, Sectors(40001))
        }),
        Some(&bitmap(4, 37888, 4096)),
    );
    let told = told(&layout);
    assert_eq!(
        told[..3],
        [
            "data 0..20463616",
            "bitmap 20463616..20464640",
            "gap 20464640..20467712"
        ],
        "{told:?}"
    );
    assert!(covers(&layout));
    let last = layout.areas.last().unwrap();
    assert_eq!((last.content, last.range.end), (Content::End, 40001 * 512));
    assert!(layout.areas.iter().all(|area| area.overlaps.is_empty()));
}

#[test]
fn metadata_0_90() {
    let builder = md_v090::Builder::mirror(Bytes(40000 * 512));
    let start = 40000 / 128 * 128 - 128;
    let mut image = vec![0; 40000 * 512];
    let bytes = builder.build().to_bytes();
    image[start * 512..start * 512 + 4096].copy_from_slice(&bytes);
    let member = probed(image);
    assert!(matches!(member.metadata, MetadataVersion::V0_90(_)));
    let layout = Layout::of_member(&member, Some(&bitmap(4, 37888, 4096)));
    assert!(covers(&layout));
    let told = told(&layout);
    let superblock = start * 512;
    let at = told
        .iter()
        .position(|line| line.starts_with("md superblock"));
    let told = &told[at.unwrap()..];
    assert_eq!(
        told[0],
        format!("md superblock {superblock}..{}", superblock + 4096)
    );
    assert!(told[1].starts_with(&format!("bitmap {}..", superblock + 4096)));
    assert_eq!(told[2].split(' ').next(), Some("rest"), "{told:?}");
}

#[test]
fn a_partial_parity_log_and_every_slot_of_a_cluster() {
    let mut member = member(&Builder::mirror(Minor::V2, Sectors(40000)));
    member.areas.ppl = Some(16384..20480);
    let mut raw = bitmap(5, 37888, 65536);
    raw.nodes = 3;
    let layout = Layout::of_member(&member, Some(&raw));
    let told = told(&layout);
    assert_eq!(
        told[3..7],
        [
            "bitmap, slot 0 8192..12288",
            "bitmap, slot 1 12288..16384",
            "bitmap, slot 2 16384..20480 ! partial parity log 16384..20480",
            "partial parity log 16384..20480 ! bitmap, slot 2 16384..20480",
        ],
        "{told:?}"
    );
    raw.nodes = u32::MAX;
    let layout = Layout::of_member(&member, Some(&raw));
    assert!(layout.areas.len() < 40, "{}", layout.areas.len());
    let more = (layout.areas.iter())
        .find(|area| matches!(area.content, Content::MoreBitmaps { .. }))
        .unwrap();
    assert_eq!(more.range, 73728..8192 + 4096 * u64::from(u32::MAX));
    assert!(more.detail.contains("4294967295 nodes"), "{}", more.detail);
    assert!(layout.past_end(more) > 0);
}

#[test]
fn no_bitmap_and_no_bitmap_superblock() {
    let builder = Builder::mirror(Minor::V2, Sectors(40000));
    let announced = member(&builder);
    for raw in [None, Some(&RawBitmapSuper::from_bytes(&[0; 256]).unwrap())] {
        let layout = Layout::of_member(&announced, raw);
        let area = &layout.areas[3];
        assert_eq!(area.range, 8192..8704);
        assert!(area.detail.starts_with("no bitmap superblock here"));
    }
    for (offset, told) in [(50_000, Some("bitmap 25604096..25604608")), (-50_000, None)] {
        let outside = member(&Builder {
            bitmap_offset: Some(offset),
            ..Builder::mirror(Minor::V2, Sectors(40000))
        });
        let layout = Layout::of_member(&outside, None);
        let lines = self::told(&layout);
        let bitmap = lines.iter().find(|line| line.starts_with("bitmap"));
        assert_eq!(bitmap.map(String::as_str), told);
    }
    let without = member(&Builder {
        bitmap_offset: None,
        ..builder
    });
    let layout = Layout::of_member(&without, None);
    let is_bitmap = |area: &super::Area| area.content.name() == "bitmap";
    assert!(!layout.areas.iter().any(is_bitmap));
    assert_ne!(
        without.features & feature::BITMAP_OFFSET,
        feature::BITMAP_OFFSET
    );
}

#[test]
fn the_metadata_device_of_an_lvm_volume() {
    let mut image = vec![0; 4 << 20];
    let bytes = dm_raid::RawSuper::mirror(2, 262_144).to_bytes();
    image[..bytes.len()].copy_from_slice(&bytes);
    let member = probed(image);
    assert_eq!(member.metadata, MetadataVersion::DmRaid);
    let layout = Layout::of_member(&member, Some(&bitmap(4, 262_144, 65536)));
    assert_eq!(
        told(&layout),
        [
            "md superblock 0..512",
            "gap 512..4096",
            "bitmap 4096..4608",
            "rest 4608..4194304",
        ]
    );
}

#[test]
fn a_bitmap_file_with_holes() {
    let raw = bitmap(4, 37888, 65536);
    let holes = [
        Unfit::Hole {
            start: 4096,
            end: 8192,
        },
        Unfit::State {
            start: 8192,
            end: 12288,
            state: "compressed or encoded",
        },
    ];
    let layout = Layout::of_bare(Bytes(12288), Bytes(0), &raw, &holes);
    assert_eq!(
        told(&layout),
        [
            "bitmap superblock 0..256",
            "bits 256..293",
            "rest 293..12288",
            "hole 4096..8192",
            "not writable in place 8192..12288",
        ]
    );
    assert_eq!(layout.areas[4].detail, "compressed or encoded");
    let many: Vec<Unfit> = (1..100_u64)
        .map(|at| Unfit::Hole {
            start: at * 8192,
            end: at * 8192 + 4096,
        })
        .collect();
    let layout = Layout::of_bare(Bytes(1 << 20), Bytes(0), &raw, &many);
    assert_eq!(layout.areas.len(), 3 + super::MOST_HOLES);
    assert!(layout.areas.last().unwrap().detail.contains("83 more"));
}

#[test]
fn a_bare_bitmap_further_in_and_one_that_is_cut_off() {
    let layout = Layout::of_bare(Bytes(65536), Bytes(8192), &bitmap(6, 1280, 128), &[]);
    assert_eq!(
        told(&layout),
        [
            "gap 0..8192",
            "bitmap superblock 8192..8448",
            "gap 8448..9216",
            "state bytes 9216..9226",
            "rest 9226..65536",
        ]
    );
    let details: Vec<&str> = layout.areas.iter().map(|a| a.detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "not looked at",
            "version 6",
            "",
            "10 chunks",
            "not looked at"
        ]
    );
    let layout = Layout::of_bare(Bytes(400), Bytes(0), &bitmap(4, 37888, 4096), &[]);
    assert_eq!(told(&layout), ["bitmap superblock 0..256", "bits 256..848"]);
    assert_eq!(layout.past_end(&layout.areas[1]), 448);
    // A bitmap that says nothing usable about itself.
    let layout = Layout::of_bare(Bytes(400), Bytes(0), &bitmap(4, 1, 0), &[]);
    assert_eq!(told(&layout), ["bitmap superblock 0..256", "rest 256..400"]);
}

proptest! {
    /// Whatever a superblock says: an answer at once, every byte accounted for, overlaps mutual.
    #[test]
    fn hostile_values(
        superblock in any::<(u64, u64)>(), log in any::<Option<(u64, u64)>>(), data in any::<(u64, u64)>(),
        place in any::<u64>(), device in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
        version in prop_oneof![3u32..7, any::<u32>()], sync_size: u64, chunk in prop_oneof![Just(0u32), Just(1), any::<u32>()],
        nodes in prop_oneof![0u32..40, any::<u32>()], reserved: u32, state: u32,
    ) {
        let mut hostile = member(&Builder::mirror(Minor::V2, Sectors(40000)));
        let range = |(start, len): (u64, u64)| start..start.saturating_add(len);
        hostile.areas.superblock = range(superblock);
        hostile.areas.bad_block_log = log.map(range);
        hostile.areas.data = Some(range(data));
        hostile.device_bytes = Bytes(device);
        if let Ok(bitmap) = &mut hostile.bitmap { bitmap.start = Bytes(place); }
        let mut raw = bitmap(version, sync_size, chunk);
        (raw.nodes, raw.sectors_reserved, raw.state) = (nodes, reserved, state);
        for layout in [
            Layout::of_member(&hostile, Some(&raw)),
            Layout::of_bare(Bytes(device), Bytes(place), &raw, &[]),
        ] {
            prop_assert!(covers(&layout), "{:?}", layout);
            prop_assert!(layout.areas.len() < 60);
            for (at, area) in layout.areas.iter().enumerate() {
                prop_assert!(area.range.start < area.range.end);
                for (with, shared) in &area.overlaps {
                    let back = &layout.areas[*with].overlaps;
                    prop_assert!(back.contains(&(at, shared.clone())));
                }
            }
        }
    }
}
