//! What happened to an array before a command is given: the world's own doing, so that data, bitmaps and superblocks are what a
//! kernel leaves.

use super::spec::{Has, Spec};
use crate::world::array::{Bitmap, Member, Running};
use crate::world::bitmap::{Copy, Header, state};
use crate::world::cells::{belongs, places};
use crate::world::disk::{Disk, Lying, Truth, World};
use crate::world::map::Map;
use crate::world::superblock::{CLEAN, Role, Super};
use crate::world::write::Write;
use mdbitmap::device::crash::Random;
use std::sync::Arc;

/// How an array ended before the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Stopped,
    /// The power went while data was written.
    Writing,
    /// The power went while chunks were marked.
    Marking,
    /// The power went while the superblocks were written.
    Committing,
}

/// Who is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    Nobody,
    /// A slot is vacant, and its member is as it was when it failed.
    Absent,
    /// A member failed, and another one was put in its place.
    Former,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    pub away: Away,
    pub end: End,
    pub spares: u32,
    /// The bitmap is one that other kernels did not keep: its events are behind, and it says nothing.
    pub stale: bool,
    /// The bitmap says that the array is smaller than it is, as if it had been made larger without it: the kernel does not
    /// look (kernel.md 2.1).
    pub short: bool,
}

pub const UUID: [u8; 16] = *b"mdbitmap-crashes";

impl History {
    pub fn new(spec: &Spec, random: &mut Random) -> History {
        let away = match random.below(6) {
            0 | 1 => Away::Absent,
            2 => Away::Former,
            _ => Away::Nobody,
        };
        let mut end = match random.below(8) {
            0..=2 => End::Stopped,
            3 | 4 => End::Writing,
            5 => End::Marking,
            6 => End::Committing,
            _ => End::Stopped,
        };
        // Degraded parity that was not stopped cleanly is for nobody to change.
        if away == Away::Absent && matches!(spec.level, 4..=6) {
            end = End::Stopped;
        }
        let spares = match away {
            Away::Absent => 0,
            _ => u32::from(random.once_in(4)),
        };
        // A lockless bitmap lets any former member in by its marks (kernel.md trap 11).
        let away = match (away, spec.bitmap) {
            (Away::Former, Has::States(_)) => Away::Nobody,
            (away, _) => away,
        };
        // Of a cluster, kernels do not see it (kernel.md 3.9).
        let can_be_stale = !matches!(spec.bitmap, Has::Nothing | Has::Clustered(_));
        let stale = can_be_stale && away == Away::Nobody && random.once_in(8);
        let short = spec.bitmap != Has::Nothing && random.once_in(10);
        History {
            away,
            end,
            spares,
            stale,
            short,
        }
    }

    pub fn name(&self) -> String {
        let stale = if self.stale { ", stale" } else { "" };
        let short = if self.short { ", short" } else { "" };
        format!(
            "{:?}, {:?}, {} spares{stale}{short}",
            self.end, self.away, self.spares
        )
    }
}

/// Disks that the array has or had: members by slot, spares, and one more.
fn disks(spec: &Spec, history: &History) -> u32 {
    spec.slots + history.spares + u32::from(history.away == Away::Former)
}

/// An array that was never written to, running.
fn born<'m>(spec: &Spec, history: &History, map: &'m Map, random: &mut Random) -> Running<'m> {
    let count = disks(spec, history);
    let mut disks = Vec::new();
    for number in 0..count {
        let sb = superblock(spec, number, count);
        let data: Vec<u64> = (0..map.member_size).map(|_| random.bits()).collect();
        disks.push(Disk {
            sectors: spec.sectors(),
            sb: Some(sb),
            bitmap: Lying::Nothing,
            data: Arc::new(data),
        });
    }
    let member = |slot| {
        Some(Member {
            disk: slot as usize,
            in_sync: true,
            by_bitmap: false,
        })
    };
    let mut running = Running {
        world: World {
            map,
            disks,
            truth: Arc::new(vec![Truth::Any; map.array_size]),
            excused: Arc::new(vec![false; map.cells.len()]),
        },
        members: (0..spec.slots).map(member).collect(),
        spares: (spec.slots..spec.slots + history.spares)
            .map(|disk| disk as usize)
            .collect(),
        events: 20 + random.below(50),
        resync: CLEAN,
        active: false,
        bitmap: bitmap(spec, map, random),
    };
    fill(&mut running, random);
    running.commit();
    running
}

pub fn superblock(spec: &Spec, number: u32, count: u32) -> Super {
    // As many as mdadm makes room for, so that a superblock of 1.x is one sector.
    let len = if spec.kind == crate::world::superblock::Kind::V090 {
        count
    } else {
        128
    };
    Super {
        kind: spec.kind,
        uuid: UUID,
        device_uuid: [number as u8 + 1; 16],
        level: spec.level,
        layout: spec.layout,
        raid_chunk: spec.raid_chunk,
        size: spec.size,
        slots: spec.slots,
        data_offset: spec.data_offset(),
        data_size: spec.size,
        events: 0,
        resync: CLEAN,
        bitmap: None,
        clustered: matches!(spec.bitmap, Has::Clustered(_)),
        number,
        roles: vec![Role::Spare; len as usize],
        recovery: None,
        bad_block_log: None,
    }
}

