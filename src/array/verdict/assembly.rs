//! The array that the superblocks at hand describe.

use crate::array::member::{MemberSuper, MetadataVersion, Role, SlotState};
use crate::array::probe::FoundSuper;
use crate::format::level::Level;
use crate::units::Events;

/// One member, and the freshest superblock of its array among those at hand.
#[derive(Debug, Clone, Copy)]
pub struct Assembly<'a> {
    own: &'a FoundSuper,
    freshest: &'a FoundSuper,
}

impl<'a> Assembly<'a> {
    /// The array of `own`, in the light of all superblocks `at_hand` (which may include it).
    ///
    /// The freshest is the one with the most events among those that hold a slot. dm-raid
    /// superblocks bear no UUID, so two volumes of equal size could not be told apart: there
    /// each device speaks for itself.
    pub fn new(
        own: &'a FoundSuper,
        at_hand: impl IntoIterator<Item = &'a FoundSuper>,
    ) -> Assembly<'a> {
        let mut freshest = own;
        if own.member.metadata != MetadataVersion::DmRaid {
            for other in at_hand {
                let member = &other.member;
                let counts = matches!(member.role, Role::Slot(_)) && member.same_array(&own.member);
                if counts && member.events > freshest.member.events {
                    freshest = other;
                }
            }
        }
        Assembly { own, freshest }
    }

    /// The member whose bitmap is judged.
    pub fn own(&self) -> &'a FoundSuper {
        self.own
    }

    /// The superblock that speaks for the array.
    pub fn freshest(&self) -> &'a FoundSuper {
        self.freshest
    }

    /// The array's event count.
    pub fn events(&self) -> Events {
        self.freshest.member.events
    }

    /// True when the kernel leaves this member out: more than one event behind
    /// (reference/kernel.md 7.2).
    pub fn is_left_out(&self) -> bool {
        self.own
            .member
            .events
            .checked_add(Events(1))
            .is_some_and(|next| next < self.events())
    }

    /// This member's role: with 1.x, what the freshest superblock says of its number; with the
    /// others, its own word (reference/kernel.md 7.2).
    pub fn own_role(&self) -> Role {
        let own = &self.own.member;
        if !own.metadata.is_v1() {
            return own.role;
        }
        let index = usize::try_from(own.number).ok();
        let role = index.and_then(|index| self.freshest.member.devices.get(index));
        role.copied().unwrap_or(Role::Spare)
    }

    /// Slots that nothing holds, by the freshest superblock.
    pub fn vacant(&self) -> u64 {
        let member = &self.freshest.member;
        let listed = member
            .slots
            .iter()
            .filter(|slot| **slot == SlotState::Vacant)
            .count() as u64;
        // Slots beyond those that a superblock can list are vacant too.
        listed + u64::from(member.raid_disks).saturating_sub(member.slots.len() as u64)
    }

    /// Slots without a member that is in sync, as far as can be told.
    pub fn degraded(&self) -> u64 {
        let own = &self.own.member;
        let recovering = matches!(self.own_role(), Role::Slot(_)) && own.recovery_offset.is_some();
        self.vacant() + u64::from(recovering)
    }

    /// True when the members that are listed suffice to run the array at all.
    pub fn has_enough(&self) -> bool {
        let member = &self.freshest.member;
        let vacant = self.vacant();
        match member.level {
            Level::Raid1 => vacant < u64::from(member.raid_disks),
            Level::Raid4 | Level::Raid5 => vacant <= 1,
            Level::Raid6 => vacant <= 2,
            Level::Raid10 => raid10_has_enough(member),
            _ => vacant == 0,
        }
    }
}

/// Whether each group of slots that holds the copies of some chunk has a member.
fn raid10_has_enough(member: &MemberSuper) -> bool {
    let slots = &member.slots;
    let (near, far) = (
        (member.layout & 0xff) as usize,
        (member.layout >> 8 & 0xff) as usize,
    );
    let copies = near * far;
    if slots.is_empty() || near == 0 || copies == 0 {
        return false;
    }
    let held = |slot: usize| slots.get(slot % slots.len()) == Some(&SlotState::Occupied);
    (0..slots.len())
        .step_by(near)
        .all(|first| (first..first + copies).any(held))
}
