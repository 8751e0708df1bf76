//! Where the bitmap lies on its member: on something else, or awkwardly.

use super::repair;
use crate::array::overlap::{self, Neighbour, Outcome, Overlap};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, FindingKind, Input, Rule};
use crate::format::bitmap_super::BITS_OFFSET;

kinds! {
    SUPERBLOCK "overlaps-superblock" Danger Loss Move "the bitmap lies on the md superblock";
    BAD_BLOCK_LOG "overlaps-bad-block-log" Danger Loss Move "the bitmap lies on the bad-block log";
    LOCKLESS_LOG "lockless-over-bad-block-log" Danger Loss Move "version 6: mdadm 4.6 placed the bad-block log inside the bitmap";
    PPL "overlaps-ppl" Danger Loss Elsewhere "the bitmap lies on the partial parity log";
    DATA "overlaps-data" Danger Loss Move "the bitmap lies on the array's data";
    UNALIGNED "unaligned-bitmap" Warning None Move "the bitmap does not start at a multiple of 4 KiB: its pages straddle the device's blocks";
    SHORT_PAGE "short-last-page" Note None None "the last page of the bitmap is written in less than the device's blocks";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    super::in_use(case)
        .filter(|input| input.bitmap_super().is_some() && !input.is_bitmap_file())
        .flat_map(|input| {
            let mut findings = overlaps(case, input);
            findings.extend(unaligned(case, input));
            findings.extend(short_page(input));
            findings
        })
        .collect()
}

fn overlaps(case: &Case<'_>, input: &Input<'_>) -> Vec<Finding> {
    let (Some(member), Some(bitmap)) = (input.super_of(), input.sized_bitmap()) else {
        return Vec::new();
    };
    let all = overlap::overlaps(member, bitmap.raw(), bitmap.start());
    let told = |found: &Overlap| tell(case, input, found, bitmap.raw().is_lockless());
    all.iter().map(told).collect()
}

fn tell(case: &Case<'_>, input: &Input<'_>, found: &Overlap, lockless: bool) -> Finding {
    // Seen on 6.1 and 7.3 (scenario check-claims).
    let checked = match found.outcome {
        Outcome::RefusesToStart => {
            "refuses to start the array (EIO): it writes the first page of the bitmap then, and notices that it lies there"
        }
        Outcome::OutOfUse => {
            "takes what lies there for marks, and puts the bitmap out of use when such a page is to be written"
        }
        Outcome::Unnoticed => "does not notice: every update of the one damages the other",
    };
    let (kind, kernel): (&FindingKind, &str) = match found.with {
        Neighbour::Superblock => (&SUPERBLOCK, checked),
        // reference/kernel.md trap 4.
        Neighbour::BadBlockLog if lockless => (
            &LOCKLESS_LOG,
            "does not notice: once a bad block is recorded, states of chunks are read as bad blocks at the next start, and the \
             member is refused, or bad blocks appear and vanish (mdadm 4.6 makes every version 6 array like this)",
        ),
        Neighbour::BadBlockLog => (
            &BAD_BLOCK_LOG,
            "does not notice: a bad block that it records is written over bits, and bits are read as bad blocks",
        ),
        Neighbour::Ppl => (
            &PPL,
            "does not notice: the log of partial parity and the bitmap overwrite each other",
        ),
        Neighbour::Data => (&DATA, checked),
    };
    let repair = match found.with {
        Neighbour::BadBlockLog => format!(
            "{}; or, while the log is empty, assemble with mdadm --assemble --update=no-bbl, which gives up the log",
            repair::moved(case)
        ),
        Neighbour::Ppl => "do not start the array: the two exclude each other; find out which of them it had, and remove the \
                           other (mdadm --assemble --update=no-bitmap or --update=no-ppl)"
            .to_owned(),
        _ => format!(
            "do not start the array before the fields are understood (mdbitmap examine --layout shows the areas); {}",
            repair::moved(case)
        ),
    };
    let sentence = format!(
        "the bitmap takes bytes {} to {}, the {} bytes {} to {}",
        found.bitmap.start, found.bitmap.end, found.with, found.other.start, found.other.end
    );
    kind.found(&input.name, sentence, kernel, repair)
}

/// The unit in which the kernel writes a bitmap.
const PAGE: u64 = 4096;

/// Only where the device has blocks of that size; pages are counted from the bitmap's start
/// (reference/kernel.md 4.1, 4.2).
fn unaligned(case: &Case<'_>, input: &Input<'_>) -> Option<Finding> {
    let start = input.place?.start.0;
    let physical = u64::from(input.store.physical_block_bytes());
    let awkward = physical >= PAGE && !start.is_multiple_of(PAGE);
    awkward.then(|| {
        UNALIGNED.found(
            &input.name,
            format!(
                "the bitmap starts at byte {start}, {} bytes past a multiple of 4096, and the device has blocks of {physical} bytes",
                start % PAGE
            ),
            "writes pages of 4096 bytes from there: the device has to read before each write of the bitmap, which is slow",
            repair::moved(case),
        )
    })
}

/// A drive with blocks of 4 KiB that takes requests of 512 bytes reads, changes and writes for them. An
/// image says nothing of the device that it is of.
fn short_page(input: &Input<'_>) -> Option<Finding> {
    let raw = input.bitmap_super().filter(|raw| !raw.is_lockless())?;
    let physical = u64::from(input.store.physical_block_bytes());
    let logical = u64::from(input.store.logical_block_bytes()).max(1);
    if !input.is_block_device || physical <= logical || raw.nodes > 0 {
        return None;
    }
    let counts = input.counts()?.as_ref().ok()?;
    let bytes = counts.chunks.div_ceil(8).checked_add(BITS_OFFSET)?;
    let written = (bytes % PAGE).checked_next_multiple_of(logical)?;
    (!written.is_multiple_of(physical)).then(|| {
        SHORT_PAGE.found(
            &input.name,
            format!("the last page of the bitmap has {written} bytes, and the device has blocks of {physical} bytes"),
            "writes it in requests of that size (unless the device reports a larger optimal size): the device has to read \
             before each of them",
            "none needed; where bitmap updates are slow, a chunk size with which the bitmap fills whole pages helps",
        )
    })
}
