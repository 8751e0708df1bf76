//! `dump --verify`: do the devices still hold what a dump says?

use super::{DumpOptions, Dumpable, Told, missing_in, missing_problem, open, pair, problem_of};
use crate::bitmap::{BitmapError, Marked, Sweep};
use crate::commands::dump_file::{DumpFile, DumpFileError, DumpedBitmap};
use crate::commands::given::Problem;
use crate::format::dump_text::{
    BitmapFacts, DeviceFacts, DumpRun, RunMark, bitmap_header, device_header,
};
use crate::units::ChunkIndex;
use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::Range;

/// A difference between a dump and the devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A device was given that is not in the dump.
    NotInDump,
    /// A device in the dump was not given.
    NotGiven,
    /// A field of the md superblock.
    Md(Field),
    /// The device has no such bitmap any more, or could not be read.
    NoBitmap {
        /// Slot of the bitmap in the dump.
        slot: u32,
    },
    /// The device has a bitmap that the dump lacks.
    NewBitmap {
        /// Its slot.
        slot: u32,
    },
    /// A field of the bitmap's superblock.
    Header {
        /// Slot of the bitmap.
        slot: u32,
        /// The field.
        field: Field,
    },
    /// The chunks are not those of the dump and cannot be compared one by one.
    Geometry {
        /// Slot of the bitmap.
        slot: u32,
    },
    /// Chunks about which the two say different things; `None` is clean, or unwritten.
    Chunks {
        /// Slot of the bitmap.
        slot: u32,
        /// The chunks.
        chunks: Range<ChunkIndex>,
        /// What the dump says.
        dumped: Option<RunMark>,
        /// What the device says.
        found: Option<RunMark>,
    },
}

/// A field with two values, as a dump writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub key: String,
    /// What the dump says.
    pub dumped: String,
    /// What the device says.
    pub found: String,
}

/// Who is told the differences, as they are found, each with the device's path.
pub trait VerifyWriter {
    /// A difference.
    ///
    /// # Errors
    /// Those of the output.
    fn difference(&mut self, path: &OsStr, difference: &Difference) -> io::Result<()>;
}

/// How the comparison ended.
#[derive(Debug, Default)]
pub struct Verified {
    /// Differences in bitmaps.
    pub bitmap_differences: u64,
    /// Differences in md superblocks: the array has been used since, or is another one.
    pub md_differences: u64,
    /// Problems and notes.
    pub told: Told,
}

impl Verified {
    /// True when nothing differs.
    pub fn is_equal(&self) -> bool {
        self.bitmap_differences == 0 && self.md_differences == 0
    }
}

/// Why it could not be told.
#[derive(Debug)]
pub enum VerifyError {
    /// The dump cannot be read.
    Dump(DumpFileError),
    /// A bitmap cannot be read.
    Bitmap(Problem),
    /// The output failed.
    Output(io::Error),
}

impl From<io::Error> for VerifyError {
    fn from(error: io::Error) -> Self {
        VerifyError::Output(error)
    }
}

impl From<DumpFileError> for VerifyError {
    fn from(error: DumpFileError) -> Self {
        VerifyError::Dump(error)
    }
}

impl From<BitmapError> for VerifyError {
    fn from(error: BitmapError) -> Self {
        VerifyError::Bitmap(problem_of(&error))
    }
}

/// Compares the devices with the dump `file`.
///
/// # Errors
/// [`VerifyError`].
pub fn verify(
    file: &OsStr,
    options: &DumpOptions,
    out: &mut dyn VerifyWriter,
) -> Result<Verified, VerifyError> {
    let dump = DumpFile::open(file)?;
    let mut devices = open(options);
    let dumped: Vec<&DeviceFacts> = dump.devices.iter().map(|device| &device.facts).collect();
    let given: Vec<Option<&DeviceFacts>> =
        devices.iter().map(|device| device.facts.as_ref()).collect();
    let pairs = pair(&dumped, &given);
    let mut run = Run {
        dump: &dump,
        out,
        verified: Verified::default(),
        path: OsString::new(),
    };
    for (place, device) in dump.devices.iter().enumerate() {
        if !pairs.contains(&Some(place)) {
            run.path = os_path(&device.facts.path);
            run.differs(Difference::NotGiven)?;
        }
    }
    for (device, pair) in devices.iter_mut().zip(pairs) {
        device.given.reopen();
        run.path.clone_from(&device.given.path);
        run.verified
            .told
            .problems
            .append(&mut device.problems.clone());
        run.verified
            .told
            .notes
            .append(&mut device.given.notes.clone());
        match pair.and_then(|place| dump.devices.get(place)) {
            Some(dumped) => {
                run.md(&dumped.facts, device)?;
                run.bitmaps(&dumped.bitmaps, &dumped.facts, device)?;
            }
            None if device.facts.is_some() => run.differs(Difference::NotInDump)?,
            None => {}
        }
        device.given.close();
    }
    Ok(run.verified)
}

fn os_path(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}

/// A comparison under way.
struct Run<'a> {
    dump: &'a DumpFile,
    out: &'a mut dyn VerifyWriter,
    verified: Verified,
    path: OsString,
}

