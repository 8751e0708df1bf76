//! Members that were being recovered when the array stopped.
//!
//! A re-add by bitmap that is interrupted leaves features 2 and 128 on the member: what it still
//! lacks is told by the bitmap alone. On 6.1 to 7.3 the kernel forgets the rest when that bitmap is
//! gone, or is not believed while the array is clean: [UU] over members that differ
//! (tests/vm/FINDINGS.md, scenarios interrupted-recovery and check-claims).

use crate::array::Standing;
use crate::array::verdict;
use crate::bitmap::BitmapError;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bitmap_rules;
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};

kinds! {
    NO_BITMAP "recovery-bitmap-gone" Danger Loss Elsewhere "a member was being recovered by a bitmap that the array does not have any more";
    UNTRUSTED "recovery-bitmap-untrusted" Danger Loss Elsewhere "a member was being recovered by a bitmap that the kernel does not believe any more";
    EMPTY "recovery-bitmap-empty" Warning None Elsewhere "a member was being recovered by the bitmap, and no bit is left for it";
    RECOVERING "member-recovering" Note None None "a member was being recovered when the array stopped, and goes on where it was";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

/// What is always safe.
const REPAIR: &str = "do not start the array with this member: start it without (mdadm --assemble --run, naming the others), \
                      clear this member's superblock (mdadm --zero-superblock) and add it anew, which copies everything";

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let Some(membership) = &case.membership else {
        return Vec::new();
    };
    let standings = membership.standings().iter().zip(&case.members);
    standings
        .filter_map(|(standing, input)| match standing {
            Standing::Recovering {
                slot,
                up_to,
                by_bitmap: true,
            } => Some(by_bitmap(case, input, *slot, *up_to)),
            Standing::Recovering { slot, up_to, .. } => Some(RECOVERING.found(
                &input.name,
                format!("this member was being recovered into slot {slot}: it holds the first {up_to} sectors"),
                "copies everything from there on, whatever the bitmap says",
                "none needed: let it finish",
            )),
            _ => None,
        })
        .collect()
}

/// A member whose missing chunks only the bitmap knows.
fn by_bitmap(case: &Case<'_>, input: &Input<'_>, slot: u32, up_to: Sectors) -> Finding {
    let state = format!(
        "this member was being recovered into slot {slot} by bitmap, up to sector {up_to} so far"
    );
    let copies: Vec<(usize, &Input<'_>)> = case
        .current()
        .filter(|(_, copy)| copy.bitmap_super().is_some())
        .collect();
    if copies.is_empty() {
        let why = match case.current().next() {
            Some(_) => "no member in sync has a bitmap any more",
            None => "no member in sync was given",
        };
        return NO_BITMAP.found(
            &input.name,
            format!("{state}, and {why}: nothing tells what it still lacks"),
            "(6.1 to 7.3) takes the recovery for finished when there is no bitmap, and shows the member in sync, though it differs",
            REPAIR,
        );
    }
    let untrusted = copies
        .iter()
        .find_map(|(index, copy)| Some((copy, distrust(case, *index, copy)?)));
    if let Some((copy, why)) = untrusted {
        return UNTRUSTED.found(
            &input.name,
            format!("{state}, and the kernel does not believe the copy of {}: {why}", copy.name),
            "(6.1 to 7.3) sets all bits and, on a clean array, demands no resync of any: it takes the recovery for finished and \
             shows the member in sync, though it differs",
            REPAIR,
        );
    }
    // What was missed has its bit set until it was copied.
    let empty = |copy: &Input<'_>| marks_nothing(copy, up_to).unwrap_or(false);
    if let Some((_, copy)) = copies.iter().find(|(_, copy)| empty(copy)) {
        return EMPTY.found(
            &input.name,
            format!(
                "{state}, and the copy of {} marks no chunk from there on: either this member missed nothing, or the bitmap was \
                 replaced meanwhile",
                copy.name
            ),
            "believes the bitmap: copies nothing more and shows the member in sync",
            format!("if it cannot be ruled out that the bitmap was replaced, {REPAIR}"),
        );
    }
    RECOVERING.found(
        &input.name,
        state,
        "goes on from there with what the bitmap marks",
        "none needed: let it finish; until then do not replace or remove the bitmap",
    )
}

/// Why the kernel would not believe a bitmap of versions 3 to 5. (Not believing version 6 makes it
/// copy everything that was ever written to: reference/kernel.md 6.2, Stale.)
fn distrust(case: &Case<'_>, index: usize, copy: &Input<'_>) -> Option<String> {
    let bitmap = copy.bitmap()?;
    let assembly = case.assembly(index)?;
    let size = crate::array::sync_size::expected(&assembly.freshest().member);
    let available = copy.store.len().checked_sub(bitmap.start());
    let context = verdict::context(&assembly, &size, available);
    let found = bitmap_rules::violations(bitmap.raw(), &context);
    let lockless = bitmap.raw().is_lockless();
    let worst = found
        .iter()
        .find(|violation| !violation.consequence.keeps_bits() && !lockless);
    worst.map(|violation| violation.message.clone())
}

/// True when no chunk that reaches beyond sector `up_to` of the member is marked. (raid10 counts
/// array sectors: there, no chunk at all.)
fn marks_nothing(copy: &Input<'_>, up_to: Sectors) -> Result<bool, BitmapError> {
    let Some(bitmap) = copy.sized_bitmap() else {
        return Ok(false);
    };
    let member = copy.super_of();
    let by_array = member.is_some_and(|m| m.level == crate::format::level::Level::Raid10);
    let first = match bitmap.coverage() {
        Some(coverage) if !by_array => {
            let chunk = (coverage.chunk_bytes() / SECTOR_BYTES).max(1);
            ChunkIndex(up_to.0 / chunk)
        }
        _ => ChunkIndex(0),
    };
    for run in bitmap.runs()? {
        if run?.end > first {
            return Ok(false);
        }
    }
    Ok(true)
}
