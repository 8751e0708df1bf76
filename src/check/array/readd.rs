//! Members that left and were given: what a re-add would do with them (design.md W9).

use crate::array::readd::{self, BitmapCopy, Entry, Judgement, Named, Safety, Situation};
use crate::array::{Membership, Role, Standing};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bitmap_rules::Place;

kinds! {
    UNSAFE "readd-unsafe" Danger Loss Elsewhere "a member that left would be re-added by a bitmap that may not know what it missed";
    UNPROVEN "readd-unproven" Warning None Elsewhere "a member that left would be re-added by a bitmap that cannot prove that it knows what it missed";
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
    let standings = membership.standings().iter().enumerate();
    standings
        .filter(|(_, standing)| matches!(standing, Standing::OutOfDate { .. } | Standing::Faulty))
        .filter_map(|(index, _)| of_member(case, membership, index))
        .collect()
}

fn of_member(case: &Case<'_>, membership: &Membership, index: usize) -> Option<Finding> {
    let device = case.members.get(index)?;
    let own = named(device)?;
    matches!(own.found.member.role, Role::Slot(_)).then_some(())?;
    let judgement = judgement(case, membership, index, own)?;
    // Otherwise all of it is copied, or it is not taken at all.
    (judgement.entry == Entry::Bitmap).then_some(())?;
    Some(match judgement.safety(None) {
        Safety::Unsafe => unsafe_to_readd(device, &judgement),
        _ => unproven(device, &judgement),
    })
}

fn named<'a>(input: &'a Input<'_>) -> Option<Named<'a>> {
    Some(Named {
        name: &input.name,
        found: input.member.as_ref()?,
    })
}

/// What is to be said of a re-add of member `index`.
fn judgement(
    case: &Case<'_>,
    membership: &Membership,
    index: usize,
    device: Named<'_>,
) -> Option<Judgement> {
    let rest = (0..).zip(&case.members).filter(|(at, _)| *at != index);
    let (members, others): (Vec<_>, Vec<_>) = rest
        .filter_map(|(at, input)| Some((at, named(input)?)))
        .partition(|(at, _)| membership.standing(*at).slot().is_some());
    let names = |list: Vec<(usize, _)>| list.into_iter().map(|(_, named)| named).collect();
    let (members, others): (Vec<Named<'_>>, Vec<Named<'_>>) = (names(members), names(others));
    let supers: Vec<_> = members.iter().map(|member| member.found).collect();
    let without = Membership::of(&supers).ok()?;
    let bitmaps: Vec<BitmapCopy> = case
        .current()
        .filter_map(|(_, input)| {
            let raw = input.bitmap_super()?;
            let available = input.store.len().checked_sub(input.bitmap()?.start());
            let own = named(input)?;
            Some(if input.in_use {
                // The driver has taken it already, whatever the array's state is at this moment.
                let uuid = own.found.member.array_uuid;
                BitmapCopy::in_use(own.name, raw, uuid, Place::Internal, available)
            } else {
                BitmapCopy::of_member(own, &members, raw, available)
            })
        })
        .collect();
    readd::judge(&Situation {
        members: &members,
        membership: &without,
        device,
        bitmaps: &bitmaps,
        others: &others,
    })
}

fn unsafe_to_readd(device: &Input<'_>, judgement: &Judgement) -> Finding {
    let evidence: Vec<&str> = judgement
        .evidence
        .iter()
        .map(|evidence| evidence.reason.sentence.as_str())
        .collect();
    UNSAFE.found(
        &device.name,
        format!("the bitmap may not know all that this member missed: {}", evidence.join("; ")),
        "re-adds it by bitmap all the same: copies what is marked and shows it in sync, whatever else differs",
        "do not re-add it: clear its superblock (mdadm --zero-superblock) and add it as a new member, which copies everything. If \
         it may hold data that the array lacks, keep an image first",
    )
}

fn unproven(device: &Input<'_>, judgement: &Judgement) -> Finding {
    UNPROVEN.found(
        &device.name,
        format!(
            "this member left at event {} and would be re-added by bitmap; nothing speaks against the bitmap, but superblocks cannot \
             prove that no other device held its slot meanwhile",
            judgement.device_events
        ),
        "copies what is marked and takes the rest for equal; if another device was recovered into the slot and removed again, \
         marks are missing, and the members differ unnoticed",
        "mdbitmap readd-check --verify=sample (or full) compares it with the others before it is re-added",
    )
}
