//! Loop devices, which root alone can make.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A loop device of our own, given back when dropped.
pub(crate) struct Loop(pub(crate) PathBuf);

impl Loop {
    pub(crate) fn attach(image: &Path) -> Result<Loop, String> {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(Loop(text(&output.stdout).into())),
            false => Err(text(&output.stderr)),
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .stdin(Stdio::null())
            .status();
    }
}
