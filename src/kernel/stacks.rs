//! What a block device stands on: partitions on disks, device mapper and loop devices on others.

use super::system::{DeviceNumber, System, attribute, names};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

impl System {
    /// True when `upper` is `lower`, or stands on it through any number of layers. What sysfs
    /// does not tell is not seen: without /sys only equal devices are.
    pub fn stands_on(&self, upper: DeviceNumber, lower: DeviceNumber) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![upper];
        while let Some(number) = next.pop() {
            if number == lower {
                return true;
            }
            if seen.insert(number) {
                next.extend(self.directly_below(number));
            }
        }
        false
    }

    fn directly_below(&self, number: DeviceNumber) -> Vec<DeviceNumber> {
        let folder = self.block_folder(number);
        let mut below: Vec<DeviceNumber> = names(&folder.join("slaves"))
            .unwrap_or_default()
            .iter()
            .filter_map(|name| attribute(&folder.join("slaves").join(name), "dev"))
            .filter_map(|text| DeviceNumber::parse(&text))
            .collect();
        // A partition is a folder in that of its disk.
        if folder.join("partition").exists()
            && let Ok(real) = fs::canonicalize(&folder)
            && let Some(disk) = real.parent().and_then(|disk| attribute(disk, "dev"))
        {
            below.extend(DeviceNumber::parse(&disk));
        }
        // A loop device stands on another device, or on that of the file system with its file.
        if let Some(file) = attribute(&folder, "loop/backing_file")
            && let Ok(data) = fs::metadata(file)
        {
            let is_device = data.file_type().is_block_device();
            let below_it = if is_device { data.rdev() } else { data.dev() };
            below.push(DeviceNumber::from_raw(below_it));
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn number(major: u32, minor: u32) -> DeviceNumber {
        DeviceNumber { major, minor }
    }

    /// A device in a sysfs of our own.
    fn device(sys: &Path, path: &str, number: DeviceNumber) {
        let folder = sys.join("devices").join(path);
        fs::create_dir_all(folder.join("slaves")).unwrap();
        fs::write(folder.join("dev"), format!("{number}\n")).unwrap();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        symlink(folder, sys.join("dev/block").join(number.to_string())).unwrap();
    }

    #[test]
    fn layers_are_followed_down() {
        let root = tempfile::tempdir().unwrap();
        let sys = root.path();
        let (md, part, dm, other) = (number(9, 0), number(259, 1), number(253, 0), number(8, 0));
        device(sys, "md0", md);
        device(sys, "md0/md0p1", part);
        fs::write(sys.join("devices/md0/md0p1/partition"), "1\n").unwrap();
        device(sys, "dm-0", dm);
        symlink(
            sys.join("devices/md0/md0p1"),
            sys.join("devices/dm-0/slaves/md0p1"),
        )
        .unwrap();
        device(sys, "sda", other);
        // A circle, which a real sysfs never has, ends.
        symlink(
            sys.join("devices/dm-0"),
            sys.join("devices/md0/slaves/dm-0"),
        )
        .unwrap();
        let system = System {
            sys: sys.to_owned(),
            ..System::default()
        };
        for upper in [md, part, dm] {
            assert!(system.stands_on(upper, md), "{upper}");
            assert!(!system.stands_on(upper, other), "{upper}");
        }
        assert!(!system.stands_on(other, md));
        assert!(system.stands_on(number(1, 1), number(1, 1)));
    }

    #[test]
    fn loop_devices_stand_on_files_and_on_each_other() {
        use crate::device::testing::LoopDevice;
        use crate::kernel::holders::{Holder, holders};
        use crate::kernel::system::block_number;
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let Some(lower) = LoopDevice::new(file.path(), 512) else {
            return;
        };
        let Some(upper) = LoopDevice::new(lower.path(), 512) else {
            return;
        };
        let system = System::default();
        let (low, high) = (block_number(lower.path()), block_number(upper.path()));
        let (low, high) = (low.unwrap(), high.unwrap());
        assert!(system.stands_on(high, low));
        assert!(!system.stands_on(low, high));
        let disk = DeviceNumber::from_raw(file.as_file().metadata().unwrap().dev());
        assert!(system.stands_on(high, disk));
        let name = upper.path().file_name().unwrap().to_str().unwrap().into();
        let found = holders(lower.path()).unwrap().found;
        assert_eq!(found, [Holder::Loop { name }]);
    }
}
