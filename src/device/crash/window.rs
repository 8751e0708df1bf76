//! Everything that a cut can leave.

use super::image::{Block, Image, hash_of};
use super::log::{Call, Log};
use super::random::Random;

/// What may be durable or not when the power goes, at one moment of a log.
#[derive(Debug, Clone)]
pub struct Window {
    /// Its number among those of the log.
    number: usize,
    /// What is durable for certain.
    durable: Vec<Image>,
    /// Ascending by store and block.
    pending: Vec<Pending>,
    /// Writes since each store's last flush.
    writes: usize,
}

/// A block that was written since its store was flushed.
#[derive(Debug, Clone)]
struct Pending {
    store: usize,
    number: u64,
    /// What it held before, then what it was given by each write: the number of the write in the window, and the block.
    versions: Vec<(usize, Block)>,
}

/// How many states of a window are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// All of them, where there are no more than this.
    pub exhaustive: u64,
    /// Otherwise the extremes, and so many random ones.
    pub random: u64,
    /// What determines them.
    pub seed: u64,
}

/// What a cut left.
#[derive(Debug, Clone)]
pub struct State {
    /// The window that it lies in.
    pub window: usize,
    /// Its number there.
    pub index: u64,
    /// What the stores hold.
    pub images: Vec<Image>,
}

/// Extremes beyond this many are left to chance: a window of a copy of data has as many blocks as the data.
const MOST_EXTREMES: u64 = 4096;

/// The windows of a log: before every flush after which fewer states are possible, and at the end.
pub fn windows(log: &Log) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut now = Window {
        number: 0,
        durable: log.start.clone(),
        pending: Vec::new(),
        writes: 0,
    };
    for call in &log.calls {
        match call {
            Call::Write { store, blocks } => now.write(*store, blocks),
            Call::Flush { store } => {
                if now.pending.iter().any(|pending| pending.store == *store) {
                    windows.push(now.clone());
                    now.flush(*store);
                    now.number += 1;
                }
            }
        }
    }
    windows.push(now);
    windows
}

impl Window {
    fn write(&mut self, store: usize, blocks: &[(u64, Block)]) {
        self.writes += 1;
        for (number, block) in blocks {
            let place = self
                .pending
                .binary_search_by_key(&(store, *number), |pending| (pending.store, pending.number));
            let at = match place {
                Ok(at) => at,
                Err(at) => {
                    let Some(image) = self.durable.get(store) else {
                        continue;
                    };
                    let old = image.new_block(*number, image.block(*number).to_vec());
                    let pending = Pending {
                        store,
                        number: *number,
                        versions: vec![(0, old)],
                    };
                    self.pending.insert(at, pending);
                    at
                }
            };
            if let Some(pending) = self.pending.get_mut(at) {
                pending.versions.push((self.writes, block.clone()));
            }
        }
    }

    fn flush(&mut self, store: usize) {
        for pending in self.pending.iter().filter(|pending| pending.store == store) {
            let newest = pending.versions.last();
            if let (Some(image), Some((_, block))) = (self.durable.get_mut(store), newest) {
                image.put(pending.number, block.clone());
            }
        }
        self.pending.retain(|pending| pending.store != store);
        if self.pending.is_empty() {
            self.writes = 0;
        }
    }

    /// Its number among those of the log.
    pub fn number(&self) -> usize {
        self.number
    }

    /// How many states it has; `None` beyond 64 bits.
    pub fn all(&self) -> Option<u64> {
        self.pending.iter().try_fold(1_u64, |all, pending| {
            all.checked_mul(pending.versions.len() as u64)
        })
    }

    /// How many states are looked at, some of them possibly twice.
    pub fn count(&self, effort: Effort) -> u64 {
        match self.all() {
            Some(all) if all <= effort.exhaustive => all,
            _ => self.extremes().saturating_add(effort.random),
        }
    }

    /// Writes in their order up to any of them; each block alone durable, each alone not; the same for stores.
    fn extremes(&self) -> u64 {
        let (writes, blocks, stores) = self.parts();
        (writes + 2 * blocks + 2 * stores).min(MOST_EXTREMES)
    }

    fn parts(&self) -> (u64, u64, u64) {
        let writes = self.writes as u64 + 1;
        (writes, self.pending.len() as u64, self.durable.len() as u64)
    }

