use super::*;
use crate::format::bitmap_super::{BITMAP_MAGIC, BITMAP_SUPER_BYTES, state};
use proptest::prelude::*;

/// Everything in a dump, or what is wrong with it.
fn parse(text: &str) -> Result<Vec<Event>, DumpTextError> {
    let mut events = Vec::new();
    let mut parser = Parser::default();
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix('\n').unwrap_or(line);
        parser.line(line.as_bytes(), &mut |event| events.push(event))?;
    }
    parser.finish().map(|()| events)
}

/// The text of these events.
fn print(events: &[Event]) -> String {
    let mut text = file_header().into_bytes();
    let mut device = None;
    let mut has_runs = false;
    for event in events {
        match event {
            Event::Device(facts) => {
                text.extend(device_header(facts).bytes());
                device = Some(facts);
            }
            Event::Bitmap(facts) => {
                has_runs = facts.has_runs;
                text.extend(bitmap_header(facts, device.unwrap()).bytes());
            }
            Event::Run(run) => run_line(&mut text, run).unwrap(),
            Event::BitmapEnd(totals) if has_runs => text.extend(
                format!(
                    "{BITMAP_END} {} runs {} dirty\n",
                    totals.runs, totals.dirty_chunks
                )
                .bytes(),
            ),
            Event::BitmapEnd(_) => {}
        }
    }
    text.extend(format!("\n{DUMP_END}\n").bytes());
    String::from_utf8(text).unwrap()
}

fn raw(version: u32) -> RawBitmapSuper {
    let mut raw = RawBitmapSuper::from_bytes(&[0; BITMAP_SUPER_BYTES]).unwrap();
    raw.magic = BITMAP_MAGIC;
    raw.version = version;
    raw.sync_size_sectors = 12_800;
    raw.chunksize = if version == 6 { 128 } else { 65536 };
    raw
}

fn bare(path: &str) -> Event {
    Event::Device(Box::new(DeviceFacts {
        path: path.into(),
        device_bytes: 1 << 20,
        md: None,
    }))
}

fn bitmap(version: u32) -> Event {
    Event::Bitmap(Box::new(BitmapFacts {
        slot: 0,
        start_bytes: 0,
        raw: raw(version),
        order: BitOrder::Little,
        has_runs: true,
    }))
}

fn run(chunks: Range<u64>, mark: RunMark) -> Event {
    Event::Run(DumpRun {
        chunks: ChunkIndex(chunks.start)..ChunkIndex(chunks.end),
        mark,
    })
}

/// A dump of 100 chunks of this version with these lines of runs.
fn with_runs(version: u32, lines: &str) -> String {
    let mut text = print(&[bare("/b"), bitmap(version)]);
    let end = text.rfind(DUMP_END).unwrap();
    text.insert_str(end, lines);
    text
}

fn runs(text: &str) -> Result<Vec<(u64, u64, RunMark)>, DumpTextError> {
    let events = parse(text)?.into_iter();
    let runs = events.filter_map(|event| match event {
        Event::Run(run) => Some((run.chunks.start.0, run.chunks.end.0, run.mark)),
        _ => None,
    });
    Ok(runs.collect())
}

