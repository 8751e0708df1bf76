//! The members' copies of the bitmap against each other. The kernel reads one of them and never
//! joins them (reference/kernel.md trap 9, 4.1).

use super::text;
use crate::bitmap::{Bitmap, BitmapError, Difference, Differences, Side};
use crate::check::finding::kinds;
use crate::check::member::repair;
use crate::check::{Case, Finding, Rule};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::coverage::Coverage;
use crate::units::ChunkIndex;
use std::ops::Range;

kinds! {
    DIFFER "copies-differ" Danger Loss UniteCopies "the members' copies of the bitmap mark different chunks";
    DIFFER_UNUSED "copies-differ-unused" Note None UniteCopies "the members' copies of the bitmap mark different chunks, on an array whose bits lapse anyway";
    STATES_DIFFER "copies-states-differ" Warning None UniteCopies "version 6: the members' copies hold different states that call for no resync";
    GEOMETRY "copies-geometry-differ" Danger Loss Rebuild "the members' copies of the bitmap differ in version or chunk size";
    HEADER "copies-header-differ" Warning None MendHeader "the headers of the members' copies of the bitmap differ";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

/// Runs of chunks that are listed.
const LISTED: usize = 4;

/// The bitmap of a member in sync.
struct Copy<'a> {
    name: &'a str,
    bitmap: Bitmap<'a>,
}

/// Every copy is compared with the first: what differs from none of them differs from no other.
fn judge(case: &Case<'_>) -> Vec<Finding> {
    let copies: Vec<Copy<'_>> = case
        .current()
        .filter(|(_, input)| input.bitmap_super().is_some())
        .filter_map(|(_, input)| {
            let bitmap = input.sized_bitmap()?;
            let name = input.name.as_str();
            Some(Copy { name, bitmap })
        })
        .collect();
    let Some((first, others)) = copies.split_first() else {
        return Vec::new();
    };
    others
        .iter()
        .flat_map(|other| compare(case, first, other))
        .collect()
}

fn compare(case: &Case<'_>, first: &Copy<'_>, other: &Copy<'_>) -> Vec<Finding> {
    let (a, b) = (first.bitmap.raw(), other.bitmap.raw());
    let mut findings = Vec::new();
    let shape = differing(shape(a), shape(b));
    if !shape.is_empty() {
        findings.push(GEOMETRY.found(
            other.name,
            format!(
                "its copy of the bitmap has {}: the bits of the two mean different sectors",
                against(&shape, first)
            ),
            "reads the copy of one member, that which was added last, and takes its bits by that copy's own chunk size",
            together(case),
        ));
    }
    let fields = differing(header(a, b), header(b, a));
    if !fields.is_empty() {
        findings.push(HEADER.found(
            other.name,
            format!("its copy of the bitmap has {}", against(&fields, first)),
            "reads the copy of one member, and writes that one's fields to all as soon as the array runs",
            format!(
                "none needed once the array ran: a copy that differs was written by something other than the running array, or \
                 a write of it was lost; {}",
                repair::mend(case, "the fields")
            ),
        ));
    }
    if shape.is_empty() {
        findings.extend(compare_slots(case, first, other));
    }
    findings
}

/// What can be done where copies do not say the same.
fn together(case: &Case<'_>) -> String {
    format!(
        "do not start the array before its copies agree; {}",
        repair::unite(case)
    )
}

/// The chunks: of a clustered bitmap, those of every node.
fn compare_slots(case: &Case<'_>, first: &Copy<'_>, other: &Copy<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((slot, a), (_, b)) in first.bitmap.slots().zip(other.bitmap.slots()) {
        // What cannot be read is told elsewhere.
        let (Ok(a), Ok(b)) = (a, b) else { continue };
        // The slots of `slots()` know nothing of the size that the array has.
        let (a, b) = match slot {
            0 => (first.bitmap.clone(), other.bitmap.clone()),
            _ => (a, b),
        };
        let node = match first.bitmap.slot_count() {
            1 => String::new(),
            _ => format!("node {slot}: "),
        };
        let differing = chunks(&a, &b).ok().flatten();
        findings.extend(differing.and_then(|found| tell_chunks(case, first, other, &node, &found)));
        let states = states(&a, &b).ok().flatten();
        findings.extend(states.and_then(|found| tell_states(case, first, other, &found)));
    }
    findings
}

