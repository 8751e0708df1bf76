//! The bit array of bitmap versions 3 to 5: one bit a chunk, 1 is dirty.
//!
//! Everything works on words of 64 bits. Bits that lie past the end of the bytes given are dirty:
//! a truncated bitmap must never say clean.

use super::popcount;
use std::cmp::Ordering;
use std::ops::Range;

/// In which order the bits of a word lie on disk.
///
/// Versions 4 and 5 are always little; version 3 has the order of the host that wrote it. A
/// big-endian host numbers the bits of a page in native words, the 256-byte header included.
/// 256 and the page size are multiples of the word size, so counting words from the first bitmap
/// byte gives the same numbering. Source: reference/kernel.md 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BitOrder {
    /// Bit n in byte n/8, at place n%8.
    #[default]
    Little,
    /// Big-endian words of 32 bits.
    Be32,
    /// Big-endian words of 64 bits.
    Be64,
}

const WORD_BITS: u64 = 64;

impl BitOrder {
    /// Number of bits that `bytes` bytes hold completely. A big-endian word that is cut off
    /// counts as absent, since its first bits are the ones that are missing.
    pub fn bits_in(self, bytes: u64) -> u64 {
        let whole = match self {
            Self::Little => bytes,
            Self::Be32 => bytes & !3,
            Self::Be64 => bytes & !7,
        };
        whole.saturating_mul(8)
    }

    /// Number of bytes that `bits` bits need.
    pub fn bytes_for(self, bits: u64) -> u64 {
        match self {
            Self::Little => bits.div_ceil(8),
            Self::Be32 => bits.div_ceil(32).saturating_mul(4),
            Self::Be64 => bits.div_ceil(64).saturating_mul(8),
        }
    }

    /// The word on disk as a number whose bit i is the i-th bit of the array.
    fn load(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Be32 => u64::from_be_bytes(bytes).rotate_left(32),
            Self::Be64 => u64::from_be_bytes(bytes),
        }
    }

    /// The inverse of [`Self::load`].
    fn store(self, word: u64) -> [u8; 8] {
        match self {
            Self::Little => word.to_le_bytes(),
            Self::Be32 => word.rotate_left(32).to_be_bytes(),
            Self::Be64 => word.to_be_bytes(),
        }
    }
}

/// A mask of the bits of word `index` that lie in `range`.
fn mask(index: u64, range: &Range<u64>) -> u64 {
    from_bit(index, range.start) & !from_bit(index, range.end)
}

/// A mask of the bits of word `index` that lie at `start` or after it.
fn from_bit(index: u64, start: u64) -> u64 {
    match (start / WORD_BITS).cmp(&index) {
        Ordering::Less => u64::MAX,
        Ordering::Equal => u64::MAX << (start % WORD_BITS),
        Ordering::Greater => 0,
    }
}

/// A view of bits in memory; bit 0 is the first bit of the first byte.
#[derive(Debug, Clone, Copy)]
pub struct BitArray<'a> {
    words: &'a [[u8; 8]],
    tail: &'a [u8],
    present: u64,
    order: BitOrder,
}

impl<'a> BitArray<'a> {
    /// Views `bytes` as bits.
    pub fn new(bytes: &'a [u8], order: BitOrder) -> Self {
        let (words, tail) = bytes.as_chunks::<8>();
        let present = order.bits_in(bytes.len() as u64);
        Self {
            words,
            tail,
            present,
            order,
        }
    }

    /// Number of bits that the bytes hold.
    pub fn len(&self) -> u64 {
        self.present
    }

    /// True when there is no bit.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Whether bit `index` is set, or lies past the end.
    pub fn is_set(&self, index: u64) -> bool {
        self.word(index / WORD_BITS) >> (index % WORD_BITS) & 1 == 1
    }

    /// Word `index`, absent bits as ones.
    #[inline]
    fn word(&self, index: u64) -> u64 {
        let whole = usize::try_from(index).ok().and_then(|i| self.words.get(i));
        if let Some(&bytes) = whole {
            return self.order.load(bytes);
        }
        self.last_word(index)
    }

    /// The 64 bits from 64 times `index` on, the first in the lowest place; `None` unless all of them
    /// are there.
    #[inline]
    pub fn whole_word(&self, index: u64) -> Option<u64> {
        let bytes = self.words.get(usize::try_from(index).ok()?)?;
        Some(self.order.load(*bytes))
    }

    /// A word that is not whole, or not there at all.
    #[cold]
    fn last_word(&self, index: u64) -> u64 {
        if index > self.words.len() as u64 {
            return u64::MAX;
        }
        let mut bytes = [0xff; 8];
        for (to, from) in bytes.iter_mut().zip(self.tail) {
            *to = *from;
        }
        self.order.load(bytes) | !mask(index, &(0..self.present))
    }

