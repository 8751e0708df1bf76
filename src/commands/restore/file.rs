//! A bitmap of a dump as a file, or on a bare device: the bytes that the dump tells.

use crate::array::probe;
use crate::commands::Status;
use crate::commands::create::{self, CreateError, Image, Note, PIECE, Take, Target};
use crate::commands::dump_file::{DumpFileError, DumpedRuns};
use crate::commands::offline::Failure;
use crate::commands::source::MarkSource;
use crate::device::{DirectStore, OpenMode};
use crate::format::bit_array::{self, BitOrder};
use crate::format::bitmap_super::{
    BITMAP_MAGIC, BITMAP_SUPER_BYTES, BITS_OFFSET, RawBitmapSuper, STATES_OFFSET,
};
use crate::format::dump_text::{DumpRun, RunMark};
use crate::format::lockless::ChunkState;
use crate::kernel::running_array;
use crate::units::Bytes;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What is to be restored, and where to.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// The bitmaps of the dump.
    pub dump: Vec<MarkSource>,
    /// The one device of the dump that counts; there must be but one when `None`.
    pub device: Option<OsString>,
    /// The file or block device.
    pub target: PathBuf,
    /// Replace what is there.
    pub force: bool,
    /// Write nothing.
    pub dry_run: bool,
}

/// What was restored, or would be.
#[derive(Debug)]
pub struct RestoredFile {
    /// The file or device.
    pub path: PathBuf,
    /// What it is.
    pub target: Target,
    /// The superblock.
    pub superblock: RawBitmapSuper,
    /// Bitmaps: one, or one for each node.
    pub slots: usize,
    /// Bytes from the start of the file or device on.
    pub length: Bytes,
    /// False for a dry run.
    pub written: bool,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// Writes the bitmap of a dump into a file or onto a bare device.
///
/// # Errors
/// [`Failure::Input`].
pub fn restore_file(options: &FileOptions) -> Result<RestoredFile, Failure> {
    let image = DumpImage::of(&chosen(options)?, &options.target)?;
    let force = options.force && replaceable(&options.target)?;
    let mut notes = Vec::new();
    let target = create::put(&options.target, &image, force, options.dry_run, &mut notes);
    let target = target.map_err(|error| Failure::Input {
        status: error.status(),
        message: error.to_string(),
    })?;
    Ok(RestoredFile {
        path: options.target.clone(),
        target,
        superblock: image.superblock.clone(),
        slots: image.slots.len(),
        length: image.length,
        written: !options.dry_run,
        notes,
    })
}

/// Whether `--force` may replace what is there: another bitmap, and nothing else. An image of a member whose superblock is
/// damaged looks like any file.
fn replaceable(target: &Path) -> Result<bool, Failure> {
    let Ok(found) = std::fs::metadata(target) else {
        return Ok(false);
    };
    let mut magic = [0; 4];
    let read = File::open(target).and_then(|mut file| file.read_exact(&mut magic));
    let is_bitmap = read.is_ok() && u32::from_le_bytes(magic) == BITMAP_MAGIC;
    match is_bitmap || !found.is_file() {
        true => Ok(is_bitmap),
        false => refuse(format!(
            "{}: exists and is no bitmap, so nothing is put in its place; remove it first if it is not needed",
            target.display()
        )),
    }
}

/// True when what is given is to become, or is, a bitmap file or a bare device, not the members of an array.
pub fn is_for_file(targets: &[OsString]) -> bool {
    let [target] = targets else {
        return false;
    };
    match std::fs::metadata(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return true,
        Err(_) => return false,
        Ok(_) => {}
    }
    if !matches!(running_array(Path::new(target)), Ok(None)) {
        return false;
    }
    let Ok(store) = DirectStore::open(target, OpenMode::Read) else {
        return false;
    };
    let probed = probe(&store, None);
    probed.found.is_empty() && probed.rejected.is_empty() && probed.unreadable.is_empty()
}

fn refuse<T>(message: String) -> Result<T, Failure> {
    Err(Failure::Input {
        message,
        status: Status::Refused,
    })
}

/// The slots of the one device that counts.
fn chosen(options: &FileOptions) -> Result<Vec<&MarkSource>, Failure> {
    let mut devices: Vec<OsString> = options.dump.iter().map(MarkSource::device_path).collect();
    devices.dedup();
    let listed = || {
        let all: Vec<String> = devices
            .iter()
            .map(|d| d.to_string_lossy().into_owned())
            .collect();
        all.join(", ")
    };
    let device = match (&options.device, devices.as_slice()) {
        (Some(device), _) if devices.contains(device) => device,
        (Some(device), _) => {
            return refuse(format!(
                "\"{}\" is none of the devices with a bitmap in the dump ({})",
                device.display(),
                listed()
            ));
        }
        (None, [one]) => one,
        (None, _) => {
            return refuse(format!(
                "the dump has bitmaps of several devices ({}); say which one with --device",
                listed()
            ));
        }
    };
    let sources = options
        .dump
        .iter()
        .filter(|source| source.device_path() == *device);
    Ok(sources.collect())
}

/// The bytes of a bitmap, made from a dump as they are asked for.
struct DumpImage<'o> {
    superblock: RawBitmapSuper,
    slots: Vec<Slot<'o>>,
    length: Bytes,
}

