//! What is going to be written, before anything is: ranges of bytes on devices, in steps.
//!
//! A step is done, on every device, before the next one begins: device by device its writes, a flush, and a look
//! at what is on the device now (design.md W2, W16). So at every moment of a power cut at most the writes of one
//! step on one device are undecided.

use super::content::{Content, Digest};
use crate::device::{Store, StoreError};
use crate::units::Bytes;
use std::ops::Range;

pub use crate::format::undo::Part;

/// Up to this many bytes the old content of a write is kept, shown by a dry run, and compared byte by byte; of a
/// longer one a digest is.
pub const SHOWN_BYTES: u64 = 1 << 20;

/// Writes begin and end at multiples of this: no device changes less at a time, so no write touches a byte that
/// is not in the plan.
pub const UNIT: u64 = 512;

/// Everything that a command is going to write.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The devices, in the order in which each step takes them.
    pub devices: Vec<PlanDevice>,
    /// The steps, in order; none when there is nothing to do.
    pub steps: Vec<Step>,
    /// Places that must stay as they are if the plan is to be undone later: the superblocks and bitmap headers of
    /// all members, written to or not (design.md W14).
    pub guards: Vec<Guard>,
}

/// A device of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDevice {
    /// Its path.
    pub name: String,
    /// Its length.
    pub len: Bytes,
    /// Its own UUID, where it has one: how it is known again when its name has changed.
    pub uuid: Option<[u8; 16]>,
}

/// Writes that may become durable in any order.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it is for, in a few words.
    pub title: String,
    /// Ascending by device; on each device apart from each other.
    pub writes: Vec<Write>,
}

/// Bytes on one device.
#[derive(Debug, Clone)]
pub struct Write {
    /// Which of the plan's devices.
    pub device: usize,
    /// First byte.
    pub start: Bytes,
    /// What lies there.
    pub part: Part,
    /// What is there when the step begins.
    pub old: Old,
    /// What is to be there.
    pub new: Content,
}

/// A place that a plan relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Which of the plan's devices.
    pub device: usize,
    /// First byte.
    pub start: Bytes,
    /// What is there before the first step.
    pub bytes: Vec<u8>,
}

/// What a write replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old {
    /// These bytes.
    Bytes(Vec<u8>),
    /// More than are kept: their digest.
    Long(u64),
}

impl Write {
    /// The bytes of the device that it takes.
    pub fn range(&self) -> Range<u64> {
        self.start.0..self.start.0.saturating_add(self.new.len())
    }
}

impl Plan {
    /// True when nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.writes.is_empty())
    }

    /// Bytes that are written, all steps together.
    pub fn bytes(&self) -> u64 {
        let writes = self.steps.iter().flat_map(|step| &step.writes);
        writes.map(|write| write.new.len()).sum()
    }

    /// The first thing wrong with the plan itself: every write lies on its device, in whole units, and apart from
    /// the others of its step; steps take the devices in order; a write whose old content is known by its digest alone
    /// lies where no earlier step wrote.
    pub fn flaw(&self) -> Option<String> {
        let mut earlier: Vec<(usize, Range<u64>)> = Vec::new();
        for step in &self.steps {
            let mut last: Option<(usize, u64)> = None;
            for write in &step.writes {
                let (device, range) = (write.device, write.range());
                let flawed = |what: &str| {
                    let title = &step.title;
                    Some(format!(
                        "step \"{title}\", device {device}, bytes {}..{}: {what}",
                        range.start, range.end
                    ))
                };
                let Some(known) = self.devices.get(device) else {
                    return flawed("no such device");
                };
                if range.is_empty() || range.end > known.len.0 {
                    return flawed("not on the device");
                }
                if range.start % UNIT != 0 || range.end % UNIT != 0 {
                    return flawed("not in whole sectors");
                }
                if last.is_some_and(|last| (device, range.start) < last) {
                    return flawed("out of order, or on another write");
                }
                last = Some((device, range.end));
                let long = match &write.old {
                    Old::Bytes(bytes) if bytes.len() as u64 != write.new.len() => {
                        return flawed("old and new are of different length");
                    }
                    Old::Bytes(_) => false,
                    Old::Long(_) => true,
                };
                let touches = |(other, taken): &(usize, Range<u64>)| {
                    *other == device && taken.start < range.end && range.start < taken.end
                };
                if long && earlier.iter().any(touches) {
                    return flawed("a long write on an earlier one");
                }
            }
            let taken = step
                .writes
                .iter()
                .map(|write| (write.device, write.range()));
            earlier.extend(taken);
        }
        None
    }
}

/// What a range of a store holds now, as a write of that length replaces it.
///
/// # Errors
/// Those of reading.
pub fn old_content(store: &dyn Store, start: Bytes, len: u64) -> Result<Old, StoreError> {
    if len <= SHOWN_BYTES {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        store.read_at(start, &mut bytes)?;
        return Ok(Old::Bytes(bytes));
    }
    let mut digest = Digest::default();
    read_pieces(store, start, len, |_, piece| {
        digest.update(piece);
        Ok::<_, StoreError>(())
    })?;
    Ok(Old::Long(digest.value()))
}

/// Reads a range piece by piece: where in the range each starts, and its bytes.
///
/// # Errors
/// Those of reading, and the first that `each` gives.
pub fn read_pieces<E: From<StoreError>>(
    store: &dyn Store,
    start: Bytes,
    len: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let piece = super::content::PIECE;
    let mut buffer = vec![0; piece.min(usize::try_from(len).unwrap_or(piece))];
    let mut at = 0;
    while at < len {
        let now = usize::try_from(len - at).unwrap_or(piece).min(piece);
        let part = buffer.get_mut(..now).unwrap_or_default();
        store.read_at(Bytes(start.0.saturating_add(at)), part)?;
        each(at, part)?;
        at += now as u64;
    }
    Ok(())
}
