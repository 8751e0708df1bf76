//! Who is in the array, who is missing, and superblocks that contradict each other (design.md W7, W17).

use super::text;
use crate::array::{Conflict, Membership, Standing};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Rule};
use crate::units::Sectors;

kinds! {
    SPLIT_BRAIN "split-brain" Danger Loss Elsewhere "two members each went on without the other";
    SAME_SLOT "same-slot" Danger Loss Elsewhere "two members hold the same slot";
    MEMBER_COPIED "member-copied" Danger Loss Elsewhere "one member is a copy of another";
    GEOMETRY_DIFFERS "geometry-differs" Error None Elsewhere "a member in sync describes another array than the freshest does";
    MEMBER_FORGOTTEN "member-forgotten" Warning None Elsewhere "a member that is in use was not given";
    STRANGER_GIVEN "stranger-given" Note None None "members of another array were given, and this one lacks some";
    VACANT_SLOT "vacant-slot" Warning None Elsewhere "the array is degraded: nothing holds a slot";
    MEMBER_OUT_OF_DATE "member-out-of-date" Warning LeftOut Elsewhere "the kernel leaves out a member that is more than one event behind";
    MEMBER_FAULTY "member-faulty" Warning LeftOut Elsewhere "the array goes on without a member that was given";
    REPLACEMENT "member-replacing" Note None None "a member is being filled to replace another";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let Some(membership) = &case.membership else {
        return Vec::new();
    };
    let conflicts = membership.conflicts.iter();
    let standings = membership.standings().iter().enumerate();
    conflicts
        .map(|conflict| of_conflict(case, conflict))
        .chain(forgotten(case, membership))
        .chain(vacant(case, membership))
        .chain(strangers(case, membership))
        .chain(standings.filter_map(|(index, standing)| of_standing(case, index, *standing)))
        .collect()
}

fn name<'a>(case: &'a Case<'_>, index: usize) -> &'a str {
    case.members
        .get(index)
        .map_or("", |input| input.name.as_str())
}

fn events(case: &Case<'_>, index: usize) -> u64 {
    let member = case.members.get(index).and_then(|input| input.super_of());
    member.map_or(0, |member| member.events.0)
}

fn of_conflict(case: &Case<'_>, conflict: &Conflict) -> Finding {
    match conflict {
        Conflict::SplitBrain { first, second } => split_brain(case, *first, *second),
        Conflict::SameSlot {
            slot,
            first,
            second,
        } => SAME_SLOT.found(
            name(case, *second),
            format!(
                "it and {} both hold slot {slot} (events {} and {})",
                name(case, *first),
                events(case, *second),
                events(case, *first)
            ),
            "takes whichever mdadm adds, and leaves the other out without a word",
            "find out which of them is the member (the other may be a clone, or one that was replaced), and detach the other \
             before the array is started",
        ),
        Conflict::SameDevice { first, second } => MEMBER_COPIED.found(
            name(case, *second),
            format!(
                "it and {} bear the same device UUID: one is a copy of the other",
                name(case, *first)
            ),
            "cannot tell them apart; which of them becomes the member is chance, and the other stays as it is",
            "detach the copy before the array is started, or wipe its superblock (mdadm --zero-superblock) if its data is not \
             wanted",
        ),
        Conflict::Geometry {
            member,
            field,
            expected,
            found,
        } => GEOMETRY_DIFFERS.found(
            name(case, *member),
            format!(
                "its superblock says {field} {found}, that of {} (the freshest) says {expected}",
                freshest_name(case)
            ),
            "goes by the freshest superblock; a member that does not fit it is refused, or used as if it did",
            "do not start the array before the true geometry is known: mdadm --examine of every member shows it",
        ),
    }
}

fn freshest_name<'a>(case: &'a Case<'_>) -> &'a str {
    let freshest = case.membership.as_ref().map(Membership::freshest);
    freshest.map_or("", |index| name(case, index))
}