fn bitmap(spec: &Spec, map: &Map, random: &mut Random) -> Option<Bitmap> {
    let (version, chunk) = match spec.bitmap {
        Has::Nothing => return None,
        Has::Bits(chunk) => (4, chunk),
        Has::States(chunk) => (6, chunk),
        Has::Clustered(chunk) => (5, chunk),
    };
    let header = Header {
        version,
        uuid: UUID,
        events: 0,
        cleared: 0,
        sync_size: map.sync_size,
        state: 0,
        chunk,
        sleep: 5,
        write_behind: 0,
        reserved: if version == 6 { 8 } else { 0 },
        nodes: if version == 5 { 2 } else { 0 },
    };
    let chunks = header.chunks(map.sync_size);
    let mut marks = vec![0; chunks];
    if version == 6 {
        for mark in &mut marks {
            *mark = if random.once_in(4) {
                state::UNWRITTEN
            } else {
                state::CLEAN
            };
        }
    }
    Some(Bitmap {
        offset: spec.bitmap_offset()?,
        header,
        needed: vec![false; chunks],
        marks,
    })
}

/// Data everywhere, but where nothing was ever written: there members hold whatever they do.
fn fill(running: &mut Running<'_>, random: &mut Random) {
    let map = running.world.map;
    for cell in &map.cells {
        if running
            .bitmap
            .as_ref()
            .is_some_and(|bitmap| bitmap.is_unwritten(cell.bitmap))
        {
            continue;
        }
        let data: Vec<u64> = cell.array.iter().map(|_| random.bits()).collect();
        for at in places(cell) {
            let word = match map.has_parity() {
                true => belongs(cell, &data, at),
                false => data[0],
            };
            running.put(at, word);
        }
        for (array, word) in cell.array.iter().zip(data) {
            Arc::make_mut(&mut running.world.truth)[*array] = Truth::Is(word);
        }
    }
}

/// Writes here and there.
pub fn some_writes(map: &Map, most: u64, random: &mut Random) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::new();
    for _ in 0..1 + random.below(most) {
        let sector = random.below(map.array_size as u64) as usize;
        if writes
            .iter()
            .all(|write| !same_cell(map, write.sector, sector))
        {
            writes.push(Write {
                sector,
                word: random.bits(),
            });
        }
    }
    writes
}

/// Two sectors of one row share their parity: what a torn write leaves of both hangs together.
fn same_cell(map: &Map, a: usize, b: usize) -> bool {
    map.cell_of[a].0 == map.cell_of[b].0
}

/// Lets the history happen; the disks it leaves, and those that are away.
pub fn live<'m>(
    spec: &Spec,
    history: &History,
    map: &'m Map,
    random: &mut Random,
) -> (World<'m>, Vec<usize>) {
    let mut running = born(spec, history, map, random);
    running.write(&some_writes(map, 3, random));
    if random.once_in(2) {
        running.idle();
    }
    let mut away = Vec::new();
    if history.away != Away::Nobody {
        let slot = random.below(u64::from(spec.slots)) as usize;
        away.extend(running.members[slot].map(|member| member.disk));
        running.idle();
        running.fail(slot);
        running.write(&some_writes(map, 4, random));
        if history.away == Away::Former {
            running.add(disks(spec, history) as usize - 1);
            running.settle();
            // Without these the kernel would take the former member back by its marks (kernel.md trap 10).
            running.write(&some_writes(map, 4, random));
            running.idle();
        }
        if random.once_in(2) {
            running.idle();
        }
    }
    let writes = some_writes(map, 5, random);
    let mut world = match history.end {
        End::Stopped => {
            running.write(&writes);
            running.stop()
        }
        End::Writing => running.crash_writing(&writes, random),
        End::Marking => running.crash_marking(&writes, random),
        End::Committing => running.crash_committing(random),
    };
    if history.stale {
        spoil(&mut world, random);
    }
    if history.short {
        shorten(&mut world);
    }
    (world, away)
}

/// The bitmap as if kernels that know no bitmaps had run the array since.
fn spoil(world: &mut World<'_>, random: &mut Random) {
    for disk in &mut world.disks {
        let Lying::Written(offset, copy) = &disk.bitmap else {
            continue;
        };
        let mut copy = Copy::clone(copy);
        copy.header.events -= 3;
        copy.header.cleared = copy.header.cleared.min(copy.header.events);
        for mark in &mut copy.marks {
            if copy.header.version != 6 && random.once_in(2) {
                *mark = 0;
            }
        }
        disk.bitmap = Lying::Written(*offset, Arc::new(copy));
    }
}

/// The size in the bitmaps is less than it should be.
fn shorten(world: &mut World<'_>) {
    for disk in &mut world.disks {
        if let Lying::Written(_, copy) = &mut disk.bitmap {
            Arc::make_mut(copy).header.sync_size = world.map.sync_size / 2;
        }
    }
}