    /// Which version each pending block has in a state.
    fn choice(&self, effort: Effort, index: u64) -> Vec<usize> {
        if self.all().is_some_and(|all| all <= effort.exhaustive) {
            let mut rest = index;
            let digit = |pending: &Pending| {
                let versions = pending.versions.len() as u64;
                let digit = rest % versions;
                rest /= versions;
                usize::try_from(digit).unwrap_or_default()
            };
            return self.pending.iter().map(digit).collect();
        }
        let mut random = Random::of(&[effort.seed, self.number as u64, index]);
        if index >= self.extremes() {
            return self.by_chance(&mut random);
        }
        let (writes, blocks, stores) = self.parts();
        let of_all = writes + 2 * blocks + 2 * stores;
        let index = match of_all > MOST_EXTREMES {
            true => random.below(of_all),
            false => index,
        };
        self.extreme(index)
    }

    fn extreme(&self, index: u64) -> Vec<usize> {
        let (writes, blocks, _) = self.parts();
        let newest = |pending: &Pending| pending.versions.len() - 1;
        let all = self.pending.iter();
        if let Some(index) = index.checked_sub(writes + 2 * blocks) {
            let (store, alone) = (index / 2, index.is_multiple_of(2));
            let digit = |p: &Pending| {
                if (p.store as u64 == store) == alone {
                    newest(p)
                } else {
                    0
                }
            };
            return all.map(digit).collect();
        }
        if let Some(index) = index.checked_sub(writes) {
            let (block, alone) = (index / 2, index.is_multiple_of(2));
            let digit = |(at, p): (u64, &Pending)| match (at == block) == alone {
                true => newest(p),
                false => 0,
            };
            return (0..).zip(all).map(digit).collect();
        }
        let digit = |pending: &Pending| {
            let done = |version: &&(usize, Block)| version.0 as u64 <= index;
            pending
                .versions
                .iter()
                .filter(done)
                .count()
                .saturating_sub(1)
        };
        all.map(digit).collect()
    }

    fn by_chance(&self, random: &mut Random) -> Vec<usize> {
        // Few, half, or most of them.
        let likely = 1 + random.below(15);
        let digit = |pending: &Pending| match random.below(16) < likely {
            true => {
                let later = pending.versions.len() as u64 - 1;
                // The newest half of the time, any other as well.
                let newest = random.once_in(2);
                let back = if newest { 0 } else { random.below(later) };
                usize::try_from(later - back).unwrap_or_default()
            }
            false => 0,
        };
        self.pending.iter().map(digit).collect()
    }

    /// A state by its number, which is below [`Window::count`].
    pub fn state(&self, effort: Effort, index: u64) -> State {
        let mut images = self.durable.clone();
        let choice = self.choice(effort, index);
        for (pending, version) in self.pending.iter().zip(choice) {
            let block = pending.versions.get(version);
            if let (Some(image), Some((_, block))) = (images.get_mut(pending.store), block)
                && version > 0
            {
                image.put(pending.number, block.clone());
            }
        }
        State {
            window: self.number,
            index,
            images,
        }
    }

    /// The states that are looked at.
    pub fn states(&self, effort: Effort) -> impl Iterator<Item = State> + '_ {
        (0..self.count(effort)).map(move |index| self.state(effort, index))
    }
}

