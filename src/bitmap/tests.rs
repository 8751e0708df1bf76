use super::*;
use crate::device::{MemoryStore, Store, StoreError};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper, state};
use crate::units::{Bytes, ChunkIndex, Sectors};
use proptest::prelude::*;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;

fn raw(version: u32, sync_size: u64, chunksize: u32) -> RawBitmapSuper {
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    raw.magic = BITMAP_MAGIC;
    raw.version = version;
    raw.sync_size_sectors = sync_size;
    raw.chunksize = chunksize;
    raw
}

/// A bitmap of `chunks` chunks at byte `start` of a store, with these bytes from the first chunk's
/// on; what is before, and the gap of version 6, holds 0xa5.
fn image(version: u32, start: usize, chunks: u64, cells: &[u8]) -> Vec<u8> {
    // 8 sectors a chunk, the last one partial.
    let sync_size = (chunks * 8).saturating_sub(3);
    let (header, chunksize) = if version == 6 { (1024, 8) } else { (256, 4096) };
    let mut image = vec![0xa5; start + header];
    image[start..start + 256].copy_from_slice(&raw(version, sync_size, chunksize).to_bytes());
    image.extend_from_slice(cells);
    image
}

#[derive(Debug, Clone)]
struct Case {
    version: u32,
    order: BitOrder,
    start: usize,
    window: u64,
    chunks: u64,
    cells: Vec<u8>,
    block: u32,
}

impl Case {
    fn image(&self) -> Vec<u8> {
        image(self.version, self.start, self.chunks, &self.cells)
    }

    fn store(&self) -> MemoryStore {
        MemoryStore::new("m", self.image()).with_blocks(self.block, self.block)
    }

    fn open<'a>(&self, store: &'a dyn Store) -> Bitmap<'a> {
        let mut bitmap = Bitmap::open(store, Bytes(self.start as u64), self.order).unwrap();
        bitmap.window = self.window;
        bitmap
    }

    /// Whether a chunk is dirty; `None` when its bit is missing.
    fn naive(&self, cells: &[u8], chunk: u64) -> Option<bool> {
        let (group, unit) = match self.order {
            BitOrder::Little => (8, 1),
            BitOrder::Be32 => (32, 4),
            BitOrder::Be64 => (64, 8),
        };
        if self.version == 6 {
            return Some(matches!(cells.get(chunk as usize)?, 2..=4 | 8..));
        }
        let (word, bit) = ((chunk / group * unit) as usize, chunk % group);
        cells.get(word..word + unit as usize)?;
        let byte = word + unit as usize - 1 - (bit / 8) as usize;
        Some(cells[byte] >> (bit % 8) & 1 == 1)
    }

    fn dirty(&self, chunk: u64) -> bool {
        self.naive(&self.cells, chunk).unwrap_or(true)
    }
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (
            0usize..700,
            prop_oneof![Just(0u8), Just(0xff), Just(1), Just(3)]
        )
            .prop_map(|(n, b)| vec![b; n]),
        proptest::collection::vec(
            prop_oneof![Just(0u8), Just(0xff), 0u8..9, any::<u8>()],
            0..60
        ),
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn cases() -> impl Strategy<Value = Case> {
    let order = prop_oneof![
        Just(BitOrder::Little),
        Just(BitOrder::Be32),
        Just(BitOrder::Be64)
    ];
    let kind = prop_oneof![
        order.prop_map(|order| (3, order)),
        Just((4, BitOrder::Little)),
        Just((6, BitOrder::Little)),
    ];
    let start = prop_oneof![Just(0usize), Just(512), Just(4096), 0usize..5000];
    let window = prop_oneof![Just(8u64), Just(64), Just(512), Just(4096)];
    let block = prop_oneof![Just(512u32), Just(4096)];
    (kind, start, window, block, contents(), 0u64..9000).prop_map(
        |((version, order), start, window, block, cells, chunks)| Case {
            version,
            order,
            start,
            window,
            chunks,
            cells,
            block,
        },
    )
}

