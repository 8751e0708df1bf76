//! How a change of a stopped array ended.

use crate::change::execute::Cause;
use crate::change::{ExecuteError, HoldError, Left, PlanError, Planned};
use crate::commands::Status;
use crate::device::StoreError;
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
    /// What the user should know beside.
    pub notes: Vec<String>,
    /// Why it did not come to its end.
    pub failure: Option<Failure>,
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
            Failure::Execute(error) => match &error.cause {
                Cause::Store(_) | Cause::NotWritten { .. } => Status::Unreadable,
                Cause::NotAsPlanned { .. } if !error.written => Status::Refused,
                Cause::NotAsPlanned { .. } | Cause::Flawed { .. } => Status::Failed,
            },
        }
    }
}

fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Busy { .. } | StoreError::Unsuitable { .. } => Status::Refused,
        StoreError::Open { .. } => Status::Failed,
        StoreError::PastEnd { .. }
        | StoreError::Read { .. }
        | StoreError::Write { .. }
        | StoreError::Flush { .. } => Status::Unreadable,
    }
}
