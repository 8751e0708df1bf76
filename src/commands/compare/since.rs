//! Two moments: may the chunks that are dirty now be taken for all that has been written since a dump?
//!
//! A chunk that is written is marked before the data are, and stays marked until the kernel clears the
//! mark. So "dirty now" is everything that has been written since, exactly if no mark that was set since
//! has been cleared, and metadata can hardly prove that:
//!
//! - A complete array clears marks a few seconds after the last write (reference/kernel.md 3.4).
//! - `events_cleared` is raised by the first write that completes on a complete array, but only up to the
//!   event count, which may be what it says already; and where the event count is stepped back, so is
//!   it (3.5, 7.1). That it has not moved proves nothing on a complete array.
//! - On an array that lacks a member nothing is cleared (3.3), the event count only rises, and the first write after
//!   the array is complete again raises `events_cleared` past what it was. What remains is the recovery of
//!   another device that was taken out again before the next write: it clears marks, and leaves no trace (trap 10).
//!   So "unproven" is the best that can be said.
//! - Kernels such as 6.1 keep marks on an array that lacks a member only where the write itself missed one: always on
//!   raid1, not on the other levels (tests/vm/FINDINGS.md). Others forget to mark rows of raid4, 5 and 6.
//! - Version 6 never moves `events_cleared` (trap 11).
//!
//! A backup list that lacks a written chunk is silent corruption, so anything that speaks against it refuses the list;
//! and a list that nothing speaks against says how it may lack something, as `readd-check` does (decision 24).

use super::{CompareError, CompareOptions};
use crate::array::geometry::Geometry;
use crate::array::{FoundSuper, Membership};
use crate::commands::dump::verify::{Difference, Verified, VerifyError, VerifyWriter, verify};
use crate::commands::dump::{self, DumpOptions, Dumpable, pair};
use crate::commands::dump_file::{DumpFile, DumpedDevice};
use crate::format::bitmap_super::state;
use crate::format::dump_text::{DeviceFacts, MdFacts, Role, RunMark};
use crate::format::level::Level;
use std::ffi::{OsStr, OsString};
use std::io;

/// Is the list of what is dirty now complete?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// No: something speaks against it.
    Incomplete,
    /// Nothing speaks against it; it cannot be proven.
    Unproven,
    /// Nothing speaks against it, and the user vouches that no mark was cleared.
    Held,
}

impl Complete {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Complete::Incomplete => "incomplete",
            Complete::Unproven => "unproven",
            Complete::Held => "held",
        }
    }
}

/// What was found out about two moments.
#[derive(Debug)]
pub struct Since {
    /// Is the list complete?
    pub complete: Complete,
    /// What speaks against it, whatever the user says.
    pub evidence: Vec<String>,
    /// Why the kernel may not have marked what it wrote: no holding of marks helps against that.
    pub unmarked: Vec<String>,
    /// Why the kernel may have cleared marks without a trace; the user may know that it has not.
    pub free_to_clear: Vec<String>,
    /// What it rests on when nothing speaks against it.
    pub conditions: Vec<String>,
    /// The comparison itself.
    pub verified: Verified,
}

impl Since {
    /// Why the verdict is not better: what speaks against the list, or how it may lack something.
    pub fn reasons(&self) -> Vec<&str> {
        let lists: &[&Vec<String>] = match self.complete {
            Complete::Incomplete => &[&self.evidence, &self.unmarked, &self.free_to_clear],
            Complete::Unproven => &[&self.unmarked, &self.free_to_clear, &self.conditions],
            Complete::Held => &[],
        };
        lists
            .iter()
            .copied()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}

/// Compares the dump that is the first path with the devices that follow, and judges.
/// `assume_held`: the user says that the kernel was kept from clearing marks.
///
/// # Errors
/// [`CompareError`].
pub fn since(
    options: &CompareOptions,
    assume_held: bool,
    out: &mut dyn VerifyWriter,
) -> Result<Since, CompareError> {
    let Some((file, paths)) = options
        .dump
        .paths
        .split_first()
        .filter(|(_, rest)| !rest.is_empty())
    else {
        return Err(CompareError::TooFew);
    };
    let now = DumpOptions {
        paths: paths.to_vec(),
        ..options.dump.clone()
    };
    let mut watch = Watch {
        out,
        evidence: Vec::new(),
        cleared: 0,
    };
    let verified = verify(file, &now, &mut watch).map_err(|error| match error {
        VerifyError::Dump(error) => CompareError::Dump(error),
        VerifyError::Bitmap(problem) => CompareError::Bitmap(problem),
        VerifyError::Output(error) => CompareError::Output(error),
    })?;
    let (mut evidence, cleared) = (watch.evidence, watch.cleared);
    if cleared > 0 {
        evidence.push(format!(
            "marks have been cleared since the dump: {cleared} ranges that it calls dirty are not dirty now, so others may have been \
             marked and cleared as well"
        ));
    }
    let dump = DumpFile::open(file)?;
    let devices = dump::open(&now);
    let mut judge = Judge {
        evidence,
        unmarked: Vec::new(),
        free: Vec::new(),
        conditions: Vec::new(),
    };
    judge.devices(&dump, &devices);
    judge.finish();
    let vouched = assume_held && judge.unmarked.is_empty();
    Ok(Since {
        complete: match (judge.evidence.is_empty(), vouched) {
            (false, _) => Complete::Incomplete,
            (true, true) => Complete::Held,
            (true, false) => Complete::Unproven,
        },
        evidence: judge.evidence,
        unmarked: judge.unmarked,
        free_to_clear: judge.free,
        conditions: judge.conditions,
        verified,
    })
}

/// The list may be printed by `extents` of these devices: everything dirty now, which holds everything that was dirty
/// then, or it would have been evidence.
pub fn listed(options: &CompareOptions) -> Vec<OsString> {
    options.dump.paths.iter().skip(1).cloned().collect()
}

/// Passes differences on, and keeps what speaks against completeness.
struct Watch<'a> {
    out: &'a mut dyn VerifyWriter,
    evidence: Vec<String>,
    cleared: u64,
}

