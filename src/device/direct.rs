//! Regular files and block devices, read and written past the page cache.
//!
//! md reads and writes its members below the page cache of the block device, and a bitmap file
//! below that of the file, so what the cache holds may be old (reference/kernel.md trap 17, 4.3).

mod open;
#[cfg(test)]
mod tests;
mod transfer;

use super::aligned::{AlignedBuffer, is_aligned};
use super::store::{Store, StoreError, check_range};
use crate::units::Bytes;
use rustix::fs::OFlags;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most that an unaligned request has in memory at a time.
const BOUNCE: u64 = 1 << 20;

/// Pages are this long or longer; where longer, blocks beside each other may share one.
const PAGE: u32 = 4096;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Reading only, beside whoever else uses it.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and writing, claimed: O_EXCL on block devices (neither mounted nor part of an
    /// array), and an exclusive flock (udev keeps off; a second of us is told "in use").
    Exclusive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Block { major: u32, minor: u32 },
}

/// A regular file or block device opened with O_DIRECT.
///
/// Regular files on file systems without O_DIRECT are read through the page cache after it was
/// dropped ([`DirectStore::is_direct`] is then false); block devices never are.
#[derive(Debug)]
pub struct DirectStore {
    name: String,
    mode: OpenMode,
    file: File,
    /// For the tail of a file that is no whole block: written without O_DIRECT, because a whole
    /// block would make the file longer.
    plain: Option<File>,
    kind: Kind,
    len: u64,
    logical: u32,
    physical: u32,
    direct: bool,
    note: Option<String>,
    identity: (u64, u64),
    /// Held while part of a block is read, changed and written back.
    partial: Mutex<()>,
}

impl DirectStore {
    /// Opens and measures `path`. Never hangs on pipes and the like: they are refused unopened.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when something else has it (holder unnamed: `kernel::holders` can
    /// tell), [`StoreError::Unsuitable`] for what is neither file nor block device,
    /// [`StoreError::Open`] otherwise.
    pub fn open(path: impl AsRef<Path>, mode: OpenMode) -> Result<Self, StoreError> {
        Self::open_with(path.as_ref(), mode, OFlags::DIRECT)
    }

