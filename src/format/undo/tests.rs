use super::*;
use crate::format::framing::{FrameEncoder, take};
use proptest::prelude::*;

fn encode(records: &[Record]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut bytes = encoder.start();
    for record in records {
        bytes.extend(encoder.record(record));
    }
    bytes
}

/// All records, or what is wrong.
fn read(bytes: &[u8]) -> Result<Vec<Record>, UndoFileError> {
    let (start, mut rest) = bytes.split_at(START.min(bytes.len()));
    let mut decoder = Decoder::new(start)?;
    let mut records = Vec::new();
    let at = bytes.len() as u64;
    while records.last() != Some(&Record::End) {
        let cut = UndoFileError::CutOff { at };
        let head = take::<RECORD_HEAD>(&mut rest).ok_or(cut)?;
        let len = decoder.rest_of(head)?;
        let (content, left) = rest.split_at_checked(len).ok_or(cut)?;
        rest = left;
        records.push(decoder.record(head, content)?);
    }
    match rest {
        [] => Ok(records),
        _ => Err(UndoFileError::Checksum { at }),
    }
}

fn packed(content: &[u8], piece: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut packer = Packer::default();
    let mut keep = |run| {
        runs.push(run);
        Ok::<_, ()>(())
    };
    for piece in content.chunks(piece * SECTOR) {
        packer.push(piece, &mut keep).unwrap();
    }
    packer.finish(&mut keep).unwrap();
    runs
}

fn unpacked(runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in runs {
        let mut part = vec![0; run.bytes() as usize];
        run.read(0, &mut part);
        bytes.extend(part);
    }
    bytes
}

fn about() -> About {
    About {
        what: What::Metadata,
        made: 1_700_000_000,
        array_uuid: *b"mdbitmap-testing",
        verb: "grow".to_owned(),
        array: "raid1 of 2 members".to_owned(),
        program: "mdbitmap 0.1.0".to_owned(),
        sentences: vec!["adds a bitmap".to_owned(), "ä".repeat(MAX_TEXT / 2)],
    }
}

/// Sectors of few values, so that there are runs.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let sector = prop_oneof![
        (0u8..2).prop_map(|value| vec![value; SECTOR]),
        (0u8..2).prop_map(|value| [vec![value; 500], vec![9; 12]].concat()),
        any::<[u8; 4]>().prop_map(|bytes| bytes.repeat(SECTOR / 4)),
    ];
    let run = (sector, 1usize..9).prop_map(|(sector, count)| sector.repeat(count));
    proptest::collection::vec(run, 1..9).prop_map(|runs| runs.concat())
}

fn file() -> impl Strategy<Value = Vec<Record>> {
    let write = (0u32..2, 0u64..4, content(), any::<prop::sample::Index>());
    let step = proptest::collection::vec(write, 0..4);
    (proptest::collection::vec(step, 0..4), any::<bool>()).prop_map(|(steps, resync)| {
        let mut records = vec![Record::About(About {
            what: match resync {
                true => What::Resync,
                false => What::Metadata,
            },
            ..about()
        })];
        for number in 0..2u8 {
            records.push(Record::Device(Device {
                bytes: 1 << 20,
                uuid: (number == 0).then_some([number; 16]),
                path: vec![b'/', 0xff, number],
            }));
        }
        records.push(Record::Guard(Guard {
            device: 1,
            start: 4096,
            bytes: vec![7; 1024],
        }));
        for mut writes in steps {
            records.push(Record::Step("superblocks".to_owned()));
            writes.sort_by_key(|(device, ..)| *device);
            let mut at = [0; 2];
            for (device, gap, old, part) in writes {
                let start = at[device as usize] + gap * 512;
                let len = old.len() as u64;
                at[device as usize] = start + len;
                records.push(Record::Write(Write {
                    device,
                    start,
                    len,
                    part: Part::ALL[part.index(4)],
                }));
                let new: Vec<u8> = old.iter().rev().copied().collect();
                for run in [packed(&old, 3), packed(&new, 1000)].concat() {
                    records.push(Record::Run(run));
                }
            }
        }
        records.push(Record::End);
        records
    })
}

