//! raid4, raid5 and raid6 (reference/kernel.md 9.2).

use super::pieces::{ArrayPieces, RowPieces};
use super::{Held, Located, Parity, Place};
use crate::format::level::Level;
use crate::units::Sectors;
use std::ops::Range;

/// How the rows of RAID chunks are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParityShape {
    level: Level,
    layout: u32,
    /// Members; at least one more than parity blocks.
    members: u64,
    /// Members less parity blocks; at least 1.
    data: u64,
    /// Sectors of a RAID chunk; at least 1.
    chunk: u64,
}

/// Which slots of one row hold what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    p: u64,
    q: Option<u64>,
    data: Order,
}

/// In which order a row's data lies on the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// From slot 0 upwards, skipping P and Q.
    Upwards,
    /// From the slot behind the parity upwards, cyclically among the first `among` slots.
    From { first: u64, among: u64 },
}

impl Row {
    /// The slot of data block `index`.
    fn slot_of(self, index: u64) -> u64 {
        match self.data {
            Order::From { first, among } => (first + index) % among,
            Order::Upwards => {
                let (low, high) = self.skipped();
                let slot = index + u64::from(index >= low);
                // `low` is in place already: what is at or behind `high` moves once more.
                slot + u64::from(high.is_some_and(|high| slot >= high))
            }
        }
    }

    /// The number of the data block on `slot`, which is neither P nor Q.
    fn index_of(self, slot: u64) -> u64 {
        match self.data {
            Order::From { first, among } => (slot + among - first % among) % among,
            Order::Upwards => {
                let (low, high) = self.skipped();
                let before =
                    u64::from(low < slot) + u64::from(high.is_some_and(|high| high < slot));
                slot.saturating_sub(before)
            }
        }
    }

    /// P and Q, the lower slot first.
    fn skipped(self) -> (u64, Option<u64>) {
        match self.q {
            None => (self.p, None),
            Some(q) => (self.p.min(q), Some(self.p.max(q))),
        }
    }
}

impl ParityShape {
    /// For numbers that [`crate::array::sync_size::expected`] has accepted.
    pub(super) fn new(level: Level, layout: u32, raid_disks: u32, chunk: Sectors) -> ParityShape {
        let parities = if level == Level::Raid6 { 2 } else { 1 };
        let members = u64::from(raid_disks).max(parities + 1);
        ParityShape {
            level,
            layout,
            members,
            data: members - parities,
            chunk: chunk.0.max(1),
        }
    }

