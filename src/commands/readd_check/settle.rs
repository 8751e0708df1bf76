//! Whether the bits on the disks of a running array are those that the driver will go by.
//!
//! A driver clears bits late. While the array is degraded, bits of what the missing member missed
//! stay; but bits of earlier writes, and those that the recovery of another device has dealt with,
//! are set on disk for a few periods yet, and a re-add does not copy their chunks
//! (reference/kernel.md 3.4; seen on 6.1, tests/vm/scenarios/readd-trap.sh). So the bits count
//! only when they are still set after those periods.

use super::array::AtHand;
use crate::array::readd::Marks;
use crate::bitmap::BitmapError;
use crate::kernel::bitmap_memory::BitmapMemory;
use crate::kernel::holders::{Holder, holders};
use crate::kernel::system::System;
use std::path::Path;
use std::time::{Duration, Instant};

/// A bit that is to be cleared is gone after four periods, where the driver is punctual; 17 s were
/// measured with periods of 5 s (reference/kernel.md 3.4).
const PERIODS: u32 = 6;

/// Beside the periods: waking up, writing.
const MARGIN: Duration = Duration::from_secs(2);

/// Nobody waits longer than that; with the default period of 5 s it is half a minute.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits until the bits on disk can be believed; `Some` says why they cannot.
///
/// # Errors
/// [`BitmapError`] when the bits cannot be read.
pub(super) fn settle(
    at_hand: &AtHand,
    marks: &[Marks<'_>],
    wait: &mut dyn FnMut(Duration),
) -> Result<Option<String>, BitmapError> {
    let name = match running(at_hand) {
        Running::No => return Ok(None),
        Running::Known(name) => Some(name),
        Running::Maybe => None,
    };
    let mut marked = 0;
    let mut delay = Duration::ZERO;
    let mut lockless = false;
    for copy in marks {
        let counts = copy.bitmap().count()?;
        marked = marked.max(counts.dirty);
        let raw = copy.bitmap().raw();
        delay = delay.max(Duration::from_secs(raw.daemon_sleep_seconds.into()));
        lockless |= raw.is_lockless();
    }
    if marked == 0 {
        return Ok(None);
    }
    let memory = match name {
        Some(name) => System::default().bitmap_memory(&name),
        None => BitmapMemory::default(),
    };
    if lockless {
        return Ok(lockless_differs(memory, marked));
    }
    let due = memory.delay.unwrap_or_default().max(delay) * PERIODS + MARGIN;
    if due > LONGEST {
        return Ok(Some(format!(
            "the array runs, and its driver clears bits so late (delay) that they can be believed only after {} seconds",
            due.as_secs()
        )));
    }
    let started = Instant::now();
    while let Some(left) = due.checked_sub(started.elapsed()) {
        wait(left);
        std::thread::sleep(left.min(Duration::from_millis(250)));
    }
    Ok(None)
}

/// Version 6 leaves clean chunks dirty on disk for as long as it likes (reference/kernel.md 6.4); but
/// what is dirty in memory is dirty on disk, so equal numbers mean equal chunks.
fn lockless_differs(memory: BitmapMemory, marked: u64) -> Option<String> {
    match memory.dirty_chunks {
        Some(dirty) if dirty == marked => None,
        Some(dirty) => Some(format!(
            "the array runs, and its bitmap in memory marks {dirty} chunks, that on disk {marked}"
        )),
        None => Some(
            "the array runs, and how many chunks its bitmap marks in memory is not known"
                .to_owned(),
        ),
    }
}

/// Whether the array runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Running {
    /// It does not.
    No,
    /// It does, under this name.
    Known(String),
    /// It could not be checked.
    Maybe,
}

/// Whether the array runs, as far as can be checked.
pub(super) fn running(at_hand: &AtHand) -> Running {
    if let Some((_, array)) = &at_hand.running {
        return Running::Known(array.name.clone());
    }
    let mut unknown = false;
    for member in &at_hand.members {
        let Ok(holders) = holders(Path::new(&member.given.path)) else {
            unknown = true;
            continue;
        };
        if let Some(name) = holders.found.iter().find_map(array_of) {
            return Running::Known(name.to_owned());
        }
        // Held through another device, or not to be seen: it may run, under whatever name.
        let indirectly = |holder: &Holder| matches!(holder, Holder::Related { .. });
        unknown |= holders.found.iter().any(indirectly);
        unknown |= member.given.is_block_device && !holders.unchecked.is_empty();
    }
    match unknown {
        true => Running::Maybe,
        false => Running::No,
    }
}

/// The array that this holder is.
fn array_of(holder: &Holder) -> Option<&str> {
    match holder {
        Holder::Array { name } => Some(name),
        _ => None,
    }
}
