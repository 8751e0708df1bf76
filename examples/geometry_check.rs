//! The host's part of the kernel scenarios `geometry` and `geometry-long`: reads the members of arrays that a real
//! kernel wrote, every sector marked with its number in the array, and compares them with `array::geometry`, both ways.
//!
//! `geometry_check DISK STATE`: the guest's disk, and the folder with the guest's tables (`slices`: name, first sector,
//! sectors; `arrays`: name, members, sectors of the array, what was done; `writes`: array, first sector, sectors).
//! Prints a line `@@ok` or `@@FAIL` for each array.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test program: a panic is a failure"
)]

use mdbitmap::array::geometry::{Geometry, Held, Parity, Place};
use mdbitmap::array::{MemberSuper, Role, probe};
use mdbitmap::bitmap::Bitmap;
use mdbitmap::device::MemoryStore;
use mdbitmap::format::bit_array::BitOrder;
use mdbitmap::units::Sectors;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SECTOR: usize = 512;

/// What the guest said about one array.
struct Written {
    name: String,
    members: u32,
    sectors: u64,
    then: String,
}

/// One member: its superblock, the image, and where the data starts and ends in it.
struct Member {
    about: MemberSuper,
    store: MemoryStore,
    image: Vec<u8>,
    data: Range<usize>,
}

impl Member {
    fn read(disk: &File, start: u64, sectors: u64, name: &str) -> Member {
        let mut image = vec![0; sectors as usize * SECTOR];
        disk.read_exact_at(&mut image, start * SECTOR as u64)
            .expect("the disk");
        let store = MemoryStore::new(name, image.clone());
        let about = probe(&store, None)
            .newest()
            .expect("an md superblock")
            .member
            .clone();
        let data = about.areas.data.clone().expect("data");
        let data = data.start as usize..(data.end as usize).min(image.len());
        Member {
            about,
            store,
            image,
            data,
        }
    }

    /// A sector of the data.
    fn sector(&self, sector: Sectors) -> &[u8] {
        let start = self.data.start + sector.0 as usize * SECTOR;
        &self.image[start..start + SECTOR]
    }
}

/// The content that the guest gave sector `number` of every array.
fn marker(number: u64) -> Vec<u8> {
    let word = format!("{number:08x}{:08x}", number * 2_654_435_761 % 2_147_483_647);
    word.repeat(SECTOR / word.len()).into_bytes()
}

/// `factor` times g^`exponent` in the field of Q (reference/kernel.md 9.2).
fn times_g(mut factor: u8, exponent: u32) -> u8 {
    for _ in 0..exponent {
        factor = factor << 1 ^ if factor & 0x80 == 0 { 0 } else { 0x1d };
    }
    factor
}

/// What P or Q at `place` must be, from the markers of the array.
fn parity_content(geometry: &Geometry, which: Parity, stripe: u64, place: Place) -> Vec<u8> {
    let mut content = vec![0; SECTOR];
    for array in geometry.covered_by_parity(place) {
        let holder = geometry.locate(array).unwrap().copies[0].slot;
        let exponent = match which {
            Parity::P => 0,
            Parity::Q => geometry.q_exponent(stripe, holder).unwrap(),
        };
        // Multiplication by a constant, byte by byte, from a table.
        let table: Vec<u8> = (0..=255).map(|byte| times_g(byte, exponent)).collect();
        for (sum, byte) in content.iter_mut().zip(marker(array.0)) {
            *sum ^= table[usize::from(byte)];
        }
    }
    content
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let disk = File::open(arguments.next().expect("the disk")).expect("the disk");
    let state = arguments.next().expect("the folder");
    let table = |name: &str| fs::read_to_string(Path::new(&state).join(name)).unwrap_or_default();
    let (slices, writes) = (table("slices"), table("writes"));
    for line in table("arrays").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let written = Written {
            name: words[0].to_owned(),
            members: words[1].parse().unwrap(),
            sectors: words[2].parse().unwrap(),
            then: words[3..].join(" "),
        };
        match check(&written, &disk, &slices, &writes) {
            Ok(text) => println!("@@ok {}: {text}", written.name),
            Err(text) => println!("@@FAIL {}: {text}", written.name),
        }
    }
}

fn check(written: &Written, disk: &File, slices: &str, writes: &str) -> Result<String, String> {
    let mut members: Vec<Member> = slices
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|words| {
            words[0]
                .rsplit_once('.')
                .is_some_and(|(name, _)| name == written.name)
        })
        .map(|words| {
            Member::read(
                disk,
                words[1].parse().unwrap(),
                words[2].parse().unwrap(),
                words[0],
            )
        })
        .collect();
    members.sort_by_key(|member| match member.about.role {
        Role::Slot(slot) => slot,
        _ => u32::MAX,
    });
    let geometry = Geometry::of(&members[0].about);
    if written.then.starts_with("refused") {
        return match geometry {
            Err(reason) => Ok(format!("refused ({reason})")),
            Ok(_) => Err("not refused".to_owned()),
        };
    }
    let geometry = geometry.map_err(|error| error.to_string())?;
    let slots: Vec<_> = members.iter().map(|member| member.about.role).collect();
    let expected: Vec<_> = (0..written.members).map(Role::Slot).collect();
    if slots != expected
        || members
            .iter()
            .any(|m| Geometry::of(&m.about).as_ref() != Ok(&geometry))
    {
        return Err(format!("slots {slots:?}, or superblocks that disagree"));
    }
    if geometry.array_size().0 != written.sectors {
        let ours = geometry.array_size();
        return Err(format!(
            "{ours} sectors, the kernel says {}",
            written.sectors
        ));
    }
    let parities = forwards(&geometry, &members)?;
    let unused = backwards(&geometry, &members)?;
    let mut text = format!(
        "{} sectors, {} of {} each, are where they should be; so are {parities} of parity; {unused} hold nothing",
        written.sectors,
        match geometry.copies() {
            1 => "1 copy".to_owned(),
            copies => format!("{copies} copies"),
        },
        geometry.level()
    );
    if written.then == "bits" {
        text.push_str(&bits(&geometry, &members, written, writes)?);
    }
    Ok(text)
}

