//! The state bytes of bitmap version 6 ("llbitmap"): one byte a chunk.
//!
//! A state that is not known is kept as it is and treated as dirty, as the kernel does: it
//! replaces such a byte by "need sync" at the first action (reference/kernel.md 6.1).
//! Bytes that lie past the end of the bytes given are unknown, hence dirty.

use super::bit_array::OutOfRange;
use super::popcount;
use multiversion::multiversion;
use serde::Serialize;
use std::ops::Range;

/// State of one chunk. Source: reference/kernel.md 6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkState {
    /// 0: no data was ever written here.
    Unwritten,
    /// 1: members are equal.
    Clean,
    /// 2: written to lately.
    Dirty,
    /// 3: members may differ.
    NeedSync,
    /// 4: being synchronised.
    Syncing,
    /// 5: no data; parity is to be built ahead of time.
    NeedSyncUnwritten,
    /// 6: no data; parity is being built.
    SyncingUnwritten,
    /// 7: no data; parity is believed to be valid.
    CleanUnwritten,
    /// 8 and above: no state of any kernel known.
    Unknown(u8),
}

impl ChunkState {
    /// The state that a byte on disk means.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Unwritten,
            1 => Self::Clean,
            2 => Self::Dirty,
            3 => Self::NeedSync,
            4 => Self::Syncing,
            5 => Self::NeedSyncUnwritten,
            6 => Self::SyncingUnwritten,
            7 => Self::CleanUnwritten,
            other => Self::Unknown(other),
        }
    }

    /// The byte on disk.
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Unwritten => 0,
            Self::Clean => 1,
            Self::Dirty => 2,
            Self::NeedSync => 3,
            Self::Syncing => 4,
            Self::NeedSyncUnwritten => 5,
            Self::SyncingUnwritten => 6,
            Self::CleanUnwritten => 7,
            Self::Unknown(byte) => byte,
        }
    }

    /// True when the chunk has to be synchronised: dirty, need sync, syncing, unknown
    /// (reference/kernel.md 10, R11).
    pub fn is_dirty(self) -> bool {
        matches!(
            self,
            Self::Dirty | Self::NeedSync | Self::Syncing | Self::Unknown(_)
        )
    }
}

/// How many chunks are in each state. Field order and names are those of the JSON output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StateCounts {
    /// State 0.
    pub unwritten: u64,
    /// State 1.
    pub clean: u64,
    /// State 2.
    pub dirty: u64,
    /// State 3.
    pub need_sync: u64,
    /// State 4.
    pub syncing: u64,
    /// State 5.
    pub need_sync_unwritten: u64,
    /// State 6.
    pub syncing_unwritten: u64,
    /// State 7.
    pub clean_unwritten: u64,
    /// States 8 and above, and chunks whose byte is missing.
    pub unknown: u64,
}

impl StateCounts {
    /// Counts the states of all `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut known = [0u64; 8];
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            // Most bitmaps are a few long stretches of one state each.
            let uniform = popcount::leading_equal(rest, first);
            let len = if uniform < WORTH_SKIPPING {
                let mixed = rest.get(..MIXED).unwrap_or(rest);
                for (sum, count) in known.iter_mut().zip(count_known(mixed)) {
                    *sum += count;
                }
                mixed.len()
            } else {
                if let Some(sum) = known.get_mut(usize::from(first)) {
                    *sum += uniform as u64;
                }
                uniform
            };
            rest = rest.get(len..).unwrap_or_default();
        }
        let [unwritten, clean, dirty, need_sync, syncing, n5, n6, n7] = known;
        Self {
            unwritten,
            clean,
            dirty,
            need_sync,
            syncing,
            need_sync_unwritten: n5,
            syncing_unwritten: n6,
            clean_unwritten: n7,
            unknown: bytes.len() as u64 - known.iter().sum::<u64>(),
        }
    }

    /// Adds the counts of another stretch of the same bitmap.
    pub fn add(&mut self, other: &Self) {
        self.unwritten += other.unwritten;
        self.clean += other.clean;
        self.dirty += other.dirty;
        self.need_sync += other.need_sync;
        self.syncing += other.syncing;
        self.need_sync_unwritten += other.need_sync_unwritten;
        self.syncing_unwritten += other.syncing_unwritten;
        self.clean_unwritten += other.clean_unwritten;
        self.unknown = self.unknown.saturating_add(other.unknown);
    }

    /// Chunks to be synchronised: dirty + need_sync + syncing + unknown.
    pub fn dirty_chunks(&self) -> u64 {
        (self.dirty + self.need_sync + self.syncing).saturating_add(self.unknown)
    }

    /// All chunks.
    pub fn total(&self) -> u64 {
        let known = self.unwritten
            + self.clean
            + self.dirty
            + self.need_sync
            + self.syncing
            + self.need_sync_unwritten
            + self.syncing_unwritten
            + self.clean_unwritten;
        known.saturating_add(self.unknown)
    }
}

