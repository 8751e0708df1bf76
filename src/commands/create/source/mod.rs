//! What the bitmap covers, and for which array.

mod clean;
mod members;
mod running;

pub(super) use clean::nothing_dirty;

use super::{Covered, CreateError, CreateOptions, Note};
use crate::format::placement::content::Fill;
use crate::kernel::DeviceNumber;
use crate::units::{Events, Sectors};
use members::Member;
use std::path::{Path, PathBuf};

/// The array's part in a new bitmap.
pub(super) struct Source {
    pub(super) sync_size: Sectors,
    pub(super) uuid: [u8; 16],
    pub(super) events: Events,
    pub(super) fill: Fill,
    /// What was read: none of it may be the target.
    pub(super) read: Vec<PathBuf>,
    /// The running array, on which the file must not lie.
    pub(super) running: Option<(String, DeviceNumber)>,
}

/// An array to make a bitmap for.
struct Array {
    sync_size: Sectors,
    uuid: [u8; 16],
    uuid_text: String,
    running: Option<(String, DeviceNumber)>,
}

/// Finds out what the bitmap covers.
pub(super) fn resolve(
    options: &CreateOptions,
    notes: &mut Vec<Note>,
) -> Result<Source, CreateError> {
    let not_like = || {
        Err(CreateError::NotClean {
            reason: "it needs --like=MEMBER, to see that the array is clean".to_owned(),
        })
    };
    match &options.covered {
        Covered::Size(_) | Covered::Array(_) if options.clean => not_like(),
        Covered::Size(sync_size) => Ok(dirty(*sync_size, options.uuid.unwrap_or_default())),
        Covered::Array(path) => {
            let array = running::array(path, notes)?;
            let uuid = uuid(options, &array, notes);
            Ok(Source {
                running: array.running,
                ..dirty(array.sync_size, uuid)
            })
        }
        Covered::Like(paths) => {
            let members = paths
                .iter()
                .map(|path| members::read(path, notes))
                .collect::<Result<Vec<Member>, CreateError>>()?;
            members
                .iter()
                .try_for_each(members::not_recovering_by_bitmap)?;
            let array = members::agreed(&members)?;
            let uuid = uuid(options, &array, notes);
            if !options.clean {
                return Ok(Source {
                    read: paths.clone(),
                    ..dirty(array.sync_size, uuid)
                });
            }
            if uuid != array.uuid {
                return Err(CreateError::NotClean {
                    reason: format!(
                        "the array's UUID is {}; it cannot be vouched for under another one",
                        array.uuid_text
                    ),
                });
            }
            Ok(Source {
                sync_size: array.sync_size,
                uuid,
                events: clean::events(&members)?,
                fill: Fill::Clean,
                read: paths.clone(),
                running: None,
            })
        }
    }
}

fn dirty(sync_size: Sectors, uuid: [u8; 16]) -> Source {
    Source {
        sync_size,
        uuid,
        events: Events(0),
        fill: Fill::Dirty,
        read: Vec::new(),
        running: None,
    }
}

/// The user's UUID, or the array's.
fn uuid(options: &CreateOptions, array: &Array, notes: &mut Vec<Note>) -> [u8; 16] {
    match options.uuid {
        Some(uuid) if uuid != array.uuid => {
            notes.push(Note::OtherUuid {
                array: array.uuid_text.clone(),
            });
            uuid
        }
        _ => array.uuid,
    }
}

fn refuse(path: &Path, reason: impl Into<String>) -> CreateError {
    CreateError::Source {
        path: path.display().to_string(),
        reason: reason.into(),
    }
}
