//! What `check --repair` found, did and left, for people.

use super::{change_text, check_text};
use crate::check::Severity;
use crate::commands::check::ArrayReport;
use crate::commands::check::repair::Repaired;
use std::io::{self, Write};

/// What was wrong, what was done, what is left; findings from `least` up.
///
/// # Errors
/// What `out` reports.
pub fn write_repaired(out: &mut dyn Write, repaired: &Repaired, least: Severity) -> io::Result<()> {
    check_text::write_arrays(out, &repaired.before, least)?;
    let changed = &repaired.changed;
    if changed.failure.is_some() {
        return Ok(());
    }
    writeln!(out)?;
    if changed.is_nothing() {
        let wrong = repaired.before.iter().filter_map(ArrayReport::worst);
        let told = match wrong.max() > Some(Severity::Note) {
            true => "Nothing of this is repaired here: each finding says what can be done.",
            false => "Nothing to repair.",
        };
        return writeln!(out, "{told}");
    }
    let (done, left) = match changed.dry_run {
        true => ("The repair would be:", "What would be left:"),
        false => ("Repaired:", "What is left:"),
    };
    writeln!(out, "{done}")?;
    change_text::write_changed(out, changed, changed.dry_run)?;
    writeln!(out)?;
    writeln!(out, "{left}")?;
    check_text::write_arrays(out, &repaired.after, least)
}