    fn open_with(path: &Path, mode: OpenMode, flag: OFlags) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let opened = open::open(path, &name, mode, flag)?;
        Ok(Self {
            name,
            mode,
            file: opened.file,
            plain: opened.plain,
            kind: opened.kind,
            len: opened.len,
            logical: opened.logical,
            physical: opened.physical,
            direct: opened.direct,
            note: opened.note,
            identity: opened.identity,
            partial: Mutex::new(()),
        })
    }

    /// True for a block device, false for a regular file.
    pub fn is_block_device(&self) -> bool {
        matches!(self.kind, Kind::Block { .. })
    }

    /// False when a regular file had to be read through the (dropped) page cache.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// What a reader of the results should know about how they were read, if anything.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Major and minor number of a block device; `None` for a regular file.
    pub fn device_number(&self) -> Option<(u32, u32)> {
        match self.kind {
            Kind::File => None,
            Kind::Block { major, minor } => Some((major, minor)),
        }
    }

    /// `st_dev` and `st_ino` of what was opened: equal for two names of one file.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// What it was opened for.
    pub fn mode(&self) -> OpenMode {
        self.mode
    }

    fn align(&self) -> u64 {
        u64::from(self.logical)
    }

    /// Where O_DIRECT writes end. The page cache works in pages, and file systems in blocks of
    /// their own, so the last one of these, if it is not whole, is left to the cache entirely.
    fn direct_end(&self) -> u64 {
        match self.kind {
            Kind::Block { .. } => self.len,
            Kind::File => self.len - self.len % u64::from(self.physical.max(PAGE)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_error(&self, start: u64, end: u64, source: io::Error) -> StoreError {
        StoreError::Read {
            device: self.name.clone(),
            start,
            end,
            source,
        }
    }

    fn write_error(&self, start: u64, end: u64, source: io::Error) -> StoreError {
        StoreError::Write {
            device: self.name.clone(),
            start,
            end,
            source,
        }
    }

    /// One aligned read (or any read at all, without O_DIRECT) of `wanted` bytes.
    fn read_raw(&self, start: u64, buffer: &mut [u8], wanted: usize) -> Result<(), StoreError> {
        let align = if self.direct { self.align() } else { 1 };
        transfer::read_fully(
            &mut |buffer, at| Ok(rustix::io::pread(&self.file, buffer, at)?),
            start,
            buffer,
            wanted,
            align as usize,
        )
        .map_err(|failure| {
            let end = start.saturating_add(wanted as u64);
            self.read_error(start.saturating_add(failure.done), end, failure.source)
        })
    }

    fn write_raw(&self, file: &File, start: u64, data: &[u8]) -> Result<(), StoreError> {
        let align = if self.direct { self.align() } else { 1 };
        transfer::write_fully(
            &mut |data, at| Ok(rustix::io::pwrite(file, data, at)?),
            start,
            data,
            align as usize,
        )
        .map_err(|failure| {
            let end = start.saturating_add(data.len() as u64);
            self.write_error(start.saturating_add(failure.done), end, failure.source)
        })
    }

    /// Reads the start of a range through an aligned buffer; says how many bytes that was.
    fn read_bounced(&self, start: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let window = self.window(start, buffer.len());
        let mut bounce = AlignedBuffer::new(window.len);
        let skip = (start - window.start) as usize;
        let take = buffer.len().min(window.len - skip);
        // At the end of a file whose length is no whole block, less than the window exists.
        let wanted = (skip + take).min((self.len - window.start) as usize);
        self.read_raw(window.start, &mut bounce, wanted)?;
        if let (Some(to), Some(from)) = (buffer.get_mut(..take), bounce.get(skip..skip + take)) {
            to.copy_from_slice(from);
        }
        Ok(take)
    }

    /// Writes the start of a range through an aligned buffer, keeping the bytes beside it.
    fn write_bounced(&self, start: u64, data: &[u8]) -> Result<usize, StoreError> {
        let align = self.align() as usize;
        let window = self.window(start, data.len());
        let mut bounce = AlignedBuffer::new(window.len);
        let skip = (start - window.start) as usize;
        let take = data.len().min(window.len - skip);
        let _held = self.lock();
        let last = window.len - align;
        if skip > 0
            && let Some(head) = bounce.get_mut(..align)
        {
            self.read_raw(window.start, head, align)?;
        }
        if skip + take < window.len
            && (last > 0 || skip == 0)
            && let Some(tail) = bounce.get_mut(last..)
        {
            self.read_raw(window.start + last as u64, tail, align)?;
        }
        if let (Some(to), Some(from)) = (bounce.get_mut(skip..skip + take), data.get(..take)) {
            to.copy_from_slice(from);
        }
        self.write_raw(&self.file, window.start, &bounce)?;
        Ok(take)
    }

    /// The whole blocks that hold the start of a range, at most [`BOUNCE`] bytes of them.
    fn window(&self, start: u64, len: usize) -> Window {
        let align = self.align();
        let first = start - start % align;
        let wanted = (start - first).saturating_add(len as u64);
        let bytes = wanted.min(BOUNCE.max(align)).next_multiple_of(align);
        Window {
            start: first,
            len: bytes as usize,
        }
    }

    /// How much of a request can go to the device as it is: whole blocks at an aligned address.
    fn whole_blocks(&self, start: u64, memory: &[u8]) -> usize {
        if start.is_multiple_of(self.align()) && is_aligned(memory) {
            memory.len() - memory.len() % self.align() as usize
        } else {
            0
        }
    }
}

struct Window {
    start: u64,
    len: usize,
}

impl AsFd for DirectStore {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Store for DirectStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn logical_block_bytes(&self) -> u32 {
        self.logical
    }

    fn physical_block_bytes(&self) -> u32 {
        self.physical
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        check_range(self, start, buffer.len())?;
        let (mut at, mut rest) = (start.0, buffer);
        while !rest.is_empty() {
            let whole = if self.direct {
                self.whole_blocks(at, rest)
            } else {
                rest.len()
            };
            let done = match rest.get_mut(..whole) {
                Some(blocks) if whole > 0 => self.read_raw(at, blocks, whole).map(|()| whole)?,
                _ => self.read_bounced(at, rest)?,
            };
            at = at.saturating_add(done as u64);
            rest = rest.get_mut(done..).unwrap_or_default();
        }
        Ok(())
    }

    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        let end = check_range(self, start, data.len())?;
        if self.mode == OpenMode::Read {
            let refused = io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it was opened for reading only",
            );
            return Err(self.write_error(start.0, end, refused));
        }
        if !self.direct {
            return self.write_raw(&self.file, start.0, data);
        }
        let direct_len = self.direct_end().saturating_sub(start.0);
        let split = usize::try_from(direct_len).map_or(data.len(), |len| len.min(data.len()));
        let (blocks, tail) = data.split_at(split);
        let (mut at, mut rest) = (start.0, blocks);
        while !rest.is_empty() {
            let done = match self.whole_blocks(at, rest) {
                0 => self.write_bounced(at, rest)?,
                whole => {
                    let part = rest.get(..whole).unwrap_or_default();
                    self.write_raw(&self.file, at, part)?;
                    whole
                }
            };
            at = at.saturating_add(done as u64);
            rest = rest.get(done..).unwrap_or_default();
        }
        if !tail.is_empty() {
            let plain = self.plain.as_ref().unwrap_or(&self.file);
            self.write_raw(plain, at, tail)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.mode == OpenMode::Read {
            return Ok(());
        }
        for file in [Some(&self.file), self.plain.as_ref()]
            .into_iter()
            .flatten()
        {
            rustix::fs::fdatasync(file).map_err(|errno| StoreError::Flush {
                device: self.name.clone(),
                source: errno.into(),
            })?;
        }
        if !self.direct || self.plain.is_some() {
            // So that reading back reads the disk.
            open::drop_cache(&self.file);
        }
        Ok(())
    }
}
