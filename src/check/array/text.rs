//! Lists in words.

use crate::units::ChunkIndex;
use std::fmt::Display;
use std::ops::Range;

/// Things listed at most.
const LISTED: usize = 16;

/// "slot 1", "slots 1, 2 and 40 more".
pub fn slots(slots: &[u32]) -> String {
    let word = if slots.len() == 1 { "slot" } else { "slots" };
    format!("{word} {}", list(slots))
}

/// "1, 2, 3 and 4 more".
pub fn list<T: Display>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(LISTED).map(ToString::to_string).collect();
    let more = match all.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// "5" or "5 to 9", the last chunk included.
pub fn chunks(run: &Range<ChunkIndex>) -> String {
    let last = run.end.0.saturating_sub(1);
    match last <= run.start.0 {
        true => run.start.to_string(),
        false => format!("{} to {last}", run.start),
    }
}

/// "1 chunk", "2 chunks".
pub fn count(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
