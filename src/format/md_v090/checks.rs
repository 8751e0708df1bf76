//! What the kernel checks before it believes a 0.90 superblock (reference/kernel.md 7.5).

use super::raw::RawSuper;
use super::{MAGIC, MAX_DISKS};
use crate::format::level::Level;
use crate::format::super_check::{Check, Failure, Failures};
use crate::units::{Bytes, Sectors};

/// First sector of the superblock: the last 64 KiB boundary that leaves 64 KiB behind it.
/// `None` when the device is too small.
pub fn super_start(device: Bytes) -> Option<Sectors> {
    (device.0 & !0xffff)
        .checked_sub(0x1_0000)
        .map(|start| Bytes(start).sectors_floor())
}

/// Where a superblock was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// First sector of the superblock, which is also the end of the data.
    pub start: Sectors,
}

/// A 0.90 superblock that can be believed: magic, version and checksum are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Super {
    raw: RawSuper,
    position: Position,
    refusals: Vec<Failure>,
}

impl Super {
    /// Judges a superblock found at `position`.
    ///
    /// # Errors
    /// Every check that fails, when the superblock cannot be believed.
    pub fn validate(raw: RawSuper, position: Position) -> Result<Super, Vec<Failure>> {
        let mut failures = Failures::default();
        check_identity(&raw, &mut failures);
        check_content(&raw, position, &mut failures);
        let refusals = failures.judge()?;
        Ok(Super {
            raw,
            position,
            refusals,
        })
    }

    /// The superblock as it lies on disk.
    pub fn raw(&self) -> &RawSuper {
        &self.raw
    }

    /// Where it was found.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Checks that fail although the superblock can be read: the kernel refuses such a member.
    pub fn refusals(&self) -> &[Failure] {
        &self.refusals
    }
}

fn check_identity(raw: &RawSuper, failures: &mut Failures) {
    let (major, minor) = raw.version();
    let hex = |value: u32| format!("0x{value:08x}");
    failures.require(
        raw.magic() == MAGIC,
        Check::Magic,
        "magic",
        hex(raw.magic()),
        hex(MAGIC),
    );
    failures.require(major == 0, Check::MajorVersion, "major_version", major, 0);
    failures.require(
        (90..=91).contains(&minor),
        Check::MinorVersion,
        "minor_version",
        minor,
        "90, or 91 while reshaping",
    );
    failures.require(
        raw.checksum_holds(),
        Check::Checksum,
        "checksum",
        hex(raw.stored_checksum()),
        hex(raw.checksum()),
    );
}

fn check_content(raw: &RawSuper, position: Position, failures: &mut Failures) {
    failures.require(
        (1..=MAX_DISKS as u32).contains(&raw.raid_disks()),
        Check::RaidDisks,
        "raid_disks",
        raw.raid_disks(),
        format_args!("1 to {MAX_DISKS}"),
    );
    let own = raw.this_disk().number;
    let multipath = Level::from_number(raw.level()) == Level::Multipath;
    failures.require(
        multipath || (own as usize) < MAX_DISKS,
        Check::OwnNumber,
        "this disk's number",
        own,
        format_args!("below {MAX_DISKS}"),
    );
    let wanted = u64::from(raw.size_kib()) * 2;
    failures.require(
        raw.level() < 1 || wanted <= position.start.0,
        Check::DeviceTooSmall,
        "size",
        format_args!("{wanted} sectors"),
        format_args!(
            "at most {} sectors, all before the superblock",
            position.start
        ),
    );
}
