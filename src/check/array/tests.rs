//! For each kind of finding: an array that has it, and the sound array that has none of them.

use super::RULES;
use crate::check::{
    Case, Finding, Input, LookOptions, leave_elsewhere, tests::assert_repair_is_told,
};
use crate::device::MemoryStore;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper, state};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor, RawSuper, feature};
use crate::format::{dm_raid, md_v090};
use crate::units::{Bytes, Events, Sectors};
use std::collections::BTreeSet;

const UUID: [u8; 16] = *b"an array of ours";
const FAULTY: u16 = 0xfffe;
/// Sectors of a device; data begins at sector 2048.
const DEVICE: u64 = 4096;

/// A member: its superblock, the header of its bitmap, its bits or states.
struct Disk {
    md: Builder,
    /// Applied to the finished superblock, before it is sealed.
    last: fn(&mut RawSuper),
    bitmap: RawBitmapSuper,
    cells: Vec<u8>,
}

impl Disk {
    fn image(&self) -> Vec<u8> {
        let mut image = vec![0; DEVICE as usize * 512];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(room) = image.get_mut(at..at + bytes.len()) {
                room.copy_from_slice(bytes);
            }
        };
        let mut raw = self.md.build();
        (self.last)(&mut raw);
        raw.seal();
        put(4096, &raw.to_bytes());
        put(8192, &self.bitmap.to_bytes());
        let cells = if self.bitmap.version == 6 { 1024 } else { 256 };
        put(8192 + cells, &self.cells);
        image
    }
}

/// A clean array of `count` members with a current bitmap of 4 KiB chunks, none of them dirty.
fn array(level: Level, count: u32) -> Vec<Disk> {
    (0..count)
        .map(|number| {
            let mut md = Builder::mirror(Minor::V2, Sectors(DEVICE));
            (md.set_uuid, md.level, md.raid_disks) = (UUID, level, count);
            (md.dev_number, md.events) = (number, Events(20));
            md.roles = (0..count).map(|role| role as u16).collect();
            md.device_uuid = [number as u8 + 1; 16];
            if level != Level::Raid1 {
                md.raid_chunk = Sectors(128);
            }
            if level.has_parity() {
                md.layout = 2;
            }
            if level == Level::Raid10 {
                md.layout = 0x102;
            }
            let sync = match level {
                Level::Raid10 => md.component.0 * u64::from(count) / 2,
                _ => md.component.0,
            };
            Disk {
                md,
                last: |_| (),
                bitmap: header(4, sync),
                cells: vec![0; 256],
            }
        })
        .collect()
}

fn mirror() -> Vec<Disk> {
    array(Level::Raid1, 2)
}

fn header(version: u32, sync_size: u64) -> RawBitmapSuper {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (raw.magic, raw.version, raw.uuid) = (BITMAP_MAGIC, version, UUID);
    (raw.events, raw.events_cleared) = (20, 20);
    (raw.chunksize, raw.daemon_sleep_seconds) = (4096, 5);
    raw.sync_size_sectors = sync_size;
    raw
}

/// The same with a bitmap of version 6: 64 KiB chunks, all clean.
fn lockless(level: Level, count: u32) -> Vec<Disk> {
    let mut disks = array(level, count);
    for disk in &mut disks {
        disk.bitmap.version = 6;
        (disk.bitmap.chunksize, disk.bitmap.sectors_reserved) = (128, 256);
        disk.bitmap.events_cleared = 0;
        disk.cells = vec![1; 16];
    }
    disks
}

fn found(images: Vec<Vec<u8>>) -> Vec<Finding> {
    found_of(images, false)
}

