//! What the kernel did with a case, against what was predicted.

use crate::cases::found;
use crate::marks::{self, BLOCK};
use mdbitmap::array::geometry::{Geometry, Held, Parity, Place};
use mdbitmap::format::level::Level;
use mdbitmap::units::Sectors;
use serde_json::Value;
use std::ops::Range;

/// What was found of a case.
pub struct Found<'a> {
    pub number: u64,
    /// What the guest wrote about it.
    pub report: &'a str,
    /// The members given, as they lie on disk now.
    pub images: &'a [Vec<u8>],
}

/// Every way in which the prediction was wrong.
pub fn disagreements(found: &Found<'_>, expected: &Value) -> Vec<String> {
    let started = found.report.lines().any(|line| line == "started yes");
    let predicted = expected["starts"] == true;
    // mdadm 4.2 divides by the chunk size of a bitmap before it looks at it.
    if !started && found.report.contains("Floating point exception") {
        return Vec::new();
    }
    if started != predicted {
        let word = |yes| if yes { "starts" } else { "does not start" };
        return vec![format!(
            "the array {}, predicted was that it {}",
            word(started),
            word(predicted)
        )];
    }
    if !started {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let stale = found.report.contains("bitmap file is out of date");
    let names = expected["reasons"].to_string();
    // Of a version 6 bitmap that says itself that it is stale the kernel says nothing.
    let lockless = expected["version"] == 6;
    let predicted = names.contains("\"events-stale\"") || names.contains("\"stale\"") && !lockless;
    // Thousands of unknown states fill the kernel's log, and what came first is lost.
    let flooded = found.report.matches("forcing resync").count() > 500;
    if stale != predicted && !flooded {
        wrong.push(format!(
            "the kernel called the bitmap stale: {stale}, predicted: {predicted}"
        ));
    }
    match Members::new(found, expected) {
        Ok(members) => wrong.extend(members.disagreements(expected)),
        Err(error) => wrong.push(error),
    }
    wrong
}

/// A recovery that was predicted.
struct Recovered {
    member: usize,
    from: u64,
    runs: Vec<Range<u64>>,
}

/// What becomes of a piece of a member or of the array.
struct Members<'a> {
    found: &'a Found<'a>,
    geometry: Geometry,
    /// Byte of each image at which its data starts.
    starts: Vec<usize>,
    /// Which image fills each slot in sync.
    in_sync: Vec<Option<usize>>,
    /// Which images are being recovered, and their slots.
    recovering: Vec<(usize, u32)>,
}