impl State {
    /// A number that is the same for states that hold the same.
    pub fn hash(&self) -> u128 {
        hash_of(&self.images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::crash::Recorder;
    use crate::device::{Store, StoreError};
    use crate::units::Bytes;
    use std::collections::BTreeSet;

    const ALL: Effort = Effort {
        exhaustive: 4096,
        random: 0,
        seed: 1,
    };

    fn record(
        images: Vec<Image>,
        command: impl Fn(&[&dyn Store]) -> Result<(), StoreError>,
    ) -> Log {
        let recorder = Recorder::new(images);
        command(&recorder.stores()).unwrap();
        recorder.log()
    }

    fn zeros(block: u32) -> Vec<Image> {
        let image = |name| Image::new(name, vec![0; 4096 * 4]).with_block_bytes(block);
        vec![image("a"), image("b")]
    }

    /// The first byte of each of the first sectors of every store.
    fn digits(images: &[Image], sectors: usize) -> Vec<u8> {
        let of = |image: &Image| {
            let bytes = image.to_vec();
            (0..sectors).map(|at| bytes[at * 512]).collect::<Vec<u8>>()
        };
        images.iter().flat_map(of).collect()
    }

    #[test]
    fn any_version_of_any_sector_and_nothing_else() {
        let log = record(zeros(512), |stores| {
            stores[0].write_at(Bytes(0), &[1; 1024])?;
            stores[0].write_at(Bytes(512), &[2; 512])?;
            stores[0].flush()?;
            stores[0].write_at(Bytes(0), &[3; 512])?;
            stores[1].write_at(Bytes(0), &[4; 512])?;
            stores[1].flush()
        });
        let windows = windows(&log);
        let all: Vec<Option<u64>> = windows.iter().map(Window::all).collect();
        assert_eq!(all, [Some(6), Some(4), Some(2)]);
        let states = |window: &Window| {
            let states = window.states(ALL).map(|state| digits(&state.images, 2));
            states.collect::<BTreeSet<Vec<u8>>>()
        };
        let first: BTreeSet<Vec<u8>> = [0, 1]
            .into_iter()
            .flat_map(|a| [0, 1, 2].map(|b| vec![a, b, 0, 0]))
            .collect();
        assert_eq!(states(&windows[0]), first);
        let second = [[1, 2, 0, 0], [3, 2, 0, 0], [1, 2, 4, 0], [3, 2, 4, 0]];
        assert_eq!(states(&windows[1]), second.map(Vec::from).into());
        // Store b is durable, a is not yet.
        let last = [[1, 2, 4, 0], [3, 2, 4, 0]];
        assert_eq!(states(&windows[2]), last.map(Vec::from).into());
    }

    #[test]
    fn larger_blocks_are_not_torn() {
        let log = record(zeros(4096), |stores| {
            stores[0].write_at(Bytes(512), &[1; 4096])
        });
        let windows = windows(&log);
        let states: BTreeSet<Vec<u8>> = windows[0]
            .states(ALL)
            .map(|state| digits(&state.images, 10)[..10].to_vec())
            .collect();
        let none = vec![0; 10];
        let mut first = none.clone();
        first[1..8].fill(1);
        let mut second = none.clone();
        second[8] = 1;
        let mut both = first.clone();
        both[8] = 1;
        assert_eq!(states, [none, first, second, both].into());
    }

    #[test]
    fn many_are_sampled_extremes_included() {
        let log = record(zeros(512), |stores| {
            for sector in 0..20 {
                stores[0].write_at(Bytes(sector * 512), &[1; 512])?;
                stores[1].write_at(Bytes(sector * 512), &[2; 512])?;
            }
            Ok(())
        });
        let windows = windows(&log);
        let effort = Effort {
            exhaustive: 1 << 12,
            random: 500,
            seed: 9,
        };
        let window = &windows[0];
        assert_eq!(window.all(), Some(1 << 40));
        let states: Vec<State> = window.states(effort).collect();
        assert_eq!(states.len(), 41 + 80 + 4 + 500);
        let seen: BTreeSet<Vec<u8>> = states.iter().map(|s| digits(&s.images, 20)).collect();
        let full: Vec<u8> = [vec![1; 20], vec![2; 20]].concat();
        for at in 0..40 {
            let mut alone = vec![0; 40];
            alone[at] = full[at];
            assert!(seen.contains(&alone));
            let mut missing = full.clone();
            missing[at] = 0;
            assert!(seen.contains(&missing));
            let order = |at: usize| if at < 20 { 2 * at } else { 2 * (at - 20) + 1 };
            let prefix: Vec<u8> = (0..40)
                .map(|other| if order(other) <= at { full[other] } else { 0 })
                .collect();
            assert!(seen.contains(&prefix));
        }
        assert!(seen.contains(&vec![0; 40]) && seen.contains(&full));
        assert!(seen.contains(&[vec![1; 20], vec![0; 20]].concat()));
        assert!(seen.len() > 550, "{}", seen.len());
        // By number, and by seed, they come again.
        for state in states.iter().step_by(37) {
            let again = window.state(effort, state.index);
            assert_eq!(again.hash(), state.hash());
        }
        let hashes: BTreeSet<u128> = states.iter().map(State::hash).collect();
        assert_eq!(hashes.len(), seen.len(), "one hash for one content");
    }

    #[test]
    fn a_second_run_is_cut_from_what_the_first_left() {
        let first = record(zeros(512), |stores| {
            stores[0].write_at(Bytes(0), &[1; 1024])
        });
        let cut = windows(&first)[0].state(ALL, 1);
        let second = record(cut.images, |stores| {
            stores[0].write_at(Bytes(512), &[5; 512])
        });
        let windows = windows(&second);
        let states: BTreeSet<Vec<u8>> = windows[0]
            .states(ALL)
            .map(|state| digits(&state.images, 2)[..2].to_vec())
            .collect();
        assert_eq!(states, [vec![1, 0], vec![1, 5]].into());
    }
}
