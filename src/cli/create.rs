//! `mdbitmap create`: arguments in, options struct out, result to the report.

use super::values::{delay, parsed, write_behind};
use super::{Streams, UsageError, size, uuid};
use crate::commands::Status;
use crate::commands::create::{self, Covered, CreateOptions};
use crate::format::placement::content::{DEFAULT_DELAY_SECONDS, DEFAULT_WRITE_BEHIND};
use crate::report::create as report;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("create")
        .about("Makes an external bitmap: a file, or a bare bitmap on a device")
        .long_about(
            "Makes a write-intent bitmap outside an array's own metadata: a FILE, or a bare bitmap at the \
             start of a block DEVICE. The content is what mdadm 4.2 writes for the same parameters: all \
             chunks are dirty.\n\n\
             A file is fully allocated, written under a temporary name, read back, and then given its name \
             in one step. A symbolic link is followed: the file that it leads to is replaced, not the link. \
             Kernels from 6.18 on cannot attach bitmap files.",
        )
        .arg(
            Arg::new("target")
                .value_name("FILE|DEVICE")
                .help("The file to make, or the block device to write to")
                .required(true)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .args(covered())
        .group(
            ArgGroup::new("covered")
                .args(["size", "like", "array"])
                .required(true),
        )
        .args(parameters())
        .args(behaviour())
}

fn text(id: &'static str, value: &'static str) -> Arg {
    Arg::new(id)
        .long(id)
        .value_name(value)
        .action(ArgAction::Set)
}

/// What the bitmap covers.
fn covered() -> [Arg; 3] {
    [
        text("size", "SIZE").help("Covers so much: a member of raid1/4/5/6, the array of raid10").long_help(
            "Covers so much: the size of a member for raid1, 4, 5 and 6, that of the array for raid10. A bare \
             number is KiB; K, M, G, T are powers of 1024, s is sectors of 512 bytes.",
        ),
        text("like", "MEMBER")
            .help("Covers the array that MEMBER (device or image) belongs to, and takes its UUID")
            .long_help(
                "Covers the array that MEMBER, a device or an image, belongs to, and takes the UUID from its md \
                 superblock. May be given once for each member; they must agree.",
            )
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString))
            .value_hint(ValueHint::AnyPath),
        text("array", "ARRAY")
            .help("Covers the running array ARRAY (/dev/md0), and takes its UUID")
            .value_parser(value_parser!(OsString))
            .value_hint(ValueHint::AnyPath),
    ]
}

/// What the superblock says.
fn parameters() -> [Arg; 4] {
    [
        text("chunk", "SIZE")
            .visible_alias("bitmap-chunk")
            .help("Bytes that one bit stands for: a power of two from 512 bytes to 2G")
            .long_help(
                "Bytes that one bit stands for: a power of two from 512 bytes to 2G. A bare number is KiB; K, M, G \
                 are powers of 1024, s is sectors of 512 bytes. Default: 4K, doubled until there are at most 2^20 \
                 bits.",
            ),
        text("delay", "SECONDS")
            .short('d')
            .help("Seconds between passes that clear bits on disk [default: 5]"),
        text("uuid", "UUID")
            .short('u')
            .help("UUID of the array, as mdadm prints it, with dashes, or 32 digits [default: the array's, or zeros]"),
        text("write-behind", "N")
            .help("Most writes outstanding to write-mostly members of a raid1, 0 to 16383 [default: 0, off; without a number: 256]")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(DEFAULT_WRITE_BEHIND_TEXT),
    ]
}

const DEFAULT_WRITE_BEHIND_TEXT: &str = "256";
const _: () = assert!(DEFAULT_WRITE_BEHIND == 256);

/// How it is done.
fn behaviour() -> [Arg; 4] {
    let flag = |id: &'static str| Arg::new(id).long(id).action(ArgAction::SetTrue);
    [
        flag("clean")
            .help("All chunks clean; only with --like of a clean array")
            .long_help(
                "All chunks clean: for an array whose members are known to be equal. Needs --like of a clean \
                 array; the bitmap is then valid for exactly its event count, and ignored by the kernel as soon \
                 as the array has changed.",
            ),
        flag("force").short('f').help(
            "Replaces a file, overwrites what a device holds; never what is in use",
        ),
        flag("dry-run").help("Says what would be written, and writes nothing"),
        flag("json").help("One JSON object"),
    ]
}

/// The options that arguments stand for.
///
/// # Errors
/// Values that are no size, number or UUID; the message names the option's subject and value.
pub fn options(matches: &ArgMatches) -> Result<CreateOptions, UsageError> {
    let path = |id: &str| matches.get_one::<OsString>(id).map(PathBuf::from);
    Ok(CreateOptions {
        target: path("target").unwrap_or_default(),
        covered: covered_by(matches)?,
        chunk: parsed(matches, "chunk", "bitmap chunksize", size::chunk)?,
        delay_seconds: parsed(matches, "delay", "delay", delay)?.unwrap_or(DEFAULT_DELAY_SECONDS),
        write_behind: parsed(matches, "write-behind", "write-behind", write_behind)?.unwrap_or(0),
        uuid: parsed(matches, "uuid", "uuid", uuid::parse)?,
        clean: matches.get_flag("clean"),
        force: matches.get_flag("force"),
        dry_run: matches.get_flag("dry-run"),
    })
}

