//! `mdbitmap examine`: arguments in, options struct out, results to the reports.

use super::{Streams, UsageError};
use crate::array::MetadataFilter;
use crate::commands::Status;
use crate::commands::examine::{self, ExamineOptions, Examined, result::Device};
use crate::format::bit_array::BitOrder;
use crate::report::{examine_explain, examine_json, examine_text};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("examine")
        .about("Shows bitmaps: superblock, chunks, how many of them are dirty")
        .long_about(
            "Shows the write-intent bitmap of each DEVICE: a member disk or partition, an image of one, \
             the metadata device of an LVM RAID volume, a bitmap file, or a bare bitmap device. \
             Metadata 0.90, 1.0, 1.1 and 1.2 is found automatically. Nothing is written.\n\n\
             The default text is what mdadm -X prints. mdadm's spelling works too: \
             mdbitmap -X [-b] [-e METADATA] DEVICE...",
        )
        .arg(
            Arg::new("device")
                .value_name("DEVICE")
                .help("Member, image of a member, bitmap file, or bare bitmap device")
                .long_help(
                    "Member, image of a member, bitmap file, or bare bitmap device. A running array (/dev/md0) \
                     has no bitmap of its own: the bitmaps of its members are shown instead.",
                )
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("brief")
                .short('b')
                .long("brief")
                .help("Superblocks only; no bit is read")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("One JSON object for all devices")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("explain")
                .long("explain")
                .help("Also says whether the kernel would trust the bitmap, and what it would resync")
                .long_help(
                    "Also says in sentences whether the kernel would trust the bitmap when it starts the array, which \
                     rule says no, and how much it would resync. One member suffices; give all members of an array \
                     to have the freshest superblock judge all bitmaps, and a member beside a bitmap file to have the \
                     file judged.",
                )
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["json", "brief"]),
        )
        .arg(
            Arg::new("metadata")
                .short('e')
                .long("metadata")
                .value_name("METADATA")
                .help("Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid")
                .value_parser(|text: &str| text.parse::<MetadataFilter>())
                .action(ArgAction::Set)
                .overrides_with("metadata"),
        )
        .arg(
            Arg::new("offset")
                .long("offset")
                .value_name("SIZE")
                .help("The bitmap starts this far into the device; a suffix is required: 8K, 16s")
                .long_help(
                    "The bitmap starts this far into the device, whatever its md superblock says. A suffix is \
                     required: s for sectors of 512 bytes, K, M, G, T for powers of 1024; for example 8K or 16s.",
                )
                .value_parser(super::size::offset)
                .conflicts_with("metadata"),
        )
        .arg(
            Arg::new("slot")
                .long("slot")
                .value_name("N")
                .help("Only this slot (node) of a clustered bitmap, counted from 0")
                .value_parser(value_parser!(u32)),
        )
        .arg(
            Arg::new("host-endian")
                .long("host-endian")
                .value_name("ORDER")
                .help("Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64")
                .long_help(
                    "Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64, by the word size of \
                     that host. Other versions have one order everywhere and are not affected.",
                )
                .value_parser(["be32", "be64"]),
        )
}

/// The options that arguments stand for.
pub fn options(matches: &ArgMatches) -> ExamineOptions {
    ExamineOptions {
        paths: matches
            .get_many::<OsString>("device")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        metadata: matches.get_one("metadata").copied(),
        offset: matches.get_one("offset").copied(),
        slot: matches.get_one("slot").copied(),
        order: match matches.get_one::<String>("host-endian").map(String::as_str) {
            Some("be32") => BitOrder::Be32,
            Some("be64") => BitOrder::Be64,
            _ => BitOrder::Little,
        },
        brief: matches.get_flag("brief"),
        judge: matches.get_flag("json") || matches.get_flag("explain"),
        users: matches.get_flag("explain"),
    }
}

/// Examines and reports.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let examined = examine::examine(&options(matches));
    if matches.get_flag("json") {
        let written = examine_json::write_examined(streams.out(), &examined);
        streams.note_write(written);
        examined
            .devices
            .iter()
            .for_each(|device| complain_of(device, streams));
    } else {
        show(&examined, matches.get_flag("explain"), streams);
    }
    Ok(examined.status())
}

/// Text of each device, followed by what was wrong with it.
fn show(examined: &Examined, explain: bool, streams: &mut Streams<'_>) {
    for device in &examined.devices {
        let mut written = examine_text::write_device(streams.out(), device, examined.brief);
        if explain && written.is_ok() {
            written = examine_explain::write_device(streams.out(), device);
        }
        streams.note_write(written);
        if streams.is_closed() {
            return;
        }
        complain_of(device, streams);
    }
}

/// Problems of one device that are told one by one: a damaged bitmap may have a thousand bad slots.
const MOST_PROBLEMS: usize = 16;

/// What went wrong with a device, and what is worth knowing about how it was read.
fn complain_of(device: &Device, streams: &mut Streams<'_>) {
    let mut problems = device.all_problems();
    for problem in problems.by_ref().take(MOST_PROBLEMS) {
        streams.complain(&problem.message);
    }
    let more = problems.count();
    if more > 0 {
        let path = device.path.to_string_lossy();
        streams.complain(&format!(
            "{path}: and {more} more problems; --json has all of them"
        ));
    }
    for note in &device.notes {
        streams.complain(note);
    }
}
