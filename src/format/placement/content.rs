//! What a new bitmap holds: its superblock, and the same bit everywhere behind it.

use super::ChunkSize;
use crate::format::bitmap_super::{BITMAP_MAGIC, BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::units::{Events, Sectors};

/// Seconds between lazy clean passes, unless given (reference/mdadm.md 3.2).
pub const DEFAULT_DELAY_SECONDS: u32 = 5;
/// Outstanding write-behind writes when the option is given without a number.
pub const DEFAULT_WRITE_BEHIND: u32 = 256;
/// The most outstanding write-behind writes that the kernel accepts (reference/kernel.md 2.1).
pub const MAX_WRITE_BEHIND: u32 = 16383;

/// A classic bitmap to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBitmap {
    /// UUID of the array, raw; zeros when there is none.
    pub uuid: [u8; 16],
    /// Sectors covered.
    pub sync_size: Sectors,
    /// Bytes a bit.
    pub chunk: ChunkSize,
    /// Seconds between lazy clean passes.
    pub delay_seconds: u32,
    /// Outstanding write-behind writes; 0 is off.
    pub write_behind: u32,
    /// Event count, and the count up to which bits were cleared: 0 in everything that mdadm
    /// makes, the array's own under W19.
    pub events: Events,
    /// Nodes and name of a cluster; this makes the bitmap version 5.
    pub cluster: Option<Cluster>,
}

/// What a clustered bitmap says beyond a plain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Number of slots.
    pub nodes: u32,
    /// Name, NUL padded.
    pub name: [u8; 64],
}

/// What all bits of a new bitmap say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Everything may differ: the only safe start.
    Dirty,
    /// Everything is known to be equal.
    Clean,
}

impl Fill {
    /// The byte of which the bit area consists, padding bits included.
    pub fn byte(self) -> u8 {
        match self {
            Fill::Dirty => 0xff,
            Fill::Clean => 0,
        }
    }

    /// What mdadm writes into slot `slot`: only the first is dirty, which suffices for a full
    /// resync (reference/mdadm.md 2.5).
    pub fn of_slot(slot: u32) -> Fill {
        match slot {
            0 => Fill::Dirty,
            _ => Fill::Clean,
        }
    }
}

impl NewBitmap {
    /// The superblock, as mdadm writes it for the same parameters.
    pub fn superblock(&self) -> RawBitmapSuper {
        let (version, nodes, cluster_name) = match &self.cluster {
            Some(cluster) => (5, cluster.nodes, cluster.name),
            None => (4, 0, [0; 64]),
        };
        RawBitmapSuper {
            magic: BITMAP_MAGIC,
            version,
            uuid: self.uuid,
            events: self.events.0,
            events_cleared: self.events.0,
            sync_size_sectors: self.sync_size.0,
            state: 0,
            chunksize: self.chunk.field(),
            daemon_sleep_seconds: self.delay_seconds,
            write_behind: self.write_behind,
            sectors_reserved: 0,
            nodes,
            cluster_name,
            pad: [0; 120],
        }
    }
}

/// Fills `buffer` with the bytes of a new bitmap from byte `start` on: a piece of the superblock
/// where it reaches into it, the fill elsewhere. So a bitmap of any size is made piece by piece.
pub fn piece(superblock: &[u8; BITMAP_SUPER_BYTES], fill: Fill, start: u64, buffer: &mut [u8]) {
    buffer.fill(fill.byte());
    let rest = usize::try_from(start)
        .ok()
        .and_then(|start| superblock.get(start..))
        .unwrap_or_default();
    for (to, from) in buffer.iter_mut().zip(rest) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_make_up_the_same_bitmap() {
        let mut superblock = [0_u8; BITMAP_SUPER_BYTES];
        for (i, byte) in superblock.iter_mut().enumerate() {
            *byte = i as u8;
        }
        let mut whole = vec![0; 1000];
        piece(&superblock, Fill::Clean, 0, &mut whole);
        assert_eq!(whole[..256], superblock);
        assert!(whole[256..].iter().all(|&b| b == 0));
        for step in [1, 7, 255, 256, 257, 999] {
            let mut pieces = Vec::new();
            while pieces.len() < whole.len() {
                let mut part = vec![0xaa; step.min(whole.len() - pieces.len())];
                piece(&superblock, Fill::Clean, pieces.len() as u64, &mut part);
                pieces.extend(part);
            }
            assert_eq!(pieces, whole, "step {step}");
        }
    }
}
