//! Members to one array: identify, freshness, trust.

pub mod compare;
pub mod filter;
pub mod geometry;
pub mod layout;
pub mod load;
pub mod member;
pub mod membership;
mod normalise;
pub mod overlap;
pub mod probe;
pub mod readd;
pub mod spaces;
pub mod sync_size;
pub mod verdict;

pub use filter::MetadataFilter;
pub use geometry::Geometry;
pub use member::{BitmapPlace, MemberSuper, MetadataVersion, NoBitmap, Role, SlotState};
pub use membership::{Conflict, Membership, NotOneArray, Standing};
pub use probe::{FoundSuper, ProbeResult, RejectedSuper, probe};
pub use verdict::{Assembly, Reason, Verdict};
