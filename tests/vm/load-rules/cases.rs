//! A case: the members of an array with a history, some of them missing, changed in a few ways.

use crate::bases::Base;
use crate::random::Random;
use mdbitmap::array::probe::RawSuper;
use mdbitmap::array::{FoundSuper, Role, probe};
use mdbitmap::device::MemoryStore;
use mdbitmap::format::bitmap_super::{BITS_OFFSET, RawBitmapSuper, STATES_OFFSET};
use mdbitmap::format::md_v1::feature;
use mdbitmap::format::md_v090::state as flag;

/// One assembly.
pub struct Case {
    /// The array that it began as.
    pub base: usize,
    /// Which of its members are given, in which order.
    pub given: Vec<usize>,
    /// The members given, as they will lie on disk.
    pub images: Vec<Vec<u8>>,
    /// What was changed, for people.
    pub changes: Vec<String>,
}

/// Case `number` of a run.
pub fn make(seed: u64, kernel: &str, number: u64, bases: &[Base], images: &[Vec<Vec<u8>>]) -> Case {
    let mut random = Random::new(seed, &[kernel, "case", &number.to_string()]);
    let base = (number % bases.len() as u64) as usize;
    let mut case = Case {
        base,
        given: (0..images[base].len()).collect(),
        images: images[base].clone(),
        changes: Vec::new(),
    };
    // Some cases are left as the kernel left them; most are changed in one way, some in two or three.
    let changes = random.pick(&[0, 1, 1, 2, 2, 2, 3, 3]);
    for _ in 0..changes {
        let change = change(&mut case, &mut random, bases[base].lockless);
        case.changes.push(change);
    }
    if random.chance(20) {
        drop_members(&mut case, &mut random, &bases[base]);
    }
    case
}

fn drop_members(case: &mut Case, random: &mut Random, base: &Base) {
    let most = match base.level {
        1 => base.members - 1,
        6 | 10 => 2.min(base.members - 1),
        _ => 1,
    };
    for _ in 0..1 + random.below(most) {
        if case.given.len() > 1 {
            let gone = random.index(case.given.len());
            case.changes
                .push(format!("member {} is missing", case.given[gone]));
            case.given.remove(gone);
            case.images.remove(gone);
        }
    }
}

/// The superblock of an image, as examine finds it.
pub fn found(image: &[u8]) -> FoundSuper {
    let store = MemoryStore::new("member", image.to_vec());
    probe(&store, None).found.remove(0)
}

fn change(case: &mut Case, random: &mut Random, lockless: bool) -> String {
    let one = random.index(case.images.len());
    let all: Vec<usize> = (0..case.images.len()).collect();
    let v1 = found(&case.images[0]).member.metadata.is_v1();
    match random.below(18) {
        0..5 => resync_offset(case, random, &all),
        5 => stale_member(case, random, one),
        6 if v1 => faulty(case, random, one),
        7 if v1 && !lockless => recovering(case, random, one),
        8..12 => {
            let which = if random.chance(80) { all } else { vec![one] };
            let what = bitmap_field(case, random, &which, lockless);
            format!("{what} on {}", spell(&which))
        }
        _ => {
            let which = if random.chance(85) { all } else { vec![one] };
            let what = contents(case, random, &which, lockless);
            format!("{what} on {}", spell(&which))
        }
    }
}

fn spell(members: &[usize]) -> String {
    let words: Vec<String> = members.iter().map(ToString::to_string).collect();
    format!("members {}", words.join(","))
}

// --- md superblocks ----------------------------------------------------------------------------

/// Changes the superblock of one image and seals it again.
fn edit(image: &mut [u8], change: impl FnOnce(&mut RawSuper)) {
    let FoundSuper {
        member, mut raw, ..
    } = found(image);
    change(&mut raw);
    match &mut raw {
        RawSuper::V1(raw) => {
            raw.seal();
        }
        RawSuper::V0_90(raw) => raw.seal(),
        RawSuper::DmRaid(_) => {}
    }
    let (start, bytes) = (member.super_start.0 as usize, raw.to_bytes());
    image[start..start + bytes.len()].copy_from_slice(&bytes);
}

