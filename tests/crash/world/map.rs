//! Where the sectors of an array lie, as tables. They come from `array::geometry`, which real kernels have confirmed
//! (tests/vm/scenarios/geometry.sh); nothing else of that room is used.

use super::galois;
use mdbitmap::array::geometry::{Geometry, Held, Parity, Place};
use mdbitmap::units::Sectors;
use std::ops::Range;

/// A sector of a member: slot, and sectors from the start of its data.
pub type At = (usize, usize);

/// What belongs together: the copies of a sector of the array, or a row of sectors with its parity.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The sector, as the bitmap counts.
    pub bitmap: u64,
    /// Where data is. Of a mirror: the copies of one sector, the one that a resync copies from first; of parity: the
    /// data of a row, one sector of the array each.
    pub data: Vec<At>,
    /// The sectors of the array that `data` holds: one, or one each.
    pub array: Vec<usize>,
    pub p: Option<At>,
    pub q: Option<At>,
    /// Of each of `data`: by what it is multiplied in Q.
    pub factors: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Map {
    pub level: i32,
    pub slots: usize,
    /// Sectors that the bitmap counts.
    pub sync_size: u64,
    /// Sectors used of each member.
    pub member_size: usize,
    pub array_size: usize,
    pub cells: Vec<Cell>,
    /// The cell of each sector of the array, and which of its data it is.
    pub cell_of: Vec<(usize, usize)>,
    /// What the bitmap marks before a sector of the array is written: with parity, a whole row of RAID chunks.
    pub marked: Vec<Range<u64>>,
}

impl Map {
    pub fn new(level: i32, geometry: &Geometry) -> Map {
        let mut map = Map {
            level,
            slots: geometry.raid_disks() as usize,
            sync_size: geometry.sync_size().0,
            member_size: geometry.member_size().0 as usize,
            array_size: geometry.array_size().0 as usize,
            cells: Vec::new(),
            cell_of: Vec::new(),
            marked: (0..geometry.array_size().0)
                .map(|at| geometry.bitmap_of_write(Sectors(at)..Sectors(at + 1)))
                .map(|range| range.start.0..range.end.0)
                .collect(),
        };
        map.cells = match map.has_parity() {
            true => (0..geometry.member_size().0)
                .map(|sector| row(geometry, sector))
                .collect(),
            false => (0..geometry.array_size().0)
                .map(|sector| copies(geometry, sector))
                .collect(),
        };
        map.cell_of = vec![(usize::MAX, 0); map.array_size];
        for (number, cell) in map.cells.iter().enumerate() {
            for (index, sector) in cell.array.iter().enumerate() {
                map.cell_of[*sector] = (number, index);
            }
        }
        assert!(map.cell_of.iter().all(|(cell, _)| *cell != usize::MAX));
        map
    }

    pub fn has_parity(&self) -> bool {
        matches!(self.level, 4..=6)
    }

    /// Slots that may be without a member, whichever they are; of raid10 see [`Map::is_enough`].
    fn spared(&self) -> usize {
        match self.level {
            1 => self.slots - 1,
            4 | 5 => 1,
            6 => 2,
            _ => self.slots,
        }
    }

    /// Whether the array can work with the slots for which `has` holds.
    pub fn is_enough(&self, has: impl Fn(usize) -> bool) -> bool {
        let lacking = (0..self.slots).filter(|slot| !has(*slot)).count();
        if self.level == 10 {
            return self
                .cells
                .iter()
                .all(|cell| cell.data.iter().any(|(slot, _)| has(*slot)));
        }
        lacking <= self.spared()
    }
}

/// The copies of a sector. The kernel's order is that of `Located`: raid1 by slot, raid10 near copy 0, its far
/// copies, near copy 1 and so on.
fn copies(geometry: &Geometry, sector: u64) -> Cell {
    let located = geometry.locate(Sectors(sector)).unwrap();
    let at = |place: &Place| (place.slot as usize, place.sector.0 as usize);
    Cell {
        bitmap: located.bitmap.0,
        data: located.copies.iter().map(at).collect(),
        array: vec![sector as usize],
        p: None,
        q: None,
        factors: Vec::new(),
    }
}

fn row(geometry: &Geometry, sector: u64) -> Cell {
    let mut cell = Cell {
        bitmap: sector,
        data: Vec::new(),
        array: Vec::new(),
        p: None,
        q: None,
        factors: Vec::new(),
    };
    for slot in 0..geometry.raid_disks() {
        let place = Place {
            slot,
            sector: Sectors(sector),
        };
        let at = (slot as usize, sector as usize);
        match geometry.held_at(place) {
            Held::Data { array, .. } => {
                let stripe = geometry.locate(array).unwrap().stripe;
                let exponent = geometry.q_exponent(stripe, slot).unwrap_or(0);
                cell.data.push(at);
                cell.array.push(array.0 as usize);
                cell.factors.push(galois::power(exponent));
            }
            Held::Parity {
                which: Parity::P, ..
            } => cell.p = Some(at),
            Held::Parity {
                which: Parity::Q, ..
            } => cell.q = Some(at),
            Held::Unused => panic!("a row holds something on every member"),
        }
    }
    cell
}
