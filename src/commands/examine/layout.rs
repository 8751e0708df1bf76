//! What lies where on a device: `examine --layout`.

use super::result::Device;
use crate::array::layout::Layout;
use crate::bitmap::Bitmap;
use crate::commands::given::Kind;
use crate::device::Store;
use crate::device::extents::{self, Unfit};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::units::Bytes;
use std::fs::File;

/// The layout of a device, by its superblock and the bitmap that it places; or by the bitmap alone.
/// `None` when nothing is known about it. Adds to the notes what cannot be known.
pub(super) fn layout(device: &mut Device, store: &dyn Store) -> Option<Layout> {
    if let Some(found) = &device.member {
        let place = found.member.bitmap.as_ref().ok();
        let raw = place.and_then(|place| superblock(store, place.start));
        return Some(Layout::of_member(&found.member, raw.as_ref()));
    }
    let found = device.found.as_ref()?;
    let (kind, start) = (found.kind, found.start);
    if kind == Kind::Internal {
        // Beside a superblock that is damaged: what else it says is not to be believed.
        let name = device.path.to_string_lossy();
        let note = format!("{name}: no layout: the md superblock is damaged");
        device.notes.push(note);
        return None;
    }
    let raw = superblock(store, start).filter(RawBitmapSuper::has_magic)?;
    // What md would write to lies from the start of the file on.
    let unwritable = match kind {
        Kind::File if start.0 == 0 => unwritable(device, store.len()),
        _ => Vec::new(),
    };
    Some(Layout::of_bare(store.len(), start, &raw, &unwritable))
}

fn superblock(store: &dyn Store, start: Bytes) -> Option<RawBitmapSuper> {
    let bitmap = Bitmap::open(store, start, BitOrder::default()).ok()?;
    Some(bitmap.raw().clone())
}

/// Holes in a bitmap file, and other bytes that md could not write in place.
fn unwritable(device: &mut Device, len: Bytes) -> Vec<Unfit> {
    let name = device.path.to_string_lossy().into_owned();
    let note = match File::open(&device.path) {
        Ok(file) => match extents::extents(&file, &name) {
            Ok(extents) => return extents::unfit(&extents, len).collect(),
            Err(error) => error.to_string(),
        },
        Err(error) => format!("{name}: {error}"),
    };
    device
        .notes
        .push(format!("{note}; whether the file has holes is not known"));
    Vec::new()
}
