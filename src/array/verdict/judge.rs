//! The kernel's decisions when it assembles an array with a bitmap.

use super::assembly::Assembly;
use super::effect::Effect;
use super::outcome::{Load, Outcomes};
use super::scope::Scope;
use super::{Reason, Verdict};
use crate::array::member::{MemberSuper, MetadataVersion, Role};
use crate::array::overlap::{self, Outcome, Overlap};
use crate::array::sync_size::{self, SizeError};
use crate::format::bitmap_rules::{self, Consequence, Context, Place, Violation};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::md_v1::feature;
use crate::format::super_check::Check;
use crate::units::{Bytes, SECTOR_BYTES, Sectors};

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
    /// What becomes of each chunk; `None` where the bits decide nothing.
    pub load: Option<Load>,
    /// Why that.
    pub why: String,
}

impl Assessment {
    /// The verdict, once the scope was measured and the chunks were counted.
    pub fn conclude(self, resync_bytes: Option<u128>, outcomes: Option<Outcomes>) -> Verdict {
        Verdict {
            trusted: self.trusted,
            starts: self.starts,
            reasons: self.reasons,
            notes: self.notes,
            resync_bytes: resync_bytes.map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX)),
            resync_why: self.why,
            outcomes,
        }
    }
}

/// Why the array of `assembly` does not start, whatever its bitmap: its members, its shape.
pub fn obstacles(assembly: &Assembly<'_>) -> Vec<Reason> {
    let size = sync_size::expected(&assembly.freshest().member);
    let refusal = size.err().filter(SizeError::kernel_refuses);
    let mut reasons = Vec::new();
    if let Some(error) = refusal {
        reasons.push(Reason::new(
            "geometry",
            format!("{error}: the kernel refuses to start the array"),
        ));
    }
    reasons.extend(too_few(assembly));
    reasons
}

/// Why the members in sync do not suffice.
fn too_few(assembly: &Assembly<'_>) -> Option<Reason> {
    let array = &assembly.freshest().member;
    let degraded = assembly.degraded();
    let (level, raid_disks) = (array.level, array.raid_disks);
    if !assembly.has_enough() {
        return Some(Reason::new(
            "not-enough-members",
            format!(
                "{degraded} of {raid_disks} slots of this {level} have no member in sync: the kernel refuses to start the array"
            ),
        ));
    }
    let dirty = level.has_parity() && assembly.degraded_data() > 0 && !array.is_clean();
    dirty.then(|| Reason::new(
        "dirty-degraded",
        format!("{degraded} of {raid_disks} members of this {level} are missing or not in sync, and it was not stopped cleanly: the kernel refuses to start it, since a lost block may be wrong (unless md_mod.start_dirty_degraded=1)"),
    ))
}

/// Judges a bitmap superblock found on the member of `assembly`; `available` bytes lie between
/// its start and the end of the device.
pub fn assess(
    assembly: &Assembly<'_>,
    raw: &RawBitmapSuper,
    available: Option<Bytes>,
) -> Assessment {
    let size = sync_size::expected(&assembly.freshest().member);
    let context = context(assembly, &size, available);
    assess_in(assembly, raw, size, &context)
}

/// Judges a superblock found in a bitmap file of the array of `assembly`; `available` bytes lie between
/// its start and the end of the file.
pub fn assess_file(
    assembly: &Assembly<'_>,
    raw: &RawBitmapSuper,
    available: Option<Bytes>,
) -> Assessment {
    let size = sync_size::expected(&assembly.freshest().member);
    let context = Context {
        place: Some(Place::File),
        space: None,
        default_space: None,
        offset: None,
        ..context(assembly, &size, available)
    };
    assess_in(assembly, raw, size, &context)
}

