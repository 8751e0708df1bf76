//! `--array`: a running array, from the kernel and from the superblocks of its members.

use super::members::{self, Member};
use super::{Array, refuse};
use crate::commands::create::{CreateError, Note};
use crate::format::uuid_text;
use crate::kernel::arrays::{ArrayBitmap, ArrayMember};
use crate::kernel::{RunningArray, running_array};
use crate::units::Sectors;
use std::path::Path;

/// What a bitmap of the running array at `path` covers.
pub(super) fn array(path: &Path, notes: &mut Vec<Note>) -> Result<Array, CreateError> {
    let running = running_array(path)
        .map_err(|error| refuse(path, error.to_string()))?
        .ok_or_else(|| {
            refuse(
                path,
                "is no running md array; for an array that is stopped use --like=MEMBER",
            )
        })?;
    if matches!(
        running.bitmap,
        Some(ArrayBitmap::Internal { .. } | ArrayBitmap::File { .. })
    ) {
        notes.push(Note::Source(format!(
            "{}: has a bitmap already; the kernel attaches a file only when that is removed",
            path.display()
        )));
    }
    let metadata = running.metadata.as_deref().unwrap_or_default();
    let array = match metadata {
        "none" | "non-persistent" => without_superblocks(path, &running),
        _ if metadata.starts_with("external") => Err(refuse(
            path,
            format!(
                "has {metadata} metadata, which is not md's own; no bitmap file can be made for it"
            ),
        )),
        _ => by_members(path, &running, notes),
    }?;
    Ok(Array {
        running: Some((path.display().to_string(), running.number)),
        ..array
    })
}

/// The kernel alone is asked: an array of `mdadm --build` has no superblock, hence no UUID.
fn without_superblocks(path: &Path, running: &RunningArray) -> Result<Array, CreateError> {
    let sync_size = kernel_size(running).ok_or_else(|| {
        refuse(
            path,
            "the kernel does not say how many sectors a bitmap would cover",
        )
    })?;
    Ok(Array {
        sync_size,
        uuid: [0; 16],
        uuid_text: uuid_text::in_byte_order(&[0; 16]),
        running: None,
    })
}

/// Sectors that the kernel's own bitmap would cover (reference/kernel.md 9.1); `None` when it
/// does not say, or the level has no bitmap.
fn kernel_size(running: &RunningArray) -> Option<Sectors> {
    let component = || running.component_size.filter(|size| size.0 > 0);
    match running.level.as_deref()? {
        "raid1" => component(),
        "raid10" => running.array_size,
        "raid4" | "raid5" | "raid6" => {
            let chunk = running.chunk_bytes? / 512;
            let component = component()?;
            Some(Sectors(component.0.checked_div(chunk)? * chunk))
        }
        _ => None,
    }
}

/// The superblocks of the members in sync, which must agree with each other and with the kernel.
fn by_members(
    path: &Path,
    running: &RunningArray,
    notes: &mut Vec<Note>,
) -> Result<Array, CreateError> {
    let mut read = Vec::new();
    let mut failed = None;
    let in_sync = |member: &&ArrayMember| member.state.in_sync && !member.state.faulty;
    for member in running.members.iter().filter(in_sync) {
        match read_member(path, member, notes) {
            Ok(member) => read.push(member),
            Err(error) => {
                notes.push(Note::Source(format!("passed over: {error}")));
                failed.get_or_insert(error);
            }
        }
    }
    let recovering = |member: &&ArrayMember| !member.state.in_sync && member.slot.is_some();
    for member in running.members.iter().filter(recovering) {
        if let Ok(member) = read_member(path, member, notes) {
            members::not_recovering_by_bitmap(&member)?;
        }
    }
    if read.is_empty() {
        return Err(
            failed.unwrap_or_else(|| refuse(path, "none of its members can be found and read"))
        );
    }
    let array = members::agreed(&read)?;
    match kernel_size(running) {
        // The kernel counts in KiB.
        Some(size) if size.0 / 2 != array.sync_size.0 / 2 => Err(refuse(
            path,
            format!(
                "the kernel says that a bitmap covers {size} sectors, the superblocks of the members say {}",
                array.sync_size
            ),
        )),
        _ => Ok(array),
    }
}

