//! Undo files that are long, damaged or made up.

use super::*;
use crate::format::framing::{FrameEncoder, Framing, START};
use proptest::prelude::*;

const LEN: usize = 6 << 20;

/// Half noise, half runs.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = vec![0; len];
    for (number, sector) in bytes.chunks_mut(512).enumerate() {
        if number % 64 < 32 {
            for byte in sector {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
        } else {
            sector.fill((number / 64) as u8);
        }
    }
    bytes
}

fn long_plan(stores: &[MemoryStore]) -> Plan {
    let (mut devices, mut writes, mut heads) = (Vec::new(), Vec::new(), Vec::new());
    for (device, store) in stores.iter().enumerate() {
        devices.push(PlanDevice {
            name: store.name().to_owned(),
            len: store.len(),
            uuid: Some([device as u8; 16]),
        });
        let start = Bytes(8192);
        let new = noise(99, 4 << 20);
        let head = new[..512].to_vec();
        writes.push(Write {
            device,
            start,
            part: Part::BitmapArea,
            old: crate::change::plan::old_content(store, start, new.len() as u64).unwrap(),
            new: Content::bytes(new),
        });
        heads.push(Write {
            device,
            start,
            part: Part::BitmapHeader,
            old: Old::Bytes(head),
            new: Content::bytes(vec![1; 512]),
        });
    }
    let step = |title: &str, writes| Step {
        title: title.to_owned(),
        writes,
    };
    Plan {
        devices,
        steps: vec![step("area", writes), step("header", heads)],
        guards: Vec::new(),
    }
}

fn long_stores() -> Vec<MemoryStore> {
    let store = |number: u64| MemoryStore::new(format!("m{number}"), noise(number, LEN));
    (1..3).map(store).collect()
}

#[test]
fn long_contents_are_read_from_the_file() {
    let stores = long_stores();
    let before = contents(&stores);
    let plan = long_plan(&stores);
    assert!(matches!(plan.steps[0].writes[0].old, Old::Long(_)));
    let bytes = saved(&plan, &stores);
    // Two old and two new contents of 4 MiB, half of them runs.
    assert!(bytes.len() < 9 << 20, "{}", bytes.len());
    let file = opened(bytes);
    crate::change::execute(&plan, &refs(&stores), |_, _| {}).unwrap();
    let judgement = judge(&file, &refs(&stores)).unwrap();
    assert_eq!(judgement.state, State::Done);
    let order = refs(&stores);
    for (view, before) in super::before(&file, &order).iter().zip(&before) {
        // Backwards, too.
        for start in (0..LEN as u64 - 100_000).rev().step_by(700_001) {
            let mut part = vec![0; 100_000];
            view.read_at(Bytes(start), &mut part).unwrap();
            assert_eq!(part, before[start as usize..][..100_000]);
        }
        assert!(view.write_at(Bytes(0), &[0]).is_err());
    }
    let taken = take_back(&file, &order).unwrap();
    assert_eq!(taken.bytes, 2 * 512 + 2 * (4 << 20) - difference(&before));
    assert_eq!(contents(&stores), before);
}

/// Bytes of sectors in which old and new are alike, which are not written.
fn difference(before: &[Vec<u8>]) -> u64 {
    let new = noise(99, 4 << 20);
    let alike = before.iter().flat_map(|old| {
        let old = old[8192..].chunks(512);
        old.zip(new.chunks(512)).filter(|(a, b)| a == b)
    });
    alike.count() as u64 * 512
}

#[test]
fn a_bitmap_of_ones_is_a_short_file() {
    let stores = [MemoryStore::new("m", vec![0xff; LEN])];
    let write = Write {
        device: 0,
        start: Bytes(0),
        part: Part::BitmapArea,
        old: crate::change::plan::old_content(&stores[0], Bytes(0), LEN as u64).unwrap(),
        new: Content::bytes(vec![0; LEN]),
    };
    let plan = Plan {
        devices: vec![PlanDevice {
            name: "m".to_owned(),
            len: Bytes(LEN as u64),
            uuid: None,
        }],
        steps: vec![Step {
            title: "area".to_owned(),
            writes: vec![write],
        }],
        guards: Vec::new(),
    };
    assert!(saved(&plan, &stores).len() < 400);
}