    /// Number of set bits in `range`; bits past the end count as set.
    pub fn count_ones(&self, range: Range<u64>) -> u64 {
        if range.start >= range.end {
            return 0;
        }
        let absent = range.end - range.end.min(self.present.max(range.start));
        let range = range.start..range.end.min(self.present);
        if range.start >= range.end {
            return absent;
        }
        let (first, last) = (range.start / WORD_BITS, (range.end - 1) / WORD_BITS);
        let edge = |index| u64::from((self.word(index) & mask(index, &range)).count_ones());
        if first == last {
            return edge(first) + absent;
        }
        // All words between the first and the last are whole, so the slice exists; should it
        // not, `whole` is `None` and every one of their bits counts as set.
        let whole = (usize::try_from(first + 1).ok())
            .zip(usize::try_from(last).ok())
            .and_then(|(from, to)| self.words.get(from..to));
        let middle = match whole {
            Some(words) => popcount::count_ones(words.as_flattened()),
            None => (last - first - 1) * WORD_BITS,
        };
        edge(first) + middle + edge(last) + absent
    }

    /// The first bit in `range` that is `value`; bits past the end are set.
    #[inline]
    pub fn find(&self, range: Range<u64>, value: bool) -> Option<u64> {
        if range.start >= range.end {
            return None;
        }
        let flip = if value { 0 } else { u64::MAX };
        let index = range.start / WORD_BITS;
        let word = (self.word(index) ^ flip) & from_bit(index, range.start);
        let found = if word == 0 {
            self.find_from_word(index + 1, range.end, flip)?
        } else {
            index * WORD_BITS + u64::from(word.trailing_zeros())
        };
        (found < range.end).then_some(found)
    }

    /// The first bit from word `index` on that differs from those of `flip`; may lie past `end`.
    fn find_from_word(&self, mut index: u64, end: u64, flip: u64) -> Option<u64> {
        let last = (end - 1) / WORD_BITS;
        while index <= last {
            if index > self.words.len() as u64 {
                // Absent to the end of the range, in one step however long that is.
                return (flip == 0).then_some(index * WORD_BITS);
            }
            let word = self.word(index) ^ flip;
            if word != 0 {
                return Some(index * WORD_BITS + u64::from(word.trailing_zeros()));
            }
            index += 1;
            index += self.skip(index, flip);
        }
        None
    }

    /// Number of whole words from `index` on that are uniformly `value`.
    fn skip(&self, index: u64, value: u64) -> u64 {
        let words = usize::try_from(index)
            .ok()
            .and_then(|i| self.words.get(i..))
            .unwrap_or_default();
        // Uniform words are the same in every order. Mixed areas are left at once.
        if words.first() != Some(&value.to_ne_bytes()) {
            return 0;
        }
        let byte = if value == 0 { 0 } else { 0xff };
        popcount::leading_equal(words.as_flattened(), byte) as u64 / 8
    }

    /// The maximal runs of set bits in `range`, in order; bits past the end are set.
    pub fn dirty_runs(self, range: Range<u64>) -> DirtyRuns<'a> {
        DirtyRuns { array: self, range }
    }
}

/// Iterator of [`BitArray::dirty_runs`].
#[derive(Debug, Clone)]
pub struct DirtyRuns<'a> {
    array: BitArray<'a>,
    range: Range<u64>,
}

impl Iterator for DirtyRuns<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let start = self.array.find(self.range.clone(), true)?;
        let end = self
            .array
            .find(start..self.range.end, false)
            .unwrap_or(self.range.end);
        self.range.start = end;
        Some(start..end)
    }
}

/// A range reaches past the last bit or byte there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chunks {start}..{end} reach past the {len} chunks there are")]
pub struct OutOfRange {
    /// First chunk wanted.
    pub start: u64,
    /// First chunk not wanted.
    pub end: u64,
    /// Chunks there are.
    pub len: u64,
}

impl OutOfRange {
    /// Checks that `range` lies in `0..len`.
    ///
    /// # Errors
    /// [`OutOfRange`] otherwise.
    pub fn check(range: &Range<u64>, len: u64) -> Result<(), Self> {
        if range.start <= range.end && range.end <= len {
            return Ok(());
        }
        Err(Self {
            start: range.start,
            end: range.end,
            len,
        })
    }
}

/// Sets every bit of `range` to `value` and touches no other bit.
///
/// # Errors
/// [`OutOfRange`] when `bytes` does not hold all of `range`; nothing is changed then.
pub fn fill(
    bytes: &mut [u8],
    order: BitOrder,
    range: Range<u64>,
    value: bool,
) -> Result<(), OutOfRange> {
    OutOfRange::check(&range, order.bits_in(bytes.len() as u64))?;
    if range.is_empty() {
        return Ok(());
    }
    let (first, last) = (range.start / WORD_BITS, (range.end - 1) / WORD_BITS);
    change_word(bytes, order, first, mask(first, &range), value);
    if last == first {
        return Ok(());
    }
    change_word(bytes, order, last, mask(last, &range), value);
    let middle = (first as usize + 1) * 8..last as usize * 8;
    if let Some(middle) = bytes.get_mut(middle) {
        middle.fill(if value { 0xff } else { 0 });
    }
    Ok(())
}

/// Sets the bits of `mask` in word `index` to `value`; the last word may be cut off.
fn change_word(bytes: &mut [u8], order: BitOrder, index: u64, mask: u64, value: bool) {
    let tail = bytes.get_mut(index as usize * 8..).unwrap_or_default();
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(tail.iter()) {
        *to = *from;
    }
    let old = order.load(word);
    let new = if value { old | mask } else { old & !mask };
    for (to, from) in tail.iter_mut().zip(order.store(new)) {
        *to = from;
    }
}

#[cfg(test)]
mod tests;
