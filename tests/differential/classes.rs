//! The closed list of differences (design.md 4), as rules over the input.

use crate::cases::{Case, Container};
use crate::model;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

pub const NONE: &str = "none: the same bytes and the same status";
pub const WRONG_MAGIC: &str = "wrong-magic: the same output, status 1 instead of 0";
pub const TRUNCATED: &str =
    "truncated: bits that are not there count as dirty, status 1 instead of 0";
pub const STATE_NAME: &str = "state-name: states other than OK and Out of date are spelled out";
pub const LARGE_SIZE: &str = "large-size: right figures above 2^46 sectors";
pub const CLUSTER_FILE: &str =
    "cluster-file: the slots of a clustered bitmap in a file are read where they are";
pub const SLOT_UNREADABLE: &str = "slot-unreadable: the same output, status 1 instead of 0";

pub const CHUNK_ZERO: &str =
    "chunk-zero: the same output, status 1 instead of 0: nothing can be counted";
pub const MANY_NODES: &str =
    "many-nodes: more than 1024 nodes (or fewer than none, to mdadm): status 1";
pub const SLOT_VERSION: &str =
    "slot-version: the bits of a slot of unknown version are not counted, status 1";
pub const SLOT_NODES: &str =
    "slot-nodes: slots disagree about the number of nodes: the same output, status 1";
pub const MDADM_CRASHES: &str =
    "mdadm-crashes: a member of metadata 1.1 or 1.2 whose chunk size is 0; we show it";

pub const NAMES: &[&str] = &[
    NONE,
    WRONG_MAGIC,
    TRUNCATED,
    STATE_NAME,
    LARGE_SIZE,
    CLUSTER_FILE,
    SLOT_UNREADABLE,
    CHUNK_ZERO,
    MANY_NODES,
    SLOT_VERSION,
    SLOT_NODES,
    MDADM_CRASHES,
];

/// What makes our exit status 1, where mdadm's may be 0.
const STATUS_1: &[&str] = &[
    WRONG_MAGIC,
    TRUNCATED,
    SLOT_UNREADABLE,
    CHUNK_ZERO,
    MANY_NODES,
    SLOT_VERSION,
    SLOT_NODES,
];

pub struct Expected {
    pub classes: Vec<&'static str>,
    pub stdout: Vec<u8>,
    pub status: i32,
    /// Lines that ought to be mdadm's, where our model of it is wrong.
    pub model_errors: Vec<String>,
}

/// Of a clustered bitmap in a file mdadm is shown the header alone: it takes whatever stands at
/// byte 8192 for the first slot, and may count the bits of that for hours.
pub fn what_mdadm_is_shown(case: &Case) -> Option<&[u8]> {
    let header = model::parse(&case.image)?;
    let clustered = case.container == Container::File && header.nodes > 0;
    clustered.then(|| &case.image[..256])
}

/// mdadm divides by the chunk size to find the bitmap of a 1.1 or 1.2 member.
fn mdadm_crashes(case: &Case) -> bool {
    let Container::Member {
        bitmap_at,
        metadata: "1.1" | "1.2",
    } = case.container
    else {
        return false;
    };
    let header = case.image.get(bitmap_at as usize..).and_then(model::parse);
    header.is_some_and(|h| h.chunksize == 0)
}

fn push_line(stdout: &mut Vec<u8>, text: &[u8]) {
    if !text.is_empty() {
        stdout.extend_from_slice(text);
        stdout.push(b'\n');
    }
}

fn all_ours(model: model::Model, theirs: &Output) -> Expected {
    let mut classes = model.status_classes;
    let status = i32::from(!classes.is_empty());
    let mut stdout = Vec::new();
    for line in model.lines {
        classes.extend(line.class);
        push_line(&mut stdout, &line.text);
    }
    classes.push(MDADM_CRASHES);
    classes.sort_unstable();
    classes.dedup();
    let model_errors = match theirs
        .status
        .signal()
        .or(theirs.status.code().map(|c| c - 128))
    {
        Some(8) => Vec::new(),
        _ => vec![format!("mdadm did not crash: {:?}", theirs.status)],
    };
    Expected {
        classes,
        stdout,
        status,
        model_errors,
    }
}

/// What we must print, given the input and mdadm's answer to it.
pub fn expect(case: &Case, path: &[u8], theirs: &Output) -> Expected {
    let model = model::model(case, path);
    if mdadm_crashes(case) {
        return all_ours(model, theirs);
    }
    let shown_whole = what_mdadm_is_shown(case).is_none();
    let mut their_lines = theirs.stdout.split_inclusive(|b| *b == b'\n');
    let mut classes: Vec<&'static str> = model.status_classes;
    let mut stdout = Vec::new();
    let mut model_errors = Vec::new();
    let theirs_status = theirs.status.code().unwrap_or_else(|| {
        model_errors.push(format!("mdadm was killed: {:?}", theirs.status));
        1
    });
    for line in model.lines {
        // Slots in a file are shown by mdadm in a number of its own.
        let theirs = if line.class == Some(CLUSTER_FILE) {
            None
        } else {
            their_lines.next()
        };
        match line.class {
            Some(class) => {
                classes.push(class);
                push_line(&mut stdout, &line.text);
            }
            None => {
                let theirs = theirs.unwrap_or(b"(mdadm printed no such line)\n");
                if theirs.strip_suffix(b"\n") != Some(&line.text) {
                    let (ours, theirs) = (line.text.escape_ascii(), theirs.escape_ascii());
                    model_errors.push(format!("the model says {ours}, mdadm {theirs}"));
                }
                stdout.extend_from_slice(theirs);
            }
        }
    }
    if shown_whole {
        for line in their_lines {
            model_errors.push(format!("mdadm has a line more: {}", line.escape_ascii()));
            stdout.extend_from_slice(line);
        }
    }
    classes.sort_unstable();
    classes.dedup();
    let ours_is_graver = classes.iter().any(|class| STATUS_1.contains(class));
    let status = if ours_is_graver { 1 } else { theirs_status };
    if classes.is_empty() {
        classes.push(NONE);
    }
    Expected {
        classes,
        stdout,
        status,
        model_errors,
    }
}
