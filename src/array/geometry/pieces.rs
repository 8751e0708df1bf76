//! Ascending pieces of one space that a range of another occupies.

use crate::units::Sectors;
use std::ops::Range;

/// Pieces of a member; see [`super::Geometry::member_pieces`]. Neighbours that touch are one.
#[derive(Debug, Clone)]
pub struct MemberPieces(Joined<StridedPieces>);

/// Pieces of an array; see [`super::Geometry::array_pieces`]. Neighbours that touch are one.
#[derive(Debug, Clone)]
pub struct ArrayPieces(Joined<RowPieces>);

impl MemberPieces {
    pub(super) fn none() -> Self {
        Self::one(Sectors(0)..Sectors(0))
    }

    pub(super) fn one(range: Range<Sectors>) -> Self {
        Self::strided(StridedPieces::new(range, 1, 1))
    }

    pub(super) fn strided(pieces: StridedPieces) -> Self {
        MemberPieces(Joined::new(pieces))
    }
}

impl Iterator for MemberPieces {
    type Item = Range<Sectors>;

    fn next(&mut self) -> Option<Range<Sectors>> {
        self.0.next()
    }
}

impl ArrayPieces {
    pub(super) fn none() -> Self {
        Self::one(Sectors(0)..Sectors(0))
    }

    pub(super) fn one(range: Range<Sectors>) -> Self {
        // One data member: every row is one piece, all rows are one run.
        Self::rows(RowPieces::new(1, 1, range))
    }

    pub(super) fn rows(pieces: RowPieces) -> Self {
        ArrayPieces(Joined::new(pieces))
    }
}

impl Iterator for ArrayPieces {
    type Item = Range<Sectors>;

    fn next(&mut self) -> Option<Range<Sectors>> {
        self.0.next()
    }
}

/// Every `stride` sectors a piece of at most `len` sectors, the first and the last cut to `whole`.
#[derive(Debug, Clone)]
pub(super) struct StridedPieces {
    whole: Range<Sectors>,
    len: u64,
    stride: u64,
}

impl StridedPieces {
    /// `whole` starts within a piece, which ends at the next multiple of `len`.
    pub(super) fn new(whole: Range<Sectors>, len: u64, stride: u64) -> Self {
        StridedPieces {
            whole,
            len: len.max(1),
            stride: stride.max(1),
        }
    }
}

impl Iterator for StridedPieces {
    type Item = Range<Sectors>;

    fn next(&mut self) -> Option<Range<Sectors>> {
        let (start, end) = (self.whole.start, self.whole.end);
        if start >= end {
            return None;
        }
        if self.stride <= self.len {
            self.whole.start = end;
            return Some(start..end);
        }
        let piece_start = start.0 / self.len * self.len;
        let piece_end = piece_start.saturating_add(self.len).min(end.0);
        self.whole.start = Sectors(piece_start.saturating_add(self.stride));
        Some(start..Sectors(piece_end))
    }
}

/// The data of a range of member sectors, row by row: of rows that are covered in part a piece
/// for each data member, of whole rows all at once.
#[derive(Debug, Clone)]
pub(super) struct RowPieces {
    chunk: u64,
    data: u64,
    members: Range<Sectors>,
    /// The next data member of a row that is covered in part.
    index: u64,
}

impl RowPieces {
    /// For rows of `data` chunks of `chunk` sectors each. The array's end fits 64 bits.
    pub(super) fn new(chunk: u64, data: u64, members: Range<Sectors>) -> Self {
        RowPieces {
            chunk: chunk.max(1),
            data: data.max(1),
            members,
            index: 0,
        }
    }

    fn array_sector(&self, row: u64, index: u64, offset: u64) -> Sectors {
        let chunk = row.saturating_mul(self.data).saturating_add(index);
        Sectors(chunk.saturating_mul(self.chunk).saturating_add(offset))
    }
}

impl Iterator for RowPieces {
    type Item = Range<Sectors>;

    fn next(&mut self) -> Option<Range<Sectors>> {
        let (start, end) = (self.members.start.0, self.members.end.0);
        if start >= end {
            return None;
        }
        let (row, offset) = (start / self.chunk, start % self.chunk);
        let whole_end = end / self.chunk;
        if offset == 0 && whole_end > row {
            self.members.start = Sectors(whole_end.saturating_mul(self.chunk));
            return Some(self.array_sector(row, 0, 0)..self.array_sector(whole_end, 0, 0));
        }
        let stop = end.min((row + 1).saturating_mul(self.chunk));
        let offset_end = offset + (stop - start);
        let piece = self.array_sector(row, self.index, offset)
            ..self.array_sector(row, self.index, offset_end);
        self.index += 1;
        if self.index == self.data {
            self.index = 0;
            self.members.start = Sectors(stop);
        }
        Some(piece)
    }
}

/// Joins neighbours that touch.
#[derive(Debug, Clone)]
struct Joined<I> {
    pieces: I,
    held: Option<Range<Sectors>>,
}

impl<I> Joined<I> {
    fn new(pieces: I) -> Self {
        Joined { pieces, held: None }
    }
}

impl<I: Iterator<Item = Range<Sectors>>> Iterator for Joined<I> {
    type Item = Range<Sectors>;

    fn next(&mut self) -> Option<Range<Sectors>> {
        let mut piece = self.held.take().or_else(|| self.pieces.next())?;
        for next in self.pieces.by_ref() {
            if next.start != piece.end {
                self.held = Some(next);
                break;
            }
            piece.end = next.end;
        }
        Some(piece)
    }
}
