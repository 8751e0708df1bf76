//! `create`: a bitmap as a file, or on a bare device.

mod content;
mod device;
mod error;
mod file;
mod source;

pub use error::CreateError;

use crate::device::Replace;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::placement::content::{Fill, NewBitmap};
use crate::format::placement::{ChunkSize, chunk};
use crate::kernel::holders::Subject;
use crate::kernel::{DeviceNumber, System};
use crate::units::{Bytes, Sectors};
use content::Content;
pub(in crate::commands) use content::{Image, PIECE, Take};
use source::Source;
use std::fmt;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What the bitmap is to cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// So many sectors.
    Size(Sectors),
    /// The array that these devices or images are members of.
    Like(Vec<PathBuf>),
    /// This running array.
    Array(PathBuf),
}

/// What to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOptions {
    /// The file or device.
    pub target: PathBuf,
    /// What it covers.
    pub covered: Covered,
    /// Bytes a bit; mdadm's default rule when none is given.
    pub chunk: Option<ChunkSize>,
    /// Seconds between lazy clean passes.
    pub delay_seconds: u32,
    /// Outstanding write-behind writes; 0 is off.
    pub write_behind: u32,
    /// UUID of the array, raw; otherwise that of the array covered, or zeros.
    pub uuid: Option<[u8; 16]>,
    /// All bits zero instead of one.
    pub clean: bool,
    /// Replace what is there.
    pub force: bool,
    /// Write nothing.
    pub dry_run: bool,
}

/// What was created, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The file or device, as named.
    pub path: PathBuf,
    /// What it is.
    pub target: Target,
    /// The superblock written.
    pub superblock: RawBitmapSuper,
    /// What all bits say.
    pub fill: Fill,
    /// Chunks covered.
    pub bits: u64,
    /// Bytes written, from byte 0.
    pub length: Bytes,
    /// False under `dry_run`.
    pub written: bool,
    /// What the user should know beside.
    pub notes: Vec<Note>,
}

/// Where a bitmap goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file with a new name.
    NewFile,
    /// A file in the place of another, of so many bytes.
    ReplacedFile(Bytes),
    /// The start of a block device, with what is there instead of a superblock.
    Device(Box<[u8; BITMAP_SUPER_BYTES]>),
}

/// Something that is no error, but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// md cannot keep a bitmap file on this file system: which, and why.
    FileSystem(String),
    /// A file system about which nothing is known.
    FileSystemUnknown(String),
    /// It is not known where the file lies.
    ExtentsUnknown(String),
    /// Whether something writes to the file is not known.
    WritersUnknown(String),
    /// A use that could not be looked for.
    Unchecked(String),
    /// How the file was read back.
    ReadBack(String),
    /// No kernel attaches a device.
    NotAttachable,
    /// A user's UUID that is not the array's.
    OtherUuid {
        /// That of the array.
        array: String,
    },
    /// Several md superblocks were found, or the like.
    Source(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::FileSystem(reason) => {
                write!(
                    f,
                    "md cannot use a bitmap file on this file system, {reason}"
                )
            }
            Note::FileSystemUnknown(name) => write!(
                f,
                "not known whether md can use a bitmap file on this file system ({name})"
            ),
            Note::ExtentsUnknown(reason) => {
                write!(
                    f,
                    "could not check that every block of the file is allocated: {reason}"
                )
            }
            Note::WritersUnknown(reason) => write!(
                f,
                "could not check whether an array uses the old file as its bitmap: {reason}"
            ),
            Note::Unchecked(what) => f.write_str(what),
            Note::ReadBack(how) => write!(f, "read back: {how}"),
            Note::NotAttachable => f.write_str(
                "no kernel attaches a block device as a bitmap file; copy it into a file to use it",
            ),
            Note::OtherUuid { array } => write!(
                f,
                "the array's UUID is {array}; with another one in the bitmap the kernel refuses to start the array"
            ),
            Note::Source(what) => f.write_str(what),
        }
    }
}

