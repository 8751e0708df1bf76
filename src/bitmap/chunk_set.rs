//! A set of chunks in memory: what a writer knows of a bitmap while it rewrites it.
//!
//! Pages that are all alike take no room, so what real bitmaps hold (nothing, everything, a few
//! bursts) takes little; the most is one bit a chunk, and [`MAX_CHUNKS`] bounds that.

use crate::units::ChunkIndex;
use std::ops::Range;

/// The most chunks that are held in memory: 256 MiB of bits, twice what the largest gap before the data
/// of an mdadm array has room for.
pub const MAX_CHUNKS: u64 = 1 << 31;

const PAGE_BITS: u64 = 1 << 15;
const PAGE_WORDS: usize = (PAGE_BITS / 64) as usize;

/// More chunks than are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the bitmap has {chunks} chunks, more than the {MAX_CHUNKS} that can be rewritten: choose a larger chunk"
)]
pub struct TooManyChunks {
    /// Chunks of the bitmap.
    pub chunks: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Page {
    Zero,
    Ones,
    Bits(Box<[u64; PAGE_WORDS]>),
}

/// A set of chunk numbers below a fixed length.
#[derive(Debug, Clone)]
pub struct ChunkSet {
    len: u64,
    pages: Vec<Page>,
}

impl ChunkSet {
    /// No chunk of `chunks`.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn empty(chunks: u64) -> Result<ChunkSet, TooManyChunks> {
        Self::of_pages(chunks, Page::Zero)
    }

    /// All of `chunks` chunks.
    ///
    /// # Errors
    /// [`TooManyChunks`].
    pub fn full(chunks: u64) -> Result<ChunkSet, TooManyChunks> {
        Self::of_pages(chunks, Page::Ones)
    }

    fn of_pages(chunks: u64, page: Page) -> Result<ChunkSet, TooManyChunks> {
        if chunks > MAX_CHUNKS {
            return Err(TooManyChunks { chunks });
        }
        let pages = usize::try_from(chunks.div_ceil(PAGE_BITS)).unwrap_or_default();
        Ok(ChunkSet {
            len: chunks,
            pages: vec![page; pages],
        })
    }

    /// Chunks that could be in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when no chunk is in it.
    pub fn is_empty(&self) -> bool {
        self.first_in(0, true).is_none()
    }

    /// True when every chunk is in it.
    pub fn is_full(&self) -> bool {
        self.first_in(0, false).is_none()
    }

    /// How many chunks are in it.
    pub fn count(&self) -> u64 {
        self.runs()
            .map(|run| run.end.0.saturating_sub(run.start.0))
            .sum()
    }

    /// Whether `chunk` is in it.
    pub fn contains(&self, chunk: ChunkIndex) -> bool {
        chunk.0 < self.len && self.word(chunk.0 / 64) >> (chunk.0 % 64) & 1 == 1
    }

    /// Puts `chunks` into it, or takes them out; what lies past the end is left out.
    pub fn set(&mut self, chunks: &Range<ChunkIndex>, present: bool) {
        let end = chunks.end.0.min(self.len);
        let mut at = chunks.start.0;
        while at < end {
            let number = at / PAGE_BITS;
            let (from, page_end) = (at % PAGE_BITS, (number + 1) * PAGE_BITS);
            let to = end.min(page_end) - number * PAGE_BITS;
            let whole = from == 0 && (to == PAGE_BITS || end == self.len);
            if let Some(page) = self.pages.get_mut(number as usize) {
                page.set(from..to, present, whole);
            }
            at = page_end;
        }
    }

    /// Puts every chunk of `other` into it that it has room for.
    pub fn add_all(&mut self, other: &ChunkSet) {
        self.combine(other, |own, other| own | other);
    }

    /// Takes every chunk of `other` out of it.
    pub fn remove_all(&mut self, other: &ChunkSet) {
        self.combine(other, |own, other| own & !other);
    }

    /// Takes every chunk out of it that is not in `other`.
    pub fn keep_common(&mut self, other: &ChunkSet) {
        self.combine(other, |own, other| own & other);
    }

    /// All chunks that are not in it.
    #[must_use]
    pub fn inverted(&self) -> ChunkSet {
        let mut inverted = self.clone();
        inverted.combine(self, |own, _| !own);
        inverted
    }