/// Every sector of the array is at each of its places, and so is its parity. Sectors of parity.
fn forwards(geometry: &Geometry, members: &[Member]) -> Result<usize, String> {
    let mut parities = BTreeSet::new();
    for array in 0..geometry.array_size().0 {
        let located = geometry.locate(Sectors(array)).ok_or("not located")?;
        for place in &located.copies {
            if members[place.slot as usize].sector(place.sector) != marker(array) {
                return Err(format!("array sector {array} is not at {place:?}"));
            }
        }
        for (which, place) in located.parity {
            if !parities.insert(place) {
                continue;
            }
            let content = parity_content(geometry, which, located.stripe, place);
            if members[place.slot as usize].sector(place.sector) != content {
                return Err(format!(
                    "{which:?} of array sector {array} is not at {place:?}"
                ));
            }
        }
    }
    Ok(parities.len())
}

/// What each sector of each member's data area holds is what is predicted: the number is read
/// from the sector and not computed. Sectors that hold nothing.
fn backwards(geometry: &Geometry, members: &[Member]) -> Result<u64, String> {
    let mut unused = 0;
    for (slot, member) in (0..).zip(members) {
        for sector in (0..(member.data.len() / SECTOR) as u64).map(Sectors) {
            let place = Place { slot, sector };
            let content = member.sector(sector);
            let number = std::str::from_utf8(&content[..8])
                .ok()
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .filter(|number| content == marker(*number));
            let agrees = match geometry.held_at(place) {
                Held::Data { array, copy } => {
                    number == Some(array.0)
                        && geometry.locate(array).unwrap().copies[copy as usize] == place
                }
                Held::Parity { which, stripe } => {
                    content == parity_content(geometry, which, stripe, place)
                }
                Held::Unused => {
                    unused += 1;
                    content.iter().all(|byte| *byte == 0)
                }
            };
            if !agrees {
                let held = geometry.held_at(place);
                return Err(format!("{place:?} holds {number:?}, predicted: {held:?}"));
            }
        }
    }
    Ok(unused)
}

/// The set bits on every member are those of the small writes.
fn bits(
    geometry: &Geometry,
    members: &[Member],
    written: &Written,
    writes: &str,
) -> Result<String, String> {
    let ranges: Vec<_> = writes
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|words| words[0] == written.name)
        .map(|words| {
            (
                words[1].parse::<u64>().unwrap(),
                words[2].parse::<u64>().unwrap(),
            )
        })
        .map(|(start, sectors)| Sectors(start)..Sectors(start + sectors))
        .collect();
    let mut how = BTreeSet::new();
    for (member, number) in members.iter().zip(0..) {
        let place = (member.about.bitmap.clone()).map_err(|none| none.to_string())?;
        let bitmap = Bitmap::open(&member.store, place.start, BitOrder::default())
            .map_err(|e| e.to_string())?;
        let coverage = bitmap.coverage().ok_or("no chunk size")?;
        let chunks = |marked: &dyn Fn(Range<Sectors>) -> Range<Sectors>| -> BTreeSet<u64> {
            let touched = ranges
                .iter()
                .map(|range| coverage.chunks_touched(&marked(range.clone())));
            touched
                .flat_map(|chunks| chunks.start.0..chunks.end.0)
                .collect()
        };
        let mut found = BTreeSet::new();
        for run in bitmap.runs().map_err(|e| e.to_string())? {
            let run = run.map_err(|e| e.to_string())?;
            found.extend(run.start.0..run.end.0);
        }
        // Three kinds of kernel: older ones mark the sectors alone (reference/kernel.md 3.3), newer
        // ones whole rows, and some of these the wrong rows (scenario unmarked-rows).
        let kinds = [
            (
                "the rows written to",
                chunks(&|range| geometry.bitmap_of_write(range)),
            ),
            (
                "the sectors alone",
                chunks(&|range| geometry.bitmap_of_array_range(range)),
            ),
            (
                "rows by masks, not all that were written to",
                chunks(&|range| geometry.bitmap_of_masked_write(range)),
            ),
        ];
        let kind = kinds
            .iter()
            .find(|(_, expected)| *expected == found && !found.is_empty());
        match kind {
            Some((kind, _)) => how.insert(format!("{kind} ({} chunks)", found.len())),
            None => {
                return Err(format!(
                    "member {number} has bits {found:?}, expected one of {kinds:?}"
                ));
            }
        };
    }
    Ok(format!(
        "; the kernel marked {}",
        how.into_iter().collect::<Vec<_>>().join(", and ")
    ))
}
