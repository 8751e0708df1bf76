//! Reads the slots of a bitmap that was found: superblock, then bits.

use super::judge::Judge;
use super::options::ExamineOptions;
use super::result::{Contents, Device, Found, HeatMap, Kind, Problem, ProblemKind, Slot};
use crate::array::MetadataVersion;
use crate::bitmap::{Bitmap, BitmapError, CellCounts, Counts, MAX_SLOTS};
use crate::device::{Store, StoreError, signature};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use std::num::NonZeroUsize;

/// Reads the bitmap of one device.
pub(super) struct Reader<'a> {
    store: &'a dyn Store,
    found: &'a Found,
    options: &'a ExamineOptions,
    judge: &'a Judge<'a>,
}

impl<'a> Reader<'a> {
    /// A reader of the bitmap that was found on `store`.
    pub(super) fn new(
        store: &'a dyn Store,
        found: &'a Found,
        options: &'a ExamineOptions,
        judge: &'a Judge<'a>,
    ) -> Self {
        Reader {
            store,
            found,
            options,
            judge,
        }
    }

    /// Reads slot 0 and, of a clustered bitmap, the others; or the one that was asked for.
    pub(super) fn read(&self, device: &mut Device) {
        let first = match Bitmap::open(self.store, self.found.start, self.options.order) {
            Ok(first) => first,
            Err(error) => {
                device.problems.push(problem_of(&error));
                return;
            }
        };
        device.shown = self.belongs(device, &first);
        if self.found.announced {
            let told = |overlap| format!("{}: {overlap}", self.store.name());
            device
                .notes
                .extend(self.judge.overlaps(&first).into_iter().map(told));
        }
        // As in mdadm, a count of nodes makes a clustered listing whatever of 3 to 5 the version is.
        let nodes = match first.raw().version {
            3..=5 if device.shown => first.raw().nodes,
            _ => 0,
        };
        match self.options.slot {
            None => {
                device.slots.push(self.slot(0, Ok(first.clone())));
                self.read_other_slots(device, &first, nodes);
            }
            Some(wanted) if wanted > 0 && wanted >= nodes => {
                device
                    .problems
                    .push(no_such_slot(self.store.name(), wanted, nodes));
            }
            Some(wanted) => device.slots.push(self.slot(wanted, first.slot(wanted))),
        }
    }

    /// What lies at the place that a 1.x superblock names is its bitmap only with the magic number
    /// and the array's UUID; otherwise mdadm shows nothing, and the kernel does not start the array.
    fn belongs(&self, device: &mut Device, first: &Bitmap<'_>) -> bool {
        // Metadata 0.90 has one place for a bitmap, and mdadm shows what lies there.
        let fixed_place = matches!(self.found.metadata, Some(MetadataVersion::V0_90(_)));
        let Some(md) = device
            .member
            .as_ref()
            .map(|member| &member.member)
            .filter(|_| !fixed_place)
        else {
            return true;
        };
        let raw = first.raw();
        if raw.has_magic() && raw.uuid != md.array_uuid {
            let message = format!(
                "{}: uuid: the bitmap at byte {} belongs to another array: expected {}, found {}; examine another member, \
                 or look at this one with --offset={}s",
                self.store.name(),
                self.found.start,
                self.found.uuid_text.format(&md.array_uuid),
                self.found.uuid_text.format(&raw.uuid),
                self.found.start.sectors_floor()
            );
            device
                .problems
                .push(Problem::new(ProblemKind::WrongUuid, message));
            return false;
        }
        raw.has_magic()
    }

