//! Users of a block device: mounts, arrays, device mapper, its partitions and its disk.

use super::{Holder, Holders, Subject};
use crate::kernel::system::{DeviceNumber, System, attribute, names, read_text, unescape};
use std::fs;
use std::io;
use std::path::Path;

impl System {
    pub(super) fn block_holders(&self, number: DeviceNumber, holders: &mut Holders) {
        self.mounts_of(number, holders);
        let folder = self.block_folder(number);
        // The real folder: its parent is the disk, and below it are the partitions.
        let folder = match fs::canonicalize(&folder) {
            Ok(real) => real,
            Err(error) => {
                holders.could_not("device mapper and other drivers", &folder, &error);
                self.arrays_without_sysfs(number, holders);
                return;
            }
        };
        self.drivers_on(&folder, holders);
        for part in self.related(&folder) {
            let Some(related) = attribute(&part, "dev")
                .as_deref()
                .and_then(DeviceNumber::parse)
            else {
                continue;
            };
            let mut theirs = Holders::default();
            self.mounts_of(related, &mut theirs);
            self.drivers_on(&part, &mut theirs);
            self.swap_use(Subject::Block(related), &mut theirs);
            let name = part.file_name().unwrap_or_default();
            for holder in theirs.found {
                holders.add(Holder::Related {
                    device: name.to_string_lossy().into_owned(),
                    holder: Box::new(holder),
                });
            }
        }
    }

    /// The partitions of a disk, or the disk of a partition.
    fn related(&self, folder: &Path) -> Vec<std::path::PathBuf> {
        if folder.join("partition").exists() {
            return folder.parent().map(Path::to_owned).into_iter().collect();
        }
        let entries = names(folder).unwrap_or_default();
        let paths = entries.iter().map(|name| folder.join(name));
        paths
            .filter(|path| path.join("partition").exists())
            .collect()
    }

    fn mounts_of(&self, number: DeviceNumber, holders: &mut Holders) {
        let path = self.proc.join("self/mountinfo");
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) => return holders.could_not("mounted file systems", &path, &error),
        };
        for mount in text.lines().filter_map(Mount::parse) {
            // A file system of several devices (btrfs) has a number of its own; its source is
            // one of them.
            let anonymous = mount.number.is_some_and(|number| number.major == 0);
            if mount.number == Some(number)
                || (anonymous
                    && mount.source.starts_with('/')
                    && self.is_subject(&mount.source, Subject::Block(number)))
            {
                holders.add(Holder::Mounted { at: mount.at });
            }
        }
    }

    /// What sysfs lists as standing on a device.
    fn drivers_on(&self, folder: &Path, holders: &mut Holders) {
        let list = folder.join("holders");
        let entries = match names(&list) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.exists() => return,
            Err(error) => return holders.could_not("drivers on the device", &list, &error),
        };
        for name in entries {
            let theirs = list.join(&name);
            holders.add(if theirs.join("md").exists() || is_numbered(&name, "md") {
                Holder::Array { name }
            } else if theirs.join("dm").exists() || is_numbered(&name, "dm-") {
                let label = attribute(&theirs, "dm/name").filter(|label| !label.is_empty());
                Holder::DeviceMapper { name, label }
            } else {
                Holder::Other { name }
            });
        }
    }

    /// Asks every md device for its members.
    fn arrays_without_sysfs(&self, number: DeviceNumber, holders: &mut Holders) {
        for (path, array) in self.md_devices() {
            match self.array_with_number(array, &path) {
                Ok(Some(array)) if array.members.iter().any(|m| m.number == number) => {
                    holders.add(Holder::Array { name: array.name });
                }
                Ok(_) => {}
                Err(error) => holders.unchecked.push(super::Unchecked {
                    what: "md arrays",
                    why: error.to_string(),
                }),
            }
        }
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The fields of a line of mountinfo that matter here.
struct Mount {
    number: Option<DeviceNumber>,
    at: String,
    source: String,
}

impl Mount {
    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let number = DeviceNumber::parse(left.next()?);
        let at = unescape(left.nth(1)?);
        let source = unescape(right.split(' ').nth(1)?);
        Some(Self { number, at, source })
    }
}
