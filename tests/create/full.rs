//! A full file system: an error, and nothing left behind.

use super::{Loop, create, folder, names, run, status};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Our own mount, undone when dropped.
struct Mount {
    at: PathBuf,
    _device: Option<Loop>,
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.at.to_str().unwrap()]);
    }
}

/// A file system of 4 MiB in a file.
fn ext4(folder: &Path) -> Option<Mount> {
    let (file, at) = (folder.join("disk"), folder.join("mnt"));
    File::create(&file).unwrap().set_len(4 << 20).unwrap();
    fs::create_dir(&at).unwrap();
    run("mkfs.ext4", &["-q", "-F", file.to_str()?])?;
    let device = Loop::on(&file)?;
    run("mount", &["-t", "ext4", &device.node, at.to_str()?])?;
    Some(Mount {
        at,
        _device: Some(device),
    })
}

fn tmpfs(folder: &Path) -> Option<Mount> {
    let at = folder.join("mnt");
    fs::create_dir(&at).unwrap();
    run(
        "mount",
        &["-t", "tmpfs", "-o", "size=1m", "none", at.to_str()?],
    )?;
    Some(Mount { at, _device: None })
}

#[test]
fn no_space_left() {
    let folder = folder();
    let Some(mount) = ext4(folder.path()) else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let path = mount.at.join("bitmap");
    let target = path.to_str().unwrap();
    // 16 MiB of bits do not fit.
    let (_, err) = status(&create(["--size=512G", "--chunk=4K", target]), 1);
    assert!(err.contains("No space left on device"), "{err}");
    assert_eq!(names(&mount.at), ["lost+found"]);
    // With the old one in the way: it stays.
    status(&create(["--size=1G", target]), 0);
    let old = fs::read(&path).unwrap();
    status(&create(["--size=512G", "--chunk=4K", "--force", target]), 1);
    assert!(fs::read(&path).unwrap() == old);
    assert_eq!(names(&mount.at), ["bitmap", "lost+found"]);
}

#[test]
fn a_file_system_that_md_cannot_use_is_warned_of() {
    let folder = folder();
    let Some(mount) = tmpfs(folder.path()) else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let path = mount.at.join("bitmap");
    let target = path.to_str().unwrap();
    for dry_run in [true, false] {
        let mut arguments = vec!["--size=39976s", target];
        if dry_run {
            arguments.push("--dry-run");
        }
        let (_, err) = status(&create(arguments), 0);
        assert!(
            err.contains("md cannot use a bitmap file on this file system, tmpfs"),
            "{err}"
        );
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 881);
    let path = mount.at.join("large");
    status(
        &create(["--size=512G", "--chunk=4K", path.to_str().unwrap()]),
        1,
    );
    assert_eq!(names(&mount.at), ["bitmap"]);
}
