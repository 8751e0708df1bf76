//! Bitmaps beside the array whose marks are taken over: those of files, bare devices, images, and dumps.
//!
//! They are found first ([`open`]), and read one at a time while a plan is made ([`MarkSource::known`]), so that memory
//! does not grow with their number.

#[cfg(test)]
pub(in crate::commands) mod tests;

use super::dump::{self, DumpOptions};
use super::dump_file::{DumpFile, DumpFileError, DumpedRuns};
use super::given::ProblemKind;
use super::offline::Failure;
use crate::bitmap::{Bitmap, TooManyChunks};
use crate::change::mark::StateMap;
use crate::change::stopped::{cannot_know, too_many};
use crate::change::{Knowledge, PlanError};
use crate::device::{CachedStore, DirectStore, OpenMode};
use crate::format::bitmap_super::state;
use crate::format::coverage::Coverage;
use crate::format::dump_text::{BitmapFacts, DeviceFacts, MdFacts, RunMark};
use crate::format::lockless::ChunkState;
use crate::format::uuid_text;
use crate::units::{Bytes, Events, Sectors};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// A bitmap whose marks can be taken over.
#[derive(Debug, Clone)]
pub struct MarkSource {
    /// What was given: a device, a file or a dump.
    pub given: OsString,
    /// The device that it is or was on, for messages.
    pub name: String,
    /// Its superblock, and where it was.
    pub bitmap: BitmapFacts,
    /// What the md superblock beside it said, where there was one.
    pub md: Option<MdFacts>,
    /// Length of its device or file.
    pub device_bytes: u64,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// On a device or in a file of this name.
    Stored(OsString),
    /// In a dump: number of the device, number of the bitmap.
    Dumped(Arc<DumpFile>, usize, usize),
    /// At hand.
    #[cfg(test)]
    Ready(Box<Knowledge>),
}

/// Finds the bitmaps of dumps, devices, images and files: all slots, all devices of a dump.
///
/// # Errors
/// [`Failure::Input`] for the first that cannot be read, or holds none.
pub fn open(paths: &[OsString]) -> Result<Vec<MarkSource>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        let before = sources.len();
        match DumpFile::is_dump(path) {
            true => sources.extend(of_dump(DumpFile::open(path).map_err(|e| unusable(&e))?)),
            false => of_devices(path, &mut sources)?,
        }
        if sources.len() == before {
            return Err(Failure::Input {
                message: format!("{}: holds no bitmap", path.display()),
                status: super::Status::Failed,
            });
        }
    }
    Ok(sources)
}

/// Finds the bitmaps of a dump, which nothing else may stand for.
///
/// # Errors
/// [`Failure::Input`] when it cannot be read, or holds none.
pub fn open_dump(path: &OsString) -> Result<Vec<MarkSource>, Failure> {
    let sources = of_dump(DumpFile::open(path).map_err(|error| unusable(&error))?);
    match sources.is_empty() {
        false => Ok(sources),
        true => Err(Failure::Input {
            message: format!("{}: holds no bitmap", path.display()),
            status: super::Status::Failed,
        }),
    }
}

fn unusable(error: &DumpFileError) -> Failure {
    Failure::Input {
        message: error.to_string(),
        status: error.status(),
    }
}

/// The bitmaps of a dump.
pub fn of_dump(dump: DumpFile) -> Vec<MarkSource> {
    let dump = Arc::new(dump);
    let mut sources = Vec::new();
    for (device_number, device) in dump.devices.iter().enumerate() {
        for (number, bitmap) in device.bitmaps.iter().enumerate() {
            sources.push(MarkSource {
                given: dump.path.clone(),
                name: format!(
                    "{}: {}",
                    dump.path.display(),
                    named(&device.facts, &bitmap.facts)
                ),
                bitmap: bitmap.facts.clone(),
                md: device.facts.md.clone(),
                device_bytes: device.facts.device_bytes,
                place: Place::Dumped(Arc::clone(&dump), device_number, number),
            });
        }
    }
    sources
}

