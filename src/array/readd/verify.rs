//! Compares the chunks that the bitmap takes for equal: all of them, or a sample (design.md W9).

use super::Compared;
use super::marks::{Believed, Marks, Union};
use super::sample::{SAMPLE, Sample};
use crate::array::compare::Comparer;
use crate::bitmap::BitmapError;
use crate::units::{ChunkIndex, Sectors};
use std::ops::Range;
use std::time::{Duration, Instant};

/// How much is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// A random sample of [`SAMPLE`] chunks.
    Sample,
    /// Every unmarked chunk; the first difference ends it.
    Full,
}

impl Extent {
    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Extent::Sample => "sample",
            Extent::Full => "full",
        }
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How much.
    pub extent: Extent,
    /// Bytes a second and device at most.
    pub limit: Option<u64>,
    /// How often, and how long, to wait for a write in flight before a difference counts: where the
    /// array may be running.
    pub patience: Option<Duration>,
    /// False when bits that are set may lapse without their chunks being copied: [`Extent::Full`]
    /// then compares marked chunks as well.
    pub settled: bool,
}

/// How far it is: bytes of bitmap range, done and in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Compared, or found unreadable.
    pub done_bytes: u128,
    /// To be compared.
    pub total_bytes: u128,
}

/// Differences and unreadable places that are listed; beyond that they are counted.
pub const LISTED: usize = 16;

/// What was compared and what was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verification {
    /// Chunks that the bitmap takes for equal.
    pub unmarked_chunks: u64,
    /// Chunks that were to be compared.
    pub chosen_chunks: u64,
    /// Chunks that were compared, and those of them that were marked meanwhile left out.
    pub compared_chunks: u64,
    /// Bytes of them, as the bitmap counts.
    pub compared_bytes: u128,
    /// Chunks that differ.
    pub differing_chunks: u64,
    /// The first of them.
    pub differing: Vec<ChunkIndex>,
    /// Chunks that differed at first and were marked when looked at again: a write was in flight.
    pub marked_meanwhile: u64,
    /// Chunks that could not be read.
    pub unreadable_chunks: u64,
    /// What was said about the first of them.
    pub unreadable: Vec<String>,
    /// Why bits that are set may lapse without their chunks being copied; `None` when they cannot.
    pub unsettled: Option<String>,
    /// Marked chunks that differ, counted only where bits may lapse.
    pub marked_differing_chunks: Option<u64>,
    /// With which probability, in percent, a difference in 1 % of the unmarked chunks would have
    /// been found.
    pub confidence_percent: f64,
}

impl Verification {
    /// What it shows; `None` when too little could be read to show anything.
    pub fn shows(&self) -> Option<Compared> {
        if self.differing_chunks > 0 {
            Some(Compared::Differs)
        } else if self.unreadable_chunks > 0 {
            None
        } else if self.chosen_chunks == self.unmarked_chunks && self.marks_hold() {
            Some(Compared::AllEqual)
        } else {
            Some(Compared::SampleEqual)
        }
    }

    /// True when no marked chunk can be left out that differs.
    fn marks_hold(&self) -> bool {
        self.unsettled.is_none() || self.marked_differing_chunks == Some(0)
    }
}

/// Compares the chunks that any of `copies` takes for equal: the kernel reads one copy, no one
/// knows which.
///
/// `retell` is told how far it is.
///
/// # Errors
/// [`BitmapError`] when the bitmaps cannot be read. Data that cannot be read is no error, but counted.
pub fn verify<'a>(
    copies: &[Marks<'a>],
    comparer: &mut Comparer<'a>,
    plan: Plan,
    retell: &mut dyn FnMut(Progress),
) -> Result<Verification, BitmapError> {
    let mut unmarked = 0;
    for run in believed(copies)? {
        let run = run?;
        unmarked += run.end.0 - run.start.0;
    }
    let sample = match plan.extent {
        Extent::Sample => Sample::choose(unmarked, SAMPLE),
        // Nothing has to be remembered where nothing is left out.
        Extent::Full => Sample::choose(0, 0),
    };
    let everything = plan.extent == Extent::Full || sample.len() == unmarked;
    let chosen = if everything { unmarked } else { sample.len() };
    let mut walk = Walk {
        copies,
        comparer,
        plan,
        retell,
        started: Instant::now(),
        read: 0,
        total: total_bytes(copies, chosen),
        done: 0,
        last_unreadable: None,
        result: Verification {
            unmarked_chunks: unmarked,
            chosen_chunks: chosen,
            confidence_percent: if everything {
                100.0
            } else {
                sample.confidence_percent()
            },
            ..Verification::default()
        },
    };
    let mut ordinal = 0;
    for run in believed(copies)? {
        let run = run?;
        let here = ordinal..ordinal + (run.end.0 - run.start.0);
        ordinal = here.end;
        if everything {
            walk.run(run.start.0..run.end.0)?;
        } else {
            for one in sample.within(here.clone()) {
                let chunk = run.start.0 + (one - here.start);
                walk.run(chunk..chunk + 1)?;
            }
        }
        if walk.is_over() {
            break;
        }
    }
    if plan.extent == Extent::Full && !plan.settled && !walk.is_over() {
        walk.result.marked_differing_chunks = Some(0);
        let copied: Result<Vec<_>, _> = copies.iter().map(Marks::copied).collect();
        for run in Union::new(copied?) {
            let run = run?;
            walk.marked_run(run.start.0..run.end.0);
        }
    }
    Ok(walk.result)
}

