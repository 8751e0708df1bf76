//! The bytes that a write puts on a device: at hand, or made piece by piece from what they say.

use crate::bitmap::ChunkSet;
use crate::change::knowledge::{Knowledge, Known};
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, BITS_OFFSET, STATES_OFFSET};
use crate::units::ChunkIndex;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a content handled at a time.
pub const PIECE: usize = 64 << 10;

/// What is to be written; its length does not change, and it gives the same bytes whenever it is asked.
#[derive(Debug, Clone)]
pub struct Content {
    kind: Kind,
    /// Where in what `kind` makes up this begins.
    at: u64,
    len: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    Bytes(Arc<[u8]>),
    Bits(Head, Arc<ChunkSet>),
    States(Head, Arc<Knowledge>),
}

/// The superblock before the chunks; zeros while nothing vouches for them yet.
type Head = Option<[u8; BITMAP_SUPER_BYTES]>;

/// The states that are written: the only ones that every kernel with version 6 knows
/// (reference/kernel.md R11).
const UNWRITTEN: u8 = 0;
const CLEAN: u8 = 1;
const NEED_SYNC: u8 = 3;

impl Content {
    /// These bytes.
    pub fn bytes(bytes: Vec<u8>) -> Content {
        Content {
            at: 0,
            len: bytes.len() as u64,
            kind: Kind::Bytes(bytes.into()),
        }
    }

    /// A bitmap of version 4 or 5 in `len` bytes, behind its superblock or zeros in its place. What lies behind the
    /// last bit is zero.
    pub fn bits(head: Head, bits: Arc<ChunkSet>, len: u64) -> Content {
        Content {
            kind: Kind::Bits(head, bits),
            at: 0,
            len,
        }
    }

    /// A bitmap of version 6 in `len` bytes, likewise: needs sync for dirty, clean, unwritten.
    pub fn states(head: Head, known: Arc<Knowledge>, len: u64) -> Content {
        Content {
            kind: Kind::States(head, known),
            at: 0,
            len,
        }
    }

    /// The bytes of `range` of it, which end where it does at the latest.
    #[must_use]
    pub fn part(&self, range: Range<u64>) -> Content {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        Content {
            kind: self.kind.clone(),
            at: self.at.saturating_add(start),
            len: end - start,
        }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `buffer` with the bytes from `start` on; zeros past the end.
    pub fn read(&self, start: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let past = usize::try_from(self.len.saturating_sub(start)).unwrap_or(usize::MAX);
        let start = start.saturating_add(self.at);
        match &self.kind {
            Kind::Bytes(bytes) => overlay(start, buffer, 0, bytes),
            Kind::Bits(head, bits) => {
                let bits_at = BITS_OFFSET..BITS_OFFSET.saturating_add(bits.len().div_ceil(8));
                for_each_byte(start, buffer, &bits_at, |byte| {
                    let [low, ..] = (bits.word(byte / 8) >> (byte % 8 * 8)).to_le_bytes();
                    low
                });
                overlay(start, buffer, 0, &head.unwrap_or([0; BITMAP_SUPER_BYTES]));
            }
            Kind::States(head, known) => {
                let states_at =
                    STATES_OFFSET..STATES_OFFSET.saturating_add(known.coverage().chunks());
                for_each_byte(start, buffer, &states_at, |chunk| {
                    match known.of(ChunkIndex(chunk)) {
                        Known::Dirty => NEED_SYNC,
                        Known::Clean => CLEAN,
                        Known::Unwritten => UNWRITTEN,
                    }
                });
                overlay(start, buffer, 0, &head.unwrap_or([0; BITMAP_SUPER_BYTES]));
            }
        }
        if let Some(past) = buffer.get_mut(past.min(buffer.len())..) {
            past.fill(0);
        }
    }

    /// All of it, piece by piece: where each piece starts, and its bytes.
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn pieces<E>(&self, mut each: impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut buffer = vec![0; PIECE.min(usize::try_from(self.len).unwrap_or(PIECE))];
        let mut at = 0;
        while at < self.len {
            let len = usize::try_from(self.len - at).unwrap_or(PIECE).min(PIECE);
            let piece = buffer.get_mut(..len).unwrap_or_default();
            self.read(at, piece);
            each(at, piece)?;
            at += len as u64;
        }
        Ok(())
    }

    /// All of it at once: for what is known to be short.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or_default()];
        self.read(0, &mut bytes);
        bytes
    }
}

/// A number that differs when bytes do, as good as surely.
#[derive(Debug, Default)]
pub struct Digest(DefaultHasher);

