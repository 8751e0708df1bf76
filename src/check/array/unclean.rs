//! Kernels whose resync after a crash leaves out what it should mend (tests/vm/FINDINGS.md, scenario
//! load-rules). When they are met is for the verdict to say: these findings go by its notes.

use crate::array::FoundSuper;
use crate::array::verdict::{self, Assembly, Verdict};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};

kinds! {
    LONE_COPY "kernel-raid10-lone-copy" Danger Loss Elsewhere "7.2 and 7.3 do not resynchronise a raid10 after a crash, if there is but one copy of some chunks";
    RECOVERY_FIRST "kernel-recovery-first" Danger Loss Elsewhere "6.1 and 6.12 recover a member first, and then leave out the resync that is due after a crash";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

/// A resync is still due only where the array is to be started: a running one has begun with it, and
/// is not marked clean whenever it is written to.
fn judge(case: &Case<'_>) -> Vec<Finding> {
    if case.members.iter().any(|input| input.in_use) {
        return Vec::new();
    }
    let verdicts: Vec<(bool, Verdict)> = case
        .current()
        .filter_map(|(index, input)| due(case, index, input))
        .collect();
    let noted = |name: &str| {
        let mut notes = verdicts.iter().flat_map(|(_, verdict)| &verdict.notes);
        notes.any(|note| note.name == name)
    };
    // Those kernels know no version 6.
    let classic = verdicts.iter().any(|(lockless, _)| !lockless);
    let lone = noted("raid10-lone-copy").then(|| lone_copy(case));
    let first = (classic && noted("recovery-first")).then(|| recovery_first(case));
    lone.into_iter().chain(first).collect()
}

/// The verdict on the copy of member `index`, if a resync by it is due that has several copies in sync to
/// make equal; and whether it is of version 6. Members not given are as the superblocks say.
fn due(case: &Case<'_>, index: usize, input: &Input<'_>) -> Option<(bool, Verdict)> {
    let all = case.members.iter();
    let supers: Vec<&FoundSuper> = all.filter_map(|input| input.member.as_ref()).collect();
    let assembly = Assembly::with_missing(&supers, case.membership.as_ref()?, index)?;
    let raw = input.bitmap_super()?;
    let bitmap = input.sized_bitmap()?;
    let available = bitmap.store().len().checked_sub(bitmap.start());
    let assessment = verdict::assess(&assembly, raw, available);
    let counts = input.counts().and_then(|counts| counts.as_ref().ok());
    let verdict = verdict::measure(assessment, &bitmap, counts).ok()?;
    // What cannot be measured may be something.
    let is_due = verdict.starts && verdict.resync_bytes != Some(0);
    (is_due && assembly.has_copies_to_compare()).then(|| (raw.is_lockless(), verdict))
}

fn lone_copy(case: &Case<'_>) -> Finding {
    LONE_COPY.found(
        case.title(),
        "the array was not stopped cleanly, and of some chunks there is but one copy in sync, of others there are several",
        "ends the resync at the first chunk with a single copy and calls the array clean (seen on 7.2 and 7.3.4): chunks \
         with several copies stay different where a write was under way; 6.12 resynchronises them",
        "start it with 6.12; or, on 7.2 and 7.3, first fill the empty slots (mdadm --add) and, when that is done, let everything \
         be compared (echo repair > /sys/block/mdX/md/sync_action)",
    )
}

fn recovery_first(case: &Case<'_>) -> Finding {
    RECOVERY_FIRST.found(
        case.title(),
        "the array was not stopped cleanly, and a member is still to be recovered",
        "recovers it first if it is 6.1 or 6.12 (seen on mirrors of three), and in doing so clears the bits by which the members in sync would have been \
         resynchronised: these stay different where a write was under way, and all are shown in sync; 7.2 resynchronises first",
        "start it with 7.2 or later; or without the member that is to be recovered (mdadm --assemble --run, naming the others), \
         and when the resync is done, clear that one's superblock (mdadm --zero-superblock) and add it anew; if it was started with 6.1 or 6.12 already, let everything be compared (echo repair > \
         /sys/block/mdX/md/sync_action)",
    )
}
