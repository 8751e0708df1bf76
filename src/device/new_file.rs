//! Making a file so that it is either whole under its name or not there at all.

use crate::units::Bytes;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Why a new file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    /// There is one, and it was not to be replaced.
    #[error("{path}: exists already")]
    Exists {
        /// The name wanted.
        path: String,
    },
    /// The path cannot name a file.
    #[error("{path}: {reason}")]
    BadName {
        /// The name wanted.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Bytes could not be written.
    #[error("{path}: cannot write bytes {start}..{end}: {source}")]
    Write {
        /// The name wanted.
        path: String,
        /// First byte not written.
        start: u64,
        /// First byte after them.
        end: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Another step failed.
    #[error("{path}: cannot {step}: {source}")]
    Step {
        /// The name wanted.
        path: String,
        /// What was to be done.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What to do when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Fail, leaving what is there.
    Never,
    /// Put the new file in its place in one step.
    Existing,
}

/// A file being made under a temporary name beside its target: written, flushed, then published.
/// Dropped before, it is removed.
#[derive(Debug)]
pub struct NewFile {
    target: String,
    folder: OwnedFd,
    folder_path: PathBuf,
    name: OsString,
    temporary: OsString,
    file: File,
    written: u64,
    published: bool,
}

impl NewFile {
    /// Starts a file that is to be `target`, with mode 0600. A symbolic link is followed, so that
    /// the file and not the link is replaced.
    ///
    /// # Errors
    /// [`NewFileError::BadName`] and [`NewFileError::Step`].
    pub fn create(target: &Path) -> Result<Self, NewFileError> {
        let shown = target.display().to_string();
        let failed = |step, source: io::Error| NewFileError::Step {
            path: shown.clone(),
            step,
            source,
        };
        let resolved = match std::fs::symlink_metadata(target) {
            Ok(data) if data.file_type().is_symlink() => std::fs::canonicalize(target)
                .map_err(|error| failed("follow the symbolic link", error))?,
            _ => target.to_owned(),
        };
        // Renaming over a device node would replace the node.
        if std::fs::metadata(&resolved).is_ok_and(|data| !data.is_file()) {
            return Err(NewFileError::BadName {
                path: shown,
                reason: "exists and is not a regular file",
            });
        }
        let (folder_path, name) = split(&resolved).ok_or_else(|| NewFileError::BadName {
            path: shown.clone(),
            reason: "does not name a file",
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&folder_path, flags, Mode::empty())
            .map_err(|errno| failed("open the folder", errno.into()))?;
        let (temporary, file) = temporary_file(folder.as_fd())
            .map_err(|errno| failed("create a file in the folder", errno.into()))?;
        let new = Self {
            target: shown.clone(),
            folder,
            folder_path,
            name,
            temporary,
            file,
            written: 0,
            published: false,
        };
        // The umask may have taken bits away.
        rustix::fs::fchmod(&new.file, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| failed("set the mode of the file", errno.into()))?;
        Ok(new)
    }

    /// Appends bytes: really written, never preallocated, because md cannot use unwritten extents.
    ///
    /// # Errors
    /// [`NewFileError::Write`], naming the bytes.
    pub fn write(&mut self, data: &[u8]) -> Result<(), NewFileError> {
        let end = self.written.saturating_add(data.len() as u64);
        let failed = |source| NewFileError::Write {
            path: self.target.clone(),
            start: self.written,
            end,
            source,
        };
        self.file.write_all_at(data, self.written).map_err(failed)?;
        self.written = end;
        Ok(())
    }

    /// Writes over bytes that were appended before.
    ///
    /// # Errors
    /// [`NewFileError::Write`], naming the bytes.
    pub fn rewrite(&self, start: Bytes, data: &[u8]) -> Result<(), NewFileError> {
        self.file
            .write_all_at(data, start.0)
            .map_err(|source| NewFileError::Write {
                path: self.target.clone(),
                start: start.0,
                end: start.0.saturating_add(data.len() as u64),
                source,
            })
    }

    /// Makes the content durable, still under the temporary name. Needed before the extents of
    /// the file are asked for; [`NewFile::publish`] does it too.
    ///
    /// # Errors
    /// [`NewFileError::Step`].
    pub fn flush(&self) -> Result<(), NewFileError> {
        rustix::fs::fsync(&self.file).map_err(|errno| self.step("flush the file", errno))
    }

    /// The file so far, for FIEMAP and the like.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it lies until it is published: for reading it back.
    pub fn temporary_path(&self) -> PathBuf {
        self.folder_path.join(&self.temporary)
    }

    /// Bytes appended so far.
    pub fn len(&self) -> Bytes {
        Bytes(self.written)
    }

    /// True while nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.written == 0
    }

    /// Flushes, gives the file its name in one step, and flushes the folder.
    ///
    /// # Errors
    /// [`NewFileError::Exists`] when the name is taken and must not be replaced;
    /// [`NewFileError::Step`]. The temporary file is gone then, except that a failed flush of the
    /// folder leaves the file under its new name.
    pub fn publish(mut self, replace: Replace) -> Result<(), NewFileError> {
        self.flush()?;
        let moved = match replace {
            Replace::Existing => self.rename(RenameFlags::empty()),
            Replace::Never => match self.rename(RenameFlags::NOREPLACE) {
                // Not every file system and kernel knows the flag.
                Err(Errno::INVAL | Errno::NOSYS) => self.move_without_flag(),
                other => other,
            },
        };
        moved.map_err(|errno| match errno {
            Errno::EXIST if replace == Replace::Never => NewFileError::Exists {
                path: self.target.clone(),
            },
            errno => self.step("give the file its name", errno),
        })?;
        self.published = true;
        // What the page cache holds would hide what md writes to the file's blocks.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        match rustix::fs::fsync(&self.folder) {
            // A file system that cannot flush folders.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(self.step("flush the folder", errno)),
        }
    }

    fn rename(&self, flags: RenameFlags) -> Result<(), Errno> {
        let folder = &self.folder;
        rustix::fs::renameat_with(folder, &self.temporary, folder, &self.name, flags)
    }

    /// A hard link fails when the name is taken; where there are none, an empty file of ours
    /// takes the name first, which fails too when it is taken.
    fn move_without_flag(&self) -> Result<(), Errno> {
        let (folder, name) = (&self.folder, &self.name);
        match rustix::fs::linkat(folder, &self.temporary, folder, name, AtFlags::empty()) {
            Ok(()) => rustix::fs::unlinkat(folder, &self.temporary, AtFlags::empty()),
            Err(Errno::EXIST) => Err(Errno::EXIST),
            Err(_) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
                self.rename(RenameFlags::empty())
            }
        }
    }

    fn step(&self, step: &'static str, errno: Errno) -> NewFileError {
        NewFileError::Step {
            path: self.target.clone(),
            step,
            source: errno.into(),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.published {
            let _ = rustix::fs::unlinkat(&self.folder, &self.temporary, AtFlags::empty());
        }
    }
}

/// Folder and last name of a path that can name a file.
fn split(path: &Path) -> Option<(PathBuf, OsString)> {
    use std::os::unix::ffi::OsStrExt;
    // `file_name` ignores a trailing slash, and a file cannot be called that.
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return None;
    }
    let name = path.file_name().map(OsStr::to_owned)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Some((folder, name))
}