fn flatten(runs: &[Range<ChunkIndex>]) -> Vec<u64> {
    runs.iter().flat_map(|run| run.start.0..run.end.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn counts_and_runs_equal_the_naive_model(case in cases()) {
        let store = case.store();
        let bitmap = case.open(&store);
        let model: Vec<u64> = (0..case.chunks).filter(|&c| case.dirty(c)).collect();
        let counts = bitmap.count().unwrap();
        prop_assert_eq!(counts.chunks, case.chunks);
        prop_assert_eq!(counts.dirty, model.len() as u64);
        let missing = (0..case.chunks).filter(|&c| case.naive(&case.cells, c).is_none()).count();
        prop_assert_eq!(counts.missing_chunks, missing as u64);
        prop_assert_eq!(counts.last_dirty, case.chunks > 0 && case.dirty(case.chunks - 1));
        let clipped = if counts.last_dirty { 3 * 512 } else { 0 };
        prop_assert_eq!(counts.dirty_bytes(), u128::from(counts.dirty * 4096 - clipped));
        if let Some(states) = counts.states {
            prop_assert_eq!(states.total(), case.chunks);
            prop_assert_eq!(states.dirty_chunks(), counts.dirty);
        }
        prop_assert_eq!(counts.states.is_some(), case.version == 6);
        let runs: Vec<_> = bitmap.runs().unwrap().collect::<Result<_, _>>().unwrap();
        prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", runs);
        prop_assert_eq!(flatten(&runs), model);
    }

    #[test]
    fn cells_equal_the_naive_model(case in cases(), most in prop_oneof![1usize..9, 1usize..10_000]) {
        let store = case.store();
        let bitmap = case.open(&store);
        let counted = bitmap.count_cells(NonZeroUsize::new(most).unwrap()).unwrap();
        prop_assert_eq!(counted.total, bitmap.count().unwrap());
        prop_assert!(counted.cells.len() <= most);
        prop_assert!(counted.chunks_per_cell.is_power_of_two());
        // No coarser than it has to be.
        let finer = counted.chunks_per_cell.get() / 2;
        prop_assert!(finer == 0 || case.chunks.div_ceil(finer) > most as u64);
        let mut chunk = 0;
        for (number, cell) in counted.cells.iter().enumerate() {
            let range = chunk..chunk + cell.chunks;
            let last = number + 1 == counted.cells.len();
            prop_assert!(cell.chunks == counted.chunks_per_cell.get() || last && cell.chunks > 0);
            let dirty = range.clone().filter(|&c| case.dirty(c)).count();
            let missing = range.clone().filter(|&c| case.naive(&case.cells, c).is_none()).count();
            prop_assert_eq!((cell.dirty, cell.missing), (dirty as u64, missing as u64), "cell {}", number);
            let by_state = if case.version == 6 { cell.chunks } else { 0 };
            prop_assert_eq!(cell.states.total(), by_state);
            let end = if last { case.chunks * 4096 - 3 * 512 } else { range.end * 4096 };
            prop_assert_eq!(counted.bytes_of(number), u128::from(range.start * 4096)..u128::from(end));
            chunk = range.end;
        }
        prop_assert_eq!(chunk, case.chunks);
    }

    #[test]
    fn marking_changes_the_range_and_nothing_else(case in cases(), a in 0u64..9000, b in 0u64..9000, dirty: bool) {
        let store = case.store();
        let bitmap = case.open(&store);
        let range = a.min(b)..a.max(b);
        let chunks = ChunkIndex(range.start)..ChunkIndex(range.end);
        let mark = if dirty { Mark::Dirty } else { Mark::Clean };
        let present = (0..case.chunks).filter(|&c| case.naive(&case.cells, c).is_some()).count() as u64;
        let before = store.contents();
        let result = bitmap.mark(chunks, mark);
        let after = store.contents();
        if range.end > present {
            prop_assert!(result.is_err());
            prop_assert_eq!(before, after);
            return Ok(());
        }
        let edited = result.unwrap();
        let data = before.len() - case.cells.len();
        prop_assert_eq!(&before[..data], &after[..data]);
        let cells = &after[data..];
        let mut changed = 0;
        for chunk in 0..present {
            let (old, new) = (case.dirty(chunk), case.naive(cells, chunk).unwrap());
            prop_assert_eq!(new, if range.contains(&chunk) { dirty } else { old }, "chunk {}", chunk);
            changed += u64::from(old != new);
        }
        prop_assert_eq!(edited.changed_chunks, changed);
        // No padding bit moved: marking everything the other way and back gives the same bytes.
        let full = case.chunks.next_multiple_of(64);
        for chunk in case.chunks..full {
            prop_assert_eq!(case.naive(cells, chunk), case.naive(&case.cells, chunk), "padding {}", chunk);
        }
    }
}

#[test]
fn hostile_geometry_is_answered_at_once() {
    for version in [3, 4, 5, 6] {
        for chunksize in [1, 3, 512, u32::MAX] {
            for sync_size in [0, 1, u64::MAX, 1 << 63] {
                let mut bytes = raw(version, sync_size, chunksize).to_bytes().to_vec();
                bytes.resize(2000, 0);
                let store = MemoryStore::new("m", bytes);
                let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Be64).unwrap();
                let counts = bitmap.count().unwrap();
                assert!(counts.missing_chunks <= counts.dirty && counts.dirty <= counts.chunks);
                assert!(counts.dirty_bytes() <= u128::from(sync_size) * 512);
                assert!(bitmap.runs().unwrap().count() <= 1);
                let cells = bitmap.count_cells(NonZeroUsize::new(7).unwrap()).unwrap();
                assert_eq!(cells.total, counts);
                let sum: u128 = cells.cells.iter().map(|cell| u128::from(cell.chunks)).sum();
                assert_eq!(sum, u128::from(counts.chunks));
                let last = cells.cells.len().saturating_sub(1);
                assert!(cells.bytes_of(last).end <= u128::from(sync_size) * 512);
            }
        }
        let mut bytes = raw(version, 100, 0).to_bytes().to_vec();
        bytes.resize(2000, 0);
        let store = MemoryStore::new("m", bytes);
        let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
        assert!(matches!(bitmap.count(), Err(BitmapError::ZeroChunk { .. })));
    }
}

