//! Clustered bitmaps (version 5): the slots behind the first, and fields of clusters elsewhere.

use super::repair;
use crate::bitmap::{Bitmap, BitmapError, MAX_SLOTS};
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};

kinds! {
    SLOT_UUID "slot-uuid-mismatch" Error None Rebuild "a node's slot of a clustered bitmap belongs to another array";
    SLOT_DAMAGED "slot-damaged" Error None Rebuild "a node's slot of a clustered bitmap is no bitmap, or another one";
    NODES_IGNORED "nodes-without-cluster" Note None None "nodes and version do not agree on whether this is a bitmap of a cluster";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    super::in_use(case)
        .filter(|input| input.bitmap_super().is_some())
        .filter_map(|input| Some((input, input.sized_bitmap()?)))
        .flat_map(|(input, bitmap)| match bitmap.slot_count() {
            1 => alone(input, &bitmap).into_iter().collect(),
            _ => slots(case, input, &bitmap),
        })
        .collect()
}

fn alone(input: &Input<'_>, bitmap: &Bitmap<'_>) -> Option<Finding> {
    let raw = bitmap.raw();
    let sentence = match (raw.version, raw.nodes) {
        (5, 0) => "version 5 is for clusters, but nodes is 0".to_owned(),
        (5, _) | (_, 0) => return None,
        (version, nodes) => {
            format!("nodes: found {nodes}, but version {version} is not for clusters")
        }
    };
    Some(NODES_IGNORED.found(
        &input.name,
        sentence,
        "takes it for a plain bitmap",
        "none needed",
    ))
}

/// Slots named in one finding at most.
const NAMED: usize = 8;

fn slots(case: &Case<'_>, input: &Input<'_>, bitmap: &Bitmap<'_>) -> Vec<Finding> {
    let expected = bitmap.raw();
    let (mut strangers, mut damaged) = (Vec::new(), Vec::new());
    if expected.nodes > MAX_SLOTS {
        damaged.push(format!(
            "the superblock claims {} nodes, of which {MAX_SLOTS} were looked at",
            expected.nodes
        ));
    }
    for (number, slot) in bitmap.slots().filter(|(number, _)| *number > 0) {
        match slot {
            // What cannot be read says nothing about what is there.
            Err(error @ BitmapError::Store(_)) => {
                damaged.push(format!("slot {number} cannot be read: {error}"))
            }
            Err(error) => damaged.push(format!("slot {number}: {error}")),
            Ok(slot) if !slot.raw().has_magic() => {
                damaged.push(format!("slot {number} is no bitmap"))
            }
            Ok(slot) if slot.raw().uuid != expected.uuid => strangers.push(number.to_string()),
            Ok(slot) if slot.raw().nodes != expected.nodes => damaged.push(format!(
                "slot {number} has {} nodes, slot 0 has {}",
                slot.raw().nodes,
                expected.nodes
            )),
            Ok(_) => {}
        }
    }
    let kernel = "starts the array; the node that is given this slot cannot load its bitmap and does not join";
    let mut findings = Vec::new();
    if !strangers.is_empty() {
        findings.push(SLOT_UUID.found(
            &input.name,
            format!(
                "uuid: slot {} has another UUID than slot 0",
                few(&strangers, ", ")
            ),
            kernel,
            format!(
                "mdadm --update=uuid changes slot 0 only, which is how this comes about; {}",
                repair::replace(case)
            ),
        ));
    }
    if !damaged.is_empty() {
        findings.push(SLOT_DAMAGED.found(
            &input.name,
            few(&damaged, "; "),
            kernel,
            repair::replace(case),
        ));
    }
    findings
}

fn few(all: &[String], separator: &str) -> String {
    let shown = all
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(separator);
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
