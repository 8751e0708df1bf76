//! Changes of the same members that stopped half-way: found by their undo files, and taken back before anything new is
//! planned. So a command that is given again after a crash starts from what was there before, marks included.

use super::UndoPlace;
use crate::change::execute::Cause;
use crate::change::undo::{
    self, AssignError, Before, FileCause, FileError, JudgeError, Judgement, RevertCause,
    RevertError, State, UndoFile,
};
use crate::commands::{Status, undo_files};
use crate::device::{Store, StoreError};
use crate::format::utc;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The change that stopped half-way.
    pub(super) former: Option<Former>,
    /// The file that `--undo` names is there, and says nothing that is not so already: it may be replaced.
    pub(super) is_spent: bool,
    /// What could not be looked at.
    pub(super) notes: Vec<String>,
}

/// A change that stopped half-way.
#[derive(Debug)]
pub(super) struct Former {
    pub(super) path: PathBuf,
    file: UndoFile,
    /// Where its devices are among the stores.
    places: Vec<usize>,
    judgement: Judgement,
}

/// Why a change that stopped half-way was not taken back.
#[derive(Debug, thiserror::Error)]
#[error("{what} stopped half-way, and cannot be taken back: {cause}")]
pub struct FormerError {
    /// The change: verb, time, undo file.
    pub what: String,
    /// Why.
    pub cause: Box<FormerCause>,
}

/// What keeps a change from being taken back.
#[derive(Debug, thiserror::Error)]
pub enum FormerCause {
    /// Some of its devices were not given.
    #[error("{0}\n(with --no-undo the array is taken as it is)")]
    Missing(AssignError),
    /// It was taken back in part.
    #[error("{0}")]
    Revert(#[from] RevertError),
}

impl FormerError {
    /// The exit status that it calls for.
    pub fn status(&self) -> Status {
        match &*self.cause {
            FormerCause::Missing(_) => Status::Refused,
            FormerCause::Revert(error) => of_revert(error),
        }
    }
}

/// The exit status that an unfinished reversion calls for.
pub(crate) fn of_revert(error: &RevertError) -> Status {
    match &error.cause {
        RevertCause::Device(Cause::Store(_) | Cause::NotWritten { .. })
        | RevertCause::File(FileError {
            cause: FileCause::Store(_),
            ..
        }) => Status::Unreadable,
        _ if error.written => Status::Failed,
        _ => Status::Refused,
    }
}

/// Looks for a change of `stores` that stopped half-way: in the usual folder, and in the file of `--undo`.
///
/// # Errors
/// [`FormerError`] when there is one, and some of its devices are not among `stores`.
pub(super) fn search(stores: &[&dyn Store], place: &UndoPlace) -> Result<Search, FormerError> {
    let mut search = Search::default();
    let named = match place {
        UndoPlace::Nowhere => return Ok(search),
        UndoPlace::File(path) if path.exists() => Some(path.clone()),
        UndoPlace::File(_) | UndoPlace::Usual => None,
    };
    let mut paths: Vec<PathBuf> = named.iter().cloned().collect();
    if let Some(folder) = undo_files::usual_folder() {
        match undo_files::in_folder(&folder) {
            Ok(found) => paths.extend(found),
            Err(error) => search.notes.push(format!(
                "{}: could not look for changes that stopped half-way: {error}",
                folder.display()
            )),
        }
    }
    for path in paths {
        let is_named = named.as_ref() == Some(&path);
        match look(&path, stores) {
            Ok(None) => {}
            Ok(Some(found)) if is_named && found.judgement.state == State::Before => {
                search.is_spent = true;
            }
            Ok(Some(found)) if matches!(found.judgement.state, State::Half(_)) => {
                // Of two that fit what is there, the newer one was the last to write.
                let newer = search
                    .former
                    .as_ref()
                    .is_none_or(|known| known.file.about.made < found.file.about.made);
                search.is_spent |= is_named;
                if newer {
                    search.former = Some(found);
                }
            }
            Ok(Some(_)) => {}
            Err(Looked::Former(error)) => return Err(error),
            Err(Looked::Note(note)) => search.notes.push(note),
        }
    }
    Ok(search)
}

enum Looked {
    Former(FormerError),
    Note(String),
}

/// What a file says of these stores; nothing when it is about others.
fn look(path: &Path, stores: &[&dyn Store]) -> Result<Option<Former>, Looked> {
    let note = |error: &dyn std::fmt::Display| Looked::Note(format!("{error}; it is left alone"));
    let source = undo_files::source(path).map_err(|error| note(&error))?;
    let (_, devices) = UndoFile::glance(&*source).map_err(|error| note(&error))?;
    // Cheap, and enough for most files about other arrays.
    let concerns = devices
        .iter()
        .any(|device| stores.iter().any(|store| store.len() == device.len));
    if !concerns {
        return Ok(None);
    }
    let file = UndoFile::open(source).map_err(|error| note(&error))?;
    let places = match undo::assign(&file, stores) {
        Ok(places) => places,
        Err(AssignError::Missing { missing, found }) => {
            return match is_half(&file, stores, &found) {
                false => Ok(None),
                true => Err(Looked::Former(FormerError {
                    what: what(&file, path),
                    cause: Box::new(FormerCause::Missing(AssignError::Missing {
                        missing,
                        found,
                    })),
                })),
            };
        }
        // Reading the array will say so, too.
        Err(AssignError::Alike { .. }) => return Ok(None),
        Err(AssignError::Judge(error)) => return of_judge(&error),
    };
    let order: Vec<&dyn Store> = in_order(&places, stores);
    match undo::judge(&file, &order) {
        Ok(judgement) => Ok(Some(Former {
            path: path.to_owned(),
            file,
            places,
            judgement,
        })),
        Err(error) => of_judge(&error),
    }
}

/// A device that cannot be read will be told when the array is read.
fn of_judge(error: &JudgeError) -> Result<Option<Former>, Looked> {
    match error {
        JudgeError::Store(_) | JudgeError::Resync { .. } => Ok(None),
        JudgeError::File(error) => Err(Looked::Note(format!("{error}; it is left alone"))),
    }
}

fn is_half(file: &UndoFile, stores: &[&dyn Store], found: &[(usize, usize)]) -> bool {
    let some: Vec<(usize, &dyn Store)> = found
        .iter()
        .filter_map(|(device, place)| Some((*device, *stores.get(*place)?)))
        .collect();
    let judged = undo::judge_some(file, &some);
    judged.is_ok_and(|judgement| matches!(judgement.state, State::Half(_)))
}

fn in_order<'s>(places: &[usize], stores: &[&'s dyn Store]) -> Vec<&'s dyn Store> {
    let all = places.iter();
    all.filter_map(|place| stores.get(*place).copied())
        .collect()
}

