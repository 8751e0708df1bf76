//! RAID levels as md superblocks number them.

use std::fmt;

/// A RAID level, with every number that a superblock can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// -1.
    Linear,
    /// 0.
    Raid0,
    /// 1.
    Raid1,
    /// 4.
    Raid4,
    /// 5.
    Raid5,
    /// 6.
    Raid6,
    /// 10.
    Raid10,
    /// -4.
    Multipath,
    /// -5.
    Faulty,
    /// A number that md gives no meaning to.
    Unknown(i32),
}

impl Level {
    /// The level that a superblock means by `number`.
    pub fn from_number(number: i32) -> Level {
        match number {
            -1 => Level::Linear,
            0 => Level::Raid0,
            1 => Level::Raid1,
            4 => Level::Raid4,
            5 => Level::Raid5,
            6 => Level::Raid6,
            10 => Level::Raid10,
            -4 => Level::Multipath,
            -5 => Level::Faulty,
            other => Level::Unknown(other),
        }
    }

    /// The number in a superblock.
    pub fn number(self) -> i32 {
        match self {
            Level::Linear => -1,
            Level::Raid0 => 0,
            Level::Raid1 => 1,
            Level::Raid4 => 4,
            Level::Raid5 => 5,
            Level::Raid6 => 6,
            Level::Raid10 => 10,
            Level::Multipath => -4,
            Level::Faulty => -5,
            Level::Unknown(number) => number,
        }
    }

    /// True for raid4, raid5 and raid6.
    pub fn has_parity(self) -> bool {
        matches!(self, Level::Raid4 | Level::Raid5 | Level::Raid6)
    }

    /// True where md keeps a bitmap at all: raid1, 4, 5, 6, 10 (reference/kernel.md 9.1).
    pub fn has_bitmap(self) -> bool {
        self.has_parity() || matches!(self, Level::Raid1 | Level::Raid10)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Linear => "linear",
            Level::Raid0 => "raid0",
            Level::Raid1 => "raid1",
            Level::Raid4 => "raid4",
            Level::Raid5 => "raid5",
            Level::Raid6 => "raid6",
            Level::Raid10 => "raid10",
            Level::Multipath => "multipath",
            Level::Faulty => "faulty",
            Level::Unknown(number) => return write!(f, "unknown level {number}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for number in -200..200 {
            assert_eq!(Level::from_number(number).number(), number);
        }
        assert_eq!(Level::from_number(10).to_string(), "raid10");
        assert_eq!(Level::from_number(-1).to_string(), "linear");
        assert!(!Level::Raid0.has_bitmap());
    }
}