    /// Slots 1 to the last. Each superblock read says anew how many there are, and the listing ends
    /// where the latest one says so (reference/mdadm.md 4.2).
    fn read_other_slots(&self, device: &mut Device, first: &Bitmap<'_>, nodes: u32) {
        let name = self.store.name();
        if nodes > MAX_SLOTS {
            device.problems.push(Problem::new(
                ProblemKind::BadSlot,
                format!(
                    "{name}: nodes: the superblock claims {nodes} cluster nodes, expected at most {MAX_SLOTS}; \
                     slots from {MAX_SLOTS} on are not listed"
                ),
            ));
        }
        if nodes > i32::MAX as u32 {
            // A negative number to mdadm, which then lists nothing.
            device.slots_listed = false;
            return;
        }
        let mut bound = nodes;
        let mut number = 1;
        while number < bound.min(MAX_SLOTS) {
            let slot = self.slot(number, first.slot(number));
            if let Some(raw) = &slot.superblock {
                if raw.nodes != nodes {
                    device
                        .problems
                        .push(nodes_differ(name, number, raw.nodes, nodes));
                }
                // Signed to mdadm: a "negative" count ends the listing.
                bound = if raw.nodes > i32::MAX as u32 {
                    0
                } else {
                    raw.nodes
                };
            }
            device.slots.push(slot);
            number += 1;
        }
    }

    fn slot(&self, number: u32, bitmap: Result<Bitmap<'_>, BitmapError>) -> Slot {
        let mut slot = Slot {
            number,
            start: self.found.start,
            superblock: None,
            contents: None,
            map: None,
            verdict: None,
            broken_rules: Vec::new(),
            compared_with: None,
            problems: Vec::new(),
        };
        match bitmap {
            Ok(bitmap) => self.fill(&mut slot, &bitmap),
            Err(error) => slot.problems.push(problem_of(&error)),
        }
        slot
    }

    fn fill(&self, slot: &mut Slot, bitmap: &Bitmap<'_>) {
        slot.start = bitmap.start();
        slot.superblock = Some(bitmap.raw().clone());
        slot.problems.extend(header_problem(bitmap, self.found));
        let countable = !self.options.brief && is_countable(bitmap.raw());
        let cells = self.options.map_cells;
        let counts = countable.then(|| bitmap.count_cells(cells.unwrap_or(NonZeroUsize::MIN)));
        let counts = counts.and_then(|counts| take_counts(slot, bitmap, counts, cells.is_some()));
        (slot.broken_rules, slot.compared_with) = self.judge.broken_rules(bitmap);
        // What the md superblock does not announce is no bitmap to the kernel; and nobody can tell
        // what it makes of bits that cannot be read.
        if self.found.announced && !slot.is_unreadable() {
            match self.judge.verdict(bitmap, counts.as_ref()) {
                Ok(verdict) => slot.verdict = verdict,
                Err(error) => {
                    let problem = problem_of(&error);
                    if !slot.problems.contains(&problem) {
                        slot.problems.push(problem);
                    }
                }
            }
        }
    }
}

/// Versions 3 to 5 are counted whatever the magic number is, as mdadm does. A version 6 superblock
/// is counted when it is one and the kernel has initialised it.
fn is_countable(raw: &RawBitmapSuper) -> bool {
    match raw.version {
        3..=5 => true,
        6 => raw.has_magic() && !raw.is_first_use(),
        _ => false,
    }
}

/// Notes what was counted, or why not.
fn take_counts(
    slot: &mut Slot,
    bitmap: &Bitmap<'_>,
    counts: Result<CellCounts, BitmapError>,
    draw: bool,
) -> Option<Counts> {
    match counts {
        Ok(cells) => {
            let counts = cells.total;
            slot.map = draw.then(|| HeatMap::from(&cells));
            slot.problems.extend(truncation(bitmap, &counts));
            slot.contents = Some(contents(&counts));
            Some(counts)
        }
        Err(error) => {
            if matches!(error, BitmapError::ZeroChunk { .. }) {
                // mdadm prints zeros here.
                slot.contents = Some(Contents::default());
            }
            slot.problems.push(problem_of(&error));
            None
        }
    }
}

fn contents(counts: &Counts) -> Contents {
    Contents {
        chunks: counts.chunks,
        dirty_chunks: counts.dirty,
        missing_chunks: counts.missing_chunks,
        dirty_bytes: counts.dirty_bytes(),
        states: counts.states,
    }
}

