//! What a change of a stopped array will do, or has done, for people.

use crate::change::plan::{Old, Part, Plan, Write};
use crate::change::words::{Difference, Images};
use crate::commands::offline::Changed;
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use std::io;

/// The outcome in a few lines; the whole plan for a dry run.
///
/// # Errors
/// What `out` reports.
pub fn write_changed(out: &mut dyn io::Write, changed: &Changed, dry_run: bool) -> io::Result<()> {
    let Some(planned) = &changed.planned else {
        return Ok(());
    };
    if let Some(former) = &changed.taken_back {
        let was = if dry_run { "would be" } else { "was" };
        writeln!(
            out,
            "{}: stopped half-way, and {was} taken back first",
            former.what
        )?;
    }
    if changed.is_nothing() {
        return writeln!(out, "{}: nothing to do", planned.after.array);
    }
    if !dry_run && !changed.written {
        return Ok(());
    }
    writeln!(out, "{}:", planned.after.array)?;
    for sentence in &planned.sentences {
        writeln!(out, "  {sentence}")?;
    }
    if dry_run {
        write_plan(out, &planned.plan)?;
        if let Some(file) = &planned.file {
            let (name, len) = (file.path.display(), file.bits.len());
            writeln!(out, "at last: the file {name}, {len} bytes")?;
        }
        return Ok(());
    }
    if !planned.plan.is_empty() {
        let devices = match devices_written(&planned.plan) {
            1 => "1 device".to_owned(),
            several => format!("{several} devices"),
        };
        writeln!(
            out,
            "  {} bytes written to {devices}, flushed and read back",
            planned.plan.bytes()
        )?;
    }
    if let Some(file) = &planned.file {
        writeln!(
            out,
            "  {} bytes written to the file, flushed and read back",
            file.bits.len()
        )?;
    }
    if let Some(undo) = &changed.undo_file {
        writeln!(out, "  to take it back: mdbitmap undo {}", undo.display())?;
    }
    Ok(())
}

fn devices_written(plan: &Plan) -> usize {
    let mut devices: Vec<usize> = plan
        .steps
        .iter()
        .flat_map(|step| step.writes.iter().map(|write| write.device))
        .collect();
    devices.sort_unstable();
    devices.dedup();
    devices.len()
}

/// Every step and every write of a plan.
///
/// # Errors
/// What `out` reports.
pub fn write_plan(out: &mut dyn io::Write, plan: &Plan) -> io::Result<()> {
    writeln!(out, "  nothing was written; this would be:")?;
    let mut images = Images::new(&plan.guards);
    for (number, step) in (1..).zip(&plan.steps) {
        writeln!(out, "step {number}: {}", step.title)?;
        for write in &step.writes {
            write_one(out, plan, write, &mut images)?;
        }
    }
    Ok(())
}

/// Lines of a hex dump at most.
const HEX_LINES: usize = 8;

fn write_one(
    out: &mut dyn io::Write,
    plan: &Plan,
    write: &Write,
    images: &mut Images,
) -> io::Result<()> {
    let range = write.range();
    let name = plan
        .devices
        .get(write.device)
        .map_or("", |device| device.name.as_str());
    place(out, name, range.start, range.end, write.part)?;
    let Old::Bytes(old) = &write.old else {
        return Ok(());
    };
    let new = write.new.to_vec();
    let told = images.write(write.part, write.device, range.start, Some(old), &new);
    differences(out, &told)?;
    // What has no fields: chunks, logs.
    let from = match write.part {
        Part::Superblock if !told.is_empty() => return Ok(()),
        Part::BitmapHeader | Part::BitmapArea if !told.is_empty() => BITMAP_SUPER_BYTES,
        _ => 0,
    };
    bytes(out, old, &new, from)
}

/// `  NAME: bytes START..END: PART`
pub(super) fn place(
    out: &mut dyn io::Write,
    name: &str,
    start: u64,
    end: u64,
    part: Part,
) -> io::Result<()> {
    writeln!(out, "  {name}: bytes {start}..{end}: {part}")
}

/// A field a line.
pub(super) fn differences(out: &mut dyn io::Write, told: &[Difference]) -> io::Result<()> {
    let names = told.iter().map(|it| it.name.chars().count());
    let width = names.max().unwrap_or_default();
    for Difference { name, old, new } in told {
        match old.as_str() {
            "-" => writeln!(out, "    {name:<width$}  {new}")?,
            _ => writeln!(out, "    {name:<width$}  {old} -> {new}")?,
        }
    }
    Ok(())
}

/// What differs from byte `from` on, in hex; in a few words where each is of one value.
fn bytes(out: &mut dyn io::Write, old: &[u8], new: &[u8], from: usize) -> io::Result<()> {
    let (old, new) = (
        old.get(from..).unwrap_or_default(),
        new.get(from..).unwrap_or_default(),
    );
    if old == new {
        return Ok(());
    }
    if let (Some(old), Some(new)) = (only_value(old), only_value(new)) {
        return writeln!(out, "    every byte {old:02x} -> {new:02x}");
    }
    let lines = old.chunks(16).zip(new.chunks(16)).enumerate();
    let mut differing = lines.filter(|(_, (old, new))| old != new);
    for (number, (old, new)) in differing.by_ref().take(HEX_LINES) {
        writeln!(out, "    {:04x}  - {}", from + number * 16, hex(old))?;
        writeln!(out, "          + {}", hex(new))?;
    }
    match differing.count() {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more lines of 16 bytes"),
    }
}

fn only_value(bytes: &[u8]) -> Option<u8> {
    let first = bytes.first()?;
    bytes.iter().all(|byte| byte == first).then_some(*first)
}

fn hex(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(" ")
}
