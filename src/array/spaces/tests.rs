//! Extents against a naive model: one boolean for each sector of each space.

use super::*;
use crate::array::geometry::{Geometry, Place};
use crate::array::member::{MemberSuper, MetadataVersion};
use crate::array::probe::probe;
use crate::bitmap::Bitmap;
use crate::device::{MemoryStore, Store};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor};
use crate::units::Bytes;
use proptest::prelude::*;

const DATA_OFFSET: u64 = 100;

/// A member of an array with these numbers.
fn member(level: Level, layout: u32, raid_disks: u32, chunk: u64, component: u64) -> MemberSuper {
    let mut builder = Builder::mirror(Minor::V2, Sectors(u64::MAX));
    (builder.level, builder.layout, builder.raid_disks) = (level, layout, raid_disks);
    (builder.raid_chunk, builder.component) = (Sectors(chunk), Sectors(component));
    builder.data_size = Sectors(u64::MAX);
    let mut image = vec![0; 8192];
    let bytes = builder.build().to_bytes();
    image[4096..4096 + bytes.len()].copy_from_slice(&bytes);
    let found = probe(&MemoryStore::new("image", image), None).found;
    let mut member = found[0].member.clone();
    member.areas.data = None;
    member.data_offset = Sectors(DATA_OFFSET);
    member
}

/// A bitmap of version 4 or 6 with these chunks marked, cut off after `kept` bytes of cells.
fn bitmap(version: u32, chunk: u64, sync_size: u64, dirty: &[bool], kept: usize) -> MemoryStore {
    let raw = RawBitmapSuper {
        magic: BITMAP_MAGIC,
        version,
        sync_size_sectors: sync_size,
        chunksize: if version == 6 { chunk } else { chunk * 512 } as u32,
        ..RawBitmapSuper::from_bytes(&[0; 256]).unwrap()
    };
    let mut image = raw.to_bytes().to_vec();
    let chunks = (sync_size.div_ceil(chunk) as usize).min(kept.saturating_mul(8));
    let marked = |index: usize| {
        dirty
            .get(index % dirty.len().max(1))
            .copied()
            .unwrap_or(false)
    };
    let cells: Vec<u8> = match version {
        6 => {
            image.resize(1024, 0);
            (0..chunks).map(|i| if marked(i) { 3 } else { 1 }).collect()
        }
        _ => (0..chunks.div_ceil(8))
            .map(|byte| {
                (0..8).fold(0, |bits, bit| {
                    bits | u8::from(marked(byte * 8 + bit)) << bit
                })
            })
            .collect(),
    };
    image.extend(cells.into_iter().take(kept));
    MemoryStore::new("bitmap", image)
}

fn open(store: &dyn Store) -> Bitmap<'_> {
    Bitmap::open(store, Bytes(0), BitOrder::Little).unwrap()
}

#[derive(Debug, Clone)]
struct Copy {
    version: u32,
    chunk: u64,
    /// Sectors that its own superblock says, more or less than the array's.
    off: i64,
    dirty: Vec<bool>,
    kept: usize,
}

impl Copy {
    fn own_size(&self, size: u64) -> u64 {
        size.saturating_add_signed(self.off)
    }

    fn store(&self, size: u64) -> MemoryStore {
        bitmap(
            self.version,
            self.chunk,
            self.own_size(size),
            &self.dirty,
            self.kept,
        )
    }

    /// Whether sector `at` of what it counts may differ.
    fn is_dirty(&self, size: u64, at: u64) -> bool {
        let index = at / self.chunk;
        let there = if self.version == 6 {
            self.kept as u64
        } else {
            self.kept as u64 * 8
        };
        let covered = self.own_size(size).div_ceil(self.chunk);
        index >= there || index >= covered || self.dirty[index as usize % self.dirty.len()]
    }
}

