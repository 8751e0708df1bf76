//! What an examination found: plain values for the reports.

pub use super::heat_map::{HeatMap, Shade};
use crate::array::FoundSuper;
use crate::array::layout::Layout;
use crate::array::verdict::Verdict;
use crate::commands::Status;
use crate::commands::given::Given;
pub use crate::commands::given::{Found, Kind, Problem, ProblemKind, UuidText};
use crate::format::bitmap_rules::Violation;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::lockless::StateCounts;
use crate::units::{Bytes, Events};
use std::ffi::OsString;

/// Everything that one call of `examine` found, in the order of the arguments.
#[derive(Debug, Default)]
pub struct Examined {
    /// One entry for each device or file.
    pub devices: Vec<Device>,
    /// True when only the superblocks were wanted and no bit was read.
    pub brief: bool,
}

impl Examined {
    /// The gravest status of all devices.
    pub fn status(&self) -> Status {
        self.devices
            .iter()
            .map(Device::status)
            .max()
            .unwrap_or_default()
    }
}

/// One device, image or file.
#[derive(Debug)]
pub struct Device {
    /// The path as it was given; any bytes.
    pub path: OsString,
    /// Where its bitmap is, when one was found.
    pub found: Option<Found>,
    /// Its slots: one, or one for each node of a clustered bitmap.
    pub slots: Vec<Slot>,
    /// False when mdadm would print nothing: the text is then empty, the JSON is not.
    pub shown: bool,
    /// False when the number of slots makes no sense, so that none is listed as such.
    pub slots_listed: bool,
    /// Its md superblock, when it has one.
    pub member: Option<FoundSuper>,
    /// What the freshest superblock of its array says, when there is one.
    pub array: Option<ArrayFacts>,
    /// By which superblocks its bitmap was judged.
    pub judged_by: Option<JudgedBy>,
    /// What lies where on it, when that was asked for and something is known.
    pub layout: Option<Layout>,
    /// What went wrong with the device as a whole.
    pub problems: Vec<Problem>,
    /// What the reader should know, though nothing is wrong with the bitmap.
    pub notes: Vec<String>,
}

impl Device {
    /// A device of which nothing is known but its path.
    pub fn new(path: OsString) -> Self {
        Self::of(&Given::unopened(path))
    }

    /// A device whose superblock and bitmap were looked for, and whose bitmap is still to be read.
    pub fn of(given: &Given) -> Self {
        Device {
            path: given.path.clone(),
            found: given.found.clone(),
            slots: Vec::new(),
            shown: true,
            slots_listed: true,
            member: given.member.clone(),
            array: None,
            judged_by: None,
            layout: None,
            problems: given.problems.clone(),
            notes: given.notes.clone(),
        }
    }

    /// All problems: those of the device, then those of its slots.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .chain(self.slots.iter().flat_map(|slot| &slot.problems))
    }

    /// The gravest status of the device and its slots.
    pub fn status(&self) -> Status {
        self.all_problems()
            .map(|problem| problem.kind.status())
            .max()
            .unwrap_or_default()
    }
}

/// One slot of a bitmap: its superblock and what its bits say.
#[derive(Debug)]
pub struct Slot {
    /// Slot number; 0 when not clustered.
    pub number: u32,
    /// Byte of the device at which the slot starts.
    pub start: Bytes,
    /// The superblock as found, whatever its magic; `None` when it could not be read.
    pub superblock: Option<RawBitmapSuper>,
    /// The count, when the bits were read.
    pub contents: Option<Contents>,
    /// The heat map, when that was asked for and the bits were read.
    pub map: Option<HeatMap>,
    /// Whether the kernel would trust it; `None` without an md superblock, or when not asked for.
    pub verdict: Option<Verdict>,
    /// Rules of the kernel that the superblock breaks, as far as it can be judged without one.
    pub broken_rules: Vec<Violation>,
    /// Where the freshest superblock of its array was found, when it was judged without one of its
    /// own but a member was given as well.
    pub compared_with: Option<OsString>,
    /// What went wrong with this slot.
    pub problems: Vec<Problem>,
}

impl Slot {
    /// True when some of it could not be read.
    pub fn is_unreadable(&self) -> bool {
        let unreadable = |problem: &Problem| problem.kind == ProblemKind::Read;
        self.problems.iter().any(unreadable)
    }
}

/// What the bits or state bytes of one slot say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Chunks that the superblock describes.
    pub chunks: u64,
    /// Chunks to be treated as dirty, missing ones included.
    pub dirty_chunks: u64,
    /// Chunks whose bits lie past the end of the device; they are counted as dirty.
    pub missing_chunks: u64,
    /// Bytes covered by the dirty chunks, the last chunk clipped to the sync size.
    pub dirty_bytes: u128,
    /// Counts of each state (version 6 only).
    pub states: Option<StateCounts>,
}

/// What an md superblock says about its array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayFacts {
    /// "raid1", "raid5", ...
    pub level: String,
    /// Members when complete.
    pub members: u32,
    /// Events of the freshest superblock at hand.
    pub events: Events,
    /// True when that superblock says that the array was stopped cleanly and fully synced.
    pub clean: bool,
}

/// By which superblocks a bitmap was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedBy {
    /// Where the freshest superblock of the array was found.
    pub freshest: OsString,
    /// How many members of the array were given, this one included.
    pub given: u32,
}
