//! What the bitmap of an array is to be after a repair: where it lies, and what its superblock says.
//!
//! As much as can be is left as it is. What is wrong is taken from another copy, and what no copy has is chosen as for
//! a new bitmap.

use super::belief::{Belief, in_reading_order, of_array};
use crate::array::MemberSuper;
use crate::bitmap::MAX_SLOTS;
use crate::change::place::{Room, SMALLEST_LOCKLESS_CHUNK, Shape, Spot};
use crate::change::{PlanError, StoppedArray};
use crate::format::bitmap_super::{
    BITMAP_MAGIC, BITMAP_SUPER_BYTES, BITS_OFFSET, RawBitmapSuper, STATES_OFFSET, state,
};
use crate::format::coverage::Coverage;
use crate::format::placement::ChunkSize;
use crate::units::SECTOR_BYTES;

/// What the bitmap is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its superblock, but for the event counts.
    pub header: RawBitmapSuper,
    /// Sectors from each md superblock.
    pub offset: i32,
    /// Bytes of a slot.
    pub slot_bytes: u64,
    /// What the chunks cover.
    pub coverage: Coverage,
}

/// Seconds between lazy clean passes that mdadm sets, and that the kernel chooses for version 6.
const USUAL_SLEEP: u32 = 5;
const USUAL_SLEEP_LOCKLESS: u32 = 30;

/// Outstanding write-behind writes that the kernel accepts (reference/kernel.md 2.1).
const MOST_WRITE_BEHIND: u32 = 16383;

/// Blocks in which a bitmap begins and ends, where there is room for that.
const BLOCK_SECTORS: u64 = 8;

impl Target {
    /// The bitmap that the array is to have.
    ///
    /// # Errors
    /// [`PlanError::Refused`] where there is no room for one.
    pub fn of(array: &StoppedArray<'_>, belief: &Belief<'_>) -> Result<Target, PlanError> {
        let fields = Fields::of(array, belief);
        let room = Room::of(array)?;
        let member = array.array()?;
        if let Some(target) = fields.in_place(array, &room, member) {
            return Ok(target);
        }
        fields.elsewhere(array, &room, member)
    }

    /// Sectors that the announced bitmap lies from its md superblock; `None` where none is announced, or nowhere.
    pub fn announced(member: &MemberSuper) -> Option<i32> {
        let start = member.bitmap.as_ref().ok()?.start;
        let bytes = i128::from(start.0) - i128::from(member.super_start.0);
        i32::try_from(bytes / i128::from(SECTOR_BYTES)).ok()
    }
}

/// The fields that do not depend on the place, as far as some copy tells them.
struct Fields {
    /// The superblock to go by; of a bitmap that is not believed only what is harmless.
    template: RawBitmapSuper,
    chunk: Option<ChunkSize>,
    believed: bool,
}