/// Fields of a bitmap that make it another one when they change.
const IDENTITY: [&str; 8] = [
    "version",
    "uuid",
    "sync_size_sectors",
    "chunk_bytes",
    "chunksize_field",
    "nodes",
    "start_bytes",
    "bit_order",
];

/// The same for an md superblock.
const MD_IDENTITY: [&str; 9] = [
    "metadata",
    "array_uuid",
    "device_uuid",
    "created_seconds",
    "level",
    "layout",
    "raid_chunk_sectors",
    "raid_disks",
    "component_sectors",
];

impl VerifyWriter for Watch<'_> {
    fn difference(&mut self, path: &OsStr, difference: &Difference) -> io::Result<()> {
        let mut against = |why: String| self.evidence.push(format!("{}: {why}", path.display()));
        let changed = |field: &str, was: &str, is: &str| format!("{field} was {was} and is {is}");
        match difference {
            Difference::NotInDump => against("is not in the dump".to_owned()),
            // Another member's copy says the same, as long as it is current.
            Difference::NotGiven => {}
            Difference::NoBitmap { .. } => against("the bitmap is gone".to_owned()),
            Difference::NewBitmap { .. } => against("the bitmap is new".to_owned()),
            Difference::Geometry { .. } => {
                against("the bitmap was made anew with other chunks".to_owned())
            }
            Difference::Header { field, .. } if field.key == "events_cleared" => against(format!(
                "marks have been cleared since the dump: {}",
                changed("events_cleared", &field.dumped, &field.found)
            )),
            Difference::Header { field, .. } if IDENTITY.contains(&field.key.as_str()) => {
                against(format!(
                    "the bitmap is another one: {}",
                    changed(&field.key, &field.dumped, &field.found)
                ))
            }
            Difference::Md(field) if MD_IDENTITY.contains(&field.key.as_str()) => against(format!(
                "the array is another one, or was reshaped: {}",
                changed(&field.key, &field.dumped, &field.found)
            )),
            Difference::Md(_) | Difference::Header { .. } => {}
            Difference::Chunks { found, .. } => {
                // Newly dirty, or dirty in another way. Everything else was cleared or discarded.
                let dirty = found.is_some_and(RunMark::is_dirty);
                self.cleared += u64::from(!dirty);
            }
        }
        self.out.difference(path, difference)
    }
}

struct Judge {
    evidence: Vec<String>,
    unmarked: Vec<String>,
    free: Vec<String>,
    conditions: Vec<String>,
}

impl Judge {
    fn devices(&mut self, dump: &DumpFile, devices: &[Dumpable]) {
        let dumped: Vec<&DeviceFacts> = dump.devices.iter().map(|device| &device.facts).collect();
        let given: Vec<Option<&DeviceFacts>> =
            devices.iter().map(|device| device.facts.as_ref()).collect();
        for (device, pair) in devices.iter().zip(pair(&dumped, &given)) {
            let name = device.given.name().into_owned();
            if !device.given.is_usable() || !device.problems.is_empty() {
                self.evidence
                    .push(format!("{name}: cannot be relied on, as told"));
            }
            if let Some(was) = pair.and_then(|place| dump.devices.get(place)) {
                self.device(&name, was, device);
            }
        }
        let members: Vec<&FoundSuper> = devices
            .iter()
            .filter_map(|device| device.given.member.as_ref())
            .collect();
        if members.is_empty() {
            return;
        }
        match Membership::of(&members) {
            Err(error) => self.evidence.push(error.to_string()),
            Ok(membership) => {
                if membership.current().count() < members.len() {
                    let why = "not all members given are in sync: the bitmap of a member that is not says nothing about later writes";
                    self.evidence.push(why.to_owned());
                }
                if !membership.conflicts.is_empty() {
                    self.evidence
                        .push("the members contradict each other; check tells how".to_owned());
                }
                if !membership.missing.is_empty() {
                    let slots: Vec<String> = membership
                        .missing
                        .iter()
                        .take(16)
                        .map(u32::to_string)
                        .collect();
                    self.conditions.push(format!(
                        "the members given are still part of the array, which their own superblocks cannot tell (not given: slots {})",
                        slots.join(", ")
                    ));
                }
            }
        }
    }

