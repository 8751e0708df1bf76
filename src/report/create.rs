//! What `create` did, or would do.

use crate::commands::create::{Created, Target};
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use crate::format::placement::ChunkSize;
use crate::format::placement::content::Fill;
use crate::format::uuid_text;
use crate::report::superblock_json::SuperblockJson;
use serde::Serialize;
use std::io::{self, Write};

/// One line for what was done; the whole plan for a dry run.
///
/// # Errors
/// What `out` reports.
pub fn write_text(out: &mut dyn Write, created: &Created) -> io::Result<()> {
    let path = created.path.display();
    let length = created.length;
    if created.written {
        return writeln!(
            out,
            "{path}: {}; {length} bytes written and read back",
            bits(created)
        );
    }
    match &created.target {
        Target::NewFile => writeln!(
            out,
            "{path}: would create a file of {length} bytes, mode 0600"
        )?,
        Target::ReplacedFile(old) => writeln!(
            out,
            "{path}: would replace the file of {old} bytes with one of {length} bytes, mode 0600"
        )?,
        Target::Device(_) => writeln!(
            out,
            "{path}: would write bytes 0..{length}, the superblock last"
        )?,
    }
    if let Target::Device(old) = &created.target {
        writeln!(out, "  bytes 0..{BITMAP_SUPER_BYTES} now:")?;
        hex(out, old.as_slice())?;
    }
    writeln!(out, "  bytes 0..{BITMAP_SUPER_BYTES}, the superblock:")?;
    hex(out, &created.superblock.to_bytes())?;
    writeln!(
        out,
        "  bytes {BITMAP_SUPER_BYTES}..{length}, the bits: every byte {:02x} ({})",
        created.fill.byte(),
        bits(created)
    )
}

/// `4997 chunks of 4K, all dirty`
fn bits(created: &Created) -> String {
    let chunk = ChunkSize::new(created.superblock.chunksize.into()).map_or_else(
        |_| created.superblock.chunksize.to_string(),
        |c| c.to_string(),
    );
    let state = match created.fill {
        Fill::Dirty => "dirty",
        Fill::Clean => "clean",
    };
    format!("{} chunks of {chunk}, all {state}", created.bits)
}

/// Sixteen bytes a line; lines of zeros are left out.
fn hex(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let mut zeros = true;
    for (number, line) in bytes.chunks(16).enumerate() {
        if line.iter().all(|&byte| byte == 0) {
            continue;
        }
        zeros = false;
        let text: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "    {:04x}  {}", number * 16, text.join(" "))?;
    }
    if zeros {
        writeln!(out, "    all zero")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Root {
    schema: u32,
    path: String,
    kind: &'static str,
    written: bool,
    replaces_bytes: Option<u64>,
    length_bytes: u64,
    superblock: SuperblockJson,
    bitmap: Bitmap,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Bitmap {
    chunks: u64,
    dirty_chunks: u64,
}

/// The same as one line of JSON; keys as in `examine`.
///
/// # Errors
/// What `out` reports.
pub fn write_json(out: &mut dyn Write, created: &Created) -> io::Result<()> {
    let raw = &created.superblock;
    let root = Root {
        schema: 1,
        path: created.path.to_string_lossy().into_owned(),
        kind: match created.target {
            Target::NewFile | Target::ReplacedFile(_) => "file",
            Target::Device(_) => "device",
        },
        written: created.written,
        replaces_bytes: match created.target {
            Target::ReplacedFile(old) => Some(old.0),
            Target::NewFile | Target::Device(_) => None,
        },
        length_bytes: created.length.0,
        superblock: SuperblockJson::new(raw, uuid_text::in_byte_order(&raw.uuid)),
        bitmap: Bitmap {
            chunks: created.bits,
            dirty_chunks: match created.fill {
                Fill::Dirty => created.bits,
                Fill::Clean => 0,
            },
        },
        notes: created.notes.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}
