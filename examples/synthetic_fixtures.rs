//! Writes the synthetic fixtures: `fixtures/synthetic/make` runs it and records mdadm's answers.
//!
//! Usage: `synthetic_fixtures FOLDER`: raw images `NAME.img` and `manifest.tsv` (name, file or
//! member, does mdadm end, field that our message must name, why).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::{env, fs, path::PathBuf};

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;
use synthetic::corpus::{Kind, fixtures};

fn main() {
    let folder = PathBuf::from(
        env::args()
            .nth(1)
            .expect("usage: synthetic_fixtures FOLDER"),
    );
    let mut manifest = String::new();
    for fixture in fixtures() {
        fs::write(
            folder.join(format!("{}.img", fixture.name)),
            &fixture.image.bytes,
        )
        .unwrap();
        let kind = if fixture.kind == Kind::File {
            "file"
        } else {
            "member"
        };
        let ends = if fixture.mdadm_ends {
            "ends"
        } else {
            "never-ends"
        };
        let field = fixture.field.unwrap_or("-");
        writeln!(
            manifest,
            "{}\t{kind}\t{ends}\t{field}\t{}",
            fixture.name, fixture.why
        )
        .unwrap();
    }
    fs::write(folder.join("manifest.tsv"), manifest).unwrap();
}
