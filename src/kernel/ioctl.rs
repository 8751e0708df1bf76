//! The md driver's own questions, which need neither /sys nor /proc (reference/kernel.md 5.1).

use nix::libc::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The major number of md devices, and the type byte of md's ioctls.
pub const MD_MAJOR: u32 = 9;

/// `mdu_version_t`: the driver's interface version (0.90.3 since version 4 bitmaps).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DriverVersion {
    /// Offset 0.
    pub major: c_int,
    /// Offset 4.
    pub minor: c_int,
    /// Offset 8.
    pub patchlevel: c_int,
}

/// `mdu_array_info_t`: 18 ints in this order, 72 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrayInfo {
    /// Offset 0: metadata version, `0` or `1`.
    pub major_version: c_int,
    /// Offset 4: metadata minor version, `90`, `0`, `1`, `2`.
    pub minor_version: c_int,
    /// Offset 8.
    pub patch_version: c_int,
    /// Offset 12: creation time.
    pub ctime: c_int,
    /// Offset 16: RAID level, negative for linear and the like.
    pub level: c_int,
    /// Offset 20: KiB that each member contributes; -1 when it does not fit.
    pub size: c_int,
    /// Offset 24: members of any kind.
    pub nr_disks: c_int,
    /// Offset 28: slots.
    pub raid_disks: c_int,
    /// Offset 32: minor number.
    pub md_minor: c_int,
    /// Offset 36.
    pub not_persistent: c_int,
    /// Offset 40: time of the last update.
    pub utime: c_int,
    /// Offset 44: see [`ArrayInfo::has_bitmap`].
    pub state: c_int,
    /// Offset 48: members that work or could.
    pub active_disks: c_int,
    /// Offset 52.
    pub working_disks: c_int,
    /// Offset 56.
    pub failed_disks: c_int,
    /// Offset 60.
    pub spare_disks: c_int,
    /// Offset 64.
    pub layout: c_int,
    /// Offset 68: bytes of a RAID chunk.
    pub chunk_size: c_int,
}

impl ArrayInfo {
    /// State bit 0: no write is in flight.
    pub fn is_clean(&self) -> bool {
        self.state & 1 != 0
    }

    /// State bit 8: there is an internal bitmap (a bitmap file does not show here).
    pub fn has_bitmap(&self) -> bool {
        self.state & (1 << 8) != 0
    }
}

/// `mdu_disk_info_t`: 5 ints, 20 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskInfo {
    /// Offset 0: its number; also says which disk is asked for.
    pub number: c_int,
    /// Offset 4: major number of the device, 0 when there is none.
    pub major: c_int,
    /// Offset 8: minor number of the device.
    pub minor: c_int,
    /// Offset 12: slot, -1 for none.
    pub raid_disk: c_int,
    /// Offset 16: bits 0 faulty, 1 active, 2 in sync, 3 removed, 9 write-mostly, 10 failfast,
    /// 18 journal.
    pub state: c_int,
}

/// `mdu_bitmap_file_t`: one path of 4096 bytes.
#[repr(C)]
struct BitmapFile {
    pathname: [u8; 4096],
}

nix::ioctl_read!(
    /// RAID_VERSION.
    raid_version, MD_MAJOR, 0x10, DriverVersion
);
nix::ioctl_read!(
    /// GET_ARRAY_INFO.
    get_array_info, MD_MAJOR, 0x11, ArrayInfo
);
nix::ioctl_read!(
    /// GET_DISK_INFO; reads `number` as well, whatever its direction bits say.
    get_disk_info, MD_MAJOR, 0x12, DiskInfo
);
nix::ioctl_read!(
    /// GET_BITMAP_FILE.
    get_bitmap_file, MD_MAJOR, 0x15, BitmapFile
);

/// The version of the md driver's interface.
///
/// # Errors
/// ENOTTY when `device` is no md device.
pub fn driver_version(device: BorrowedFd<'_>) -> io::Result<DriverVersion> {
    let mut version = DriverVersion::default();
    // SAFETY: the kernel writes the 12 bytes of mdu_version_t into a repr(C) structure of that
    // layout, alive through the call; so does the borrowed descriptor live.
    unsafe { raid_version(device.as_raw_fd(), &mut version) }?;
    Ok(version)
}

/// What the driver says about an array.
///
/// # Errors
/// ENODEV when the array is not set up, ENOTTY when `device` is no md device.
pub fn array_info(device: BorrowedFd<'_>) -> io::Result<ArrayInfo> {
    let mut info = ArrayInfo::default();
    // SAFETY: as in `driver_version`; the kernel writes 72 bytes.
    unsafe { get_array_info(device.as_raw_fd(), &mut info) }?;
    Ok(info)
}

/// What the driver says about the member with this number; zeros when there is none.
///
/// # Errors
/// ENODEV when the array is not set up, ENOTTY when `device` is no md device.
pub fn disk_info(device: BorrowedFd<'_>, number: c_int) -> io::Result<DiskInfo> {
    let mut info = DiskInfo {
        number,
        ..DiskInfo::default()
    };
    // SAFETY: as in `driver_version`; the kernel reads `number` and writes 20 bytes.
    unsafe { get_disk_info(device.as_raw_fd(), &mut info) }?;
    Ok(info)
}

/// The path of the array's bitmap file; `None` when its bitmap is internal or there is none.
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN, ENOTTY when `device` is no md device.
pub fn bitmap_file(device: BorrowedFd<'_>) -> io::Result<Option<Vec<u8>>> {
    let mut file = Box::new(BitmapFile {
        pathname: [0; 4096],
    });
    // SAFETY: as in `driver_version`; the kernel writes at most the 4096 bytes of the path.
    unsafe { get_bitmap_file(device.as_raw_fd(), &mut *file) }?;
    let path = file.pathname.split(|byte| *byte == 0).next();
    Ok(path.filter(|path| !path.is_empty()).map(<[u8]>::to_vec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn numbers_and_layouts_are_the_kernels() {
        // reference/kernel.md 5.1.
        let read = |number, len| nix::request_code_read!(MD_MAJOR, number, len) as u32;
        assert_eq!(read(0x10, size_of::<DriverVersion>()), 0x800c_0910);
        assert_eq!(read(0x11, size_of::<ArrayInfo>()), 0x8048_0911);
        assert_eq!(read(0x12, size_of::<DiskInfo>()), 0x8014_0912);
        assert_eq!(read(0x15, size_of::<BitmapFile>()), 0x9000_0915);
        assert_eq!(std::mem::offset_of!(ArrayInfo, state), 44);
        assert_eq!(std::mem::offset_of!(ArrayInfo, layout), 64);
        assert_eq!(std::mem::offset_of!(ArrayInfo, chunk_size), 68);
        assert_eq!(std::mem::offset_of!(DiskInfo, state), 16);
    }

    #[test]
    fn what_is_no_md_device_says_so() {
        let file = File::open("/dev/null").unwrap();
        for error in [
            driver_version(file.as_fd()).unwrap_err(),
            array_info(file.as_fd()).unwrap_err(),
            disk_info(file.as_fd(), 0).unwrap_err(),
            bitmap_file(file.as_fd()).unwrap_err(),
        ] {
            assert_eq!(error.raw_os_error(), Some(nix::libc::ENOTTY));
        }
    }
}
