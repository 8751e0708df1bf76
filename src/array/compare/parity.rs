//! raid4, 5 and 6: whether the device's blocks fit the parity of their rows.

use super::reading::{Reader, Request};
use super::{Comparer, Side, bytes, different_sectors, held};
use crate::array::geometry::{Geometry, Held, Parity};
use crate::device::StoreError;
use crate::units::Sectors;
use std::ops::Range;

impl<'a> Comparer<'a> {
    /// As [`Comparer::differing`], by the equation of P, or that of Q where the device holds Q.
    pub(super) fn by_parity(&mut self, range: Range<Sectors>) -> Result<Vec<Sectors>, StoreError> {
        let range = range.start.0..range.end.min(self.geometry.sync_size()).0;
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let mut sides: Vec<Side<'a>> = vec![self.device];
        sides.extend(&self.others);
        let mut requests = vec![Request::default(); sides.len()];
        for request in &mut requests {
            request.add(range.clone());
        }
        self.reader
            .read(&sides, &requests)
            .map_err(|failed| failed.error)?;
        let slots: Vec<u32> = sides.iter().map(|side| side.slot).collect();
        let mut found = Vec::new();
        for part in rows(&self.geometry, range) {
            let own = held(&self.geometry, self.device.slot, part.at);
            let which = match own {
                Held::Parity {
                    which: Parity::Q, ..
                } => Parity::Q,
                _ => Parity::P,
            };
            let sum = sum(&self.geometry, &self.reader, &slots, &part, which);
            found.extend(part.not_zero(&sum));
        }
        Ok(found)
    }
}

/// Sectors of one row of RAID chunks that was read.
#[derive(Debug)]
pub(super) struct RowPart {
    /// The first of them.
    pub at: u64,
    /// Where they lie in what was read of each member.
    bytes: Range<usize>,
}

impl RowPart {
    /// The sectors of a sum that are not zero.
    pub fn not_zero(&self, sum: &[u8]) -> Vec<Sectors> {
        let zero = vec![0; sum.len()];
        let different = different_sectors(sum, &zero);
        different.map(|sector| Sectors(self.at + sector)).collect()
    }
}

/// The rows of a range that was read from its start on.
pub(super) fn rows(geometry: &Geometry, range: Range<u64>) -> impl Iterator<Item = RowPart> {
    let chunk = geometry.raid_chunk().0.max(1);
    let mut at = range.start;
    std::iter::from_fn(move || {
        let row_end = (at / chunk).saturating_add(1).saturating_mul(chunk);
        let stop = row_end.min(range.end);
        let part = RowPart {
            at,
            bytes: bytes(at - range.start)..bytes(stop.saturating_sub(range.start)),
        };
        at = stop;
        (part.at < stop).then_some(part)
    })
}

/// The sum of a row's blocks by the equation of `which`: zero if they fit each other.
pub(super) fn sum(
    geometry: &Geometry,
    reader: &Reader,
    slots: &[u32],
    part: &RowPart,
    which: Parity,
) -> Vec<u8> {
    let stripe = part.at / geometry.raid_chunk().0.max(1);
    let mut sum = vec![0; part.bytes.len()];
    for (side, slot) in slots.iter().enumerate() {
        let data = reader.data(side, part.bytes.clone());
        let holds = match held(geometry, *slot, part.at) {
            Held::Parity { which, .. } => Some(which),
            _ => None,
        };
        match (which, holds) {
            (Parity::P, Some(Parity::Q)) | (Parity::Q, Some(Parity::P)) => {}
            (Parity::Q, None) => {
                let exponent = geometry.q_exponent(stripe, *slot).unwrap_or_default();
                let table = multiples_of_power(exponent);
                add(&mut sum, data, |byte| {
                    table.get(usize::from(byte)).copied().unwrap_or_default()
                });
            }
            _ => add(&mut sum, data, |byte| byte),
        }
    }
    sum
}

fn add(sum: &mut [u8], data: &[u8], factor: impl Fn(u8) -> u8) {
    for (sum, byte) in sum.iter_mut().zip(data) {
        *sum ^= factor(*byte);
    }
}

/// Every byte times 2^exponent in GF(2^8) with the polynomial 0x11d (reference/kernel.md 9.2).
fn multiples_of_power(exponent: u32) -> [u8; 256] {
    let double = |value: u8| (value << 1) ^ if value & 0x80 != 0 { 0x1d } else { 0 };
    // The powers of 2 repeat after 255. Multiplication is linear: eight products make all.
    let power = (0..exponent % 255).fold(1, |value, _| double(value));
    let mut products = [0; 8];
    let mut next = power;
    for product in &mut products {
        *product = next;
        next = double(next);
    }
    let mut table = [0; 256];
    for (byte, product) in (0..=u8::MAX).zip(table.iter_mut()) {
        let bits = products.iter().enumerate();
        let set = bits.filter(|(bit, _)| byte & (1 << bit) != 0);
        *product = set.fold(0, |sum, (_, product)| sum ^ product);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::multiples_of_power;

    #[test]
    fn multiplication_in_the_field() {
        assert_eq!(multiples_of_power(0)[0x9c], 0x9c);
        assert_eq!(multiples_of_power(1)[0x80], 0x1d);
        assert_eq!(multiples_of_power(8)[1], 0x1d);
        assert_eq!(multiples_of_power(255), multiples_of_power(0));
        // Linear, and invertible.
        let table = multiples_of_power(77);
        for a in 0..=255_u8 {
            let (b, product) = (a ^ 0x5a, table[usize::from(a)]);
            assert_eq!(table[usize::from(b)], product ^ table[0x5a]);
            assert_eq!(a == 0, product == 0);
        }
    }
}
