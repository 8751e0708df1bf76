//! Running md arrays: is this path one, what is it, and which devices are its members.

mod from_ioctl;
mod from_sysfs;
#[cfg(test)]
mod tests;

use super::ioctl::MD_MAJOR;
use super::system::{DeviceNumber, System, Unchecked, attribute, block_number, names, read_text};
use crate::units::Sectors;
use std::io;
use std::path::{Path, PathBuf};

/// A running array, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningArray {
    /// The kernel's name: `md0`, `md127`, ...
    pub name: String,
    /// Its device number.
    pub number: DeviceNumber,
    /// `raid1`, `raid5`, ...
    pub level: Option<String>,
    /// `clean`, `active`, `readonly`, ... (sysfs `array_state`).
    pub state: Option<String>,
    /// `1.2`, `0.90`, `external:...`, `none`.
    pub metadata: Option<String>,
    /// The level's layout number.
    pub layout: Option<i64>,
    /// Bytes of a RAID chunk; 0 on levels without.
    pub chunk_bytes: Option<u64>,
    /// Slots.
    pub raid_disks: Option<u32>,
    /// What each member contributes.
    pub component_size: Option<Sectors>,
    /// Length of the array.
    pub array_size: Option<Sectors>,
    /// UUID in plain byte order (kernels that tell; otherwise a member's superblock has it).
    pub uuid: Option<[u8; 16]>,
    /// `resync`, `bitmap`, `ppl`, `journal`, `none`.
    pub consistency_policy: Option<String>,
    /// Its bitmap; `None` when the kernel could not be asked.
    pub bitmap: Option<ArrayBitmap>,
    /// Members of any kind, in the order of their slots, those without a slot last.
    pub members: Vec<ArrayMember>,
    /// What could not be found out.
    pub unchecked: Vec<Unchecked>,
}

/// Where an array's bitmap is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrayBitmap {
    /// There is none.
    None,
    /// On the members, so many sectors from their superblock (where the kernel says how many).
    Internal {
        /// Sectors after the superblock, negative before it.
        offset: Option<i64>,
        /// It is one byte a chunk (version 6); `None` where only the ioctls could be asked.
        lockless: Option<bool>,
    },
    /// In a file.
    File {
        /// Its path, where the kernel tells it.
        path: Option<PathBuf>,
    },
}

/// A member of a running array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayMember {
    /// Its device number.
    pub number: DeviceNumber,
    /// A node to open it by; `None` when there is none under /dev.
    pub path: Option<PathBuf>,
    /// Its slot; spares and failed members have none.
    pub slot: Option<u32>,
    /// What it is.
    pub state: MemberState,
    /// Where its data starts, from the start of the device.
    pub data_offset: Option<Sectors>,
}

/// What a member is, in the kernel's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberState {
    /// Failed.
    pub faulty: bool,
    /// Holds current data.
    pub in_sync: bool,
    /// Read only if there is no other.
    pub write_mostly: bool,
    /// Waiting to be used, or being recovered.
    pub spare: bool,
    /// The journal of a parity array.
    pub journal: bool,
    /// Being filled to replace a member that still works.
    pub replacement: bool,
}

impl ArrayMember {
    /// The path, or its numbers where no node has them.
    pub fn name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => format!("block device {}", self.number),
        }
    }
}

/// Why a path could not be asked about.
#[derive(Debug, thiserror::Error)]
pub enum ArraysError {
    /// The path does not exist or may not be looked at.
    #[error("{path}: {source}")]
    Look {
        /// The path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The md device could not be asked.
    #[error("{path}: cannot ask the md driver about this array: {source}")]
    Ask {
        /// The path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The running array at `path`, or `None` when it is anything else: a file, another block device,
/// a partition of an array, an md device that is not running.
///
/// Whether it bears an md superblock itself (and so is a member as well) is for the caller to see.
///
/// # Errors
/// See [`ArraysError`].
pub fn running_array(path: &Path) -> Result<Option<RunningArray>, ArraysError> {
    System::default().running_array(path)
}

impl System {
    /// [`running_array`] on this system.
    ///
    /// # Errors
    /// See [`ArraysError`].
    pub fn running_array(&self, path: &Path) -> Result<Option<RunningArray>, ArraysError> {
        if let Err(source) = std::fs::metadata(path) {
            return Err(ArraysError::Look {
                path: path.display().to_string(),
                source,
            });
        }
        match block_number(path) {
            Some(number) => self.array_with_number(number, path),
            None => Ok(None),
        }
    }

    /// The running array with this number; `path` is a node for it, opened when there is no sysfs.
    ///
    /// # Errors
    /// See [`ArraysError`].
    pub fn array_with_number(
        &self,
        number: DeviceNumber,
        path: &Path,
    ) -> Result<Option<RunningArray>, ArraysError> {
        let folder = self.block_folder(number);
        if folder.join("md/array_state").exists() {
            return Ok(self.array_from_sysfs(number, &folder));
        }
        // With sysfs, a device without that folder is no array (or one without a driver).
        if folder.exists() || !self.is_md_major(number.major) {
            return Ok(None);
        }
        self.array_from_ioctl(number, path)
            .map_err(|source| ArraysError::Ask {
                path: path.display().to_string(),
                source,
            })
    }

    /// Major 9, or the major that the driver was given for partitionable arrays (`mdp`).
    fn is_md_major(&self, major: u32) -> bool {
        let listed = || {
            let text = read_text(&self.proc.join("devices")).ok()?;
            let blocks = text.split_once("Block devices:")?.1;
            let line = blocks
                .lines()
                .find_map(|line| line.trim().strip_suffix(" mdp"));
            line?.trim().parse().ok()
        };
        major == MD_MAJOR || listed() == Some(major)
    }

    /// False for block devices whose mere opening does something: floppy drives spin up and wait for a disk that is not
    /// there, and the node of an array that does not run sets one up.
    pub fn opens_harmlessly(&self, number: DeviceNumber, path: &Path) -> bool {
        const FLOPPY_MAJOR: u32 = 2;
        match number.major {
            FLOPPY_MAJOR => false,
            MD_MAJOR => matches!(self.array_with_number(number, path), Ok(Some(_))),
            _ => true,
        }
    }

    /// Nodes of all md devices that there are, running or not, with their numbers.
    pub fn md_devices(&self) -> Vec<(PathBuf, DeviceNumber)> {
        let block = self.sys.join("block");
        let Ok(disks) = names(&block) else {
            let mut nodes = self.block_nodes();
            nodes.retain(|(_, number)| self.is_md_major(number.major));
            return nodes;
        };
        disks
            .iter()
            .map(|disk| block.join(disk))
            .filter(|folder| folder.join("md/array_state").exists())
            .filter_map(|folder| DeviceNumber::parse(&attribute(&folder, "dev")?))
            .map(|number| {
                let path = self.device_path(number);
                (
                    path.unwrap_or_else(|| self.dev.join(format!("md{}", number.minor))),
                    number,
                )
            })
            .collect()
    }
}

/// In slot order, spares and the like last.
fn sort(members: &mut [ArrayMember]) {
    members.sort_by_key(|member| (member.slot.is_none(), member.slot, member.number));
}
