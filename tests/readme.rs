//! The transcripts of README.md are run, so that it cannot show what is not so: in a folder of their own, with what a
//! reader who types them in a checkout has there. `TRYCMD=overwrite cargo test --test readme` writes the present output into it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let readme = folder.path().join("README.md");
    fs::copy(root.join("README.md"), &readme).unwrap();
    for kept in ["fixtures/example", "tests/cmd"] {
        copy(
            &root.join(kept),
            &folder.path().join("README.in").join(kept),
        );
    }
    // That it is there makes trycmd work in a copy of README.in.
    fs::create_dir(folder.path().join("README.out")).unwrap();
    {
        let cases = trycmd::TestCases::new();
        cases
            .register_bin("cp", Path::new("/bin/cp"))
            // The usual folder for undo files is not a test's to write to.
            .env("MDBITMAP_UNDO_DIR", "undo")
            .case(&readme);
        cases.run();
    }
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::copy(&readme, root.join("README.md")).unwrap();
    }
}
