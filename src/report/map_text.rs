//! The answers of `map` as text: a line for each stretch asked about, and below it where it is kept.

use super::number::prose_size;
use crate::array::geometry::Parity;
use crate::array::membership::Standing;
use crate::commands::map::{Answer, Chunk, ChunkState, Device, Mapping, Outcome, Role, Spot};
use crate::units::Sectors;
use std::io::{self, Write};
use std::ops::Range;

/// Writes what the array is, before the answers.
///
/// # Errors
/// What `out` reports.
pub fn write_array(out: &mut dyn Write, mapping: &Mapping) -> io::Result<()> {
    let geometry = &mapping.geometry;
    let members = geometry.raid_disks();
    write!(out, "{} of {members} members", geometry.level())?;
    let layout = geometry.layout_name();
    if !layout.is_empty() {
        write!(out, ", {layout}")?;
    }
    if geometry.level() != crate::format::level::Level::Raid1 {
        let chunk = geometry.raid_chunk().bytes_wide();
        write!(out, ", RAID chunk {}", prose_size(chunk))?;
    }
    let size = geometry.array_size();
    write!(out, ": {size} sectors ({})", prose_size(size.bytes_wide()))?;
    let Some((chunk_bytes, reasons)) = mapping.bitmap() else {
        return writeln!(out, "; no bitmap");
    };
    writeln!(out, "; bitmap chunk {}", prose_size(chunk_bytes.into()))?;
    if let Some(reason) = reasons.first() {
        let sentence = reason.sentence.trim_end_matches('.');
        writeln!(
            out,
            "The bitmap cannot be believed ({sentence}): every chunk has to be taken for dirty."
        )?;
    }
    if mapping.missing() > 0 {
        writeln!(
            out,
            "Note: {} of {members} members were not given; a fresher one may know of more dirt.",
            mapping.missing()
        )?;
    }
    if geometry.rows_may_go_unmarked() {
        let data = geometry.data_disks().unwrap_or_default();
        writeln!(
            out,
            "Note: kernel 6.12 marks wrong rows of arrays with {data} data members: where such a kernel wrote, a chunk \
             that is clean proves nothing."
        )?;
    }
    Ok(())
}

/// Writes one answer, an empty line before it.
///
/// # Errors
/// What `out` reports.
pub fn write_answer(out: &mut dyn Write, mapping: &Mapping, answer: &Answer) -> io::Result<()> {
    writeln!(out)?;
    write_asked(out, mapping, &answer.asked)?;
    let sectors = answer.asked.end.0.saturating_sub(answer.asked.start.0);
    let stretch = |start: Sectors| start..Sectors(start.0.saturating_add(sectors));
    match &answer.outcome {
        Outcome::Data {
            array,
            copy,
            stripe,
            chunk,
            spots,
        } => {
            if mapping.of.is_some() {
                let several = mapping.geometry.copies() > 1;
                let copy = copy
                    .filter(|_| several)
                    .map(|copy| format!("copy {copy} of "));
                let copy = copy.unwrap_or_default();
                write!(out, " {copy}array {},", words("sector", &stretch(*array)))?;
            }
            let raid_chunk = mapping.geometry.raid_chunk().0;
            let raid_chunk = stripe.and_then(|_| array.0.checked_div(raid_chunk));
            write_row(out, *stripe, raid_chunk, *chunk)?;
            write_spots(out, mapping, spots, sectors)
        }
        Outcome::Parity {
            which,
            stripe,
            chunk,
            covers,
        } => {
            write!(out, " parity {},", parity_name(*which))?;
            write_row(out, Some(*stripe), None, *chunk)?;
            let rows = covers.iter().map(|(array, spot)| {
                let what = format!("array {}", words("sector", &stretch(*array)));
                (what, place(mapping, spot, sectors))
            });
            write_table(out, rows.collect())
        }
        Outcome::Area { content, into } if into.0 == 0 => writeln!(out, " {content}"),
        Outcome::Area { content, into } => {
            writeln!(out, " {content}, {into} sectors behind its start")
        }
        Outcome::Unused { sector } => writeln!(
            out,
            " the array stores nothing here (sector {sector} of the member's data)"
        ),
        Outcome::NoSlot => writeln!(out, " this device holds no slot of the array"),
        Outcome::Outside { end } => {
            let what = if mapping.of.is_some() {
                "device"
            } else {
                "array"
            };
            writeln!(out, " behind the end: the {what} has {end} sectors")
        }
    }
}

