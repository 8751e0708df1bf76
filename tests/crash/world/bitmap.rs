//! Bitmaps as the kernel reads and writes them (kernel.md 1, 2.1, 2.3): this model's own parser and writer.

use super::bytes::{put, u32_at, u64_at};

pub const STALE: u32 = 0x2;
pub const WRITE_ERROR: u32 = 0x4;
pub const FIRST_USE: u32 = 0x8;
const BITS_AT: usize = 256;
const STATES_AT: usize = 1024;

/// States of a lockless bitmap (kernel.md 6.1).
pub mod state {
    pub const UNWRITTEN: u8 = 0;
    pub const CLEAN: u8 = 1;
    pub const DIRTY: u8 = 2;
    pub const NEED_SYNC: u8 = 3;
    pub const SYNCING: u8 = 4;
    pub const NEED_SYNC_UNWRITTEN: u8 = 5;
    pub const SYNCING_UNWRITTEN: u8 = 6;
    pub const CLEAN_UNWRITTEN: u8 = 7;
}

/// The superblock of a bitmap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub version: u32,
    pub uuid: [u8; 16],
    pub events: u64,
    pub cleared: u64,
    pub sync_size: u64,
    pub state: u32,
    /// Sectors, whatever the version.
    pub chunk: u64,
    pub sleep: u32,
    pub write_behind: u32,
    pub reserved: u32,
    /// Nodes of a cluster, each with a bitmap of its own, one behind the other (version 5); 0 for an array of one machine.
    pub nodes: u32,
}

/// One copy of a bitmap: a byte a chunk. Of version 3 and 4 it is 0 or 1, of version 6 the state. Of version 5 a mark is there
/// that any node has: the node that starts an array takes over those of nodes that are down (kernel.md 3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub header: Header,
    pub marks: Vec<u8>,
}

/// Why the kernel does not take a bitmap, and so does not start the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    Outside,
    Magic,
    Version,
    Chunk,
    Sleep,
    WriteBehind,
    Uuid,
    WriteError,
    FirstUse,
}

impl Header {
    pub fn is_lockless(&self) -> bool {
        self.version == 6
    }

    pub fn chunks(&self, sync_size: u64) -> usize {
        sync_size.div_ceil(self.chunk) as usize
    }

    /// Bytes of a bitmap with this header, those of all nodes together.
    pub fn bytes(&self, sync_size: u64) -> usize {
        match self.nodes {
            0 | 1 => self.bytes_of_one(sync_size),
            nodes => nodes as usize * self.stride(sync_size),
        }
    }

    fn bytes_of_one(&self, sync_size: u64) -> usize {
        let chunks = self.chunks(sync_size);
        match self.is_lockless() {
            true => STATES_AT + chunks,
            false => BITS_AT + chunks.div_ceil(8),
        }
    }

    /// Bytes from the bitmap of one node to that of the next.
    fn stride(&self, sync_size: u64) -> usize {
        self.bytes_of_one(sync_size).next_multiple_of(4096)
    }
}

impl Copy {
    /// The bitmap of an array of so many sectors, at the start of `bytes`, judged as when an array with this UUID is started.
    pub fn parse(bytes: &[u8], sync_size: u64, uuid: &[u8; 16]) -> Result<Copy, Refused> {
        if bytes.len() < 512 {
            return Err(Refused::Outside);
        }
        if u32_at(bytes, 0) != 0x6d74_6962 {
            return Err(Refused::Magic);
        }
        let version = u32_at(bytes, 4);
        let chunk = match version {
            4 if u32_at(bytes, 52) >= 512 => u64::from(u32_at(bytes, 52)) / 512,
            5 if u32_at(bytes, 52) >= 512 => u64::from(u32_at(bytes, 52)) / 512,
            6 => u64::from(u32_at(bytes, 52)),
            3..=5 => return Err(Refused::Chunk),
            _ => return Err(Refused::Version),
        };
        if version == 6 && u32_at(bytes, 48) & FIRST_USE != 0 {
            return Err(Refused::FirstUse);
        }
        if !chunk.is_power_of_two() {
            return Err(Refused::Chunk);
        }
        let header = Header {
            version,
            uuid: bytes[8..24].try_into().unwrap(),
            events: u64_at(bytes, 24),
            cleared: u64_at(bytes, 32),
            sync_size: u64_at(bytes, 40),
            state: u32_at(bytes, 48),
            chunk,
            sleep: u32_at(bytes, 56),
            write_behind: u32_at(bytes, 60),
            reserved: u32_at(bytes, 64),
            nodes: if version == 5 { u32_at(bytes, 68) } else { 0 },
        };
        if header.sleep == 0 {
            return Err(Refused::Sleep);
        }
        if header.write_behind > 16383 {
            return Err(Refused::WriteBehind);
        }
        if header.uuid != *uuid {
            return Err(Refused::Uuid);
        }
        if header.state & WRITE_ERROR != 0 {
            return Err(Refused::WriteError);
        }
        // Without a size of its own a lockless bitmap gets the default one, which this model does not know.
        let room = u64::from(header.reserved) * 512;
        if header.is_lockless() && (room == 0 || header.chunk < sync_size.div_ceil(room)) {
            return Err(Refused::Chunk);
        }
        if bytes.len() < header.bytes(sync_size) {
            return Err(Refused::Outside);
        }
        let chunks = header.chunks(sync_size);
        let marks = match header.is_lockless() {
            true => bytes[STATES_AT..STATES_AT + chunks].to_vec(),
            false => {
                let bit = |chunk: usize| bytes[BITS_AT + chunk / 8] >> (chunk % 8) & 1;
                (0..chunks).map(bit).collect()
            }
        };
        let mut copy = Copy { header, marks };
        copy.take_over_nodes(bytes, sync_size, uuid)?;
        Ok(copy)
    }

