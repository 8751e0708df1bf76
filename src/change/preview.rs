//! The devices of a plan as they would be once it, or the first of its steps, were carried out: to look at what a
//! change leads to before anything is written.

use super::content::Content;
use super::plan::Plan;
use crate::device::{Store, StoreError};
use crate::units::Bytes;

/// A device with the writes of a plan over it. Only read: nothing of it is held in memory but what the plan holds.
#[derive(Clone)]
pub struct Preview<'p> {
    store: &'p dyn Store,
    /// Where each begins, in the order of the steps: the later one counts.
    writes: Vec<(u64, &'p Content)>,
}

/// The devices of `plan`, whose stores these are in its order, as they would be after all steps.
pub fn preview<'p>(plan: &'p Plan, stores: &[&'p dyn Store]) -> Vec<Preview<'p>> {
    preview_steps(plan, stores, plan.steps.len())
}

/// The same after the first `steps` steps.
pub fn preview_steps<'p>(
    plan: &'p Plan,
    stores: &[&'p dyn Store],
    steps: usize,
) -> Vec<Preview<'p>> {
    let mut previews: Vec<Preview<'p>> = stores
        .iter()
        .map(|store| Preview {
            store: *store,
            writes: Vec::new(),
        })
        .collect();
    for write in plan.steps.iter().take(steps).flat_map(|step| &step.writes) {
        if let Some(device) = previews.get_mut(write.device) {
            device.writes.push((write.start.0, &write.new));
        }
    }
    previews
}

impl Preview<'_> {
    fn is_read_only(&self) -> StoreError {
        StoreError::Unsuitable {
            device: self.name().to_owned(),
            reason: "what a plan leads to is only looked at, not written to".to_owned(),
        }
    }
}

impl Store for Preview<'_> {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn len(&self) -> Bytes {
        self.store.len()
    }

    fn logical_block_bytes(&self) -> u32 {
        self.store.logical_block_bytes()
    }

    fn physical_block_bytes(&self) -> u32 {
        self.store.physical_block_bytes()
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.store.read_at(start, buffer)?;
        let end = start.0.saturating_add(buffer.len() as u64);
        for (at, content) in &self.writes {
            let from = start.0.max(*at);
            let to = end.min(at.saturating_add(content.len()));
            if from >= to {
                continue;
            }
            let ends = usize::try_from(from - start.0)
                .ok()
                .zip(usize::try_from(to - start.0).ok());
            if let Some(part) = ends.and_then(|(from, to)| buffer.get_mut(from..to)) {
                content.read(from - at, part);
            }
        }
        Ok(())
    }

    fn write_at(&self, _: Bytes, _: &[u8]) -> Result<(), StoreError> {
        Err(self.is_read_only())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Err(self.is_read_only())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::execute;
    use crate::change::plan::{Old, Part, PlanDevice, Step, Write};
    use crate::device::MemoryStore;
    use proptest::prelude::*;

    fn plan(stores: &[MemoryStore], writes: &[(usize, u64, u64, u8)]) -> Plan {
        let devices = stores.iter().map(|store| PlanDevice {
            name: store.name().to_owned(),
            len: store.len(),
            uuid: None,
        });
        let mut plan = Plan {
            devices: devices.collect(),
            ..Plan::default()
        };
        let now: Vec<MemoryStore> = stores
            .iter()
            .map(|store| MemoryStore::new(store.name(), store.contents()))
            .collect();
        for (device, sector, sectors, byte) in writes {
            let (start, len) = (Bytes(sector * 512), *sectors as usize * 512);
            let mut old = vec![0; len];
            now[*device].read_at(start, &mut old).unwrap();
            now[*device].write_at(start, &vec![*byte; len]).unwrap();
            let write = Write {
                device: *device,
                start,
                part: Part::BitmapArea,
                old: Old::Bytes(old),
                new: Content::bytes(vec![*byte; len]),
            };
            plan.steps.push(Step {
                title: "test".to_owned(),
                writes: vec![write],
            });
        }
        plan
    }

    fn stores() -> [MemoryStore; 2] {
        [7, 9].map(|byte| MemoryStore::new(format!("m{byte}"), vec![byte; 20 * 512]))
    }

    proptest! {
        #[test]
        fn it_shows_what_the_plan_would_leave(
            writes in proptest::collection::vec((0usize..2, 0u64..16, 1u64..4, any::<u8>()), 0..8),
            steps in 0usize..9,
            reads in proptest::collection::vec((0u64..10240, 0usize..3000), 1..20),
        ) {
            let stores = stores();
            let mut plan = plan(&stores, &writes);
            let originals: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
            let previews = preview_steps(&plan, &originals, steps);
            let carried_out = self::stores();
            let mut part = plan.clone();
            part.steps.truncate(steps);
            let targets: Vec<&dyn Store> = carried_out.iter().map(|store| store as &dyn Store).collect();
            execute(&part, &targets, |_, _| {}).unwrap();
            for (preview, expected) in previews.iter().zip(&carried_out) {
                for (start, len) in &reads {
                    let len = (*len).min(10240 - *start as usize);
                    let (mut seen, mut real) = (vec![0; len], vec![0; len]);
                    preview.read_at(Bytes(*start), &mut seen).unwrap();
                    expected.read_at(Bytes(*start), &mut real).unwrap();
                    prop_assert_eq!(seen, real);
                }
            }
            drop(previews);
            plan.steps.clear();
            let previews = preview(&plan, &originals);
            let mut byte = [0];
            previews[0].read_at(Bytes(0), &mut byte).unwrap();
            prop_assert_eq!(byte[0], 7);
        }
    }

    #[test]
    fn it_is_not_written_to_and_ends_where_the_device_does() {
        let stores = stores();
        let plan = plan(&stores, &[(0, 0, 1, 1)]);
        let originals: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
        let previews = preview(&plan, &originals);
        assert!(previews[0].write_at(Bytes(0), &[1]).is_err());
        assert!(previews[0].flush().is_err());
        assert!(previews[0].read_at(Bytes(20 * 512), &mut [0]).is_err());
        assert_eq!(previews[1].len(), Bytes(20 * 512));
        assert_eq!(stores[0].contents()[0], 7);
    }
}