/// What was asked, with a colon.
fn write_asked(out: &mut dyn Write, mapping: &Mapping, asked: &Range<Sectors>) -> io::Result<()> {
    let of = mapping.of.as_ref();
    match of.and_then(|(index, _)| mapping.devices.get(*index)) {
        None => write!(out, "array {}:", words("sector", asked)),
        Some(device) => {
            let elsewhere = if device.data_is_elsewhere() {
                "the data device of "
            } else {
                ""
            };
            let (lba, name) = (words("LBA", asked), device.given.name());
            let standing = standing_words(device);
            write!(out, "{lba} of {elsewhere}{name}{standing}:")
        }
    }
}

/// ` stripe 50, RAID chunk 151, bitmap chunk 401: dirty`.
fn write_row(
    out: &mut dyn Write,
    stripe: Option<u64>,
    raid_chunk: Option<u64>,
    chunk: Option<Chunk>,
) -> io::Result<()> {
    let mut facts = Vec::new();
    facts.extend(stripe.map(|stripe| format!("stripe {stripe}")));
    facts.extend(raid_chunk.map(|raid_chunk| format!("RAID chunk {raid_chunk}")));
    facts.extend(chunk.map(|chunk| {
        let state = state_words(chunk.state);
        format!("bitmap chunk {}: {state}", chunk.index)
    }));
    match facts.is_empty() {
        true => writeln!(out, " no bitmap"),
        false => writeln!(out, " {}", facts.join(", ")),
    }
}

fn state_words(state: ChunkState) -> &'static str {
    match state {
        ChunkState::Clean => "clean",
        ChunkState::Dirty => "dirty",
        ChunkState::DirtyOnSome => "dirty on some members only, take it for dirty",
        ChunkState::Untrusted => "marked clean, not to be believed, take it for dirty",
        ChunkState::Unknown => "not known, take it for dirty",
    }
}

fn write_spots(
    out: &mut dyn Write,
    mapping: &Mapping,
    spots: &[Spot],
    sectors: u64,
) -> io::Result<()> {
    let several = mapping.geometry.copies() > 1;
    let role = |spot: &Spot| match spot.role {
        Role::Copy(copy) if several => format!("copy {copy}"),
        Role::Copy(_) => "data".to_owned(),
        Role::Parity(which) => format!("parity {}", parity_name(which)),
    };
    let rows = spots
        .iter()
        .map(|spot| (role(spot), place(mapping, spot, sectors)));
    write_table(out, rows.collect())
}

/// Device, place on it, slot.
fn place(mapping: &Mapping, spot: &Spot, sectors: u64) -> [String; 3] {
    let device = spot.device.and_then(|index| mapping.devices.get(index));
    let stretch = |start: Sectors| start..Sectors(start.0.saturating_add(sectors));
    let (Some(device), Some(lba)) = (device, spot.lba) else {
        let sector = words("sector", &stretch(spot.sector));
        let where_ = format!("{sector} of its data");
        return [
            "not given".to_owned(),
            where_,
            format!("slot {}", spot.slot),
        ];
    };
    let mut lba = words("LBA", &stretch(lba));
    if device.data_is_elsewhere() {
        lba.push_str(" of its data device");
    }
    let standing = standing_words(device);
    let slot = format!("slot {}{standing}", spot.slot);
    [device.given.name().into_owned(), lba, slot]
}

fn standing_words(device: &Device) -> String {
    match device.standing {
        Standing::Recovering { up_to, .. } => {
            format!(", recovered up to sector {up_to} of its data")
        }
        Standing::OutOfDate { behind, .. } => format!(", out of date by {behind} events"),
        Standing::Faulty => ", failed".to_owned(),
        Standing::Replacement { .. } => ", being filled as a replacement".to_owned(),
        _ => String::new(),
    }
}

/// Rows of a first column and three more, aligned, indented.
fn write_table(out: &mut dyn Write, rows: Vec<(String, [String; 3])>) -> io::Result<()> {
    let width = |cell: fn(&(String, [String; 3])) -> &str| {
        let widths = rows.iter().map(|row| cell(row).chars().count());
        widths.max().unwrap_or_default()
    };
    let (first, second, third) = (
        width(|(what, _)| what),
        width(|(_, [device, ..])| device),
        width(|(_, [_, place, _])| place),
    );
    for (what, [device, place, slot]) in &rows {
        writeln!(
            out,
            "  {what:<first$}  {device:<second$}  {place:<third$}  {slot}"
        )?;
    }
    Ok(())
}

/// `sector 5`, `sectors 5 to 8`.
fn words(what: &str, range: &Range<Sectors>) -> String {
    let last = range.end.0.saturating_sub(1);
    match last <= range.start.0 {
        true => format!("{what} {}", range.start),
        false => format!("{what}s {} to {last}", range.start),
    }
}

fn parity_name(which: Parity) -> &'static str {
    match which {
        Parity::P => "P",
        Parity::Q => "Q",
    }
}
