//! The JSON of `examine`: one object, one entry for each (path, slot). Interface: schema 1.

use crate::array::layout::{Content, Layout};
use crate::array::verdict::{Reason, Verdict};
use crate::commands::examine::result::{
    ArrayFacts, Contents, Device, Examined, Kind, Problem, Slot,
};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::lockless::StateCounts;
use crate::report::superblock_json::SuperblockJson;
use serde::Serialize;
use std::io::{self, Write};
use std::ops::Range;

/// The number that a change of meaning of any key raises.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Root<'a> {
    schema: u32,
    devices: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    path: String,
    found: Option<FoundJson>,
    superblock: Option<SuperblockJson>,
    bitmap: Option<BitmapJson>,
    array: Option<ArrayJson<'a>>,
    verdict: Option<VerdictJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<Vec<AreaJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
}

#[derive(Serialize)]
struct FoundJson {
    kind: &'static str,
    metadata: Option<String>,
    offset_bytes: u64,
    slot: u32,
}

#[derive(Serialize)]
struct BitmapJson {
    chunks: u64,
    dirty_chunks: u64,
    dirty_bytes: u128,
    states: Option<StateCounts>,
}

#[derive(Serialize)]
struct ArrayJson<'a> {
    level: &'a str,
    members: u32,
    events: u64,
    clean: bool,
}

#[derive(Serialize)]
struct VerdictJson<'a> {
    trusted: bool,
    reasons: &'a [Reason],
    resync_bytes: Option<u64>,
}

/// A stretch of bytes of the device, by what it holds.
#[derive(Serialize)]
struct StretchJson {
    name: &'static str,
    slot: Option<u32>,
    start_bytes: u64,
    length_bytes: u64,
}

#[derive(Serialize)]
struct AreaJson<'a> {
    #[serde(flatten)]
    stretch: StretchJson,
    detail: &'a str,
    overlaps: Vec<StretchJson>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    kind: &'static str,
    message: &'a str,
}

/// Writes everything as one line of JSON.
///
/// # Errors
/// What `out` reports.
pub fn write_examined(out: &mut dyn Write, examined: &Examined) -> io::Result<()> {
    let root = Root {
        schema: SCHEMA,
        devices: examined.devices.iter().flat_map(entries).collect(),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}

/// One entry a slot; one without a slot when the device itself failed. The layout is that of the
/// whole device: the first entry has it.
fn entries(device: &Device) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = match device.slots.as_slice() {
        [] => vec![entry(device, None)],
        slots => slots.iter().map(|slot| entry(device, Some(slot))).collect(),
    };
    if let (Some(first), Some(layout)) = (entries.first_mut(), &device.layout) {
        first.layout = Some(layout_json(layout));
    }
    entries
}

fn entry<'a>(device: &'a Device, slot: Option<&'a Slot>) -> Entry<'a> {
    // Without the magic number the fields are no bitmap's: only the error is said.
    let raw = slot
        .and_then(|slot| slot.superblock.as_ref())
        .filter(|raw| raw.magic == BITMAP_MAGIC);
    let contents = slot
        .filter(|_| raw.is_some())
        .and_then(|slot| slot.contents.as_ref());
    // The gravest; a slot's own says more about it than one of the whole device. Reversed, because
    // of equals the last is taken.
    let problem = slot
        .map_or(&[][..], |slot| &slot.problems)
        .iter()
        .chain(&device.problems)
        .rev()
        .max_by_key(|problem| problem.kind.status());
    Entry {
        path: device.path.to_string_lossy().into_owned(),
        found: found(device, slot),
        superblock: raw.map(|raw| superblock(device, raw)),
        bitmap: contents.map(bitmap),
        array: device.array.as_ref().map(array),
        verdict: slot.and_then(|slot| slot.verdict.as_ref()).map(verdict),
        layout: None,
        error: problem.map(error),
    }
}

fn found(device: &Device, slot: Option<&Slot>) -> Option<FoundJson> {
    let found = device.found.as_ref()?;
    Some(FoundJson {
        kind: match found.kind {
            Kind::Internal => "internal",
            Kind::File => "file",
            Kind::Device => "device",
        },
        metadata: found.metadata.map(|metadata| metadata.to_string()),
        offset_bytes: slot.map_or(found.start, |slot| slot.start).0,
        slot: slot.map_or(0, |slot| slot.number),
    })
}

fn superblock(device: &Device, raw: &RawBitmapSuper) -> SuperblockJson {
    let uuid_text = device
        .found
        .as_ref()
        .map(|found| found.uuid_text)
        .unwrap_or_default();
    SuperblockJson::new(raw, uuid_text.format(&raw.uuid))
}

fn bitmap(contents: &Contents) -> BitmapJson {
    BitmapJson {
        chunks: contents.chunks,
        dirty_chunks: contents.dirty_chunks,
        dirty_bytes: contents.dirty_bytes,
        states: contents.states,
    }
}

fn array(facts: &ArrayFacts) -> ArrayJson<'_> {
    ArrayJson {
        level: &facts.level,
        members: facts.members,
        events: facts.events.0,
        clean: facts.clean,
    }
}

fn verdict(verdict: &Verdict) -> VerdictJson<'_> {
    VerdictJson {
        trusted: verdict.trusted,
        reasons: &verdict.reasons,
        resync_bytes: verdict.resync_bytes,
    }
}

fn layout_json(layout: &Layout) -> Vec<AreaJson<'_>> {
    let content_of = |at: &usize| layout.areas.get(*at).map(|area| area.content);
    let shared = |(with, range): &(usize, Range<u64>)| Some(stretch(content_of(with)?, range));
    let areas = layout.areas.iter();
    areas
        .map(|area| AreaJson {
            stretch: stretch(area.content, &area.range),
            detail: &area.detail,
            overlaps: area.overlaps.iter().filter_map(shared).collect(),
        })
        .collect()
}

fn stretch(content: Content, range: &Range<u64>) -> StretchJson {
    StretchJson {
        name: content.name(),
        slot: content.slot(),
        start_bytes: range.start,
        length_bytes: range.end.saturating_sub(range.start),
    }
}

fn error(problem: &Problem) -> ErrorJson<'_> {
    ErrorJson {
        kind: problem.kind.name(),
        message: &problem.message,
    }
}

#[cfg(test)]
mod tests;
