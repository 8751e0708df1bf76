use super::*;
use std::os::unix::fs::symlink;

/// A tree like /sys, /proc and /dev.
struct Tree(tempfile::TempDir);

const MOUNTS: &str = "22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n\
    23 22 8:17 / /mnt/my\\040disk rw - xfs /dev/sdb1 rw\n\
    24 22 0:31 / /pool rw - btrfs /dev/sdd rw,space_cache\n\
    25 22 0:5 / /proc rw - proc proc rw\n\
    garbage\n";

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.set("proc/self/mountinfo", MOUNTS);
        tree.set(
            "proc/swaps",
            "Filename\tType\tSize\tUsed\tPriority\n/dev/sdc5   partition\t9\t0\t-2\n",
        );
        tree.disk("sda", "8:0");
        tree.disk("sda/sda2", "8:2");
        tree.disk("sdb", "8:16");
        tree.disk("sdb/sdb1", "8:17");
        tree.disk("sdc", "8:32");
        tree.disk("sdc/sdc5", "8:37");
        tree.disk("sdd", "8:48");
        tree.disk("sde", "8:64");
        tree
    }

    fn set(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A device in the shape of the real sysfs, where the entries by number are links.
    fn disk(&self, path: &str, number: &str) {
        let folder = format!("sys/devices/{path}");
        let name = path.rsplit('/').next().unwrap();
        self.set(&format!("{folder}/dev"), number);
        self.set(&format!("{folder}/uevent"), &format!("DEVNAME={name}\n"));
        if path.contains('/') {
            self.set(&format!("{folder}/partition"), "1");
        }
        let root = self.0.path();
        fs::create_dir_all(root.join(&folder).join("holders")).unwrap();
        fs::create_dir_all(root.join("sys/dev/block")).unwrap();
        fs::create_dir_all(root.join("sys/block")).unwrap();
        let link = root.join("sys/dev/block").join(number);
        symlink(format!("../../devices/{path}"), link).unwrap();
        if !path.contains('/') {
            let link = root.join("sys/block").join(name);
            symlink(format!("../devices/{path}"), link).unwrap();
        }
    }

    fn system(&self) -> System {
        System {
            sys: self.0.path().join("sys"),
            proc: self.0.path().join("proc"),
            dev: self.0.path().join("dev"),
        }
    }

    fn of(&self, number: &str) -> Holders {
        let number = DeviceNumber::parse(number).unwrap();
        self.system().holders(Subject::Block(number))
    }

    fn said(&self, number: &str) -> String {
        let holders = self.of(number);
        assert_eq!(holders.unchecked, []);
        holders.describe().unwrap_or_default()
    }
}

#[test]
fn mounts_swap_and_nothing() {
    let tree = Tree::new();
    assert_eq!(tree.said("8:2"), "a file system mounted at /");
    assert_eq!(tree.said("8:17"), "a file system mounted at /mnt/my disk");
    assert_eq!(tree.said("8:37"), "the system as swap space");
    // btrfs hides its devices behind a number of its own; the source names one of them.
    assert_eq!(tree.said("8:48"), "a file system mounted at /pool");
    assert_eq!(tree.said("8:64"), "");
}

#[test]
fn a_disk_is_held_through_its_partitions_and_a_partition_through_its_disk() {
    let tree = Tree::new();
    let expected = "a file system mounted at / (through sda2)";
    assert_eq!(tree.said("8:0"), expected);
    let expected = "the system as swap space (through sdc5)";
    assert_eq!(tree.said("8:32"), expected);
    tree.set("sys/devices/sdc/holders/md3/md/level", "raid1");
    assert_eq!(
        tree.said("8:37"),
        "md array md3 (through sdc), the system as swap space"
    );
}

#[test]
fn drivers_on_a_device_are_named() {
    let tree = Tree::new();
    let holders = "sys/devices/sde/holders";
    tree.set(&format!("{holders}/md127/md/level"), "raid5");
    tree.set(&format!("{holders}/dm-0/dm/name"), "vg-lv\n");
    tree.set(&format!("{holders}/dm-1/size"), "1");
    tree.set(&format!("{holders}/bcache0/size"), "1");
    tree.set(&format!("{holders}/md_d1/md/level"), "raid1");
    let expected = [
        Holder::Other {
            name: "bcache0".into(),
        },
        Holder::DeviceMapper {
            name: "dm-0".into(),
            label: Some("vg-lv".into()),
        },
        Holder::DeviceMapper {
            name: "dm-1".into(),
            label: None,
        },
        Holder::Array {
            name: "md127".into(),
        },
        Holder::Array {
            name: "md_d1".into(),
        },
    ];
    assert_eq!(tree.of("8:64").found, expected);
}

