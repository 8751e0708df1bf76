//! raid4, 5 and 6: whether the device's blocks fit the parity of their rows.

use super::reading::Request;
use super::{Comparer, Side, bytes, different_sectors, held};
use crate::array::geometry::{Held, Parity};
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
        let chunk = self.geometry.raid_chunk().0.max(1);
        let mut found = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let stop = (at / chunk)
                .saturating_add(1)
                .saturating_mul(chunk)
                .min(range.end);
            let part = bytes(at - range.start)..bytes(stop - range.start);
            let sum = self.sum(&slots, at, part);
            let zero = vec![0; sum.len()];
            found.extend(different_sectors(&sum, &zero).map(|sector| Sectors(at + sector)));
            at = stop;
        }
        Ok(found)
    }

    /// The sum of a row's blocks, which is zero if the device's fits the others.
    fn sum(&self, slots: &[u32], at: u64, part: Range<usize>) -> Vec<u8> {
        let own = held(&self.geometry, self.device.slot, at);
        let by_q = matches!(
            own,
            Held::Parity {
                which: Parity::Q,
                ..
            }
        );
        let stripe = at / self.geometry.raid_chunk().0.max(1);
        let mut sum = vec![0; part.len()];
        for (side, slot) in slots.iter().enumerate() {
            let data = self.reader.data(side, part.clone());
            let which = match held(&self.geometry, *slot, at) {
                Held::Parity { which, .. } => Some(which),
                _ => None,
            };
            match (by_q, which) {
                (false, Some(Parity::Q)) | (true, Some(Parity::P)) => {}
                (true, None) => {
                    let exponent = self.geometry.q_exponent(stripe, *slot).unwrap_or_default();
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
