//! The command line: one file a verb (arguments in, options struct out), mdadm spellings, size parsing.

mod asked;
pub mod check;
pub mod clear;
pub mod compare;
pub mod create;
pub mod dump;
pub mod examine;
pub mod extents;
mod finding;
pub mod grow;
pub mod map;
pub mod merge;
mod offline;
pub mod readd_check;
pub mod restore;
pub mod set;
pub mod size;
pub mod spelling;
pub mod streams;
pub mod terminal;
pub mod unbundle;
pub mod undo;
pub mod uuid;
mod values;

use crate::commands::Status;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command};
use std::ffi::OsString;

pub use streams::Streams;

/// Exit status of a command line that cannot be understood.
const USAGE: u8 = 2;

/// A verb: where it stands in the help, how its arguments look, what it does.
pub struct Verb {
    /// Its name: the first word of the command line.
    pub name: &'static str,
    /// Heading in `--help`.
    pub group: Group,
    /// The definition of its arguments.
    pub command: fn() -> Command,
    /// Runs it; an error is a mistake in the arguments that their definition could not express.
    pub run: fn(&ArgMatches, &mut Streams<'_>) -> Result<Status, UsageError>,
}

/// The headings that verbs are grouped under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Shows, changes nothing.
    Look,
    /// Writes bitmaps.
    MakeAndChange,
    /// Puts right what went wrong.
    Recover,
}

impl Group {
    /// All headings, in the order of the help.
    const ALL: [Group; 3] = [Group::Look, Group::MakeAndChange, Group::Recover];

    /// The heading in words.
    pub fn title(self) -> &'static str {
        match self {
            Group::Look => "Look",
            Group::MakeAndChange => "Make and change",
            Group::Recover => "Recover",
        }
    }
}

/// Every verb, in the order of the help.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "examine",
        group: Group::Look,
        command: examine::command,
        run: examine::run,
    },
    Verb {
        name: "check",
        group: Group::Look,
        command: check::command,
        run: check::run,
    },
    Verb {
        name: "extents",
        group: Group::Look,
        command: extents::command,
        run: extents::run,
    },
    Verb {
        name: "dump",
        group: Group::Look,
        command: dump::command,
        run: dump::run,
    },
    Verb {
        name: "unbundle",
        group: Group::Look,
        command: unbundle::command,
        run: unbundle::run,
    },
    Verb {
        name: "compare",
        group: Group::Look,
        command: compare::command,
        run: compare::run,
    },
    Verb {
        name: "map",
        group: Group::Look,
        command: map::command,
        run: map::run,
    },
    Verb {
        name: "readd-check",
        group: Group::Look,
        command: readd_check::command,
        run: readd_check::run,
    },
    Verb {
        name: "create",
        group: Group::MakeAndChange,
        command: create::command,
        run: create::run,
    },
    Verb {
        name: "grow",
        group: Group::MakeAndChange,
        command: grow::command,
        run: grow::run,
    },
    Verb {
        name: "set",
        group: Group::MakeAndChange,
        command: set::command,
        run: set::run,
    },
    Verb {
        name: "clear",
        group: Group::MakeAndChange,
        command: clear::command,
        run: clear::run,
    },
    Verb {
        name: "merge",
        group: Group::MakeAndChange,
        command: merge::command,
        run: merge::run,
    },
    Verb {
        name: "restore",
        group: Group::MakeAndChange,
        command: restore::command,
        run: restore::run,
    },
    Verb {
        name: "undo",
        group: Group::Recover,
        command: undo::command,
        run: undo::run,
    },
];

/// A mistake in the arguments; the message says what is expected instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The whole command line, from which help, manual pages and completions are made too.
pub fn command() -> Command {
    Command::new("mdbitmap")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Reads, judges and makes the write-intent bitmaps of Linux md arrays (RAID)")
        .long_about(
            "Reads, judges and makes the write-intent bitmaps of Linux md arrays (RAID).\n\n\
             Works on member disks, partitions, images of members, bitmap files and bare bitmap devices, \
             for every bitmap version (3, 4, 5 clustered, 6 lockless). Nothing is written unless the verb says so.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .override_usage("mdbitmap VERB [OPTIONS] DEVICE...")
        .help_template("{about-with-newline}\n{usage-heading} {usage}{after-help}\n\nOptions:\n{options}\n")
        .after_help(verb_list())
        .subcommands(VERBS.iter().map(|verb| (verb.command)()))
}

/// The verbs under their headings, and the spelling taken over from mdadm.
fn verb_list() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let mut verbs = VERBS.iter().filter(|verb| verb.group == group).peekable();
        if verbs.peek().is_none() {
            continue;
        }
        text.push_str(group.title());
        text.push_str(":\n");
        for verb in verbs {
            let definition = (verb.command)();
            let about = definition
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            text.push_str(&format!("  {:<12} {about}\n", verb.name));
        }
        text.push('\n');
    }
    text.push_str(
        "As in mdadm:\n  -X, --examine-bitmap DEVICE...   the same as examine\n  -G, --grow MEMBER... --bitmap=...  the same as grow",
    );
    text
}

/// Parses and runs a command line; the exit status of the process.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let mut streams = Streams::of_process();
    let status = run_with(args.into_iter().collect(), &mut streams);
    streams.finish(status)
}

fn run_with(args: Vec<OsString>, streams: &mut Streams<'_>) -> u8 {
    let spelled = match spelling::translate(args) {
        Ok(spelled) => spelled,
        Err(error) => return usage(&error, streams),
    };
    // A verb first is the rule; building the definitions of that one alone starts faster.
    let first = spelled.args.get(1).and_then(|arg| arg.to_str());
    let Some(verb) = VERBS.iter().find(|verb| first == Some(verb.name)) else {
        return without_verb(spelled.args, streams);
    };
    let definition = (verb.command)().bin_name(format!("mdbitmap {}", verb.name));
    let arguments = match definition.try_get_matches_from(spelled.args.into_iter().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => return clap_error(&error, streams),
    };
    match (verb.run)(&arguments, streams) {
        Ok(status) if spelled.mdadm => status.mdadm_code(),
        Ok(status) => status.code(),
        Err(error) => usage(&error, streams),
    }
}

/// Help and version, or a mistake that the whole definition can explain best.
fn without_verb(args: Vec<OsString>, streams: &mut Streams<'_>) -> u8 {
    match command().try_get_matches_from(args) {
        Ok(_) => usage(
            &UsageError("the first word must be a verb".to_owned()),
            streams,
        ),
        Err(error) => clap_error(&error, streams),
    }
}

fn usage(error: &UsageError, streams: &mut Streams<'_>) -> u8 {
    streams.complain(&error.0);
    streams.complain("see mdbitmap --help");
    USAGE
}

/// Help and version go to standard output and are no errors; everything else is a usage error.
fn clap_error(error: &clap::Error, streams: &mut Streams<'_>) -> u8 {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let written = streams.out().write_all(text.as_bytes());
            streams.note_write(written);
            0
        }
        _ => {
            streams.complain_raw(&text);
            USAGE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn definitions_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn verbs_have_the_names_of_their_definitions() {
        for verb in super::VERBS {
            assert_eq!(verb.name, (verb.command)().get_name());
        }
    }

    #[test]
    fn help_lists_every_verb_under_its_heading() {
        let help = command().render_help().to_string();
        let look = help.find("Look:").expect("heading");
        assert!(help[look..].contains("  examine "), "{help}");
        assert!(help.contains("-X, --examine-bitmap"), "{help}");
    }
}