/// With `in_use`, as members of a running array.
fn found_of(images: Vec<Vec<u8>>, in_use: bool) -> Vec<Finding> {
    let stores: Vec<MemoryStore> = images
        .into_iter()
        .enumerate()
        .map(|(index, image)| MemoryStore::new(format!("disk{index}"), image))
        .collect();
    let inputs = stores.iter().map(|store| {
        let mut input = Input::look(store, &LookOptions::default());
        input.in_use = in_use;
        input
    });
    let cases = Case::group(inputs.collect());
    let all = |case: &Case<'_>| -> Vec<Finding> {
        let found = RULES.iter().flat_map(|rule| (rule.judge)(case));
        let mut found: Vec<Finding> = found.collect();
        leave_elsewhere(case, &mut found);
        found
    };
    cases.iter().flat_map(all).collect()
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.name).collect()
}

fn images(disks: Vec<Disk>) -> Vec<Vec<u8>> {
    disks.iter().map(Disk::image).collect()
}

fn unclean(disks: &mut [Disk]) {
    for disk in disks {
        disk.md.resync_offset = Some(Sectors(0));
    }
}

/// Makes `disk` one that is being recovered by bitmap; the others go on calling it active.
fn recovering(disks: &mut [Disk], index: usize) {
    disks[index].md.features = feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP;
    for disk in disks {
        disk.cells[3] = 0xff;
    }
}

/// The array goes on without `index`.
fn lose(disks: &mut [Disk], index: usize) {
    for (at, disk) in disks.iter_mut().enumerate() {
        if at != index {
            disk.md.roles[index] = FAULTY;
            disk.md.events = Events(40);
            disk.bitmap.events = 40;
        }
    }
}

fn dm_images(bits: u8) -> Vec<Vec<u8>> {
    (0..2)
        .map(|position| {
            let mut raw = dm_raid::RawSuper::mirror(2, 2048);
            (raw.array_position, raw.events) = (position, 20);
            let mut bitmap = header(4, 2048);
            bitmap.uuid = [0; 16];
            let mut image = vec![0; 16384];
            let bytes = raw.to_bytes();
            image[..bytes.len()].copy_from_slice(&bytes);
            image[4096..4352].copy_from_slice(&bitmap.to_bytes());
            image[4352] = bits;
            image
        })
        .collect()
}

/// A bitmap file of the array.
fn file() -> Vec<u8> {
    let mut file = header(4, 2048).to_bytes().to_vec();
    file.resize(4096, 0);
    file
}

pub(crate) type Make = fn() -> Vec<Vec<u8>>;

