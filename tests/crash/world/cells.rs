//! The arithmetic of a row, and of copies.

use super::array::Running;
use super::galois::{inverse, times};
use super::map::{At, Cell};

/// Data of a row, in order; `None` where more is lost than parity replaces.
pub fn solve(running: &Running<'_>, cell: &Cell) -> Option<Vec<u64>> {
    let known: Vec<Option<u64>> = cell.data.iter().map(|at| running.word(*at)).collect();
    let lost: Vec<usize> = (0..known.len()).filter(|at| known[*at].is_none()).collect();
    let mut data: Vec<u64> = known.into_iter().map(Option::unwrap_or_default).collect();
    let p = cell.p.and_then(|at| running.word(at));
    let q = cell.q.and_then(|at| running.word(at));
    match (lost[..].as_ref(), p, q) {
        ([], _, _) => {}
        ([one], Some(p), _) => data[*one] = p ^ sum(&data),
        ([one], None, Some(q)) => {
            data[*one] = times(
                q ^ weighed(&data, &cell.factors),
                inverse(cell.factors[*one]),
            );
        }
        ([a, b], Some(p), Some(q)) => {
            // x + y = p', fa x + fb y = q': x = (q' + fb p') / (fa + fb).
            let (p, q) = (p ^ sum(&data), q ^ weighed(&data, &cell.factors));
            let (fa, fb) = (cell.factors[*a], cell.factors[*b]);
            data[*a] = times(q ^ times(p, fb), inverse(fa ^ fb));
            data[*b] = p ^ data[*a];
        }
        _ => return None,
    }
    Some(data)
}

pub fn sum(data: &[u64]) -> u64 {
    data.iter().fold(0, |sum, word| sum ^ word)
}

pub fn weighed(data: &[u64], factors: &[u8]) -> u64 {
    let terms = data.iter().zip(factors);
    terms.fold(0, |sum, (word, factor)| sum ^ times(*word, *factor))
}

/// What belongs at a place of a row with this data.
pub fn belongs(cell: &Cell, data: &[u64], at: At) -> u64 {
    match cell.data.iter().position(|other| *other == at) {
        Some(index) => data[index],
        None if cell.p == Some(at) => sum(data),
        None => weighed(data, &cell.factors),
    }
}

/// All places of a row or of copies.
pub fn places(cell: &Cell) -> impl Iterator<Item = At> + '_ {
    cell.data.iter().copied().chain(cell.p).chain(cell.q)
}

/// The place of a cell on a slot.
pub fn on_slot(cell: &Cell, slot: usize) -> Option<At> {
    places(cell).find(|at| at.0 == slot)
}
