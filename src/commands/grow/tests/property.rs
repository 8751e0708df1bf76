//! Random arrays, changes, damage and power cuts.

use super::again::{Truth, is_safe};
use super::*;
use crate::change::plan::{Old, Plan};
use crate::change::postcondition;
use crate::change::testing::zoo;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn options() -> impl Strategy<Value = GrowOptions> {
    let kinds = prop_oneof![
        4 => Just(None),
        3 => Just(Some(Wanted::Internal)),
        3 => Just(Some(Wanted::Lockless)),
        1 => Just(Some(Wanted::Clustered)),
    ];
    let chunk = proptest::option::weighted(0.7, 9u32..20);
    (kinds, chunk, proptest::option::of(1u32..9)).prop_map(|(bitmap, chunk, delay)| GrowOptions {
        bitmap,
        chunk: chunk.map(|shift| ChunkSize::new(1 << shift).unwrap()),
        delay_seconds: delay,
        // No node of the clusters that are made here is up.
        force: true,
        ..GrowOptions::default()
    })
}

/// Sectors that some copy calls dirty.
fn dirty_sectors(stores: &[MemoryStore]) -> BTreeSet<u64> {
    let known = knowledge(stores);
    let runs = known.bits();
    let sectors = runs.runs().map(|run| known.sectors_of(&run));
    sectors
        .flat_map(|range| range.start.0..range.end.0)
        .collect()
}

