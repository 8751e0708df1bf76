//! Carries a plan out: look, write, flush, look again.

use super::content::{Content, Digest};
use super::plan::{Old, Plan, Step, Write, read_pieces};
use crate::device::{Store, StoreError};
use crate::units::Bytes;

/// Why a plan was not carried out to its end.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct ExecuteError {
    /// Steps that were done completely before.
    pub done: usize,
    /// Steps of the plan.
    pub steps: usize,
    /// What the step is for in which it happened.
    pub title: String,
    /// False while it is certain that nothing was written at all.
    pub written: bool,
    /// What happened.
    pub cause: Cause,
}

/// What kept a step from being done.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A device failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else wrote there since the plan was made.
    #[error(
        "{device}: bytes {start}..{end} do not hold what they held when this was planned: something else writes to this device"
    )]
    NotAsPlanned {
        /// The device.
        device: String,
        /// First byte.
        start: u64,
        /// First byte behind.
        end: u64,
    },
    /// The device holds something else than was written to it.
    #[error(
        "{device}: bytes {start}..{end} were written and flushed, and hold something else now: this device cannot be trusted"
    )]
    NotWritten {
        /// The device.
        device: String,
        /// First byte.
        start: u64,
        /// First byte behind.
        end: u64,
    },
    /// The plan contradicts itself; nothing was written.
    #[error("the plan is flawed, which is a fault of this program: {flaw}")]
    Flawed {
        /// What is wrong.
        flaw: String,
    },
}

impl ExecuteError {
    fn text(&self) -> String {
        let Self {
            done,
            steps,
            title,
            cause,
            ..
        } = self;
        let step = done.saturating_add(1).min(*steps);
        match self.written {
            false => format!("{cause}; nothing was written"),
            true => format!(
                "{cause}; this was step {step} of {steps} ({title}), those before it are done"
            ),
        }
    }
}

/// Carries `plan` out on `stores`, which are its devices in their order. `begin` is told of each step.
///
/// Each write is preceded by a look at whether its place still holds what the plan says, and followed, once the
/// device was flushed, by a look at whether it holds what was written (design.md promise 4). The first failure ends
/// it: every state that this can leave is one that a power cut could leave.
///
/// # Errors
/// [`ExecuteError`].
pub fn execute(
    plan: &Plan,
    stores: &[&dyn Store],
    mut begin: impl FnMut(usize, &Step),
) -> Result<(), ExecuteError> {
    let mut written = false;
    let failed = |done: usize, written: bool, cause: Cause| ExecuteError {
        done,
        steps: plan.steps.len(),
        title: plan
            .steps
            .get(done)
            .map(|step| step.title.clone())
            .unwrap_or_default(),
        written,
        cause,
    };
    if let Some(flaw) = flaw(plan, stores) {
        return Err(failed(0, false, Cause::Flawed { flaw }));
    }
    // What the plan was made from may be in caches that a power cut empties: data that is equal, so that marks can go
    // (design.md W6), or what a step would not write because it is there already.
    if !plan.is_empty() {
        for store in stores {
            store
                .flush()
                .map_err(|error| failed(0, false, Cause::Store(error)))?;
        }
    }
    for (number, step) in plan.steps.iter().enumerate() {
        begin(number, step);
        for writes in step.writes.chunk_by(|a, b| a.device == b.device) {
            let store = writes.first().and_then(|write| stores.get(write.device));
            let Some(store) = store else { continue };
            on_device(*store, writes, &mut written)
                .map_err(|cause| failed(number, written, cause))?;
        }
    }
    Ok(())
}

fn flaw(plan: &Plan, stores: &[&dyn Store]) -> Option<String> {
    if stores.len() != plan.devices.len() {
        return Some(format!(
            "{} devices, {} expected",
            stores.len(),
            plan.devices.len()
        ));
    }
    let wrong = plan
        .devices
        .iter()
        .zip(stores)
        .find(|(known, store)| known.len != store.len());
    if let Some((known, store)) = wrong {
        return Some(format!(
            "{} has {} bytes, {} expected",
            known.name,
            store.len(),
            known.len
        ));
    }
    plan.flaw()
}

/// The writes of one step to one device.
fn on_device(store: &dyn Store, writes: &[Write], written: &mut bool) -> Result<(), Cause> {
    for write in writes {
        if !holds_old(store, write)? {
            let range = write.range();
            return Err(Cause::NotAsPlanned {
                device: store.name().to_owned(),
                start: range.start,
                end: range.end,
            });
        }
    }
    for write in writes {
        *written = true;
        write
            .new
            .pieces(|at, piece| store.write_at(Bytes(write.start.0.saturating_add(at)), piece))?;
    }
    store.flush()?;
    for write in writes {
        if let Some(at) = first_difference(store, write.start, &write.new)? {
            let start = write.start.0.saturating_add(at);
            return Err(Cause::NotWritten {
                device: store.name().to_owned(),
                start,
                end: write.range().end,
            });
        }
    }
    Ok(())
}

fn holds_old(store: &dyn Store, write: &Write) -> Result<bool, StoreError> {
    match &write.old {
        Old::Bytes(old) => {
            let mut now = vec![0; old.len()];
            store.read_at(write.start, &mut now)?;
            Ok(now == *old)
        }
        Old::Long(old) => {
            let mut digest = Digest::default();
            read_pieces(store, write.start, write.new.len(), |_, piece| {
                digest.update(piece);
                Ok::<_, StoreError>(())
            })?;
            Ok(digest.value() == *old)
        }
    }
}

/// The first piece, by its place in `content`, in which a store does not hold `content`.
///
/// # Errors
/// Those of reading.
pub fn first_difference(
    store: &dyn Store,
    start: Bytes,
    content: &Content,
) -> Result<Option<u64>, StoreError> {
    let mut found = None;
    let mut expected = Vec::new();
    read_pieces(store, start, content.len(), |at, piece| {
        expected.resize(piece.len(), 0);
        content.read(at, &mut expected);
        if found.is_none() && expected != piece {
            let differs = expected.iter().zip(piece).position(|(a, b)| a != b);
            found = Some(at.saturating_add(differs.unwrap_or_default() as u64));
        }
        Ok::<_, StoreError>(())
    })?;
    Ok(found)
}
