//! `compare`: how bitmaps of members, of a cluster's nodes, or of two moments differ.

pub mod since;

use crate::bitmap::{BitmapError, Marked, Sweep};
use crate::commands::dump::verify::{Field, fields};
use crate::commands::dump::{self, DumpOptions, Dumpable, Told, problem_of};
use crate::commands::dump_file::{DumpFile, DumpFileError, DumpedBitmap};
use crate::commands::given::Problem;
use crate::format::coverage::Coverage;
use crate::format::dump_text::{BitmapFacts, DeviceFacts, DumpRun, RunMark, bitmap_header};
use std::ffi::OsString;
use std::io;
use std::ops::Range;

/// What `compare` is asked for: devices, or dumps in their place.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// The paths, and how superblocks and bitmaps are looked for.
    pub dump: DumpOptions,
    /// All slots of clustered bitmaps, not only the first.
    pub nodes: bool,
}

/// Why bitmaps could not be compared.
#[derive(Debug)]
pub enum CompareError {
    /// A dump cannot be read.
    Dump(DumpFileError),
    /// A bitmap cannot be read.
    Bitmap(Problem),
    /// There are not two bitmaps whose chunks can be told.
    TooFew,
    /// The output failed.
    Output(io::Error),
}

impl From<io::Error> for CompareError {
    fn from(error: io::Error) -> Self {
        CompareError::Output(error)
    }
}

impl From<DumpFileError> for CompareError {
    fn from(error: DumpFileError) -> Self {
        CompareError::Dump(error)
    }
}

impl From<BitmapError> for CompareError {
    fn from(error: BitmapError) -> Self {
        CompareError::Bitmap(problem_of(&error))
    }
}

/// Bytes, as the bitmaps count, that not all of them call dirty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The bytes.
    pub bytes: Range<u128>,
    /// For each bitmap, in order: is it dirty there?
    pub dirty: Vec<bool>,
}

/// Who is told the differences as they are found.
pub trait CompareWriter {
    /// The names of the bitmaps, their chunk size where it is the same, and the fields of their
    /// superblocks that differ (the first bitmap's value, another's, and which).
    ///
    /// # Errors
    /// Those of the output.
    fn start(
        &mut self,
        names: &[String],
        chunk_bytes: Option<u64>,
        fields: &[(usize, Field)],
    ) -> io::Result<()>;
    /// A difference.
    ///
    /// # Errors
    /// Those of the output.
    fn difference(&mut self, difference: &Difference) -> io::Result<()>;
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Compared {
    /// Fields that differ.
    pub fields: usize,
    /// Bytes that some bitmaps call dirty and others do not.
    pub bytes: u128,
    /// Bytes that all call dirty.
    pub common_bytes: u128,
    /// Problems and notes.
    pub told: Told,
}

impl Compared {
    /// True when nothing differs.
    pub fn is_equal(&self) -> bool {
        self.fields == 0 && self.bytes == 0
    }
}

/// True when the first path is a dump and no other is: two moments are to be compared.
pub fn is_since(options: &CompareOptions) -> bool {
    let mut dumps = options
        .dump
        .paths
        .iter()
        .map(|path| DumpFile::is_dump(path));
    dumps.next() == Some(true) && !dumps.any(|dump| dump)
}

/// A bitmap that takes part.
struct Source<'a> {
    name: String,
    header: String,
    coverage: Coverage,
    runs: Runs<'a>,
}

type Runs<'a> = Box<dyn Iterator<Item = Result<DumpRun, CompareError>> + 'a>;

/// Memory for what is read of all bitmaps together.
const READERS_TOGETHER: u64 = 4 << 20;

/// Compares all bitmaps with one another.
///
/// # Errors
/// [`CompareError`].
pub fn compare(
    options: &CompareOptions,
    out: &mut dyn CompareWriter,
) -> Result<Compared, CompareError> {
    let (dumps, paths): (Vec<OsString>, Vec<OsString>) = options
        .dump
        .paths
        .iter()
        .cloned()
        .partition(|path| DumpFile::is_dump(path));
    let dumps: Result<Vec<DumpFile>, _> = dumps.iter().map(|path| DumpFile::open(path)).collect();
    let dumps = dumps?;
    let devices = dump::open(&DumpOptions {
        paths,
        ..options.dump.clone()
    });
    let mut compared = Compared::default();
    for device in &devices {
        compared
            .told
            .problems
            .extend(device.problems.iter().cloned());
        compared
            .told
            .notes
            .extend(device.given.notes.iter().cloned());
    }
    let sources = sources(&dumps, &devices, options.nodes)?;
    let Some(first) = sources.first().filter(|_| sources.len() > 1) else {
        return Err(CompareError::TooFew);
    };
    let same_chunks = sources
        .iter()
        .all(|source| source.coverage.chunk_bytes() == first.coverage.chunk_bytes());
    let chunk_bytes = same_chunks.then_some(first.coverage.chunk_bytes());
    let differing: Vec<(usize, Field)> = sources
        .iter()
        .enumerate()
        .skip(1)
        .flat_map(|(number, source)| {
            let fields = fields(&first.header, &source.header).into_iter();
            // Where it lies differs rightly between devices of different length.
            fields
                .filter(|field| field.key != "start_bytes")
                .map(move |field| (number, field))
        })
        .collect();
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    compared.fields = differing.len();
    out.start(&names, chunk_bytes, &differing)?;
    ranges(sources, &mut compared, out)?;
    Ok(compared)
}

