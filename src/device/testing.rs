//! Loop devices and mounts for tests: made by root only, removed when dropped. A test that cannot
//! have one says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// Says that a test, or part of it, did not run. Past the capture of the test harness, which
/// would keep it secret; `tests/run` counts these lines.
pub(crate) fn skipped(why: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {why}");
}

/// True for root; says aloud that the test is skipped otherwise.
pub(crate) fn root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped(format_args!("needs root"));
    }
    is_root
}

/// Whether this becomes true within ten seconds.
pub(crate) fn before_long(is_so: impl Fn() -> bool) -> bool {
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(10) {
        if is_so() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    is_so()
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .env("PATH", FOLDERS)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    match output {
        Err(error) => skipped(format_args!("no {program} here ({error})")),
        Ok(output) if !output.status.success() => skipped(format_args!(
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Ok(output) => return Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
    }
    None
}

/// A loop device over a file.
pub(crate) struct LoopDevice(PathBuf);

impl LoopDevice {
    /// With sectors of so many bytes; `None`, said aloud, where there can be none.
    pub(crate) fn new(file: &Path, sector: u32) -> Option<Self> {
        if !root() {
            return None;
        }
        let sector = sector.to_string();
        let arguments = ["--find", "--show", "--sector-size", &sector, file.to_str()?];
        Some(Self(run("losetup", &arguments)?.into()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        run("losetup", &["--detach", self.0.to_str().unwrap()]);
    }
}

/// A mounted file system.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// `mount ARGUMENTS AT`; `None`, said aloud, where that fails.
    pub(crate) fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let mut all = arguments.to_vec();
        all.push(at.to_str()?);
        run("mount", &all).map(|_| Self(at.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

/// Runs a program that makes a file system; false, said aloud, where that fails.
pub(crate) fn make(program: &str, arguments: &[&str]) -> bool {
    run(program, arguments).is_some()
}
