//! What a bitmap means, in sentences: would the kernel trust it, why not, what would it resync.

use crate::array::MetadataVersion;
use crate::array::verdict::{Outcomes, Verdict};
use crate::commands::examine::result::{Device, Found, Kind, Slot};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::report::number::prose_size;
use std::io::{self, Write};

/// Writes an empty line and the explanation of every slot of a device; nothing without a slot.
///
/// # Errors
/// What `out` reports.
pub fn write_device(out: &mut dyn Write, device: &Device) -> io::Result<()> {
    let Some(found) = &device.found else {
        return Ok(());
    };
    for slot in &device.slots {
        if let Some(raw) = &slot.superblock {
            let subject = subject(device, slot);
            writeln!(out)?;
            Explanation {
                out,
                device,
                found,
                slot,
                raw,
                subject,
            }
            .write()?;
        }
    }
    Ok(())
}

fn subject(device: &Device, slot: &Slot) -> String {
    let path = device.path.to_string_lossy();
    match device.slots.len() {
        0 | 1 => path.into_owned(),
        _ => format!("{path}, slot {}", slot.number),
    }
}

/// One slot being explained.
struct Explanation<'a> {
    out: &'a mut dyn Write,
    device: &'a Device,
    found: &'a Found,
    slot: &'a Slot,
    raw: &'a RawBitmapSuper,
    subject: String,
}

impl Explanation<'_> {
    fn write(&mut self) -> io::Result<()> {
        match (&self.slot.verdict, self.found.announced) {
            (Some(verdict), _) => self.by_verdict(verdict),
            (None, false) => self.headline(
                "the kernel ignores this bitmap, because the md superblock does not announce it.",
            ),
            (None, true) if self.slot.is_unreadable() => self.headline(
                "what the kernel would do with this bitmap is not known, because not all of it can be read here.",
            ),
            (None, true) => self.alone(),
        }
    }

    fn headline(&mut self, sentence: &str) -> io::Result<()> {
        writeln!(self.out, "{}: {sentence}", self.subject)
    }

    fn line(&mut self, sentence: &str) -> io::Result<()> {
        writeln!(self.out, "  {sentence}")
    }

    /// With an md superblock at hand.
    fn by_verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.headline(match (verdict.trusted, verdict.starts) {
            (true, _) => "the kernel would use this bitmap as it is.",
            (false, true) => "the kernel would start the array, but not with this bitmap as it is.",
            (false, false) => "the kernel would refuse to start the array from this member.",
        })?;
        for reason in &verdict.reasons {
            self.line(&format!("Because: {}.", reason.sentence))?;
        }
        self.resync(verdict)?;
        self.marked()?;
        self.judged_by()?;
        for note in &verdict.notes {
            self.line(&format!("Note: {}.", note.sentence))?;
        }
        Ok(())
    }

    fn resync(&mut self, verdict: &Verdict) -> io::Result<()> {
        let amount = match verdict.resync_bytes {
            None if !verdict.starts => return Ok(()),
            None => {
                let why = &verdict.resync_why;
                return self.line(&format!(
                    "How much starting the array would resync cannot be told: {why}."
                ));
            }
            Some(0) => "nothing".to_owned(),
            Some(bytes) => exact_size(bytes.into()),
        };
        self.line(&format!(
            "Starting the array would resync {amount}. What decides: {}.",
            verdict.resync_why
        ))?;
        match verdict.outcomes {
            Some(outcomes) => self.line(&chunk_by_chunk(&outcomes)),
            None => Ok(()),
        }
    }

    /// What the bits themselves say.
    fn marked(&mut self) -> io::Result<()> {
        let Some(contents) = &self.slot.contents else {
            return Ok(());
        };
        let mut sentence = format!(
            "{} of {} chunks are marked dirty: {} of {}",
            contents.dirty_chunks,
            contents.chunks,
            prose_size(contents.dirty_bytes),
            prose_size(self.raw.sync_size().bytes_wide())
        );
        if contents.missing_chunks > 0 {
            sentence.push_str(&format!(
                ", {} of them because their bits are missing",
                contents.missing_chunks
            ));
        }
        self.line(&format!("{sentence}."))
    }

    fn judged_by(&mut self) -> io::Result<()> {
        let (Some(array), Some(by)) = (&self.device.array, &self.device.judged_by) else {
            return Ok(());
        };
        // dm-raid records how far its first resync got, never whether writes were under way.
        let state = match (self.found.metadata, array.clean) {
            (Some(MetadataVersion::DmRaid), true) => "resync finished",
            (Some(MetadataVersion::DmRaid), false) => "resync not finished",
            (_, true) => "clean",
            (_, false) => "not clean",
        };
        let freshest = by.freshest.to_string_lossy().into_owned();
        self.line(&format!(
            "Judged by the md superblock of {freshest}: {} of {} members, {state}, events {}.",
            array.level, array.members, array.events
        ))?;
        let missing = array.members.saturating_sub(by.given);
        if missing == 0 {
            return Ok(());
        }
        self.line(&format!(
            "Not known: the superblocks of {missing} other {}. If one of them is fresher, it decides; give all members to \
             be sure.",
            if missing == 1 { "member" } else { "members" }
        ))
    }

    /// Without an md superblock.
    fn alone(&mut self) -> io::Result<()> {
        if !self.raw.has_magic() {
            return self.headline("this is no bitmap: its magic number is wrong.");
        }
        let compared_with = self.slot.compared_with.as_ref();
        let sound = self
            .slot
            .broken_rules
            .iter()
            .all(|rule| rule.consequence.keeps_bits());
        self.headline(match (sound, compared_with) {
            (true, Some(_)) => "the kernel would use this bitmap as it is, as the bitmap file of its array.",
            (true, None) => {
                "nothing in this bitmap speaks against it; whether the kernel would use it depends on its array."
            }
            (false, _) => "the kernel would not use this bitmap as it is.",
        })?;
        for rule in &self.slot.broken_rules {
            let what = if rule.consequence.keeps_bits() {
                "Note"
            } else {
                "Because"
            };
            self.line(&format!("{what}: {rule}."))?;
        }
        self.marked()?;
        if let Some(member) = compared_with.map(|path| path.to_string_lossy().into_owned()) {
            return self.line(&format!(
                "UUID, events and size were compared with the md superblock of {member}."
            ));
        }
        self.line(match self.found.kind {
            Kind::Device => {
                "Not known: the array. No kernel attaches a block device as a bitmap file; give a member of the array as \
                 well to compare UUID, events and size."
            }
            Kind::File | Kind::Internal => {
                "Not known: whether UUID, events and size are those of the array; give one of its members as well to have \
                 them compared."
            }
        })
    }
}

/// How many chunks meet which fate.
fn chunk_by_chunk(outcomes: &Outcomes) -> String {
    let parts = [
        (outcomes.resynced, "resynchronised"),
        (
            outcomes.checkpointed,
            "marked, but behind the point that the last resync reached",
        ),
        (outcomes.kept, "marked and kept for the missing member"),
        (
            outcomes.lapsing,
            "marked, and cleared later without a resync",
        ),
        (outcomes.unwritten, "without data"),
        (outcomes.clean, "clean"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, fate)| format!("{count} {fate}"))
        .collect();
    match told.is_empty() {
        true => "Chunk by chunk: there are none.".to_owned(),
        false => format!("Chunk by chunk: {}.", told.join("; ")),
    }
}

/// Size with the exact number of bytes.
fn exact_size(bytes: u128) -> String {
    match prose_size(bytes) {
        text if bytes < 1024 => text,
        text => format!("{text} ({bytes} bytes)"),
    }
}
