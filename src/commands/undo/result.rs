//! How the taking back of a change ended.

use crate::change::HoldError;
use crate::change::plan::Part;
use crate::change::undo::{
    About, AssignError, FileCause, FileError, Foreign, JudgeError, RevertError, State,
};
use crate::change::words::Difference;
use crate::commands::Status;
use crate::commands::offline::former::{of_revert, of_store};
use crate::device::StoreError;
use std::path::PathBuf;

/// How the taking back of a change ended.
#[derive(Debug, Default)]
pub struct Undone {
    /// The undo file.
    pub file: PathBuf,
    /// What the change was.
    pub about: Option<About>,
    /// The devices, by their present names, in the order of the change.
    pub devices: Vec<String>,
    /// How far the change had come.
    pub state: Option<State>,
    /// What is taken back, in that order.
    pub steps: Vec<BackStep>,
    /// Nothing was to be written.
    pub dry_run: bool,
    /// True when all of it was taken back, and read back.
    pub written: bool,
    /// Bytes that were written.
    pub bytes: u64,
    /// What the user should know beside.
    pub notes: Vec<String>,
    /// Why it did not come to its end.
    pub failure: Option<UndoFailure>,
}

/// A step that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackStep {
    /// What the step was for.
    pub title: String,
    /// The writes that put back what it overwrote.
    pub writes: Vec<BackWrite>,
}

/// Bytes that are put back; what holds the old bytes already is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackWrite {
    /// Which of the devices.
    pub device: usize,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// What lies there.
    pub part: Part,
    /// The fields that change, from what is there now.
    pub differences: Vec<Difference>,
}

/// Why a change was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoFailure {
    /// The undo file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The devices cannot be had.
    #[error("{error}{}", if *.by_itself { BY_NAME } else { "" })]
    Hold {
        /// Why.
        error: HoldError,
        /// They were not given.
        by_itself: bool,
    },
    /// They are not all there.
    #[error(transparent)]
    Assign(#[from] AssignError),
    /// One of them has nothing to do with it.
    #[error("{device}: was not a member of the array when the change was made; leave it out")]
    NotConcerned {
        /// The device.
        device: String,
    },
    /// They cannot be judged.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// Something else has changed them since.
    #[error("{}", foreign(.0))]
    Foreign(Vec<Foreign>),
    /// It was taken back in part.
    #[error("{0}")]
    Revert(#[from] RevertError),
}

const BY_NAME: &str =
    "; if the devices have other names now, give them all: mdbitmap undo FILE DEVICE...";

fn foreign(all: &[Foreign]) -> String {
    let mut lines: Vec<String> = all.iter().map(Foreign::to_string).collect();
    lines.push(
        "something else has written there since the change: a start of the array, or another change (a later one of mdbitmap has to be \
         taken back first, see mdbitmap undo --list); nothing was written, since old metadata beside newer data could pass differing \
         data for equal"
            .to_owned(),
    );
    lines.join("\n")
}

impl Undone {
    /// The exit status.
    pub fn status(&self) -> Status {
        self.failure
            .as_ref()
            .map_or(Status::Done, UndoFailure::status)
    }
}

impl UndoFailure {
    /// A stable name of what went wrong, in kebab case.
    pub fn name(&self) -> &'static str {
        match self {
            UndoFailure::File(_) => "undo-file-unfit",
            UndoFailure::Hold { .. } => "device-not-free",
            UndoFailure::Assign(AssignError::Missing { .. }) => "device-missing",
            UndoFailure::Assign(AssignError::Alike { .. }) => "member-copied",
            UndoFailure::NotConcerned { .. } => "device-not-concerned",
            UndoFailure::Foreign(_) => "changed-since",
            UndoFailure::Assign(AssignError::Judge(_)) | UndoFailure::Judge(_) => "not-readable",
            UndoFailure::Revert(_) => "half-way",
        }
    }

    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            UndoFailure::File(error) => of_file(error),
            UndoFailure::Hold {
                error: HoldError::Store(error),
                ..
            } => of_store(error),
            UndoFailure::Hold { .. }
            | UndoFailure::NotConcerned { .. }
            | UndoFailure::Foreign(_)
            | UndoFailure::Assign(AssignError::Missing { .. } | AssignError::Alike { .. }) => {
                Status::Refused
            }
            UndoFailure::Assign(AssignError::Judge(error)) | UndoFailure::Judge(error) => {
                match error {
                    JudgeError::Store(error) => of_store(error),
                    JudgeError::File(error) => of_file(error),
                    JudgeError::Resync { .. } => Status::Refused,
                }
            }
            UndoFailure::Revert(error) => of_revert(error),
        }
    }
}

fn of_file(error: &FileError) -> Status {
    match &error.cause {
        FileCause::Store(error @ StoreError::Read { .. }) => of_store(error),
        // Not there, damaged, contradictory: nothing was written.
        _ => Status::Refused,
    }
}

impl From<StoreError> for UndoFailure {
    fn from(error: StoreError) -> Self {
        UndoFailure::Judge(JudgeError::Store(error))
    }
}