fn covered_by(matches: &ArgMatches) -> Result<Covered, UsageError> {
    let members: Vec<PathBuf> = matches
        .get_many::<OsString>("like")
        .into_iter()
        .flatten()
        .map(PathBuf::from)
        .collect();
    if !members.is_empty() {
        return Ok(Covered::Like(members));
    }
    if let Some(array) = matches.get_one::<OsString>("array") {
        return Ok(Covered::Array(array.into()));
    }
    parsed(matches, "size", "size", size::sectors)?
        .map(Covered::Size)
        .ok_or_else(|| UsageError("one of --size, --like and --array is required".to_owned()))
}

/// Creates and reports.
///
/// # Errors
/// Values that cannot be understood.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let created = match create::create(&options(matches)?) {
        Ok(created) => created,
        Err(error) => {
            streams.complain(&error.to_string());
            return Ok(error.status());
        }
    };
    let written = match matches.get_flag("json") {
        true => report::write_json(streams.out(), &created),
        false => report::write_text(streams.out(), &created),
    };
    streams.note_write(written);
    for note in &created.notes {
        streams.complain(&format!("{}: {note}", created.path.display()));
    }
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::placement::ChunkSize;
    use crate::units::Sectors;

    fn parse(arguments: &[&str]) -> Result<CreateOptions, String> {
        let all = ["create"].iter().chain(arguments);
        let matches = command()
            .try_get_matches_from(all)
            .map_err(|e| e.to_string())?;
        options(&matches).map_err(|e| e.0)
    }

    #[test]
    fn defaults_are_mdadms() {
        assert_eq!(
            parse(&["--size=100G", "f"]),
            Ok(CreateOptions {
                target: "f".into(),
                covered: Covered::Size(Sectors(100 << 21)),
                chunk: None,
                delay_seconds: 5,
                write_behind: 0,
                uuid: None,
                clean: false,
                force: false,
                dry_run: false,
            })
        );
    }

    #[test]
    fn every_option_arrives() {
        let options = parse(&[
            "--like=a",
            "--like",
            "b",
            "--bitmap-chunk=64K",
            "-d",
            "1",
            "-u",
            "0123456789abcdeffedcba9876543210",
            "--write-behind",
            "--clean",
            "-f",
            "--dry-run",
            "f",
        ])
        .unwrap();
        assert_eq!(options.covered, Covered::Like(vec!["a".into(), "b".into()]));
        assert_eq!(options.chunk, ChunkSize::new(65536).ok());
        assert_eq!((options.delay_seconds, options.write_behind), (1, 256));
        assert_eq!(options.uuid.unwrap()[..2], [0x01, 0x23]);
        assert!(options.clean && options.force && options.dry_run);
        assert_eq!(options.target, PathBuf::from("f"));
        let options = parse(&["--array=/dev/md0", "--write-behind=0", "f"]).unwrap();
        assert_eq!(options.covered, Covered::Array("/dev/md0".into()));
        assert_eq!(options.write_behind, 0);
    }

    #[test]
    fn bad_values_are_named() {
        for (argument, message) in [
            (
                "--chunk=3K",
                "invalid bitmap chunksize: 3K (must be a power of two, at least 512 bytes)",
            ),
            (
                "--chunk=0",
                "invalid bitmap chunksize: 0 (must be a power of two, at least 512 bytes)",
            ),
            (
                "--delay=0",
                "invalid delay: 0 (must be a number of seconds from 1 to 2147483647)",
            ),
            (
                "--delay=2147483648",
                "invalid delay: 2147483648 (must be a number of seconds from 1 to 2147483647)",
            ),
            (
                "--delay=+5",
                "invalid delay: +5 (must be a number of seconds from 1 to 2147483647)",
            ),
            (
                "--write-behind=16384",
                "invalid write-behind: 16384 (must be a number from 0 to 16383)",
            ),
            (
                "--write-behind=",
                "invalid write-behind:  (must be a number from 0 to 16383)",
            ),
        ] {
            assert_eq!(
                parse(&["--size=1G", argument, "f"]),
                Err(message.to_owned())
            );
        }
        assert_eq!(
            parse(&["--size=0", "f"]),
            Err("invalid size: 0 (must be more than 0)".to_owned())
        );
        assert!(
            parse(&["--size=1G", "--uuid=12", "f"])
                .unwrap_err()
                .starts_with("invalid uuid: 12 (must be 32")
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for arguments in [
            &["f"][..],
            &["--size=1G"],
            &["--size=1G", "--like=a", "f"],
            &["--size=1G", "--array=a", "f"],
            &["--like=a", "--array=a", "f"],
            &["--size=1G", "f", "g"],
            &["--size=1G", "--size=2G", "f"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
        // The number after --write-behind stands behind a sign: this is a target of that name.
        assert_eq!(
            parse(&["--size=1G", "--write-behind", "7"]).unwrap().target,
            PathBuf::from("7")
        );
    }
}