/// What is found, all of it, and an array that has it.
pub(crate) const CASES: &[(&[&str], Make)] = &[
    (&["copies-differ"], || {
        let mut disks = mirror();
        unclean(&mut disks);
        disks[1].cells[2] = 0x81;
        images(disks)
    }),
    (&["copies-differ-unused"], || {
        let mut disks = mirror();
        disks[0].cells[2] = 0x81;
        images(disks)
    }),
    (
        &[
            "copies-differ",
            "kernel-lockless",
            "kernel-lockless-discard",
            "kernel-lockless-resync",
        ],
        || {
            let mut disks = lockless(Level::Raid1, 2);
            disks[1].cells[2] = 3;
            images(disks)
        },
    ),
    (
        &[
            "copies-states-differ",
            "kernel-lockless",
            "kernel-lockless-discard",
        ],
        || {
            let mut disks = lockless(Level::Raid1, 2);
            disks[1].cells[2] = 0;
            images(disks)
        },
    ),
    (&["copies-geometry-differ"], || {
        let mut disks = mirror();
        disks[1].bitmap.chunksize = 8192;
        images(disks)
    }),
    (&["copies-header-differ"], || {
        let mut disks = mirror();
        disks[1].bitmap.write_behind = 256;
        images(disks)
    }),
    (&["split-brain", "vacant-slot", "member-faulty"], || {
        let mut disks = mirror();
        (disks[0].md.roles, disks[0].md.events) = (vec![0, FAULTY], Events(21));
        disks[1].md.roles = vec![FAULTY, 1];
        images(disks)
    }),
    (&["same-slot", "geometry-differs"], || {
        let mut disks = array(Level::Raid1, 3);
        let roles = vec![0, 1, 1];
        for disk in &mut disks {
            disk.md.roles = roles.clone();
        }
        (disks[0].md.raid_disks, disks[1].md.raid_disks) = (2, 2);
        images(disks)
    }),
    (&["same-slot", "member-copied"], || {
        let mut disks = mirror();
        disks.push(mirror().remove(1));
        images(disks)
    }),
    (&["geometry-differs"], || {
        let mut disks = mirror();
        disks[1].md.component = Sectors(1024);
        images(disks)
    }),
    (&["member-forgotten"], || {
        images(mirror().into_iter().take(1).collect())
    }),
    (
        &[
            "member-forgotten",
            "stranger-given",
            "member-forgotten",
            "stranger-given",
        ],
        || {
            let mut disks = mirror();
            (disks[1].md.set_uuid, disks[1].bitmap.uuid) = ([7; 16], [7; 16]);
            images(disks)
        },
    ),
    (
        &["vacant-slot", "member-out-of-date", "readd-unproven"],
        || {
            let mut disks = mirror();
            lose(&mut disks, 1);
            images(disks)
        },
    ),
    (
        &["vacant-slot", "member-out-of-date", "readd-unsafe"],
        || {
            let mut disks = mirror();
            lose(&mut disks, 1);
            disks[0].bitmap.events_cleared = 0;
            images(disks)
        },
    ),
    // Its bitmap does not reach back to when the member left: all of it is copied.
    (&["vacant-slot", "member-out-of-date"], || {
        let mut disks = mirror();
        lose(&mut disks, 1);
        disks[0].bitmap.events_cleared = 21;
        images(disks)
    }),
    (&["member-replacing"], || {
        let mut disks = array(Level::Raid1, 3);
        for disk in &mut disks {
            (disk.md.raid_disks, disk.md.roles) = (2, vec![0, 1, 1]);
        }
        disks[2].md.features = feature::REPLACEMENT | feature::RECOVERY_OFFSET;
        images(disks)
    }),
    (&["member-recovering"], || {
        let mut disks = mirror();
        recovering(&mut disks, 1);
        images(disks)
    }),
    (&["recovery-bitmap-untrusted"], || {
        let mut disks = mirror();
        recovering(&mut disks, 1);
        disks[0].bitmap.events = 0;
        images(disks)
    }),
    (&["recovery-bitmap-gone"], || {
        let mut disks = mirror();
        recovering(&mut disks, 1);
        for disk in &mut disks {
            disk.md.bitmap_offset = None;
        }
        images(disks)
    }),
    (&["recovery-bitmap-empty"], || {
        let mut disks = mirror();
        recovering(&mut disks, 1);
        disks[0].cells[3] = 0;
        images(disks)
    }),
    (&["unknown-features"], || {
        let mut disks = mirror();
        disks[1].md.features = 0x2000;
        images(disks)
    }),
    (&["ppl-with-bitmap"], || {
        let mut disks = array(Level::Raid5, 3);
        disks[1].md.features = feature::PPL;
        images(disks)
    }),
    (&["journal-with-bitmap"], || {
        let mut disks = array(Level::Raid5, 3);
        for disk in &mut disks {
            disk.md.features = feature::JOURNAL;
        }
        images(disks)
    }),
    (
        &[
            "vacant-slot",
            "member-out-of-date",
            "member-out-of-date",
            "not-enough-members",
        ],
        || {
            let mut disks = array(Level::Raid5, 3);
            lose(&mut disks, 1);
            disks[0].md.roles[2] = FAULTY;
            (disks[2].md.events, disks[2].md.roles[1]) = (Events(20), 1);
            images(disks)
        },
    ),
    (
        &["vacant-slot", "member-out-of-date", "dirty-degraded"],
        || {
            let mut disks = array(Level::Raid5, 3);
            lose(&mut disks, 1);
            unclean(&mut disks);
            images(disks)
        },
    ),
    (&["reshape-unfinished"], || {
        let mut disks = array(Level::Raid5, 3);
        for disk in &mut disks {
            disk.md.features = feature::RESHAPE_ACTIVE;
        }
        images(disks)
    }),
    (&["raid10-colliding-layout"], || {
        let mut disks = array(Level::Raid10, 5);
        for disk in &mut disks {
            disk.md.layout = 0x1_0202;
        }
        images(disks)
    }),
    (&["bad-geometry"], || {
        let mut disks = array(Level::Raid5, 3);
        for disk in &mut disks {
            disk.md.layout = 99;
        }
        images(disks)
    }),
    (&["dm-raid-bits-lapse"], || dm_images(7)),
    (&["kernel-bitmap-file"], || {
        let mut disks = mirror();
        for disk in &mut disks {
            disk.md.bitmap_offset = None;
        }
        let mut images = images(disks);
        images.push(file());
        images
    }),
    (&["kernel-rows-may-be-unmarked"], || {
        images(array(Level::Raid5, 4))
    }),
    (&["kernel-rows-may-be-unmarked"], || {
        let mut disks = array(Level::Raid6, 5);
        disks.iter_mut().for_each(|disk| disk.md.layout = 2);
        images(disks)
    }),
    (&["kernel-rows-unmarked"], || {
        let mut disks = array(Level::Raid5, 4);
        for disk in &mut disks {
            disk.md.resync_offset = Some(Sectors(0));
        }
        images(disks)
    }),
    (&["vacant-slot", "kernel-raid10-lone-copy"], || {
        let mut disks = array(Level::Raid10, 4);
        disks.remove(1);
        for disk in &mut disks {
            disk.md.resync_offset = Some(Sectors(0));
            disk.md.roles[1] = 0xfffe;
            disk.cells[0] = 1;
        }
        images(disks)
    }),
    (&[], || {
        let mut disks = array(Level::Raid10, 4);
        for disk in &mut disks {
            disk.md.resync_offset = Some(Sectors(0));
        }
        images(disks)
    }),
    (&["member-recovering", "kernel-recovery-first"], || {
        let mut disks = array(Level::Raid1, 3);
        for disk in &mut disks {
            disk.md.resync_offset = Some(Sectors(0));
        }
        recovering(&mut disks, 2);
        images(disks)
    }),
    (&["kernel-logical-block-size"], || {
        let mut disks = mirror();
        for disk in &mut disks {
            disk.last = |raw| raw.fixed.logical_block_size = 512;
        }
        images(disks)
    }),
    (
        &[
            "kernel-lockless",
            "kernel-lockless-discard",
            "kernel-lockless-first-use-overrun",
        ],
        || {
            let mut disks = lockless(Level::Raid1, 2);
            for disk in &mut disks {
                (disk.bitmap.state, disk.bitmap.sectors_reserved) = (state::FIRST_USE, 1);
            }
            images(disks)
        },
    ),
    (
        &[
            "vacant-slot",
            "kernel-lockless",
            "kernel-lockless-discard",
            "kernel-lockless-readd",
        ],
        || {
            let mut disks = lockless(Level::Raid1, 2);
            lose(&mut disks, 1);
            disks.pop();
            images(disks)
        },
    ),
    (
        &[
            "vacant-slot",
            "member-out-of-date",
            "readd-unsafe",
            "kernel-lockless",
            "kernel-lockless-discard",
            "kernel-lockless-parity",
        ],
        || {
            let mut disks = lockless(Level::Raid5, 3);
            for disk in &mut disks {
                (disk.cells[0], disk.cells[5]) = (0, 7);
            }
            lose(&mut disks, 1);
            images(disks)
        },
    ),
];

