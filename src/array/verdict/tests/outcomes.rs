//! What becomes of each chunk: reference/kernel.md 3.7 and 6.2.

use super::*;
use crate::bitmap::Bitmap;
use crate::format::coverage::Coverage;
use crate::format::lockless::ChunkState;
use crate::units::ChunkIndex;

impl Scene {
    /// The fate of every chunk, after checking that the counts agree with it.
    fn fates(&self, others: &[FoundSuper]) -> Vec<ChunkFate> {
        let store = self.store();
        let own = self.found();
        let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
        let assembly = Assembly::new(&own, others);
        let load = assess(&assembly, bitmap.raw(), None).load.unwrap();
        let chunks = load.coverage().chunks();
        let fate = |chunk| load.fate(&bitmap, ChunkIndex(chunk)).unwrap();
        let fates: Vec<ChunkFate> = (0..chunks).map(|chunk| fate(chunk).unwrap()).collect();
        assert_eq!(fate(chunks), None);
        let mut sums = Outcomes::default();
        for fate in &fates {
            sums.add(fate.outcome, 1);
        }
        assert_eq!(load.tally(&bitmap, None).unwrap(), sums);
        let counts = bitmap.count().unwrap();
        assert_eq!(load.tally(&bitmap, Some(&counts)).unwrap(), sums);
        let verdict = verdict(&assembly, &bitmap, None).unwrap();
        assert_eq!(verdict.outcomes, Some(sums));
        // The runs are those chunks.
        let runs = load.scope().runs(&bitmap).unwrap().unwrap();
        let resynced: Vec<u64> = runs
            .flat_map(|run| run.map(|run| run.start.0..run.end.0).unwrap())
            .collect();
        let expected = (0..).zip(&fates);
        let expected = expected.filter(|(_, fate)| fate.outcome == Outcome::Resynced);
        assert_eq!(resynced, Vec::from_iter(expected.map(|(chunk, _)| chunk)));
        fates
    }

    fn outcomes_of<const N: usize>(&self, chunks: [usize; N]) -> [Outcome; N] {
        let fates = self.fates(&[]);
        chunks.map(|chunk| fates[chunk].outcome)
    }
}

#[test]
fn every_case_of_a_bit_has_a_name() {
    use Outcome::*;
    let coverage = Coverage::new(Sectors(COVERED), CHUNK).unwrap();
    let load = |first, resyncs, stale| BitLoad {
        first_needed: ChunkIndex(first),
        resyncs,
        stale,
        all: false,
        coverage,
    };
    let of = |load: BitLoad| {
        [(2, false), (2, true), (3, false), (3, true)]
            .map(|(chunk, set)| load.outcome(ChunkIndex(chunk), set))
    };
    assert_eq!(of(load(0, true, false)), [Clean, Resynced, Clean, Resynced]);
    assert_eq!(
        of(load(3, true, false)),
        [Clean, Checkpointed, Clean, Resynced]
    );
    assert_eq!(
        of(load(3, true, true)),
        [Checkpointed, Checkpointed, Resynced, Resynced]
    );
    assert_eq!(of(load(0, false, false)), [Clean, Kept, Clean, Kept]);
    assert_eq!(of(load(100, false, false)), [Clean, Lapses, Clean, Lapses]);
    assert_eq!(of(load(100, false, true)), [Lapses; 4]);
    let all = BitLoad {
        all: true,
        ..load(3, true, false)
    };
    assert_eq!(of(all), [Resynced; 4]);
}

#[test]
fn bits_lapse_wait_or_are_resynchronised() {
    use Outcome::*;
    assert_eq!(
        dirty(unclean()).outcomes_of([0, 1, 50, 99]),
        [Resynced, Clean, Resynced, Resynced]
    );
    assert_eq!(
        dirty(scene()).outcomes_of([0, 1, 50]),
        [Lapses, Clean, Lapses]
    );
    let mut checkpoint = dirty(unclean());
    checkpoint.md.resync_offset = Some(Sectors(50 * 128));
    assert_eq!(
        checkpoint.outcomes_of([0, 1, 50]),
        [Checkpointed, Clean, Resynced]
    );
    // Degraded and clean: bits wait for the missing member, unless they were cleared at the present events.
    let mut degraded = dirty(scene());
    (degraded.md.raid_disks, degraded.md.roles) = (3, vec![0, 1, 0xfffe]);
    assert_eq!(degraded.outcomes_of([0, 1, 50]), [Kept, Clean, Kept]);
    degraded.bitmap.events_cleared = 12;
    assert_eq!(degraded.outcomes_of([0, 1, 50]), [Lapses, Clean, Lapses]);
    // Stale bits of a degraded array get the array's events: all lapse.
    degraded.bitmap.events = 3;
    assert_eq!(degraded.outcomes_of([0, 1, 50]), [Lapses; 3]);
    // A mirror with one good member, not stopped cleanly: kept for the other one.
    let mut alone = dirty(unclean());
    alone.md.roles = vec![0, 0xfffe];
    assert_eq!(alone.outcomes_of([0, 1, 50]), [Kept, Clean, Kept]);
}