/// Bytes of one state that are counted at a stroke.
const WORTH_SKIPPING: usize = 128;

/// Bytes counted one by one before looking for a uniform stretch again.
const MIXED: usize = 4080;

/// The lowest bit of every byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The highest bit of every byte of a word.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How often each of the bytes 0 to 7 occurs.
///
/// Eight bytes at a time, as lanes of a word: each state has a word of eight one-byte counters,
/// emptied before they can overflow. No branch and no table look-up for a byte.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon",))]
fn count_known(bytes: &[u8]) -> [u64; 8] {
    let mut counts = [0u64; 8];
    let (words, rest) = bytes.as_chunks::<8>();
    for stretch in words.chunks(255) {
        let mut lanes = [0u64; 8];
        for word in stretch {
            let word = u64::from_le_bytes(*word);
            let known =
                !((word >> 3) | (word >> 4) | (word >> 5) | (word >> 6) | (word >> 7)) & ONES;
            let (b0, b1, b2) = (word, word >> 1, word >> 2);
            let (low, high) = (known & !b2, known & b2);
            let pairs = [!b1 & !b0, !b1 & b0, b1 & !b0, b1 & b0];
            let [p0, p1, p2, p3] = pairs;
            let flags = [
                low & p0,
                low & p1,
                low & p2,
                low & p3,
                high & p0,
                high & p1,
                high & p2,
                high & p3,
            ];
            for (lane, flag) in lanes.iter_mut().zip(flags) {
                *lane += flag;
            }
        }
        for (count, lane) in counts.iter_mut().zip(lanes) {
            *count += lane
                .to_le_bytes()
                .iter()
                .map(|&n| u64::from(n))
                .sum::<u64>();
        }
    }
    for (state, count) in (0u8..).zip(counts.iter_mut()) {
        *count += rest.iter().filter(|&&byte| byte == state).count() as u64;
    }
    counts
}

/// The highest bit of each byte of the result is set when that byte of `word` is a dirty state.
#[inline(always)]
fn dirty_mask(word: u64) -> u64 {
    let large = word & !(7 * ONES);
    // A carry into bit 7 of a byte happens exactly when bits 3 to 6 are not all zero.
    let unknown = (((large & !HIGH) + !HIGH) | large) & HIGH;
    let (b0, b1, b2) = (word & ONES, word >> 1 & ONES, word >> 2 & ONES);
    // 2 = 010, 3 = 011, 4 = 100.
    let known = (b1 & !b2) | (b2 & !b1 & !b0);
    unknown | known << 7
}

/// Bytes a step of the scan.
const STEP: usize = 128;

/// Number of leading 128-byte steps whose bytes are all dirty (`dirty`) or all not.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon",))]
fn uniform_steps(bytes: &[u8], dirty: bool) -> usize {
    let expected = if dirty { dirty_mask(2 * ONES) } else { 0 };
    let mut count = 0;
    for step in bytes.as_chunks::<STEP>().0 {
        let mut difference = 0;
        for word in step.as_chunks::<8>().0 {
            difference |= dirty_mask(u64::from_le_bytes(*word)) ^ expected;
        }
        if difference != 0 {
            break;
        }
        count += 1;
    }
    count
}

