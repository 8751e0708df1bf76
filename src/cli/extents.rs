//! `mdbitmap extents`: arguments in, options struct out, streams of extents to the reports.

use super::finding;
use super::{Streams, UsageError};
use crate::array::spaces::Space;
use crate::commands::Status;
use crate::commands::extents::{self, ExtentsOptions, List, Plan};
use crate::commands::given::Problem;
use crate::report::extents::{self as report, Format, Head, Section, SinceHead};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("extents")
        .about("Lists the dirty extents, for people and other tools: table, CSV, JSON, ddrescue mapfile")
        .long_about(
            "Lists where the chunks are that the write-intent bitmap of an array marks dirty, as extents: sorted, joined where they \
             touch, the last one cut to the array. Give one or more members (or images of them), the metadata devices of an LVM RAID \
             volume, a bitmap file, or the running array. Nothing is written.\n\n\
             The list says what is marked, not what the kernel would do; --resync lists what it would resynchronise. When the kernel \
             would not go by the bitmap, the list is worthless: standard error says so, and the exit status is 1.",
        )
        .arg(
            Arg::new("device")
                .value_name("DEVICE")
                .help("Member, image of a member, bitmap file, bare bitmap device, or running array; all of one array")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .help("table, json, csv, or mapfile (a domain for ddrescue -m)")
                .long_help(
                    "table (the default), json, csv, or mapfile: a domain for GNU ddrescue, whose option -m then copies exactly the \
                     dirty bytes. A list that could not be read to its end is marked in each of them, and ddrescue refuses such a \
                     mapfile.",
                )
                .value_parser(["table", "json", "csv", "mapfile"])
                .default_value("table"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("The same as --format=json")
                .action(ArgAction::SetTrue)
                .conflicts_with("format"),
        )
        .arg(
            Arg::new("space")
                .long("space")
                .value_name("SPACE")
                .help("Addresses: device, member, bitmap or array [default: bitmap; of a mapfile: device]")
                .long_help(
                    "What the addresses count from:\n\
                     device: the start of each member's device, as dd and ddrescue count; the default for a mapfile\n\
                     member: the start of each member's data (its data offset)\n\
                     bitmap: what the bitmap counts: rows of the members for RAID 1, 4, 5 and 6, sectors of the array for RAID 10\n\
                     array: the start of the array; with parity, the data of each row and not its parity\n\
                     For device and member there is a list for each member, by its own copy of the bitmap; for bitmap and array one \
                     for all, of what any current member's copy marks.",
                )
                .value_parser(|text: &str| text.parse::<Space>()),
        )
        .arg(
            Arg::new("resync")
                .long("resync")
                .help("What the kernel would resynchronise when it starts the array, instead of what is marked")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("member")
                .long("member")
                .value_name("MEMBER")
                .help("Another member of the array, to judge by; not listed. May be repeated")
                .long_help(
                    "Another member of the array: its superblock is used to judge by, and its own bitmap is not listed. Beside a bitmap \
                     file it says what the chunks are on the members; device and member then list that member. May be repeated.",
                )
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("slot")
                .long("slot")
                .value_name("N")
                .help("Only this slot (node) of a clustered bitmap, counted from 0; without it, all together")
                .value_parser(value_parser!(u32)),
        )
        .args(finding::all())
}

fn format(matches: &ArgMatches) -> Format {
    let named = matches.get_one::<String>("format").map(String::as_str);
    match named {
        _ if matches.get_flag("json") => Format::Json,
        Some("json") => Format::Json,
        Some("csv") => Format::Csv,
        Some("mapfile") => Format::Mapfile,
        _ => Format::Table,
    }
}

/// The options that arguments stand for.
pub fn options(matches: &ArgMatches) -> ExtentsOptions {
    let mapfile = format(matches) == Format::Mapfile;
    let default = if mapfile {
        Space::Device
    } else {
        Space::Bitmap
    };
    ExtentsOptions {
        paths: finding::paths(matches, "device"),
        members: finding::paths(matches, "member"),
        space: matches.get_one("space").copied().unwrap_or(default),
        resync: matches.get_flag("resync"),
        mapfile,
        slot: matches.get_one("slot").copied(),
        metadata: matches.get_one("metadata").copied(),
        offset: matches.get_one("offset").copied(),
        order: finding::order(matches),
    }
}

/// Plans, says what is wrong, and streams the lists.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    Ok(list(&options(matches), format(matches), None, streams).0)
}

/// Lists the dirty extents, and says what is wrong with the list. The other value: is there any extent?
pub(super) fn list(
    options: &ExtentsOptions,
    format: Format,
    since: Option<SinceHead<'_>>,
    streams: &mut Streams<'_>,
) -> (Status, bool) {
    let opened = extents::open(options);
    let plan = extents::plan(&opened, options);
    // Before the list, which may be long, or closed by its reader before its end.
    complain(&plan, streams);
    let head = Head {
        since,
        ..head(&plan, options.resync)
    };
    let sections = plan.lists.iter().map(|list| Section {
        path: list.path.as_deref(),
        length: list.length,
        extents: list.extents(),
    });
    // What could not be counted counts as dirty.
    let (mut status, mut any) = (plan.status(), true);
    match report::write(streams.out(), format, &head, sections) {
        Ok(Ok(totals)) => {
            any = totals.extents > 0;
            plan.lists.iter().for_each(|list| differ(list, streams));
        }
        Ok(Err(error)) => {
            let problem = extents::failure(&error);
            streams.complain(&problem.message);
            status = status.max(problem.kind.status());
        }
        Err(error) => streams.note_write(Err(error)),
    }
    (status, any)
}

fn head<'a>(plan: &'a Plan<'_>, resync: bool) -> Head<'a> {
    let problems = plan.problems.iter();
    let problems =
        problems.map(|problem: &Problem| (problem.kind.name(), problem.message.as_str()));
    Head {
        space: plan.space,
        what: if resync {
            "to be resynchronised"
        } else {
            "dirty"
        },
        problems: problems
            .chain(plan.refused.as_deref().map(|refusal| ("refused", refusal)))
            .collect(),
        trusted: plan.trusted,
        lacking: plan.lacking,
        since: None,
    }
}

/// Problems that are told one by one: a damaged bitmap may have a thousand bad slots.
const MOST_PROBLEMS: usize = 16;

fn complain(plan: &Plan<'_>, streams: &mut Streams<'_>) {
    for problem in plan.problems.iter().take(MOST_PROBLEMS) {
        streams.complain(&problem.message);
    }
    let more = plan.problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        streams.complain(&format!("and {more} more problems; --json has all of them"));
    }
    if let Some(refusal) = &plan.refused {
        streams.complain(refusal);
    }
    for note in &plan.notes {
        streams.complain(note);
    }
}

/// Says when the copies that were united are not alike.
fn differ(list: &List<'_>, streams: &mut Streams<'_>) {
    let behind = list.behind();
    if !behind.is_empty() {
        let names: Vec<_> = behind.iter().map(|path| path.to_string_lossy()).collect();
        streams.complain(&format!(
            "the members' copies of the bitmap differ: {} mark{} less than is listed, which is what any of them marks",
            names.join(", "),
            if names.len() == 1 { "s" } else { "" }
        ));
    }
}
