//! What can be wrong with a bitmap, its members and their array: named findings, graded.
//!
//! A [`Rule`] is a plain function over a [`Case`] (the members of one array, or a bitmap alone) and
//! the kinds of findings that it makes; the tables of `member` and `array` hold them all, and
//! [`catalogue`] is what they can say. Everything here only reads.

pub mod array;
mod case;
mod conclusion;
mod file_facts;
mod finding;
mod input;
pub mod member;

pub use case::Case;
pub use conclusion::{conclude, unchecked};
pub use file_facts::FileFacts;
pub use finding::{Effect, Finding, FindingKind, RepairClass, Severity};
pub use input::{Input, LookOptions, Place};
pub use member::UNREADABLE;

/// Some findings, and the function that makes them.
pub struct Rule {
    /// Every kind that `judge` can give back.
    pub kinds: &'static [FindingKind],
    /// Judges a case. Findings come in the order of the inputs.
    pub judge: fn(&Case<'_>) -> Vec<Finding>,
}

/// Every rule: those about one member or bitmap first.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    member::RULES.iter().chain(array::RULES)
}

/// Every kind of finding, in the order of the rules.
pub fn catalogue() -> impl Iterator<Item = &'static FindingKind> {
    rules().flat_map(|rule| rule.kinds)
}

/// All findings about `case`, the gravest first; of equals, in the order of the rules.
pub fn check(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules().flat_map(|rule| (rule.judge)(case)).collect();
    leave_elsewhere(case, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.effect)));
    findings
}

/// What is found in places that are not repaired here is somebody else's to repair.
pub(crate) fn leave_elsewhere(case: &Case<'_>, findings: &mut [Finding]) {
    for finding in findings {
        if finding.repair_class.is_ours() && !is_on_member(case, &finding.subject) {
            finding.repair_class = RepairClass::Elsewhere;
        }
    }
}

/// Whether a finding is about an array of md's own, or a member of it: bitmap files, bare bitmaps and LVM's volumes are
/// not repaired in place.
fn is_on_member(case: &Case<'_>, subject: &str) -> bool {
    case.membership.is_some()
        && !case.is_dm_raid()
        && case.others.iter().all(|other| other.name != subject)
}

#[cfg(test)]
pub(crate) mod tests;