fn assess_in(
    assembly: &Assembly<'_>,
    raw: &RawBitmapSuper,
    size: Result<Sectors, SizeError>,
    context: &Context,
) -> Assessment {
    let violations = bitmap_rules::violations(raw, context);
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
    let (effect, why) = if !starts {
        (Effect::Unknown, "the array does not start".to_owned())
    } else if !bitmap_used {
        (
            Effect::Unknown,
            "the kernel takes the bitmap of another member".to_owned(),
        )
    } else {
        case.effect()
    };
    let (scope, load) = match effect {
        Effect::Unknown => (Scope::Unknown, None),
        Effect::Apart(scope) => (scope, None),
        Effect::Loaded(load) => (load.scope(), Some(load)),
    };
    Assessment {
        trusted: starts && bitmap_used && bits_kept,
        starts,
        reasons: case.reasons,
        notes: case.notes,
        scope,
        load,
        why,
    }
}

/// What the rules of a bitmap on the member of `assembly` are judged against; `size` is what its array
/// resynchronises, `available` the bytes from the bitmap's start to the end of the device.
pub fn context(
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
pub(super) struct Case<'a> {
    pub(super) assembly: &'a Assembly<'a>,
    pub(super) raw: &'a RawBitmapSuper,
    pub(super) size: Result<Sectors, SizeError>,
    pub(super) violations: Vec<Violation>,
    reasons: Vec<Reason>,
    notes: Vec<Reason>,
}

impl Case<'_> {
    /// The superblock that speaks for the array.
    pub(super) fn array(&self) -> &MemberSuper {
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
        self.reasons = obstacles(self.assembly);
        self.check_journal();
        self.check_refusals();
        self.check_first_page();
        let refused = self
            .violations
            .iter()
            .any(|violation| violation.consequence == Consequence::RefusesToStart);
        self.reasons.is_empty() && !refused
    }

    fn check_journal(&mut self) {
        // Version 6 has a rule of its own.
        if self.array().features & feature::JOURNAL != 0 && !self.raw.is_lockless() {
            self.object(
                "journal",
                "the array has a write journal, with which the kernel refuses a bitmap",
            );
        }
    }

    fn check_refusals(&mut self) {
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

    /// The kernel writes the first page of the bitmap when it starts the array, and not over data.
    fn check_first_page(&mut self) {
        for overlap in self.overlaps() {
            if overlap.outcome == Outcome::RefusesToStart {
                self.object(overlap.with.overlap_name(), overlap.to_string());
            }
        }
    }

    fn overlaps(&self) -> Vec<Overlap> {
        let own = &self.assembly.own().member;
        let place = own.bitmap.as_ref().ok();
        place.map_or_else(Vec::new, |place| {
            overlap::overlaps(own, self.raw, place.start)
        })
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
        for overlap in self.overlaps() {
            if overlap.outcome != Outcome::RefusesToStart {
                self.note(overlap.with.overlap_name(), overlap.to_string());
            }
        }
        let vacant = self.assembly.vacant_slots().take(16);
        let slots: Vec<String> = vacant.map(|slot| slot.to_string()).collect();
        if !slots.is_empty() {
            let sentence = format!(
                "the array is degraded: nothing holds slot {}; bits stay set until something does",
                slots.join(", ")
            );
            self.note("degraded", sentence);
        }
        if self.raw.is_lockless() {
            self.note(
                "lockless-kernel",
                "only kernels built with lockless bitmaps (CONFIG_MD_LLBITMAP, which Debian's are not) start this array",
            );
        }
        if !self.array().is_clean() && self.assembly.recovers() {
            self.note(
                "recovery-first",
                "a member is to be recovered and the array is not marked clean: kernels 6.1 and 6.12 recover it first, and in doing so \
                 clear the bits by which the members in sync would have been resynchronised after the crash, so that these stay \
                 different; 7.2 resynchronises first",
            );
        }
        if !self.array().is_clean() && self.assembly.fewest_copies() == Some(1) {
            self.note(
                "raid10-lone-copy",
                "of some chunks there is but one copy in sync, and the array is not marked clean: kernels 7.2 and 7.3 end the resync \
                 where they meet the first of them, and call the array clean; chunks with more copies stay different after a crash \
                 (6.12 resynchronises them)",
            );
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
}
