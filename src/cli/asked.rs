//! The arguments that say which chunks are meant: all, ranges, or a list of extents.

use super::UsageError;
use crate::array::spaces::Space;
use crate::commands::Status;
use crate::commands::extent_file::ExtentFile;
use crate::commands::marking::{Asked, What};
use crate::commands::offline::Failure;
use crate::format::extent_list::Statuses;
use crate::units::Sectors;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::ops::Range;

/// Adds them to a verb.
pub(super) fn add(command: Command) -> Command {
    command
        .arg(
            Arg::new("range")
                .long("range")
                .value_name("START+LENGTH")
                .help("A range, as in 8K+1M or 123456s+8s; may be repeated")
                .action(ArgAction::Append)
                .value_parser(super::size::range),
        )
        .arg(
            Arg::new("extents")
                .long("extents")
                .value_name("FILE")
                .help("The extents of a list: JSON, CSV or a domain of ddrescue, as mdbitmap extents writes them")
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::FilePath),
        )
        .arg(
            Arg::new("all")
                .long("all")
                .help("Every chunk")
                .action(ArgAction::SetTrue),
        )
        .group(
            ArgGroup::new("what")
                .args(["range", "extents", "all"])
                .required(true),
        )
        .arg(
            Arg::new("space")
                .long("space")
                .value_name("SPACE")
                .help("Addresses of the ranges: bitmap, array, member or device [default: what the list says, else bitmap]")
                .value_parser(|text: &str| text.parse::<Space>())
                .conflicts_with("all"),
        )
        .arg(
            Arg::new("of")
                .long("member")
                .value_name("DEV")
                .help("In the spaces member and device: whose addresses they are, as named among the members")
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath)
                .conflicts_with("all"),
        )
        .arg(
            Arg::new("status")
                .long("status")
                .value_name("CHARS")
                .help("Which blocks of a ddrescue map are meant, such as -*/ for what was not rescued [default: + of a domain]")
                .allow_hyphen_values(true)
                .value_parser(|text: &str| {
                    Statuses::parse(text)
                        .ok_or_else(|| "expected one or more of the block statuses ? * / - +".to_owned())
                }),
        )
}

/// What they say.
///
/// # Errors
/// A mistake in the arguments, or a list that cannot be used.
pub(super) fn asked(matches: &ArgMatches) -> Result<Result<Asked, Failure>, UsageError> {
    if matches.contains_id("status") && !matches.contains_id("extents") {
        let message = "--status says which blocks of a map are meant; it goes with --extents";
        return Err(UsageError(message.to_owned()));
    }
    if matches.get_flag("all") {
        return Ok(Ok(Asked::all()));
    }
    let space = matches.get_one::<Space>("space").copied();
    let member = matches.get_one::<OsString>("of");
    let member = member.map(|member| member.to_string_lossy().into_owned());
    let ranges = matches.get_many::<Range<Sectors>>("range");
    if let Some(ranges) = ranges {
        let space = space.unwrap_or(Space::Bitmap);
        if space.is_of_member() && member.is_none() {
            return Err(UsageError(format!(
                "--space={space}: addresses are of one member; say of which with --member"
            )));
        }
        return Ok(Ok(Asked {
            what: What::Ranges(ranges.cloned().collect()),
            space,
            member,
        }));
    }
    let Some(path) = matches.get_one::<OsString>("extents") else {
        return Err(UsageError(
            "say which chunks: --range, --extents or --all".to_owned(),
        ));
    };
    let statuses = matches.get_one::<Statuses>("status").cloned();
    let list = match ExtentFile::open(path, statuses.unwrap_or_default()) {
        Ok(list) => list,
        Err(error) => {
            return Ok(Err(Failure::Input {
                status: error.status(),
                message: error.to_string(),
            }));
        }
    };
    let space = match (space, list.space) {
        (Some(asked), Some(said)) if asked != said => {
            return Ok(Err(Failure::Input {
                message: format!(
                    "{}: is a list in the space {said} by its own word, and --space={asked} was given",
                    path.display()
                ),
                status: Status::Refused,
            }));
        }
        (Some(space), _) | (None, Some(space)) => space,
        (None, None) if list.is_map() => {
            return Err(UsageError(format!(
                "{}: this map does not say in which addresses it is; give --space",
                path.display()
            )));
        }
        (None, None) => Space::Bitmap,
    };
    // Of a list of one device, the user's word goes before that of the list: devices change their names.
    let member = match space.is_of_member() {
        true => member.or_else(|| list.device.clone()),
        false => member,
    };
    Ok(Ok(Asked {
        what: What::List(list),
        space,
        member,
    }))
}
