//! The kernel's decisions when it assembles an array with a bitmap.

use super::assembly::Assembly;
use super::reload::{LoadAction, LoadModel};
use super::scope::{Scope, States};
use super::{Reason, Verdict};
use crate::array::member::{MemberSuper, MetadataVersion, Role};
use crate::array::overlap;
use crate::array::sync_size::{self, SizeError};
use crate::format::bitmap_rules::{self, Consequence, Context, Place, Rule, Violation};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::coverage::Coverage;
use crate::format::level::Level;
use crate::format::md_v1::feature;
use crate::format::super_check::Check;
use crate::units::{Bytes, ChunkIndex, SECTOR_BYTES, Sectors};

/// A [`Verdict`] whose bytes have still to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// See [`Verdict::trusted`].
    pub trusted: bool,
    /// See [`Verdict::starts`].
    pub starts: bool,
    /// See [`Verdict::reasons`].
    pub reasons: Vec<Reason>,
    /// See [`Verdict::notes`].
    pub notes: Vec<Reason>,
    /// What would be resynchronised.
    pub scope: Scope,
    /// Why that.
    pub why: String,
}

impl Assessment {
    /// The verdict, once the scope was measured.
    pub fn conclude(self, resync_bytes: Option<u128>) -> Verdict {
        Verdict {
            trusted: self.trusted,
            starts: self.starts,
            reasons: self.reasons,
            notes: self.notes,
            resync_bytes: resync_bytes.map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX)),
            resync_why: self.why,
        }
    }
}

/// Judges a bitmap superblock found on the member of `assembly`; `available` bytes lie between
/// its start and the end of the device.
pub fn assess(
    assembly: &Assembly<'_>,
    raw: &RawBitmapSuper,
    available: Option<Bytes>,
) -> Assessment {
    let size = sync_size::expected(&assembly.freshest().member);
    let violations = bitmap_rules::violations(raw, &context(assembly, &size, available));
    let mut case = Case {
        assembly,
        raw,
        size,
        violations,
        reasons: Vec::new(),
        notes: Vec::new(),
    };
    let starts = case.array_starts();
    let bitmap_used = case.member_is_used();
    case.weigh_bitmap();
    case.note_limits();
    let bits_kept = case
        .violations
        .iter()
        .all(|violation| violation.consequence.keeps_bits());
    let (scope, why) = if !starts {
        (Scope::Unknown, "the array does not start".to_owned())
    } else if !bitmap_used {
        (
            Scope::Unknown,
            "the kernel takes the bitmap of another member".to_owned(),
        )
    } else {
        case.scope()
    };
    Assessment {
        trusted: starts && bitmap_used && bits_kept,
        starts,
        reasons: case.reasons,
        notes: case.notes,
        scope,
        why,
    }
}

/// What the bitmap's rules are judged against.
fn context(
    assembly: &Assembly<'_>,
    size: &Result<Sectors, SizeError>,
    available: Option<Bytes>,
) -> Context {
    let own = &assembly.own().member;
    let place = own.bitmap.as_ref().ok();
    let distance = place.map(|place| {
        let bytes = i128::from(place.start.0) - i128::from(own.super_start.0);
        i64::try_from(bytes / i128::from(SECTOR_BYTES)).unwrap_or(i64::MAX)
    });
    Context {
        uuid: Some(own.array_uuid),
        events: Some(assembly.events()),
        resync_max: size.as_ref().ok().copied(),
        space: place.map(|place| place.space.unwrap_or_default()),
        default_space: Some(default_space(own.metadata)),
        offset: distance,
        place: Some(if own.metadata == MetadataVersion::DmRaid {
            Place::DmRaid
        } else {
            Place::Internal
        }),
        journal: Some(own.features & feature::JOURNAL != 0),
        available,
    }
}

/// Sectors that md assumes for a bitmap where the superblock says nothing
/// (reference/kernel.md 1.4).
fn default_space(metadata: MetadataVersion) -> Sectors {
    match metadata {
        MetadataVersion::V0_90(_) => Sectors(120),
        MetadataVersion::DmRaid => Sectors(0),
        _ => Sectors(6),
    }
}

