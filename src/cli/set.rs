//! `mdbitmap set`: arguments in, options struct out.

use super::{Streams, UsageError, asked, offline};
use crate::commands::Status;
use crate::commands::offline::change;
use crate::commands::set::{SetOptions, plan};
use clap::{ArgMatches, Command};

/// The definition of its arguments.
pub fn command() -> Command {
    let command = Command::new("set")
        .about("Marks chunks of a stopped array's bitmap, so that they are synchronised")
        .long_about(
            "Marks chunks in the bitmap of a stopped array as dirty, on all members: every chunk that a range touches. The next start \
             synchronises them, for which an array that was stopped cleanly is marked as one that was not. A mirror with one \
             member keeps the marks for a member that is re-added. Give all members, or images of them. Nothing else is changed, and \
             nothing at all with --dry-run.",
        )
        .arg(offline::members());
    asked::add(command).args(offline::all())
}

/// Marks, and says what that leads to.
///
/// # Errors
/// Ranges without the member that they are of; a map without its addresses.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let changed = match asked::asked(matches)? {
        Err(failure) => offline::failed("set", failure),
        Ok(asked) => {
            let options = SetOptions {
                asked,
                force: matches.get_flag("force"),
            };
            change(&offline::options("set", matches), &|array, now| {
                plan(array, &options, now)
            })
        }
    };
    Ok(offline::report(&changed, matches, streams))
}
