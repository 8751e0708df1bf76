//! Disks of the world, and what is known about the data of their array.

use super::bitmap::{Copy, Refused};
use super::map::Map;
use super::superblock::{Kind, Super};
use mdbitmap::device::Store;
use mdbitmap::device::crash::Image;
use mdbitmap::units::Bytes;
use std::sync::Arc;

/// A disk: what is durable on it. Every sector of data is one word, 64 times; sums of words are then what sums of sectors are.
#[derive(Debug, Clone)]
pub struct Disk<'i> {
    pub sectors: u64,
    /// The superblock, if a kernel believes it.
    pub sb: Option<Super>,
    pub bitmap: Lying<'i>,
    pub data: Arc<Vec<u64>>,
}

/// What is where a bitmap would be.
#[derive(Debug, Clone)]
pub enum Lying<'i> {
    /// Whatever the device holds.
    Unread(&'i Image),
    /// What the kernel has written since, so many sectors from the superblock.
    Written(i64, Arc<Copy>),
    Nothing,
}

impl<'i> Disk<'i> {
    /// The disk of an image whose data is `data`.
    pub fn of(image: &'i Image, kind: Kind, data: &Arc<Vec<u64>>) -> Disk<'i> {
        let sectors = image.len() / 512;
        Disk {
            sectors,
            sb: superblock(image, kind),
            bitmap: Lying::Unread(image),
            data: Arc::clone(data),
        }
    }

    /// The bitmap so many sectors from the superblock, as a start of the array would see it.
    pub fn bitmap(&self, offset: i64, map: &Map, sb: &Super) -> Result<Arc<Copy>, Refused> {
        match &self.bitmap {
            Lying::Nothing => Err(Refused::Outside),
            Lying::Written(at, copy) if *at == offset => Ok(Arc::clone(copy)),
            Lying::Written(..) => Err(Refused::Magic),
            Lying::Unread(image) => {
                let start = sb.kind.start(self.sectors) as i64 + offset;
                let start = u64::try_from(start).map_err(|_| Refused::Outside)? * 512;
                // No bitmap of this world is longer.
                let len = Image::len(image).saturating_sub(start).min(MOST_BITMAP);
                let mut bytes = vec![0; len as usize];
                image
                    .read_at(Bytes(start), &mut bytes)
                    .map_err(|_| Refused::Outside)?;
                Copy::parse(&bytes, map.sync_size, &sb.uuid).map(Arc::new)
            }
        }
    }

    pub fn put(&mut self, sector: usize, word: u64) {
        Arc::make_mut(&mut self.data)[sector] = word;
    }
}

const MOST_BITMAP: u64 = 3 * 4096;

pub fn superblock(image: &Image, kind: Kind) -> Option<Super> {
    let sectors = image.len() / 512;
    let start = kind.start(sectors) * 512;
    let len = (image.len() - start).min(4096);
    let mut bytes = vec![0; len as usize];
    image.read_at(Bytes(start), &mut bytes).ok()?;
    Super::parse(kind, sectors, &bytes)
}

/// What a read of a sector of the array may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Nothing was ever written there.
    Any,
    Is(u64),
    /// A write of the second was under way when the power went.
    Either(u64, u64),
}

impl Truth {
    pub fn allows(self, word: u64) -> bool {
        match self {
            Truth::Any => true,
            Truth::Is(only) => only == word,
            Truth::Either(old, new) => old == word || new == word,
        }
    }
}

/// The disks of an array, nothing of which runs.
#[derive(Debug, Clone)]
pub struct World<'w> {
    pub map: &'w Map,
    pub disks: Vec<Disk<'w>>,
    pub truth: Arc<Vec<Truth>>,
    /// Cells that differed before the command where no bitmap says so: mirrors with a lockless bitmap call a whole chunk dirty,
    /// and later clean, once a sector of it is written (kernel.md 6.2), and nothing was ever written to these.
    pub excused: Arc<Vec<bool>>,
}
