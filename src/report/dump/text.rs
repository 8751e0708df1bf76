//! A dump as text: docs/dump-format.md.

use crate::commands::dump::DumpWriter;
use crate::commands::given::Problem;
use crate::format::dump_text::{
    self, BITMAP_END, BitmapFacts, DUMP_END, DeviceFacts, DumpRun, RunTotals,
};
use std::io::{self, Write};

/// Writes the text form.
pub struct TextDump<'a> {
    out: &'a mut dyn Write,
    device: Option<DeviceFacts>,
    has_runs: bool,
}

impl<'a> TextDump<'a> {
    /// Starts a dump.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(dump_text::file_header().as_bytes())?;
        Ok(Self {
            out,
            device: None,
            has_runs: false,
        })
    }
}

impl DumpWriter for TextDump<'_> {
    fn device(&mut self, facts: Option<&DeviceFacts>, problems: &[Problem]) -> io::Result<()> {
        if facts.is_none() {
            self.out
                .write_all(b"\n# A device that could not be opened:\n")?;
        }
        if let Some(facts) = facts {
            let header = dump_text::device_header(facts);
            self.out.write_all(header.as_bytes())?;
        }
        for problem in problems {
            // A name may hold anything, but no line that is not a comment comes out of it.
            let message: String = problem.message.chars().map(visible).collect();
            writeln!(self.out, "# {message}")?;
        }
        self.device = facts.cloned();
        Ok(())
    }

    fn bitmap(&mut self, facts: &BitmapFacts) -> io::Result<()> {
        self.has_runs = facts.has_runs;
        let Some(device) = &self.device else {
            return Ok(());
        };
        let header = dump_text::bitmap_header(facts, device);
        self.out.write_all(header.as_bytes())
    }

    fn run(&mut self, run: &DumpRun) -> io::Result<()> {
        dump_text::run_line(self.out, run)
    }

    fn bitmap_end(&mut self, totals: RunTotals) -> io::Result<()> {
        let RunTotals { runs, dirty_chunks } = totals;
        match self.has_runs {
            true => writeln!(self.out, "{BITMAP_END} {runs} runs {dirty_chunks} dirty"),
            false => Ok(()),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        writeln!(self.out, "\n{DUMP_END}")
    }
}

fn visible(character: char) -> char {
    match character.is_control() {
        true => '\u{fffd}',
        false => character,
    }
}
