//! The bad-block log of a 1.x member.
//!
//! Entries of 8 bytes, little-endian: the start in the high 54 bits, the length in the low 10,
//! both in units of `1 << shift` sectors. All ones ends the log. Positions count from the start
//! of the device, the data offset included (reference/kernel.md 7.3, 7.4).

use crate::units::Sectors;

/// The largest log the kernel reads: one page.
pub const MAX_BYTES: usize = 4096;

/// Ends the log.
const END: u64 = u64::MAX;

/// Bits of an entry that hold the length.
const LENGTH_BITS: u32 = 10;

/// A range of sectors that a member cannot be trusted to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BadRange {
    /// First sector, from the start of the device.
    pub start: Sectors,
    /// Number of sectors.
    pub len: Sectors,
}

/// Why a bad-block log cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBlockError {
    /// More than a page.
    #[error("the bad-block log has {found} bytes, expected at most {MAX_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// Not a multiple of 8.
    #[error("the bad-block log has {found} bytes, expected a multiple of 8")]
    Ragged {
        /// Bytes found.
        found: usize,
    },
    /// A start or an end does not fit 64 bits.
    #[error(
        "entry {index} of the bad-block log (0x{entry:016x}, shift {shift}) reaches beyond what 64 bits can count"
    )]
    Overflow {
        /// Index of the entry.
        index: usize,
        /// The entry.
        entry: u64,
        /// The shift.
        shift: u8,
    },
    /// An entry of length 0.
    #[error("entry {index} of the bad-block log (0x{entry:016x}) has length 0")]
    Empty {
        /// Index of the entry.
        index: usize,
        /// The entry.
        entry: u64,
    },
    /// A range that has no entry: not a multiple of the unit, or too long or far.
    #[error(
        "{len} sectors at {start} cannot be written as an entry of a bad-block log with shift {shift}"
    )]
    NotEncodable {
        /// First sector.
        start: Sectors,
        /// Length.
        len: Sectors,
        /// The shift.
        shift: u8,
    },
    /// More entries than bytes.
    #[error("{entries} bad ranges do not fit a log of {bytes} bytes")]
    Full {
        /// Entries to write.
        entries: usize,
        /// Bytes of the log.
        bytes: usize,
    },
}

/// The entries before the terminator (or the end of the log), in order.
///
/// # Errors
/// [`BadBlockError`], when the kernel could not have written this.
pub fn parse(bytes: &[u8], shift: u8) -> Result<Vec<BadRange>, BadBlockError> {
    if bytes.len() > MAX_BYTES {
        return Err(BadBlockError::TooLong { found: bytes.len() });
    }
    let (entries, []) = bytes.as_chunks::<8>() else {
        return Err(BadBlockError::Ragged { found: bytes.len() });
    };
    entries
        .iter()
        .map(|entry| u64::from_le_bytes(*entry))
        .take_while(|entry| *entry != END)
        .enumerate()
        .map(|(index, entry)| decode(index, entry, shift))
        .collect()
}

fn decode(index: usize, entry: u64, shift: u8) -> Result<BadRange, BadBlockError> {
    let overflow = BadBlockError::Overflow {
        index,
        entry,
        shift,
    };
    let scale = 1u64
        .checked_shl(u32::from(shift))
        .ok_or_else(|| overflow.clone())?;
    let start = Sectors(entry >> LENGTH_BITS).checked_mul(scale);
    let len = Sectors(entry & ((1 << LENGTH_BITS) - 1)).checked_mul(scale);
    let (Some(start), Some(len)) = (start, len) else {
        return Err(overflow);
    };
    start.checked_add(len).ok_or(overflow)?;
    if len.0 == 0 {
        return Err(BadBlockError::Empty { index, entry });
    }
    Ok(BadRange { start, len })
}

