//! What the bitmap is to be: what was asked for, what is kept, what is usual.

use super::options::{GrowOptions, Wanted};
use super::present::{Family, Present};
use crate::array::probe::RawSuper;
use crate::array::{MemberSuper, MetadataVersion};
use crate::change::refusal::Refusal;
use crate::change::{PlanError, Room, Shape, Spot, StoppedArray};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::level::Level;
use crate::format::placement::ChunkSize;
use crate::format::placement::clustered::DEFAULT_NODES;
use crate::format::placement::content::{
    Cluster, DEFAULT_DELAY_SECONDS, MAX_WRITE_BEHIND, NewBitmap,
};
use crate::units::{Events, SECTOR_BYTES, Sectors};

/// Seconds between passes of a lockless bitmap, unless given (reference/kernel.md 6.3).
const LOCKLESS_DELAY_SECONDS: u32 = 30;
/// Marks a member of 1.x metadata that is read only when there is no other (reference/kernel.md 7.4), and, as a bit of a
/// disk's state, one of 0.90 (5.1).
const WRITE_MOSTLY_V1: u8 = 1;
const WRITE_MOSTLY_V090: u32 = 1 << 9;

/// A bitmap beside the superblocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub family: Family,
    pub chunk: ChunkSize,
    pub delay_seconds: u32,
    pub write_behind: u32,
    /// Nodes and name of a clustered one.
    pub cluster: Option<Cluster>,
    /// True when the chunk was chosen because what was there does not fit.
    pub chunk_forced: bool,
}

impl Target {
    /// What is wanted of an array with this room.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when the array cannot have it.
    pub fn of(
        array: &StoppedArray<'_>,
        present: Option<&Present<'_>>,
        room: &Room,
        options: &GrowOptions,
    ) -> Result<Target, PlanError> {
        let family = match &options.bitmap {
            Some(Wanted::Lockless) => Family::Lockless,
            Some(Wanted::Clustered) => Family::Clustered,
            Some(Wanted::Internal | Wanted::None | Wanted::File(_)) => Family::Classic,
            None => present.map_or(Family::Classic, Present::family),
        };
        let refusals = match family {
            Family::Classic => Vec::new(),
            Family::Lockless => lockless(array)?,
            Family::Clustered => clustered(array)?,
        };
        if !refusals.is_empty() {
            return Err(PlanError::Refused(refusals));
        }
        let cluster = (family == Family::Clustered).then(|| cluster(present, options));
        let shape = shape(family, cluster.as_ref());
        let (chunk, chunk_forced) = chunk(present, room, options, family, shape)?;
        Ok(Target {
            family,
            chunk,
            delay_seconds: options
                .delay_seconds
                .unwrap_or_else(|| delay(present, family)),
            write_behind: options
                .write_behind
                .unwrap_or_else(|| write_behind(present)),
            cluster,
            chunk_forced,
        })
    }

    /// A classic one with this chunk, whatever the room.
    pub fn classic(
        present: Option<&Present<'_>>,
        options: &GrowOptions,
        chunk: ChunkSize,
    ) -> Target {
        let delay = || delay(present, Family::Classic);
        Target {
            family: Family::Classic,
            chunk,
            delay_seconds: options.delay_seconds.unwrap_or_else(delay),
            write_behind: options
                .write_behind
                .unwrap_or_else(|| write_behind(present)),
            cluster: None,
            chunk_forced: false,
        }
    }

    /// How its chunks are stored.
    pub fn shape(&self) -> Shape {
        shape(self.family, self.cluster.as_ref())
    }

    /// True when a bitmap with this superblock is of this kind, with such chunks.
    pub fn is_kind_of(&self, raw: &RawBitmapSuper) -> bool {
        let cluster = match &self.cluster {
            Some(cluster) => raw.nodes == cluster.nodes && raw.cluster_name == cluster.name,
            None => true,
        };
        Family::of(raw) == self.family && raw.chunk_bytes() == Some(self.chunk.bytes()) && cluster
    }

    /// True when the fields that are only advice for the kernel are as wanted, too.
    pub fn is_exactly(&self, raw: &RawBitmapSuper) -> bool {
        raw.daemon_sleep_seconds == self.delay_seconds && raw.write_behind == self.write_behind
    }

    /// Its superblock, but for the event counts.
    pub fn header(&self, array: &MemberSuper, sync_size: Sectors, spot: Spot) -> RawBitmapSuper {
        let classic = NewBitmap {
            uuid: array.array_uuid,
            sync_size,
            chunk: self.chunk,
            delay_seconds: self.delay_seconds,
            write_behind: self.write_behind,
            events: Events(0),
            cluster: self.cluster.clone(),
        };
        let header = classic.superblock();
        match self.family {
            Family::Classic | Family::Clustered => header,
            // The chunk is in sectors (reference/kernel.md trap 1); never FIRST_USE (W10).
            Family::Lockless => RawBitmapSuper {
                version: 6,
                chunksize: u32::try_from(self.chunk.bytes() / SECTOR_BYTES).unwrap_or(u32::MAX),
                sectors_reserved: u32::try_from(spot.slot_sectors).unwrap_or(u32::MAX),
                ..header
            },
        }
    }
}

