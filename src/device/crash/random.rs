//! Numbers that look random and come again.

/// A sequence of numbers that a seed determines (SplitMix64: a counter, well mixed).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of these numbers together: of a seed, and of what it is used for.
    pub fn of(parts: &[u64]) -> Random {
        let mut random = Random(0x6d64_6269_746d_6170);
        for part in parts {
            random.0 ^= part.wrapping_mul(0xff51_afd7_ed55_8ccd);
            random.0 = random.bits();
        }
        random
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `limit`; 0 when that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(limit);
        // The upper half of the product.
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
