//! State bytes of version 6.

use super::repair;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};

kinds! {
    UNKNOWN "unknown-chunk-states" Warning None UniteCopies "version 6: chunks in states that no kernel knows";
    NEWER "states-of-newer-kernels" Note None None "version 6: chunks in states that kernels before 7.2 do not know";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    super::in_use(case)
        .flat_map(|input| of_input(case, input))
        .collect()
}

fn of_input(case: &Case<'_>, input: &Input<'_>) -> Vec<Finding> {
    let Some(Ok(counts)) = input.counts() else {
        return Vec::new();
    };
    let Some(states) = counts.states else {
        return Vec::new();
    };
    let unknown = states.unknown.saturating_sub(counts.missing_chunks);
    let newer = [
        ("need sync unwritten", states.need_sync_unwritten),
        ("syncing unwritten", states.syncing_unwritten),
        ("clean unwritten", states.clean_unwritten),
    ];
    let mut findings = Vec::new();
    if unknown > 0 {
        findings.push(UNKNOWN.found(
            &input.name,
            format!("{unknown} of {} chunks have a state above 7", counts.chunks),
            "takes them for \"need sync\" as soon as it touches them",
            format!(
                "a damaged block, or a kernel newer than this program? Let the resync finish; {}",
                repair::unite(case)
            ),
        ));
    }
    let named: Vec<String> = newer
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    if !named.is_empty() {
        findings.push(NEWER.found(
            &input.name,
            format!("states 5 to 7 are in use: {}", named.join(", ")),
            "knows them from 7.2 on; 6.18 takes them for damaged, and resynchronises those chunks",
            "none needed; do not go back to an older kernel without need",
        ));
    }
    findings
}
