//! Writes the manual pages and shell completions from the command definitions:
//! `cargo run --example generate`. `tests/generated.rs` fails when the committed ones are not current.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod files;
mod findings;
mod sections;

fn main() -> std::io::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, content) in files::all() {
        let path = root.join(&name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, content)?;
        println!("{name}");
    }
    Ok(())
}
