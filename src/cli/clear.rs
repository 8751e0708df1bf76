//! `mdbitmap clear`: arguments in, options struct out.

use super::{Streams, UsageError, asked, offline};
use crate::commands::Status;
use crate::commands::clear::{ClearOptions, plan};
use crate::commands::offline::change;
use clap::{ArgMatches, Command};

/// The definition of its arguments.
pub fn command() -> Command {
    let command = Command::new("clear")
        .about("Takes marks off chunks of a stopped array's bitmap that are equal on all members")
        .long_about(
            "Takes marks off chunks in the bitmap of a stopped array, on all members: every marked chunk that lies wholly in what is \
             named, once its data was read from all members and found equal (raid4, 5, 6: parity verified). Chunks that differ, or that \
             cannot be read, stay marked and are listed (status 1, and 4). With --force nothing is read: what the marks stood for is \
             then your word alone. Refused while a slot of the array is open: there a mark may be the only record of what a member \
             that returns lacks. The array is not made clean. Give all members, or images of them; --dry-run reads the data too and says \
             exactly what would be cleared.",
        )
        .arg(offline::members());
    asked::add(command)
        .args(offline::all())
        .mut_arg("force", |force| {
            force.help("Compares nothing; says that no node of a cluster is up")
        })
}

/// Clears, and says what that leads to.
///
/// # Errors
/// Ranges without the member that they are of; a map without its addresses.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let changed = match asked::asked(matches)? {
        Err(failure) => offline::failed("clear", failure),
        Ok(asked) => {
            let options = ClearOptions {
                asked,
                force: matches.get_flag("force"),
            };
            change(&offline::options("clear", matches), &|array, now| {
                plan(array, &options, now)
            })
        }
    };
    Ok(offline::report(&changed, matches, streams))
}