fn of_devices(path: &OsString, sources: &mut Vec<MarkSource>) -> Result<(), Failure> {
    let devices = dump::open(&DumpOptions {
        paths: vec![path.clone()],
        ..DumpOptions::default()
    });
    for mut device in devices {
        device.given.reopen();
        // A slot that cannot be opened would have marks that nobody sees.
        let harmless = |kind| {
            use ProblemKind::{BadSuperblock, NoBitmap, WrongUuid};
            matches!(kind, NoBitmap | WrongUuid | BadSuperblock) && !device.bitmaps().is_empty()
        };
        let grave = device
            .problems
            .iter()
            .find(|problem| !harmless(problem.kind));
        if let Some(problem) = grave {
            return Err(Failure::Input {
                message: problem.message.clone(),
                status: problem.kind.status(),
            });
        }
        let Some(facts) = device.facts.clone() else {
            continue;
        };
        for (bitmap, _) in device.bitmaps() {
            sources.push(MarkSource {
                given: path.clone(),
                name: named(&facts, &bitmap),
                md: facts.md.clone(),
                device_bytes: facts.device_bytes,
                bitmap,
                place: Place::Stored(device.given.path.clone()),
            });
        }
    }
    Ok(())
}

fn named(device: &DeviceFacts, bitmap: &BitmapFacts) -> String {
    let name = String::from_utf8_lossy(&device.path);
    match bitmap.slot {
        0 => name.into_owned(),
        slot => format!("{name} slot {slot}"),
    }
}

impl MarkSource {
    /// The path of its device, as bytes may be.
    pub fn device_path(&self) -> OsString {
        match &self.place {
            Place::Stored(path) => path.clone(),
            Place::Dumped(dump, device, _) => {
                let path = dump.devices.get(*device).map(|device| &device.facts.path);
                OsString::from_vec(path.cloned().unwrap_or_default())
            }
            #[cfg(test)]
            Place::Ready(_) => OsString::from(&self.name),
        }
    }

    /// What its chunks cover; `None` where they cannot be told.
    pub fn coverage(&self) -> Option<Coverage> {
        self.bitmap.coverage()
    }

    /// What it says of every chunk of its own; what it does not tell is dirty.
    ///
    /// # Errors
    /// [`PlanError`] when it cannot be read, or its chunks cannot be told.
    pub fn known(&self) -> Result<Knowledge, PlanError> {
        let Some(coverage) = self.coverage() else {
            return Err(PlanError::refuse(
                "chunks-unknown",
                format!(
                    "{}: what its chunks are cannot be told, so nothing is known of them (version {}, state {:#x})",
                    self.name, self.bitmap.raw.version, self.bitmap.raw.state
                ),
            ));
        };
        match &self.place {
            Place::Stored(path) => {
                let store = CachedStore::new(DirectStore::open(path, OpenMode::Read)?);
                let start = Bytes(self.bitmap.start_bytes);
                let bitmap = Bitmap::open(&store, start, self.bitmap.order)
                    .map_err(|error| cannot_know(error.into()))?;
                if *bitmap.raw() != self.bitmap.raw {
                    return Err(PlanError::refuse(
                        "source-changed",
                        format!(
                            "{}: was changed while it was being read; try again",
                            self.name
                        ),
                    ));
                }
                Knowledge::read(&bitmap, coverage.sync_size()).map_err(cannot_know)
            }
            Place::Dumped(dump, device, bitmap) => {
                let bitmap = dump
                    .devices
                    .get(*device)
                    .and_then(|d| d.bitmaps.get(*bitmap));
                let runs = match bitmap {
                    Some(bitmap) => dump.runs(bitmap).map_err(Unread::Dump)?,
                    None => return Ok(Knowledge::all_dirty(coverage).map_err(|e| too_many(&e))?),
                };
                let lockless = self.bitmap.raw.is_lockless();
                let runs = runs.map(|run| run.map_err(Unread::Dump));
                Ok(Knowledge::of_runs(coverage, lockless, runs)?)
            }
            #[cfg(test)]
            Place::Ready(known) => Ok((**known).clone()),
        }
    }

    /// The runs of a bitmap that is in a dump.
    ///
    /// # Errors
    /// [`DumpFileError`], also when it is in none.
    pub fn dumped_runs(&self) -> Result<DumpedRuns, DumpFileError> {
        let found = match &self.place {
            Place::Dumped(dump, device, bitmap) => {
                let device = dump.devices.get(*device);
                device.and_then(|device| Some((dump, device.bitmaps.get(*bitmap)?)))
            }
            _ => None,
        };
        match found {
            Some((dump, bitmap)) => dump.runs(bitmap),
            None => Err(DumpFileError::NotAFile {
                path: self.name.clone(),
            }),
        }
    }

