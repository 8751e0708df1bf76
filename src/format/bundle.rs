//! A bundle: the metadata of an array's members in one small file.
//!
//! Records in the framing of [`super::framing`], with the magic `mdbitmap-bundle\n`, an end record last:
//!
//! | record | bytes | what |
//! |---|---|---|
//! | 1 device | 8 | length of the device in bytes |
//! | | 4, 4 | logical, physical block size |
//! | | 1 | 1: a block device, 0: a file |
//! | | 1, 4 | what it is: [`Part`], its slot or 0 |
//! | | n | its path, any bytes |
//! | 2 fill | 8, 8, 1 | first byte of the device, length, value of all bytes |
//! | 3 literal | 8, n | first byte of the device, the bytes |
//! | 4 unreadable | 8, 8 | first byte of the device, length |
//! | 5 end | 4 | number of devices |
//!
//! All little-endian. Records 2 to 4 belong to the device before them; what none of them names is zero
//! (or was not taken).

use super::framing::{FrameDecoder, FrameEncoder, FrameError, Framing, START, take};
use super::popcount;

pub use super::framing::{RECORD_HEAD, RECORD_TAIL};

/// The version that is written and read. In version 1 a record that was lost was not noticed by the checksums.
pub const VERSION: u32 = 2;

/// The longest content of a record.
pub const MAX_CONTENT: usize = 128 << 10;

const FRAMING: Framing = Framing {
    magic: b"mdbitmap-bundle\n",
    version: VERSION,
    max_content: MAX_CONTENT,
};

/// Devices in a bundle at most.
pub const MAX_DEVICES: u32 = 4096;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A member that holds this slot.
    Slot(u32),
    /// A spare.
    Spare,
    /// A member that failed.
    Faulty,
    /// The write journal.
    Journal,
    /// A bitmap without an md superblock.
    Bitmap,
    /// None of these: a damaged superblock, or nothing of md.
    Unknown,
}

impl Part {
    fn to_bytes(self) -> [u8; 5] {
        let (kind, slot) = match self {
            Part::Slot(slot) => (0, slot),
            Part::Spare => (1, 0),
            Part::Faulty => (2, 0),
            Part::Journal => (3, 0),
            Part::Bitmap => (4, 0),
            Part::Unknown => (5, 0),
        };
        let [a, b, c, d] = u32::to_le_bytes(slot);
        [kind, a, b, c, d]
    }

    fn from_bytes([kind, a, b, c, d]: [u8; 5]) -> Option<Part> {
        Some(match (kind, u32::from_le_bytes([a, b, c, d])) {
            (0, slot) => Part::Slot(slot),
            (1, 0) => Part::Spare,
            (2, 0) => Part::Faulty,
            (3, 0) => Part::Journal,
            (4, 0) => Part::Bitmap,
            (5, 0) => Part::Unknown,
            _ => return None,
        })
    }
}

/// A device whose metadata follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its length in bytes.
    pub bytes: u64,
    /// Logical block size in bytes.
    pub logical_block_bytes: u32,
    /// Physical block size in bytes.
    pub physical_block_bytes: u32,
    /// True for a block device, false for a file.
    pub is_block_device: bool,
    /// What it is.
    pub part: Part,
    /// Where it was; any bytes, and nothing to trust.
    pub path: Vec<u8>,
}

/// A record of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A device.
    Device(Device),
    /// Bytes of one value.
    Fill {
        /// First byte of the device.
        start: u64,
        /// How many; not 0.
        len: u64,
        /// Their value.
        value: u8,
    },
    /// Any bytes.
    Literal {
        /// First byte of the device.
        start: u64,
        /// The bytes; not empty.
        bytes: Vec<u8>,
    },
    /// Bytes that could not be read.
    Unreadable {
        /// First byte of the device.
        start: u64,
        /// How many; not 0.
        len: u64,
    },
    /// The last record.
    End {
        /// Number of device records.
        devices: u32,
    },
}

/// What is wrong with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It does not begin as one.
    #[error("is no bundle: it does not begin with \"mdbitmap-bundle\"")]
    Magic,
    /// A version that is not known.
    #[error("is a bundle of version {found}; this program reads version {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// A checksum is wrong.
    #[error("is damaged: the checksum at byte {at} is wrong")]
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
    #[error("the record at byte {at} makes no sense: {reason}")]
    Record {
        /// Byte of the file.
        at: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl From<FrameError> for BundleError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Magic => BundleError::Magic,
            FrameError::Version { found } => BundleError::Version { found },
            FrameError::Checksum { at } => BundleError::Checksum { at },
            FrameError::CutOff { at } => BundleError::CutOff { at },
        }
    }
}

/// Makes the bytes of a bundle.
#[derive(Debug, Default)]
pub struct Encoder {
    frames: FrameEncoder,
    devices: u32,
}

impl Encoder {
    /// The bytes before the first record.
    pub fn start(&mut self) -> Vec<u8> {
        self.frames.start(&FRAMING)
    }

