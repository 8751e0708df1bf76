//! `mdbitmap unbundle`: arguments in, options struct out, images to the report.

use super::{Streams, UsageError, size};
use crate::commands::Status;
use crate::commands::unbundle::{self, UnbundleOptions};
use crate::report::bundle as report;
use crate::units::Bytes;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// The most that images may take on disk, unless told otherwise: more than the bitmaps of any real array.
const LIMIT: Bytes = Bytes(1 << 30);

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("unbundle")
        .about("Makes sparse images of an array's members from a bundle (dump --bundle)")
        .long_about(
            "Makes sparse images of an array's members from a BUNDLE that dump --bundle made: as long as the devices, \
             with their metadata in place and zeros elsewhere. What mdbitmap (and mdadm) reads of metadata it reads alike on them. \
             They hold no user data and are no backup: never copy them to a device.\n\n\
             The images are put into FOLDER, which is made if it does not exist, and are named by their number in the bundle \
             and their slot: 0-slot0.img, 1-slot1.img. Nothing is replaced. The bundle may come from anywhere: it is checked as a \
             whole before anything is made, and no name is taken from it.",
        )
        .arg(
            Arg::new("bundle")
                .value_name("BUNDLE")
                .help("The bundle")
                .required(true)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::FilePath),
        )
        .arg(
            Arg::new("folder")
                .value_name("FOLDER")
                .help("The folder for the images")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath),
        )
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("SIZE")
                .help("The most that the images may take on disk; a suffix is required [default: 1G]")
                .value_parser(size::amount),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .help("Checks the bundle and says what is in it; makes nothing")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("One JSON object")
                .action(ArgAction::SetTrue),
        )
}

/// Makes the images.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let options = UnbundleOptions {
        bundle: matches
            .get_one::<OsString>("bundle")
            .cloned()
            .unwrap_or_default(),
        folder: matches
            .get_one::<PathBuf>("folder")
            .cloned()
            .unwrap_or_default(),
        limit: matches.get_one("limit").copied().unwrap_or(LIMIT),
        dry_run: matches.get_flag("dry-run"),
    };
    match unbundle::unbundle(&options) {
        Ok(images) => {
            let written = match matches.get_flag("json") {
                true => report::write_images_json(streams.out(), &options.folder, &images),
                false => report::write_images(streams.out(), &options.folder, &images),
            };
            streams.note_write(written);
            Ok(Status::Done)
        }
        Err(error) => {
            streams.complain(&error.to_string());
            Ok(error.status())
        }
    }
}
