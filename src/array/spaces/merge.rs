//! Streams of ranges: several become one in order, and what touches becomes one range.

use super::Pieces;
use crate::units::Sectors;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::FusedIterator;
use std::ops::Range;
use std::rc::Rc;

/// The ranges of another stream, which must come by ascending start: what overlaps or touches is
/// one range, what is empty is none.
pub struct Coalesced<I, E> {
    inner: I,
    held: Option<Range<Sectors>>,
    /// An error that waits until the range before it was handed out.
    error: Option<E>,
    done: bool,
}

impl<I, E> Coalesced<I, E> {
    /// The ranges of `inner`.
    pub fn new(inner: I) -> Self {
        Coalesced {
            inner,
            held: None,
            error: None,
            done: false,
        }
    }
}

impl<I: Iterator<Item = Result<Range<Sectors>, E>>, E> Iterator for Coalesced<I, E> {
    type Item = Result<Range<Sectors>, E>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.inner.next() {
                Some(Ok(range)) if range.start >= range.end => {}
                Some(Ok(range)) => match &mut self.held {
                    Some(held) if range.start <= held.end => held.end = held.end.max(range.end),
                    held => {
                        if let Some(complete) = held.replace(range) {
                            return Some(Ok(complete));
                        }
                    }
                },
                Some(Err(error)) => {
                    self.error = Some(error);
                    self.done = true;
                }
                None => self.done = true,
            }
        }
        match self.held.take() {
            Some(held) => Some(Ok(held)),
            None => self.error.take().map(Err),
        }
    }
}

impl<I: Iterator<Item = Result<Range<Sectors>, E>>, E> FusedIterator for Coalesced<I, E> {}

/// Several streams, each by ascending start, as one by ascending start. Ranges are handed on as
/// they are; the first error ends all.
pub struct Merged<'a, E> {
    streams: Vec<Pieces<'a, E>>,
    /// The next range of each stream: its start, its end, the number of the stream.
    heads: BinaryHeap<Reverse<(Sectors, Sectors, usize)>>,
    /// Streams whose first range was not asked for yet: those from this number on.
    unasked: usize,
    failed: bool,
}

impl<'a, E: 'a> Merged<'a, E> {
    /// Merges `streams`; of one alone nothing is made but itself.
    pub fn of(mut streams: Vec<Pieces<'a, E>>) -> Pieces<'a, E> {
        if streams.len() == 1
            && let Some(only) = streams.pop()
        {
            return only;
        }
        Box::new(Merged {
            heads: BinaryHeap::with_capacity(streams.len()),
            streams,
            unasked: 0,
            failed: false,
        })
    }

    /// Puts the next range of stream `number` among the heads.
    fn ask(&mut self, number: usize) -> Result<(), E> {
        if let Some(range) = self.streams.get_mut(number).and_then(Iterator::next) {
            let range = range?;
            self.heads.push(Reverse((range.start, range.end, number)));
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Range<Sectors>>, E> {
        while self.unasked < self.streams.len() {
            self.unasked += 1;
            self.ask(self.unasked - 1)?;
        }
        let Some(Reverse((start, end, number))) = self.heads.pop() else {
            return Ok(None);
        };
        self.ask(number)?;
        Ok(Some(start..end))
    }
}

impl<'a, E: 'a> Iterator for Merged<'a, E> {
    type Item = Result<Range<Sectors>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.advance();
        self.failed = result.is_err();
        result.transpose()
    }
}

/// Counts the sectors that pass through a stream.
#[derive(Debug, Clone, Default)]
pub struct Tally(Rc<Cell<u128>>);

impl Tally {
    /// The same stream, counted.
    pub fn count<'a, E: 'a>(&self, pieces: Pieces<'a, E>) -> Pieces<'a, E> {
        let count = Rc::clone(&self.0);
        Box::new(pieces.inspect(move |piece| {
            if let Ok(range) = piece {
                let sectors = range.end.0.saturating_sub(range.start.0);
                count.set(count.get() + u128::from(sectors));
            }
        }))
    }

    /// Counts from 0 again.
    pub fn reset(&self) {
        self.0.set(0);
    }

    /// Sectors that passed so far.
    pub fn sectors(&self) -> u128 {
        self.0.get()
    }
}
