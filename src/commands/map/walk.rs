//! From questions to answers: a stretch at a time, so that memory does not grow with a range.

use super::answer::{Answer, Outcome, Role, Spot};
use super::bitmaps::Bitmaps;
use super::{Device, Mapping};
use crate::array::geometry::{Held, Place};
use crate::array::layout::{Area, Content};
use crate::format::level::Level;
use crate::units::{SECTOR_BYTES, Sectors};
use std::ops::Range;
use std::vec::IntoIter;

/// The answers of a [`Mapping`].
pub struct Answers<'a> {
    mapping: &'a Mapping,
    bitmaps: Bitmaps<'a>,
    questions: IntoIter<Range<Sectors>>,
    /// What is left of the question being answered.
    left: Option<Range<Sectors>>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(mapping: &'a Mapping, questions: Vec<Range<Sectors>>) -> Self {
        Answers {
            mapping,
            bitmaps: Bitmaps::of(mapping),
            questions: questions.into_iter(),
            left: None,
        }
    }

    /// What could not be read so far, a sentence each.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.bitmaps.unreadable.iter().map(String::as_str)
    }

    /// The answer about a stretch from `asked.start` on.
    fn answer(&mut self, asked: Range<Sectors>) -> Answer {
        let mapping = self.mapping;
        let (outcome, length) = match &mapping.of {
            None => self.of_array(asked.start),
            Some((index, areas)) => match mapping.devices.get(*index) {
                Some(device) => self.of_device(device, areas, asked.start),
                None => (Outcome::NoSlot, u64::MAX),
            },
        };
        let end = Sectors(asked.start.0.saturating_add(length.max(1)));
        Answer {
            asked: asked.start..end.min(asked.end),
            outcome,
        }
    }

    /// What a sector of the array is kept in, and for how many sectors that is so.
    fn of_array(&mut self, sector: Sectors) -> (Outcome, u64) {
        let end = self.mapping.geometry.array_size();
        match self.data(sector, None) {
            Some((outcome, length)) => (outcome, length.min(end.0 - sector.0)),
            None => (Outcome::Outside { end }, u64::MAX),
        }
    }

    /// The outcome for data; `None` behind the end of the array.
    fn data(&mut self, array: Sectors, copy: Option<u32>) -> Option<(Outcome, u64)> {
        let geometry = &self.mapping.geometry;
        let located = geometry.locate(array)?;
        let copies = (0..).zip(&located.copies);
        let mut spots: Vec<Spot> = copies
            .map(|(copy, place)| self.spot(Role::Copy(copy), *place))
            .collect();
        let parity = located.parity.iter();
        spots.extend(parity.map(|(which, place)| self.spot(Role::Parity(*which), *place)));
        let outcome = Outcome::Data {
            array,
            copy,
            stripe: (geometry.level() != Level::Raid1).then_some(located.stripe),
            chunk: self.bitmaps.chunk_at(located.bitmap),
            spots,
        };
        Some((outcome, self.run(located.bitmap)))
    }

    /// How many sectors from one on, as the bitmap counts, lie in one RAID chunk and one chunk of
    /// the bitmap.
    fn run(&self, bitmap: Sectors) -> u64 {
        let geometry = &self.mapping.geometry;
        let in_raid_chunk = match (geometry.level(), geometry.raid_chunk().0) {
            (Level::Raid1, _) | (_, 0) => u64::MAX,
            (_, chunk) => chunk - bitmap.0 % chunk,
        };
        in_raid_chunk.min(self.bitmaps.run_from(bitmap))
    }

    fn spot(&self, role: Role, place: Place) -> Spot {
        let index = usize::try_from(place.slot).ok();
        let device = index.and_then(|index| *self.mapping.by_slot.get(index)?);
        let lba = device
            .and_then(|device| self.mapping.devices.get(device))
            .and_then(|device| device.member().data_offset.checked_add(place.sector));
        Spot {
            role,
            slot: place.slot,
            sector: place.sector,
            device,
            lba,
        }
    }

    /// What lies at a sector of a device, counted from its start, and for how many sectors that is so.
    fn of_device(&mut self, device: &Device, areas: &[Area], lba: Sectors) -> (Outcome, u64) {
        if device.data_is_elsewhere() {
            // Sectors of the data device, whose length nobody knows: behind the data it is unused.
            let start = device.member().data_offset;
            return match lba.checked_sub(start) {
                Some(sector) => self.of_data(device, sector),
                None => {
                    let content = Content::Gap;
                    (Outcome::Area { content, into: lba }, start.0 - lba.0)
                }
            };
        }
        let end = device.member().device_bytes.sectors_ceil();
        if lba >= end {
            return (Outcome::Outside { end }, u64::MAX);
        }
        let Some(area) = area_at(areas, lba) else {
            let (content, into) = (Content::Gap, Sectors(0));
            return (Outcome::Area { content, into }, 1);
        };
        let into = Sectors(lba.0 - (area.range.start / SECTOR_BYTES).min(lba.0));
        let length = edge_behind(areas, lba).min(end.0) - lba.0;
        if area.content != Content::Data {
            let content = area.content;
            return (Outcome::Area { content, into }, length);
        }
        let (outcome, run) = self.of_data(device, into);
        (outcome, run.min(length))
    }

    /// What a sector of a member's data holds.
    fn of_data(&mut self, device: &Device, sector: Sectors) -> (Outcome, u64) {
        let Some(slot) = device.slot() else {
            return (Outcome::NoSlot, u64::MAX);
        };
        let geometry = &self.mapping.geometry;
        let place = Place { slot, sector };
        let nothing = (Outcome::Unused { sector }, u64::MAX);
        match geometry.held_at(place) {
            Held::Data { array, copy } => self.data(array, Some(copy)).unwrap_or(nothing),
            Held::Parity { which, stripe } => {
                let covers = geometry
                    .covered_by_parity(place)
                    .into_iter()
                    .filter_map(|array| {
                        let copy = geometry.locate(array)?.copies.first().copied()?;
                        Some((array, self.spot(Role::Copy(0), copy)))
                    })
                    .collect();
                let chunk = self.bitmaps.chunk_at(sector);
                let outcome = Outcome::Parity {
                    which,
                    stripe,
                    chunk,
                    covers,
                };
                (outcome, self.run(sector))
            }
            Held::Unused if sector < geometry.member_size() => {
                let chunk = geometry.raid_chunk().0.max(1);
                (nothing.0, chunk - sector.0 % chunk)
            }
            Held::Unused => nothing,
        }
    }
}

