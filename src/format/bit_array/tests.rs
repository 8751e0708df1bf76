use super::*;
use proptest::prelude::*;

/// The position of bit `n`, literally as reference/kernel.md 1.3 words it: numbering by page and
/// with the 256-byte header.
fn naive_position(order: BitOrder, n: u64) -> (usize, u32) {
    let in_file = n + 2048;
    let (page, bit) = (in_file / 32768, in_file % 32768);
    let byte = match order {
        BitOrder::Little => bit / 8,
        BitOrder::Be32 => (bit / 32) * 4 + (3 - (bit % 32) / 8),
        BitOrder::Be64 => (bit / 64) * 8 + (7 - (bit % 64) / 8),
    };
    ((page * 4096 + byte - 256) as usize, (bit % 8) as u32)
}

fn naive(bytes: &[u8], order: BitOrder, n: u64) -> bool {
    if n >= order.bits_in(bytes.len() as u64) {
        return true;
    }
    let (byte, bit) = naive_position(order, n);
    bytes[byte] >> bit & 1 == 1
}

fn orders() -> impl Strategy<Value = BitOrder> {
    prop_oneof![
        Just(BitOrder::Little),
        Just(BitOrder::Be32),
        Just(BitOrder::Be64)
    ]
}

/// Uniform stretches and noise mixed, so that both the skipping and the picking are met.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (0usize..600).prop_map(|n| vec![0u8; n]),
        (0usize..600).prop_map(|n| vec![0xffu8; n]),
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(
            prop_oneof![Just(0u8), Just(0xff), Just(1), Just(0x80)],
            0..40
        ),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn counting_and_runs_equal_the_naive_model(
        bytes in contents(), order in orders(), start in 0u64..9000, len in 0u64..12000,
    ) {
        let array = BitArray::new(&bytes, order);
        let range = start..start + len;
        let model: Vec<u64> = range.clone().filter(|&n| naive(&bytes, order, n)).collect();
        prop_assert_eq!(array.count_ones(range.clone()), model.len() as u64);
        let runs: Vec<Range<u64>> = array.dirty_runs(range.clone()).collect();
        prop_assert_eq!(runs.iter().cloned().flatten().collect::<Vec<_>>(), model);
        for pair in runs.windows(2) {
            prop_assert!(pair[0].end < pair[1].start, "runs are maximal: {:?}", pair);
        }
    }

    #[test]
    fn filling_changes_the_range_and_nothing_else(
        bytes in contents(), order in orders(), a in 0u64..9000, b in 0u64..9000, value: bool,
    ) {
        let bits = order.bits_in(bytes.len() as u64);
        let range = a.min(b).min(bits)..a.max(b).min(bits);
        let mut changed = bytes.clone();
        fill(&mut changed, order, range.clone(), value).unwrap();
        for n in 0..bits {
            let expected = if range.contains(&n) { value } else { naive(&bytes, order, n) };
            prop_assert_eq!(naive(&changed, order, n), expected, "bit {}", n);
        }
        let whole = order.bytes_for(bits) as usize;
        prop_assert_eq!(&changed[whole..], &bytes[whole..]);
    }

    #[test]
    fn single_bits_agree(bytes in contents(), order in orders(), n in 0u64..9000) {
        prop_assert_eq!(BitArray::new(&bytes, order).is_set(n), naive(&bytes, order, n));
    }
}

#[test]
fn a_huge_absent_tail_is_one_step() {
    for order in [BitOrder::Little, BitOrder::Be32, BitOrder::Be64] {
        let bytes = [0u8; 16];
        let array = BitArray::new(&bytes, order);
        assert_eq!(array.count_ones(0..u64::MAX), u64::MAX - 128);
        let runs: Vec<_> = array.dirty_runs(0..u64::MAX).collect();
        assert_eq!(runs, std::slice::from_ref(&(128..u64::MAX)));
        assert_eq!(BitArray::new(&[], order).dirty_runs(5..u64::MAX).count(), 1);
        assert_eq!(array.count_ones(u64::MAX - 1..u64::MAX), 1);
    }
}

#[test]
fn a_range_past_the_end_changes_nothing() {
    let mut bytes = [0u8; 8];
    assert!(fill(&mut bytes, BitOrder::Little, 60..65, true).is_err());
    assert_eq!(bytes, [0; 8]);
    assert_eq!(fill(&mut [], BitOrder::Be64, 0..0, true), Ok(()));
}

#[test]
fn a_cut_off_big_endian_word_is_absent() {
    let bytes = [0u8; 11];
    assert_eq!(BitArray::new(&bytes, BitOrder::Be64).count_ones(0..88), 24);
    assert_eq!(BitArray::new(&bytes, BitOrder::Be32).count_ones(0..88), 24);
    assert_eq!(BitArray::new(&bytes, BitOrder::Little).count_ones(0..88), 0);
    let mut bytes = [0u8; 13];
    fill(&mut bytes, BitOrder::Be32, 90..96, true).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0xfc, 0, 0, 0, 0]);
}
