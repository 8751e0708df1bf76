//! events_cleared: up to which event a member that comes back may be brought current by the bitmap.

use super::repair;
use crate::array::Standing;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bitmap_super::{RawBitmapSuper, state};

kinds! {
    ZERO "events-cleared-zero" Note None MendHeader "events_cleared is 0: any former member would be re-added by this bitmap";
    ZERO_DEGRADED "events-cleared-zero-degraded" Danger Loss MendHeader "events_cleared is 0 while a member is absent: a re-add may miss what was written";
    AHEAD "events-cleared-ahead" Warning None MendHeader "events_cleared is above the bitmap's own events";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    super::in_use(case)
        .filter_map(|input| of_super(case, input, input.bitmap_super()?))
        .collect()
}

fn of_super(case: &Case<'_>, input: &Input<'_>, raw: &RawBitmapSuper) -> Option<Finding> {
    // Version 6 never has one (reference/kernel.md trap 11); that is a finding of its own.
    if raw.is_lockless() {
        return None;
    }
    if raw.events_cleared > raw.events {
        return Some(AHEAD.found(
            &input.name,
            format!("events_cleared: found {}, expected at most the bitmap's events, {}", raw.events_cleared, raw.events),
            // Lowered by 6.1 already (scenario check-members).
            "lowers it at its next update; a member that comes back before that is copied completely",
            format!("none needed{}", and_mend(case, input)),
        ));
    }
    zero(case, input, raw)
}

/// mdadm writes 0, and the kernel leaves it until a write completes with all members present. A bitmap
/// that is not believed gets a new value when it is loaded.
fn zero(case: &Case<'_>, input: &Input<'_>, raw: &RawBitmapSuper) -> Option<Finding> {
    let array = case.array()?;
    let trusted = raw.events >= array.events.0 && !raw.has_state(state::STALE);
    if raw.events_cleared > 0 || array.events.0 == 0 || !trusted {
        return None;
    }
    // While all bits are set, nothing is left out.
    let counts = input.counts()?.as_ref().ok()?;
    if counts.dirty == counts.chunks {
        return None;
    }
    let sentence = format!(
        "events_cleared is 0, the array is at {} events, and {} of {} chunks are clear: when they were cleared is not recorded",
        array.events,
        counts.chunks - counts.dirty,
        counts.chunks
    );
    let kernel = "brings any former member of the array back by this bitmap, however old it is: what was written since and \
                  is not marked stays different, and the array is shown healthy";
    Some(match someone_is_absent(case) {
        true => ZERO_DEGRADED.found(
            &input.name,
            sentence,
            kernel,
            format!(
                "do not re-add the absent member as it is: clear its superblock (mdadm --zero-superblock) and add it, which \
                 copies everything; or ask mdbitmap readd-check first{}",
                and_mend(case, input)
            ),
        ),
        false => ZERO.found(
            &input.name,
            sentence,
            kernel,
            format!(
                "the first write to the running array that finishes with all members present puts it right{}",
                and_mend(case, input)
            ),
        ),
    })
}

/// On a member the value can be raised at any time, which is safe (design.md W3).
fn and_mend(case: &Case<'_>, input: &Input<'_>) -> String {
    match input.is_bitmap_file() || case.is_dm_raid() {
        true => String::new(),
        false => format!("; {}", repair::mend(case, "the field")),
    }
}

/// A slot is vacant, or a member was given that is not in the array any more.
fn someone_is_absent(case: &Case<'_>) -> bool {
    case.membership.as_ref().is_some_and(|membership| {
        let left =
            |standing: &Standing| matches!(standing, Standing::OutOfDate { .. } | Standing::Faulty);
        !membership.vacant.is_empty() || membership.standings().iter().any(left)
    })
}
