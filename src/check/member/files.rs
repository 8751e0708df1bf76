//! Bitmap files: whether the kernel could write them in place, and who else can write them
//! (reference/kernel.md 4.3).

use super::repair;
use crate::check::finding::kinds;
use crate::check::{Case, FileFacts, Finding, Input, Rule};
use crate::device::extents::Unfit;
use crate::device::filesystem::ServesMd;

kinds! {
    HOLES "file-has-holes" Error NoStart Elsewhere "the bitmap file has holes, which the kernel cannot write to";
    BLOCKS "file-blocks-unfit" Error NoStart Elsewhere "the bitmap file is not stored in plain blocks of its own";
    FILE_SYSTEM "file-system-unsuitable" Error NoStart Elsewhere "the bitmap file is on a file system that cannot serve md";
    OWNER "file-owner" Warning None Elsewhere "the bitmap file belongs to another user than root";
    MODE "file-mode" Warning None Elsewhere "the bitmap file can be written by others than its owner";
    PARTIAL_BLOCK "file-partial-block" Note None None "the bitmap file ends inside a block of its file system";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    case.others
        .iter()
        .filter(|input| input.bitmap_super().is_some())
        .filter_map(|input| Some(of_file(input, input.file.as_ref()?)))
        .flatten()
        .collect()
}

const REFUSES: &str = "refuses to attach it (EINVAL): it asks the file system for the place of each block, and writes there itself";

fn of_file(input: &Input<'_>, facts: &FileFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match facts.unfit {
        Some(hole @ Unfit::Hole { .. }) => findings.push(HOLES.found(
            &input.name,
            hole.to_string(),
            REFUSES,
            "write the file out: cp --sparse=never FILE NEW; sync; mv NEW FILE",
        )),
        Some(state @ Unfit::State { .. }) => {
            findings.push(BLOCKS.found(&input.name, state.to_string(), REFUSES, repair::new_file()))
        }
        None => {}
    }
    if let ServesMd::No(why) = facts.file_system.serves_md {
        findings.push(FILE_SYSTEM.found(
            &input.name,
            format!("it is on {}: {why}", facts.file_system),
            "refuses to attach it, or would write to blocks that are not the file's",
            "move it to a file system such as ext4 or xfs, on a disk that is not part of the array",
        ));
    }
    if facts.owner != 0 {
        findings.push(OWNER.found(
            &input.name,
            format!("it belongs to user {}, expected root (0)", facts.owner),
            "does not look at the owner, who can clear bits and thereby have differences overlooked",
            "chown root FILE",
        ));
    }
    if facts.mode & 0o022 != 0 {
        findings.push(MODE.found(
            &input.name,
            format!("its mode is {:04o}, expected 0600", facts.mode),
            "does not look at the mode; whoever can write can clear bits and thereby have differences overlooked",
            "chmod 600 FILE",
        ));
    }
    let block = facts.block_bytes.max(1);
    let past = input.store.len().0 % block;
    if past != 0 {
        findings.push(PARTIAL_BLOCK.found(
            &input.name,
            format!("it ends {past} bytes into a block of {block}"),
            "writes the whole block",
            "none needed",
        ));
    }
    findings
}
