//! Mirrors and raid10: the device's copy against another one.

use super::reading::{Failed, Request};
use super::{Comparer, Side, different_sectors, held};
use crate::array::geometry::Held;
use crate::device::StoreError;
use crate::format::level::Level;
use crate::units::Sectors;
use std::io;
use std::ops::Range;

/// Sectors of the device and where their other copy is.
struct Pair {
    /// Where the device's copy lies in its buffer.
    own: Range<usize>,
    /// The other side.
    other: usize,
    /// Where its copy lies in its buffer.
    copy: Range<usize>,
    /// The first of these sectors, as the bitmap counts.
    bitmap: u64,
}

impl<'a> Comparer<'a> {
    /// As [`Comparer::differing`], against the first copy that can be read.
    pub(super) fn by_copies(&mut self, range: Range<Sectors>) -> Result<Vec<Sectors>, StoreError> {
        let mut sides: Vec<Side<'a>> = vec![self.device];
        sides.extend(&self.others);
        let mut failed = vec![false; sides.len()];
        let mut last_error = None;
        loop {
            let mut requests = vec![Request::default(); sides.len()];
            let Some(pairs) = self.pairs(&range, &sides, &failed, &mut requests) else {
                return Err(last_error.unwrap_or_else(|| self.no_copy(&range)));
            };
            match self.reader.read(&sides, &requests) {
                Ok(()) => return Ok(self.different(&pairs)),
                Err(Failed { side: 0, error }) => return Err(error),
                Err(Failed { side, error }) => {
                    last_error = Some(error);
                    if let Some(failed) = failed.get_mut(side) {
                        *failed = true;
                    }
                }
            }
        }
    }

    fn no_copy(&self, range: &Range<Sectors>) -> StoreError {
        let at = |sectors: Sectors| sectors.to_bytes().map_or(u64::MAX, |bytes| bytes.0);
        StoreError::Read {
            device: "the other members".to_owned(),
            start: at(range.start),
            end: at(range.end),
            source: io::Error::new(io::ErrorKind::NotFound, "none at hand has a copy of these"),
        }
    }

    /// What has to be read, and what compared; `None` where some sector has no other copy.
    fn pairs(
        &self,
        range: &Range<Sectors>,
        sides: &[Side<'_>],
        failed: &[bool],
        requests: &mut [Request],
    ) -> Option<Vec<Pair>> {
        let usable = |side: &usize| failed.get(*side) == Some(&false);
        let mut pairs = Vec::new();
        let mut pair = |own: Range<u64>, other: usize, copy: u64, bitmap: u64| {
            let copy = copy..copy.saturating_add(own.end - own.start);
            let own = requests.first_mut()?.add(own);
            let copy = requests.get_mut(other)?.add(copy);
            pairs.push(Pair {
                own,
                other,
                copy,
                bitmap,
            });
            Some(())
        };
        if self.geometry.level() == Level::Raid1 {
            let range = range.start.0..range.end.min(self.geometry.sync_size()).0;
            let other = (1..sides.len()).find(usable)?;
            if range.start < range.end {
                pair(range.clone(), other, range.start, range.start)?;
            }
            return Some(pairs);
        }
        let slot = self.device.slot;
        let chunk = self.geometry.raid_chunk().0.max(1);
        for copy in 0..self.geometry.copies() {
            for piece in self.geometry.member_pieces(slot, copy, range.clone()) {
                let (mut at, end) = (piece.start.0, piece.end.0);
                while at < end {
                    let stop = (at / chunk)
                        .saturating_add(1)
                        .saturating_mul(chunk)
                        .min(end);
                    let Held::Data { array, .. } = held(&self.geometry, slot, at) else {
                        return None;
                    };
                    let (other, place) = self.other_copy(array, sides, &usable)?;
                    pair(at..stop, other, place, array.0)?;
                    at = stop;
                }
            }
        }
        Some(pairs)
    }

    /// Another copy of a sector of the array, on a side that can be read: that side, its sector.
    fn other_copy(
        &self,
        array: Sectors,
        sides: &[Side<'_>],
        usable: &dyn Fn(&usize) -> bool,
    ) -> Option<(usize, u64)> {
        let located = self.geometry.locate(array)?;
        located.copies.iter().find_map(|place| {
            let other = (1..sides.len()).filter(usable).find(|side| {
                let side = sides.get(*side);
                side.is_some_and(|side| side.slot == place.slot && side.slot != self.device.slot)
            })?;
            Some((other, place.sector.0))
        })
    }

    fn different(&self, pairs: &[Pair]) -> Vec<Sectors> {
        let mut found = Vec::new();
        for pair in pairs {
            let own = self.reader.data(0, pair.own.clone());
            let copy = self.reader.data(pair.other, pair.copy.clone());
            found.extend(
                different_sectors(own, copy)
                    .map(|sector| Sectors(pair.bitmap.saturating_add(sector))),
            );
        }
        found
    }
}
