//! Puts the answer together.

use super::array::{AtHand, Opened};
use super::scan::{Stray, scan};
use super::settle::{self, Running};
use super::{ArrayFacts, Checked, Copying, Doing, ReaddOptions, Refusal, verification};
use crate::array::MemberSuper;
use crate::array::geometry::Geometry;
use crate::array::readd::{
    BitmapCopy, Entry, Judgement, Marks, Named, Situation, Union, copied_bytes, judge,
};
use crate::bitmap::{Bitmap, BitmapError};
use crate::commands::given::{Given, GivenOptions, Problem, ProblemKind};
use crate::format::bitmap_rules::Place;
use crate::units::Bytes;
use std::ffi::OsStr;

/// Everything that can be said.
pub(super) fn answer(
    options: &ReaddOptions,
    at_hand: &AtHand,
    retell: &mut dyn FnMut(Doing),
) -> Result<Checked, Refusal> {
    let mut problems = at_hand.problems.clone();
    let (scanned, strays) = match options.scan {
        true => {
            let (scanned, strays) = scan(at_hand);
            (Some(scanned), strays)
        }
        false => (None, Vec::new()),
    };
    let file = at_hand
        .bitmap_file()
        .map(|path| Given::open(path.as_os_str(), &GivenOptions::default()));
    let bitmaps = Bitmaps::open(at_hand, file.as_ref(), &mut problems);
    let judgement = judged(at_hand, &bitmaps, &strays)?;
    let array = array_super(at_hand)?;
    let geometry = Geometry::of(array);
    let mut notes = at_hand.notes.clone();
    let copying = match &geometry {
        Ok(geometry) => copying(&judgement, geometry, &bitmaps, &mut problems),
        Err(error) => {
            notes.push(format!("how much would be copied cannot be told: {error}"));
            Copying::default()
        }
    };
    let verified = options.verify.map(|extent| {
        verification::run(
            options,
            extent,
            at_hand,
            &bitmaps,
            file.as_ref(),
            &geometry,
            retell,
        )
    });
    Ok(Checked {
        array: ArrayFacts {
            running: at_hand.running.as_ref().map(|(path, _)| path.clone()),
            uuid: array.uuid_text(),
            level: array.level.to_string(),
            members: array.raid_disks,
            vacant: at_hand.membership.vacant.clone(),
            events: array.events,
        },
        device: at_hand.device.given.path.clone(),
        judgement,
        copying,
        verified,
        scanned,
        problems,
        notes,
        strict: options.strict,
    })
}

pub(super) fn array_super(at_hand: &AtHand) -> Result<&MemberSuper, Refusal> {
    let freshest = at_hand.members.get(at_hand.membership.freshest());
    freshest
        .map(|freshest| &freshest.found.member)
        .ok_or_else(|| Refusal::Refused("no member was given".to_owned()))
}

/// The bitmaps of the array, opened and judged.
pub(super) struct Bitmaps<'a> {
    pub copies: Vec<BitmapCopy>,
    /// Those of `copies` that are trusted.
    pub trusted: Vec<Bitmap<'a>>,
    /// True when a driver is at work with them.
    in_use: bool,
}

impl<'a> Bitmaps<'a> {
    /// Those of the current members, or the bitmap file.
    fn open(
        at_hand: &'a AtHand,
        file: Option<&'a Given>,
        problems: &mut Vec<Problem>,
    ) -> Bitmaps<'a> {
        let mut bitmaps = Bitmaps {
            copies: Vec::new(),
            trusted: Vec::new(),
            in_use: matches!(settle::running(at_hand), Running::Known(_)),
        };
        if at_hand.runs_without_bitmap() {
            return bitmaps;
        }
        if let Some(file) = file {
            bitmaps.add_file(at_hand, file, problems);
            return bitmaps;
        }
        for index in at_hand.membership.current() {
            if let Some(member) = at_hand.members.get(index) {
                bitmaps.add_member(at_hand, member, problems);
            }
        }
        bitmaps
    }

    fn add_member(&mut self, at_hand: &'a AtHand, member: &'a Opened, problems: &mut Vec<Problem>) {
        if member.found.member.bitmap.is_err() {
            return;
        }
        let Some(bitmap) = opened(&member.given, problems) else {
            return;
        };
        let available = bitmap.store().len().checked_sub(bitmap.start());
        let (name, names) = (member.name(), names(at_hand));
        let own = Named {
            name: &name,
            found: &member.found,
        };
        let copy = if self.in_use {
            let uuid = member.found.member.array_uuid;
            BitmapCopy::in_use(&name, bitmap.raw(), uuid, Place::Internal, available)
        } else {
            BitmapCopy::of_member(own, &named(at_hand, &names), bitmap.raw(), available)
        };
        self.add(copy, bitmap);
    }

    fn add_file(&mut self, at_hand: &AtHand, file: &'a Given, problems: &mut Vec<Problem>) {
        problems.extend(file.problems.iter().cloned());
        let Some(bitmap) = opened(file, problems) else {
            return;
        };
        let Ok(array) = array_super(at_hand) else {
            return;
        };
        let available = bitmap.store().len().checked_sub(bitmap.start());
        let (name, uuid) = (file.name().into_owned(), array.array_uuid);
        let copy = BitmapCopy::in_use(name, bitmap.raw(), uuid, Place::File, available);
        self.add(copy, bitmap);
    }

    fn add(&mut self, copy: BitmapCopy, bitmap: Bitmap<'a>) {
        if copy.is_trusted() {
            self.trusted.push(bitmap);
        }
        self.copies.push(copy);
    }
}

