//! Counting and scanning bytes as fast as memory delivers them.
//!
//! Plain loops that the compiler turns into vector code, once for each instruction set named;
//! `multiversion` picks the widest one that the processor has at the first call.

use multiversion::multiversion;

/// Bytes a step of the scans: wide enough for two 512-bit registers.
const STEP: usize = 128;

/// Fewer bytes are looked at without asking the processor what it can do: `cpuid` traps under a
/// hypervisor, and the dozen of them that the question takes cost a tenth of a millisecond there,
/// as much as the whole start of the program.
const WORTH_ASKING: usize = 8 << 10;

/// Number of one bits in `bytes`.
pub fn count_ones(bytes: &[u8]) -> u64 {
    match bytes.len() < WORTH_ASKING {
        true => ones(bytes),
        false => ones_by_processor(bytes),
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512vpopcntdq+popcnt",
    "x86_64+avx2+popcnt",
    "x86_64+popcnt",
    "aarch64+neon",
))]
fn ones_by_processor(bytes: &[u8]) -> u64 {
    ones(bytes)
}

#[inline(always)]
fn ones(bytes: &[u8]) -> u64 {
    // Independent sums, so that additions do not wait for one another.
    let mut lanes = [0u64; STEP / 8];
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for step in steps {
        for (lane, word) in lanes.iter_mut().zip(step.as_chunks::<8>().0) {
            *lane += u64::from(u64::from_ne_bytes(*word).count_ones());
        }
    }
    let whole: u64 = lanes.iter().sum();
    let tail: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    whole + tail
}

/// Number of leading bytes that equal `value`, in whole steps of 128 bytes and then exactly.
pub fn leading_equal(bytes: &[u8], value: u8) -> usize {
    let whole = equal_steps(bytes, value) * STEP;
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|&&byte| byte == value).count()
}

/// Number of leading 128-byte steps that hold `value` alone.
fn equal_steps(bytes: &[u8], value: u8) -> usize {
    match bytes.len() < WORTH_ASKING {
        true => steps_of(bytes, value),
        false => equal_steps_by_processor(bytes, value),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon",))]
fn equal_steps_by_processor(bytes: &[u8], value: u8) -> usize {
    steps_of(bytes, value)
}

#[inline(always)]
fn steps_of(bytes: &[u8], value: u8) -> usize {
    let pattern = u64::from_ne_bytes([value; 8]);
    let (steps, _) = bytes.as_chunks::<STEP>();
    let uniform = |step: &&[u8; STEP]| {
        // Spelled out: straight-line code is fast also where the compiler saves space.
        let (halves, _) = step.as_chunks::<64>();
        halves.iter().fold(0, |difference, half| {
            let [a, b, c, d, e, f, g, h] = words(half);
            difference
                | ((a ^ pattern) | (b ^ pattern) | (c ^ pattern) | (d ^ pattern))
                | ((e ^ pattern) | (f ^ pattern) | (g ^ pattern) | (h ^ pattern))
        }) == 0
    };
    steps.iter().take_while(uniform).count()
}

/// Eight words of memory, in the order of this machine.
#[inline(always)]
fn words(bytes: &[u8; 64]) -> [u64; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_like_a_naive_loop(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let naive: u64 = bytes.iter().map(|b| (0..8).filter(|i| b >> i & 1 == 1).count() as u64).sum();
            prop_assert_eq!(count_ones(&bytes), naive);
            prop_assert_eq!(ones_by_processor(&bytes), naive);
        }

        #[test]
        fn finds_the_first_other_byte(len in 0usize..700, at in 0usize..700, value: u8, other: u8) {
            let mut bytes = vec![value; len];
            if let Some(byte) = bytes.get_mut(at) { *byte = other; }
            let naive = bytes.iter().position(|&b| b != value).unwrap_or(len);
            prop_assert_eq!(leading_equal(&bytes, value), naive);
            prop_assert_eq!(equal_steps_by_processor(&bytes, value), naive / STEP);
        }
    }
}