fn believed<'a>(copies: &[Marks<'a>]) -> Result<Union<Believed<'a>>, BitmapError> {
    let all: Result<Vec<Believed<'a>>, BitmapError> = copies.iter().map(Marks::believed).collect();
    all.map(Union::new)
}

fn total_bytes(copies: &[Marks<'_>], chunks: u64) -> u128 {
    let coverage = copies.first().map(Marks::coverage);
    coverage.map_or(0, |coverage| {
        (u128::from(chunks) * u128::from(coverage.chunk_bytes()))
            .min(coverage.sync_size().bytes_wide())
    })
}

struct Walk<'w, 'a> {
    copies: &'w [Marks<'a>],
    comparer: &'w mut Comparer<'a>,
    plan: Plan,
    retell: &'w mut dyn FnMut(Progress),
    started: Instant,
    /// Bytes that each device has been read, for the rate.
    read: u128,
    total: u128,
    done: u128,
    /// The chunk that was last counted as unreadable.
    last_unreadable: Option<u64>,
    result: Verification,
}

/// What became of a range.
enum Outcome {
    Equal,
    Differs,
    Marked,
}

impl Walk<'_, '_> {
    fn is_over(&self) -> bool {
        self.plan.extent == Extent::Full && self.result.differing_chunks > 0
    }

    /// Compares the chunks of a run, window by window.
    fn run(&mut self, chunks: Range<u64>) -> Result<(), BitmapError> {
        let Some(coverage) = self.copies.first().map(Marks::coverage) else {
            return Ok(());
        };
        let bytes = coverage.bytes_of(&(ChunkIndex(chunks.start)..ChunkIndex(chunks.end)));
        let sector = |bytes: u128| u64::try_from(bytes / 512).unwrap_or(u64::MAX);
        let (mut at, end) = (sector(bytes.start), sector(bytes.end.next_multiple_of(512)));
        let window = self.comparer.window().0.max(1);
        let chunk_of = |sector: u64| {
            let chunk = u128::from(sector) * 512 / u128::from(coverage.chunk_bytes());
            u64::try_from(chunk).unwrap_or(u64::MAX)
        };
        let before = (self.result.unreadable_chunks, self.result.marked_meanwhile);
        // The first chunk on which nothing is decided yet.
        let mut undecided = 0;
        while at < end && !self.is_over() {
            let stop = (at / window)
                .saturating_add(1)
                .saturating_mul(window)
                .min(end);
            self.pause();
            match self.comparer.differing(Sectors(at)..Sectors(stop)) {
                Err(error) => {
                    self.unreadable(chunk_of(at)..chunk_of(stop - 1) + 1, &error.to_string())
                }
                Ok(different) => {
                    let mut looked_at = undecided;
                    for sector in different {
                        let chunk = chunk_of(sector.0);
                        if chunk < looked_at || self.is_over() {
                            continue;
                        }
                        // Once a chunk, as far as it lies in this window.
                        looked_at = chunk + 1;
                        let bytes = coverage.bytes_of(&(ChunkIndex(chunk)..ChunkIndex(chunk + 1)));
                        if self.settle(chunk, sector_range(bytes, at..stop))? {
                            undecided = chunk + 1;
                        }
                    }
                }
            }
            self.read += u128::from(stop - at) * 512;
            self.done += u128::from(stop - at) * 512;
            let (done_bytes, total_bytes) = (self.done.min(self.total), self.total);
            (self.retell)(Progress {
                done_bytes,
                total_bytes,
            });
            at = stop;
        }
        let left_out =
            self.result.unreadable_chunks - before.0 + self.result.marked_meanwhile - before.1;
        let reached = if at < end { chunk_of(at) } else { chunks.end };
        let compared = reached
            .saturating_sub(chunks.start)
            .saturating_sub(left_out);
        self.result.compared_chunks += compared;
        let reached = ChunkIndex(chunks.start)..ChunkIndex(chunks.start + compared);
        let bytes = coverage.bytes_of(&reached);
        self.result.compared_bytes += bytes.end - bytes.start;
        Ok(())
    }