fn temporary_file(folder: BorrowedFd<'_>) -> Result<(OsString, File), Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let process = std::process::id();
    let mut last = Errno::EXIST;
    // A crash can have left files of the same process number behind.
    for attempt in 0..1000 {
        let name = OsString::from(format!(".mdbitmap-{process}-{attempt}.tmp"));
        match rustix::fs::openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => return Ok((name, File::from(fd))),
            Err(Errno::EXIST | Errno::INTR) => {}
            Err(errno) => {
                last = errno;
                break;
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::extents;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_published_file_is_whole_private_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bitmap");
        let mut new = NewFile::create(&path).unwrap();
        assert!(new.is_empty());
        new.write(&[1; 300]).unwrap();
        new.write(&[2; 70_000]).unwrap();
        assert_eq!(new.len(), Bytes(70_300));
        new.flush().unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read(new.temporary_path()).unwrap().len(), 70_300);
        match extents::extents(new.file(), "new") {
            Ok(extents) => extents::check_written(&extents, new.len()).unwrap(),
            Err(error) => crate::device::testing::skipped(format_args!("{error}")),
        }
        new.publish(Replace::Never).unwrap();
        assert_eq!(names(folder.path()), ["bitmap"]);
        assert_eq!(fs::read(&path).unwrap()[299..301], [1, 2]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn dropped_it_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = NewFile::create(&folder.path().join("bitmap")).unwrap();
        new.write(&[1]).unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(new);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_is_there_stays_unless_it_is_to_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bitmap");
        fs::write(&path, "old").unwrap();
        let new = NewFile::create(&path).unwrap();
        let error = new.publish(Replace::Never).unwrap_err();
        assert!(matches!(error, NewFileError::Exists { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["bitmap"]);
        let mut new = NewFile::create(&path).unwrap();
        new.write(b"new").unwrap();
        new.publish(Replace::Existing).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn without_the_rename_flag_the_promise_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bitmap");
        let mut new = NewFile::create(&path).unwrap();
        new.write(b"x").unwrap();
        new.move_without_flag().unwrap();
        new.published = true;
        drop(new);
        assert_eq!(fs::read(&path).unwrap(), b"x");
        let new = NewFile::create(&path).unwrap();
        assert_eq!(new.move_without_flag(), Err(Errno::EXIST));
        drop(new);
        assert_eq!(names(folder.path()), ["bitmap"]);
    }

    #[test]
    fn a_link_is_followed_and_a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut new = NewFile::create(&link).unwrap();
        new.write(b"new").unwrap();
        new.publish(Replace::Existing).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let sub = folder.path().join("sub");
        fs::create_dir(&sub).unwrap();
        let error = NewFile::create(&sub).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        assert!(sub.is_dir());
        assert_eq!(names(folder.path()), ["link", "real", "sub"]);
    }

    #[test]
    fn bad_names_are_refused() {
        for path in ["/", "..", "", "/nowhere/x/", "/dev/null"] {
            let error = NewFile::create(Path::new(path)).unwrap_err();
            assert!(matches!(error, NewFileError::BadName { .. }), "{error}");
        }
        let error = NewFile::create(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("cannot open the folder"));
    }

    #[test]
    fn a_full_file_system_is_reported_and_leaves_nothing() {
        use crate::device::filesystem::of_path;
        let shm = Path::new("/dev/shm");
        if !shm.is_dir() || of_path(shm).unwrap().name != Some("tmpfs") {
            crate::device::testing::skipped(format_args!("no tmpfs at /dev/shm"));
            return;
        }
        let folder = tempfile::tempdir_in(shm).unwrap();
        let mut new = NewFile::create(&folder.path().join("bitmap")).unwrap();
        // Writing past the largest offset fails as a full disk does, without filling one.
        new.written = i64::MAX as u64 - 10;
        let error = new.write(&[0; 100]).unwrap_err();
        assert!(error.to_string().contains("cannot write bytes"), "{error}");
        drop(new);
        assert!(names(folder.path()).is_empty());
    }
}
