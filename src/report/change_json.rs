//! What a change of a stopped array will do, or has done, for programs.

use crate::change::plan::{Old, Plan, Write};
use crate::change::planned::{After, AfterBitmap};
use crate::change::words::{Difference, Images};
use crate::change::{Left, PlanError};
use crate::commands::offline::{Changed, Failure};
use serde::Serialize;
use std::io;

/// Up to this many bytes the old and new content of a write is given in full.
const SHORT_BYTES: u64 = 4096;

#[derive(Serialize)]
struct Root<'a> {
    schema: u32,
    verb: &'a str,
    /// All of it was written and read back.
    written: bool,
    dry_run: bool,
    array: Option<&'a str>,
    devices: Vec<Device<'a>>,
    sentences: &'a [String],
    steps: Vec<StepJson<'a>>,
    after: Option<AfterJson<'a>>,
    /// A bitmap file that is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_file: Option<NewFileJson>,
    undo_file: Option<String>,
    /// A change that stopped half-way and that was, or would be, taken back first.
    taken_back: Option<TakenBackJson<'a>>,
    /// What was asked for and is not done: nothing, not_right or unreadable.
    left: &'static str,
    notes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct TakenBackJson<'a> {
    what: &'a str,
    undo_file: String,
}

#[derive(Serialize)]
struct Device<'a> {
    path: &'a str,
    length_bytes: u64,
}

#[derive(Serialize)]
struct StepJson<'a> {
    title: &'a str,
    writes: Vec<WriteJson<'a>>,
}

#[derive(Serialize)]
struct WriteJson<'a> {
    device: &'a str,
    start_bytes: u64,
    length_bytes: u64,
    part: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldJson>,
}

/// A field that changes, in words.
#[derive(Serialize)]
pub(super) struct FieldJson {
    name: String,
    old: String,
    new: String,
}

impl From<Difference> for FieldJson {
    fn from(Difference { name, old, new }: Difference) -> Self {
        FieldJson { name, old, new }
    }
}

#[derive(Serialize)]
struct AfterJson<'a> {
    array: &'a str,
    events: u64,
    clean: bool,
    bitmap: Option<BitmapJson>,
}

#[derive(Serialize)]
struct BitmapJson {
    version: u32,
    offset_sectors: i64,
    chunk_bytes: u64,
    chunks: u64,
    dirty_chunks: u64,
    dirty_bytes: u64,
    unwritten_chunks: u64,
    sync_size_sectors: u64,
    daemon_sleep_seconds: u32,
    write_behind: u32,
    events_cleared: u64,
    nodes: u32,
}

#[derive(Serialize)]
struct NewFileJson {
    path: String,
    length_bytes: u64,
}

#[derive(Serialize)]
struct Refused<'a> {
    name: &'a str,
    sentence: &'a str,
}

/// The outcome as one line of JSON, the plan included; whatever failed is in it as well.
///
/// # Errors
/// What `out` reports.
pub fn write_changed(out: &mut dyn io::Write, changed: &Changed) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &changed_json(changed))?;
    out.write_all(b"\n")
}

/// The same as a part of something larger.
pub fn changed_json(changed: &Changed) -> impl Serialize + '_ {
    let planned = changed.planned.as_ref();
    let plan = planned.map(|planned| &planned.plan);
    let notes = planned.into_iter().flat_map(|planned| &planned.notes);
    Root {
        schema: 1,
        verb: changed.verb,
        written: changed.written,
        dry_run: changed.dry_run,
        array: planned.map(|planned| planned.after.array.as_str()),
        devices: plan.map(devices).unwrap_or_default(),
        sentences: planned.map_or(&[], |planned| &planned.sentences),
        steps: plan.map(steps).unwrap_or_default(),
        after: planned.map(|planned| after(&planned.after)),
        new_file: planned.and_then(|planned| {
            let file = planned.file.as_ref()?;
            Some(NewFileJson {
                path: file.path.display().to_string(),
                length_bytes: file.bits.len(),
            })
        }),
        undo_file: changed
            .undo_file
            .as_ref()
            .map(|path| path.display().to_string()),
        left: match planned.map_or(Left::Nothing, |planned| planned.left) {
            Left::Nothing => "nothing",
            Left::NotRight => "not_right",
            Left::Unreadable => "unreadable",
        },
        taken_back: changed.taken_back.as_ref().map(|former| TakenBackJson {
            what: &former.what,
            undo_file: former.undo_file.display().to_string(),
        }),
        notes: changed
            .notes
            .iter()
            .chain(notes)
            .chain(&changed.ways_on)
            .map(String::as_str)
            .collect(),
        refused: changed.failure.as_ref().map(refused).unwrap_or_default(),
        error: changed.failure.as_ref().and_then(error),
    }
}

fn devices(plan: &Plan) -> Vec<Device<'_>> {
    let all = plan.devices.iter();
    all.map(|device| Device {
        path: &device.name,
        length_bytes: device.len.0,
    })
    .collect()
}

fn steps(plan: &Plan) -> Vec<StepJson<'_>> {
    let mut images = Images::new(&plan.guards);
    let mut steps = Vec::new();
    for step in &plan.steps {
        let writes = step.writes.iter();
        steps.push(StepJson {
            title: &step.title,
            writes: writes.map(|write| one(plan, write, &mut images)).collect(),
        });
    }
    steps
}

fn one<'a>(plan: &'a Plan, write: &'a Write, images: &mut Images) -> WriteJson<'a> {
    let device = plan.devices.get(write.device);
    let old = match &write.old {
        Old::Bytes(bytes) if write.new.len() <= SHORT_BYTES => Some(bytes),
        _ => None,
    };
    let new = old.map(|_| write.new.to_vec());
    let fields = match (old, &new) {
        (Some(old), Some(new)) => {
            images.write(write.part, write.device, write.start.0, Some(old), new)
        }
        _ => Vec::new(),
    };
    WriteJson {
        device: device.map_or("", |device| &device.name),
        start_bytes: write.start.0,
        length_bytes: write.new.len(),
        part: write.part.to_string(),
        old: old.map(|bytes| hex(bytes)),
        new: new.map(|bytes| hex(&bytes)),
        fields: fields.into_iter().map(FieldJson::from).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn after(after: &After) -> AfterJson<'_> {
    AfterJson {
        array: &after.array,
        events: after.events.0,
        clean: after.clean,
        bitmap: after.bitmap.as_ref().map(bitmap),
    }
}

fn bitmap(bitmap: &AfterBitmap) -> BitmapJson {
    BitmapJson {
        version: bitmap.version,
        offset_sectors: bitmap.offset_sectors,
        chunk_bytes: bitmap.chunk_bytes,
        chunks: bitmap.chunks,
        dirty_chunks: bitmap.dirty_chunks,
        dirty_bytes: bitmap.dirty_bytes.0,
        unwritten_chunks: bitmap.unwritten_chunks,
        sync_size_sectors: bitmap.sync_size.0,
        daemon_sleep_seconds: bitmap.daemon_sleep_seconds,
        write_behind: bitmap.write_behind,
        events_cleared: bitmap.events_cleared.0,
        nodes: bitmap.nodes,
    }
}

fn refused(failure: &Failure) -> Vec<Refused<'_>> {
    let Failure::Plan(PlanError::Refused(all)) = failure else {
        return Vec::new();
    };
    let all = all.iter();
    all.map(|refusal| Refused {
        name: refusal.name,
        sentence: &refusal.sentence,
    })
    .collect()
}

/// Failures that are no refusals with a name.
fn error(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Plan(PlanError::Refused(_)) => None,
        other => Some(other.to_string()),
    }
}
