//! Comma-separated values (RFC 4180): titles, then a line for each extent. A list that breaks off
//! ends with a line without numbers.

use super::text::Repeated;
use super::{Extents, Form, Head, Text, Totals, push_bytes};
use crate::units::Sectors;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// The state of the output.
#[derive(Default)]
pub(super) struct Csv {
    /// The member's name and a comma.
    prefix: Repeated,
}

impl Form for Csv {
    fn begin(&mut self, text: &mut Text<'_>, _: &Head<'_>) -> io::Result<()> {
        text.push(b"member,start_bytes,length_bytes");
        text.line()
    }

    fn begin_list(&mut self, _: &mut Text<'_>, path: Option<&OsStr>, _: Sectors) -> io::Result<()> {
        let mut prefix = field(path.map(OsStr::as_bytes).unwrap_or_default());
        prefix.push(b',');
        self.prefix = Repeated::new(&prefix);
        Ok(())
    }

    fn extents(&mut self, text: &mut Text<'_>, extents: &mut Extents<'_>) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for extent in extents {
            totals.count(&extent);
            text.repeat(&self.prefix);
            push_bytes(text, extent.start.0);
            text.push(b",");
            push_bytes(text, extent.end.0.saturating_sub(extent.start.0));
            text.line()?;
        }
        Ok(totals)
    }

    fn end_list(&mut self, _: &mut Text<'_>, _: &Totals) -> io::Result<()> {
        Ok(())
    }

    fn end(
        &mut self,
        text: &mut Text<'_>,
        head: &Head<'_>,
        _: &Totals,
        failure: Option<&str>,
    ) -> io::Result<()> {
        if failure.is_some() || head.lacking {
            text.push(b"incomplete,,");
            text.line()?;
        }
        Ok(())
    }
}

/// A field, in quotes where it needs them.
fn field(value: &[u8]) -> Vec<u8> {
    if !value.iter().any(|byte| b",\"\r\n".contains(byte)) {
        return value.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in value {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}
