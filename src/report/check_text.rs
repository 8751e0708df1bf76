//! The findings of `check` as text: gravest first, what, what the kernel would do, what can be done.

use crate::check::{Finding, Severity};
use crate::commands::check::{ArrayReport, Checked};
use std::io::{self, Write};

/// Writes the reports of all arrays, findings from `least` up, an empty line between arrays.
///
/// # Errors
/// What `out` reports.
pub fn write_checked(out: &mut dyn Write, checked: &Checked, least: Severity) -> io::Result<()> {
    write_arrays(out, &checked.arrays, least)
}

/// The reports of these arrays.
///
/// # Errors
/// What `out` reports.
pub fn write_arrays(
    out: &mut dyn Write,
    arrays: &[ArrayReport],
    least: Severity,
) -> io::Result<()> {
    for (index, array) in arrays.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_array(out, array, least)?;
    }
    Ok(())
}

fn write_array(out: &mut dyn Write, array: &ArrayReport, least: Severity) -> io::Result<()> {
    match array.devices.as_slice() {
        [only] if *only == array.title => writeln!(out, "{only}")?,
        devices => writeln!(out, "{}: {}", array.title, devices.join(" "))?,
    }
    let shown = array
        .findings
        .iter()
        .filter(|finding| finding.severity >= least);
    for (finding, subjects) in alike(shown) {
        let (severity, name) = (finding.severity, finding.name);
        writeln!(out, "  {severity}: {name}: {}", subjects.join(", "))?;
        writeln!(out, "    {}.", sentence(&finding.sentence))?;
        writeln!(out, "    The kernel {}.", finding.kernel)?;
        writeln!(out, "    To do: {}.", finding.repair)?;
    }
    for unchecked in &array.unchecked {
        writeln!(out, "  Not checked: {unchecked}.")?;
    }
    writeln!(out, "  {}.", capital(&array.conclusion))
}

/// Findings that differ in nothing but what they are about, told once.
fn alike<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<(&'a Finding, Vec<&'a str>)> {
    let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let same = |other: &Finding| {
            (other.name, &other.sentence, &other.kernel, &other.repair)
                == (
                    finding.name,
                    &finding.sentence,
                    &finding.kernel,
                    &finding.repair,
                )
        };
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, subjects)) => subjects.push(&finding.subject),
            None => groups.push((finding, vec![&finding.subject])),
        }
    }
    groups
}

/// With a capital letter at its start, unless it starts with the name of a field.
fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    match word.chars().all(|c| c.is_alphanumeric() || c == '\'') {
        true => capital(text),
        false => text.to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next();
    let first = first.map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}