/// The area that `lba` lies in: where several do, what is metadata and not data, the smallest.
fn area_at(areas: &[Area], lba: Sectors) -> Option<&Area> {
    let holds = |area: &&Area| sectors_of(area).contains(&lba.0);
    areas.iter().filter(holds).min_by_key(|area| {
        let is_data = area.content == Content::Data;
        (is_data, area.range.end - area.range.start)
    })
}

/// The whole and partial sectors of an area.
fn sectors_of(area: &Area) -> Range<u64> {
    area.range.start / SECTOR_BYTES..area.range.end.div_ceil(SECTOR_BYTES)
}

/// The first sector behind `lba` at which an area begins or ends.
fn edge_behind(areas: &[Area], lba: Sectors) -> u64 {
    let edges = areas.iter().map(sectors_of);
    let edges = edges.flat_map(|sectors| [sectors.start, sectors.end]);
    let behind = edges.filter(|edge| *edge > lba.0);
    behind.min().unwrap_or(u64::MAX)
}

impl Iterator for Answers<'_> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        let left = loop {
            match self.left.take() {
                Some(left) if left.start < left.end => break left,
                _ => self.left = Some(self.questions.next()?),
            }
        };
        let answer = self.answer(left.clone());
        self.left = Some(answer.asked.end..left.end);
        Some(answer)
    }
}