impl Digest {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The number for everything so far.
    pub fn value(&self) -> u64 {
        self.0.finish()
    }
}

/// Copies the part of `bytes`, which start at `bytes_at`, that `buffer`, which starts at `start`, shows.
fn overlay(start: u64, buffer: &mut [u8], bytes_at: u64, bytes: &[u8]) {
    let skip = start.saturating_sub(bytes_at);
    let lead = bytes_at.saturating_sub(start);
    let from = bytes.get(usize::try_from(skip).unwrap_or(usize::MAX)..);
    let to = buffer.get_mut(usize::try_from(lead).unwrap_or(usize::MAX)..);
    for (to, from) in to.into_iter().flatten().zip(from.into_iter().flatten()) {
        *to = *from;
    }
}

/// Fills the bytes of `buffer`, which begins at `start`, that lie in `range` with what their number, counted from there, gives.
fn for_each_byte(start: u64, buffer: &mut [u8], range: &Range<u64>, byte: impl Fn(u64) -> u8) {
    let skip = usize::try_from(range.start.saturating_sub(start)).unwrap_or(usize::MAX);
    let from = start.max(range.start);
    for (at, to) in (from..range.end).zip(buffer.iter_mut().skip(skip)) {
        *to = byte(at - range.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::Bitmap;
    use crate::device::MemoryStore;
    use crate::format::bit_array::BitOrder;
    use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
    use crate::format::coverage::Coverage;
    use crate::units::{Bytes, Sectors};

    fn head(version: u32) -> [u8; 256] {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        raw.magic = BITMAP_MAGIC;
        raw.version = version;
        raw.chunksize = if version == 6 { 8 } else { 4096 };
        raw.sync_size_sectors = 8 * 3001;
        raw.to_bytes()
    }

    fn known() -> Knowledge {
        let coverage = Coverage::new(Sectors(8 * 3001), 4096).unwrap();
        let mut known = Knowledge::all_clean(coverage).unwrap();
        for (start, end, what) in [
            (0, 3, Known::Dirty),
            (700, 1900, Known::Dirty),
            (3000, 3001, Known::Dirty),
            (5, 600, Known::Unwritten),
        ] {
            known.set(&(ChunkIndex(start)..ChunkIndex(end)), what);
        }
        known
    }

    #[test]
    fn what_is_made_is_what_a_reader_finds() {
        let known = known();
        for version in [4, 6] {
            let head = Some(head(version));
            let content = match version {
                4 => Content::bits(head, Arc::new(known.bits()), 4096),
                _ => Content::states(head, Arc::new(known.clone()), 8192),
            };
            let mut bytes = vec![0xaa; 1000];
            content
                .pieces(|at, piece| {
                    assert_eq!(at, bytes.len() as u64 - 1000);
                    bytes.extend(piece);
                    Ok::<_, ()>(())
                })
                .unwrap();
            assert_eq!(bytes[1000..], content.to_vec());
            let store = MemoryStore::new("m", bytes);
            let bitmap = Bitmap::open(&store, Bytes(1000), BitOrder::Little).unwrap();
            let mut expected = known.clone();
            if version == 4 {
                let unwritten = expected.unwritten().clone();
                expected.add_dirty(&unwritten);
            }
            let size = known.coverage().sync_size();
            assert_eq!(Knowledge::read(&bitmap, size).unwrap(), expected);
            // Nothing behind the last chunk.
            let end = if version == 4 {
                256 + 3001 / 8
            } else {
                1024 + 3001
            };
            let tail = &content.to_vec()[end + 1..];
            assert!(tail.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn any_piece_is_a_piece_of_the_whole() {
        for content in [
            Content::bytes((0..=255).collect()),
            Content::bits(Some(head(4)), Arc::new(known().bits()), 1024),
            Content::states(None, Arc::new(known()), 4608),
        ] {
            let whole = content.to_vec();
            for (start, len) in [(0, 10), (100, 700), (250, 20), (1000, 5000), (9000, 3)] {
                let mut piece = vec![7; len];
                content.read(start as u64, &mut piece);
                let expected: Vec<u8> = (start..start + len)
                    .map(|at| whole.get(at).copied().unwrap_or(0))
                    .collect();
                assert_eq!(piece, expected, "{start} {len}");
                let part = content.part(start as u64..(start + len) as u64);
                let there = whole.len().saturating_sub(start).min(len);
                assert_eq!(part.to_vec(), expected[..there], "{start} {len}");
                let inner = part.part(3..7).to_vec();
                assert_eq!(inner, expected[3.min(there)..7.min(there)]);
            }
        }
    }
}
