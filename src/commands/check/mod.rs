//! `check`: everything that can be wrong with bitmaps, their members and their arrays.

pub mod repair;
mod result;

pub use result::{ArrayReport, Checked, Failed};

use crate::array::MetadataFilter;
use crate::check::{self, Case, FileFacts, Input, LookOptions};
use crate::commands::given::{self, Given, GivenOptions, ProblemKind};
use crate::commands::users;
use crate::format::bit_array::BitOrder;
use crate::units::Bytes;
use std::ffi::OsString;
use std::path::Path;

/// What `check` is asked for.
#[derive(Debug, Clone, Default)]
pub struct CheckOptions {
    /// Members, images and bitmap files, or running arrays, in order.
    pub paths: Vec<OsString>,
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
    /// Byte at which the bitmap starts, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
}

/// Checks everything given, array by array. What cannot be opened is told and does not keep the
/// others from being checked.
pub fn check(options: &CheckOptions) -> Checked {
    let given_options = GivenOptions {
        metadata: options.metadata,
        offset: options.offset,
        order: options.order,
    };
    let mut all = with_members(
        given::open_all(&options.paths, &given_options),
        &given_options,
    );
    let mut checked = Checked::default();
    for given in &mut all {
        if given.is_usable() {
            given.reopen();
        }
        checked.notes.extend(notes_of(given));
        checked.failed.extend(failure_of(given));
    }
    let usable = all.iter().filter(|given| failure_of(given).is_none());
    let look = LookOptions {
        metadata: options.metadata,
        offset: options.offset,
        order: options.order,
    };
    let inputs = usable.filter_map(|given| input_of(given, &look)).collect();
    for case in Case::group(inputs) {
        let findings = check::check(&case);
        checked.arrays.push(ArrayReport::of(&case, findings));
    }
    checked
}

/// Adds the members of running arrays that have a bitmap file, or no bitmap at all.
fn with_members(given: Vec<Given>, options: &GivenOptions) -> Vec<Given> {
    let mut all = Vec::new();
    for one in given {
        let members = given::members_of_array(&one, options);
        // A running array is no member; its members stand for it.
        if members.is_empty() || !one.is_block_device {
            all.push(one);
        }
        all.extend(members);
    }
    all
}

/// What is known about a device or file that is open.
fn input_of<'a>(given: &'a Given, look: &LookOptions) -> Option<Input<'a>> {
    let mut input = Input::look(given.store()?, look);
    input.name = given.name().into_owned();
    input.is_block_device = given.is_block_device;
    input.in_use = given.running_array.is_some();
    if !given.is_block_device && input.is_bitmap_file() {
        input.file = FileFacts::of(Path::new(&given.path));
    }
    Some(input)
}

/// Why it cannot be checked at all: it does not open, or is a running array without a bitmap.
fn failure_of(given: &Given) -> Option<Failed> {
    let array_itself = given.found.is_none()
        && given.member.is_none()
        && given
            .problems
            .iter()
            .any(|p| p.kind == ProblemKind::NoBitmap);
    let problem = match given.store() {
        None => given.problems.first(),
        Some(_) if array_itself => given.problems.first(),
        Some(_) => None,
    };
    Some(Failed {
        path: given.path.clone(),
        problem: problem?.clone(),
    })
}

/// What the reader should know about how it was read. What was noted about superblocks is a finding.
fn notes_of(given: &Given) -> Vec<String> {
    let about_reading = |note: &&String| !note.contains("superblock");
    let mut notes: Vec<String> = given.notes.iter().filter(about_reading).cloned().collect();
    if given.is_usable() {
        notes.extend(users::of(&given.path));
    }
    notes
}
