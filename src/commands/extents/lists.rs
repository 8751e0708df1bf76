//! One list of extents.

use crate::array::spaces::{Dirt, Mapping, Pieces};
use crate::bitmap::BitmapError;
use crate::units::Sectors;
use std::ffi::OsString;

/// The extents of one member, or of what several copies of the bitmap mark together.
pub struct List<'a> {
    /// The member or bitmap file; `None` for the union of several copies.
    pub path: Option<OsString>,
    /// The end of the addresses: of the device, the member's data, the bitmap or the array.
    pub length: Sectors,
    /// Whose copies are united, in the order of the dirt's sources.
    pub(super) copies: Vec<OsString>,
    pub(super) dirt: Dirt<'a>,
    pub(super) mapping: Mapping,
}

impl List<'_> {
    /// The extents: ascending and apart from each other, read as they are asked for.
    ///
    /// # Errors
    /// [`BitmapError`] when there are no bits to read; read errors come from the stream.
    pub fn extents(&self) -> Result<Pieces<'_>, BitmapError> {
        self.mapping.extents_of(&self.dirt)
    }

    /// After [`List::extents`] was read to its end: the copies that mark less than all together.
    pub fn behind(&self) -> Vec<&OsString> {
        let tallies = self.dirt.tallies();
        let Some((union, sources)) = tallies.split_last() else {
            return Vec::new();
        };
        let less = sources.iter().zip(&self.copies);
        less.filter(|(tally, _)| *tally != union)
            .map(|(_, path)| path)
            .collect()
    }
}
