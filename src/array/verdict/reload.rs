//! What loading a version 6 bitmap does to its states.
//!
//! The kernel applies one action to every chunk in order, with a side effect: states that
//! become dirty or "need sync" spread over the rest of their unit of writing (one logical block)
//! once there is a second one in it. Chunks that the spreading reaches ahead of the walk become
//! "need sync" in turn; those behind it stay dirty, which a resync skips.
//! Source: reference/kernel.md 6.2, 6.4, 6.6.

const UNWRITTEN: u8 = 0;
const CLEAN: u8 = 1;
const DIRTY: u8 = 2;
pub(super) const NEED_SYNC: u8 = 3;
const SYNCING: u8 = 4;
const NEED_SYNC_UNWRITTEN: u8 = 5;
const SYNCING_UNWRITTEN: u8 = 6;
const CLEAN_UNWRITTEN: u8 = 7;

/// Which action loading applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadAction {
    /// The bitmap is current.
    Reload,
    /// The bitmap is stale.
    Stale,
}

/// The array that loads the bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadModel {
    /// Which action.
    pub action: LoadAction,
    /// Some slot has no member in sync: nothing spreads.
    pub degraded: bool,
    /// raid4, raid5 or raid6: unwritten chunks that the spreading reaches need sync at once.
    pub parity: bool,
}

impl LoadModel {
    /// Loads one unit: `bytes` as on disk, of which those in `chunks` are states, the others the
    /// header or what follows the last chunk.
    pub fn load_unit(&self, bytes: &mut [u8], chunks: std::ops::Range<usize>) {
        let mut unit = Unit {
            bytes,
            marked: false,
            spread: false,
            fresh: Vec::new(),
        };
        for at in chunks {
            let Some(&state) = unit.bytes.get(at) else {
                break;
            };
            if let Some(next) = self.transition(state) {
                self.write(&mut unit, at, next);
            }
        }
    }

    /// True when chunks that are clean become dirty.
    pub fn rewrites_clean(&self) -> bool {
        self.action == LoadAction::Stale
    }

    /// The state that the action leads to; `None` for no change.
    fn transition(&self, state: u8) -> Option<u8> {
        match (state, self.action) {
            (UNWRITTEN | NEED_SYNC, _) | (CLEAN | CLEAN_UNWRITTEN, LoadAction::Reload) => None,
            (NEED_SYNC_UNWRITTEN | SYNCING_UNWRITTEN, _) | (CLEAN_UNWRITTEN, LoadAction::Stale) => {
                Some(UNWRITTEN)
            }
            (DIRTY | SYNCING, _) | (CLEAN, LoadAction::Stale) => Some(NEED_SYNC),
            // No state that the kernel knows: it forces a resync.
            _ => Some(NEED_SYNC),
        }
    }

    fn write(&self, unit: &mut Unit<'_>, at: usize, state: u8) {
        unit.set(at, state);
        if state == UNWRITTEN {
            unit.fresh.push(at);
        } else if !self.degraded && (unit.marked || unit.has_another(at)) {
            self.spread(unit);
        }
        unit.marked |= state != UNWRITTEN;
    }

    /// Everything in the unit that is clean or unwritten becomes dirty. After the first time
    /// only what was written as unwritten since can be.
    fn spread(&self, unit: &mut Unit<'_>) {
        let fresh = std::mem::take(&mut unit.fresh);
        if unit.spread {
            for at in fresh {
                self.spread_to(unit, at);
            }
        } else {
            for at in 0..unit.bytes.len() {
                self.spread_to(unit, at);
            }
            unit.spread = true;
        }
    }

    fn spread_to(&self, unit: &mut Unit<'_>, at: usize) {
        match unit.bytes.get(at) {
            Some(&UNWRITTEN) if self.parity => unit.set(at, NEED_SYNC),
            Some(&(UNWRITTEN | CLEAN | CLEAN_UNWRITTEN)) => unit.set(at, DIRTY),
            _ => {}
        }
    }
}

/// A unit while it is loaded.
struct Unit<'a> {
    bytes: &'a mut [u8],
    /// Something in it is to be written.
    marked: bool,
    /// The spreading has been through all of it.
    spread: bool,
    /// Written as unwritten since.
    fresh: Vec<usize>,
}

