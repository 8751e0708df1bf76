//! The answer of `readd-check` for people.

use super::number::prose_size;
use crate::array::readd::verify::Verification;
use crate::array::readd::{Entry, Evidence, Safety};
use crate::commands::readd_check::{Checked, Scanned, Verified};
use std::io::{self, Write};

/// Writes the answer.
///
/// # Errors
/// What `out` reports.
pub fn write_checked(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let device = checked.device.to_string_lossy();
    writeln!(out, "{device}: back into {}", array(checked))?;
    line(out, "Bitmap", &bitmap(checked))?;
    for obstacle in &checked.judgement.obstacles {
        item(out, &obstacle.sentence)?;
    }
    for (path, bytes) in &checked.copying.by_copy {
        item(out, &format!("by the copy on {path}: {}", size(*bytes)))?;
    }
    line(out, "Verdict", &verdict(checked))?;
    for reason in evidence(checked) {
        item(out, &reason)?;
    }
    line(out, "Events", &events(checked))?;
    if let Some(verified) = &checked.verified {
        line(out, "Compared", &compared(verified))?;
        let outcome = verified.outcome.as_ref();
        for message in outcome.map_or(&[][..], |found| &found.unreadable) {
            item(out, message)?;
        }
        if let Some(unsettled) = outcome.ok().and_then(unsettled) {
            item(out, &unsettled)?;
        }
    }
    if let Some(scanned) = &checked.scanned {
        line(out, "Scanned", &scan(scanned))?;
    }
    line(out, "Next", &next(checked))?;
    for note in &checked.judgement.notes {
        line(out, "Note", &note.sentence)?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{:>10}: {text}", label)
}

fn item(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "            - {text}")
}

fn size(bytes: u64) -> String {
    let prose = prose_size(u128::from(bytes));
    match bytes {
        0..=1023 => prose,
        _ => format!("{prose} ({bytes} bytes)"),
    }
}

fn array(checked: &Checked) -> String {
    let array = &checked.array;
    let name = match &array.running {
        Some(path) => path.to_string_lossy().into_owned(),
        None => format!("array {} (not running)", array.uuid),
    };
    let vacant: Vec<String> = array.vacant.iter().map(ToString::to_string).collect();
    let vacant = match vacant.len() {
        0 => "no slot is vacant".to_owned(),
        1 => format!("slot {} is vacant", vacant.join("")),
        _ => format!("slots {} are vacant", vacant.join(", ")),
    };
    format!("{name}: {} of {}, {vacant}", array.level, array.members)
}

fn bitmap(checked: &Checked) -> String {
    let copying = &checked.copying;
    let member = copying.member_bytes.map_or_else(
        || "the whole member".to_owned(),
        |bytes| prose_size(bytes.into()),
    );
    match (checked.judgement.entry, copying.bytes) {
        (Entry::Bitmap, Some(0)) => {
            format!("would be used; nothing would be copied (of {member}): no chunk is marked")
        }
        (Entry::Bitmap, Some(bytes)) => {
            format!(
                "would be used; {}{} of {member} would be copied",
                at_most(checked),
                size(bytes)
            )
        }
        (Entry::Bitmap, None) => {
            "would be used; how much would be copied cannot be told".to_owned()
        }
        (Entry::Nothing, _) => "would not be used; nothing would be copied".to_owned(),
        (Entry::Full, _) => format!("would not be used; all of {member} would be copied"),
        (Entry::Spare, _) => {
            format!("would not be used; a re-add is refused, and an add copies all of {member}")
        }
        (Entry::Impossible, _) => "would not be used; the array cannot take this device".to_owned(),
    }
}

/// A running array may be about to clear some of the bits.
fn at_most(checked: &Checked) -> &'static str {
    match checked.array.running {
        Some(_) => "at most ",
        None => "",
    }
}

fn verdict(checked: &Checked) -> String {
    let used = matches!(checked.judgement.entry, Entry::Bitmap | Entry::Nothing);
    match checked.safety() {
        Safety::Unsafe if !used => {
            "unsafe, were the bitmap used, which it would not be".to_owned()
        }
        Safety::Unproven if !used => "of no matter: the bitmap would not be used".to_owned(),
        Safety::Proven => {
            "proven: every unmarked chunk was compared and is equal".to_owned()
        }
        Safety::Unsafe => "UNSAFE: the bitmap must not be used".to_owned(),
        Safety::Unproven => match &checked.verified {
            Some(Verified { outcome: Ok(_), .. }) => {
                "unproven: nothing speaks against the bitmap, and not every unmarked chunk was compared".to_owned()
            }
            _ => "unproven: nothing speaks against the bitmap, but superblocks cannot prove it (--verify=sample or \
                  --verify=full compares)"
                .to_owned(),
        },
    }
}

/// What speaks against the bitmap; with a proof, what the comparison has overruled.
fn evidence(checked: &Checked) -> Vec<String> {
    let overruled = match checked.safety() {
        Safety::Proven => "overruled by the comparison: ",
        _ => "",
    };
    let of_supers = checked.judgement.evidence.iter();
    let mut all: Vec<String> = of_supers
        .map(|one| format!("{overruled}{}", one.reason.sentence))
        .collect();
    let verified = checked.verified.as_ref();
    let found = verified.and_then(|verified| verified.outcome.as_ref().ok());
    if let Some(found) = found.filter(|found| found.differing_chunks > 0) {
        all.push(difference(found));
    }
    all
}

