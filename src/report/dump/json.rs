//! A dump as JSON: the same facts as the text, one object, written as it is read.

use crate::commands::dump::DumpWriter;
use crate::commands::given::Problem;
use crate::format::dump_text::{
    BitmapFacts, DeviceFacts, DumpRun, MdFacts, Metadata, Role, RunMark, RunTotals, VERSION,
    uuid_text,
};
use crate::report::superblock_json::SuperblockJson;
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};

/// Writes the JSON form.
pub struct JsonDump<'a> {
    out: &'a mut dyn Write,
    metadata: Option<Metadata>,
    /// How far the output is.
    place: Place,
    /// True when a value stands before the next one of its list.
    more_devices: bool,
    more_bitmaps: bool,
    more_runs: bool,
}

#[derive(PartialEq, Eq)]
enum Place {
    Devices,
    Bitmaps,
}

#[derive(Serialize)]
struct ProblemJson<'a> {
    kind: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct RunJson<'a> {
    first_chunk: u64,
    last_chunk: u64,
    state: &'a str,
}

impl<'a> JsonDump<'a> {
    /// Starts a dump.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        write!(
            out,
            "{{\"schema\":1,\"dump_version\":{VERSION},\"devices\":["
        )?;
        Ok(Self {
            out,
            metadata: None,
            place: Place::Devices,
            more_devices: false,
            more_bitmaps: false,
            more_runs: false,
        })
    }

    /// The members of an object, without the brace that ends it.
    fn open_object(&mut self, value: &serde_json::Value) -> io::Result<()> {
        let text = value.to_string();
        self.out
            .write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())
    }

    fn comma(&mut self, more: bool) -> io::Result<()> {
        match more {
            true => self.out.write_all(b","),
            false => Ok(()),
        }
    }

    fn close_device(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.place, Place::Devices) == Place::Bitmaps {
            self.out.write_all(b"]}")?;
        }
        Ok(())
    }
}

impl DumpWriter for JsonDump<'_> {
    fn device(&mut self, facts: Option<&DeviceFacts>, problems: &[Problem]) -> io::Result<()> {
        self.close_device()?;
        let comma = std::mem::replace(&mut self.more_devices, true);
        self.comma(comma)?;
        let problems: Vec<ProblemJson<'_>> = problems
            .iter()
            .map(|problem| ProblemJson {
                kind: problem.kind.name(),
                message: &problem.message,
            })
            .collect();
        self.metadata = facts
            .and_then(|facts| facts.md.as_ref())
            .map(|md| md.metadata);
        self.open_object(&json!({
            "path": facts.map(|facts| String::from_utf8_lossy(&facts.path)),
            "device_bytes": facts.map(|facts| facts.device_bytes),
            "md": facts.and_then(|facts| facts.md.as_ref()).map(md_json),
            "problems": problems,
        }))?;
        self.out.write_all(b",\"bitmaps\":[")?;
        (self.place, self.more_bitmaps) = (Place::Bitmaps, false);
        Ok(())
    }

    fn bitmap(&mut self, facts: &BitmapFacts) -> io::Result<()> {
        let comma = std::mem::replace(&mut self.more_bitmaps, true);
        self.comma(comma)?;
        let uuid = uuid_text(&facts.raw.uuid, self.metadata);
        self.open_object(&json!({
            "slot": facts.slot,
            "start_bytes": facts.start_bytes,
            "superblock": SuperblockJson::new(&facts.raw, uuid),
            "chunks": facts.coverage().map(|coverage| coverage.chunks()),
            "unlisted": facts.has_runs.then_some(match facts.raw.is_lockless() {
                true => "unwritten",
                false => "clean",
            }),
        }))?;
        self.out.write_all(b",\"runs\":[")?;
        self.more_runs = false;
        Ok(())
    }

    fn run(&mut self, run: &DumpRun) -> io::Result<()> {
        let comma = std::mem::replace(&mut self.more_runs, true);
        self.comma(comma)?;
        let name = run.mark.name();
        let run = RunJson {
            first_chunk: run.chunks.start.0,
            last_chunk: run.chunks.end.0.saturating_sub(1),
            state: match run.mark {
                RunMark::Dirty => "dirty",
                _ => &name,
            },
        };
        Ok(serde_json::to_writer(&mut *self.out, &run)?)
    }

    fn bitmap_end(&mut self, totals: RunTotals) -> io::Result<()> {
        write!(
            self.out,
            "],\"run_count\":{},\"dirty_chunks\":{}}}",
            totals.runs, totals.dirty_chunks
        )
    }

    fn end(&mut self) -> io::Result<()> {
        self.close_device()?;
        self.out.write_all(b"]}\n")
    }
}

fn md_json(md: &MdFacts) -> serde_json::Value {
    let uuid = |uuid| uuid_text(uuid, Some(md.metadata));
    let vacant: Vec<u32> = md.vacant_slots.iter().cloned().flatten().collect();
    let devices: Vec<serde_json::Value> = md
        .device_roles
        .iter()
        .map(|(number, role)| json!({"number": number, "role": role_name(*role), "slot": slot(*role)}))
        .collect();
    json!({
        "metadata": md.metadata.name(),
        "super_start_bytes": md.super_start_bytes,
        "array_uuid": uuid(&md.array_uuid),
        "device_uuid": md.device_uuid.as_ref().map(uuid),
        "array_name": md.array_name,
        "created_seconds": md.created_seconds,
        "updated_seconds": md.updated_seconds,
        "level": md.level.to_string(),
        "layout": md.layout,
        "raid_chunk_sectors": md.raid_chunk_sectors,
        "raid_disks": md.raid_disks,
        "number": md.number,
        "role": role_name(md.role),
        "slot": slot(md.role),
        "events": md.events,
        "clean": md.resync_offset_sectors.is_none(),
        "resync_offset_sectors": md.resync_offset_sectors,
        "recovery_offset_sectors": md.recovery_offset_sectors,
        "component_sectors": md.component_sectors,
        "array_sectors": md.array_sectors,
        "data_offset_sectors": md.data_offset_sectors,
        "features": md.features,
        "reshaping": md.reshaping,
        "logical_block_bytes": md.logical_block_bytes,
        "vacant_slots": vacant,
        "devices": devices,
    })
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Slot(_) => "slot",
        Role::Spare => "spare",
        Role::Faulty => "faulty",
        Role::Journal => "journal",
    }
}

fn slot(role: Role) -> Option<u32> {
    match role {
        Role::Slot(slot) => Some(slot),
        _ => None,
    }
}
