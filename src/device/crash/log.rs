//! What a command did, call by call.

use super::image::{Block, Image};

/// All writes and flushes of a command, in their order, and what the stores held before the first.
#[derive(Debug, Clone)]
pub struct Log {
    pub(super) start: Vec<Image>,
    pub(super) calls: Vec<Call>,
}

#[derive(Debug, Clone)]
pub(super) enum Call {
    Write {
        store: usize,
        /// By their number, ascending.
        blocks: Vec<(u64, Block)>,
    },
    Flush {
        store: usize,
    },
}

/// A call of a [`Log`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Blocks of a store were written.
    Write {
        /// Its place among the stores.
        store: usize,
        /// The first block that was stored.
        first: u64,
        /// Blocks that were stored.
        blocks: usize,
    },
    /// A store was flushed.
    Flush {
        /// Its place among the stores.
        store: usize,
    },
}

impl Log {
    /// What the stores held at first.
    pub fn start(&self) -> &[Image] {
        &self.start
    }

    /// The calls.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.calls.iter().map(|call| match call {
            Call::Write { store, blocks } => Entry::Write {
                store: *store,
                first: blocks.first().map_or(0, |(number, _)| *number),
                blocks: blocks.len(),
            },
            Call::Flush { store } => Entry::Flush { store: *store },
        })
    }

    /// What the stores hold once everything that was written is durable.
    pub fn end(&self) -> Vec<Image> {
        self.after(self.calls.len())
    }

    /// The same once the first calls alone were made.
    pub fn after(&self, calls: usize) -> Vec<Image> {
        let mut images = self.start.clone();
        for call in self.calls.iter().take(calls) {
            let Call::Write { store, blocks } = call else {
                continue;
            };
            if let Some(image) = images.get_mut(*store) {
                for (number, block) in blocks {
                    image.put(*number, block.clone());
                }
            }
        }
        images
    }

    /// The same log without the flushes for which `is_lost` holds, told by their number among all flushes, and the store: of
    /// devices that say they have flushed, and have not.
    #[must_use]
    pub fn without_flushes(&self, mut is_lost: impl FnMut(usize, usize) -> bool) -> Log {
        let mut number = 0;
        let calls = self.calls.iter().filter(|call| {
            let Call::Flush { store } = call else {
                return true;
            };
            number += 1;
            !is_lost(number - 1, *store)
        });
        Log {
            start: self.start.clone(),
            calls: calls.cloned().collect(),
        }
    }
}
