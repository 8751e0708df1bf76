//! Arithmetic of raid6 on eight bytes at once (kernel.md 9.2): GF(2^8), polynomial 0x11d, generator 2.

/// `word` times 2, byte by byte.
fn twice(word: u64) -> u64 {
    let carries = word >> 7 & 0x0101_0101_0101_0101;
    ((word & 0x7f7f_7f7f_7f7f_7f7f) << 1) ^ (carries * 0x1d)
}

/// `word` times a number, byte by byte.
pub fn times(mut word: u64, factor: u8) -> u64 {
    let mut product = 0;
    let mut rest = factor;
    while rest != 0 {
        if rest & 1 != 0 {
            product ^= word;
        }
        word = twice(word);
        rest >>= 1;
    }
    product
}

/// 2 to a power.
pub fn power(exponent: u32) -> u8 {
    (0..exponent % 255).fold(1, |value, _| twice(u64::from(value)) as u8)
}

/// What times a number gives 1.
pub fn inverse(number: u8) -> u8 {
    // To the power of 254, as the group has 255 elements.
    let mut result = 1;
    for _ in 0..254 {
        result = times(result, number);
    }
    result as u8
}

#[test]
fn the_field_is_a_field() {
    for number in 1..=255 {
        assert_eq!(times(u64::from(number), inverse(number)), 1);
    }
    assert_eq!(power(8), 0x1d);
    assert_eq!(times(0x80_01_02_ff, 2), 0x1d_02_04_e3);
}
