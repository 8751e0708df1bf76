//! A loop device of our own, read-only, given back when dropped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Loop(PathBuf);

impl Loop {
    pub fn attach(image: &Path) -> Self {
        Self::try_attach(image).unwrap_or_else(|why| panic!("losetup {}: {why}", image.display()))
    }

    fn try_attach(image: &Path) -> Result<Self, String> {
        let output = Command::new("losetup")
            .args(["--read-only", "--find", "--show"])
            .arg(image)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Self(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        )))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let status = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .stdin(Stdio::null())
            .status();
        if !status.is_ok_and(|s| s.success()) {
            eprintln!("cannot detach {}", self.0.display());
        }
    }
}

/// Can loop devices be made here (root, a kernel with the driver, a container that allows it)?
pub fn available(folder: &Path) -> bool {
    let image = folder.join("probe.img");
    std::fs::write(&image, [0; 4096]).unwrap();
    Loop::try_attach(&image).is_ok()
}
