//! Where a bitmap may go, by what mdadm itself says of the members that it made (`mdadm --examine`, recorded with the
//! fixtures): superblock, bad-block log, data. No member in the fixtures has a partial parity log, beside which mdadm makes
//! no bitmap; the scenario `grow-stopped` has one.

use super::{Images, Set, fixtures_folder, json, sets};
use std::fs;
use std::ops::Range;

/// Bytes of a superblock of 1.x with all its roles, and of a bad-block log.
const SUPERBLOCK: u64 = 4096;
const LOG: u64 = 4096;

/// What mdadm says of a member.
struct Said {
    superblock: Range<u64>,
    log: Option<Range<u64>>,
    data: Range<u64>,
}

impl Said {
    /// Of a member with 1.x metadata.
    fn of(set: &str, image: &str) -> Option<Said> {
        let name = image.strip_suffix(".img").unwrap();
        let text = fs::read_to_string(fixtures_folder().join(set).join(format!("{name}.mdadm-E")));
        let text = text.unwrap();
        let number = |label: &str, last: bool| {
            let line = text.lines().find(|line| line.contains(label))?;
            let words = line.split_once(" : ")?.1.split_whitespace();
            let mut numbers = words.filter_map(|word| word.parse::<i64>().ok());
            match last {
                true => numbers.next_back(),
                false => numbers.next(),
            }
        };
        let superblock = number("Super Offset", false)?;
        let at = |from: i64| u64::try_from(superblock + from).unwrap() * 512;
        let data = number("Data Offset", false).unwrap_or(0) as u64 * 512;
        let size = number("Used Dev Size", false).or(number("Avail Dev Size", false));
        Some(Said {
            superblock: at(0)..at(0) + SUPERBLOCK,
            log: number("Bad Block Log", true).map(|from| at(from)..at(from) + LOG),
            data: data..data + size.unwrap() as u64 * 512,
        })
    }

    /// The largest stretch between superblock and data (1.1 and 1.2).
    fn free(&self) -> u64 {
        let log = self.log.clone().unwrap();
        let stretches = [log.start - self.superblock.end, self.data.start - log.end];
        stretches.into_iter().max().unwrap()
    }
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Nothing but the superblock itself, and what mdadm calls neither log nor data, is written.
fn keeps_off(set: &Set, name: &str, arguments: &[&str]) -> bool {
    let all = [&["grow", "--no-undo", "--json"], arguments].concat();
    let run = set.run(&all);
    let context = format!("{name} {arguments:?}: {}{}", run.out, run.err);
    if run.status == 3 {
        return false;
    }
    assert_eq!(run.status, 0, "{context}");
    let plan = json(&run.out);
    for write in plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["writes"].as_array().unwrap())
    {
        let start = write["start_bytes"].as_u64().unwrap();
        let range = start..start + write["length_bytes"].as_u64().unwrap();
        let said = Said::of(name, write["device"].as_str().unwrap()).unwrap();
        assert!(!overlap(&range, &said.data), "{range:?} {context}");
        if let Some(log) = &said.log {
            assert!(!overlap(&range, log), "{range:?} {context}");
        }
        let is_superblock =
            said.superblock.start <= range.start && range.end <= said.superblock.end;
        assert!(
            is_superblock || !overlap(&range, &said.superblock),
            "{range:?} {context}"
        );
    }
    true
}

#[test]
fn neither_log_nor_data_nor_superblock_as_mdadm_sees_them_is_written() {
    let (mut made, mut with_log) = (0, 0);
    for name in sets() {
        let images = Images::of(&name);
        let Some(said) = Said::of(&name, &images.members[0].0) else {
            continue;
        };
        with_log += usize::from(said.log.is_some());
        // mdadm 4.6 puts the log into such a bitmap: what is written to the place that it had is written over the log.
        if name.starts_with("lockless") {
            continue;
        }
        let changes: [&[&str]; 5] = [
            &["--chunk=512B"],
            &["--chunk=1K", "--bitmap=internal"],
            &["--bitmap=lockless"],
            &["--bitmap=clustered", "--nodes=64", "--chunk=512B"],
            &["--bitmap=none"],
        ];
        for change in changes {
            made += usize::from(keeps_off(&images.unpack(), &name, change));
        }
    }
    assert!(made > 50 && with_log > 15, "{made} {with_log}");
}

/// The smallest chunk with which a bitmap for so many nodes fits: each has a header and a bit a chunk, in whole 4 KiB.
fn smallest(data: u64, nodes: u64, free: u64) -> Option<u64> {
    (9..=31).map(|shift| 1 << shift).find(|chunk| {
        let bytes = 256 + data.div_ceil(*chunk).div_ceil(8);
        nodes * bytes.next_multiple_of(4096) <= free
    })
}

fn size(text: &str) -> u64 {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let unit = ["", "K", "M", "G"]
        .iter()
        .position(|known| unit == *known || (unit == "B" && known.is_empty()));
    number.parse::<u64>().unwrap() << (10 * unit.unwrap())
}

/// 39 MiB of data, of which a bit for every 512 bytes takes three pages: with enough nodes the gap is too small.
#[test]
fn what_does_not_fit_is_refused_with_the_smallest_chunk_that_does() {
    let name = "lockless-raid1-clean";
    let images = Images::of(name);
    let said = Said::of(name, &images.members[0].0).unwrap();
    let (data, free) = (said.data.end - said.data.start, said.free());
    let mut seen = [0; 3];
    for nodes in [50, 84, 85, 126, 127, 252, 253, 1000] {
        let nodes_text = format!("--nodes={nodes}");
        let grow = |chunk: u64, set: &Set| {
            let chunk = format!("--chunk={chunk}B");
            set.run(&[
                "grow",
                "--no-undo",
                "--bitmap=clustered",
                &nodes_text,
                &chunk,
            ])
        };
        let set = images.unpack();
        let before = set.bytes();
        let run = grow(512, &set);
        let context = format!("{nodes} nodes in {free} bytes: {}{}", run.out, run.err);
        match smallest(data, nodes, free) {
            Some(512) => {
                seen[0] += 1;
                assert_eq!(run.status, 0, "{context}");
            }
            Some(fits) => {
                seen[1] += 1;
                assert_eq!(run.status, 3, "{context}");
                assert!(before == set.bytes(), "{context}");
                let said = run
                    .err
                    .split_once("the smallest chunk that fits is ")
                    .expect(&context)
                    .1;
                let said = said
                    .split(|c: char| !c.is_ascii_alphanumeric())
                    .next()
                    .unwrap();
                assert_eq!(size(said), fits, "{context}");
                assert!(run.err.contains(&format!("has {free} bytes")), "{context}");
                assert_eq!(grow(fits / 2, &set).status, 3, "{context}");
                assert!(before == set.bytes(), "{context}");
                let done = grow(fits, &set);
                assert_eq!(done.status, 0, "{context}{}", done.err);
            }
            None => {
                seen[2] += 1;
                assert_eq!(run.status, 3, "{context}");
                assert!(run.err.contains("no chunk size makes it fit"), "{context}");
                assert_eq!(grow(1 << 31, &set).status, 3, "{context}");
                assert!(before == set.bytes(), "{context}");
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 1), "{seen:?}");
}