/// The bitmap of what was given.
fn opened<'a>(given: &'a Given, problems: &mut Vec<Problem>) -> Option<Bitmap<'a>> {
    match given.bitmap() {
        Ok(bitmap) => bitmap,
        Err(error) => {
            problems.push(bitmap_problem(&error));
            None
        }
    }
}

pub(super) fn bitmap_problem(error: &BitmapError) -> Problem {
    let kind = match error {
        BitmapError::Store { .. } => ProblemKind::Read,
        _ => ProblemKind::BadGeometry,
    };
    Problem::new(kind, error.to_string())
}

fn names(at_hand: &AtHand) -> Vec<String> {
    at_hand.members.iter().map(Opened::name).collect()
}

fn named<'a>(at_hand: &'a AtHand, names: &'a [String]) -> Vec<Named<'a>> {
    let pairs = at_hand.members.iter().zip(names);
    pairs
        .map(|(member, name)| Named {
            name,
            found: &member.found,
        })
        .collect()
}

fn judged(at_hand: &AtHand, bitmaps: &Bitmaps<'_>, strays: &[Stray]) -> Result<Judgement, Refusal> {
    let names = names(at_hand);
    let others: Vec<Named<'_>> = strays
        .iter()
        .map(|stray| Named {
            name: &stray.name,
            found: &stray.found,
        })
        .collect();
    let device = at_hand.device.name();
    let situation = Situation {
        members: &named(at_hand, &names),
        membership: &at_hand.membership,
        device: Named {
            name: &device,
            found: &at_hand.device.found,
        },
        bitmaps: &bitmaps.copies,
        others: &others,
    };
    judge(&situation).ok_or_else(|| Refusal::Refused("no member speaks for the array".to_owned()))
}

/// How much would be copied.
fn copying(
    judgement: &Judgement,
    geometry: &Geometry,
    bitmaps: &Bitmaps<'_>,
    problems: &mut Vec<Problem>,
) -> Copying {
    let bytes = |sectors: crate::units::Sectors| sectors.to_bytes().map(|Bytes(bytes)| bytes);
    let member_bytes = bytes(geometry.member_size());
    let all = |bytes| Copying {
        bytes,
        by_copy: Vec::new(),
        member_bytes,
    };
    match judgement.entry {
        Entry::Impossible => return all(None),
        Entry::Nothing => return all(Some(0)),
        Entry::Full | Entry::Spare => return all(member_bytes),
        Entry::Bitmap => {}
    }
    match by_bitmap(judgement, geometry, bitmaps) {
        Ok((bytes, by_copy)) => Copying {
            by_copy,
            ..all(bytes)
        },
        Err(error) => {
            problems.push(bitmap_problem(&error));
            all(None)
        }
    }
}

/// Bytes of the union (where the copies can be united), and bytes of each copy.
type Marked = (Option<u64>, Vec<(String, u64)>);

/// The bytes of the union, and those of each copy where they differ.
fn by_bitmap(
    judgement: &Judgement,
    geometry: &Geometry,
    bitmaps: &Bitmaps<'_>,
) -> Result<Marked, BitmapError> {
    let slot = judgement.slot.unwrap_or_default();
    let fit = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
    let mut marks = Vec::new();
    for bitmap in &bitmaps.trusted {
        marks.push(Marks::new(bitmap, geometry.sync_size())?);
    }
    let Some(coverage) = marks.first().map(Marks::coverage) else {
        return Ok((Some(0), Vec::new()));
    };
    let mut by_copy = Vec::new();
    for (bitmap, marks) in bitmaps.trusted.iter().zip(&marks) {
        let bytes = copied_bytes(geometry, slot, marks.coverage(), marks.copied()?)?;
        by_copy.push((bitmap.store().name().to_owned(), fit(bytes)));
    }
    if !Marks::count_alike(&marks) {
        return Ok((None, by_copy));
    }
    let runs: Result<Vec<_>, _> = marks.iter().map(Marks::copied).collect();
    let union = fit(copied_bytes(geometry, slot, coverage, Union::new(runs?))?);
    if by_copy.iter().all(|(_, bytes)| *bytes == union) {
        by_copy.clear();
    }
    Ok((Some(union), by_copy))
}

/// True for a path that names a block device, behind which an array may run.
pub(super) fn is_block_device(path: &OsStr) -> bool {
    crate::kernel::system::block_number(path.as_ref()).is_some()
}