#[test]
fn every_kind_has_an_array_that_has_it() {
    let mut seen = BTreeSet::new();
    for (expected, make) in CASES {
        let findings = found(make());
        assert_eq!(names(&findings), *expected, "{findings:#?}");
        seen.extend(expected.iter().copied());
        for finding in findings {
            for text in [&finding.sentence, &finding.kernel, &finding.repair] {
                assert!(
                    !text.is_empty() && !text.ends_with('.') && !text.contains("  "),
                    "{text}"
                );
            }
            assert_repair_is_told(&finding);
            assert!(!finding.subject.is_empty());
        }
    }
    let kinds = RULES.iter().flat_map(|rule| rule.kinds);
    let untested: Vec<&str> = kinds
        .map(|kind| kind.name)
        .filter(|name| !seen.contains(name))
        .collect();
    assert_eq!(untested, [""; 0]);
}

#[test]
fn sound_arrays_have_none_of_them() {
    for (level, count) in [
        (Level::Raid1, 2),
        (Level::Raid1, 3),
        (Level::Raid4, 3),
        (Level::Raid5, 3),
        (Level::Raid5, 5),
        (Level::Raid6, 4),
        (Level::Raid10, 4),
    ] {
        let mut disks = array(level, count);
        assert_eq!(names(&found(images(disks))), [""; 0]);
        // After a crash: unclean, bits set, one bitmap written with the next event count.
        disks = array(level, count);
        unclean(&mut disks);
        for disk in &mut disks {
            disk.cells[0] = 0x11;
        }
        disks[0].bitmap.events = 21;
        assert_eq!(names(&found(images(disks))), [""; 0], "{level}");
        let found = found(images(lockless(level, count)));
        assert_eq!(
            names(&found),
            ["kernel-lockless", "kernel-lockless-discard"]
        );
    }
    assert_eq!(names(&found(dm_images(0))), [""; 0]);
}

