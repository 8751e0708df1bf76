//! Opening and measuring a regular file or block device for O_DIRECT.

use super::{Kind, OpenMode};
use crate::device::aligned::AlignedBuffer;
use crate::device::filesystem;
use crate::device::store::StoreError;
use rustix::fs::{Advice, AtFlags, FileType, FlockOperation, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

/// Larger blocks than this are taken for nonsense.
const MAX_BLOCK: u32 = 1 << 20;
/// Safe on every file system that does not say what it wants.
const SAFE_BLOCK: u32 = 4096;

/// All that opening finds out.
pub(super) struct Opened {
    pub(super) file: File,
    /// The same file without O_DIRECT, for the last bytes that are no whole block.
    pub(super) plain: Option<File>,
    pub(super) kind: Kind,
    pub(super) len: u64,
    pub(super) logical: u32,
    pub(super) physical: u32,
    pub(super) direct: bool,
    pub(super) note: Option<String>,
    /// (st_dev, st_ino) of the file or node.
    pub(super) identity: (u64, u64),
}

/// Opens and measures. `flag` is O_DIRECT; tests leave it out to be on a file system without.
pub(super) fn open(
    path: &Path,
    name: &str,
    mode: OpenMode,
    flag: OFlags,
) -> Result<Opened, StoreError> {
    let failed = |errno: Errno| open_error(name, errno);
    // Looked at first, so that nothing that could hang or do harm by being opened is opened.
    let kind = kind_of(name, &rustix::fs::stat(path).map_err(failed)?)?;
    let (file, direct) = match open_with(path, kind, mode, flag) {
        Err(Errno::INVAL) if kind == Kind::File => (
            open_with(path, kind, mode, OFlags::empty()).map_err(failed)?,
            false,
        ),
        other => (other.map_err(failed)?, flag.contains(OFlags::DIRECT)),
    };
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    let kind = same_kind(name, kind, &stat)?;
    if mode == OpenMode::Exclusive {
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
    }
    // O_NONBLOCK was for the opening only; kept, it makes asynchronous reads fail with EAGAIN.
    let flags = rustix::fs::fcntl_getfl(&file).map_err(failed)?;
    rustix::fs::fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK)).map_err(failed)?;
    let identity = identity(&stat);
    let mut opened = Opened {
        file,
        plain: None,
        kind,
        len: 0,
        logical: SAFE_BLOCK,
        physical: SAFE_BLOCK,
        direct,
        note: None,
        identity,
    };
    match kind {
        Kind::Block { .. } => opened.measure_device(name)?,
        Kind::File => opened.measure_file(path, name, mode, &stat)?,
    }
    Ok(opened)
}

impl Opened {
    fn measure_device(&mut self, name: &str) -> Result<(), StoreError> {
        let failed = |errno: Errno| open_error(name, errno);
        self.logical = rustix::fs::ioctl_blksszget(&self.file).map_err(failed)?;
        self.physical = rustix::fs::ioctl_blkpbszget(&self.file)
            .unwrap_or(self.logical)
            .max(self.logical);
        self.len = device_bytes(&self.file, name)?;
        if !sane_block(self.logical) {
            return Err(StoreError::Unsuitable {
                device: name.to_owned(),
                reason: format!(
                    "the kernel reports a logical block size of {} bytes; expected a power of two from 512 to {MAX_BLOCK}",
                    self.logical
                ),
            });
        }
        Ok(())
    }

    fn measure_file(
        &mut self,
        path: &Path,
        name: &str,
        mode: OpenMode,
        stat: &rustix::fs::Stat,
    ) -> Result<(), StoreError> {
        self.len = u64::try_from(stat.st_size).unwrap_or(0);
        self.physical = u32::try_from(stat.st_blksize)
            .ok()
            .filter(|size| sane_block(*size))
            .unwrap_or(SAFE_BLOCK);
        if self.direct {
            match direct_block(&self.file, self.len) {
                Some(block) => self.logical = block,
                None => self.give_up_direct(name)?,
            }
        }
        self.physical = self.physical.max(self.logical);
        if !self.direct {
            self.logical = 512;
            let fs = filesystem::of_file(&self.file);
            self.note = Some(format!(
                "the file system ({fs}) offers no O_DIRECT: read through the page cache, after dropping what was cached"
            ));
            drop_cache(&self.file);
        } else if mode != OpenMode::Read
            && !self
                .len
                .is_multiple_of(u64::from(self.physical.max(super::PAGE)))
        {
            self.plain = Some(self.open_plain(path, name)?);
        }
        Ok(())
    }

    fn give_up_direct(&mut self, name: &str) -> Result<(), StoreError> {
        let failed = |errno: Errno| open_error(name, errno);
        let flags = rustix::fs::fcntl_getfl(&self.file).map_err(failed)?;
        rustix::fs::fcntl_setfl(&self.file, flags.difference(OFlags::DIRECT)).map_err(failed)?;
        self.direct = false;
        Ok(())
    }

