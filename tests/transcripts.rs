//! Shell transcripts that double as documentation: every `tests/cmd/*.md` is run as written.
//!
//! `NAME.in` is the folder that they start in, `NAME.out` holds files as they must be afterwards.
//! `TRYCMD=overwrite cargo test --test transcripts` writes the present output into them.

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        // The usual folder for undo files is not a test's to write to.
        .env("MDBITMAP_UNDO_DIR", "undo")
        .case("tests/cmd/*.md");
}
