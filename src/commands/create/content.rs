//! The bytes of a new bitmap, produced and compared piece by piece: a bitmap of any size in
//! little memory.

use super::CreateError;
use crate::device::{AlignedBuffer, Store};
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::placement::area;
use crate::format::placement::content::{Fill, NewBitmap, piece};
use crate::units::Bytes;
use std::ops::Range;

/// Bytes handled at a time.
pub(in crate::commands) const PIECE: usize = 1 << 20;

/// A bitmap that is to be made: its bytes in order, the same as often as they are asked for.
pub(in crate::commands) trait Image {
    /// The superblock at its start.
    fn superblock(&self) -> &RawBitmapSuper;

    /// All its bytes.
    fn length(&self) -> Bytes;

    /// True when it calls everything clean, which nothing that it replaces may contradict.
    fn is_clean(&self) -> bool;

    /// Hands the bytes of `range` to `take`, in order, with the position of each piece.
    ///
    /// # Errors
    /// Those of `take`, and of whatever the bytes are made from.
    fn pieces(&self, range: Range<u64>, take: &mut Take<'_>) -> Result<(), CreateError>;

    /// The bytes of the superblock.
    fn header(&self) -> Range<u64> {
        0..BITMAP_SUPER_BYTES as u64
    }

    /// The bytes of the chunks; empty when nothing is covered.
    fn bit_bytes(&self) -> Range<u64> {
        BITMAP_SUPER_BYTES as u64..self.length().0.max(BITMAP_SUPER_BYTES as u64)
    }

    /// Reads the bitmap back from byte 0 of `store`: the first byte that differs, if any.
    ///
    /// # Errors
    /// When it cannot be read.
    fn first_difference(&self, store: &dyn Store) -> Result<Option<u64>, CreateError> {
        let whole = 0..self.length().0;
        let mut found = AlignedBuffer::new(PIECE.min(length(&whole)));
        let mut difference = None;
        self.pieces(whole, &mut |at, expected| {
            if difference.is_some() {
                return Ok(());
            }
            let found = found.get_mut(..expected.len()).unwrap_or_default();
            store.read_at(Bytes(at), found)?;
            if found != expected {
                let same = found.iter().zip(expected).take_while(|(a, b)| a == b);
                difference = Some(at + same.count() as u64);
            }
            Ok(())
        })?;
        Ok(difference)
    }
}

/// Takes a piece of a bitmap.
pub(in crate::commands) type Take<'t> = dyn FnMut(u64, &[u8]) -> Result<(), CreateError> + 't;

/// A whole new bitmap: its superblock, and one bit repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The superblock.
    pub superblock: RawBitmapSuper,
    /// What all bits say.
    pub fill: Fill,
    /// Chunks covered.
    pub bits: u64,
    /// Bytes of superblock and bits, padding bits of the last byte included.
    pub length: Bytes,
}

impl Content {
    /// The content of `bitmap` with all bits alike.
    pub fn new(bitmap: &NewBitmap, fill: Fill) -> Self {
        let bits = area::bits(bitmap.sync_size, bitmap.chunk);
        Content {
            superblock: bitmap.superblock(),
            fill,
            bits,
            length: area::file_bytes(bits),
        }
    }
}

impl Image for Content {
    fn superblock(&self) -> &RawBitmapSuper {
        &self.superblock
    }

    fn length(&self) -> Bytes {
        self.length
    }

    fn is_clean(&self) -> bool {
        self.fill == Fill::Clean
    }

