//! Where the bytes of a file lie on its disk (FIEMAP), and whether md could write to them there.
//!
//! md writes a bitmap file block by block to the places that `bmap` names; a block without a
//! place makes SET_BITMAP_FILE fail (reference/kernel.md 4.3).

use super::filesystem;
use crate::units::Bytes;
use nix::sys::ioctl::ioctl_num_type;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// One contiguous piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte within the file.
    pub logical: Bytes,
    /// First byte on the block device of the file system.
    pub physical: Bytes,
    /// Length in bytes.
    pub len: Bytes,
    /// FIEMAP_EXTENT_* bits (linux/fiemap.h).
    pub flags: u32,
}

/// The extent is the last of the file.
pub const LAST: u32 = 0x1;
/// Where it lies is not known (yet).
pub const UNKNOWN: u32 = 0x2;
/// Not placed yet.
pub const DELALLOC: u32 = 0x4;
/// Compressed or otherwise not the plain bytes.
pub const ENCODED: u32 = 0x8;
/// Encrypted.
pub const ENCRYPTED: u32 = 0x80;
/// Not at block boundaries.
pub const NOT_ALIGNED: u32 = 0x100;
/// Inside metadata.
pub const INLINE: u32 = 0x200;
/// Packed with tails of other files.
pub const TAIL: u32 = 0x400;
/// Placed, but reads as zeros until it is written through the file system.
pub const UNWRITTEN: u32 = 0x800;
/// Also part of another file.
pub const SHARED: u32 = 0x2000;

