//! Sizes on the command line.
//!
//! mdadm's rules (reference/mdadm.md 6.2): a bare number is KiB; `K`, `M`, `G`, `T` are powers of
//! 1024; `s` is sectors of 512 bytes. Accepted beyond mdadm: lower case, `KB` and `KiB` (the same
//! as `K`), and `B` for bytes. Nothing wraps: what does not fit is an error.
//!
//! Options that mdadm does not have demand a suffix, since a bare number would be read as bytes
//! by one and as KiB by another.

use crate::format::placement::{ChunkError, ChunkSize};
use crate::units::{Bytes, SECTOR_BYTES, Sectors};
use std::ops::Range;

/// What a number without suffix means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bare {
    Kib,
    Refused,
}

/// Why a text is not a size. The message is meant to stand in parentheses behind the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No digits, or something else than digits and a suffix.
    #[error("must be a whole number with one of the suffixes K, M, G, T, s (sectors) or B (bytes)")]
    NotASize,
    /// A number alone, where it would be ambiguous.
    #[error("needs a suffix: K, M, G, T, s (sectors) or B (bytes)")]
    SuffixMissing,
    /// Zero.
    #[error("must be more than 0")]
    Zero,
    /// More than the numbers of md can say.
    #[error("is too large")]
    TooLarge,
    /// Not a whole number of sectors.
    #[error("must be a multiple of 512 bytes")]
    NotWholeSectors,
    /// Not a chunk size.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// No `+` between start and length.
    #[error("must be START+LENGTH, each with a suffix, as in 8K+64M")]
    NotARange,
}

/// A bitmap chunk size: mdadm's rules.
///
/// # Errors
/// Among others for everything that is not a power of two from 512 bytes to 2G: mdadm 4.2 lets
/// 4G to 1T wrap to 0.
pub fn chunk(text: &str) -> Result<ChunkSize, SizeError> {
    let bytes = bytes(text, Bare::Kib)?;
    match u64::try_from(bytes) {
        Ok(bytes) => Ok(ChunkSize::new(bytes)?),
        Err(_) => Err(ChunkError::TooLarge.into()),
    }
}

/// The size of a device or array, whole sectors, not 0: mdadm's rules.
///
/// # Errors
/// For what is no size, zero, or no multiple of 512 bytes.
pub fn sectors(text: &str) -> Result<Sectors, SizeError> {
    match whole_sectors(bytes(text, Bare::Kib)?)? {
        Sectors(0) => Err(SizeError::Zero),
        sectors => Ok(sectors),
    }
}

/// A position in bytes, 0 included; a suffix is required.
///
/// # Errors
/// For what is no size, or has no suffix.
pub fn offset(text: &str) -> Result<Bytes, SizeError> {
    narrow(bytes(text, Bare::Refused)?)
}

/// An amount of bytes, not 0; a suffix is required.
///
/// # Errors
/// For what is no size, zero, or has no suffix.
pub fn amount(text: &str) -> Result<Bytes, SizeError> {
    match narrow(bytes(text, Bare::Refused)?)? {
        Bytes(0) => Err(SizeError::Zero),
        bytes => Ok(bytes),
    }
}

/// A range `START+LENGTH` of whole sectors; both need a suffix, the length is not 0.
///
/// # Errors
/// For what is no range, or reaches beyond 64 bits of sectors.
pub fn range(text: &str) -> Result<Range<Sectors>, SizeError> {
    let (start, length) = text.split_once('+').ok_or(SizeError::NotARange)?;
    if start.is_empty() || length.is_empty() {
        return Err(SizeError::NotARange);
    }
    let start = whole_sectors(bytes(start, Bare::Refused)?)?;
    let length = whole_sectors(bytes(length, Bare::Refused)?)?;
    if length.0 == 0 {
        return Err(SizeError::Zero);
    }
    let end = start.checked_add(length).ok_or(SizeError::TooLarge)?;
    Ok(start..end)
}

