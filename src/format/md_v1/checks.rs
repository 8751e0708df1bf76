//! What the kernel checks before it believes a 1.x superblock (reference/kernel.md 7.4).

use super::raw::{RawSuper, feature};
use super::{FIXED_BYTES, MAGIC, MAX_ROLES};
use crate::format::super_check::{Check, Failure, Failures};
use crate::units::{SECTOR_BYTES, Sectors};

/// Which of the three places a 1.x superblock lies at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Minor {
    /// 1.0: 8 to 12 KiB before the end.
    V0,
    /// 1.1: at the start.
    V1,
    /// 1.2: 4 KiB from the start.
    V2,
}

impl Minor {
    /// First sector of the superblock on a device of `device` sectors; `None` when the device
    /// is too small to hold one there.
    pub fn super_start(self, device: Sectors) -> Option<Sectors> {
        let start = match self {
            Minor::V0 => device.0.checked_sub(16)? & !7,
            Minor::V1 => 0,
            Minor::V2 => 8,
        };
        (start < device.0).then_some(Sectors(start))
    }
}

/// Where a superblock was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which place.
    pub minor: Minor,
    /// First sector of the superblock.
    pub start: Sectors,
    /// Whole sectors of the device.
    pub device: Sectors,
    /// Logical block size of the device in bytes.
    pub logical_block_bytes: u32,
}

/// A 1.x superblock that can be believed: magic, version, position and checksum are right.
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
        check_identity(&raw, position, &mut failures);
        check_content(&raw, &mut failures);
        check_places(&raw, position, &mut failures);
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

/// The checks without which nothing can be believed.
fn check_identity(raw: &RawSuper, position: Position, failures: &mut Failures) {
    let sb = &raw.fixed;
    failures.require(
        sb.magic == MAGIC,
        Check::Magic,
        "magic",
        hex(sb.magic),
        hex(MAGIC),
    );
    failures.require(
        sb.major_version == 1,
        Check::MajorVersion,
        "major_version",
        sb.major_version,
        1,
    );
    failures.require(
        sb.max_dev <= MAX_ROLES,
        Check::MaxDev,
        "max_dev",
        sb.max_dev,
        format_args!("at most {MAX_ROLES}"),
    );
    failures.require(
        sb.super_offset == position.start.0,
        Check::SuperOffset,
        "super_offset",
        format_args!("sector {}", sb.super_offset),
        format_args!("sector {}, where it was found", position.start),
    );
    if sb.max_dev <= MAX_ROLES {
        let (found, expected) = match raw.checksum() {
            Some(sum) => (hex(sb.sb_csum), hex(sum)),
            None => (
                hex(sb.sb_csum),
                format!("{} roles behind it, but the device ends before", sb.max_dev),
            ),
        };
        failures.require(
            raw.checksum() == Some(sb.sb_csum),
            Check::Checksum,
            "checksum",
            found,
            expected,
        );
    }
}

/// The checks of fields against constants and each other.
fn check_content(raw: &RawSuper, failures: &mut Failures) {
    let sb = &raw.fixed;
    let features = raw.features();
    failures.require(
        features.unknown() == 0,
        Check::UnknownFeatures,
        "feature_map",
        hex(sb.feature_map),
        format_args!("no bit outside {}", hex(feature::KNOWN)),
    );
    let logs_parity = features.0 & (feature::PPL | feature::MULTIPLE_PPLS) != 0;
    let excluded = features.0 & (feature::BITMAP_OFFSET | feature::JOURNAL) != 0;
    failures.require(
        !(logs_parity && excluded),
        Check::FeatureConflict,
        "feature_map",
        hex(sb.feature_map),
        "a partial parity log (PPL) without bitmap or journal",
    );
    failures.require(
        sb.data_size >= 10,
        Check::DataSize,
        "data_size",
        format_args!("{} sectors", sb.data_size),
        "at least 10 sectors",
    );
    let zero = sb.pad0 == 0 && sb.pad3.iter().all(|byte| *byte == 0);
    failures.require(
        zero,
        Check::Padding,
        "padding",
        "not zero",
        "zero: a newer format may have fields there",
    );
    failures.require(
        sb.raid_disks <= MAX_ROLES,
        Check::RaidDisks,
        "raid_disks",
        sb.raid_disks,
        format_args!("at most {MAX_ROLES}"),
    );
    if features.has(feature::BAD_BLOCKS) {
        failures.require(
            sb.bblog_offset != 0 && sb.bblog_size <= 8,
            Check::BadBlockLog,
            "bad-block log",
            format_args!("{} sectors at offset {}", sb.bblog_size, sb.bblog_offset),
            "at most 8 sectors at an offset other than 0",
        );
    }
}

/// The checks against the device.
fn check_places(raw: &RawSuper, position: Position, failures: &mut Failures) {
    let sb = &raw.fixed;
    let available = if position.minor == Minor::V0 {
        position.start.0
    } else {
        position.device.0.saturating_sub(sb.data_offset)
    };
    failures.require(
        sb.data_size <= available,
        Check::DeviceTooSmall,
        "data_size",
        format_args!("{} sectors", sb.data_size),
        format_args!("at most {available} sectors, all that this device has for data"),
    );
    if position.minor != Minor::V0 {
        let block = u64::from(position.logical_block_bytes).max(1);
        let bytes = FIXED_BYTES as u64 + 2 * u64::from(sb.max_dev);
        let end = position
            .start
            .0
            .saturating_add(bytes.div_ceil(block).saturating_mul(block) / SECTOR_BYTES);
        failures.require(
            sb.data_offset >= end,
            Check::OverlapsData,
            "data_offset",
            format_args!("sector {}", sb.data_offset),
            format_args!("at least sector {end}, the end of the superblock"),
        );
    }
}

fn hex(value: u32) -> String {
    format!("0x{value:08x}")
}
