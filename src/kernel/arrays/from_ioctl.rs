//! An array as the md driver's ioctls show it: enough to find its members with devtmpfs alone.

use super::{ArrayBitmap, ArrayMember, MemberState, RunningArray, sort};
use crate::kernel::ioctl::{self, ArrayInfo, DiskInfo};
use crate::kernel::system::{DeviceNumber, System};
use crate::units::Sectors;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Numbers above this are not asked for: version 1 metadata has room for fewer members.
const MAX_NUMBER: i32 = 2048;

impl System {
    pub(super) fn array_from_ioctl(
        &self,
        number: DeviceNumber,
        path: &Path,
    ) -> io::Result<Option<RunningArray>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(device) => device,
            // A node without a driver behind it.
            Err(rustix::io::Errno::NXIO | rustix::io::Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let info = match ioctl::array_info(device.as_fd()) {
            Ok(info) => info,
            Err(error) if not_an_array(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Set up but not started, it has no length yet.
        let bytes = std::io::Seek::seek(
            &mut std::fs::File::from(device.try_clone()?),
            io::SeekFrom::End(0),
        )?;
        if bytes == 0 {
            return Ok(None);
        }
        let disks = collect_disks(info.nr_disks, |number| {
            ioctl::disk_info(device.as_fd(), number)
        })?;
        let mut members: Vec<_> = disks.iter().map(|disk| self.member_of(disk)).collect();
        sort(&mut members);
        let file = ioctl::bitmap_file(device.as_fd());
        Ok(Some(RunningArray {
            name: name_of(path, number),
            number,
            level: level_name(info.level),
            state: None,
            metadata: Some(metadata_of(&info)),
            layout: Some(info.layout.into()),
            chunk_bytes: u64::try_from(info.chunk_size).ok(),
            raid_disks: u32::try_from(info.raid_disks).ok(),
            // In KiB; -1 when it does not fit.
            component_size: u64::try_from(info.size)
                .ok()
                .and_then(|kib| kib.checked_mul(2))
                .map(Sectors),
            array_size: Some(Sectors(bytes / 512)),
            uuid: None,
            consistency_policy: None,
            bitmap: bitmap_of(&info, file),
            members,
            unchecked: Vec::new(),
        }))
    }

    fn member_of(&self, disk: &DiskInfo) -> ArrayMember {
        let number = DeviceNumber {
            major: disk.major.cast_unsigned(),
            minor: disk.minor.cast_unsigned(),
        };
        let bit = |bit: u32| disk.state >> bit & 1 != 0;
        ArrayMember {
            number,
            path: self.device_path(number),
            slot: u32::try_from(disk.raid_disk).ok().filter(|_| !bit(18)),
            state: MemberState {
                faulty: bit(0),
                in_sync: bit(2),
                write_mostly: bit(9),
                spare: !bit(0) && !bit(2) && !bit(18),
                journal: bit(18),
                // The ioctl does not tell replacements.
                replacement: false,
            },
            data_offset: None,
        }
    }
}

fn not_an_array(error: &io::Error) -> bool {
    use nix::libc::{EINVAL, ENODEV, ENOTTY};
    matches!(error.raw_os_error(), Some(ENODEV | ENOTTY | EINVAL))
}

/// Asks number by number until all members are found.
fn collect_disks(
    wanted: i32,
    ask: impl Fn(i32) -> io::Result<DiskInfo>,
) -> io::Result<Vec<DiskInfo>> {
    let wanted = usize::try_from(wanted).unwrap_or(0);
    let mut disks = Vec::new();
    for number in 0..MAX_NUMBER {
        if disks.len() >= wanted {
            break;
        }
        let disk = ask(number)?;
        // Zeros: nobody has this number.
        if (disk.major, disk.minor) != (0, 0) {
            disks.push(disk);
        }
    }
    Ok(disks)
}

fn name_of(path: &Path, number: DeviceNumber) -> String {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match target.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => format!("md{}", number.minor),
    }
}

fn level_name(level: i32) -> Option<String> {
    match level {
        -1 => Some("linear".to_owned()),
        -4 => Some("multipath".to_owned()),
        -5 => Some("faulty".to_owned()),
        0..=10 => Some(format!("raid{level}")),
        _ => None,
    }
}

fn metadata_of(info: &ArrayInfo) -> String {
    if info.not_persistent != 0 {
        return "none".to_owned();
    }
    match (info.major_version, info.minor_version) {
        (0, _) => "0.90".to_owned(),
        (major, minor) => format!("{major}.{minor}"),
    }
}

fn bitmap_of(info: &ArrayInfo, file: io::Result<Option<Vec<u8>>>) -> Option<ArrayBitmap> {
    match file {
        Ok(Some(path)) => Some(ArrayBitmap::File {
            path: Some(PathBuf::from(std::ffi::OsString::from_vec(path))),
        }),
        _ if info.has_bitmap() => Some(ArrayBitmap::Internal {
            offset: None,
            lockless: None,
        }),
        Ok(None) => Some(ArrayBitmap::None),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(number: i32, major: i32, minor: i32) -> DiskInfo {
        DiskInfo {
            number,
            major,
            minor,
            raid_disk: number,
            state: 6,
        }
    }

    #[test]
    fn numbers_with_gaps_are_all_found_and_the_search_ends() {
        let found = collect_disks(2, |n| Ok(disk(n, if n % 3 == 1 { 8 } else { 0 }, 0))).unwrap();
        let numbers: Vec<_> = found.iter().map(|d| d.number).collect();
        assert_eq!(numbers, [1, 4]);
        assert_eq!(collect_disks(i32::MAX, |n| Ok(disk(n, 0, 0))).unwrap(), []);
        assert_eq!(collect_disks(-1, |n| Ok(disk(n, 8, 0))).unwrap(), []);
        assert!(collect_disks(1, |_| Err(io::Error::from_raw_os_error(19))).is_err());
    }

    #[test]
    fn states_and_levels_in_words() {
        let system = System::default();
        let mut journal = disk(3, 4095, 1);
        journal.state = 1 << 18;
        let member = system.member_of(&journal);
        assert!(member.state.journal && !member.state.spare);
        assert_eq!((member.slot, member.path.as_deref()), (None, None));
        assert_eq!(member.name(), "block device 4095:1");
        let mut spare = disk(2, 4095, 2);
        (spare.state, spare.raid_disk) = (0, -1);
        let spare = system.member_of(&spare);
        assert!(spare.state.spare);
        assert_eq!(spare.slot, None);
        let mut failed = disk(2, 4095, 2);
        failed.state = 1;
        assert!(system.member_of(&failed).state.faulty);
        assert!(system.member_of(&disk(0, 4095, 3)).state.in_sync);
        assert_eq!(level_name(10).as_deref(), Some("raid10"));
        assert_eq!(level_name(-1).as_deref(), Some("linear"));
        assert_eq!(level_name(-1_000_000), None);
    }

    #[test]
    fn bitmaps_as_the_ioctls_tell_them() {
        let with = ArrayInfo {
            state: 1 << 8 | 1,
            ..ArrayInfo::default()
        };
        let without = ArrayInfo::default();
        assert!(with.is_clean() && !without.is_clean());
        let denied = || Err(io::Error::from_raw_os_error(13));
        let internal = Some(ArrayBitmap::Internal {
            offset: None,
            lockless: None,
        });
        assert_eq!(bitmap_of(&with, Ok(None)), internal);
        assert_eq!(bitmap_of(&with, denied()), internal);
        assert_eq!(bitmap_of(&without, Ok(None)), Some(ArrayBitmap::None));
        assert_eq!(bitmap_of(&without, denied()), None);
        let file = bitmap_of(&without, Ok(Some(b"/b".to_vec())));
        let path = Some(PathBuf::from("/b"));
        assert_eq!(file, Some(ArrayBitmap::File { path }));
    }
}