fn what(file: &UndoFile, path: &Path) -> String {
    format!(
        "the {} of {} ({})",
        file.about.verb,
        utc::text(file.about.made),
        path.display()
    )
}

impl Former {
    /// The change: verb, time, undo file.
    pub(super) fn what(&self) -> String {
        what(&self.file, &self.path)
    }

    /// The stores as they would be once it was taken back: those that it is not about as they are.
    pub(super) fn views<'f>(&'f self, stores: &[&'f dyn Store]) -> Vec<Box<dyn Store + 'f>> {
        let before = undo::before(&self.file, &in_order(&self.places, stores));
        let mut views: Vec<Option<Before<'f>>> = stores.iter().map(|_| None).collect();
        for (place, view) in self.places.iter().zip(before) {
            if let Some(entry) = views.get_mut(*place) {
                *entry = Some(view);
            }
        }
        let pairs = views.into_iter().zip(stores);
        pairs
            .map(|(view, store)| -> Box<dyn Store + 'f> {
                match view {
                    Some(view) => Box::new(view),
                    None => Box::new(*store),
                }
            })
            .collect()
    }

    /// Takes it back.
    pub(super) fn take_back(&self, stores: &[&dyn Store]) -> Result<(), FormerError> {
        let order = in_order(&self.places, stores);
        match undo::revert(&self.file, &order, &self.judgement) {
            Ok(_) => Ok(()),
            Err(error) => Err(FormerError {
                what: self.what(),
                cause: Box::new(error.into()),
            }),
        }
    }
}

/// The exit status that a device that could not be read calls for.
pub(crate) fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Busy { .. } | StoreError::Unsuitable { .. } => Status::Refused,
        StoreError::Open { .. } => Status::Failed,
        StoreError::PastEnd { .. }
        | StoreError::Read { .. }
        | StoreError::Write { .. }
        | StoreError::Flush { .. } => Status::Unreadable,
    }
}
