//! A buffer for text by the gigabyte: numbers without the formatting machinery, writes by the block.

use std::io::{self, Write};

/// Bytes that are collected before they are written.
const BLOCK: usize = 128 << 10;

/// Room behind a block for the line that fills it.
const SLACK: usize = 64 << 10;

/// Text on its way to `out`; what was pushed is written by and by, the rest by [`Text::flush`].
///
/// Everything is stored in pieces of a fixed size, the bytes beyond the end being overwritten by what
/// follows: a call of memcpy for each number would take as long as the rest of the line.
pub(super) struct Text<'a> {
    out: &'a mut dyn Write,
    bytes: Vec<u8>,
    /// Bytes of it that are text.
    len: usize,
}

/// Text of any length that is pushed many times.
#[derive(Default)]
pub(super) struct Repeated {
    pieces: Vec<[u8; 16]>,
    len: usize,
}

impl Repeated {
    pub(super) fn new(text: &[u8]) -> Repeated {
        let mut padded = text.to_vec();
        padded.resize(text.len().next_multiple_of(16), b' ');
        Repeated {
            pieces: padded.as_chunks().0.to_vec(),
            len: text.len(),
        }
    }
}

impl<'a> Text<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Text {
            out,
            bytes: vec![0; BLOCK + SLACK],
            len: 0,
        }
    }

    /// Stores a piece behind the text, without making it part of it.
    #[inline(always)]
    fn store<const N: usize>(&mut self, at: usize, piece: &[u8; N]) {
        if let Some(to) = self.bytes.get_mut(at..at + N) {
            to.copy_from_slice(piece);
        } else {
            self.grow(at + N);
            if let Some(to) = self.bytes.get_mut(at..at + N) {
                to.copy_from_slice(piece);
            }
        }
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize(len + SLACK, 0);
    }

    /// A short text as it is.
    #[inline(always)]
    pub(super) fn push<const N: usize>(&mut self, text: &[u8; N]) {
        self.store(self.len, text);
        self.len += N;
    }

    /// Text of any length.
    pub(super) fn push_all(&mut self, text: &[u8]) {
        self.repeat(&Repeated::new(text));
    }

    /// Text that comes again and again.
    #[inline]
    pub(super) fn repeat(&mut self, text: &Repeated) {
        let mut at = self.len;
        for piece in &text.pieces {
            self.store(at, piece);
            at += 16;
        }
        self.len += text.len;
    }

    /// The first `len` bytes of a word, the lowest first.
    #[inline(always)]
    fn word(&mut self, word: u64, len: usize) {
        self.store(self.len, &word.to_le_bytes());
        self.len += len;
    }

    /// Eight digits without the zeros before them.
    #[inline(always)]
    fn lead(&mut self, digits: u64, zeros: usize, characters: u64) {
        debug_assert!(digits == 0 || zeros <= leading_zeros(digits));
        self.word(characters >> (8 * zeros), 8 - zeros);
    }

    /// A number in decimal.
    #[inline]
    pub(super) fn decimal(&mut self, number: u64) {
        self.decimal_right(number, 0);
    }

    /// A number in decimal behind as many blanks as it lacks to `width` places.
    #[inline]
    pub(super) fn decimal_right(&mut self, number: u64, width: usize) {
        const UNIT: u64 = 100_000_000;
        let (rest, low) = (number / UNIT, eight(number % UNIT));
        if rest == 0 {
            let zeros = leading_zeros(low);
            self.blanks(width, 8 - zeros);
            return self.lead(low, zeros, low | ASCII);
        }
        let (top, middle) = (rest / UNIT, eight(rest % UNIT));
        if top == 0 {
            let zeros = leading_zeros(middle);
            self.blanks(width, 16 - zeros);
            self.lead(middle, zeros, middle | ASCII);
        } else {
            let top = eight(top);
            let zeros = leading_zeros(top);
            self.blanks(width, 24 - zeros);
            self.lead(top, zeros, top | ASCII);
            self.word(middle | ASCII, 8);
        }
        self.word(low | ASCII, 8);
    }

    /// As many blanks as `used` places lack to `width`.
    #[inline(always)]
    fn blanks(&mut self, width: usize, used: usize) {
        let mut missing = width.saturating_sub(used);
        while missing > 0 {
            let now = missing.min(8);
            self.word(0x2020_2020_2020_2020, now);
            missing -= now;
        }
    }

    /// A number in hexadecimal, as `0x` and at least eight digits.
    #[inline]
    pub(super) fn hexadecimal(&mut self, number: u64) {
        self.push(b"0x");
        let high = spread((number >> 32) as u32);
        if high != 0 {
            self.lead(high, leading_zeros(high), letters(high));
        }
        self.word(letters(spread(number as u32)), 8);
    }

    /// The end of a line: when enough was collected, it is written.
    #[inline]
    pub(super) fn line(&mut self) -> io::Result<()> {
        self.push(b"\n");
        self.relieve()
    }

    /// Writes what was collected when it is enough.
    #[inline]
    pub(super) fn relieve(&mut self) -> io::Result<()> {
        if self.len >= BLOCK {
            return self.flush();
        }
        Ok(())
    }

    /// Writes what was collected.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let text = self.bytes.get(..self.len).unwrap_or_default();
        self.out.write_all(text)?;
        self.len = 0;
        Ok(())
    }
}

/// Eight decimal digits of a number below 10^8 as bytes 0 to 9, the first in the lowest byte.
///
/// Pairs of numbers are divided at once: by 10^4, then both halves by 100, then all quarters by 10,
/// each by a multiplication that is exact in the range.
#[inline(always)]
fn eight(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((quarters - tens * 10) << 8)
}

const ASCII: u64 = 0x3030_3030_3030_3030;

/// How many of eight digits come before the first that is not 0; 7 for 0 itself.
#[inline(always)]
fn leading_zeros(digits: u64) -> usize {
    (digits.trailing_zeros() as usize / 8).min(7)
}

/// Eight hexadecimal digits as bytes 0 to 15, the first in the lowest byte.
#[inline(always)]
fn spread(number: u32) -> u64 {
    let mut digits = u64::from(number);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    digits.swap_bytes()
}

/// The characters of hexadecimal digits.
#[inline(always)]
fn letters(digits: u64) -> u64 {
    let above_nine = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    digits + ASCII + above_nine * u64::from(b'a' - b'0' - 10)
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
            let digits = (eight(u64::from(number)) | ASCII).to_le_bytes();
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
        assert_eq!(text.len, 4);
        drop(text);
        assert_eq!(out.len(), BLOCK);
    }

    #[test]
    fn text_of_any_length_comes_out_whole() {
        for len in [0, 1, 15, 16, 17, 300, SLACK, BLOCK + 2 * SLACK + 5] {
            let long: String = (0..len)
                .map(|i| char::from(b'a' + (i % 26) as u8))
                .collect();
            let twice = written(|text| {
                text.push(b"<");
                text.push_all(long.as_bytes());
                text.push(b"|");
                text.repeat(&Repeated::new(long.as_bytes()));
                text.push(b">");
            });
            assert_eq!(twice, format!("<{long}|{long}>"));
        }
    }
}