#[test]
fn files_behind_loop_devices_swap_and_bitmaps() {
    let tree = Tree::new();
    let file = tree.0.path().join("image");
    fs::write(&file, "x").unwrap();
    let subject = Subject::of(&file).unwrap().unwrap();
    assert_eq!(tree.system().holders(subject), Holders::default());
    tree.disk("loop7", "7:7");
    tree.disk("loop8", "7:8");
    let path = file.to_str().unwrap();
    tree.set("sys/devices/loop7/loop/backing_file", &format!("{path}\n"));
    tree.set("sys/devices/loop8/loop/backing_file", "/elsewhere\n");
    tree.set("proc/swaps", &format!("Filename\n{path} file 1 0 -2\n"));
    tree.set(
        "proc/mdstat",
        &format!(
            "md4 : active raid1 a[0]\n      9 blocks\n      \
             bitmap: 0/1 pages [0KB], 64KB chunk, file: {path}\n"
        ),
    );
    // By any name: what counts is the inode.
    let link = tree.0.path().join("other name");
    fs::hard_link(&file, &link).unwrap();
    let subject = Subject::of(&link).unwrap().unwrap();
    let holders = tree.system().holders(subject);
    assert_eq!(
        holders.describe().unwrap(),
        "md array md4 as its bitmap, the system as swap space, loop device loop7"
    );
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let bare = System {
        sys: "/nowhere/sys".into(),
        proc: "/nowhere/proc".into(),
        dev: "/nowhere/dev".into(),
    };
    let holders = bare.holders(Subject::Block(DeviceNumber::from((8, 1))));
    assert_eq!(holders.found, []);
    let said: Vec<_> = holders.unchecked.iter().map(|u| u.what).collect();
    for what in ["mounted file systems", "swap space", "loop devices"] {
        assert!(said.contains(&what), "{said:?}");
    }
    assert!(said.iter().any(|what| what.contains("device mapper")));
    let text = holders.unchecked[0].to_string();
    assert!(text.starts_with("could not check mounted"), "{text}");
    assert!(text.contains("/nowhere/proc/self/mountinfo"), "{text}");
}

#[test]
fn the_real_root_device_is_mounted() {
    let number = DeviceNumber::from_raw(fs::metadata("/").unwrap().dev());
    let Some(path) = System::default().device_path(number) else {
        crate::device::testing::skipped(format_args!(
            "the root file system has no block device here"
        ));
        return;
    };
    let found = holders(&path).unwrap().describe().unwrap();
    assert!(found.contains("mounted at"), "{found}");
    assert!(holders(Path::new("/nowhere/at/all")).is_err());
    assert_eq!(holders(Path::new("/dev/null")).unwrap(), Holders::default());
}

/// Holders as a real kernel has them, with and without sysfs and proc.
#[test]
fn loop_devices_and_mounts_on_them_are_named() {
    use crate::device::testing::{LoopDevice, Mount, make};
    use crate::device::{DirectStore, OpenMode, StoreError};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image");
    fs::File::create(&file).unwrap().set_len(16 << 20).unwrap();
    assert!(holders(&file).unwrap().found.is_empty());
    if !make("mke2fs", &["-qF", file.to_str().unwrap()]) {
        return;
    }
    let Some(device) = LoopDevice::new(&file, 512) else {
        return;
    };
    let name = device.path().file_name().unwrap().to_string_lossy();
    let expected = [Holder::Loop {
        name: name.into_owned(),
    }];
    assert_eq!(holders(&file).unwrap().found, expected);
    // The driver is asked where there is no sysfs, and where the file was renamed since.
    let bare = System {
        sys: "/nowhere".into(),
        proc: "/nowhere".into(),
        dev: "/dev".into(),
    };
    let subject = Subject::of(&file).unwrap().unwrap();
    assert_eq!(bare.holders(subject).found, expected);
    let renamed = folder.path().join("renamed");
    fs::rename(&file, &renamed).unwrap();
    assert_eq!(holders(&renamed).unwrap().found, expected);
    assert_eq!(holders(device.path()).unwrap().found, []);
    let at = folder.path().join("my mount");
    fs::create_dir(&at).unwrap();
    let Some(mount) = Mount::new(&[device.path().to_str().unwrap()], &at) else {
        return;
    };
    let expected = Holder::Mounted {
        at: at.display().to_string(),
    };
    assert_eq!(holders(device.path()).unwrap().found, [expected]);
    let error = DirectStore::open(device.path(), OpenMode::Exclusive).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    drop(mount);
    DirectStore::open(device.path(), OpenMode::Exclusive).unwrap();
    drop(device);
    assert!(holders(&renamed).unwrap().found.is_empty());
}
