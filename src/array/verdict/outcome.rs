//! What becomes of each chunk when the kernel loads the bitmap.
//!
//! Versions 3 to 5 by reference/kernel.md 3.7, version 6 by 6.2, 6.4 and 6.6.

use super::reload::NEED_SYNC;
use super::scope::{Scope, States};
use super::state_runs::StateWindows;
use crate::bitmap::{Bitmap, BitmapError, Counts};
use crate::format::coverage::Coverage;
use crate::format::lockless::{ChunkState, StateCounts};
use crate::units::ChunkIndex;

/// What becomes of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not marked: nothing happens.
    Clean,
    /// Resynchronised. While a slot has no member in sync its mark stays even so.
    Resynced,
    /// Marked, but an interrupted resync had been past it: its mark lapses.
    Checkpointed,
    /// Stays marked, and is not resynchronised before the missing member is back.
    Kept,
    /// Marked, and the mark lapses without a resync.
    Lapses,
    /// Version 6: holds no data, so no resync looks at it.
    Unwritten,
}

/// How many chunks have each [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// [`Outcome::Clean`].
    pub clean: u64,
    /// [`Outcome::Resynced`].
    pub resynced: u64,
    /// [`Outcome::Checkpointed`].
    pub checkpointed: u64,
    /// [`Outcome::Kept`].
    pub kept: u64,
    /// [`Outcome::Lapses`].
    pub lapsing: u64,
    /// [`Outcome::Unwritten`].
    pub unwritten: u64,
}

impl Outcomes {
    /// Adds `count` chunks with `outcome`.
    pub fn add(&mut self, outcome: Outcome, count: u64) {
        let sum = match outcome {
            Outcome::Clean => &mut self.clean,
            Outcome::Resynced => &mut self.resynced,
            Outcome::Checkpointed => &mut self.checkpointed,
            Outcome::Kept => &mut self.kept,
            Outcome::Lapses => &mut self.lapsing,
            Outcome::Unwritten => &mut self.unwritten,
        };
        *sum = sum.saturating_add(count);
    }
}

/// How the kernel loads a bitmap that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Versions 3 to 5.
    Bits(BitLoad),
    /// Version 6.
    States(StateLoad),
}

/// Loading bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitLoad {
    /// The first chunk whose bit demands a resync; those before it lapse.
    pub first_needed: ChunkIndex,
    /// A resync follows: the array is not marked clean.
    pub resyncs: bool,
    /// Every bit is taken to be set.
    pub stale: bool,
    /// The resync goes by no bits: a member has to be recovered in full, and mirrors then resynchronise
    /// everything, from the start (seen on 7.x; raid1 and raid10 call it `fullsync`).
    pub all: bool,
    /// What the chunks cover.
    pub coverage: Coverage,
}

impl BitLoad {
    /// What becomes of `chunk`, whose bit is `set` or not.
    pub fn outcome(&self, chunk: ChunkIndex, set: bool) -> Outcome {
        let needed = self.all || chunk >= self.first_needed;
        match (set || self.stale || self.all, needed, self.resyncs) {
            (false, _, _) => Outcome::Clean,
            (true, true, true) => Outcome::Resynced,
            (true, true, false) => Outcome::Kept,
            (true, false, true) => Outcome::Checkpointed,
            (true, false, false) => Outcome::Lapses,
        }
    }

    fn tally(&self, bitmap: &Bitmap<'_>, counts: Option<&Counts>) -> Result<Outcomes, BitmapError> {
        let chunks = self.coverage.chunks();
        let first = self.first_needed.0.min(chunks);
        let (before, after) = match counts {
            _ if self.stale || self.all => (0, 0),
            Some(counts) if counts.coverage == self.coverage && first == 0 => (0, counts.dirty),
            Some(counts) if counts.coverage == self.coverage && first == chunks => {
                (counts.dirty, 0)
            }
            _ => self.count_around(first, bitmap)?,
        };
        let mut outcomes = Outcomes::default();
        let parts = [
            (ChunkIndex(0), first, before),
            (self.first_needed, chunks - first, after),
        ];
        for (chunk, chunks, set) in parts.into_iter().filter(|(_, chunks, _)| *chunks > 0) {
            outcomes.add(self.outcome(chunk, true), set);
            outcomes.add(self.outcome(chunk, false), chunks.saturating_sub(set));
        }
        Ok(outcomes)
    }

    /// Set bits before chunk `first`, and from there on.
    fn count_around(&self, first: u64, bitmap: &Bitmap<'_>) -> Result<(u64, u64), BitmapError> {
        let (mut before, mut after) = (0, 0);
        let counted = bitmap.clone().with_sync_size(self.coverage.sync_size());
        for run in counted.runs()? {
            let run = run?;
            before += run.end.0.min(first).saturating_sub(run.start.0);
            after += run.end.0.saturating_sub(run.start.0.max(first));
        }
        Ok((before, after))
    }
}

/// Loading states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLoad {
    /// How each unit is loaded.
    pub states: States,
    /// What needs sync is resynchronised at once; a degraded array that is clean waits.
    pub resyncs: bool,
}