/// Some runs of chunks: how many, how large, the first of them.
#[derive(Default)]
struct Tally {
    chunks: u64,
    bytes: u128,
    runs: usize,
    first: Vec<Range<ChunkIndex>>,
}

impl Tally {
    fn add(&mut self, run: &Range<ChunkIndex>, coverage: Coverage) {
        let bytes = coverage.bytes_of(run);
        self.chunks += run.end.0 - run.start.0;
        self.bytes += bytes.end - bytes.start;
        self.runs += 1;
        if self.first.len() < LISTED {
            self.first.push(run.clone());
        }
    }

    /// "3 chunks (4 to 5, 9; 196608 bytes)".
    fn text(&self) -> String {
        let runs: Vec<String> = self.first.iter().map(text::chunks).collect();
        let more = match self.runs.saturating_sub(self.first.len()) {
            0 => String::new(),
            more => format!(" and {}", text::count(more as u64, "more run")),
        };
        format!(
            "{} ({}{more}; {} bytes)",
            text::count(self.chunks, "chunk"),
            runs.join(", "),
            self.bytes
        )
    }
}

/// Chunks dirty in the first alone and in the second alone; `None` where there are none to compare.
fn chunks(a: &Bitmap<'_>, b: &Bitmap<'_>) -> Result<Option<(Tally, Tally)>, BitmapError> {
    let Some(coverage) = a.coverage() else {
        return Ok(None);
    };
    let mut found = (Tally::default(), Tally::default());
    for difference in Differences::new(a.runs()?, b.runs()?) {
        let Difference { dirty_in, chunks } = difference?;
        match dirty_in {
            Side::First => found.0.add(&chunks, coverage),
            Side::Second => found.1.add(&chunks, coverage),
        }
    }
    Ok(Some(found))
}

fn tell_chunks(
    case: &Case<'_>,
    first: &Copy<'_>,
    other: &Copy<'_>,
    node: &str,
    (less, more): &(Tally, Tally),
) -> Option<Finding> {
    let mut differences = Vec::new();
    if more.chunks > 0 {
        differences.push(format!(
            "marks {} that the copy of {} does not mark",
            more.text(),
            first.name
        ));
    }
    if less.chunks > 0 {
        differences.push(format!(
            "does not mark {} that the copy of {} marks",
            less.text(),
            first.name
        ));
    }
    if differences.is_empty() {
        return None;
    }
    let sentence = format!(
        "{node}its copy of the bitmap {}",
        differences.join(", and ")
    );
    let lockless = other.bitmap.raw().is_lockless();
    if !lockless && bits_lapse(case) {
        return Some(DIFFER_UNUSED.found(
            other.name,
            sentence,
            "lets set bits lapse, in whichever copy, because the array is marked clean and complete",
            format!("none needed: a crash in the middle of writing the bitmap leaves this; {}", repair::unite(case)),
        ));
    }
    let kernel = "reads the copy of one member only, that which was added last (mdadm adds last the one that it takes for the \
                  freshest): chunks that only another copy marks are not resynchronised, though members may differ there";
    Some(DIFFER.found(other.name, sentence, kernel, together(case)))
}

/// True where no set bit makes the kernel resynchronise anything, now or when a member returns.
fn bits_lapse(case: &Case<'_>) -> bool {
    let clean = case.array().is_some_and(|array| array.is_clean());
    // dm-raid's "clean" says only that the first resync is done.
    let complete = case
        .membership
        .as_ref()
        .is_some_and(|membership| membership.vacant.is_empty() && !membership.is_recovering());
    clean && complete && !case.is_dm_raid()
}

