//! `mdbitmap dump`: arguments in, options struct out, facts to the reports.

use super::finding;
use super::{Streams, UsageError};
use crate::commands::Status;
use crate::commands::bundle;
use crate::commands::dump::verify::{self, Verified, VerifyError};
use crate::commands::dump::{self, DumpOptions, Dumpable, Interrupted, Told};
use crate::commands::output::OutputFile;
use crate::report::bundle as report;
use crate::report::dump::json::JsonDump;
use crate::report::dump::text::TextDump;
use crate::report::dump::verify::{JsonVerify, TextVerify, write_summary};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::io::Write;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("dump")
        .about("Writes whole bitmaps as text that can be read and edited, or as JSON")
        .long_about(
            "Writes down everything that the bitmap of each DEVICE holds: the superblock field by field, each run of \
             dirty chunks (version 6: of every state) on a line of its own, and what the md superblock says about the \
             member, its event count above all. The text can be edited and is read back by --verify, and by compare, \
             which tells what has been written since. docs/dump-format.md describes it. Nothing is written to a device.\n\n\
             The same devices in the same state give the same text: there is no date in it. Of several devices each has \
             a section of its own, of a clustered bitmap each slot. With --verify FILE nothing is dumped: the devices are \
             compared with the dump FILE, and the status is 1 when something differs.",
        )
        .arg(
            Arg::new("device")
                .value_name("DEVICE")
                .help("Member, image of a member, bitmap file, bare bitmap device, or running array")
                .long_help(
                    "Member, image of a member, bitmap file, bare bitmap device, or running array. Of a running array \
                     (/dev/md0) the members are read, as they lie on disk at that moment.",
                )
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(file("output", "Writes to FILE, which is whole or not there at all").short('o').conflicts_with("verify"))
        .arg(flag("force", "Replaces FILE if it exists").short('f'))
        .arg(file("verify", "Compares the devices with the dump FILE: status 1 when something differs").conflicts_with("force"))
        .arg(
            file("bundle", "Writes the members' metadata to FILE, as one small file for unbundle")
                .long_help(
                    "Writes the metadata of all devices to FILE, as one small file from which unbundle makes sparse images: all md \
                     superblocks, the bitmaps, the bad-block logs. No byte of the array's data gets in. What does: paths, the name of the array \
                     (often with the name of the host), UUIDs, sizes, times, and where on the array was written lately.",
                )
                .conflicts_with_all(["output", "verify"]),
        )
        .arg(flag("json", "One JSON object"))
        .args(finding::all())
}

fn flag(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).help(help).action(ArgAction::SetTrue)
}

fn file(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .long(id)
        .value_name("FILE")
        .help(help)
        .value_parser(value_parser!(OsString))
        .value_hint(ValueHint::FilePath)
}

/// The options that the arguments of [`finding::all`] and the paths stand for.
pub(super) fn options(matches: &ArgMatches, paths: Vec<OsString>) -> DumpOptions {
    DumpOptions {
        paths,
        metadata: matches.get_one("metadata").copied(),
        offset: matches.get_one("offset").copied(),
        order: finding::order(matches),
    }
}

/// Dumps, or compares with a dump.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let options = options(matches, finding::paths(matches, "device"));
    let json = matches.get_flag("json");
    if let Some(file) = matches.get_one::<OsString>("verify") {
        return Ok(verify(file, &options, json, streams));
    }
    if let Some(file) = matches.get_one::<OsString>("bundle") {
        return Ok(bundle(file, &options, matches, streams));
    }
    let Some(path) = matches.get_one::<OsString>("output") else {
        let mut devices = dump::open(&options);
        return Ok(match write(streams.out(), &mut devices, json) {
            Ok(told) => tell(&told, streams),
            Err(interrupted) => interruption(interrupted, streams),
        });
    };
    let force = matches.get_flag("force");
    let mut file = match OutputFile::create(path, force, &options.paths) {
        Ok(file) => file,
        Err(error) => {
            streams.complain(&error.to_string());
            return Ok(error.status());
        }
    };
    let mut devices = dump::open(&options);
    let written = write(&mut file, &mut devices, json);
    let told = match written {
        Ok(told) => told,
        // What failed comes out when the file is published.
        Err(Interrupted::Output(_)) => Told::default(),
        Err(interrupted) => {
            streams.complain(&format!("{}: not written", path.display()));
            return Ok(interruption(interrupted, streams));
        }
    };
    let status = tell(&told, streams);
    Ok(match file.publish() {
        Ok(()) => status,
        Err(error) => {
            streams.complain(&error.to_string());
            status.max(error.status())
        }
    })
}

