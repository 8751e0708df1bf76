use super::*;
use crate::device::testing::{LoopDevice, Mount, before_long, make, root, skipped};
use crate::format::md_v1::{Builder, Minor};
use crate::units::{Bytes, Sectors};
use std::fs::{self, File};
use std::os::unix::fs::symlink;

const LEN: u64 = 1 << 20;

fn image(folder: &Path, name: &str) -> OsString {
    let path = folder.join(name);
    File::create(&path).unwrap().set_len(LEN).unwrap();
    path.into_os_string()
}

/// A program that another test is just starting holds what this process holds, until it runs.
fn can_be_held(paths: &[OsString]) -> bool {
    before_long(|| hold(paths).is_ok())
}

fn refused(paths: &[OsString]) -> String {
    hold(paths).unwrap_err().to_string()
}

#[test]
fn images_are_held_against_another_holder_and_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| image(folder.path(), name));
    let held = hold(&paths).unwrap();
    assert_eq!(held.stores().len(), 2);
    let error = refused(&paths[1..]);
    let path = Path::new(&paths[1]).display();
    assert!(
        error.starts_with(&format!("{path}: is held by ")),
        "{error}"
    );
    assert!(
        error.ends_with("; try again when that has ended"),
        "{error}"
    );
    // What /proc/locks cannot tell, nobody can.
    let id = format!("(process {})", std::process::id());
    assert!(
        error.contains(&id) || error.contains("another program"),
        "{error}"
    );
    drop(held);
    assert!(can_be_held(&paths[1..]));
}

#[test]
fn nothing_is_held_when_one_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [image(folder.path(), "a"), folder.path().join("none").into()];
    let error = refused(&paths);
    assert!(error.contains("none: cannot open: No such file"), "{error}");
    assert!(can_be_held(&paths[..1]));
    assert!(matches!(hold(&[]), Err(HoldError::None)));
    let error = refused(&[folder.path().into()]);
    assert!(error.contains("is a directory; expected"), "{error}");
}

