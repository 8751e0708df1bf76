//! Where a bitmap was found.

use crate::array::MetadataVersion;
use crate::format::uuid_text::{self, ByteOrder};
use crate::units::Bytes;

/// Where a bitmap was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// On a member, in a file, or on a bare device.
    pub kind: Kind,
    /// Version of the md superblock that led to it, if any.
    pub metadata: Option<MetadataVersion>,
    /// Byte of the device at which slot 0 starts.
    pub start: Bytes,
    /// False when the md superblock says that there is none here, and mdadm looks all the same.
    pub announced: bool,
    /// How the UUID is written.
    pub uuid_text: UuidText,
}

/// How the 16 bytes of a UUID are shown as four groups of eight digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UuidText {
    /// The bytes in their order (metadata 1.x and files).
    #[default]
    Bytes,
    /// Four words of the host that wrote them (metadata 0.90).
    Words(ByteOrder),
}

impl UuidText {
    /// The UUID as mdadm writes it: `01234567:89abcdef:fedcba98:76543210`.
    pub fn format(self, uuid: &[u8; 16]) -> String {
        match self {
            UuidText::Bytes => uuid_text::in_byte_order(uuid),
            UuidText::Words(order) => uuid_text::as_words(uuid, order),
        }
    }
}

/// What kind of place a bitmap lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Beside the md superblock of a member.
    Internal,
    /// A bitmap file.
    File,
    /// A bare bitmap on a block device.
    Device,
}
