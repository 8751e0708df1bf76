//! Puts back what a change has overwritten: its groups in reverse, each looked at, written, flushed, looked at again.
//!
//! Since groups are taken back in the reverse order, every state on the way is one that the change itself went through, or
//! could have been interrupted in: whatever holds of a crash of the change, holds of a crash of its undoing (W1 too).

use super::contents::Cursor;
use super::judge::{JudgeError, Judgement, Reach, State, judge};
use super::open::{FileError, SavedGroup, SavedWrite, UndoFile};
use crate::change::content::PIECE;
use crate::change::execute::Cause;
use crate::device::{Store, StoreError};
use crate::format::undo::SECTOR;
use crate::units::Bytes;

/// Why a change was not taken back to its end.
#[derive(Debug, thiserror::Error)]
#[error("{cause}{}", self.left())]
pub struct RevertError {
    /// False while it is certain that nothing was written at all.
    pub written: bool,
    /// The step in which it happened, by its title.
    pub title: String,
    /// What happened.
    pub cause: RevertCause,
}

/// What kept a change from being taken back.
#[derive(Debug, thiserror::Error)]
pub enum RevertCause {
    /// Something on a device.
    #[error(transparent)]
    Device(#[from] Cause),
    /// Something about the undo file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The devices are not as they should be afterwards.
    #[error("the change was put back, and the devices hold something else than before it")]
    NotBefore,
}

impl RevertError {
    fn left(&self) -> String {
        match (self.written, self.title.as_str()) {
            (false, _) => "; nothing was written".to_owned(),
            (true, "") => String::new(),
            (true, title) => format!("; this was while the step \"{title}\" was taken back"),
        }
    }
}

impl From<StoreError> for RevertCause {
    fn from(error: StoreError) -> Self {
        RevertCause::Device(Cause::Store(error))
    }
}

/// Takes the change of `file` back on `stores`, its devices in their order, of which `judgement` was just made; gives the
/// number of bytes written. Nothing is written where `judgement` finds nothing to take back, or something foreign.
///
/// # Errors
/// [`RevertError`].
pub fn revert(
    file: &UndoFile,
    stores: &[&dyn Store],
    judgement: &Judgement,
) -> Result<u64, RevertError> {
    if judgement.reach.is_none() {
        return Ok(0);
    }
    let mut written = 0;
    let failed = |written: u64, title: &str, cause: RevertCause| RevertError {
        written: written > 0,
        title: title.to_owned(),
        cause,
    };
    // What was read may be in caches that a power cut empties; what is not written again because it is there has to last.
    for store in stores {
        store.flush().map_err(|error| failed(0, "", error.into()))?;
    }
    let is_consistent = !matches!(
        judgement.state,
        State::Half(Reach {
            is_consistent: false,
            ..
        })
    );
    for group in file.to_take_back(judgement) {
        let Some(store) = stores.get(group.device) else {
            continue;
        };
        let title = file.titles.get(group.step).map_or("", String::as_str);
        let mut back = Back {
            file,
            store: *store,
            is_consistent,
            written: 0,
        };
        let done = back.group(group);
        written += back.written;
        done.map_err(|cause| failed(written, title, cause))?;
    }
    if !is_consistent {
        let after = judge(file, stores).map_err(|error| failed(written, "", of_judge(error)))?;
        if after.state != State::Before {
            return Err(failed(written, "", RevertCause::NotBefore));
        }
    }
    Ok(written)
}

fn of_judge(error: JudgeError) -> RevertCause {
    match error {
        JudgeError::Store(error) => error.into(),
        JudgeError::File(error) => RevertCause::File(error),
        JudgeError::Resync { .. } => RevertCause::NotBefore,
    }
}

/// What a sector holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// What was there before the write.
    Old,
    /// What was written.
    New,
    /// Something else, earlier.
    Other,
}

