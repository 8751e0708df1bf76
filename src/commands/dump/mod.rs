//! `dump`: what the bitmaps of devices hold, as a stream of facts that can be written down and read back.

mod facts;
mod pairing;
pub mod verify;

pub use pairing::pair;

use crate::array::{MetadataFilter, MetadataVersion};
use crate::bitmap::{Bitmap, BitmapError, MAX_SLOTS};
use crate::commands::Status;
use crate::commands::given::{self, Given, GivenOptions, Problem, ProblemKind};
use crate::device::StoreError;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::BITMAP_MAGIC;
use crate::format::dump_text::{BitmapFacts, DeviceFacts, DumpRun, RunMark, RunTotals};
use crate::units::Bytes;
use std::ffi::OsString;
use std::io;

/// What `dump` is asked for.
#[derive(Debug, Clone, Default)]
pub struct DumpOptions {
    /// Devices, images and files, in order.
    pub paths: Vec<OsString>,
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
    /// Byte at which the bitmap starts, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
}

impl DumpOptions {
    pub(super) fn given(&self) -> GivenOptions {
        GivenOptions {
            metadata: self.metadata,
            offset: self.offset,
            order: self.order,
        }
    }
}

/// A device with a bitmap, or without: what will be said about it.
pub struct Dumpable {
    /// The device.
    pub given: Given,
    /// Its facts; `None` when it could not be opened.
    pub facts: Option<DeviceFacts>,
    /// What is wrong with it, the reading of its runs not included.
    pub problems: Vec<Problem>,
}

/// Who writes a dump down. Calls come in the order of the text.
pub trait DumpWriter {
    /// A device and what is wrong with it; `None` for one that could not be opened.
    ///
    /// # Errors
    /// Those of the output, as for all methods.
    fn device(&mut self, facts: Option<&DeviceFacts>, problems: &[Problem]) -> io::Result<()>;
    /// A bitmap of that device.
    ///
    /// # Errors
    /// Those of the output.
    fn bitmap(&mut self, facts: &BitmapFacts) -> io::Result<()>;
    /// A run of that bitmap.
    ///
    /// # Errors
    /// Those of the output.
    fn run(&mut self, run: &DumpRun) -> io::Result<()>;
    /// That bitmap is complete.
    ///
    /// # Errors
    /// Those of the output.
    fn bitmap_end(&mut self, totals: RunTotals) -> io::Result<()>;
    /// Everything is complete.
    ///
    /// # Errors
    /// Those of the output.
    fn end(&mut self) -> io::Result<()>;
}

/// Why a dump is not complete.
#[derive(Debug)]
pub enum Interrupted {
    /// The output failed.
    Output(io::Error),
    /// A bitmap could not be read to its end.
    Bitmap(Problem),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Interrupted::Output(error)
    }
}

/// What is to be told about a complete dump.
#[derive(Debug, Default)]
pub struct Told {
    /// What was wrong.
    pub problems: Vec<Problem>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

impl Told {
    /// The gravest status.
    pub fn status(&self) -> Status {
        let all = self.problems.iter().map(|problem| problem.kind.status());
        all.max().unwrap_or_default()
    }
}

/// Opens all devices; nothing but superblocks is read.
pub fn open(options: &DumpOptions) -> Vec<Dumpable> {
    let given = given::open_all(&options.paths, &options.given());
    given.into_iter().map(Dumpable::new).collect()
}

/// Writes down what the bitmaps of `devices` hold, one after the other.
///
/// # Errors
/// [`Interrupted`]: what was written down so far is no complete dump then.
pub fn write(devices: &mut [Dumpable], out: &mut dyn DumpWriter) -> Result<Told, Interrupted> {
    let mut told = Told::default();
    for device in devices {
        device.given.reopen();
        out.device(device.facts.as_ref(), &device.problems)?;
        told.problems.append(&mut device.problems.clone());
        told.notes.append(&mut device.given.notes.clone());
        for (facts, bitmap) in device.bitmaps() {
            out.bitmap(&facts)?;
            let missing = write_runs(&facts, &bitmap, out)?;
            if missing > 0 {
                told.problems.push(missing_problem(&bitmap, missing));
            }
        }
        device.given.close();
    }
    out.end()?;
    Ok(told)
}

/// Writes the runs of a bitmap; the number of chunks whose bits are not there.
fn write_runs(
    facts: &BitmapFacts,
    bitmap: &Bitmap<'_>,
    out: &mut dyn DumpWriter,
) -> Result<u64, Interrupted> {
    let (mut totals, mut missing) = (RunTotals::default(), 0u64);
    if facts.has_runs {
        let unreadable = |error: BitmapError| Interrupted::Bitmap(problem_of(&error));
        for run in bitmap.marks().map_err(unreadable)? {
            let run = run.map_err(unreadable)?;
            missing = missing.saturating_add(missing_in(&run));
            totals.add(&run);
            out.run(&run)?;
        }
    }
    out.bitmap_end(totals)?;
    Ok(missing)
}

/// Chunks of a run whose bits are not there.
fn missing_in(run: &DumpRun) -> u64 {
    match run.mark {
        RunMark::Missing => run.chunks.end.0.saturating_sub(run.chunks.start.0),
        _ => 0,
    }
}

fn missing_problem(bitmap: &Bitmap<'_>, missing: u64) -> Problem {
    Problem::new(
        ProblemKind::Truncated,
        format!(
            "{}: truncated: the device ends at byte {}, and the bits of {missing} chunks are missing; they are taken as missing, \
             which counts as dirty",
            bitmap.store().name(),
            bitmap.store().len()
        ),
    )
}

impl Dumpable {
    fn new(given: Given) -> Self {
        let mut device = Self {
            facts: facts::device(&given),
            problems: given.problems.clone(),
            given,
        };
        let mut problems = Vec::new();
        for slot in device.slots() {
            match slot {
                Ok((slot, bitmap)) => problems.extend(device.doubt(slot, &bitmap)),
                Err(error) => problems.push(problem_of(&error)),
            }
        }
        device.problems.append(&mut problems);
        device
    }