fn write(out: &mut dyn Write, devices: &mut [Dumpable], json: bool) -> Result<Told, Interrupted> {
    match json {
        true => dump::write(devices, &mut JsonDump::new(out)?),
        false => dump::write(devices, &mut TextDump::new(out)?),
    }
}

/// Problems and notes on standard error; their status.
pub(super) fn tell(told: &Told, streams: &mut Streams<'_>) -> Status {
    for problem in &told.problems {
        streams.complain(&problem.message);
    }
    for note in &told.notes {
        streams.complain(note);
    }
    told.status()
}

fn interruption(interrupted: Interrupted, streams: &mut Streams<'_>) -> Status {
    match interrupted {
        Interrupted::Output(error) => {
            streams.note_write(Err(error));
            Status::Done
        }
        Interrupted::Bitmap(problem) => {
            streams.complain(&format!("{}; the dump is not complete", problem.message));
            problem.kind.status()
        }
    }
}

/// Writes a bundle, and says what is in it.
fn bundle(
    path: &OsString,
    options: &DumpOptions,
    matches: &ArgMatches,
    streams: &mut Streams<'_>,
) -> Status {
    let made = OutputFile::create(path, matches.get_flag("force"), &options.paths);
    let finished = made.and_then(|mut file| {
        let bundled = bundle::bundle(options, &mut file);
        let bytes = file.len();
        // What failed comes out here.
        file.publish()?;
        Ok((bundled, bytes))
    });
    match finished {
        Ok((Ok(bundled), bytes)) => {
            let written = match matches.get_flag("json") {
                true => report::write_bundled_json(streams.out(), &bundled, bytes),
                false => report::write_bundled(streams.out(), &bundled, bytes),
            };
            streams.note_write(written);
            tell(&bundled.told, streams)
        }
        Ok((Err(error), _)) => {
            streams.complain(&format!("{}: cannot write: {error}", path.display()));
            Status::Failed
        }
        Err(error) => {
            streams.complain(&error.to_string());
            error.status()
        }
    }
}

fn verify(file: &OsString, options: &DumpOptions, json: bool, streams: &mut Streams<'_>) -> Status {
    let verified = match json {
        true => verify_json(file, options, streams.out()),
        false => verify_text(file, options, streams.out()),
    };
    match verified {
        Ok(verified) => {
            let status = tell(&verified.told, streams);
            match verified.is_equal() {
                true => status,
                false => status.max(Status::Failed),
            }
        }
        Err(VerifyError::Output(error)) => {
            streams.note_write(Err(error));
            Status::Done
        }
        Err(VerifyError::Dump(error)) => {
            streams.complain(&error.to_string());
            error.status()
        }
        Err(VerifyError::Bitmap(problem)) => {
            streams.complain(&format!(
                "{}; the comparison is not complete",
                problem.message
            ));
            problem.kind.status()
        }
    }
}

fn verify_text(
    file: &OsString,
    options: &DumpOptions,
    out: &mut dyn Write,
) -> Result<Verified, VerifyError> {
    let verified = verify::verify(file, options, &mut TextVerify(out))?;
    write_summary(out, &verified)?;
    Ok(verified)
}

fn verify_json(
    file: &OsString,
    options: &DumpOptions,
    out: &mut dyn Write,
) -> Result<Verified, VerifyError> {
    let mut writer = JsonVerify::new(out)?;
    let verified = verify::verify(file, options, &mut writer)?;
    writer.end(&verified)?;
    Ok(verified)
}