fn shape(family: Family, cluster: Option<&Cluster>) -> Shape {
    match (family, cluster) {
        (Family::Lockless, _) => Shape::States,
        (_, Some(cluster)) => Shape::Bits {
            slots: cluster.nodes,
        },
        (_, None) => Shape::Bits { slots: 1 },
    }
}

/// The chunk, and whether it is another one than was there because that would not fit.
fn chunk(
    present: Option<&Present<'_>>,
    room: &Room,
    options: &GrowOptions,
    family: Family,
    shape: Shape,
) -> Result<(ChunkSize, bool), PlanError> {
    if let Some(given) = options.chunk {
        return Ok((given, false));
    }
    let is_lockless = |family| family == Family::Lockless;
    let kept = present
        // What a classic bitmap has is no measure for a lockless one: it has a byte for each.
        .filter(|present| !is_lockless(family) || is_lockless(present.family()))
        .and_then(|present| ChunkSize::new(present.header.chunk_bytes()?).ok());
    let Some(kept) = kept else {
        return Ok((room.usual_chunk(shape)?, false));
    };
    match room.smallest_chunk(shape) {
        Some(smallest) if smallest > kept => Ok((smallest, true)),
        _ => Ok((kept, false)),
    }
}

/// The delay that is kept, unless it was but the usual one of another kind.
fn delay(present: Option<&Present<'_>>, family: Family) -> u32 {
    let usual = |family| match family {
        Family::Lockless => LOCKLESS_DELAY_SECONDS,
        Family::Classic | Family::Clustered => DEFAULT_DELAY_SECONDS,
    };
    let kept = present.map(|present| (present.family(), present.header.daemon_sleep_seconds));
    match kept {
        Some((of, kept)) if kept > 0 && (of == family || kept != usual(of)) => kept,
        _ => usual(family),
    }
}

fn write_behind(present: Option<&Present<'_>>) -> u32 {
    let kept = present.map_or(0, |present| present.header.write_behind);
    if kept > MAX_WRITE_BEHIND { 0 } else { kept }
}

fn cluster(present: Option<&Present<'_>>, options: &GrowOptions) -> Cluster {
    let kept = present.filter(|present| present.family() == Family::Clustered);
    let kept = kept.map(|present| (present.header.nodes, present.header.cluster_name));
    let (nodes, name) = kept.unwrap_or((DEFAULT_NODES, [0; 64]));
    Cluster {
        nodes: options.nodes.unwrap_or(nodes),
        name: options.cluster_name.unwrap_or(name),
    }
}

/// Why the array cannot have a lockless bitmap (reference/kernel.md 2.3, tests/vm/FINDINGS.md).
fn lockless(array: &StoppedArray<'_>) -> Result<Vec<Refusal>, PlanError> {
    let why = match array.array()?.metadata {
        MetadataVersion::V1_1 | MetadataVersion::V1_2 => return Ok(Vec::new()),
        MetadataVersion::V1_0 => {
            ": there the kernel takes everything up to the superblock for the bitmap, the bad-block log included"
        }
        MetadataVersion::V0_90(_) | MetadataVersion::DmRaid => "",
    };
    Ok(vec![Refusal::new(
        "lockless-metadata",
        format!(
            "a lockless bitmap needs 1.1 or 1.2 metadata, and the array has {}{why}",
            array.array()?.metadata
        ),
    )])
}

/// Why the array cannot have a clustered bitmap (reference/mdadm.md 2.7).
fn clustered(array: &StoppedArray<'_>) -> Result<Vec<Refusal>, PlanError> {
    let member = array.array()?;
    let mut refusals = Vec::new();
    if member.metadata != MetadataVersion::V1_2 {
        refusals.push(Refusal::new(
            "cluster-metadata",
            format!(
                "a clustered bitmap needs 1.2 metadata, and the array has {}",
                member.metadata
            ),
        ));
    }
    let near = member.level == Level::Raid10 && member.layout >> 8 == 1;
    if member.level != Level::Raid1 && !near {
        refusals.push(Refusal::new(
            "cluster-level",
            format!(
                "a cluster can use raid1 and raid10 with near copies alone, and this is {}",
                array.geometry.layout_name()
            ),
        ));
    }
    for place in write_mostly(array) {
        refusals.push(Refusal::new(
            "cluster-write-mostly",
            format!(
                "{}: is write-mostly, which no member may be beside a clustered bitmap",
                array.name(place)
            ),
        ));
    }
    Ok(refusals)
}

/// The members in sync that are write-mostly.
pub(super) fn write_mostly(array: &StoppedArray<'_>) -> Vec<usize> {
    let is_it = |place: &usize| {
        let Some(device) = array.devices.get(*place) else {
            return false;
        };
        match &device.found.raw {
            RawSuper::V1(raw) => raw.fixed.devflags & WRITE_MOSTLY_V1 != 0,
            RawSuper::V0_90(raw) => {
                let this = raw.this_disk();
                let entry = raw.disks().get(this.number as usize).copied();
                entry.unwrap_or(this).state & WRITE_MOSTLY_V090 != 0
            }
            RawSuper::DmRaid(_) => false,
        }
    };
    array.current().filter(is_it).collect()
}
