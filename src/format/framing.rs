//! The framing that bundles and undo files share.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | a magic, which names the kind of file |
//! | 4 | its version |
//! | records | one after the other |
//!
//! | record | bytes | what |
//! |---|---|---|
//! | | 1 | kind |
//! | | 4 | length of the content |
//! | | n | the content |
//! | | 4 | CRC-32 of the whole file up to here, without the checksums |
//!
//! All little-endian. Each checksum is of everything before it, so a record that is lost, doubled or moved is noticed.
//! The checksums themselves are left out: a CRC that takes its own value in always ends at the same number, whatever
//! came before, and would know of nothing but its own record.

use super::crc32::Crc32;

/// Bytes before a record's content.
pub const RECORD_HEAD: usize = 5;

/// Bytes behind it.
pub const RECORD_TAIL: usize = 4;

/// Bytes before the first record.
pub const START: usize = 20;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// Its first bytes.
    pub magic: &'static [u8; 16],
    /// The version that is written and read.
    pub version: u32,
    /// The longest content of a record.
    pub max_content: usize,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// It does not begin as one.
    Magic,
    /// A version that is not known.
    Version {
        /// The version.
        found: u32,
    },
    /// A checksum is wrong.
    Checksum {
        /// Byte of the file.
        at: u64,
    },
    /// It ends too early.
    CutOff {
        /// Length of the file.
        at: u64,
    },
}

/// Makes the bytes of a file.
#[derive(Debug, Default)]
pub struct FrameEncoder {
    crc: Crc32,
}

impl FrameEncoder {
    /// The bytes before the first record.
    pub fn start(&mut self, framing: &Framing) -> Vec<u8> {
        let mut bytes = framing.magic.to_vec();
        bytes.extend(framing.version.to_le_bytes());
        self.crc.update(&bytes);
        bytes
    }

    /// The bytes of a record, whose content must not be longer than its framing allows.
    pub fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_HEAD + content.len() + RECORD_TAIL);
        bytes.push(kind);
        let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
        bytes.extend(len.to_le_bytes());
        bytes.extend(content);
        self.crc.update(&bytes);
        bytes.extend(self.crc.value().to_le_bytes());
        bytes
    }
}

/// A place between two records, from which a file can be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Byte of the file.
    pub at: u64,
    /// The checksum so far: that of the record before.
    pub sum: u32,
}

/// Takes a file apart. The caller reads as many bytes as are asked for.
#[derive(Debug, Clone)]
pub struct FrameDecoder {
    crc: Crc32,
    at: u64,
    max_content: usize,
}

impl FrameDecoder {
    /// Begins with the first [`START`] bytes, or fewer where there are no more.
    ///
    /// # Errors
    /// [`FrameError::Magic`], [`FrameError::Version`], [`FrameError::CutOff`].
    pub fn new(framing: &Framing, bytes: &[u8]) -> Result<Self, FrameError> {
        let at = bytes.len() as u64;
        let (magic, rest) = bytes
            .split_at_checked(framing.magic.len())
            .ok_or(FrameError::Magic)?;
        if magic != framing.magic {
            return Err(FrameError::Magic);
        }
        let version = rest.first_chunk::<4>().ok_or(FrameError::CutOff { at })?;
        match u32::from_le_bytes(*version) {
            found if found != framing.version => return Err(FrameError::Version { found }),
            _ => {}
        }
        let mut crc = Crc32::default();
        crc.update(bytes);
        Ok(Self {
            crc,
            at,
            max_content: framing.max_content,
        })
    }

    /// Goes on at a place that [`FrameDecoder::place`] gave.
    pub fn resume(framing: &Framing, place: Place) -> Self {
        Self {
            crc: Crc32::resume(place.sum),
            at: place.at,
            max_content: framing.max_content,
        }
    }

    /// Where the next record starts.
    pub fn place(&self) -> Place {
        Place {
            at: self.at,
            sum: self.crc.value(),
        }
    }

    /// How many bytes follow the [`RECORD_HEAD`] bytes of a record.
    ///
    /// # Errors
    /// [`FrameError::Checksum`] for lengths that no record has: whatever it is, its checksum cannot be looked at.
    pub fn rest_of(&self, head: [u8; RECORD_HEAD]) -> Result<usize, FrameError> {
        let [_, a, b, c, d] = head;
        let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        match len <= self.max_content {
            true => Ok(len + RECORD_TAIL),
            false => Err(FrameError::Checksum { at: self.at }),
        }
    }

