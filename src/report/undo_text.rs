//! What `undo` did, or would do, and what can be taken back, for people.

use super::change_text::{differences, place};
use crate::change::undo::{About, Reach, State};
use crate::commands::undo::{Listed, Listing, Seen, Undone};
use crate::format::utc;
use std::io;

/// How far a change has come, in words.
pub fn state(state: &State) -> String {
    match state {
        State::Before => "everything is as before it: it was taken back, or not begun".to_owned(),
        State::Done => "it is done".to_owned(),
        State::Half(Reach {
            steps,
            of,
            is_consistent: true,
        }) => format!("it is done in part: {steps} of {of} steps are complete"),
        State::Half(_) => "it is done in part, in a mixture that no crash leaves: do these disks keep what they are told to flush?"
            .to_owned(),
        State::Foreign(_) => "something else has changed these devices since".to_owned(),
    }
}

/// `grow of 2026-01-02 03:04:05 UTC: raid1 of 2 members, ...`
fn title(about: &About) -> String {
    format!(
        "{} of {}: {}",
        about.verb,
        utc::text(about.made),
        about.array
    )
}

/// The outcome; all that would be put back for a dry run.
///
/// # Errors
/// What `out` reports.
pub fn write_undone(out: &mut dyn io::Write, undone: &Undone) -> io::Result<()> {
    let (Some(about), Some(found)) = (&undone.about, &undone.state) else {
        return Ok(());
    };
    writeln!(out, "{}", title(about))?;
    if !about.sentences.is_empty() {
        writeln!(out, "  what was announced then:")?;
    }
    for sentence in &about.sentences {
        writeln!(out, "    {sentence}")?;
    }
    if let State::Foreign(_) = found {
        return Ok(());
    }
    if !undone.written {
        writeln!(out, "  {}", state(found))?;
    }
    if undone.dry_run && found.is_begun() {
        return would_be(out, undone);
    }
    if undone.written {
        let was = match found {
            State::Half(_) => "it was done in part, and is taken back now",
            _ => "it is taken back now",
        };
        writeln!(
            out,
            "  {was}: {} bytes put back, flushed and read back; {} is not needed any more",
            undone.bytes,
            undone.file.display()
        )?;
    }
    Ok(())
}

fn would_be(out: &mut dyn io::Write, undone: &Undone) -> io::Result<()> {
    writeln!(
        out,
        "  nothing was written; this would be put back, where it is not there already:"
    )?;
    for step in &undone.steps {
        writeln!(out, "back from: {}", step.title)?;
        for write in &step.writes {
            let name = undone.devices.get(write.device).map_or("", String::as_str);
            let end = write.start.saturating_add(write.len);
            place(out, name, write.start, end, write.part)?;
            differences(out, &write.differences)?;
        }
    }
    Ok(())
}

/// The undo files of the usual folder, the newest first.
///
/// # Errors
/// What `out` reports.
pub fn write_listing(out: &mut dyn io::Write, listing: &Listing) -> io::Result<()> {
    let Some(folder) = &listing.folder else {
        return Ok(());
    };
    if listing.files.is_empty() && listing.failure.is_none() {
        return writeln!(out, "{}: no undo files", folder.display());
    }
    for file in &listing.files {
        write_listed(out, file)?;
    }
    Ok(())
}

fn write_listed(out: &mut dyn io::Write, file: &Listed) -> io::Result<()> {
    let Ok((about, devices)) = &file.about else {
        return Ok(());
    };
    writeln!(out, "{}", title(about))?;
    let paths: Vec<String> = devices
        .iter()
        .map(|device| device.path.display().to_string())
        .collect();
    writeln!(out, "  on {}", paths.join(" "))?;
    let seen = match &file.seen {
        Seen::State(found) => state(found),
        Seen::NotAtHand => "these devices are not all at hand under these names".to_owned(),
        Seen::Unknown(why) => format!("how far it has come is not known: {why}"),
    };
    writeln!(out, "  {seen}")?;
    let what = match &file.seen {
        Seen::State(State::Before | State::Foreign(_)) => "may be removed: ",
        _ => "mdbitmap undo ",
    };
    writeln!(out, "  {what}{}", file.path.display())
}