/// Chunks of version 6 whose states differ; `None` for bits.
fn states(a: &Bitmap<'_>, b: &Bitmap<'_>) -> Result<Option<Tally>, BitmapError> {
    let (Some(coverage), Some(runs)) = (a.coverage(), a.state_differences(b)?) else {
        return Ok(None);
    };
    // Those that only one of them would resynchronise are told already.
    let mut dirty = Differences::new(a.runs()?, b.runs()?);
    let mut current = dirty.next().transpose()?;
    let mut tally = Tally::default();
    for run in runs {
        let run = run?;
        let mut position = run.start;
        while position < run.end {
            while current
                .as_ref()
                .is_some_and(|known| known.chunks.end <= position)
            {
                current = dirty.next().transpose()?;
            }
            let known = current.as_ref().map(|difference| &difference.chunks);
            let free_until = known.map_or(run.end, |known| known.start.min(run.end));
            if position < free_until {
                tally.add(&(position..free_until), coverage);
            }
            let known_until = known.map_or(run.end, |known| known.end.min(run.end));
            position = known_until.max(free_until);
        }
    }
    Ok(Some(tally))
}

fn tell_states(
    case: &Case<'_>,
    first: &Copy<'_>,
    other: &Copy<'_>,
    found: &Tally,
) -> Option<Finding> {
    (found.chunks > 0).then(|| {
        STATES_DIFFER.found(
            other.name,
            format!(
                "its copy of the bitmap holds other states than that of {} in {}; none of them alone calls for a resync",
                first.name,
                found.text()
            ),
            "reads the copy of one member; a chunk that this one calls unwritten is left out of every later resync and \
             recovery, even if another copy knows that it holds data",
            together(case),
        )
    })
}

type Field = (&'static str, String);

/// What the meaning of a bit depends on.
fn shape(raw: &RawBitmapSuper) -> Vec<Field> {
    vec![
        ("version", raw.version.to_string()),
        ("chunksize", raw.chunksize.to_string()),
        ("nodes", raw.nodes.to_string()),
    ]
}

/// The rest, but for what one event more or less explains: members are written one after the other.
fn header(raw: &RawBitmapSuper, other: &RawBitmapSuper) -> Vec<Field> {
    let mut fields = vec![
        ("sync_size", raw.sync_size_sectors.to_string()),
        ("state", format!("0x{:x}", raw.state)),
        ("daemon_sleep", raw.daemon_sleep_seconds.to_string()),
        ("write_behind", raw.write_behind.to_string()),
        ("sectors_reserved", raw.sectors_reserved.to_string()),
    ];
    let lockless = raw.is_lockless();
    for (name, own, others) in [
        ("events", raw.events, other.events),
        ("events_cleared", raw.events_cleared, other.events_cleared),
    ] {
        if own.abs_diff(others) > 1 && !(lockless && name == "events_cleared") {
            fields.push((name, own.to_string()));
        }
    }
    fields
}

/// Name, first value and second value of each field that differs.
fn differing(a: Vec<Field>, b: Vec<Field>) -> Vec<(&'static str, String, String)> {
    let pairs = a.into_iter().zip(b);
    pairs
        .filter(|(a, b)| a.1 != b.1)
        .map(|(a, b)| (a.0, a.1, b.1))
        .collect()
}

/// "chunksize 4096 and version 4, where that of /dev/a has 8192 and 5".
fn against(fields: &[(&'static str, String, String)], first: &Copy<'_>) -> String {
    let own: Vec<String> = fields.iter().map(|f| format!("{} {}", f.0, f.2)).collect();
    let expected: Vec<&str> = fields.iter().map(|f| f.1.as_str()).collect();
    format!(
        "{} where that of {} has {}",
        own.join(", "),
        first.name,
        expected.join(", ")
    )
}
