//! The committed manual pages and completions are those that the command definitions give.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../examples/generate/files.rs"]
mod files;
#[path = "../examples/generate/findings.rs"]
mod findings;
#[path = "../examples/generate/sections.rs"]
mod sections;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn committed_files_are_current() {
    let mut expected = BTreeSet::new();
    for (name, content) in files::all() {
        let path = root().join(&name);
        let committed = std::fs::read(&path).unwrap_or_default();
        assert!(
            committed == content,
            "{name} is not current: run `cargo run --example generate`"
        );
        // Other folders hold what was written by hand, too.
        if ["man/", "completions/"]
            .iter()
            .any(|folder| name.starts_with(folder))
        {
            expected.insert(path);
        }
    }
    let committed: BTreeSet<PathBuf> = ["man", "completions"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name != ".gitkeep"))
        .collect();
    assert_eq!(committed, expected, "a page or completion without a verb");
}

#[test]
fn manual_pages_say_what_they_must() {
    let pages: Vec<(String, String)> = files::all()
        .into_iter()
        .filter(|(name, _)| name.starts_with("man/"))
        .map(|(name, content)| (name, String::from_utf8(content).unwrap()))
        .collect();
    for (name, text) in &pages {
        for section in [
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH DESCRIPTION",
            ".SH \"EXIT STATUS\"",
            ".SH EXAMPLES",
            ".SH \"SEE ALSO\"",
        ] {
            assert!(text.contains(section), "{name}: no {section}");
        }
    }
    let text = |page: &str| {
        pages
            .iter()
            .find(|(name, _)| name == page)
            .unwrap()
            .1
            .clone()
    };
    assert!(text("man/mdbitmap.8").contains(".SH \"WHAT A BITMAP DOES NOT DO\""));
    assert!(text("man/mdbitmap-examine.8").contains(".SH \"DIFFERENCES FROM MDADM\""));
}