    /// The bytes of a record, whose content must not be longer than [`MAX_CONTENT`].
    pub fn record(&mut self, record: &Record) -> Vec<u8> {
        let (kind, content) = content(record);
        self.devices += u32::from(matches!(record, Record::Device(_)));
        self.frames.record(kind, &content)
    }

    /// The bytes of the end record.
    pub fn end(mut self) -> Vec<u8> {
        let devices = self.devices;
        self.record(&Record::End { devices })
    }
}

fn content(record: &Record) -> (u8, Vec<u8>) {
    let two = |a: u64, b: u64| [a.to_le_bytes(), b.to_le_bytes()].concat();
    match record {
        Record::Device(device) => {
            let mut bytes = device.bytes.to_le_bytes().to_vec();
            bytes.extend(device.logical_block_bytes.to_le_bytes());
            bytes.extend(device.physical_block_bytes.to_le_bytes());
            bytes.push(u8::from(device.is_block_device));
            bytes.extend(device.part.to_bytes());
            bytes.extend(&device.path);
            (1, bytes)
        }
        Record::Fill { start, len, value } => {
            let mut bytes = two(*start, *len);
            bytes.push(*value);
            (2, bytes)
        }
        Record::Literal { start, bytes } => (3, [&start.to_le_bytes()[..], bytes].concat()),
        Record::Unreadable { start, len } => (4, two(*start, *len)),
        Record::End { devices } => (5, devices.to_le_bytes().to_vec()),
    }
}

/// Takes a bundle apart. The caller reads as many bytes as are asked for.
#[derive(Debug)]
pub struct Decoder {
    frames: FrameDecoder,
    devices: u32,
}

impl Decoder {
    /// Bytes before the first record.
    pub const START: usize = START;

    /// Begins with the first [`Decoder::START`] bytes, or fewer where there are no more.
    ///
    /// # Errors
    /// [`BundleError::Magic`], [`BundleError::Version`], [`BundleError::CutOff`].
    pub fn new(bytes: &[u8]) -> Result<Self, BundleError> {
        Ok(Self {
            frames: FrameDecoder::new(&FRAMING, bytes)?,
            devices: 0,
        })
    }

    /// How many bytes follow the [`RECORD_HEAD`] bytes of a record.
    ///
    /// # Errors
    /// [`BundleError::Checksum`] for lengths that no record has.
    pub fn rest_of(&self, head: [u8; RECORD_HEAD]) -> Result<usize, BundleError> {
        Ok(self.frames.rest_of(head)?)
    }

    /// The record of a head and of what follows it.
    ///
    /// # Errors
    /// [`BundleError::Checksum`], [`BundleError::Record`].
    pub fn record(&mut self, head: [u8; RECORD_HEAD], rest: &[u8]) -> Result<Record, BundleError> {
        let at = self.frames.place().at;
        let (kind, content) = self.frames.record(head, rest)?;
        let record = decode(kind, content).ok_or(BundleError::Record {
            at,
            reason: "no record of this kind has this content",
        })?;
        let refuse = |reason| Err(BundleError::Record { at, reason });
        match &record {
            Record::Device(_) => self.devices += 1,
            Record::End { devices } if *devices != self.devices => {
                return refuse("it counts other devices than were read");
            }
            Record::End { .. } => {}
            _ if self.devices == 0 => return refuse("it belongs to no device"),
            _ => {}
        }
        match self.devices > MAX_DEVICES {
            true => refuse("there are more devices than any array has"),
            false => Ok(record),
        }
    }
}

fn decode(kind: u8, content: &[u8]) -> Option<Record> {
    let mut rest = content;
    let record = match kind {
        1 => Record::Device(Device {
            bytes: u64::from_le_bytes(take(&mut rest)?),
            logical_block_bytes: u32::from_le_bytes(take(&mut rest)?),
            physical_block_bytes: u32::from_le_bytes(take(&mut rest)?),
            is_block_device: match take(&mut rest)? {
                [0] => false,
                [1] => true,
                [_] => return None,
            },
            part: Part::from_bytes(take(&mut rest)?)?,
            path: std::mem::take(&mut rest).to_vec(),
        }),
        2 => {
            let (start, len) = place(&mut rest)?;
            let [value] = take(&mut rest)?;
            Record::Fill { start, len, value }
        }
        3 => Record::Literal {
            start: u64::from_le_bytes(take(&mut rest)?),
            bytes: Some(std::mem::take(&mut rest).to_vec()).filter(|bytes| !bytes.is_empty())?,
        },
        4 => {
            let (start, len) = place(&mut rest)?;
            Record::Unreadable { start, len }
        }
        5 => Record::End {
            devices: u32::from_le_bytes(take(&mut rest)?),
        },
        _ => return None,
    };
    rest.is_empty().then_some(record)
}

fn place(rest: &mut &[u8]) -> Option<(u64, u64)> {
    let start = u64::from_le_bytes(take(rest)?);
    let len = u64::from_le_bytes(take(rest)?);
    (len > 0).then_some((start, len))
}

