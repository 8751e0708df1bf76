//! The members at hand become one array: which of them are current, and which are missing.
//!
//! Rules: reference/kernel.md 7.2 (events, roles), design.md W1, W7, W17.

mod conflict;
#[cfg(test)]
mod tests;

pub use conflict::Conflict;

use super::member::{MemberSuper, Role, SlotState};
use super::probe::FoundSuper;
use crate::format::md_v1::feature;
use crate::units::Sectors;
use std::cmp::Reverse;

/// Why devices are not the members of one array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOneArray {
    /// There is none.
    #[error("no device with an md superblock was given; give the members of one array")]
    NoMember,
    /// Two of them belong to different arrays.
    #[error(
        "the devices belong to different arrays: {first_uuid} and {other_uuid}; give the members of one array"
    )]
    Different {
        /// Number of a device.
        first: usize,
        /// Its array's UUID, as mdadm writes it.
        first_uuid: String,
        /// Number of another.
        other: usize,
        /// That one's.
        other_uuid: String,
    },
}

/// What a member that was given is in its array, by the freshest superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In sync: its data and its bitmap count.
    Current {
        /// Its slot.
        slot: u32,
    },
    /// Holds a slot, and only its first sectors are current.
    Recovering {
        /// Its slot.
        slot: u32,
        /// Sectors of its data that are current already.
        up_to: Sectors,
        /// True when the bitmap tells what is still to be copied (1.x feature 128): once that bitmap is
        /// gone, nothing does.
        by_bitmap: bool,
    },
    /// Being filled to take over a slot from a member that still works.
    Replacement {
        /// The slot.
        slot: u32,
    },
    /// More than one event behind: the kernel leaves it out.
    OutOfDate {
        /// The slot that it held, by its own superblock.
        slot: Option<u32>,
        /// Events that it missed.
        behind: u64,
    },
    /// Not in the array by the freshest superblock, though its own events would do: it failed.
    Faulty,
    /// A spare.
    Spare,
    /// The write journal.
    Journal,
}

impl Standing {
    /// The slot that it fills now, in sync or not; a replacement fills none.
    pub fn slot(self) -> Option<u32> {
        match self {
            Standing::Current { slot } | Standing::Recovering { slot, .. } => Some(slot),
            _ => None,
        }
    }

    /// True for a member that is in sync.
    pub fn is_current(self) -> bool {
        matches!(self, Standing::Current { .. })
    }
}

/// The members at hand as one array. Members are named by their place in the list given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    freshest: usize,
    standings: Vec<Standing>,
    /// Slots that the freshest superblock calls active and that no member given fills (W7).
    pub missing: Vec<u32>,
    /// Slots that nothing holds, by the freshest superblock.
    pub vacant: Vec<u32>,
    /// What keeps the members from being one array without contradiction.
    pub conflicts: Vec<Conflict>,
}

/// Slots listed at most: a hostile superblock may claim four billion.
const MAX_SLOTS: u32 = 4096;

impl Membership {
    /// The array of `members`.
    ///
    /// The freshest superblock is the one with the most events among those that hold a slot by
    /// their own word; of equals one that is in sync, then the first.
    ///
    /// # Errors
    /// [`NotOneArray`] when there is none, or they belong to different arrays.
    pub fn of(members: &[&FoundSuper]) -> Result<Membership, NotOneArray> {
        let supers: Vec<&MemberSuper> = members.iter().map(|found| &found.member).collect();
        let first = supers.first().ok_or(NotOneArray::NoMember)?;
        let stranger = supers.iter().position(|other| !other.same_array(first));
        if let Some((other, member)) = stranger.and_then(|at| Some((at, supers.get(at)?))) {
            return Err(NotOneArray::Different {
                first: 0,
                first_uuid: first.uuid_text(),
                other,
                other_uuid: member.uuid_text(),
            });
        }
        let freshest = freshest(&supers);
        let array = supers.get(freshest).ok_or(NotOneArray::NoMember)?;
        let standings: Vec<Standing> = supers
            .iter()
            .map(|member| standing(member, array))
            .collect();
        let held = |slot: &u32| {
            standings
                .iter()
                .any(|standing| standing.slot() == Some(*slot))
        };
        let (vacant, active) = slots(array);
        Ok(Membership {
            freshest,
            missing: active.into_iter().filter(|slot| !held(slot)).collect(),
            vacant,
            conflicts: conflict::all(&supers, &standings, freshest),
            standings,
        })
    }