    /// mdadm's name of the layout; empty for raid4, which has but one.
    pub(super) fn name(&self) -> &'static str {
        match (self.level, self.layout) {
            (Level::Raid5 | Level::Raid6, 0) => "left-asymmetric",
            (Level::Raid5 | Level::Raid6, 1) => "right-asymmetric",
            (Level::Raid5 | Level::Raid6, 2) => "left-symmetric",
            (Level::Raid5 | Level::Raid6, 3) => "right-symmetric",
            (Level::Raid5 | Level::Raid6, 4) => "parity-first",
            (Level::Raid5 | Level::Raid6, 5) => "parity-last",
            (Level::Raid6, 8) => "ddf-zero-restart",
            (Level::Raid6, 9) => "ddf-N-restart",
            (Level::Raid6, 10) => "ddf-N-continue",
            (Level::Raid6, 16) => "left-asymmetric-6",
            (Level::Raid6, 17) => "right-asymmetric-6",
            (Level::Raid6, 18) => "left-symmetric-6",
            (Level::Raid6, 19) => "right-symmetric-6",
            (Level::Raid6, 20) => "parity-first-6",
            _ => "",
        }
    }

    pub(super) fn data_disks(&self) -> u32 {
        slot(self.data)
    }

    /// The layout of row `stripe`.
    fn row(&self, stripe: u64) -> Row {
        match self.level {
            Level::Raid6 => self.raid6_row(stripe),
            Level::Raid5 => self.raid5_row(stripe),
            _ => Row {
                p: self.data,
                q: None,
                data: Order::Upwards,
            },
        }
    }

    fn raid5_row(&self, stripe: u64) -> Row {
        let n = self.members;
        let step = stripe % n;
        let p = match self.layout {
            0 | 2 => self.data - step,
            1 | 3 => step,
            4 => 0,
            _ => self.data,
        };
        let data = match self.layout {
            2 | 3 => Order::From {
                first: p + 1,
                among: n,
            },
            _ => Order::Upwards,
        };
        Row { p, q: None, data }
    }

    fn raid6_row(&self, stripe: u64) -> Row {
        let (n, layout) = (self.members, self.layout);
        let step = stripe % n;
        // 16 to 20: raid5 on all members but the last, which holds Q.
        let small = n - 1;
        let (p, q) = match layout {
            1 | 3 | 8 => (step, (step + 1) % n),
            4 => (0, 1),
            5 => (self.data, self.data + 1),
            9 => {
                let p = n - 1 - (step + 1) % n;
                (p, (p + 1) % n)
            }
            10 => (n - 1 - step, (2 * n - 2 - step) % n),
            16 | 18 => (self.data - stripe % small, small),
            17 | 19 => (stripe % small, small),
            20 => (0, small),
            _ => (n - 1 - step, (n - step) % n),
        };
        let data = match layout {
            2 | 3 => Order::From {
                first: p + 2,
                among: n,
            },
            10 => Order::From {
                first: p + 1,
                among: n,
            },
            18 | 19 => Order::From {
                first: p + 1,
                among: small,
            },
            _ => Order::Upwards,
        };
        Row {
            p,
            q: Some(q),
            data,
        }
    }

    /// Row, data block and offset in the RAID chunk of an array sector.
    fn split(&self, array: Sectors) -> (u64, u64, u64) {
        let chunk = array.0 / self.chunk;
        (chunk / self.data, chunk % self.data, array.0 % self.chunk)
    }

    /// The array sector of a row's data block. (Within the array's size, which fits.)
    fn join(&self, stripe: u64, index: u64, offset: u64) -> Sectors {
        let chunk = stripe.saturating_mul(self.data).saturating_add(index);
        Sectors(chunk.saturating_mul(self.chunk).saturating_add(offset))
    }

    fn sector_of(&self, stripe: u64, offset: u64) -> Sectors {
        Sectors(stripe.saturating_mul(self.chunk).saturating_add(offset))
    }

    pub(super) fn locate(&self, array: Sectors) -> Located {
        let (stripe, index, offset) = self.split(array);
        let row = self.row(stripe);
        let sector = self.sector_of(stripe, offset);
        let place = |at: u64| Place {
            slot: slot(at),
            sector,
        };
        let mut parity = vec![(Parity::P, place(row.p))];
        parity.extend(row.q.map(|q| (Parity::Q, place(q))));
        Located {
            copies: vec![place(row.slot_of(index))],
            parity,
            stripe,
            bitmap: sector,
        }
    }

    /// What a sector within the used part of a member of the array holds.
    pub(super) fn held_at(&self, place: Place) -> Held {
        let (stripe, offset) = (place.sector.0 / self.chunk, place.sector.0 % self.chunk);
        let row = self.row(stripe);
        let at = u64::from(place.slot);
        let which = if at == row.p {
            Parity::P
        } else if Some(at) == row.q {
            Parity::Q
        } else {
            return Held::Data {
                array: self.join(stripe, row.index_of(at), offset),
                copy: 0,
            };
        };
        Held::Parity { which, stripe }
    }

    /// The array sectors in one member sector's row at the same offset.
    pub(super) fn covered(&self, sector: Sectors) -> Vec<Sectors> {
        let (stripe, offset) = (sector.0 / self.chunk, sector.0 % self.chunk);
        (0..self.data)
            .map(|index| self.join(stripe, index, offset))
            .collect()
    }

    pub(super) fn q_exponent(&self, stripe: u64, slot_number: u32) -> Option<u32> {
        let row = self.row(stripe);
        let (at, q) = (u64::from(slot_number), row.q?);
        if at == row.p || at == q {
            return None;
        }
        // DDF counts P and Q as blocks of zeroes, from slot 0; md counts the data from behind Q.
        if matches!(self.layout, 8..=10) {
            return Some(slot_number);
        }
        let n = self.members;
        let from_q = |other: u64| (other + n - (q + 1) % n) % n;
        let (distance, p) = (from_q(at), from_q(row.p));
        Some(slot(distance - u64::from(p < distance)))
    }

    pub(super) fn bitmap_of_array(&self, array: Sectors) -> Sectors {
        let (stripe, _, offset) = self.split(array);
        self.sector_of(stripe, offset)
    }

    /// The smallest member range that holds a range of the array, which is not empty.
    pub(super) fn bitmap_of_range(&self, array: Range<Sectors>) -> Range<Sectors> {
        let last = Sectors(array.end.0.saturating_sub(1));
        let (first_row, first_index, first_offset) = self.split(array.start);
        let (last_row, last_index, last_offset) = self.split(last);
        let one_chunk = (first_row, first_index) == (last_row, last_index);
        // The next chunk of the same row begins at offset 0, the one before ends at the end.
        let starts_within = one_chunk || first_index + 1 == self.data && first_row < last_row;
        let ends_within = one_chunk || last_index == 0 && first_row < last_row;
        let start = if starts_within { first_offset } else { 0 };
        let end = if ends_within {
            last_offset + 1
        } else {
            self.chunk
        };
        self.sector_of(first_row, start)..self.sector_of(last_row, end)
    }

    pub(super) fn bitmap_of_write(&self, array: Range<Sectors>) -> Range<Sectors> {
        let last = Sectors(array.end.0.saturating_sub(1));
        let (first_row, ..) = self.split(array.start);
        let (last_row, ..) = self.split(last);
        self.sector_of(first_row, 0)..self.sector_of(last_row, self.chunk)
    }

    pub(super) fn bitmap_of_masked_write(&self, array: Range<Sectors>) -> Range<Sectors> {
        let mask = self.chunk.saturating_mul(self.data) - 1;
        let start = array.start.0 & !mask;
        let end = (array.end.0.saturating_sub(1) | mask).saturating_add(1);
        let (first_row, ..) = self.split(Sectors(start));
        let (end_row, ..) = self.split(Sectors(end));
        self.sector_of(first_row, 0)..self.sector_of(end_row, 0)
    }

    pub(super) fn array_pieces(&self, members: Range<Sectors>) -> ArrayPieces {
        ArrayPieces::rows(RowPieces::new(self.chunk, self.data, members))
    }
}

/// A slot as superblocks number it: below the number of members, which fits.
fn slot(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
