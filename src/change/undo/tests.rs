mod arrays;
mod files;
mod random;

use super::*;
use crate::change::content::Content;
use crate::change::plan::{Guard, Old, Part, Plan, PlanDevice, Step, Write};
use crate::device::{MemoryStore, StoreError};
use crate::units::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) fn about() -> About {
    About {
        what: What::Metadata,
        made: 1_700_000_000,
        array_uuid: crate::change::testing::UUID,
        verb: "grow".to_owned(),
        array: "raid1 of 2 members".to_owned(),
        program: "mdbitmap 0.1.0".to_owned(),
        sentences: vec!["adds a bitmap".to_owned()],
    }
}

pub(super) fn refs(stores: &[MemoryStore]) -> Vec<&dyn Store> {
    stores.iter().map(|store| store as &dyn Store).collect()
}

pub(super) fn copies(stores: &[MemoryStore]) -> Vec<MemoryStore> {
    let copy = |store: &MemoryStore| MemoryStore::new(store.name(), store.contents());
    stores.iter().map(copy).collect()
}

pub(super) fn contents(stores: &[MemoryStore]) -> Vec<Vec<u8>> {
    stores.iter().map(MemoryStore::contents).collect()
}

pub(super) fn saved(plan: &Plan, stores: &[MemoryStore]) -> Vec<u8> {
    let mut bytes = Vec::new();
    save(&about(), plan, &refs(stores), &[], &mut bytes).unwrap();
    bytes
}

pub(super) fn opened(bytes: Vec<u8>) -> UndoFile {
    UndoFile::open(Arc::new(MemoryStore::new("undo", bytes))).unwrap()
}

/// The undo file of a plan.
pub(super) fn file(plan: &Plan, stores: &[MemoryStore]) -> UndoFile {
    opened(saved(plan, stores))
}

/// A store that fails with its `left`th write, of which the first half reaches the disk.
pub(super) struct Failing<'s> {
    pub inner: &'s MemoryStore,
    pub left: &'s AtomicUsize,
}

impl Store for Failing<'_> {
    fn name(&self) -> &str {
        self.inner.name()
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
        self.inner.read_at(start, buffer)
    }
    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            return self.inner.write_at(start, data);
        }
        let half = data.len() / 1024 * 512;
        self.inner.write_at(start, &data[..half])?;
        Err(StoreError::Write {
            device: self.name().to_owned(),
            start: start.0,
            end: start.0 + data.len() as u64,
            source: std::io::Error::other("out of order"),
        })
    }
    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Reverts, failing with a write, and again, until it is done; what the devices were like in between.
pub(super) fn revert_with_failures(file: &UndoFile, stores: &[MemoryStore]) -> Vec<Vec<Vec<u8>>> {
    let mut states = Vec::new();
    for round in 0.. {
        assert!(round < 1000, "it does not come to an end");
        let left = AtomicUsize::new(usize::from(round % 3 == 2));
        let failing: Vec<Failing<'_>> = stores
            .iter()
            .map(|inner| Failing { inner, left: &left })
            .collect();
        let failing: Vec<&dyn Store> = failing.iter().map(|store| store as &dyn Store).collect();
        match take_back(file, &failing) {
            Ok(_) => return states,
            Err(TakeBackError::Revert(error)) => assert!(error.written, "{error}"),
            Err(error) => panic!("{error}"),
        }
        states.push(contents(stores));
        // A write of one sector that fails always leaves nothing: let one through now and then.
        let left = AtomicUsize::new(1);
        let failing: Vec<Failing<'_>> = stores
            .iter()
            .map(|inner| Failing { inner, left: &left })
            .collect();
        let failing: Vec<&dyn Store> = failing.iter().map(|store| store as &dyn Store).collect();
        let _ = take_back(file, &failing);
        states.push(contents(stores));
    }
    states
}

#[test]
fn a_plan_that_is_not_what_it_says_is_not_saved() {
    let stores = [MemoryStore::zeroed("a", 4 << 20)];
    let write = Write {
        device: 0,
        start: Bytes(0),
        part: Part::BitmapArea,
        old: Old::Long(12345),
        new: Content::bytes(vec![1; 2 << 20]),
    };
    let mut plan = Plan {
        devices: vec![PlanDevice {
            name: "a".to_owned(),
            len: Bytes(4 << 20),
            uuid: None,
        }],
        steps: vec![Step {
            title: "test".to_owned(),
            writes: vec![write],
        }],
        guards: vec![Guard {
            device: 0,
            start: Bytes(3 << 20),
            bytes: vec![0; 512],
        }],
    };
    let error = save(&about(), &plan, &refs(&stores), &[], &mut Vec::new()).unwrap_err();
    assert!(matches!(error, SaveError::NotAsPlanned { end, .. } if end == 2 << 20));
    plan.steps = vec![plan.steps[0].clone(); 101];
    let error = save(&about(), &plan, &refs(&stores), &[], &mut Vec::new()).unwrap_err();
    assert!(matches!(error, SaveError::TooLong { steps: 101, .. }));
}
