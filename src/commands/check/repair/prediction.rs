//! What the next start of the array does, by what a plan would leave on its members.

use crate::array::FoundSuper;
use crate::array::load::{self, Assembled, Present};
use crate::array::membership::Standing;
use crate::change::plan::Plan;
use crate::change::stopped::cannot_know;
use crate::change::{PlanError, StoppedArray, preview};
use crate::device::Store;

/// What the kernel would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prediction {
    /// The array starts.
    pub starts: bool,
    /// Bytes that are synchronised between members in sync; `None` where that cannot be told.
    pub resync_bytes: Option<u64>,
    /// Why that much, or why it does not start.
    pub why: String,
    /// Spares that are filled, by name.
    pub recovers: Vec<String>,
}

impl Prediction {
    /// What the kernel would do after `plan`.
    ///
    /// # Errors
    /// [`PlanError::Store`] when something cannot be read; [`PlanError::Refused`] when it would depend on which member's
    /// copy is read, which no repair may leave.
    pub fn of(array: &StoppedArray<'_>, plan: &Plan) -> Result<Prediction, PlanError> {
        let stores: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
        let previews = preview(plan, &stores);
        let views: Vec<&dyn Store> = previews.iter().map(|view| view as &dyn Store).collect();
        let after = StoppedArray::read(&views)?;
        let present = |(place, device): (usize, &crate::change::stopped::Device<'_>)| {
            let copy = after.copies.iter().find(|copy| copy.device == place);
            (device.found.clone(), copy)
        };
        let devices: Vec<(FoundSuper, _)> = after.devices.iter().enumerate().map(present).collect();
        let presents: Vec<Present<'_>> = devices
            .iter()
            .map(|(found, copy)| Present {
                found,
                bitmap: copy.and_then(|copy| copy.bitmap.as_ref().ok()),
                counts: None,
            })
            .collect();
        let assembled = load::load(&presents)
            .map_err(|error| PlanError::refuse("not-one-array", error.to_string()))?;
        predicted(&after, assembled)
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        let told = match (self.starts, self.resync_bytes) {
            (false, _) => return format!("the array does not start: {}", self.why),
            (true, Some(0)) => format!("the next start resynchronises nothing: {}", self.why),
            (true, Some(bytes)) => {
                format!("the next start resynchronises {bytes} bytes: {}", self.why)
            }
            (true, None) => format!(
                "what the next start resynchronises cannot be told: {}",
                self.why
            ),
        };
        match self.recovers.is_empty() {
            true => told,
            false => format!("{told}; {} is filled", self.recovers.join(", ")),
        }
    }
}

fn predicted(after: &StoppedArray<'_>, assembled: Assembled) -> Result<Prediction, PlanError> {
    if let Some(member) = assembled.differing().next() {
        return Err(PlanError::refuse(
            "plan-flawed",
            format!(
                "{}: its copy of the bitmap would lead to something else than that of the others, which is a fault of this program",
                after.name(member)
            ),
        ));
    }
    let spares = after
        .devices
        .iter()
        .filter(|device| device.standing == Standing::Spare && !after.membership.vacant.is_empty());
    let mut prediction = Prediction {
        starts: assembled.starts(),
        recovers: spares
            .take(after.membership.vacant.len())
            .map(|device| device.store.name().to_owned())
            .collect(),
        ..Prediction::default()
    };
    let reading = assembled.readings.into_iter().next();
    match reading.map(|reading| reading.verdict).transpose() {
        Err(error) => return Err(cannot_know(error.into())),
        Ok(Some(verdict)) => {
            let reasons = assembled.obstacles.iter().chain(&verdict.reasons);
            let reasons: Vec<&str> = reasons.map(|reason| reason.sentence.as_str()).collect();
            prediction.resync_bytes = verdict.resync_bytes;
            prediction.why = match prediction.starts {
                true => verdict.resync_why,
                false => reasons.join("; "),
            };
        }
        Ok(None) => without_bitmap(after, &mut prediction)?,
    }
    Ok(prediction)
}

/// Without a bitmap, all is synchronised that is left to be.
fn without_bitmap(after: &StoppedArray<'_>, prediction: &mut Prediction) -> Result<(), PlanError> {
    let (bytes, why) = match after.array()?.resync_offset {
        None => (Some(0), "the array was stopped cleanly"),
        Some(at) => {
            let left = after.sync_size().0.saturating_sub(at.0);
            (
                left.checked_mul(crate::units::SECTOR_BYTES),
                "it has no bitmap, and was not stopped cleanly",
            )
        }
    };
    prediction.resync_bytes = bytes;
    prediction.why = why.to_owned();
    Ok(())
}
