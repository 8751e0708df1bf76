//! The bitmaps of the members in sync, asked about one chunk at a time.

use super::{Chunk, ChunkState, Mapping};
use crate::array::FoundSuper;
use crate::array::verdict::{self, Assembly, Reason};
use crate::bitmap::{Bitmap, BitmapError};
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::collections::BTreeSet;

/// The bitmaps of all members in sync; those of the others say nothing about the array.
pub(super) struct Bitmaps<'a> {
    /// Every copy, and of a clustered bitmap every slot.
    copies: Vec<Copy<'a>>,
    /// Why the kernel would not believe one of them; empty when it would believe all.
    pub(super) reasons: Vec<Reason>,
    /// What could not be read, each once.
    pub(super) unreadable: BTreeSet<String>,
}

/// The slots of one member's bitmap: one, or those of a cluster.
type Copy<'a> = Vec<Bitmap<'a>>;

impl<'a> Bitmaps<'a> {
    pub(super) fn of(mapping: &'a Mapping) -> Bitmaps<'a> {
        let mut bitmaps = Bitmaps {
            copies: Vec::new(),
            reasons: Vec::new(),
            unreadable: BTreeSet::new(),
        };
        let contradictions = mapping.contradictions.iter();
        (bitmaps.reasons).extend(contradictions.map(|text| Reason::new("contradiction", text)));
        let supers: Vec<&FoundSuper> = mapping.devices.iter().map(|d| &d.found).collect();
        for device in &mapping.devices {
            let announced = device.given.found.as_ref().is_some_and(|f| f.announced);
            if !device.standing.is_current() || !announced {
                continue;
            }
            match device.given.bitmap() {
                Ok(Some(bitmap)) => {
                    let assembly = Assembly::new(&device.found, supers.iter().copied());
                    let available = bitmap.store().len().checked_sub(bitmap.start());
                    let assessment = verdict::assess(&assembly, bitmap.raw(), available);
                    if !assessment.trusted && bitmaps.reasons.is_empty() {
                        bitmaps.reasons = assessment.reasons;
                        // Not trusted, whatever the reason.
                        if bitmaps.reasons.is_empty() {
                            bitmaps
                                .reasons
                                .push(Reason::new("not-trusted", assessment.why));
                        }
                    }
                    bitmaps.add(bitmap, mapping.geometry.sync_size());
                }
                Ok(None) => {}
                Err(error) => bitmaps.add_unreadable(&error),
            }
        }
        bitmaps
    }

    fn add(&mut self, bitmap: Bitmap<'a>, size: Sectors) {
        let mut slots = Vec::new();
        for (_, slot) in bitmap.slots() {
            match slot {
                Ok(slot) => slots.push(slot.with_sync_size(size)),
                Err(error) => {
                    self.unreadable.insert(error.to_string());
                }
            }
        }
        self.copies.push(slots);
    }

    fn add_unreadable(&mut self, error: &BitmapError) {
        self.copies.push(Vec::new());
        self.unreadable.insert(error.to_string());
    }

    /// Bytes of a chunk, by the first copy that has a usable size.
    pub(super) fn chunk_bytes(&self) -> Option<u64> {
        let mut all = self.copies.iter().flatten();
        all.find_map(|bitmap| Some(bitmap.coverage()?.chunk_bytes()))
    }

    /// How many sectors, from `sector` on, are in one chunk of every copy.
    pub(super) fn run_from(&self, sector: Sectors) -> u64 {
        let left = |bitmap: &Bitmap<'_>| {
            let chunk = bitmap.coverage()?.chunk_bytes();
            let next = (sector.bytes_wide() / u128::from(chunk) + 1) * u128::from(chunk);
            let sectors = next.div_ceil(u128::from(SECTOR_BYTES)) - u128::from(sector.0);
            u64::try_from(sectors).ok()
        };
        let all = self.copies.iter().flatten().filter_map(left);
        all.min().unwrap_or(u64::MAX).max(1)
    }

    /// The chunk that covers a sector, as the bitmap counts; `None` without a bitmap.
    pub(super) fn chunk_at(&mut self, sector: Sectors) -> Option<Chunk> {
        let chunk_bytes = u128::from(self.chunk_bytes()?);
        let index = u64::try_from(sector.bytes_wide() / chunk_bytes).ok()?;
        let (mut dirty, mut clean, mut unknown) = (false, false, false);
        for copy in &self.copies {
            match is_dirty(copy, sector) {
                Ok(true) => dirty = true,
                Ok(false) => clean = true,
                Err(error) => {
                    unknown = true;
                    self.unreadable.extend(error.map(|error| error.to_string()));
                }
            }
        }
        let state = match (dirty, clean, unknown) {
            (true, false, false) => ChunkState::Dirty,
            (true, ..) => ChunkState::DirtyOnSome,
            (false, _, true) | (false, false, false) => ChunkState::Unknown,
            (false, true, false) if !self.reasons.is_empty() => ChunkState::Untrusted,
            (false, true, false) => ChunkState::Clean,
        };
        Some(Chunk {
            index: ChunkIndex(index),
            state,
        })
    }
}

/// Whether any slot of a copy marks the chunk of `sector`. A copy without a slot that could be
/// opened has said why already.
fn is_dirty(copy: &[Bitmap<'_>], sector: Sectors) -> Result<bool, Option<BitmapError>> {
    let mut failed = copy.is_empty().then_some(None);
    for bitmap in copy {
        let chunk_bytes = bitmap.coverage().map_or(SECTOR_BYTES, |c| c.chunk_bytes());
        let chunk = sector.bytes_wide() / u128::from(chunk_bytes.max(1));
        let chunk = ChunkIndex(u64::try_from(chunk).unwrap_or(u64::MAX));
        match bitmap.is_marked(chunk) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => failed = Some(Some(error)),
        }
    }
    failed.map_or(Ok(false), Err)
}
