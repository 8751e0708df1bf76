//! `mdbitmap compare`: arguments in, options struct out, differences to the report.

use super::dump::{options as dump_options, tell};
use super::finding;
use super::{Streams, UsageError, extents};
use crate::array::spaces::Space;
use crate::commands::Status;
use crate::commands::compare::since::{self, Complete, Since};
use crate::commands::compare::{self, CompareError, CompareOptions};
use crate::commands::dump::verify::{Difference, VerifyWriter};
use crate::commands::extents::ExtentsOptions;
use crate::report::compare::{JsonCompare, TextCompare, since_json, since_lines, write_since};
use crate::report::dump::verify::{JsonVerify, TextVerify, write_summary};
use crate::report::extents::{Format, SinceHead};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::{OsStr, OsString};
use std::io;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("compare")
        .about("How the bitmaps of members, of nodes, or of two moments differ")
        .long_about(
            "Compares bitmaps: the copies on the members of an array (or any others), the nodes of a clustered bitmap with --nodes, or two \
             moments: compare before.dump DEVICE... says what has changed since the dump was made, and whether what is dirty now is all that \
             has been written since. Dumps may stand wherever a device may. Nothing is written. The status is 0 when nothing differs, 1 when \
             something does.\n\n\
             With --format or --space the extents that have been written since are listed, as extents lists them: for an incremental \
             backup. The status is 1 when there is any, 0 when there is none. The bitmap says what is marked now, and an array that has all its \
             members clears marks a few seconds after each write. So the list has a verdict: incomplete (something speaks against it: no list, \
             status 3), unproven (nothing does, but what was marked and cleared between the two moments would be missing: listed with \
             a warning), held (you vouch with --assume-held that no mark was cleared). See WHEN A LIST IS COMPLETE.",
        )
        .arg(
            Arg::new("device")
                .value_name("DEVICE|DUMP")
                .help("Member, image, bitmap file, bare bitmap device, running array, or a dump")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(flag("nodes", "All slots of clustered bitmaps, not the first alone"))
        .arg(flag("json", "One JSON object").conflicts_with("format"))
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .help("Lists what has been written since the dump: table, json, csv, mapfile")
                .value_parser(["table", "json", "csv", "mapfile"]),
        )
        .arg(
            Arg::new("space")
                .long("space")
                .value_name("SPACE")
                .help("Addresses of the list: device, member, bitmap or array [default: bitmap; of a mapfile: device]")
                .value_parser(|text: &str| text.parse::<Space>())
                .requires("format"),
        )
        .arg(
            flag("assume-held", "You know that the kernel has cleared no mark since the dump")
                .long_help(
                    "You know that the kernel has cleared no mark since the dump: the array lacked a member all the time, or md/bitmap/time_base \
                     was longer than the time since, and the array was not stopped. What speaks against it still refuses the list, and rows that a kernel never marked \
                     are still warned of.",
                ),
        )
        .arg(flag("strict", "Refuses an unproven list (status 3) instead of warning").requires("format"))
        .args(finding::all())
}

fn flag(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).help(help).action(ArgAction::SetTrue)
}

/// Compares and reports.
///
/// # Errors
/// A list without a dump to begin with.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let options = CompareOptions {
        dump: dump_options(matches, finding::paths(matches, "device")),
        nodes: matches.get_flag("nodes"),
    };
    let since = compare::is_since(&options);
    let format = matches.get_one::<String>("format").map(String::as_str);
    let result = match (format, since) {
        (Some(_), false) => {
            let message = "--format lists what has been written since a dump: give the dump first, then the devices";
            return Err(UsageError(message.to_owned()));
        }
        (Some(format), true) => list(&options, format, matches, streams),
        (None, true) => moments(&options, matches, streams),
        (None, false) => copies(&options, matches.get_flag("json"), streams),
    };
    Ok(result.unwrap_or_else(|error| failed(error, streams)))
}

