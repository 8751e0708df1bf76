//! What `dump --verify` found, as text and as JSON.

use crate::commands::dump::verify::{Difference, Field, Verified, VerifyWriter};
use crate::format::dump_text::RunMark;
use crate::units::ChunkIndex;
use serde_json::json;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::ops::Range;

/// Writes differences as text, one line each.
pub struct TextVerify<'a>(pub &'a mut dyn Write);

impl VerifyWriter for TextVerify<'_> {
    fn difference(&mut self, path: &OsStr, difference: &Difference) -> io::Result<()> {
        let path = path.display();
        let at = |slot: &u32| match slot {
            0 => String::new(),
            slot => format!("slot {slot}: "),
        };
        let out = &mut self.0;
        match difference {
            Difference::NotInDump => writeln!(out, "{path}: is not in the dump"),
            Difference::NotGiven => writeln!(out, "{path}: is in the dump, but was not given"),
            Difference::Md(field) => writeln!(out, "{path}: md superblock: {}", said(field)),
            Difference::NoBitmap { slot } => {
                writeln!(
                    out,
                    "{path}: {}the dump has a bitmap, the device has none",
                    at(slot)
                )
            }
            Difference::NewBitmap { slot } => {
                writeln!(
                    out,
                    "{path}: {}the device has a bitmap, the dump has none",
                    at(slot)
                )
            }
            Difference::Header { slot, field } => {
                writeln!(
                    out,
                    "{path}: {}bitmap superblock: {}",
                    at(slot),
                    said(field)
                )
            }
            Difference::Geometry { slot } => {
                writeln!(
                    out,
                    "{path}: {}the chunks are others; they cannot be compared",
                    at(slot)
                )
            }
            Difference::Chunks {
                slot,
                chunks,
                dumped,
                found,
            } => writeln!(
                out,
                "{path}: {}{}: the dump says {}, the device {}",
                at(slot),
                range(chunks),
                mark(*dumped),
                mark(*found)
            ),
        }
    }
}

fn said(field: &Field) -> String {
    format!(
        "{}: the dump says {}, the device {}",
        field.key, field.dumped, field.found
    )
}

fn range(chunks: &Range<ChunkIndex>) -> String {
    let last = chunks.end.0.saturating_sub(1);
    match chunks.start.0 == last {
        true => format!("chunk {last}"),
        false => format!("chunks {}-{last}", chunks.start),
    }
}

fn mark(mark: Option<RunMark>) -> String {
    match mark {
        None => "not dirty".to_owned(),
        Some(RunMark::Dirty) => "dirty".to_owned(),
        Some(other) => other.name().replace('_', " "),
    }
}

/// The last line of the text.
///
/// # Errors
/// What `out` reports.
pub fn write_summary(out: &mut dyn Write, verified: &Verified) -> io::Result<()> {
    match (verified.bitmap_differences, verified.md_differences) {
        (0, 0) => writeln!(out, "Nothing differs from the dump."),
        (0, _) => writeln!(
            out,
            "The bitmaps are as in the dump; only md superblocks differ: the array has been used or changed since."
        ),
        (bitmap, 0) => writeln!(
            out,
            "{bitmap} differences in bitmaps; the md superblocks are as in the dump."
        ),
        (bitmap, md) => writeln!(
            out,
            "{bitmap} differences in bitmaps, {md} in md superblocks."
        ),
    }
}

/// Writes differences as one JSON object.
pub struct JsonVerify<'a> {
    out: &'a mut dyn Write,
    more: bool,
}

impl<'a> JsonVerify<'a> {
    /// Starts.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{\"schema\":1,\"differences\":[")?;
        Ok(Self { out, more: false })
    }

    /// Ends.
    ///
    /// # Errors
    /// What the output reports.
    pub fn end(self, verified: &Verified) -> io::Result<()> {
        self.end_with(verified, None)
    }

    /// Ends, with what may be concluded about the time between.
    ///
    /// # Errors
    /// What the output reports.
    pub fn end_with(
        self,
        verified: &Verified,
        since: Option<&serde_json::Value>,
    ) -> io::Result<()> {
        write!(
            self.out,
            "],\"bitmap_differences\":{},\"md_differences\":{},\"equal\":{}",
            verified.bitmap_differences,
            verified.md_differences,
            verified.is_equal()
        )?;
        if let Some(since) = since {
            write!(self.out, ",\"since\":{since}")?;
        }
        self.out.write_all(b"}\n")
    }
}

impl VerifyWriter for JsonVerify<'_> {
    fn difference(&mut self, path: &OsStr, difference: &Difference) -> io::Result<()> {
        let path = path.to_string_lossy();
        let field = |kind: &str, slot: Option<u32>, field: &Field| json!({"path": path, "kind": kind, "slot": slot, "field": field.key, "dumped": field.dumped, "found": field.found});
        let plain =
            |kind: &str, slot: Option<u32>| json!({"path": path, "kind": kind, "slot": slot});
        let state = |mark: Option<RunMark>| match mark {
            Some(RunMark::Dirty) => Some("dirty".into()),
            other => other.map(RunMark::name),
        };
        let value = match difference {
            Difference::NotInDump => plain("not_in_dump", None),
            Difference::NotGiven => plain("not_given", None),
            Difference::Md(difference) => field("md", None, difference),
            Difference::NoBitmap { slot } => plain("no_bitmap", Some(*slot)),
            Difference::NewBitmap { slot } => plain("new_bitmap", Some(*slot)),
            Difference::Header {
                slot,
                field: difference,
            } => field("bitmap", Some(*slot), difference),
            Difference::Geometry { slot } => plain("geometry", Some(*slot)),
            Difference::Chunks {
                slot,
                chunks,
                dumped,
                found,
            } => json!({
                "path": path,
                "kind": "chunks",
                "slot": slot,
                "first_chunk": chunks.start.0,
                "last_chunk": chunks.end.0.saturating_sub(1),
                "dumped": state(*dumped),
                "found": state(*found),
            }),
        };
        if std::mem::replace(&mut self.more, true) {
            self.out.write_all(b",")?;
        }
        Ok(serde_json::to_writer(&mut *self.out, &value)?)
    }
}
