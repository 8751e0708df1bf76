//! What keeps an array from being started or resynchronised, whatever its bitmap holds.

use super::text;
use crate::array::sync_size::{self, SizeError};
use crate::array::{MemberSuper, MetadataVersion};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::md_v1::feature;
use crate::format::super_check::Check;

kinds! {
    UNKNOWN_FEATURES "unknown-features" Error LeftOut Elsewhere "a superblock has feature bits that no known kernel understands";
    PPL_WITH_BITMAP "ppl-with-bitmap" Error LeftOut Elsewhere "a superblock announces a partial parity log and a bitmap or journal, which exclude each other";
    JOURNAL "journal-with-bitmap" Error NoStart Elsewhere "an array with a write journal has a bitmap";
    NOT_ENOUGH "not-enough-members" Error NoStart Elsewhere "more slots are vacant than the level can bear";
    DIRTY_DEGRADED "dirty-degraded" Danger NoStart Elsewhere "a degraded parity array was not stopped cleanly (write hole)";
    RESHAPE "reshape-unfinished" Warning None Elsewhere "a reshape of the array is unfinished";
    COLLIDING "raid10-colliding-layout" Danger Loss None "a raid10 layout with which the kernel stores two chunks in one place";
    GEOMETRY "bad-geometry" Error NoStart Elsewhere "level, layout, chunk or number of members are not ones that the kernel takes";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let Some(array) = case.array() else {
        return Vec::new();
    };
    let features = case.members.iter().flat_map(features);
    features
        .chain(journal(case, array))
        .chain(missing(case, array))
        .chain(shape(case, array))
        .collect()
}

/// Feature bits with which the kernel refuses a member.
fn features(input: &Input<'_>) -> Vec<Finding> {
    let Some(found) = &input.member else {
        return Vec::new();
    };
    let refusals = found.refusals.iter();
    refusals
        .filter_map(|failure| match failure.check {
            Check::UnknownFeatures => Some(UNKNOWN_FEATURES.found(
                &input.name,
                failure.to_string(),
                "refuses this member: it was written by a newer kernel, or is damaged",
                "use the kernel that made it; let no other program write to it",
            )),
            Check::FeatureConflict => Some(PPL_WITH_BITMAP.found(
                &input.name,
                failure.to_string(),
                "refuses this member: the same field is the place of the bitmap and that of the log",
                "find out which of the two the array had (mdadm --examine of the other members), and remove the other with \
                 mdadm --assemble --update=no-bitmap or --update=no-ppl",
            )),
            _ => None,
        })
        .collect()
}

fn journal(case: &Case<'_>, array: &MemberSuper) -> Option<Finding> {
    let has_journal = array.metadata.is_v1() && array.features & feature::JOURNAL != 0;
    (has_journal && array.bitmap.is_ok()).then(|| {
        JOURNAL.found(
            case.title(),
            "the array has a write journal and a bitmap",
            "refuses to start an array with both",
            "the journal already does what the bitmap is for: remove the bitmap (mdadm --assemble --update=no-bitmap)",
        )
    })
}

/// Vacant slots: too many of them, or some of an unclean parity array.
fn missing(case: &Case<'_>, array: &MemberSuper) -> Option<Finding> {
    let membership = case.membership.as_ref()?;
    let freshest = membership.freshest();
    let assembly = case.assembly(freshest)?;
    let (level, raid_disks) = (array.level, array.raid_disks);
    let vacant = text::slots(&membership.vacant);
    if !assembly.has_enough() {
        return Some(NOT_ENOUGH.found(
            case.title(),
            format!("of {raid_disks} slots of this {level}, nothing holds {vacant}"),
            "refuses to start the array",
            "find the members that failed last: their superblocks hold the highest events of those left out (mdadm --assemble \
             --force is a last resort, and may bring back old data)",
        ));
    }
    let unclean = !array.is_clean() && array.metadata != MetadataVersion::DmRaid;
    let recovering = membership.is_recovering();
    if !level.has_parity() || !unclean || (membership.vacant.is_empty() && !recovering) {
        return None;
    }
    let lacking = match membership.vacant.is_empty() {
        true => "a member is still being recovered".to_owned(),
        false => format!("nothing holds {vacant}"),
    };
    Some(DIRTY_DEGRADED.found(
        case.title(),
        format!(
            "this {level} was not stopped cleanly and {lacking}: where a write was under way, the missing data is computed from \
             parity that may not fit"
        ),
        "refuses to start it (EINVAL), unless md_mod.start_dirty_degraded=1 or mdadm --assemble --force",
        "bring back the missing member if it is current; otherwise start with --force, and check the file system and the files \
         that were being written: the bitmap shows where (mdbitmap extents)",
    ))
}

fn shape(case: &Case<'_>, array: &MemberSuper) -> Option<Finding> {
    if array.reshaping {
        return Some(RESHAPE.found(
            case.title(),
            "the superblock records an unfinished reshape",
            "goes on with the reshape; the chunks of the bitmap cover other sectors before and after it",
            "start the array and let the reshape finish; until then nothing here can tell what is dirty",
        ));
    }
    let title = case.title();
    match sync_size::expected(array) {
        Err(error @ SizeError::Collision { .. }) => Some(COLLIDING.found(
            title,
            error.to_string(),
            "starts it and uses it: what is written to one chunk overwrites a copy of another",
            "copy the data to another array; do not resynchronise this one: a resync copies from either of the two chunks",
        )),
        Err(error) if error.kernel_refuses() => Some(GEOMETRY.found(
            title,
            error.to_string(),
            "refuses to start the array",
            "the superblock is damaged, or was written by something else: compare it with the other members (mdadm --examine)",
        )),
        _ => None,
    }
}
