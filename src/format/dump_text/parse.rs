//! Reading a dump, one line at a time.

use super::section::{self, Section};
use super::values;
use super::write::{BITMAP_END, DUMP_END};
use super::{
    BitmapFacts, DeviceFacts, DumpRun, DumpTextError, MAGIC_WORD, MAX_DEVICES, MAX_LINE, RunMark,
    RunTotals, STATE_NAMES, VERSION,
};
use crate::format::coverage::Coverage;
use crate::units::ChunkIndex;

/// What a dump is made of, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A device. Its bitmaps follow.
    Device(Box<DeviceFacts>),
    /// A bitmap of the device before. Its runs follow.
    Bitmap(Box<BitmapFacts>),
    /// Chunks of the bitmap before: in ascending order, no chunk twice, neighbours with the same mark
    /// joined.
    Run(DumpRun),
    /// The bitmap before is complete.
    BitmapEnd(RunTotals),
}

/// Reads a dump line by line.
///
/// Nothing is taken on trust: an unknown word, a key twice, a key missing, a chunk that does not exist
/// are errors that name the line. Overlapping runs of set bits are joined, which is safe; runs out of
/// order are an error, because sorting them would take memory without bound.
#[derive(Debug, Default)]
pub struct Parser {
    line: u64,
    state: State,
    /// The device whose bitmaps are being read.
    device: Option<DeviceFacts>,
    devices: usize,
}

#[derive(Debug, Default)]
enum State {
    /// Before the first line.
    #[default]
    Start,
    /// Between sections: a device or the end may come; a bitmap after a device.
    Between,
    Device(Section),
    Bitmap(Section),
    Runs(Box<Runs>),
    End,
}

/// The runs of the bitmap that is being read.
#[derive(Debug)]
struct Runs {
    bitmap: BitmapFacts,
    chunks: u64,
    /// The last run, which may still grow, and the line that it began in.
    last: Option<(DumpRun, u64)>,
    totals: RunTotals,
}

impl Parser {
    /// A parser that goes on behind line `line`, which began the runs of `bitmap`.
    pub fn at_runs(bitmap: BitmapFacts, line: u64) -> Self {
        Self {
            line,
            state: match bitmap.coverage() {
                Some(coverage) => State::Runs(Box::new(Runs::new(bitmap, coverage))),
                None => State::Between,
            },
            device: None,
            devices: 0,
        }
    }

    /// Reads the next line, given without its line feed.
    ///
    /// # Errors
    /// [`DumpTextError`], naming the line; the rest must not be read then.
    pub fn line(&mut self, bytes: &[u8], give: &mut dyn FnMut(Event)) -> Result<(), DumpTextError> {
        self.line = self.line.saturating_add(1);
        if bytes.len() > MAX_LINE {
            let expected = format!("at most {MAX_LINE} bytes");
            return Err(self.wrong(expected, &format!("{} bytes", bytes.len())));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| self.wrong("text in UTF-8", &String::from_utf8_lossy(bytes)))?;
        let text = without_comment(text).trim_matches([' ', '\t', '\r']);
        if text.is_empty() {
            return Ok(());
        }
        let (word, value) = match text.split_once([' ', '\t']) {
            Some((word, value)) => (word, value.trim_matches([' ', '\t'])),
            None => (text, ""),
        };
        match &mut self.state {
            State::Start => self.first(word, value, text),
            State::End => Err(self.wrong(format!("nothing after \"{DUMP_END}\""), text)),
            State::Runs(_) => self.in_runs(word, value, text, give),
            State::Between => self.between(word, value, text),
            State::Device(_) | State::Bitmap(_) => self.in_section(word, value, text, give),
        }
    }

    /// Says that there are no more lines.
    ///
    /// # Errors
    /// [`DumpTextError::CutOff`] unless the dump was complete.
    pub fn finish(&self) -> Result<(), DumpTextError> {
        let expected = match &self.state {
            State::End => return Ok(()),
            State::Start => "mdbitmap-dump 1",
            State::Runs(_) => BITMAP_END,
            State::Bitmap(_) => "runs",
            State::Between | State::Device(_) => DUMP_END,
        };
        Err(DumpTextError::CutOff {
            line: self.line,
            expected,
        })
    }

