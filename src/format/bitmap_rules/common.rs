//! The checks that all versions share.

use super::{Consequence, Context, Rule, Violation};
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper, state};
use crate::format::uuid_text;

/// Ticks a second, for the limit on daemon_sleep. Not recorded anywhere; 1000 is the largest
/// choice there is, hence the strictest.
const HZ: u64 = 1000;

/// The kernel's limit in ticks: LONG_MAX of a 64-bit kernel. No 32-bit field reaches it, so only
/// 0 is refused; a 32-bit kernel would also refuse sleeps above 24 days.
const MAX_TICKS: u64 = i64::MAX as u64;

/// The broken rules so far.
#[derive(Debug, Default)]
pub struct Findings(Vec<Violation>);

impl Findings {
    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }

    pub fn add(&mut self, rule: Rule, consequence: Consequence, message: String) {
        self.0.push(Violation {
            rule,
            consequence,
            message,
        });
    }

    pub fn refuse(&mut self, rule: Rule, message: String) {
        self.add(rule, Consequence::RefusesToStart, message);
    }

    pub fn ignore(&mut self, rule: Rule, message: String) {
        self.add(rule, Consequence::Ignores, message);
    }
}

pub fn header(context: &Context, needed: u64, found: &mut Findings) {
    if let Some(available) = context.available.filter(|available| available.0 < needed) {
        found.refuse(
            Rule::HeaderCutOff,
            format!("the device ends {available} bytes after the start of the bitmap, expected at least {needed}"),
        );
    }
}

pub fn magic(raw: &RawBitmapSuper, found: &mut Findings) {
    if raw.magic != BITMAP_MAGIC {
        found.refuse(
            Rule::Magic,
            format!(
                "magic: found {:#010x}, expected {BITMAP_MAGIC:#010x}",
                raw.magic
            ),
        );
    }
}

pub fn daemon_sleep(raw: &RawBitmapSuper, found: &mut Findings) {
    let ticks = u64::from(raw.daemon_sleep_seconds) * HZ;
    if !(1..=MAX_TICKS).contains(&ticks) {
        found.refuse(
            Rule::DaemonSleep,
            format!(
                "daemon_sleep: found {} seconds, expected at least 1",
                raw.daemon_sleep_seconds
            ),
        );
    }
}

pub fn uuid(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    if let Some(uuid) = context.uuid.filter(|uuid| *uuid != raw.uuid) {
        found.refuse(
            Rule::Uuid,
            format!(
                "uuid: found {}, but the array is {}",
                uuid_text::in_byte_order(&raw.uuid),
                uuid_text::in_byte_order(&uuid)
            ),
        );
    }
}

/// Older than the array is stale; much newer is accepted by every kernel, and worth a note: a
/// bitmap is written first, so it can be ahead by one.
pub fn events(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    let Some(events) = context.events else {
        return;
    };
    if raw.events < events.0 {
        found.add(
            Rule::EventsStale,
            Consequence::TreatsAllAsDirty,
            format!("events: found {}, but the array is at {events}", raw.events),
        );
    } else if raw.events - events.0 > 1 {
        found.ignore(
            Rule::EventsAhead,
            format!(
                "events: found {}, expected {events} or one more, as the array says",
                raw.events
            ),
        );
    }
}

pub fn stale(raw: &RawBitmapSuper, found: &mut Findings) {
    if raw.has_state(state::STALE) {
        found.add(
            Rule::Stale,
            Consequence::TreatsAllAsDirty,
            format!(
                "state: found {:#x} with bit 1 (stale) set, expected it clear",
                raw.state
            ),
        );
    }
}

pub fn write_error(raw: &RawBitmapSuper, consequence: Consequence, found: &mut Findings) {
    if raw.has_state(state::WRITE_ERROR) {
        found.add(
            Rule::WriteError,
            consequence,
            format!("state: found {:#x} with bit 2 (a write of the bitmap failed) set, expected it clear", raw.state),
        );
    }
}

pub fn not_power_of_two(value: u64, unit: &str, found: &mut Findings) {
    if !value.is_power_of_two() {
        found.refuse(
            Rule::ChunkNotPowerOfTwo,
            format!("chunksize: found {value} {unit}, expected a power of two"),
        );
    }
}