/// One bitmap, and where it begins.
struct Slot<'o> {
    start: u64,
    source: &'o MarkSource,
    /// Its bytes; the last of them may not be there.
    len: u64,
}

/// Bytes behind a bitmap that belong to its file: more than mdadm leaves there.
const MOST_PADDING: u64 = 64 << 10;

impl<'o> DumpImage<'o> {
    fn of(sources: &[&'o MarkSource], target: &Path) -> Result<DumpImage<'o>, Failure> {
        let Some(first) = sources.first().copied() else {
            return refuse("the dump has no bitmap".to_owned());
        };
        let mut slots: Vec<Slot<'o>> = Vec::new();
        for source in sources.iter().copied() {
            let before = first.bitmap.start_bytes;
            let start = source.bitmap.start_bytes.checked_sub(before);
            let Some((len, start)) = bytes_of(source).zip(start) else {
                return refuse(format!(
                    "{}: what its chunks are cannot be told, so its bytes cannot be made",
                    source.name
                ));
            };
            let reached = slots.last().map_or(0, Slot::end);
            if start < reached || start % 8 != 0 || start.checked_add(len).is_none() {
                return refuse(format!(
                    "{}: does not lie behind the slot before it",
                    source.name
                ));
            }
            slots.push(Slot { start, source, len });
        }
        let needed = slots.last().map_or(0, Slot::end);
        // A file is as long as it was, be it too short; a device has other things behind the bitmap.
        let was_file = first.md.is_none() && first.bitmap.start_bytes == 0;
        let as_it_was = first.device_bytes <= needed.saturating_add(MOST_PADDING);
        let is_device =
            std::fs::metadata(target).is_ok_and(|found| found.file_type().is_block_device());
        let length = match was_file && as_it_was && !is_device {
            true => first.device_bytes.max(BITMAP_SUPER_BYTES as u64),
            false => needed,
        };
        Ok(DumpImage {
            superblock: first.bitmap.raw.clone(),
            slots,
            length: Bytes(length),
        })
    }
}

impl Slot<'_> {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Bytes of the superblock and the chunks.
fn bytes_of(source: &MarkSource) -> Option<u64> {
    let chunks = source.coverage()?.chunks();
    match source.bitmap.raw.is_lockless() {
        true => chunks.checked_add(STATES_OFFSET),
        false => source
            .bitmap
            .order
            .bytes_for(chunks)
            .checked_add(BITS_OFFSET),
    }
}

impl Image for DumpImage<'_> {
    fn superblock(&self) -> &RawBitmapSuper {
        &self.superblock
    }

    fn length(&self) -> Bytes {
        self.length
    }

    fn is_clean(&self) -> bool {
        false
    }

    fn pieces(&self, range: Range<u64>, take: &mut Take<'_>) -> Result<(), CreateError> {
        let mut writers = Vec::new();
        for slot in &self.slots {
            writers.push(Writer::new(slot)?);
        }
        // Words of 64 bits stay whole: whoever asks begins at the start, or behind the superblock.
        let mut buffer = vec![0; PIECE];
        let mut at = range.start;
        while at < range.end {
            let len = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
            let piece = buffer.get_mut(..len).unwrap_or_default();
            piece.fill(0);
            for writer in &mut writers {
                writer.fill(at, piece)?;
            }
            take(at, piece)?;
            at += len as u64;
        }
        Ok(())
    }
}

/// Writes one bitmap into pieces that come in order.
struct Writer<'o> {
    slot: &'o Slot<'o>,
    runs: DumpedRuns,
    /// What is left of the run that was read last.
    rest: Option<DumpRun>,
}