/// One judgement in progress.
struct Case<'a> {
    assembly: &'a Assembly<'a>,
    raw: &'a RawBitmapSuper,
    size: Result<Sectors, SizeError>,
    violations: Vec<Violation>,
    reasons: Vec<Reason>,
    notes: Vec<Reason>,
}

impl Case<'_> {
    fn array(&self) -> &MemberSuper {
        &self.assembly.freshest().member
    }

    fn object(&mut self, name: &'static str, sentence: impl Into<String>) {
        self.reasons.push(Reason::new(name, sentence));
    }

    fn note(&mut self, name: &'static str, sentence: impl Into<String>) {
        self.notes.push(Reason::new(name, sentence));
    }

    /// Whether the array starts at all; every reason against it is noted.
    fn array_starts(&mut self) -> bool {
        self.check_geometry();
        self.check_members();
        let refused = self
            .violations
            .iter()
            .any(|violation| violation.consequence == Consequence::RefusesToStart);
        self.reasons.is_empty() && !refused
    }

    fn check_geometry(&mut self) {
        let refusal = self
            .size
            .as_ref()
            .err()
            .filter(|error| error.kernel_refuses())
            .map(ToString::to_string);
        if let Some(error) = refusal {
            self.object(
                "geometry",
                format!("{error}: the kernel refuses to start the array"),
            );
        }
        // Version 6 has a rule of its own.
        if self.array().features & feature::JOURNAL != 0 && !self.raw.is_lockless() {
            self.object(
                "journal",
                "the array has a write journal, with which the kernel refuses a bitmap",
            );
        }
    }

    fn check_members(&mut self) {
        let (vacant, degraded) = (self.assembly.vacant(), self.assembly.degraded());
        let (level, raid_disks) = (self.array().level, self.array().raid_disks);
        if !self.assembly.has_enough() {
            self.object(
                "not-enough-members",
                format!("{vacant} of {raid_disks} slots of this {level} are vacant: the kernel refuses to start the array"),
            );
        } else if level.has_parity() && vacant > 0 && !self.array().is_clean() {
            self.object(
                "dirty-degraded",
                format!("{degraded} of {raid_disks} members of this {level} are missing and it was not stopped cleanly: the kernel refuses to start it, since a lost block may be wrong (unless md_mod.start_dirty_degraded=1)"),
            );
        }
        let refusals = self
            .assembly
            .own()
            .refusals
            .iter()
            .filter(|failure| failure.check != Check::DeviceTooSmall);
        let refusals: Vec<String> = refusals.map(ToString::to_string).collect();
        for refusal in refusals {
            self.object(
                "member-refused",
                format!("its {refusal}: the kernel refuses this member"),
            );
        }
    }

    /// Whether the kernel would read this member's bitmap: that of a member in sync only.
    fn member_is_used(&mut self) -> bool {
        let own = &self.assembly.own().member;
        if self.assembly.is_left_out() {
            let (found, array) = (own.events, self.assembly.events());
            self.object(
                "member-out-of-date",
                format!("this member has {found} events, the freshest one at hand {array}: the kernel leaves it out and reads another member's bitmap"),
            );
            return false;
        }
        match self.assembly.own_role() {
            Role::Slot(_) if own.recovery_offset.is_some() => {
                self.object(
                    "member-recovering",
                    "this member was still being recovered: the kernel reads another member's bitmap",
                );
                false
            }
            Role::Slot(_) => true,
            role => {
                self.object(
                    "member-not-active",
                    format!("this member is {role}: the kernel reads another member's bitmap"),
                );
                false
            }
        }
    }

    /// Sorts the broken rules into reasons and notes.
    fn weigh_bitmap(&mut self) {
        for violation in &self.violations {
            let reason = Reason::new(violation.rule.name(), violation.to_string());
            if violation.consequence.keeps_bits() {
                self.notes.push(reason);
            } else {
                self.reasons.push(reason);
            }
        }
    }

    /// What this look cannot know, or what the resync would meet.
    fn note_limits(&mut self) {
        if let Some(failure) = self
            .assembly
            .own()
            .refusals
            .iter()
            .find(|failure| failure.check == Check::DeviceTooSmall)
        {
            let sentence = format!(
                "its {failure}: a truncated image, or a device that shrank; the kernel would refuse it as it is"
            );
            self.note("device-too-small", sentence);
        }
        if let Ok(place) = &self.assembly.own().member.bitmap {
            for overlap in overlap::overlaps(&self.assembly.own().member, self.raw, place.start) {
                self.note(overlap.with.overlap_name(), overlap.to_string());
            }
        }
        let vacant = self.array().vacant_slots();
        if !vacant.is_empty() {
            let slots: Vec<String> = vacant.iter().take(16).map(ToString::to_string).collect();
            let sentence = format!(
                "the array is degraded: nothing holds slot {}; bits stay set until something does",
                slots.join(", ")
            );
            self.note("degraded", sentence);
        }
        if let Err(error) = &self.size {
            let sentence = error.to_string();
            if !error.kernel_refuses() {
                self.note("size-unknown", sentence);
            }
        }
        let role = self.assembly.own_role();
        if self.array().raid_disks > 1 && matches!(role, Role::Slot(_)) {
            self.note(
                "one-copy",
                "the kernel reads the bitmap of one member only; the copies of the others may differ",
            );
        }
    }

    /// What a started array that uses this bitmap resynchronises.
    fn scope(&self) -> (Scope, String) {
        if self.array().reshaping {
            return (
                Scope::Unknown,
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
                Scope::Unknown,
                "in a cluster each node resynchronises what its own slot marks".to_owned(),
            );
        }
        let clean = self.array().resync_offset.is_none() || self.is_forced_clean();
        if self.raw.is_lockless() {
            return self.lockless_scope(clean);
        }
        let Some(offset) = self.array().resync_offset.filter(|_| !clean) else {
            return (Scope::Nothing, self.clean_why());
        };
        self.classic_scope(offset)
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
    fn classic_scope(&self, offset: Sectors) -> (Scope, String) {
        let Some(coverage) = self.coverage() else {
            return (
                Scope::Unknown,
                "the bitmap has no usable chunk size".to_owned(),
            );
        };
        let stale = self.is_stale();
        let start = if self.resumes_at_offset() {
            offset
        } else {
            Sectors(0)
        };
        let first = first_needed(start, coverage);
        let from = if first.0 > 0 {
            format!(", from sector {start} on, where the last resync stopped")
        } else {
            String::new()
        };
        if stale {
            let why = format!(
                "the array is not marked clean and the bitmap is not to be believed: every chunk{from}"
            );
            (Scope::AllFrom { first, coverage }, why)
        } else {
            let why = format!("the array is not marked clean: every chunk whose bit is set{from}");
            (Scope::SetFrom { first, coverage }, why)
        }
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
    fn everything(&self) -> Scope {
        let size = self.size.clone().unwrap_or(self.raw.sync_size());
        let coverage = self.coverage().or_else(|| Coverage::new(size, 65536));
        coverage.map_or(Scope::Unknown, |coverage| Scope::AllFrom {
            first: ChunkIndex(0),
            coverage,
        })
    }

    /// Version 6 (reference/kernel.md 6.3, 6.6).
    fn lockless_scope(&self, clean: bool) -> (Scope, String) {
        let has = |consequence| {
            self.violations
                .iter()
                .any(|violation| violation.consequence == consequence)
        };
        let degraded = self.assembly.degraded() > 0;
        if has(Consequence::ActsAsAbsent) {
            return match clean {
                true => (
                    Scope::Nothing,
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
                Scope::Nothing,
                "the kernel makes a new bitmap, in which no chunk needs sync".to_owned(),
            );
        }
        if degraded && clean {
            return (
                Scope::Nothing,
                "the array is degraded: chunks that need sync wait for the missing member"
                    .to_owned(),
            );
        }
        let Some(coverage) = self.coverage() else {
            return (
                Scope::Unknown,
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
        let why = match stale {
            true => "the bitmap is stale: every chunk that was ever written to",
            false => {
                "every chunk that needs sync once the bitmap is loaded: dirty ones, and those that share a block of states with two of them"
            }
        };
        (
            Scope::States(States {
                model,
                unit_bytes,
                coverage,
            }),
            why.to_owned(),
        )
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
