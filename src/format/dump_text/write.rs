//! Writing a dump.

use super::values::{level_text, quote, role_text, slots_text};
use super::{BitmapFacts, DeviceFacts, DumpRun, MAGIC_WORD, MdFacts, RunMark, VERSION, uuid_text};
use crate::format::bit_array::BitOrder;
use std::fmt::{self, Write};
use std::io;

/// First word of the line that ends the runs of a bitmap.
pub const BITMAP_END: &str = "end-runs";

/// The last line.
pub const DUMP_END: &str = "end-dump";

/// The start of every dump.
pub fn file_header() -> String {
    format!(
        "# What write-intent bitmaps of Linux md held, by mdbitmap dump. This text may be edited: a line \"first-last\"\n\
         # under \"runs\" stands for those chunks, both included. Lines must be in ascending order. After a change remove\n\
         # or correct the totals behind \"{BITMAP_END}\". '#' starts a comment. More: docs/dump-format.md\n\
         {MAGIC_WORD} {VERSION}\n"
    )
}

/// A section's lines.
struct Lines(String);

impl Lines {
    fn key(&mut self, key: &str, value: impl fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{key} {value}");
    }

    fn optional(&mut self, key: &str, value: Option<u64>) {
        match value {
            Some(value) => self.key(key, value),
            None => self.key(key, "none"),
        }
    }
}

/// The lines of a device, before its bitmaps.
pub fn device_header(device: &DeviceFacts) -> String {
    let mut lines = Lines("\n".to_owned());
    lines.key("device", quote(&device.path));
    lines.key("device_bytes", device.device_bytes);
    if let Some(md) = &device.md {
        md_lines(&mut lines, md);
    }
    lines.0
}

fn md_lines(lines: &mut Lines, md: &MdFacts) {
    let uuid = |uuid| uuid_text(uuid, Some(md.metadata));
    lines.key("metadata", md.metadata.name());
    lines.key("super_start_bytes", md.super_start_bytes);
    lines.key("array_uuid", uuid(&md.array_uuid));
    if let Some(device_uuid) = &md.device_uuid {
        lines.key("device_uuid", uuid(device_uuid));
    }
    if let Some(name) = &md.array_name {
        lines.key("array_name", quote(name.as_bytes()));
    }
    lines.key("created_seconds", md.created_seconds);
    lines.key("updated_seconds", md.updated_seconds);
    lines.key("level", level_text(md.level));
    lines.key("layout", md.layout);
    lines.key("raid_chunk_sectors", md.raid_chunk_sectors);
    lines.key("raid_disks", md.raid_disks);
    lines.key("number", md.number);
    lines.key("role", role_text(md.role));
    lines.key("events", md.events);
    match md.resync_offset_sectors {
        None => lines.key("resync_offset_sectors", "none # clean"),
        Some(offset) => lines.key(
            "resync_offset_sectors",
            format_args!("{offset} # not clean"),
        ),
    }
    lines.optional("recovery_offset_sectors", md.recovery_offset_sectors);
    lines.optional("component_sectors", md.component_sectors);
    lines.optional("array_sectors", md.array_sectors);
    lines.key("data_offset_sectors", md.data_offset_sectors);
    lines.key("features", format_args!("0x{:x}", md.features));
    lines.key("reshaping", if md.reshaping { "yes" } else { "no" });
    lines.key("logical_block_bytes", md.logical_block_bytes);
    lines.key("vacant_slots", slots_text(&md.vacant_slots));
    for (number, role) in &md.device_roles {
        lines.key("device_role", format_args!("{number} {}", role_text(*role)));
    }
}

/// The lines of a bitmap up to its runs. `device` is the one that it is on.
pub fn bitmap_header(bitmap: &BitmapFacts, device: &DeviceFacts) -> String {
    let raw = &bitmap.raw;
    let mut lines = Lines("\n".to_owned());
    lines.key("bitmap", bitmap.slot);
    lines.key("start_bytes", bitmap.start_bytes);
    lines.key("version", raw.version);
    let metadata = device.md.as_ref().map(|md| md.metadata);
    lines.key("uuid", uuid_text(&raw.uuid, metadata));
    lines.key("events", raw.events);
    lines.key("events_cleared", raw.events_cleared);
    lines.key("sync_size_sectors", raw.sync_size_sectors);
    lines.key("state", format_args!("0x{:x}", raw.state));
    match raw.chunk_bytes() {
        Some(bytes) => lines.key("chunk_bytes", bytes),
        // The kernel has still to choose the size; what is on disk means nothing.
        None => lines.key("chunksize_field", raw.chunksize),
    }
    lines.key("daemon_sleep_seconds", raw.daemon_sleep_seconds);
    lines.key("write_behind", raw.write_behind);
    lines.key("sectors_reserved", raw.sectors_reserved);
    lines.key("nodes", raw.nodes);
    let name = &raw.cluster_name;
    let len = name
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    lines.key("cluster_name", quote(name.get(..len).unwrap_or_default()));
    if raw.pad != [0; 120] {
        let digits: String = raw.pad.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.key("pad", digits);
    }
    match bitmap.order {
        BitOrder::Little => {}
        BitOrder::Be32 => lines.key("bit_order", "be32"),
        BitOrder::Be64 => lines.key("bit_order", "be64"),
    }
    match bitmap.coverage() {
        Some(coverage) => {
            let unlisted = match raw.is_lockless() {
                true => "unwritten",
                false => "clean",
            };
            lines.key(
                "runs",
                format_args!(
                    "# of chunks 0-{}; what is not listed is {unlisted}",
                    coverage.chunks().saturating_sub(1)
                ),
            );
        }
        None => lines.0.push_str("no-runs # the chunks could not be told\n"),
    }
    lines.0
}

/// The line of a run.
///
/// # Errors
/// What `out` reports.
pub fn run_line(out: &mut dyn io::Write, run: &DumpRun) -> io::Result<()> {
    let (first, last) = (run.chunks.start.0, run.chunks.end.0.saturating_sub(1));
    // Digits by hand: a bitmap may have a thousand million runs.
    let mut line = [b' '; 64];
    let mut at = line.len();
    let mut push = |byte: u8| {
        at = at.saturating_sub(1);
        if let Some(place) = line.get_mut(at) {
            *place = byte;
        }
    };
    push(b'\n');
    if run.mark != RunMark::Dirty {
        run.mark.name().bytes().rev().for_each(&mut push);
        push(b' ');
    }
    let digits = |mut value: u64, push: &mut dyn FnMut(u8)| {
        loop {
            push(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                break;
            }
        }
    };
    if last > first {
        digits(last, &mut push);
        push(b'-');
    }
    digits(first, &mut push);
    out.write_all(line.get(at..).unwrap_or_default())
}
