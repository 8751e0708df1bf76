//! `--like`: what the md superblocks of members say.

use super::{Array, refuse};
use crate::array::{FoundSuper, MemberSuper, probe, sync_size};
use crate::commands::create::{CreateError, Note};
use crate::device::{DirectStore, OpenMode};
use crate::format::md_v1::feature;
use crate::kernel;
use crate::units::Sectors;
use std::path::{Path, PathBuf};

/// A member that was read.
pub(super) struct Member {
    pub(super) path: PathBuf,
    pub(super) store: DirectStore,
    pub(super) superblock: MemberSuper,
    pub(super) sync_size: Sectors,
}

/// Reads the md superblock of a member.
pub(super) fn read(path: &Path, notes: &mut Vec<Note>) -> Result<Member, CreateError> {
    let store = DirectStore::open(path, OpenMode::Read)?;
    let mut probed = probe(&store, None);
    if probed.found.len() > 1 {
        notes.push(Note::Source(several(path, &probed.found)));
    }
    if probed.found.is_empty() {
        return Err(match probed.unreadable.pop() {
            Some(error) => error.into(),
            None => refuse(path, nothing_found(path, &probed.rejected)),
        });
    }
    let found = probed.found.swap_remove(0);
    if let Some(failure) = found.refusals.first() {
        return Err(refuse(
            path,
            format!("the kernel would refuse this member: its {failure}"),
        ));
    }
    let sync_size = sync_size::expected(&found.member)
        .map_err(|error| refuse(path, format!("no bitmap can be made for it: {error}")))?;
    Ok(Member {
        path: path.to_owned(),
        store,
        superblock: found.member,
        sync_size,
    })
}

fn several(path: &Path, found: &[FoundSuper]) -> String {
    let kinds: Vec<String> = found
        .iter()
        .map(|found| found.member.metadata.to_string())
        .collect();
    format!(
        "{}: holds several md superblocks ({}); the newest, {}, is used",
        path.display(),
        kinds.join(", "),
        kinds.first().map(String::as_str).unwrap_or_default()
    )
}

fn nothing_found(path: &Path, rejected: &[crate::array::RejectedSuper]) -> String {
    if let Some(rejected) = rejected.first() {
        return rejected.to_string();
    }
    match kernel::running_array(path) {
        Ok(Some(array)) => format!(
            "is the running array {}, not a member of one; use --array",
            array.name
        ),
        _ => "holds no md superblock; expected a member of an md array, or an image of one"
            .to_owned(),
    }
}

/// Refuses a member whose recovery goes on by the bitmap that the array has now. With another
/// one, be all its bits set, the kernel takes the rest of the recovery for done: measured on 6.1
/// and 6.12 (tests/vm/scenarios/interrupted-recovery.sh); a bitmap without the array's event
/// count sets bits, but demands no resync of a clean array (reference/kernel.md 3.7, trap 8).
pub(super) fn not_recovering_by_bitmap(member: &Member) -> Result<(), CreateError> {
    let superblock = &member.superblock;
    if superblock.metadata.is_v1() && superblock.features & feature::RECOVERY_BITMAP != 0 {
        return Err(refuse(
            &member.path,
            "is being recovered with the help of the bitmap that the array has now; with a new one the kernel would \
             leave out the rest: let the recovery finish first",
        ));
    }
    Ok(())
}

/// The array that all members describe.
pub(super) fn agreed(members: &[Member]) -> Result<Array, CreateError> {
    let Some((first, others)) = members.split_first() else {
        return Err(refuse(Path::new("--like"), "names no member"));
    };
    for other in others {
        if !first.superblock.same_array(&other.superblock) {
            return Err(refuse(
                &other.path,
                format!(
                    "belongs to array {}, but {} to array {}",
                    other.superblock.uuid_text(),
                    first.path.display(),
                    first.superblock.uuid_text()
                ),
            ));
        }
        if first.sync_size != other.sync_size {
            return Err(refuse(
                &other.path,
                format!(
                    "a bitmap of its array covers {} sectors, but by {} it covers {}",
                    other.sync_size,
                    first.path.display(),
                    first.sync_size
                ),
            ));
        }
    }
    Ok(Array {
        sync_size: first.sync_size,
        uuid: first.superblock.array_uuid,
        uuid_text: first.superblock.uuid_text(),
        running: None,
    })
}
