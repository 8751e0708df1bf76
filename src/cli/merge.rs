//! `mdbitmap merge`: arguments in, options struct out.

use super::{Streams, UsageError, finding, offline};
use crate::commands::Status;
use crate::commands::merge::{MergeOptions, plan};
use crate::commands::offline::change;
use crate::commands::source;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("merge")
        .about("Adds the marks of other bitmaps to those of a stopped array")
        .long_about(
            "Adds the marks of other bitmaps of the same array to its own: bitmap files, bare bitmap devices, members that were left out, \
             images, dumps; all slots of a clustered one; chunks of any size. What a source does not cover is marked as well. Marks are only added, so \
             an old source does no harm beyond a longer resync; what it may lack is said. Without --from the copies on the members are made alike: each gets the \
             marks of all. As with set, an array that was stopped cleanly is marked as one that was not, so that the next start synchronises \
             the marked chunks. Give all members, or images of them.",
        )
        .arg(
            Arg::new("from")
                .long("from")
                .value_name("SOURCE")
                .help("A bitmap file, bare bitmap device, member, image or dump of this array; may be repeated")
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(offline::members())
        .args(offline::all())
}

/// Merges, and says what that leads to.
///
/// # Errors
/// None beyond what the definition says.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let changed = match source::open(&finding::paths(matches, "from")) {
        Err(failure) => offline::failed("merge", failure),
        Ok(sources) => {
            let options = MergeOptions {
                sources,
                force: matches.get_flag("force"),
            };
            change(&offline::options("merge", matches), &|array, now| {
                plan(array, &options, now)
            })
        }
    };
    Ok(offline::report(&changed, matches, streams))
}