    /// True once the last line of a dump was read.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn wrong(&self, expected: impl Into<String>, found: &str) -> DumpTextError {
        wrong(self.line, expected, found)
    }

    fn first(&mut self, word: &str, value: &str, text: &str) -> Result<(), DumpTextError> {
        if word != MAGIC_WORD {
            return Err(self.wrong(
                format!("\"{MAGIC_WORD} {VERSION}\", the start of a dump"),
                text,
            ));
        }
        if value != VERSION.to_string() {
            return Err(DumpTextError::Version {
                line: self.line,
                found: shorten(value),
            });
        }
        self.state = State::Between;
        Ok(())
    }

    fn between(&mut self, word: &str, value: &str, text: &str) -> Result<(), DumpTextError> {
        let expected = match (word, &self.device) {
            (DUMP_END, _) if value.is_empty() => {
                self.state = State::End;
                return Ok(());
            }
            ("device", _) => return self.begin_device(value),
            ("bitmap", Some(_)) => {
                self.state = State::Bitmap(Section::new(&section::BITMAP, value, self.line));
                return Ok(());
            }
            (_, Some(_)) => format!("\"bitmap\", \"device\" or \"{DUMP_END}\""),
            (_, None) => format!("\"device\" or \"{DUMP_END}\""),
        };
        Err(self.wrong(expected, text))
    }

    fn begin_device(&mut self, value: &str) -> Result<(), DumpTextError> {
        if self.devices >= MAX_DEVICES {
            return Err(self.wrong(format!("at most {MAX_DEVICES} devices"), "another one"));
        }
        self.devices += 1;
        self.device = None;
        self.state = State::Device(Section::new(&section::DEVICE, value, self.line));
        Ok(())
    }

    fn in_section(
        &mut self,
        word: &str,
        value: &str,
        text: &str,
        give: &mut dyn FnMut(Event),
    ) -> Result<(), DumpTextError> {
        let line = self.line;
        match &mut self.state {
            State::Device(section) if ["device", "bitmap", DUMP_END].contains(&word) => {
                let device = section.device(line)?;
                give(Event::Device(Box::new(device.clone())));
                self.device = Some(device);
                self.state = State::Between;
                self.between(word, value, text)
            }
            State::Bitmap(section) if ["runs", "no-runs"].contains(&word) && value.is_empty() => {
                let metadata = self.device.as_ref().and_then(|device| device.md.as_ref());
                let metadata = metadata.map(|md| md.metadata);
                let has_runs = word == "runs";
                let bitmap = section.bitmap(line, metadata, has_runs)?;
                give(Event::Bitmap(Box::new(bitmap.clone())));
                self.state = match bitmap.coverage() {
                    Some(coverage) => State::Runs(Box::new(Runs::new(bitmap, coverage))),
                    None if has_runs => {
                        return Err(wrong(
                            line,
                            "\"no-runs\", because this superblock does not tell what a chunk is",
                            text,
                        ));
                    }
                    None => {
                        give(Event::BitmapEnd(RunTotals::default()));
                        State::Between
                    }
                };
                Ok(())
            }
            State::Device(section) | State::Bitmap(section) => {
                section.take_line(word, value, line, text)
            }
            _ => Ok(()),
        }
    }

    fn in_runs(
        &mut self,
        word: &str,
        value: &str,
        text: &str,
        give: &mut dyn FnMut(Event),
    ) -> Result<(), DumpTextError> {
        let line = self.line;
        let State::Runs(runs) = &mut self.state else {
            return Ok(());
        };
        if word == BITMAP_END {
            let totals = runs.end(value, line, give)?;
            give(Event::BitmapEnd(totals));
            self.state = State::Between;
            return Ok(());
        }
        let run = runs.read(word, value, text, line)?;
        runs.add(run, word, line, give)
    }
}

impl Runs {
    fn new(bitmap: BitmapFacts, coverage: Coverage) -> Self {
        Self {
            chunks: coverage.chunks(),
            bitmap,
            last: None,
            totals: RunTotals::default(),
        }
    }

