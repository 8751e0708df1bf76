//! Rows of a parity array as extents of the array's address space, in ascending order.

use crate::units::Sectors;
use std::iter::FusedIterator;
use std::ops::Range;

/// The pieces of the array that ascending, separate ranges of member rows hold: in each stripe the
/// same rows of every data chunk (reference/kernel.md 9.2). Parity has no address.
///
/// The ranges of one stripe are kept until the stripe is complete: the second data chunk of the
/// first range comes after the first data chunk of the last.
pub(super) struct Stripes<I, E> {
    rows: I,
    /// RAID chunk in sectors, never 0.
    chunk: u64,
    /// Data chunks a stripe.
    data: u64,
    /// What is left of the range that was read last.
    rest: Range<u64>,
    /// Rows of stripe `number` that were collected, from its first row.
    collected: Vec<Range<u32>>,
    number: u64,
    /// Data chunk and place in `collected` to be handed out next, once the stripe is complete.
    handing_out: Option<(u64, usize)>,
    ended: bool,
    error: Option<E>,
}

impl<I: Iterator<Item = Result<Range<Sectors>, E>>, E> Stripes<I, E> {
    /// `rows` in an array with this RAID chunk and this many data chunks a stripe.
    pub(super) fn new(rows: I, chunk: Sectors, data: u32) -> Self {
        Stripes {
            rows,
            chunk: chunk.0.max(1),
            data: u64::from(data),
            rest: 0..0,
            collected: Vec::new(),
            number: 0,
            handing_out: None,
            ended: false,
            error: None,
        }
    }

    /// The next piece of the complete stripe.
    fn hand_out(&mut self) -> Option<Range<Sectors>> {
        let (disk, place) = self.handing_out?;
        if let Some(rows) = self.collected.get(place) {
            self.handing_out = Some((disk, place + 1));
            // The array's size fits 64 bits, so its addresses do.
            let base = (self.number * self.data + disk) * self.chunk;
            return Some(
                Sectors(base + u64::from(rows.start))..Sectors(base + u64::from(rows.end)),
            );
        }
        if disk + 1 < self.data {
            self.handing_out = Some((disk + 1, 0));
            return self.hand_out();
        }
        self.handing_out = None;
        self.collected.clear();
        None
    }

    /// Deals with the start of `rest`: whole stripes are a piece, part of one is collected.
    fn take_rows(&mut self) -> Option<Range<Sectors>> {
        let (start, end) = (self.rest.start, self.rest.end);
        let stripe = start / self.chunk;
        if !self.collected.is_empty() && stripe != self.number {
            self.handing_out = Some((0, 0));
            return None;
        }
        let first = start % self.chunk;
        let whole = end / self.chunk;
        if first == 0 && whole > stripe {
            self.rest.start = whole * self.chunk;
            let width = self.chunk * self.data;
            return Some(Sectors(stripe * width)..Sectors(whole * width));
        }
        let last = (end - stripe * self.chunk).min(self.chunk);
        let narrow = |rows: u64| u32::try_from(rows).unwrap_or(u32::MAX);
        self.collected.push(narrow(first)..narrow(last));
        self.number = stripe;
        self.rest.start = stripe * self.chunk + last;
        None
    }

    fn read(&mut self) {
        match self.rows.next() {
            Some(Ok(range)) => self.rest = range.start.0..range.end.0,
            Some(Err(error)) => {
                self.error = Some(error);
                self.ended = true;
            }
            None => self.ended = true,
        }
        if self.ended && !self.collected.is_empty() {
            self.handing_out = Some((0, 0));
        }
    }
}

impl<I: Iterator<Item = Result<Range<Sectors>, E>>, E> Iterator for Stripes<I, E> {
    type Item = Result<Range<Sectors>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let piece = if self.handing_out.is_some() {
                self.hand_out()
            } else if self.rest.start < self.rest.end {
                self.take_rows()
            } else if self.ended {
                return self.error.take().map(Err);
            } else {
                self.read();
                None
            };
            if let Some(piece) = piece {
                return Some(Ok(piece));
            }
        }
    }
}

impl<I: Iterator<Item = Result<Range<Sectors>, E>>, E> FusedIterator for Stripes<I, E> {}
