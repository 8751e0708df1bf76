//! What the findings come to, in one line; and what could not be checked.

use super::{Case, Effect, Finding, Input, Severity};
use std::collections::BTreeSet;

/// "2 errors, 1 warning: the array does not start with this bitmap", or that all is sound.
pub fn conclude(case: &Case<'_>, findings: &[Finding]) -> String {
    let counts: Vec<String> = Severity::ALL
        .into_iter()
        .rev()
        .filter_map(|severity| {
            let count = different(findings, severity);
            (count > 0).then(|| severity.counted(count))
        })
        .collect();
    let worst = findings.iter().map(|finding| finding.severity).max();
    match worst {
        None => "sound: nothing wrong was found".to_owned(),
        Some(Severity::Note) => format!("sound: nothing wrong was found ({})", counts.join(", ")),
        Some(_) => format!("{}: {}", counts.join(", "), outcome(case, findings)),
    }
}

/// How many findings of this severity there are; what is alike of several members is one.
fn different(findings: &[Finding], severity: Severity) -> usize {
    let of = findings
        .iter()
        .filter(|finding| finding.severity == severity);
    let told: BTreeSet<_> = of
        .map(|finding| {
            (
                finding.name,
                &finding.sentence,
                &finding.kernel,
                &finding.repair,
            )
        })
        .collect();
    told.len()
}

/// What the gravest effect means for the array.
fn outcome(case: &Case<'_>, findings: &[Finding]) -> &'static str {
    let effect = findings.iter().map(|finding| finding.effect).max();
    let effect = effect.unwrap_or(Effect::None);
    if case.membership.is_none() {
        return match effect {
            Effect::Loss => "data is in danger",
            Effect::NoStart => "no array starts with this bitmap",
            Effect::Unused => "the bitmap protects nothing",
            Effect::AllDirty => "the kernel does not believe the bits",
            Effect::None | Effect::LeftOut => {
                "what it means for the array cannot be told without a sound member of it"
            }
        };
    }
    match effect {
        Effect::Loss => {
            "data is in danger; do not start or change the array before this is understood"
        }
        Effect::NoStart => no_start(case, findings),
        Effect::LeftOut if all_hit(case, findings, Effect::LeftOut) => {
            "the array does not start like this"
        }
        Effect::LeftOut => {
            "the array starts if the other members, and their copies of the bitmap, suffice"
        }
        Effect::Unused => "the array starts, and its bitmap protects nothing",
        Effect::AllDirty
            if all_hit(case, findings, Effect::AllDirty)
                || case.others.iter().any(Input::is_bitmap_file) =>
        {
            "the array starts, and the kernel does not believe the bits"
        }
        Effect::AllDirty => {
            "the array starts; whether the kernel believes the bits depends on which member's copy it reads"
        }
        Effect::None => "none of this keeps the array from starting with its bitmap",
    }
}

/// True when no member in sync is without a finding of this effect.
fn all_hit(case: &Case<'_>, findings: &[Finding], effect: Effect) -> bool {
    let hit = |name: &str| {
        let mut all = findings.iter();
        all.any(|finding| finding.effect == effect && finding.subject == name)
    };
    case.current().all(|(_, input)| hit(&input.name))
}

/// The kernel reads the bitmap of one member: a defect of one copy may have no effect.
fn no_start(case: &Case<'_>, findings: &[Finding]) -> &'static str {
    let refused: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.effect == Effect::NoStart)
        .map(|finding| finding.subject.as_str())
        .collect();
    let is_hit = |input: &Input<'_>| refused.contains(&input.name.as_str());
    let of_array = refused
        .iter()
        .any(|name| !case.inputs().any(|input| input.name == *name));
    if of_array || all_hit(case, findings, Effect::NoStart) {
        "the array does not start like this"
    } else if case.others.iter().any(is_hit) {
        "the array does not start with this bitmap file"
    } else {
        "whether the array starts depends on which member's bitmap the kernel reads"
    }
}

/// What these inputs cannot tell, a sentence each.
pub fn unchecked(case: &Case<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    let Some(membership) = &case.membership else {
        sentences.push(
            "the array: no member of it was given, so events, UUID and size were not compared"
                .to_owned(),
        );
        return sentences;
    };
    if !membership.missing.is_empty() {
        let slots: Vec<String> = membership
            .missing
            .iter()
            .take(16)
            .map(u32::to_string)
            .collect();
        let more = membership.missing.len().saturating_sub(16);
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        sentences.push(format!(
            "the members in slot {}{more}: they were not given; their superblocks may be fresher, and their bitmaps may differ",
            slots.join(", ")
        ));
    }
    for (index, input) in case.members.iter().enumerate() {
        if !case.is_current(index) && input.bitmap().is_some() {
            sentences.push(format!(
                "the bitmap of {}: the kernel does not read that of a member that is not in sync",
                input.name
            ));
        }
    }
    if case.is_dm_raid() {
        sentences.push(
            "whether these are legs of one volume: their superblocks bear no UUID (lvs -a tells)"
                .to_owned(),
        );
    }
    sentences.push(
        "the data: only metadata was read; whether members are equal is told by a check of the running array (echo check > \
         /sys/block/mdX/md/sync_action)"
            .to_owned(),
    );
    sentences
}