fn failed(error: CompareError, streams: &mut Streams<'_>) -> Status {
    match error {
        CompareError::Output(error) => {
            streams.note_write(Err(error));
            Status::Done
        }
        CompareError::Dump(error) => {
            streams.complain(&error.to_string());
            error.status()
        }
        CompareError::Bitmap(problem) => {
            streams.complain(&format!(
                "{}; the comparison is not complete",
                problem.message
            ));
            problem.kind.status()
        }
        CompareError::TooFew => {
            streams.complain(
                "there are not two bitmaps to compare; give two members, or a dump and a member",
            );
            Status::Failed
        }
    }
}

fn copies(
    options: &CompareOptions,
    json: bool,
    streams: &mut Streams<'_>,
) -> Result<Status, CompareError> {
    let compared = match json {
        true => {
            let mut writer = JsonCompare::new(streams.out());
            let compared = compare::compare(options, &mut writer)?;
            writer.end(&compared)?;
            compared
        }
        false => {
            let mut writer = TextCompare::new(streams.out());
            let compared = compare::compare(options, &mut writer)?;
            writer.end(&compared)?;
            compared
        }
    };
    let status = tell(&compared.told, streams);
    Ok(match compared.is_equal() {
        true => status,
        false => status.max(Status::Failed),
    })
}

fn moments(
    options: &CompareOptions,
    matches: &ArgMatches,
    streams: &mut Streams<'_>,
) -> Result<Status, CompareError> {
    let held = matches.get_flag("assume-held");
    let since = match matches.get_flag("json") {
        true => {
            let mut writer = JsonVerify::new(streams.out())?;
            let since = since::since(options, held, &mut writer)?;
            writer.end_with(&since.verified, Some(&since_json(&since)))?;
            since
        }
        false => {
            let since = since::since(options, held, &mut TextVerify(streams.out()))?;
            write_summary(streams.out(), &since.verified)?;
            write_since(streams.out(), &since)?;
            since
        }
    };
    let status = tell(&since.verified.told, streams);
    Ok(match since.verified.is_equal() {
        true => status,
        false => status.max(Status::Failed),
    })
}

/// Takes differences and shows none.
struct Silent;

impl VerifyWriter for Silent {
    fn difference(&mut self, _: &OsStr, _: &Difference) -> io::Result<()> {
        Ok(())
    }
}

/// Lists what has been written since, unless that list may lack something.
fn list(
    options: &CompareOptions,
    format: &str,
    matches: &ArgMatches,
    streams: &mut Streams<'_>,
) -> Result<Status, CompareError> {
    let since = since::since(options, matches.get_flag("assume-held"), &mut Silent)?;
    say(&since, streams);
    let status = tell(&since.verified.told, streams);
    let refusal = match since.complete {
        Complete::Incomplete => Some("because it may lack what was written"),
        Complete::Unproven if matches.get_flag("strict") => {
            Some("because it is not proven to be complete (--strict)")
        }
        _ => None,
    };
    if let Some(refusal) = refusal {
        streams.complain(&format!("no list is given, {refusal}; make a full backup"));
        return Ok(status.max(Status::Refused));
    }
    let mapfile = format == "mapfile";
    let default = match mapfile {
        true => Space::Device,
        false => Space::Bitmap,
    };
    let extents = ExtentsOptions {
        paths: since::listed(options),
        members: Vec::new(),
        space: matches.get_one("space").copied().unwrap_or(default),
        resync: false,
        mapfile,
        slot: None,
        metadata: options.dump.metadata,
        offset: options.dump.offset,
        order: options.dump.order,
    };
    let format = match format {
        "json" => Format::Json,
        "csv" => Format::Csv,
        "mapfile" => Format::Mapfile,
        _ => Format::Table,
    };
    let head = SinceHead {
        verdict: since.complete.name(),
        reasons: since.reasons(),
    };
    let (listed, any) = extents::list(&extents, format, Some(head), streams);
    Ok(match any {
        true => status.max(listed).max(Status::Failed),
        false => status.max(listed),
    })
}

fn say(since: &Since, streams: &mut Streams<'_>) {
    for line in since_lines(since) {
        streams.complain(&line);
    }
}