#[test]
fn a_file_that_is_not_whole_is_refused() {
    let stores = long_stores();
    let bytes = saved(&long_plan(&stores), &stores);
    let open = |bytes: Vec<u8>| UndoFile::open(Arc::new(MemoryStore::new("x.undo", bytes)));
    for len in [0, 10, START, 1000, bytes.len() - 1] {
        let error = open(bytes[..len].to_vec()).unwrap_err().to_string();
        assert!(error.starts_with("x.undo: is "), "{error}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    let error = open(longer).unwrap_err().to_string();
    assert!(error.contains("something follows"), "{error}");
    let mut edited = bytes.clone();
    let middle = edited.len() / 2;
    edited[middle] ^= 1;
    let error = open(edited).unwrap_err().to_string();
    assert!(error.contains("damaged or was edited"), "{error}");
    let glance = UndoFile::glance(&MemoryStore::new("u", bytes[..1000].to_vec())).unwrap();
    assert_eq!((glance.0, glance.1.len()), (about(), 2));
}

#[test]
fn a_file_that_was_changed_after_it_was_opened_is_noticed() {
    let stores = long_stores();
    let bytes = saved(&long_plan(&stores), &stores);
    let source = Arc::new(MemoryStore::new("undo", bytes.clone()));
    let file = UndoFile::open(source.clone()).unwrap();
    source
        .write_at(Bytes(bytes.len() as u64 / 2), b"changed")
        .unwrap();
    let error = judge(&file, &refs(&stores)).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

/// The records of a file, each with its kind and content.
fn records(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = &bytes[START..];
    let mut all = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let len = u32::from_le_bytes(head[1..].try_into().unwrap()) as usize;
        all.push((head[0], after[..len].to_vec()));
        rest = &after[len + 4..];
    }
    all
}

/// The same with checksums that hold.
fn sealed(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let framing = Framing {
        magic: b"mdbitmap-undo-1\n",
        version: 1,
        max_content: 128 << 10,
    };
    let mut frames = FrameEncoder::default();
    let mut bytes = frames.start(&framing);
    for (kind, content) in records {
        bytes.extend(frames.record(*kind, content));
    }
    bytes
}

fn small() -> (Vec<MemoryStore>, Plan) {
    let stores: Vec<MemoryStore> = (0..2u8)
        .map(|number| MemoryStore::new(format!("m{number}"), vec![number; 64 << 10]))
        .collect();
    let mut plan = long_plan(&stores[..0]);
    for (device, store) in stores.iter().enumerate() {
        plan.devices.push(PlanDevice {
            name: store.name().to_owned(),
            len: store.len(),
            uuid: None,
        });
        plan.guards.push(Guard {
            device,
            start: Bytes(0),
            bytes: vec![device as u8; 4096],
        });
        let old = vec![device as u8; 4096];
        for (step, part) in [Part::BitmapArea, Part::BitmapHeader]
            .into_iter()
            .enumerate()
        {
            let len = 4096 >> (3 * step);
            let old = match step {
                0 => old.clone(),
                _ => vec![7; len],
            };
            plan.steps[step].writes.push(Write {
                device,
                start: Bytes(8192),
                part,
                old: Old::Bytes(old),
                new: Content::bytes(vec![7 + step as u8; len]),
            });
        }
    }
    assert_eq!(plan.flaw(), None);
    (stores, plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// Files whose checksums hold and whose contents were made up: no panic, no hang, no write outside their own plan,
    /// and nothing but an error or the state that they call the one before.
    #[test]
    fn made_up_files_do_no_harm(
        at in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        value in any::<u8>(),
        what in 0..5,
    ) {
        let (stores, plan) = small();
        let mut records = records(&saved(&plan, &stores));
        let at = at.index(records.len());
        match what {
            0 => drop(records.remove(at)),
            1 => records.insert(at, records[at].clone()),
            _ => {
                let len = records[at].1.len();
                if len > 0 {
                    records[at].1[byte.index(len)] = value;
                }
            }
        }
        crate::change::execute(&plan, &refs(&stores), |_, _| {}).unwrap();
        let now = contents(&stores);
        let Ok(file) = UndoFile::open(Arc::new(MemoryStore::new("undo", sealed(&records)))) else {
            return Ok(());
        };
        match take_back(&file, &refs(&stores)) {
            Err(TakeBackError::Revert(error)) => prop_assert!(false, "{}", error),
            Err(_) => prop_assert_eq!(contents(&stores), now),
            Ok(_) => {
                let judgement = judge(&file, &refs(&stores));
                let is_before = judgement.is_ok_and(|judgement| judgement.state == State::Before);
                prop_assert!(is_before);
                for (device, before) in now.iter().enumerate() {
                    let after = stores[device].contents();
                    for (at, (before, after)) in (0u64..).zip(before.iter().zip(&after)) {
                        let inside = file.writes_of(device).any(|(_, write)| write.range.contains(&at));
                        prop_assert!(before == after || inside, "byte {}", at);
                    }
                }
            }
        }
    }
}

#[test]
fn steps_that_contradict_each_other_are_refused() {
    let (stores, plan) = small();
    let mut records = records(&saved(&plan, &stores));
    // The old content of the last write.
    let fill = records.len() - 3;
    assert_eq!(records[fill], (6, vec![1, 0, 0, 0, 0, 0, 0, 0, 7]));
    records[fill].1[8] = 6;
    let file = opened(sealed(&records));
    let error = judge(&file, &refs(&stores)).unwrap_err();
    assert!(error.to_string().contains("contradict"), "{error}");
}

#[test]
fn the_file_of_a_resync_is_kept_for_later() {
    let (stores, plan) = small();
    let mut bytes = Vec::new();
    let about = About {
        what: What::Resync,
        ..about()
    };
    save(&about, &plan, &refs(&stores), &[], &mut bytes).unwrap();
    let error = take_back(&opened(bytes), &refs(&stores)).unwrap_err();
    assert!(error.to_string().contains("resync"), "{error}");
}
