//! Random plans, of few contents, so that what is there is often like what was there before.

use super::*;
use crate::change::execute;
use proptest::prelude::*;

const SECTORS: u64 = 20;

/// Device, first sector, sectors, value.
type Piece = (usize, u64, u64, u8);

fn pieces() -> impl Strategy<Value = Vec<Vec<Piece>>> {
    let piece = (0usize..2, 0..SECTORS - 1, 1u64..6, 0u8..3);
    proptest::collection::vec(proptest::collection::vec(piece, 1..5), 1..6)
}

fn stores() -> [MemoryStore; 2] {
    ["a", "b"].map(|name| {
        let len = (SECTORS + 2) as usize * 512;
        let store = MemoryStore::zeroed(name, len);
        // What tells them apart, and is not in the plan.
        let last = (SECTORS + 1) * 512;
        store
            .write_at(Bytes(last), &[name.as_bytes()[0]; 512])
            .unwrap();
        store
    })
}

fn plan(stores: &[MemoryStore], steps: &[Vec<Piece>]) -> Plan {
    let devices = stores.iter().map(|store| PlanDevice {
        name: store.name().to_owned(),
        len: store.len(),
        uuid: None,
    });
    let guards = (0..stores.len()).flat_map(|device| {
        let all = stores[device].contents();
        let last = (SECTORS + 1) * 512;
        [
            Guard {
                device,
                start: Bytes(last),
                bytes: all[last as usize..].to_vec(),
            },
            Guard {
                device,
                start: Bytes(1024),
                bytes: all[1024..4096].to_vec(),
            },
        ]
    });
    let mut plan = Plan {
        devices: devices.collect(),
        steps: Vec::new(),
        guards: guards.collect(),
    };
    let now = copies(stores);
    for pieces in steps {
        let mut sorted = pieces.clone();
        sorted.sort_unstable();
        let mut writes: Vec<Write> = Vec::new();
        for (device, sector, sectors, value) in sorted {
            let start = sector * 512;
            let end = (start + sectors * 512).min(SECTORS * 512);
            let taken = writes.last().filter(|write| write.device == device);
            if taken.is_some_and(|write| write.range().end > start) {
                continue;
            }
            let mut old = vec![0; (end - start) as usize];
            now[device].read_at(Bytes(start), &mut old).unwrap();
            let new = vec![value; old.len()];
            now[device].write_at(Bytes(start), &new).unwrap();
            let part = match sector {
                0..4 => Part::Superblock,
                _ => Part::BitmapArea,
            };
            writes.push(Write {
                device,
                start: Bytes(start),
                part,
                old: Old::Bytes(old),
                new: Content::bytes(new),
            });
        }
        plan.steps.push(Step {
            title: "test".to_owned(),
            writes,
        });
    }
    assert_eq!(plan.flaw(), None);
    plan
}

