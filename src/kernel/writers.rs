//! Whether anything has a file open for writing.
//!
//! An array keeps its bitmap file open for writing as long as it uses it (reference/kernel.md
//! 4.3), and a loop device its backing file. A read lease can be had only on a file without
//! writers, so asking for one tells, even where there is no /proc.

use nix::libc;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// True when something has the file open for writing. `file` itself must be open read-only.
///
/// # Errors
/// When that cannot be told: not the owner, or a file system without leases.
pub fn has_writer(file: &File) -> io::Result<bool> {
    match lease(file, libc::F_RDLCK) {
        Ok(()) => {
            lease(file, libc::F_UNLCK)?;
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

fn lease(file: &File, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: F_SETLEASE takes an int and touches no memory; the descriptor is open, because the
    // file is borrowed. There is no safe wrapper in nix or rustix.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_seen_while_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        match has_writer(&reader) {
            Err(error) => crate::device::testing::skipped(format_args!("no leases here: {error}")),
            Ok(seen) => {
                assert!(seen);
                drop(writer);
                // A program that another test is just starting has the file as well, until it runs.
                let gone = crate::device::testing::before_long(|| !has_writer(&reader).unwrap());
                assert!(gone);
                // Nothing is left behind: the file can be opened for writing at once.
                File::options().write(true).open(&path).unwrap();
            }
        }
    }
}
