//! Editing bitmaps in memory, against a model that looks at every chunk.

use super::*;
use crate::change::execute;
use crate::change::plan::{Old, Plan};
use crate::change::superblock::Moment;
use crate::change::testing::{TestArray, read, reasons};
use crate::device::{MemoryStore, Store};
use proptest::prelude::*;

const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

/// Where the bitmap of a member begins, in arrays made here.
const START: u64 = 4096 + 8 * 512;

/// A mirror with chunks of 512 bytes: 4 sectors of bits and the start of a fifth, or 17000 states.
fn array(version: u32, chunks: u64) -> TestArray {
    let mut array = TestArray::mirror();
    array.component = chunks;
    array.device_sectors = 256 + chunks + 8;
    let mut array = array.with_bitmap(&[]);
    let bitmap = array.bitmap.as_mut().unwrap();
    (bitmap.version, bitmap.chunk_bytes) = (version, 512);
    array
}

fn header_bytes(version: u32) -> u64 {
    if version == 6 { 1024 } else { 256 }
}

/// Puts cells on a member, and something behind them that nobody may touch.
fn fill(store: &MemoryStore, version: u32, cells: &[u8]) {
    let start = START + header_bytes(version);
    store.write_at(Bytes(start), cells).unwrap();
    let tail = vec![0xa5; 600];
    store
        .write_at(Bytes(start + cells.len() as u64), &tail)
        .unwrap();
}

fn cells(store: &MemoryStore, version: u32, len: usize) -> Vec<u8> {
    let mut cells = vec![0; len];
    store
        .read_at(Bytes(START + header_bytes(version)), &mut cells)
        .unwrap();
    cells
}

fn run(plan: &Plan, stores: &[MemoryStore]) {
    let stores: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    execute(plan, &stores, |_, _| {}).unwrap();
}

fn planned(stores: &[MemoryStore], edit: &Edit, beside: &Beside) -> (Plan, Marked) {
    let array = read(stores);
    editable(&array).unwrap();
    let mut draft = Draft::new(&array, NOW).unwrap();
    let marked = change(&mut draft, edit, beside).unwrap();
    (draft.finish().unwrap(), marked)
}

#[derive(Debug, Clone, Copy)]
enum What {
    Dirty,
    Clean,
    Exactly,
}

/// What a cell is afterwards.
fn model(version: u32, what: What, chunk: u64, asked: bool, known: Known, cell: u8) -> u8 {
    let known = match what {
        What::Exactly => known,
        _ if !asked => return cell,
        What::Dirty => Known::Dirty,
        What::Clean => Known::Clean,
    };
    if version < 6 {
        let bit = 1 << (chunk % 8);
        return if known == Known::Clean {
            cell & !bit
        } else {
            cell | bit
        };
    }
    match (known, cell) {
        // One that no kernel knows becomes one that all of them take for the same.
        (Known::Dirty, 2..=4) => cell,
        (Known::Dirty, _) => 3,
        (Known::Clean, _) => 1,
        (Known::Unwritten, 0 | 5..=7) => cell,
        (Known::Unwritten, _) => 0,
    }
}

