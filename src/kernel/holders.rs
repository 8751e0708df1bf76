//! Who uses a device or file: mounts, swap, arrays, device mapper, loop devices.
//!
//! O_EXCL says that a device is in use, not by whom; and an image is in use when a loop device
//! stands on it, which no flag of `open` tells (design.md W15).

mod blocks;
mod files;
#[cfg(test)]
mod tests;

use super::system::{DeviceNumber, System, Unchecked, read_text, unescape};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One user of a device or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A mounted file system.
    Mounted {
        /// Where.
        at: String,
    },
    /// Swap space in use.
    Swap,
    /// A running or assembled md array.
    Array {
        /// `md0`, ...
        name: String,
    },
    /// The bitmap of a running array (a file).
    BitmapOf {
        /// `md0`, ...
        array: String,
    },
    /// A device mapper device: LVM, LUKS, multipath, ...
    DeviceMapper {
        /// `dm-0`, ...
        name: String,
        /// The name it was given.
        label: Option<String>,
    },
    /// A loop device with this file (or device) behind it.
    Loop {
        /// `loop0`, ...
        name: String,
    },
    /// Another driver of the kernel, by the name of its device (`bcache0`).
    Other {
        /// The name.
        name: String,
    },
    /// A partition of this disk, or the disk that this is a partition of, is in use.
    Related {
        /// The kernel's name of the other device.
        device: String,
        /// Who uses that.
        holder: Box<Holder>,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { at } => write!(f, "a file system mounted at {at}"),
            Self::Swap => f.write_str("the system as swap space"),
            Self::Array { name } => write!(f, "md array {name}"),
            Self::BitmapOf { array } => write!(f, "md array {array} as its bitmap"),
            Self::DeviceMapper { name, label } => match label {
                Some(label) => write!(f, "device mapper device {label} ({name})"),
                None => write!(f, "device mapper device {name}"),
            },
            Self::Loop { name } => write!(f, "loop device {name}"),
            Self::Other { name } => write!(f, "kernel device {name}"),
            Self::Related { device, holder } => write!(f, "{holder} (through {device})"),
        }
    }
}

/// All that was found, and what could not be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// Users.
    pub found: Vec<Holder>,
    /// What is not known.
    pub unchecked: Vec<Unchecked>,
}

impl Holders {
    /// The users in one phrase, for "is in use by ..."; `None` when there are none.
    pub fn describe(&self) -> Option<String> {
        let all: Vec<String> = self.found.iter().map(Holder::to_string).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    fn add(&mut self, holder: Holder) {
        if !self.found.contains(&holder) {
            self.found.push(holder);
        }
    }

    fn could_not(&mut self, what: &'static str, path: &Path, error: &io::Error) {
        self.unchecked.push(Unchecked::new(what, path, error));
    }
}

/// What is asked about, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A block device.
    Block(DeviceNumber),
    /// A regular file, by `st_dev` and `st_ino`.
    File {
        /// Its file system.
        device: u64,
        /// Its inode.
        inode: u64,
    },
}

impl Subject {
    /// What `path` is, symbolic links followed; `None` for what is neither.
    ///
    /// # Errors
    /// What `stat` says.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let data = fs::metadata(path)?;
        Ok(if data.file_type().is_block_device() {
            Some(Self::Block(DeviceNumber::from_raw(data.rdev())))
        } else if data.is_file() {
            Some(Self::File {
                device: data.dev(),
                inode: data.ino(),
            })
        } else {
            None
        })
    }
}

/// Who uses the block device or regular file at `path`.
///
/// # Errors
/// What `stat` says about the path. Missing /proc or /sys is no error: see [`Holders::unchecked`].
pub fn holders(path: &Path) -> io::Result<Holders> {
    let system = System::default();
    Ok(match Subject::of(path)? {
        Some(subject) => system.holders(subject),
        None => Holders::default(),
    })
}

impl System {
    /// Who uses a block device or regular file.
    pub fn holders(&self, subject: Subject) -> Holders {
        let mut holders = Holders::default();
        match subject {
            Subject::Block(number) => self.block_holders(number, &mut holders),
            Subject::File { .. } => self.file_holders(subject, &mut holders),
        }
        self.swap_use(subject, &mut holders);
        self.loops_on(subject, &mut holders);
        holders
    }

    fn swap_use(&self, subject: Subject, holders: &mut Holders) {
        let path = self.proc.join("swaps");
        match read_text(&path) {
            // Without swap in the kernel there is no such file in a /proc that is there.
            Err(_) if self.proc.join("self/mountinfo").exists() => {}
            Err(error) => holders.could_not("swap space", &path, &error),
            Ok(text) => {
                for line in text.lines().skip(1) {
                    let Some(name) = line.split_whitespace().next() else {
                        continue;
                    };
                    if self.is_subject(&unescape(name), subject) {
                        holders.add(Holder::Swap);
                    }
                }
            }
        }
    }

    /// Whether a path that the kernel printed means the subject.
    fn is_subject(&self, path: &str, subject: Subject) -> bool {
        let path = PathBuf::from(path);
        if let Ok(Some(found)) = Subject::of(&path) {
            return found == subject;
        }
        // The node may have another name here, or none: the kernel's own name is in sysfs.
        let Subject::Block(number) = subject else {
            return false;
        };
        let below_dev = path.strip_prefix("/dev").ok();
        below_dev.is_some_and(|name| self.kernel_name(number).as_deref() == name.to_str())
    }
}
