//! The undo files of the usual folder.

use super::{UndoFailure, seen};
use crate::change::undo::{About, AssignError, FileError, SavedDevice, State, UndoFile};
use crate::commands::{Status, undo_files};
use crate::device::{CachedStore, DirectStore, OpenMode, Store};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// The undo files of the usual folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// The folder; none where nothing says where it could be.
    pub folder: Option<PathBuf>,
    /// The files, the newest first.
    pub files: Vec<Listed>,
    /// Why the folder could not be read.
    pub failure: Option<String>,
}

/// An undo file.
#[derive(Debug)]
pub struct Listed {
    /// The file.
    pub path: PathBuf,
    /// What its change was; why the file is of no use.
    pub about: Result<(About, Vec<SavedDevice>), FileError>,
    /// How far the change has come on its devices.
    pub seen: Seen,
}

/// How far a change has come, as far as can be seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// This.
    State(State),
    /// Its devices are not all at hand under the names that they had.
    NotAtHand,
    /// It cannot be told.
    Unknown(String),
}

impl Listing {
    /// The exit status.
    pub fn status(&self) -> Status {
        match (&self.failure, &self.folder) {
            (Some(_), _) | (None, None) => Status::Failed,
            (None, Some(_)) if self.files.iter().any(|file| file.about.is_err()) => Status::Failed,
            (None, Some(_)) => Status::Done,
        }
    }
}

/// Lists them. The devices are read, not held.
pub fn list() -> Listing {
    let Some(folder) = undo_files::usual_folder() else {
        return Listing {
            failure: Some("neither XDG_STATE_HOME nor HOME says where undo files are".to_owned()),
            ..Listing::default()
        };
    };
    match undo_files::in_folder(&folder) {
        Ok(paths) => {
            let mut files: Vec<Listed> = paths.into_iter().map(listed).collect();
            let made = |file: &Listed| file.about.as_ref().map_or(0, |(about, _)| about.made);
            files.sort_by_key(|file| Reverse(made(file)));
            Listing {
                files,
                folder: Some(folder),
                failure: None,
            }
        }
        Err(error) => Listing {
            failure: Some(format!("{}: cannot be read: {error}", folder.display())),
            folder: Some(folder),
            ..Listing::default()
        },
    }
}

fn listed(path: PathBuf) -> Listed {
    match look(&path) {
        Ok((file, seen)) => Listed {
            path,
            about: Ok((file.about, file.devices)),
            seen,
        },
        Err(error) => Listed {
            path,
            about: Err(error),
            seen: Seen::NotAtHand,
        },
    }
}

fn look(path: &Path) -> Result<(UndoFile, Seen), FileError> {
    let file = undo_files::open(path)?;
    let mut stores = Vec::new();
    for device in &file.devices {
        match DirectStore::open(&device.path, OpenMode::Read) {
            Ok(store) => stores.push(CachedStore::new(store)),
            Err(_) => return Ok((file, Seen::NotAtHand)),
        }
    }
    let stores: Vec<&dyn Store> = stores.iter().map(|store| store as &dyn Store).collect();
    let seen = match seen(&file, &stores) {
        Ok(state) => Seen::State(state),
        Err(UndoFailure::Assign(AssignError::Missing { .. })) => Seen::NotAtHand,
        Err(error) => Seen::Unknown(error.to_string()),
    };
    Ok((file, seen))
}