fn narrow(bytes: u128) -> Result<Bytes, SizeError> {
    u64::try_from(bytes)
        .map(Bytes)
        .map_err(|_| SizeError::TooLarge)
}

fn whole_sectors(bytes: u128) -> Result<Sectors, SizeError> {
    let sector = u128::from(SECTOR_BYTES);
    if !bytes.is_multiple_of(sector) {
        return Err(SizeError::NotWholeSectors);
    }
    u64::try_from(bytes / sector)
        .map(Sectors)
        .map_err(|_| SizeError::TooLarge)
}

/// The number of bytes that a text stands for.
fn bytes(text: &str, bare: Bare) -> Result<u128, SizeError> {
    let text = match bare {
        // mdadm's number parser skips blanks and a plus sign.
        Bare::Kib => text.trim_start_matches([' ', '\t']),
        Bare::Refused => text,
    };
    let text = match (bare, text.strip_prefix('+')) {
        (Bare::Kib, Some(rest)) => rest,
        _ => text,
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, suffix) = text.split_at_checked(digits).ok_or(SizeError::NotASize)?;
    if digits.is_empty() {
        return Err(SizeError::NotASize);
    }
    let factor = match (suffix_bytes(suffix), bare) {
        (Some(factor), _) => factor,
        (None, Bare::Kib) if suffix.is_empty() => 1 << 10,
        (None, Bare::Refused) if suffix.is_empty() => return Err(SizeError::SuffixMissing),
        (None, _) => return Err(SizeError::NotASize),
    };
    // All digits, so too many of them is the only thing that can be wrong.
    let number: u128 = digits.parse().map_err(|_| SizeError::TooLarge)?;
    number.checked_mul(factor).ok_or(SizeError::TooLarge)
}