    /// Kind and content of the record with this head, and with this behind it.
    ///
    /// # Errors
    /// [`FrameError::Checksum`], [`FrameError::CutOff`].
    pub fn record<'r>(
        &mut self,
        head: [u8; RECORD_HEAD],
        rest: &'r [u8],
    ) -> Result<(u8, &'r [u8]), FrameError> {
        let at = self.at;
        let cut = FrameError::CutOff { at };
        let (content, sum) = rest.split_last_chunk::<RECORD_TAIL>().ok_or(cut)?;
        self.crc.update(&head);
        self.crc.update(content);
        if self.crc.value() != u32::from_le_bytes(*sum) {
            let here = at.saturating_add((RECORD_HEAD + content.len()) as u64);
            return Err(FrameError::Checksum { at: here });
        }
        self.at = at.saturating_add((RECORD_HEAD + rest.len()) as u64);
        let [kind, ..] = head;
        Ok((kind, content))
    }
}

/// The first `N` bytes, which are taken away.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAMING: Framing = Framing {
        magic: b"mdbitmap-framed\n",
        version: 7,
        max_content: 64,
    };

    fn records(contents: &[(u8, Vec<u8>)]) -> Vec<Vec<u8>> {
        let mut encoder = FrameEncoder::default();
        let mut all = vec![encoder.start(&FRAMING)];
        all.extend(
            contents
                .iter()
                .map(|(kind, content)| encoder.record(*kind, content)),
        );
        all
    }

    fn next(decoder: &mut FrameDecoder, bytes: &[u8]) -> Result<(u8, Vec<u8>), FrameError> {
        let at = decoder.place().at as usize;
        let mut rest = &bytes[at.min(bytes.len())..];
        let cut = FrameError::CutOff {
            at: bytes.len() as u64,
        };
        let head = take::<RECORD_HEAD>(&mut rest).ok_or(cut)?;
        let len = decoder.rest_of(head)?;
        let (kind, content) = decoder.record(head, rest.get(..len).ok_or(cut)?)?;
        Ok((kind, content.to_vec()))
    }

    fn read(bytes: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, FrameError> {
        let mut decoder = FrameDecoder::new(&FRAMING, &bytes[..bytes.len().min(START)])?;
        let mut all = Vec::new();
        while decoder.place().at < bytes.len() as u64 {
            all.push(next(&mut decoder, bytes)?);
        }
        Ok(all)
    }

    fn contents() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        let one = (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..64));
        proptest::collection::vec(one, 2..9)
    }

    proptest! {
        #[test]
        fn records_survive_from_any_of_them_on(contents in contents()) {
            let bytes = records(&contents).concat();
            prop_assert_eq!(read(&bytes).unwrap(), contents.clone());
            let mut decoder = FrameDecoder::new(&FRAMING, &bytes[..START]).unwrap();
            for (number, _) in contents.iter().enumerate() {
                let mut later = FrameDecoder::resume(&FRAMING, decoder.place());
                for expected in &contents[number..] {
                    prop_assert_eq!(&next(&mut later, &bytes).unwrap(), expected);
                }
                next(&mut decoder, &bytes).unwrap();
            }
        }

        #[test]
        fn damage_is_noticed(contents in contents(), at in any::<prop::sample::Index>(), change in 1u8..) {
            let mut bytes = records(&contents).concat();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(read(&bytes).is_err());
        }

        /// Each record by itself is whole: what is wrong is its place.
        #[test]
        fn lost_doubled_and_moved_records_are_noticed(contents in contents(), at in any::<prop::sample::Index>(), what in 0..3) {
            let mut all = records(&contents);
            let at = 1 + at.index(contents.len() - 1);
            prop_assume!(all[at] != all[at + 1]);
            match what {
                0 => drop(all.remove(at)),
                1 => all.insert(at, all[at].clone()),
                _ => all.swap(at, at + 1),
            }
            prop_assert!(read(&all.concat()).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
        }
    }

    #[test]
    fn the_errors_say_what_is_wrong() {
        let bytes = records(&[(1, vec![2; 64])]).concat();
        assert_eq!(read(b"mdbitmap"), Err(FrameError::Magic));
        assert_eq!(read(&bytes[..18]), Err(FrameError::CutOff { at: 18 }));
        assert_eq!(read(&bytes[..40]), Err(FrameError::CutOff { at: 40 }));
        let mut other = bytes.clone();
        other[16] = 8;
        assert_eq!(read(&other), Err(FrameError::Version { found: 8 }));
        let mut long = bytes;
        long[21] = 65;
        assert_eq!(read(&long), Err(FrameError::Checksum { at: 20 }));
    }
}
