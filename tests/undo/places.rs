//! Where undo files go, and what happens when they cannot.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn set<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["set", "--range", "0K+12K"];
    all.extend(more);
    all.extend(["m0.img", "m1.img"]);
    all
}

/// A mirror, in a folder.
fn mirror() -> (tempfile::TempDir, Vec<String>) {
    let folder = folder();
    let array = &changes()[0].array;
    array.write(folder.path());
    (folder, array.names())
}

#[test]
fn the_folder_and_the_file_are_the_owners_alone() {
    let (folder, names) = mirror();
    ends(folder.path(), &set(&[]), 0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&folder.path().join("undo")), 0o700);
    let files = undo_files(folder.path());
    assert_eq!(mode(&files[0]), 0o600);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("01234567-89abcdef-fedcba98-76543210.set.2") && name.ends_with("Z.undo"),
        "{name}"
    );
    // The paths in it are found from everywhere.
    let path = files[0].to_str().unwrap();
    ends(Path::new("/"), &["undo", path], 0);
    let file = open(&files[0]);
    assert_eq!(
        file.devices[0].path,
        folder.path().canonicalize().unwrap().join(&names[0])
    );
    assert_eq!(file.about.verb, "set");
}

#[test]
fn nothing_is_kept_of_what_is_not_done() {
    let (folder, names) = mirror();
    let before = contents(folder.path(), &names);
    ends(folder.path(), &set(&["--dry-run"]), 0);
    ends(folder.path(), &set(&["--no-undo", "--dry-run"]), 0);
    ends(folder.path(), &["set", "--all", "m0.img"], 3);
    assert!(!folder.path().join("undo").exists());
    assert_eq!(contents(folder.path(), &names), before);
    ends(folder.path(), &set(&[]), 0);
    // Again: there is nothing to do.
    ends(folder.path(), &set(&[]), 0);
    assert_eq!(undo_files(folder.path()).len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_status_3() {
    let (folder, names) = mirror();
    let before = contents(folder.path(), &names);
    fs::write(folder.path().join("undo"), "in the way").unwrap();
    let (_, err) = ends(folder.path(), &set(&[]), 3);
    assert!(
        err.contains("undo: cannot make this folder for undo files"),
        "{err}"
    );
    assert!(
        err.contains(
            "nothing was written (--undo FILE keeps it elsewhere, --no-undo does without)"
        ),
        "{err}"
    );
    assert_eq!(contents(folder.path(), &names), before);
    let (_, err) = ends(folder.path(), &set(&["--undo", "nowhere/file"]), 3);
    assert!(
        err.contains("nowhere/file: cannot open the folder"),
        "{err}"
    );
    assert_eq!(contents(folder.path(), &names), before);
    ends(folder.path(), &set(&["--undo", "elsewhere"]), 0);
    assert!(folder.path().join("elsewhere").exists());
}

#[test]
fn no_variable_says_where() {
    let (folder, names) = mirror();
    let before = contents(folder.path(), &names);
    let output = |variables: &[(&str, &Path)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mdbitmap"));
        command
            .current_dir(folder.path())
            .env_clear()
            .envs(variables.iter().copied())
            .args(set(&[]));
        // Root has a folder of its own, which tests do not touch.
        if rustix::process::geteuid().is_root() {
            use std::os::unix::process::CommandExt;
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    };
    for name in &names {
        let path = folder.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let none = output(&[]);
    let err = String::from_utf8_lossy(&none.stderr).into_owned();
    if err.contains("Permission denied") && !err.contains("undo") {
        eprintln!("\nSKIPPED: another user cannot get to the folder of this test");
        return;
    }
    assert_eq!(none.status.code(), Some(3), "{err}");
    assert!(
        err.contains("neither XDG_STATE_HOME nor HOME says"),
        "{err}"
    );
    assert_eq!(contents(folder.path(), &names), before);
    let done = output(&[("HOME", folder.path())]);
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{err}");
    let made = folder.path().join(".local/state/mdbitmap/undo");
    assert_eq!(fs::read_dir(made).unwrap().count(), 1);
}

#[test]
fn it_is_not_one_of_the_devices() {
    let (folder, names) = mirror();
    let before = contents(folder.path(), &names);
    std::os::unix::fs::symlink("m1.img", folder.path().join("link")).unwrap();
    for name in ["m0.img", "link"] {
        let (_, err) = ends(folder.path(), &set(&["--undo", name]), 3);
        assert!(
            err.contains("is one of the devices that are changed"),
            "{err}"
        );
    }
    assert_eq!(contents(folder.path(), &names), before);
    fs::write(folder.path().join("letter"), "dear diary").unwrap();
    let (_, err) = ends(folder.path(), &set(&["--undo", "letter"]), 3);
    assert!(err.contains("letter: exists already"), "{err}");
    assert_eq!(
        fs::read(folder.path().join("letter")).unwrap(),
        b"dear diary"
    );
    assert_eq!(contents(folder.path(), &names), before);
}

#[test]
fn memory_is_warned_of() {
    let (folder, _) = mirror();
    let shm = Path::new("/dev/shm");
    let Ok(place) = tempfile::tempdir_in(shm) else {
        eprintln!("\nSKIPPED: no /dev/shm here");
        return;
    };
    let path = place.path().join("x.undo");
    let arguments = ["--undo", path.to_str().unwrap()];
    let (_, err) = ends(folder.path(), &set(&arguments), 0);
    assert!(
        err.contains("x.undo: lies in memory (tmpfs) and is gone after the next boot"),
        "{err}"
    );
}

#[test]
fn a_full_disk_leaves_nothing() {
    let (folder, names) = mirror();
    let before = contents(folder.path(), &names);
    let at = folder.path().join("full");
    fs::create_dir(&at).unwrap();
    let mount = |arguments: &[&str]| {
        let mut command = Command::new("mount");
        let status = command.args(arguments).arg(&at).output();
        status.is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=16k", "none"]) {
        eprintln!("\nSKIPPED: no file system can be mounted here");
        return;
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).output();
        }
    }
    let _unmount = Unmount(at.clone());
    // One page is left.
    fs::write(at.join("filler"), vec![1; 12 << 10]).unwrap();
    let (_, err) = ends(folder.path(), &set(&["--undo", "full/x.undo"]), 3);
    assert!(err.contains("No space left on device"), "{err}");
    assert!(err.contains("nothing was written"), "{err}");
    let left: Vec<_> = fs::read_dir(&at)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["filler"]);
    assert_eq!(contents(folder.path(), &names), before);
}
