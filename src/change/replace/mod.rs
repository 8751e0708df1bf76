//! A new bitmap in the place of the old one, or where there was none (design.md W2, W3, W4).
//!
//! Whatever is written before the third step is vouched for by nothing: the superblocks announce no bitmap, and
//! where the new one will be announced there is no header. So a crash leaves an array without bitmap, which the kernel
//! resynchronises as a whole if it was not stopped cleanly, or the new one.

use super::content::Content;
use super::draft::{Draft, Piece, SuperChange};
use super::knowledge::Knowledge;
use super::plan::{Part, UNIT};
use super::refusal::PlanError;
use super::superblock::Announce;
use crate::bitmap::ChunkSet;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::units::{Bytes, Events, SECTOR_BYTES};
use std::sync::Arc;

/// A bitmap that is to be put in place.
#[derive(Debug, Clone)]
pub struct NewBitmap {
    /// Its superblock; events and events_cleared are filled in.
    pub header: RawBitmapSuper,
    /// Sectors from the md superblock of each member to it.
    pub offset: i32,
    /// Bytes that each slot takes, in whole sectors.
    pub slot_bytes: u64,
    /// What it says of every chunk.
    pub known: Knowledge,
    /// The events_cleared of all bitmaps that `known` was read from; none makes it the new event count (W3).
    pub cleared: Option<Events>,
    /// Some chunk has to be synchronised between members, and the array is marked so (W4).
    pub unclean: bool,
}

impl NewBitmap {
    fn slots(&self) -> u32 {
        match self.header.version {
            5 => self.header.nodes.max(1),
            _ => 1,
        }
    }

    /// When its bits were cleared last, once it is in place at this event count. Never 0 under trusted events: any former
    /// member would be re-added as if it had missed nothing (W3).
    pub fn events_cleared(&self, events: Events) -> Events {
        let marked = !self.header.is_lockless() && !self.known.is_all_clean();
        match self.cleared {
            Some(cleared) if cleared.0 > 0 => cleared.min(events),
            _ => now_or_before(events, marked),
        }
    }

    /// The superblock as it will be at this event count.
    pub fn header_at(&self, events: Events) -> [u8; BITMAP_SUPER_BYTES] {
        let mut header = self.header.clone();
        header.events = events.0;
        header.events_cleared = self.events_cleared(events).0;
        header.to_bytes()
    }
}

/// The count at which bits are said to be cleared that are cleared or made now (W3). While some are marked, it is the one before: if
/// one member of a mirror alone is found at the next start, the kernel forgets every mark under the very count of
/// the array (tests/vm/FINDINGS.md, lone-mirror; reference/kernel.md 3.7). All former members are older still: theirs is at
/// most the count that the array had before it was changed, and that one is vacant or was not (W7, W2).
pub fn now_or_before(events: Events, marked: bool) -> Events {
    Events(events.0.saturating_sub(u64::from(marked)))
}

/// Adds the four steps of W2 to a plan.
///
/// # Errors
/// [`PlanError`].
pub fn replace(draft: &mut Draft<'_>, bitmap: &NewBitmap) -> Result<(), PlanError> {
    replace_wiping(draft, bitmap, Vec::new())
}

