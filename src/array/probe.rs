//! Finds the md superblocks of a device or an image.

use super::filter::MetadataFilter;
use super::member::{MemberSuper, MetadataVersion};
use super::normalise;
use crate::device::{Store, StoreError};
use crate::format::md_v1::Minor;
use crate::format::super_check::Failure;
use crate::format::uuid_text::ByteOrder;
use crate::format::{dm_raid, md_v1, md_v090};
use crate::units::{Bytes, Sectors};
use std::cmp::Reverse;
use std::fmt;

/// A superblock as it lies on disk, of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawSuper {
    /// 0.90.
    V0_90(md_v090::RawSuper),
    /// 1.0, 1.1 or 1.2.
    V1(Box<md_v1::RawSuper>),
    /// dm-raid.
    DmRaid(Box<dm_raid::RawSuper>),
}

impl RawSuper {
    /// The bytes on disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            RawSuper::V0_90(raw) => raw.to_bytes(),
            RawSuper::V1(raw) => raw.to_bytes(),
            RawSuper::DmRaid(raw) => raw.to_bytes(),
        }
    }
}

/// A superblock that can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSuper {
    /// What it says.
    pub member: MemberSuper,
    /// Checks that fail although it can be read; the kernel would refuse such a member.
    pub refusals: Vec<Failure>,
    /// Its bytes.
    pub raw: RawSuper,
}

/// Something that has the magic number of a superblock and fails a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedSuper {
    /// Which kind, by its place.
    pub metadata: MetadataVersion,
    /// Its first byte.
    pub start: Bytes,
    /// What is wrong with it; never empty.
    pub failures: Vec<Failure>,
}

impl fmt::Display for RejectedSuper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} superblock found at byte {}, but ",
            self.metadata, self.start
        )?;
        for (index, failure) in self.failures.iter().enumerate() {
            write!(f, "{}its {failure}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct ProbeResult {
    /// Superblocks that can be believed, the newest first: by creation time, as mdadm chooses,
    /// then by last update. Event counts of different arrays cannot be compared.
    pub found: Vec<FoundSuper>,
    /// Superblocks that cannot.
    pub rejected: Vec<RejectedSuper>,
    /// Places that could not be read.
    pub unreadable: Vec<StoreError>,
}

impl ProbeResult {
    /// The superblock to go by.
    pub fn newest(&self) -> Option<&FoundSuper> {
        self.found.first()
    }
}

/// Looks at every place of `store` where an md or dm-raid superblock may lie; `only` narrows
/// the kinds looked for.
pub fn probe(store: &dyn Store, only: Option<MetadataFilter>) -> ProbeResult {
    let mut search = Search {
        store,
        only,
        result: ProbeResult::default(),
    };
    search.look_for_v090();
    for minor in [Minor::V0, Minor::V1, Minor::V2] {
        search.look_for_v1(minor);
    }
    search.look_for_dm_raid();
    let mut result = search.result;
    // A stable sort: of equals, the one found first, in mdadm's order.
    result
        .found
        .sort_by_key(|found| Reverse((found.member.created, found.member.updated)));
    result
}

struct Search<'a> {
    store: &'a dyn Store,
    only: Option<MetadataFilter>,
    result: ProbeResult,
}

impl Search<'_> {
    fn wants(&self, metadata: MetadataVersion) -> bool {
        self.only.is_none_or(|only| only.admits(metadata))
    }

    /// Up to `most` bytes from `start`, fewer at the end of the device; `None` (and a note)
    /// where they cannot be read.
    fn read(&mut self, start: Bytes, most: usize) -> Option<Vec<u8>> {
        let left = self.store.len().checked_sub(start)?.0;
        let mut bytes = vec![0; most.min(usize::try_from(left).unwrap_or(most))];
        match self.store.read_at(start, &mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) => {
                self.result.unreadable.push(error);
                None
            }
        }
    }

    fn reject(&mut self, metadata: MetadataVersion, start: Bytes, failures: Vec<Failure>) {
        self.result.rejected.push(RejectedSuper {
            metadata,
            start,
            failures,
        });
    }

    fn look_for_v090(&mut self) {
        let any = self.wants(MetadataVersion::V0_90(ByteOrder::Little));
        let Some(sector) = md_v090::super_start(self.store.len()).filter(|_| any) else {
            return;
        };
        let Some(start) = sector.to_bytes() else {
            return;
        };
        let Some(bytes) = self.read(start, md_v090::BYTES) else {
            return;
        };
        let Some(raw) = md_v090::RawSuper::from_bytes(&bytes) else {
            return;
        };
        // 1.0 has the same magic number and, on a device of the right length, the same place.
        if raw.version().0 == 1 {
            return;
        }
        let metadata = MetadataVersion::V0_90(raw.order());
        match md_v090::Super::validate(raw, md_v090::Position { start: sector }) {
            Ok(sb) => self.result.found.push(FoundSuper {
                member: normalise::from_v090(
                    &sb,
                    self.store.len(),
                    self.store.logical_block_bytes(),
                ),
                refusals: sb.refusals().to_vec(),
                raw: RawSuper::V0_90(sb.raw().clone()),
            }),
            Err(failures) => self.reject(metadata, start, failures),
        }
    }

    fn look_for_v1(&mut self, minor: Minor) {
        let metadata = match minor {
            Minor::V0 => MetadataVersion::V1_0,
            Minor::V1 => MetadataVersion::V1_1,
            Minor::V2 => MetadataVersion::V1_2,
        };
        let device: Sectors = self.store.len().sectors_floor();
        let Some(sector) = minor.super_start(device).filter(|_| self.wants(metadata)) else {
            return;
        };
        let Some(start) = sector.to_bytes() else {
            return;
        };
        let Some(bytes) = self.read(start, md_v1::MAX_BYTES) else {
            return;
        };
        let Some(raw) = md_v1::RawSuper::from_bytes(&bytes) else {
            return;
        };
        // A 0.90 superblock, whose major version is 0, may lie at the place of a 1.0 one.
        if raw.fixed.magic != md_v1::MAGIC || raw.fixed.major_version == 0 {
            return;
        }
        let position = md_v1::Position {
            minor,
            start: sector,
            device,
            logical_block_bytes: self.store.logical_block_bytes(),
        };
        match md_v1::Super::validate(raw, position) {
            Ok(sb) => self.result.found.push(FoundSuper {
                member: normalise::from_v1(&sb, self.store.len()),
                refusals: sb.refusals().to_vec(),
                raw: RawSuper::V1(Box::new(sb.raw().clone())),
            }),
            Err(failures) => self.reject(metadata, start, failures),
        }
    }

    fn look_for_dm_raid(&mut self) {
        if !self.wants(MetadataVersion::DmRaid) {
            return;
        }
        let Some(bytes) = self.read(Bytes(0), dm_raid::BYTES) else {
            return;
        };
        let Some(raw) =
            dm_raid::RawSuper::from_bytes(&bytes).filter(|raw| raw.magic == dm_raid::MAGIC)
        else {
            return;
        };
        match dm_raid::Super::validate(raw) {
            Ok(sb) => self.result.found.push(FoundSuper {
                member: normalise::from_dm_raid(
                    &sb,
                    self.store.len(),
                    self.store.logical_block_bytes(),
                ),
                refusals: sb.refusals().to_vec(),
                raw: RawSuper::DmRaid(Box::new(sb.raw().clone())),
            }),
            Err(failures) => self.reject(MetadataVersion::DmRaid, Bytes(0), failures),
        }
    }
}

#[cfg(test)]
mod tests;
