//! The arguments that all verbs share which change stopped arrays.

use super::{Streams, finding};
use crate::commands::Status;
use crate::commands::offline::{Changed, Failure, OfflineOptions, UndoPlace};
use crate::report::{change_json, change_text};
use clap::{Arg, ArgAction, ArgMatches, ValueHint, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// The members.
pub(super) fn members() -> Arg {
    Arg::new("member")
        .value_name("MEMBER")
        .help("All members of one stopped array, or images of them")
        .required(true)
        .action(ArgAction::Append)
        .value_parser(value_parser!(OsString))
        .value_hint(ValueHint::AnyPath)
}

/// `--dry-run`, `--undo`, `--no-undo`, `--force`, `--json`.
pub(super) fn all() -> [Arg; 5] {
    [
        Arg::new("dry-run")
            .short('n')
            .long("dry-run")
            .help("Shows what would be written, and writes nothing")
            .action(ArgAction::SetTrue),
        Arg::new("undo")
            .long("undo")
            .value_name("FILE")
            .help("Keeps what is overwritten in FILE instead of the usual folder")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath),
        Arg::new("no-undo")
            .long("no-undo")
            .help("Keeps nothing of what is overwritten: the change cannot be taken back")
            .action(ArgAction::SetTrue)
            .conflicts_with("undo"),
        Arg::new("force")
            .short('f')
            .long("force")
            .help("Calls members that were not given failed; says that no node of a cluster is up")
            .action(ArgAction::SetTrue),
        Arg::new("json")
            .long("json")
            .help("Prints JSON: what is, or would be, written, and why not")
            .action(ArgAction::SetTrue),
    ]
}

/// What [`members`] and [`all`] say to `verb`.
pub(super) fn options(verb: &'static str, matches: &ArgMatches) -> OfflineOptions {
    let undo = match (
        matches.get_one::<PathBuf>("undo"),
        matches.get_flag("no-undo"),
    ) {
        (Some(file), _) => UndoPlace::File(file.clone()),
        (None, true) => UndoPlace::Nowhere,
        (None, false) => UndoPlace::Usual,
    };
    OfflineOptions {
        verb,
        devices: finding::paths(matches, "member"),
        dry_run: matches.get_flag("dry-run"),
        undo,
    }
}

/// What could not even be begun by `verb`.
pub(super) fn failed(verb: &'static str, failure: Failure) -> Changed {
    Changed {
        verb,
        ..Changed::failed(failure)
    }
}

/// Prints how a change ended.
pub(super) fn report(changed: &Changed, matches: &ArgMatches, streams: &mut Streams<'_>) -> Status {
    let written = match matches.get_flag("json") {
        true => change_json::write_changed(streams.out(), changed),
        false => change_text::write_changed(streams.out(), changed, changed.dry_run),
    };
    streams.note_write(written);
    complain(changed, streams);
    changed.status()
}

/// Says what the user should know beside, and what kept the change from being made.
pub(super) fn complain(changed: &Changed, streams: &mut Streams<'_>) {
    let planned = changed.planned.iter().flat_map(|planned| &planned.notes);
    for note in changed.notes.iter().chain(planned) {
        streams.complain(note);
    }
    if let Some(failure) = &changed.failure {
        for line in failure.to_string().lines() {
            streams.complain(line);
        }
    }
    for line in &changed.ways_on {
        streams.complain(line);
    }
}
