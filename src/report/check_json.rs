//! The JSON of `check`: one object, one entry an array. Interface: schema 1.

use crate::check::{Finding, Severity};
use crate::commands::check::{ArrayReport, Checked, Failed};
use serde::Serialize;
use std::io::{self, Write};

/// The number that a change of meaning of any key raises.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Root<'a> {
    schema: u32,
    arrays: Vec<ArrayJson<'a>>,
    failed: Vec<FailedJson<'a>>,
}

#[derive(Serialize)]
struct ArrayJson<'a> {
    title: &'a str,
    uuid: Option<&'a str>,
    devices: &'a [String],
    worst: Option<Severity>,
    findings: Vec<&'a Finding>,
    unchecked: &'a [String],
    conclusion: &'a str,
}

#[derive(Serialize)]
struct FailedJson<'a> {
    path: String,
    error: ErrorJson<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    kind: &'static str,
    message: &'a str,
}

/// Writes everything as one line of JSON; findings from `least` up.
///
/// # Errors
/// What `out` reports.
pub fn write_checked(out: &mut dyn Write, checked: &Checked, least: Severity) -> io::Result<()> {
    let root = Root {
        schema: SCHEMA,
        arrays: checked.arrays.iter().map(|a| array(a, least)).collect(),
        failed: checked.failed.iter().map(failed).collect(),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}

/// The reports of arrays as a part of something larger; findings from `least` up.
pub fn arrays_json(arrays: &[ArrayReport], least: Severity) -> impl Serialize + '_ {
    let all = arrays.iter().map(|one| array(one, least));
    all.collect::<Vec<_>>()
}

fn array(array: &ArrayReport, least: Severity) -> ArrayJson<'_> {
    let shown = array
        .findings
        .iter()
        .filter(|finding| finding.severity >= least);
    ArrayJson {
        title: &array.title,
        uuid: array.uuid.as_deref(),
        devices: &array.devices,
        worst: array.worst(),
        findings: shown.collect(),
        unchecked: &array.unchecked,
        conclusion: &array.conclusion,
    }
}

fn failed(failed: &Failed) -> FailedJson<'_> {
    FailedJson {
        path: failed.path.to_string_lossy().into_owned(),
        error: ErrorJson {
            kind: failed.problem.kind.name(),
            message: &failed.problem.message,
        },
    }
}
