//! `mdbitmap undo`: arguments in, options struct out.

use super::{Streams, UsageError, finding};
use crate::commands::Status;
use crate::commands::undo::{self, UndoOptions};
use crate::report::{undo_json, undo_text};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("undo")
        .about("Takes back a change of a stopped array, also one that stopped half-way")
        .long_about(
            "Takes back what a verb changed in the metadata of a stopped array, from the undo file that it made before it wrote anything: \
             step by step in reverse, each flushed and read back. A change that stopped half-way (a crash, a power cut, a disk that \
             failed) can be taken back as well, and so can an undo that did.\n\n\
             Nothing is written when a superblock or the bitmap holds anything that neither the change nor what was there before it has: \
             the array was started meanwhile, or something else has changed it. Old metadata beside newer data could pass differing data \
             for equal.\n\n\
             All members are needed. Without DEVICE they are those that the undo file names; disks that have been renamed are found by \
             what they hold. Undo files are in /var/lib/mdbitmap/undo, or, for other users than root, in $XDG_STATE_HOME/mdbitmap/undo \
             (~/.local/state/mdbitmap/undo); MDBITMAP_UNDO_DIR names another folder.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("The undo file")
                .required_unless_present("list")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath),
        )
        .arg(
            Arg::new("device")
                .value_name("DEVICE")
                .help("All members, or images of them, by the names that they have now; in any order")
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("list")
                .short('l')
                .long("list")
                .help("Lists the undo files of the usual folder, and how far their changes have come")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["file", "device", "dry-run"]),
        )
        .arg(
            Arg::new("dry-run")
                .short('n')
                .long("dry-run")
                .help("Shows what would be put back, and writes nothing")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("Prints JSON: what is, or would be, put back, and why not")
                .action(ArgAction::SetTrue),
        )
}

/// Takes back, or lists, and reports.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    if matches.get_flag("list") {
        return Ok(list(matches, streams));
    }
    let undone = undo::undo(&UndoOptions {
        file: matches.get_one("file").cloned().unwrap_or_default(),
        devices: finding::paths(matches, "device"),
        dry_run: matches.get_flag("dry-run"),
    });
    let written = match matches.get_flag("json") {
        true => undo_json::write_undone(streams.out(), &undone),
        false => undo_text::write_undone(streams.out(), &undone),
    };
    streams.note_write(written);
    for note in &undone.notes {
        streams.complain(note);
    }
    if let Some(failure) = &undone.failure {
        for line in failure.to_string().lines() {
            streams.complain(line);
        }
    }
    Ok(undone.status())
}

fn list(matches: &ArgMatches, streams: &mut Streams<'_>) -> Status {
    let listing = undo::list();
    let written = match matches.get_flag("json") {
        true => undo_json::write_listing(streams.out(), &listing),
        false => undo_text::write_listing(streams.out(), &listing),
    };
    streams.note_write(written);
    if let Some(failure) = &listing.failure {
        streams.complain(failure);
    }
    for file in &listing.files {
        if let Err(error) = &file.about {
            streams.complain(&error.to_string());
        }
    }
    listing.status()
}
