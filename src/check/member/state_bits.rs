//! State bits, version and padding of a bitmap superblock.

use crate::bitmap::Bitmap;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{RawBitmapSuper, state};

kinds! {
    UNKNOWN "unknown-state-bits" Warning None None "state has bits that no kernel known gives a meaning to in this version";
    HOST_ENDIAN "host-endian" Note None None "version 3: the order of the bits depends on the machine that wrote them";
    PAD "pad-not-zero" Note None None "bytes of the bitmap superblock that are reserved are not zero";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let with_super = |input: &Input<'_>| Some(of_super(input, input.bitmap_super()?));
    super::in_use(case)
        .filter_map(with_super)
        .flatten()
        .collect()
}

/// Bits that mean something in the version of `raw` (reference/kernel.md 1.2).
fn known(raw: &RawBitmapSuper) -> u32 {
    let always = state::STALE | state::WRITE_ERROR;
    match raw.version {
        3 => always | state::HOSTENDIAN,
        6 => always | state::FIRST_USE | state::CLEAN | state::DAEMON_BUSY | state::SHUTDOWN,
        _ => always,
    }
}

fn of_super(input: &Input<'_>, raw: &RawBitmapSuper) -> Vec<Finding> {
    let mut findings = Vec::new();
    let unknown = raw.state & !known(raw);
    if unknown != 0 {
        findings.push(UNKNOWN.found(
            &input.name,
            format!(
                "state: found {:#x}; bits {unknown:#x} mean nothing in version {}",
                raw.state, raw.version
            ),
            "takes them over and writes them back, without any effect known",
            "find out what wrote them: a newer kernel may mean something by them, or the superblock is damaged",
        ));
    }
    if raw.version == 3 {
        findings.push(HOST_ENDIAN.found(
            &input.name,
            format!(
                "version 3: bits lie in the order of the machine that wrote them; {} is assumed here",
                match input.bitmap().map(Bitmap::order) {
                    Some(BitOrder::Be32) => "big-endian with words of 32 bits",
                    Some(BitOrder::Be64) => "big-endian with words of 64 bits",
                    _ => "little-endian",
                }
            ),
            "reads them in its own order",
            "none needed on the machine that it comes from; before the disks move to another one, replace it by version 4 \
             (remove the bitmap and add it anew)",
        ));
    }
    if let Some(at) = raw.pad.iter().position(|byte| *byte != 0) {
        findings.push(PAD.found(
            &input.name,
            format!(
                "byte {} of the bitmap superblock is {:#04x}, expected 0",
                136 + at,
                raw.pad.get(at).copied().unwrap_or_default()
            ),
            "does not look at it",
            "none needed; a newer format may have fields there",
        ));
    }
    findings
}