/// Every bitmap: those of the dumps, then those of the devices.
fn sources<'a>(
    dumps: &'a [DumpFile],
    devices: &'a [Dumpable],
    nodes: bool,
) -> Result<Vec<Source<'a>>, CompareError> {
    let wanted = |facts: &BitmapFacts| nodes || facts.slot == 0;
    let mut sources = Vec::new();
    for dump in dumps {
        for device in &dump.devices {
            for bitmap in device.bitmaps.iter().filter(|bitmap| wanted(&bitmap.facts)) {
                let name = format!(
                    "{}: {}",
                    dump.path.display(),
                    String::from_utf8_lossy(&device.facts.path)
                );
                sources.extend(of_dump(dump, &device.facts, bitmap, name)?);
            }
        }
    }
    let open: Vec<_> = devices
        .iter()
        .flat_map(|device| {
            device
                .bitmaps()
                .into_iter()
                .map(move |bitmap| (device, bitmap))
        })
        .filter(|(_, (facts, _))| wanted(facts))
        .collect();
    let window = READERS_TOGETHER / (open.len() as u64).max(1);
    for (device, (facts, bitmap)) in open {
        let (Some(coverage), Some(on)) = (facts.coverage(), &device.facts) else {
            continue;
        };
        let marks = bitmap.with_window(window).marks()?;
        sources.push(Source {
            name: named(device.given.name().into_owned(), facts.slot),
            header: bitmap_header(&facts, on),
            coverage,
            runs: Box::new(marks.map(|run| Ok(run?))),
        });
    }
    Ok(sources)
}

fn named(name: String, slot: u32) -> String {
    match slot {
        0 => name,
        slot => format!("{name} slot {slot}"),
    }
}

fn of_dump<'a>(
    dump: &DumpFile,
    device: &DeviceFacts,
    bitmap: &DumpedBitmap,
    name: String,
) -> Result<Option<Source<'a>>, CompareError> {
    let Some(coverage) = bitmap.facts.coverage() else {
        return Ok(None);
    };
    Ok(Some(Source {
        name: named(name, bitmap.facts.slot),
        header: bitmap_header(&bitmap.facts, device),
        coverage,
        runs: Box::new(dump.runs(bitmap)?.map(|run| Ok(run?))),
    }))
}

/// Goes through all bitmaps at once, in bytes, since their chunks may differ. What a bitmap does not
/// cover may be dirty.
fn ranges(
    sources: Vec<Source<'_>>,
    compared: &mut Compared,
    out: &mut dyn CompareWriter,
) -> Result<(), CompareError> {
    let end_of = |coverage: Coverage| coverage.sync_size().bytes_wide();
    let longest = sources.iter().map(|source| end_of(source.coverage)).max();
    let longest = longest.unwrap_or_default();
    let streams = sources.into_iter().map(|source| {
        let (coverage, end) = (source.coverage, end_of(source.coverage));
        let uncovered = (end < longest).then_some(Ok((end..longest, RunMark::Missing)));
        let marked = source
            .runs
            .map(move |run| run.map(|run| (coverage.bytes_of(&run.chunks), run.mark)));
        Box::new(marked.chain(uncovered)) as Box<dyn Iterator<Item = Result<Marked, CompareError>>>
    });
    let mut sweep = Sweep::new(streams);
    let mut open: Option<Difference> = None;
    loop {
        let piece = sweep.advance()?;
        let next = piece.clone().map(|bytes| Difference {
            bytes,
            dirty: sweep
                .marks()
                .iter()
                .map(|mark| mark.is_some_and(RunMark::is_dirty))
                .collect(),
        });
        match (&mut open, &next) {
            (Some(open), Some(next))
                if open.bytes.end == next.bytes.start && open.dirty == next.dirty =>
            {
                open.bytes.end = next.bytes.end;
            }
            _ => {
                if let Some(done) = std::mem::replace(&mut open, next) {
                    tell(&done, compared, out)?;
                }
            }
        }
        if piece.is_none() {
            return Ok(());
        }
    }
}

fn tell(
    range: &Difference,
    compared: &mut Compared,
    out: &mut dyn CompareWriter,
) -> io::Result<()> {
    let bytes = range.bytes.end.saturating_sub(range.bytes.start);
    let dirty = range.dirty.iter().filter(|dirty| **dirty).count();
    if dirty == range.dirty.len() {
        compared.common_bytes = compared.common_bytes.saturating_add(bytes);
    } else if dirty > 0 {
        compared.bytes = compared.bytes.saturating_add(bytes);
        out.difference(range)?;
    }
    Ok(())
}
