//! Newtypes for the quantities of md metadata, so that units cannot be mixed.
//!
//! All arithmetic is checked: the values come from disks, and a hostile disk may hold anything.

use serde::Serialize;
use std::fmt;

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