/// What a suffix multiplies by. `b` alone stays unknown: to some programs it is 512 bytes.
fn suffix_bytes(suffix: &str) -> Option<u128> {
    match suffix {
        "s" | "S" => return Some(u128::from(SECTOR_BYTES)),
        "B" => return Some(1),
        _ => {}
    }
    Some(match suffix.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk_bytes(text: &str) -> Result<u64, SizeError> {
        chunk(text).map(ChunkSize::bytes)
    }

    #[test]
    fn chunk_sizes_as_mdadm_reads_them() {
        for (text, want) in [
            ("4", 4096),
            (" 4", 4096),
            ("+4", 4096),
            ("64K", 65536),
            ("8s", 4096),
            ("1s", 512),
            ("64M", 64 << 20),
            ("1G", 1 << 30),
            ("2G", 2 << 30),
        ] {
            assert_eq!(chunk_bytes(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn spellings_that_mdadm_refuses() {
        for text in ["4k", "4KB", "4kb", "4KiB", "4kib", "8S", "4096B"] {
            assert_eq!(chunk_bytes(text), Ok(4096), "{text}");
        }
        assert_eq!(chunk_bytes("512B"), Ok(512));
    }

    #[test]
    fn what_is_no_chunk_size() {
        let not_power = SizeError::Chunk(ChunkError::NotPowerOfTwo);
        for text in ["0", "3K", "3s", "256B", "513B", "1000", "5G"] {
            assert_eq!(chunk_bytes(text), Err(not_power), "{text}");
        }
        let too_large = SizeError::Chunk(ChunkError::TooLarge);
        // mdadm 4.2 wraps all of these to 0 (reference/mdadm.md 6.3).
        for text in ["4G", "8G", "1T", "2T", "16777216T", "36028797018963968s"] {
            assert_eq!(chunk_bytes(text), Err(too_large), "{text}");
        }
        for text in [
            "",
            " ",
            "+",
            "-4K",
            "++4",
            "4.5",
            "4,5",
            "0x10",
            "K",
            "4 K",
            "4KK",
            "4P",
            "4E",
            "4b",
            "4kB ",
            "4\u{212a}",
            "٤K",
            "4K\0",
        ] {
            assert_eq!(chunk_bytes(text), Err(SizeError::NotASize), "{text:?}");
        }
    }

    #[test]
    fn messages_say_what_is_expected() {
        let message = format!(
            "invalid bitmap chunksize: 3K ({})",
            chunk("3K").unwrap_err()
        );
        assert_eq!(
            message,
            "invalid bitmap chunksize: 3K (must be a power of two, at least 512 bytes)"
        );
    }

    #[test]
    fn sizes_of_arrays() {
        assert_eq!(sectors("100G"), Ok(Sectors(100 << 21)));
        assert_eq!(sectors("19988"), Ok(Sectors(39976)));
        assert_eq!(sectors("39976s"), Ok(Sectors(39976)));
        assert_eq!(sectors("18446744073709551615s"), Ok(Sectors(u64::MAX)));
        assert_eq!(sectors("18446744073709551616s"), Err(SizeError::TooLarge));
        assert_eq!(sectors("8388608T"), Ok(Sectors(1 << 54)));
        assert_eq!(sectors(&"9".repeat(60)), Err(SizeError::TooLarge));
        assert_eq!(sectors("0"), Err(SizeError::Zero));
        assert_eq!(sectors("1000B"), Err(SizeError::NotWholeSectors));
    }

    #[test]
    fn positions_and_amounts_need_a_suffix() {
        assert_eq!(offset("8K"), Ok(Bytes(8192)));
        assert_eq!(offset("0s"), Ok(Bytes(0)));
        assert_eq!(offset("100B"), Ok(Bytes(100)));
        assert_eq!(offset("8192"), Err(SizeError::SuffixMissing));
        assert_eq!(offset("0"), Err(SizeError::SuffixMissing));
        assert_eq!(offset("18446744073709551615B"), Ok(Bytes(u64::MAX)));
        assert_eq!(offset("16777216T"), Err(SizeError::TooLarge));
        assert_eq!(amount("64M"), Ok(Bytes(64 << 20)));
        assert_eq!(amount("0M"), Err(SizeError::Zero));
        assert_eq!(amount("64"), Err(SizeError::SuffixMissing));
    }

    #[test]
    fn ranges() {
        assert_eq!(range("8K+64M"), Ok(Sectors(16)..Sectors(16 + (128 << 10))));
        assert_eq!(range("0s+1s"), Ok(Sectors(0)..Sectors(1)));
        assert_eq!(range("8K"), Err(SizeError::NotARange));
        assert_eq!(range("+8K"), Err(SizeError::NotARange));
        assert_eq!(range("8K+"), Err(SizeError::NotARange));
        assert_eq!(range("8K++8K"), Err(SizeError::NotASize));
        assert_eq!(range("8K+ 8K"), Err(SizeError::NotASize));
        assert_eq!(range("8+8K"), Err(SizeError::SuffixMissing));
        assert_eq!(range("8K+8"), Err(SizeError::SuffixMissing));
        assert_eq!(range("8K+0K"), Err(SizeError::Zero));
        assert_eq!(range("1B+1K"), Err(SizeError::NotWholeSectors));
        assert_eq!(range("18446744073709551615s+1s"), Err(SizeError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_is_read_wrongly(number in any::<u64>(), shift in 0_usize..6) {
            let (suffix, factor) =
                [("", 1_u128 << 10), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40), ("s", 512)]
                    [shift];
            let exact = u128::from(number) * factor / 512;
            let read = sectors(&format!("{number}{suffix}"));
            match u64::try_from(exact) {
                Ok(0) => prop_assert_eq!(read, Err(SizeError::Zero)),
                Ok(exact) => prop_assert_eq!(read, Ok(Sectors(exact))),
                Err(_) => prop_assert_eq!(read, Err(SizeError::TooLarge)),
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = (chunk(&text), sectors(&text), offset(&text), amount(&text), range(&text));
        }
    }
}