#[test]
fn differences_are_told_with_their_numbers() {
    let mut disks = mirror();
    unclean(&mut disks);
    disks[0].cells[0] = 0b1000_0000;
    disks[0].cells[1] = 1;
    disks[1].cells[5] = 0b0101_0101;
    disks[1].cells[6] = 0b0000_0011;
    let found = found(images(disks));
    assert_eq!(
        found[0].sentence,
        "its copy of the bitmap marks 6 chunks (40, 42, 44, 46 and 1 more run; 24576 bytes) that the copy of disk0 does not \
         mark, and does not mark 2 chunks (7 to 8; 8192 bytes) that the copy of disk0 marks"
    );
    assert_eq!(found[0].subject, "disk1");
}

#[test]
fn a_member_out_of_date_is_not_compared() {
    let mut disks = mirror();
    lose(&mut disks, 1);
    disks[0].cells[2] = 0x81;
    assert_eq!(
        names(&found(images(disks))),
        ["vacant-slot", "member-out-of-date", "readd-unproven"]
    );
}

#[test]
fn a_vacant_slot_makes_differing_bits_matter_on_a_clean_array() {
    let mut disks = array(Level::Raid1, 3);
    lose(&mut disks, 2);
    disks.pop();
    disks[0].cells[2] = 0x81;
    assert_eq!(
        names(&found(images(disks))),
        ["vacant-slot", "copies-differ"]
    );
}

#[test]
fn a_sound_array_of_0_90_metadata_has_none_of_them() {
    let device = Bytes(4 << 20);
    let mut all = Vec::new();
    for slot in 0..2 {
        let mut builder = md_v090::Builder::mirror(device);
        (builder.uuid, builder.own_slot) = (UUID, slot);
        let raw = builder.build();
        let start = md_v090::super_start(device).unwrap().0 as usize * 512;
        let mut image = vec![0; 4 << 20];
        let bytes = raw.to_bytes();
        image[start..start + bytes.len()].copy_from_slice(&bytes);
        let mut bitmap = header(4, builder.size_kib as u64 * 2);
        bitmap.events = builder.events.0;
        image[start + 4096..start + 4352].copy_from_slice(&bitmap.to_bytes());
        all.push(image);
    }
    assert_eq!(names(&found(all)), [""; 0]);
}

