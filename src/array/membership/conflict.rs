//! Contradictions between the superblocks of one array.

use super::Standing;
use crate::array::member::{MemberSuper, MetadataVersion, Role, SlotState};

/// Two members whose superblocks cannot both be right, by their place in the list given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// Each says that the other's slot is vacant: both went on alone (design.md W17).
    SplitBrain {
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
    },
    /// Both fill the same slot.
    SameSlot {
        /// The slot.
        slot: u32,
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
    },
    /// Both have the same device UUID: one is a copy of the other.
    SameDevice {
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A member in sync describes the array otherwise than the freshest superblock.
    Geometry {
        /// The member.
        member: usize,
        /// What differs: `level`, `raid_disks`, `layout`, `chunk`, `size` or `metadata`.
        field: &'static str,
        /// What the freshest says.
        expected: String,
        /// What the member says.
        found: String,
    },
}

/// All contradictions.
pub(super) fn all(
    supers: &[&MemberSuper],
    standings: &[Standing],
    freshest: usize,
) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for (second, b) in supers.iter().enumerate() {
        for (first, a) in supers.iter().enumerate().take(second) {
            let slot_of = |index: usize| standings.get(index).and_then(|standing| standing.slot());
            if each_without_the_other(a, b) {
                conflicts.push(Conflict::SplitBrain { first, second });
            }
            if let Some(slot) = slot_of(first).filter(|slot| slot_of(second) == Some(*slot)) {
                conflicts.push(Conflict::SameSlot {
                    slot,
                    first,
                    second,
                });
            }
            if is_copy(a, b) {
                conflicts.push(Conflict::SameDevice { first, second });
            }
        }
    }
    let Some(array) = supers.get(freshest) else {
        return conflicts;
    };
    for (member, (own, standing)) in supers.iter().zip(standings).enumerate() {
        if standing.is_current()
            && let Some((field, expected, found)) = different_geometry(array, own)
        {
            conflicts.push(Conflict::Geometry {
                member,
                field,
                expected,
                found,
            });
        }
    }
    conflicts
}

/// Both hold different slots, and each superblock calls the slot of the other vacant. (A member that
/// failed and was replaced does not: it still believes that the others work.)
fn each_without_the_other(a: &MemberSuper, b: &MemberSuper) -> bool {
    let (Role::Slot(slot_a), Role::Slot(slot_b)) = (a.role, b.role) else {
        return false;
    };
    slot_a != slot_b && lacks(a, slot_b) && lacks(b, slot_a)
}

fn lacks(member: &MemberSuper, slot: u32) -> bool {
    let index = usize::try_from(slot).ok();
    let state = index.and_then(|index| member.slots.get(index));
    state == Some(&SlotState::Vacant)
}

/// True when both bear the same device UUID.
fn is_copy(a: &MemberSuper, b: &MemberSuper) -> bool {
    a.device_uuid.is_some() && a.device_uuid != Some([0; 16]) && a.device_uuid == b.device_uuid
}

/// The first field in which two superblocks of one array differ: what `array` says, what `own` says.
fn different_geometry(
    array: &MemberSuper,
    own: &MemberSuper,
) -> Option<(&'static str, String, String)> {
    let all = geometry(array).into_iter().zip(geometry(own));
    let mut different = all.filter(|(expected, found)| expected != found);
    different
        .next()
        .map(|((name, expected), (_, found))| (name, expected, found))
}

/// What all members of an array say alike, by name.
fn geometry(member: &MemberSuper) -> [(&'static str, String); 6] {
    let size = member.component.map(|size| size.to_string());
    let metadata = match member.metadata {
        // The byte order of the host is no matter here.
        MetadataVersion::V0_90(_) => "0.90".to_owned(),
        other => other.to_string(),
    };
    [
        ("level", member.level.to_string()),
        ("raid_disks", member.raid_disks.to_string()),
        ("layout", member.layout.to_string()),
        ("chunk", member.raid_chunk.to_string()),
        ("size", size.unwrap_or_else(|| "unknown".to_owned())),
        ("metadata", metadata),
    ]
}