fn pieces() -> impl Strategy<Value = Vec<(u64, u64, u8)>> {
    let length = prop_oneof![1u64..30, 1u64..6000];
    proptest::collection::vec((0u64..17_100, length, 0u8..10), 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Every chunk becomes what it is to be on both members, whatever it was; nothing else changes, and no sector is
    /// written that stays as it is.
    #[test]
    fn exactly_what_was_asked_changes(
        version in prop_oneof![Just(3u32), Just(4), Just(6)],
        chunks in prop_oneof![Just(16384u64), Just(17_000), Just(16_385), Just(2047), Just(14_336), Just(20)],
        first in pieces(),
        second in pieces(),
        asked in pieces(),
        known in pieces(),
        what in prop_oneof![Just(What::Dirty), Just(What::Clean), Just(What::Exactly)],
    ) {
        let stores = array(version, chunks).stores();
        let len = if version == 6 { chunks as usize } else { chunks.div_ceil(8) as usize };
        let mut old = Vec::new();
        for (store, runs) in stores.iter().zip([&first, &second]) {
            let mut bytes = vec![if version == 6 { 1 } else { 0 }; len];
            for (start, more, value) in runs {
                for chunk in *start..(start + more).min(chunks) {
                    if version == 6 {
                        bytes[chunk as usize] = *value;
                    } else {
                        bytes[chunk as usize / 8] |= 1 << (chunk % 8);
                    }
                }
            }
            if version != 6 && chunks % 8 != 0 {
                // Behind the last chunk lies what no one looks at.
                bytes[len - 1] |= 0xff << (chunks % 8);
            }
            fill(store, version, &bytes);
            old.push(bytes);
        }
        let coverage = Coverage::new(crate::units::Sectors(chunks), 512).unwrap();
        let mut set = ChunkSet::empty(chunks).unwrap();
        for (start, more, _) in &asked {
            set.set(&(ChunkIndex(*start)..ChunkIndex(start + more)), true);
        }
        let mut exactly = Knowledge::all_clean(coverage).unwrap();
        for (start, more, value) in &known {
            let value = [Known::Dirty, Known::Clean, Known::Unwritten][usize::from(value % 3)];
            exactly.set(&(ChunkIndex(*start)..ChunkIndex(start + more)), value);
        }
        let edit = match what {
            What::Dirty => Edit::dirty(coverage, set.clone()).unwrap(),
            What::Clean => Edit::clean(coverage, set.clone()).unwrap(),
            What::Exactly => Edit::exactly(exactly.clone()).unwrap(),
        };
        let before: Vec<Vec<u8>> = stores.iter().map(MemoryStore::contents).collect();
        let (plan, marked) = planned(&stores, &edit, &Beside::default());
        for write in plan.steps.iter().flat_map(|step| &step.writes) {
            let Old::Bytes(was) = &write.old else { panic!("long") };
            for (was, now) in was.chunks(512).zip(write.new.to_vec().chunks(512)) {
                prop_assert_ne!(was, now, "a sector is written that does not change");
            }
        }
        run(&plan, &stores);
        let dirty = |cell: u8, chunk: u64| match version {
            6 => ChunkState::from_byte(cell).is_dirty(),
            _ => cell >> (chunk % 8) & 1 == 1,
        };
        let cell = |bytes: &[u8], chunk: u64| bytes[if version == 6 { chunk } else { chunk / 8 } as usize];
        let (mut newly, mut cleared) = (vec![], vec![]);
        for (member, store) in stores.iter().enumerate() {
            let mut expected = old[member].clone();
            for chunk in 0..chunks {
                let at = if version == 6 { chunk } else { chunk / 8 } as usize;
                let (is_asked, known) = (set.contains(ChunkIndex(chunk)), exactly.of(ChunkIndex(chunk)));
                expected[at] = model(version, what, chunk, is_asked, known, expected[at]);
                match (dirty(cell(&old[member], chunk), chunk), dirty(expected[at], chunk)) {
                    (false, true) => newly.push(chunk),
                    (true, false) => cleared.push(chunk),
                    _ => {}
                }
            }
            prop_assert!(cells(store, version, len) == expected);
            // The rest of the device is as it was, but for what the event counts are kept in.
            let now = store.contents();
            let start = (START + header_bytes(version)) as usize;
            prop_assert!(now[start + len..] == before[member][start + len..]);
            prop_assert!(now[..4096] == before[member][..4096]);
            let header = |bytes: &[u8]| RawBitmapSuper::from_bytes(&bytes[START as usize..]).unwrap();
            let mut same = header(&before[member]);
            (same.events, same.events_cleared) = (header(&now).events, header(&now).events_cleared);
            prop_assert_eq!(same, header(&now));
        }
        let listed = |set: &ChunkSet| -> Vec<u64> {
            set.runs().flat_map(|run| run.start.0..run.end.0).collect()
        };
        for (mut model, found) in [(newly, listed(&marked.set)), (cleared, listed(&marked.cleared))] {
            model.sort_unstable();
            model.dedup();
            prop_assert_eq!(model, found);
        }
        prop_assert_eq!(marked.is_nothing(), plan.is_empty());
        // Once more, there is nothing to do.
        let (again, _) = planned(&stores, &edit, &Beside::default());
        prop_assert!(again.is_empty());
    }
}

fn headers_of(stores: &[MemoryStore]) -> Vec<(u64, u64)> {
    let header = |store: &MemoryStore| {
        let bytes = store.contents();
        let raw = RawBitmapSuper::from_bytes(&bytes[START as usize..]).unwrap();
        (raw.events, raw.events_cleared)
    };
    stores.iter().map(header).collect()
}

fn supers_of(stores: &[MemoryStore]) -> Vec<(u64, bool)> {
    let member = |store: &MemoryStore| {
        let found = crate::array::probe(store, None).found.remove(0).member;
        (found.events.0, found.is_clean())
    };
    stores.iter().map(member).collect()
}

fn of_chunks(chunks: &[u64], of: u64) -> ChunkSet {
    let mut set = ChunkSet::empty(of).unwrap();
    for chunk in chunks {
        set.set(&(ChunkIndex(*chunk)..ChunkIndex(chunk + 1)), true);
    }
    set
}

/// What stands on the disks after each step: headers' events and events_cleared, superblocks' events, clean or not, marks.
fn states_on_the_way(
    array: &TestArray,
    edit: &Edit,
    beside: &Beside,
) -> Vec<(u64, u64, u64, bool, u8)> {
    let stores = array.stores();
    let (plan, _) = planned(&stores, edit, beside);
    (0..=plan.steps.len())
        .map(|steps| {
            let stores = array.stores();
            let mut part = plan.clone();
            part.steps.truncate(steps);
            run(&part, &stores);
            let (headers, supers) = (headers_of(&stores), supers_of(&stores));
            assert!(headers.iter().all(|h| *h == headers[0]));
            assert!(supers.iter().all(|s| *s == supers[0]));
            let ((events, cleared), (now, clean)) = (headers[0], supers[0]);
            (events, cleared, now, clean, cells(&stores[1], 4, 1)[0])
        })
        .collect()
}

/// W4, R5: header, superblock, marks.
#[test]
fn an_array_is_unclean_before_its_marks_are_there() {
    let array = TestArray::mirror().with_bitmap(&[0]);
    let coverage = read(&array.stores()).coverage(4096).unwrap();
    let edit = Edit::dirty(coverage, of_chunks(&[1], 128)).unwrap();
    let unclean = Beside {
        unclean: true,
        failed: Vec::new(),
    };
    assert_eq!(
        states_on_the_way(&array, &edit, &unclean),
        [
            (40, 39, 40, true, 1),
            (41, 39, 40, true, 1),
            (41, 39, 41, false, 1),
            (41, 39, 41, false, 3),
        ]
    );
    // Where nothing but marks changes, nothing else is written.
    assert_eq!(
        states_on_the_way(&array, &edit, &Beside::default()),
        [(40, 39, 40, true, 1), (40, 39, 40, true, 3)]
    );
}

/// W6, W3: header with events_cleared, marks, superblock.
#[test]
fn the_header_says_that_marks_go_before_they_do() {
    let array = TestArray::mirror().with_bitmap(&[0, 1]);
    let coverage = read(&array.stores()).coverage(4096).unwrap();
    let edit = Edit::clean(coverage, of_chunks(&[1], 128)).unwrap();
    assert_eq!(
        states_on_the_way(&array, &edit, &Beside::default()),
        [
            (40, 39, 40, true, 3),
            (41, 40, 40, true, 3),
            (41, 40, 40, true, 1),
            (41, 40, 41, true, 1),
        ],
        "the count before, because others are left (FINDINGS, lone-mirror)"
    );
    let unclean = Beside {
        unclean: true,
        failed: Vec::new(),
    };
    assert_eq!(
        states_on_the_way(&array, &edit, &unclean),
        [
            (40, 39, 40, true, 3),
            (41, 40, 40, true, 3),
            (41, 40, 41, false, 3),
            (41, 40, 41, false, 1),
        ]
    );
}

/// W7: two events, one step each, the header ahead of both.
#[test]
fn a_member_that_is_called_failed_is_left_two_events_behind() {
    let mut array = TestArray::mirror().with_bitmap(&[]);
    array.members = 3;
    let mut stores = array.stores();
    stores.pop();
    let coverage = read(&stores).coverage(4096).unwrap();
    let edit = Edit::dirty(coverage, of_chunks(&[0], 128)).unwrap();
    let beside = Beside {
        unclean: false,
        failed: vec![2],
    };
    let (plan, _) = planned(&stores, &edit, &beside);
    assert_eq!(plan.steps.len(), 5);
    for steps in 0..=5 {
        let stores: Vec<MemoryStore> = array.stores().into_iter().take(2).collect();
        let mut part = plan.clone();
        part.steps.truncate(steps);
        run(&part, &stores);
        let (events, (now, _)) = (headers_of(&stores)[0].0, supers_of(&stores)[0]);
        assert!(events == now || events == now + 1, "{events} {now}");
        assert_eq!(now, 40 + steps as u64 / 2);
    }
}

#[test]
fn nodes_are_set_in_the_first_slot_and_cleared_in_all() {
    let mut array = TestArray::mirror().with_bitmap(&[1]);
    array.bitmap.as_mut().unwrap().version = 5;
    let stores = array.stores();
    for store in &stores {
        let mut head = vec![0; 300];
        store.read_at(Bytes(START), &mut head).unwrap();
        head[68] = 2;
        store.write_at(Bytes(START), &head).unwrap();
        head[256] = 0b101;
        store.write_at(Bytes(START + 4096), &head).unwrap();
    }
    let known = read(&stores).knowledge().unwrap().unwrap();
    assert_eq!(known.bits(), of_chunks(&[0, 1, 2], 128), "all slots count");
    let slots = |store: &MemoryStore| {
        let bytes = store.contents();
        let at = START as usize + 256;
        (bytes[at], bytes[at + 4096])
    };
    let coverage = known.coverage();
    let edit = Edit::dirty(coverage, of_chunks(&[0, 3], 128)).unwrap();
    let (plan, _) = planned(&stores, &edit, &Beside::default());
    run(&plan, &stores);
    assert_eq!(slots(&stores[1]), (0b1011, 0b101));
    let edit = Edit::clean(coverage, of_chunks(&[0, 1], 128)).unwrap();
    let (plan, _) = planned(&stores, &edit, &Beside::default());
    run(&plan, &stores);
    assert_eq!(slots(&stores[0]), (0b1000, 0b100));
    // A slot that is no bitmap of this array makes the whole worth nothing.
    stores[0].write_at(Bytes(START + 4096), &[0; 8]).unwrap();
    assert_eq!(reasons(editable(&read(&stores))), ["bitmap-not-believed"]);
}

#[test]
fn copies_that_cannot_be_edited_alike_are_refused() {
    let bitmap = TestArray::mirror().with_bitmap(&[1]);
    assert_eq!(
        reasons(editable(&read(&TestArray::mirror().stores()))),
        ["no-bitmap"]
    );
    let mut stale = bitmap.clone();
    stale.bitmap.as_mut().unwrap().events = 39;
    let all = reasons(editable(&read(&stale.stores())));
    assert_eq!(all, ["bitmap-not-believed", "bitmap-not-believed"]);
    let stores = bitmap.stores();
    // Half the chunk size on one member.
    stores[1]
        .write_at(Bytes(START + 52), &2048u32.to_le_bytes())
        .unwrap();
    assert_eq!(reasons(editable(&read(&stores))), ["copies-unlike"]);
    let mut other = bitmap.clone();
    other.bitmap.as_mut().unwrap().offset = 16;
    let mut mixed = bitmap.stores();
    // The freshest superblock says where all of them are, and there is none.
    mixed[1] = other.stores().remove(1);
    assert_eq!(reasons(editable(&read(&mixed))), ["bitmap-not-believed"]);
    let mut none = TestArray::mirror();
    none.events = 39;
    mixed[1] = none.stores().remove(1);
    assert_eq!(reasons(editable(&read(&mixed))), ["bitmap-not-believed"]);
}

/// What is long is not held in memory: its new content is made from the set.
#[test]
fn long_edits_are_one_write_each() {
    let mut array = array(4, 12 << 20);
    // 1.5 MiB of bits lie before the data.
    array.data_offset = 4096;
    array.device_sectors = array.component + 4096 + 8;
    let stores = array.stores();
    let coverage = read(&stores).coverage(512).unwrap();
    let all = ChunkSet::full(coverage.chunks()).unwrap();
    let (plan, marked) = planned(
        &stores,
        &Edit::dirty(coverage, all).unwrap(),
        &Beside::default(),
    );
    assert!(marked.set.is_full());
    let parts: Vec<bool> = plan.steps[0]
        .writes
        .iter()
        .map(|w| matches!(w.old, Old::Long(_)))
        .collect();
    assert_eq!(parts, [false, true, false, false, true, false]);
    run(&plan, &stores);
    assert!(
        read(&stores)
            .knowledge()
            .unwrap()
            .unwrap()
            .dirty()
            .is_full()
    );
}
