//! Sets of images of the members of arrays that real kernels and mdadm made.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The members of an array, in a folder that goes away with them.
pub(crate) struct Set {
    pub(crate) folder: tempfile::TempDir,
    /// Names of the images of members, sorted.
    pub(crate) members: Vec<String>,
}

/// What a run said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A set of fixtures as it is in the repository.
pub(crate) struct Images {
    pub(crate) name: String,
    /// Members' names and bytes.
    pub(crate) members: Vec<(String, Vec<u8>)>,
}

impl Images {
    pub(crate) fn of(name: &str) -> Images {
        let mut members = Vec::new();
        for entry in fs::read_dir(fixtures_folder().join(name)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            let Some(image) = file.strip_suffix(".gz") else {
                continue;
            };
            if image == "bitmap.img" {
                continue;
            }
            let mut bytes = Vec::new();
            GzDecoder::new(fs::File::open(&path).unwrap())
                .read_to_end(&mut bytes)
                .unwrap();
            members.push((image.to_owned(), bytes));
        }
        members.sort();
        Images {
            name: name.to_owned(),
            members,
        }
    }

    /// As files of their own.
    pub(crate) fn unpack(&self) -> Set {
        // In memory, where flushing costs nothing; the other tests work on disk.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(if memory.is_dir() {
            memory
        } else {
            Path::new(env!("CARGO_TARGET_TMPDIR"))
        })
        .unwrap();
        for (name, bytes) in &self.members {
            let to = fs::File::create(folder.path().join(name)).unwrap();
            to.set_len(bytes.len() as u64).unwrap();
            for (number, block) in bytes.chunks(65536).enumerate() {
                if block != &[0; 65536][..block.len()] {
                    to.write_all_at(block, number as u64 * 65536).unwrap();
                }
            }
        }
        Set {
            folder,
            members: self.members.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

impl Set {
    pub(crate) fn of(name: &str) -> Set {
        Images::of(name).unpack()
    }

    /// Runs us in the folder, with all members behind the arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let members = self.members.iter().map(String::as_str);
        let all: Vec<&str> = arguments.iter().copied().chain(members).collect();
        run(self.folder.path(), &all)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        let all = self.members.iter();
        all.map(|name| fs::read(self.path(name)).unwrap()).collect()
    }

    /// Names of the findings of `check` from warning up.
    pub(crate) fn findings(&self) -> BTreeSet<String> {
        let found = json(&self.run(&["check", "--json", "--min-severity=warning"]).out);
        let arrays = found["arrays"].as_array().unwrap().iter();
        let all = arrays.flat_map(|array| array["findings"].as_array().unwrap());
        all.map(|finding| finding["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Dirty bytes as the bitmap counts, in order and apart; what is not classic is dirty where it is not clean.
    pub(crate) fn dirt(&self) -> Vec<(u64, u64)> {
        let run = self.run(&["extents", "--json", "--space=bitmap"]);
        let listed = json(&run.out);
        let all = listed["extents"].as_array().unwrap();
        all.iter()
            .map(|extent| {
                let start = extent["start_bytes"].as_u64().unwrap();
                (start, start + extent["length_bytes"].as_u64().unwrap())
            })
            .collect()
    }
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn fixtures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All sets of md members that real kernels made.
pub(crate) fn sets() -> Vec<String> {
    let all = fs::read_dir(fixtures_folder()).unwrap();
    let mut names: Vec<String> = all
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("facts").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !name.starts_with("dmraid") && name != "synthetic")
        .filter(|name| name != "file-default-chunk")
        .collect();
    names.sort();
    assert!(names.len() > 30, "{names:?}");
    names
}
