//! Users of a regular file: loop devices on it, an array whose bitmap it is.

use super::{Holder, Holders, Subject, Unchecked};
use crate::kernel::ioctl;
use crate::kernel::mdstat;
use crate::kernel::system::{DeviceNumber, System, attribute, names, read_text};
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl System {
    pub(super) fn file_holders(&self, subject: Subject, holders: &mut Holders) {
        let path = self.proc.join("mdstat");
        match read_text(&path) {
            Ok(text) => {
                for array in mdstat::parse(&text).arrays {
                    let file = array.bitmap.and_then(|bitmap| bitmap.file);
                    if file.is_some_and(|file| self.is_subject(&file, subject)) {
                        holders.add(Holder::BitmapOf { array: array.name });
                    }
                }
            }
            // A kernel without the md driver has no such file, in a /proc that is there.
            Err(_) if self.proc.join("self/mountinfo").exists() => {}
            Err(_) => self.ask_for_bitmap_files(subject, holders),
        }
    }

    fn ask_for_bitmap_files(&self, subject: Subject, holders: &mut Holders) {
        for (path, number) in self.md_devices() {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let answer = rustix::fs::open(&path, flags, Mode::empty())
                .map_err(std::io::Error::from)
                .and_then(|device| ioctl::bitmap_file(device.as_fd()));
            match answer {
                Ok(Some(file)) => {
                    let file = Path::new(std::ffi::OsStr::from_bytes(&file));
                    if Subject::of(file).ok().flatten() == Some(subject) {
                        let array = self.kernel_name(number);
                        let array = array.unwrap_or_else(|| file_name(&path));
                        holders.add(Holder::BitmapOf { array });
                    }
                }
                // Not set up, or no md device after all.
                Ok(None) => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => {}
                Err(error) => holders.could_not("bitmap files of arrays", &path, &error),
            }
        }
    }

    /// Loop devices with the subject behind them.
    pub(super) fn loops_on(&self, subject: Subject, holders: &mut Holders) {
        let block = self.sys.join("block");
        let Ok(disks) = names(&block) else {
            return self.ask_loops(subject, holders);
        };
        for name in disks.iter().filter(|name| name.starts_with("loop")) {
            let Some(file) = attribute(&block.join(name), "loop/backing_file") else {
                continue;
            };
            if self.is_subject(&file, subject) || self.asked_loop(name, subject) == Some(true) {
                holders.add(Holder::Loop { name: name.clone() });
            }
        }
    }

    /// The path in sysfs is what the file was called when it was attached; the driver itself
    /// knows its inode. `None` when it cannot be asked.
    fn asked_loop(&self, name: &str, subject: Subject) -> Option<bool> {
        backing(&self.dev.join(name))
            .ok()?
            .map(|found| found == subject)
    }

    /// Without sysfs: every loop node.
    fn ask_loops(&self, subject: Subject, holders: &mut Holders) {
        const LOOP_MAJOR: u32 = 7;
        let nodes = self.block_nodes();
        let loops = nodes
            .iter()
            .filter(|(_, number)| number.major == LOOP_MAJOR);
        for (path, _) in loops {
            match backing(path) {
                Ok(Some(found)) if found == subject => holders.add(Holder::Loop {
                    name: path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into(),
                }),
                Ok(_) => {}
                Err(error) => holders.could_not("loop devices", path, &error),
            }
        }
        if nodes.is_empty() {
            holders.unchecked.push(Unchecked {
                what: "loop devices",
                why: format!("no block device under {}", self.dev.display()),
            });
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into()
}

/// `struct loop_info64` of linux/loop.h: 232 bytes, of which the first three numbers matter here.
#[repr(C)]
struct LoopInfo {
    /// Offset 0: `st_dev` of the file.
    device: u64,
    /// Offset 8: `st_ino` of the file.
    inode: u64,
    /// Offset 16: `st_rdev`, when it is a block device.
    rdevice: u64,
    rest: [u64; 26],
}

nix::ioctl_read_bad!(
    /// LOOP_GET_STATUS64: an old number without direction or size.
    loop_get_status64, 0x4c05, LoopInfo
);

/// What stands behind a loop device; `None` when nothing does.
fn backing(node: &Path) -> std::io::Result<Option<Subject>> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open(node, flags, Mode::empty())?;
    let mut info = LoopInfo {
        device: 0,
        inode: 0,
        rdevice: 0,
        rest: [0; 26],
    };
    // SAFETY: the kernel writes the 232 bytes of loop_info64 into a repr(C) structure of that
    // size, alive through the call, as the descriptor is.
    match unsafe { loop_get_status64(device.as_raw_fd(), &mut info) } {
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
        Ok(_) if info.rdevice != 0 => {
            Ok(Some(Subject::Block(DeviceNumber::from_raw(info.rdevice))))
        }
        Ok(_) => Ok(Some(Subject::File {
            device: info.device,
            inode: info.inode,
        })),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<super::LoopInfo>(), 232);
    }
}
