//! What mdbitmap predicts of a case.

use crate::cases::Case;
use mdbitmap::array::load::{Assembled, Present, Reading, load};
use mdbitmap::array::membership::Standing;
use mdbitmap::array::verdict::{BitLoad, Load, Scope};
use mdbitmap::array::{FoundSuper, probe};
use mdbitmap::bitmap::Bitmap;
use mdbitmap::device::MemoryStore;
use mdbitmap::format::bit_array::BitOrder;
use serde_json::{Value, json};

/// The prediction, as JSON: it has to outlast the run of the guest.
pub fn predict(case: &Case, kernel: &str) -> Value {
    let stores: Vec<MemoryStore> = case
        .images
        .iter()
        .map(|image| MemoryStore::new("member", image.clone()).with_blocks(512, 512))
        .collect();
    let supers: Vec<FoundSuper> = stores
        .iter()
        .map(|store| probe(store, None).found.remove(0))
        .collect();
    let bitmaps: Vec<Option<Bitmap<'_>>> = stores
        .iter()
        .zip(&supers)
        .map(|(store, found)| {
            let place = found.member.bitmap.as_ref().ok()?;
            Bitmap::open(store, place.start, BitOrder::Little).ok()
        })
        .collect();
    let present: Vec<Present<'_>> = supers
        .iter()
        .zip(&bitmaps)
        .map(|(found, bitmap)| Present {
            found,
            bitmap: bitmap.as_ref(),
            counts: None,
        })
        .collect();
    let assembled = match load(&present) {
        Ok(assembled) => assembled,
        Err(error) => return json!({ "starts": false, "why": error.to_string() }),
    };
    let standing = |standing: &Standing| match standing {
        Standing::Current { slot } => json!({ "current": slot }),
        Standing::Recovering { slot, .. } => json!({ "recovering": slot }),
        other => json!(format!("{other:?}")),
    };
    let standings: Vec<Value> = assembled
        .membership
        .standings()
        .iter()
        .map(standing)
        .collect();
    let mut value = json!({
        "starts": assembled.starts(),
        "standings": standings,
        "checkpoint": supers[assembled.membership.freshest()].member.resync_offset.map(|offset| offset.0),
        "obstacles": assembled.obstacles.iter().map(|reason| reason.name).collect::<Vec<_>>(),
        "differing": assembled.differing().collect::<Vec<_>>(),
    });
    let Some(reading) = assembled.reading() else {
        return value;
    };
    let Some(bitmap) = bitmaps[reading.member].as_ref() else {
        return value;
    };
    value["version"] = json!(bitmap.raw().version);
    if let Ok(verdict) = &reading.verdict {
        value["reader"] = json!(reading.member);
        value["trusted"] = json!(verdict.trusted);
        value["reasons"] = json!(
            verdict
                .reasons
                .iter()
                .map(|reason| reason.name)
                .collect::<Vec<_>>()
        );
        value["why"] = json!(verdict.resync_why);
    }
    value["resync"] = runs(&reading.scope, bitmap);
    let recoveries = reading.recoveries.iter();
    let recoveries = recoveries.map(
        |recovery| json!({ "member": recovery.member, "slot": recovery.slot, "from": recovery.from.0, "runs": runs(&recovery.scope, bitmap) }),
    );
    value["recoveries"] = recoveries.collect();
    name_disagreements(&mut value, &assembled, reading, bitmap, kernel);
    value
}

/// What some kernels do otherwise, by name; tests/vm/FINDINGS.md tells of each.
fn name_disagreements(
    value: &mut Value,
    assembled: &Assembled,
    reading: &Reading,
    bitmap: &Bitmap<'_>,
    kernel: &str,
) {
    let notes = reading
        .verdict
        .as_ref()
        .map_or(&[][..], |verdict| &verdict.notes);
    let noted = |name| notes.iter().any(|note| note.name == name);
    if noted("lockless-kernel") && kernel != "llbitmap" {
        value["starts"] = json!(false);
        value["named"] = json!("lockless-kernel");
    }
    if noted("raid10-lone-copy") && ["7", "llbitmap"].contains(&kernel) {
        // How far the resync gets is not predicted.
        value["named"] = json!("raid10-lone-copy");
        value["resync"] = Value::Null;
    }
    if noted("recovery-first") && ["6.1", "6.12"].contains(&kernel) {
        value["named"] = json!("recovery-first");
        value["resync"] = recovery_first(assembled, reading, bitmap);
    }
}

/// Kernels that recover first clear the bits from where the recovery begins, unless some slot stays vacant.
fn recovery_first(assembled: &Assembled, reading: &Reading, bitmap: &Bitmap<'_>) -> Value {
    let Some(Load::Bits(bits)) = reading.load else {
        return Value::Null;
    };
    // The recovery of raid10 begins at a sector of the member, not of the array.
    if reading
        .recoveries
        .iter()
        .any(|recovery| recovery.scope == Scope::Unknown)
    {
        return Value::Null;
    }
    let by_bits = Load::Bits(BitLoad { all: false, ..bits }).scope();
    let Value::Array(runs) = runs(&by_bits, bitmap) else {
        return Value::Null;
    };
    let held = assembled
        .membership
        .standings()
        .iter()
        .filter(|standing| standing.is_current())
        .count();
    let slots = assembled.membership.vacant.len() + assembled.membership.missing.len();
    let begins = reading
        .recoveries
        .iter()
        .map(|recovery| recovery.from.0)
        .min();
    let still_vacant = slots
        > reading
            .recoveries
            .iter()
            .filter(|recovery| assembled.membership.standing(recovery.member) == Standing::Spare)
            .count();
    if still_vacant || held == 0 {
        return Value::from(runs);
    }
    let chunk = bits.coverage.chunk_bytes() / 512;
    let begins = begins.unwrap_or(0) / chunk.max(1) * chunk;
    let kept = runs.into_iter().filter_map(|run| {
        let (start, end) = (run[0].as_u64()?, run[1].as_u64()?.min(begins));
        (start < end).then(|| json!([start, end]))
    });
    kept.collect()
}

/// The sectors, as the bitmap counts, of a scope; null where they are not known.
fn runs(scope: &Scope, bitmap: &Bitmap<'_>) -> Value {
    let Ok(Some(runs)) = scope.runs(bitmap) else {
        return Value::Null;
    };
    let Some(coverage) = scope.coverage() else {
        return json!([]);
    };
    let sectors = runs.map(|run| {
        let bytes = coverage.bytes_of(&run.expect("a store in memory can be read"));
        json!([(bytes.start / 512) as u64, (bytes.end / 512) as u64])
    });
    sectors.collect()
}
