//! What a repair does, in words.

use super::prediction::Prediction;
use super::remedy::{Remedy, Wanted};
use super::target::Target;
use crate::change::StoppedArray;
use crate::change::planned::After;
use crate::check::{Finding, RepairClass};
use crate::format::bitmap_super::RawBitmapSuper;
use std::collections::BTreeSet;

/// What a repair does, the most important first.
pub fn sentences(
    array: &StoppedArray<'_>,
    remedy: &Remedy<'_>,
    after: &After,
    prediction: &Prediction,
    found: &[Finding],
) -> Vec<String> {
    let mut told = Vec::new();
    if remedy.belief.gained {
        told.push("what the bitmap did not cover is marked".to_owned());
    }
    match &remedy.target {
        None => told.push("the superblocks announce no bitmap any more".to_owned()),
        Some(wanted) if wanted.in_place => told.extend(in_place(array, remedy, wanted, found)),
        Some(wanted) => told.extend(anew(array, remedy, wanted, after)),
    }
    if remedy.unclean {
        told.push(
            "the array is marked as not stopped cleanly, so that what is marked is synchronised"
                .to_owned(),
        );
    }
    if !remedy.failed.is_empty() {
        told.push("members that were not given have failed, and are to be added anew".to_owned());
    }
    told.push(prediction.sentence());
    told
}

fn names(array: &StoppedArray<'_>, places: impl Iterator<Item = usize>) -> String {
    let names: Vec<&str> = places.map(|place| array.name(place)).collect();
    names.join(", ")
}

/// Copies are changed where they are.
fn in_place(
    array: &StoppedArray<'_>,
    remedy: &Remedy<'_>,
    wanted: &Wanted,
    found: &[Finding],
) -> Vec<String> {
    let believed: Vec<usize> = remedy.belief.copies.iter().map(|c| c.device).collect();
    let others: Vec<usize> = array.current().filter(|p| !believed.contains(p)).collect();
    let mut told = Vec::new();
    if !others.is_empty() {
        told.push(format!(
            "{}: the bitmap is replaced by what {} has",
            names(array, others.into_iter()),
            names(array, believed.iter().copied())
        ));
    }
    let adds_marks = |finding: &Finding| {
        finding.repair_class == RepairClass::UniteCopies || finding.name == "sync-size-smaller"
    };
    if found.iter().any(adds_marks) {
        told.push("every chunk that some copy marks is marked in all".to_owned());
        if array.array().is_ok_and(|member| member.is_clean()) && !remedy.unclean {
            told.push(
                "the array was stopped cleanly, so the members at hand are equal, and stay so: the marks are for members that \
                 come back, and lapse where there are none"
                    .to_owned(),
            );
        }
    }
    let fields = changed_fields(remedy, &wanted.header());
    if !fields.is_empty() {
        told.push(format!(
            "put right in the bitmap's superblock: {}",
            fields.join(", ")
        ));
    }
    told
}

/// The fields that some believed copy has otherwise: name, what it has, what it gets.
fn changed_fields(remedy: &Remedy<'_>, header: &RawBitmapSuper) -> Vec<String> {
    type Field = (&'static str, fn(&RawBitmapSuper) -> u64);
    const FIELDS: [Field; 6] = [
        ("sync_size", |raw| raw.sync_size_sectors),
        ("state", |raw| u64::from(raw.state)),
        ("daemon_sleep", |raw| u64::from(raw.daemon_sleep_seconds)),
        ("write_behind", |raw| u64::from(raw.write_behind)),
        ("sectors_reserved", |raw| u64::from(raw.sectors_reserved)),
        ("nodes", |raw| u64::from(raw.nodes)),
    ];
    let copies = || {
        let copies = remedy.belief.copies.iter();
        copies.filter_map(|copy| Some(copy.bitmap.as_ref().ok()?.raw()))
    };
    let mut told = BTreeSet::new();
    for (name, value) in FIELDS {
        let new = value(header);
        let wrong = copies().map(value).filter(|old| *old != new);
        told.extend(wrong.map(|old| format!("{name} {old} becomes {new}")));
    }
    if !header.is_lockless() {
        let cleared: BTreeSet<u64> = copies().map(|raw| raw.events_cleared).collect();
        let wrong = |cleared: &u64| *cleared == 0 || copies().any(|raw| *cleared > raw.events);
        if cleared.len() > 1 || cleared.iter().any(wrong) {
            told.insert("events_cleared".to_owned());
        }
    }
    told.into_iter().collect()
}

/// The bitmap is made anew.
fn anew(
    array: &StoppedArray<'_>,
    remedy: &Remedy<'_>,
    wanted: &Wanted,
    after: &After,
) -> Vec<String> {
    let belief = &remedy.belief;
    let mut told = Vec::new();
    match belief.known.is_some() {
        true => told.push(format!(
            "a new bitmap with all that {} marks",
            names(array, belief.copies.iter().map(|copy| copy.device))
        )),
        false => {
            told.push("no copy can be believed: a new bitmap, with every chunk marked".to_owned());
            told.extend(belief.doubts.iter().cloned());
            if !array.open_slots().is_empty() {
                told.push(
                    "a member that is absent is copied completely when it comes back".to_owned(),
                );
            }
        }
    }
    let was = array
        .freshest()
        .and_then(|device| Target::announced(device.member()));
    if let (Some(bitmap), true) = (&after.bitmap, was != Some(wanted.target.offset)) {
        told.push(format!(
            "it lies {} sectors from the md superblocks, where nothing else lies",
            bitmap.offset_sectors
        ));
    }
    told
}

/// What a repair does not touch, of what is worth a warning: by name.
pub fn notes(remaining: &[Finding]) -> Vec<String> {
    let left: BTreeSet<&str> = remaining
        .iter()
        .filter(|finding| finding.repair_class.is_ours())
        .map(|finding| finding.name)
        .collect();
    left.iter()
        .map(|name| format!("{name} would remain, although it can be repaired: please report this"))
        .collect()
}
