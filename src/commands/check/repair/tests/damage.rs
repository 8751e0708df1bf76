//! Random damage of random copies: what any trusted copy marks is marked afterwards, and everything where none is
//! trusted; whenever the power fails, no member is worse off than before.

use super::*;
use crate::array::load::{self, Present};
use crate::array::probe::FoundSuper;
use crate::change::preview_steps;
use crate::format::md_v1::Minor;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Damage {
    /// Which member.
    member: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Bytes of the header: where, and what is xored in.
    Header(usize, u8),
    Events(u64),
    Cleared(u64),
    State(u32),
    SyncSize(u64),
    Chunk(u32),
    Sleep(u32),
    Reserved(u32),
    /// Bytes of the bits or states.
    Cells(usize, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let what = prop_oneof![
        (0usize..72, 1u8..=255).prop_map(|(at, mask)| What::Header(at, mask)),
        (36u64..45).prop_map(What::Events),
        (0u64..45).prop_map(What::Cleared),
        (0u32..0x20).prop_map(What::State),
        prop_oneof![0u64..1100, Just(u64::MAX)].prop_map(What::SyncSize),
        (0u32..20).prop_map(|shift| What::Chunk(1 << shift)),
        (0u32..3).prop_map(What::Sleep),
        (0u32..9).prop_map(What::Reserved),
        (0usize..40, any::<u8>()).prop_map(|(at, byte)| What::Cells(at, byte)),
        (0usize..40, any::<u8>()).prop_map(|(at, byte)| What::Cells(at, byte)),
    ];
    (0usize..3, what).prop_map(|(member, what)| Damage { member, what })
}

fn arrays() -> impl Strategy<Value = TestArray> {
    let dirty = proptest::collection::btree_set(0u64..8, 0..5);
    let minor = prop_oneof![Just(None), Just(Some(Minor::V1)), Just(Some(Minor::V2))];
    (
        any::<bool>(),
        minor,
        dirty,
        any::<bool>(),
        any::<bool>(),
        0usize..4,
    )
        .prop_map(|(parity, minor, dirty, lockless, unclean, vacant)| {
            let mut base = match parity {
                true => TestArray::raid5(),
                false => TestArray::mirror(),
            };
            base.members = 3;
            let dirty: Vec<u64> = dirty.into_iter().collect();
            let mut array = base.with_bitmap(&dirty);
            array.minor = minor;
            array.resync_offset = unclean.then_some(0);
            if vacant == 3 && !(unclean && parity) {
                array.vacant = vec![2];
            }
            if let (true, Some(bitmap)) = (lockless && minor.is_some(), array.bitmap.as_mut()) {
                (bitmap.version, bitmap.chunk_bytes, bitmap.events_cleared) = (6, 65536, 0);
            }
            array
        })
}

fn bitmap_at(array: &TestArray) -> u64 {
    match array.minor {
        None => 2048 * 512 - 65536 + 4096,
        Some(Minor::V1) => 4096,
        _ => 8192,
    }
}

fn apply(store: &MemoryStore, at: u64, what: &What) {
    let flip = |at: u64, mask: u8| {
        let mut byte = [0];
        store.read_at(Bytes(at), &mut byte).unwrap();
        store.write_at(Bytes(at), &[byte[0] ^ mask]).unwrap();
    };
    match *what {
        What::Header(byte, mask) => flip(at + byte as u64, mask),
        What::Events(events) => change_header(store, at, |raw| raw.events = events),
        What::Cleared(events) => change_header(store, at, |raw| raw.events_cleared = events),
        What::State(state) => change_header(store, at, |raw| raw.state = state),
        What::SyncSize(size) => change_header(store, at, |raw| raw.sync_size_sectors = size),
        What::Chunk(chunk) => change_header(store, at, |raw| raw.chunksize = chunk),
        What::Sleep(sleep) => change_header(store, at, |raw| raw.daemon_sleep_seconds = sleep),
        What::Reserved(sectors) => change_header(store, at, |raw| raw.sectors_reserved = sectors),
        What::Cells(cell, byte) => store
            .write_at(Bytes(at + 256 + cell as u64), &[byte])
            .unwrap(),
    }
}

/// What the kernel would synchronise, by each copy that it could read; `None` where it does not start with that one.
fn synchronised(stores: &[&dyn Store]) -> Vec<Option<BTreeSet<u64>>> {
    let Ok(array) = StoppedArray::read(stores) else {
        return vec![None];
    };
    let found: Vec<FoundSuper> = array
        .devices
        .iter()
        .map(|device| device.found.clone())
        .collect();
    let presents: Vec<Present<'_>> = (0..)
        .zip(&found)
        .map(|(place, found)| Present {
            found,
            bitmap: array
                .copies
                .iter()
                .find(|copy| copy.device == place)
                .and_then(|copy| copy.bitmap.as_ref().ok()),
            counts: None,
        })
        .collect();
    let assembled = load::load(&presents).unwrap();
    if assembled.readings.is_empty() {
        let all = match array.array().unwrap().resync_offset {
            Some(_) => (0..array.sync_size().0).collect(),
            None => BTreeSet::new(),
        };
        return vec![Some(all)];
    }
    let of = |reading: &load::Reading| {
        reading
            .verdict
            .as_ref()
            .ok()
            .filter(|verdict| verdict.starts)?;
        let bitmap = presents[reading.member].bitmap?;
        let coverage = reading.scope.coverage();
        let mut sectors = BTreeSet::new();
        for run in reading.scope.runs(bitmap).unwrap()? {
            let bytes = coverage?.bytes_of(&run.unwrap());
            sectors.extend((bytes.start / 512) as u64..(bytes.end / 512) as u64);
        }
        Some(sectors)
    };
    assembled.readings.iter().map(of).collect()
}

/// The devices after a part of a plan: some steps, and of the next one what lies on the first devices.
fn cut(planned: &Planned, steps: usize, devices: usize) -> crate::change::Plan {
    let mut part = planned.plan.clone();
    part.steps.truncate(steps + 1);
    if let Some(step) = part.steps.get_mut(steps) {
        step.writes.retain(|write| write.device < devices);
    }
    part
}

fn cases() -> u32 {
    match std::env::var_os("MDBITMAP_LONG") {
        Some(_) => 5000,
        None => 80,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn no_mark_is_lost(array in arrays(), damages in proptest::collection::vec(damage(), 1..5)) {
        let stores = array.stores();
        let at = bitmap_at(&array);
        for damage in &damages {
            if let Some(store) = stores.get(damage.member) {
                apply(store, at, &damage.what);
            }
        }
        let before = findings(&views(&stores));
        let read_before = read(&stores);
        let believed = read_before.believed().count();
        let planned = match planned(&stores, RepairOptions::default()) {
            Ok(planned) => planned,
            Err(PlanError::Refused(refusals)) => {
                for refusal in &refusals {
                    prop_assert!(
                        ["degraded", "without-bitmap", "clustered", "no-room", "dirty-degraded"].contains(&refusal.name),
                        "{refusal}"
                    );
                }
                return Ok(());
            }
            Err(error) => panic!("{error}"),
        };
        if ours(&before).is_empty() {
            prop_assert!(planned.plan.is_empty());
            return Ok(());
        }
        // What the kernel would have synchronised before, whichever copy it had read: at most that is known to differ. A
        // copy that no kernel starts with, for a field that can be mended beside its bits, tells what it has marked.
        let mut could: Vec<_> = synchronised(&views(&stores));
        if could.iter().any(Option::is_none) {
            let believed = read_before.believed();
            could.extend(believed.map(|copy| Some(marked_sectors(&read_before, copy))));
        }
        let known = could.into_iter().flatten().reduce(|a, b| &a & &b).unwrap_or_default();
        let originals = copied(&stores);
        let previewed = views(&originals);
        let order: Vec<&dyn Store> = read_before
            .devices
            .iter()
            .map(|device| {
                let name = device.store.name();
                *previewed.iter().find(|store| store.name() == name).unwrap()
            })
            .collect();
        for steps in 0..planned.plan.steps.len() {
            for devices in 0..=order.len() {
                let part = cut(&planned, steps, devices);
                let previews = preview_steps(&part, &order, part.steps.len());
                let seen: Vec<&dyn Store> = previews.iter().map(|p| p as &dyn Store).collect();
                for (reading, by) in (0..).zip(synchronised(&seen)) {
                    if let Some(sectors) = by {
                        prop_assert!(
                            sectors.is_superset(&known),
                            "step {steps}, {devices} devices, copy {reading}: {:?} of {:?}",
                            known.difference(&sectors).take(3).collect::<Vec<_>>(), planned.sentences
                        );
                    }
                }
            }
        }
        let (planned, _) = repaired("damaged", &stores, RepairOptions::default());
        let array = read(&stores);
        let everything: BTreeSet<u64> = (0..array.sync_size().0).collect();
        for copy in &array.copies {
            let now = marked_sectors(&array, copy);
            if believed == 0 {
                prop_assert_eq!(&now, &everything);
            }
        }
        if believed == 0 && array.open_slots().is_empty() {
            prop_assert!(!planned.after.clean);
            for by in synchronised(&views(&stores)) {
                prop_assert_eq!(by.as_ref(), Some(&everything));
            }
        }
    }
}

/// The checksum of a 1.2 superblock is put right after damage, so that it is looked at.
fn reseal(store: &MemoryStore) {
    let mut bytes = vec![0; 4096];
    store.read_at(Bytes(4096), &mut bytes).unwrap();
    if let Some(mut raw) = crate::format::md_v1::RawSuper::from_bytes(&bytes) {
        raw.seal();
        let bytes = raw.to_bytes();
        if bytes.len() <= 4096 {
            store.write_at(Bytes(4096), &bytes).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damage of any kind, md superblocks included: an answer, never a panic; and a plan leads to what it says.
    #[test]
    fn damaged_metadata_is_survived(
        array in arrays(),
        bytes in proptest::collection::vec((0usize..3, 0u64..9000, any::<u8>()), 0..5),
        fields in proptest::collection::vec((0usize..3, 0u64..80, any::<u64>()), 0..3),
        supers in proptest::collection::vec((0usize..3, 0u64..256, any::<u8>(), any::<bool>()), 0..3),
        bitmap_offset in proptest::option::of(-40i32..300),
        force: bool,
    ) {
        let stores = array.stores();
        let at = bitmap_at(&array);
        for (member, byte, value) in bytes {
            let to = at.saturating_sub(400) + byte;
            if let Some(store) = stores.get(member).filter(|store| to < store.len().0) {
                store.write_at(Bytes(to), &[value]).unwrap();
            }
        }
        for (member, field, value) in fields {
            if let Some(store) = stores.get(member) {
                store.write_at(Bytes(at + field), &value.to_le_bytes()).unwrap();
            }
        }
        if array.minor == Some(Minor::V2) {
            for (member, byte, value, all) in supers {
                for (number, store) in stores.iter().enumerate() {
                    if all || number == member {
                        store.write_at(Bytes(4096 + byte), &[value]).unwrap();
                    }
                }
            }
            for store in &stores {
                if let Some(offset) = bitmap_offset {
                    store.write_at(Bytes(4096 + 96), &offset.to_le_bytes()).unwrap();
                }
                reseal(store);
            }
        }
        match planned(&stores, RepairOptions { force }) {
            Ok(planned) if planned.plan.is_empty() => {}
            Ok(planned) => {
                carry_out(&planned, &stores);
                let after = findings(&views(&stores));
                prop_assert_eq!(ours(&after), BTreeSet::new());
                let array = read(&stores);
                prop_assert!(array.copies.iter().all(|copy| copy.is_trusted()));
            }
            Err(error) => {
                let told = error.to_string();
                prop_assert!(!reasons::<()>(Err(error)).contains(&"plan-flawed"), "{told}");
            }
        }
    }
}
