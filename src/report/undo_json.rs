//! What `undo` did, or would do, and what can be taken back, for programs.

use super::change_json::FieldJson;
use crate::change::undo::{About, Reach, State};
use crate::commands::undo::{BackStep, Listed, Listing, Seen, Undone};
use serde::Serialize;
use std::io;

#[derive(Serialize)]
struct Root<'a> {
    schema: u32,
    verb: &'static str,
    written: bool,
    dry_run: bool,
    undo_file: String,
    change: Option<Change<'a>>,
    state: Option<&'static str>,
    steps_done: Option<usize>,
    devices: &'a [String],
    steps: Vec<Step<'a>>,
    written_bytes: u64,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Change<'a> {
    verb: &'a str,
    made_seconds: u64,
    array: &'a str,
    sentences: &'a [String],
}

#[derive(Serialize)]
struct Step<'a> {
    title: &'a str,
    writes: Vec<Write<'a>>,
}

#[derive(Serialize)]
struct Write<'a> {
    device: &'a str,
    start_bytes: u64,
    length_bytes: u64,
    part: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldJson>,
}

#[derive(Serialize)]
struct Refused {
    name: &'static str,
    sentence: String,
}

fn change(about: &About) -> Change<'_> {
    Change {
        verb: &about.verb,
        made_seconds: about.made,
        array: &about.array,
        sentences: &about.sentences,
    }
}

fn state(state: &State) -> (&'static str, Option<usize>) {
    match state {
        State::Before => ("before", None),
        State::Half(Reach { steps, .. }) => ("half", Some(*steps)),
        State::Done => ("done", None),
        State::Foreign(_) => ("foreign", None),
    }
}

/// The outcome as one line of JSON.
///
/// # Errors
/// What `out` reports.
pub fn write_undone(out: &mut dyn io::Write, undone: &Undone) -> io::Result<()> {
    let found = undone.state.as_ref().map(state);
    let refuses = undone.status() == crate::commands::Status::Refused;
    let failure = undone.failure.as_ref();
    let root = Root {
        schema: 1,
        verb: "undo",
        written: undone.written,
        dry_run: undone.dry_run,
        undo_file: undone.file.display().to_string(),
        change: undone.about.as_ref().map(change),
        state: found.map(|(name, _)| name),
        steps_done: found.and_then(|(_, steps)| steps),
        devices: &undone.devices,
        steps: steps(&undone.steps, &undone.devices),
        written_bytes: undone.bytes,
        notes: &undone.notes,
        refused: failure
            .filter(|_| refuses)
            .map(|failure| Refused {
                name: failure.name(),
                sentence: failure.to_string(),
            })
            .into_iter()
            .collect(),
        error: failure.filter(|_| !refuses).map(ToString::to_string),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}

fn steps<'a>(all: &'a [BackStep], devices: &'a [String]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for step in all {
        let mut writes = Vec::new();
        for write in &step.writes {
            writes.push(Write {
                device: devices.get(write.device).map_or("", String::as_str),
                start_bytes: write.start,
                length_bytes: write.len,
                part: write.part.to_string(),
                fields: write
                    .differences
                    .iter()
                    .cloned()
                    .map(FieldJson::from)
                    .collect(),
            });
        }
        steps.push(Step {
            title: &step.title,
            writes,
        });
    }
    steps
}

#[derive(Serialize)]
struct ListingJson<'a> {
    schema: u32,
    folder: Option<String>,
    files: Vec<ListedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct ListedJson<'a> {
    path: String,
    change: Option<Change<'a>>,
    devices: Vec<String>,
    state: Option<&'static str>,
    steps_done: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The undo files of the usual folder as one line of JSON.
///
/// # Errors
/// What `out` reports.
pub fn write_listing(out: &mut dyn io::Write, listing: &Listing) -> io::Result<()> {
    let root = ListingJson {
        schema: 1,
        folder: listing
            .folder
            .as_ref()
            .map(|path| path.display().to_string()),
        files: listing.files.iter().map(listed).collect(),
        error: listing.failure.as_deref(),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}

fn listed(file: &Listed) -> ListedJson<'_> {
    let about = file.about.as_ref();
    let found = match &file.seen {
        Seen::State(found) => Some(state(found)),
        Seen::NotAtHand | Seen::Unknown(_) => None,
    };
    let devices = about.map(|(_, devices)| devices.as_slice());
    let devices = devices.unwrap_or_default().iter();
    ListedJson {
        path: file.path.display().to_string(),
        change: about.ok().map(|(about, _)| change(about)),
        devices: devices
            .map(|device| device.path.display().to_string())
            .collect(),
        state: found.map(|(name, _)| name),
        steps_done: found.and_then(|(_, steps)| steps),
        error: match (&file.seen, &file.about) {
            (_, Err(error)) => Some(error.to_string()),
            (Seen::Unknown(why), _) => Some(why.clone()),
            _ => None,
        },
    }
}
