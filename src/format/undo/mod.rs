//! An undo file: what a change of a stopped array overwrites, and what it writes instead.
//!
//! Records in the framing of [`super::framing`], with the magic `mdbitmap-undo-1\n`, in this order: one about, the
//! devices, the guards, then each step with its writes, an end last. Behind each write follow its contents: runs that make
//! up the old one, then runs that make up the new one.
//!
//! | record | bytes | what |
//! |---|---|---|
//! | 1 about | 1 | what was changed: [`What`] |
//! | | 8 | when: seconds since 1970 |
//! | | 16 | UUID of the array, as its superblocks store it |
//! | | texts | the verb; the array; the program; then what the change does, a sentence each |
//! | 2 device | 8 | its length in bytes |
//! | | 1, 16 | 1 and its own UUID, or 0 and zeros |
//! | | n | its path, any bytes |
//! | 3 guard | 4, 8 | number of the device, first byte |
//! | | n | whole sectors that are there before the change, and stay but for what the writes say |
//! | 4 step | n | what it is for, text |
//! | 5 write | 4, 8, 8 | number of the device, first byte, length |
//! | | 1 | what lies there: [`Part`] |
//! | 6 fill | 8, 1 | so many sectors, the value of all their bytes |
//! | 7 same | 8, 512 | so many sectors, each like this one |
//! | 8 sectors | n | these sectors |
//! | 9 end | 4, 4, 4 | number of devices, steps, writes |
//!
//! All little-endian; a text is two bytes of length and UTF-8; a sector has 512 bytes, and everything but the length of a
//! device is in whole ones. docs/undo-format.md says the same for readers of the file.

mod decode;
mod encode;
mod pack;
#[cfg(test)]
mod tests;

pub use decode::{Contents, Decoder};
pub use encode::Encoder;
pub use pack::Packer;

use super::framing::{FrameError, Framing};
use std::fmt;

pub use super::framing::{Place, RECORD_HEAD, START};

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// The version that is written and read.
pub const VERSION: u32 = 1;

/// Devices at most.
pub const MAX_DEVICES: usize = 4096;

/// Steps at most.
pub const MAX_STEPS: usize = 100;

/// Writes at most, all steps together.
pub const MAX_WRITES: usize = 1 << 20;

/// Bytes of all guards at most: more than the superblocks and bitmap headers of so many devices have.
pub const MAX_GUARD_BYTES: usize = 32 << 20;

/// Bytes of a text or a path at most; of longer ones the end is not kept.
pub const MAX_TEXT: usize = 4096;

/// Sentences at most.
pub const MAX_SENTENCES: usize = 24;

const FRAMING: Framing = Framing {
    magic: b"mdbitmap-undo-1\n",
    version: VERSION,
    max_content: 128 << 10,
};

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Metadata, once: taken back, everything is as it was.
    Metadata,
    /// The metadata of an array that is resynchronised: taken back, chunks are to be resynchronised again, and the data
    /// stays as it is (design.md W14).
    Resync,
}

/// What a change was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What was changed.
    pub what: What,
    /// Seconds since 1970.
    pub made: u64,
    /// UUID of the array, as its superblocks store it.
    pub array_uuid: [u8; 16],
    /// The verb.
    pub verb: String,
    /// The array, for people.
    pub array: String,
    /// The program that made it, and its version.
    pub program: String,
    /// What the change does.
    pub sentences: Vec<String>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its own UUID.
    pub uuid: Option<[u8; 16]>,
    /// Where it was; any bytes.
    pub path: Vec<u8>,
}

/// Sectors that stay but for what the writes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Number of the device.
    pub device: u32,
    /// First byte.
    pub start: u64,
    /// Before the change; whole sectors, not empty.
    pub bytes: Vec<u8>,
}

/// A write, whose contents follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Number of the device.
    pub device: u32,
    /// First byte.
    pub start: u64,
    /// Bytes; whole sectors, not 0.
    pub len: u64,
    /// What lies there.
    pub part: Part,
}

