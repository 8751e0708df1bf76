//! The md superblocks of one device: damaged, refused, several, none.

use crate::array::{MemberSuper, RejectedSuper};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::super_check::Check;

kinds! {
    REJECTED "superblock-damaged" Error LeftOut Elsewhere "the md superblock of a device cannot be believed";
    REMAINS "superblock-remains" Note None None "beside the md superblock in use lie the remains of another";
    SEVERAL "several-superblocks" Warning None Elsewhere "a device has md superblocks of several metadata versions";
    REFUSED "member-refused" Error LeftOut Elsewhere "the kernel refuses a member because of its superblock";
    TOO_SMALL "device-too-small" Error LeftOut Elsewhere "a device is smaller than its superblock says";
    NOTHING "no-metadata" Error None None "neither an md superblock nor a bitmap is there";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    case.inputs().flat_map(of_input).collect()
}

fn of_input(input: &Input<'_>) -> Vec<Finding> {
    let Some(member) = input.super_of() else {
        let nothing = nothing(input);
        return input
            .rejected
            .iter()
            .map(|rejected| damaged(input, rejected))
            .chain(nothing)
            .collect();
    };
    let mut findings: Vec<Finding> = input
        .rejected
        .iter()
        .map(|rejected| remains(input, member, rejected))
        .collect();
    findings.extend(several(input, member));
    findings.extend(refused(input));
    findings
}

fn damaged(input: &Input<'_>, rejected: &RejectedSuper) -> Finding {
    REJECTED.found(
        &input.name,
        rejected.to_string(),
        "does not take this member: the array starts without it, or not at all",
        "a torn write, a truncated or a shifted image? If the other members are sound, zero this superblock (mdadm \
         --zero-superblock) and add the device anew; copy the device before",
    )
}

fn remains(input: &Input<'_>, member: &MemberSuper, rejected: &RejectedSuper) -> Finding {
    REMAINS.found(
        &input.name,
        format!(
            "the {} superblock at byte {} is in use, and there is another that cannot be believed: {rejected}",
            member.metadata, member.super_start
        ),
        "is told by mdadm which metadata to look for, and does not look at the other",
        "none needed",
    )
}

/// Which of them is taken depends on who looks first: mdadm the one created last.
fn several(input: &Input<'_>, member: &MemberSuper) -> Option<Finding> {
    let other = &input.other_supers.first()?.member;
    let describe = |member: &MemberSuper| {
        format!(
            "{} at byte {} (uuid {}, events {})",
            member.metadata,
            member.super_start,
            member.uuid_text(),
            member.events
        )
    };
    let more = match input.other_supers.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(SEVERAL.found(
        &input.name,
        format!(
            "there are two md superblocks: {}, and {}{more}; the first was created last and is judged here",
            describe(member),
            describe(other)
        ),
        "takes the one that mdadm names: the one created last; kernels that assemble by themselves at boot take 0.90",
        format!(
            "make sure which one is in use; zero the other (mdadm --zero-superblock --metadata={}) while the array is stopped",
            other.metadata
        ),
    ))
}

/// Checks of single fields that fail. (Features have a finding of the array.)
fn refused(input: &Input<'_>) -> Vec<Finding> {
    let refusals = input.member.iter().flat_map(|found| &found.refusals);
    refusals
        .filter(|failure| {
            !matches!(
                failure.check,
                Check::UnknownFeatures | Check::FeatureConflict
            )
        })
        .map(|failure| match failure.check {
            Check::DeviceTooSmall => TOO_SMALL.found(
                &input.name,
                format!("its {failure}"),
                "does not take this member as it is",
                "a truncated image: copy it again. A device that shrank (a partition, a controller's reserved area): give it \
                 its size back before anything is written to it",
            ),
            // Some releases of mdadm then add it as if it were new.
            _ => REFUSED.found(
                &input.name,
                format!("its {failure}"),
                "does not take this member: the array starts without it, or not at all; mdadm may then add it as a new one, \
                 and what is on it is overwritten",
                "if the other members are sound, zero this superblock (mdadm --zero-superblock) and add the device anew",
            ),
        })
        .collect()
}

/// Something given that is neither a member nor a bitmap.
fn nothing(input: &Input<'_>) -> Option<Finding> {
    let empty = input.is_nothing();
    empty.then(|| {
        NOTHING.found(
            &input.name,
            "there is no md superblock at any of its places, and no bitmap at the start",
            "knows nothing of an array here",
            "is this the right device or partition? A bitmap elsewhere on it can be checked with --offset",
        )
    })
}
