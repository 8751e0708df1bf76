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
    for line in since_lines(since) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The same as lines, for standard error.
pub fn since_lines(since: &Since) -> Vec<String> {
    let mut lines = Vec::new();
    match since.complete {
        Complete::No => {
            lines.push(
                "What is dirty now is not all that has been written since the dump:".to_owned(),
            );
            lines.extend(since.evidence.iter().map(|why| format!("  {why}")));
            lines.extend(since.free_to_clear.iter().map(|why| format!("  {why}")));
            if since.evidence.is_empty() {
                lines.push(
                    "  --assume-held, if you know that the kernel cleared nothing all the time"
                        .to_owned(),
                );
            }
        }
        Complete::Unproven => {
            lines.push(
                "What is dirty now is all that has been written since the dump, provided that:"
                    .to_owned(),
            );
            if !since.free_to_clear.is_empty() {
                lines.push(
                    "  the kernel cleared no mark all the time, as you say (--assume-held)"
                        .to_owned(),
                );
            }
            lines.extend(
                since
                    .conditions
                    .iter()
                    .map(|condition| format!("  {condition}")),
            );
        }
    }
    lines
}

/// The judgement as a JSON value.
pub fn since_json(since: &Since) -> Value {
    json!({
        "complete": match since.complete {
            Complete::No => "no",
            Complete::Unproven => "unproven",
        },
        "evidence": since.evidence,
        "free_to_clear": since.free_to_clear,
        "conditions": since.conditions,
    })
}
