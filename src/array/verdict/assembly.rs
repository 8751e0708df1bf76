//! The array that the superblocks at hand describe.

use crate::array::member::{MetadataVersion, Role, SlotState};
use crate::array::membership::{Membership, Standing};
use crate::array::probe::FoundSuper;
use crate::format::level::Level;
use crate::units::Events;

/// One member, and the freshest superblock of its array among those at hand.
#[derive(Debug, Clone, Copy)]
pub struct Assembly<'a> {
    own: &'a FoundSuper,
    freshest: &'a FoundSuper,
    /// All members that there are and the place of `own` among them, when those that were not
    /// given are not there; otherwise they are taken to be as the freshest superblock says.
    complete: Option<(&'a Membership, usize)>,
    /// True when members that were not given are in sync if the freshest superblock calls them active.
    trusts_missing: bool,
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
        Assembly {
            own,
            freshest,
            complete: None,
            trusts_missing: false,
        }
    }

    /// The array as it would be assembled from exactly these `members`, seen from the one at place
    /// `own`; `membership` must be that of `members`. `None` when there is no such member.
    pub fn complete(
        members: &[&'a FoundSuper],
        membership: &'a Membership,
        own: usize,
    ) -> Option<Assembly<'a>> {
        Some(Assembly {
            own: members.get(own)?,
            freshest: members.get(membership.freshest())?,
            complete: Some((membership, own)),
            trusts_missing: false,
        })
    }

    /// The same, but members that were not given are there and in sync where the freshest superblock
    /// calls them active.
    pub fn with_missing(
        members: &[&'a FoundSuper],
        membership: &'a Membership,
        own: usize,
    ) -> Option<Assembly<'a>> {
        let assembly = Assembly::complete(members, membership, own)?;
        Some(Assembly {
            trusts_missing: true,
            ..assembly
        })
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
        if let Some((membership, own)) = self.complete {
            return matches!(membership.standing(own), Standing::OutOfDate { .. });
        }
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

    /// The slots that nothing holds, by the freshest superblock or because nothing that is there
    /// does; of those that a superblock can list.
    pub fn vacant_slots(&self) -> impl Iterator<Item = u32> {
        self.slots().filter(|slot| !self.holds(*slot))
    }

    /// Slots without a member that is in sync, as far as can be told.
    pub fn degraded(&self) -> u64 {
        let in_sync = self.slots().filter(|slot| self.is_in_sync(*slot)).count() as u64;
        u64::from(self.freshest.member.raid_disks).saturating_sub(in_sync)
    }

    /// Slots without a member in sync that may hold data: those that hold nothing but parity do not
    /// keep an array of parity from starting that was not stopped cleanly (reference/kernel.md 7.1).
    pub fn degraded_data(&self) -> u64 {
        let parity_only = |slot: &u32| {
            self.holds(*slot) && !self.is_in_sync(*slot) && self.holds_only_parity(*slot)
        };
        let spared = self.slots().filter(parity_only).count() as u64;
        self.degraded().saturating_sub(spared)
    }

    /// True when the members in sync suffice to run the array at all.
    pub fn has_enough(&self) -> bool {
        let member = &self.freshest.member;
        let degraded = self.degraded();
        match member.level {
            Level::Raid1 => degraded < u64::from(member.raid_disks),
            Level::Raid4 | Level::Raid5 => degraded <= 1,
            Level::Raid6 => degraded <= 2,
            Level::Raid10 => self.fewest_copies().is_some_and(|copies| copies > 0),
            _ => degraded == 0,
        }
    }

    /// True when a member that is there has to be recovered, and the bitmap does not tell what.
    pub fn recovers_in_full(&self) -> bool {
        let Some((membership, _)) = self.complete else {
            return false;
        };
        let in_full = |standing: &Standing| matches!(standing, Standing::Recovering { by_bitmap, .. } if !by_bitmap);
        membership.standings().iter().any(in_full)
    }

    /// True when a member that is there has to be recovered, or is a spare for a slot that nothing fills.
    pub fn recovers(&self) -> bool {
        let Some((membership, _)) = self.complete else {
            return false;
        };
        let spare = membership.standings().contains(&Standing::Spare);
        membership.is_recovering() || spare && self.vacant_slots().next().is_some()
    }

    /// The slots that a superblock can list; any beyond are vacant.
    fn slots(&self) -> std::ops::Range<u32> {
        let listed = u32::try_from(self.freshest.member.slots.len()).unwrap_or(u32::MAX);
        0..listed.min(self.freshest.member.raid_disks)
    }

    /// Whether a member fills the slot, in sync or not.
    fn holds(&self, slot: u32) -> bool {
        match self.complete {
            Some((membership, _)) => {
                membership.in_slot(slot).is_some() || self.is_taken_on_trust(slot)
            }
            None => {
                let index = usize::try_from(slot).ok();
                let state = index.and_then(|index| self.freshest.member.slots.get(index));
                state == Some(&SlotState::Occupied)
            }
        }
    }

    /// Whether a member in sync fills the slot.
    fn is_in_sync(&self, slot: u32) -> bool {
        match self.complete {
            Some((membership, _)) => {
                membership.standings().contains(&Standing::Current { slot })
                    || self.is_taken_on_trust(slot)
            }
            None => {
                let own_recovers = self.own_role() == Role::Slot(slot)
                    && self.own.member.recovery_offset.is_some();
                self.holds(slot) && !own_recovers
            }
        }
    }

    /// Whether the slot belongs to a member that was not given and is believed to be in sync.
    fn is_taken_on_trust(&self, slot: u32) -> bool {
        let missing = |(membership, _): (&Membership, usize)| membership.missing.contains(&slot);
        self.trusts_missing && self.complete.is_some_and(missing)
    }

    /// Layouts that keep parity on slots of its own.
    fn holds_only_parity(&self, slot: u32) -> bool {
        let member = &self.freshest.member;
        let parities = if member.level == Level::Raid6 { 2 } else { 1 };
        let from_end = member.raid_disks.saturating_sub(slot);
        // raid4 too goes by the layout number, which mdadm leaves at 0 there (seen on 6.1).
        match (member.level, member.layout) {
            (Level::Raid4 | Level::Raid5 | Level::Raid6, 4) => slot < parities,
            (Level::Raid4 | Level::Raid5 | Level::Raid6, 5) => from_end <= parities,
            (Level::Raid6, 16..=19) => from_end == 1,
            (Level::Raid6, 20) => slot == 0 || from_end == 1,
            _ => false,
        }
    }

    /// How many members in sync the group of slots has that has the fewest; each group holds the copies
    /// of some chunk of a raid10. `None` for other levels.
    pub fn fewest_copies(&self) -> Option<usize> {
        self.raid10_copies().map(|(fewest, _)| fewest)
    }

    /// True when some chunk has several copies in sync, which a crash may have left different: of a mirror
    /// or a raid10.
    pub fn has_copies_to_compare(&self) -> bool {
        match self.freshest.member.level {
            Level::Raid1 => self.slots().filter(|slot| self.is_in_sync(*slot)).count() > 1,
            _ => self.raid10_copies().is_some_and(|(_, most)| most > 1),
        }
    }

    /// The fewest and the most members in sync that a group of slots of a raid10 has.
    fn raid10_copies(&self) -> Option<(usize, usize)> {
        let member = &self.freshest.member;
        let (near, far) = (member.layout & 0xff, member.layout >> 8 & 0xff);
        let (copies, slots) = (near * far, self.slots().end);
        if member.level != Level::Raid10 || slots == 0 || copies == 0 {
            return None;
        }
        // The kernel steps around until it is back at slot 0, which takes several rounds where the
        // number of slots is no multiple of the near copies.
        let (mut first, mut fewest, mut most) = (0, usize::MAX, 0);
        loop {
            let group = (0..copies).filter(|n| self.is_in_sync((first + n) % slots));
            let in_sync = group.count();
            (fewest, most) = (fewest.min(in_sync), most.max(in_sync));
            first = (first + near) % slots;
            if first == 0 {
                return Some((fewest, most));
            }
        }
    }
}
