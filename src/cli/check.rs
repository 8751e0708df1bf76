//! `mdbitmap check`: arguments in, options struct out, findings to the reports.

use super::{Streams, UsageError, finding, offline};
use crate::check::Severity;
use crate::commands::Status;
use crate::commands::check::repair::{RepairOptions, repair};
use crate::commands::check::{self, CheckOptions};
use crate::report::{check_json, check_text, repair_json, repair_text};
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
             and what can be done. Nothing is written without --repair.\n\n\
             With --repair the bitmap of one stopped array is put right as far as that is safe: a wrong field beside sound bits is \
             mended; copies that differ get all that any of them marks; a bitmap whose bits cannot be believed is made anew, \
             from the copies that can, or with every chunk marked, so that the next start resynchronises everything; one that \
             lies on something else is moved. Then everything is checked again. What is for other tools to do is left, and so is an \
             array that cannot be changed safely, with the reasons (status 3).\n\n\
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
        .args(finding::all().map(|arg| arg.conflicts_with("repair")))
        .arg(
            Arg::new("repair")
                .long("repair")
                .help("Repairs what can be repaired safely, and checks again: all members of one stopped array")
                .action(ArgAction::SetTrue),
        )
        .args(repair_only())
}

/// What verbs that change arrays have; `--json` is there already.
fn repair_only() -> impl Iterator<Item = Arg> {
    let all = offline::all().into_iter();
    all.filter(|arg| arg.get_id() != "json")
        .map(|arg| arg.requires("repair"))
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
    if matches.get_flag("repair") {
        return Ok(run_repair(matches, streams));
    }
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

fn run_repair(matches: &ArgMatches, streams: &mut Streams<'_>) -> Status {
    let repaired = repair(
        &offline::options("check --repair", matches),
        RepairOptions {
            force: matches.get_flag("force"),
        },
    );
    let least = matches.get_one("min-severity").copied();
    let least = least.unwrap_or(Severity::Note);
    if !matches.get_flag("quiet") {
        let written = match matches.get_flag("json") {
            true => repair_json::write_repaired(streams.out(), &repaired, least),
            false => repair_text::write_repaired(streams.out(), &repaired, least),
        };
        streams.note_write(written);
    }
    offline::complain(&repaired.changed, streams);
    repaired.status()
}
