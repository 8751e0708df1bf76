//! Where undo files are: the usual folder, and the files in it (design.md W14).

mod create;

pub use create::{CreateCause, CreateError, Wanted, create};

use crate::change::undo::{FileCause, FileError, UndoFile};
use crate::device::{DirectStore, OpenMode, Store, StoreError};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names another folder than the usual one.
pub const FOLDER_VARIABLE: &str = "MDBITMAP_UNDO_DIR";

/// The end of the name of every undo file in the usual folder.
pub const EXTENSION: &str = "undo";

/// The usual folder, whether it is there or not; `None` where nothing says where it could be.
pub fn usual_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let is_root = rustix::process::geteuid().is_root();
    folder_for(is_root, &variable)
}

fn folder_for(is_root: bool, variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(folder) = variable(FOLDER_VARIABLE) {
        return Some(folder.into());
    }
    if is_root {
        return Some("/var/lib/mdbitmap/undo".into());
    }
    // A relative one is to be ignored, by the specification of these variables.
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| {
        let home = absolute("HOME")?;
        Some(home.join(".local/state"))
    });
    Some(state?.join("mdbitmap/undo"))
}

/// The undo files in a folder, by name, which is by array, verb and time; none when there is no such folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The bytes of an undo file.
///
/// # Errors
/// [`FileError`] when it cannot be opened, or is no regular file.
pub fn source(path: &Path) -> Result<Arc<dyn Store>, FileError> {
    let failed = |cause: StoreError| FileError {
        path: path.display().to_string(),
        cause: FileCause::Store(cause),
    };
    let store = DirectStore::open(path, OpenMode::Read).map_err(failed)?;
    if store.is_block_device() {
        return Err(failed(StoreError::Unsuitable {
            device: path.display().to_string(),
            reason: "is a block device; expected an undo file (mdbitmap undo FILE [DEVICE...])"
                .to_owned(),
        }));
    }
    Ok(Arc::new(store))
}

/// Reads an undo file.
///
/// # Errors
/// [`FileError`] when it is not whole, or none.
pub fn open(path: &Path) -> Result<UndoFile, FileError> {
    UndoFile::open(source(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(is_root: bool, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let mut all = variables.iter();
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        };
        folder_for(is_root, &variable).map(|path| path.display().to_string())
    }

    #[test]
    fn the_usual_folder() {
        let home = [("HOME", "/home/me"), ("XDG_STATE_HOME", "/state")];
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(folder(true, &home), some("/var/lib/mdbitmap/undo"));
        assert_eq!(folder(false, &home), some("/state/mdbitmap/undo"));
        assert_eq!(
            folder(false, &home[..1]),
            some("/home/me/.local/state/mdbitmap/undo")
        );
        let relative = [("HOME", "/home/me"), ("XDG_STATE_HOME", "state")];
        assert_eq!(
            folder(false, &relative),
            some("/home/me/.local/state/mdbitmap/undo")
        );
        assert_eq!(folder(false, &[]), None);
        assert_eq!(folder(true, &[(FOLDER_VARIABLE, "here")]), some("here"));
    }

    #[test]
    fn only_undo_files_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.undo", "a.undo", ".mdbitmap-1-0.tmp", "notes"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = in_folder(folder.path()).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.undo", "b.undo"]);
        assert!(in_folder(&folder.path().join("none")).unwrap().is_empty());
        assert!(in_folder(&found[0]).is_err());
        let error = open(&found[0]).unwrap_err().to_string();
        assert!(error.contains("is no undo file"), "{error}");
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a directory"), "{error}");
    }
}