/// The same, and where the old bitmap lay elsewhere its headers go too: `old` is what is to be written there, once no
/// superblock announces it any more.
///
/// # Errors
/// [`PlanError`].
pub fn replace_wiping(
    draft: &mut Draft<'_>,
    bitmap: &NewBitmap,
    old: Vec<Piece>,
) -> Result<(), PlanError> {
    let final_events = draft.events_after(2)?;
    draft.superblocks(
        "superblocks: no bitmap",
        &SuperChange {
            announce: Announce::Off,
            unclean: bitmap.unclean,
            failed: Vec::new(),
        },
    )?;
    let payload = Payload::of(bitmap);
    let mut area = pieces(draft, bitmap, &payload, Stage::Area)?;
    let covered = |old: &Piece| {
        area.iter().any(|new| {
            let end = |piece: &Piece| piece.start.0.saturating_add(piece.new.len());
            new.device == old.device && new.start.0 < end(old) && old.start.0 < end(new)
        })
    };
    let apart: Vec<Piece> = old.into_iter().filter(|old| !covered(old)).collect();
    area.extend(apart);
    draft.write("bitmap, without its header", area)?;
    let headers = pieces(draft, bitmap, &payload, Stage::Header(final_events))?;
    draft.write("bitmap header", headers)?;
    let events = draft.superblocks(
        "superblocks: the new bitmap",
        &SuperChange {
            announce: Announce::At {
                offset: bitmap.offset,
                clustered: bitmap.slots() > 1,
            },
            unclean: false,
            failed: Vec::new(),
        },
    )?;
    if events == final_events {
        return Ok(());
    }
    Err(PlanError::refuse(
        "plan-flawed",
        "the plan's event counts do not add up, which is a fault of this program",
    ))
}

enum Payload {
    Bits {
        /// Of the first slot.
        first: Arc<ChunkSet>,
        /// Of all others.
        none: Arc<ChunkSet>,
    },
    States(Arc<Knowledge>),
}

impl Payload {
    fn of(bitmap: &NewBitmap) -> Payload {
        if bitmap.header.is_lockless() {
            return Payload::States(Arc::new(bitmap.known.clone()));
        }
        let first = bitmap.known.bits();
        let mut none = first.clone();
        none.remove_all(&first);
        Payload::Bits {
            first: Arc::new(first),
            none: Arc::new(none),
        }
    }

    fn content(&self, slot: u32, head: Option<[u8; BITMAP_SUPER_BYTES]>, len: u64) -> Content {
        match self {
            Payload::States(known) => Content::states(head, Arc::clone(known), len),
            Payload::Bits { first, none } => {
                let bits = if slot == 0 { first } else { none };
                Content::bits(head, Arc::clone(bits), len)
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Stage {
    /// Everything, with zeros in the place of the superblock.
    Area,
    /// The first sector, with the superblock.
    Header(Events),
}

/// The bytes of a stage on all members in sync.
fn pieces(
    draft: &Draft<'_>,
    bitmap: &NewBitmap,
    payload: &Payload,
    stage: Stage,
) -> Result<Vec<Piece>, PlanError> {
    let array = draft.array();
    let mut pieces = Vec::new();
    for place in array.current() {
        let Some(device) = array.devices.get(place) else {
            continue;
        };
        let first = start_on(device.member().super_start, bitmap.offset);
        let end = u64::from(bitmap.slots()).checked_mul(bitmap.slot_bytes);
        let fits = |first: &Bytes| {
            let end = end.and_then(|end| first.0.checked_add(end));
            end.is_some_and(|end| end <= device.store.len().0)
        };
        let Some(first) = first.filter(fits) else {
            return Err(PlanError::refuse(
                "no-room",
                format!(
                    "{}: the bitmap would not lie on the device",
                    device.store.name()
                ),
            ));
        };
        for slot in 0..bitmap.slots() {
            let start = Bytes(first.0 + u64::from(slot) * bitmap.slot_bytes);
            pieces.push(match stage {
                Stage::Area => Piece {
                    device: place,
                    start,
                    part: Part::BitmapArea,
                    new: payload.content(slot, None, bitmap.slot_bytes),
                },
                Stage::Header(events) => Piece {
                    device: place,
                    start,
                    part: Part::BitmapHeader,
                    new: payload.content(slot, Some(bitmap.header_at(events)), UNIT),
                },
            });
        }
    }
    Ok(pieces)
}

/// The byte so many sectors from a superblock; `None` before the device's start.
pub(super) fn start_on(super_start: Bytes, offset: i32) -> Option<Bytes> {
    let distance = i64::from(offset).checked_mul(i64::try_from(SECTOR_BYTES).ok()?)?;
    super_start.0.checked_add_signed(distance).map(Bytes)
}

#[cfg(test)]
mod tests;
