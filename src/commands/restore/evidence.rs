//! Whether an array is still as it was when a dump was made.

use crate::change::StoppedArray;
use crate::commands::source::MarkSource;
use crate::format::bitmap_super::state;

/// Fails with the reason why the array may have been used since, or why the dump's bitmaps were worth nothing then.
///
/// Superblocks are what can be compared: each that the dump tells about must be the one that all members have now. The
/// event count alone would not do, since the kernel can step it back (design.md W14); the time of the last update goes on.
/// What was marked while an array ran leaves no trace in them: that is for the caller to consider.
pub(super) fn unchanged_since(
    array: &StoppedArray<'_>,
    sources: &[&MarkSource],
) -> Result<(), String> {
    let Ok(now) = array.array() else {
        return Err("there is no superblock".to_owned());
    };
    if let Some(slot) = array.membership.missing.first() {
        return Err(format!(
            "slot {slot} is in use, and the member that holds it was not given, so its superblock cannot be compared"
        ));
    }
    let behind = array.current().find(|place| {
        let device = array.devices.get(*place);
        device.is_some_and(|device| device.member().events != now.events)
    });
    if let Some(place) = behind {
        return Err(format!(
            "{}: is not at event {}, as the other members are",
            array.name(place),
            now.events
        ));
    }
    for source in sources {
        let (name, raw) = (&source.name, &source.bitmap.raw);
        let Some(md) = &source.md else {
            return Err(format!(
                "{name}: nothing is known of a superblock beside it"
            ));
        };
        if source.coverage().is_none() {
            return Err(format!("{name}: its chunks cannot be told"));
        }
        if raw.state & (state::STALE | state::WRITE_ERROR) != 0 {
            return Err(format!("{name}: was out of use (state {:#x})", raw.state));
        }
        // Of nodes, each slot has a count of its own.
        if raw.events < md.events && raw.nodes == 0 {
            return Err(format!(
                "{name}: was out of date when it was dumped (event {}, its array at {})",
                raw.events, md.events
            ));
        }
        if md.array_uuid != now.array_uuid {
            return Err(format!(
                "{name}: the superblock beside it was that of another array"
            ));
        }
        let then = (md.events, md.updated_seconds, md.resync_offset_sectors);
        let resync = now.resync_offset.map(|offset| offset.0);
        if then != (now.events.0, now.updated, resync) {
            return Err(format!(
                "{name}: the array has been used since the dump was made (event {} then, {} now; superblock of second {} then, {} now)",
                md.events, now.events, md.updated_seconds, now.updated
            ));
        }
    }
    match sources.is_empty() {
        true => Err("the dump has no bitmap of this array".to_owned()),
        false => Ok(()),
    }
}
