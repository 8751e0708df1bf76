//! The JSON of `map`: one object, written as the answers come. Interface: schema 1.

use crate::array::geometry::Parity;
use crate::array::membership::Standing;
use crate::commands::map::{Answer, Chunk, Device, Mapping, Outcome, Role, Spot};
use crate::units::Sectors;
use serde::Serialize;
use std::io::{self, Write};

/// The number that a change of meaning of any key raises.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct ArrayJson {
    level: String,
    layout: String,
    uuid: Option<String>,
    members: u32,
    members_missing: usize,
    raid_chunk_sectors: u64,
    array_sectors: u64,
    member_sectors: u64,
    bitmap_chunk_bytes: Option<u64>,
    bitmap_trusted: Option<bool>,
    rows_may_go_unmarked: bool,
}

#[derive(Serialize)]
struct AnswerJson<'a> {
    space: &'static str,
    device: Option<String>,
    start_sectors: u64,
    length_sectors: u64,
    kind: &'static str,
    area: Option<&'static str>,
    array_start_sectors: Option<u64>,
    copy: Option<u32>,
    stripe: Option<u64>,
    raid_chunk: Option<u64>,
    chunk: Option<ChunkJson>,
    places: Vec<SpotJson<'a>>,
}

#[derive(Serialize)]
struct ChunkJson {
    index: u64,
    state: &'static str,
    dirty: bool,
}

#[derive(Serialize)]
struct SpotJson<'a> {
    role: &'static str,
    copy: Option<u32>,
    /// Of parity asked about: the sector of the array that it covers here.
    array_start_sectors: Option<u64>,
    slot: u32,
    device: Option<std::borrow::Cow<'a, str>>,
    standing: Option<&'static str>,
    on_data_device: bool,
    lba_sectors: Option<u64>,
    data_sectors: u64,
}

/// Writes the object up to its answers.
///
/// # Errors
/// What `out` reports.
pub fn write_array(out: &mut dyn Write, mapping: &Mapping) -> io::Result<()> {
    let geometry = &mapping.geometry;
    let bitmap = mapping.bitmap();
    let array = ArrayJson {
        level: geometry.level().to_string(),
        layout: geometry.layout_name(),
        uuid: mapping.uuid.clone(),
        members: geometry.raid_disks(),
        members_missing: mapping.missing(),
        raid_chunk_sectors: geometry.raid_chunk().0,
        array_sectors: geometry.array_size().0,
        member_sectors: geometry.member_size().0,
        bitmap_chunk_bytes: bitmap.as_ref().map(|(bytes, _)| *bytes),
        bitmap_trusted: bitmap.map(|(_, reasons)| reasons.is_empty()),
        rows_may_go_unmarked: geometry.rows_may_go_unmarked(),
    };
    write!(out, "{{\"schema\":{SCHEMA},\"array\":")?;
    serde_json::to_writer(&mut *out, &array)?;
    out.write_all(b",\"answers\":[")
}

/// Writes one answer; `first` is true for the first one.
///
/// # Errors
/// What `out` reports.
pub fn write_answer(
    out: &mut dyn Write,
    mapping: &Mapping,
    answer: &Answer,
    first: bool,
) -> io::Result<()> {
    if !first {
        out.write_all(b",")?;
    }
    serde_json::to_writer(&mut *out, &answer_json(mapping, answer))?;
    Ok(())
}

/// Writes what is left of the object.
///
/// # Errors
/// What `out` reports.
pub fn write_end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"]}\n")
}

fn answer_json<'a>(mapping: &'a Mapping, answer: &'a Answer) -> AnswerJson<'a> {
    let of = mapping.of.as_ref();
    let device = of.and_then(|(index, _)| mapping.devices.get(*index));
    let sectors = answer.asked.end.0.saturating_sub(answer.asked.start.0);
    let mut json = AnswerJson {
        space: if device.is_some() { "device" } else { "array" },
        device: device.map(|device| device.given.name().into_owned()),
        start_sectors: answer.asked.start.0,
        length_sectors: sectors,
        kind: "data",
        area: None,
        array_start_sectors: None,
        copy: None,
        stripe: None,
        raid_chunk: None,
        chunk: None,
        places: Vec::new(),
    };
    match &answer.outcome {
        Outcome::Data {
            array,
            copy,
            stripe,
            chunk,
            spots,
        } => {
            json.array_start_sectors = Some(array.0);
            (json.copy, json.stripe) = (*copy, *stripe);
            let raid_chunk = mapping.geometry.raid_chunk().0;
            json.raid_chunk = stripe.and_then(|_| array.0.checked_div(raid_chunk));
            json.chunk = chunk.map(chunk_json);
            let spots = spots.iter();
            json.places = spots.map(|spot| spot_json(mapping, spot, None)).collect();
        }
        Outcome::Parity {
            which,
            stripe,
            chunk,
            covers,
        } => {
            json.kind = parity_name(*which);
            json.stripe = Some(*stripe);
            json.chunk = chunk.map(chunk_json);
            let covers = covers.iter();
            json.places = covers
                .map(|(array, spot)| spot_json(mapping, spot, Some(*array)))
                .collect();
        }
        Outcome::Area { content, .. } => {
            json.kind = "area";
            json.area = Some(content.name());
        }
        Outcome::Unused { .. } => json.kind = "unused",
        Outcome::NoSlot => json.kind = "no_slot",
        Outcome::Outside { .. } => json.kind = "outside",
    }
    json
}

fn chunk_json(chunk: Chunk) -> ChunkJson {
    ChunkJson {
        index: chunk.index.0,
        state: chunk.state.name(),
        dirty: chunk.state.is_dirty(),
    }
}

fn spot_json<'a>(mapping: &'a Mapping, spot: &Spot, array: Option<Sectors>) -> SpotJson<'a> {
    let device = spot.device.and_then(|index| mapping.devices.get(index));
    let (role, copy) = match spot.role {
        Role::Copy(copy) => ("data", Some(copy)),
        Role::Parity(which) => (parity_name(which), None),
    };
    SpotJson {
        role,
        copy,
        array_start_sectors: array.map(|array| array.0),
        slot: spot.slot,
        device: device.map(|device| device.given.name()),
        standing: device.map(standing_name),
        on_data_device: device.is_some_and(Device::data_is_elsewhere),
        lba_sectors: spot.lba.map(|lba| lba.0),
        data_sectors: spot.sector.0,
    }
}

fn standing_name(device: &Device) -> &'static str {
    match device.standing {
        Standing::Current { .. } => "current",
        Standing::Recovering { .. } => "recovering",
        Standing::Replacement { .. } => "replacement",
        Standing::OutOfDate { .. } => "out_of_date",
        Standing::Faulty => "faulty",
        Standing::Spare => "spare",
        Standing::Journal => "journal",
    }
}

fn parity_name(which: Parity) -> &'static str {
    match which {
        Parity::P => "p",
        Parity::Q => "q",
    }
}