    /// Counts the windows' chunks that differ in a run of marked ones; what cannot be read differs.
    fn marked_run(&mut self, chunks: Range<u64>) {
        let Some(coverage) = self.copies.first().map(Marks::coverage) else {
            return;
        };
        let window = self.comparer.window().0.max(1);
        for chunk in chunks {
            let bytes = coverage.bytes_of(&(ChunkIndex(chunk)..ChunkIndex(chunk + 1)));
            let whole = sector_range(bytes, 0..u64::MAX);
            let mut at = whole.start.0;
            while at < whole.end.0 {
                let stop = at.saturating_add(window).min(whole.end.0);
                self.pause();
                self.read += u128::from(stop - at) * 512;
                let found = self.comparer.differing(Sectors(at)..Sectors(stop));
                if !found.is_ok_and(|different| different.is_empty()) {
                    let count = &mut self.result.marked_differing_chunks;
                    *count = count.map(|count| count + 1);
                    break;
                }
                at = stop;
            }
        }
    }

    /// A chunk differs: does it still, and is it still unmarked? False when it proved equal here.
    fn settle(&mut self, chunk: u64, part: Range<Sectors>) -> Result<bool, BitmapError> {
        match self.look_again(chunk, part)? {
            Outcome::Equal => return Ok(false),
            Outcome::Marked => self.result.marked_meanwhile += 1,
            Outcome::Differs => {
                self.result.differing_chunks += 1;
                if self.result.differing.len() < LISTED {
                    self.result.differing.push(ChunkIndex(chunk));
                }
            }
        }
        Ok(true)
    }

    /// A write marks its chunk on the members before it writes data (reference/kernel.md 3.3), so a
    /// chunk that differs because of one is marked by now, or equal again soon.
    fn look_again(&mut self, chunk: u64, part: Range<Sectors>) -> Result<Outcome, BitmapError> {
        const TRIES: u32 = 5;
        for attempt in 0..TRIES {
            if !self.is_believed(chunk)? {
                return Ok(Outcome::Marked);
            }
            match self.comparer.differing(part.clone()) {
                Ok(different) if different.is_empty() => return Ok(Outcome::Equal),
                _ => {}
            }
            match self.plan.patience {
                Some(patience) if attempt + 1 < TRIES => std::thread::sleep(patience),
                Some(_) => {}
                None => break,
            }
        }
        let marked = !self.is_believed(chunk)?;
        Ok(if marked {
            Outcome::Marked
        } else {
            Outcome::Differs
        })
    }

    /// Whether some copy takes the chunk for equal now.
    fn is_believed(&self, chunk: u64) -> Result<bool, BitmapError> {
        for copy in self.copies {
            if copy.is_believed(ChunkIndex(chunk))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unreadable(&mut self, chunks: Range<u64>, message: &str) {
        let first = self.last_unreadable.map_or(0, |last| last + 1);
        self.result.unreadable_chunks += chunks.end.saturating_sub(chunks.start.max(first));
        self.last_unreadable = chunks.end.checked_sub(1);
        if self.result.unreadable.len() < LISTED {
            self.result.unreadable.push(message.to_owned());
        }
    }

    /// Keeps to the limit.
    fn pause(&self) {
        let Some(limit) = self.plan.limit.filter(|limit| *limit > 0) else {
            return;
        };
        let due = self.read as f64 / limit as f64;
        let ahead = due - self.started.elapsed().as_secs_f64();
        if ahead > 0.0 && ahead.is_finite() {
            std::thread::sleep(Duration::from_secs_f64(ahead.min(3600.0)));
        }
    }
}

/// The sectors of a byte range that lie in a window.
fn sector_range(bytes: Range<u128>, window: Range<u64>) -> Range<Sectors> {
    let sector = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
    let start = sector(bytes.start / 512).max(window.start);
    let end = sector(bytes.end.div_ceil(512)).min(window.end);
    Sectors(start)..Sectors(end.max(start))
}

#[cfg(test)]
mod tests;
