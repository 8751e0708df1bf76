//! Which chunks are equal on all members.

use crate::array::compare::{Agreement, Side};
use crate::array::membership::Standing;
use crate::bitmap::ChunkSet;
use crate::change::stopped::too_many;
use crate::change::{PlanError, StoppedArray};
use crate::format::coverage::Coverage;
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// Chunks, by what reading them showed.
pub(super) struct Judged {
    /// All members agree.
    pub agree: ChunkSet,
    /// They do not.
    pub differ: ChunkSet,
    /// A member could not be read.
    pub unreadable: ChunkSet,
    /// What was said of the first that could not.
    pub error: Option<String>,
}

impl Judged {
    /// Before anything was read.
    pub fn nothing(coverage: Coverage) -> Result<Judged, PlanError> {
        let empty = || ChunkSet::empty(coverage.chunks()).map_err(|error| too_many(&error));
        Ok(Judged {
            agree: empty()?,
            differ: empty()?,
            unreadable: empty()?,
            error: None,
        })
    }
}

/// Reads chunks of an array in which no slot is open.
pub(super) fn judge(
    array: &StoppedArray<'_>,
    coverage: Coverage,
    chunks: &ChunkSet,
) -> Result<Judged, PlanError> {
    let sides = array.current().filter_map(|place| {
        let device = array.devices.get(place)?;
        match device.standing {
            Standing::Current { slot } => Some(Side {
                slot,
                store: device.store,
                data_offset: device.member().data_offset,
            }),
            _ => None,
        }
    });
    let agreement = Agreement::new(array.geometry.clone(), sides.collect())
        .map_err(|error| PlanError::refuse("cannot-compare", error.to_string()))?;
    let mut walk = Walk {
        agreement,
        coverage,
        judged: Judged::nothing(coverage)?,
    };
    for run in chunks.runs() {
        walk.run(&run);
    }
    let mut judged = walk.judged;
    judged.differ.remove_all(&judged.unreadable);
    judged.agree = chunks.clone();
    judged.agree.remove_all(&judged.differ);
    judged.agree.remove_all(&judged.unreadable);
    Ok(judged)
}

struct Walk<'a> {
    agreement: Agreement<'a>,
    coverage: Coverage,
    judged: Judged,
}

impl Walk<'_> {
    /// Reads a run of chunks, window by window.
    fn run(&mut self, chunks: &Range<ChunkIndex>) {
        let sectors = self.sectors_of(chunks);
        let (mut at, end) = (sectors.start, sectors.end);
        let window = self.agreement.window().0;
        while at < end {
            let stop = (at / window + 1).saturating_mul(window).min(end);
            self.window(at..stop);
            at = stop.max(self.settled_up_to(stop)).min(end);
        }
    }

    fn window(&mut self, sectors: Range<u64>) {
        match self.differing(&sectors) {
            Ok(()) => {}
            // Only the chunks that cannot be read are lost, not their neighbours.
            Err(_) => {
                let of = |sector: u64| self.chunk_of(sector).0;
                for chunk in of(sectors.start)..=of(sectors.end.saturating_sub(1)) {
                    let run = ChunkIndex(chunk)..ChunkIndex(chunk.saturating_add(1));
                    let own = self.sectors_of(&run);
                    let part = own.start.max(sectors.start)..own.end.min(sectors.end);
                    if let Err(error) = self.differing(&part) {
                        self.judged.unreadable.set(&run, true);
                        self.judged.error.get_or_insert(error);
                    }
                }
            }
        }
    }

    fn differing(&mut self, sectors: &Range<u64>) -> Result<(), String> {
        let range = Sectors(sectors.start)..Sectors(sectors.end);
        let found = self.agreement.differing(range);
        for sector in found.map_err(|error| error.to_string())? {
            let chunk = self.chunk_of(sector.0);
            let run = chunk..ChunkIndex(chunk.0.saturating_add(1));
            self.judged.differ.set(&run, true);
        }
        Ok(())
    }

    /// The end of the chunk that goes on behind `sector`, if it is decided already.
    fn settled_up_to(&self, sector: u64) -> u64 {
        let chunk = self.chunk_of(sector.saturating_sub(1));
        let settled = self.judged.differ.contains(chunk) || self.judged.unreadable.contains(chunk);
        match settled {
            true => {
                self.sectors_of(&(chunk..ChunkIndex(chunk.0.saturating_add(1))))
                    .end
            }
            false => sector,
        }
    }

    fn chunk_of(&self, sector: u64) -> ChunkIndex {
        let bytes = u128::from(sector) * u128::from(SECTOR_BYTES);
        let chunk = bytes / u128::from(self.coverage.chunk_bytes());
        ChunkIndex(u64::try_from(chunk).unwrap_or(u64::MAX))
    }

    fn sectors_of(&self, chunks: &Range<ChunkIndex>) -> Range<u64> {
        let bytes = self.coverage.bytes_of(chunks);
        let sector = u128::from(SECTOR_BYTES);
        let narrow = |sectors: u128| u64::try_from(sectors).unwrap_or(u64::MAX);
        narrow(bytes.start / sector)..narrow(bytes.end.div_ceil(sector))
    }
}