    /// The run that a line stands for.
    fn read(
        &self,
        word: &str,
        value: &str,
        text: &str,
        line: u64,
    ) -> Result<DumpRun, DumpTextError> {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let chunks = values::number(first).zip(values::number(last));
        let Some((first, last)) = chunks.filter(|(first, last)| first <= last) else {
            let expected = format!("chunks as \"first-last\" or \"chunk\", or \"{BITMAP_END}\"");
            return Err(wrong(line, expected, text));
        };
        if last >= self.chunks {
            return Err(DumpTextError::PastEnd {
                line,
                chunk: last,
                chunks: self.chunks,
            });
        }
        let mark = match self.bitmap.raw.is_lockless() {
            true => state_mark(value),
            false => bit_mark(value),
        };
        let mark = mark.ok_or_else(|| {
            let expected = match self.bitmap.raw.is_lockless() {
                true => format!(
                    "a state ({}, missing, or 0x..) behind the chunks",
                    STATE_NAMES.join(", ")
                ),
                false => "nothing, or \"missing\", behind the chunks".to_owned(),
            };
            wrong(line, expected, text)
        })?;
        Ok(DumpRun {
            // last < chunks, so the end fits.
            chunks: ChunkIndex(first)..ChunkIndex(last.saturating_add(1)),
            mark,
        })
    }

    /// Joins a run to the last one, or gives that and keeps this.
    fn add(
        &mut self,
        run: DumpRun,
        word: &str,
        line: u64,
        give: &mut dyn FnMut(Event),
    ) -> Result<(), DumpTextError> {
        let Some((last, last_line)) = &mut self.last else {
            self.last = Some((run, line));
            return Ok(());
        };
        if run.chunks.start < last.chunks.start {
            return Err(DumpTextError::Order {
                line,
                run: shorten(word),
                before_line: *last_line,
                before: last.chunks.start.0,
            });
        }
        let overlap = run.chunks.start < last.chunks.end;
        if overlap && self.bitmap.raw.is_lockless() {
            return Err(DumpTextError::TwoStates {
                line,
                chunk: run.chunks.start.0,
                before_line: *last_line,
            });
        }
        if overlap || (run.chunks.start == last.chunks.end && run.mark == last.mark) {
            // Set or missing, it is dirty; of the two the plain one is said of both.
            last.mark = last.mark.min(run.mark);
            last.chunks.end = last.chunks.end.max(run.chunks.end);
            return Ok(());
        }
        if let Some((before, _)) = self.last.replace((run, line)) {
            self.give(before, give);
        }
        Ok(())
    }

    fn give(&mut self, run: DumpRun, give: &mut dyn FnMut(Event)) {
        self.totals.add(&run);
        give(Event::Run(run));
    }

    /// Ends the runs, checking the totals where there are any.
    fn end(
        &mut self,
        value: &str,
        line: u64,
        give: &mut dyn FnMut(Event),
    ) -> Result<RunTotals, DumpTextError> {
        if let Some((last, _)) = self.last.take() {
            self.give(last, give);
        }
        let totals = self.totals;
        if value.is_empty() {
            return Ok(totals);
        }
        let words: Vec<&str> = value.split_whitespace().collect();
        let said = match words.as_slice() {
            [runs, "runs", chunks, "dirty"] => values::number(runs).zip(values::number(chunks)),
            _ => None,
        };
        let Some((said_runs, said_chunks)) = said else {
            let expected = format!("\"{BITMAP_END} N runs M dirty\", or \"{BITMAP_END}\" alone");
            return Err(wrong(line, expected, value));
        };
        if (said_runs, said_chunks) != (totals.runs, totals.dirty_chunks) {
            return Err(DumpTextError::Totals {
                line,
                said_runs,
                said_chunks,
                runs: totals.runs,
                chunks: totals.dirty_chunks,
            });
        }
        Ok(totals)
    }
}

fn bit_mark(value: &str) -> Option<RunMark> {
    match value {
        "" => Some(RunMark::Dirty),
        "missing" => Some(RunMark::Missing),
        _ => None,
    }
}

fn state_mark(value: &str) -> Option<RunMark> {
    if value == "missing" {
        return Some(RunMark::Missing);
    }
    let named = (0u8..).zip(STATE_NAMES).find(|(_, name)| *name == value);
    if let Some((byte, _)) = named {
        return Some(RunMark::State(byte));
    }
    let byte = value
        .strip_prefix("0x")
        .and_then(|_| values::number(value))?;
    u8::try_from(byte).ok().map(RunMark::State)
}

/// The line up to the first `#` that is not in quotes.
fn without_comment(text: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'#' if !quoted => return text.get(..at).unwrap_or_default(),
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    text
}

pub(super) fn wrong(line: u64, expected: impl Into<String>, found: &str) -> DumpTextError {
    DumpTextError::Line {
        line,
        expected: expected.into(),
        found: format!("\"{}\"", shorten(found)),
    }
}

/// What is shown of a text that may be long and hold anything.
pub(super) fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().count() > 60 {
        shown.push_str("...");
    }
    shown
}
