//! Members to one array: identify, freshness, trust.

pub mod filter;
pub mod member;
mod normalise;
pub mod probe;

pub use filter::MetadataFilter;
pub use member::{BitmapPlace, MemberSuper, MetadataVersion, NoBitmap, Role, SlotState};
pub use probe::{FoundSuper, ProbeResult, RejectedSuper, probe};
