//! What `check --repair` found, did and left, for programs. Interface: schema 1.

use super::{change_json, check_json};
use crate::check::Severity;
use crate::commands::check::repair::{Prediction, Repaired};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Root<B: Serialize, C: Serialize> {
    schema: u32,
    before: B,
    change: C,
    prediction: Option<PredictionJson>,
    after: B,
}

#[derive(Serialize)]
struct PredictionJson {
    starts: bool,
    resync_bytes: Option<u64>,
    why: String,
    recovers: Vec<String>,
}

/// Everything as one line; findings from `least` up.
///
/// # Errors
/// What `out` reports.
pub fn write_repaired(out: &mut dyn Write, repaired: &Repaired, least: Severity) -> io::Result<()> {
    let root = Root {
        schema: 1,
        before: check_json::arrays_json(&repaired.before, least),
        change: change_json::changed_json(&repaired.changed),
        prediction: repaired.prediction.as_ref().map(prediction),
        after: check_json::arrays_json(&repaired.after, least),
    };
    serde_json::to_writer(&mut *out, &root)?;
    out.write_all(b"\n")
}

fn prediction(prediction: &Prediction) -> PredictionJson {
    PredictionJson {
        starts: prediction.starts,
        resync_bytes: prediction.resync_bytes,
        why: prediction.why.clone(),
        recovers: prediction.recovers.clone(),
    }
}
