//! The writers: each on an array of its own, after what has to be there first.

use crate::images::{self, Array};

pub(crate) struct Case {
    pub(crate) array: Array,
    /// Commands that are run before.
    pub(crate) first: &'static [&'static [&'static str]],
    /// Bytes that are put on members then: member, place, value.
    pub(crate) damage: &'static [(usize, usize, u8)],
    /// What is killed.
    pub(crate) arguments: &'static [&'static str],
    /// Chunks (of [`images::CHUNK`]) whose marks it is not asked to take away, and that count.
    pub(crate) required: Vec<u64>,
    /// Whether it can be given again without its undo file.
    pub(crate) does_without: bool,
}

fn array(kind: usize, version: u32, dirty: &[u64], clean: bool) -> Array {
    Array {
        dirty: dirty.to_vec(),
        clean,
        ..images::all(version)[kind].clone()
    }
}

fn case(array: Array, arguments: &'static [&'static str]) -> Case {
    let counts = !array.clean || array.version == 6;
    Case {
        required: if counts {
            array.dirty.clone()
        } else {
            Vec::new()
        },
        array,
        first: &[],
        damage: &[],
        arguments,
        does_without: true,
    }
}

fn everything(case: Case) -> Case {
    Case {
        required: (0..case.array.chunks()).collect(),
        ..case
    }
}

const REMOVE: &[&[&str]] = &[&["grow", "--no-undo", "--bitmap=none"]];
/// A dump of a moment with more marks.
const DUMP: &[&[&str]] = &[
    &["set", "--no-undo", "--range", "0K+12K"],
    &["dump", "--output", "more.dump"],
    &["clear", "--no-undo", "--force", "--range", "0K+12K"],
];
/// Where a bitmap has its UUID, events, and delay.
const UUID: usize = 8192 + 8;
const EVENTS: usize = 8192 + 24;
const DELAY: usize = 8192 + 56;

pub(crate) fn add_clean() -> Case {
    Case {
        first: REMOVE,
        ..case(
            array(0, 4, &[], true),
            &["grow", "--bitmap=internal", "--chunk=8K"],
        )
    }
}

pub(crate) fn add_unclean() -> Case {
    everything(Case {
        first: REMOVE,
        ..case(
            array(2, 4, &[5], false),
            &["grow", "--bitmap=internal", "--chunk=4K"],
        )
    })
}

pub(crate) fn remove() -> Case {
    case(array(0, 4, &[2, 40], false), &["grow", "--bitmap=none"])
}

pub(crate) fn remove_lockless() -> Case {
    case(array(1, 6, &[2, 40], true), &["grow", "--bitmap=none"])
}

pub(crate) fn coarser() -> Case {
    case(
        array(3, 4, &[0, 5, 60, 127], false),
        &["grow", "--chunk=16K"],
    )
}

pub(crate) fn finer() -> Case {
    case(array(1, 4, &[3, 9], false), &["grow", "--chunk=512B"])
}

pub(crate) fn delay() -> Case {
    case(
        array(4, 4, &[7], false),
        &["grow", "--delay=9", "--write-behind=100"],
    )
}

pub(crate) fn to_lockless() -> Case {
    case(
        array(1, 4, &[3, 9, 63], false),
        &["grow", "--bitmap=lockless"],
    )
}

pub(crate) fn to_internal() -> Case {
    case(array(0, 6, &[4, 5], true), &["grow", "--bitmap=internal"])
}

pub(crate) fn clustered() -> Case {
    case(
        array(0, 4, &[2, 9], false),
        &[
            "grow",
            "--bitmap=clustered",
            "--nodes=2",
            "--chunk=4K",
            "--force",
        ],
    )
}

pub(crate) fn to_file() -> Case {
    case(
        array(0, 4, &[2, 9], false),
        &["grow", "--bitmap=./md.bitmap"],
    )
}

pub(crate) fn from_file() -> Case {
    Case {
        first: &[&["grow", "--no-undo", "--bitmap=./md.bitmap"]],
        // The file is older than the array then.
        does_without: false,
        ..case(
            array(0, 4, &[2, 9], false),
            &[
                "grow",
                "--bitmap=internal",
                "--merge=md.bitmap",
                "--chunk=4K",
            ],
        )
    }
}

pub(crate) fn set() -> Case {
    case(array(0, 4, &[30], false), &["set", "--range", "0K+12K"])
}

pub(crate) fn set_on_clean() -> Case {
    case(array(3, 4, &[], true), &["set", "--all"])
}

pub(crate) fn set_lockless() -> Case {
    case(array(3, 6, &[1], true), &["set", "--range", "64K+64K"])
}

pub(crate) fn clear() -> Case {
    Case {
        required: vec![20],
        ..case(
            array(1, 4, &[3, 9, 20], false),
            &["clear", "--range", "0K+40K"],
        )
    }
}

pub(crate) fn clear_all() -> Case {
    Case {
        required: Vec::new(),
        ..case(array(2, 4, &[3, 9, 20], false), &["clear", "--all"])
    }
}

pub(crate) fn merge() -> Case {
    Case {
        first: DUMP,
        ..case(array(0, 4, &[20], false), &["merge", "--from", "more.dump"])
    }
}

pub(crate) fn restore() -> Case {
    Case {
        first: DUMP,
        ..case(array(3, 4, &[20], false), &["restore", "more.dump"])
    }
}

pub(crate) fn restore_replace() -> Case {
    Case {
        first: &[
            &["dump", "--output", "before.dump"],
            &["set", "--no-undo", "--range", "0K+12K"],
        ],
        // The event counts are not those of the dump then.
        does_without: false,
        ..case(
            array(1, 4, &[20], false),
            &["restore", "--replace", "--force", "before.dump"],
        )
    }
}

pub(crate) fn repair_stale_copy() -> Case {
    Case {
        damage: &[(1, EVENTS, 10), (1, 8192 + 256, 0)],
        ..case(array(0, 4, &[2, 9], false), &["check", "--repair"])
    }
}

pub(crate) fn repair_foreign() -> Case {
    everything(Case {
        damage: &[(0, UUID, 0xff), (1, UUID, 0xff), (2, UUID, 0xff)],
        ..case(array(1, 4, &[2, 9], false), &["check", "--repair"])
    })
}

pub(crate) fn repair_field() -> Case {
    Case {
        damage: &[(0, DELAY, 0), (1, DELAY, 0), (2, DELAY, 0), (3, DELAY, 0)],
        ..case(array(3, 4, &[2, 9], false), &["check", "--repair"])
    }
}

pub(crate) fn undo_of_grow() -> Case {
    Case {
        first: &[&["grow", "--chunk=8K", "--undo", "made.undo"]],
        does_without: false,
        ..case(array(3, 4, &[0, 5, 60], false), &["undo", "made.undo"])
    }
}

pub(crate) fn undo_of_set() -> Case {
    Case {
        first: &[&["set", "--range", "0K+12K", "--undo", "made.undo"]],
        does_without: false,
        ..case(array(1, 4, &[], true), &["undo", "made.undo"])
    }
}
