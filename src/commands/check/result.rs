//! What `check` found.

use crate::check::{self, Case, Finding, Severity};
use crate::commands::Status;
use crate::commands::given::Problem;
use std::ffi::OsString;

/// What `check` found, array by array.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// One entry an array, or a bitmap that stands alone.
    pub arrays: Vec<ArrayReport>,
    /// What could not be checked at all.
    pub failed: Vec<Failed>,
    /// What the reader should know about how it was read.
    pub notes: Vec<String>,
}

/// The findings about one array.
#[derive(Debug, Clone)]
pub struct ArrayReport {
    /// Level, members and UUID; the path of a bitmap that stands alone.
    pub title: String,
    /// UUID as mdadm writes it, where there is one.
    pub uuid: Option<String>,
    /// Everything given of it.
    pub devices: Vec<String>,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What could not be checked, a sentence each.
    pub unchecked: Vec<String>,
    /// What it comes to, in one line.
    pub conclusion: String,
}

/// Something given that could not be checked at all.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Its path.
    pub path: OsString,
    /// Why not.
    pub problem: Problem,
}

impl ArrayReport {
    /// The report about `case`.
    pub fn of(case: &Case<'_>, findings: Vec<Finding>) -> ArrayReport {
        ArrayReport {
            title: case.title(),
            uuid: case
                .array()
                .filter(|_| !case.is_dm_raid())
                .map(|array| array.uuid_text()),
            devices: case.inputs().map(|input| input.name.clone()).collect(),
            unchecked: check::unchecked(case),
            conclusion: check::conclude(case, &findings),
            findings,
        }
    }

    /// The gravest severity found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

impl Checked {
    /// How it ended: wrong from a warning up, unreadable where something was.
    pub fn status(&self) -> Status {
        let failed = self
            .failed
            .iter()
            .map(|failed| failed.problem.kind.status());
        let found = self.arrays.iter().flat_map(|array| &array.findings);
        let found = found.map(|finding| match finding.severity {
            _ if finding.name == check::UNREADABLE => Status::Unreadable,
            Severity::Note => Status::Done,
            _ => Status::Failed,
        });
        failed.chain(found).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{FindingKind, catalogue};
    use crate::commands::given::ProblemKind;

    fn with(kind: &FindingKind) -> Checked {
        let array = ArrayReport {
            title: String::new(),
            uuid: None,
            devices: Vec::new(),
            findings: vec![kind.found("a", "b", "c", "d")],
            unchecked: Vec::new(),
            conclusion: String::new(),
        };
        Checked {
            arrays: vec![array],
            ..Checked::default()
        }
    }

    #[test]
    fn the_exit_status_follows_the_severity() {
        assert_eq!(Checked::default().status(), Status::Done);
        for kind in catalogue() {
            let expected = match kind.severity {
                _ if kind.name == "unreadable" => Status::Unreadable,
                Severity::Note => Status::Done,
                _ => Status::Failed,
            };
            assert_eq!(with(kind).status(), expected, "{}", kind.name);
        }
    }

    #[test]
    fn what_cannot_be_opened_counts_too() {
        let mut checked = Checked::default();
        for (kind, status) in [
            (ProblemKind::Open, Status::Failed),
            (ProblemKind::Read, Status::Unreadable),
            (ProblemKind::Open, Status::Unreadable),
        ] {
            checked.failed.push(Failed {
                path: OsString::from("x"),
                problem: Problem::new(kind, "x"),
            });
            assert_eq!(checked.status(), status);
        }
    }
}