/// All steps before `step`, and of its sectors a subset: on one device after the other, as they are written.
fn cut(plan: &Plan, stores: &[MemoryStore], step: usize, subset: u64) {
    let array = read(stores);
    let in_order: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    let mut whole = plan.clone();
    whole.steps.truncate(step);
    execute(&whole, &in_order, |_, _| {}).unwrap();
    let Some(cut_short) = plan.steps.get(step) else {
        return;
    };
    let devices = cut_short.writes.iter().map(|write| write.device);
    let last = subset as usize % (devices.max().unwrap_or_default() + 1);
    let mut random = subset;
    for write in cut_short.writes.iter().filter(|write| write.device <= last) {
        assert!(matches!(write.old, Old::Bytes(_)));
        for (number, sector) in (0..).zip(write.new.to_vec().chunks(512)) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            if write.device < last || random >> 63 == 1 {
                let start = Bytes(write.start.0 + number * 512);
                in_order[write.device].write_at(start, sector).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// One change after another, each cut short once and given again: what was dirty is.
    #[test]
    fn no_dirt_is_ever_lost(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        marked in proptest::collection::btree_set(0u64..128, 0..8),
        unclean: bool,
        changes in proptest::collection::vec((options(), 0usize..6, any::<u64>()), 1..4),
    ) {
        let zoo = zoo(version, &[]);
        let (mut array, _) = zoo[kind.index(zoo.len())].clone();
        let bitmap = array.bitmap.as_mut().unwrap();
        let chunks = bitmap.sync_size.div_ceil(8);
        bitmap.dirty = marked.into_iter().filter(|chunk| *chunk < chunks).collect();
        array.resync_offset = unclean.then_some(0);
        let stores = array.stores();
        let mut dirty = dirty_sectors(&stores);
        for (options, step, subset) in changes {
            let Ok(first) = planned(&stores, &options) else { continue };
            let counts = unclean || !read(&stores).array().unwrap().is_clean() || header(&stores).is_lockless();
            let truth = Truth {
                differ: if counts { dirty.iter().copied().collect() } else { Vec::new() },
                absent: None,
            };
            if first.is_nothing() { continue }
            cut(&first.plan, &stores, step % (first.plan.steps.len() + 1), subset);
            // A torn superblock is no superblock: that is for the undo file.
            let views: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
            if StoppedArray::read(&views).is_err() { return Ok(()) }
            prop_assert_eq!(is_safe(&stores, &truth), Ok(()));
            let lost_bitmap = !read(&stores).has_bitmap();
            // Without bitmap, the kind is gone with it: it has to be named.
            let kind = if options.bitmap.is_none() && header_version(&first) == 6 { Some(Wanted::Lockless) }
                else if options.bitmap.is_none() && first.after.bitmap.as_ref().unwrap().nodes > 0 { Some(Wanted::Clustered) }
                else { options.bitmap.clone() };
            let named = GrowOptions { bitmap: if lost_bitmap { kind.or(Some(Wanted::Internal)) } else { options.bitmap.clone() }, ..options };
            let again = planned(&stores, &named).map_err(|e| TestCaseError::fail(e.to_string()))?;
            run(&again, &stores, again.plan.steps.len());
            is_as_announced(&stores, &again);
            prop_assert_eq!(is_safe(&stores, &truth), Ok(()));
            let now = dirty_sectors(&stores);
            // A bitmap that a crash took from a clean array starts clean: its members are equal.
            if !lost_bitmap || counts {
                prop_assert!(now.is_superset(&dirty), "{:?}", dirty.difference(&now).collect::<Vec<_>>());
            }
            dirty = now;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// From one chunk size to the next: what was dirty, rounded to the chunks that there were on the way, and nothing else.
    #[test]
    fn round_trips_of_chunk_sizes_keep_what_is_dirty(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        marked in proptest::collection::btree_set(0u64..128, 0..8),
        unclean: bool,
        shifts in proptest::collection::vec(9u32..20, 1..7),
    ) {
        let zoo = zoo(version, &[]);
        let (mut array, _) = zoo[kind.index(zoo.len())].clone();
        let bitmap = array.bitmap.as_mut().unwrap();
        let sync_size = bitmap.sync_size;
        bitmap.dirty = marked.into_iter().filter(|chunk| *chunk < sync_size.div_ceil(8)).collect();
        array.resync_offset = unclean.then_some(0);
        let stores = array.stores();
        let mut expected = dirty_sectors(&stores);
        for shift in shifts {
            let options = GrowOptions { chunk: Some(ChunkSize::new(1 << shift).unwrap()), ..GrowOptions::default() };
            let Ok(planned) = planned(&stores, &options) else { continue };
            run(&planned, &stores, planned.plan.steps.len());
            let sectors = (1 << shift) / 512;
            let rounded = |sector: u64| {
                let start = sector / sectors * sectors;
                start..(start + sectors).min(sync_size)
            };
            expected = expected.into_iter().flat_map(rounded).collect();
            prop_assert_eq!(&dirty_sectors(&stores), &expected);
            prop_assert_eq!(header(&stores).chunk_bytes(), Some(1 << shift));
        }
    }
}

fn header_version(planned: &Planned) -> u32 {
    planned
        .after
        .bitmap
        .as_ref()
        .map_or(0, |bitmap| bitmap.version)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Any bytes anywhere around superblock and bitmap: an answer, never a panic, and plans that lead to what they say.
    #[test]
    fn damaged_metadata_is_survived(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((0usize..6, 0u64..9000, any::<u8>()), 1..6),
        fields in proptest::collection::vec((0usize..6, 0u64..80, any::<u64>()), 0..3),
        sealed in proptest::option::of((0usize..6, 4usize..250, any::<u32>())),
        mut options in options(),
        none: bool,
        force: bool,
    ) {
        let zoo = zoo(version, &[1, 5]);
        let (array, _) = zoo[kind.index(zoo.len())].clone();
        let stores = array.stores();
        let at: Vec<u64> = stores.iter().map(|store| {
            probe(store, None).found[0].member.bitmap.as_ref().unwrap().start.0
        }).collect();
        for (member, near, byte) in damage {
            let member = member % stores.len();
            let place = (at[member].saturating_sub(4400) + near % 8800).min(stores[member].len().0 - 1);
            stores[member].write_at(Bytes(place), &[byte]).unwrap();
        }
        for (member, field, value) in fields {
            let member = member % stores.len();
            stores[member].write_at(Bytes(at[member] + field), &value.to_le_bytes()).unwrap();
        }
        // A superblock that says anything, with a checksum that is right.
        if let (Some((member, byte, value)), Some(_)) = (sealed, array.minor) {
            let member = member % stores.len();
            if let Some(found) = probe(&stores[member], None).found.pop()
                && let RawSuper::V1(raw) = &found.raw
            {
                let mut bytes = raw.to_bytes();
                bytes[byte..byte + 4].copy_from_slice(&value.to_le_bytes());
                if let Some(mut raw) = crate::format::md_v1::RawSuper::from_bytes(&bytes) {
                    raw.seal();
                    let bytes = raw.to_bytes();
                    let _ = stores[member].write_at(found.member.super_start, &bytes);
                }
            }
        }
        options.force = force;
        if none {
            options = GrowOptions { force, ..asked(Wanted::None) };
        }
        let all: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
        let Ok(array) = StoppedArray::read(&all) else { return Ok(()) };
        if let Ok(planned) = plan(&array, &options, NOW) {
            prop_assert_eq!(planned.plan.flaw(), None);
            postcondition::check(&array, &planned).map_err(|e| TestCaseError::fail(e.to_string()))?;
            off_limits(&array, &planned);
        }
    }
}

/// Nothing is written to data, boot sectors or logs.
fn off_limits(array: &StoppedArray<'_>, planned: &Planned) {
    for write in planned.plan.steps.iter().flat_map(|step| &step.writes) {
        let member = array.devices[write.device].member();
        let range = write.range();
        let areas = &member.areas;
        for taken in [&areas.data, &areas.bad_block_log, &areas.ppl]
            .into_iter()
            .flatten()
        {
            assert!(
                range.end <= taken.start || taken.end <= range.start,
                "{range:?} {taken:?} {:?}",
                write.part
            );
        }
    }
}
