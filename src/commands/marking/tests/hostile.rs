//! Damage of any kind: an answer, never a panic; and where there is a plan, it leads to what it says, and at no moment of a
//! power cut is less marked than was, but for what was found equal.

use super::*;
use crate::bitmap::ChunkSet;
use crate::change::plan::{Old, Plan};
use crate::commands::clear::{self, ClearOptions};
use crate::commands::merge::{self, MergeOptions};
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn damaged_metadata_is_survived(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((0usize..6, 0u64..9000, any::<u8>()), 1..6),
        fields in proptest::collection::vec((0usize..6, 0u64..80, any::<u64>()), 0..3),
        force: bool,
        start in 0u64..1100,
    ) {
        let zoo = zoo(version, &[1, 5]);
        let (array, _) = zoo[kind.index(zoo.len())].clone();
        let stores = array.stores();
        let bitmaps: Vec<u64> = supers(&stores).iter().map(|s| s.bitmap.as_ref().unwrap().start.0).collect();
        for (member, at, byte) in damage {
            let member = member % stores.len();
            // Somewhere around the bitmap and the superblock.
            let at = bitmaps[member].saturating_sub(4400) + at % 8800;
            let at = at.min(stores[member].len().0 - 1);
            stores[member].write_at(Bytes(at), &[byte]).unwrap();
        }
        for (member, field, value) in fields {
            let member = member % stores.len();
            stores[member].write_at(Bytes(bitmaps[member] + field), &value.to_le_bytes()).unwrap();
        }
        let all: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
        let Ok(array) = StoppedArray::read(&all) else { return Ok(()) };
        let asked = range(start..start + 100);
        let plans = [
            set::plan(&array, &SetOptions { asked: asked.clone(), force }, NOW),
            clear::plan(&array, &ClearOptions { asked, force }, NOW),
            merge::plan(&array, &MergeOptions { sources: Vec::new(), force }, NOW),
        ];
        for planned in plans.into_iter().flatten() {
            prop_assert_eq!(planned.plan.flaw(), None);
            postcondition::check(&array, &planned).map_err(|e| TestCaseError::fail(e.to_string()))?;
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]
    /// Any subset of the sectors of the step under way, after all steps before it.
    #[test]
    fn a_power_cut_at_any_moment_forgets_nothing(
        version in prop_oneof![Just(4u32), Just(6)],
        kind in any::<prop::sample::Index>(),
        dirty in proptest::collection::btree_set(0u64..128, 0..12),
        start in 0u64..1000,
        len in 1u64..300,
        what in 0..3u8,
        differing in proptest::collection::btree_set(0u64..128, 0..4),
        unclean: bool,
        subset in any::<u64>(),
    ) {
        let zoo = zoo(version, &[]);
        let (mut array, _) = zoo[kind.index(zoo.len())].clone();
        let bitmap = array.bitmap.as_mut().unwrap();
        let size = bitmap.sync_size;
        let chunks = size.div_ceil(8);
        bitmap.dirty = dirty.into_iter().filter(|chunk| *chunk < chunks).collect();
        let dirty: BTreeSet<u64> = bitmap.dirty.iter().copied().collect();
        array.resync_offset = unclean.then_some(0);
        let make = || {
            let stores = array.stores();
            // The last member differs in some of what is marked.
            let last = stores.last().unwrap();
            let offset = supers(&stores)[0].data_offset.0;
            for chunk in differing.iter().filter(|chunk| dirty.contains(chunk)) {
                let at = Bytes((offset + chunk * 8 + 3) * 512);
                if at.0 + 512 <= (offset + 1024) * 512 {
                    last.write_at(at, &[0xee; 512]).unwrap();
                }
            }
            stores
        };
        let stores = make();
        let read_array = read(&stores);
        let equal = equal_chunks(&read_array, chunks);
        let asked = range(start % size..(start % size + len).min(size));
        let planned = match what {
            0 => set::plan(&read_array, &options(asked), NOW),
            1 => clear::plan(&read_array, &ClearOptions { asked, force: false }, NOW),
            _ => merge::plan(&read_array, &MergeOptions::default(), NOW),
        };
        let planned = planned.unwrap();
        for step in 0..=planned.plan.steps.len() {
            let stores = make();
            cut(&planned.plan, &stores, step, subset);
            let events: Vec<u64> = supers(&stores).iter().map(|member| member.events.0).collect();
            prop_assert!(events.iter().max().unwrap() - events.iter().min().unwrap() <= 1, "W1: {:?}", events);
            let lapse = version == 4 && !unclean && supers(&stores).iter().all(MemberSuper::is_clean);
            for copy in next_resync(&stores) {
                let copy: BTreeSet<u64> = copy.into_iter().collect();
                let lost: Vec<&u64> = dirty.iter().filter(|c| !copy.contains(c) && !equal.contains(ChunkIndex(**c))).collect();
                prop_assert!(lost.is_empty() || lapse, "step {}: {:?} is forgotten", step, lost);
                if what != 1 {
                    let lost: Vec<&u64> = dirty.difference(&copy).collect();
                    prop_assert!(lost.is_empty() || lapse, "step {}: {:?} is forgotten", step, lost);
                }
            }
            // The same once more finishes it.
            let again = read(&stores);
            let asked = range(start % size..(start % size + len).min(size));
            let finished = match what {
                0 => set::plan(&again, &options(asked), NOW),
                1 => clear::plan(&again, &ClearOptions { asked, force: false }, NOW),
                _ => merge::plan(&again, &MergeOptions::default(), NOW),
            };
            let finished = checked(&again, finished.unwrap());
            run(&finished, &stores, 9);
            let after = finished.after.bitmap.as_ref().unwrap().dirty_chunks;
            prop_assert_eq!(after, planned.after.bitmap.as_ref().unwrap().dirty_chunks);
        }
    }
}

