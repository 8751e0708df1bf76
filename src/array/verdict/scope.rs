//! What would be resynchronised: which chunks, and how many bytes that is.

use super::reload::LoadModel;
use super::state_runs::StateRuns;
use crate::bitmap::{Bitmap, BitmapError, Counts, Runs};
use crate::format::coverage::Coverage;
use crate::units::ChunkIndex;
use std::ops::Range;

/// What assembling the array would resynchronise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Cannot be told, or the array does not start.
    Unknown,
    /// Nothing.
    Nothing,
    /// All chunks from `first` on, whatever the bits say.
    AllFrom {
        /// First chunk.
        first: ChunkIndex,
        /// What the chunks cover.
        coverage: Coverage,
    },
    /// The chunks from `first` on whose bit is set.
    SetFrom {
        /// First chunk.
        first: ChunkIndex,
        /// What the chunks cover.
        coverage: Coverage,
    },
    /// Version 6: the chunks that need sync after loading.
    States(States),
}

/// How a version 6 bitmap is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States {
    /// What loading does.
    pub model: LoadModel,
    /// The unit of writing in bytes: the array's logical block.
    pub unit_bytes: usize,
    /// What the chunks cover.
    pub coverage: Coverage,
}

impl Scope {
    /// What the chunks of [`Scope::runs`] cover; `None` where there are none.
    pub fn coverage(&self) -> Option<Coverage> {
        match self {
            Scope::Unknown | Scope::Nothing => None,
            Scope::AllFrom { coverage, .. } | Scope::SetFrom { coverage, .. } => Some(*coverage),
            Scope::States(states) => Some(states.coverage),
        }
    }

    /// The chunks of this scope in `bitmap`: maximal runs, in order, read as they are asked for,
    /// so that memory does not grow with the bitmap. Chunks whose bits or states lie past the end
    /// of the store are part of it. `None` where they cannot be told.
    ///
    /// # Errors
    /// [`BitmapError`] when there are no bits to read; read errors come from the iterator, which
    /// ends after the first.
    pub fn runs<'a>(&self, bitmap: &Bitmap<'a>) -> Result<Option<ScopeRuns<'a>>, BitmapError> {
        let source = match self {
            Scope::Unknown => return Ok(None),
            Scope::Nothing => Source::Fixed(None),
            Scope::AllFrom { first, coverage } => {
                let end = ChunkIndex(coverage.chunks());
                Source::Fixed((*first < end).then_some(*first..end))
            }
            Scope::SetFrom { first, coverage } => {
                let counted = bitmap.clone().with_sync_size(coverage.sync_size());
                Source::Set {
                    first: *first,
                    runs: counted.runs()?,
                }
            }
            Scope::States(states) => Source::States(StateRuns::new(*states, bitmap)),
        };
        Ok(Some(ScopeRuns(source)))
    }

    /// The bytes of this scope in `bitmap`, read from its store unless `counts` suffice.
    /// `None` where they cannot be told.
    ///
    /// # Errors
    /// [`BitmapError`] when the bitmap has to be read and cannot be.
    pub fn measure(
        &self,
        bitmap: &Bitmap<'_>,
        counts: Option<&Counts>,
    ) -> Result<Option<u128>, BitmapError> {
        if let Some(bytes) = counts.and_then(|counts| self.by_counts(counts)) {
            return Ok(Some(bytes));
        }
        let Some(runs) = self.runs(bitmap)? else {
            return Ok(None);
        };
        let mut sum = 0;
        for run in runs {
            let run = run?;
            let bytes = self.coverage().map(|coverage| coverage.bytes_of(&run));
            sum += bytes.map_or(0, |bytes| bytes.end.saturating_sub(bytes.start));
        }
        Ok(Some(sum))
    }

    /// The bytes of this scope where the number of dirty chunks alone gives them.
    fn by_counts(&self, counts: &Counts) -> Option<u128> {
        let counts = (self.coverage() == Some(counts.coverage)).then_some(counts)?;
        match self {
            Scope::SetFrom {
                first: ChunkIndex(0),
                ..
            } => Some(counts.dirty_bytes()),
            // Nothing to spread, nothing to sync; a stale bitmap has to be looked at.
            Scope::States(states) if counts.dirty == 0 && !states.model.rewrites_clean() => Some(0),
            _ => None,
        }
    }
}

/// Iterator of [`Scope::runs`].
#[derive(Debug)]
pub struct ScopeRuns<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    /// At most one run, whatever the bitmap holds.
    Fixed(Option<Range<ChunkIndex>>),
    /// Those of the bitmap, from a chunk on.
    Set { first: ChunkIndex, runs: Runs<'a> },
    /// What loading the states makes of them.
    States(StateRuns<'a>),
}

impl Iterator for ScopeRuns<'_> {
    type Item = Result<Range<ChunkIndex>, BitmapError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Fixed(run) => run.take().map(Ok),
            Source::Set { first, runs } => loop {
                match runs.next()? {
                    Ok(run) if run.end <= *first => {}
                    Ok(run) => return Some(Ok(run.start.max(*first)..run.end)),
                    Err(error) => return Some(Err(error)),
                }
            },
            Source::States(runs) => runs.next(),
        }
    }
}

impl std::iter::FusedIterator for ScopeRuns<'_> {}
