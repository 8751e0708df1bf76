//! The vectors of reference/kernel.md 9.2 and 9.3, and hostile numbers.

use super::*;
use crate::format::dm_raid;

/// One row as the reference draws it, with exponents for raid6.
fn drawn(geometry: &Geometry, stripe: u64) -> String {
    let chunk = geometry.raid_chunk().0;
    let data = u64::from(geometry.data_disks().unwrap());
    (0..geometry.raid_disks())
        .map(|slot| match geometry.held_at(at(slot, stripe * chunk)) {
            Held::Parity { which, stripe: of } => {
                assert_eq!(of, stripe);
                format!("{which:?}")
            }
            Held::Data { array, copy: 0 } => {
                assert_eq!(array.0 / chunk / data, stripe);
                let index = array.0 / chunk % data;
                match geometry.q_exponent(stripe, slot) {
                    None => format!("D{index}"),
                    Some(e) => format!("D{index}^{e}"),
                }
            }
            other => panic!("{other:?}"),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn rows(level: Level, layout: Layout, raid_disks: u32, count: u64) -> String {
    let geometry = geometry(level, layout, raid_disks, 128, 128 * 100).unwrap();
    (0..count)
        .map(|stripe| drawn(&geometry, stripe))
        .collect::<Vec<_>>()
        .join(" / ")
}

#[test]
fn raid5_rows() {
    let row = |layout| rows(Level::Raid5, layout, 4, 4);
    assert_eq!(row(0), "D0 D1 D2 P / D0 D1 P D2 / D0 P D1 D2 / P D0 D1 D2");
    assert_eq!(row(2), "D0 D1 D2 P / D1 D2 P D0 / D2 P D0 D1 / P D0 D1 D2");
    assert_eq!(row(3), "P D0 D1 D2 / D2 P D0 D1 / D1 D2 P D0 / D0 D1 D2 P");
    assert_eq!(row(1), "P D0 D1 D2 / D0 P D1 D2 / D0 D1 P D2 / D0 D1 D2 P");
    assert_eq!(rows(Level::Raid5, 4, 3, 2), "P D0 D1 / P D0 D1");
    assert_eq!(rows(Level::Raid5, 5, 3, 2), "D0 D1 P / D0 D1 P");
    assert_eq!(rows(Level::Raid4, 77, 3, 2), "D0 D1 P / D0 D1 P");
}

#[test]
fn raid6_rows() {
    let row = |layout| rows(Level::Raid6, layout, 5, 5);
    assert_eq!(
        row(0),
        "Q D0^0 D1^1 D2^2 P / D0^0 D1^1 D2^2 P Q / D0^1 D1^2 P Q D2^0 / D0^2 P Q D1^0 D2^1 / P Q D0^0 D1^1 D2^2"
    );
    let continued: Vec<String> = row(10).split(" / ").map(str::to_owned).collect();
    assert_eq!(continued[0], "D0^0 D1^1 D2^2 Q P");
    assert_eq!(continued[1], "D1^0 D2^1 Q P D0^4");
    assert_eq!(continued[4], "P D0^1 D1^2 D2^3 Q");
    let restarted: Vec<String> = row(9).split(" / ").map(str::to_owned).collect();
    assert_eq!(restarted[0], "D0^0 D1^1 D2^2 P Q");
    assert_eq!(restarted[4], "Q D0^1 D1^2 D2^3 P");
}

/// The copies of the first array chunks, as `slot@chunk`, on members of 5000 sectors with chunks
/// of 64.
fn copies(layout: Layout, raid_disks: u32, count: u64) -> String {
    let geometry = geometry(Level::Raid10, layout, raid_disks, 64, 5000).unwrap();
    (0..count)
        .map(|chunk| {
            let located = geometry.locate(Sectors(chunk * 64 + 7)).unwrap();
            located
                .copies
                .iter()
                .map(|place| {
                    assert_eq!(place.sector.0 % 64, 7);
                    format!("{}@{}", place.slot, place.sector.0 / 64)
                })
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn raid10_copies() {
    assert_eq!(copies(0x102, 5, 4), "0@0,1@0 2@0,3@0 4@0,0@1 1@1,2@1");
    assert_eq!(
        copies(0x201, 4, 5),
        "0@0,1@39 1@0,2@39 2@0,3@39 3@0,0@39 0@1,1@40"
    );
    assert_eq!(
        copies(0x1_0201, 4, 5),
        "0@0,1@1 1@0,2@1 2@0,3@1 3@0,0@1 0@2,1@3"
    );
    assert_eq!(
        copies(0x4_0201, 5, 5),
        "0@0,1@39 1@0,0@39 2@0,3@39 3@0,4@39 4@0,2@39"
    );
    assert_eq!(copies(0x202, 4, 2), "0@0,2@39,1@0,3@39 2@0,0@39,3@0,1@39");
    let three = copies(0x301, 5, 4);
    assert!(three.starts_with("0@0,1@26,2@52 1@0,2@26,3@52 "), "{three}");
    assert!(three.ends_with(" 3@0,4@26,0@52"), "{three}");
}

#[test]
fn sizes() {
    let raid10 = |layout, raid_disks| {
        let geometry = geometry(Level::Raid10, layout, raid_disks, 64, 5000).unwrap();
        (geometry.array_size().0, geometry.member_size().0)
    };
    assert_eq!(raid10(0x102, 5), (195 * 64, 78 * 64));
    assert_eq!(raid10(0x301, 5), (26 * 5 * 64, 78 * 64));
    let five = geometry(Level::Raid5, 2, 3, 128, 1000).unwrap();
    assert_eq!(
        (five.array_size(), five.member_size(), five.sync_size()),
        (Sectors(1792), Sectors(896), Sectors(896))
    );
    assert_eq!(five.locate(Sectors(1792)), None);
    assert_eq!(five.held_at(at(0, 896)), Held::Unused);
    assert_eq!(five.held_at(at(3, 0)), Held::Unused);
    let mirror = geometry(Level::Raid1, 0, 3, 0, 1001).unwrap();
    assert_eq!((mirror.array_size(), mirror.copies()), (Sectors(1001), 3));
    assert_eq!(
        mirror.held_at(at(2, 1000)),
        Held::Data {
            array: Sectors(1000),
            copy: 2
        }
    );
}

#[test]
fn a_small_write_marks_its_row() {
    // reference/kernel.md 3.3: 4 KiB written, RAID chunk 64 KiB.
    let geometry = geometry(Level::Raid5, 2, 3, 128, 12_800).unwrap();
    assert_eq!(
        geometry.bitmap_of_write(Sectors(300)..Sectors(308)),
        Sectors(128)..Sectors(256)
    );
    assert_eq!(
        geometry.bitmap_of_array_range(Sectors(300)..Sectors(308)),
        Sectors(172)..Sectors(180)
    );
    assert_eq!(geometry.bitmap_of_array(Sectors(300)), Some(Sectors(172)));
}

#[test]
fn a_kernel_that_masks_leaves_rows_unmarked() {
    // Seen on 6.12.107: four members, RAID chunk 32 KiB, 4 KiB written to row 50 mark row 49.
    let four = geometry(Level::Raid5, 2, 4, 64, 3600).unwrap();
    assert!(four.rows_may_go_unmarked());
    let write = Sectors(9672)..Sectors(9680);
    assert_eq!(
        four.bitmap_of_write(write.clone()),
        Sectors(3200)..Sectors(3264)
    );
    assert_eq!(
        four.bitmap_of_masked_write(write),
        Sectors(3136)..Sectors(3200)
    );
    // With a power of two a mask is a division.
    for (level, disks) in [(Level::Raid5, 3), (Level::Raid6, 6), (Level::Raid4, 5)] {
        let even = geometry(level, 2, disks, 64, 3600).unwrap();
        assert!(!even.rows_may_go_unmarked());
        for start in (0..even.array_size().0 - 8).step_by(8) {
            let write = Sectors(start)..Sectors(start + 8);
            assert_eq!(
                even.bitmap_of_masked_write(write.clone()),
                even.bitmap_of_write(write)
            );
        }
    }
    assert!(
        !geometry(Level::Raid1, 0, 3, 0, 3600)
            .unwrap()
            .rows_may_go_unmarked()
    );
}

#[test]
fn parity_covers_a_sector_of_each_data_member() {
    let geometry = geometry(Level::Raid5, 2, 4, 8, 800).unwrap();
    assert_eq!(
        geometry.held_at(at(3, 5)),
        Held::Parity {
            which: Parity::P,
            stripe: 0
        }
    );
    assert_eq!(
        geometry.covered_by_parity(at(3, 5)),
        [Sectors(5), Sectors(13), Sectors(21)]
    );
    assert!(geometry.covered_by_parity(at(0, 5)).is_empty());
}

#[test]
fn refusals_name_their_reason() {
    let refused = geometry(Level::Raid10, 0x1_0202, 5, 64, 5000).unwrap_err();
    assert!(refused.to_string().contains("two chunks in one place"));
    for (level, disks) in [(Level::Raid1, 0), (Level::Raid1, 1921), (Level::Raid5, 1)] {
        assert!(geometry(level, 0, disks, 64, 5000).is_err(), "{disks}");
    }
    assert!(geometry(Level::Raid0, 0, 2, 64, 5000).is_err());
}

#[test]
fn layouts_have_mdadms_names() {
    let name = |level, layout, disks| {
        let geometry = geometry(level, layout, disks, 64, 5000).unwrap();
        geometry.layout_name()
    };
    assert_eq!(name(Level::Raid1, 0, 2), "");
    assert_eq!(name(Level::Raid4, 5, 3), "");
    assert_eq!(name(Level::Raid5, 2, 3), "left-symmetric");
    assert_eq!(name(Level::Raid6, 20, 5), "parity-first-6");
    assert_eq!(name(Level::Raid10, 0x102, 4), "2 near copies");
    assert_eq!(name(Level::Raid10, 0x202, 4), "2 near times 2 far copies");
    assert_eq!(
        name(Level::Raid10, 0x5_0201, 5),
        "2 offset copies in far sets of 2"
    );
}

#[test]
fn the_largest_numbers() {
    let wide = geometry(Level::Raid10, 0xff05, 1920, 8, u64::MAX / 1920);
    let wide = wide.unwrap();
    let last = Sectors(wide.array_size().0 - 1);
    let located = wide.locate(last).unwrap();
    assert_eq!(located.copies.len(), 1275);
    assert!(geometry(Level::Raid5, 2, 3, 128, u64::MAX).is_err());
    let five = geometry(Level::Raid5, 2, 1920, 1 << 31, u64::MAX / 1919).unwrap();
    let last = Sectors(five.array_size().0 - 1);
    let place = five.locate(last).unwrap().copies[0];
    assert_eq!(
        five.held_at(place),
        Held::Data {
            array: last,
            copy: 0
        }
    );
    let all = Sectors(0)..Sectors(u64::MAX);
    assert_eq!(five.array_pieces(all.clone()).count(), 1);
    assert_eq!(five.member_pieces(0, 0, all).count(), 1);
}

#[test]
fn dm_raid_has_the_same_geometry() {
    let mut raw = dm_raid::RawSuper::mirror(3, 10_000);
    (raw.level, raw.layout, raw.stripe_sectors) = (5, 2, 128);
    (raw.sectors, raw.array_sectors) = (10_240, 20_480);
    let mut image = raw.to_bytes();
    image.resize(8192, 0);
    let member = probe(&MemoryStore::new("image", image), None).found[0]
        .member
        .clone();
    let geometry = Geometry::of(&member).unwrap();
    assert_eq!(geometry.array_size(), Sectors(20_480));
    assert_eq!(geometry.locate(Sectors(300)).unwrap().stripe, 1);
}