/// A view of state bytes in memory; byte 0 is chunk 0.
#[derive(Debug, Clone, Copy)]
pub struct StateArray<'a> {
    bytes: &'a [u8],
}

impl<'a> StateArray<'a> {
    /// Views `bytes` as states.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The state of chunk `index`; `None` when its byte is missing.
    pub fn get(&self, index: u64) -> Option<ChunkState> {
        let byte = self.bytes.get(usize::try_from(index).ok()?)?;
        Some(ChunkState::from_byte(*byte))
    }

    /// Counts the states in `range`; missing bytes are unknown.
    pub fn count(&self, range: Range<u64>) -> StateCounts {
        let present = self.present(&range);
        let mut counts = StateCounts::of(present);
        let wanted = range.end.saturating_sub(range.start);
        counts.unknown += wanted - present.len() as u64;
        counts
    }

    /// The first chunk in `range` that is dirty, or that is not; missing bytes are dirty.
    pub fn find(&self, range: Range<u64>, dirty: bool) -> Option<u64> {
        if range.start >= range.end {
            return None;
        }
        let present = self.present(&range);
        if let Some(at) = find(present, dirty) {
            return Some(range.start + at as u64);
        }
        let absent = range.start + present.len() as u64;
        (dirty && absent < range.end).then_some(absent)
    }

    /// The maximal runs of dirty chunks in `range`, in order.
    pub fn dirty_runs(self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut range = range;
        std::iter::from_fn(move || {
            let start = self.find(range.clone(), true)?;
            let end = self.find(start..range.end, false).unwrap_or(range.end);
            range.start = end;
            Some(start..end)
        })
    }

    /// The bytes of `range` that are there.
    fn present(&self, range: &Range<u64>) -> &'a [u8] {
        let len = self.bytes.len() as u64;
        let (start, end) = (range.start.min(len), range.end.min(len));
        self.bytes
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

/// Place of the first byte that is dirty, or that is not.
fn find(bytes: &[u8], dirty: bool) -> Option<usize> {
    // Short runs are the common case in mixed areas: look at a few words before the wide scan.
    let near = bytes.len().min(32);
    let (head, rest) = bytes.split_at_checked(near)?;
    if let Some(at) = find_by_words(head, dirty) {
        return Some(at);
    }
    let skipped = uniform_steps(rest, !dirty) * STEP;
    let at = find_by_words(rest.get(skipped..)?, dirty)?;
    Some(near + skipped + at)
}

fn find_by_words(bytes: &[u8], dirty: bool) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if let Some(at) = first_in_word(*word, dirty) {
            return Some(index * 8 + at);
        }
    }
    let wanted = |byte: &u8| ChunkState::from_byte(*byte).is_dirty() == dirty;
    Some(words.len() * 8 + tail.iter().position(wanted)?)
}

fn first_in_word(word: [u8; 8], dirty: bool) -> Option<usize> {
    let mask = dirty_mask(u64::from_le_bytes(word));
    let mask = if dirty { mask } else { mask ^ HIGH };
    (mask != 0).then_some(mask.trailing_zeros() as usize / 8)
}

/// Marks `range` as to be synchronised: every known state becomes NeedSync (3), also Unwritten
/// and its kin.
///
/// NeedSync and not Dirty: at load the kernel turns Dirty into NeedSync anyway, and R11 allows a
/// writer the bytes 0, 1 and 3 alone. An unknown byte stays: it is dirty already.
///
/// # Errors
/// [`OutOfRange`] when `bytes` does not hold all of `range`; nothing is changed then.
pub fn set(bytes: &mut [u8], range: Range<u64>) -> Result<(), OutOfRange> {
    for byte in slice(bytes, range)? {
        *byte = if *byte < 8 { 3 } else { *byte };
    }
    Ok(())
}

/// Marks `range` as synchronised: Dirty, NeedSync, Syncing and unknown become Clean (1).
///
/// Unwritten, and the three states built on it, stay: they promise nothing about equal data,
/// and Clean would (R11).
///
/// # Errors
/// [`OutOfRange`] when `bytes` does not hold all of `range`; nothing is changed then.
pub fn clear(bytes: &mut [u8], range: Range<u64>) -> Result<(), OutOfRange> {
    for byte in slice(bytes, range)? {
        let dirty = (*byte >= 2 && *byte <= 4) || *byte >= 8;
        *byte = if dirty { 1 } else { *byte };
    }
    Ok(())
}