impl Unit<'_> {
    fn set(&mut self, at: usize, state: u8) {
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte = state;
        }
    }

    /// True when a byte other than that at `at` holds dirty or "need sync". The kernel looks at
    /// the whole unit, the header's bytes included.
    fn has_another(&self, at: usize) -> bool {
        let mut others = self
            .bytes
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != at);
        others.any(|(_, state)| matches!(*state, DIRTY | NEED_SYNC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: LoadModel = LoadModel {
        action: LoadAction::Reload,
        degraded: false,
        parity: false,
    };

    fn loaded(model: LoadModel, states: &[u8]) -> Vec<u8> {
        let mut unit = states.to_vec();
        model.load_unit(&mut unit, 0..states.len());
        unit
    }

    #[test]
    fn each_state_alone_follows_the_table() {
        let after = |model: LoadModel| -> Vec<u8> {
            (0..10).map(|state| loaded(model, &[state])[0]).collect()
        };
        assert_eq!(after(PLAIN), [0, 1, 3, 3, 3, 0, 0, 7, 3, 3]);
        let stale = LoadModel {
            action: LoadAction::Stale,
            ..PLAIN
        };
        assert_eq!(after(stale), [0, 3, 3, 3, 3, 0, 0, 0, 3, 3]);
    }

    #[test]
    fn one_dirty_state_stays_alone() {
        assert_eq!(loaded(PLAIN, &[1, 0, 2, 1, 7]), [1, 0, 3, 1, 7]);
    }

    #[test]
    fn two_dirty_states_make_the_rest_need_sync() {
        // Behind the first of them: dirty, which a resync skips. Ahead: need sync.
        assert_eq!(
            loaded(PLAIN, &[1, 0, 7, 2, 1, 0, 2, 1]),
            [2, 2, 2, 3, 3, 3, 3, 3]
        );
        let parity = LoadModel {
            parity: true,
            ..PLAIN
        };
        assert_eq!(
            loaded(parity, &[1, 0, 7, 2, 1, 0, 2, 1]),
            [2, 3, 2, 3, 3, 3, 3, 3]
        );
    }

    #[test]
    fn a_need_sync_state_is_not_written_but_counts_as_another() {
        assert_eq!(loaded(PLAIN, &[1, 3, 1]), [1, 3, 1]);
        assert_eq!(loaded(PLAIN, &[1, 3, 1, 3, 1]), [1, 3, 1, 3, 1]);
        assert_eq!(loaded(PLAIN, &[1, 2, 3, 1]), [2, 3, 3, 3]);
    }

    #[test]
    fn nothing_spreads_on_a_degraded_array() {
        let degraded = LoadModel {
            degraded: true,
            ..PLAIN
        };
        assert_eq!(loaded(degraded, &[1, 0, 2, 1, 4, 9]), [1, 0, 3, 1, 3, 3]);
    }

    #[test]
    fn the_header_can_set_off_the_spreading() {
        let mut unit = [2, 9, 9, 1, 2, 1];
        PLAIN.load_unit(&mut unit, 3..6);
        assert_eq!(unit, [2, 9, 9, 2, 3, 3]);
    }

    /// The rule of the reference, word for word: at each write, look at everything.
    fn naive(model: LoadModel, bytes: &mut [u8], chunks: std::ops::Range<usize>) {
        let mut marked = false;
        for at in chunks {
            let Some(next) = model.transition(bytes[at]) else {
                continue;
            };
            bytes[at] = next;
            if next != NEED_SYNC {
                continue;
            }
            let another =
                (0..bytes.len()).any(|i| i != at && matches!(bytes[i], DIRTY | NEED_SYNC));
            if !model.degraded && (marked || another) {
                for byte in bytes.iter_mut() {
                    *byte = match *byte {
                        UNWRITTEN if model.parity => NEED_SYNC,
                        UNWRITTEN | CLEAN | CLEAN_UNWRITTEN => DIRTY,
                        other => other,
                    };
                }
            }
            marked = true;
        }
    }

    proptest! {
        #[test]
        fn the_fast_model_equals_the_naive_one(
            states in proptest::collection::vec(0u8..10, 1..64), from in 0usize..64, stale: bool, degraded: bool, parity: bool,
        ) {
            let action = if stale { LoadAction::Stale } else { LoadAction::Reload };
            let model = LoadModel { action, degraded, parity };
            let chunks = from.min(states.len())..states.len();
            let (mut fast, mut slow) = (states.clone(), states);
            model.load_unit(&mut fast, chunks.clone());
            naive(model, &mut slow, chunks);
            prop_assert_eq!(fast, slow);
        }
    }
}
