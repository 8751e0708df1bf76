//! What would be resynchronised, and how many bytes that is.

use super::reload::LoadModel;
use crate::bitmap::{Bitmap, BitmapError, Counts};
use crate::device::Store;
use crate::format::bitmap_super::STATES_OFFSET;
use crate::format::coverage::Coverage;
use crate::units::{Bytes, ChunkIndex, Sectors};
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
    /// Everything; the bitmap has no usable chunk size.
    All {
        /// Sectors of the whole.
        size: Sectors,
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

/// Bytes read at a time; a multiple of every unit.
const WINDOW: usize = 1 << 20;

impl Scope {
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
        Ok(Some(match self {
            Scope::Unknown => return Ok(None),
            Scope::Nothing => 0,
            Scope::All { size } => size.bytes_wide(),
            Scope::AllFrom { first, coverage } => all_from(*first, *coverage),
            Scope::SetFrom { first, coverage } => {
                let usable = counts.filter(|counts| first.0 == 0 && counts.coverage == *coverage);
                match usable {
                    Some(counts) => counts.dirty_bytes(),
                    None => set_from(*first, *coverage, bitmap)?,
                }
            }
            Scope::States(states) => {
                let calm =
                    counts.filter(|counts| counts.coverage == states.coverage && counts.dirty == 0);
                match calm {
                    // Nothing to spread, nothing to sync; a stale bitmap has to be looked at.
                    Some(_) if !states.model.rewrites_clean() => 0,
                    _ => states.measure(bitmap.store(), bitmap.start())?,
                }
            }
        }))
    }
}

fn all_from(first: ChunkIndex, coverage: Coverage) -> u128 {
    let bytes = coverage.bytes_of(&(first..ChunkIndex(coverage.chunks())));
    bytes.end.saturating_sub(bytes.start)
}

fn set_from(
    first: ChunkIndex,
    coverage: Coverage,
    bitmap: &Bitmap<'_>,
) -> Result<u128, BitmapError> {
    let mut sum = 0;
    for run in bitmap.clone().with_sync_size(coverage.sync_size()).runs()? {
        let run = run?;
        let bytes = coverage.bytes_of(&(run.start.max(first)..run.end));
        sum += bytes.end.saturating_sub(bytes.start);
    }
    Ok(sum)
}

impl States {
    /// Loads all states as the kernel would and adds up what needs sync. States past the end of
    /// the store need sync.
    fn measure(&self, store: &dyn Store, start: Bytes) -> Result<u128, BitmapError> {
        let unit_bytes = self.unit_bytes.clamp(512, 4096);
        let chunks = self.coverage.chunks();
        let end = STATES_OFFSET.saturating_add(chunks);
        // Whole units: what lies behind the last chunk takes part in the spreading.
        let there = store.len().0.saturating_sub(start.0);
        let present = there.min(
            end.div_ceil(unit_bytes as u64)
                .saturating_mul(unit_bytes as u64),
        );
        let missing = end.saturating_sub(present).min(chunks);
        let (mut need_sync, mut last) = (missing, missing > 0);
        let mut buffer = vec![0; WINDOW.min(usize::try_from(present).unwrap_or(WINDOW))];
        let mut position = 0;
        while position < present {
            let len = usize::try_from(present - position)
                .unwrap_or(WINDOW)
                .min(WINDOW);
            let Some(window) = buffer.get_mut(..len) else {
                break;
            };
            store.read_at(Bytes(start.0.saturating_add(position)), window)?;
            for unit in window.chunks_mut(unit_bytes) {
                let inside = states_in(position, unit.len(), end);
                position += unit.len() as u64;
                let (count, last_of_unit) = self.model.load_unit(unit, inside);
                need_sync = need_sync.saturating_add(count);
                last = last_of_unit || missing > 0;
            }
        }
        Ok(self.coverage.dirty_bytes(need_sync, last))
    }
}

/// Which bytes of the unit at `position` are states: those behind the header and before `end`.
fn states_in(position: u64, len: usize, end: u64) -> Range<usize> {
    let at = |byte: u64| {
        usize::try_from(byte.saturating_sub(position))
            .unwrap_or(len)
            .min(len)
    };
    at(STATES_OFFSET)..at(end)
}
