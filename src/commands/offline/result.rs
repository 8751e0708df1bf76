//! How a change of a stopped array ended.

use super::former::{FormerError, of_store};
use crate::change::execute::Cause;
use crate::change::{ExecuteError, HoldError, Left, PlanError, Planned};
use crate::commands::Status;
use crate::commands::undo_files::CreateError;
use std::path::PathBuf;

/// How a change of a stopped array ended.
#[derive(Debug, Default)]
pub struct Changed {
    /// The verb that was given.
    pub verb: &'static str,
    /// True when nothing was to be written.
    pub dry_run: bool,
    /// What was planned, when it came to that.
    pub planned: Option<Planned>,
    /// True when all of it was written and read back.
    pub written: bool,
    /// Where what was overwritten is kept.
    pub undo_file: Option<PathBuf>,
    /// A change that stopped half-way and that was taken back first, or would be.
    pub taken_back: Option<TakenBack>,
    /// What the user should know beside.
    pub notes: Vec<String>,
    /// After a change that stopped half-way: what state the array is in, and what can be done.
    pub ways_on: Vec<String>,
    /// Why it did not come to its end.
    pub failure: Option<Failure>,
}

/// A change that stopped half-way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// Verb, time, undo file.
    pub what: String,
    /// Its undo file.
    pub undo_file: PathBuf,
}

/// Why a change did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file that was given beside cannot be used.
    #[error("{message}")]
    Input {
        /// Which, and why.
        message: String,
        /// The exit status that it calls for.
        status: Status,
    },
    /// The devices could not be had.
    #[error(transparent)]
    Hold(HoldError),
    /// It was refused, or something could not be read.
    #[error(transparent)]
    Plan(PlanError),
    /// A change that stopped half-way could not be taken back.
    #[error(transparent)]
    Former(FormerError),
    /// What is to be overwritten could not be kept.
    #[error(transparent)]
    Undo(CreateError),
    /// It ended half-way.
    #[error(transparent)]
    Execute(ExecuteError),
}

impl Changed {
    /// Nothing came of it.
    pub fn failed(failure: Failure) -> Changed {
        Changed {
            failure: Some(failure),
            ..Changed::default()
        }
    }

    pub(super) fn planned(planned: Planned) -> Changed {
        Changed {
            planned: Some(planned),
            ..Changed::default()
        }
    }

    pub(super) fn with_notes(mut self, notes: &[String]) -> Changed {
        self.notes.extend(notes.iter().cloned());
        self
    }

    /// True when everything is already as it is to be.
    pub fn is_nothing(&self) -> bool {
        self.planned.as_ref().is_some_and(Planned::is_nothing)
    }

    /// The exit status.
    pub fn status(&self) -> Status {
        let failed = self.failure.as_ref().map_or(Status::Done, Failure::status);
        let left = self
            .planned
            .as_ref()
            .map_or(Left::Nothing, |planned| planned.left);
        failed.max(match left {
            Left::Nothing => Status::Done,
            Left::NotRight => Status::Failed,
            Left::Unreadable => Status::Unreadable,
        })
    }
}

impl Failure {
    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            Failure::Input { status, .. } => *status,
            Failure::Hold(HoldError::Store(error)) => of_store(error),
            Failure::Hold(_) | Failure::Plan(PlanError::Refused(_)) => Status::Refused,
            Failure::Plan(PlanError::Store(error)) => of_store(error),
            Failure::Former(error) => error.status(),
            Failure::Undo(error) => error.status(),
            Failure::Execute(error) => match &error.cause {
                Cause::Store(_) | Cause::NotWritten { .. } => Status::Unreadable,
                Cause::NotAsPlanned { .. } if !error.written => Status::Refused,
                Cause::NotAsPlanned { .. } | Cause::Flawed { .. } => Status::Failed,
            },
        }
    }
}
