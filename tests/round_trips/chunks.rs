//! Chunks made larger and smaller, again and again: exactly what was dirty, rounded to the chunks that there were.

use super::Random;
use super::sets::{Images, sets};

/// Ranges rounded outwards to chunks of `chunk` bytes, in order and apart.
fn rounded(ranges: &[(u64, u64)], chunk: u64) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        let (start, end) = (start / chunk * chunk, end.div_ceil(chunk) * chunk);
        match all.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => all.push((start, end)),
        }
    }
    all
}

/// Whether all of `before` lies in `after`.
fn covers(after: &[(u64, u64)], before: &[(u64, u64)]) -> bool {
    before.iter().all(|(start, end)| {
        let around = |(from, to): &(u64, u64)| from <= start && end <= to;
        after.iter().any(around)
    })
}

#[test]
fn no_way_of_chunk_sizes_loses_a_dirty_sector() {
    let mut random = Random(21);
    let (mut changes, mut arrays, mut dirty) = (0, 0, 0);
    // What is made where there was no bitmap is all dirty.
    for name in sets().iter().filter(|name| !name.starts_with("file-")) {
        let set = Images::of(name).unpack();
        // Chunks here and there, beside those that the kernel left.
        for _ in 0..3 {
            let range = format!("--range={}K+1K", random.next(4000));
            let run = set.run(&["set", "--no-undo", "--force", &range]);
            assert!(matches!(run.status, 0 | 3), "{name} {run:?}");
        }
        let original = set.dirt();
        let mut expected = original.clone();
        let mut made = 0;
        for _ in 0..6 {
            let kib = 4 << random.next(9);
            let run = set.run(&["grow", "--no-undo", "--json", &format!("--chunk={kib}K")]);
            if run.status == 3 {
                continue;
            }
            assert_eq!(run.status, 0, "{name} {kib} {run:?}");
            let found = set.dirt();
            // The last chunk ends with the array.
            expected = rounded(&expected, kib << 10);
            if let (Some(last), Some(end)) = (expected.last_mut(), found.last()) {
                assert!(
                    last.1 <= end.1 || last.1 - end.1 < kib << 10,
                    "{name} {kib}K"
                );
                last.1 = last.1.min(end.1);
            }
            // One state cannot say that half of a chunk is clean and half was never written to: that becomes dirty.
            match name.starts_with("lockless") {
                true => assert!(
                    covers(&found, &expected),
                    "{name} {kib}K {found:?} {expected:?}"
                ),
                false => assert_eq!(found, expected, "{name} {kib}K"),
            }
            expected = found;
            made += 1;
        }
        arrays += usize::from(made > 0);
        dirty += usize::from(made > 0 && !original.is_empty());
        changes += made;
    }
    assert!(
        changes > 120 && arrays > 25 && dirty > 20,
        "{changes} {arrays} {dirty}"
    );
}
