//! raid10: near, far and offset copies, far sets (reference/kernel.md 9.3).
//!
//! The copies of array chunk c that lie side by side are the "near places" c * near, c * near + 1,
//! ... of a row-by-row numbering of all members' chunks. Far copies repeat the whole (or, with
//! offset, each row) further down, every time rotated by `near` members within a far set. Layouts
//! for which the kernel's formula is not such a rotation are refused
//! ([`Raid10Layout::decode`]).

use super::pieces::{MemberPieces, StridedPieces};
use super::{Held, Located, Place};
use crate::array::sync_size::Raid10Layout;
use crate::units::Sectors;
use std::ops::Range;

/// How an array's chunks lie on its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raid10Shape {
    near: u64,
    far: u64,
    offset: bool,
    /// Members; at least `near * far`.
    members: u64,
    /// Members of a far set, of all but the last.
    set: u64,
    /// First member of the last far set, which takes the rest.
    last_set: u64,
    /// Sectors of a RAID chunk; at least 1.
    chunk: u64,
    /// Rows of chunks that one set of near copies takes.
    rows: u64,
    /// Chunks of the array.
    chunks: u64,
}

impl Raid10Shape {
    /// For numbers that [`crate::array::sync_size::expected`] has accepted.
    pub(super) fn new(
        layout: Raid10Layout,
        raid_disks: u32,
        chunk: Sectors,
        component: Sectors,
        array: Sectors,
    ) -> Raid10Shape {
        let members = u64::from(raid_disks).max(1);
        let (chunk, far) = (chunk.0.max(1), layout.far.max(1));
        let set = layout.far_set(members).min(members);
        Raid10Shape {
            near: layout.near.max(1),
            far,
            offset: layout.offset,
            members,
            set,
            last_set: if members.is_multiple_of(set) {
                members - set
            } else {
                (members / set - 1) * set
            },
            chunk,
            rows: component.0 / chunk / far,
            chunks: array.0 / chunk,
        }
    }

    /// `2 near copies`, `2 near times 2 far copies`, `3 offset copies in far sets`.
    pub(super) fn name(&self) -> String {
        let kind = if self.offset { "offset" } else { "far" };
        let copies = match (self.near, self.far) {
            (near, 1) => format!("{near} near copies"),
            (1, far) => format!("{far} {kind} copies"),
            (near, far) => format!("{near} near times {far} {kind} copies"),
        };
        match self.set < self.members {
            true if self.far > 1 => format!("{copies} in far sets of {}", self.set),
            _ => copies,
        }
    }

    pub(super) fn copies(&self) -> u32 {
        narrow(self.near.saturating_mul(self.far))
    }

    /// Used sectors of a member. The kernel rounds `chunks * near * far / members` up; that is
    /// all rows, since less than a row's worth of places is left over.
    pub(super) fn member_size(&self) -> Sectors {
        Sectors(
            self.rows
                .saturating_mul(self.far)
                .saturating_mul(self.chunk),
        )
    }

    /// First member and size of the far set of a member.
    fn set_of(&self, member: u64) -> (u64, u64) {
        if member >= self.last_set {
            (self.last_set, self.members - self.last_set)
        } else {
            (member / self.set * self.set, self.set)
        }
    }

    /// Where the far copy number `far` of what `member` holds lies.
    fn far_member(&self, member: u64, far: u64) -> u64 {
        let (start, size) = self.set_of(member);
        start + (member - start + far * self.near) % size
    }

    /// The member whose far copy number `far` lies on `member`.
    fn near_member(&self, member: u64, far: u64) -> u64 {
        let (start, size) = self.set_of(member);
        start + (member - start + size - far * self.near % size) % size
    }

    /// The row on the member of a far copy of near row `row`.
    fn row_on_member(&self, row: u64, far: u64) -> u64 {
        if self.offset {
            row.saturating_mul(self.far).saturating_add(far)
        } else {
            far.saturating_mul(self.rows).saturating_add(row)
        }
    }

    fn sector_of(&self, row: u64, offset: u64) -> Sectors {
        Sectors(row.saturating_mul(self.chunk).saturating_add(offset))
    }

    /// Row and member of near place `place`.
    fn near_place(&self, place: u128) -> (u64, u64) {
        let members = u128::from(self.members);
        // A row lies below `rows`, a member below `members`: both fit.
        (
            u64::try_from(place / members).unwrap_or(u64::MAX),
            u64::try_from(place % members).unwrap_or_default(),
        )
    }

