//! A buffer for text by the gigabyte: numbers without the formatting machinery, writes by the block.

use std::io::{self, Write};

/// Bytes that are collected before they are written.
const BLOCK: usize = 128 << 10;

/// Text on its way to `out`; what was pushed is written by and by, the rest by [`Text::flush`].
pub(super) struct Text<'a> {
    out: &'a mut dyn Write,
    bytes: Vec<u8>,
}

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Text {
            out,
            bytes: Vec::with_capacity(BLOCK + 4096),
        }
    }

    /// Text as it is.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
    }

    /// A number in decimal.
    #[inline]
    pub(super) fn decimal(&mut self, number: u64) {
        let (digits, first) = decimal(number);
        self.push(digits.get(first..).unwrap_or_default());
    }

    /// A number in decimal behind as many blanks as it lacks to `width` places, at most 24.
    #[inline]
    pub(super) fn decimal_right(&mut self, number: u64, width: usize) {
        let (mut digits, first) = decimal(number);
        for zero in digits.iter_mut().take(first) {
            *zero = b' ';
        }
        let first = first.min(digits.len().saturating_sub(width));
        self.push(digits.get(first..).unwrap_or_default());
    }

    /// A number in hexadecimal, as `0x` and at least eight digits.
    #[inline]
    pub(super) fn hexadecimal(&mut self, number: u64) {
        let digits = hexadecimal(number);
        let first = (number.leading_zeros() as usize / 4).min(8);
        self.push(b"0x");
        self.push(digits.get(first..).unwrap_or_default());
    }

    /// The end of a line: when enough was collected, it is written.
    #[inline]
    pub(super) fn line(&mut self) -> io::Result<()> {
        self.bytes.push(b'\n');
        self.relieve()
    }

    /// Writes what was collected when it is enough.
    #[inline]
    pub(super) fn relieve(&mut self) -> io::Result<()> {
        if self.bytes.len() >= BLOCK {
            return self.flush();
        }
        Ok(())
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

/// Eight decimal digits of a number below 10^8 as bytes 0 to 9, the first in the lowest byte.
///
/// Pairs of numbers are divided at once: by 10^4, then both halves by 100, then all quarters by 10,
/// each by a multiplication that is exact in the range.
#[inline]
fn eight(number: u32) -> u64 {
    let number = u64::from(number);
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((quarters - tens * 10) << 8)
}

const ASCII: u64 = 0x3030_3030_3030_3030;

/// A number in 24 digits, and the place of the first that is not 0 (the last, for 0).
#[inline]
fn decimal(number: u64) -> ([u8; 24], usize) {
    const UNIT: u64 = 100_000_000;
    let mut text = [b'0'; 24];
    let mut put = |place: usize, part: u64| {
        let digits = eight(part as u32);
        if let Some(to) = text.get_mut(place..place + 8) {
            to.copy_from_slice(&(digits | ASCII).to_le_bytes());
        }
        // The lowest byte that is not 0 is the first digit; a bit beyond stands for none.
        place + (digits.trailing_zeros() as usize / 8).min(7)
    };
    let (rest, low) = (number / UNIT, number % UNIT);
    let mut first = put(16, low);
    if rest > 0 {
        let (top, middle) = (rest / UNIT, rest % UNIT);
        first = put(8, middle);
        if top > 0 {
            first = put(0, top);
        }
    }
    (text, first)
}

/// A number in 16 hexadecimal digits.
#[inline]
fn hexadecimal(number: u64) -> [u8; 16] {
    let spread = |half: u32| -> [u8; 8] {
        // One digit a byte, the first in the highest byte.
        let mut digits = u64::from(half);
        digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
        digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
        digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
        (digits + ASCII + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
    };
    let mut text = [0; 16];
    let (high, low) = text.split_at_mut(8);
    high.copy_from_slice(&spread((number >> 32) as u32));
    low.copy_from_slice(&spread(number as u32));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(push: impl Fn(&mut Text<'_>)) -> String {
        let mut out = Vec::new();
        let mut text = Text::new(&mut out);
        push(&mut text);
        text.flush().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn check(number: u64) {
        assert_eq!(written(|text| text.decimal(number)), number.to_string());
        for width in [1, 7, 20, 24] {
            let expected = format!("{number:width$}");
            assert_eq!(written(|text| text.decimal_right(number, width)), expected);
        }
        assert_eq!(
            written(|text| text.hexadecimal(number)),
            format!("0x{number:08x}")
        );
    }

    #[test]
    fn borders() {
        check(0);
        check(u64::MAX);
        for power in 0..20 {
            let number = 10u64.pow(power);
            check(number);
            check(number - 1);
            check(number * (u64::MAX / number).min(9));
        }
        for shift in 0..64 {
            check(1 << shift);
            check((1 << shift) - 1);
        }
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(number: u64, shift in 0u32..64) {
            check(number >> shift);
        }

        #[test]
        fn eight_digits(number in 0u32..100_000_000) {
            let digits = (eight(number) | ASCII).to_le_bytes();
            prop_assert_eq!(String::from_utf8(digits.to_vec()).unwrap(), format!("{number:08}"));
        }
    }

    #[test]
    fn blocks_are_written_as_they_fill() {
        let mut out = Vec::new();
        let mut text = Text::new(&mut out);
        for _ in 0..BLOCK / 4 + 1 {
            text.push(b"123");
            text.line().unwrap();
        }
        assert_eq!(text.bytes.len(), 4);
        drop(text);
        assert_eq!(out.len(), BLOCK);
    }
}
