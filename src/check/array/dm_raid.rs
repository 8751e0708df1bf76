//! LVM RAID (dm-raid): where its bitmap means something else than that of md.

use super::text;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Rule};

kinds! {
    BITS_LAPSE "dm-raid-bits-lapse" Danger Loss Elsewhere "an LVM RAID volume has set bits that no resync will follow";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

/// dm-raid records how far the first resync got and never that writes are under way, so after a
/// crash the set bits lapse and the legs stay as they are (tests/vm/FINDINGS.md, scenario dm-raid).
fn judge(case: &Case<'_>) -> Vec<Finding> {
    let Some(array) = case.array().filter(|array| array.is_clean()) else {
        return Vec::new();
    };
    let complete = case
        .membership
        .as_ref()
        .is_some_and(|membership| membership.vacant.is_empty() && !membership.is_recovering());
    if !case.is_dm_raid() || !complete {
        return Vec::new();
    }
    let dirty = case
        .current()
        .filter_map(|(_, input)| input.counts()?.as_ref().ok())
        .max_by_key(|counts| counts.dirty)
        .filter(|counts| counts.dirty > 0);
    let Some(counts) = dirty else {
        return Vec::new();
    };
    vec![BITS_LAPSE.found(
        case.title(),
        format!(
            "{} marked ({} bytes), although the volume's resync is recorded as done: it was not deactivated, or its machine \
             crashed, while it was written to",
            match counts.dirty {
                1 => "1 chunk is".to_owned(),
                many => format!("{} are", text::count(many, "chunk")),
            },
            counts.dirty_bytes()
        ),
        format!(
            "(6.1 to 7.3) activates the volume, resynchronises nothing and clears the bits: the legs of this {} stay different \
             where a write was under way",
            array.level
        ),
        "if the volume is active now, this is normal. After a crash: activate it, then lvchange --syncaction repair on it",
    )]
}