fn resync_offset(case: &mut Case, random: &mut Random, all: &[usize]) -> String {
    let size = found(&case.images[0])
        .member
        .component
        .map_or(0, |size| size.0);
    let offset = match random.below(6) {
        0 => None,
        1..4 => Some(0),
        _ => Some(random.below(size)),
    };
    for member in all {
        edit(&mut case.images[*member], |raw| match raw {
            RawSuper::V1(raw) => raw.fixed.resync_offset = offset.unwrap_or(u64::MAX),
            RawSuper::V0_90(raw) => {
                let clean = if offset.is_none() { flag::CLEAN } else { 0 };
                raw.set_state(raw.state() & !flag::CLEAN | clean);
                raw.set_cp_events(raw.events());
                raw.set_recovery_cp(offset.map_or(u32::MAX, |offset| offset as u32));
            }
            RawSuper::DmRaid(_) => {}
        });
    }
    format!("resync_offset {offset:?}")
}

fn set_events(image: &mut [u8], change: impl Fn(u64) -> u64 + Copy) {
    edit(image, |raw| match raw {
        RawSuper::V1(raw) => raw.fixed.events = change(raw.fixed.events),
        RawSuper::V0_90(raw) => raw.set_events(change(raw.events())),
        RawSuper::DmRaid(_) => {}
    });
    edit_bitmap(image, |bitmap| bitmap.events = change(bitmap.events));
}

fn stale_member(case: &mut Case, random: &mut Random, one: usize) -> String {
    let behind = random.pick(&[1, 1, 2, 5]);
    set_events(&mut case.images[one], |events| {
        events.saturating_sub(behind)
    });
    format!("member {one} {behind} events behind")
}

fn faulty(case: &mut Case, random: &mut Random, one: usize) -> String {
    let ahead = random.pick(&[1, 1, 2, 3]);
    let number = found(&case.images[one]).member.number as usize;
    for (member, image) in case.images.iter_mut().enumerate() {
        if member != one {
            set_events(image, |events| events.saturating_add(ahead));
            edit(image, |raw| {
                if let RawSuper::V1(raw) = raw
                    && let Some(role) = raw.roles.get_mut(number)
                {
                    *role = 0xfffe;
                }
            });
        }
    }
    format!("member {one} faulty by the others, {ahead} events ahead")
}

fn recovering(case: &mut Case, random: &mut Random, one: usize) -> String {
    let size = found(&case.images[one])
        .member
        .component
        .map_or(0, |size| size.0);
    let (up_to, by_bitmap) = (random.below(size) / 8 * 8, random.chance(60));
    edit(&mut case.images[one], |raw| {
        if let RawSuper::V1(raw) = raw {
            let bits = feature::RECOVERY_OFFSET
                | if by_bitmap {
                    feature::RECOVERY_BITMAP
                } else {
                    0
                };
            raw.fixed.feature_map = raw.fixed.feature_map & !feature::RECOVERY_BITMAP | bits;
            raw.fixed.recovery_offset = up_to;
        }
    });
    format!("member {one} recovered up to {up_to}, by bitmap: {by_bitmap}")
}

// --- bitmaps -----------------------------------------------------------------------------------

/// Where the bitmap of an image starts.
pub fn bitmap_start(image: &[u8]) -> Option<usize> {
    let place = found(image).member.bitmap.ok()?;
    Some(place.start.0 as usize)
}

fn edit_bitmap(image: &mut [u8], change: impl FnOnce(&mut RawBitmapSuper)) {
    let Some(start) = bitmap_start(image) else {
        return;
    };
    let Ok(mut bitmap) = RawBitmapSuper::from_bytes(&image[start..]) else {
        return;
    };
    change(&mut bitmap);
    image[start..start + 256].copy_from_slice(&bitmap.to_bytes());
}

fn bitmap_field(case: &mut Case, random: &mut Random, which: &[usize], lockless: bool) -> String {
    let kind = random.below(14);
    let number = random.next();
    let mut what = String::new();
    for member in which {
        let array = found(&case.images[*member]).member.events.0;
        edit_bitmap(&mut case.images[*member], |bitmap| {
            what = one_field(bitmap, kind, number, array, lockless);
        });
    }
    what
}