/// What differs, in a sentence.
pub(super) fn difference(found: &Verification) -> String {
    let first: Vec<String> = found.differing.iter().map(ToString::to_string).collect();
    let more = if found.differing_chunks > found.differing.len() as u64 {
        ", ..."
    } else {
        ""
    };
    format!(
        "{} of {} chunks compared differ from the array though the bitmap does not mark them: chunk {}{more}",
        found.differing_chunks,
        found.compared_chunks,
        first.join(", ")
    )
}

fn events(checked: &Checked) -> String {
    let judgement = &checked.judgement;
    let cleared = match judgement.events_cleared {
        Some(cleared) => format!("bits last cleared for writes at {cleared}"),
        None => "no bitmap that would be trusted".to_owned(),
    };
    format!(
        "the device left at {}, the array is at {}, {cleared}",
        judgement.device_events, judgement.array_events
    )
}

fn compared(verified: &Verified) -> String {
    let found = match &verified.outcome {
        Ok(found) => found,
        Err(why) => return format!("nothing: {why}"),
    };
    let mut text = format!(
        "{} of {} unmarked chunks ({})",
        found.compared_chunks,
        found.unmarked_chunks,
        prose_size(found.compared_bytes)
    );
    if found.chosen_chunks < found.unmarked_chunks {
        text.push_str(", chosen at random");
    }
    text.push_str(&match found.differing_chunks {
        0 => ": no difference".to_owned(),
        differing => format!(": {differing} differ"),
    });
    if found.chosen_chunks < found.unmarked_chunks && found.differing_chunks == 0 {
        text.push_str(&format!(
            "; had 1 % of them differed, this would have been found with a probability of {} %",
            floor_percent(found.confidence_percent)
        ));
    }
    if found.marked_meanwhile > 0 {
        text.push_str(&format!(
            "; {} were written to meanwhile and are marked now",
            found.marked_meanwhile
        ));
    }
    if found.unreadable_chunks > 0 {
        text.push_str(&format!("; {} could not be read", found.unreadable_chunks));
    }
    text
}

/// What the comparison cannot know of marked chunks.
fn unsettled(found: &Verification) -> Option<String> {
    let why = found.unsettled.as_ref()?;
    let differing = match found.marked_differing_chunks {
        Some(0) => "; the marked chunks are equal too, so that this does not matter".to_owned(),
        Some(differing) => format!("; {differing} marked chunks differ"),
        None => String::new(),
    };
    Some(format!(
        "{why}: marked chunks may lapse without being copied{differing}"
    ))
}

/// With two decimals, rounded down: what is not certain is never called 100.
fn floor_percent(percent: f64) -> String {
    let hundredths = (percent * 100.0) as u64;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn scan(scanned: &Scanned) -> String {
    let mut text = format!("{} other block devices", scanned.looked_at);
    match scanned.found.is_empty() {
        true => text.push_str("; none bears a superblock of this array"),
        false => text.push_str(&format!(
            "; superblocks of this array on {}",
            scanned.found.join(", ")
        )),
    }
    if !scanned.unreadable.is_empty() {
        text.push_str(&format!(
            "; could not look at {}: {}",
            scanned.unreadable.len(),
            scanned.unreadable.join("; ")
        ));
    }
    text
}

/// The command to type.
fn next(checked: &Checked) -> String {
    let device = checked.device.to_string_lossy();
    let array = match &checked.array.running {
        Some(path) => path.to_string_lossy().into_owned(),
        None => "ARRAY".to_owned(),
    };
    let start = match checked.array.running {
        Some(_) => "",
        None => "start the array without this device, then ",
    };
    let went_on = |one: &Evidence| !one.refutable && one.reason.name != "array-changed";
    if checked.judgement.evidence.iter().any(went_on) {
        return format!(
            "decide first whose data you want to keep: what {device} has written alone is lost as soon as it is added"
        );
    }
    match (checked.judgement.entry, checked.safety()) {
        (Entry::Impossible, _) => "use another device".to_owned(),
        (Entry::Bitmap, Safety::Unsafe) | (Entry::Nothing, Safety::Unsafe) => format!(
            "{start}mdadm {array} --add-spare {device}, which copies everything; not --re-add, and not --add, which \
             tries a re-add first"
        ),
        (Entry::Bitmap, Safety::Proven) | (Entry::Nothing, _) => {
            format!("{start}mdadm {array} --re-add {device}")
        }
        (Entry::Bitmap, Safety::Unproven) => format!(
            "{start}compare first (--verify), or mdadm {array} --re-add {device} if you know that no other device held its \
             slot; to be safe without comparing: mdadm {array} --add-spare {device}, which copies everything"
        ),
        (Entry::Full, _) | (Entry::Spare, _) if checked.array.vacant.is_empty() => {
            "nothing: the array is complete".to_owned()
        }
        (Entry::Full, _) | (Entry::Spare, _) => {
            format!("{start}mdadm {array} --add {device}, which copies everything")
        }
    }
}