    /// The marks of all other nodes of a cluster: the first is the one that starts the array.
    fn take_over_nodes(
        &mut self,
        bytes: &[u8],
        sync_size: u64,
        uuid: &[u8; 16],
    ) -> Result<(), Refused> {
        let stride = self.header.stride(sync_size);
        for node in 1..self.header.nodes as usize {
            let mut one = bytes[node * stride..].to_vec();
            // Whatever it says, its bits alone are looked at, as one node's.
            if u32_at(&one, 4) != 5 {
                return Err(Refused::Version);
            }
            put(&mut one, 68, &0_u32.to_le_bytes());
            let other = Copy::parse(&one, sync_size, uuid)?;
            if other.header.chunk != self.header.chunk {
                return Err(Refused::Chunk);
            }
            for (mark, other) in self.marks.iter_mut().zip(other.marks) {
                *mark |= other;
            }
        }
        Ok(())
    }

    /// The bytes; of a cluster every node has its share of the marks.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sync_size = self.header.chunk * self.marks.len() as u64;
        let nodes = self.header.nodes.max(1) as usize;
        let mut bytes = vec![0; self.header.bytes(sync_size)];
        for node in 0..nodes {
            let mut marks = self.marks.clone();
            for (chunk, mark) in marks.iter_mut().enumerate() {
                if nodes > 1 && chunk % nodes != node {
                    *mark = 0;
                }
            }
            let one = self.of_one(&marks);
            let start = node * self.header.stride(sync_size);
            bytes[start..start + one.len()].copy_from_slice(&one);
        }
        bytes
    }

    fn of_one(&self, marks: &[u8]) -> Vec<u8> {
        let header = &self.header;
        let mut bytes = vec![0; header.bytes_of_one(header.chunk * marks.len() as u64)];
        put(&mut bytes, 0, &0x6d74_6962_u32.to_le_bytes());
        put(&mut bytes, 4, &header.version.to_le_bytes());
        put(&mut bytes, 8, &header.uuid);
        put(&mut bytes, 24, &header.events.to_le_bytes());
        put(&mut bytes, 32, &header.cleared.to_le_bytes());
        put(&mut bytes, 40, &header.sync_size.to_le_bytes());
        put(&mut bytes, 48, &header.state.to_le_bytes());
        let chunk = if header.is_lockless() {
            header.chunk
        } else {
            header.chunk * 512
        };
        put(&mut bytes, 52, &(chunk as u32).to_le_bytes());
        put(&mut bytes, 56, &header.sleep.to_le_bytes());
        put(&mut bytes, 60, &header.write_behind.to_le_bytes());
        put(&mut bytes, 64, &header.reserved.to_le_bytes());
        put(&mut bytes, 68, &header.nodes.to_le_bytes());
        for (chunk, mark) in marks.iter().enumerate() {
            match header.is_lockless() {
                true => bytes[STATES_AT + chunk] = *mark,
                false => bytes[BITS_AT + chunk / 8] |= (mark & 1) << (chunk % 8),
            }
        }
        bytes
    }
}
