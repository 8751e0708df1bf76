//! A running array: what md holds in memory, and what it writes.

use super::bitmap::{Copy, Header, state};
use super::disk::{Lying, World};
use super::superblock::{Kind, Role};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct Running<'w> {
    pub world: World<'w>,
    /// By slot.
    pub members: Vec<Option<Member>>,
    pub spares: Vec<usize>,
    pub events: u64,
    /// Up to where the members were found or made equal; [`CLEAN`].
    pub resync: u64,
    /// Something was written since the superblocks said that all is in sync.
    pub active: bool,
    pub bitmap: Option<Bitmap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub disk: usize,
    pub in_sync: bool,
    /// What it lacks is in the bitmap.
    pub by_bitmap: bool,
}

/// The bitmap in memory.
#[derive(Debug, Clone)]
pub struct Bitmap {
    /// Sectors from the superblock.
    pub offset: i64,
    pub header: Header,
    pub marks: Vec<u8>,
    /// Classic: chunks that have to be copied to some member (kernel.md 3.1, NEEDED).
    pub needed: Vec<bool>,
}

impl Bitmap {
    pub fn is_lockless(&self) -> bool {
        self.header.is_lockless()
    }

    pub fn chunk_of(&self, sector: u64) -> usize {
        (sector / self.header.chunk) as usize
    }

    /// Whether a lockless bitmap says that nothing was ever written there.
    pub fn is_unwritten(&self, sector: u64) -> bool {
        use state::{CLEAN_UNWRITTEN, NEED_SYNC_UNWRITTEN, SYNCING_UNWRITTEN, UNWRITTEN};
        let unwritten = [
            UNWRITTEN,
            NEED_SYNC_UNWRITTEN,
            SYNCING_UNWRITTEN,
            CLEAN_UNWRITTEN,
        ];
        self.is_lockless() && unwritten.contains(&self.marks[self.chunk_of(sector)])
    }
}

impl<'w> Running<'w> {
    /// Slots without a member in sync.
    pub fn degraded(&self) -> usize {
        let in_sync = self
            .members
            .iter()
            .flatten()
            .filter(|member| member.in_sync);
        self.members.len() - in_sync.count()
    }

    pub fn is_in_sync(&self, slot: usize) -> bool {
        self.members[slot].is_some_and(|member| member.in_sync)
    }

    /// The word at a place, of a member in sync.
    pub fn word(&self, (slot, sector): (usize, usize)) -> Option<u64> {
        let member = self.members[slot].filter(|member| member.in_sync)?;
        Some(self.world.disks[member.disk].data[sector])
    }

    /// Writes a word on the member of a slot, in sync or being recovered.
    pub fn put(&mut self, (slot, sector): (usize, usize), word: u64) {
        if let Some(member) = self.members[slot] {
            self.world.disks[member.disk].put(sector, word);
        }
    }

    /// The bitmap goes to every member with a slot.
    pub fn write_bitmap(&mut self) {
        if self.bitmap.is_some() {
            self.write_bitmap_to(&mut |_| true);
        }
    }

    pub fn write_bitmap_to(&mut self, reaches: &mut dyn FnMut(usize) -> bool) {
        let Some(bitmap) = &self.bitmap else {
            return;
        };
        let copy = Arc::new(Copy {
            header: bitmap.header.clone(),
            marks: bitmap.marks.clone(),
        });
        for member in self.members.iter().flatten() {
            if reaches(member.disk) {
                self.world.disks[member.disk].bitmap =
                    Lying::Written(bitmap.offset, Arc::clone(&copy));
            }
        }
    }

    /// A change of the superblocks: the bitmap's own first (kernel.md 3.5), then those of all members and spares.
    pub fn commit(&mut self) {
        self.commit_to(&mut |_| true);
    }

    /// The same when the power goes meanwhile: only the disks for which `reaches` holds get theirs.
    pub fn commit_to(&mut self, reaches: &mut dyn FnMut(usize) -> bool) {
        self.events += 1;
        if let Some(bitmap) = &mut self.bitmap {
            bitmap.header.events = self.events;
            bitmap.header.state = 0;
            bitmap.header.sync_size = self.world.map.sync_size;
        }
        self.write_bitmap();
        let roles = self.roles();
        let members = self.members.iter().flatten().copied();
        let spares = self.spares.iter().map(|disk| Member {
            disk: *disk,
            in_sync: true,
            by_bitmap: false,
        });
        for member in members.chain(spares).collect::<Vec<_>>() {
            if !reaches(member.disk) {
                continue;
            }
            if let Some(sb) = &mut self.world.disks[member.disk].sb {
                sb.events = self.events;
                sb.resync = if self.active { 0 } else { self.resync };
                sb.bitmap = self.bitmap.as_ref().map(|bitmap| bitmap.offset);
                sb.roles.clone_from(&roles);
                sb.recovery = (!member.in_sync).then_some((0, member.by_bitmap));
            }
        }
    }

    /// Roles by number, as the members in sync will say.
    fn roles(&self) -> Vec<Role> {
        let all = self.members.iter().flatten().map(|member| member.disk);
        let all = all.chain(self.spares.iter().copied());
        let tables = all.filter_map(|disk| self.world.disks[disk].sb.as_ref());
        let len = tables.map(|sb| sb.roles.len()).max().unwrap_or_default();
        let mut roles = vec![Role::Faulty; len];
        let mut give = |disk: usize, role: Role| {
            let Some(sb) = &self.world.disks[disk].sb else {
                return;
            };
            if let Some(entry) = roles.get_mut(sb.number as usize) {
                *entry = role;
            }
        };
        for (slot, member) in self.members.iter().enumerate() {
            let Some(member) = member else {
                continue;
            };
            let known = self.world.disks[member.disk].sb.as_ref();
            // 0.90 knows nothing of members that are being recovered: they are spares to it.
            match known.is_some_and(|sb| sb.kind == Kind::V090) && !member.in_sync {
                true => give(member.disk, Role::Spare),
                false => give(member.disk, Role::Slot(slot as u32)),
            }
        }
        for spare in &self.spares {
            give(*spare, Role::Spare);
        }
        roles
    }

    /// A member is out of the array. Two changes of the superblocks: it fails, and it is removed. (After one of them alone,
    /// kernels before 6.9, and all with 0.90, would take it for current at the next start: a defect of their own.)
    pub fn fail(&mut self, slot: usize) {
        self.members[slot] = None;
        self.commit();
        self.commit();
    }

    /// What the driver does when nothing is written for a while: bits are cleared that nothing needs (kernel.md 3.4), states that
    /// are dirty become clean, unless the array is degraded (6.5).
    pub fn idle(&mut self) {
        let degraded = self.degraded() > 0;
        if let Some(bitmap) = &mut self.bitmap {
            if !bitmap.is_lockless() {
                for (mark, needed) in bitmap.marks.iter_mut().zip(&bitmap.needed) {
                    *mark = u8::from(*needed);
                }
            } else if !degraded {
                for mark in &mut bitmap.marks {
                    if *mark == state::DIRTY {
                        *mark = state::CLEAN;
                    }
                }
            }
        }
        self.write_bitmap();
    }

    /// The array is stopped in order.
    pub fn stop(mut self) -> World<'w> {
        self.idle();
        self.active = false;
        self.commit();
        self.world
    }
}
