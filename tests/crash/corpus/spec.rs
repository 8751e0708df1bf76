//! Kinds of arrays: levels, layouts, metadata, block sizes, bitmaps.

use crate::world::superblock::Kind;
use mdbitmap::device::crash::Random;

/// An array before anything has happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    pub level: i32,
    pub layout: u32,
    /// Sectors.
    pub raid_chunk: u32,
    pub slots: u32,
    pub kind: Kind,
    /// Bytes of a logical block.
    pub block: u32,
    pub bitmap: Has,
    /// Sectors used of each member.
    pub size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    Nothing,
    /// One bit a chunk of so many sectors.
    Bits(u64),
    /// One byte a chunk.
    States(u64),
    /// One bit a chunk, for each of two nodes of a cluster.
    Clustered(u64),
}

/// Levels, layouts, RAID chunks and numbers of members.
const SHAPES: &[(i32, u32, u32, u32)] = &[
    (1, 0, 0, 2),
    (1, 0, 0, 3),
    (10, 0x102, 8, 4),
    (10, 0x102, 16, 3),
    (10, 0x201, 8, 3),
    (10, 0x10201, 16, 4),
    (4, 0, 16, 3),
    (5, 2, 8, 3),
    (5, 0, 16, 4),
    (6, 2, 8, 4),
    (6, 10, 16, 5),
];

const KINDS: [Kind; 4] = [Kind::V12, Kind::V11, Kind::V10, Kind::V090];

impl Spec {
    /// All of a kind once, before chance decides: the number counts through shapes, metadata and bitmaps.
    pub fn new(number: u64, random: &mut Random) -> Spec {
        let shapes = SHAPES.len() as u64;
        let (level, layout, raid_chunk, slots) = SHAPES[(number % shapes) as usize];
        let kind = KINDS[(number % 4) as usize];
        let chunks = [8, 16, 32];
        let chunk = chunks[random.below(3) as usize];
        let bitmap = match (number / 4 + number / shapes / 4) % 4 {
            1 if is_for_clusters(level, layout, kind) => Has::Clustered(chunk),
            0 | 1 => Has::Bits(chunk),
            2 if kind != Kind::V090 => Has::States(chunk),
            2 => Has::Bits(chunk),
            _ => Has::Nothing,
        };
        let block = if random.once_in(3) { 4096 } else { 512 };
        let mut spec = Spec {
            level,
            layout,
            raid_chunk,
            slots,
            kind,
            block,
            bitmap,
            size: 128,
        };
        // Now and then bits that do not fit the first sector.
        if level == 1
            && slots == 2
            && matches!(bitmap, Has::Bits(_) | Has::States(_))
            && random.once_in(4)
        {
            spec.size = 2304;
            spec.bitmap = match bitmap {
                Has::States(_) => Has::States(4),
                _ => Has::Bits(1),
            };
        }
        spec
    }

    /// Sectors of a member.
    pub fn sectors(&self) -> u64 {
        match self.kind {
            Kind::V090 => self.size.next_multiple_of(128) + 128,
            _ => self.size + 64,
        }
    }

    pub fn data_offset(&self) -> u64 {
        match self.kind {
            Kind::V11 | Kind::V12 => 56,
            Kind::V10 | Kind::V090 => 0,
        }
    }

    /// Sectors from the superblock to the bitmap.
    pub fn bitmap_offset(&self) -> Option<i64> {
        if self.bitmap == Has::Nothing {
            return None;
        }
        Some(match self.kind {
            Kind::V10 => -24,
            _ => 8,
        })
    }

    /// Sectors a chunk of its bitmap.
    pub fn chunk(&self) -> Option<u64> {
        match self.bitmap {
            Has::Bits(chunk) | Has::States(chunk) | Has::Clustered(chunk) => Some(chunk),
            Has::Nothing => None,
        }
    }

    pub fn name(&self) -> String {
        let level = match (self.level, self.layout) {
            (10, 0x102) => "raid10-near".to_owned(),
            (10, 0x201) => "raid10-far".to_owned(),
            (10, _) => "raid10-offset".to_owned(),
            (level, _) => format!("raid{level}"),
        };
        let kind = match self.kind {
            Kind::V090 => "0.90",
            Kind::V10 => "1.0",
            Kind::V11 => "1.1",
            Kind::V12 => "1.2",
        };
        let bitmap = match self.bitmap {
            Has::Nothing => "no bitmap".to_owned(),
            Has::Bits(chunk) => format!("v4 chunk {}", chunk * 512),
            Has::States(chunk) => format!("v6 chunk {}", chunk * 512),
            Has::Clustered(chunk) => format!("v5 chunk {}", chunk * 512),
        };
        format!(
            "{level} x{} {kind} block {} {bitmap}",
            self.slots, self.block
        )
    }
}

fn is_for_clusters(level: i32, layout: u32, kind: Kind) -> bool {
    kind == Kind::V12 && (level == 1 || level == 10 && layout >> 8 == 1)
}
