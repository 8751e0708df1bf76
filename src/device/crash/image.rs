//! What a device holds at one moment.

use crate::device::Store;
use crate::device::store::{StoreError, check_range};
use crate::units::Bytes;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// The smallest block of any device, in bytes.
pub const BLOCK: u64 = 512;

/// Bytes that many moments share, and the blocks that differ from them: cheap to copy.
#[derive(Debug, Clone)]
pub struct Image {
    name: Arc<str>,
    base: Arc<Base>,
    block_bytes: u64,
    /// By their number, ascending.
    changed: Vec<(u64, Block)>,
}

#[derive(Debug)]
struct Base {
    bytes: Vec<u8>,
    hash: u128,
}

/// One block as it was written.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) bytes: Arc<[u8]>,
    /// How the hash of the image changes with it; 0 where it holds what the base does.
    delta: u128,
}

impl Image {
    /// A device with these bytes; its blocks are of 512 bytes.
    pub fn new(name: &str, mut bytes: Vec<u8>) -> Image {
        let whole = bytes.len() as u64 / BLOCK * BLOCK;
        bytes.truncate(usize::try_from(whole).unwrap_or_default());
        let mut hash = 0;
        for (number, block) in (0..).zip(bytes.chunks(BLOCK as usize)) {
            hash ^= mark(number, block);
        }
        Image {
            name: name.into(),
            base: Arc::new(Base { bytes, hash }),
            block_bytes: BLOCK,
            changed: Vec::new(),
        }
    }

    /// The same with logical blocks of so many bytes, a multiple of 512: what it writes at once.
    #[must_use]
    pub fn with_block_bytes(mut self, bytes: u32) -> Image {
        self.block_bytes = (u64::from(bytes) / BLOCK).max(1) * BLOCK;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.base.bytes.len() as u64
    }

    /// True when it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that is the same for images that hold the same.
    pub fn hash(&self) -> u128 {
        let deltas = self.changed.iter().map(|(_, block)| block.delta);
        deltas.fold(self.base.hash, |hash, delta| hash ^ delta)
    }

    /// The numbers of the blocks that hold something else than `other`, an earlier or later moment of the same device, does.
    pub fn differing_blocks(&self, other: &Image) -> Vec<u64> {
        let mut numbers: Vec<u64> = self
            .changed
            .iter()
            .chain(&other.changed)
            .map(|(number, _)| *number)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|number| self.block(*number) != other.block(*number));
        numbers
    }

    /// The numbers of the blocks that were ever written, whatever they hold.
    pub fn written_blocks(&self) -> impl Iterator<Item = u64> + '_ {
        self.changed.iter().map(|(number, _)| *number)
    }

    /// The bytes of a block; fewer at the end of a device that ends within one.
    pub fn block(&self, number: u64) -> &[u8] {
        match self.place(number) {
            Ok(at) => self.changed.get(at).map_or(&[], |(_, block)| &block.bytes),
            Err(_) => self.base_block(number),
        }
    }

    fn base_block(&self, number: u64) -> &[u8] {
        let start = number.saturating_mul(self.block_bytes).min(self.len());
        let end = start.saturating_add(self.block_bytes).min(self.len());
        // Both ends lie in memory.
        self.base
            .bytes
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    fn place(&self, number: u64) -> Result<usize, usize> {
        self.changed.binary_search_by_key(&number, |(at, _)| *at)
    }

    /// A block of this image that would hold `bytes`, which are as many as it has.
    pub(super) fn new_block(&self, number: u64, bytes: Vec<u8>) -> Block {
        let base = self.base_block(number);
        let delta = match base == bytes.as_slice() {
            true => 0,
            false => {
                let first = number.saturating_mul(self.block_bytes / BLOCK);
                let pairs = base
                    .chunks(BLOCK as usize)
                    .zip(bytes.chunks(BLOCK as usize));
                (first..).zip(pairs).fold(0, |delta, (number, (old, new))| {
                    delta ^ mark(number, old) ^ mark(number, new)
                })
            }
        };
        Block {
            bytes: bytes.into(),
            delta,
        }
    }

    pub(super) fn put(&mut self, number: u64, block: Block) {
        match self.place(number) {
            Ok(at) => {
                if let Some(place) = self.changed.get_mut(at) {
                    place.1 = block;
                }
            }
            Err(at) => self.changed.insert(at, (number, block)),
        }
    }

    /// Fills `buffer` from byte `start`, which lies with it inside the device.
    pub(super) fn read(&self, start: u64, buffer: &mut [u8]) {
        let mut at = start;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (number, within) = (at / self.block_bytes, at % self.block_bytes);
            let from = self.block(number).get(within as usize..);
            let from = from.unwrap_or_default();
            let take = from.len().min(rest.len());
            if take == 0 {
                return;
            }
            let (now, later) = rest.split_at_mut(take);
            now.copy_from_slice(from.get(..take).unwrap_or_default());
            at = at.saturating_add(take as u64);
            rest = later;
        }
    }

    /// Puts `data` at byte `start`, as nothing but a test does.
    ///
    /// # Errors
    /// [`StoreError::PastEnd`].
    pub fn overwrite(&mut self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        check_range(self, start, data.len())?;
        for (number, block) in self.blocks_of(start.0, data) {
            self.put(number, block);
        }
        Ok(())
    }

    /// The blocks that hold `data` at byte `start`, with what else is in them.
    pub(super) fn blocks_of(&self, start: u64, data: &[u8]) -> Vec<(u64, Block)> {
        let mut blocks = Vec::new();
        let mut at = start;
        let mut rest = data;
        while !rest.is_empty() {
            let (number, within) = (at / self.block_bytes, at % self.block_bytes);
            let mut bytes = self.block(number).to_vec();
            let to = bytes.get_mut(within as usize..).unwrap_or_default();
            let take = to.len().min(rest.len());
            if take == 0 {
                return blocks;
            }
            let (now, later) = rest.split_at(take);
            to.get_mut(..take).unwrap_or_default().copy_from_slice(now);
            blocks.push((number, self.new_block(number, bytes)));
            at = at.saturating_add(take as u64);
            rest = later;
        }
        blocks
    }

    /// All bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.base.bytes.len()];
        self.read(0, &mut bytes);
        bytes
    }
}

