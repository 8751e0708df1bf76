//! An undo file that was read, and found whole.

use super::contents::{Content, Keeper, Source};
use super::judge::Judgement;
use crate::change::plan::{Guard, Part};
use crate::device::{Store, StoreError};
use crate::format::undo::{About, Decoder, RECORD_HEAD, Record, START, UndoFileError};
use crate::units::Bytes;
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

/// An undo file; its long contents are read from it as they are needed.
pub struct UndoFile {
    pub(super) source: Arc<dyn Store>,
    /// What the change was.
    pub about: About,
    /// The devices, in the order in which each step takes them.
    pub devices: Vec<SavedDevice>,
    /// Sectors that stay but for what the writes say.
    pub guards: Vec<Guard>,
    /// What each step is for.
    pub titles: Vec<String>,
    /// All writes, in the order in which they were to be made.
    pub writes: Vec<SavedWrite>,
    /// The same, by what becomes durable together.
    pub groups: Vec<SavedGroup>,
}

/// A device of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedDevice {
    /// Where it was.
    pub path: PathBuf,
    /// Its length.
    pub len: Bytes,
    /// Its own UUID, where it has one.
    pub uuid: Option<[u8; 16]>,
}

/// A write of a change.
#[derive(Debug)]
pub struct SavedWrite {
    /// Which of the devices.
    pub device: usize,
    /// Bytes of the device.
    pub range: Range<u64>,
    /// What lies there.
    pub part: Part,
    pub(super) old: Content,
    pub(super) new: Content,
}

/// The writes of one step to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedGroup {
    /// Which step.
    pub step: usize,
    /// Which device.
    pub device: usize,
    /// Which writes.
    pub writes: Range<usize>,
}

/// Why an undo file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct FileError {
    /// The file.
    pub path: String,
    /// Why.
    pub cause: FileCause,
}

/// What is wrong with an undo file.
#[derive(Debug, thiserror::Error)]
pub enum FileCause {
    /// It is not whole, or none.
    #[error("{0}; nothing can be taken back with it")]
    Format(#[from] UndoFileError),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Store(#[from] StoreError),
    /// What a step replaces is not what the one before it wrote.
    #[error(
        "its steps contradict each other about byte {start} of device {device}; nothing can be taken back with it"
    )]
    Contradiction {
        /// Number of the device, from 0.
        device: usize,
        /// First byte of the sectors.
        start: u64,
    },
}

impl fmt::Debug for UndoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndoFile")
            .field("path", &self.source.name())
            .field("about", &self.about)
            .field("devices", &self.devices)
            .field("titles", &self.titles)
            .finish_non_exhaustive()
    }
}

impl UndoFile {
    /// Reads the whole file.
    ///
    /// # Errors
    /// [`FileError`] when it is not a whole undo file.
    pub fn open(source: Arc<dyn Store>) -> Result<UndoFile, FileError> {
        let path = source.name().to_owned();
        let open = read(source);
        open.map_err(|cause| FileError { path, cause })
    }

    /// What it is about alone, and its devices: a quick look, which does not find out whether the file is whole.
    ///
    /// # Errors
    /// [`FileError`] when it does not begin as an undo file.
    pub fn glance(source: &dyn Store) -> Result<(About, Vec<SavedDevice>), FileError> {
        glance(source).map_err(|cause| FileError {
            path: source.name().to_owned(),
            cause,
        })
    }

    pub(super) fn contradicts(&self, device: usize, start: u64) -> FileError {
        FileError {
            path: self.name().to_owned(),
            cause: FileCause::Contradiction { device, start },
        }
    }

    /// Its path.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The groups that [`super::revert`] takes back after a judgement, in its order.
    pub fn to_take_back(&self, judgement: &Judgement) -> impl Iterator<Item = &SavedGroup> {
        let groups = judgement.reach.map_or(0, |reach| reach.saturating_add(1));
        self.groups.iter().take(groups).rev()
    }

    /// The old and the new content of a write of at most `most` bytes, where they are in memory.
    pub fn short_contents<'w>(
        &self,
        write: &'w SavedWrite,
        most: u64,
    ) -> Option<(&'w [u8], &'w [u8])> {
        match (&write.old, &write.new) {
            (Content::Short(old), Content::Short(new)) if old.len() as u64 <= most => {
                Some((old, new))
            }
            _ => None,
        }
    }

    /// The writes of a device, each with its group.
    pub(super) fn writes_of(&self, device: usize) -> impl Iterator<Item = (usize, &SavedWrite)> {
        let groups = self.groups.iter().enumerate();
        groups
            .filter(move |(_, group)| group.device == device)
            .flat_map(|(number, group)| {
                let writes = self.writes.get(group.writes.clone()).unwrap_or_default();
                writes.iter().map(move |write| (number, write))
            })
    }
}

