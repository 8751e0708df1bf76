//! What is compared, what counts, and what it shows; also while writes are in flight.

use super::*;
use crate::array::compare::Side;
use crate::array::geometry::Geometry;
use crate::array::probe::probe;
use crate::bitmap::Bitmap;
use crate::device::{MemoryStore, Store, StoreError};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::md_v1::{Builder, Minor};
use crate::units::Bytes;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Chunks of 4096 bytes of a mirror.
const CHUNKS: u64 = 3000;

fn geometry() -> Geometry {
    let device = Sectors(2048 + CHUNKS * 8);
    let mut builder = Builder::mirror(Minor::V2, device);
    builder.component = Sectors(CHUNKS * 8);
    let mut image = vec![0; device.0 as usize * 512];
    let bytes = builder.build().to_bytes();
    image[4096..4096 + bytes.len()].copy_from_slice(&bytes);
    let found = probe(&MemoryStore::new("image", image), None);
    Geometry::of(&found.found[0].member).unwrap()
}

fn bitmap(marked: &[u64]) -> MemoryStore {
    let mut raw = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
    (raw.version, raw.chunksize) = (4, 4096);
    let mut image = raw.to_bytes().to_vec();
    image.resize(256 + CHUNKS.div_ceil(64) as usize * 8, 0);
    for chunk in marked {
        image[256 + *chunk as usize / 8] |= 1 << (chunk % 8);
    }
    MemoryStore::new("bitmap", image)
}

fn data(changed: &[u64]) -> MemoryStore {
    let mut image = vec![7; CHUNKS as usize * 4096];
    for chunk in changed {
        image[*chunk as usize * 4096 + 4095] ^= 1;
    }
    MemoryStore::new("data", image)
}

fn side(slot: u32, store: &dyn Store) -> Side<'_> {
    Side {
        slot,
        store,
        data_offset: Sectors(0),
    }
}

fn marks(store: &dyn Store) -> Marks<'_> {
    let bitmap = Bitmap::open(store, Bytes(0), BitOrder::Little).unwrap();
    Marks::new(&bitmap, Sectors(CHUNKS * 8)).unwrap()
}

const PLAN: Plan = Plan {
    extent: Extent::Full,
    limit: None,
    patience: Some(Duration::ZERO),
    settled: true,
};

fn run(plan: Plan, bitmaps: &[&dyn Store], device: &dyn Store, other: &dyn Store) -> Verification {
    let marks: Vec<Marks<'_>> = bitmaps.iter().map(|store| marks(*store)).collect();
    let mut comparer = Comparer::new(geometry(), side(1, device), vec![side(0, other)]).unwrap();
    let mut last = None;
    let mut retell = |progress: Progress| {
        assert!(progress.done_bytes <= progress.total_bytes);
        assert!(last <= Some(progress.done_bytes));
        last = Some(progress.done_bytes);
    };
    verify(&marks, &mut comparer, plan, &mut retell).unwrap()
}

#[test]
fn marked_chunks_are_left_out_and_all_others_compared() {
    let marked = [0, 1, 700, 2999];
    let (bitmap, equal, other) = (bitmap(&marked), data(&marked), data(&[]));
    let found = run(PLAN, &[&bitmap], &equal, &other);
    assert_eq!(found.shows(), Some(Compared::AllEqual));
    assert_eq!((found.unmarked_chunks, found.compared_chunks), (2996, 2996));
    assert_eq!(found.compared_bytes, 2996 * 4096);
    for chunk in [2, 699, 701, 2998] {
        let device = data(&[0, chunk]);
        let found = run(PLAN, &[&bitmap], &device, &other);
        assert_eq!(found.shows(), Some(Compared::Differs));
        assert_eq!(found.differing, [ChunkIndex(chunk)]);
    }
}

#[test]
fn a_sample_finds_what_differs_often_and_says_how_sure_it_is() {
    let plan = Plan {
        extent: Extent::Sample,
        ..PLAN
    };
    let (bitmap, other) = (bitmap(&[]), data(&[]));
    let found = run(plan, &[&bitmap], &other, &other);
    assert_eq!(found.shows(), Some(Compared::SampleEqual));
    assert_eq!((found.chosen_chunks, found.compared_chunks), (1000, 1000));
    assert!(found.confidence_percent > 99.9);
    // One in five differs: none of 1000 is out of the question. A sample is compared to its end.
    let device = data(&(0..CHUNKS).step_by(5).collect::<Vec<u64>>());
    let found = run(plan, &[&bitmap], &device, &other);
    assert_eq!(found.shows(), Some(Compared::Differs));
    assert!((100..300).contains(&found.differing_chunks), "{found:?}");
    assert_eq!(
        (found.compared_chunks, found.differing.len()),
        (1000, LISTED)
    );
}