impl StateLoad {
    /// What becomes of a chunk that has `state` once the bitmap is loaded.
    pub fn outcome(&self, state: ChunkState) -> Outcome {
        match state {
            ChunkState::NeedSync if self.resyncs => Outcome::Resynced,
            ChunkState::NeedSync => Outcome::Kept,
            ChunkState::Clean => Outcome::Clean,
            ChunkState::Unwritten | ChunkState::CleanUnwritten => Outcome::Unwritten,
            // Loading leaves none of the others but dirty, which the kernel cleans later.
            _ => Outcome::Lapses,
        }
    }

    fn tally(&self, bitmap: &Bitmap<'_>, counts: Option<&Counts>) -> Result<Outcomes, BitmapError> {
        let loaded = match counts.and_then(|counts| self.unchanged(counts)) {
            Some(states) => states,
            None => {
                let mut windows = StateWindows::new(self.states, bitmap);
                let mut states = StateCounts::default();
                while let Some(window) = windows.next()? {
                    states.add(&StateCounts::of(window.states));
                }
                states.need_sync += windows.missing();
                states
            }
        };
        let mut outcomes = Outcomes {
            clean: loaded.clean,
            lapsing: loaded.dirty + loaded.syncing + loaded.unknown,
            unwritten: loaded.unwritten + loaded.clean_unwritten,
            ..Outcomes::default()
        };
        outcomes.add(self.outcome(ChunkState::NeedSync), loaded.need_sync);
        Ok(outcomes)
    }

    /// The counts after loading, where loading changes nothing but unfinished work on chunks that
    /// hold no data.
    fn unchanged(&self, counts: &Counts) -> Option<StateCounts> {
        let calm = counts.coverage == self.states.coverage
            && counts.dirty == 0
            && !self.states.model.rewrites_clean();
        let mut states = counts.states.filter(|_| calm)?;
        states.unwritten += states.need_sync_unwritten + states.syncing_unwritten;
        (states.need_sync_unwritten, states.syncing_unwritten) = (0, 0);
        Some(states)
    }
}

/// One chunk, looked at closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkFate {
    /// What becomes of it.
    pub outcome: Outcome,
    /// Version 6: its state on disk and once it is loaded. `None` where its state lies past the end
    /// of the device.
    pub states: Option<(ChunkState, ChunkState)>,
}

impl Load {
    /// What the chunks cover.
    pub fn coverage(&self) -> Coverage {
        match self {
            Load::Bits(bits) => bits.coverage,
            Load::States(states) => states.states.coverage,
        }
    }

    /// What is resynchronised.
    pub fn scope(&self) -> Scope {
        match *self {
            Load::Bits(BitLoad { resyncs: false, .. })
            | Load::States(StateLoad { resyncs: false, .. }) => Scope::Nothing,
            Load::Bits(bits) => {
                let first = if bits.all {
                    ChunkIndex(0)
                } else {
                    bits.first_needed
                };
                let coverage = bits.coverage;
                match bits.stale || bits.all {
                    true => Scope::AllFrom { first, coverage },
                    false => Scope::SetFrom { first, coverage },
                }
            }
            Load::States(states) => Scope::States(states.states),
        }
    }

    /// How many chunks of `bitmap` have each outcome; read in one pass, with bounded memory, unless
    /// `counts`, which must be those of this very bitmap, suffice.
    ///
    /// # Errors
    /// [`BitmapError`] when the bitmap has to be read and cannot be.
    pub fn tally(
        &self,
        bitmap: &Bitmap<'_>,
        counts: Option<&Counts>,
    ) -> Result<Outcomes, BitmapError> {
        match self {
            Load::Bits(bits) => bits.tally(bitmap, counts),
            Load::States(states) => states.tally(bitmap, counts),
        }
    }

    /// What becomes of one chunk of `bitmap`; `None` past its end.
    ///
    /// # Errors
    /// [`BitmapError`] when its bit or state cannot be read.
    pub fn fate(
        &self,
        bitmap: &Bitmap<'_>,
        chunk: ChunkIndex,
    ) -> Result<Option<ChunkFate>, BitmapError> {
        if chunk.0 >= self.coverage().chunks() {
            return Ok(None);
        }
        Ok(Some(match self {
            Load::Bits(bits) => {
                let counted = bitmap.clone().with_sync_size(bits.coverage.sync_size());
                ChunkFate {
                    outcome: bits.outcome(chunk, counted.is_marked(chunk)?),
                    states: None,
                }
            }
            Load::States(states) => {
                let pair = StateWindows::chunk(states.states, bitmap, chunk)?;
                let after = pair.map_or(ChunkState::NeedSync, |(_, after)| after);
                ChunkFate {
                    outcome: states.outcome(after),
                    states: pair,
                }
            }
        }))
    }
}

/// True for the state that a resync goes by.
pub(super) fn needs_sync(state: u8) -> bool {
    state == NEED_SYNC
}
