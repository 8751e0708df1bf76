//! The transcripts of README.md are run, so that it cannot show what is not so.

#[test]
fn readme() {
    trycmd::TestCases::new().case("README.md");
}
