//! Newtypes for the quantities of md metadata, so that units cannot be mixed.
//!
//! All arithmetic is checked: the values come from disks, and a hostile disk may hold anything.

use serde::Serialize;
use std::fmt;
use std::time::Duration;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The sum, or `None` when it does not fit 64 bits.
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or `None` when `other` is larger.
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// The product with a plain count, or `None` when it does not fit 64 bits.
            pub fn checked_mul(self, count: u64) -> Option<Self> {
                self.0.checked_mul(count).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

quantity!(
    /// A count or position in sectors of 512 bytes, whatever the device's own block size.
    Sectors
);
quantity!(
    /// A count or position in bytes.
    Bytes
);
quantity!(
    /// The number of a bitmap chunk, from 0.
    ChunkIndex
);
quantity!(
    /// An event count of an md superblock or a bitmap superblock.
    Events
);

/// Bytes in a sector, everywhere in md.
pub const SECTOR_BYTES: u64 = 512;

impl Sectors {
    /// The same length in bytes, or `None` when it does not fit 64 bits.
    pub fn to_bytes(self) -> Option<Bytes> {
        self.0.checked_mul(SECTOR_BYTES).map(Bytes)
    }

    /// The same length in bytes, for unchecked on-disk values of any size.
    pub fn bytes_wide(self) -> u128 {
        u128::from(self.0) * u128::from(SECTOR_BYTES)
    }
}

impl Bytes {
    /// Whole sectors, rounded down.
    pub fn sectors_floor(self) -> Sectors {
        Sectors(self.0 / SECTOR_BYTES)
    }

    /// Whole sectors, rounded up.
    pub fn sectors_ceil(self) -> Sectors {
        Sectors(self.0.div_ceil(SECTOR_BYTES))
    }
}

/// Seconds written as the kernel and people write them: `5`, `0.250`; no sign, no exponent. Digits beyond nanoseconds
/// are dropped. Exact, and smaller than the standard library's reading of floating point.
pub fn decimal_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut nanos = 0;
    for place in 0..9 {
        let digit = fraction.as_bytes().get(place).map_or(0, |byte| byte - b'0');
        nanos = nanos * 10 + u32::from(digit);
    }
    Some(Duration::new(whole.parse().ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_with_fractions() {
        for (text, nanos) in [
            ("0", 0),
            ("5", 5_000_000_000),
            ("0.250", 250_000_000),
            ("12.000000001", 12_000_000_001),
            ("0.99999999999999999999", 999_999_999),
        ] {
            let found = decimal_seconds(text).map(|found| found.as_nanos());
            assert_eq!(found, Some(nanos), "{text}");
        }
        let most = decimal_seconds("18446744073709551615.5");
        assert_eq!(most, Some(Duration::new(u64::MAX, 500_000_000)));
        for odd in [
            "",
            ".",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e3",
            "NaN",
            "inf",
            "1 ",
            "1.2.3",
            "1.x",
            "18446744073709551616",
        ] {
            assert_eq!(decimal_seconds(odd), None, "{odd}");
        }
    }
}