/// What lies at a place that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The md superblock.
    Superblock,
    /// The bad-block log.
    BadBlockLog,
    /// The sector with the bitmap's superblock, and its first chunks.
    BitmapHeader,
    /// Chunks of the bitmap, and what fills its area.
    BitmapArea,
}

impl Part {
    const ALL: [Part; 4] = [
        Part::Superblock,
        Part::BadBlockLog,
        Part::BitmapHeader,
        Part::BitmapArea,
    ];

    fn code(self) -> u8 {
        match self {
            Part::Superblock => 0,
            Part::BadBlockLog => 1,
            Part::BitmapHeader => 2,
            Part::BitmapArea => 3,
        }
    }

    fn of_code(code: u8) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.code() == code)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Superblock => "md superblock",
            Part::BadBlockLog => "bad-block log",
            Part::BitmapHeader => "bitmap header",
            Part::BitmapArea => "bitmap",
        })
    }
}

/// Part of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Bytes of one value.
    Fill {
        /// Sectors; not 0.
        sectors: u64,
        /// Their value.
        value: u8,
    },
    /// Sectors that are alike.
    Same {
        /// Sectors; not 0.
        sectors: u64,
        /// One of them.
        sector: Box<[u8; SECTOR]>,
    },
    /// Any sectors; not empty.
    Sectors(Vec<u8>),
}

impl Run {
    /// How many bytes it stands for.
    pub fn bytes(&self) -> u64 {
        match self {
            Run::Fill { sectors, .. } | Run::Same { sectors, .. } => {
                sectors.saturating_mul(SECTOR as u64)
            }
            Run::Sectors(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` with its bytes from `start` on, which must be inside.
    pub fn read(&self, start: u64, buffer: &mut [u8]) {
        match self {
            Run::Fill { value, .. } => buffer.fill(*value),
            Run::Same { sector, .. } => {
                let skip = usize::try_from(start % SECTOR as u64).unwrap_or_default();
                let bytes = sector.iter().cycle().skip(skip);
                for (to, from) in buffer.iter_mut().zip(bytes) {
                    *to = *from;
                }
            }
            Run::Sectors(bytes) => {
                let skip = usize::try_from(start).unwrap_or(usize::MAX);
                let from = bytes.get(skip..).unwrap_or_default();
                let len = from.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..len), from.get(..len)) {
                    to.copy_from_slice(from);
                }
            }
        }
    }
}

/// A record of an undo file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What the change was.
    About(About),
    /// A device.
    Device(Device),
    /// A guard.
    Guard(Guard),
    /// A step: what it is for.
    Step(String),
    /// A write.
    Write(Write),
    /// Part of a content.
    Run(Run),
    /// The last record.
    End,
}

/// What is wrong with an undo file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UndoFileError {
    /// It does not begin as one.
    #[error("is no undo file: it does not begin with \"mdbitmap-undo-1\"")]
    Magic,
    /// A version that is not known.
    #[error("is an undo file of version {found}; this program reads version {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// A checksum is wrong.
    #[error("is damaged or was edited: the checksum at byte {at} is wrong")]
    Checksum {
        /// Byte of the file.
        at: u64,
    },
    /// It ends too early.
    #[error("is cut off: it ends at byte {at} without an end record")]
    CutOff {
        /// Length of the file.
        at: u64,
    },
    /// A record whose content makes no sense, although its checksum is right.
    #[error("makes no sense at byte {at}: {reason}")]
    Record {
        /// Byte of the file.
        at: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl From<FrameError> for UndoFileError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Magic => UndoFileError::Magic,
            FrameError::Version { found } => UndoFileError::Version { found },
            FrameError::Checksum { at } => UndoFileError::Checksum { at },
            FrameError::CutOff { at } => UndoFileError::CutOff { at },
        }
    }
}