#[test]
fn nothing_is_counted_without_geometry() {
    let store = MemoryStore::new("m", raw(7, 100, 4096).to_bytes().to_vec());
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    let message = bitmap.count().unwrap_err().to_string();
    assert!(message.contains("version: found 7"), "{message}");
    let mut first = raw(6, 100, 4096);
    first.state = state::FIRST_USE;
    let store = MemoryStore::new("m", first.to_bytes().to_vec());
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    assert!(matches!(bitmap.runs(), Err(BitmapError::FirstUse { .. })));
    assert!(matches!(
        Bitmap::open(&store, Bytes(1), BitOrder::Little),
        Err(BitmapError::NoRoom { .. })
    ));
    assert!(matches!(
        Bitmap::open(&store, Bytes(u64::MAX), BitOrder::Little),
        Err(BitmapError::NoRoom { .. })
    ));
}

#[test]
fn another_sync_size_replaces_the_field() {
    let store = MemoryStore::new("m", image(4, 0, 64, &[0xff; 64]));
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    let counts = bitmap.with_sync_size(Sectors(8 * 100)).count().unwrap();
    assert_eq!(
        (counts.chunks, counts.dirty, counts.missing_chunks),
        (100, 100, 0)
    );
}

#[test]
fn slots_lie_at_multiples_of_their_size_and_end_with_the_store() {
    let mut super0 = raw(5, 8 * 40_000, 4096);
    super0.nodes = u32::MAX;
    let mut bytes = vec![0; 4096 * 8];
    // 40,000 bits are 5,000 bytes, and 256: two pages a slot.
    for slot in 0..4u32 {
        super0.events = u64::from(slot);
        let at = slot as usize * 8192;
        bytes[at..at + 256].copy_from_slice(&super0.to_bytes());
        bytes[at + 256 + slot as usize] = 1;
    }
    let store = MemoryStore::new("m", bytes);
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    let slots: Vec<_> = bitmap.slots().collect();
    assert_eq!(slots.len(), MAX_SLOTS as usize);
    for (slot, found) in slots {
        if slot < 4 {
            let found = found.unwrap();
            assert_eq!(found.raw().events, u64::from(slot));
            let runs: Vec<_> = found.runs().unwrap().map(Result::unwrap).collect();
            let chunk = u64::from(slot) * 8;
            assert_eq!(runs, [ChunkIndex(chunk)..ChunkIndex(chunk + 1)]);
        } else {
            assert!(matches!(found, Err(BitmapError::NoSlot { .. })));
        }
    }
}

