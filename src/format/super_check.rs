//! The checks that a superblock has to pass when md loads it, as named results.

use std::fmt;

/// A load check of an md superblock (reference/kernel.md 7.4, 7.5, 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The magic number.
    Magic,
    /// The major version of the format.
    MajorVersion,
    /// The minor version (0.90: 90 or 91).
    MinorVersion,
    /// The number of roles, which must fit the 4096 bytes of a superblock.
    MaxDev,
    /// The position that the superblock claims, which must be the one it was found at.
    SuperOffset,
    /// The checksum.
    Checksum,
    /// Feature bits that no known kernel understands.
    UnknownFeatures,
    /// Features that exclude each other.
    FeatureConflict,
    /// The data size.
    DataSize,
    /// Bytes that have to be zero.
    Padding,
    /// The superblock reaches into the data.
    OverlapsData,
    /// The device is smaller than the superblock says: a truncated image, or a shrunk device.
    DeviceTooSmall,
    /// The bad-block log's place or size.
    BadBlockLog,
    /// The number of slots.
    RaidDisks,
    /// This device's own number or position.
    OwnNumber,
}

impl Check {
    /// Stable name, in kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Check::Magic => "magic",
            Check::MajorVersion => "major-version",
            Check::MinorVersion => "minor-version",
            Check::MaxDev => "max-dev",
            Check::SuperOffset => "super-offset",
            Check::Checksum => "checksum",
            Check::UnknownFeatures => "unknown-features",
            Check::FeatureConflict => "feature-conflict",
            Check::DataSize => "data-size",
            Check::Padding => "padding",
            Check::OverlapsData => "overlaps-data",
            Check::DeviceTooSmall => "device-too-small",
            Check::BadBlockLog => "bad-block-log",
            Check::RaidDisks => "raid-disks",
            Check::OwnNumber => "own-number",
        }
    }

    /// True when nothing else in a superblock that fails this check can be believed.
    pub fn is_fatal(self) -> bool {
        matches!(
            self,
            Check::Magic
                | Check::MajorVersion
                | Check::MinorVersion
                | Check::MaxDev
                | Check::SuperOffset
                | Check::Checksum
        )
    }
}

/// A check that does not hold: which field, what it holds, what it should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which check.
    pub check: Check,
    /// The field or fields it looks at.
    pub field: &'static str,
    /// The value found, as text.
    pub found: String,
    /// The value expected, as text.
    pub expected: String,
}

impl Failure {
    /// A failure of `check`.
    pub fn new(
        check: Check,
        field: &'static str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        Failure {
            check,
            field,
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, expected {}",
            self.field, self.found, self.expected
        )
    }
}

/// Collects failures of checks written as one line each.
#[derive(Debug, Default)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// Notes a failure unless `holds`.
    pub fn require(
        &mut self,
        holds: bool,
        check: Check,
        field: &'static str,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        if !holds {
            self.0.push(Failure::new(check, field, found, expected));
        }
    }

    /// The failures that do not forbid belief, or all of them when one does.
    ///
    /// # Errors
    /// All failures, when at least one is fatal.
    pub fn judge(self) -> Result<Vec<Failure>, Vec<Failure>> {
        if self.0.iter().any(|failure| failure.check.is_fatal()) {
            Err(self.0)
        } else {
            Ok(self.0)
        }
    }
}
