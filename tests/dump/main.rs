//! `dump`, `unbundle` and `compare` as programs, over every image that real kernels made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod text;

use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A set of images, unpacked into a folder that goes away with it.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) folder: tempfile::TempDir,
    /// Names of the images, sorted.
    pub(crate) images: Vec<String>,
}

impl Set {
    fn unpack(set: &Path) -> Set {
        let folder = tempfile::tempdir().unwrap();
        let mut images = Vec::new();
        for entry in fs::read_dir(set).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if let Some(name) = file.strip_suffix(".gz") {
                let mut bytes = Vec::new();
                GzDecoder::new(fs::File::open(&path).unwrap())
                    .read_to_end(&mut bytes)
                    .unwrap();
                write_sparse(&folder.path().join(name), &bytes);
                images.push(name.to_owned());
            }
        }
        images.sort();
        let name = set.file_name().unwrap().to_str().unwrap().to_owned();
        Set {
            name,
            folder,
            images,
        }
    }

    /// Runs us in the folder of the images.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(self.folder.path(), arguments)
    }

    /// The same with all images behind the arguments.
    pub(crate) fn run_all(&self, arguments: &[&str]) -> Run {
        let images = self.images.iter().map(String::as_str);
        let all: Vec<&str> = arguments.iter().copied().chain(images).collect();
        self.run(&all)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Writes all but zeros.
pub(crate) fn write_sparse(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, block) in bytes.chunks(4096).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, number as u64 * 4096).unwrap();
        }
    }
}

/// What a run said.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Run {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    Run {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// All sets that real kernels made, and the synthetic one.
pub(crate) fn sets() -> Vec<Set> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut folders: Vec<PathBuf> = fs::read_dir(fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("facts").is_file())
        .collect();
    folders.sort();
    assert!(folders.len() > 30);
    folders.iter().map(|folder| Set::unpack(folder)).collect()
}

pub(crate) fn set(name: &str) -> Set {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    Set::unpack(&fixtures.join(name))
}