/// Creates a bitmap.
///
/// # Errors
/// See [`CreateError`]. After an error no file is left behind; a device may hold part of the
/// bits, but no superblock that vouches for them.
pub fn create(options: &CreateOptions) -> Result<Created, CreateError> {
    let mut notes = Vec::new();
    let source = source::resolve(options, &mut notes)?;
    let chunk = match options.chunk {
        Some(chunk) => chunk,
        None => chunk::file_default(source.sync_size).ok_or(CreateError::NoDefaultChunk {
            sync_size: source.sync_size,
        })?,
    };
    let bitmap = NewBitmap {
        uuid: source.uuid,
        sync_size: source.sync_size,
        chunk,
        delay_seconds: options.delay_seconds,
        write_behind: options.write_behind,
        events: source.events,
        cluster: None,
    };
    let content = Content::new(&bitmap, source.fill);
    keep_apart(&options.target, &source)?;
    let (path, force, dry_run) = (options.target.as_path(), options.force, options.dry_run);
    let target = put(path, &content, force, dry_run, &mut notes)?;
    Ok(Created {
        path: options.target.clone(),
        target,
        superblock: content.superblock,
        fill: content.fill,
        bits: content.bits,
        length: content.length,
        written: !options.dry_run,
        notes,
    })
}

/// Refuses a target that is, or lies on, what the bitmap is for.
fn keep_apart(target: &Path, source: &Source) -> Result<(), CreateError> {
    let subject = |path: &Path| Subject::of(path).ok().flatten();
    let path = || target.display().to_string();
    if let Some(target) = subject(target)
        && source.read.iter().any(|read| subject(read) == Some(target))
    {
        return Err(CreateError::IsMember { path: path() });
    }
    let Some((array, number)) = &source.running else {
        return Ok(());
    };
    // The file itself may not be there yet: its folder is on the same file system.
    let place = match fs::metadata(target) {
        Ok(found) => Ok(found),
        Err(_) => fs::metadata(folder_of(target)),
    };
    match place {
        Ok(place) if System::default().stands_on(DeviceNumber::from_raw(place.dev()), *number) => {
            Err(CreateError::OnArray {
                path: path(),
                array: array.clone(),
            })
        }
        _ => Ok(()),
    }
}

/// The folder that a path names something in.
fn folder_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Makes a file, or writes to a block device, what the image says, or looks whether that could be done.
pub(in crate::commands) fn put(
    path: &Path,
    image: &dyn Image,
    force: bool,
    dry_run: bool,
    notes: &mut Vec<Note>,
) -> Result<Target, CreateError> {
    let existing = look(path)?;
    if existing
        .as_ref()
        .is_some_and(|found| found.file_type().is_block_device())
    {
        let checked = device::check(path, image, force, notes)?;
        if !dry_run {
            device::write(&checked, image)?;
        }
        return Ok(Target::Device(Box::new(checked.old)));
    }
    file::check(path, existing.as_ref(), image, force, notes)?;
    let (target, replace) = match &existing {
        Some(old) => (Target::ReplacedFile(Bytes(old.len())), Replace::Existing),
        None => (Target::NewFile, Replace::Never),
    };
    if !dry_run {
        file::write(path, image, replace, notes)?;
    }
    Ok(target)
}

/// What the path names now, symbolic links followed; `None` when there is nothing.
fn look(path: &Path) -> Result<Option<Metadata>, CreateError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(CreateError::Path {
                path: path.display().to_string(),
                step: "look at it",
                source,
            });
        }
    };
    match wrong_kind(found.file_type()) {
        None => Ok(Some(found)),
        Some(kind) => Err(CreateError::WrongKind {
            path: path.display().to_string(),
            found: kind,
        }),
    }
}

fn wrong_kind(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() || kind.is_block_device() => None,
        kind if kind.is_dir() => Some("folder"),
        kind if kind.is_char_device() => Some("character device"),
        kind if kind.is_fifo() => Some("pipe"),
        kind if kind.is_socket() => Some("socket"),
        _ => Some("special file"),
    }
}
