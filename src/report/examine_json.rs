//! The JSON of `examine`: one object, one entry for each (path, slot). Interface: schema 1.

use crate::array::verdict::{Reason, Verdict};
use crate::commands::examine::result::{
    ArrayFacts, Contents, Device, Examined, Kind, Problem, Slot,
};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::report::state_names;
use serde::Serialize;
use std::io::{self, Write};

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
    superblock: Option<Superblock>,
    bitmap: Option<BitmapJson>,
    array: Option<ArrayJson<'a>>,
    verdict: Option<VerdictJson<'a>>,
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
struct Superblock {
    version: u32,
    uuid: String,
    events: u64,
    events_cleared: u64,
    state: Vec<String>,
    state_raw: u32,
    sync_size_sectors: u64,
    chunk_bytes: Option<u64>,
    daemon_sleep_seconds: u32,
    write_behind: u32,
    sectors_reserved: u32,
    nodes: u32,
    cluster_name: String,
}

#[derive(Serialize)]
struct BitmapJson {
    chunks: u64,
    dirty_chunks: u64,
    dirty_bytes: u128,
    states: Option<States>,
}

#[derive(Serialize)]
struct States {
    unwritten: u64,
    clean: u64,
    dirty: u64,
    need_sync: u64,
    syncing: u64,
    need_sync_unwritten: u64,
    syncing_unwritten: u64,
    clean_unwritten: u64,
    unknown: u64,
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

/// One entry a slot; one without a slot when the device itself failed.
fn entries(device: &Device) -> Vec<Entry<'_>> {
    if device.slots.is_empty() {
        return vec![entry(device, None)];
    }
    device
        .slots
        .iter()
        .map(|slot| entry(device, Some(slot)))
        .collect()
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

fn superblock(device: &Device, raw: &RawBitmapSuper) -> Superblock {
    let uuid_text = device
        .found
        .as_ref()
        .map(|found| found.uuid_text)
        .unwrap_or_default();
    let name = raw
        .cluster_name
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default();
    Superblock {
        version: raw.version,
        uuid: uuid_text.format(&raw.uuid),
        events: raw.events,
        events_cleared: raw.events_cleared,
        state: state_names(raw.state),
        state_raw: raw.state,
        sync_size_sectors: raw.sync_size_sectors,
        chunk_bytes: raw.chunk_bytes(),
        daemon_sleep_seconds: raw.daemon_sleep_seconds,
        write_behind: raw.write_behind,
        sectors_reserved: raw.sectors_reserved,
        nodes: raw.nodes,
        cluster_name: String::from_utf8_lossy(name).into_owned(),
    }
}

fn bitmap(contents: &Contents) -> BitmapJson {
    BitmapJson {
        chunks: contents.chunks,
        dirty_chunks: contents.dirty_chunks,
        dirty_bytes: contents.dirty_bytes,
        states: contents.states.map(|table| States {
            unwritten: table.unwritten,
            clean: table.clean,
            dirty: table.dirty,
            need_sync: table.need_sync,
            syncing: table.syncing,
            need_sync_unwritten: table.need_sync_unwritten,
            syncing_unwritten: table.syncing_unwritten,
            clean_unwritten: table.clean_unwritten,
            unknown: table.unknown,
        }),
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

fn error(problem: &Problem) -> ErrorJson<'_> {
    ErrorJson {
        kind: problem.kind.name(),
        message: &problem.message,
    }
}

#[cfg(test)]
mod tests;
