//! JSON: one object, whose totals and `complete` follow the extents, so that it streams.

use super::text::Repeated;
use super::{Extents, Form, Head, Text, Totals, push_bytes};
use crate::units::Sectors;
use serde_json::json;
use std::ffi::OsStr;
use std::io;

/// The number that a change of meaning of any key raises.
const SCHEMA: u32 = 1;

/// The state of the output.
#[derive(Default)]
pub(super) struct Json {
    /// What each extent begins with.
    prefix: Repeated,
    /// True when an extent was written.
    any: bool,
}

impl Form for Json {
    fn begin(&mut self, text: &mut Text<'_>, head: &Head<'_>) -> io::Result<()> {
        text.push_all(format!("{{\"schema\":{SCHEMA},\"space\":\"{}\",", head.space).as_bytes());
        if let Some(since) = &head.since {
            let (verdict, reasons) = (json!(since.verdict), json!(since.reasons));
            text.push_all(format!("\"verdict\":{verdict},\"reasons\":{reasons},").as_bytes());
        }
        text.push_all(b"\"extents\":[");
        Ok(())
    }

    fn begin_list(&mut self, _: &mut Text<'_>, path: Option<&OsStr>, _: Sectors) -> io::Result<()> {
        let path = json!(path.map(OsStr::to_string_lossy));
        self.prefix = Repeated::new(format!("{{\"member\":{path},\"start_bytes\":").as_bytes());
        Ok(())
    }

    fn extents(&mut self, text: &mut Text<'_>, extents: &mut Extents<'_>) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for extent in extents {
            totals.count(&extent);
            if std::mem::replace(&mut self.any, true) {
                text.push(b",");
            }
            text.repeat(&self.prefix);
            push_bytes(text, extent.start.0);
            text.push(b",\"length_bytes\":");
            push_bytes(text, extent.end.0.saturating_sub(extent.start.0));
            text.push(b"}");
            text.relieve()?;
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
        totals: &Totals,
        failure: Option<&str>,
    ) -> io::Result<()> {
        let error = |kind: &str, message: &str| json!({"kind": kind, "message": message});
        let mut errors: Vec<_> = head
            .problems
            .iter()
            .map(|(kind, message)| error(kind, message))
            .collect();
        errors.extend(failure.map(|message| error("read", message)));
        // Written by hand where the order of the keys matters to a reader who watches it stream.
        let end = format!(
            "],\"totals\":{{\"extents\":{},\"dirty_bytes\":{}}},\"trusted\":{},\"complete\":{},\"errors\":{}}}",
            totals.extents,
            totals.bytes(),
            json!(head.trusted),
            failure.is_none() && !head.lacking,
            json!(errors)
        );
        text.push_all(end.as_bytes());
        text.line()
    }
}