impl Fields {
    fn of(array: &StoppedArray<'_>, belief: &Belief<'_>) -> Fields {
        let believed = belief.copies.first();
        let mut known: Vec<&RawBitmapSuper> = belief
            .copies
            .iter()
            .filter_map(|copy| Some(copy.bitmap.as_ref().ok()?.raw()))
            .collect();
        known.extend(in_reading_order(array).filter_map(|copy| of_array(array, copy)));
        // What belongs to another array is still a bitmap, of a size that somebody chose.
        known.extend(in_reading_order(array).filter_map(|copy| {
            let raw = copy.bitmap.as_ref().ok()?.raw();
            raw.has_magic().then_some(raw)
        }));
        let sound = |raw: &&RawBitmapSuper| (3..=6).contains(&raw.version);
        let shape = known.iter().copied().find(sound);
        let version = match shape.map(|raw| raw.version) {
            // Version 3 has the bit order of its machine: kept where it is, but never made anew.
            Some(3) if believed.is_none() => 4,
            Some(version) => version,
            None => 4,
        };
        let same_unit = |raw: &&&RawBitmapSuper| raw.is_lockless() == (version == 6);
        let chunk = known
            .iter()
            .filter(same_unit)
            .find_map(|raw| sound_chunk(raw));
        let usual_sleep = match version {
            6 => USUAL_SLEEP_LOCKLESS,
            _ => USUAL_SLEEP,
        };
        let sleeps = known.iter().map(|raw| raw.daemon_sleep_seconds);
        let behind = known.iter().map(|raw| raw.write_behind);
        let mut template = RawBitmapSuper {
            magic: BITMAP_MAGIC,
            version,
            uuid: array
                .freshest()
                .map_or([0; 16], |device| device.member().array_uuid),
            sync_size_sectors: array.sync_size().0,
            daemon_sleep_seconds: sleeps.clone().find(|s| *s > 0).unwrap_or(usual_sleep),
            write_behind: behind
                .clone()
                .find(|b| *b <= MOST_WRITE_BEHIND)
                .unwrap_or(0),
            ..empty()
        };
        if let Some(shape) = shape {
            if version == 5 && shape.nodes <= MAX_SLOTS {
                template.nodes = shape.nodes;
                template.cluster_name = shape.cluster_name;
            }
            template.sectors_reserved = shape.sectors_reserved;
            if believed.is_some() {
                let transient = state::FIRST_USE | state::CLEAN | state::STALE | state::WRITE_ERROR;
                template.state = shape.state & !transient;
                template.pad = shape.pad;
                template.nodes = shape.nodes;
            }
        }
        Fields {
            template,
            chunk,
            believed: believed.is_some(),
        }
    }

    fn shape(&self) -> Shape {
        match self.template.version {
            6 => Shape::States,
            5 => Shape::Bits {
                slots: self.template.nodes.max(1),
            },
            _ => Shape::Bits { slots: 1 },
        }
    }

    /// The superblock with this chunk.
    fn header(&self, chunk: ChunkSize, reserved: u64) -> RawBitmapSuper {
        let chunksize = match self.shape() {
            Shape::States => chunk.bytes() / SECTOR_BYTES,
            Shape::Bits { .. } => chunk.bytes(),
        };
        RawBitmapSuper {
            chunksize: u32::try_from(chunksize).unwrap_or(1 << 31),
            sectors_reserved: u32::try_from(reserved).unwrap_or(u32::MAX),
            ..self.template.clone()
        }
    }

    /// The bitmap where it is, as large as it is, if all that it takes is free there.
    fn in_place(
        &self,
        array: &StoppedArray<'_>,
        room: &Room,
        member: &MemberSuper,
    ) -> Option<Target> {
        let offset = Target::announced(member).filter(|offset| is_aligned(array, *offset))?;
        let chunk = self.chunk?;
        let least = match self.shape() {
            // Below a page of memory the kernel's resync of mirrors stops at a BUG; what it made itself is left.
            Shape::States if !self.believed => SMALLEST_LOCKLESS_CHUNK,
            _ => ChunkSize::SMALLEST,
        };
        if chunk < least {
            return None;
        }
        let coverage = array.coverage(chunk.bytes())?;
        let needed = needed_bytes(self.shape(), coverage)?.div_ceil(SECTOR_BYTES);
        let blocks = needed.checked_next_multiple_of(BLOCK_SECTORS)?;
        let slots = match self.shape() {
            Shape::Bits { slots } => u64::from(slots),
            Shape::States => 1,
        };
        let recorded = u64::from(self.template.sectors_reserved);
        // The kernel counts by what is recorded, and forgets the bytes before the states (reference/kernel.md trap 3).
        let reserved = match self.shape() {
            Shape::States if recorded < needed => blocks,
            Shape::Bits { .. } if recorded > 0 && recorded < needed => blocks,
            _ => recorded,
        };
        let header = self.header(chunk, reserved);
        let taken = blocks.checked_mul(slots)?;
        let sectors = match self.shape() {
            Shape::States => Some(reserved),
            Shape::Bits { .. } if room.is_free(i64::from(offset), taken) => Some(blocks),
            Shape::Bits { .. } => {
                let block = u64::from(member.logical_block_bytes) / SECTOR_BYTES;
                (slots == 1).then(|| needed.next_multiple_of(block.max(1)))
            }
        }?;
        let holds = room.holds(&header, i64::from(offset))
            && room.is_free(i64::from(offset), sectors.checked_mul(slots)?);
        holds.then_some(Target {
            header,
            offset,
            slot_bytes: sectors.checked_mul(SECTOR_BYTES)?,
            coverage,
        })
    }

