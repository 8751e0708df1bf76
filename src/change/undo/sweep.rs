//! The places that a change writes to on one device, each with all that the change puts there.

use super::contents::Cursor;
use super::open::{FileError, SavedWrite, UndoFile};
use std::ops::Range;

/// A write, while its range is walked through.
pub(super) struct Layer<'f> {
    /// Which group it belongs to.
    pub(super) group: usize,
    pub(super) write: &'f SavedWrite,
    old: Cursor<'f>,
    new: Cursor<'f>,
}

/// Bytes of a device that the same writes take, and what the change puts there.
pub(super) struct Stretch<'l, 'f> {
    pub(super) bytes: Range<u64>,
    /// By group: the first comes first. Never empty.
    pub(super) layers: &'l mut [Layer<'f>],
}

impl Stretch<'_, '_> {
    /// How many contents the change has for it: the one before, and one after each write.
    pub(super) fn versions(&self) -> usize {
        self.layers.len().saturating_add(1)
    }

    /// Fills `buffer` with what is there, from the device's byte `start` on, in a version: 0 is before the change.
    pub(super) fn read(
        &mut self,
        version: usize,
        start: u64,
        buffer: &mut [u8],
    ) -> Result<(), FileError> {
        let Some(layer) = self.layers.get_mut(version.saturating_sub(1)) else {
            return Ok(());
        };
        let at = start.saturating_sub(layer.write.range.start);
        match version {
            0 => layer.old.read(at, buffer),
            _ => layer.new.read(at, buffer),
        }
    }

    /// Fills `buffer` with what the next write after a version replaces: that version, if the file makes sense. False
    /// where there is none.
    pub(super) fn replaced(
        &mut self,
        version: usize,
        start: u64,
        buffer: &mut [u8],
    ) -> Result<bool, FileError> {
        let Some(layer) = self.layers.get_mut(version) else {
            return Ok(false);
        };
        let at = start.saturating_sub(layer.write.range.start);
        layer.old.read(at, buffer).map(|()| true)
    }
}

/// Walks through all bytes of a device that a change writes to, in ascending order.
///
/// # Errors
/// The first that `each` gives.
pub(super) fn sweep<E>(
    file: &UndoFile,
    device: usize,
    mut each: impl FnMut(Stretch<'_, '_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writes: Vec<(usize, &SavedWrite)> = file.writes_of(device).collect();
    writes.sort_by_key(|(group, write)| (write.range.start, *group));
    let ends = |(_, write): &(usize, &SavedWrite)| [write.range.start, write.range.end];
    let mut bounds: Vec<u64> = writes.iter().flat_map(ends).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut coming = writes.into_iter().peekable();
    let mut layers: Vec<Layer<'_>> = Vec::new();
    for (start, end) in bounds.iter().zip(bounds.iter().skip(1)) {
        layers.retain(|layer| layer.write.range.end > *start);
        while let Some((group, write)) = coming.next_if(|(_, write)| write.range.start == *start) {
            layers.push(Layer {
                group,
                write,
                old: Cursor::new(file, &write.old),
                new: Cursor::new(file, &write.new),
            });
        }
        layers.sort_by_key(|layer| layer.group);
        if !layers.is_empty() {
            each(Stretch {
                bytes: *start..*end,
                layers: &mut layers,
            })?;
        }
    }
    Ok(())
}

/// The bytes of a device that a change writes to, merged and ascending.
pub(super) fn written(file: &UndoFile, device: usize) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = file
        .writes_of(device)
        .map(|(_, write)| write.range.clone())
        .collect();
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
