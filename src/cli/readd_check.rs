//! `mdbitmap readd-check`: arguments in, options struct out, the answer to the reports.

use super::finding;
use super::{Streams, UsageError, size};
use crate::array::readd::verify::{Extent, Progress};
use crate::commands::Status;
use crate::commands::readd_check::{self, Doing, ReaddOptions};
use crate::report::{number, readd_json, readd_text};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The definition of its arguments.
pub fn command() -> Command {
    Command::new("readd-check")
        .about("Would a re-add go by the bitmap, how much would it copy, is it safe?")
        .long_about(
            "Says what would happen if DEV, which was a member once, came back into its array (mdadm --re-add): whether \
             the kernel would copy only the chunks that the bitmap marks, how many bytes that is, and whether the \
             unmarked chunks may be believed to be equal. Nothing is written.\n\n\
             The kernel does not ask that last question. If another device held the slot while DEV was away, its recovery \
             has cleared the bits of what DEV missed; DEV then comes back with old data, and the array is shown as \
             healthy. The superblocks of the members that stayed cannot show this, so the verdict is one of three. \
             unsafe: evidence speaks against the bitmap. unproven: nothing speaks against it, nothing proves it. proven: \
             every unmarked chunk was compared and is equal.",
        )
        .arg(
            Arg::new("array")
                .value_name("ARRAY|MEMBER")
                .help("The running array, or members of it (devices or images)")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("member")
                .long("member")
                .value_name("DEV")
                .help("The device (or image) that is to come back")
                .required(true)
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::AnyPath),
        )
        .arg(
            Arg::new("verify")
                .long("verify")
                .value_name("EXTENT")
                .help("Compares unmarked chunks of DEV with the array: sample or full")
                .long_help(
                    "Compares unmarked chunks of DEV with those of the other members, on RAID 4, 5 and 6 by parity, for \
                     which all other members are needed. sample: 1000 chunks chosen at random, so that a difference in \
                     1 % of them is found with a probability of more than 99.9 %; a sample can show that a re-add is \
                     unsafe, it cannot prove that it is safe. full: every unmarked chunk, until the first difference. \
                     Large reads past the page cache; the array may be in use meanwhile.",
                )
                .value_parser(["sample", "full"]),
        )
        .arg(
            Arg::new("strict")
                .long("strict")
                .help("Exit status 1 also when the verdict is unproven")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("RATE")
                .help("Reads so many bytes a second of each device at most; a suffix is required: 200M")
                .value_parser(size::amount),
        )
        .arg(
            Arg::new("no-scan")
                .long("no-scan")
                .help("Does not look for other superblocks of the array on this machine's block devices")
                .action(ArgAction::SetTrue),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("One JSON object")
                .action(ArgAction::SetTrue),
        )
}

/// The options that arguments stand for.
fn options(matches: &ArgMatches) -> ReaddOptions {
    ReaddOptions {
        paths: finding::paths(matches, "array"),
        member: matches.get_one("member").cloned().unwrap_or_default(),
        verify: match matches.get_one::<String>("verify").map(String::as_str) {
            Some("full") => Some(Extent::Full),
            Some(_) => Some(Extent::Sample),
            None => None,
        },
        limit: matches
            .get_one::<crate::units::Bytes>("limit")
            .map(|limit| limit.0),
        scan: !matches.get_flag("no-scan"),
        strict: matches.get_flag("strict"),
    }
}

/// Answers and reports.
///
/// # Errors
/// None beyond what clap has checked already.
pub fn run(matches: &ArgMatches, streams: &mut Streams<'_>) -> Result<Status, UsageError> {
    let json = matches.get_flag("json");
    let mut meter = Meter::new();
    let checked = readd_check::check(&options(matches), &mut |doing| meter.show(doing));
    meter.clear();
    let checked = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            if json {
                let written = readd_json::write_refusal(streams.out(), &refusal);
                streams.note_write(written);
            }
            streams.complain(&refusal.to_string());
            return Ok(refusal.status());
        }
    };
    let written = match json {
        true => readd_json::write_checked(streams.out(), &checked),
        false => readd_text::write_checked(streams.out(), &checked),
    };
    streams.note_write(written);
    for problem in &checked.problems {
        streams.complain(&problem.message);
    }
    for note in &checked.notes {
        streams.complain(note);
    }
    Ok(checked.status())
}

/// How far a comparison is, on a terminal alone.
struct Meter {
    is_terminal: bool,
    /// When comparing began.
    started: Option<Instant>,
    shown: Option<Instant>,
}

impl Meter {
    fn new() -> Meter {
        Meter {
            is_terminal: io::stderr().is_terminal(),
            started: None,
            shown: None,
        }
    }

    fn show(&mut self, doing: Doing) {
        const PAUSE: Duration = Duration::from_millis(200);
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= PAUSE);
        if !self.is_terminal || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let text = match doing {
            Doing::Waiting(left) => format!(
                "waiting {} s for the array to clear the bits that it is about to clear",
                left.as_secs() + 1
            ),
            Doing::Comparing(progress) => self.comparing(progress),
        };
        // Nothing is left to report a failing terminal to.
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }

    fn comparing(&mut self, progress: Progress) -> String {
        let started = *self.started.get_or_insert_with(Instant::now);
        let seconds = started.elapsed().as_secs_f64().max(0.001);
        let rate = progress.done_bytes as f64 / seconds;
        let left = progress.total_bytes.saturating_sub(progress.done_bytes) as f64 / rate.max(1.0);
        let left = left.min(359_999.0) as u64;
        format!(
            "compared {} of {}, {}/s, {}:{:02}:{:02} left",
            number::prose_size(progress.done_bytes),
            number::prose_size(progress.total_bytes),
            number::prose_size(rate as u128),
            left / 3600,
            left / 60 % 60,
            left % 60
        )
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
