//! What the bits say, and what the kernel makes of it.

use super::repair;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bitmap_super::{BITS_OFFSET, state};
use crate::units::Bytes;

kinds! {
    ON_CLEAN "dirt-on-clean" Note None None "chunks are marked on an array that is clean: the marks lapse without a resync";
    PAST_END "ones-past-end" Note None None "some bits behind the last chunk are set: more than nothing, less than the fill of mdadm";
    MISSING "bits-missing" Error LeftOut Move "the device ends before the bits do";
    TOO_FEW "too-few-bits" Danger Loss Rebuild "the bitmap was made for a smaller array: the bits of its end were never written";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let of = |input| {
        [
            on_clean(case, input),
            past_end(input),
            missing(case, input),
            too_few(case, input),
        ]
    };
    super::in_use(case).flat_map(of).flatten().collect()
}

/// Versions 3 to 5 on a complete, clean array (reference/kernel.md 3.7). Version 6 resynchronises what
/// is marked even then (trap 8), a degraded array keeps marks for the member that is absent, and LVM RAID
/// has a finding of its own.
fn on_clean(case: &Case<'_>, input: &Input<'_>) -> Option<Finding> {
    let raw = input.bitmap_super().filter(|raw| !raw.is_lockless())?;
    let array = case.array().filter(|array| array.is_clean())?;
    let believed =
        raw.uuid == array.array_uuid && raw.state & (state::STALE | state::WRITE_ERROR) == 0;
    let complete = case.membership.as_ref()?.vacant.is_empty();
    let counts = input.counts()?.as_ref().ok()?;
    // Bits that are missing are a finding of their own.
    let marked = counts.dirty.saturating_sub(counts.missing_chunks);
    if !believed || case.is_dm_raid() || !complete || marked == 0 || raw.events < array.events.0 {
        return None;
    }
    Some(ON_CLEAN.found(
        &input.name,
        format!(
            "{marked} of {} chunks are marked, and the array is clean: its members were equal when it was last written to",
            counts.chunks
        ),
        "clears the marks without a resync",
        "none needed if the array ran into this by itself (a crash soon after the last write, a new bitmap). If the bits \
         were set by hand, nothing is resynchronised because of them: use echo check > /sys/block/mdX/md/sync_action",
    ))
}

/// Undefined, and never looked at (reference/kernel.md 1.3). mdadm fills what is behind the last bit with
/// ones, and so does a kernel that takes a bitmap for stale: nearly every bitmap is like that, and only
/// something between all and nothing is worth a word.
fn past_end(input: &Input<'_>) -> Option<Finding> {
    let raw = input
        .bitmap_super()
        .filter(|raw| (4..=5).contains(&raw.version))?;
    let counts = input.counts()?.as_ref().ok()?;
    let start = input.place?.start.0;
    // From the byte that holds the last bit to the end of its sector.
    let first = start
        .checked_add(BITS_OFFSET)?
        .checked_add(counts.chunks / 8)?;
    let end = first
        .checked_add(1)?
        .checked_next_multiple_of(512)?
        .min(input.store.len().0);
    let mut bytes = vec![0; usize::try_from(end.checked_sub(first)?).ok()?];
    input.store.read_at(Bytes(first), &mut bytes).ok()?;
    let used = counts.chunks % 8;
    if let Some(byte) = bytes.first_mut() {
        *byte &= !((1u8 << used) - 1);
    }
    let ones: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let all = (bytes.len() as u64).saturating_mul(8).saturating_sub(used);
    (ones > 0 && ones < all && raw.nodes == 0).then(|| {
        PAST_END.found(
            &input.name,
            format!("{ones} of {all} bits behind the last of {} chunks are set", counts.chunks),
            "ignores them",
            "none needed: they mean nothing. A tool that counts bytes instead of chunks counts them as dirty",
        )
    })
}

/// The area is cut off (bitmap files have a rule of the kernel's).
fn missing(case: &Case<'_>, input: &Input<'_>) -> Option<Finding> {
    let counts = input.counts()?.as_ref().ok()?;
    (counts.missing_chunks > 0 && !input.is_bitmap_file()).then(|| {
        MISSING.found(
            &input.name,
            format!(
                "the device ends at byte {}, before the bits of {} of {} chunks; they count as dirty",
                input.store.len(),
                counts.missing_chunks,
                counts.chunks
            ),
            "cannot read that part of the bitmap from this member, and does not start the array if no other member has it",
            format!("a truncated image: copy it again; otherwise {}", repair::moved(case)),
        )
    })
}

/// The kernel counts over the array's size, whatever the bitmap says of its own (reference/kernel.md 2.1).
fn too_few(case: &Case<'_>, input: &Input<'_>) -> Option<Finding> {
    let raw = input.bitmap_super().filter(|raw| !raw.is_lockless())?;
    let own = raw.coverage()?.chunks();
    let size = crate::array::sync_size::expected(case.array()?).ok()?;
    let needed = raw.coverage()?.with_sync_size(size).chunks();
    (own < needed).then(|| {
        TOO_FEW.found(
            &input.name,
            format!(
                "sync_size {} gives the bitmap {own} chunks, but the array has {needed}: the bits of the last {} are whatever \
                 lies there",
                raw.sync_size_sectors,
                needed - own
            ),
            "ignores sync_size, counts over the whole array, and believes those bits: where they happen to be 0, nothing is \
             resynchronised after a crash",
            repair::replace(case),
        )
    })
}
