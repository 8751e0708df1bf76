//! Repairs on arrays in memory: what was found is gone, nothing new is there, and no mark is lost.

mod damage;
mod degraded;
mod kinds;

use super::*;
use crate::change::stopped::{Copy, Trust};
use crate::change::testing::{TestArray, read, reasons};
use crate::change::{PlanError, execute, postcondition};
use crate::check::Severity;
use crate::device::MemoryStore;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::units::Bytes;
use std::collections::BTreeSet;

const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

const FORCED: RepairOptions = RepairOptions { force: true };

fn views(stores: &[MemoryStore]) -> Vec<&dyn Store> {
    stores.iter().map(|store| store as &dyn Store).collect()
}

/// The same bytes once more.
fn copied(stores: &[MemoryStore]) -> Vec<MemoryStore> {
    let copy = |store: &MemoryStore| {
        MemoryStore::new(store.name(), store.contents())
            .with_blocks(store.logical_block_bytes(), store.physical_block_bytes())
    };
    stores.iter().map(copy).collect()
}

fn planned(stores: &[MemoryStore], options: RepairOptions) -> Result<Planned, PlanError> {
    let array = StoppedArray::read(&views(stores))?;
    let planned = plan(&array, options, NOW)?;
    postcondition::check(&array, &planned)?;
    Ok(planned)
}

/// Carries a plan out.
fn carry_out(planned: &Planned, stores: &[MemoryStore]) {
    let array = read(stores);
    let order: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    execute(&planned.plan, &order, |_, _| {}).unwrap();
}

fn ours(findings: &[Finding]) -> BTreeSet<&'static str> {
    let ours = findings.iter().filter(|f| f.repair_class.is_ours());
    ours.map(|finding| finding.name).collect()
}

fn grave(findings: &[Finding]) -> BTreeSet<&'static str> {
    let grave = findings.iter().filter(|f| f.severity > Severity::Note);
    grave.map(|finding| finding.name).collect()
}

/// The sectors that a copy marks, the kernel's way: over the array's size, whatever the copy says of its own.
fn marked_sectors(array: &StoppedArray<'_>, copy: &Copy<'_>) -> BTreeSet<u64> {
    let mut sectors = BTreeSet::new();
    for slot in copy.slots(array.sync_size()).unwrap() {
        let counted = slot.with_sync_size(array.sync_size());
        let coverage = counted.coverage().unwrap();
        for run in counted.runs().unwrap() {
            let bytes = coverage.bytes_of(&run.unwrap());
            sectors.extend((bytes.start / 512) as u64..(bytes.end / 512) as u64);
        }
    }
    sectors
}

/// What each trusted copy marks.
fn marked(array: &StoppedArray<'_>) -> Vec<BTreeSet<u64>> {
    let trusted = array.copies.iter().filter(|copy| copy.is_trusted());
    trusted.map(|copy| marked_sectors(array, copy)).collect()
}

/// Findings that come with marks, and cannot be helped.
const COME_WITH_MARKS: &[&str] = &["kernel-lockless-resync", "kernel-rows-unmarked"];

/// Repairs, and looks at what must be so after every repair; gives back the plan and what is found afterwards.
fn repaired(name: &str, stores: &[MemoryStore], options: RepairOptions) -> (Planned, Vec<Finding>) {
    let before = findings(&views(stores));
    let marked_before = marked(&read(stores));
    let planned = planned(stores, options).unwrap_or_else(|error| panic!("{name}: {error}"));
    let wrong = ours(&before);
    assert!(
        !planned.plan.is_empty(),
        "{name}: nothing is done about {wrong:?}"
    );
    carry_out(&planned, stores);
    let after = findings(&views(stores));
    assert_eq!(ours(&after), BTreeSet::new(), "{name}: {after:#?}");
    let new = &grave(&after) - &grave(&before);
    let mut expected: BTreeSet<&str> = COME_WITH_MARKS.iter().copied().collect();
    if options.force {
        expected.insert("vacant-slot");
    }
    assert!(new.is_subset(&expected), "{name}: {new:?} {after:#?}");
    let array = read(stores);
    assert_eq!(
        array.copies.len(),
        match planned.after.bitmap {
            Some(_) => array.current().count(),
            None => 0,
        }
    );
    for copy in &array.copies {
        assert_eq!(copy.trust, Trust::Trusted, "{name}");
        let now = marked_sectors(&array, copy);
        for before in &marked_before {
            assert!(now.is_superset(before), "{name}: a mark is lost");
        }
        let raw = copy.bitmap.as_ref().unwrap().raw();
        let cleared = raw.events_cleared;
        assert!(
            raw.is_lockless() || cleared > 0 && cleared <= raw.events,
            "{name}: W3"
        );
    }
    let again = super::plan(&array, options, NOW).unwrap();
    assert!(again.plan.is_empty(), "{name}: there is no end to it");
    (planned, after)
}

/// The superblock of a member's bitmap.
fn header(stores: &[MemoryStore], member: usize) -> RawBitmapSuper {
    let array = read(stores);
    array.copies[member].bitmap.as_ref().unwrap().raw().clone()
}

/// Changes the superblock of a member's bitmap, which lies `at` that byte.
fn change_header(store: &MemoryStore, at: u64, change: impl Fn(&mut RawBitmapSuper)) {
    let mut bytes = [0; 256];
    store.read_at(Bytes(at), &mut bytes).unwrap();
    let mut raw = RawBitmapSuper::from_bytes(&bytes).unwrap();
    change(&mut raw);
    store.write_at(Bytes(at), &raw.to_bytes()).unwrap();
}
