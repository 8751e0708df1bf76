//! Version 6 with FIRST_USE: the kernel is asked to make the bitmap, and thereby to decide what of the
//! array's content counts (reference/kernel.md trap 2, 6.3).

use super::repair;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bitmap_super::{RawBitmapSuper, state};
use crate::units::Bytes;

kinds! {
    NEW "first-use" Note None None "version 6: the kernel will make the bitmap when the array is first started";
    ON_DATA "first-use-on-data" Danger Loss Rebuild "version 6: the kernel is asked to make a bitmap that takes existing data for unwritten";
    CLEAN_ON_UNCLEAN "first-use-clean-on-unclean" Danger Loss Rebuild "version 6: the kernel is asked to call everything clean on an array that is not";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    case.current()
        .filter_map(|(_, input)| {
            let raw = input.bitmap_super().filter(|raw| raw.is_first_use())?;
            of_super(case, input, raw)
        })
        .collect()
}

/// An array with more events has been started before: FIRST_USE goes away with the first write of the
/// superblocks.
const EVENTS_OF_NEW: u64 = 1;

fn of_super(case: &Case<'_>, input: &Input<'_>, raw: &RawBitmapSuper) -> Option<Finding> {
    let array = case.array()?;
    let was_used = array.events.0 > EVENTS_OF_NEW;
    let clean = raw.has_state(state::CLEAN);
    let evidence = match first_data(input) {
        _ if !was_used => String::new(),
        Some(byte) => format!("; there is data at byte {byte} of this member"),
        None => "; no data was seen in the samples taken".to_owned(),
    };
    let found = format!(
        "state: found {:#x}, with FIRST_USE{}",
        raw.state,
        if clean {
            " and CLEAN"
        } else {
            " and without CLEAN"
        }
    );
    if clean && !array.is_clean() && was_used {
        return Some(CLEAN_ON_UNCLEAN.found(
            &input.name,
            format!("{found}; but the array was not stopped cleanly (events {})", array.events),
            "calls every chunk clean, and the resync that is due skips clean chunks: members that differ stay different",
            format!("do not start the array like this; {}", repair::all_marked(case)),
        ));
    }
    if !clean && was_used {
        let erase = match array.level.has_parity() {
            true => {
                "zeroes the data of every member, if all of them can unmap by writing zeroes (SCSI, NVMe); otherwise it takes \
                 every chunk for unwritten, and resync and recovery skip what is there"
            }
            false => "takes every chunk for unwritten: resync and recovery skip what is there",
        };
        return Some(ON_DATA.found(
            &input.name,
            format!(
                "{found}; but the array has been in use (events {}){evidence}",
                array.events
            ),
            erase,
            format!("do not start the array; {}", repair::all_marked(case)),
        ));
    }
    let kernel = match clean {
        true => "makes the bitmap with every chunk clean when it starts the array",
        false => {
            "makes the bitmap with every chunk unwritten when it starts the array; on RAID 4, 5 and 6 it zeroes members that \
             can unmap"
        }
    };
    Some(NEW.found(
        &input.name,
        format!(
            "{found}; the array has not been in use yet (events {})",
            array.events
        ),
        kernel,
        "none needed; it is what mdadm leaves for the first start",
    ))
}

/// Bytes looked at, at the start of the data and at places spread over it.
const SAMPLE: usize = 65536;
const SAMPLES: u64 = 64;

/// A byte of the device, in the data area, that is not zero; looked for in samples.
fn first_data(input: &Input<'_>) -> Option<u64> {
    let data = input.super_of()?.areas.data.clone()?;
    let end = data.end.min(input.store.len().0);
    let room = end.checked_sub(data.start)?;
    let step = (room / SAMPLES / 512 * 512).max(SAMPLE as u64);
    let mut buffer = vec![0; SAMPLE];
    let mut at = data.start;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(SAMPLE).min(SAMPLE);
        let piece = buffer.get_mut(..len)?;
        // What cannot be read proves nothing.
        if input.store.read_at(Bytes(at), piece).is_ok()
            && let Some(position) = piece.iter().position(|byte| *byte != 0)
        {
            return at.checked_add(position as u64);
        }
        at = at.checked_add(step)?;
    }
    None
}