fn slice(bytes: &mut [u8], range: Range<u64>) -> Result<&mut [u8], OutOfRange> {
    let len = bytes.len() as u64;
    OutOfRange::check(&range, len)?;
    let out = OutOfRange {
        start: range.start,
        end: range.end,
        len,
    };
    bytes
        .get_mut(range.start as usize..range.end as usize)
        .ok_or(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contents() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            (0usize..600, 0u8..12).prop_map(|(n, value)| vec![value; n]),
            (0usize..40_000, 0u8..9).prop_map(|(n, value)| vec![value; n]),
            proptest::collection::vec(0u8..12, 0..300),
            proptest::collection::vec(any::<u8>(), 0..50),
        ];
        proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    fn dirty(bytes: &[u8], index: u64) -> bool {
        match bytes.get(index as usize) {
            Some(byte) => matches!(byte, 2 | 3 | 4 | 8..=255),
            None => true,
        }
    }

    #[test]
    fn every_byte_is_a_state_and_back() {
        for byte in 0..=255u8 {
            let state = ChunkState::from_byte(byte);
            assert_eq!(state.to_byte(), byte);
            assert_eq!(state.is_dirty(), dirty(&[byte], 0));
            let mask = dirty_mask(u64::from_le_bytes([byte, 0, byte, 1, 5, 6, 7, byte]));
            let high = if state.is_dirty() { 0x80 } else { 0 };
            assert_eq!(
                mask.to_le_bytes(),
                [high, 0, high, 0, 0, 0, 0, high],
                "byte {byte}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn counts_and_runs_equal_the_naive_model(bytes in contents(), start in 0u64..3000, len in 0u64..80_000) {
            let array = StateArray::new(&bytes);
            let range = start..start + len;
            let counts = array.count(range.clone());
            let mut naive = [0u64; 9];
            for index in range.clone() {
                let state = bytes.get(index as usize).map_or(8, |&byte| byte.min(8));
                naive[state as usize] += 1;
            }
            prop_assert_eq!(
                [counts.unwritten, counts.clean, counts.dirty, counts.need_sync, counts.syncing,
                 counts.need_sync_unwritten, counts.syncing_unwritten, counts.clean_unwritten, counts.unknown],
                naive
            );
            prop_assert_eq!(counts.total(), len);
            let model: Vec<u64> = range.clone().filter(|&i| dirty(&bytes, i)).collect();
            prop_assert_eq!(counts.dirty_chunks(), model.len() as u64);
            let runs: Vec<Range<u64>> = array.dirty_runs(range).collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), model);
        }

        #[test]
        fn set_and_clear_change_the_range_alone(bytes in contents(), a: u16, b: u16) {
            let len = bytes.len() as u64;
            let (a, b) = (u64::from(a).min(len), u64::from(b).min(len));
            let range = a.min(b)..a.max(b);
            let (mut marked, mut cleared) = (bytes.clone(), bytes.clone());
            set(&mut marked, range.clone()).unwrap();
            clear(&mut cleared, range.clone()).unwrap();
            for (index, &old) in bytes.iter().enumerate() {
                let inside = range.contains(&(index as u64));
                let expected = if inside && old < 8 { 3 } else { old };
                prop_assert_eq!(marked[index], expected);
                let expected = if inside && dirty(&[old], 0) { 1 } else { old };
                prop_assert_eq!(cleared[index], expected);
            }
        }
    }

    #[test]
    fn a_huge_absent_tail_is_one_step() {
        let array = StateArray::new(&[1, 1]);
        assert_eq!(array.count(0..u64::MAX).unknown, u64::MAX - 2);
        assert_eq!(
            array.dirty_runs(0..u64::MAX).collect::<Vec<_>>(),
            std::slice::from_ref(&(2..u64::MAX))
        );
        assert!(set(&mut [0, 0], 1..3).is_err());
    }
}