    /// The same file once more, without O_DIRECT; refuses when the name means another file by now.
    fn open_plain(&self, path: &Path, name: &str) -> Result<File, StoreError> {
        let failed = |errno: Errno| open_error(name, errno);
        let plain = open_with(path, self.kind, OpenMode::ReadWrite, OFlags::empty());
        let plain = plain.map_err(failed)?;
        if identity(&rustix::fs::fstat(&plain).map_err(failed)?) != self.identity {
            return Err(replaced(name));
        }
        Ok(plain)
    }
}

fn open_with(path: &Path, kind: Kind, mode: OpenMode, extra: OFlags) -> Result<File, Errno> {
    let access = match mode {
        OpenMode::Read => OFlags::RDONLY,
        OpenMode::ReadWrite | OpenMode::Exclusive => OFlags::RDWR,
    };
    let exclusive = match (mode, kind) {
        // On a block device, O_EXCL without O_CREAT claims it; on a file it has no meaning.
        (OpenMode::Exclusive, Kind::Block { .. }) => OFlags::EXCL,
        _ => OFlags::empty(),
    };
    let always = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = loop {
        match rustix::fs::open(path, access | exclusive | extra | always, Mode::empty()) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    Ok(File::from(fd))
}

fn kind_of(name: &str, stat: &rustix::fs::Stat) -> Result<Kind, StoreError> {
    let found = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(Kind::File),
        FileType::BlockDevice => {
            let number = stat.st_rdev;
            return Ok(Kind::Block {
                major: rustix::fs::major(number),
                minor: rustix::fs::minor(number),
            });
        }
        FileType::Directory => "a directory",
        FileType::CharacterDevice => "a character device",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        _ => "something else",
    };
    Err(StoreError::Unsuitable {
        device: name.to_owned(),
        reason: format!("is {found}; expected a block device or a regular file"),
    })
}

fn same_kind(name: &str, before: Kind, stat: &rustix::fs::Stat) -> Result<Kind, StoreError> {
    let now = kind_of(name, stat)?;
    if now == before {
        Ok(now)
    } else {
        Err(replaced(name))
    }
}

fn replaced(name: &str) -> StoreError {
    StoreError::Unsuitable {
        device: name.to_owned(),
        reason: "was replaced by another file while it was being opened; try again".to_owned(),
    }
}

fn identity(stat: &rustix::fs::Stat) -> (u64, u64) {
    // Fields whose type differs between architectures: a lossless cast on each of them.
    #[allow(clippy::unnecessary_cast)]
    (stat.st_dev as u64, stat.st_ino as u64)
}

fn sane_block(bytes: u32) -> bool {
    bytes.is_power_of_two() && (512..=MAX_BLOCK).contains(&bytes)
}

/// The alignment that O_DIRECT wants of this file, or `None` when it is not to be had.
fn direct_block(file: &File, len: u64) -> Option<u32> {
    if let Ok(stat) = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)
        && stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0
    {
        // 0: the file system accepts the flag and has no direct I/O for this file.
        let block = stat.stx_dio_offset_align.max(512);
        let usable = stat.stx_dio_offset_align != 0
            && stat.stx_dio_mem_align <= SAFE_BLOCK
            && sane_block(block);
        return usable.then_some(block);
    }
    // Kernels before 6.1, and file systems that do not say: try. Only EINVAL speaks against it;
    // an unreadable first block is for the reader to report.
    let mut probe = AlignedBuffer::new(SAFE_BLOCK as usize);
    match len {
        0 => Some(SAFE_BLOCK),
        _ => match rustix::io::pread(file, &mut probe[..], 0) {
            Err(Errno::INVAL) => None,
            _ => Some(SAFE_BLOCK),
        },
    }
}

/// Writes back what is dirty and forgets what is clean. As far as the system lets us: both are
/// requests, and a file on a read-only file system has nothing dirty.
pub(super) fn drop_cache(file: &File) {
    let _ = rustix::fs::fdatasync(file);
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

nix::ioctl_read!(
    /// BLKGETSIZE64: the length of a block device in bytes.
    blkgetsize64, 0x12, 114, usize
);

fn device_bytes(file: &File, name: &str) -> Result<u64, StoreError> {
    use std::os::fd::AsRawFd;
    let mut bytes = 0_u64;
    // SAFETY: the kernel writes one u64 (the number's `size_t` is a slip kept for ever, reference:
    // linux/fs.h) to the address given, which is that of a live, aligned u64; the descriptor is
    // borrowed for the duration of the call.
    unsafe {
        blkgetsize64(
            file.as_fd().as_raw_fd(),
            std::ptr::from_mut(&mut bytes).cast(),
        )
    }
    .map_err(|errno| StoreError::Open {
        device: name.to_owned(),
        source: errno.into(),
    })?;
    Ok(bytes)
}

fn open_error(name: &str, errno: Errno) -> StoreError {
    match errno {
        // WOULDBLOCK: another process has the flock.
        Errno::BUSY | Errno::WOULDBLOCK => StoreError::Busy {
            device: name.to_owned(),
            holder: None,
        },
        _ => StoreError::Open {
            device: name.to_owned(),
            source: errno.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ioctl_number_is_the_kernels() {
        // linux/fs.h on 64-bit x86: BLKGETSIZE64.
        #[cfg(target_pointer_width = "64")]
        assert_eq!(
            nix::request_code_read!(0x12, 114, size_of::<usize>()),
            0x8008_1272
        );
    }
}