/// Why the extents are not known.
#[derive(Debug, thiserror::Error)]
pub enum ExtentsError {
    /// The file system cannot tell.
    #[error("{path}: the file system ({file_system}) does not tell where a file lies (no FIEMAP)")]
    Unsupported {
        /// The file.
        path: String,
        /// Its file system.
        file_system: filesystem::FileSystem,
    },
    /// The question failed.
    #[error("{path}: cannot ask where the file lies (FIEMAP): {source}")]
    Failed {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The answer makes no sense: extents that do not ascend, or millions of them.
    #[error("{path}: the file system's list of extents is unusable: {reason}")]
    Nonsense {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Why md cannot write a file in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing is stored for these bytes.
    #[error("bytes {start}..{end} are a hole")]
    Hole {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
    },
    /// These bytes are stored, but not as plain, written, unshared blocks.
    #[error("bytes {start}..{end} are {state}")]
    State {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
        /// How they are stored.
        state: &'static str,
    },
}

/// More extents than this are not listed: a bitmap file of 256 MiB has 65536 blocks.
const MAX_EXTENTS: usize = 1 << 20;
const BATCH: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap` of linux/fiemap.h, with room for a batch of extents behind it.
#[repr(C)]
struct Request {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [RawExtent; BATCH],
}

/// The number counts the 32 bytes before the extents only.
const FS_IOC_FIEMAP: ioctl_num_type = nix::request_code_readwrite!(b'f', 11, 32);
const FIEMAP_FLAG_SYNC: u32 = 1;

nix::ioctl_readwrite_bad!(
    /// FS_IOC_FIEMAP.
    fs_ioc_fiemap,
    FS_IOC_FIEMAP,
    Request
);

/// All extents of an open file, after its dirty pages were written. `path` is for messages.
///
/// # Errors
/// See [`ExtentsError`].
pub fn extents(file: impl AsFd, path: &str) -> Result<Vec<Extent>, ExtentsError> {
    let mut found: Vec<Extent> = Vec::new();
    let nonsense = |reason| ExtentsError::Nonsense {
        path: path.to_owned(),
        reason,
    };
    let mut start = 0_u64;
    loop {
        let request = ask(&file, start).map_err(|errno| failed(&file, path, errno))?;
        let count = (request.mapped_extents as usize).min(BATCH);
        let batch = request.extents.get(..count).unwrap_or_default();
        for raw in batch {
            let end = raw.logical.checked_add(raw.length);
            let end = end.ok_or_else(|| nonsense("an extent wraps"))?;
            // Without progress this would never end.
            if end <= start {
                return Err(nonsense("extents do not ascend"));
            }
            start = end;
            found.push(Extent {
                logical: Bytes(raw.logical),
                physical: Bytes(raw.physical),
                len: Bytes(raw.length),
                flags: raw.flags,
            });
        }
        if batch.last().is_none_or(|last| last.flags & LAST != 0) {
            return Ok(found);
        }
        if found.len() > MAX_EXTENTS {
            return Err(nonsense("more than a million extents"));
        }
    }
}

fn ask(file: &impl AsFd, start: u64) -> nix::Result<Request> {
    let mut request = Request {
        start,
        length: u64::MAX - start,
        flags: FIEMAP_FLAG_SYNC,
        mapped_extents: 0,
        extent_count: BATCH as u32,
        reserved: 0,
        extents: [RawExtent::default(); BATCH],
    };
    // SAFETY: the kernel writes the header and at most `extent_count` extents, which is the
    // length of the array behind it; the structure is repr(C) with the layout of linux/fiemap.h
    // and lives through the call, as the borrowed descriptor does.
    unsafe { fs_ioc_fiemap(file.as_fd().as_raw_fd(), &mut request) }?;
    Ok(request)
}

fn failed(file: &impl AsFd, path: &str, errno: nix::Error) -> ExtentsError {
    use nix::errno::Errno;
    let path = path.to_owned();
    match errno {
        Errno::EOPNOTSUPP | Errno::ENOTTY | Errno::ENOSYS | Errno::EBADR => {
            ExtentsError::Unsupported {
                path,
                file_system: filesystem::of_file(file),
            }
        }
        errno => ExtentsError::Failed {
            path,
            source: errno.into(),
        },
    }
}

/// Whether the first `len` bytes of a file all lie in plain, written blocks of its own.
///
/// # Errors
/// The first range that does not.
pub fn check_written(extents: &[Extent], len: Bytes) -> Result<(), Unfit> {
    unfit(extents, len).next().map_or(Ok(()), Err)
}

/// The parts of the first `len` bytes of a file that do not lie in plain, written blocks of its own,
/// in order.
pub fn unfit(extents: &[Extent], len: Bytes) -> impl Iterator<Item = Unfit> {
    let mut covered = 0_u64;
    // What is behind the last extent is a hole as well: an empty extent at the end finds it.
    let end = Extent {
        logical: len,
        physical: Bytes(0),
        len: Bytes(0),
        flags: 0,
    };
    let all = extents.iter().copied().chain([end]);
    all.flat_map(move |extent| {
        let start = extent.logical.0.min(len.0);
        let end = extent.logical.0.saturating_add(extent.len.0).min(len.0);
        let hole = (start > covered).then_some(Unfit::Hole {
            start: covered,
            end: start,
        });
        let state = state_of(extent.flags)
            .filter(|_| start < end)
            .map(|state| Unfit::State { start, end, state });
        covered = covered.max(end);
        hole.into_iter().chain(state)
    })
}

/// Why md cannot write to an extent with these flags, if it cannot.
fn state_of(flags: u32) -> Option<&'static str> {
    const STATES: [(u32, &str); 8] = [
        (DELALLOC, "not placed on the disk yet"),
        (INLINE, "stored inside metadata, not in blocks"),
        (TAIL, "packed together with other files"),
        (ENCRYPTED, "encrypted"),
        (ENCODED, "compressed or encoded"),
        (UNWRITTEN, "allocated but unwritten"),
        (SHARED, "shared with another file"),
        (UNKNOWN | NOT_ALIGNED, "at no block of the disk"),
    ];
    let found = STATES.iter().find(|(bits, _)| flags & bits != 0);
    found.map(|(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    fn extent(logical: u64, len: u64, flags: u32) -> Extent {
        Extent {
            logical: Bytes(logical),
            physical: Bytes(0),
            len: Bytes(len),
            flags,
        }
    }

    #[test]
    fn layout_and_number_are_the_kernels() {
        assert_eq!(FS_IOC_FIEMAP as u32, 0xc020_660b);
        assert_eq!(size_of::<RawExtent>(), 56);
        assert_eq!(std::mem::offset_of!(Request, extents), 32);
    }

    #[test]
    fn holes_and_odd_extents_are_named() {
        let whole = [extent(0, 4096, 0), extent(4096, 4096, LAST)];
        assert_eq!(check_written(&whole, Bytes(8192)), Ok(()));
        assert_eq!(check_written(&whole, Bytes(5000)), Ok(()));
        assert_eq!(check_written(&[], Bytes(0)), Ok(()));
        let hole = |start, end| Err(Unfit::Hole { start, end });
        assert_eq!(check_written(&whole, Bytes(8193)), hole(8192, 8193));
        assert_eq!(check_written(&[], Bytes(881)), hole(0, 881));
        let gap = [extent(0, 4096, 0), extent(8192, 4096, LAST)];
        assert_eq!(check_written(&gap, Bytes(12288)), hole(4096, 8192));
        assert_eq!(check_written(&gap, Bytes(4096)), Ok(()));
        let tail = [extent(0, 4096, 0), extent(4096, 4096, UNWRITTEN | LAST)];
        let error = check_written(&tail, Bytes(8192)).unwrap_err();
        let text = "bytes 4096..8192 are allocated but unwritten";
        assert_eq!(error.to_string(), text);
        assert_eq!(check_written(&tail, Bytes(4096)), Ok(()));
        for flag in [UNKNOWN, DELALLOC, ENCODED, ENCRYPTED, INLINE, TAIL, SHARED] {
            assert!(check_written(&[extent(0, 4096, flag)], Bytes(1)).is_err());
        }
    }

    /// Extents of a file in the build folder, or `None` (said aloud) when they are not to be had.
    fn real(change: impl Fn(&File)) -> Option<(Vec<Extent>, u64)> {
        let program = std::env::current_exe().unwrap();
        let file = tempfile::tempfile_in(program.parent().unwrap()).unwrap();
        change(&file);
        match extents(&file, "test file") {
            Ok(extents) => Some((extents, file.metadata().unwrap().len())),
            Err(ExtentsError::Unsupported { file_system, .. }) => {
                crate::device::testing::skipped(format_args!("no FIEMAP on {file_system}"));
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn written_files_are_fit_and_sparse_or_preallocated_ones_are_not() {
        if let Some((extents, len)) = real(|file| file.write_all_at(&[7; 70_000], 0).unwrap()) {
            assert_eq!(check_written(&extents, Bytes(len)), Ok(()));
        }
        if let Some((extents, len)) = real(|file| {
            file.set_len(1 << 20).unwrap();
            file.write_all_at(&[7; 4096], 0).unwrap();
            file.write_all_at(&[7; 4096], 512 << 10).unwrap();
        }) {
            let error = check_written(&extents, Bytes(len)).unwrap_err();
            assert!(matches!(error, Unfit::Hole { .. }), "{error}");
        }
        if let Some((extents, len)) = real(|file| {
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(file, flags, 0, 1 << 20).unwrap();
        }) {
            assert!(check_written(&extents, Bytes(len)).is_err());
        }
    }

    #[test]
    fn more_extents_than_one_request_holds() {
        let many = |file: &File| {
            for i in 0..200 {
                file.write_all_at(&[1; 4096], i * 65536).unwrap();
            }
        };
        if let Some((extents, _)) = real(many) {
            assert!(extents.len() > BATCH, "{} extents", extents.len());
            assert!(extents.is_sorted_by_key(|extent| extent.logical));
        }
    }

    #[test]
    fn a_file_system_without_the_question_is_named() {
        let file = File::open("/proc/self/stat").unwrap();
        let error = extents(&file, "x").unwrap_err();
        assert!(matches!(error, ExtentsError::Unsupported { .. }));
        assert!(error.to_string().contains("(proc)"), "{error}");
    }
}
