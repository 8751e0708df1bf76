//! `mdbitmap restore`: arguments in, options struct out.

use super::{Streams, UsageError, finding, offline};
use crate::commands::Status;
use crate::commands::offline::change;
use crate::commands::restore::{FileOptions, RestoreOptions, is_for_file, plan, restore_file};
use crate::commands::source::{self, MarkSource};
use crate::report::restore as report;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("restore")
        .about("Puts the marks of a dump back into a stopped array's bitmap, or makes a bitmap file of it")
        .long_about(
            "Puts what a dump (mdbitmap dump) says back. Into the bitmap of a stopped array, all of whose members are given: the \
             dump's marks are added to those that are there, since what was marked after the dump was made is not in it. --replace makes the bitmap say \
             what the dump says and nothing else, which takes superblocks that are still those of the dump. Chunk sizes may differ; what the \
             dump does not cover is marked.\n\n\
             Into a file (a new one, or with --force one that holds a bitmap) or onto a bare device without md superblock: exactly the bytes that the dump \
             tells.",
        )
        .arg(
            Arg::new("dump")
                .value_name("DUMP")
                .help("A dump in text form, as mdbitmap dump writes it")
                .required(true)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::FilePath),
        )
        .arg(
            offline::members()
                .value_name("MEMBER|FILE")
                .help("All members of one stopped array, or images of them; or one bitmap file or bare device"),
        )
        .arg(
            Arg::new("device")
                .long("device")
                .value_name("NAME")
                .help("The one device of the dump that counts, by its name there [default: all of the array's together]")
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            Arg::new("replace")
                .long("replace")
                .help("Exactly the dump's marks: what is marked and not in the dump is not marked any more")
                .action(ArgAction::SetTrue),
        )
        .args(offline::all())
        .mut_arg("force", |force| {
            force.help("Vouches that nothing was marked after the dump was made (--replace); replaces a bitmap file; and as elsewhere")
        })
}

/// Restores, and says what that leads to.
///
/// # Errors
/// `--replace` where there is nothing else than the dump's marks.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let targets = finding::paths(matches, "member");
    let for_file = is_for_file(&targets);
    if for_file && matches.get_flag("replace") {
        let message =
            "--replace is for the bitmap of an array; a file gets what the dump says as it is";
        return Err(UsageError(message.to_owned()));
    }
    let dump = matches.get_one::<OsString>("dump").cloned();
    let changed = match source::open_dump(&dump.unwrap_or_default()) {
        Err(failure) => offline::failed("restore", failure),
        Ok(dump) if for_file => return Ok(file(dump, matches, streams)),
        Ok(dump) => {
            let options = RestoreOptions {
                dump,
                device: matches.get_one::<OsString>("device").cloned(),
                replace: matches.get_flag("replace"),
                force: matches.get_flag("force"),
            };
            change(&offline::options("restore", matches), &|array, now| {
                plan(array, &options, now)
            })
        }
    };
    Ok(offline::report(&changed, matches, streams))
}

/// Into a file.
fn file(dump: Vec<MarkSource>, matches: &ArgMatches, streams: &mut Streams<'_>) -> Status {
    let target = finding::paths(matches, "member").into_iter().next();
    let restored = restore_file(&FileOptions {
        dump,
        device: matches.get_one::<OsString>("device").cloned(),
        target: target.unwrap_or_default().into(),
        force: matches.get_flag("force"),
        dry_run: matches.get_flag("dry-run"),
    });
    let restored = match restored {
        Ok(restored) => restored,
        Err(failure) => {
            return offline::report(&offline::failed("restore", failure), matches, streams);
        }
    };
    let written = match matches.get_flag("json") {
        true => report::write_json(streams.out(), &restored),
        false => report::write_text(streams.out(), &restored),
    };
    streams.note_write(written);
    for note in &restored.notes {
        streams.complain(&format!("{}: {note}", restored.path.display()));
    }
    Status::Done
}
