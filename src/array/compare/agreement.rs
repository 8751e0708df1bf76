//! Whether all members of an array agree: every copy with every other one, every row with its parity.

use super::parity::{rows, sum};
use super::reading::{Reader, Request};
use super::{CannotCompare, Side, different_sectors, window};
use crate::array::geometry::{Geometry, Parity};
use crate::device::StoreError;
use crate::format::level::Level;
use crate::units::Sectors;
use std::ops::Range;

/// Compares all members of an array with each other.
#[derive(Debug)]
pub struct Agreement<'a> {
    geometry: Geometry,
    sides: Vec<Side<'a>>,
    reader: Reader,
    /// Sectors that are read at a time, as the bitmap counts.
    window: u64,
}

impl<'a> Agreement<'a> {
    /// Compares `sides`, the members of all slots, in any order.
    ///
    /// # Errors
    /// [`CannotCompare::NotAll`]: what is not read cannot be said to agree.
    pub fn new(geometry: Geometry, sides: Vec<Side<'a>>) -> Result<Agreement<'a>, CannotCompare> {
        let at_hand = |slot: &u32| sides.iter().any(|side| side.slot == *slot);
        if let Some(slot) = (0..geometry.raid_disks()).find(|slot| !at_hand(slot)) {
            let level = geometry.level();
            return Err(CannotCompare::NotAll { level, slot });
        }
        Ok(Agreement {
            window: window(&geometry, sides.len() as u64),
            geometry,
            sides,
            reader: Reader::default(),
        })
    }

    /// Sectors, as the bitmap counts, that one call of [`Agreement::differing`] may be asked for.
    pub fn window(&self) -> Sectors {
        Sectors(self.window.max(1))
    }

    /// The sectors of a range of at most one window, as the bitmap counts, in which members differ: ascending.
    ///
    /// # Errors
    /// The read error when a member cannot be read there.
    pub fn differing(&mut self, range: Range<Sectors>) -> Result<Vec<Sectors>, StoreError> {
        let range = range.start.0..range.end.min(self.geometry.sync_size()).0;
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let mut found = match self.geometry.level() {
            Level::Raid10 => self.by_copies(range),
            level if level.has_parity() => self.by_parity(range),
            _ => self.by_mirrors(range),
        }?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Reads the same sectors of all members.
    fn read_all(&mut self, range: &Range<u64>) -> Result<Range<usize>, StoreError> {
        let mut requests = vec![Request::default(); self.sides.len()];
        let mut bytes = 0..0;
        for request in &mut requests {
            bytes = request.add(range.clone());
        }
        self.read(&requests).map(|()| bytes)
    }

    fn read(&mut self, requests: &[Request]) -> Result<(), StoreError> {
        let read = self.reader.read(&self.sides, requests);
        read.map_err(|failed| failed.error)
    }

    fn by_mirrors(&mut self, range: Range<u64>) -> Result<Vec<Sectors>, StoreError> {
        let bytes = self.read_all(&range)?;
        let first = self.reader.data(0, bytes.clone());
        let mut found = Vec::new();
        for side in 1..self.sides.len() {
            let different = different_sectors(first, self.reader.data(side, bytes.clone()));
            found.extend(different.map(|sector| Sectors(range.start + sector)));
        }
        Ok(found)
    }

    fn by_parity(&mut self, range: Range<u64>) -> Result<Vec<Sectors>, StoreError> {
        self.read_all(&range)?;
        let slots: Vec<u32> = self.sides.iter().map(|side| side.slot).collect();
        let parities: &[Parity] = match self.geometry.level() {
            Level::Raid6 => &[Parity::P, Parity::Q],
            _ => &[Parity::P],
        };
        let mut found = Vec::new();
        for part in rows(&self.geometry, range) {
            for which in parities {
                let sum = sum(&self.geometry, &self.reader, &slots, &part, *which);
                found.extend(part.not_zero(&sum));
            }
        }
        Ok(found)
    }

    fn by_copies(&mut self, range: Range<u64>) -> Result<Vec<Sectors>, StoreError> {
        let chunk = self.geometry.raid_chunk().0.max(1);
        let mut requests = vec![Request::default(); self.sides.len()];
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let stop = (at / chunk + 1).saturating_mul(chunk).min(range.end);
            let located = self.geometry.locate(Sectors(at));
            let copies = located.map_or_else(Vec::new, |located| located.copies);
            let copies = copies.iter().filter_map(|place| {
                let side = self.sides.iter().position(|side| side.slot == place.slot)?;
                let sectors = place.sector.0..place.sector.0.saturating_add(stop - at);
                Some((side, requests.get_mut(side)?.add(sectors)))
            });
            pieces.push(Piece {
                first: at,
                copies: copies.collect(),
            });
            at = stop;
        }
        self.read(&requests)?;
        let mut found = Vec::new();
        for piece in &pieces {
            let mut copies = piece.copies.iter();
            let Some((side, bytes)) = copies.next() else {
                continue;
            };
            let first = self.reader.data(*side, bytes.clone());
            for (side, bytes) in copies {
                let different = different_sectors(first, self.reader.data(*side, bytes.clone()));
                found.extend(different.map(|sector| Sectors(piece.first + sector)));
            }
        }
        Ok(found)
    }
}

/// Sectors of a raid10 that lie in one RAID chunk.
struct Piece {
    /// The first of them.
    first: u64,
    /// Where its copies are: a side, and bytes of what is read of it.
    copies: Vec<(usize, Range<usize>)>,
}