fn copies() -> impl Strategy<Value = Vec<Copy>> {
    let copy = (
        prop_oneof![Just(4u32), Just(6)],
        0u32..7,
        prop_oneof![4 => Just(0i64), 1 => -60i64..60],
        proptest::collection::vec(any::<bool>(), 1..90),
        prop_oneof![5 => Just(10_000usize), 1 => 0usize..40],
    )
        .prop_map(|(version, shift, off, dirty, kept)| Copy {
            version,
            chunk: 1 << shift,
            off,
            dirty,
            kept,
        });
    proptest::collection::vec(copy, 1..4)
}

/// Every level and layout, some of them refused.
fn members() -> impl Strategy<Value = (MemberSuper, Geometry)> {
    let raid10 = (1u32..=3, 1u32..=3, any::<bool>(), 0u32..=2, 0u32..=5).prop_map(
        |(near, far, offset, sets, more)| {
            let layout = near | far << 8 | u32::from(offset) << 16 | sets << 17;
            (Level::Raid10, layout, near * far + more)
        },
    );
    let kinds = prop_oneof![
        1 => (1u32..=3).prop_map(|n| (Level::Raid1, 0, n)),
        1 => (2u32..=5).prop_map(|n| (Level::Raid4, 0, n)),
        2 => (0u32..=5, 2u32..=5).prop_map(|(layout, n)| (Level::Raid5, layout, n)),
        2 => (0u32..=20, 4u32..=6).prop_map(|(layout, n)| (Level::Raid6, layout, n)),
        5 => raid10,
    ];
    (kinds, 3u32..=5, 1u64..=16, 0u64..8).prop_filter_map(
        "a layout that is refused",
        |((level, layout, n), shift, rows, rest)| {
            let member = member(level, layout, n, 1 << shift, (rows << shift) + rest);
            let geometry = Geometry::of(&member).ok()?;
            Some((member, geometry))
        },
    )
}

/// The maximal runs of the sectors for which `dirty` holds.
fn runs(end: u64, dirty: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for at in (0..end).filter(|at| dirty(*at)) {
        match runs.last_mut() {
            Some(last) if last.1 == at => last.1 += 1,
            _ => runs.push((at, at + 1)),
        }
    }
    runs
}

