//! Hostile input: random mutations of valid images through everything that `examine` and `check` do.
//!
//! For every case: no panic, an end within the time limit, at most 16 MiB of memory at any moment,
//! and messages that name the field at fault. 20,000 cases in the plain run; MDBITMAP_MUTATIONS
//! asks for more (tests/run: a million, release build). The seed is printed; MDBITMAP_SEED repeats it,
//! MDBITMAP_FIRST starts at a later case.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod synthetic;

use flate2::read::GzDecoder;
use mdbitmap::bitmap::Bitmap;
use mdbitmap::check::{self, Case, Input, LookOptions, Severity};
use mdbitmap::commands::check::{ArrayReport, Checked};
use mdbitmap::commands::examine::result::Device;
use mdbitmap::commands::examine::{ExamineOptions, Examined, examine_store};
use mdbitmap::device::MemoryStore;
use mdbitmap::format::bit_array::BitOrder;
use mdbitmap::report::heat_map::{self, Charset};
use mdbitmap::report::{
    check_json, check_text, examine_explain, examine_json, examine_text, layout,
};
use mdbitmap::units::Bytes;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use synthetic::corpus;
use synthetic::random::{Random, number_from, seed};

/// No case may hold more than this at once, its own image not counted.
const MOST_BYTES: usize = 16 << 20;

/// No case may take longer. Far above what any needs, far below what a hang takes.
const MOST_TIME: Duration = Duration::from_secs(20);

/// Counts what each thread holds, and the most it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes unchanged to the system's allocator; the counters are plain cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller's promises hold for the system's allocator too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

fn note(change: isize) {
    // Not there any more while a thread ends; nothing is measured then.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Fields, by the names of the offset tables, and parts that a message may blame.
const FIELDS: &[&str] = &[
    "magic",
    "version",
    "uuid",
    "events",
    "sync_size",
    "state",
    "chunksize",
    "daemon_sleep",
    "write_behind",
    "sectors_reserved",
    "nodes",
    "cluster_name",
    "slot",
    "truncated",
    "256 bytes",
    "level",
    "layout",
    "checksum",
    "csum",
    "max_dev",
    "feature",
    "padding",
    "pad",
    "super_offset",
    "data_offset",
    "data_size",
    "raid_disks",
    "bitmap_offset",
    "dev_number",
    "bblog",
    "resync_offset",
    "not_persistent",
    "size",
    "superblock at",
    "array_position",
    "num_devices",
    "superblock offset",
    "data offset",
    "data size",
    "raid disks",
];

#[test]
fn mutations_of_valid_images_are_survived() {
    let cases = number_from("MDBITMAP_MUTATIONS").unwrap_or(20_000);
    let seed = seed(20_260_102);
    let first = number_from("MDBITMAP_FIRST").unwrap_or(0);
    println!(
        "mutation: {cases} cases, seed {seed} (repeat with MDBITMAP_SEED={seed} MDBITMAP_MUTATIONS={cases})"
    );
    let corpus = corpus();
    let threads = 2;
    let began = Instant::now();
    let current: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (corpus, current) = (&corpus, &current[thread as usize]);
                scope.spawn(move || {
                    worker(
                        corpus,
                        seed,
                        (first + thread..first + cases).step_by(threads as usize),
                        current,
                    )
                })
            })
            .collect();
        watch(&workers, &current);
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let mut total = Tally::default();
    for tally in tallies {
        total.add(tally);
    }
    println!(
        "mutation: {} shown, {} with a complaint, largest memory {} KiB, slowest case {} us (case {}), all in {} s",
        total.shown,
        total.refused,
        total.peak / 1024,
        total.slowest.0.as_micros(),
        total.slowest.1,
        began.elapsed().as_secs()
    );
    for failure in total.failures.iter().take(10) {
        println!("{failure}");
    }
    assert!(
        total.failures.is_empty(),
        "{} of {cases} cases failed",
        total.failures.len()
    );
    if cases < 1000 {
        return;
    }
    // The mutations must neither break everything nor nothing.
    assert!(
        total.refused > cases / 10 && total.shown > cases / 10,
        "one-sided: {total:?}"
    );
}

/// Ends the test program when a case hangs: nothing else can.
fn watch(workers: &[std::thread::ScopedJoinHandle<'_, Tally>], current: &[AtomicU64]) {
    let mut seen: Vec<(u64, Instant)> =
        current.iter().map(|_| (u64::MAX, Instant::now())).collect();
    while !workers.iter().all(|worker| worker.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
        for ((number, since), now) in seen.iter_mut().zip(current) {
            let now = now.load(Ordering::Relaxed);
            if *number != now {
                (*number, *since) = (now, Instant::now());
            } else if since.elapsed() > MOST_TIME && now != u64::MAX - 1 {
                eprintln!("case {now} has not ended after {MOST_TIME:?}");
                std::process::exit(101);
            }
        }
    }
}

#[derive(Default, Debug)]
struct Tally {
    shown: u64,
    refused: u64,
    peak: isize,
    /// The slowest case: how long, and its number.
    slowest: (Duration, u64),
    failures: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.shown += other.shown;
        self.refused += other.refused;
        self.peak = self.peak.max(other.peak);
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
    }
}

