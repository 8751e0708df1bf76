//! What goes wrong with a device that was given.

use crate::commands::Status;

/// Something that went wrong, with a message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What sort of thing, for programs.
    pub kind: ProblemKind,
    /// The device, what was expected, what was found, what to do next.
    pub message: String,
}

impl Problem {
    /// A problem of this kind with this message.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Problem {
            kind,
            message: message.into(),
        }
    }
}

/// Sorts of problems; the names are part of the JSON interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The path cannot be opened.
    Open,
    /// A read failed.
    Read,
    /// The path is neither a block device nor a regular file.
    NotStorage,
    /// There is no bitmap, or not the metadata that was asked for.
    NoBitmap,
    /// The md superblock is damaged.
    BadSuperblock,
    /// The device ends before the superblock does.
    ShortSuperblock,
    /// The bits reach past the end of the device.
    Truncated,
    /// The magic number is wrong.
    BadMagic,
    /// The bitmap belongs to another array.
    WrongUuid,
    /// The version is not known.
    BadVersion,
    /// The chunk size or the sync size makes no sense.
    BadGeometry,
    /// The number of slots makes no sense, or the slot asked for does not exist.
    BadSlot,
    /// The kernel would not go by the bitmap, or it cannot be told what it would do.
    Untrusted,
}

impl ProblemKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ProblemKind::Open => "open",
            ProblemKind::Read => "read",
            ProblemKind::NotStorage => "not_storage",
            ProblemKind::NoBitmap => "no_bitmap",
            ProblemKind::BadSuperblock => "bad_superblock",
            ProblemKind::ShortSuperblock => "short_superblock",
            ProblemKind::Truncated => "truncated",
            ProblemKind::BadMagic => "bad_magic",
            ProblemKind::WrongUuid => "wrong_uuid",
            ProblemKind::BadVersion => "bad_version",
            ProblemKind::BadGeometry => "bad_geometry",
            ProblemKind::BadSlot => "bad_slot",
            ProblemKind::Untrusted => "untrusted",
        }
    }

    /// The exit status that it calls for.
    pub fn status(self) -> Status {
        match self {
            ProblemKind::Read => Status::Unreadable,
            _ => Status::Failed,
        }
    }
}