#[test]
fn one_file_by_two_names_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let a = image(folder.path(), "a");
    let (link, hard) = (folder.path().join("link"), folder.path().join("hard"));
    symlink(&a, &link).unwrap();
    fs::hard_link(&a, &hard).unwrap();
    for other in [a.clone(), link.into(), hard.into()] {
        let error = refused(&[a.clone(), other]);
        assert!(
            error.ends_with(" are the same file; give it once"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_may_not_be_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(folder.path(), "a");
    let error = |errno: Errno| StoreError::Open {
        device: "a".to_owned(),
        source: errno.into(),
    };
    let told = |errno| not_opened(&System::default(), Path::new(&path), error(errno)).to_string();
    assert_eq!(
        told(Errno::ROFS),
        "a: cannot be written to: it lies on a file system that is read-only"
    );
    assert!(told(Errno::ACCESS).contains("Permission denied (os error 13); run as a user who may"));
    assert!(told(Errno::NOENT).contains("cannot open: No such file"));
    if !root() {
        return;
    }
    let at = folder.path().join("mnt");
    fs::create_dir(&at).unwrap();
    let Some(mount) = Mount::new(&["-t", "tmpfs", "none"], &at) else {
        return;
    };
    let path = image(mount.path(), "a");
    hold(std::slice::from_ref(&path)).unwrap();
    let Some(again) = Mount::new(&["-o", "remount,ro"], &at) else {
        return;
    };
    // There is but one to unmount.
    std::mem::forget(again);
    let error = refused(&[path]);
    assert!(error.contains("file system that is read-only"), "{error}");
}

#[test]
fn devices_are_claimed() {
    let folder = tempfile::tempdir().unwrap();
    let file = image(folder.path(), "disk");
    let Some(device) = LoopDevice::new(Path::new(&file), 512) else {
        return;
    };
    let node = device.path().as_os_str().to_owned();
    // The image is in use by the loop device on it.
    let error = refused(std::slice::from_ref(&file));
    let name = device.path().file_name().unwrap().to_str().unwrap();
    assert!(
        error.contains(&format!("is in use by loop device {name}")),
        "{error}"
    );
    // Two nodes of one device.
    let link = folder.path().join("link");
    symlink(device.path(), &link).unwrap();
    let error = refused(&[node.clone(), link.into()]);
    assert!(
        error.ends_with(" are the same device; give it once"),
        "{error}"
    );
    let held = hold(std::slice::from_ref(&node)).unwrap();
    let error = refused(std::slice::from_ref(&node));
    assert!(error.contains(": is held by "), "{error}");
    drop(held);
    assert!(can_be_held(&[node]));
}

#[test]
fn a_mounted_device_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk");
    File::create(&file).unwrap().set_len(8 << 20).unwrap();
    if !make("mke2fs", &["-q", "-F", file.to_str().unwrap()]) {
        return;
    }
    let Some(device) = LoopDevice::new(&file, 512) else {
        return;
    };
    let at = folder.path().join("mnt");
    fs::create_dir(&at).unwrap();
    let Some(mount) = Mount::new(&[device.path().to_str().unwrap()], &at) else {
        return;
    };
    let node = [device.path().as_os_str().to_owned()];
    let error = refused(&node);
    let told = format!("is in use by a file system mounted at {}", at.display());
    assert!(error.contains(&told), "{error}");
    drop(mount);
    hold(&node).unwrap();
}

#[test]
fn a_read_only_device_is_refused() {
    if !root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = image(folder.path(), "disk");
    let Some(device) = LoopDevice::new(Path::new(&file), 512) else {
        return;
    };
    let set = |option: &str| {
        let mut command = std::process::Command::new("blockdev");
        let status = command.arg(option).arg(device.path()).status();
        status.is_ok_and(|status| status.success())
    };
    if !set("--setro") {
        return skipped(format_args!("no blockdev here"));
    }
    let node = [device.path().as_os_str().to_owned()];
    let error = refused(&node);
    assert!(
        error.contains("the device is set read-only (blockdev --setrw /dev/loop"),
        "{error}"
    );
    assert!(set("--setrw"));
    hold(&node).unwrap();
}

#[test]
fn what_cannot_be_checked_is_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(folder.path(), "a");
    let bare = System {
        sys: "/nowhere".into(),
        proc: "/nowhere".into(),
        dev: folder.path().to_owned(),
    };
    let held = hold_on(&bare, std::slice::from_ref(&path)).unwrap();
    let notes = held.notes.join("\n");
    let name = Path::new(&path).display();
    for what in ["swap space", "loop devices"] {
        let note = format!("{name}: could not check {what}: ");
        assert!(notes.contains(&note), "{notes}");
    }
    drop(held);
    assert!(hold(&[path]).unwrap().notes.is_empty() || !Path::new("/proc/swaps").exists());
}

/// A tree like /sys in which a loop device looks like a running array.
fn array_of(folder: &Path, device: &LoopDevice) -> System {
    let number = crate::kernel::system::block_number(device.path()).unwrap();
    let md = folder.join(format!("sys/dev/block/{number}/md"));
    fs::create_dir_all(&md).unwrap();
    fs::create_dir_all(folder.join(format!("sys/dev/block/{number}/holders"))).unwrap();
    fs::create_dir_all(folder.join("sys/block")).unwrap();
    for (name, text) in [
        ("array_state", "clean"),
        ("level", "raid1"),
        ("raid_disks", "2"),
        ("metadata_version", "1.2"),
    ] {
        fs::write(md.join(name), text).unwrap();
    }
    System {
        sys: folder.join("sys"),
        ..System::default()
    }
}

#[test]
fn an_array_is_refused_unless_it_is_a_member_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = image(folder.path(), "disk");
    let Some(device) = LoopDevice::new(Path::new(&file), 512) else {
        return;
    };
    let system = array_of(folder.path(), &device);
    let node = [device.path().as_os_str().to_owned()];
    if !matches!(system.running_array(device.path()), Ok(Some(_))) {
        return skipped(format_args!("the tree of this test is no array any more"));
    }
    let error = hold_on(&system, &node).unwrap_err().to_string();
    assert!(
        error.contains("is a running array; stop it (mdadm --stop /dev/loop"),
        "{error}"
    );
    // A nested array has a superblock of the array that it is a member of.
    let raw = Builder::mirror(Minor::V2, Sectors(LEN / 512)).build();
    let store = DirectStore::open(device.path(), OpenMode::ReadWrite).unwrap();
    store.write_at(Bytes(4096), &raw.to_bytes()).unwrap();
    drop(store);
    hold_on(&system, &node).unwrap();
}
