//! A command that was run once, undisturbed, and what may follow from that.

use super::attempt::Attempt;
use crate::corpus::Base;
use crate::world::disk::World;
use crate::world::superblock::{CLEAN, Role};
use mdbitmap::change::plan::{Part, Plan};
use mdbitmap::device::crash::{Entry, Image, Log};
use std::collections::HashSet;
use std::ops::Range;

/// What a run of a command may leave on its devices.
pub struct Record {
    pub log: Log,
    /// Of each store: the superblocks that it had, at first and after each flush.
    pub superblocks: Vec<HashSet<Vec<u8>>>,
    /// Of each store: the bytes that are planned.
    pub planned: Vec<Vec<Range<u64>>>,
    pub end: Vec<Image>,
}

impl Record {
    pub fn new(base: &Base, log: Log, attempt: &Attempt) -> Record {
        let superblocks = superblocks_of(base, &log, vec![HashSet::new(); log.start().len()]);
        let mut planned = vec![Vec::new(); log.start().len()];
        for write in attempt
            .planned
            .plan
            .steps
            .iter()
            .flat_map(|step| &step.writes)
        {
            planned[attempt.places[write.device]].push(write.range());
        }
        Record {
            superblocks,
            planned,
            end: log.end(),
            log,
        }
    }

    /// That of taking it back.
    pub fn of_undo(&self, base: &Base, log: Log) -> Record {
        Record {
            superblocks: superblocks_of(base, &log, self.superblocks.clone()),
            planned: self.planned.clone(),
            end: log.end(),
            log,
        }
    }
}

/// The superblocks that each store has at first and after each flush, and those that are known already.
fn superblocks_of(
    base: &Base,
    log: &Log,
    mut superblocks: Vec<HashSet<Vec<u8>>>,
) -> Vec<HashSet<Vec<u8>>> {
    for (place, image) in log.start().iter().enumerate() {
        superblocks[place].insert(superblock_bytes(base, image));
    }
    for (calls, entry) in log.entries().enumerate() {
        if let Entry::Flush { store } = entry {
            superblocks[store].insert(superblock_bytes(base, &log.after(calls)[store]));
        }
    }
    superblocks
}

/// The bytes of a superblock, whatever they say.
pub fn superblock_bytes(base: &Base, image: &Image) -> Vec<u8> {
    let start = base.spec.kind.start(image.len() / 512) * 512;
    let mut bytes = Vec::new();
    let block = image.block_bytes();
    let len = base.spec.kind.bytes() as u64;
    for number in start / block..(start + len).div_ceil(block) {
        bytes.extend_from_slice(image.block(number));
    }
    let skip = (start % block) as usize;
    bytes[skip..skip + len as usize].to_vec()
}

/// Writes that reach into what is not theirs: data, or a superblock.
pub fn strays(base: &Base, plan: &Plan) -> Option<String> {
    let (kind, sectors) = (base.spec.kind, base.spec.sectors());
    let start = kind.start(sectors) * 512;
    let own = start..start + kind.bytes() as u64;
    let data = base.spec.data_offset() * 512;
    let data = data..data + base.spec.size * 512;
    let touches = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    for write in plan.steps.iter().flat_map(|step| &step.writes) {
        let range = write.range();
        if touches(&range, &data) {
            return Some(format!("bytes {range:?} are data"));
        }
        let inside = own.start <= range.start && range.end <= own.end;
        if (write.part == Part::Superblock && !inside)
            || (write.part != Part::Superblock && touches(&range, &own))
        {
            return Some(format!("bytes {range:?} are the superblock's, or are not"));
        }
    }
    None
}

/// What the members of an array say, for comparing two ends of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Where the bitmap is and of which kind: offset, version, chunk, delay, write-behind.
    pub shape: Option<(i64, u32, u64, u32, u32)>,
    /// Of each member in sync: the marks of its copy.
    pub marks: Vec<Vec<u8>>,
    pub clean: bool,
    pub roles: Vec<Role>,
    /// The least events_cleared of the copies.
    pub cleared: u64,
}

impl Digest {
    /// Of the disks that are part of the array; `None` when they say different things.
    pub fn of(world: &World<'_>, given: &[usize]) -> Option<Digest> {
        let freshest = world.freshest(given)?;
        let top = world.disks[freshest].sb.clone()?;
        let mut digest = Digest {
            shape: None,
            marks: Vec::new(),
            clean: top.resync == CLEAN,
            roles: top.roles.clone(),
            cleared: u64::MAX,
        };
        for disk in given {
            let sb = world.disks[*disk].sb.as_ref()?;
            if sb.own_role() == Role::Spare {
                continue;
            }
            // One event behind, it gets what the freshest says.
            let behind = sb.events + 1 == top.events;
            if !behind && (sb.events, sb.bitmap, sb.resync) != (top.events, top.bitmap, top.resync)
            {
                return None;
            }
            let Some(offset) = top.bitmap else {
                continue;
            };
            let copy = world.disks[*disk].bitmap(offset, world.map, sb).ok()?;
            let header = &copy.header;
            let shape = (
                offset,
                header.version,
                header.chunk,
                header.sleep,
                header.write_behind,
            );
            if digest.shape.is_some_and(|other| other != shape) {
                return None;
            }
            digest.shape = Some(shape);
            digest.cleared = digest.cleared.min(header.cleared);
            digest.marks.push(copy.marks.clone());
        }
        Some(digest)
    }

    /// Whether this is as good an end as `other`: the same, or with more marked; or, on a clean array, with less marked for
    /// members that are away and will get everything, being older than this. The slot of a member that was not given may be
    /// as it was.
    pub fn finishes(&self, other: &Digest, away_since: u64, without: Option<usize>) -> bool {
        let lockless = self.shape.is_some_and(|shape| shape.1 == 6);
        let for_away_alone = self.clean && !lockless && self.cleared > away_since;
        let covers = |(mine, theirs): (&Vec<u8>, &Vec<u8>)| {
            mine.iter()
                .zip(theirs)
                .all(|(mine, theirs)| match lockless {
                    false => mine >= theirs,
                    true => {
                        needs(*mine) || mine == theirs || unwritten(*mine) && unwritten(*theirs)
                    }
                })
        };
        let roles = self.roles.iter().zip(&other.roles).enumerate();
        let same_roles = |(number, (mine, theirs))| mine == theirs || Some(number) == without;
        let version = |digest: &Digest| digest.shape.map(|shape| shape.1);
        let chunk = |digest: &Digest| digest.shape.map(|shape| shape.2);
        // Of a bitmap that is announced no more nothing is known: place and options are those of a new one, and so are the
        // marks of a new one that cover as much (which the stories show).
        let same_chunks = chunk(self) == chunk(other) && self.marks.len() == other.marks.len();
        version(self) == version(other)
            && roles.into_iter().all(same_roles)
            && (!self.clean || other.clean)
            && (for_away_alone || !same_chunks || self.marks.iter().zip(&other.marks).all(covers))
    }
}

/// States of a lockless bitmap that are synchronised.
fn needs(state: u8) -> bool {
    matches!(state, 2..=4 | 8..)
}

fn unwritten(state: u8) -> bool {
    matches!(state, 0 | 5..=7)
}
