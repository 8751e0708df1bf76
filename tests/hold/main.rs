//! Members that others hold, that are given twice, or that cannot be written to: nothing is written, and the message says who
//! or why (design.md W15).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(dead_code)]
#[path = "../marks/images.rs"]
mod images;

use images::{Array, all};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Past the capture of the test harness; `tests/run` counts these lines.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}");
}

fn array(folder: &Path) -> Array {
    let array = all(4).remove(0);
    array.write(folder);
    array
}

/// Every verb that changes a stopped array in place.
const WRITERS: &[&[&str]] = &[
    &["set", "--all"],
    &["clear", "--all", "--force"],
    &["grow", "--chunk=8K"],
    &["check", "--repair"],
];

/// Runs a writer, which has to refuse: what it says. No image may change, and no undo file be made.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], members: &[&str]) -> String {
    let list = || {
        let all = fs::read_dir(folder).unwrap();
        let mut all: Vec<(PathBuf, Vec<u8>)> = all
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        all.sort();
        all
    };
    let before = list();
    let output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder)
        .env("MDBITMAP_UNDO_DIR", folder)
        .args(arguments)
        .args(members)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{arguments:?} {err}");
    assert!(before == list(), "{arguments:?}");
    err
}

/// The name of this program, as the kernel knows it.
fn own_name() -> String {
    fs::read_to_string("/proc/self/comm")
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn a_process_that_has_locked_an_image_is_named() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    array(folder);
    let lock = File::open(folder.join("m1.img")).unwrap();
    lock.lock().unwrap();
    let known = fs::read_to_string("/proc/locks").is_ok_and(|text| text.contains("FLOCK"));
    for arguments in WRITERS {
        let err = refused(folder, arguments, &["m0.img", "m1.img"]);
        assert!(err.contains("m1.img: is held by "), "{err}");
        assert!(err.contains("; try again when that has ended"), "{err}");
        match known {
            true => {
                let told = format!("{} (process {})", own_name(), std::process::id());
                assert!(err.contains(&told), "{err}");
            }
            false => skipped("/proc/locks does not tell"),
        }
    }
    // A lock that many may share is one all the same.
    lock.unlock().unwrap();
    lock.lock_shared().unwrap();
    refused(folder, WRITERS[0], &["m0.img", "m1.img"]);
    drop(lock);
    let set = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder)
        .args(["set", "--no-undo", "--all", "m0.img", "m1.img"])
        .output()
        .unwrap();
    assert!(set.status.success(), "{set:?}");
}

/// Another program than this one, with a process of its own.
#[test]
fn a_program_that_holds_an_image_is_named() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    array(folder);
    let child = Command::new("flock")
        .current_dir(folder)
        .args(["--no-fork", "m0.img", "sh", "-c", "echo locked; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return skipped("no flock here");
    };
    let mut locked = [0; 7];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut locked).unwrap();
    let err = refused(folder, WRITERS[0], &["m0.img", "m1.img"]);
    let told = format!("(process {})", child.id());
    assert!(err.contains("m0.img: is held by "), "{err}");
    assert!(
        err.contains(&told) || err.contains("another program"),
        "{err}"
    );
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn one_image_by_two_names_is_given_once() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    array(folder);
    std::os::unix::fs::symlink("m0.img", folder.join("link")).unwrap();
    for arguments in WRITERS {
        let err = refused(folder, arguments, &["m0.img", "m1.img", "link"]);
        let told = "m0.img and link are the same file; give it once";
        assert!(err.contains(told), "{err}");
    }
}

#[test]
fn an_image_that_may_not_be_written_to() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    array(folder);
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    allow(folder, 0o777).unwrap();
    allow(&folder.join("m0.img"), 0o666).unwrap();
    allow(&folder.join("m1.img"), 0o444).unwrap();
    // Root may write to everything; nobody may not, and may not look into every folder either.
    let program = folder.join("mdbitmap");
    fs::copy(env!("CARGO_BIN_EXE_mdbitmap"), &program).unwrap();
    let is_root = OpenOptions::new()
        .write(true)
        .open(folder.join("m1.img"))
        .is_ok();
    let before = fs::read(folder.join("m0.img")).unwrap();
    let mut command = Command::new(&program);
    command
        .current_dir(folder)
        .args(["set", "--no-undo", "--all", "m0.img", "m1.img"]);
    if is_root {
        command.uid(65534).gid(65534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return skipped(&format!("cannot run as nobody: {error}")),
    };
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(
        err.contains("m1.img: cannot be written to: Permission denied"),
        "{err}"
    );
    assert!(before == fs::read(folder.join("m0.img")).unwrap());
}

/// A loop device, detached when dropped.
struct Loop(PathBuf);

impl Loop {
    fn new(image: &Path, more: &[&str]) -> Option<Loop> {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .args(more)
            .arg(image)
            .output();
        match made {
            Ok(output) if output.status.success() => {
                let path = String::from_utf8(output.stdout).unwrap();
                Some(Loop(path.trim().into()))
            }
            _ => {
                skipped("no loop devices here");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

const O_EXCL: i32 = 0o200;

#[test]
fn a_device_that_is_claimed_is_left_alone() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    array(folder);
    let Some(device) = Loop::new(&folder.join("m1.img"), &[]) else {
        return;
    };
    let name = device.0.to_str().unwrap();
    // As mdadm and mkfs claim one: no lock shows who it is.
    let claim = OpenOptions::new()
        .read(true)
        .custom_flags(O_EXCL)
        .open(&device.0)
        .unwrap();
    for arguments in WRITERS {
        let err = refused(folder, arguments, &["m0.img", name]);
        assert!(
            err.contains(&format!("{name}: is held by another program")),
            "{err}"
        );
    }
    drop(claim);
    // The image behind it is in use as long as it is there.
    let err = refused(folder, WRITERS[0], &["m0.img", "m1.img"]);
    assert!(err.contains("m1.img: is in use by loop device"), "{err}");
    let set = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .current_dir(folder)
        .args(["set", "--no-undo", "--all", "m0.img", name])
        .output()
        .unwrap();
    assert!(set.status.success(), "{set:?}");
}

#[test]
fn a_device_that_is_read_only_is_said_to_be() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    array(folder);
    let Some(device) = Loop::new(&folder.join("m1.img"), &["--read-only"]) else {
        return;
    };
    let err = refused(folder, WRITERS[0], &["m0.img", device.0.to_str().unwrap()]);
    assert!(
        err.contains("cannot be written to: the device is set read-only"),
        "{err}"
    );
}