#[test]
fn states_before_and_after() {
    use ChunkState::*;
    let mut scene = lockless(&[2, 0, 1, 7, 5, 9, 1]);
    let states = |scene: &Scene, count: usize| -> Vec<(ChunkState, ChunkState)> {
        let fates = scene.fates(&[]);
        fates[..count]
            .iter()
            .map(|fate| fate.states.unwrap())
            .collect()
    };
    // The unknown state is the second to become "need sync": the block's rest follows, behind it as dirty.
    assert_eq!(
        states(&scene, 8),
        [
            (Dirty, NeedSync),
            (Unwritten, Dirty),
            (Clean, Dirty),
            (CleanUnwritten, Dirty),
            (NeedSyncUnwritten, Dirty),
            (Unknown(9), NeedSync),
            (Clean, NeedSync),
            (Clean, NeedSync),
        ]
    );
    assert_eq!(scene.outcomes_of([0, 1, 6]), {
        use Outcome::*;
        [Resynced, Lapses, Resynced]
    });
    scene = lockless(&[2, 0, 1, 7, 5]);
    assert_eq!(
        scene.outcomes_of([0, 1, 2, 3, 4]),
        [
            Outcome::Resynced,
            Outcome::Unwritten,
            Outcome::Clean,
            Outcome::Unwritten,
            Outcome::Unwritten
        ]
    );
    assert_eq!(lockless(&[0, 7, 5, 6, 1]).outcomes_of([0, 1, 2, 3, 4]), {
        use Outcome::*;
        [Unwritten, Unwritten, Unwritten, Unwritten, Clean]
    });
    // Degraded and clean: what needs sync waits.
    scene.md.roles = vec![0, 0xfffe];
    assert_eq!(
        scene.outcomes_of([0, 1, 2]),
        [Outcome::Kept, Outcome::Unwritten, Outcome::Clean]
    );
}

#[test]
fn where_bits_decide_nothing_there_is_no_load() {
    let mut scene = lockless(&[2]);
    scene.bitmap.state = state::FIRST_USE;
    assert_eq!(scene.verdict().outcomes, None);
    scene.bitmap.state = state::WRITE_ERROR;
    assert_eq!(scene.verdict().outcomes, None);
    let mut refused = dirty(unclean());
    refused.bitmap.uuid[0] ^= 1;
    assert_eq!(refused.verdict().outcomes, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Counts, single chunks and runs agree (checked by `fates`).
    #[test]
    fn counts_equal_the_chunks(content in proptest::collection::vec(any::<u8>(), 13), offset in proptest::option::of(0u64..COVERED), lost: bool, stale: bool) {
        let mut scene = scene();
        (scene.content, scene.md.resync_offset) = (content, offset.map(Sectors));
        if lost { (scene.md.raid_disks, scene.md.roles) = (3, vec![0, 1, 0xfffe]) }
        if stale { scene.bitmap.events = 1 }
        prop_assert_eq!(scene.fates(&[]).len(), 100);
    }

    #[test]
    fn counts_equal_the_chunks_of_version_6(states in proptest::collection::vec(0u8..10, 0..100), unclean: bool, lost: bool, stale: bool) {
        let mut scene = lockless(&states);
        if lost { (scene.md.raid_disks, scene.md.roles) = (3, vec![0, 1, 0xfffe]) }
        if stale { scene.bitmap.events = 1 }
        if unclean { scene.md.resync_offset = Some(Sectors(0)) }
        prop_assert_eq!(scene.fates(&[]).len(), 100);
    }
}
