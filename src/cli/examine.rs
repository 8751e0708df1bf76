//! `mdbitmap examine`: arguments in, options struct out, results to the reports.

use super::finding;
use super::terminal::{self, WIDTHS};
use super::{Streams, UsageError};
use crate::commands::Status;
use crate::commands::examine::{self, ExamineOptions, Examined, result::Device};
use crate::report::heat_map::{self, Charset};
use crate::report::{examine_explain, examine_json, examine_text, layout};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::io::{self, Write};

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
            Arg::new("layout")
                .long("layout")
                .help("Also draws what lies where on the device")
                .long_help(
                    "Also draws what lies where on the device: md superblock (S), bitmap (B; the slots of a clustered one \
                     0 to 9), bad-block log (L), partial parity log (P), data (D), bytes that md does not use (.), holes in \
                     a bitmap file (o). A column of the picture stands for as many bytes as the line above it says, \
                     the fewest with which it fits; what is shorter takes one column. Long stretches of data and of nothing \
                     are cut short (//). Areas that share bytes are drawn below one another and marked ^. The table \
                     below has the exact bytes. With --json: the array layout. Needs no bitmap.",
                )
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("map")
                .long("map")
                .help("Also draws where the dirt is")
                .long_help(
                    "Also draws where the dirt is: at most 8 rows of cells, as wide as the terminal, each for the same number \
                     of chunks. A cell with a single dirty chunk does not look clean, and only one with nothing but dirty \
                     chunks looks full. Version 6: what was never written is blank. Positions are those of the \
                     bitmap: bytes of each member's data, for raid10 bytes of the array. For exact places and for \
                     programs: mdbitmap extents.",
                )
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["json", "brief"]),
        )
        .arg(
            Arg::new("width")
                .long("width")
                .value_name("N")
                .help("Columns of --layout and --map; otherwise those of the terminal, or 80")
                .value_parser(value_parser!(u16).range(i64::from(*WIDTHS.start())..=i64::from(*WIDTHS.end()))),
        )
        .arg(
            Arg::new("ascii")
                .long("ascii")
                .help("Draws --map in plain ASCII, as is done anyway when the locale is not UTF-8")
                .action(ArgAction::SetTrue),
        )
        .args(finding::all())
        .arg(
            Arg::new("slot")
                .long("slot")
                .value_name("N")
                .help("Only this slot (node) of a clustered bitmap, counted from 0")
                .value_parser(value_parser!(u32)),
        )
}

/// The options that arguments stand for.
pub fn options(matches: &ArgMatches) -> ExamineOptions {
    ExamineOptions {
        paths: finding::paths(matches, "device"),
        metadata: matches.get_one("metadata").copied(),
        offset: matches.get_one("offset").copied(),
        slot: matches.get_one("slot").copied(),
        order: finding::order(matches),
        brief: matches.get_flag("brief"),
        judge: ["json", "explain", "map"]
            .iter()
            .any(|flag| matches.get_flag(flag)),
        users: matches.get_flag("explain"),
        layout: matches.get_flag("layout"),
        map_cells: (matches.get_flag("map")).then(|| heat_map::most_cells(width(matches))),
    }
}

/// Columns that pictures may take.
fn width(matches: &ArgMatches) -> usize {
    let given = matches.get_one::<u16>("width");
    given.map_or_else(terminal::width, |width| usize::from(*width))
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
        show(&examined, matches, streams);
    }
    Ok(examined.status())
}

/// Text of each device, followed by what was wrong with it.
fn show(examined: &Examined, matches: &ArgMatches, streams: &mut Streams<'_>) {
    for device in &examined.devices {
        let written = write_device(streams.out(), device, matches);
        streams.note_write(written);
        if streams.is_closed() {
            return;
        }
        complain_of(device, streams);
    }
}

/// mdadm's text, then whatever else was asked for.
fn write_device(out: &mut dyn Write, device: &Device, matches: &ArgMatches) -> io::Result<()> {
    examine_text::write_device(out, device, matches.get_flag("brief"))?;
    if matches.get_flag("explain") {
        examine_explain::write_device(out, device)?;
    }
    // Nothing was drawn unless it was asked for.
    layout::write_device(out, device, width(matches))?;
    let charset = match matches.get_flag("ascii") {
        true => Charset::Ascii,
        false => terminal::charset(),
    };
    heat_map::write_device(out, device, width(matches), charset)
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