fn worker(
    corpus: &[Vec<u8>],
    seed: u64,
    cases: impl Iterator<Item = u64>,
    current: &AtomicU64,
) -> Tally {
    let mut tally = Tally::default();
    for number in cases {
        current.store(number, Ordering::Relaxed);
        // Each case from a seed of its own, so that one can be repeated alone.
        let mut random = Random::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let image = mutated(corpus, &mut random);
        let options = options(&mut random, image.len() as u64);
        // A mutation of the same or of another array.
        let other = random
            .one_in(8)
            .then(|| (image.clone(), mutated(corpus, &mut random)));
        let began = Instant::now();
        HELD.set(0);
        PEAK.set(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if let Some((image, other)) = other {
                checked(image, other, &options);
            }
            one_case(image, &options)
        }));
        let peak = PEAK.get();
        tally.peak = tally.peak.max(peak);
        tally.slowest = tally.slowest.max((began.elapsed(), number));
        let wrong = match outcome {
            Err(_) => Some("panicked".to_owned()),
            Ok(_) if peak > MOST_BYTES as isize => Some(format!("held {peak} bytes")),
            Ok(device) => {
                tally.shown += u64::from(device.slots.iter().any(|slot| slot.contents.is_some()));
                tally.refused += u64::from(device.all_problems().next().is_some());
                nameless(&device)
            }
        };
        tally.failures.extend(
            wrong.map(|wrong| format!("case {number} (seed {seed}, {options:?}): {wrong}")),
        );
    }
    // Nothing to watch any more.
    current.store(u64::MAX - 1, Ordering::Relaxed);
    tally
}

/// What `mdbitmap check` does with the image beside another one, and how it tells it.
fn checked(image: Vec<u8>, other: Vec<u8>, options: &ExamineOptions) {
    let stores = [
        MemoryStore::new("image", image).with_blocks(512, 4096),
        MemoryStore::new("other", other),
    ];
    let look = LookOptions {
        offset: options.offset,
        order: options.order,
        ..LookOptions::default()
    };
    let inputs = stores.iter().map(|store| Input::look(store, &look));
    let mut checked = Checked::default();
    for case in Case::group(inputs.collect()) {
        let findings = check::check(&case);
        checked.arrays.push(ArrayReport::of(&case, findings));
    }
    let mut sink = std::io::sink();
    check_text::write_checked(&mut sink, &checked, Severity::Note).unwrap();
    check_json::write_checked(&mut sink, &checked, Severity::Note).unwrap();
}

/// What `mdbitmap examine` does with a device: text, explanation, pictures and JSON; and the list of
/// dirty runs.
fn one_case(image: Vec<u8>, options: &ExamineOptions) -> Device {
    let longest = image.len() as u64 * 8 + 2;
    let store = MemoryStore::new("image", image);
    let device = examine_store(&store, options);
    let mut sink = std::io::sink();
    examine_text::write_device(&mut sink, &device, options.brief).unwrap();
    examine_explain::write_device(&mut sink, &device).unwrap();
    layout::write_device(&mut sink, &device, 80).unwrap();
    heat_map::write_device(&mut sink, &device, 80, Charset::Ascii).unwrap();
    if let Some(found) = &device.found
        && let Ok(bitmap) = Bitmap::open(&store, found.start, options.order)
        && let Ok(runs) = bitmap.runs()
    {
        let runs = runs
            .take_while(Result::is_ok)
            .take(longest as usize)
            .count();
        assert!((runs as u64) < longest, "more runs than bits");
    }
    let mut examined = Examined {
        devices: vec![device],
        brief: options.brief,
    };
    examine_json::write_examined(&mut sink, &examined).unwrap();
    examined.devices.pop().unwrap()
}

/// A complaint that blames no field.
fn nameless(device: &Device) -> Option<String> {
    device
        .all_problems()
        .find(|problem| !FIELDS.iter().any(|field| problem.message.contains(field)))
        .map(|problem| format!("names no field: {}", problem.message))
}

fn options(random: &mut Random, length: u64) -> ExamineOptions {
    ExamineOptions {
        offset: random.one_in(8).then(|| {
            Bytes(random.pick(&[0, 4096, 8192, length / 2, length, u64::MAX - 511]) & !511)
        }),
        slot: random
            .one_in(8)
            .then(|| random.pick(&[0, 1, 3, 4, 1000, u32::MAX])),
        order: random.pick(&[
            BitOrder::Little,
            BitOrder::Little,
            BitOrder::Be32,
            BitOrder::Be64,
        ]),
        brief: random.one_in(8),
        judge: random.one_in(2),
        layout: random.one_in(2),
        map_cells: random.one_in(2).then(|| heat_map::most_cells(80)),
        ..ExamineOptions::default()
    }
}

