//! Who has locked a file or a device node with flock: /proc/locks.

use super::system::{DeviceNumber, System, read_text};
use std::fmt;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// Its name, where it can be told.
    pub name: Option<String>,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (process {})", self.id),
            None => write!(f, "process {}", self.id),
        }
    }
}

impl Process {
    /// True for the device manager, which locks devices for a moment whenever one was closed that had been written to.
    pub fn is_device_manager(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.contains("udev"))
    }
}

impl System {
    /// The process that has locked a file or node with flock; none where there is none, or it cannot be told: without /proc, on file
    /// systems whose numbers differ there, from inside a container.
    pub fn lock_holder(&self, file_system: u64, inode: u64) -> Option<Process> {
        let text = read_text(&self.proc.join("locks")).ok()?;
        let wanted = (DeviceNumber::from_raw(file_system), inode);
        let id = text.lines().find_map(|line| parse(line, wanted))?;
        let name = read_text(&self.proc.join(id.to_string()).join("comm")).ok();
        Some(Process {
            id,
            name: name.map(|name| name.trim().to_owned()),
        })
    }
}

/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:393218 0 EOF`; lines of processes that wait for a lock have an arrow first.
fn parse(line: &str, (number, inode): (DeviceNumber, u64)) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let id = words.nth(2)?.parse().ok()?;
    let mut place = words.next()?.split(':');
    let mut hex = || u32::from_str_radix(place.next()?, 16).ok();
    let found = DeviceNumber::from((hex()?, hex()?));
    (found == number && place.next()?.parse() == Ok(inode)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DirectStore, OpenMode};

    #[test]
    fn lines_of_the_kernel() {
        let wanted = (DeviceNumber::from((8, 17)), 393_218);
        for (line, expected) in [
            (
                "1: FLOCK  ADVISORY  WRITE 1234 08:11:393218 0 EOF",
                Some(1234),
            ),
            ("12: FLOCK  ADVISORY  READ  7 08:11:393218 0 EOF", Some(7)),
            ("1: FLOCK  ADVISORY  WRITE 1234 08:12:393218 0 EOF", None),
            ("1: FLOCK  ADVISORY  WRITE 1234 08:11:393219 0 EOF", None),
            ("1: POSIX  ADVISORY  WRITE 1234 08:11:393218 0 EOF", None),
            ("1: -> FLOCK  ADVISORY  WRITE 99 08:11:393218 0 EOF", None),
            ("1: FLOCK  ADVISORY  WRITE -1 08:11:393218 0 EOF", None),
            ("FLOCK", None),
            ("", None),
        ] {
            assert_eq!(parse(line, wanted), expected, "{line}");
        }
    }

    #[test]
    fn this_process_is_found_by_its_own_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [0; 512]).unwrap();
        let store = DirectStore::open(&path, OpenMode::Exclusive).unwrap();
        let (file_system, inode) = store.identity();
        let system = System::default();
        match system.lock_holder(file_system, inode) {
            None => crate::device::testing::skipped(format_args!("/proc/locks does not tell")),
            Some(found) => {
                assert_eq!(found.id, std::process::id());
                assert!(!found.is_device_manager());
            }
        }
        drop(store);
        // A program that another test is just starting has the lock as well, until it runs.
        let gone = crate::device::testing::before_long(|| {
            system.lock_holder(file_system, inode).is_none()
        });
        assert!(gone);
        let bare = System {
            proc: "/nowhere".into(),
            ..System::default()
        };
        assert_eq!(bare.lock_holder(file_system, inode), None);
        let udev = Process {
            id: 7,
            name: Some("(udev-worker)".to_owned()),
        };
        assert!(udev.is_device_manager());
        assert_eq!(udev.to_string(), "(udev-worker) (process 7)");
    }
}