    /// The very states of a lockless bitmap with these chunks; `None` where it is none of that kind.
    ///
    /// # Errors
    /// As [`MarkSource::known`].
    pub fn states(&self, coverage: Coverage) -> Result<Option<StateMap>, PlanError> {
        let alike = self.bitmap.raw.is_lockless() && self.coverage() == Some(coverage);
        let Place::Dumped(dump, device, bitmap) = &self.place else {
            return Ok(None);
        };
        let bitmap = dump
            .devices
            .get(*device)
            .and_then(|d| d.bitmaps.get(*bitmap));
        let Some(bitmap) = bitmap.filter(|_| alike) else {
            return Ok(None);
        };
        let mut states = StateMap::unwritten(coverage.chunks())?;
        for run in dump.runs(bitmap).map_err(Unread::Dump)? {
            let run = run.map_err(Unread::Dump)?;
            let state = match run.mark {
                RunMark::State(byte) => ChunkState::from_byte(byte),
                RunMark::Dirty | RunMark::Missing => ChunkState::NeedSync,
            };
            states.set(&run.chunks, state);
        }
        Ok(Some(states))
    }

    /// True when it belongs to the array with this UUID.
    pub fn is_of(&self, array_uuid: &[u8; 16]) -> bool {
        self.bitmap.raw.uuid == *array_uuid
    }

    /// Its UUID in words.
    pub fn uuid_text(&self) -> String {
        let metadata = self.md.as_ref().map(|md| md.metadata);
        crate::format::dump_text::uuid_text(&self.bitmap.raw.uuid, metadata)
    }

    /// Why it may lack marks, in an array at this event that counts so many sectors.
    pub fn doubts(&self, events: Events, sync_size: Sectors) -> Vec<String> {
        let raw = &self.bitmap.raw;
        let mut doubts = Vec::new();
        if raw.events < events.0 {
            doubts.push(format!(
                "{}: is of event {}, and the array is at {events}: what was marked in between is not in it",
                self.name, raw.events
            ));
        }
        if let Some(md) = self.md.as_ref().filter(|md| md.events > raw.events) {
            doubts.push(format!(
                "{}: was out of date already when it was written (event {}, its array at {}): marks may be missing",
                self.name, raw.events, md.events
            ));
        }
        if raw.state & (state::STALE | state::WRITE_ERROR) != 0 {
            doubts.push(format!(
                "{}: was out of use (state {:#x}): marks may be missing",
                self.name, raw.state
            ));
        }
        if raw.sync_size() < sync_size {
            doubts.push(format!(
                "{}: covers {} of {sync_size} sectors: the rest is taken for dirty",
                self.name,
                raw.sync_size()
            ));
        }
        doubts
    }
}

/// Why the runs of a dump cannot be had.
enum Unread {
    Dump(DumpFileError),
    TooMany(TooManyChunks),
}

impl From<TooManyChunks> for Unread {
    fn from(error: TooManyChunks) -> Self {
        Unread::TooMany(error)
    }
}

impl From<Unread> for PlanError {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Dump(error) => PlanError::refuse("dump-unreadable", error.to_string()),
            Unread::TooMany(error) => too_many(&error).into(),
        }
    }
}

/// The sources that belong to an array: of each thing given at least one.
///
/// # Errors
/// [`PlanError::Refused`] for a thing that has nothing of this array.
pub fn of_array<'s>(
    sources: &'s [MarkSource],
    array_uuid: &[u8; 16],
) -> Result<Vec<&'s MarkSource>, PlanError> {
    let mut refusals = Vec::new();
    let mut own = Vec::new();
    for given in sources.chunk_by(|a, b| a.given == b.given) {
        let before = own.len();
        own.extend(given.iter().filter(|source| source.is_of(array_uuid)));
        if own.len() == before
            && let Some(first) = given.first()
        {
            refusals.push(crate::change::Refusal::new(
                "foreign-source",
                format!(
                    "{}: its bitmap is that of the array {}, and this one is {}",
                    first.name,
                    first.uuid_text(),
                    uuid_text::in_byte_order(array_uuid)
                ),
            ));
        }
    }
    match refusals.is_empty() {
        true => Ok(own),
        false => Err(PlanError::Refused(refusals)),
    }
}