fn read_member(
    array: &Path,
    member: &ArrayMember,
    notes: &mut Vec<Note>,
) -> Result<Member, CreateError> {
    let path = member.path.as_deref().ok_or_else(|| {
        refuse(
            array,
            format!("its member {} has no node under /dev", member.name()),
        )
    })?;
    members::read(path, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::md_v1::{Builder, Minor, feature};
    use crate::kernel::DeviceNumber;
    use crate::kernel::arrays::MemberState;

    fn running(level: &str, component: u64, array: u64, chunk: u64) -> RunningArray {
        RunningArray {
            name: "md0".to_owned(),
            number: DeviceNumber { major: 9, minor: 0 },
            level: Some(level.to_owned()),
            state: None,
            metadata: Some("none".to_owned()),
            layout: None,
            chunk_bytes: Some(chunk),
            raid_disks: None,
            component_size: Some(Sectors(component)),
            array_size: Some(Sectors(array)),
            uuid: None,
            consistency_policy: None,
            bitmap: None,
            members: Vec::new(),
            unchecked: Vec::new(),
        }
    }

    #[test]
    fn what_a_bitmap_covers_by_level() {
        for (level, chunk, want) in [
            ("raid1", 0, Some(1000)),
            ("raid5", 65536, Some(896)),
            ("raid6", 65536, Some(896)),
            ("raid10", 65536, Some(2000)),
            ("raid5", 0, None),
            ("raid0", 65536, None),
            ("linear", 0, None),
        ] {
            assert_eq!(
                kernel_size(&running(level, 1000, 2000, chunk)),
                want.map(Sectors),
                "{level}"
            );
        }
    }

    #[test]
    fn an_array_without_superblocks_has_no_uuid() {
        let array = without_superblocks(Path::new("/dev/md0"), &running("raid1", 1000, 1000, 0));
        let array = array.unwrap();
        assert_eq!((array.sync_size, array.uuid), (Sectors(1000), [0; 16]));
        let raid0 = without_superblocks(Path::new("/dev/md0"), &running("raid0", 1000, 1000, 0));
        assert!(raid0.is_err());
    }

    /// A member whose device is an image file.
    fn member(folder: &Path, slot: u32, uuid: u8, in_sync: bool) -> ArrayMember {
        let builder = Builder {
            set_uuid: [uuid; 16],
            bitmap_offset: None,
            dev_number: slot,
            ..Builder::mirror(Minor::V1, Sectors(40000))
        };
        let path = folder.join(slot.to_string());
        let mut bytes = builder.build().to_bytes();
        bytes.resize(40000 * 512, 0);
        std::fs::write(&path, bytes).unwrap();
        ArrayMember {
            number: DeviceNumber {
                major: 7,
                minor: slot,
            },
            path: Some(path),
            slot: Some(slot),
            state: MemberState {
                in_sync,
                ..MemberState::default()
            },
            data_offset: None,
        }
    }

    fn ask(running: &RunningArray) -> Result<Array, String> {
        let found = by_members(Path::new("/dev/md0"), running, &mut Vec::new());
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn members_in_sync_give_uuid_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let mut array = running("raid1", 37888, 37888, 0);
        array.members = vec![
            member(folder.path(), 0, 7, true),
            // Not in sync: of another array, were it asked.
            member(folder.path(), 1, 8, false),
        ];
        let found = ask(&array).unwrap();
        assert_eq!((found.sync_size, found.uuid), (Sectors(37888), [7; 16]));
        // Without sysfs the kernel may not say a size.
        array.component_size = None;
        assert!(ask(&array).is_ok());
    }

    #[test]
    fn a_recovery_by_bitmap_has_to_finish_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut array = running("raid1", 37888, 37888, 0);
        array.members = vec![
            member(folder.path(), 0, 7, true),
            member(folder.path(), 1, 7, false),
        ];
        assert!(ask(&array).is_ok());
        let path = array.members[1].path.clone().unwrap();
        let superblock = Builder {
            set_uuid: [7; 16],
            bitmap_offset: None,
            dev_number: 1,
            features: feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP,
            ..Builder::mirror(Minor::V1, Sectors(40000))
        };
        let mut bytes = superblock.build().to_bytes();
        bytes.resize(40000 * 512, 0);
        std::fs::write(path, bytes).unwrap();
        let error = ask(&array).err().unwrap();
        assert!(error.contains("let the recovery finish first"), "{error}");
    }

    #[test]
    fn disagreement_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let mut array = running("raid1", 37760, 37760, 0);
        array.members = vec![member(folder.path(), 0, 7, true)];
        let error = ask(&array).err().unwrap();
        assert!(
            error.contains("covers 37760 sectors, the superblocks of the members say 37888"),
            "{error}"
        );
        array.component_size = Some(Sectors(37888));
        array.members.push(member(folder.path(), 1, 8, true));
        let error = ask(&array).err().unwrap();
        assert!(error.contains("belongs to array 08080808:"), "{error}");
    }

    #[test]
    fn members_that_cannot_be_read_are_named() {
        let mut array = running("raid1", 37888, 37888, 0);
        let error = ask(&array).err().unwrap();
        assert!(error.contains("none of its members"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let mut lost = member(folder.path(), 0, 7, true);
        lost.path = None;
        array.members = vec![lost];
        let error = ask(&array).err().unwrap();
        assert!(
            error.contains("its member block device 7:0 has no node"),
            "{error}"
        );
        array.members.push(member(folder.path(), 1, 7, true));
        assert!(ask(&array).is_ok());
    }

    #[test]
    fn what_is_no_running_array_is_refused() {
        let error = array(Path::new("/dev/null"), &mut Vec::new())
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("is no running md array"),
            "{error}"
        );
        assert!(array(Path::new("/nowhere"), &mut Vec::new()).is_err());
    }
}
