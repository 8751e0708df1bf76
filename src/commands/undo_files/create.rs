//! Making the undo file of a change, before anything of it is written.

use super::{EXTENSION, open, usual_folder};
use crate::change::plan::Plan;
use crate::change::undo::{About, FileError, SaveError, save};
use crate::commands::Status;
use crate::commands::offline::UndoPlace;
use crate::commands::output::{OutputError, OutputFile};
use crate::device::{Store, StoreError, filesystem};
use crate::format::utc;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An undo file that is to be made.
pub struct Wanted<'w> {
    /// Where.
    pub place: &'w UndoPlace,
    /// What the change is.
    pub about: About,
    /// The UUID of the array as mdadm spells it, for the name of the file.
    pub uuid: &'w str,
    /// What it writes.
    pub plan: &'w Plan,
    /// The plan's devices, in its order.
    pub stores: &'w [&'w dyn Store],
    /// Where they are, likewise.
    pub paths: Vec<PathBuf>,
    /// The file under the name wanted may be replaced: it is of no use any more.
    pub replace: bool,
}

/// Why what is to be overwritten cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "what is to be overwritten cannot be kept: {cause}; nothing was written (--undo FILE keeps it elsewhere, --no-undo does without)"
)]
pub struct CreateError {
    /// Why.
    #[from]
    pub cause: CreateCause,
}

/// What keeps an undo file from being made.
#[derive(Debug, thiserror::Error)]
pub enum CreateCause {
    /// Nothing says where the usual folder is.
    #[error("neither XDG_STATE_HOME nor HOME says where undo files go")]
    NoFolder,
    /// It cannot be made or used.
    #[error("{path}: cannot make this folder for undo files: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is one of the devices.
    #[error("{path}: is one of the devices that are changed ({device})")]
    IsDevice {
        /// The file.
        path: String,
        /// The device as it was given.
        device: String,
    },
    /// There is one of that name.
    #[error(
        "{path}: exists already, and is not the undo file of an unfinished change of this array"
    )]
    Exists {
        /// The file.
        path: String,
    },
    /// It cannot be written.
    #[error("{0}")]
    Output(#[from] OutputError),
    /// What is to be kept cannot be had.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// It was written, and cannot be read.
    #[error("it was written, and cannot be read back: {0}")]
    ReadBack(#[from] FileError),
}

impl CreateError {
    /// The exit status that it calls for: nothing was written.
    pub fn status(&self) -> Status {
        match &self.cause {
            CreateCause::Save(SaveError::Store(StoreError::Read { .. })) => Status::Unreadable,
            _ => Status::Refused,
        }
    }
}

/// Makes the file: whole and durable under its name, or not at all. Gives its name, and what the user should know of it;
/// nothing where none is wanted.
///
/// # Errors
/// [`CreateError`].
pub fn create(wanted: &Wanted<'_>) -> Result<Option<(PathBuf, Vec<String>)>, CreateError> {
    let path = match wanted.place {
        UndoPlace::Nowhere => return Ok(None),
        UndoPlace::File(path) => {
            make(wanted, path, wanted.replace)?;
            path.clone()
        }
        UndoPlace::Usual => in_usual_folder(wanted)?,
    };
    if let Err(error) = open(&path) {
        // What cannot be read back is not to be found by anyone.
        let _ = std::fs::remove_file(&path);
        return Err(CreateCause::ReadBack(error).into());
    }
    let notes = volatile(&path).into_iter().collect();
    Ok(Some((path, notes)))
}

fn in_usual_folder(wanted: &Wanted<'_>) -> Result<PathBuf, CreateCause> {
    let folder = usual_folder().ok_or(CreateCause::NoFolder)?;
    make_folder(&folder).map_err(|source| CreateCause::Folder {
        path: folder.display().to_string(),
        source,
    })?;
    let about = &wanted.about;
    // Of "check --repair" the last word: the name is given to a shell again.
    let verb = about.verb.rsplit([' ', '-']).next().unwrap_or_default();
    let name = format!(
        "{}.{verb}.{}",
        wanted.uuid.replace(':', "-"),
        utc::compact(about.made)
    );
    // Several changes in one second.
    let mut number = 1;
    loop {
        let path = match number {
            1 => folder.join(format!("{name}.{EXTENSION}")),
            _ => folder.join(format!("{name}.{number}.{EXTENSION}")),
        };
        match make(wanted, &path, false) {
            Err(CreateCause::Exists { .. }) if number < 1000 => number += 1,
            Err(error) => return Err(error),
            Ok(()) => return Ok(path),
        }
    }
}

fn make(wanted: &Wanted<'_>, path: &Path, replace: bool) -> Result<(), CreateCause> {
    let shown = || path.display().to_string();
    let inputs: Vec<OsString> = wanted
        .paths
        .iter()
        .map(|path| path.clone().into())
        .collect();
    let told = |error| match error {
        OutputError::IsInput { input, .. } => CreateCause::IsDevice {
            path: shown(),
            device: input,
        },
        OutputError::Exists { .. } => CreateCause::Exists { path: shown() },
        other => other.into(),
    };
    let mut out = OutputFile::create(path.as_os_str(), replace, &inputs).map_err(told)?;
    let saved = save(
        &wanted.about,
        wanted.plan,
        wanted.stores,
        &wanted.paths,
        &mut out,
    );
    match saved {
        // What the file itself reports says more.
        Ok(()) | Err(SaveError::Write(_)) => out.publish().map_err(told),
        Err(error) => Err(error.into()),
    }
}

/// Makes a folder that only its owner reads, durably.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.is_dir())
        .collect();
    while let Some(path) = missing.pop() {
        match DirBuilder::new().mode(0o700).create(path) {
            // Made by another one meanwhile; a file in the way is none.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => continue,
            other => other?,
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // A file system that cannot flush folders is as good as it gets.
        match File::open(parent)?.sync_all() {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Says that a file does not outlive the next boot, where that is so.
fn volatile(path: &Path) -> Option<String> {
    let found = filesystem::of_path(path).ok()?;
    let name = found
        .name
        .filter(|name| ["tmpfs", "ramfs"].contains(name))?;
    Some(format!(
        "{}: lies in memory ({name}) and is gone after the next boot; copy it elsewhere if the change may have to be taken back",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_are_made_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib/mdbitmap/undo");
        for _ in 0..2 {
            make_folder(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700);
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(make_folder(&folder.path().join("file/undo")).is_err());
    }

    #[test]
    fn what_is_in_memory_is_told() {
        let shm = Path::new("/dev/shm");
        if filesystem::of_path(shm).is_ok_and(|found| found.name == Some("tmpfs")) {
            let folder = tempfile::tempdir_in(shm).unwrap();
            let told = volatile(folder.path()).unwrap();
            assert!(
                told.contains("(tmpfs) and is gone after the next boot"),
                "{told}"
            );
        }
        assert_eq!(volatile(Path::new("/proc")), None);
    }
}
