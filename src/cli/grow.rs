//! `mdbitmap grow`: arguments in, options struct out.

use super::values::{delay, number, parsed, write_behind};
use super::{Streams, UsageError, offline, size};
use crate::commands::Status;
use crate::commands::grow::{self, FileWanted, Files, GrowOptions, Wanted};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("grow")
        .about("Adds, removes, re-chunks, moves or converts the bitmap of a stopped array")
        .long_about(
            "Gives a stopped array the bitmap that is asked for, on all members: internal, lockless, clustered, in a file, or none; \
             with this chunk, delay and write-behind. What is not named stays as it is, and what is known of dirty chunks is kept: \
             in coarser chunks whatever holds a dirty one is dirty, in finer ones all of it. A bitmap of other length than the members \
             is resized: what it did not cover is dirty. Where all is so already, nothing is done; a command that was interrupted is \
             finished by giving it again.\n\n\
             A first bitmap is clean if the array was stopped cleanly, and dirty as a whole if it was not. The place is the one \
             that the bitmap has, mdadm's, or any that is free on all members and spares: never on superblock, bad-block log, \
             partial parity log or data; what lies on one of them is moved. Where nothing is large enough, the refusal names the \
             smallest chunk that fits. A bitmap that the kernel would not believe is not touched: mdbitmap check --repair makes \
             it one that is, --bitmap=none takes it away. Give all members, or images of them.",
        )
        .args(asked())
        .arg(offline::members())
        .args(offline::all())
}

fn asked() -> [Arg; 7] {
    let text = |id: &'static str, value: &'static str| {
        Arg::new(id)
            .long(id)
            .value_name(value)
            .action(ArgAction::Set)
    };
    [
        text("bitmap", "KIND|FILE")
            .short('b')
            .value_parser(value_parser!(OsString))
            .value_hint(ValueHint::AnyPath)
            .help("internal, lockless, clustered, none, or a file name with a / [default: the kind that is there]")
            .long_help(
                "What it is to be: internal (a bit a chunk), lockless (version 6, a byte a chunk; kernels with CONFIG_MD_LLBITMAP alone, 1.1 and \
                 1.2 metadata, no slot open), clustered (a bitmap for each node; 1.2 metadata, raid1 or raid10 with near copies), none, or \
                 the name of a file that is not there yet, with a / in it (mdadm up to 4.3 and kernels before 6.18; no superblock says \
                 where it is, so it is given with every start). Default: the kind that is there; internal where there is none.",
            ),
        text("chunk", "SIZE")
            .visible_alias("bitmap-chunk")
            .help("Bytes of a chunk: a power of two, 512 bytes to 2G, at least 64K if lockless")
            .long_help(
                "Bytes of a chunk: a power of two from 512 bytes to 2G, at least 64K if lockless. A bare number is KiB; K, M, G are powers of \
                 1024, s is sectors. Default: that of the bitmap that is there, or the smallest above it that fits; for a first one 64M, \
                 or 64K if lockless, or the smallest above that fits 128 KiB.",
            ),
        text("delay", "SECONDS")
            .short('d')
            .help("Seconds between passes that clear bits on disk [default: as it is; 5, or 30 if lockless]"),
        text("write-behind", "N")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("256")
            .help("Most writes outstanding to write-mostly members of a raid1, 0 to 16383 [default: as it is; 0, off; without a number: 256]"),
        text("nodes", "N").help("Nodes of a clustered bitmap, at least 2 [default: as it is; 4]"),
        text("home-cluster", "NAME").help("Name of the cluster of a clustered bitmap, at most 63 bytes"),
        text("merge", "FILE")
            .value_parser(value_parser!(OsString))
            .value_hint(ValueHint::FilePath)
            .help("Takes the marks of this bitmap file of the array over into the internal bitmap"),
    ]
}

/// The options that arguments stand for, and the files that they name.
///
/// # Errors
/// Values that cannot be understood, and options that do not go together.
pub fn options(matches: &ArgMatches) -> Result<(GrowOptions, Files), UsageError> {
    let bitmap = matches
        .get_one::<OsString>("bitmap")
        .map(|value| wanted(value))
        .transpose()?;
    let options = GrowOptions {
        chunk: parsed(matches, "chunk", "bitmap chunksize", size::chunk)?,
        delay_seconds: parsed(matches, "delay", "delay", delay)?,
        write_behind: parsed(matches, "write-behind", "write-behind", write_behind)?,
        nodes: parsed(matches, "nodes", "number of nodes", nodes)?,
        cluster_name: parsed(matches, "home-cluster", "name of a cluster", cluster_name)?,
        bitmap,
        merge: None,
        force: matches.get_flag("force"),
    };
    let files = Files {
        merge: matches.get_one::<OsString>("merge").map(PathBuf::from),
    };
    match objection(&options, &files) {
        Some(what) => Err(UsageError(what.to_owned())),
        None => Ok((options, files)),
    }
}