/// A log of exactly `bytes` bytes with these entries, the rest terminators.
///
/// # Errors
/// [`BadBlockError::NotEncodable`] or [`BadBlockError::Full`].
pub fn encode(ranges: &[BadRange], shift: u8, bytes: usize) -> Result<Vec<u8>, BadBlockError> {
    let mut log = Vec::with_capacity(bytes.min(MAX_BYTES));
    for range in ranges {
        log.extend(encode_one(*range, shift)?.to_le_bytes());
    }
    if log.len() > bytes {
        return Err(BadBlockError::Full {
            entries: ranges.len(),
            bytes,
        });
    }
    log.resize(bytes, 0xff);
    Ok(log)
}

fn encode_one(range: BadRange, shift: u8) -> Result<u64, BadBlockError> {
    let refused = BadBlockError::NotEncodable {
        start: range.start,
        len: range.len,
        shift,
    };
    let unit = 1u64
        .checked_shl(u32::from(shift))
        .ok_or_else(|| refused.clone())?;
    let (start, len) = (range.start.0 / unit, range.len.0 / unit);
    let exact = start * unit == range.start.0 && len * unit == range.len.0;
    // All ones would be read as the end.
    let entry = start << LENGTH_BITS | len;
    if exact
        && (1..1 << LENGTH_BITS).contains(&len)
        && start < 1 << (64 - LENGTH_BITS)
        && entry != END
    {
        Ok(entry)
    } else {
        Err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(start: u64, len: u64) -> [u8; 8] {
        (start << 10 | len).to_le_bytes()
    }

    #[test]
    fn the_log_ends_at_all_ones() {
        let log = [entry(2048, 8), entry(4096, 512), [0xff; 8], entry(1, 1)].concat();
        let expected = [
            BadRange {
                start: Sectors(2048),
                len: Sectors(8),
            },
            BadRange {
                start: Sectors(4096),
                len: Sectors(512),
            },
        ];
        assert_eq!(parse(&log, 0).unwrap(), expected);
        assert_eq!(parse(&log[..16], 0).unwrap(), expected);
        assert_eq!(parse(&[], 0).unwrap(), []);
    }

    #[test]
    fn the_shift_scales_both() {
        let ranges = parse(&entry(5, 3), 3).unwrap();
        assert_eq!(
            ranges,
            [BadRange {
                start: Sectors(40),
                len: Sectors(24)
            }]
        );
    }

    #[test]
    fn hostile_logs_are_refused() {
        assert_eq!(parse(&[0; 9], 0), Err(BadBlockError::Ragged { found: 9 }));
        assert_eq!(
            parse(&[0; 4104], 0),
            Err(BadBlockError::TooLong { found: 4104 })
        );
        assert!(matches!(
            parse(&entry(1, 1), 64),
            Err(BadBlockError::Overflow { .. })
        ));
        assert!(matches!(
            parse(&entry(1 << 53, 1), 20),
            Err(BadBlockError::Overflow { .. })
        ));
        assert!(matches!(
            parse(&entry(1, 0), 0),
            Err(BadBlockError::Empty { .. })
        ));
        let far = BadRange {
            start: Sectors(1 << 54),
            len: Sectors(1),
        };
        assert!(matches!(
            encode(&[far], 0, 8),
            Err(BadBlockError::NotEncodable { .. })
        ));
        let near = BadRange {
            start: Sectors(8),
            len: Sectors(8),
        };
        assert!(matches!(
            encode(&[near, near], 0, 8),
            Err(BadBlockError::Full { .. })
        ));
        let end = BadRange {
            start: Sectors((1 << 54) - 1),
            len: Sectors(1023),
        };
        assert!(matches!(
            encode(&[end], 0, 8),
            Err(BadBlockError::NotEncodable { .. })
        ));
    }

    proptest! {
        #[test]
        fn what_was_parsed_is_encoded_again(
            entries in proptest::collection::vec((0u64..1 << 44, 1u64..1024), 0..512), shift in 0u8..9,
        ) {
            let mut log: Vec<u8> = entries.iter().flat_map(|(start, len)| entry(*start, *len)).collect();
            log.resize(4096, 0xff);
            let ranges = parse(&log, shift).unwrap();
            prop_assert_eq!(ranges.len(), entries.len());
            prop_assert_eq!(encode(&ranges, shift, 4096).unwrap(), log);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4200), shift: u8) {
            let _ = parse(&bytes, shift);
        }
    }
}