    /// The member whose superblock speaks for the array.
    pub fn freshest(&self) -> usize {
        self.freshest
    }

    /// What member `index` is; a spare when there is no such member.
    pub fn standing(&self, index: usize) -> Standing {
        self.standings
            .get(index)
            .copied()
            .unwrap_or(Standing::Spare)
    }

    /// What each member is, in the order given.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The members that are in sync.
    pub fn current(&self) -> impl Iterator<Item = usize> {
        let all = self.standings.iter().enumerate();
        all.filter(|(_, standing)| standing.is_current())
            .map(|(index, _)| index)
    }

    /// The member given that fills `slot`, in sync or not.
    pub fn in_slot(&self, slot: u32) -> Option<usize> {
        self.standings
            .iter()
            .position(|standing| standing.slot() == Some(slot))
    }

    /// True when some member has still to be recovered or replaced.
    pub fn is_recovering(&self) -> bool {
        self.standings.iter().any(|standing| {
            matches!(
                standing,
                Standing::Recovering { .. } | Standing::Replacement { .. }
            )
        })
    }

    /// True when every slot is held by a member that was given and is in sync.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.vacant.is_empty() && !self.is_recovering()
    }
}

/// The superblock that speaks for the array.
fn freshest(supers: &[&MemberSuper]) -> usize {
    let key = |member: &MemberSuper| {
        let active = matches!(member.role, Role::Slot(_));
        (active, member.events, member.recovery_offset.is_none())
    };
    let indices = 0..supers.len();
    let best = indices.min_by_key(|index| Reverse(supers.get(*index).map(|member| key(member))));
    best.unwrap_or_default()
}

/// Slots that nothing holds and slots that something does, by `array`.
fn slots(array: &MemberSuper) -> (Vec<u32>, Vec<u32>) {
    let state = |slot: &u32| {
        let index = usize::try_from(*slot).ok();
        index.and_then(|index| array.slots.get(index)).copied()
    };
    (0..array.raid_disks.min(MAX_SLOTS)).partition(|slot| state(slot) != Some(SlotState::Occupied))
}

/// What `member` is in the array that the superblock `array` describes.
fn standing(member: &MemberSuper, array: &MemberSuper) -> Standing {
    let own_slot = match member.role {
        Role::Slot(slot) => Some(slot),
        Role::Journal => return Standing::Journal,
        Role::Spare => return Standing::Spare,
        Role::Faulty => None,
    };
    let behind = array.events.0.saturating_sub(member.events.0);
    if behind > 1 {
        return Standing::OutOfDate {
            slot: own_slot,
            behind,
        };
    }
    match role_by(array, member) {
        Role::Slot(slot) => filling(member, slot),
        Role::Faulty => Standing::Faulty,
        Role::Spare => Standing::Spare,
        Role::Journal => Standing::Journal,
    }
}

/// The role of `member` in the superblock `array` (design.md W17: 0.90 too, although the kernel
/// takes a 0.90 member's own word).
fn role_by(array: &MemberSuper, member: &MemberSuper) -> Role {
    let index = usize::try_from(member.number).ok();
    let role = index.and_then(|index| array.devices.get(index));
    role.copied().unwrap_or(Role::Spare)
}

fn filling(member: &MemberSuper, slot: u32) -> Standing {
    let has = |bit| member.metadata.is_v1() && member.features & bit != 0;
    match member.recovery_offset {
        _ if has(feature::REPLACEMENT) => Standing::Replacement { slot },
        Some(up_to) => Standing::Recovering {
            slot,
            up_to,
            by_bitmap: has(feature::RECOVERY_BITMAP),
        },
        None => Standing::Current { slot },
    }
}
