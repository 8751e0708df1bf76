//! What `restore` did with a bitmap file, or would do. (What it does to an array is told as any change is.)

use crate::commands::create::Target;
use crate::commands::restore::RestoredFile;
use crate::format::uuid_text;
use crate::report::superblock_json::SuperblockJson;
use serde::Serialize;
use std::io::{self, Write};

/// One line.
///
/// # Errors
/// What `out` reports.
pub fn write_text(out: &mut dyn Write, restored: &RestoredFile) -> io::Result<()> {
    let path = restored.path.display();
    let length = restored.length;
    let what = match restored.slots {
        1 => format!("a bitmap of version {}", restored.superblock.version),
        slots => format!("the bitmaps of {slots} nodes"),
    };
    match (restored.written, &restored.target) {
        (true, _) => writeln!(out, "{path}: {what}; {length} bytes written and read back"),
        (false, Target::NewFile) => {
            writeln!(out, "{path}: would create a file of {length} bytes: {what}")
        }
        (false, Target::ReplacedFile(old)) => writeln!(
            out,
            "{path}: would replace the file of {old} bytes with one of {length} bytes: {what}"
        ),
        (false, Target::Device(_)) => {
            writeln!(
                out,
                "{path}: would write bytes 0..{length}, the superblock last: {what}"
            )
        }
    }
}

#[derive(Serialize)]
struct Root {
    schema: u32,
    path: String,
    kind: &'static str,
    written: bool,
    length_bytes: u64,
    slots: usize,
    superblock: SuperblockJson,
    notes: Vec<String>,
}

/// The same as one line of JSON; keys as in `create`.
///
/// # Errors
/// What `out` reports.
pub fn write_json(out: &mut dyn Write, restored: &RestoredFile) -> io::Result<()> {
    let raw = &restored.superblock;
    let root = Root {
        schema: 1,
        path: restored.path.to_string_lossy().into_owned(),
        kind: match restored.target {
            Target::NewFile | Target::ReplacedFile(_) => "file",
            Target::Device(_) => "device",
        },
        written: restored.written,
        length_bytes: restored.length.0,
        slots: restored.slots,
        superblock: SuperblockJson::new(raw, uuid_text::in_byte_order(&raw.uuid)),
        notes: restored.notes.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}