    /// Its bitmaps that bear the magic number, with their facts. Empty while it is closed.
    pub fn bitmaps(&self) -> Vec<(BitmapFacts, Bitmap<'_>)> {
        let slots = self.slots().into_iter().flatten();
        slots
            .filter(|(_, bitmap)| bitmap.raw().has_magic())
            .map(|(slot, bitmap)| (facts::bitmap(slot, &bitmap), bitmap))
            .collect()
    }

    /// Every slot that its bitmap claims to have.
    fn slots(&self) -> Vec<Result<(u32, Bitmap<'_>), BitmapError>> {
        match self.given.bitmap() {
            Ok(None) => Vec::new(),
            Ok(Some(first)) if first.raw().has_magic() => {
                let slots = first.slots();
                slots.map(|(slot, bitmap)| Ok((slot, bitmap?))).collect()
            }
            Ok(Some(first)) => vec![Ok((0, first))],
            Err(error) => vec![Err(error)],
        }
    }

    /// What is wrong with a slot's superblock, as far as a dump is concerned.
    fn doubt(&self, slot: u32, bitmap: &Bitmap<'_>) -> Option<Problem> {
        let (name, start, raw) = (self.given.name(), bitmap.start(), bitmap.raw());
        let problem = |kind, text: String| Some(Problem::new(kind, format!("{name}: {text}")));
        if !raw.has_magic() {
            let found = raw.magic;
            return problem(
                ProblemKind::BadMagic,
                format!(
                    "magic: expected {BITMAP_MAGIC:08x} at byte {start}, found {found:08x}; no bitmap is there, and none is dumped"
                ),
            );
        }
        if slot == 0 && bitmap.slot_count() > MAX_SLOTS {
            return problem(
                ProblemKind::BadSlot,
                format!(
                    "nodes: the superblock claims {} nodes; the first {MAX_SLOTS} are dumped",
                    raw.nodes
                ),
            );
        }
        if !(3..=6).contains(&raw.version) {
            return problem(
                ProblemKind::BadVersion,
                format!(
                    "version: expected 3, 4, 5 or 6 at byte {start}, found {}; the superblock alone is dumped",
                    raw.version
                ),
            );
        }
        if !raw.is_first_use() && raw.coverage().is_none() {
            return problem(
                ProblemKind::BadGeometry,
                format!("chunksize: found 0 at byte {start}; the superblock alone is dumped"),
            );
        }
        let md = self.given.member.as_ref().map(|found| &found.member)?;
        let same = md.metadata == MetadataVersion::DmRaid || md.array_uuid == raw.uuid;
        let text = "uuid: the bitmap belongs to another array than the md superblock beside it; it is dumped as it is";
        problem(ProblemKind::WrongUuid, text.to_owned()).filter(|_| !same)
    }
}

/// The problem that an error is.
pub(in crate::commands) fn problem_of(error: &BitmapError) -> Problem {
    let kind = match error {
        BitmapError::NoRoom { .. } => ProblemKind::ShortSuperblock,
        BitmapError::NoSlot { .. } => ProblemKind::Truncated,
        BitmapError::UnknownVersion { .. } => ProblemKind::BadVersion,
        BitmapError::ZeroChunk { .. } => ProblemKind::BadGeometry,
        BitmapError::Store(StoreError::PastEnd { .. }) => ProblemKind::Truncated,
        _ => ProblemKind::Read,
    };
    Problem::new(kind, error.to_string())
}