/// For reading; nothing is written to a moment that has passed.
impl Store for Image {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Bytes {
        Bytes(self.len())
    }

    fn logical_block_bytes(&self) -> u32 {
        u32::try_from(self.block_bytes).unwrap_or(u32::MAX)
    }

    fn physical_block_bytes(&self) -> u32 {
        self.logical_block_bytes()
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        check_range(self, start, buffer.len())?;
        self.read(start.0, buffer);
        Ok(())
    }

    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        let end = check_range(self, start, data.len())?;
        Err(StoreError::Write {
            device: self.name.to_string(),
            start: start.0,
            end,
            source: std::io::Error::from_raw_os_error(rustix::io::Errno::ROFS.raw_os_error()),
        })
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A number for a block of 512 bytes in its place.
fn mark(number: u64, bytes: &[u8]) -> u128 {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(seed);
        hasher.write_u64(number);
        hasher.write(bytes);
        hasher.finish()
    };
    u128::from(half(0x6d64)) << 64 | u128::from(half(0x6269_746d))
}

/// A number that is the same for states whose images hold the same.
pub fn hash_of<'i>(images: impl IntoIterator<Item = &'i Image>) -> u128 {
    // Odd, so that no image is lost; another one for each place, so that images do not stand for each other.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    images.into_iter().fold(0, |hash: u128, image| {
        hash.wrapping_add(image.hash()).wrapping_mul(FACTOR)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(block: u32) -> Image {
        let bytes = (0..10_000_u32).map(|n| (n / 7) as u8).collect();
        Image::new("i", bytes).with_block_bytes(block)
    }

    #[test]
    fn what_is_put_is_read_and_the_rest_stays() {
        for block in [512, 4096] {
            let old = image(block);
            assert_eq!(old.len(), 9728, "whole sectors");
            let mut new = old.clone();
            new.overwrite(Bytes(1000), &[0xee; 5000]).unwrap();
            let mut expected = old.to_vec();
            expected[1000..6000].fill(0xee);
            assert_eq!(new.to_vec(), expected);
            let mut some = [0; 700];
            new.read_at(Bytes(5500), &mut some).unwrap();
            assert_eq!(some, expected[5500..6200]);
            let last = if block == 512 { 11 } else { 1 };
            let first = if block == 512 { 1 } else { 0 };
            let changed: Vec<u64> = (first..=last).collect();
            assert_eq!(new.differing_blocks(&old), changed);
            assert!(new.overwrite(Bytes(9000), &[0; 729]).is_err());
            assert!(new.write_at(Bytes(0), &[1]).is_err());
        }
    }

    #[test]
    fn the_hash_is_that_of_the_content() {
        let old = image(512);
        let mut new = old.clone();
        new.overwrite(Bytes(600), &[1, 2, 3]).unwrap();
        assert_ne!(new.hash(), old.hash());
        assert_eq!(new.hash(), Image::new("j", new.to_vec()).hash());
        let mut whole = image(4096);
        whole.overwrite(Bytes(600), &[1, 2, 3]).unwrap();
        assert_eq!(new.hash(), whole.hash(), "blocks do not matter");
        let original = old.to_vec();
        new.overwrite(Bytes(600), &original[600..603]).unwrap();
        assert_eq!(new.hash(), old.hash(), "as if nothing had been written");
        assert!(new.differing_blocks(&old).is_empty());
        assert_eq!(new.written_blocks().count(), 1);
        assert_ne!(hash_of([&old, &whole]), hash_of([&whole, &old]));
    }
}
