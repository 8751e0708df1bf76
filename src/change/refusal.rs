//! Why an array is not changed: named, and saying what would have to be true.

use crate::device::StoreError;
use std::fmt;

/// A reason not to change an array; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable name, in kebab case.
    pub name: &'static str,
    /// What was found, and what would have to be true: a sentence that begins in lower case or with a path, without
    /// a full stop.
    pub sentence: String,
}

impl Refusal {
    /// A reason.
    pub fn new(name: &'static str, sentence: impl Into<String>) -> Refusal {
        Refusal {
            name,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Why there is nothing that could be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It would not be safe, or makes no sense; each reason on a line.
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
    /// Something that has to be known cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn lines(refusals: &[Refusal]) -> String {
    let all: Vec<&str> = refusals
        .iter()
        .map(|refusal| refusal.sentence.as_str())
        .collect();
    all.join("\n")
}

impl PlanError {
    /// One reason.
    pub fn refuse(name: &'static str, sentence: impl Into<String>) -> PlanError {
        PlanError::Refused(vec![Refusal::new(name, sentence)])
    }
}

impl From<Refusal> for PlanError {
    fn from(refusal: Refusal) -> PlanError {
        PlanError::Refused(vec![refusal])
    }
}