    /// Each word by the words of both sets.
    fn combine(&mut self, other: &ChunkSet, word: impl Fn(u64, u64) -> u64) {
        let len = other.len;
        let uniform = |page: &Page| match page {
            Page::Zero => Some(0),
            Page::Ones => Some(u64::MAX),
            Page::Bits(_) => None,
        };
        for (number, page) in (0..).zip(&mut self.pages) {
            // A page that `other` ends within is looked at word by word: it has nothing behind its end.
            let whole = (number + 1) * PAGE_BITS <= len || self.len <= len;
            let theirs = other.pages.get(number as usize).filter(|_| whole);
            if let (Some(own), Some(theirs)) = (uniform(page), theirs.and_then(uniform)) {
                *page = match word(own, theirs) {
                    0 => Page::Zero,
                    _ => Page::Ones,
                };
                continue;
            }
            let first = number * PAGE_WORDS as u64;
            let words = page.words();
            for (index, own) in (first..).zip(words.iter_mut()) {
                *own = word(*own, other.word(index));
            }
            match words.first().copied() {
                Some(0) if words.iter().all(|word| *word == 0) => *page = Page::Zero,
                Some(u64::MAX) if words.iter().all(|word| *word == u64::MAX) => *page = Page::Ones,
                _ => {}
            }
        }
    }