impl<'a> Members<'a> {
    fn new(case: &'a Found<'a>, expected: &Value) -> Result<Members<'a>, String> {
        let supers: Vec<_> = case
            .images
            .iter()
            .map(|image| found(image).member)
            .collect();
        let standings = expected["standings"].as_array().ok_or("no standings")?;
        let slot_of =
            |standing: &Value, kind: &str| standing[kind].as_u64().map(|slot| slot as u32);
        let first = standings
            .iter()
            .position(|standing| slot_of(standing, "current").is_some());
        let first = first.ok_or("no member in sync")?;
        let geometry = Geometry::of(&supers[first]).map_err(|error| error.to_string())?;
        let mut in_sync = vec![None; geometry.raid_disks() as usize];
        let mut recovering = Vec::new();
        for (member, standing) in standings.iter().enumerate() {
            if let Some(slot) = slot_of(standing, "current") {
                in_sync[slot as usize] = Some(member);
            }
        }
        for recovery in expected["recoveries"].as_array().into_iter().flatten() {
            let number = |key: &str| recovery[key].as_u64();
            if let (Some(member), Some(slot)) = (number("member"), number("slot")) {
                recovering.push((member as usize, slot as u32));
            }
        }
        Ok(Members {
            found: case,
            geometry,
            starts: supers
                .iter()
                .map(|member| member.data_offset.0 as usize * 512)
                .collect(),
            in_sync,
            recovering,
        })
    }

    fn disagreements(&self, expected: &Value) -> Vec<String> {
        let Some(resync) = sectors(&expected["resync"]) else {
            return Vec::new();
        };
        let mut wrong = Wrong::default();
        let recovered = self.recovered(expected);
        for start in (0..self.geometry.sync_size().0).step_by(8) {
            let block = start..(start + 8).min(self.geometry.sync_size().0);
            let wanted =
                overlaps(&resync, &block) && !self.lies_before_checkpoint(&block, expected);
            // A recovery of raid6 mends the parity that can still be checked on other members too.
            let mended = self.geometry.level() == Level::Raid6
                && recovered
                    .iter()
                    .any(|recovery| overlaps(&recovery.runs, &block));
            match (wanted, self.is_resynced(&block), self.is_untouched(&block)) {
                (true, false, _) => wrong.add("to be resynchronised, but members differ", start),
                (false, _, false) if !mended => {
                    wrong.add("not to be resynchronised, but written to", start);
                }
                _ => {}
            }
        }
        for recovery in &recovered {
            for start in (0..self.geometry.member_size().0).step_by(8) {
                let block = start..(start + 8).min(self.geometry.member_size().0);
                // It goes on at a sector, in the middle of a block as well.
                let before = block.end <= recovery.from;
                if !before && block.start < recovery.from {
                    continue;
                }
                let bytes = self.bytes(recovery.member, &block);
                let at = start as usize * 512;
                let (case, member) = (self.found.number, recovery.member);
                // A resync may have come before.
                let resynced = overlaps(&resync, &block);
                match !before && overlaps(&recovery.runs, &block) {
                    true if !marks::is_all_changed(bytes, at, case, member) => {
                        wrong.add("to be recovered, but as it was", start);
                    }
                    false if !resynced && !marks::is_untouched(bytes, at, case, member) => {
                        wrong.add("not to be recovered, but written to", start);
                    }
                    _ => {}
                }
            }
        }
        wrong.told()
    }

    /// The recoveries whose chunks are known.
    fn recovered(&self, expected: &Value) -> Vec<Recovered> {
        let all = expected["recoveries"].as_array().into_iter().flatten();
        let known = all.filter_map(|one| {
            Some(Recovered {
                member: one["member"].as_u64()? as usize,
                from: one["from"].as_u64()?,
                runs: sectors(&one["runs"])?,
            })
        });
        known.collect()
    }

    /// With parity, md leaves out what of the first chunk lies before the checkpoint: whole blocks of 4 KiB.
    fn lies_before_checkpoint(&self, block: &Range<u64>, expected: &Value) -> bool {
        let checkpoint = expected["checkpoint"].as_u64().unwrap_or(0);
        self.geometry.level().has_parity() && block.start < checkpoint
    }

    fn bytes(&self, member: usize, block: &Range<u64>) -> &[u8] {
        let from = self.starts[member];
        &self.found.images[member]
            [from + block.start as usize * 512..from + block.end as usize * 512]
    }

    /// The places that hold the block, of members in sync.
    fn places(&self, block: &Range<u64>) -> Vec<(usize, Range<u64>)> {
        let len = block.end - block.start;
        let places: Vec<Place> = match self.geometry.level() {
            Level::Raid10 => match self.geometry.locate(Sectors(block.start)) {
                Some(located) => located.copies,
                None => Vec::new(),
            },
            _ => (0..self.in_sync.len() as u32)
                .map(|slot| Place {
                    slot,
                    sector: Sectors(block.start),
                })
                .collect(),
        };
        let held = places.into_iter().filter_map(|place| {
            let member = self.in_sync[place.slot as usize]?;
            Some((member, place.sector.0..place.sector.0 + len))
        });
        held.collect()
    }

    fn is_untouched(&self, block: &Range<u64>) -> bool {
        let places = self.places(block);
        places.iter().all(|(member, sectors)| {
            let at = sectors.start as usize * 512;
            marks::is_untouched(self.bytes(*member, sectors), at, self.found.number, *member)
        })
    }

    fn is_resynced(&self, block: &Range<u64>) -> bool {
        let places = self.places(block);
        let pieces: Vec<&[u8]> = places
            .iter()
            .map(|(member, sectors)| self.bytes(*member, sectors))
            .collect();
        match self.geometry.level() {
            Level::Raid1 | Level::Raid10 => pieces.windows(2).all(|pair| pair[0] == pair[1]),
            _ => self.parity_holds(block),
        }
    }

    /// The exclusive or of everything but Q is zero, and Q is what it has to be.
    fn parity_holds(&self, block: &Range<u64>) -> bool {
        let len = (block.end - block.start) as usize * 512;
        let (mut p, mut q, mut found_q) = (vec![0; len], vec![0; len], None);
        for (slot, member) in self.members() {
            let bytes = self.bytes(member, block);
            let place = Place {
                slot,
                sector: Sectors(block.start),
            };
            match self.geometry.held_at(place) {
                Held::Parity {
                    which: Parity::Q, ..
                } => {
                    found_q = Some(bytes);
                    continue;
                }
                Held::Parity { .. } => {}
                _ => {
                    let exponent = self
                        .geometry
                        .q_exponent(self.stripe(block), slot)
                        .unwrap_or(0);
                    for (sum, byte) in q.iter_mut().zip(bytes) {
                        *sum ^= (0..exponent).fold(*byte, |byte, _| {
                            byte << 1 ^ if byte & 0x80 != 0 { 0x1d } else { 0 }
                        });
                    }
                }
            }
            for (sum, byte) in p.iter_mut().zip(bytes) {
                *sum ^= byte;
            }
        }
        let q_holds = found_q.is_none_or(|found| found == q);
        p.iter().all(|byte| *byte == 0) && q_holds
    }

    /// All members by slot; of a slot that is being recovered too.
    fn members(&self) -> impl Iterator<Item = (u32, usize)> {
        (0..).zip(&self.in_sync).filter_map(|(slot, member)| {
            let recovering = self
                .recovering
                .iter()
                .find(|(_, of)| *of == slot)
                .map(|(member, _)| *member);
            Some((slot, member.or(recovering)?))
        })
    }

    fn stripe(&self, block: &Range<u64>) -> u64 {
        block.start / self.geometry.raid_chunk().0.max(1)
    }
}

/// Blocks of 4 KiB that are not as predicted, by what is wrong with them.
#[derive(Default)]
struct Wrong(Vec<(&'static str, Vec<u64>)>);

impl Wrong {
    fn add(&mut self, what: &'static str, start: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, blocks)) => blocks.push(start),
            None => self.0.push((what, vec![start])),
        }
    }

    fn told(self) -> Vec<String> {
        let tell = |(what, blocks): (&str, Vec<u64>)| {
            let first: Vec<String> = blocks.iter().take(12).map(ToString::to_string).collect();
            format!(
                "{} blocks of {BLOCK} bytes {what}: sectors {}",
                blocks.len(),
                first.join(" ")
            )
        };
        self.0.into_iter().map(tell).collect()
    }
}

/// Ranges of sectors, widened to whole blocks: md copies no less.
fn sectors(runs: &Value) -> Option<Vec<Range<u64>>> {
    let pair = |run: &Value| Some(run[0].as_u64()? / 8 * 8..run[1].as_u64()?.next_multiple_of(8));
    runs.as_array()?.iter().map(pair).collect()
}

fn overlaps(runs: &[Range<u64>], block: &Range<u64>) -> bool {
    let next = runs.partition_point(|run| run.end <= block.start);
    runs.get(next).is_some_and(|run| run.start < block.end)
}