/// Not stopped cleanly, with bits set and slot 1 empty.
fn lone_copy(level: Level, count: u32) -> Vec<Disk> {
    let mut disks = array(level, count);
    lose(&mut disks, 1);
    disks.remove(1);
    unclean(&mut disks);
    disks.iter_mut().for_each(|disk| disk.cells[0] = 0x11);
    disks
}

/// A mirror that was not stopped cleanly, its member 1 being recovered by bitmap.
fn crashed_and_recovering(count: u32) -> Vec<Disk> {
    let mut disks = array(Level::Raid1, count);
    unclean(&mut disks);
    recovering(&mut disks, 1);
    disks
}

#[test]
fn a_resync_that_kernels_leave_out_is_told_only_where_one_is_due() {
    let told = |disks: Vec<Disk>, running| {
        let findings = found_of(images(disks), running);
        let all = names(&findings).into_iter();
        let ours = ["kernel-raid10-lone-copy", "kernel-recovery-first"];
        Vec::from_iter(all.filter(|name| ours.contains(name)))
    };
    let changed = |mut disks: Vec<Disk>, change: fn(&mut Disk)| {
        disks.iter_mut().for_each(change);
        disks
    };
    let clean: fn(&mut Disk) = |disk| disk.md.resync_offset = None;
    let unmarked: fn(&mut Disk) = |disk| disk.cells.fill(0);
    let lone = || lone_copy(Level::Raid10, 4);
    let recovery = || crashed_and_recovering(3);
    let (of_lone, of_recovery) = (["kernel-raid10-lone-copy"], ["kernel-recovery-first"]);
    assert_eq!(told(lone(), false), of_lone);
    assert_eq!(told(recovery(), false), of_recovery);
    for disks in [
        changed(lone(), clean),
        changed(recovery(), clean),
        changed(lone(), unmarked),
        changed(recovery(), unmarked),
        // Nothing else is in sync, so nothing can be different.
        lone_copy(Level::Raid10, 2),
        crashed_and_recovering(2),
        lone_copy(Level::Raid1, 3),
    ] {
        assert_eq!(told(disks, false), [""; 0]);
    }
    for disks in [lone(), recovery()] {
        assert_eq!(told(disks, true), [""; 0], "its resync has begun");
    }
    // Members not given are as the others say: the last one in sync.
    let mut given = lone();
    given.pop();
    assert_eq!(told(given, false), of_lone);
    let mut given = recovery();
    given.pop();
    assert_eq!(told(given, false), of_recovery);
    let mut given = array(Level::Raid10, 4);
    unclean(&mut given);
    given.iter_mut().for_each(|disk| disk.cells[0] = 0x11);
    given.truncate(1);
    assert_eq!(told(given, false), [""; 0]);
    // A lockless bitmap: 6.1 and 6.12 do not start it, 7.2 does.
    let mut given = lockless(Level::Raid1, 3);
    recovering(&mut given, 1);
    unclean(&mut given);
    given.iter_mut().for_each(|disk| disk.cells[3] = 2);
    assert_eq!(told(given, false), [""; 0]);
}

#[test]
fn a_running_array_is_written_to_while_a_member_is_absent() {
    // Assembled like this it would be refused; running, it takes the member back by its bitmap.
    let images = || {
        let mut disks = array(Level::Raid5, 3);
        lose(&mut disks, 1);
        unclean(&mut disks);
        images(disks)
    };
    let told = |in_use| {
        let found = found_of(images(), in_use);
        names(&found).contains(&"readd-unproven")
    };
    assert_eq!((told(false), told(true)), (false, true));
}
