//! The members of an array as disks: loop devices where we may make them, else plain files.

use crate::images::Array;
use crate::loops::Loop;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

pub(crate) struct Disks {
    pub(crate) folder: tempfile::TempDir,
    loops: Vec<Loop>,
    /// What we are told to work on.
    pub(crate) names: Vec<String>,
    /// The files below.
    files: Vec<String>,
}

impl Disks {
    pub(crate) fn of(array: &Array) -> Disks {
        // In memory, where flushing costs nothing and more commands can be killed.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(if memory.is_dir() {
            memory
        } else {
            Path::new(env!("CARGO_TARGET_TMPDIR"))
        })
        .unwrap();
        array.write(folder.path());
        let files = array.names();
        let loops: Result<Vec<Loop>, String> = match rustix::process::geteuid().is_root() {
            true => files
                .iter()
                .map(|name| Loop::attach(&folder.path().join(name)))
                .collect(),
            false => Err("not root".to_owned()),
        };
        let (loops, names) = match loops {
            Ok(loops) => {
                let names = loops
                    .iter()
                    .map(|one| one.0.to_str().unwrap().to_owned())
                    .collect();
                (loops, names)
            }
            Err(why) => {
                eprintln!(
                    "\nSKIPPED: no loop device can be made here ({why}): on plain files, and mdadm is not asked"
                );
                (Vec::new(), files.clone())
            }
        };
        Disks {
            folder,
            loops,
            names,
            files,
        }
    }

    pub(crate) fn are_devices(&self) -> bool {
        !self.loops.is_empty()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn contents(&self) -> Vec<Vec<u8>> {
        self.names
            .iter()
            .map(|name| fs::read(self.path(name)).unwrap())
            .collect()
    }

    pub(crate) fn put(&self, contents: &[Vec<u8>]) {
        for (name, bytes) in self.names.iter().zip(contents) {
            let mut file = OpenOptions::new()
                .write(true)
                .open(self.path(name))
                .unwrap();
            file.write_all(bytes).unwrap();
            file.sync_all().unwrap();
        }
    }

    /// All files of the folder but the members.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() && !name.ends_with(".img") {
                files.push((name, fs::read(entry.path()).unwrap()));
            }
        }
        files.sort();
        files
    }

    /// The folder has these files, the members, and nothing else.
    pub(crate) fn put_files(&self, files: &[(String, Vec<u8>)]) {
        for (name, _) in self.files() {
            fs::remove_file(self.path(&name)).unwrap();
        }
        let _ = fs::remove_dir_all(self.path("undo"));
        for (name, bytes) in files {
            fs::write(self.path(name), bytes).unwrap();
        }
    }

    /// With all members behind the arguments, unless it is `undo`, which knows them.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mdbitmap"));
        command
            .current_dir(self.folder.path())
            .env("MDBITMAP_UNDO_DIR", "undo")
            .args(arguments)
            .stdin(Stdio::null());
        if arguments[0] != "undo" {
            command.args(&self.names);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Waits until the metadata of a member is not as it was, or the command has ended.
    pub(crate) fn first_write(&self, before: &[Vec<u8>], child: &mut Child) {
        let members: Vec<File> = self
            .files
            .iter()
            .map(|name| File::open(self.path(name)).unwrap())
            .collect();
        let mut now = [0; 8192];
        while child.try_wait().unwrap().is_none() {
            for (member, before) in members.iter().zip(before) {
                member.read_exact_at(&mut now, 4096).unwrap();
                if now[..] != before[4096..4096 + 8192] {
                    return;
                }
            }
        }
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }
}

/// Ends it at once; true when it was still running.
pub(crate) fn kill(mut child: Child) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let _ = child.kill();
    let status: ExitStatus = child.wait().unwrap();
    status.signal() == Some(9)
}
