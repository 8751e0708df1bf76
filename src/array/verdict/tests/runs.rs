//! Which chunks, not only how many bytes: [`Scope::runs`] against models that look at every chunk.

use super::*;
use crate::bitmap::Bitmap;
use crate::units::ChunkIndex;

impl Scene {
    /// Every chunk that the kernel would resynchronise, after checking that the runs are maximal
    /// and in order, and that their bytes are what the verdict says.
    fn resynced(&self, blocks: u32, keep: usize) -> Vec<u64> {
        let mut image = self.store().into_contents();
        image.truncate(keep);
        let store = MemoryStore::new("member", image).with_blocks(blocks, blocks);
        let own = probe(&store, None).found.remove(0);
        let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
        let assembly = Assembly::new(&own, []);
        let assessed = assess(&assembly, bitmap.raw(), None);
        assert!(assessed.starts, "{assessed:?}");
        let scope = assessed.scope;
        let runs: Vec<_> = scope.runs(&bitmap).unwrap().unwrap().collect();
        let runs: Vec<_> = runs.into_iter().map(Result::unwrap).collect();
        assert!(runs.iter().all(|run| run.start < run.end));
        assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
        let coverage = scope.coverage().or(self.bitmap.coverage()).unwrap();
        let bytes = |run: &std::ops::Range<ChunkIndex>| {
            let bytes = coverage.bytes_of(run);
            bytes.end - bytes.start
        };
        let sum: u128 = runs.iter().map(bytes).sum();
        assert_eq!(scope.measure(&bitmap, None).unwrap(), Some(sum));
        if let Ok(counts) = bitmap.count() {
            assert_eq!(scope.measure(&bitmap, Some(&counts)).unwrap(), Some(sum));
        }
        runs.into_iter()
            .flat_map(|run| run.start.0..run.end.0)
            .collect()
    }
}

/// Chunks of a version 6 bitmap by the reference, without any window: the whole area, unit by unit.
fn states_naively(model: LoadModel, content: &[u8], header: &[u8], unit: usize) -> Vec<u64> {
    let mut area = header.to_vec();
    area.extend(content);
    area.resize(area.len().next_multiple_of(unit), 0);
    let end = 1024 + content.len();
    for (number, bytes) in area.chunks_mut(unit).enumerate() {
        let at = |byte: usize| byte.saturating_sub(number * unit).min(unit);
        model.load_unit(bytes, at(1024)..at(end));
    }
    let need_sync = |chunk: &u64| area[1024 + *chunk as usize] == 3;
    (0..content.len() as u64).filter(need_sync).collect()
}

#[test]
fn runs_end_at_the_checkpoint_and_at_the_last_chunk() {
    let mut scene = dirty(unclean());
    assert_eq!(scene.resynced(512, 1 << 20), [0, 50, 99]);
    scene.content = vec![0xff; 13];
    scene.md.resync_offset = Some(Sectors(51 * 128 + 1));
    assert_eq!(scene.resynced(512, 1 << 20), Vec::from_iter(51..100));
    scene.bitmap.events = 3;
    assert_eq!(scene.resynced(512, 1 << 20), Vec::from_iter(51..100));
    scene.md.resync_offset = None;
    assert_eq!(scene.resynced(512, 1 << 20), Vec::<u64>::new());
}

#[test]
fn a_scope_that_is_not_known_has_no_runs() {
    let mut scene = dirty(unclean());
    scene.bitmap.magic = 1;
    let store = scene.store();
    let own = scene.found();
    let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
    let scope = assess(&Assembly::new(&own, []), bitmap.raw(), None).scope;
    assert_eq!(scope, Scope::Unknown);
    assert!(scope.runs(&bitmap).unwrap().is_none() && scope.coverage().is_none());
}

#[test]
fn version_6_out_of_use_is_one_run_of_everything() {
    for flags in [
        state::WRITE_ERROR,
        state::WRITE_ERROR | state::FIRST_USE | state::CLEAN,
    ] {
        let mut scene = lockless(&[1; 100]);
        scene.bitmap.state = flags;
        scene.md.resync_offset = Some(Sectors(0));
        assert_eq!(scene.resynced(512, 1 << 20), Vec::from_iter(0..100));
    }
}

#[test]
fn a_read_error_ends_the_runs() {
    let mut scene = lockless(&[]);
    scene.content = [vec![3; 10], vec![1; 7_000]].concat();
    (scene.md.component, scene.bitmap.sync_size_sectors) = (Sectors(7_010 * 128), 7_010 * 128);
    let own = scene.found();
    let store = scene.store().with_unreadable(8192 + 5000..u64::MAX);
    let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
    let scope = assess(&Assembly::new(&own, []), bitmap.raw(), None).scope;
    let mut runs = scope.runs(&bitmap).unwrap().unwrap();
    assert_eq!(runs.next().unwrap().unwrap(), ChunkIndex(0)..ChunkIndex(10));
    assert!(runs.next().unwrap().is_err());
    assert!(runs.next().is_none() && runs.next().is_none());
    assert!(scope.measure(&bitmap, None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn set_bits_from_the_checkpoint_on(content in proptest::collection::vec(any::<u8>(), 13), offset in 0u64..COVERED + 200, keep in 0usize..14) {
        let mut scene = unclean();
        (scene.content, scene.md.resync_offset) = (content, Some(Sectors(offset)));
        // Bits past the end of the image are taken to be set.
        let keep = if keep < 13 { keep / 8 * 8 } else { 13 };
        let is_set = |chunk: &u64| {
            let byte = *chunk as usize / 8;
            byte >= keep || scene.content[byte] >> (chunk % 8) & 1 == 1
        };
        let wanted: Vec<u64> = (0..100).filter(is_set).filter(|chunk| (chunk + 1) * 128 >= offset).collect();
        prop_assert_eq!(scene.resynced(512, 8192 + 256 + keep), wanted);
    }

    #[test]
    fn states_of_any_unit_and_length(
        pieces in proptest::collection::vec((0u8..10, 0usize..2600), 1..4), blocks in 0u32..4, stale: bool, parity: bool, cut in 0usize..3,
    ) {
        let mut scene = lockless(&[]);
        scene.content = pieces.iter().flat_map(|(state, len)| vec![*state; *len]).chain([1]).collect();
        let chunks = scene.content.len();
        (scene.md.component, scene.bitmap.sync_size_sectors) = (Sectors(chunks as u64 * 128 - 64), chunks as u64 * 128 - 64);
        if stale { scene.bitmap.events = 1 }
        if parity {
            (scene.md.level, scene.md.layout, scene.md.raid_chunk, scene.md.raid_disks) = (Level::Raid5, 2, Sectors(64), 3);
            scene.md.roles = vec![0, 1, 2];
        }
        let unit = 512usize << blocks;
        let model = LoadModel { action: if stale { LoadAction::Stale } else { LoadAction::Reload }, degraded: false, parity };
        let mut header = scene.bitmap.to_bytes().to_vec();
        header.resize(1024, 0);
        // The image ends behind whole units only: a cut through one is not what a device does.
        let keep = (1024 + chunks).next_multiple_of(unit).saturating_sub(cut * unit).max(4096);
        let there = keep.saturating_sub(1024).min(chunks);
        let mut wanted = states_naively(model, &scene.content[..there], &header, unit);
        wanted.extend(there as u64..chunks as u64);
        prop_assert_eq!(scene.resynced(unit as u32, 8192 + keep), wanted);
    }
}
