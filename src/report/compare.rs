//! How bitmaps differ, as text and as JSON.

use crate::commands::compare::since::{Complete, Since};
use crate::commands::compare::{CompareWriter, Compared, Difference};
use crate::commands::dump::verify::Field;
use crate::report::number::prose_size;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Writes differences between bitmaps as text.
pub struct TextCompare<'a> {
    out: &'a mut dyn Write,
    names: Vec<String>,
    chunk_bytes: Option<u64>,
}

impl<'a> TextCompare<'a> {
    /// Starts.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            names: Vec::new(),
            chunk_bytes: None,
        }
    }

    /// The last lines.
    ///
    /// # Errors
    /// What the output reports.
    pub fn end(self, compared: &Compared) -> io::Result<()> {
        let common = prose_size(compared.common_bytes);
        match compared.is_equal() {
            true => writeln!(
                self.out,
                "The bitmaps are equal; {common} are dirty in all of them."
            ),
            false => writeln!(
                self.out,
                "{} are dirty in some and not in others, {common} in all; {} fields differ.",
                prose_size(compared.bytes),
                compared.fields
            ),
        }
    }

    fn names(&self, difference: &Difference, dirty: bool) -> String {
        let all = self.names.iter().zip(&difference.dirty);
        let names: Vec<&str> = all
            .filter(|(_, is)| **is == dirty)
            .map(|(name, _)| name.as_str())
            .collect();
        names.join(", ")
    }
}

impl CompareWriter for TextCompare<'_> {
    fn start(
        &mut self,
        names: &[String],
        chunk_bytes: Option<u64>,
        fields: &[(usize, Field)],
    ) -> io::Result<()> {
        self.names = names.to_vec();
        self.chunk_bytes = chunk_bytes;
        let name = |number: usize| self.names.get(number).map_or("", String::as_str);
        for (number, field) in fields {
            writeln!(
                self.out,
                "{}: {} in {}, {} in {}",
                field.key,
                field.dumped,
                name(0),
                field.found,
                name(*number)
            )?;
        }
        Ok(())
    }

    fn difference(&mut self, difference: &Difference) -> io::Result<()> {
        let bytes = &difference.bytes;
        let last = bytes.end.saturating_sub(1);
        let place = match self.chunk_bytes.map(u128::from) {
            Some(chunk) if bytes.start / chunk == last / chunk => format!("chunk {}", last / chunk),
            Some(chunk) => format!("chunks {}-{}", bytes.start / chunk, last / chunk),
            None => format!("bytes {}-{last}", bytes.start),
        };
        let (dirty, clean) = (self.names(difference, true), self.names(difference, false));
        writeln!(self.out, "{place}: dirty in {dirty}; not in {clean}")
    }
}

/// Writes differences between bitmaps as one JSON object.
pub struct JsonCompare<'a> {
    out: &'a mut dyn Write,
    more: bool,
}

impl<'a> JsonCompare<'a> {
    /// Starts.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, more: false }
    }

    /// Ends.
    ///
    /// # Errors
    /// What the output reports.
    pub fn end(self, compared: &Compared) -> io::Result<()> {
        writeln!(
            self.out,
            "],\"differing_bytes\":{},\"common_bytes\":{},\"equal\":{}}}",
            compared.bytes,
            compared.common_bytes,
            compared.is_equal()
        )
    }
}

impl CompareWriter for JsonCompare<'_> {
    fn start(
        &mut self,
        names: &[String],
        chunk_bytes: Option<u64>,
        fields: &[(usize, Field)],
    ) -> io::Result<()> {
        let fields: Vec<Value> = fields
            .iter()
            .map(|(number, field)| json!({"bitmap": number, "field": field.key, "value": field.found, "value_of_first": field.dumped}))
            .collect();
        write!(
            self.out,
            "{{\"schema\":1,\"bitmaps\":{},\"chunk_bytes\":{},\"fields\":{},\"differences\":[",
            json!(names),
            json!(chunk_bytes),
            json!(fields)
        )
    }

    fn difference(&mut self, difference: &Difference) -> io::Result<()> {
        if std::mem::replace(&mut self.more, true) {
            self.out.write_all(b",")?;
        }
        let bytes = &difference.bytes;
        let dirty = difference
            .dirty
            .iter()
            .enumerate()
            .filter(|(_, dirty)| **dirty);
        let dirty: Vec<usize> = dirty.map(|(number, _)| number).collect();
        // By hand: a byte count may be wider than 64 bits.
        write!(
            self.out,
            "{{\"start_bytes\":{},\"length_bytes\":{},\"dirty_in\":{}}}",
            bytes.start,
            bytes.end.saturating_sub(bytes.start),
            json!(dirty)
        )
    }
}

/// May "dirty now" be taken for all that was written since?
///
/// # Errors
/// What `out` reports.
pub fn write_since(out: &mut dyn Write, since: &Since) -> io::Result<()> {
    if since.complete == Complete::Held {
        return writeln!(
            out,
            "held: what is dirty now is all that has been written since the dump, as you vouch (--assume-held)."
        );
    }
    for line in since_lines(since) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The same as lines, for standard error. Nothing when the user vouches for the list.
pub fn since_lines(since: &Since) -> Vec<String> {
    let indented = |list: &[String]| {
        list.iter()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    match since.complete {
        Complete::Incomplete => {
            lines.push(
                "incomplete: what is dirty now is not all that has been written since the dump:"
                    .to_owned(),
            );
            lines.extend(since.reasons().iter().map(|why| format!("  {why}")));
        }
        Complete::Unproven => {
            lines.push(
                "unproven: nothing speaks against it that what is dirty now is all that has been written since the dump, but that cannot be proven"
                    .to_owned(),
            );
            lines.extend(indented(&since.unmarked));
            if !since.free_to_clear.is_empty() {
                lines.push(
                    "WARNING: what was written since and whose marks were cleared before now would be missing:"
                        .to_owned(),
                );
                lines.extend(indented(&since.free_to_clear));
                lines.extend(MAKE_CERTAIN.iter().map(|&line| line.to_owned()));
            }
            lines.push("It is also taken for granted that:".to_owned());
            lines.extend(indented(&since.conditions));
        }
        Complete::Held => {}
    }
    lines
}

/// How to keep marks from one moment to the other.
const MAKE_CERTAIN: [&str; 3] = [
    "To be certain, keep the marks from the dump to the list: a RAID 1 that lacks a member all the time clears none;",
    "or before the dump set md/bitmap/time_base to more seconds than will pass, and do not stop the array. If you know that",
    "no mark was cleared, say --assume-held; if an incomplete backup is worse than none, --strict, or make a full backup.",
];

/// The judgement as a JSON value.
pub fn since_json(since: &Since) -> Value {
    json!({
        "verdict": since.complete.name(),
        "reasons": since.reasons(),
        "evidence": since.evidence,
        "may_be_unmarked": since.unmarked,
        "free_to_clear": since.free_to_clear,
        "conditions": since.conditions,
    })
}