    /// One device, then and now.
    fn device(&mut self, name: &str, was: &DumpedDevice, is: &Dumpable) {
        let now = is.bitmaps();
        let bitmaps = was.bitmaps.first().zip(now.first());
        let Some((then_bitmap, (now_bitmap, _))) = bitmaps else {
            return self
                .evidence
                .push(format!("{name}: there is no bitmap to go by"));
        };
        let (then, now) = (&then_bitmap.facts, now_bitmap);
        if !then.has_runs || !now.has_runs {
            self.evidence
                .push(format!("{name}: the chunks cannot be told"));
        }
        if then.raw.version == 5 || now.raw.version == 5 {
            self.evidence.push(format!(
                "{name}: clustered bitmaps hand marks from node to node and clear them there"
            ));
        }
        let spoilt = state::STALE | state::WRITE_ERROR;
        if now.raw.state & spoilt != 0 {
            self.evidence.push(format!(
                "{name}: the bitmap says of itself that it is not to be trusted (state 0x{:x})",
                now.raw.state
            ));
        }
        if now.raw.events < then.raw.events {
            self.evidence.push(format!(
                "{name}: the bitmap's events went back, from {} to {}",
                then.raw.events, now.raw.events
            ));
        }
        let Some((md_then, md_now)) = md(&was.facts).zip(is.facts.as_ref().and_then(md)) else {
            return self.free.push(format!(
                "{name}: without an md superblock nobody can say whether the array lacked a member all the time"
            ));
        };
        self.members(name, md_then, md_now, now.raw.events);
        let geometry = is
            .given
            .member
            .as_ref()
            .map(|found| Geometry::of(&found.member));
        if geometry
            .is_some_and(|geometry| geometry.is_ok_and(|geometry| geometry.rows_may_go_unmarked()))
        {
            self.unmarked.push(format!(
                "{name}: DANGER: some kernels (6.12 among them) leave rows of such an array unmarked when they write to them; what such a kernel wrote there is not in the list"
            ));
        }
        if md_now.level != Level::Raid1 {
            self.free.push(format!(
                "{name}: on levels other than raid1 some kernels (6.1 among them) clear marks of writes that missed no member, though one is missing"
            ));
        }
        if then.raw.version == 6 {
            self.free.push(format!(
                "{name}: version 6 leaves no trace of marks that were cleared"
            ));
        } else if then.raw.events_cleared >= then.raw.events.min(md_then.events) {
            self.free.push(format!(
                "{name}: events_cleared was {} already when events were {}, so it would not have moved",
                then.raw.events_cleared, md_then.events
            ));
        }
    }

    fn members(&mut self, name: &str, then: &MdFacts, now: &MdFacts, bitmap_events: u64) {
        if bitmap_events < now.events {
            self.evidence.push(format!(
                "{name}: the bitmap is older than the array (events {bitmap_events}, the array's are {})",
                now.events
            ));
        }
        if now.events < then.events {
            self.evidence.push(format!(
                "{name}: events went back, from {} to {}",
                then.events, now.events
            ));
        }
        for (md, when) in [(then, "then"), (now, "now")] {
            if !matches!(md.role, Role::Slot(_)) || md.recovery_offset_sectors.is_some() {
                self.evidence
                    .push(format!("{name}: is {when} no member in sync"));
            }
            if md.vacant_slots.is_empty() {
                self.free.push(format!(
                    "{name}: the array {} complete {when}, and a complete array clears marks a few seconds after a write",
                    if when == "now" { "is" } else { "was" }
                ));
            }
        }
        if then.vacant_slots != now.vacant_slots {
            self.evidence.push(format!(
                "{name}: the members of the array changed since the dump"
            ));
        }
    }

    fn finish(&mut self) {
        for list in [
            &mut self.evidence,
            &mut self.unmarked,
            &mut self.free,
            &mut self.conditions,
        ] {
            let mut seen = std::collections::HashSet::new();
            list.retain(|text| seen.insert(text.clone()));
        }
        self.conditions.push(
            "no other device was recovered into the array and taken out again since the dump, and the bitmap was never removed: that would \
             leave no trace"
                .to_owned(),
        );
        self.conditions.push(
            "the dump was made before the backup that the list is to bring up to date was begun"
                .to_owned(),
        );
        self.conditions
            .push("nothing was written to the members past md".to_owned());
    }
}

fn md(facts: &DeviceFacts) -> Option<&MdFacts> {
    facts.md.as_ref()
}
