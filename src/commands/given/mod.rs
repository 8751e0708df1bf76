//! The devices, images and files that a verb is given: opened, and their superblocks and bitmaps found.

mod expand;
mod found;
mod locate;
mod problem;

pub use found::{Found, Kind, UuidText};
pub use problem::{Problem, ProblemKind};

pub(in crate::commands) use expand::members_of_array;
pub(in crate::commands) use locate::locate;

use crate::array::{FoundSuper, MetadataFilter};
use crate::bitmap::{Bitmap, BitmapError};
use crate::device::{CachedStore, DirectStore, OpenMode, Store, StoreError};
use crate::format::bit_array::BitOrder;
use crate::units::Bytes;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

/// How superblocks and bitmaps are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct GivenOptions {
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
    /// Byte at which the bitmap starts, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
}

/// A device, image or file that a verb was given, and what lies on it.
pub struct Given {
    /// The path; any bytes.
    pub path: OsString,
    /// Where its bitmap is, when one was found.
    pub found: Option<Found>,
    /// Its md superblock, when it has one.
    pub member: Option<FoundSuper>,
    /// What went wrong so far.
    pub problems: Vec<Problem>,
    /// What the reader should know, though nothing is wrong.
    pub notes: Vec<String>,
    /// The running array that was given, and in whose place this member or bitmap file stands.
    pub running_array: Option<OsString>,
    /// True for a block device, false for a file.
    pub is_block_device: bool,
    order: BitOrder,
    /// False when it could not be opened.
    usable: bool,
    store: Option<Box<dyn Store>>,
}

/// Opens every path in turn and finds its superblock and bitmap. A running array without a superblock
/// of its own is replaced by its members. What goes wrong with one is told in its entry.
///
/// Only the first [`KEPT_OPEN`] stay open: a process may not have many files open, and any number
/// may be given. The others can be opened again with [`Given::reopen`].
pub fn open_all(paths: &[OsString], options: &GivenOptions) -> Vec<Given> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(expand::running_array(Given::open(path, options), options));
        for given in all.iter_mut().skip(KEPT_OPEN) {
            given.store = None;
        }
    }
    all
}

/// Devices that [`open_all`] leaves open; more than an array of 0.90 metadata has.
pub const KEPT_OPEN: usize = 100;

impl Given {
    /// A path that was not looked at yet.
    pub fn unopened(path: OsString) -> Given {
        Given {
            path,
            found: None,
            member: None,
            problems: Vec::new(),
            notes: Vec::new(),
            running_array: None,
            is_block_device: false,
            order: BitOrder::default(),
            usable: false,
            store: None,
        }
    }

    /// Opens `path` for reading and finds what lies on it.
    pub fn open(path: &OsStr, options: &GivenOptions) -> Given {
        let mut given = Given::unopened(path.to_owned());
        given.reopen();
        given.find(options);
        given
    }

    /// The same for a store that is open already: for tests and fuzzers.
    pub fn of_store(store: Box<dyn Store>, options: &GivenOptions) -> Given {
        let mut given = Given::unopened(OsString::from(store.name()));
        given.usable = true;
        given.store = Some(store);
        given.find(options);
        given
    }

    fn find(&mut self, options: &GivenOptions) {
        self.order = options.order;
        if let Some(store) = self.store.take() {
            locate(self, &*store, options);
            self.store = Some(store);
        }
    }

    /// Opens it again if it was closed, or notes why it cannot be opened.
    pub fn reopen(&mut self) {
        if self.store.is_some() {
            return;
        }
        match DirectStore::open(&self.path, OpenMode::Read) {
            Ok(store) => {
                if let Some(note) = store.note() {
                    let note = format!("{}: {note}", self.name());
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
                self.is_block_device = store.is_block_device();
                self.usable = true;
                self.store = Some(Box::new(CachedStore::new(store)));
            }
            Err(error) => {
                self.usable = false;
                self.problems.push(open_problem(&error));
            }
        }
    }

    /// Closes it; what was found is kept.
    pub fn close(&mut self) {
        self.store = None;
    }

    /// The path in readable form.
    pub fn name(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }

    /// False when it could not be opened.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Its storage while it is open.
    pub fn store(&self) -> Option<&dyn Store> {
        self.store.as_deref()
    }

    /// Its bitmap, which may be anything: nothing but its place was checked. `None` when none was
    /// found, or the device is not open.
    ///
    /// # Errors
    /// As [`Bitmap::open`].
    pub fn bitmap(&self) -> Result<Option<Bitmap<'_>>, BitmapError> {
        match (self.store(), &self.found) {
            (Some(store), Some(found)) => Bitmap::open(store, found.start, self.order).map(Some),
            _ => Ok(None),
        }
    }
}

fn open_problem(error: &StoreError) -> Problem {
    let kind = match error {
        StoreError::Unsuitable { .. } => ProblemKind::NotStorage,
        StoreError::Read { .. } => ProblemKind::Read,
        StoreError::Open { source, .. } if is_io_error(source) => ProblemKind::Read,
        _ => ProblemKind::Open,
    };
    Problem::new(kind, error.to_string())
}

/// True for what the hardware, not a name or a permission, is to blame for.
fn is_io_error(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::IO, Errno::NXIO, Errno::NOMEDIUM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
