//! `dump`, `unbundle` and `compare` as programs, over every image that real kernels made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bundle;
mod compare;
mod text;

use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A set of images, unpacked into a folder that goes away with it.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) folder: tempfile::TempDir,
    /// Names of the images, sorted.
    pub(crate) images: Vec<String>,
}

impl Set {
    /// Links to the images, which are unpacked once: who writes to one must call [`Set::own`] first.
    fn link(set: &Path) -> Set {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let name = set.file_name().unwrap().to_str().unwrap().to_owned();
        let mut images = Vec::new();
        for entry in fs::read_dir(unpacked().join(&name)).unwrap() {
            let path = entry.unwrap().path();
            let image = path.file_name().unwrap().to_str().unwrap().to_owned();
            fs::hard_link(&path, folder.path().join(&image)).unwrap();
            images.push(image);
        }
        images.sort();
        Set {
            name,
            folder,
            images,
        }
    }

    /// Makes an image this set's own, to be written to.
    pub(crate) fn own(&self, image: &str) {
        let bytes = fs::read(self.path(image)).unwrap();
        fs::remove_file(self.path(image)).unwrap();
        write_sparse(&self.path(image), &bytes);
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

/// The folder with all images, unpacked by the first who asks.
fn unpacked() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // A folder of the test build, written anew by every run: nothing to clean up.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dump");
        let _ = fs::remove_dir_all(&folder);
        for set in folders() {
            let to = folder.join(set.file_name().unwrap());
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(set).unwrap() {
                let path = entry.unwrap().path();
                let file = path.file_name().unwrap().to_str().unwrap();
                if let Some(name) = file.strip_suffix(".gz") {
                    let mut bytes = Vec::new();
                    let packed = fs::File::open(&path).unwrap();
                    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
                    write_sparse(&to.join(name), &bytes);
                }
            }
        }
        folder
    })
}

/// Writes all but zeros.
pub(crate) fn write_sparse(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, block) in bytes.chunks(4096).enumerate() {
        if block != &[0; 4096][..block.len()] {
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
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The folders of all sets that real kernels made, and of the synthetic one.
fn folders() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut folders: Vec<PathBuf> = fs::read_dir(fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("facts").is_file())
        .collect();
    folders.sort();
    assert!(folders.len() > 30);
    folders
}

/// All of them.
pub(crate) fn sets() -> Vec<Set> {
    folders().iter().map(|folder| Set::link(folder)).collect()
}

/// One of them, all its images to be written to.
pub(crate) fn set(name: &str) -> Set {
    let set = Set::link(Path::new(name));
    for image in &set.images {
        set.own(image);
    }
    set
}
