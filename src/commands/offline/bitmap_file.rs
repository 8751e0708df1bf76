//! The bitmap file of a plan: its bits first, its header and its name when everything else is done.

use super::Failure;
use crate::change::PlannedFile;
use crate::change::execute::first_difference;
use crate::commands::Status;
use crate::device::filesystem::{self, ServesMd};
use crate::device::{
    DirectStore, NewFile, NewFileError, OpenMode, Replace, Store, StoreError, extents,
};
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use crate::units::Bytes;

/// A file that has its bits, and neither header nor name.
pub(super) struct Prepared<'p> {
    planned: &'p PlannedFile,
    file: NewFile,
}

fn failed(message: String, status: Status) -> Failure {
    Failure::Input { message, status }
}

fn of_file(error: &NewFileError) -> Failure {
    let status = match error {
        NewFileError::Exists { .. } => Status::Refused,
        NewFileError::BadName { .. } => Status::Failed,
        NewFileError::Write { .. } | NewFileError::Step { .. } => Status::Unreadable,
    };
    failed(error.to_string(), status)
}

/// Writes the bits, really: md needs blocks that exist. Nothing attaches a file without header.
pub(super) fn prepare<'p>(
    planned: &'p PlannedFile,
    notes: &mut Vec<String>,
) -> Result<Prepared<'p>, Failure> {
    let name = planned.path.display();
    let mut file = NewFile::create(&planned.path).map_err(|error| of_file(&error))?;
    planned
        .bits
        .pieces(|_, piece| file.write(piece))
        .and_then(|()| file.flush())
        .map_err(|error| of_file(&error))?;
    let found = filesystem::of_file(file.file());
    match &found.serves_md {
        ServesMd::Yes => {}
        ServesMd::No(reason) => notes.push(format!("{name}: {found}: {reason}")),
        ServesMd::Unknown => notes.push(format!(
            "{name}: {found}: not known whether md can keep a bitmap there"
        )),
    }
    if matches!(found.serves_md, ServesMd::Yes) {
        match extents::extents(file.file(), &name.to_string()) {
            Err(error) => notes.push(format!("{error}: not known whether all blocks are there")),
            Ok(all) => extents::check_written(&all, Bytes(planned.bits.len()))
                .map_err(|unfit| failed(format!("{name}: {unfit}"), Status::Failed))?,
        }
    }
    Ok(Prepared { planned, file })
}

impl Prepared<'_> {
    /// Header, a look at all of it, and the name. `alone` when nothing else was changed.
    pub(super) fn finish(self, alone: bool) -> Result<(), Failure> {
        self.named().map_err(|failure| match alone {
            true => failure,
            false => failed(
                format!(
                    "{failure}; the members have no bitmap now, and the file was not made: give the same command again, which marks \
                     everything that may differ, or take the change back"
                ),
                failure.status(),
            ),
        })
    }

    fn named(self) -> Result<(), Failure> {
        let Prepared { planned, file } = self;
        file.rewrite(Bytes(0), &planned.header)
            .and_then(|()| file.flush())
            .map_err(|error| of_file(&error))?;
        let name = planned.path.display();
        let store = DirectStore::open(file.temporary_path(), OpenMode::Read)
            .map_err(|error| failed(format!("{name}: {error}"), Status::Unreadable))?;
        let differs = differs(planned, &store)
            .map_err(|error| failed(format!("{name}: {error}"), Status::Unreadable))?;
        if differs {
            return Err(failed(
                format!("{name}: was written and flushed, and holds something else now"),
                Status::Unreadable,
            ));
        }
        drop(store);
        file.publish(Replace::Never)
            .map_err(|error| of_file(&error))
    }
}

fn differs(planned: &PlannedFile, store: &DirectStore) -> Result<bool, StoreError> {
    let mut header = [0; BITMAP_SUPER_BYTES];
    store.read_at(Bytes(0), &mut header)?;
    let head = BITMAP_SUPER_BYTES as u64;
    let bits = planned.bits.part(head..planned.bits.len());
    Ok(header != planned.header || first_difference(store, Bytes(head), &bits)?.is_some())
}