    /// The maximal runs of chunks in it, in order.
    pub fn runs(&self) -> SetRuns<'_> {
        SetRuns { set: self, at: 0 }
    }

    /// 64 chunks from 64 times `index` on, the first in the lowest bit; none past the end.
    pub fn word(&self, index: u64) -> u64 {
        let page = self.pages.get((index / PAGE_WORDS as u64) as usize);
        let word = match page {
            None | Some(Page::Zero) => 0,
            Some(Page::Ones) => u64::MAX,
            Some(Page::Bits(words)) => words
                .get((index % PAGE_WORDS as u64) as usize)
                .copied()
                .unwrap_or_default(),
        };
        let first = index.saturating_mul(64);
        match self.len.saturating_sub(first) {
            0 => 0,
            rest @ 1..64 => word & ((1 << rest) - 1),
            _ => word,
        }
    }

    /// The first chunk from `from` on that is in it, or is not.
    fn first_in(&self, from: u64, present: bool) -> Option<u64> {
        let mut at = from;
        while at < self.len {
            let page = self.pages.get((at / PAGE_BITS) as usize)?;
            if matches!((page, present), (Page::Zero, true) | (Page::Ones, false)) {
                at = (at / PAGE_BITS + 1) * PAGE_BITS;
                continue;
            }
            let word = self.word(at / 64);
            let wanted = if present { word } else { !word };
            let wanted = wanted & (u64::MAX << (at % 64));
            if wanted != 0 {
                let found = at / 64 * 64 + u64::from(wanted.trailing_zeros());
                return (found < self.len).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }
}

impl PartialEq for ChunkSet {
    fn eq(&self, other: &ChunkSet) -> bool {
        self.len == other.len && self.runs().eq(other.runs())
    }
}

impl Eq for ChunkSet {}

impl Page {
    /// `whole`: the range is all that the set has of this page.
    fn set(&mut self, bits: Range<u64>, present: bool, whole: bool) {
        match (&*self, present) {
            (_, true) if whole => *self = Page::Ones,
            (_, false) if whole => *self = Page::Zero,
            (Page::Ones, true) | (Page::Zero, false) => {}
            _ => {
                for (index, word) in (0..).zip(self.words().iter_mut()) {
                    let first = index * 64;
                    let low = bits.start.clamp(first, first + 64) - first;
                    let high = bits.end.clamp(first, first + 64) - first;
                    let mask = below(high) & !below(low);
                    match present {
                        true => *word |= mask,
                        false => *word &= !mask,
                    }
                }
            }
        }
    }

    fn words(&mut self) -> &mut [u64; PAGE_WORDS] {
        let fill = match self {
            Page::Ones => u64::MAX,
            _ => 0,
        };
        if !matches!(self, Page::Bits(_)) {
            *self = Page::Bits(Box::new([fill; PAGE_WORDS]));
        }
        match self {
            Page::Bits(words) => words,
            // It was just made so.
            Page::Zero | Page::Ones => unreachable!("a page of bits"),
        }
    }
}

/// A mask of the lowest `bits` bits, 0 to 64.
fn below(bits: u64) -> u64 {
    match bits {
        64.. => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

/// Iterator of [`ChunkSet::runs`].
#[derive(Debug, Clone)]
pub struct SetRuns<'a> {
    set: &'a ChunkSet,
    at: u64,
}

impl Iterator for SetRuns<'_> {
    type Item = Range<ChunkIndex>;

    fn next(&mut self) -> Option<Range<ChunkIndex>> {
        let start = self.set.first_in(self.at, true)?;
        let end = self.set.first_in(start, false).unwrap_or(self.set.len);
        self.at = end;
        Some(ChunkIndex(start)..ChunkIndex(end))
    }
}

impl std::iter::FusedIterator for SetRuns<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn it_is_a_set(
            len in prop_oneof![0u64..300, 32700u64..32800, 65500u64..65600],
            changes in proptest::collection::vec((0u64..70000, prop_oneof![1u64..70, 30000u64..70000], any::<bool>()), 0..8),
        ) {
            let mut set = ChunkSet::empty(len).unwrap();
            let mut model = vec![false; len as usize];
            for (start, more, present) in changes {
                set.set(&(ChunkIndex(start)..ChunkIndex(start + more)), present);
                for chunk in start..(start + more).min(len) {
                    model[chunk as usize] = present;
                }
            }
            for chunk in 0..len {
                prop_assert_eq!(set.contains(ChunkIndex(chunk)), model[chunk as usize]);
            }
            prop_assert_eq!(set.count(), model.iter().filter(|b| **b).count() as u64);
            prop_assert_eq!(set.is_empty(), !model.contains(&true));
            prop_assert_eq!(set.is_full(), !model.contains(&false));
            let mut again = ChunkSet::empty(len).unwrap();
            let mut last = None;
            for run in set.runs() {
                prop_assert!(run.start < run.end);
                prop_assert!(last.is_none_or(|end| end < run.start));
                last = Some(run.end);
                again.set(&run, true);
            }
            prop_assert_eq!(&again, &set);
            let mut united = ChunkSet::empty(len).unwrap();
            united.add_all(&set);
            prop_assert_eq!(united, set);
        }

        #[test]
        fn sets_are_combined_chunk_by_chunk(
            lens in (prop_oneof![0u64..300, 32700u64..32800], prop_oneof![0u64..300, 32700u64..32800]),
            runs in proptest::collection::vec((0u64..33000, 1u64..40000, any::<bool>(), any::<bool>()), 0..8),
        ) {
            let mut sets = [ChunkSet::empty(lens.0).unwrap(), ChunkSet::empty(lens.1).unwrap()];
            for (start, more, present, second) in runs {
                sets[usize::from(second)].set(&(ChunkIndex(start)..ChunkIndex(start + more)), present);
            }
            let [a, b] = sets;
            let all = |change: fn(&mut ChunkSet, &ChunkSet)| {
                let mut changed = a.clone();
                change(&mut changed, &b);
                changed
            };
            let (sum, rest) = (all(ChunkSet::add_all), all(ChunkSet::remove_all));
            let (common, inverted) = (all(ChunkSet::keep_common), a.inverted());
            for chunk in (0..lens.0.max(lens.1) + 70).map(ChunkIndex) {
                let (own, other, inside) = (a.contains(chunk), b.contains(chunk), chunk.0 < lens.0);
                prop_assert_eq!(sum.contains(chunk), inside && (own || other));
                prop_assert_eq!(rest.contains(chunk), own && !other);
                prop_assert_eq!(common.contains(chunk), own && other);
                prop_assert_eq!(inverted.contains(chunk), inside && !own);
            }
        }
    }

    #[test]
    fn what_is_alike_takes_no_room_and_too_much_is_refused() {
        let mut set = ChunkSet::full(MAX_CHUNKS).unwrap();
        assert_eq!(set.count(), MAX_CHUNKS);
        set.set(&(ChunkIndex(0)..ChunkIndex(MAX_CHUNKS)), false);
        assert!(set.is_empty() && set.pages.iter().all(|page| *page == Page::Zero));
        assert_eq!(
            ChunkSet::empty(MAX_CHUNKS + 1).unwrap_err().chunks,
            MAX_CHUNKS + 1
        );
    }
}