/// The synthetic images, sound ones and others, and the metadata of those that real kernels made.
fn corpus() -> Vec<Vec<u8>> {
    let mut images: Vec<_> = corpus::fixtures()
        .into_iter()
        .map(|f| f.image.bytes)
        .collect();
    let synthetic = images.len();
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).unwrap();
    let mut sets: Vec<_> = folder.map(|set| set.unwrap().path()).collect();
    sets.sort();
    for set in sets {
        let Ok(facts) = std::fs::read_to_string(set.join("facts")) else {
            continue;
        };
        let at_the_end = ["metadata=0.90\n", "metadata=1.0\n"]
            .iter()
            .any(|line| facts.contains(line));
        if !set.ends_with("synthetic") {
            images.extend(kernel_images(&set, at_the_end));
        }
    }
    assert!(
        synthetic > 40 && images.len() > synthetic + 40,
        "{} images: are the fixtures there?",
        images.len()
    );
    images
}

/// Of each image of a set the 256 KiB where its metadata is: copies of whole ones would take the time.
fn kernel_images(set: &Path, at_the_end: bool) -> Vec<Vec<u8>> {
    const KEPT: usize = 256 << 10;
    let mut paths: Vec<_> = std::fs::read_dir(set)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|e| e == "gz"));
    // Members of a set hardly differ; data devices of dm-raid hold no metadata.
    paths.retain(|path| {
        !path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with("data"))
    });
    paths.truncate(2);
    let unpack = |path: &std::path::PathBuf| {
        let mut image = Vec::new();
        let packed = GzDecoder::new(std::fs::File::open(path).unwrap());
        let most = if at_the_end { u64::MAX } else { KEPT as u64 };
        packed.take(most).read_to_end(&mut image).unwrap();
        // Whole units of 64 KiB go, so that 0.90 and 1.0 find their place again.
        let surplus = image.len().saturating_sub(KEPT) / 65536 * 65536;
        image.split_off(if at_the_end { surplus } else { 0 })
    };
    paths.iter().map(unpack).collect()
}

/// An image of the corpus with one to eight changes.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut image = corpus[random.below(corpus.len() as u64) as usize].clone();
    for _ in 0..1 + random.below(8) {
        if !image.is_empty() {
            mutate(&mut image, corpus, random);
        }
    }
    image
}

/// Where structures begin in these images: changes elsewhere seldom matter.
const STRUCTURES: &[usize] = &[
    0,
    4096,
    8192,
    12288,
    16384,
    20480,
    65536,
    69632,
    96 * 512,
    112 * 512,
];

fn mutate(image: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let length = image.len();
    let structure = random.pick(STRUCTURES);
    // Mostly in the first 256 bytes of a structure, where the fields are.
    let at = match random.below(8) {
        0 => random.below(length as u64) as usize,
        1 => structure + random.below(4096) as usize,
        _ => structure + random.below(256) as usize,
    };
    let at = at.min(length - 1);
    let field = structure + 4 * random.below(64) as usize;
    match random.below(10) {
        0..=2 => image[at] ^= 1 << random.below(8),
        3 => image[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        4 | 5 => {
            let value: u32 = random.pick(&[
                0,
                1,
                2,
                511,
                512,
                513,
                0x7fff_ffff,
                0x8000_0000,
                u32::MAX - 1,
                u32::MAX,
            ]);
            overwrite(image, field, &value.to_le_bytes());
        }
        6 => {
            let any = random.magnitude(64);
            let value: u64 = random.pick(&[
                0,
                1,
                1 << 46,
                1 << 55,
                (1 << 55) - 1,
                i64::MAX as u64,
                1 << 63,
                u64::MAX,
                any,
            ]);
            overwrite(image, field, &value.to_le_bytes());
        }
        7 => {
            // A piece of another image, perhaps at another place.
            let other = &corpus[random.below(corpus.len() as u64) as usize];
            if !other.is_empty() {
                let from = (random.pick(STRUCTURES)).min(other.len() - 1);
                let piece = &other[from..other.len().min(from + random.pick(&[4, 256, 512, 4096]))];
                overwrite(image, structure, piece);
            }
        }
        8 if random.one_in(3) => image.truncate(random.below(length as u64 + 1) as usize),
        _ => {
            // Right checksums let a mutation through to what lies behind them.
            for start in [0, 4096, 112 * 512] {
                if image.len() >= start + 512 && image[start..start + 4] == [0xfc, 0x4e, 0x2b, 0xa9]
                {
                    synthetic::seal_v1(&mut image[start..start + 512]);
                }
            }
        }
    }
}

fn overwrite(image: &mut [u8], at: usize, piece: &[u8]) {
    if at < image.len() {
        let length = piece.len().min(image.len() - at);
        image[at..at + length].copy_from_slice(&piece[..length]);
    }
}
