//! What was found out.

use crate::array::readd::verify::{Extent, Verification};
use crate::array::readd::{Entry, Judgement, Safety};
use crate::commands::Status;
use crate::commands::given::Problem;
use crate::units::Events;
use std::ffi::OsString;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The question makes no sense for what was given.
    #[error("{0}")]
    Refused(String),
    /// What is needed cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl Refusal {
    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match self {
            Refusal::Refused(_) => Status::Refused,
            Refusal::Unreadable(_) => Status::Unreadable,
        }
    }

    /// The name in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Refusal::Refused(_) => "refused",
            Refusal::Unreadable(_) => "unreadable",
        }
    }
}

/// The array in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayFacts {
    /// Its device, when it runs.
    pub running: Option<OsString>,
    /// UUID as mdadm writes it.
    pub uuid: String,
    /// Level.
    pub level: String,
    /// Slots.
    pub members: u32,
    /// Slots that nothing holds.
    pub vacant: Vec<u32>,
    /// Events.
    pub events: Events,
}

/// How much a re-add copies to the device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copying {
    /// Bytes: those of the chunks that any copy of the bitmap marks; `None` where it cannot be told.
    pub bytes: Option<u64>,
    /// Bytes by the bitmap of each member, in the order of the members; only where they differ.
    pub by_copy: Vec<(String, u64)>,
    /// Bytes of a member: what a full recovery copies.
    pub member_bytes: Option<u64>,
}

/// What the scan of this machine's block devices found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Devices that were looked at.
    pub looked_at: u64,
    /// Devices that bear a superblock of this array and were not given.
    pub found: Vec<String>,
    /// Devices that could not be read, and what was said.
    pub unreadable: Vec<String>,
}

/// A comparison, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What was asked for.
    pub extent: Extent,
    /// What it found, or why nothing was compared.
    pub outcome: Result<Verification, String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The array.
    pub array: ArrayFacts,
    /// The device.
    pub device: OsString,
    /// What superblocks say.
    pub judgement: Judgement,
    /// How much would be copied.
    pub copying: Copying,
    /// The comparison, if one was asked for.
    pub verified: Option<Verified>,
    /// The scan, unless it was not wanted.
    pub scanned: Option<Scanned>,
    /// What could not be read or makes no sense, though an answer was possible.
    pub problems: Vec<Problem>,
    /// What should be known.
    pub notes: Vec<String>,
    /// Unproven is a failure too.
    pub strict: bool,
}

impl Checked {
    /// The verdict of W9.
    pub fn safety(&self) -> Safety {
        let verified = self.verified.as_ref();
        let compared = verified.and_then(|verified| verified.outcome.as_ref().ok()?.shows());
        self.judgement.safety(compared)
    }

    /// True when the kernel would go by the bitmap.
    pub fn would_use_bitmap(&self) -> bool {
        self.judgement.entry == Entry::Bitmap
    }

    /// The outcome (design.md 4).
    pub fn status(&self) -> Status {
        let unreadable = self.verified.as_ref().is_some_and(|verified| {
            let outcome = verified.outcome.as_ref();
            outcome.is_ok_and(|outcome| outcome.unreadable_chunks > 0)
        });
        let reading = self
            .problems
            .iter()
            .map(|problem| problem.kind.status())
            .filter(|status| *status == Status::Unreadable);
        let worst = reading.max().unwrap_or_default();
        let good = match self.safety() {
            Safety::Proven => true,
            Safety::Unproven => !self.strict,
            Safety::Unsafe => false,
        };
        if unreadable || worst == Status::Unreadable {
            Status::Unreadable
        } else if good && self.would_use_bitmap() {
            Status::Done
        } else {
            Status::Failed
        }
    }
}
