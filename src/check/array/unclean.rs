//! What particular kernels leave out when an array that was not stopped cleanly starts with a member
//! missing (tests/vm/FINDINGS.md, scenario load-rules).

use crate::array::verdict::Assembly;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Rule};

kinds! {
    LONE_COPY "kernel-raid10-lone-copy" Danger Loss "7.2 and 7.3 end the resync of an unclean raid10 where a chunk has one copy only";
    RECOVERY_FIRST "kernel-recovery-first" Danger Loss "6.1 and 6.12 recover before they resynchronise, and forget what was to be resynchronised";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let Some(membership) = &case.membership else {
        return Vec::new();
    };
    // Of an array of which members were not given this cannot be told.
    let unclean = case.array().is_some_and(|array| !array.is_clean());
    if !unclean || case.is_dm_raid() || !membership.missing.is_empty() {
        return Vec::new();
    }
    let supers: Vec<_> = (case.members.iter())
        .filter_map(|input| input.member.as_ref())
        .collect();
    let current: Vec<usize> = membership.current().collect();
    let assembly = (current.first())
        .and_then(|own| Assembly::complete(&supers, membership, *own))
        .filter(|assembly| assembly.has_enough());
    let Some(assembly) = assembly else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if assembly.fewest_copies() == Some(1) {
        findings.push(LONE_COPY.found(
            case.title(),
            "the array was not stopped cleanly, and of some chunks there is but one copy in sync",
            "ends the resync where it meets the first of them, and calls the array clean (7.2, 7.3): copies of other chunks that \
             differ after the crash stay different; 6.12 resynchronises them",
            "start it on 6.12, or let everything be compared once it is complete again (echo repair > \
             /sys/block/mdX/md/sync_action)",
        ));
    }
    // With one member in sync there is nothing that could differ from it.
    if assembly.recovers() && current.len() > 1 {
        findings.push(RECOVERY_FIRST.found(
            case.title(),
            "the array was not stopped cleanly, and a member is to be recovered",
            "recovers the member first (6.1, 6.12), and in doing so clears the bits by which the members in sync would have been \
             resynchronised: these stay different; 7.2 resynchronises first",
            "start it on 7.2 or later, or without the member that is to be recovered, and add that when the resync is done",
        ));
    }
    findings
}