fn message(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

fn line_of(text: &str, needle: &str) -> usize {
    1 + text.lines().position(|line| line.contains(needle)).unwrap()
}

#[test]
fn what_people_may_write() {
    let lines = "  0 - 3\n";
    assert!(message(&with_runs(4, lines)).contains("behind the chunks"));
    let lines = "# mine\n\n 0x0-3   # four\r\n7\n\tend-runs\n";
    let expected = vec![(0, 4, RunMark::Dirty), (7, 8, RunMark::Dirty)];
    assert_eq!(runs(&with_runs(4, lines)), Ok(expected));
}

#[test]
fn set_bits_are_united_and_states_are_not() {
    let lines = "1-5\n3-4\n5-8\n9\n20-30 missing\n25-26\nend-runs 2 runs 20 dirty\n";
    let expected = vec![(1, 10, RunMark::Dirty), (20, 31, RunMark::Dirty)];
    assert_eq!(runs(&with_runs(4, lines)), Ok(expected));
    let states = "1-5 clean\n6 clean\n7 0xfe\n99 missing\nend-runs\n";
    let expected = vec![
        (1, 7, RunMark::State(1)),
        (7, 8, RunMark::State(0xfe)),
        (99, 100, RunMark::Missing),
    ];
    assert_eq!(runs(&with_runs(6, states)), Ok(expected));
    let text = with_runs(6, "1-5 clean\n5-9 dirty\nend-runs\n");
    let (line, before) = (line_of(&text, "5-9 dirty"), line_of(&text, "1-5 clean"));
    assert_eq!(
        message(&text),
        format!("line {line}: chunk 5 was given a state in line {before} already")
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (lines, needle, expected) in [
        ("5\n3\nend-runs\n", "3", "begins before the run of line"),
        (
            "99\n100\nend-runs\n",
            "100",
            "chunk 100 does not exist: the bitmap has 100 chunks",
        ),
        ("7-5\nend-runs\n", "7-5", "expected chunks as"),
        (
            "5 dirty\nend-runs\n",
            "5 dirty",
            "expected nothing, or \"missing\", behind the chunks",
        ),
        ("-5\nend-runs\n", "-5", "expected chunks as"),
        ("+5\nend-runs\n", "+5", "expected chunks as"),
        (
            "99999999999999999999\nend-runs\n",
            "9999",
            "expected chunks as",
        ),
        (
            "5\nend-runs 2 runs 2 dirty\n",
            "2 runs",
            "lines are missing or were changed",
        ),
        (
            "5\nend-runs 1 runs\n",
            "1 runs",
            "expected \"end-runs N runs M dirty\"",
        ),
        ("5\nend-dump\n", "end-dump", "expected chunks as"),
        (
            "end-runs\nbitmap x\nruns\n",
            "bitmap x",
            "the number of a slot",
        ),
        (
            "end-runs\nfoo\n",
            "foo",
            "expected \"bitmap\", \"device\" or \"end-dump\"",
        ),
    ] {
        let text = with_runs(4, lines);
        let at = text.lines().collect::<Vec<_>>();
        let first = at.iter().position(|line| line.starts_with("runs")).unwrap();
        let wanted = first
            + 1
            + at[first..]
                .iter()
                .position(|line| line.contains(needle) && !line.starts_with("runs"))
                .unwrap();
        let found = message(&text);
        assert!(found.contains(expected), "{lines:?}: {found}");
        // A section is judged where it ends.
        let line = if needle == "bitmap x" {
            None
        } else {
            Some(format!("line {wanted}:"))
        };
        assert!(
            line.is_none_or(|line| found.starts_with(&line)),
            "{lines:?}: {found}"
        );
    }
    let whole = print(&[
        bare("/b"),
        bitmap(4),
        Event::BitmapEnd(RunTotals::default()),
    ]);
    for (from, to, expected) in [
        (
            "mdbitmap-dump 1",
            "mdbitmap-dump 2",
            "a dump of version 2; this program reads version 1",
        ),
        ("mdbitmap-dump 1", "hello", "the start of a dump"),
        ("version 4", "vresion 4", "expected a key of a bitmap"),
        (
            "version 4",
            "version 4\nversion 4",
            "\"version\" not more than 1 times",
        ),
        (
            "version 4\n",
            "",
            "the bitmap that ends here has no line \"version ...\"",
        ),
        ("device_bytes", "events 5\ndevice_bytes", "\"metadata\" too"),
        (
            "chunk_bytes 65536",
            "chunk_bytes 0",
            "does not tell what a chunk is",
        ),
        (
            "chunk_bytes 65536",
            "chunksize_field 65536",
            "expected \"chunk_bytes\"",
        ),
        ("\"/b\"", "/b", "the device's path in double quotes"),
        ("end-dump", "", "the dump is cut off after line"),
        ("end-dump", "end-dump\nx", "expected nothing after"),
        (
            "write_behind 0",
            "write_behind 4294967296",
            "a number below 2^32",
        ),
    ] {
        let found = message(&whole.replacen(from, to, 1));
        assert!(found.contains(expected), "{from:?}: {found}");
    }
    assert!(parse(&whole).is_ok());
}

#[test]
fn every_cut_is_noticed() {
    let events = [
        bare("/b"),
        bitmap(4),
        run(3..9, RunMark::Dirty),
        Event::BitmapEnd(RunTotals {
            runs: 1,
            dirty_chunks: 6,
        }),
    ];
    let text = print(&events);
    assert_eq!(parse(&text).unwrap(), events);
    // Without the last line feed it is still complete.
    for len in 0..text.len() - 1 {
        assert!(parse(&text[..len]).is_err(), "cut after {len} bytes");
    }
    // A line that is lost, too.
    let lines: Vec<&str> = text.lines().collect();
    for lost in 0..lines.len() {
        let mut rest = lines.clone();
        let line = rest.remove(lost);
        if !line.is_empty() && !line.starts_with('#') {
            assert!(parse(&rest.join("\n")).is_err(), "without {line:?}");
        }
    }
}

#[test]
fn nothing_in_a_name_can_look_like_a_line() {
    let path = b"/dev/x\nend-dump\n\"#\\ \xff\xe2\x80\xae".to_vec();
    let mut device = bare("");
    if let Event::Device(facts) = &mut device {
        facts.path = path;
    }
    let text = print(std::slice::from_ref(&device));
    assert_eq!(text.matches("end-dump\n").count(), 1, "{text}");
    assert!(text.is_ascii(), "{text}");
    assert_eq!(parse(&text).unwrap(), [device]);
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        any::<u32>().prop_map(Role::Slot),
        Just(Role::Spare),
        Just(Role::Faulty),
        Just(Role::Journal)
    ]
}

fn ranges() -> impl Strategy<Value = Vec<Range<u32>>> {
    proptest::collection::btree_set(0u32..100_000, 0..8).prop_map(|ends| {
        let ends: Vec<u32> = ends.into_iter().collect();
        ends.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect()
    })
}

fn md() -> impl Strategy<Value = MdFacts> {
    let metadata = (0usize..6).prop_map(|index| Metadata::NAMES[index].0);
    let ids = (
        metadata,
        any::<[u8; 16]>(),
        any::<Option<[u8; 16]>>(),
        any::<Option<String>>(),
    );
    let small = (
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<i32>(),
        any::<bool>(),
    );
    let large = any::<[u64; 6]>();
    let offsets = any::<[Option<u64>; 4]>();
    let roles = (
        role(),
        ranges(),
        proptest::collection::btree_map(any::<u32>(), role(), 0..5),
    );
    (ids, small, large, offsets, roles).prop_map(|(ids, small, large, offsets, roles)| MdFacts {
        metadata: ids.0,
        array_uuid: ids.1,
        device_uuid: ids.2,
        array_name: ids.3,
        layout: small.0,
        raid_disks: small.1,
        number: small.2,
        features: small.3,
        logical_block_bytes: small.4,
        level: Level::from_number(small.5 % 12),
        reshaping: small.6,
        super_start_bytes: large[0],
        created_seconds: large[1],
        updated_seconds: large[2],
        raid_chunk_sectors: large[3],
        events: large[4],
        data_offset_sectors: large[5],
        resync_offset_sectors: offsets[0],
        recovery_offset_sectors: offsets[1],
        component_sectors: offsets[2],
        array_sectors: offsets[3],
        role: roles.0,
        vacant_slots: roles.1,
        device_roles: roles.2.into_iter().collect(),
    })
}

/// A bitmap and its runs, as the parser would give them.
fn bitmap_events() -> impl Strategy<Value = Vec<Event>> {
    let super_bytes = proptest::collection::vec(any::<u8>(), BITMAP_SUPER_BYTES);
    let shape = (
        any::<u32>(),
        any::<u64>(),
        0u32..9,
        any::<bool>(),
        0usize..3,
    );
    let runs = proptest::collection::vec((0u64..5, 1u64..9, 0u8..12), 0..20);
    (super_bytes, shape, runs).prop_map(|(bytes, shape, runs)| {
        let mut raw = RawBitmapSuper::from_bytes(&bytes).unwrap();
        raw.magic = BITMAP_MAGIC;
        raw.version = shape.2;
        if shape.3 {
            raw.state &= !state::FIRST_USE;
            raw.pad = [0; 120];
            raw.sync_size_sectors = 1 << 40;
        }
        let coverage = raw.coverage().filter(|_| (3..=6).contains(&raw.version));
        let lockless = raw.is_lockless();
        let mut events = vec![Event::Bitmap(Box::new(BitmapFacts {
            slot: shape.0,
            start_bytes: shape.1,
            order: [BitOrder::Little, BitOrder::Be32, BitOrder::Be64][shape.4],
            has_runs: coverage.is_some(),
            raw,
        }))];
        let mut totals = RunTotals::default();
        let (mut at, mut before) = (0, None);
        for (gap, len, byte) in runs {
            let mark = match (lockless, byte) {
                (_, 11) => RunMark::Missing,
                (true, byte) => RunMark::State(byte),
                (false, _) => RunMark::Dirty,
            };
            let joined = gap == 0 && before == Some(mark);
            let chunks = at + gap + u64::from(joined)..at + gap + u64::from(joined) + len;
            if coverage.is_none_or(|coverage| chunks.end > coverage.chunks()) {
                break;
            }
            (at, before) = (chunks.end, Some(mark));
            events.push(run(chunks, mark));
            if let Some(Event::Run(run)) = events.last() {
                totals.add(run);
            }
        }
        events.push(Event::BitmapEnd(totals));
        events
    })
}

fn device_events() -> impl Strategy<Value = Vec<Event>> {
    let md = proptest::option::of(md());
    let bitmaps = proptest::collection::vec(bitmap_events(), 0..3);
    (
        proptest::collection::vec(any::<u8>(), 0..20),
        any::<u64>(),
        md,
        bitmaps,
    )
        .prop_map(|(path, device_bytes, md, bitmaps)| {
            let device = DeviceFacts {
                path,
                device_bytes,
                md,
            };
            let mut events = vec![Event::Device(Box::new(device))];
            events.extend(bitmaps.into_iter().flatten());
            events
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_printed_is_read_back(devices in proptest::collection::vec(device_events(), 0..3)) {
        let events: Vec<Event> = devices.into_iter().flatten().collect();
        let text = print(&events);
        prop_assert_eq!(parse(&text), Ok(events), "{}", text);
    }

    #[test]
    fn comments_blanks_and_split_runs_change_nothing(
        devices in proptest::collection::vec(device_events(), 1..3), seed in any::<u64>()
    ) {
        let events: Vec<Event> = devices.into_iter().flatten().collect();
        let mut edited = String::new();
        let mut bits = seed;
        for line in print(&events).lines() {
            bits = bits.rotate_left(3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match bits >> 61 {
                0 => edited.push_str("# a comment \"\n\n"),
                1 => edited.push_str("  \t"),
                _ => {}
            }
            // The run in two halves; the totals count what they make together.
            let halves = line.split_once('-').and_then(|(first, rest)| {
                let (last, mark) = rest.split_once(' ').unwrap_or((rest, ""));
                let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
                Some(format!("{first} {mark}\n{}-{last} {mark}", first + 1))
            });
            match halves.filter(|_| bits >> 60 & 1 == 1) {
                Some(halves) => edited.push_str(&halves),
                None => edited.push_str(line),
            }
            edited.push_str(if bits >> 59 & 1 == 1 { "\n" } else { " # x\r\n" });
        }
        prop_assert_eq!(parse(&edited), Ok(events), "{}", edited);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(([a-z_]{1,9}|-?[0-9]{1,21}|0x[0-9a-f]{1,9}|[\"#\\\\]|[ -]){0,9}\n){0,20}", cut in any::<u64>(), at in any::<prop::sample::Index>()) {
        let _ = parse(&text);
        let _ = parse(&format!("{MAGIC_WORD} {VERSION}\n{text}"));
        // A valid dump with a piece of anything in it.
        let mut whole = print(&[bare("/b"), bitmap(4 + (cut % 3) as u32), Event::BitmapEnd(RunTotals::default())]);
        whole.insert_str(at.index(whole.len()), &text);
        let _ = parse(&whole);
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut parser = Parser::default();
        let mut failed = false;
        for line in bytes.split(|byte| *byte == b'\n') {
            failed |= parser.line(line, &mut |_| {}).is_err();
        }
        prop_assert!(failed || parser.finish().is_err());
    }
}
