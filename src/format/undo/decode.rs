//! Bytes to types: whatever the bytes are, what comes out makes sense.

use super::{
    About, Device, FRAMING, Guard, MAX_DEVICES, MAX_GUARD_BYTES, MAX_SENTENCES, MAX_STEPS,
    MAX_TEXT, MAX_WRITES, Part, Place, RECORD_HEAD, Record, Run, SECTOR, UndoFileError, What,
    Write,
};
use crate::format::framing::{FrameDecoder, take};

/// Takes an undo file apart. The caller reads as many bytes as are asked for.
#[derive(Debug)]
pub struct Decoder {
    frames: FrameDecoder,
    about: bool,
    /// Lengths of the devices.
    devices: Vec<u64>,
    guard_bytes: usize,
    steps: usize,
    writes: usize,
    /// Device and end of the last write of this step.
    last: Option<(u32, u64)>,
    /// Bytes still to come of the old and of the new content of the last write.
    open: (u64, u64),
}

type Reason = &'static str;

impl Decoder {
    /// Begins with the first [`super::START`] bytes, or fewer where there are no more.
    ///
    /// # Errors
    /// [`UndoFileError::Magic`], [`UndoFileError::Version`], [`UndoFileError::CutOff`].
    pub fn new(bytes: &[u8]) -> Result<Self, UndoFileError> {
        Ok(Self {
            frames: FrameDecoder::new(&FRAMING, bytes)?,
            about: false,
            devices: Vec::new(),
            guard_bytes: 0,
            steps: 0,
            writes: 0,
            last: None,
            open: (0, 0),
        })
    }

    /// Where the next record starts.
    pub fn place(&self) -> Place {
        self.frames.place()
    }

    /// Bytes still to come of the old and of the new content of the last write.
    pub fn open(&self) -> (u64, u64) {
        self.open
    }

    /// How many bytes follow the [`RECORD_HEAD`] bytes of a record.
    ///
    /// # Errors
    /// [`UndoFileError::Checksum`] for lengths that no record has.
    pub fn rest_of(&self, head: [u8; RECORD_HEAD]) -> Result<usize, UndoFileError> {
        Ok(self.frames.rest_of(head)?)
    }

    /// The record of a head and of what follows it.
    ///
    /// # Errors
    /// [`UndoFileError::Checksum`], [`UndoFileError::Record`].
    pub fn record(
        &mut self,
        head: [u8; RECORD_HEAD],
        rest: &[u8],
    ) -> Result<Record, UndoFileError> {
        let at = self.frames.place().at;
        let (kind, content) = self.frames.record(head, rest)?;
        let refuse = |reason| UndoFileError::Record { at, reason };
        let record =
            decode(kind, content).ok_or(refuse("no record of this kind has this content"))?;
        if let Record::End = record
            && content != self.counts().concat()
        {
            return Err(refuse(
                "it counts other devices, steps or writes than were read",
            ));
        }
        self.take(&record).map_err(refuse)?;
        Ok(record)
    }

    fn counts(&self) -> [[u8; 4]; 3] {
        [self.devices.len(), self.steps, self.writes]
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes())
    }

    /// Whether a record may stand here, and fits those before it.
    fn take(&mut self, record: &Record) -> Result<(), Reason> {
        match record {
            Record::Run(run) => self.run(run),
            _ if self.open != (0, 0) => Err("the content of a write is not complete"),
            Record::About(_) if self.about => Err("there are two beginnings"),
            Record::About(_) => {
                self.about = true;
                Ok(())
            }
            _ if !self.about => Err("it does not say first what it is about"),
            Record::Device(device) => self.device(device),
            Record::Guard(guard) => self.guard(guard),
            Record::Step(_) if self.steps >= MAX_STEPS => Err("it has more steps than any change"),
            Record::Step(_) => {
                self.steps += 1;
                self.last = None;
                Ok(())
            }
            Record::Write(write) => self.write(write),
            Record::End => Ok(()),
        }
    }

    fn device(&mut self, device: &Device) -> Result<(), Reason> {
        if self.steps > 0 || self.guard_bytes > 0 {
            return Err("a device comes too late");
        }
        if self.devices.len() >= MAX_DEVICES {
            return Err("there are more devices than any array has");
        }
        self.devices.push(device.bytes);
        Ok(())
    }

    fn guard(&mut self, guard: &Guard) -> Result<(), Reason> {
        if self.steps > 0 {
            return Err("a guard comes too late");
        }
        self.guard_bytes = self.guard_bytes.saturating_add(guard.bytes.len());
        if self.guard_bytes > MAX_GUARD_BYTES {
            return Err("there are more guards than any array needs");
        }
        self.on_device(guard.device, guard.start, guard.bytes.len() as u64)
            .map(|_| ())
    }

    /// The end of a range, which must be whole sectors of a device.
    fn on_device(&self, device: u32, start: u64, len: u64) -> Result<u64, Reason> {
        let known = usize::try_from(device).ok();
        let Some(bytes) = known.and_then(|device| self.devices.get(device)) else {
            return Err("it is of a device that is not there");
        };
        let sector = SECTOR as u64;
        if len == 0 || !start.is_multiple_of(sector) || !len.is_multiple_of(sector) {
            return Err("its place is not of whole sectors");
        }
        match start.checked_add(len) {
            Some(end) if end <= *bytes => Ok(end),
            _ => Err("its place is not on the device"),
        }
    }

    fn write(&mut self, write: &Write) -> Result<(), Reason> {
        if self.steps == 0 {
            return Err("a write belongs to no step");
        }
        if self.writes >= MAX_WRITES {
            return Err("it has more writes than any change");
        }
        let end = self.on_device(write.device, write.start, write.len)?;
        if self
            .last
            .is_some_and(|last| (write.device, write.start) < last)
        {
            return Err("a write is out of order, or on another one of its step");
        }
        self.last = Some((write.device, end));
        self.writes += 1;
        self.open = (write.len, write.len);
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<(), Reason> {
        // The old content comes first, and no run is of both.
        let left = match &mut self.open {
            (0, new) => new,
            (old, _) => old,
        };
        *left = left
            .checked_sub(run.bytes())
            .ok_or("a content is longer than its write")?;
        Ok(())
    }
}