/// What is here instead of a bitmap, where that can be told, and where to look for one.
fn nothing_of_ours(store: &dyn Store) -> String {
    let seen = signature::scan(store).unwrap_or_default();
    let advice = if seen
        .iter()
        .any(|seen| seen.name.contains("partition table"))
    {
        "examine the partition that is a member of the array"
    } else {
        "examine a member of the array instead"
    };
    let instead = match seen.first() {
        Some(seen) => format!(" (found instead: {})", seen.name),
        None => String::new(),
    };
    format!(
        "neither an md superblock nor a bitmap was found here{instead}: {advice}, or give --offset if the bitmap starts elsewhere"
    )
}

/// A wrong magic number or an unknown version.
pub(in crate::commands) fn header_problem(bitmap: &Bitmap<'_>, found: &Found) -> Option<Problem> {
    let raw = bitmap.raw();
    let name = bitmap.store().name();
    let start = bitmap.start();
    if !raw.has_magic() && !found.announced {
        return None;
    }
    if !raw.has_magic() {
        let next = match found.kind {
            Kind::Internal => {
                "the bitmap is overwritten or damaged; examine another member of the array"
                    .to_owned()
            }
            _ if start.0 > 0 => {
                "no bitmap starts there; without --offset the md superblock says where it is"
                    .to_owned()
            }
            Kind::File | Kind::Device => nothing_of_ours(bitmap.store()),
        };
        return Some(Problem::new(
            ProblemKind::BadMagic,
            format!(
                "{name}: magic: expected {BITMAP_MAGIC:08x} at byte {start}, found {:08x}; {next}",
                raw.magic
            ),
        ));
    }
    (!(3..=6).contains(&raw.version)).then(|| {
        Problem::new(
            ProblemKind::BadVersion,
            format!(
                "{name}: version: expected 3, 4, 5 or 6 in the bitmap superblock at byte {start}, found {}; it is damaged, \
                 or newer than this program",
                raw.version
            ),
        )
    })
}

fn truncation(bitmap: &Bitmap<'_>, counts: &Counts) -> Option<Problem> {
    (counts.missing_chunks > 0).then(|| {
        let store = bitmap.store();
        Problem::new(
            ProblemKind::Truncated,
            format!(
                "{}: truncated: a sync_size of {} sectors needs {} chunks, but the device ends at byte {} and the bits of {} chunks are \
                 missing; they are counted as dirty",
                store.name(),
                bitmap.raw().sync_size_sectors,
                counts.chunks,
                store.len(),
                counts.missing_chunks
            ),
        )
    })
}

fn nodes_differ(name: &str, number: u32, found: u32, expected: u32) -> Problem {
    Problem::new(
        ProblemKind::BadSlot,
        format!(
            "{name}: nodes: slot {number} says that the cluster has {found} nodes, slot 0 says {expected}; use --slot to see \
             slots that are not listed"
        ),
    )
}

fn no_such_slot(name: &str, wanted: u32, nodes: u32) -> Problem {
    let has = match nodes {
        0 => "is not clustered and has slot 0 alone".to_owned(),
        _ => format!("has slots 0 to {}", nodes - 1),
    };
    Problem::new(
        ProblemKind::BadSlot,
        format!("{name}: there is no slot {wanted}: the bitmap {has}"),
    )
}

/// What a failure to read a bitmap is to the caller.
pub(in crate::commands) fn problem_of(error: &BitmapError) -> Problem {
    let kind = match error {
        BitmapError::NoRoom { .. } => ProblemKind::ShortSuperblock,
        BitmapError::NoSlot { .. } => ProblemKind::Truncated,
        BitmapError::UnknownVersion { .. } => ProblemKind::BadVersion,
        BitmapError::ZeroChunk { .. } => ProblemKind::BadGeometry,
        BitmapError::FirstUse { .. } => ProblemKind::Untrusted,
        BitmapError::Store(StoreError::PastEnd { .. }) => ProblemKind::Truncated,
        _ => ProblemKind::Read,
    };
    Problem::new(kind, error.to_string())
}
