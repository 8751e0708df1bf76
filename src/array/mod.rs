//! Members to one array: identify, freshness, trust.

pub mod member;

pub use member::{BitmapPlace, MemberSuper, MetadataVersion, NoBitmap, Role, SlotState};