/// Reads runs from the middle of a file that was read whole once.
#[derive(Debug, Clone)]
pub struct Contents {
    frames: FrameDecoder,
}

impl Contents {
    /// Begins at a place between two records.
    pub fn at(place: Place) -> Contents {
        Contents {
            frames: FrameDecoder::resume(&FRAMING, place),
        }
    }

    /// How many bytes follow the head of a record.
    ///
    /// # Errors
    /// [`UndoFileError::Checksum`] for lengths that no record has.
    pub fn rest_of(&self, head: [u8; RECORD_HEAD]) -> Result<usize, UndoFileError> {
        Ok(self.frames.rest_of(head)?)
    }

    /// The run of a head and of what follows it.
    ///
    /// # Errors
    /// [`UndoFileError::Checksum`], [`UndoFileError::Record`].
    pub fn run(&mut self, head: [u8; RECORD_HEAD], rest: &[u8]) -> Result<Run, UndoFileError> {
        let at = self.frames.place().at;
        let (kind, content) = self.frames.record(head, rest)?;
        match decode(kind, content) {
            Some(Record::Run(run)) => Ok(run),
            _ => Err(UndoFileError::Record {
                at,
                reason: "it was a content when the file was opened",
            }),
        }
    }
}

fn decode(kind: u8, content: &[u8]) -> Option<Record> {
    let mut rest = content;
    let record = match kind {
        1 => Record::About(about(&mut rest)?),
        2 => Record::Device(Device {
            bytes: u64::from_le_bytes(take(&mut rest)?),
            uuid: match (take(&mut rest)?, take(&mut rest)?) {
                ([0], uuid) => (uuid == [0; 16]).then_some(None)?,
                ([1], uuid) => Some(uuid),
                _ => return None,
            },
            path: Some(std::mem::take(&mut rest).to_vec()).filter(|path| path.len() <= MAX_TEXT)?,
        }),
        3 => Record::Guard(Guard {
            device: u32::from_le_bytes(take(&mut rest)?),
            start: u64::from_le_bytes(take(&mut rest)?),
            bytes: sectors(&mut rest)?,
        }),
        4 => Record::Step(text_of(std::mem::take(&mut rest))?),
        5 => Record::Write(Write {
            device: u32::from_le_bytes(take(&mut rest)?),
            start: u64::from_le_bytes(take(&mut rest)?),
            len: u64::from_le_bytes(take(&mut rest)?),
            part: Part::of_code(u8::from_le_bytes(take(&mut rest)?))?,
        }),
        6 => Record::Run(Run::Fill {
            sectors: count(&mut rest)?,
            value: u8::from_le_bytes(take(&mut rest)?),
        }),
        7 => Record::Run(Run::Same {
            sectors: count(&mut rest)?,
            sector: Box::new(take(&mut rest)?),
        }),
        8 => Record::Run(Run::Sectors(sectors(&mut rest)?)),
        9 => {
            let _: [u8; 12] = take(&mut rest)?;
            Record::End
        }
        _ => return None,
    };
    rest.is_empty().then_some(record)
}

fn about(rest: &mut &[u8]) -> Option<About> {
    let what = match take(rest)? {
        [1] => What::Metadata,
        [2] => What::Resync,
        [_] => return None,
    };
    let about = About {
        what,
        made: u64::from_le_bytes(take(rest)?),
        array_uuid: take(rest)?,
        verb: text(rest)?,
        array: text(rest)?,
        program: text(rest)?,
        sentences: Vec::new(),
    };
    let mut sentences = Vec::new();
    while !rest.is_empty() {
        sentences.push(text(rest)?);
    }
    (sentences.len() <= MAX_SENTENCES).then_some(About { sentences, ..about })
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let len = usize::from(u16::from_le_bytes(take(rest)?));
    let (text, left) = rest.split_at_checked(len)?;
    *rest = left;
    text_of(text)
}

fn text_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    (text.len() <= MAX_TEXT).then_some(text)
}

/// A number of sectors whose bytes can be counted.
fn count(rest: &mut &[u8]) -> Option<u64> {
    let sectors = u64::from_le_bytes(take(rest)?);
    sectors
        .checked_mul(SECTOR as u64)
        .filter(|bytes| *bytes > 0)
        .map(|_| sectors)
}

fn sectors(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let bytes = std::mem::take(rest);
    (!bytes.is_empty() && bytes.len().is_multiple_of(SECTOR)).then(|| bytes.to_vec())
}
