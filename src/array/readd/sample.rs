//! Choosing chunks at random, and what finding them equal shows.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Chunks in a sample (design.md W9: at least 1,000; a difference in 1 % of the chunks has to be
/// found with 99.9 %, for which 688 would do).
pub const SAMPLE: u64 = 1000;

/// The numbers of a sample: sorted, distinct, each below the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    chosen: BTreeSet<u64>,
    total: u64,
}

impl Sample {
    /// `count` of `total`, or all of them; every choice is equally likely.
    pub fn choose(total: u64, count: u64) -> Sample {
        let mut random = Random::new();
        let mut chosen = BTreeSet::new();
        // Floyd's way: no number is drawn in vain.
        for last in total.saturating_sub(count)..total {
            let drawn = random.below(last.saturating_add(1));
            if !chosen.insert(drawn) {
                chosen.insert(last);
            }
        }
        Sample { chosen, total }
    }

    /// How many were chosen.
    pub fn len(&self) -> u64 {
        self.chosen.len() as u64
    }

    /// True when there was nothing to choose from.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// True when nothing was left out.
    pub fn is_all(&self) -> bool {
        self.len() == self.total
    }

    /// The chosen numbers in a range, ascending.
    pub fn within(&self, range: std::ops::Range<u64>) -> impl Iterator<Item = u64> + '_ {
        let range = range.start..range.end.max(range.start);
        self.chosen.range(range).copied()
    }

    /// With which probability, in percent, a difference in one of a hundred would have been found.
    /// At least: what was chosen is not put back.
    pub fn confidence_percent(&self) -> f64 {
        if self.is_all() {
            return 100.0;
        }
        let count = i32::try_from(self.len()).unwrap_or(i32::MAX);
        100.0 * (1.0 - 0.99_f64.powi(count))
    }
}

/// A generator for sampling (splitmix64), seeded by the system through the standard library.
struct Random(u64);

impl Random {
    fn new() -> Random {
        Random(RandomState::new().build_hasher().finish())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0. The bias of 64 in 128 bits is beyond measuring.
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_distinct_and_in_range() {
        for (total, count) in [(0, 10), (5, 10), (10, 10), (1000, 10), (u64::MAX, 1000)] {
            let sample = Sample::choose(total, count);
            assert_eq!(sample.len(), count.min(total));
            assert_eq!(sample.is_all(), total <= count);
            assert!(sample.within(0..u64::MAX).all(|one| one < total));
        }
        let sample = Sample::choose(100, 100);
        assert_eq!(sample.within(10..13).collect::<Vec<_>>(), [10, 11, 12]);
    }

    #[test]
    fn every_place_is_chosen_about_as_often() {
        let mut counts = [0_u32; 20];
        for _ in 0..2000 {
            let sample = Sample::choose(20, 5);
            sample.within(0..20).for_each(|at| counts[at as usize] += 1);
        }
        // 500 are expected, the standard deviation is 19.
        assert!(
            counts.iter().all(|count| (380..620).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn what_a_sample_shows() {
        // design.md W9: 99.9 % for a difference in 1 %.
        assert!(Sample::choose(1 << 30, SAMPLE).confidence_percent() > 99.99);
        assert!(Sample::choose(1 << 30, 688).confidence_percent() > 99.9);
        assert!(Sample::choose(1 << 30, 687).confidence_percent() < 99.9);
        assert!(Sample::choose(10, SAMPLE).confidence_percent() == 100.0);
    }
}
