//! Data that no member shares with another, by which a resync shows.

use crate::random::mix;

/// Bytes of a block: the least that md copies.
pub const BLOCK: usize = 4096;

/// Fills the data of member `member` of case `case`.
pub fn fill(data: &mut [u8], case: u64, member: usize) {
    for (block, bytes) in data.chunks_mut(BLOCK).enumerate() {
        let first = first_word(case, member, block as u64);
        for (word, to) in bytes.chunks_mut(8).enumerate() {
            let value = word_at(first, word as u64).to_le_bytes();
            to.copy_from_slice(&value[..to.len()]);
        }
    }
}

/// True when `bytes`, at byte `at` of the member's data, are as they were filled.
pub fn is_untouched(bytes: &[u8], at: usize, case: u64, member: usize) -> bool {
    let first = first_word(case, member, (at / BLOCK) as u64);
    let words = bytes.chunks(8).enumerate();
    let mut words =
        words.map(|(word, found)| (word_at(first, (at % BLOCK / 8 + word) as u64), found));
    words.all(|(value, found)| value.to_le_bytes().starts_with(found))
}

/// True when `bytes` differ from what was filled in, in every sector.
pub fn is_all_changed(bytes: &[u8], at: usize, case: u64, member: usize) -> bool {
    let mut sectors = bytes.chunks(512).enumerate();
    sectors.all(|(sector, found)| !is_untouched(found, at + sector * 512, case, member))
}

fn first_word(case: u64, member: usize, block: u64) -> u64 {
    mix(mix(case << 8 | member as u64) ^ block)
}

fn word_at(first: u64, word: u64) -> u64 {
    first ^ word.wrapping_mul(0x0101_0001_0000_0101)
}