/// Equal bytes that are worth a record of their own.
const WORTH_FILLING: usize = 64;

/// A piece of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// So many bytes of one value.
    Fill(usize, u8),
    /// These bytes.
    Literal(&'a [u8]),
}

/// Cuts bytes into long runs of one value and what lies between them.
pub fn pieces(bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut literal) = (bytes, 0);
    while let Some(&value) = rest.get(literal) {
        let (before, from) = rest.split_at_checked(literal).unwrap_or((rest, &[]));
        let equal = popcount::leading_equal(from, value);
        if equal < WORTH_FILLING {
            literal += equal;
            continue;
        }
        if !before.is_empty() {
            pieces.push(Piece::Literal(before));
        }
        pieces.push(Piece::Fill(equal, value));
        (rest, literal) = (from.get(equal..).unwrap_or_default(), 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(records: &[Record]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut bytes = encoder.start();
        for record in records {
            bytes.extend(encoder.record(record));
        }
        bytes.extend(encoder.end());
        bytes
    }

    /// All records but the last, or what is wrong.
    fn read(bytes: &[u8]) -> Result<Vec<Record>, BundleError> {
        let (start, mut rest) = bytes.split_at(Decoder::START.min(bytes.len()));
        let mut decoder = Decoder::new(start)?;
        let mut records = Vec::new();
        let cut = BundleError::CutOff {
            at: bytes.len() as u64,
        };
        loop {
            let head = take::<RECORD_HEAD>(&mut rest).ok_or(cut)?;
            let len = decoder.rest_of(head)?;
            let (content, left) = rest.split_at_checked(len).ok_or(cut)?;
            rest = left;
            match decoder.record(head, content)? {
                Record::End { .. } if rest.is_empty() => return Ok(records),
                Record::End { .. } => return Err(BundleError::Checksum { at: 0 }),
                record => records.push(record),
            }
        }
    }

    fn record() -> impl Strategy<Value = Record> {
        let part = prop_oneof![
            any::<u32>().prop_map(Part::Slot),
            Just(Part::Spare),
            Just(Part::Bitmap),
            Just(Part::Unknown)
        ];
        let device = (
            any::<u64>(),
            any::<[u32; 2]>(),
            any::<bool>(),
            part,
            proptest::collection::vec(any::<u8>(), 0..9),
        );
        let bytes = proptest::collection::vec(any::<u8>(), 1..50);
        prop_oneof![
            device.prop_map(
                |(bytes, blocks, is_block_device, part, path)| Record::Device(Device {
                    bytes,
                    logical_block_bytes: blocks[0],
                    physical_block_bytes: blocks[1],
                    is_block_device,
                    part,
                    path,
                })
            ),
            (any::<u64>(), 1u64.., any::<u8>()).prop_map(|(start, len, value)| Record::Fill {
                start,
                len,
                value
            }),
            (any::<u64>(), bytes).prop_map(|(start, bytes)| Record::Literal { start, bytes }),
            (any::<u64>(), 1u64..).prop_map(|(start, len)| Record::Unreadable { start, len }),
        ]
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let first = record().prop_filter("a device first", |record| {
            matches!(record, Record::Device(_))
        });
        (first, proptest::collection::vec(record(), 0..9)).prop_map(|(first, mut rest)| {
            rest.insert(0, first);
            rest
        })
    }

    proptest! {
        #[test]
        fn records_survive(records in records()) {
            prop_assert_eq!(read(&encode(&records)), Ok(records));
        }

        #[test]
        fn every_damage_is_noticed(records in records(), at in any::<prop::sample::Index>(), change in 1u8.., swap in any::<bool>()) {
            let whole = encode(&records);
            let mut bytes = whole.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(read(&bytes).is_err());
            prop_assert!(read(&whole[..at]).is_err());
            // A record that was taken out, or put in twice, with its own bytes intact.
            let mut lost = whole.clone();
            let first = whole.len() - encode(&[]).len() + Decoder::START;
            prop_assume!(first > Decoder::START && records.len() > 1);
            if swap {
                lost.drain(Decoder::START..first);
            } else {
                lost.extend_from_slice(&whole[Decoder::START..]);
            }
            prop_assert!(read(&lost).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn pieces_are_the_bytes(parts in proptest::collection::vec((0usize..200, 0u8..3), 0..20)) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(len, value)| vec![*value; *len]).collect();
            let cut = pieces(&bytes);
            let back: Vec<u8> = cut.iter().flat_map(|piece| match piece {
                Piece::Fill(len, value) => vec![*value; *len],
                Piece::Literal(bytes) => bytes.to_vec(),
            }).collect();
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn ones_are_one_piece() {
        assert_eq!(pieces(&[255; 4096]), [Piece::Fill(4096, 255)]);
        assert_eq!(encode(&[]).len(), Decoder::START + 13);
    }
}
