//! A bitmap as a regular file.

use super::content::Image;
use super::{CreateError, Note, folder_of, source};
use crate::device::filesystem::{self, ServesMd};
use crate::device::{DirectStore, NewFile, OpenMode, Replace, extents};
use crate::kernel::{Holder, Holders, holders, writers};
use crate::units::Bytes;
use std::fs::{File, Metadata};
use std::path::Path;

/// What must be true before anything is written. `existing` is the file that would be replaced.
pub(super) fn check(
    path: &Path,
    existing: Option<&Metadata>,
    content: &dyn Image,
    force: bool,
    notes: &mut Vec<Note>,
) -> Result<(), CreateError> {
    let name = path.display().to_string();
    if existing.is_some() {
        if !force {
            return Err(CreateError::Exists { path: name });
        }
        not_in_use(path, &name, notes)?;
        if content.is_clean() {
            let old = DirectStore::open(path, OpenMode::Read)?;
            source::nothing_dirty(
                &old,
                Bytes(0),
                &format!("{name}: the bitmap to be replaced"),
            )?;
        }
    }
    file_size_limit(&name, content.length())?;
    note_file_system(path, existing.is_some(), notes);
    Ok(())
}

/// md cannot keep a bitmap on every file system.
fn note_file_system(path: &Path, exists: bool, notes: &mut Vec<Note>) {
    let place = match exists {
        true => path,
        false => folder_of(path),
    };
    // A folder that cannot be looked at is a folder that cannot be written to: that error follows.
    let Ok(found) = filesystem::of_path(place) else {
        return;
    };
    match found.serves_md {
        ServesMd::Yes => {}
        ServesMd::No(reason) => notes.push(Note::FileSystem(format!("{found}: {reason}"))),
        ServesMd::Unknown => notes.push(Note::FileSystemUnknown(found.to_string())),
    }
}

/// An active bitmap must not be replaced: the array would keep writing to the old inode, which no
/// name leads to any more (design.md W19).
fn not_in_use(path: &Path, name: &str, notes: &mut Vec<Note>) -> Result<(), CreateError> {
    let users = holders(path).map_err(|source| CreateError::Path {
        path: name.to_owned(),
        step: "find out what uses it",
        source,
    })?;
    refuse_users(name, &users, notes)?;
    let file = File::open(path).map_err(|source| CreateError::Path {
        path: name.to_owned(),
        step: "open it to see whether an array uses it",
        source,
    })?;
    match writers::has_writer(&file) {
        Ok(false) => Ok(()),
        Ok(true) => Err(CreateError::HasWriter {
            path: name.to_owned(),
        }),
        Err(error) => {
            notes.push(Note::WritersUnknown(error.to_string()));
            Ok(())
        }
    }
}

/// Refuses what is in use, naming by what; says what could not be looked at.
pub(super) fn refuse_users(
    name: &str,
    users: &Holders,
    notes: &mut Vec<Note>,
) -> Result<(), CreateError> {
    let active = users.found.iter().find_map(|holder| match holder {
        Holder::BitmapOf { array } => Some(array),
        _ => None,
    });
    if let Some(array) = active {
        return Err(CreateError::ActiveBitmap {
            path: name.to_owned(),
            array: array.clone(),
        });
    }
    if let Some(holders) = users.describe() {
        return Err(CreateError::InUse {
            path: name.to_owned(),
            holders,
        });
    }
    notes.extend(
        users
            .unchecked
            .iter()
            .map(|unchecked| Note::Unchecked(unchecked.to_string())),
    );
    Ok(())
}

/// Beyond its limit a process is killed while it writes, and would leave a temporary file.
fn file_size_limit(name: &str, length: Bytes) -> Result<(), CreateError> {
    match rustix::process::getrlimit(rustix::process::Resource::Fsize).current {
        Some(limit) if limit < length.0 => Err(CreateError::FileSizeLimit {
            path: name.to_owned(),
            needed: length,
            limit,
        }),
        _ => Ok(()),
    }
}

/// Writes the whole file under a temporary name, looks where it lies, reads it back, and only
/// then gives it its name.
pub(super) fn write(
    path: &Path,
    content: &dyn Image,
    replace: Replace,
    notes: &mut Vec<Note>,
) -> Result<(), CreateError> {
    let mut new = NewFile::create(path)?;
    content.pieces(0..content.length().0, &mut |_, piece| Ok(new.write(piece)?))?;
    new.flush()?;
    check_extents(path, &new, content.length(), notes)?;
    read_back(path, &new, content, notes)?;
    Ok(new.publish(replace)?)
}

/// md writes to the file's blocks itself, so each must exist (reference/kernel.md 4.3).
fn check_extents(
    path: &Path,
    new: &NewFile,
    length: Bytes,
    notes: &mut Vec<Note>,
) -> Result<(), CreateError> {
    let name = path.display().to_string();
    let serves = filesystem::of_file(new.file()).serves_md;
    match extents::extents(new.file(), &name) {
        Err(error) => notes.push(Note::ExtentsUnknown(error.to_string())),
        Ok(extents) => match extents::check_written(&extents, length) {
            Ok(()) => {}
            // The user has been told that md cannot use this file system.
            Err(_) if matches!(serves, ServesMd::No(_)) => {}
            Err(unfit) => {
                return Err(CreateError::Unfit {
                    path: name,
                    reason: unfit.to_string(),
                });
            }
        },
    }
    Ok(())
}

fn read_back(
    path: &Path,
    new: &NewFile,
    content: &dyn Image,
    notes: &mut Vec<Note>,
) -> Result<(), CreateError> {
    let store = DirectStore::open(new.temporary_path(), OpenMode::Read)?;
    if let Some(note) = store.note() {
        notes.push(Note::ReadBack(note.to_owned()));
    }
    match content.first_difference(&store)? {
        None => Ok(()),
        Some(at) => Err(CreateError::ReadBack {
            path: path.display().to_string(),
            at,
            is_device: false,
        }),
    }
}
