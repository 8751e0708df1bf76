//! What a started array makes of the bitmap that it reads.

use super::judge::Case;
use super::outcome::{BitLoad, Load, StateLoad};
use super::reload::{LoadAction, LoadModel};
use super::scope::{Scope, States};
use crate::array::member::MetadataVersion;
use crate::format::bitmap_rules::{Consequence, Rule};
use crate::format::coverage::Coverage;
use crate::format::level::Level;
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};

/// What a bitmap that the kernel reads leads to.
pub(super) enum Effect {
    /// Cannot be told.
    Unknown,
    /// The bits decide nothing.
    Apart(Scope),
    /// The bits decide.
    Loaded(Load),
}

impl Case<'_> {
    /// What a started array that uses this bitmap makes of it.
    pub(super) fn effect(&self) -> (Effect, String) {
        if self.array().reshaping {
            return (
                Effect::Unknown,
                "an unfinished reshape goes on instead of a resync".to_owned(),
            );
        }
        let violates = |rule| {
            self.violations
                .iter()
                .any(|violation| violation.rule == rule)
        };
        if violates(Rule::Cluster) {
            return (
                Effect::Unknown,
                "in a cluster each node resynchronises what its own slot marks".to_owned(),
            );
        }
        // Where the resync goes on; `None` when there is none.
        let offset = self.array().resync_offset;
        let offset = offset.filter(|_| !self.is_forced_clean());
        match self.raw.is_lockless() {
            true => self.lockless_effect(offset.is_none()),
            false => self.classic_effect(offset),
        }
    }

    /// A mirror with a single good member has nothing to copy from or to: the kernel declares
    /// it resynchronised (reference/kernel.md 7.1).
    fn is_forced_clean(&self) -> bool {
        let members = u64::from(self.array().raid_disks);
        self.array().level == Level::Raid1 && members.saturating_sub(self.assembly.degraded()) == 1
    }

    fn clean_why(&self) -> String {
        if self.array().metadata == MetadataVersion::DmRaid {
            // dm-raid stores how far the resync got, never that writes were under way.
            "the volume's resync is recorded as done: set bits lapse without a resync".to_owned()
        } else if self.array().is_clean() {
            match self.resumes_at_offset() {
                true => "the array is marked clean: set bits lapse without a resync",
                false => {
                    "the array is marked clean; set bits are kept for the member that is missing"
                }
            }
            .to_owned()
        } else {
            "a mirror with one good member has nothing to resynchronise".to_owned()
        }
    }

    /// True when the bits are not to be believed.
    fn is_stale(&self) -> bool {
        !self
            .violations
            .iter()
            .all(|violation| violation.consequence.keeps_bits())
    }

    /// True when set bits count from the array's resync offset on; otherwise, in a degraded array
    /// that was written to since bits were cleared, all of them do (reference/kernel.md 3.7).
    /// A stale bitmap gets the array's events as events_cleared before this is looked at.
    fn resumes_at_offset(&self) -> bool {
        let cleared_now = self.is_stale() || self.raw.events_cleared == self.assembly.events().0;
        self.assembly.degraded() == 0 || cleared_now
    }

    /// Versions 3 to 5 (reference/kernel.md 3.7).
    fn classic_effect(&self, offset: Option<Sectors>) -> (Effect, String) {
        let Some(coverage) = self.coverage() else {
            return (
                Effect::Unknown,
                "the bitmap has no usable chunk size".to_owned(),
            );
        };
        let first_needed = match (self.resumes_at_offset(), offset) {
            (false, _) => ChunkIndex(0),
            (true, Some(offset)) => first_needed(offset, coverage),
            (true, None) => ChunkIndex(coverage.chunks()),
        };
        let load = BitLoad {
            first_needed,
            resyncs: offset.is_some(),
            stale: self.is_stale(),
            all: offset.is_some() && self.assembly.recovers_in_full(),
            coverage,
        };
        let why = match offset {
            None => self.clean_why(),
            Some(offset) => unclean_why(&load, offset),
        };
        (Effect::Loaded(Load::Bits(load)), why)
    }

    /// What the kernel takes the bits to cover: the array's size where it is known.
    fn coverage(&self) -> Option<Coverage> {
        let coverage = self.raw.coverage()?;
        Some(
            self.size
                .as_ref()
                .map_or(coverage, |size| coverage.with_sync_size(*size)),
        )
    }

    /// All chunks, of any size where the bitmap gives none.
    fn everything(&self) -> Effect {
        let size = self.size.clone().unwrap_or(self.raw.sync_size());
        let coverage = self.coverage().or_else(|| Coverage::new(size, 65536));
        coverage.map_or(Effect::Unknown, |coverage| {
            Effect::Apart(Scope::AllFrom {
                first: ChunkIndex(0),
                coverage,
            })
        })
    }

    /// Version 6 (reference/kernel.md 6.3, 6.6).
    fn lockless_effect(&self, clean: bool) -> (Effect, String) {
        let has = |consequence| {
            self.violations
                .iter()
                .any(|violation| violation.consequence == consequence)
        };
        let degraded = self.assembly.degraded() > 0;
        if has(Consequence::ActsAsAbsent) {
            return match clean {
                true => (
                    Effect::Apart(Scope::Nothing),
                    "the array is marked clean and its bitmap is out of use".to_owned(),
                ),
                false => (
                    self.everything(),
                    "the array is not marked clean and its bitmap is out of use: everything"
                        .to_owned(),
                ),
            };
        }
        if has(Consequence::Initialises) {
            return (
                Effect::Apart(Scope::Nothing),
                "the kernel makes a new bitmap, in which no chunk needs sync".to_owned(),
            );
        }
        let Some(coverage) = self.coverage() else {
            return (
                Effect::Unknown,
                "the bitmap has no usable chunk size".to_owned(),
            );
        };
        let stale = has(Consequence::TreatsAllAsDirty);
        let model = LoadModel {
            action: if stale {
                LoadAction::Stale
            } else {
                LoadAction::Reload
            },
            degraded,
            parity: self.array().level.has_parity(),
        };
        let unit_bytes = usize::try_from(self.array().logical_block_bytes).unwrap_or(512);
        let resyncs = !(degraded && clean);
        let why = if !resyncs {
            "the array is degraded: chunks that need sync wait for the missing member"
        } else if stale {
            "the bitmap is stale: every chunk that was ever written to"
        } else {
            "every chunk that needs sync once the bitmap is loaded: dirty ones, and those that share a block of states with two of them"
        };
        let states = States {
            model,
            unit_bytes,
            coverage,
        };
        let load = StateLoad { states, resyncs };
        (Effect::Loaded(Load::States(load)), why.to_owned())
    }
}

/// Why so much of an array that is not marked clean is resynchronised.
fn unclean_why(load: &BitLoad, offset: Sectors) -> String {
    let from = if load.first_needed.0 > 0 {
        format!(", from sector {offset} on, where the last resync stopped")
    } else {
        String::new()
    };
    if load.all {
        return "the array is not marked clean and a member has to be recovered in full: every chunk"
            .to_owned();
    }
    match load.stale {
        true => format!(
            "the array is not marked clean and the bitmap is not to be believed: every chunk{from}"
        ),
        false => format!("the array is not marked clean: every chunk whose bit is set{from}"),
    }
}

/// The first chunk whose end is not before `start` (reference/kernel.md 3.7).
fn first_needed(start: Sectors, coverage: Coverage) -> ChunkIndex {
    let chunk_sectors = (coverage.chunk_bytes() / SECTOR_BYTES).max(1);
    ChunkIndex(
        start
            .0
            .div_ceil(chunk_sectors)
            .saturating_sub(1)
            .min(coverage.chunks()),
    )
}
