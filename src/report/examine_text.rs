//! The text of `examine`: for versions 3 to 5 what `mdadm -X` 4.2 prints, byte for byte.
//!
//! Labels and formats: reference/mdadm.md 4.2 and 4.3. The closed list of differences is in the
//! manual page (DIFFERENCES FROM MDADM).

use crate::commands::examine::result::{Contents, Device, Slot, UuidText};
use crate::format::bitmap_super::{RawBitmapSuper, state};
use crate::report::number::{chunk_size, human_size, percent};
use crate::report::{state_names, state_rows};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// Writes one device's bitmap, all its slots; nothing when no superblock could be read.
///
/// # Errors
/// What `out` reports.
pub fn write_device(out: &mut dyn Write, device: &Device, brief: bool) -> io::Result<()> {
    let Some((slot, raw)) = header_of(device).filter(|_| device.shown) else {
        return Ok(());
    };
    out.write_all(b"        Filename : ")?;
    out.write_all(device.path.as_bytes())?;
    writeln!(out, "\n           Magic : {:08x}", raw.magic)?;
    writeln!(out, "         Version : {}", raw.version as i32)?;
    // A version 6 superblock is read only when it is one: mdadm stops here for every 6.
    if !(3..=5).contains(&raw.version) && (raw.version != 6 || !raw.has_magic()) {
        return Ok(());
    }
    let uuid_text = device
        .found
        .as_ref()
        .map(|found| found.uuid_text)
        .unwrap_or_default();
    write_uuid(out, uuid_text, raw)?;
    let clustered = is_clustered(raw);
    if !clustered {
        write_events(out, raw)?;
    }
    write_geometry(out, raw)?;
    if !clustered {
        return if brief {
            Ok(())
        } else {
            write_bits(out, slot, raw)
        };
    }
    write_cluster(out, raw)?;
    if !device.slots_listed {
        return Ok(());
    }
    device
        .slots
        .iter()
        .try_for_each(|slot| write_slot(out, slot, brief))
}

/// The superblock that heads the listing: that of the first slot that has one.
fn header_of(device: &Device) -> Option<(&Slot, &RawBitmapSuper)> {
    device
        .slots
        .iter()
        .find_map(|slot| slot.superblock.as_ref().map(|raw| (slot, raw)))
}

/// A listing of slots is shown when the superblock names nodes; version 6 has none.
fn is_clustered(raw: &RawBitmapSuper) -> bool {
    raw.nodes != 0 && !raw.is_lockless()
}

fn write_uuid(out: &mut dyn Write, text: UuidText, raw: &RawBitmapSuper) -> io::Result<()> {
    writeln!(out, "            UUID : {}", text.format(&raw.uuid))
}

fn write_events(out: &mut dyn Write, raw: &RawBitmapSuper) -> io::Result<()> {
    writeln!(out, "          Events : {}", raw.events)?;
    writeln!(out, "  Events Cleared : {}", raw.events_cleared)?;
    writeln!(out, "           State : {}", state_text(raw.state))
}

fn write_geometry(out: &mut dyn Write, raw: &RawBitmapSuper) -> io::Result<()> {
    let chunk = match raw.chunk_bytes() {
        Some(bytes) => chunk_size(bytes),
        None => "chosen by the kernel".to_owned(),
    };
    writeln!(out, "       Chunksize : {chunk}")?;
    // mdadm prints these two as signed numbers.
    writeln!(
        out,
        "          Daemon : {}s flush period",
        raw.daemon_sleep_seconds as i32
    )?;
    match raw.write_behind {
        0 => writeln!(out, "      Write Mode : Normal")?,
        limit => writeln!(
            out,
            "      Write Mode : Allow write behind, max {}",
            limit as i32
        )?,
    }
    let sectors = raw.sync_size_sectors;
    writeln!(
        out,
        "       Sync Size : {}{}",
        sectors / 2,
        human_size(u128::from(sectors) * 512)
    )
}

fn write_bits(out: &mut dyn Write, slot: &Slot, raw: &RawBitmapSuper) -> io::Result<()> {
    let Some(contents) = &slot.contents else {
        return match raw.chunk_bytes() {
            Some(_) => Ok(()),
            None => writeln!(
                out,
                "          Bitmap : made by the kernel at the first start of the array"
            ),
        };
    };
    writeln!(
        out,
        "          Bitmap : {} bits (chunks), {} dirty ({}%)",
        contents.chunks,
        contents.dirty_chunks,
        percent(contents.dirty_chunks, contents.chunks)
    )?;
    write_states(out, contents)
}

fn write_states(out: &mut dyn Write, contents: &Contents) -> io::Result<()> {
    let Some(table) = &contents.states else {
        return Ok(());
    };
    let counts: Vec<String> = state_rows(table)
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    writeln!(out, "          States : {}", counts.join(", "))
}

fn write_cluster(out: &mut dyn Write, raw: &RawBitmapSuper) -> io::Result<()> {
    writeln!(out, "   Cluster nodes : {}", raw.nodes as i32)?;
    let name = cluster_name(raw);
    out.write_all(b"    Cluster name : ")?;
    out.write_all(name)?;
    writeln!(
        out,
        "{:width$}",
        "",
        width = 64usize.saturating_sub(name.len())
    )
}

/// The name up to its NUL, at most 64 bytes of any kind.
fn cluster_name(raw: &RawBitmapSuper) -> &[u8] {
    raw.cluster_name
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default()
}

fn write_slot(out: &mut dyn Write, slot: &Slot, brief: bool) -> io::Result<()> {
    let Some(raw) = &slot.superblock else {
        return writeln!(out, "   Unable to read bitmap on node: {}", slot.number);
    };
    writeln!(out, "       Node Slot : {}", slot.number)?;
    write_events(out, raw)?;
    if brief {
        Ok(())
    } else {
        write_bits(out, slot, raw)
    }
}

/// mdadm knows `OK` and `Out of date`; everything else is spelled out here.
fn state_text(bits: u32) -> String {
    match bits {
        0 => "OK".to_owned(),
        state::STALE => "Out of date".to_owned(),
        _ => state_names(bits).join(", ").replace('_', " "),
    }
}

#[cfg(test)]
mod tests;
