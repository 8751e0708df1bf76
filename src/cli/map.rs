//! `mdbitmap map`: arguments in, options struct out, answers to the reports as they come.

use super::finding;
use super::{Streams, UsageError};
use crate::commands::Status;
use crate::commands::map::{self, MapOptions, Mapping, Outcome};
use crate::report::{map_json, map_text};
use crate::units::{Bytes, Sectors};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::ops::Range;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("map")
        .about("Shows where a sector of an array lies on its members, and the other way round")
        .long_about(
            "Shows on which members, and at which LBA of each, a sector of an array lies, with all copies and parity; \
             which chunk of the bitmap covers it, and whether that is dirty. With --of the other way round: what a \
             sector of a device holds. Sectors are of 512 bytes, and an LBA counts from the start of the device or \
             image given. Works without a running array, for metadata 0.90, 1.x and LVM RAID, for all layouts. Nothing \
             is written.\n\n\
             One member is enough to know the geometry; those that are not given are named by their slot.",
        )
        .arg(
            Arg::new("member")
                .value_name("MEMBER")
                .help("Member, image of a member, LVM RAID metadata device, or running array")
                .long_help(
                    "Member of the array, image of a member, metadata device of an LVM RAID leg, or the running array \
                     (/dev/md0), which stands for its members.",
                )
                .required_unless_present("of")
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("sector")
                .long("sector")
                .value_name("SIZE")
                .help("The sector at this position; a suffix is required: 123456s, 1G. May be repeated")
                .long_help(
                    "The sector at this position in the array, or in the device named by --of. A suffix is required: s \
                     for sectors of 512 bytes, B for bytes, K, M, G, T for powers of 1024. A position within a sector \
                     means that sector. May be repeated.",
                )
                .action(ArgAction::Append)
                .value_parser(super::size::offset),
        )
        .arg(
            Arg::new("range")
                .long("range")
                .value_name("START+LENGTH")
                .help("All sectors of a range, as in 8K+1M or 123456s+8s. May be repeated")
                .long_help(
                    "All sectors of a range; both numbers need a suffix, as in 8K+1M or 123456s+8s. The answer comes in \
                     stretches that lie in one piece and in one chunk of the bitmap. May be repeated.",
                )
                .action(ArgAction::Append)
                .value_parser(super::size::range),
        )
        .group(
            ArgGroup::new("question")
                .args(["sector", "range"])
                .multiple(true)
                .required(true),
        )
        .arg(
            Arg::new("of")
                .long("of")
                .value_name("DEVICE")
                .help("The positions are those of this member, from its start, not of the array")
                .long_help(
                    "The positions are those of this member, from the start of the device or image, not of the array: \
                     the LBA of a read error, say. It need not be repeated among the MEMBERs. Of an LVM RAID leg give \
                     the metadata device; the positions are those of its data device.",
                )
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("One JSON object")
                .action(ArgAction::SetTrue),
        )
        .arg(finding::metadata())
}

/// The questions in the order of the command line.
fn questions(matches: &ArgMatches) -> Vec<Range<Sectors>> {
    let sectors = matches.get_many::<Bytes>("sector").into_iter().flatten();
    let sectors = sectors.map(|position| {
        let sector = position.sectors_floor();
        sector..Sectors(sector.0.saturating_add(1))
    });
    let ranges = matches.get_many::<Range<Sectors>>("range");
    let ranges = ranges.into_iter().flatten().cloned();
    let places = |name: &str| matches.indices_of(name).into_iter().flatten();
    let mut all: Vec<_> = places("sector")
        .zip(sectors)
        .chain(places("range").zip(ranges))
        .collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, question)| question).collect()
}

fn options(matches: &ArgMatches) -> MapOptions {
    MapOptions {
        paths: finding::paths(matches, "member"),
        of: matches.get_one("of").cloned(),
        questions: questions(matches),
        metadata: matches.get_one("metadata").copied(),
    }
}

/// Maps and reports.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let mapping = match map::map(&options(matches)) {
        Ok(mapping) => mapping,
        Err((problems, error)) => {
            let status = complain(&problems, streams);
            streams.complain(&error.to_string());
            return Ok(status.max(Status::Failed));
        }
    };
    let mut status = answer(&mapping, matches.get_flag("json"), streams);
    status = status.max(complain(&mapping.problems, streams));
    for text in mapping.contradictions.iter().chain(&mapping.notes) {
        streams.complain(text);
    }
    Ok(status)
}

/// Writes all answers; where nobody reads them any more it stops.
fn answer(mapping: &Mapping, json: bool, streams: &mut Streams<'_>) -> Status {
    let mut status = Status::Done;
    let written = match json {
        true => map_json::write_array(streams.out(), mapping),
        false => map_text::write_array(streams.out(), mapping),
    };
    streams.note_write(written);
    let mut answers = mapping.answers();
    let mut first = true;
    while let Some(answer) = answers.next().filter(|_| !streams.is_closed()) {
        let written = match json {
            true => map_json::write_answer(streams.out(), mapping, &answer, first),
            false => map_text::write_answer(streams.out(), mapping, &answer),
        };
        streams.note_write(written);
        if matches!(answer.outcome, Outcome::Outside { .. }) {
            status = status.max(Status::Failed);
        }
        first = false;
    }
    if json {
        let written = map_json::write_end(streams.out());
        streams.note_write(written);
    }
    for unreadable in answers.unreadable() {
        streams.complain(unreadable);
        status = status.max(Status::Unreadable);
    }
    status
}

fn complain(problems: &[(Status, String)], streams: &mut Streams<'_>) -> Status {
    for (_, problem) in problems {
        streams.complain(problem);
    }
    let statuses = problems.iter().map(|(status, _)| *status);
    statuses.max().unwrap_or_default()
}