    pub(super) fn locate(&self, array: Sectors) -> Located {
        let (chunk, offset) = (array.0 / self.chunk, array.0 % self.chunk);
        let first = u128::from(chunk) * u128::from(self.near);
        let copies = (0..self.near)
            .flat_map(|near| (0..self.far).map(move |far| (near, far)))
            .map(|(near, far)| {
                let (row, member) = self.near_place(first + u128::from(near));
                Place {
                    slot: narrow(self.far_member(member, far)),
                    sector: self.sector_of(self.row_on_member(row, far), offset),
                }
            })
            .collect();
        Located {
            copies,
            parity: Vec::new(),
            stripe: self.near_place(first).0,
            bitmap: array,
        }
    }

    /// What a sector within the used part of a member of the array holds.
    pub(super) fn held_at(&self, place: Place) -> Held {
        let (on_member, offset) = (place.sector.0 / self.chunk, place.sector.0 % self.chunk);
        let (far, row) = if self.offset {
            (on_member % self.far, on_member / self.far)
        } else {
            let rows = self.rows.max(1);
            (on_member / rows, on_member % rows)
        };
        let member = self.near_member(u64::from(place.slot), far);
        let near_place = u128::from(row) * u128::from(self.members) + u128::from(member);
        let near = near_place % u128::from(self.near);
        match u64::try_from(near_place / u128::from(self.near)) {
            Ok(chunk) if chunk < self.chunks => Held::Data {
                array: Sectors(chunk * self.chunk + offset),
                copy: narrow(u64::try_from(near).unwrap_or_default() * self.far + far),
            },
            _ => Held::Unused,
        }
    }

    /// The pieces of `slot` that `copy` of an array range occupies; the range is within the array
    /// and not empty.
    pub(super) fn member_pieces(
        &self,
        slot: u32,
        copy: u32,
        array: Range<Sectors>,
    ) -> MemberPieces {
        let (near, far) = (u64::from(copy) / self.far, u64::from(copy) % self.far);
        let member = self.near_member(u64::from(slot), far);
        let chunks = array.start.0 / self.chunk..array.end.0.div_ceil(self.chunk);
        let Some((rows, period)) = self.rows_with(member, near, &chunks) else {
            return MemberPieces::none();
        };
        let chunk_in = |row: u64| {
            let place = u128::from(row) * u128::from(self.members) + u128::from(member);
            u64::try_from((place - u128::from(near)) / u128::from(self.near)).unwrap_or(u64::MAX)
        };
        // What of the first and the last chunk lies within the range.
        let cut_start = array
            .start
            .0
            .saturating_sub(chunk_in(rows.start) * self.chunk);
        let last = rows.end - 1;
        let cut_end = ((chunk_in(last) + 1).saturating_mul(self.chunk)).saturating_sub(array.end.0);
        let first_sector = self.sector_of(self.row_on_member(rows.start, far), cut_start);
        let last_sector =
            Sectors(self.sector_of(self.row_on_member(last, far), self.chunk).0 - cut_end);
        let step = if self.offset { self.far } else { 1 };
        MemberPieces::strided(StridedPieces::new(
            first_sector..last_sector,
            self.chunk,
            period.saturating_mul(step).saturating_mul(self.chunk),
        ))
    }

    /// The rows in which near copy `near` of a chunk of `chunks` lies on `member`: from the first
    /// to behind the last, and how many rows lie between two of them.
    fn rows_with(&self, member: u64, near: u64, chunks: &Range<u64>) -> Option<(Range<u64>, u64)> {
        let members = u128::from(self.members);
        let place = |chunk: u64| u128::from(chunk) * u128::from(self.near) + u128::from(near);
        // Rows whose place on `member` is at least `place`.
        let row_from = |place: u128| {
            let rows = place.saturating_sub(u128::from(member)).div_ceil(members);
            u64::try_from(rows).unwrap_or(u64::MAX)
        };
        let (start, end) = (row_from(place(chunks.start)), row_from(place(chunks.end)));
        let period = self.near / gcd(self.near, self.members);
        let holds = |row: u64| {
            let place = u128::from(row) * members + u128::from(member);
            place % u128::from(self.near) == u128::from(near)
        };
        let first = (start..end.min(start.saturating_add(period))).find(|row| holds(*row))?;
        let last = first + (end - 1 - first) / period * period;
        Some((first..last + 1, period))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A slot or copy number: below the number of members, which fits.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