fn wanted(value: &OsStr) -> Result<Wanted, UsageError> {
    Ok(match value.as_bytes() {
        b"internal" => Wanted::Internal,
        b"lockless" => Wanted::Lockless,
        b"clustered" => Wanted::Clustered,
        b"none" => Wanted::None,
        path if path.contains(&b'/') => Wanted::File(FileWanted {
            path: value.into(),
            existing: None,
        }),
        _ => {
            return Err(UsageError(format!(
                "invalid bitmap: {} (must be internal, lockless, clustered, none, or a file name with a /)",
                value.to_string_lossy()
            )));
        }
    })
}

/// mdadm's rule (reference/mdadm.md 6.4).
fn nodes(text: &str) -> Result<u32, &'static str> {
    number(text)
        .filter(|nodes| *nodes >= 2)
        .ok_or("must be a number of at least 2")
}

/// 63 bytes and a NUL.
fn cluster_name(text: &str) -> Result<[u8; 64], &'static str> {
    let mut name = [0; 64];
    match name.get_mut(..text.len().min(64)) {
        Some(place) if (1..64).contains(&text.len()) => {
            place.copy_from_slice(text.as_bytes());
            Ok(name)
        }
        _ => Err("must have 1 to 63 bytes"),
    }
}

/// What does not go together.
fn objection(options: &GrowOptions, files: &Files) -> Option<&'static str> {
    let fields = options.chunk.is_some()
        || options.delay_seconds.is_some()
        || options.write_behind.is_some();
    let cluster = options.nodes.is_some() || options.cluster_name.is_some();
    let is_clustered = matches!(options.bitmap, Some(Wanted::Clustered));
    if options.bitmap.is_none() && !fields && !cluster && files.merge.is_none() {
        return Some("what is to be changed? give --bitmap, --chunk, --delay or --write-behind");
    }
    if cluster && !is_clustered {
        return Some("--nodes and --home-cluster go with --bitmap=clustered alone");
    }
    if files.merge.is_some() && !matches!(options.bitmap, Some(Wanted::Internal)) {
        return Some("--merge goes with --bitmap=internal alone");
    }
    let is_none = matches!(options.bitmap, Some(Wanted::None));
    (is_none && fields)
        .then_some("--bitmap=none leaves nothing that has a chunk, delay or write-behind")
}

/// Changes, and says what that leads to.
///
/// # Errors
/// Values that cannot be understood, and options that do not go together.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let (wanted, files) = options(matches)?;
    let changed = grow::grow(&offline::options("grow", matches), wanted, &files);
    Ok(offline::report(&changed, matches, streams))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(GrowOptions, Files), UsageError> {
        let words = line.split_whitespace();
        options(
            &command()
                .try_get_matches_from(["grow"].into_iter().chain(words))
                .unwrap(),
        )
    }

    #[test]
    fn values_become_options() {
        let (options, files) = read(
            "-b clustered --bitmap-chunk 64M -d 7 --write-behind --nodes 3 --home-cluster name -f a b",
        )
        .unwrap();
        assert!(matches!(options.bitmap, Some(Wanted::Clustered)));
        assert_eq!(options.chunk.unwrap().bytes(), 64 << 20);
        assert_eq!(
            (options.delay_seconds, options.write_behind),
            (Some(7), Some(256))
        );
        assert_eq!((options.nodes, options.force), (Some(3), true));
        assert_eq!(options.cluster_name.unwrap()[..5], *b"name\0");
        assert!(files.merge.is_none());
        let (options, files) = read("--bitmap=internal --merge /f --write-behind=0 a").unwrap();
        assert_eq!(files.merge, Some("/f".into()));
        assert_eq!(options.write_behind, Some(0));
        let (options, _) = read("--bitmap=./f a").unwrap();
        assert!(
            matches!(options.bitmap, Some(Wanted::File(file)) if file.path.as_os_str() == "./f")
        );
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for (line, word) in [
            ("a", "what is to be changed"),
            ("--bitmap file a", "with a /"),
            ("--bitmap Internal a", "with a /"),
            ("--chunk 3K a", "power of two"),
            ("--delay 0 a", "from 1"),
            ("--write-behind=16384 a", "16383"),
            ("--nodes 2 a", "--bitmap=clustered"),
            ("-b clustered --nodes 1 a", "at least 2"),
            ("-b none --chunk 4K a", "leaves nothing"),
            ("--merge /f --chunk 4K a", "--bitmap=internal"),
        ] {
            let error = read(line).err().unwrap();
            assert!(error.0.contains(word), "{line}: {error}");
        }
        let long = "x".repeat(64);
        assert!(read(&format!("-b clustered --home-cluster {long} a")).is_err());
        assert!(read(&format!("-b clustered --home-cluster {} a", &long[1..])).is_ok());
        // The value of --write-behind comes with = alone, so that a member is not taken for one.
        let (options, _) = read("--write-behind 7").unwrap();
        assert_eq!(options.write_behind, Some(256));
    }
}
