//! Taking a change back (design.md W14): what it overwrites is kept in an undo file before anything is written, and
//! put back, step by step in reverse, from every state that a crash can leave.
//!
//! [`save`] makes the file from a plan, [`UndoFile::open`] reads it, [`assign`] finds its devices among stores, [`judge`]
//! says how far the change has come on them, and [`revert`] takes it back. [`Before`] shows a device as it would be then.
//! All of it works on plain stores, and an undo file may lie in memory:
//!
//! ```
//! use mdbitmap::change::undo::{self, About, UndoFile, What};
//! # use mdbitmap::change::content::Content;
//! # use mdbitmap::change::plan::{Old, Part, Plan, PlanDevice, Step, Write};
//! use mdbitmap::device::{MemoryStore, Store};
//! use std::sync::Arc;
//! # use mdbitmap::units::Bytes;
//! # let disk = MemoryStore::zeroed("disk", 1024);
//! # let write = Write { device: 0, start: Bytes(0), part: Part::Superblock, old: Old::Bytes(vec![0; 512]), new: Content::bytes(vec![1; 512]) };
//! # let plan = Plan {
//! #     devices: vec![PlanDevice { name: "disk".into(), len: Bytes(1024), uuid: None }],
//! #     steps: vec![Step { title: "test".into(), writes: vec![write] }],
//! #     guards: vec![],
//! # };
//! // Before the plan is executed:
//! let about = About { what: What::Metadata, made: 0, array_uuid: [0; 16], verb: "grow".into(), array: String::new(), program: String::new(), sentences: vec![] };
//! let mut bytes = Vec::new();
//! undo::save(&about, &plan, &[&disk], &[], &mut bytes)?;
//! // Once for all crash states:
//! let file = UndoFile::open(Arc::new(MemoryStore::new("undo", bytes)))?;
//! // For each of them; its stores come in any order.
//! # disk.write_at(Bytes(0), &[1; 512])?;
//! let taken = undo::take_back(&file, &[&disk])?;
//! assert!(taken.state.is_begun());
//! # assert_eq!(disk.contents(), [0; 1024]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Opening reads the file once; judging and reverting read the contents of the writes again, those of up to 64 KiB from
//! memory. A judgement reads every byte of the plan on every device once. Nothing is written that holds already what it is to
//! hold, so taking back a change that was not begun costs no write.

mod assign;
mod before;
mod contents;
mod judge;
mod open;
mod revert;
mod save;
mod sweep;
#[cfg(test)]
mod tests;

pub use crate::format::undo::{About, What};
pub use assign::{AssignError, assign};
pub use before::{Before, before};
pub use judge::{Foreign, JudgeError, Judgement, Reach, State, judge, judge_some};
pub use open::{FileCause, FileError, SavedDevice, SavedGroup, SavedWrite, UndoFile};
pub use revert::{RevertCause, RevertError, revert};
pub use save::{SaveError, save};

use crate::device::Store;

/// What became of a change that was to be taken back.
#[derive(Debug)]
pub struct TakenBack {
    /// How far it had come.
    pub state: State,
    /// Bytes that were written.
    pub bytes: u64,
}

/// Why a change was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum TakeBackError {
    /// Its devices are not these.
    #[error(transparent)]
    Assign(#[from] AssignError),
    /// It could not be judged.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// Something else has changed the devices since.
    #[error("{}", foreign_lines(.0))]
    Foreign(Vec<Foreign>),
    /// It was taken back in part.
    #[error(transparent)]
    Revert(#[from] RevertError),
}

fn foreign_lines(all: &[Foreign]) -> String {
    let lines: Vec<String> = all.iter().map(Foreign::to_string).collect();
    lines.join("\n")
}

/// Takes the change of `file` back on its devices, which are all among `stores`.
///
/// # Errors
/// [`TakeBackError`]; only with the last one was anything written.
pub fn take_back(file: &UndoFile, stores: &[&dyn Store]) -> Result<TakenBack, TakeBackError> {
    let places = assign(file, stores)?;
    let stores: Vec<&dyn Store> = places
        .iter()
        .filter_map(|place| stores.get(*place).copied())
        .collect();
    let judgement = judge(file, &stores)?;
    if let State::Foreign(all) = judgement.state {
        return Err(TakeBackError::Foreign(all));
    }
    let bytes = revert(file, &stores, &judgement)?;
    Ok(TakenBack {
        state: judgement.state,
        bytes,
    })
}