#[test]
fn what_one_copy_of_the_bitmap_does_not_mark_is_compared() {
    let (first, second) = (bitmap(&[5, 6]), bitmap(&[6]));
    let (device, other) = (data(&[5]), data(&[]));
    let found = run(PLAN, &[&first, &second], &device, &other);
    assert_eq!(found.differing, [ChunkIndex(5)]);
    assert_eq!(
        run(PLAN, &[&first], &device, &other).shows(),
        Some(Compared::AllEqual)
    );
}

#[test]
fn bits_that_may_lapse_prove_nothing_unless_their_chunks_are_equal_too() {
    let unsettled = |device: &MemoryStore| {
        let plan = Plan {
            settled: false,
            ..PLAN
        };
        let found = run(plan, &[&bitmap(&[5, 6])], device, &data(&[]));
        Verification {
            unsettled: Some("it runs".to_owned()),
            ..found
        }
    };
    let found = unsettled(&data(&[6]));
    assert_eq!(found.marked_differing_chunks, Some(1));
    assert_eq!(found.shows(), Some(Compared::SampleEqual));
    assert_eq!(unsettled(&data(&[])).shows(), Some(Compared::AllEqual));
    assert_eq!(unsettled(&data(&[7])).shows(), Some(Compared::Differs));
}

#[test]
fn what_cannot_be_read_shows_nothing() {
    let short = MemoryStore::new("short", vec![7; 2000 * 4096]);
    let found = run(PLAN, &[&bitmap(&[])], &short, &data(&[]));
    assert_eq!(found.shows(), None);
    assert!(found.unreadable_chunks >= 1000 && found.unreadable[0].contains("short"));
    assert_eq!(found.compared_chunks + found.unreadable_chunks, CHUNKS);
    // A difference is one all the same.
    let mut bytes = vec![7; 2000 * 4096];
    bytes[9] = 1;
    let short = MemoryStore::new("short", bytes);
    let found = run(PLAN, &[&bitmap(&[])], &short, &data(&[]));
    assert_eq!(found.shows(), Some(Compared::Differs));
}

/// A store on which something happens at its nth read.
struct Eventful<F> {
    inner: MemoryStore,
    at: u64,
    reads: AtomicU64,
    event: F,
}

impl<F: Fn(&MemoryStore) + Send + Sync> Store for Eventful<F> {
    fn name(&self) -> &str {
        "eventful"
    }
    fn len(&self) -> Bytes {
        self.inner.len()
    }
    fn logical_block_bytes(&self) -> u32 {
        512
    }
    fn physical_block_bytes(&self) -> u32 {
        512
    }
    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        if self.reads.fetch_add(1, Relaxed) + 1 == self.at {
            (self.event)(&self.inner);
        }
        self.inner.read_at(start, buffer)
    }
    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        self.inner.write_at(start, data)
    }
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_chunk_that_is_written_to_meanwhile_is_marked_and_does_not_count() {
    let bitmap = std::sync::Arc::new(bitmap(&[]));
    let marking = bitmap.clone();
    // The array marks chunk 9, then writes to it on the member that is in it.
    let other = Eventful {
        inner: data(&[]),
        at: 1,
        reads: AtomicU64::new(0),
        event: move |inner: &MemoryStore| {
            marking.write_at(Bytes(256 + 1), &[2]).unwrap();
            inner.write_at(Bytes(9 * 4096), &[1]).unwrap();
        },
    };
    let found = run(PLAN, &[&*bitmap], &data(&[]), &other);
    assert_eq!(found.shows(), Some(Compared::AllEqual));
    assert_eq!(
        (found.marked_meanwhile, found.compared_chunks),
        (1, CHUNKS - 1)
    );
}

#[test]
fn a_difference_that_passes_hides_no_other_one() {
    // Chunk 9 differs at the first look and is equal at the second; chunk 10 differs for good.
    let other = Eventful {
        inner: data(&[9, 10]),
        at: 2,
        reads: AtomicU64::new(0),
        event: |inner: &MemoryStore| inner.write_at(Bytes(9 * 4096 + 4095), &[7]).unwrap(),
    };
    let found = run(PLAN, &[&bitmap(&[])], &data(&[]), &other);
    assert_eq!(found.differing, [ChunkIndex(10)]);
}

#[test]
fn the_limit_is_kept() {
    let plan = Plan {
        limit: Some(CHUNKS * 4096 * 5),
        ..PLAN
    };
    let started = Instant::now();
    run(plan, &[&bitmap(&[])], &data(&[]), &data(&[]));
    // Of a fifth of a second the last window is not waited for.
    assert!(started.elapsed() > Duration::from_millis(100));
}
