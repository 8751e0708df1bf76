//! mdadm puts an array together, and the kernel starts it or does not (kernel.md 2, 3.7, 6.6, 7.1, 7.2; design.md W1).

use super::array::{Bitmap, Member, Running};
use super::bitmap::{Copy, Refused, STALE, state};
use super::disk::World;
use super::superblock::{CLEAN, Role, Super};
use std::sync::Arc;

/// What of a start is up to the kernel's version or to chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// Whose copy of the bitmap is read: the number among the members in sync, counted round. The kernel takes that of the member
    /// that was added last (kernel.md 4.1), which hangs on the order in which devices are found.
    pub copy: usize,
    /// Kernels before 6.9 take a member's role from its own superblock, later ones from the freshest.
    pub own_roles: bool,
    /// The superblocks are written at once, and not when something happens.
    pub eager: bool,
}

/// Why an array does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoStart {
    NoMember,
    NotEnough,
    /// Parity that may be wrong is all that is left of some data.
    DirtyDegraded,
    /// RUN_ARRAY fails.
    Bitmap(Refused),
}

impl<'w> World<'w> {
    fn sb(&self, disk: usize) -> Option<&Super> {
        self.disks[disk].sb.as_ref()
    }

    /// The superblock that speaks for the array: the most events among members.
    pub fn freshest(&self, given: &[usize]) -> Option<usize> {
        let members = given.iter().copied().filter(|disk| {
            self.sb(*disk)
                .is_some_and(|sb| matches!(sb.own_role(), Role::Slot(_)))
        });
        let mut best: Option<usize> = None;
        for disk in members {
            let events = |disk: usize| self.sb(disk).map_or(0, |sb| sb.events);
            if best.is_none_or(|best| events(disk) > events(best)) {
                best = Some(disk);
            }
        }
        best
    }

    /// Who is in the array: members by slot, and spares.
    fn members(
        &self,
        given: &[usize],
        how: How,
    ) -> Option<(usize, Vec<Option<Member>>, Vec<usize>)> {
        let freshest = self.freshest(given)?;
        let top = self.sb(freshest)?.clone();
        let mut members: Vec<Option<Member>> = vec![None; top.slots as usize];
        let mut spares = Vec::new();
        for disk in given.iter().copied() {
            let Some(sb) = self.sb(disk) else {
                continue;
            };
            let own = sb.own_role();
            if own == Role::Spare && sb.recovery.is_none() {
                spares.push(disk);
                continue;
            }
            if sb.events + 1 < top.events {
                continue;
            }
            let old_way = how.own_roles || sb.kind == super::superblock::Kind::V090;
            let role = if old_way { own } else { top.role_of(sb.number) };
            let Role::Slot(slot) = role else {
                continue;
            };
            let events = |member: Member| self.sb(member.disk).map_or(0, |sb| sb.events);
            let place = &mut members[slot as usize];
            if place.is_none_or(|there| events(there) < sb.events) {
                *place = Some(Member {
                    disk,
                    in_sync: sb.recovery.is_none(),
                    by_bitmap: sb.recovery.is_some_and(|(_, by_bitmap)| by_bitmap),
                });
            }
        }
        Some((freshest, members, spares))
    }

    /// Starts the array of these disks, degraded if need be.
    pub fn assemble(&self, given: &[usize], how: How) -> Result<Running<'w>, NoStart> {
        let (freshest, members, spares) = self.members(given, how).ok_or(NoStart::NoMember)?;
        let top = self.sb(freshest).ok_or(NoStart::NoMember)?.clone();
        let has = |slot: usize| members[slot].is_some_and(|member| member.in_sync);
        if !self.map.is_enough(has) {
            return Err(NoStart::NotEnough);
        }
        let in_sync: Vec<usize> = members
            .iter()
            .flatten()
            .filter(|member| member.in_sync)
            .map(|member| member.disk)
            .collect();
        let degraded = members.len() - in_sync.len();
        let mut resync = top.resync;
        if self.map.has_parity() && degraded > 0 && resync != CLEAN {
            return Err(NoStart::DirtyDegraded);
        }
        if self.map.level == 1 && in_sync.len() == 1 {
            resync = CLEAN;
        }
        let bitmap = match top.bitmap {
            None => None,
            Some(offset) => {
                let reader = in_sync[how.copy % in_sync.len()];
                let sb = self.sb(reader).ok_or(NoStart::NoMember)?;
                let copy = self.disks[reader]
                    .bitmap(offset, self.map, sb)
                    .map_err(NoStart::Bitmap)?;
                let start = Start {
                    events: top.events,
                    resync,
                    degraded: degraded > 0,
                };
                Some(load(offset, &copy, start))
            }
        };
        let mut running = Running {
            world: self.clone(),
            members,
            spares,
            events: top.events,
            resync,
            active: resync != CLEAN,
            bitmap,
        };
        running.begin(&top, how);
        Ok(running)
    }
}

/// What the load of a bitmap hangs on.
struct Start {
    events: u64,
    resync: u64,
    degraded: bool,
}

fn load(offset: i64, copy: &Arc<Copy>, start: Start) -> Bitmap {
    let mut header = copy.header.clone();
    let mut marks = copy.marks.clone();
    // Of a cluster, events are not compared (kernel.md 3.9).
    let behind = header.nodes == 0 && header.events < start.events;
    let stale = behind || header.state & STALE != 0;
    let mut needed = Vec::new();
    if header.is_lockless() {
        for mark in &mut marks {
            *mark = loaded(*mark, stale);
        }
    } else {
        if stale {
            marks.fill(1);
            header.cleared = start.events;
        }
        // kernel.md 3.7.
        let from = match !start.degraded || header.cleared == start.events {
            true => start.resync,
            false => 0,
        };
        needed = (1..)
            .zip(&marks)
            .map(|(behind, mark)| *mark != 0 && header.chunk * behind >= from)
            .collect();
    }
    Bitmap {
        offset,
        header,
        marks,
        needed,
    }
}

/// The state of a chunk once it is loaded (kernel.md 6.2: Reload and Stale).
fn loaded(now: u8, stale: bool) -> u8 {
    use state::*;
    match (now, stale) {
        (UNWRITTEN, _) => UNWRITTEN,
        (CLEAN, false) => CLEAN,
        (CLEAN | DIRTY, _) => NEED_SYNC,
        (NEED_SYNC | SYNCING, _) => NEED_SYNC,
        (NEED_SYNC_UNWRITTEN | SYNCING_UNWRITTEN, _) => UNWRITTEN,
        (CLEAN_UNWRITTEN, false) => CLEAN_UNWRITTEN,
        (CLEAN_UNWRITTEN, true) => UNWRITTEN,
        // Nobody knows it: needs sync, whatever happens.
        (8.., _) => NEED_SYNC,
    }
}

impl Running<'_> {
    /// What a start writes.
    fn begin(&mut self, top: &Super, how: How) {
        if let Some(bitmap) = &mut self.bitmap {
            bitmap.header.events = self.events;
            bitmap.header.state = 0;
        }
        self.write_bitmap();
        let behind = self.members.iter().flatten().any(|member| {
            let sb = self.world.disks[member.disk].sb.as_ref();
            sb.is_some_and(|sb| sb.events != top.events)
        });
        if how.eager || self.active || behind || self.degraded() > 0 {
            self.commit();
        }
    }
}
