//! Which file system a file lives on, and whether md could keep a bitmap file there.
//!
//! md asks the file system for the disk block behind every block of a bitmap file (`bmap`), and
//! then reads and writes those blocks itself (reference/kernel.md 4.3). So the file system has to
//! live on one block device, to answer that question, and to leave the blocks where they are.

use std::fmt;
use std::os::fd::AsFd;
use std::path::Path;

/// A file system type, by its magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// The number that `statfs` reports.
    pub magic: u64,
    /// Its name, where the number is known.
    pub name: Option<&'static str>,
    /// Whether md can keep a bitmap file there.
    pub serves_md: ServesMd,
}

/// Whether md can keep a bitmap file on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServesMd {
    /// It can.
    Yes,
    /// It cannot, or only at the risk of damage: why.
    No(&'static str),
    /// Not known.
    Unknown,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown type {:#x}", self.magic),
        }
    }
}

const MEMORY: ServesMd = ServesMd::No("it lives in memory and has no disk blocks");
const MOVES: ServesMd = ServesMd::No("it moves data when it is written, so blocks do not stay");
const LAYER: ServesMd = ServesMd::No("it is a layer over other files and has no disk blocks");
const NETWORK: ServesMd = ServesMd::No("it is on the network and has no disk blocks here");
const READ_ONLY: ServesMd = ServesMd::No("it can only be read");
const KERNEL: ServesMd = ServesMd::No("its files are the kernel's, not data");

/// Magic number (linux/magic.h and the file systems' own headers), name, use.
const KNOWN: &[(u64, &str, ServesMd)] = &[
    (0x0000_ef53, "ext2/ext3/ext4", ServesMd::Yes),
    (0x5846_5342, "xfs", ServesMd::Yes),
    (0x3153_464a, "jfs", ServesMd::Yes),
    (0x5265_4973, "reiserfs", ServesMd::Yes),
    (0x0000_4d44, "vfat", ServesMd::Yes),
    (0x2011_bab0, "exfat", ServesMd::Yes),
    (0x0102_1994, "tmpfs", MEMORY),
    (0x8584_58f6, "ramfs", MEMORY),
    (0x9584_58f6, "hugetlbfs", MEMORY),
    (0x9123_683e, "btrfs", MOVES),
    (0xf2f5_2010, "f2fs", MOVES),
    (0x2fc1_2fc1, "zfs", MOVES),
    (0xca45_1a4e, "bcachefs", MOVES),
    (0x0000_3434, "nilfs2", MOVES),
    (0x794c_7630, "overlay", LAYER),
    (0x0000_f15f, "ecryptfs", LAYER),
    (0x6573_5546, "fuse", LAYER),
    (0x6173_7566, "aufs", LAYER),
    (0x786f_4256, "vboxsf", LAYER),
    (0x0000_6969, "nfs", NETWORK),
    (0xff53_4d42, "cifs", NETWORK),
    (0xfe53_4d42, "smb2", NETWORK),
    (0x0000_517b, "smb", NETWORK),
    (0x0102_1997, "9p", NETWORK),
    (0x00c3_6400, "ceph", NETWORK),
    (0x5346_414f, "afs", NETWORK),
    (0x0116_1970, "gfs2", NETWORK),
    (0x7461_636f, "ocfs2", NETWORK),
    (0x0bd0_0bd0, "lustre", NETWORK),
    (0x7371_7368, "squashfs", READ_ONLY),
    (0xe0f5_e1e2, "erofs", READ_ONLY),
    (0x0000_9660, "iso9660", READ_ONLY),
    (0x28cd_3d45, "cramfs", READ_ONLY),
    (0x0000_9fa0, "proc", KERNEL),
    (0x6265_6572, "sysfs", KERNEL),
    (0x6462_6720, "debugfs", KERNEL),
    (0x6366_6700, "configfs", KERNEL),
    (0x7366_746e, "ntfs3", ServesMd::Unknown),
    (0x1501_3346, "udf", ServesMd::Unknown),
];

/// The file system with this magic number.
pub fn of_magic(magic: u64) -> FileSystem {
    let known = KNOWN.iter().find(|(number, ..)| *number == magic);
    FileSystem {
        magic,
        name: known.map(|(_, name, _)| *name),
        serves_md: known.map_or(ServesMd::Unknown, |(.., serves)| *serves),
    }
}

/// The file system that an open file lives on; unknown (magic 0) where the system does not say.
pub fn of_file(file: impl AsFd) -> FileSystem {
    of_statfs(rustix::fs::fstatfs(file))
}

/// The file system that `path` (an existing file or directory) lives on.
///
/// # Errors
/// What `statfs` says.
pub fn of_path(path: &Path) -> std::io::Result<FileSystem> {
    Ok(of_statfs(Ok(rustix::fs::statfs(path)?)))
}

fn of_statfs(stat: Result<rustix::fs::StatFs, rustix::io::Errno>) -> FileSystem {
    // The type of the field differs between architectures; the numbers are of 32 bits.
    #[allow(clippy::unnecessary_cast)]
    of_magic(stat.map_or(0, |stat| stat.f_type as u32).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_known_once() {
        let mut numbers: Vec<_> = KNOWN.iter().map(|(magic, ..)| magic).collect();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), KNOWN.len());
    }

    #[test]
    fn what_serves_md_and_what_does_not() {
        assert_eq!(of_magic(0xef53).serves_md, ServesMd::Yes);
        assert!(matches!(of_magic(0x0102_1994).serves_md, ServesMd::No(_)));
        let odd = of_magic(0x1234_5678);
        assert_eq!(odd.serves_md, ServesMd::Unknown);
        assert_eq!(odd.to_string(), "unknown type 0x12345678");
    }

    #[test]
    fn real_file_systems() {
        assert_eq!(of_path(Path::new("/proc")).unwrap().name, Some("proc"));
        assert!(of_path(Path::new("/nowhere/at/all")).is_err());
        if Path::new("/dev/shm").is_dir() {
            let shm = of_path(Path::new("/dev/shm")).unwrap();
            assert_eq!(shm.name, Some("tmpfs"));
        }
    }
}