/// A store that misbehaves.
struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    done: Mutex<usize>,
}

enum Fault {
    /// Bytes that cannot be read.
    Unreadable(Range<u64>),
    /// Writes are acknowledged and forgotten.
    ForgetsWrites,
    /// Something else writes the superblock when the data is written.
    SuperChanges,
}

impl Faulty {
    fn new(bytes: Vec<u8>, fault: Fault) -> Self {
        let inner = MemoryStore::new("faulty", bytes);
        Self {
            inner,
            fault,
            done: Mutex::new(0),
        }
    }
}

impl Store for Faulty {
    fn name(&self) -> &str {
        "faulty"
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
        let end = start.0 + buffer.len() as u64;
        match &self.fault {
            Fault::Unreadable(bad) if bad.start < end && start.0 < bad.end => {
                Err(StoreError::Read {
                    device: "faulty".into(),
                    start: start.0,
                    end,
                    source: std::io::Error::from_raw_os_error(5),
                })
            }
            _ => self.inner.read_at(start, buffer),
        }
    }
    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        *self.done.lock().unwrap() += 1;
        match &self.fault {
            Fault::ForgetsWrites => return Ok(()),
            Fault::SuperChanges => self.inner.write_at(Bytes(24), &[7])?,
            Fault::Unreadable(_) => {}
        }
        self.inner.write_at(start, data)
    }
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn a_read_error_is_an_error_and_never_a_count() {
    let bytes = image(4, 0, 8 * 20_000, &[0; 20_000]);
    let store = Faulty::new(bytes, Fault::Unreadable(10_000..10_001));
    let mut bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    bitmap.window = 4096;
    let message = bitmap.count().unwrap_err().to_string();
    assert!(
        message.contains("faulty: cannot read bytes 8192..12288"),
        "{message}"
    );
    let runs: Vec<_> = bitmap.runs().unwrap().collect();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].is_err());
    // Also when several readers are at work.
    bitmap.window = 512;
    let message = bitmap.count().unwrap_err().to_string();
    assert!(
        message.contains("cannot read bytes 9728..10240"),
        "{message}"
    );
}

#[test]
fn lost_writes_and_strangers_are_noticed() {
    let all = ChunkIndex(0)..ChunkIndex(8);
    let store = Faulty::new(image(4, 0, 8, &[0; 8]), Fault::ForgetsWrites);
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    assert!(matches!(
        bitmap.set(all.clone()),
        Err(BitmapError::NotWritten { .. })
    ));
    let store = Faulty::new(image(4, 0, 8, &[0; 8]), Fault::SuperChanges);
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    assert!(matches!(
        bitmap.set(all.clone()),
        Err(BitmapError::Changed { .. })
    ));
    // The stranger's superblock stays, and the next attempt writes nothing at all.
    let writes = *store.done.lock().unwrap();
    assert!(matches!(
        bitmap.clear(all),
        Err(BitmapError::Changed { .. })
    ));
    assert_eq!(*store.done.lock().unwrap(), writes);
}

#[test]
fn windows_of_the_real_size_are_joined() {
    // Three windows and a bit: all dirty but for one chunk at each border.
    let mut cells = vec![0xff; 3 * WINDOW as usize + 100];
    let border = WINDOW as usize - 256;
    cells[border] = 0xfe;
    cells[2 * WINDOW as usize - 257] = 0x7f;
    let chunks = cells.len() as u64 * 8;
    let store = MemoryStore::new("m", image(4, 0, chunks, &cells));
    let bitmap = Bitmap::open(&store, Bytes(0), BitOrder::Little).unwrap();
    assert_eq!(bitmap.count().unwrap().dirty, chunks - 2);
    let runs: Vec<_> = bitmap.runs().unwrap().map(Result::unwrap).collect();
    let (first, second) = (border as u64 * 8, (2 * WINDOW - 256) * 8 - 1);
    let at = |range: Range<u64>| ChunkIndex(range.start)..ChunkIndex(range.end);
    assert_eq!(
        runs,
        [at(0..first), at(first + 1..second), at(second + 1..chunks)]
    );
}
