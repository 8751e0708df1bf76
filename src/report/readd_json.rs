//! The answer of `readd-check` as JSON (design.md 4).

use crate::array::Reason;
use crate::array::readd::verify::Verification;
use crate::commands::readd_check::{Checked, Refusal, Scanned, Verified};
use serde::Serialize;
use std::io::{self, Write};

const SCHEMA: u32 = 1;

/// Keys in this order.
#[derive(Serialize)]
struct Root<'a> {
    schema: u32,
    would_use_bitmap: bool,
    verdict: &'static str,
    copy_bytes: Option<u64>,
    reasons: Vec<Reason>,
    entry: &'static str,
    member: MemberJson,
    array: ArrayJson<'a>,
    events_cleared: Option<u64>,
    copy_bytes_by_copy: Vec<CopyJson<'a>>,
    verify: Option<VerifyJson<'a>>,
    scan: Option<ScanJson<'a>>,
    notes: Vec<Reason>,
    problems: Vec<&'a str>,
}

#[derive(Serialize)]
struct MemberJson {
    path: String,
    slot: Option<u32>,
    events: u64,
    size_bytes: Option<u64>,
}

#[derive(Serialize)]
struct ArrayJson<'a> {
    path: Option<String>,
    uuid: &'a str,
    level: &'a str,
    members: u32,
    vacant_slots: &'a [u32],
    events: u64,
}

#[derive(Serialize)]
struct CopyJson<'a> {
    path: &'a str,
    copy_bytes: u64,
}

#[derive(Serialize)]
struct VerifyJson<'a> {
    extent: &'static str,
    error: Option<&'a str>,
    unmarked_chunks: Option<u64>,
    chosen_chunks: Option<u64>,
    compared_chunks: Option<u64>,
    compared_bytes: Option<u64>,
    differing_chunks: Option<u64>,
    first_differing_chunks: Vec<u64>,
    marked_meanwhile_chunks: Option<u64>,
    unreadable_chunks: Option<u64>,
    unsettled: Option<&'a str>,
    marked_differing_chunks: Option<u64>,
    confidence_percent: Option<f64>,
}

#[derive(Serialize)]
struct ScanJson<'a> {
    devices: u64,
    found: &'a [String],
    unreadable: &'a [String],
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    schema: u32,
    error: ErrorJson<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    kind: &'static str,
    message: &'a str,
}

/// Writes the answer as one line of JSON.
///
/// # Errors
/// What `out` reports.
pub fn write_checked(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let (judgement, array) = (&checked.judgement, &checked.array);
    let root = Root {
        schema: SCHEMA,
        would_use_bitmap: checked.would_use_bitmap(),
        verdict: checked.safety().name(),
        copy_bytes: checked.copying.bytes,
        reasons: reasons(checked),
        entry: judgement.entry.name(),
        member: MemberJson {
            path: checked.device.to_string_lossy().into_owned(),
            slot: judgement.slot,
            events: judgement.device_events.0,
            size_bytes: checked.copying.member_bytes,
        },
        array: ArrayJson {
            path: (array.running.as_ref()).map(|path| path.to_string_lossy().into_owned()),
            uuid: &array.uuid,
            level: &array.level,
            members: array.members,
            vacant_slots: &array.vacant,
            events: array.events.0,
        },
        events_cleared: judgement.events_cleared.map(|events| events.0),
        copy_bytes_by_copy: (checked.copying.by_copy.iter())
            .map(|(path, copy_bytes)| CopyJson {
                path,
                copy_bytes: *copy_bytes,
            })
            .collect(),
        verify: checked.verified.as_ref().map(verify),
        scan: checked.scanned.as_ref().map(scan),
        notes: judgement.notes.clone(),
        problems: (checked.problems.iter())
            .map(|problem| problem.message.as_str())
            .collect(),
    };
    write_line(out, &root)
}

/// Writes why there is no answer.
///
/// # Errors
/// What `out` reports.
pub fn write_refusal(out: &mut dyn Write, refusal: &Refusal) -> io::Result<()> {
    let message = refusal.to_string();
    let error = ErrorJson {
        kind: refusal.kind(),
        message: &message,
    };
    write_line(
        out,
        &RefusedJson {
            schema: SCHEMA,
            error,
        },
    )
}

fn write_line(out: &mut dyn Write, root: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, root)?;
    out.write_all(b"\n")
}

/// Why the bitmap would not be used, and what speaks against using it.
fn reasons(checked: &Checked) -> Vec<Reason> {
    let mut reasons = checked.judgement.obstacles.clone();
    reasons.extend(
        checked
            .judgement
            .evidence
            .iter()
            .map(|one| one.reason.clone()),
    );
    let verified = checked.verified.as_ref();
    let found = verified.and_then(|verified| verified.outcome.as_ref().ok());
    if let Some(found) = found.filter(|found| found.differing_chunks > 0) {
        reasons.push(Reason::new(
            "difference-found",
            super::readd_text::difference(found),
        ));
    }
    reasons
}

fn verify(verified: &Verified) -> VerifyJson<'_> {
    let found = verified.outcome.as_ref().ok();
    let number = |of: fn(&Verification) -> u64| found.map(of);
    VerifyJson {
        extent: verified.extent.name(),
        error: verified.outcome.as_ref().err().map(String::as_str),
        unmarked_chunks: number(|found| found.unmarked_chunks),
        chosen_chunks: number(|found| found.chosen_chunks),
        compared_chunks: number(|found| found.compared_chunks),
        compared_bytes: number(|found| u64::try_from(found.compared_bytes).unwrap_or(u64::MAX)),
        differing_chunks: number(|found| found.differing_chunks),
        first_differing_chunks: found
            .map(|found| found.differing.iter().map(|chunk| chunk.0).collect())
            .unwrap_or_default(),
        marked_meanwhile_chunks: number(|found| found.marked_meanwhile),
        unreadable_chunks: number(|found| found.unreadable_chunks),
        unsettled: found.and_then(|found| found.unsettled.as_deref()),
        marked_differing_chunks: found.and_then(|found| found.marked_differing_chunks),
        confidence_percent: found.map(|found| found.confidence_percent),
    }
}

fn scan(scanned: &Scanned) -> ScanJson<'_> {
    ScanJson {
        devices: scanned.looked_at,
        found: &scanned.found,
        unreadable: &scanned.unreadable,
    }
}
