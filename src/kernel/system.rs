//! Where the kernel shows itself: /sys, /proc and /dev, any of which may be missing.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The roots of the three; tests put trees of their own there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Normally `/sys`.
    pub sys: PathBuf,
    /// Normally `/proc`.
    pub proc: PathBuf,
    /// Normally `/dev`.
    pub dev: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            proc: "/proc".into(),
            dev: "/dev".into(),
        }
    }
}

/// Major and minor number of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceNumber {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl From<(u32, u32)> for DeviceNumber {
    fn from((major, minor): (u32, u32)) -> Self {
        Self { major, minor }
    }
}

impl DeviceNumber {
    /// From the system's packed form (`st_rdev`, `st_dev`).
    pub fn from_raw(raw: u64) -> Self {
        Self {
            major: rustix::fs::major(raw),
            minor: rustix::fs::minor(raw),
        }
    }

    /// From the `major:minor` of sysfs and mountinfo.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

/// Something that could not be looked at, so that nobody takes silence for "no".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// What is not known.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not check {}: {}", self.what, self.why)
    }
}

impl Unchecked {
    pub(super) fn new(what: &'static str, path: &Path, error: &io::Error) -> Self {
        let why = format!("{}: {error}", path.display());
        Self { what, why }
    }
}

/// The most that is read of one file of /proc or /sys: more than any of them has.
const MAX_TEXT: u64 = 16 << 20;

/// A file of /proc or /sys as text; bytes that are no UTF-8 become replacement characters.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MAX_TEXT)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The trimmed content of an attribute, or `None` when it is not there.
pub(super) fn attribute(folder: &Path, name: &str) -> Option<String> {
    let text = read_text(&folder.join(name)).ok()?;
    Some(text.trim().to_owned())
}

/// Names in a folder, sorted; an error when there is no such folder.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Undoes the `\ooo` of /proc files.
pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|digits| {
            *first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        if let Some(digits) = digits {
            let value = digits
                .iter()
                .fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            bytes.push(value as u8);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The number of a block device node; `None` for anything else.
pub fn block_number(path: &Path) -> Option<DeviceNumber> {
    let data = fs::metadata(path).ok()?;
    data.file_type()
        .is_block_device()
        .then(|| DeviceNumber::from_raw(data.rdev()))
}

impl System {
    /// The folder of a block device in sysfs.
    pub(super) fn block_folder(&self, number: DeviceNumber) -> PathBuf {
        self.sys.join("dev/block").join(number.to_string())
    }

    /// True for a block device that cannot be written to; `None` where there is no sysfs to say.
    pub fn is_read_only(&self, number: DeviceNumber) -> Option<bool> {
        let text = attribute(&self.block_folder(number), "ro")?;
        Some(text != "0")
    }

    /// A path under which the block device with this number can be opened: under the name that a
    /// device mapper device was given, else the kernel's name, else udev's link by number, else
    /// whatever node under /dev has that number.
    pub fn device_path(&self, number: DeviceNumber) -> Option<PathBuf> {
        let right = |path: &PathBuf| block_number(path) == Some(number);
        let by_udev = || fs::canonicalize(self.dev.join("block").join(number.to_string())).ok();
        let mapper = attribute(&self.block_folder(number), "dm/name")
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(|name| self.dev.join("mapper").join(name));
        let kernels = || self.kernel_name(number).map(|name| self.dev.join(name));
        mapper
            .filter(right)
            .or_else(|| kernels().filter(right))
            .or_else(|| by_udev().filter(right))
            .or_else(|| self.node_with(number))
    }

    /// The kernel's name of a block device below /dev (`sda1`, `mapper/...` never).
    pub fn kernel_name(&self, number: DeviceNumber) -> Option<String> {
        let uevent = attribute(&self.block_folder(number), "uevent")?;
        let name = uevent
            .lines()
            .find_map(|line| line.strip_prefix("DEVNAME="))?;
        // From the kernel; still, it shall stay below /dev.
        (!name.starts_with('/') && !name.split('/').any(|part| part == "..")).then(|| name.into())
    }

    fn node_with(&self, number: DeviceNumber) -> Option<PathBuf> {
        self.block_nodes()
            .into_iter()
            .find_map(|(path, found)| (found == number).then_some(path))
    }

    /// Every block device node under /dev, no symbolic link followed, three folders deep.
    pub fn block_nodes(&self) -> Vec<(PathBuf, DeviceNumber)> {
        let mut nodes = Vec::new();
        let mut folders = vec![(self.dev.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let Ok(data) = entry.metadata() else {
                    continue;
                };
                if data.file_type().is_block_device() {
                    nodes.push((entry.path(), DeviceNumber::from_raw(data.rdev())));
                } else if data.is_dir() && depth < 3 {
                    folders.push((entry.path(), depth + 1));
                }
            }
        }
        nodes.sort();
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_and_show_alike() {
        let number = DeviceNumber::parse("259:1048575\n").unwrap();
        assert_eq!((number.major, number.minor), (259, 1_048_575));
        assert_eq!(number.to_string(), "259:1048575");
        for bad in ["", "8", "8:", ":1", "8:x", "-1:0", "8:1:2"] {
            assert_eq!(DeviceNumber::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn escapes_of_proc_files() {
        assert_eq!(unescape(r"/mnt/my\040disk\011\134x"), "/mnt/my disk\t\\x");
        assert_eq!(unescape(r"\04 \8 \"), r"\04 \8 \");
    }

    #[test]
    fn a_device_is_found_under_its_name_without_sysfs_and_udev_too() {
        let real = System::default();
        let nodes = real.block_nodes();
        let Some((_, number)) = nodes.first() else {
            crate::device::testing::skipped(format_args!("no block device under /dev"));
            return;
        };
        let path = real.device_path(*number).unwrap();
        assert_eq!(block_number(&path), Some(*number));
        let bare = System {
            sys: "/nowhere".into(),
            proc: "/nowhere".into(),
            dev: "/dev".into(),
        };
        let path = bare.device_path(*number).unwrap();
        assert_eq!(block_number(&path), Some(*number));
        let none = DeviceNumber::from((4095, 77));
        assert_eq!(real.device_path(none), None);
    }

    proptest! {
        #[test]
        fn unescaping_never_fails(text in ".*") {
            let _ = unescape(&text);
        }
    }
}
