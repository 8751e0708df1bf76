//! Lists of extents as a table, CSV, JSON or a ddrescue mapfile, written as they are read.
//!
//! Any stream of ranges can be written, not those of `extents` alone. Whatever happens, an output
//! that is not complete cannot be taken for one that is: each form says so in its own way.

mod csv;
mod json;
mod mapfile;
mod table;
#[cfg(test)]
mod tests;
mod text;

use crate::array::spaces::{Pieces, Space};
use crate::units::{SECTOR_BYTES, Sectors};
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, Write};
use std::ops::Range;
use text::Text;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns with totals.
    Table,
    /// One object.
    Json,
    /// A line of titles, a line for each extent.
    Csv,
    /// A domain for GNU ddrescue; of one list alone.
    Mapfile,
}

/// What all lists have in common.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// In which addresses.
    pub space: Space,
    /// What is listed, as a heading: "dirty", "to be resynchronised".
    pub what: &'a str,
    /// What is wrong, in sentences: for the forms that have room for it.
    pub problems: Vec<(&'a str, &'a str)>,
    /// Whether the kernel would go by the bitmap.
    pub trusted: Option<bool>,
    /// True when lists that were asked for are not among those given.
    pub lacking: bool,
    /// Whether the list is all that has been written since a moment, where that was asked.
    pub since: Option<SinceHead<'a>>,
}

/// How far a list can be taken for all that has been written since a dump.
#[derive(Debug, Clone)]
pub struct SinceHead<'a> {
    /// The verdict in a word.
    pub verdict: &'a str,
    /// Why it is not better.
    pub reasons: Vec<&'a str>,
}

impl SinceHead<'_> {
    /// One line for each thing to know, for the forms that have comments.
    fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let verdict = format!("Written since the dump; verdict: {}", self.verdict);
        std::iter::once(verdict).chain(
            self.reasons
                .iter()
                .map(|reason| format!("{}: {reason}", self.verdict)),
        )
    }
}

/// One list.
pub struct Section<'a, E> {
    /// The member or file; `None` for all members together.
    pub path: Option<&'a OsStr>,
    /// The end of the addresses.
    pub length: Sectors,
    /// The extents, or why there are none.
    pub extents: Result<Pieces<'a, E>, E>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Number of extents.
    pub extents: u64,
    /// Sectors in them.
    pub sectors: u128,
}

impl Totals {
    fn count(&mut self, extent: &Range<Sectors>) {
        self.extents += 1;
        self.sectors += u128::from(extent.end.0.saturating_sub(extent.start.0));
    }

    fn add(&mut self, other: Totals) {
        self.extents += other.extents;
        self.sectors += other.sectors;
    }

    /// Bytes in the extents.
    pub fn bytes(&self) -> u128 {
        self.sectors * u128::from(SECTOR_BYTES)
    }
}

/// Writes all lists; gives the first error of a stream, with which the output ends.
///
/// # Errors
/// What `out` reports.
pub fn write<'a, E: Display + 'a>(
    out: &mut dyn Write,
    format: Format,
    head: &Head<'_>,
    sections: impl IntoIterator<Item = Section<'a, E>>,
) -> io::Result<Result<Totals, E>> {
    let mut text = Text::new(out);
    let mut writer: Box<dyn Form> = match format {
        Format::Table => Box::new(table::Table::default()),
        Format::Json => Box::new(json::Json::default()),
        Format::Csv => Box::new(csv::Csv::default()),
        Format::Mapfile => Box::new(mapfile::Mapfile::default()),
    };
    writer.begin(&mut text, head)?;
    let mut all = Totals::default();
    let mut failure = None;
    for section in sections {
        let of_list = match section.extents {
            Ok(extents) => {
                writer.begin_list(&mut text, section.path, section.length)?;
                let of_list = writer.extents(&mut text, &mut erased(extents, &mut failure))?;
                if failure.is_none() {
                    writer.end_list(&mut text, &of_list)?;
                }
                of_list
            }
            Err(error) => {
                failure = Some(error);
                Totals::default()
            }
        };
        all.add(of_list);
        if failure.is_some() {
            break;
        }
    }
    let reason = failure.as_ref().map(ToString::to_string);
    writer.end(&mut text, head, &all, reason.as_deref())?;
    text.flush()?;
    Ok(match failure {
        Some(error) => Err(error),
        None => Ok(all),
    })
}

/// The ranges of a stream up to its first error, which is put aside.
fn erased<'s, E>(
    mut extents: Pieces<'s, E>,
    failure: &'s mut Option<E>,
) -> impl Iterator<Item = Range<Sectors>> + 's {
    std::iter::from_fn(move || match extents.next()? {
        Ok(extent) => Some(extent),
        Err(error) => {
            *failure = Some(error);
            None
        }
    })
}

/// A stream of ranges without errors.
type Extents<'a> = dyn Iterator<Item = Range<Sectors>> + 'a;

/// How one form of output is written.
trait Form {
    fn begin(&mut self, text: &mut Text<'_>, head: &Head<'_>) -> io::Result<()>;

    fn begin_list(
        &mut self,
        text: &mut Text<'_>,
        path: Option<&OsStr>,
        length: Sectors,
    ) -> io::Result<()>;

    /// All extents of a list, and their totals.
    fn extents(&mut self, text: &mut Text<'_>, extents: &mut Extents<'_>) -> io::Result<Totals>;

    /// Only after a list that is complete.
    fn end_list(&mut self, text: &mut Text<'_>, totals: &Totals) -> io::Result<()>;

    /// The end of the output; with a reason when a list is not complete.
    fn end(
        &mut self,
        text: &mut Text<'_>,
        head: &Head<'_>,
        totals: &Totals,
        failure: Option<&str>,
    ) -> io::Result<()>;
}

/// Bytes of a number of sectors; `None` beyond 64 bits.
#[inline]
fn bytes(sectors: Sectors) -> Option<u64> {
    sectors.0.checked_mul(SECTOR_BYTES)
}

/// The bytes in decimal.
#[inline]
fn push_bytes(text: &mut Text<'_>, sectors: u64) {
    match bytes(Sectors(sectors)) {
        Some(bytes) => text.decimal(bytes),
        None => text.push_all(
            (u128::from(sectors) * u128::from(SECTOR_BYTES))
                .to_string()
                .as_bytes(),
        ),
    }
}