fn saved(device: crate::format::undo::Device) -> SavedDevice {
    SavedDevice {
        path: PathBuf::from(OsString::from_vec(device.path)),
        len: Bytes(device.bytes),
        uuid: device.uuid,
    }
}

/// Records, one after the other.
struct Records<'s> {
    source: Source<'s>,
    decoder: Decoder,
}

impl<'s> Records<'s> {
    fn new(store: &'s dyn Store) -> Result<Self, FileCause> {
        let mut source = Source::at(store, 0);
        let mut start = vec![0; START.min(usize::try_from(store.len().0).unwrap_or(START))];
        source.fill(&mut start)?;
        Ok(Records {
            source,
            decoder: Decoder::new(&start)?,
        })
    }

    fn next(&mut self) -> Result<Record, FileCause> {
        let mut head = [0; RECORD_HEAD];
        self.source.fill(&mut head)?;
        let mut rest = vec![0; self.decoder.rest_of(head)?];
        self.source.fill(&mut rest)?;
        Ok(self.decoder.record(head, &rest)?)
    }
}

fn glance(source: &dyn Store) -> Result<(About, Vec<SavedDevice>), FileCause> {
    let mut records = Records::new(source)?;
    let mut found = None;
    let mut devices = Vec::new();
    loop {
        match records.next()? {
            Record::About(about) => found = Some(about),
            Record::Device(device) => devices.push(saved(device)),
            _ => break,
        }
    }
    match found {
        Some(about) => Ok((about, devices)),
        None => Err(UndoFileError::CutOff { at: 0 }.into()),
    }
}

fn read(store: Arc<dyn Store>) -> Result<UndoFile, FileCause> {
    let source = Arc::clone(&store);
    let mut records = Records::new(&*source)?;
    let mut about = None;
    let (mut devices, mut guards, mut titles) = (Vec::new(), Vec::new(), Vec::new());
    let mut writes: Vec<SavedWrite> = Vec::new();
    let mut groups: Vec<SavedGroup> = Vec::new();
    let mut keeper = Keeper::default();
    loop {
        match records.next()? {
            Record::About(found) => about = Some(found),
            Record::Device(device) => devices.push(saved(device)),
            Record::Guard(guard) => guards.push(Guard {
                device: place(guard.device),
                start: Bytes(guard.start),
                bytes: guard.bytes,
            }),
            Record::Step(title) => titles.push(title),
            Record::Write(write) => {
                let device = place(write.device);
                let number = writes.len();
                let step = titles.len().saturating_sub(1);
                match groups.last_mut() {
                    Some(group) if (group.step, group.device) == (step, device) => {
                        group.writes.end = number.saturating_add(1);
                    }
                    _ => groups.push(SavedGroup {
                        step,
                        device,
                        writes: number..number.saturating_add(1),
                    }),
                }
                let [old, new] = contents(&mut records, &mut keeper, write.len)?;
                writes.push(SavedWrite {
                    device,
                    range: write.start..write.start.saturating_add(write.len),
                    part: write.part,
                    old,
                    new,
                });
            }
            // They are read with their write.
            Record::Run(_) => {}
            Record::End => break,
        }
    }
    let end = records.decoder.place().at;
    if end != store.len().0 {
        return Err(UndoFileError::Record {
            at: end,
            reason: "something follows the end record",
        }
        .into());
    }
    let about = about.ok_or(UndoFileError::CutOff { at: end })?;
    Ok(UndoFile {
        source: store,
        about,
        devices,
        guards,
        titles,
        writes,
        groups,
    })
}

fn place(device: u32) -> usize {
    usize::try_from(device).unwrap_or(usize::MAX)
}

/// The old and the new content of a write.
fn contents(
    records: &mut Records<'_>,
    keeper: &mut Keeper,
    len: u64,
) -> Result<[Content; 2], FileCause> {
    let mut one = |records: &mut Records<'_>, old: bool| -> Result<Content, FileCause> {
        let mut content = keeper.begin(records.decoder.place(), len);
        while {
            let (of_old, of_new) = records.decoder.open();
            (if old { of_old } else { of_new }) > 0
        } {
            let at = records.decoder.place().at;
            match records.next()? {
                Record::Run(run) => keeper.add(&mut content, &run),
                _ => {
                    let reason = "the content of a write is not complete";
                    return Err(UndoFileError::Record { at, reason }.into());
                }
            }
        }
        Ok(content)
    };
    Ok([one(records, true)?, one(records, false)?])
}