fn told(mapping: &Mapping, dirt: &Dirt<'_>) -> Vec<(u64, u64)> {
    let extents = mapping.extents_of(dirt).unwrap();
    extents
        .map(|extent| extent.map(|e| (e.start.0, e.end.0)).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn extents_of_every_space_are_those_of_the_model((member, geometry) in members(), copies in copies()) {
        let size = geometry.sync_size().0;
        let stores: Vec<MemoryStore> = copies.iter().map(|copy| copy.store(size)).collect();
        let sources = stores.iter().map(|store| Source::Marked(open(store)));
        let dirt = Dirt::new(sources.collect(), geometry.sync_size());
        let dirty = |at: u64| copies.iter().any(|copy| copy.is_dirty(size, at));

        let bitmap = Mapping::bitmap(geometry.sync_size());
        let marked = runs(size, dirty);
        prop_assert_eq!(told(&bitmap, &dirt), marked.clone());
        let sectors: u64 = marked.iter().map(|(start, end)| end - start).sum();
        let alike = (1..copies.len()).all(|i| (0..size).all(|at| copies[i].is_dirty(size, at) == copies[0].is_dirty(size, at)));
        prop_assert_eq!(dirt.tallies().iter().all(|tally| *tally == u128::from(sectors)), alike);

        let array = Mapping::array(&geometry, &dirt).unwrap();
        prop_assert_eq!(array.end(), geometry.array_size());
        let expected = runs(geometry.array_size().0, |at| {
            dirty(geometry.bitmap_of_array(Sectors(at)).unwrap().0)
        });
        prop_assert_eq!(told(&array, &dirt), expected);

        for slot in 0..geometry.raid_disks() {
            let expected = runs(geometry.member_size().0, |at| {
                let place = Place { slot, sector: Sectors(at) };
                geometry.bitmap_of_member(place).is_some_and(|at| dirty(at.0))
            });
            let mapping = Mapping::of_member(Space::Member, &geometry, &member, Some(slot)).unwrap();
            prop_assert_eq!(told(&mapping, &dirt), expected.clone());
            let mapping = Mapping::of_member(Space::Device, &geometry, &member, Some(slot)).unwrap();
            let moved: Vec<_> = expected.iter().map(|(a, b)| (a + DATA_OFFSET, b + DATA_OFFSET)).collect();
            prop_assert_eq!(told(&mapping, &dirt), moved);
            prop_assert_eq!(mapping.end(), Sectors(geometry.member_size().0 + DATA_OFFSET));
        }
    }

    #[test]
    fn odd_chunk_sizes_are_rounded_outwards(chunk in 1u32..3000, size in 1u64..200, dirty in proptest::collection::vec(any::<bool>(), 1..60)) {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        (raw.magic, raw.version, raw.chunksize, raw.sync_size_sectors) = (BITMAP_MAGIC, 4, chunk, size);
        let mut image = raw.to_bytes().to_vec();
        let chunks = (size * 512).div_ceil(u64::from(chunk));
        let marked = |index: u64| dirty[index as usize % dirty.len()];
        image.extend((0..chunks.div_ceil(8)).map(|byte| (0..8).fold(0u8, |bits, bit| bits | u8::from(marked(byte * 8 + bit)) << bit)));
        let store = MemoryStore::new("odd", image);
        let dirt = Dirt::new(vec![Source::Marked(open(&store))], Sectors(size));
        let expected = runs(size, |at| (0..512).any(|byte| marked((at * 512 + byte) / u64::from(chunk))));
        prop_assert_eq!(told(&Mapping::bitmap(Sectors(size)), &dirt), expected);
    }
}

#[test]
fn slots_are_one_source_and_what_cannot_be_read_is_everything() {
    let (a, b) = (
        bitmap(4, 8, 80, &[true, false, false], 9),
        bitmap(4, 8, 80, &[false, false, true], 9),
    );
    let slots = Source::AnyOf(vec![Source::Marked(open(&a)), Source::Marked(open(&b))]);
    let dirt = Dirt::new(vec![slots.clone()], Sectors(80));
    let all = Mapping::bitmap(Sectors(80));
    assert_eq!(told(&all, &dirt), [(0, 8), (16, 32), (40, 56), (64, 80)]);
    assert!(dirt.tallies().is_empty());
    let dirt = Dirt::new(vec![slots, Source::All], Sectors(80));
    assert_eq!(told(&all, &dirt), [(0, 80)]);
    assert_eq!(dirt.tallies(), [56, 80, 80]);
    assert!(!dirt.agree().unwrap());
}

#[test]
fn a_read_error_ends_every_stream_and_nothing_follows() {
    // Two windows of bits; the second cannot be read.
    let chunks = 2 * 8 * (16 << 10);
    let raid10 = member(Level::Raid10, 0x201, 2, 8, chunks * 8);
    let raid5 = member(Level::Raid5, 2, 3, 64, chunks * 8);
    for member in [raid10, raid5] {
        let geometry = Geometry::of(&member).unwrap();
        let store = bitmap(
            4,
            8,
            geometry.sync_size().0,
            &[true, true, false],
            usize::MAX,
        )
        .with_unreadable((16 << 10) + 5000..u64::MAX);
        let dirt = Dirt::new(vec![Source::Marked(open(&store))], geometry.sync_size());
        let mappings = [
            Mapping::bitmap(geometry.sync_size()),
            Mapping::array(&geometry, &dirt).unwrap(),
            Mapping::of_member(Space::Member, &geometry, &member, Some(1)).unwrap(),
        ];
        for mapping in mappings {
            let mut extents = mapping.extents_of(&dirt).unwrap();
            let met: Vec<bool> = extents.by_ref().map(|extent| extent.is_ok()).collect();
            assert!(met.len() > 1000, "{mapping:?}");
            assert_eq!(met.last(), Some(&false));
            assert!(met[..met.len() - 1].iter().all(|ok| *ok));
            assert!(extents.next().is_none());
        }
    }
}

#[test]
fn refusals() {
    let raid10 = member(Level::Raid10, 0x102, 4, 8, 800);
    let geometry = Geometry::of(&raid10).unwrap();
    let of =
        |member: &MemberSuper, slot| Mapping::of_member(Space::Device, &geometry, member, slot);
    assert_eq!(of(&raid10, None), Err(NoSpace::NoSlot));
    let mut far = raid10.clone();
    far.data_offset = Sectors(u64::MAX - 5);
    assert!(matches!(of(&far, Some(0)), Err(NoSpace::TooFar { .. })));
    let mut dm = raid10;
    dm.metadata = MetadataVersion::DmRaid;
    assert_eq!(of(&dm, Some(0)), Err(NoSpace::DataElsewhere));
    assert!(Mapping::of_member(Space::Member, &geometry, &dm, Some(0)).is_ok());

    let large = member(Level::Raid5, 2, 3, 1 << 31, 1 << 40);
    let geometry = Geometry::of(&large).unwrap();
    let store = bitmap(4, 1, 1 << 40, &[true], 10);
    let dirt = Dirt::new(vec![Source::Marked(open(&store))], geometry.sync_size());
    assert!(matches!(
        Mapping::array(&geometry, &dirt),
        Err(NoSpace::StripeTooLarge { finest: 1, .. })
    ));
}

/// What the sectors of a space are in the bitmap, one by one: with the number of the data member whose share it is.
fn sectors_by_model(space: Space, geometry: &Geometry, slot: u32, at: u64) -> Option<(u64, u32)> {
    match space {
        Space::Bitmap => (at < geometry.sync_size().0).then_some((at, 0)),
        Space::Array => {
            let bitmap = geometry.bitmap_of_array(Sectors(at))?;
            let column = match geometry.data_disks() {
                Some(data) if data > 1 => at / geometry.raid_chunk().0 % u64::from(data),
                _ => 0,
            };
            Some((bitmap.0, column as u32))
        }
        Space::Member | Space::Device => {
            let offset = if space == Space::Device {
                DATA_OFFSET
            } else {
                0
            };
            let sector = Sectors(at.checked_sub(offset)?);
            let place = Place { slot, sector };
            Some((geometry.bitmap_of_member(place)?.0, 0))
        }
    }
}

fn inverse_of(space: Space, geometry: &Geometry, member: &MemberSuper, slot: u32) -> Inverse {
    match space {
        Space::Bitmap => Inverse::bitmap(geometry.sync_size()),
        Space::Array => Inverse::array(geometry),
        space => Inverse::of_member(space, geometry, member, Some(slot)).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    /// Any ranges, in any order: a chunk is touched when a sector of it is named, and whole when every sector of it is, of
    /// every data member.
    #[test]
    fn ranges_name_exactly_the_chunks_of_the_model(
        (member, geometry) in members(),
        space in prop_oneof![Just(Space::Bitmap), Just(Space::Array), Just(Space::Member), Just(Space::Device)],
        slot in 0u32..8,
        shift in 0u32..7,
        ranges in proptest::collection::vec((0u64..5000, 1u64..3000, 0u64..512, 0u64..512), 0..12),
    ) {
        let slot = slot % geometry.raid_disks();
        let inverse = inverse_of(space, &geometry, &member, slot);
        let coverage = crate::format::coverage::Coverage::new(geometry.sync_size(), 512 << shift).unwrap();
        let mut wanted = Wanted::new(coverage).unwrap();
        let columns = inverse.columns();
        let size = geometry.sync_size().0 as usize;
        let mut touched = vec![false; size];
        let mut whole = vec![vec![false; size]; columns as usize];
        let end = inverse.addresses().end.0;
        for (start, len, head, tail) in ranges {
            let start = start % (end + 20);
            let bytes = u128::from(start * 512 + head)..u128::from((start + len) * 512 + tail);
            wanted.add_bytes(&inverse, &bytes).unwrap();
            for at in start..(start + len + 1).min(end) {
                let Some((bitmap, column)) = sectors_by_model(space, &geometry, slot, at) else { continue };
                let of_sector = u128::from(at * 512)..u128::from(at * 512 + 512);
                touched[bitmap as usize] |= bytes.start < of_sector.end && of_sector.start < bytes.end;
                whole[column as usize][bitmap as usize] |= bytes.start <= of_sector.start && of_sector.end <= bytes.end;
            }
        }
        let named = wanted.named();
        for chunk in 0..coverage.chunks() {
            let sectors = (chunk as usize) << shift..((chunk as usize + 1) << shift).min(size);
            let index = crate::units::ChunkIndex(chunk);
            prop_assert_eq!(named.touched.contains(index), touched[sectors.clone()].iter().any(|t| *t), "{}", chunk);
            let all = whole.iter().all(|column| column[sectors.clone()].iter().all(|w| *w));
            prop_assert_eq!(named.whole.contains(index), all, "{}", chunk);
        }
    }

    /// Extents that were listed name the chunks that they came from, all of them whole.
    #[test]
    fn what_is_listed_is_named_again(
        (member, geometry) in members(),
        space in prop_oneof![Just(Space::Bitmap), Just(Space::Array), Just(Space::Member), Just(Space::Device)],
        shift in 0u32..7,
        dirty in proptest::collection::vec(any::<bool>(), 1..90),
    ) {
        let size = geometry.sync_size().0;
        let store = bitmap(4, 1 << shift, size, &dirty, usize::MAX);
        let dirt = Dirt::new(vec![Source::Marked(open(&store))], geometry.sync_size());
        let coverage = open(&store).coverage().unwrap();
        let mut wanted = Wanted::new(coverage).unwrap();
        // Every member's list, since one of a raid10 knows of its own chunks alone.
        let slots = if space.is_of_member() { geometry.raid_disks() } else { 1 };
        for slot in 0..slots {
            let inverse = inverse_of(space, &geometry, &member, slot);
            let mapping = match space {
                Space::Bitmap => Mapping::bitmap(geometry.sync_size()),
                Space::Array => Mapping::array(&geometry, &dirt).unwrap(),
                space => Mapping::of_member(space, &geometry, &member, Some(slot)).unwrap(),
            };
            for (start, end) in told(&mapping, &dirt) {
                wanted.add(&inverse, &(Sectors(start)..Sectors(end))).unwrap();
            }
        }
        let named = wanted.named();
        prop_assert_eq!(&named.touched, &named.whole);
        let listed: Vec<_> = named.whole.runs().collect();
        let marked: Vec<_> = open(&store).runs().unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(listed, marked);
    }
}

#[test]
fn crumbs_without_end_are_an_error() {
    let coverage = crate::format::coverage::Coverage::new(Sectors(1 << 30), 1 << 20).unwrap();
    let inverse = Inverse::bitmap(Sectors(1 << 30));
    let mut wanted = Wanted::new(coverage).unwrap();
    let mut add = |n: u64| wanted.add(&inverse, &(Sectors(n * 2)..Sectors(n * 2 + 1)));
    let failed = (0..10_000).find_map(|n| add(n).err());
    assert_eq!(failed, Some(WantedError::TooManyPieces));
    // In order, any number of pieces that end up whole are fine.
    let mut wanted = Wanted::new(coverage).unwrap();
    for n in 0..20_000 {
        wanted.add(&inverse, &(Sectors(n)..Sectors(n + 1))).unwrap();
    }
    assert_eq!(wanted.named().whole.count(), 9);
}
