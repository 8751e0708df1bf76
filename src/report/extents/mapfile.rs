//! A domain mapfile of GNU ddrescue (its manual, "Mapfile structure" and the option `-m`): the
//! blocks marked `+` are the domain, `?` the rest; they follow each other from 0 without a gap.

use super::{Extents, Form, Head, SinceHead, Text, Totals};
use crate::units::{SECTOR_BYTES, Sectors};
use std::ffi::OsStr;
use std::io;

/// What makes ddrescue refuse the file: a line that is neither a comment nor a block. Without it, a
/// map that breaks off would be taken for a smaller domain.
const SPOILER: &[u8] = b"incomplete";

/// The state of the output.
#[derive(Default)]
pub(super) struct Mapfile {
    length: Sectors,
    /// Where the last block ended.
    position: Sectors,
    /// True when a list was begun.
    begun: bool,
}

impl Form for Mapfile {
    fn begin(&mut self, text: &mut Text<'_>, head: &Head<'_>) -> io::Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        comment(
            text,
            &format!("Mapfile. Created by mdbitmap version {version}, extents"),
        )?;
        comment(
            text,
            &format!(
                "Domain for ddrescue -m: + is {}, ? is not; space: {}",
                head.what, head.space
            ),
        )?;
        for line in head.since.iter().flat_map(SinceHead::lines) {
            comment(text, &line)?;
        }
        for (_, message) in &head.problems {
            comment(text, &format!("WARNING: {message}"))?;
        }
        Ok(())
    }

    fn begin_list(
        &mut self,
        text: &mut Text<'_>,
        path: Option<&OsStr>,
        length: Sectors,
    ) -> io::Result<()> {
        (self.begun, self.length) = (true, length);
        if let Some(path) = path {
            comment(text, &format!("Device: {}", path.to_string_lossy()))?;
        }
        text.push(b"# current_pos  current_status  current_pass\n");
        text.push(b"0x00000000     +               1\n");
        text.push(b"#      pos        size  status");
        text.line()
    }

    fn extents(&mut self, text: &mut Text<'_>, extents: &mut Extents<'_>) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for extent in extents {
            totals.count(&extent);
            if self.position < extent.start {
                block(text, self.position, extent.start, b"  ?")?;
            }
            block(text, extent.start, extent.end, b"  +")?;
            self.position = extent.end;
        }
        Ok(totals)
    }

    fn end_list(&mut self, text: &mut Text<'_>, totals: &Totals) -> io::Result<()> {
        if self.position < self.length {
            block(text, self.position, self.length, b"  ?")?;
        }
        comment(
            text,
            &format!("{} extents, {} bytes", totals.extents, totals.bytes()),
        )
    }

    fn end(
        &mut self,
        text: &mut Text<'_>,
        head: &Head<'_>,
        _: &Totals,
        failure: Option<&str>,
    ) -> io::Result<()> {
        if let Some(failure) = failure {
            comment(text, &format!("INCOMPLETE: {failure}"))?;
        } else if head.lacking || !self.begun {
            comment(text, "INCOMPLETE: no extents could be listed")?;
        } else {
            return Ok(());
        }
        text.push_all(SPOILER);
        text.line()
    }
}

#[inline]
fn block(text: &mut Text<'_>, start: Sectors, end: Sectors, status: &[u8; 3]) -> io::Result<()> {
    // A map past 2^63 bytes was refused.
    text.hexadecimal(start.0.saturating_mul(SECTOR_BYTES));
    text.push(b"  ");
    text.hexadecimal(end.0.saturating_sub(start.0).saturating_mul(SECTOR_BYTES));
    text.push_all(status);
    text.line()
}

/// A comment on one line, whatever the message holds.
fn comment(text: &mut Text<'_>, message: &str) -> io::Result<()> {
    text.push(b"# ");
    let clean: String = message
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    text.push_all(clean.as_bytes());
    text.line()
}
