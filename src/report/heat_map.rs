//! The dirt of a bitmap as rows of block characters.

use crate::commands::examine::result::{Device, HeatMap, Shade, Slot};
use crate::report::number::{percent, prose_size, prose_size_up};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;

/// Which characters a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Nothing but ASCII.
    Ascii,
    /// Unicode; of its block characters those that the fonts of the Linux console have, too
    /// (code page 437).
    Unicode,
}

/// Rows at most.
const ROWS: usize = 8;
/// Columns that the position before a row takes: `1023.9 GiB`.
const LABEL: usize = 10;
/// A row has a multiple of so many cells: a cell is a power of two of bytes, and so the positions
/// of rows and of quarters of a row are round.
const ROUND: usize = 8;
/// Columns around the cells: two blanks, the label, a blank, two borders.
const AROUND: usize = LABEL + 5;

/// Cells of a row in a terminal of `width` columns.
fn cells_per_row(width: usize) -> usize {
    let room = width.saturating_sub(AROUND);
    (room - room % ROUND).max(ROUND)
}

/// How many cells the map of a bitmap has at most in a terminal of `width` columns.
pub fn most_cells(width: usize) -> NonZeroUsize {
    let cells = cells_per_row(width).saturating_mul(ROWS);
    NonZeroUsize::new(cells).unwrap_or(NonZeroUsize::MIN)
}

/// Writes the map of every slot of a device that has one, an empty line before each.
///
/// # Errors
/// What `out` reports.
pub fn write_device(
    out: &mut dyn Write,
    device: &Device,
    width: usize,
    charset: Charset,
) -> io::Result<()> {
    for slot in &device.slots {
        let Some(map) = &slot.map else { continue };
        let path = device.path.to_string_lossy();
        match device.slots.len() {
            1 => write!(out, "\n{path}: ")?,
            _ => write!(out, "\n{path}, slot {}: ", slot.number)?,
        }
        let drawing = Drawing {
            map,
            row: cells_per_row(width),
            charset,
        };
        drawing.write(out)?;
        writeln!(out, "  {}", space_of(device))?;
        write_distrust(out, slot)?;
    }
    Ok(())
}

/// What positions count (reference/kernel.md 9.1).
fn space_of(device: &Device) -> &'static str {
    match device.array.as_ref().map(|array| array.level.as_str()) {
        Some("raid10") => "Positions are bytes of the array.",
        Some(_) => "Positions are bytes of each member's data, from its data offset on.",
        None => {
            "Positions are bytes of each member's data, from its data offset on; for raid10, of the array."
        }
    }
}

/// What the picture does not show: that nobody should go by it.
fn write_distrust(out: &mut dyn Write, slot: &Slot) -> io::Result<()> {
    let by_verdict = slot
        .verdict
        .as_ref()
        .is_some_and(|verdict| !verdict.trusted);
    let by_rule = (slot.broken_rules.iter()).any(|rule| !rule.consequence.keeps_bits());
    if !by_verdict && !by_rule {
        return Ok(());
    }
    writeln!(
        out,
        "  Do not go by this picture: the kernel would not use this bitmap as it is (--explain says why)."
    )
}

/// A place on the map; rounded down where it is not round.
fn position(bytes: u128) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ => prose_size(bytes),
    }
}

struct Drawing<'a> {
    map: &'a HeatMap,
    /// Cells of a row.
    row: usize,
    charset: Charset,
}

impl Drawing<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_summary(out)?;
        if self.map.cells.is_empty() {
            return Ok(());
        }
        for (number, row) in self.map.cells.chunks(self.row).enumerate() {
            let start = self.map.bytes_of(0..number * self.row).end;
            let cells: String = row.iter().map(|shade| self.symbol(*shade)).collect();
            writeln!(out, "  {:>LABEL$} |{cells}|", position(start))?;
        }
        self.write_scale(out)?;
        self.write_legend(out)
    }

    fn write_summary(&self, out: &mut dyn Write) -> io::Result<()> {
        let map = self.map;
        write!(
            out,
            "{} of {} chunks dirty ({}%), {} of {}",
            map.dirty_chunks,
            map.chunks,
            percent(map.dirty_chunks, map.chunks),
            prose_size(map.dirty_bytes),
            prose_size(map.coverage.sync_size().bytes_wide()),
        )?;
        match self.dirty_span() {
            Some(span) => writeln!(
                out,
                ", all between {} and {}",
                position(span.start),
                prose_size_up(span.end)
            ),
            None => writeln!(out),
        }
    }

    /// The bytes from the first dirty cell to the last.
    fn dirty_span(&self) -> Option<Range<u128>> {
        let cells = &self.map.cells;
        let first = cells.iter().position(|shade| shade.is_dirty())?;
        let last = cells.iter().rposition(|shade| shade.is_dirty())?;
        Some(self.map.bytes_of(first..last + 1))
    }

    fn symbol(&self, shade: Shade) -> char {
        let (ascii, unicode) = match shade {
            Shade::Unwritten => (' ', ' '),
            Shade::Clean => ('.', '\u{b7}'),
            Shade::Light => (':', '\u{2591}'),
            Shade::Medium => ('+', '\u{2592}'),
            Shade::Dark => ('%', '\u{2593}'),
            Shade::Full => ('#', '\u{2588}'),
            Shade::Missing => ('?', '?'),
        };
        match self.charset {
            Charset::Ascii => ascii,
            Charset::Unicode => unicode,
        }
    }

    /// Positions within a row, below the rows.
    fn write_scale(&self, out: &mut dyn Write) -> io::Result<()> {
        let cells = self.row.min(self.map.cells.len());
        let plus = if self.map.cells.len() > self.row {
            "+"
        } else {
            ""
        };
        let mut line = String::new();
        for quarter in 0..=4 {
            let cell = cells * quarter / 4;
            let at = self.map.bytes_of(0..cell).end;
            // The last one ends where the row does; each needs a blank before it.
            let text = format!("{plus}{}", position(at));
            let column = match quarter {
                4 => cells.saturating_sub(text.len()),
                _ => cell,
            };
            let free = if line.is_empty() { 0 } else { line.len() + 1 };
            if column >= free {
                line.push_str(&" ".repeat(column - line.len()));
                line.push_str(&text);
            }
        }
        writeln!(out, "  {:>LABEL$}  {line}", "")
    }

    fn write_legend(&self, out: &mut dyn Write) -> io::Result<()> {
        let map = self.map;
        let chunk = prose_size(map.coverage.chunk_bytes().into());
        let cell = map.bytes_of(0..1).end;
        match map.chunks_per_cell {
            1 => write!(out, "  a cell is one chunk of {chunk}")?,
            many => write!(
                out,
                "  a cell is {many} chunks of {chunk}: {}",
                prose_size(cell)
            )?,
        }
        let [clean, light, medium, dark, full] = [
            Shade::Clean,
            Shade::Light,
            Shade::Medium,
            Shade::Dark,
            Shade::Full,
        ]
        .map(|shade| self.symbol(shade));
        write!(out, "; {clean} none dirty")?;
        if map.chunks_per_cell > 1 {
            write!(out, ", {light} {medium} {dark} some (by thirds)")?;
        }
        write!(out, ", {full} all dirty")?;
        if map.has_states {
            write!(out, ", blank: nothing written yet")?;
        }
        if map.cells.contains(&Shade::Missing) {
            write!(out, ", ? bits missing, dirty therefore")?;
        }
        writeln!(out)
    }
}
