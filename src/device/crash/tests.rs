//! The states of a log against a slow model: at every moment, every way to have stored any version of any block.

use super::{Effort, Fault, Image, Kept, Recorder, What, windows};
use crate::units::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SECTORS: u64 = 4;
const ALL: Effort = Effort {
    exhaustive: u64::MAX,
    random: 0,
    seed: 0,
};

/// What a command of the tests does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Write {
        store: usize,
        first: u64,
        sectors: u64,
    },
    Flush {
        store: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let write = (0usize..2, 0..SECTORS, 1u64..3).prop_map(|(store, first, sectors)| Act::Write {
        store,
        first,
        sectors: sectors.min(SECTORS - first),
    });
    let flush = (0usize..2).prop_map(|store| Act::Flush { store });
    proptest::collection::vec(prop_oneof![2 => write, 1 => flush], 0..7)
}

fn blank(block: u32) -> Vec<Image> {
    let image = |name| Image::new(name, vec![0; SECTORS as usize * 512]).with_block_bytes(block);
    vec![image("a"), image("b")]
}

/// Does it, up to the first call that fails; write number n fills with n + 1.
fn run(acts: &[Act], recorder: &Recorder) {
    let stores = recorder.stores();
    for (number, act) in acts.iter().enumerate() {
        let done = match act {
            Act::Write {
                store,
                first,
                sectors,
            } => {
                let data = vec![number as u8 + 1; *sectors as usize * 512];
                stores[*store].write_at(Bytes(first * 512), &data)
            }
            Act::Flush { store } => stores[*store].flush(),
        };
        if done.is_err() {
            return;
        }
    }
}

/// The first byte of every sector, store by store.
type Told = Vec<Vec<u8>>;

fn told(images: &[Image]) -> Told {
    let firsts = |image: &Image| image.to_vec().chunks(512).map(|s| s[0]).collect();
    images.iter().map(firsts).collect()
}

/// What each block of each store may hold at a moment: all its sectors.
type Options = Vec<Vec<Vec<Vec<u8>>>>;

/// All states of all moments. Blocks are of `per` sectors.
fn slowly(acts: &[Act], per: u64) -> BTreeSet<Told> {
    let mut all = BTreeSet::new();
    for moment in 0..=acts.len() {
        let mut options: Options =
            vec![vec![vec![vec![0; per as usize]]; (SECTORS / per) as usize]; 2];
        for (number, act) in acts[..moment].iter().enumerate() {
            match *act {
                Act::Write {
                    store,
                    first,
                    sectors,
                } => {
                    let written = first..first + sectors;
                    for (block, versions) in (0..).zip(&mut options[store]) {
                        let mut version = versions.last().unwrap().clone();
                        let mut touched = false;
                        for (sector, byte) in (block * per..).zip(&mut version) {
                            if written.contains(&sector) {
                                *byte = number as u8 + 1;
                                touched = true;
                            }
                        }
                        if touched {
                            versions.push(version);
                        }
                    }
                }
                Act::Flush { store } => {
                    for versions in &mut options[store] {
                        *versions = vec![versions.last().unwrap().clone()];
                    }
                }
            }
        }
        let mut states: Vec<Told> = vec![vec![Vec::new(), Vec::new()]];
        for (store, blocks) in options.iter().enumerate() {
            for versions in blocks {
                let with = |state: &Told| -> Vec<Told> {
                    let one = |version: &Vec<u8>| {
                        let mut state = state.clone();
                        state[store].extend(version);
                        state
                    };
                    versions.iter().map(one).collect()
                };
                states = states.iter().flat_map(with).collect();
            }
        }
        all.extend(states);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_state_of_every_moment_and_no_other(acts in acts(), per in prop_oneof![Just(1u64), Just(2)]) {
        let recorder = Recorder::new(blank(per as u32 * 512));
        run(&acts, &recorder);
        let mut found: BTreeMap<Told, u128> = BTreeMap::new();
        for window in windows(&recorder.log()) {
            let mut count = 0;
            for state in window.states(ALL) {
                let hash = *found.entry(told(&state.images)).or_insert_with(|| state.hash());
                prop_assert_eq!(hash, state.hash());
                prop_assert_eq!(window.state(ALL, state.index).hash(), hash);
                count += 1;
            }
            prop_assert_eq!(Some(count), window.all());
        }
        let hashes: BTreeSet<u128> = found.values().copied().collect();
        prop_assert_eq!(hashes.len(), found.len());
        prop_assert_eq!(found.into_keys().collect::<BTreeSet<Told>>(), slowly(&acts, per));
        prop_assert_eq!(told(&recorder.now()), told(&recorder.log().end()));
    }

    #[test]
    fn samples_are_states(acts in acts(), seed: u64, random in 0u64..40) {
        let recorder = Recorder::new(blank(512));
        run(&acts, &recorder);
        let effort = Effort { exhaustive: 1, random, seed };
        for window in windows(&recorder.log()) {
            let all: BTreeSet<Told> = window.states(ALL).map(|state| told(&state.images)).collect();
            let some: Vec<Told> = window.states(effort).map(|state| told(&state.images)).collect();
            prop_assert!(some.iter().all(|state| all.contains(state)));
            prop_assert!(some.len() as u64 == window.count(effort));
        }
    }

    /// A call that fails leaves a state that a power cut after some of the calls could leave, whatever the failing write stored.
    #[test]
    fn a_failed_call_leaves_no_other_states(acts in acts(), call in 0u64..7, seed: u64) {
        for kept in [Kept::Nothing, Kept::All, Kept::Some(seed)] {
            let fault = Fault { call, what: What::InputOutput, kept, lasting: false };
            let recorder = Recorder::new(blank(512)).with_fault(fault);
            run(&acts, &recorder);
            prop_assert_eq!(recorder.struck().is_some(), (call as usize) < acts.len());
            let possible = slowly(&acts, 1);
            for window in windows(&recorder.log()) {
                for state in window.states(ALL) {
                    prop_assert!(possible.contains(&told(&state.images)));
                }
            }
        }
    }
}