/// Carries out the first `groups` groups, and of the next one the sectors whose bit is set.
fn crash(plan: &Plan, stores: &[MemoryStore], groups: usize, sectors: u64) {
    let all = plan
        .steps
        .iter()
        .flat_map(|step| step.writes.chunk_by(|a, b| a.device == b.device));
    for (number, writes) in all.enumerate() {
        let mut bit = 0;
        for write in writes {
            let new = write.new.to_vec();
            for (sector, bytes) in (0u64..).zip(new.chunks(512)) {
                let done = number < groups || (number == groups && sectors >> bit & 1 == 1);
                bit += 1;
                if done {
                    let at = Bytes(write.start.0 + sector * 512);
                    stores[write.device].write_at(at, bytes).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever a crash leaves is recognised, and taken back, also when that fails half-way and is begun anew.
    #[test]
    fn every_crash_can_be_undone(steps in pieces(), groups in 0usize..12, sectors in any::<u64>()) {
        let stores = stores();
        let before = contents(&stores);
        let plan = plan(&stores, &steps);
        let file = file(&plan, &stores);
        let done = copies(&stores);
        execute(&plan, &refs(&done), |_, _| {}).unwrap();
        crash(&plan, &stores, groups, sectors);
        let now = contents(&stores);
        let judgement = judge(&file, &refs(&stores)).unwrap();
        if now == before {
            prop_assert_eq!(&judgement.state, &State::Before);
        } else if now == contents(&done) {
            prop_assert_eq!(&judgement.state, &State::Done);
        } else {
            let consistent = matches!(judgement.state, State::Half(Reach { is_consistent: true, .. }));
            prop_assert!(consistent, "{:?}", judgement.state);
        }
        let order = refs(&stores);
        let shown: Vec<Vec<u8>> = super::before(&file, &order)
            .iter()
            .map(|view| {
                let mut bytes = vec![0; view.len().0 as usize];
                view.read_at(Bytes(0), &mut bytes).unwrap();
                bytes
            })
            .collect();
        prop_assert_eq!(&shown, &before);
        revert_with_failures(&file, &stores);
        prop_assert_eq!(contents(&stores), before);
        let again = take_back(&file, &refs(&stores)).unwrap();
        prop_assert_eq!((again.state, again.bytes), (State::Before, 0));
    }

    /// The devices on the way back are as they could have been on the way there, wherever it stops.
    #[test]
    fn the_way_back_is_the_way_there(steps in pieces(), stop in 0usize..12) {
        let stores = stores();
        let plan = plan(&stores, &steps);
        let file = file(&plan, &stores);
        let mut forward = vec![contents(&stores)];
        let mut groups = 0;
        for step in &plan.steps {
            for writes in step.writes.chunk_by(|a, b| a.device == b.device) {
                groups += 1;
                let copies = copies(&stores);
                crash(&plan, &copies, groups, 0);
                forward.push(contents(&copies));
                prop_assert!(!writes.is_empty());
            }
        }
        crash(&plan, &stores, groups, 0);
        let left = AtomicUsize::new(stop);
        let failing: Vec<Failing<'_>> = stores.iter().map(|inner| Failing { inner, left: &left }).collect();
        let failing: Vec<&dyn Store> = failing.iter().map(|store| store as &dyn Store).collect();
        let _ = take_back(&file, &failing);
        let now = contents(&stores);
        let between = |sector: usize, device: usize, number: usize| {
            let bytes = |state: &Vec<Vec<u8>>| state[device][sector * 512..][..512].to_vec();
            let here = bytes(&now);
            here == bytes(&forward[number]) || here == bytes(&forward[number + 1])
        };
        // Between two neighbours of the way there, sector by sector.
        let found = (0..forward.len().saturating_sub(1)).any(|number| {
            (0..2).all(|device| (0..SECTORS as usize + 2).all(|sector| between(sector, device, number)))
        });
        prop_assert!(found || forward.len() == 1);
    }

    /// A byte that nothing of this wrote is found where the plan or a guard is, and nothing is written then.
    #[test]
    fn foreign_bytes_are_found(
        steps in pieces(), groups in 0usize..12, sectors in any::<u64>(),
        device in 0usize..2, at in 0u64..(SECTORS + 2) * 512, value in 100u8..,
    ) {
        let stores = stores();
        let plan = plan(&stores, &steps);
        let file = file(&plan, &stores);
        crash(&plan, &stores, groups, sectors);
        let mut byte = [0];
        stores[device].read_at(Bytes(at), &mut byte).unwrap();
        prop_assume!(byte[0] != value);
        stores[device].write_at(Bytes(at), &[value]).unwrap();
        let now = contents(&stores);
        let in_plan = plan.steps.iter().flat_map(|step| &step.writes)
            .any(|write| write.device == device && write.range().contains(&at));
        let guarded = plan.guards.iter().any(|guard| {
            guard.device == device && (guard.start.0..guard.start.0 + guard.bytes.len() as u64).contains(&at)
        });
        match judge(&file, &refs(&stores)).unwrap().state {
            State::Foreign(all) => {
                prop_assert!(in_plan || guarded);
                prop_assert_eq!((all.len(), all[0].device), (1, device));
                prop_assert!((all[0].start..all[0].end).contains(&at));
                let message = all[0].to_string();
                let name = stores[device].name();
                prop_assert!(message.starts_with(&format!("{name}: bytes {}..", at / 512 * 512)), "{}", message);
                prop_assert!(take_back(&file, &refs(&stores)).is_err());
                prop_assert_eq!(contents(&stores), now);
            }
            state => prop_assert!(!in_plan && !guarded, "{:?}", state),
        }
    }

    /// Disks that forget what was flushed: a mixture that no crash leaves is taken back all the same.
    #[test]
    fn any_mixture_can_be_undone(steps in pieces(), choice in proptest::collection::vec(0usize..99, 64)) {
        let stores = stores();
        let before = contents(&stores);
        let plan = plan(&stores, &steps);
        let file = file(&plan, &stores);
        let mut choice = choice.iter().cycle();
        for (device, before) in before.iter().enumerate() {
            for sector in 0..SECTORS {
                let at = (sector * 512) as usize;
                let mut versions = vec![before[at..at + 512].to_vec()];
                for write in plan.steps.iter().flat_map(|step| &step.writes) {
                    if write.device == device && write.range().contains(&(at as u64)) {
                        let mut bytes = vec![0; 512];
                        write.new.read(at as u64 - write.start.0, &mut bytes);
                        versions.push(bytes);
                    }
                }
                let version = &versions[choice.next().unwrap() % versions.len()];
                stores[device].write_at(Bytes(at as u64), version).unwrap();
            }
        }
        // Once interrupted, once to the end.
        let left = AtomicUsize::new(2);
        let failing: Vec<Failing<'_>> = stores.iter().map(|inner| Failing { inner, left: &left }).collect();
        let failing: Vec<&dyn Store> = failing.iter().map(|store| store as &dyn Store).collect();
        let _ = take_back(&file, &failing);
        take_back(&file, &refs(&stores)).unwrap();
        prop_assert_eq!(contents(&stores), before);
    }
}
