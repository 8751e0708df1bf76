//! A table for people: columns as wide as the largest address, so that it streams.

use super::text::Repeated;
use super::{Extents, Form, Head, Text, Totals, bytes};
use crate::array::spaces::Space;
use crate::report::number::prose_size;
use crate::units::{SECTOR_BYTES, Sectors};
use std::ffi::OsStr;
use std::io;

const START: &str = "START";
const LENGTH: &str = "LENGTH";

/// The state of the output.
#[derive(Default)]
pub(super) struct Table {
    what: String,
    addresses: &'static str,
    width: usize,
    length: Sectors,
    /// Number of lists so far.
    lists: u32,
}

impl Form for Table {
    fn begin(&mut self, text: &mut Text<'_>, head: &Head<'_>) -> io::Result<()> {
        if let Some(since) = &head.since {
            // The reasons are on standard error.
            text.push_all(format!("Written since the dump; verdict: {}", since.verdict).as_bytes());
            text.line()?;
        }
        self.what = head.what.to_owned();
        self.addresses = addresses(head.space);
        Ok(())
    }

    fn begin_list(
        &mut self,
        text: &mut Text<'_>,
        path: Option<&OsStr>,
        length: Sectors,
    ) -> io::Result<()> {
        let widest = bytes(length).unwrap_or(u64::MAX).to_string().len();
        self.width = widest.max(LENGTH.len());
        self.length = length;
        if self.lists > 0 {
            text.line()?;
        }
        self.lists += 1;
        let of = match path {
            Some(path) => format!("{}, ", path.to_string_lossy()),
            None => "all current members together, ".to_owned(),
        };
        text.push_all(format!("{of}{}, in {}:", self.what, self.addresses).as_bytes());
        text.line()?;
        let width = self.width;
        text.push_all(format!("{START:>width$}  {LENGTH:>width$}  SIZE").as_bytes());
        text.line()
    }

    fn extents(&mut self, text: &mut Text<'_>, extents: &mut Extents<'_>) -> io::Result<Totals> {
        let mut totals = Totals::default();
        // Most lengths are that of one chunk: its words are kept.
        let mut known = (0, Repeated::default());
        for extent in extents {
            totals.count(&extent);
            let length = extent.end.0.saturating_sub(extent.start.0);
            if length != known.0 {
                let size = prose_size(u128::from(length) * u128::from(SECTOR_BYTES));
                known = (length, Repeated::new(format!("  {size}").as_bytes()));
            }
            self.number(text, extent.start.0);
            text.push(b"  ");
            self.number(text, length);
            text.repeat(&known.1);
            text.line()?;
        }
        Ok(totals)
    }

    fn end_list(&mut self, text: &mut Text<'_>, totals: &Totals) -> io::Result<()> {
        let of = u128::from(self.length.0) * u128::from(SECTOR_BYTES);
        let line = format!("{} of {}", summary(totals), prose_size(of));
        text.push_all(line.as_bytes());
        text.line()
    }

    fn end(
        &mut self,
        text: &mut Text<'_>,
        head: &Head<'_>,
        totals: &Totals,
        failure: Option<&str>,
    ) -> io::Result<()> {
        if failure.is_some() || (head.lacking && self.lists > 0) {
            text.push(b"INCOMPLETE: not everything could be read, and more may be dirty");
            text.line()
        } else if self.lists > 1 {
            text.push_all(format!("\nTogether {}", summary(totals)).as_bytes());
            text.line()
        } else {
            Ok(())
        }
    }
}

impl Table {
    #[inline]
    fn number(&self, text: &mut Text<'_>, sectors: u64) {
        match bytes(Sectors(sectors)) {
            Some(bytes) => text.decimal_right(bytes, self.width),
            None => super::push_bytes(text, sectors),
        }
    }
}

fn summary(totals: &Totals) -> String {
    let plural = if totals.extents == 1 { "" } else { "s" };
    format!(
        "{} extent{plural}, {} bytes ({})",
        totals.extents,
        totals.bytes(),
        prose_size(totals.bytes())
    )
}

/// What the addresses count from.
fn addresses(space: Space) -> &'static str {
    match space {
        Space::Device => "bytes from the start of the device",
        Space::Member => "bytes from the start of the member's data",
        Space::Bitmap => "bytes as the bitmap counts",
        Space::Array => "bytes from the start of the array",
    }
}
