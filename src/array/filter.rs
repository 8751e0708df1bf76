//! Which metadata versions to look for: the values of mdadm's `-e`.

use super::member::MetadataVersion;
use std::str::FromStr;

/// A choice of metadata versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetadataFilter {
    /// 0.90 in either byte order.
    V0_90,
    /// 1.0, 1.1 or 1.2.
    AnyV1,
    /// Exactly 1.0.
    V1_0,
    /// Exactly 1.1.
    V1_1,
    /// Exactly 1.2.
    V1_2,
    /// The metadata device of an LVM RAID volume.
    DmRaid,
}

impl MetadataFilter {
    /// True when a superblock of this version is wanted.
    pub fn admits(self, metadata: MetadataVersion) -> bool {
        match self {
            MetadataFilter::V0_90 => matches!(metadata, MetadataVersion::V0_90(_)),
            MetadataFilter::AnyV1 => metadata.is_v1(),
            MetadataFilter::V1_0 => metadata == MetadataVersion::V1_0,
            MetadataFilter::V1_1 => metadata == MetadataVersion::V1_1,
            MetadataFilter::V1_2 => metadata == MetadataVersion::V1_2,
            MetadataFilter::DmRaid => metadata == MetadataVersion::DmRaid,
        }
    }
}

/// Text that names no metadata version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown metadata version \"{found}\", expected 0, 0.90, 1, 1.0, 1.1, 1.2, default or dm-raid"
)]
pub struct UnknownMetadata {
    /// What was given.
    pub found: String,
}

impl FromStr for MetadataFilter {
    type Err = UnknownMetadata;

    fn from_str(text: &str) -> Result<Self, UnknownMetadata> {
        Ok(match text {
            "0" | "0.9" | "0.90" => MetadataFilter::V0_90,
            "1" | "default" => MetadataFilter::AnyV1,
            "1.0" => MetadataFilter::V1_0,
            "1.1" => MetadataFilter::V1_1,
            "1.2" => MetadataFilter::V1_2,
            "dm-raid" => MetadataFilter::DmRaid,
            other => {
                return Err(UnknownMetadata {
                    found: other.to_owned(),
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::uuid_text::ByteOrder;

    #[test]
    fn names_admit_their_versions() {
        let all = [
            MetadataVersion::V0_90(ByteOrder::Little),
            MetadataVersion::V0_90(ByteOrder::Big),
            MetadataVersion::V1_0,
            MetadataVersion::V1_1,
            MetadataVersion::V1_2,
            MetadataVersion::DmRaid,
        ];
        let admitted = |text: &str| -> Vec<String> {
            let filter: MetadataFilter = text.parse().unwrap();
            all.iter()
                .filter(|version| filter.admits(**version))
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(admitted("0"), ["0.90", "0.90"]);
        assert_eq!(admitted("0.90"), ["0.90", "0.90"]);
        assert_eq!(admitted("1"), ["1.0", "1.1", "1.2"]);
        assert_eq!(admitted("default"), ["1.0", "1.1", "1.2"]);
        assert_eq!(admitted("1.0"), ["1.0"]);
        assert_eq!(admitted("1.1"), ["1.1"]);
        assert_eq!(admitted("1.2"), ["1.2"]);
        assert_eq!(admitted("dm-raid"), ["dm-raid"]);
        assert!("ddf".parse::<MetadataFilter>().is_err());
    }
}