/// A file with these records, each whole: what is wrong is what they say.
fn with(records: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Result<Vec<Record>, UndoFileError> {
    let mut frames = FrameEncoder::default();
    let mut bytes = frames.start(&FRAMING);
    for (kind, content) in records {
        bytes.extend(frames.record(kind, &content));
    }
    read(&bytes)
}

proptest! {
    #[test]
    fn files_survive(records in file()) {
        prop_assert_eq!(read(&encode(&records)), Ok(records));
    }

    #[test]
    fn every_damage_is_noticed(records in file(), at in any::<prop::sample::Index>(), change in 1u8..) {
        let whole = encode(&records);
        let at = at.index(whole.len());
        let mut bytes = whole.clone();
        bytes[at] ^= change;
        prop_assert!(read(&bytes).is_err());
        prop_assert!(read(&whole[..at]).is_err());
        prop_assert!(read(&[&whole[..], &[0]].concat()).is_err());
    }

    /// Nothing that a file may contain makes anything but records or an error; records that come out go back in.
    #[test]
    fn any_records_are_survived(
        records in file(),
        at in any::<prop::sample::Index>(),
        kind in 0u8..11,
        content in proptest::collection::vec(any::<u8>(), 0..600),
        what in 0..4,
    ) {
        let bytes = encode(&records);
        let mut rest = &bytes[START..];
        let mut all = Vec::new();
        while let Some([kind, len @ ..]) = take::<RECORD_HEAD>(&mut rest) {
            let len = u32::from_le_bytes(len) as usize;
            all.push((kind, rest[..len].to_vec()));
            rest = &rest[len + 4..];
        }
        let at = at.index(all.len());
        match what {
            0 => all.insert(at, (kind, content)),
            1 => all[at].1 = content,
            2 => drop(all.remove(at)),
            _ => {
                let byte = content.len() % all[at].1.len().max(1);
                if let Some(byte) = all[at].1.get_mut(byte) {
                    *byte = kind;
                }
            }
        }
        if let Ok(records) = with(all) {
            prop_assert_eq!(read(&encode(&records)), Ok(records));
        }
    }

    #[test]
    fn packing_keeps_every_byte(content in content(), piece in 1usize..9) {
        let runs = packed(&content, piece);
        prop_assert_eq!(unpacked(&runs), content.clone());
        prop_assert_eq!(runs.iter().map(Run::bytes).sum::<u64>(), content.len() as u64);
        // The pieces in which it comes do not matter.
        prop_assert_eq!(runs, packed(&content, 100));
    }

    #[test]
    fn any_part_of_a_run_can_be_read(content in content(), at in 0usize..2000, len in 0usize..2000) {
        for run in packed(&content, 7) {
            let whole = unpacked(std::slice::from_ref(&run));
            let at = at.min(whole.len());
            let mut part = vec![0; len.min(whole.len() - at)];
            run.read(at as u64, &mut part);
            prop_assert_eq!(&part[..], &whole[at..at + part.len()]);
        }
    }
}

#[test]
fn a_long_bitmap_is_short() {
    let runs = packed(&vec![0xff; 1 << 20], 128);
    assert_eq!(
        runs,
        [Run::Fill {
            sectors: 2048,
            value: 0xff
        }]
    );
    let mut one = [0; SECTOR];
    one[3] = 1;
    let runs = packed(&one.repeat(2048), 128);
    assert_eq!(runs[0].bytes(), 1 << 20);
    let any: Vec<u8> = (0..1u32 << 18).flat_map(u32::to_le_bytes).collect();
    let longest = packed(&any, 128).iter().map(Run::bytes).max();
    assert_eq!(longest, Some(64 << 10));
}

#[test]
fn a_text_that_is_too_long_is_cut_at_a_character() {
    let about = About {
        verb: format!("x{}", "ä".repeat(MAX_TEXT)),
        sentences: vec![String::new(); 100],
        ..about()
    };
    let records = read(&encode(&[Record::About(about), Record::End])).unwrap();
    let Record::About(back) = &records[0] else {
        panic!()
    };
    assert_eq!(back.verb.len(), MAX_TEXT - 1);
    assert_eq!(back.sentences.len(), MAX_SENTENCES);
}

fn reason(records: &[Record]) -> &'static str {
    match read(&encode(records)) {
        Err(UndoFileError::Record { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_makes_no_sense_is_refused_and_named() {
    let device = |bytes| {
        Record::Device(Device {
            bytes,
            uuid: None,
            path: Vec::new(),
        })
    };
    let write = |device, start, len| {
        Record::Write(Write {
            device,
            start,
            len,
            part: Part::Superblock,
        })
    };
    let run = |sectors| Record::Run(Run::Fill { sectors, value: 0 });
    let start = [
        Record::About(about()),
        device(1 << 20),
        Record::Step(String::new()),
    ];
    let after = |records: &[Record]| reason(&[&start[..], records].concat());
    assert!(reason(&[device(1)]).contains("what it is about"));
    assert!(reason(&[start[0].clone(), start[0].clone()]).contains("two beginnings"));
    assert!(after(&[device(1)]).contains("too late"));
    assert!(after(&[write(1, 0, 512)]).contains("not there"));
    assert!(after(&[write(0, 1, 512)]).contains("whole sectors"));
    assert!(after(&[write(0, 0, 0)]).contains("whole sectors"));
    assert!(after(&[write(0, 1 << 20, 512)]).contains("not on the device"));
    assert!(after(&[write(0, u64::MAX - 511, 512)]).contains("not on the device"));
    assert!(after(&[write(0, 0, 512), run(2)]).contains("longer"));
    assert!(after(&[write(0, 0, 512), run(1), Record::End]).contains("not complete"));
    let twice = [
        write(0, 0, 1024),
        run(2),
        run(2),
        write(0, 512, 512),
        run(1),
        run(1),
    ];
    assert!(after(&twice).contains("out of order"));
    assert!(reason(&[start[0].clone(), write(0, 0, 512)]).contains("no step"));
    let many: Vec<Record> = (0..MAX_STEPS)
        .map(|_| Record::Step(String::new()))
        .collect();
    assert!(after(&many).contains("more steps"));
    // A device as long as can be, and a content that would take for ever to make.
    let most = u64::MAX - 511;
    let huge = [
        start[0].clone(),
        device(u64::MAX),
        start[2].clone(),
        write(0, 0, most),
        run(most / 512),
        run(most / 512),
        Record::End,
    ];
    assert_eq!(read(&encode(&huge)).unwrap(), huge);
}