impl Run<'_> {
    fn differs(&mut self, difference: Difference) -> io::Result<()> {
        let count = match difference {
            Difference::Md(_) => &mut self.verified.md_differences,
            _ => &mut self.verified.bitmap_differences,
        };
        *count = count.saturating_add(1);
        self.out.difference(&self.path, &difference)
    }

    fn md(&mut self, dumped: &DeviceFacts, device: &Dumpable) -> io::Result<()> {
        let Some(found) = &device.facts else {
            return Ok(());
        };
        for field in fields(&device_header(dumped), &device_header(found)) {
            self.differs(Difference::Md(field))?;
        }
        Ok(())
    }

    fn bitmaps(
        &mut self,
        dumped: &[DumpedBitmap],
        was_on: &DeviceFacts,
        device: &Dumpable,
    ) -> Result<(), VerifyError> {
        let found = device.bitmaps();
        for bitmap in dumped {
            let slot = bitmap.facts.slot;
            let Some((facts, now)) = found.iter().find(|(facts, _)| facts.slot == slot) else {
                self.differs(Difference::NoBitmap { slot })?;
                continue;
            };
            let is_on = device.facts.as_ref().unwrap_or(was_on);
            let (was, is) = (
                bitmap_header(&bitmap.facts, was_on),
                bitmap_header(facts, is_on),
            );
            for field in fields(&was, &is) {
                self.differs(Difference::Header { slot, field })?;
            }
            if !same_chunks(&bitmap.facts, facts) {
                self.differs(Difference::Geometry { slot })?;
            } else if facts.has_runs {
                let dumped = self.dump.runs(bitmap)?.map(|run| Ok(marked(run?)));
                let missing = Cell::new(0u64);
                let marks = now.marks()?.map(|run| {
                    let run = run?;
                    missing.set(missing.get().saturating_add(missing_in(&run)));
                    Ok(marked(run))
                });
                self.chunks(slot, Box::new(dumped), Box::new(marks))?;
                if missing.get() > 0 {
                    let problem = missing_problem(now, missing.get());
                    self.verified.told.problems.push(problem);
                }
            }
        }
        for (facts, _) in &found {
            let slot = facts.slot;
            if !dumped.iter().any(|bitmap| bitmap.facts.slot == slot) {
                self.differs(Difference::NewBitmap { slot })?;
            }
        }
        Ok(())
    }

    fn chunks(&mut self, slot: u32, dumped: Runs<'_>, found: Runs<'_>) -> Result<(), VerifyError> {
        let mut sweep = Sweep::new([dumped, found]);
        // Neighbours that differ in the same way are one range.
        let mut open: Option<(Range<u128>, [Option<RunMark>; 2])> = None;
        loop {
            let piece = sweep.advance()?;
            let said = match sweep.marks() {
                [dumped, found] if dumped != found => Some([*dumped, *found]),
                _ => None,
            };
            let next = piece.clone().zip(said);
            match (&mut open, &next) {
                (Some((range, marks)), Some((piece, said)))
                    if range.end == piece.start && marks == said =>
                {
                    range.end = piece.end;
                }
                _ => {
                    if let Some((range, [dumped, found])) = std::mem::replace(&mut open, next) {
                        self.differs(Difference::Chunks {
                            slot,
                            chunks: chunk(range.start)..chunk(range.end),
                            dumped,
                            found,
                        })?;
                    }
                }
            }
            if piece.is_none() {
                return Ok(());
            }
        }
    }
}

type Runs<'a> = Box<dyn Iterator<Item = Result<Marked, VerifyError>> + 'a>;

fn marked(run: DumpRun) -> Marked {
    (run.chunks.start.0.into()..run.chunks.end.0.into(), run.mark)
}

fn chunk(number: u128) -> ChunkIndex {
    ChunkIndex(u64::try_from(number).unwrap_or(u64::MAX))
}

/// True when chunk N is the same place in both.
fn same_chunks(a: &BitmapFacts, b: &BitmapFacts) -> bool {
    a.has_runs == b.has_runs
        && a.raw.is_lockless() == b.raw.is_lockless()
        && a.coverage() == b.coverage()
}

/// The lines in which two headers differ; the title, which names the device or slot, is none.
pub(in crate::commands) fn fields(dumped: &str, found: &str) -> Vec<Field> {
    let (was, is) = (values(dumped), values(found));
    let mut keys: Vec<&str> = was.iter().map(|(key, _)| *key).collect();
    keys.extend(
        is.iter()
            .map(|(key, _)| *key)
            .filter(|key| !was.iter().any(|(old, _)| old == key)),
    );
    let value = |all: &[(&str, String)], key: &str| {
        let found = all.iter().find(|(name, _)| *name == key);
        found.map_or_else(|| "none".to_owned(), |(_, value)| value.clone())
    };
    keys.into_iter()
        .map(|key| Field {
            key: key.to_owned(),
            dumped: value(&was, key),
            found: value(&is, key),
        })
        .filter(|field| field.dumped != field.found)
        .collect()
}

/// Keys and values of a header; the values of a key that comes several times are joined.
fn values(header: &str) -> Vec<(&str, String)> {
    let mut all: Vec<(&str, String)> = Vec::new();
    for line in header.lines().filter(|line| !line.is_empty()).skip(1) {
        let line = line.split(" #").next().unwrap_or_default();
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if matches!(key, "runs" | "no-runs") {
            continue;
        }
        match all.iter_mut().find(|(name, _)| *name == key) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => all.push((key, value.to_owned())),
        }
    }
    all
}
