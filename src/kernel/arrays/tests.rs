use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A tree like /sys, /proc and /dev, with attributes written one by one.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for root in ["sys", "proc", "dev"] {
            fs::create_dir(tree.0.path().join(root)).unwrap();
        }
        tree
    }

    fn set(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    fn system(&self) -> System {
        System {
            sys: self.0.path().join("sys"),
            proc: self.0.path().join("proc"),
            dev: self.0.path().join("dev"),
        }
    }

    /// An array of two slots: one member, one failed, one journal.
    fn mirror(&self) {
        let md = "sys/dev/block/9:5";
        for (name, value) in [
            ("uevent", "MAJOR=9\nMINOR=5\nDEVNAME=md5\nDEVTYPE=disk"),
            ("size", "260096"),
            ("dev", "9:5"),
            ("md/array_state", "clean"),
            ("md/level", "raid1"),
            ("md/metadata_version", "1.2"),
            ("md/raid_disks", "3 (2)"),
            ("md/layout", "0"),
            ("md/chunk_size", "0"),
            ("md/component_size", "130048"),
            ("md/uuid", "01234567-89ab-cdef-fedc-ba9876543210"),
            ("md/consistency_policy", "bitmap"),
            ("md/bitmap/location", "+8"),
            ("md/dev-sdb1/block/dev", "8:17"),
            ("md/dev-sdb1/state", "in_sync,write_mostly"),
            ("md/dev-sdb1/slot", "1"),
            ("md/dev-sdb1/offset", "2048"),
            ("md/dev-sda1/block/dev", "8:1"),
            ("md/dev-sda1/state", "faulty"),
            ("md/dev-sda1/slot", "none"),
            ("md/dev-sdc/block/dev", "8:32"),
            ("md/dev-sdc/state", "journal"),
            ("md/dev-sdc/slot", "journal"),
            ("md/dev-gone/state", "in_sync"),
        ] {
            self.set(&format!("{md}/{name}"), value);
        }
        fs::create_dir(self.0.path().join("sys/block")).unwrap();
        symlink("../dev/block/9:5", self.0.path().join("sys/block/md5")).unwrap();
    }

    fn array(&self) -> Option<RunningArray> {
        let number = DeviceNumber::from((9, 5));
        let nowhere = Path::new("/nowhere/md5");
        self.system().array_with_number(number, nowhere).unwrap()
    }
}

#[test]
fn everything_sysfs_says_about_an_array() {
    let tree = Tree::new();
    tree.mirror();
    let array = tree.array().unwrap();
    assert_eq!(array.name, "md5");
    assert_eq!(array.level.as_deref(), Some("raid1"));
    assert_eq!(array.metadata.as_deref(), Some("1.2"));
    assert_eq!(array.raid_disks, Some(3));
    assert_eq!(array.component_size, Some(Sectors(260_096)));
    assert_eq!(array.array_size, Some(Sectors(260_096)));
    assert_eq!(array.uuid.unwrap()[..4], [0x01, 0x23, 0x45, 0x67]);
    assert_eq!(array.consistency_policy.as_deref(), Some("bitmap"));
    let internal = ArrayBitmap::Internal {
        offset: Some(8),
        lockless: Some(false),
    };
    assert_eq!(array.bitmap, Some(internal));
    assert_eq!(array.unchecked, []);
    let [current, failed, journal] = &array.members[..] else {
        panic!("{:?}", array.members);
    };
    assert_eq!(current.number.to_string(), "8:17");
    assert_eq!(current.slot, Some(1));
    assert!(current.state.in_sync && current.state.write_mostly);
    assert_eq!(current.data_offset, Some(Sectors(2048)));
    assert!(failed.state.faulty && failed.slot.is_none());
    assert!(journal.state.journal && journal.slot.is_none());
    let devices = tree.system().md_devices();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].1, array.number);
}

#[test]
fn bitmaps_of_every_kind() {
    let tree = Tree::new();
    tree.mirror();
    let md = "sys/dev/block/9:5/md";
    tree.set(&format!("{md}/bitmap/location"), "-16");
    let offset = Some(-16);
    let lockless = Some(false);
    let expected = Some(ArrayBitmap::Internal { offset, lockless });
    assert_eq!(tree.array().unwrap().bitmap, expected);
    tree.set(&format!("{md}/bitmap/location"), "none");
    assert_eq!(tree.array().unwrap().bitmap, Some(ArrayBitmap::None));
    tree.set(&format!("{md}/bitmap/location"), "file");
    let array = tree.array().unwrap();
    assert_eq!(array.bitmap, Some(ArrayBitmap::File { path: None }));
    assert!(array.unchecked[0].to_string().contains("bitmap file"));
    let stat = "md5 : active raid1 sdb1[1]\n      9 blocks\n      \
        bitmap: 0/1 pages [0KB], 64KB chunk, file: /b\n";
    tree.set("proc/mdstat", stat);
    let path = Some(PathBuf::from("/b"));
    assert_eq!(
        tree.array().unwrap().bitmap,
        Some(ArrayBitmap::File { path })
    );
    tree.set(
        &format!("{md}/llbitmap/metadata"),
        "chunksize 128\noffset 8\n",
    );
    let expected = Some(ArrayBitmap::Internal {
        offset: Some(8),
        lockless: Some(true),
    });
    assert_eq!(tree.array().unwrap().bitmap, expected);
}

#[test]
fn what_does_not_run_is_no_array() {
    let tree = Tree::new();
    tree.mirror();
    for state in ["inactive", "clear"] {
        tree.set("sys/dev/block/9:5/md/array_state", state);
        assert_eq!(tree.array(), None);
    }
    for state in ["readonly", "read-auto", "active-idle", "broken"] {
        tree.set("sys/dev/block/9:5/md/array_state", state);
        assert!(tree.array().is_some());
    }
    let file = tree.0.path().join("proc");
    assert_eq!(tree.system().running_array(&file).unwrap(), None);
    assert!(running_array(Path::new("/nowhere/at/all")).is_err());
    // A disk that sysfs knows and that is no array.
    tree.set("sys/dev/block/8:0/dev", "8:0");
    let disk = DeviceNumber::from((8, 0));
    let found = tree
        .system()
        .array_with_number(disk, Path::new("/dev/null"));
    assert_eq!(found.unwrap(), None);
}

#[test]
fn without_sysfs_the_driver_is_asked() {
    let bare = System {
        sys: "/nowhere".into(),
        proc: "/nowhere".into(),
        dev: "/dev".into(),
    };
    let number = DeviceNumber::from((9, 0));
    // A device of another driver in its place answers ENOTTY, a missing one an error.
    assert_eq!(
        bare.array_with_number(number, Path::new("/dev/null"))
            .unwrap(),
        None
    );
    let missing = bare.array_with_number(number, Path::new("/nowhere/md0"));
    assert!(missing.unwrap_err().to_string().contains("md driver"));
    let other = DeviceNumber::from((8, 0));
    assert_eq!(
        bare.array_with_number(other, Path::new("/nowhere"))
            .unwrap(),
        None
    );
}

#[test]
fn partitionable_arrays_have_a_major_of_their_own() {
    let tree = Tree::new();
    tree.set(
        "proc/devices",
        "Character devices:\n  1 mem\n\nBlock devices:\n  9 md\n254 mdp",
    );
    assert!(tree.system().is_md_major(254));
    assert!(tree.system().is_md_major(9));
    assert!(!tree.system().is_md_major(1));
}