fn one_field(
    bitmap: &mut RawBitmapSuper,
    kind: u64,
    number: u64,
    array: u64,
    lockless: bool,
) -> String {
    let pick = |from: &[u64]| from[number as usize % from.len()];
    match kind {
        0..4 => {
            bitmap.events = pick(&[
                0,
                array.saturating_sub(1),
                array.saturating_sub(2),
                array + 1,
                array + 40,
                u64::MAX,
            ]);
            format!("bitmap events {}", bitmap.events)
        }
        4 => {
            bitmap.events_cleared = pick(&[0, array.saturating_sub(1), array, array + 3, u64::MAX]);
            format!("events_cleared {}", bitmap.events_cleared)
        }
        5 | 6 => {
            bitmap.state = pick(&[
                1,
                2,
                2,
                2,
                4,
                8,
                0x18,
                0x20,
                0x40,
                0x8000,
                0x8050,
                0x4000_0000,
            ]) as u32;
            format!("state {:#x}", bitmap.state)
        }
        7 | 8 => {
            bitmap.chunksize = match lockless {
                true => pick(&[0, 1, 3, 4, 8, 8, 16, 16, 32, 256, 1 << 20, 100]) as u32,
                false => pick(&[
                    0,
                    1,
                    256,
                    511,
                    512,
                    1024,
                    4096,
                    8192,
                    32768,
                    131_072,
                    65537,
                    1 << 31,
                ]) as u32,
            };
            format!("chunksize {}", bitmap.chunksize)
        }
        9 => {
            bitmap.version = pick(&[2, 3, 3, 4, 5, 5, 6, 7]) as u32;
            format!("version {}", bitmap.version)
        }
        10 => {
            bitmap.uuid[number as usize % 16] ^= 1;
            "uuid".to_owned()
        }
        11 => {
            bitmap.daemon_sleep_seconds =
                pick(&[0, 0, 1, 3600, 4_000_000, u64::from(u32::MAX)]) as u32;
            format!("daemon_sleep {}", bitmap.daemon_sleep_seconds)
        }
        12 => {
            bitmap.write_behind = pick(&[1, 256, 16383, 16384, u64::from(u32::MAX)]) as u32;
            format!("write_behind {}", bitmap.write_behind)
        }
        _ => {
            bitmap.sync_size_sectors = pick(&[
                0,
                8,
                bitmap.sync_size_sectors / 2,
                bitmap.sync_size_sectors - 1,
            ]);
            format!("sync_size {}", bitmap.sync_size_sectors)
        }
    }
}

/// Puts random bits or states in place of those there.
fn contents(case: &mut Case, random: &mut Random, which: &[usize], lockless: bool) -> String {
    let density = random.pick(&[1, 3, 10, 50]);
    // Version 6: mostly one state, some of another; chunks so small that there are several units, of which some hold
    // one of those, some more, some none.
    let (common, rare) = (
        random.pick(&[1, 1, 1, 0, 7]),
        random.pick(&[2, 2, 3, 4, 5, 6, 9, 255]),
    );
    let chunk = random.pick(&[8, 8, 16, 32, 128]);
    let seed = random.next();
    for member in which {
        let mut random = Random::new(seed, &[]);
        let image = &mut case.images[*member];
        if lockless {
            edit_bitmap(image, |bitmap| bitmap.chunksize = chunk);
        }
        let Some(start) = bitmap_start(image) else {
            continue;
        };
        let Ok(bitmap) = RawBitmapSuper::from_bytes(&image[start..]) else {
            continue;
        };
        let chunks = bitmap
            .coverage()
            .map_or(0, |coverage| coverage.chunks())
            .min(60_000) as usize;
        if lockless {
            let from = start + STATES_OFFSET as usize;
            for state in &mut image[from..from + chunks] {
                *state = common;
                if random.below(1000) < density {
                    *state = random.pick(&[rare, rare, 0, 1, 2, 3, 7]);
                }
            }
        } else {
            let from = start + BITS_OFFSET as usize;
            for byte in &mut image[from..from + chunks / 8] {
                *byte = (0..8).fold(0, |byte, bit| {
                    byte | u8::from(random.chance(density)) << bit
                });
            }
        }
    }
    match lockless {
        true => format!(
            "chunks of {chunk} sectors, states {common} with {density} in 1000 of {rare} and others"
        ),
        false => format!("{density} % of the bits"),
    }
}

/// What each member given is by its own word, for people.
pub fn roles(case: &Case) -> String {
    let role = |image: &Vec<u8>| {
        let member = found(image).member;
        let role = match member.role {
            Role::Slot(slot) => slot.to_string(),
            other => other.to_string(),
        };
        format!("{role}@{}", member.events)
    };
    case.images.iter().map(role).collect::<Vec<_>>().join(" ")
}