/// Chunks in which all members agree.
fn equal_chunks(array: &StoppedArray<'_>, chunks: u64) -> ChunkSet {
    use crate::array::compare::{Agreement, Side};
    use crate::array::membership::Standing;
    let sides = array
        .devices
        .iter()
        .filter_map(|device| match device.standing {
            Standing::Current { slot } => Some(Side {
                slot,
                store: device.store,
                data_offset: device.member().data_offset,
            }),
            _ => None,
        });
    let mut agreement = Agreement::new(array.geometry.clone(), sides.collect()).unwrap();
    let mut equal = ChunkSet::empty(chunks).unwrap();
    for chunk in 0..chunks {
        let sectors = Sectors(chunk * 8)..Sectors(chunk * 8 + 8);
        if agreement.differing(sectors).unwrap().is_empty() {
            equal.set(&(ChunkIndex(chunk)..ChunkIndex(chunk + 1)), true);
        }
    }
    equal
}

/// All steps before `step`, and of its sectors those that `subset` names: on one device after the other, as they are written.
fn cut(plan: &Plan, stores: &[MemoryStore], step: usize, subset: u64) {
    let mut whole = plan.clone();
    whole.steps.truncate(step);
    let all: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    execute(&whole, &all, |_, _| {}).unwrap();
    let Some(cut_short) = plan.steps.get(step) else {
        return;
    };
    let devices = cut_short.writes.iter().map(|write| write.device);
    let last = devices.max().unwrap_or_default();
    let at = subset as usize % (last + 1);
    let mut random = subset;
    for write in cut_short.writes.iter().filter(|write| write.device <= at) {
        let Old::Bytes(_) = &write.old else {
            panic!("long")
        };
        for (number, sector) in (0..).zip(write.new.to_vec().chunks(512)) {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            if write.device < at || random >> 63 == 1 {
                let start = Bytes(write.start.0 + number * 512);
                stores[write.device].write_at(start, sector).unwrap();
            }
        }
    }
}
