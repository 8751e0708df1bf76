//! Whether the md superblocks announce a bitmap, and where.

use super::repair;
use crate::array::{MemberSuper, NoBitmap};
use crate::bitmap::Bitmap;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bit_array::BitOrder;
use crate::format::md_v1::feature;
use crate::units::{Bytes, SECTOR_BYTES};

kinds! {
    NO_BITMAP "no-bitmap" Note None Elsewhere "the array has no bitmap";
    LEFTOVER "leftover-bitmap" Note None None "a bitmap of this array lies where one would be, and is not announced";
    NO_LOCATION "no-location" Error Unused Superblocks "the md superblock announces a bitmap and gives it no place";
    OUTSIDE "bitmap-outside-device" Error LeftOut Move "the announced place of the bitmap is not on the device";
    PLACE_DIFFERS "bitmap-place-differs" Danger Loss Rebuild "the members do not agree on where the bitmap is, or whether there is one";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = case
        .current()
        .filter_map(|(_, input)| Some((input, input.super_of()?)))
        .flat_map(|(input, member)| of_member(case, input, member))
        .collect();
    findings.extend(none_at_all(case));
    findings.extend(disagreement(case));
    findings
}

fn of_member(case: &Case<'_>, input: &Input<'_>, member: &MemberSuper) -> Vec<Finding> {
    match &member.bitmap {
        Err(error @ NoBitmap::OutsideDevice { .. }) => vec![OUTSIDE.found(
            &input.name,
            error.to_string(),
            "cannot read a bitmap there (EIO), and refuses to start the array if no other member has one",
            format!(
                "a truncated image: copy it again. Otherwise bitmap_offset is damaged: {}",
                repair::moved(case)
            ),
        )],
        Err(NoBitmap::NotAnnounced { .. }) if announces(member) => vec![NO_LOCATION.found(
            &input.name,
            "the md superblock announces a bitmap (feature bit 1), but bitmap_offset is 0: there is no place for one",
            "runs the array without a bitmap on disk: after a crash everything is resynchronised",
            format!(
                "{}, and takes the announcement back; then add a bitmap (mdbitmap grow --bitmap=internal)",
                repair::DOES_IT
            ),
        )],
        Err(NoBitmap::NotAnnounced { .. }) => leftover(input, member).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn announces(member: &MemberSuper) -> bool {
    member.metadata.is_v1() && member.features & feature::BITMAP_OFFSET != 0
}

/// No member announces one, and no bitmap file of the array was given.
fn none_at_all(case: &Case<'_>) -> Option<Finding> {
    let array = case.array().filter(|array| array.level.has_bitmap())?;
    let silent = |member: &MemberSuper| {
        matches!(member.bitmap, Err(NoBitmap::NotAnnounced { .. })) && !announces(member)
    };
    let mut current = case.current().filter_map(|(_, input)| input.super_of());
    let file = case.others.iter().any(Input::is_bitmap_file);
    (silent(array) && current.all(silent) && !file).then(|| {
        NO_BITMAP.found(
            case.title(),
            "no member announces an internal bitmap (a bitmap file, if there is one, has to be given as well)",
            "resynchronises everything after a crash, and copies a member that comes back completely",
            "add one: mdadm --grow --bitmap=internal on the running array, mdbitmap grow --bitmap=internal on the members of the stopped one",
        )
    })
}

/// A bitmap with the array's UUID at a place where one would be: 0.90 has one place, mdadm puts that
/// of 1.x 8 sectors behind the superblock, the kernel 2 (reference/kernel.md 1.4).
fn leftover(input: &Input<'_>, member: &MemberSuper) -> Option<Finding> {
    let fixed = input.place.map(|place| place.start);
    let usual = [8, 2].map(|sectors| {
        member
            .super_start
            .checked_add(Bytes(sectors * SECTOR_BYTES))
    });
    let places = match member.metadata.is_v1() {
        true => usual.to_vec(),
        false => vec![fixed],
    };
    let ours = |start: &Bytes| {
        Bitmap::open(input.store, *start, BitOrder::Little)
            .is_ok_and(|bitmap| bitmap.raw().has_magic() && bitmap.raw().uuid == member.array_uuid)
    };
    let start = places.into_iter().flatten().find(ours)?;
    let bitmap = Bitmap::open(input.store, start, BitOrder::Little).ok()?;
    Some(LEFTOVER.found(
        &input.name,
        format!(
            "a bitmap of this array lies at byte {start} (events {}, the array {}), and the md superblock does not announce it",
            bitmap.raw().events,
            member.events
        ),
        "ignores it; mdadm -X shows it all the same on metadata 0.90",
        "none needed: it is what is left of a bitmap that was removed. Never announce it again: it does not know what was \
         written since",
    ))
}

/// The kernel takes offset and presence from the freshest superblock and reads and writes there on
/// every member (reference/kernel.md 1.4).
fn disagreement(case: &Case<'_>) -> Option<Finding> {
    let freshest = case.array()?;
    let describe = |member: &MemberSuper| match member.bitmap.as_ref() {
        Ok(place) => format!("at byte {}", place.start),
        Err(_) => "nowhere".to_owned(),
    };
    let place = |member: &MemberSuper| {
        let start = member.bitmap.as_ref().ok().map(|place| place.start.0);
        start.map(|start| i128::from(start) - i128::from(member.super_start.0))
    };
    // Outside the device is a finding of its own.
    let placed =
        |member: &&MemberSuper| !matches!(member.bitmap, Err(NoBitmap::OutsideDevice { .. }));
    let mut others = case
        .current()
        .filter_map(|(_, input)| Some((input, input.super_of().filter(placed)?)));
    let (input, member) = others.find(|(_, member)| place(member) != place(freshest))?;
    if !placed(&freshest) {
        return None;
    }
    Some(PLACE_DIFFERS.found(
        case.title(),
        format!(
            "the freshest superblock places the bitmap {}, that of {} {}",
            describe(freshest),
            input.name,
            describe(member)
        ),
        "goes by the freshest superblock, and writes the bitmap to that place on every member, whatever lies there",
        format!(
            "do not start the array before it is known what lies at both places (mdbitmap examine --layout); {}, and goes by the \
             freshest superblock, with the marks of all copies that can be believed",
            repair::DOES_IT
        ),
    ))
}