impl<'o> Writer<'o> {
    fn new(slot: &'o Slot<'o>) -> Result<Writer<'o>, CreateError> {
        let runs = slot
            .source
            .dumped_runs()
            .map_err(|error| unread(slot, &error))?;
        Ok(Writer {
            runs,
            rest: None,
            slot,
        })
    }

    /// Fills in what of the bitmap lies in `piece`, which begins at byte `at`.
    fn fill(&mut self, at: u64, piece: &mut [u8]) -> Result<(), CreateError> {
        let superblock = self.slot.source.bitmap.raw.to_bytes();
        let start = self.slot.start;
        let head = start.max(at)..(start + BITMAP_SUPER_BYTES as u64).min(at + piece.len() as u64);
        if head.start < head.end {
            let from = superblock.get((head.start - start) as usize..(head.end - start) as usize);
            let to = piece.get_mut((head.start - at) as usize..(head.end - at) as usize);
            if let (Some(from), Some(to)) = (from, to) {
                to.copy_from_slice(from);
            }
        }
        let lockless = self.slot.source.bitmap.raw.is_lockless();
        let first = start + if lockless { STATES_OFFSET } else { BITS_OFFSET };
        let cells = first.max(at)..self.slot.end().min(at + piece.len() as u64);
        if cells.start >= cells.end {
            return Ok(());
        }
        let here = piece.get_mut((cells.start - at) as usize..(cells.end - at) as usize);
        let here = here.unwrap_or_default();
        match lockless {
            true => self.cells(cells.start - first, here, Cells::States),
            false => {
                let order = self.slot.source.bitmap.order;
                self.cells(
                    (cells.start - first).saturating_mul(8),
                    here,
                    Cells::Bits(order),
                )
            }
        }
    }

    /// Fills in the chunks from `base` on.
    fn cells(&mut self, base: u64, cells: &mut [u8], kind: Cells) -> Result<(), CreateError> {
        let end = base.saturating_add(kind.chunks_in(cells.len() as u64));
        loop {
            let run = match self.rest.take() {
                Some(run) => run,
                None => match self.runs.next() {
                    Some(run) => run.map_err(|error| unread(self.slot, &error))?,
                    None => return Ok(()),
                },
            };
            let local = run.chunks.start.0.max(base)..run.chunks.end.0.min(end);
            if local.start < local.end {
                kind.mark(cells, local.start - base..local.end - base, run.mark);
            }
            if run.chunks.end.0 > end {
                self.rest = Some(run);
                return Ok(());
            }
        }
    }
}

/// How chunks are stored.
#[derive(Clone, Copy)]
enum Cells {
    Bits(BitOrder),
    States,
}

impl Cells {
    fn chunks_in(self, bytes: u64) -> u64 {
        match self {
            Cells::Bits(order) => order.bits_in(bytes),
            Cells::States => bytes,
        }
    }

    fn mark(self, cells: &mut [u8], range: Range<u64>, mark: RunMark) {
        match (self, mark) {
            // The range lies in the cells, by construction.
            (Cells::Bits(order), _) => {
                let _ = bit_array::fill(cells, order, range, true);
            }
            (Cells::States, mark) => {
                let byte = match mark {
                    RunMark::State(byte) => byte,
                    RunMark::Dirty | RunMark::Missing => ChunkState::NeedSync.to_byte(),
                };
                let range = range.start as usize..range.end as usize;
                cells.get_mut(range).unwrap_or_default().fill(byte);
            }
        }
    }
}

fn unread(slot: &Slot<'_>, error: &DumpFileError) -> CreateError {
    CreateError::Source {
        path: slot.source.name.clone(),
        reason: error.to_string(),
    }
}