struct Back<'f> {
    file: &'f UndoFile,
    store: &'f dyn Store,
    is_consistent: bool,
    written: u64,
}

impl Back<'_> {
    fn group(&mut self, group: &SavedGroup) -> Result<(), RevertCause> {
        let writes = self.file.writes.get(group.writes.clone());
        let before = self.written;
        for write in writes.unwrap_or_default() {
            self.put_back(write)?;
        }
        if self.written == before {
            return Ok(());
        }
        self.store.flush()?;
        for write in writes.unwrap_or_default() {
            self.look(write)?;
        }
        Ok(())
    }

    fn put_back(&mut self, write: &SavedWrite) -> Result<(), RevertCause> {
        let (store, is_consistent) = (self.store, self.is_consistent);
        let mut written = self.written;
        let result = walk(self.file, store, write, |at, holds, old| {
            if is_consistent && let Some(number) = position(holds, Holds::Other) {
                return Err(not_as_judged(store, at, number).into());
            }
            // Sectors beside each other in one request.
            let mut number = 0;
            for run in holds.chunk_by(|a, b| a == b) {
                let start = number * SECTOR;
                number += run.len();
                let bytes = old.get(start..(number * SECTOR).min(old.len()));
                if let (Some(Holds::New), Some(bytes)) = (run.first(), bytes) {
                    // Counted before: a failed write may have changed something.
                    written += bytes.len() as u64;
                    store.write_at(Bytes(at.saturating_add(start as u64)), bytes)?;
                }
            }
            Ok(())
        });
        self.written = written;
        result
    }

    /// What was written has to be there now.
    fn look(&self, write: &SavedWrite) -> Result<(), RevertCause> {
        walk(self.file, self.store, write, |at, holds, _| {
            let wrong = position(holds, Holds::New)
                .or_else(|| position(holds, Holds::Other).filter(|_| self.is_consistent));
            match wrong {
                None => Ok(()),
                Some(number) => {
                    let start = at.saturating_add((number * SECTOR) as u64);
                    Err(RevertCause::Device(Cause::NotWritten {
                        device: self.store.name().to_owned(),
                        start,
                        end: start.saturating_add(SECTOR as u64),
                    }))
                }
            }
        })
    }
}

fn position(holds: &[Holds], what: Holds) -> Option<usize> {
    holds.iter().position(|found| *found == what)
}

fn not_as_judged(store: &dyn Store, at: u64, number: usize) -> Cause {
    let start = at.saturating_add((number * SECTOR) as u64);
    Cause::NotAsPlanned {
        device: store.name().to_owned(),
        start,
        end: start.saturating_add(SECTOR as u64),
    }
}

/// Walks through a write, piece by piece: where on the device it begins, what its sectors hold, and what was there before.
fn walk(
    file: &UndoFile,
    store: &dyn Store,
    write: &SavedWrite,
    mut each: impl FnMut(u64, &[Holds], &[u8]) -> Result<(), RevertCause>,
) -> Result<(), RevertCause> {
    let mut olds = Cursor::new(file, &write.old);
    let mut news = Cursor::new(file, &write.new);
    let (mut now, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = write.range.start;
    while at < write.range.end {
        let left = write.range.end - at;
        let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        for buffer in [&mut now, &mut old, &mut new] {
            buffer.resize(len, 0);
        }
        store.read_at(Bytes(at), &mut now)?;
        olds.read(at - write.range.start, &mut old)?;
        news.read(at - write.range.start, &mut new)?;
        let sectors = now.chunks(SECTOR).zip(old.chunks(SECTOR));
        let holds: Vec<Holds> = sectors
            .zip(new.chunks(SECTOR))
            .map(|((now, old), new)| match (now == old, now == new) {
                (true, _) => Holds::Old,
                (false, true) => Holds::New,
                (false, false) => Holds::Other,
            })
            .collect();
        each(at, &holds, &old)?;
        at = at.saturating_add(len as u64);
    }
    Ok(())
}