fn split_brain(case: &Case<'_>, first: usize, second: usize) -> Finding {
    SPLIT_BRAIN.found(
        case.title(),
        format!(
            "{} (events {}) and {} (events {}) each went on alone: each calls the other's slot vacant",
            name(case, first),
            events(case, first),
            name(case, second),
            events(case, second)
        ),
        "takes the one with more events (of equals, whichever it was given first) and leaves the other out: what was written \
         to that one alone is given up; a re-add by bitmap would leave differences where only that one was written to",
        "decide which of them holds the data that is wanted. Keep an image of the other; then clear its superblock (mdadm \
         --zero-superblock) and add it as a new member, which copies everything",
    )
}

fn forgotten(case: &Case<'_>, membership: &Membership) -> Option<Finding> {
    (!membership.missing.is_empty()).then(|| {
        MEMBER_FORGOTTEN.found(
            case.title(),
            match membership.missing.as_slice() {
                [slot] => format!(
                    "slot {slot} is in use by the superblock of {}, but no current member that holds it was given",
                    freshest_name(case)
                ),
                many => format!(
                    "{} are in use by the superblock of {}, but no current members that hold them were given",
                    text::slots(many),
                    freshest_name(case)
                ),
            },
            "does not start the array without it unless told to (mdadm --run), and then counts its slot as failed",
            "give all members: its superblock may be fresher, its bitmap may differ, and no bit may be cleared without it",
        )
    })
}

fn vacant(case: &Case<'_>, membership: &Membership) -> Option<Finding> {
    (!membership.vacant.is_empty()).then(|| {
        VACANT_SLOT.found(
            case.title(),
            format!("the array is degraded: nothing holds {}", text::slots(&membership.vacant)),
            "keeps the bits of all that is written meanwhile, for the member that returns",
            "put a member back (mdbitmap readd-check tells whether the old one can be re-added by bitmap), or add a new one",
        )
    })
}

/// A member with another UUID may have been taken for one of this array.
fn strangers(case: &Case<'_>, membership: &Membership) -> Option<Finding> {
    let lacks = !membership.missing.is_empty() || !membership.vacant.is_empty();
    (lacks && !case.strangers.is_empty()).then(|| {
        STRANGER_GIVEN.found(
            case.title(),
            format!(
                "the array lacks a member, and members of another array were given too: {}",
                text::list(&case.strangers)
            ),
            "goes by the UUID: a member of another array is never taken for one of this",
            "none needed if both were meant; otherwise give the right devices (mdadm --examine shows the array of each)",
        )
    })
}

fn of_standing(case: &Case<'_>, index: usize, standing: Standing) -> Option<Finding> {
    match standing {
        Standing::OutOfDate { slot, behind } => Some(out_of_date(case, index, slot, behind)),
        Standing::Faulty => Some(MEMBER_FAULTY.found(
            name(case, index),
            "the freshest superblock calls this member failed or removed, though its own events would do",
            "leaves it out, and reads neither its data nor its bitmap",
            "mdbitmap readd-check tells whether it can be re-added by bitmap",
        )),
        Standing::Replacement { slot } => Some(replacing(case, index, slot)),
        Standing::Current { .. }
        // check/array/recovery.rs
        | Standing::Recovering { .. }
        | Standing::Spare
        | Standing::Journal => None,
    }
}

fn out_of_date(case: &Case<'_>, index: usize, slot: Option<u32>, behind: u64) -> Finding {
    let held = slot.map_or(String::new(), |slot| format!("; it held slot {slot}"));
    MEMBER_OUT_OF_DATE.found(
        name(case, index),
        format!(
            "this member has {} events, the freshest one {}: it misses {behind}{held}",
            events(case, index),
            case.array().map_or(0, |array| array.events.0)
        ),
        "leaves out a member that is more than one event behind; its bitmap and its data are as they were when it left",
        "mdbitmap readd-check tells whether it can be re-added by bitmap, and how much would be copied; its own bitmap is of \
         no use",
    )
}

fn replacing(case: &Case<'_>, index: usize, slot: u32) -> Finding {
    let member = case.members.get(index).and_then(|input| input.super_of());
    let copied = member.and_then(|member| member.recovery_offset);
    let copied = copied.map_or(String::new(), |copied: Sectors| {
        format!("; {copied} sectors are copied")
    });
    REPLACEMENT.found(
        name(case, index),
        format!("this member is being filled to take over slot {slot}{copied}"),
        "goes on copying to it; until that is done, the old member holds the slot",
        "none needed",
    )
}