    /// The bitmap where there is room for it, with the next larger chunk that fits, if need be.
    fn elsewhere(
        &self,
        array: &StoppedArray<'_>,
        room: &Room,
        member: &MemberSuper,
    ) -> Result<Target, PlanError> {
        let shape = self.shape();
        let present = Target::announced(member).filter(|offset| is_aligned(array, *offset));
        let first = match self.chunk {
            Some(chunk) if shape != Shape::States => chunk,
            Some(chunk) => chunk.max(SMALLEST_LOCKLESS_CHUNK),
            None => room.usual_chunk(shape)?,
        };
        let mut chunk = first;
        let (spot, chunk) = loop {
            match room.place(shape, chunk, present) {
                Ok(spot) => break (spot, chunk),
                Err(error) => match ChunkSize::new(chunk.bytes().saturating_mul(2)) {
                    Ok(larger) => chunk = larger,
                    Err(_) => return Err(error),
                },
            }
        };
        self.at(array, spot, chunk)
    }

    fn at(
        &self,
        array: &StoppedArray<'_>,
        spot: Spot,
        chunk: ChunkSize,
    ) -> Result<Target, PlanError> {
        let reserved = match (self.shape(), self.template.sectors_reserved) {
            (Shape::Bits { .. }, 0) => 0,
            _ => spot.slot_sectors,
        };
        let coverage = array.coverage(chunk.bytes());
        let slot_bytes = spot.slot_sectors.checked_mul(SECTOR_BYTES);
        match (coverage, slot_bytes) {
            (Some(coverage), Some(slot_bytes)) => Ok(Target {
                header: self.header(chunk, reserved),
                offset: spot.offset,
                slot_bytes,
                coverage,
            }),
            _ => Err(PlanError::refuse(
                "no-room",
                "there is no room for a bitmap of this array",
            )),
        }
    }
}

fn empty() -> RawBitmapSuper {
    RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap_or(RawBitmapSuper {
        magic: 0,
        version: 0,
        uuid: [0; 16],
        events: 0,
        events_cleared: 0,
        sync_size_sectors: 0,
        state: 0,
        chunksize: 0,
        daemon_sleep_seconds: 0,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: [0; 64],
        pad: [0; 120],
    })
}

/// A chunk size with which the kernel would work.
fn sound_chunk(raw: &RawBitmapSuper) -> Option<ChunkSize> {
    ChunkSize::new(raw.chunk_bytes()?).ok()
}

/// Bytes of header and chunks.
fn needed_bytes(shape: Shape, coverage: Coverage) -> Option<u64> {
    match shape {
        Shape::Bits { .. } => coverage.chunks().div_ceil(8).checked_add(BITS_OFFSET),
        Shape::States => coverage.chunks().checked_add(STATES_OFFSET),
    }
}

/// False where a device has blocks of 4 KiB and the bitmap would straddle them.
fn is_aligned(array: &StoppedArray<'_>, offset: i32) -> bool {
    const PAGE: u64 = 4096;
    array.current().all(|place| {
        let Some(device) = array.devices.get(place) else {
            return true;
        };
        let distance = i64::from(offset).saturating_mul(SECTOR_BYTES as i64);
        let start = device.member().super_start.0.checked_add_signed(distance);
        u64::from(device.store.physical_block_bytes()) < PAGE
            || start.is_some_and(|start| start.is_multiple_of(PAGE))
    })
}
