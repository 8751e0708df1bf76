//! `mdbitmap check`: arguments in, options struct out, findings to the reports.

use super::finding;
use super::{Streams, UsageError};
use crate::check::Severity;
use crate::commands::Status;
use crate::commands::check::{self, CheckOptions};
use crate::report::{check_json, check_text};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("check")
        .about("Finds what is wrong with bitmaps and their arrays, and says what the kernel would do")
        .long_about(
            "Finds what is wrong with the bitmap of each MEMBER and with its array: a bitmap with which the array does \
             not start, one that the kernel would not believe, marks that would be lost, metadata that overwrite each \
             other. Each finding has a name, a severity (note, warning, error, danger), says what the kernel would do, \
             and what can be done. Nothing is written.\n\n\
             Give all members of an array, and its bitmap file if it has one: what was not given cannot be checked, \
             and the report says so. Several arrays may be given at once.",
        )
        .arg(
            Arg::new("member")
                .value_name("MEMBER")
                .help("Member, image of a member, bitmap file, LVM RAID metadata device, or running array")
                .long_help(
                    "Member, image of a member, bitmap file, LVM RAID metadata device, or running array. Of a running \
                     array (/dev/md0) the members are checked, as they lie on disk at that moment.",
                )
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("One JSON object for all arrays")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("quiet")
                .short('q')
                .long("quiet")
                .help("Prints nothing; the exit status tells")
                .action(ArgAction::SetTrue)
                .conflicts_with("json"),
        )
        .arg(
            Arg::new("min-severity")
                .long("min-severity")
                .value_name("SEVERITY")
                .help("Shows findings from this severity up: note (default), warning, error, danger")
                .long_help(
                    "Shows findings from this severity up: note (default), warning, error, danger. The exit status and \
                     the conclusion are those of all findings.",
                )
                .value_parser(|text: &str| text.parse::<Severity>()),
        )
        .args(finding::all())
}

fn options(matches: &ArgMatches) -> CheckOptions {
    CheckOptions {
        paths: finding::paths(matches, "member"),
        metadata: matches.get_one("metadata").copied(),
        offset: matches.get_one("offset").copied(),
        order: finding::order(matches),
    }
}

/// Checks and reports.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let checked = check::check(&options(matches));
    if matches.get_flag("quiet") {
        return Ok(checked.status());
    }
    let least = matches.get_one("min-severity").copied();
    let least = least.unwrap_or(Severity::Note);
    let written = match matches.get_flag("json") {
        true => check_json::write_checked(streams.out(), &checked, least),
        false => check_text::write_checked(streams.out(), &checked, least),
    };
    streams.note_write(written);
    for failed in &checked.failed {
        streams.complain(&failed.problem.message);
    }
    for note in &checked.notes {
        streams.complain(note);
    }
    Ok(checked.status())
}
