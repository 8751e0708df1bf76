//! Dirty chunks as extents, in the address spaces that people and programs count in
//! (design.md 4, Spaces): what the bitmap counts, one member's data, one whole device, the array.
//!
//! Everything streams: extents come sorted, apart from each other, in memory that does not grow
//! with the bitmap. Where the order of a space is not that of the bitmap (a raid10 member holds
//! several copies, a stripe several data chunks), the bitmap is read once for each ascending
//! sequence, or a stripe is put in order at a time.

mod dirt;
mod inverse;
mod mapping;
mod merge;
mod stripes;
#[cfg(test)]
mod tests;
mod wanted;

pub use dirt::{Dirt, Source};
pub use inverse::{Inverse, Part, Parts};
pub use mapping::{Mapping, NoSpace};
pub use merge::{Coalesced, Merged, Tally};
pub use wanted::{Named, Wanted, WantedError};

use crate::bitmap::BitmapError;
use crate::units::Sectors;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A stream of ranges in sectors; after an error nothing follows.
pub type Pieces<'a, E = BitmapError> = Box<dyn Iterator<Item = Result<Range<Sectors>, E>> + 'a>;

/// Memory in bytes for what the readers of one stream hold together, as far as it can be kept to:
/// each needs a block at least. Small in tests, so that they read more than once.
const READERS_TOGETHER: u64 = if cfg!(test) { 16 << 10 } else { 4 << 20 };

/// In which addresses extents are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Absolute, from the start of one member's device.
    Device,
    /// From the start of one member's data.
    Member,
    /// What the bitmap counts: member rows for raid1, 4, 5 and 6, array sectors for raid10
    /// (reference/kernel.md 9.1).
    Bitmap,
    /// The array's own addresses; parity has none.
    Array,
}

impl Space {
    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Space::Device => "device",
            Space::Member => "member",
            Space::Bitmap => "bitmap",
            Space::Array => "array",
        }
    }

    /// True where each member has addresses of its own.
    pub fn is_of_member(self) -> bool {
        matches!(self, Space::Device | Space::Member)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that names no space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown space \"{found}\", expected device, member, bitmap or array")]
pub struct UnknownSpace {
    /// What was given.
    pub found: String,
}

impl FromStr for Space {
    type Err = UnknownSpace;

    fn from_str(text: &str) -> Result<Self, UnknownSpace> {
        let all = [Space::Device, Space::Member, Space::Bitmap, Space::Array];
        let named = all.into_iter().find(|space| space.name() == text);
        named.ok_or_else(|| UnknownSpace {
            found: text.to_owned(),
        })
    }
}