    fn pieces(&self, range: Range<u64>, take: &mut Take<'_>) -> Result<(), CreateError> {
        let superblock = self.superblock.to_bytes();
        let mut buffer = AlignedBuffer::new(PIECE.min(length(&range)));
        let mut at = range.start;
        while at < range.end {
            let part = buffer_part(&mut buffer, at, range.end);
            piece(&superblock, self.fill, at, part);
            take(at, part)?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
}

/// As much of the buffer as is left from `at` to `end`.
fn buffer_part(buffer: &mut AlignedBuffer, at: u64, end: u64) -> &mut [u8] {
    let part = length(&(at..end)).min(buffer.len());
    buffer.get_mut(..part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::Bitmap;
    use crate::device::MemoryStore;
    use crate::format::bit_array::BitOrder;
    use crate::format::bitmap_rules::{Context, violations};
    use crate::format::placement::ChunkSize;
    use crate::units::{Events, Sectors};
    use proptest::prelude::*;

    fn content(sectors: u64, fill: Fill) -> Content {
        let bitmap = NewBitmap {
            uuid: [7; 16],
            sync_size: Sectors(sectors),
            chunk: ChunkSize::SMALLEST,
            delay_seconds: 5,
            write_behind: 0,
            events: Events(3),
            cluster: None,
        };
        Content::new(&bitmap, fill)
    }

    fn whole(content: &Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        let done = content.pieces(0..content.length.0, &mut |at, piece| {
            assert_eq!(at, bytes.len() as u64);
            bytes.extend(piece);
            Ok(())
        });
        done.unwrap();
        bytes
    }

    #[test]
    fn pieces_make_up_the_whole_bitmap() {
        // 2.5 MiB of bits: several pieces.
        let content = content(20 << 20, Fill::Dirty);
        let bytes = whole(&content);
        assert_eq!(bytes.len() as u64, content.length.0);
        assert_eq!(bytes.len(), 256 + (20 << 20) / 8);
        assert_eq!(bytes[..256], content.superblock.to_bytes());
        assert!(bytes[256..].iter().all(|&b| b == 0xff));
    }

    proptest! {
        /// The kernel finds nothing to object to, and reads what was meant.
        #[test]
        fn what_is_made_is_a_bitmap_by_the_kernels_rules(
            sectors in prop_oneof![0_u64..5000, 0_u64..(1 << 24)],
            shift in 9_u32..32,
            delay_seconds in 1_u32..(1 << 31),
            write_behind in 0_u32..=16383,
            uuid in any::<[u8; 16]>(),
            events in any::<u64>(),
            clean in any::<bool>(),
        ) {
            let fill = if clean { Fill::Clean } else { Fill::Dirty };
            let content = Content::new(
                &NewBitmap {
                    uuid,
                    sync_size: Sectors(sectors),
                    chunk: ChunkSize::new(1 << shift).unwrap(),
                    delay_seconds,
                    write_behind,
                    events: Events(events),
                    cluster: None,
                },
                fill,
            );
            let context = Context {
                uuid: Some(uuid),
                events: Some(Events(events)),
                resync_max: Some(Sectors(sectors)),
                available: Some(content.length),
                ..Context::default()
            };
            prop_assert_eq!(violations(&content.superblock, &context), []);
            let store = MemoryStore::new("m", whole(&content));
            let counts = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap().count().unwrap();
            prop_assert_eq!(counts.chunks, content.bits);
            prop_assert_eq!(counts.missing_chunks, 0);
            prop_assert_eq!(counts.dirty, if clean { 0 } else { content.bits });
        }
    }

    #[test]
    fn the_first_difference_is_found_wherever_it_is() {
        let content = content(20 << 20, Fill::Clean);
        let good = whole(&content);
        let store = MemoryStore::new("m", good.clone());
        assert_eq!(content.first_difference(&store).unwrap(), None);
        for at in [0, 255, 256, PIECE - 1, PIECE, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            bad[good.len() - 1] ^= 4;
            let store = MemoryStore::new("m", bad);
            assert_eq!(
                content.first_difference(&store).unwrap(),
                Some(at as u64),
                "{at}"
            );
        }
        let short = MemoryStore::new("m", good[..good.len() - 1].to_vec());
        assert!(content.first_difference(&short).is_err());
    }

    #[test]
    fn a_bitmap_over_nothing_is_a_superblock() {
        let content = content(0, Fill::Dirty);
        assert_eq!(content.length, Bytes(256));
        assert!(content.bit_bytes().is_empty());
        assert_eq!(whole(&content), content.superblock.to_bytes());
    }
}
