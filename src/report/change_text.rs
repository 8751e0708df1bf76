//! What a change of a stopped array will do, or has done, for people.

use crate::change::plan::{Old, Part, Plan, Write};
use crate::commands::offline::Changed;
use std::io;

/// The outcome in a few lines; the whole plan for a dry run.
///
/// # Errors
/// What `out` reports.
pub fn write_changed(out: &mut dyn io::Write, changed: &Changed, dry_run: bool) -> io::Result<()> {
    let Some(planned) = &changed.planned else {
        return Ok(());
    };
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
        let devices = devices_written(&planned.plan);
        writeln!(
            out,
            "  {} bytes written to {devices} devices, flushed and read back",
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
    for (number, step) in (1..).zip(&plan.steps) {
        writeln!(out, "step {number}: {}", step.title)?;
        for write in &step.writes {
            write_one(out, plan, write)?;
        }
    }
    Ok(())
}

fn write_one(out: &mut dyn io::Write, plan: &Plan, write: &Write) -> io::Result<()> {
    let range = write.range();
    let name = plan
        .devices
        .get(write.device)
        .map_or("", |device| device.name.as_str());
    writeln!(
        out,
        "  {name}: bytes {}..{}: {}",
        range.start, range.end, write.part
    )?;
    if write.part == Part::BitmapArea {
        return Ok(());
    }
    let Old::Bytes(old) = &write.old else {
        return Ok(());
    };
    let new = write.new.to_vec();
    for (number, (old, new)) in old.chunks(16).zip(new.chunks(16)).enumerate() {
        if old != new {
            writeln!(out, "    {:04x}  - {}", number * 16, hex(old))?;
            writeln!(out, "          + {}", hex(new))?;
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(" ")
}
