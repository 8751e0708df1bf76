//! How the world goes on with the disks of an array: every way has to end with an array whose members agree.

use super::array::Running;
use super::assemble::{How, NoStart};
use super::disk::{Disk, Lying, World};
use super::map::Map;
use super::superblock::{CLEAN, Kind, Role};
use super::verify::Wrong;
use super::write::Write;
use mdbitmap::device::crash::Random;
use std::sync::Arc;

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// In which story.
    pub story: &'static str,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    NoStart(NoStart),
    /// Fewer members come to be in sync than before the command.
    Members(usize),
    Wrong(Wrong),
}

/// What the array was capable of before the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Members in sync once the kernel has done all it can.
    pub members: usize,
    /// A disk is away in whose place another one came.
    pub has_former: bool,
    /// A start with one member alone makes the kernel forget what is marked (FINDINGS, lone-mirror).
    pub lone_mirror: bool,
}

impl Before {
    /// Whether a mirror whose last start was not ended would lose its marks if one member alone were found.
    pub fn is_lone_mirror(world: &World<'_>) -> bool {
        let forgets = |disk: &Disk<'_>| {
            let sb = disk
                .sb
                .as_ref()
                .filter(|sb| sb.level == 1 && sb.resync != CLEAN)?;
            let copy = disk.bitmap(sb.bitmap?, world.map, sb).ok()?;
            // A bitmap that is out of date counts as if it had been cleared now (kernel.md 2.1).
            Some(copy.header.cleared >= sb.events || copy.header.events < sb.events)
        };
        world.disks.iter().any(|disk| forgets(disk) == Some(true))
    }
}

/// The stories of one state of the disks.
pub struct Stories<'s, 'w> {
    pub world: &'s World<'w>,
    /// Disks that are part of the array.
    pub present: &'s [usize],
    /// Disks that were.
    pub away: &'s [usize],
    pub before: Before,
    /// Some superblock is torn: its disk is no member, and the array need not be able to do without.
    pub torn: bool,
}

impl<'w> Stories<'_, 'w> {
    /// Tells all of them; `random` chooses what is left to chance.
    pub fn all(&self, random: &mut Random) -> Result<(), Violation> {
        let Some(settled) = self.start_with_each_copy(random)? else {
            return Ok(());
        };
        self.member_fails(&settled, random)?;
        self.away_comes_back(&settled, random)?;
        self.fails_at_once(random)?;
        self.stops(&settled, random)?;
        self.crashes_again(&settled, random)?;
        self.one_left_out(random)?;
        self.is_replaced(&settled, random)
    }

    fn all_disks(&self) -> Vec<usize> {
        self.present.iter().chain(self.away).copied().collect()
    }

    /// Every copy of the bitmap may be the one that is read, and kernels differ about roles.
    fn start_with_each_copy(&self, random: &mut Random) -> Result<Option<Running<'w>>, Violation> {
        let story = "start";
        let given = self.all_disks();
        let events: Vec<u64> = given
            .iter()
            .filter_map(|disk| self.world.disks[*disk].sb.as_ref())
            .map(|sb| sb.events)
            .collect();
        let alike = events.iter().all(|count| *count == events[0]);
        let kept = random.below(self.world.map.slots as u64) as usize;
        let mut last = None;
        for own_roles in [false, true] {
            if own_roles && alike {
                continue;
            }
            for copy in 0..self.world.map.slots {
                let how = How {
                    copy,
                    own_roles,
                    eager: random.once_in(2),
                };
                let mut running = match self.world.assemble(&given, how) {
                    Ok(running) => running,
                    Err(NoStart::Bitmap(why)) => return no_start(story, NoStart::Bitmap(why)),
                    Err(_) if self.torn => return Ok(None),
                    Err(why) => return no_start(story, why),
                };
                let has_bitmap = running.bitmap.is_some();
                running.settle();
                check(story, &mut running)?;
                let members = running.members.len() - running.degraded();
                if members < self.before.members && !self.torn {
                    return Err(Violation {
                        story,
                        what: What::Members(members),
                    });
                }
                if copy == kept || last.is_none() || !has_bitmap {
                    last = Some(running);
                }
                if !has_bitmap {
                    break;
                }
            }
        }
        Ok(last)
    }

    /// A member fails, the others are written to, it comes back.
    fn member_fails(&self, settled: &Running<'w>, random: &mut Random) -> Result<(), Violation> {
        let mut running = settled.clone();
        if random.once_in(2) {
            running.idle();
        }
        let Some(disk) = fail_one(&mut running, random) else {
            return Ok(());
        };
        self.written_and_back("a member fails and comes back", running, disk, random)
    }

    /// Writes, perhaps a stop and a start, then the disk is added again.
    fn written_and_back(
        &self,
        story: &'static str,
        mut running: Running<'w>,
        disk: usize,
        random: &mut Random,
    ) -> Result<(), Violation> {
        running.write(&some_writes(self.world.map, random));
        if random.once_in(3) {
            running.idle();
        }
        if random.once_in(3) {
            let given: Vec<usize> = self
                .all_disks()
                .into_iter()
                .filter(|other| *other != disk)
                .collect();
            running = start(story, &running.stop(), &given, random)?;
            running.settle();
        }
        if running.readd(disk) && random.once_in(4) {
            return self.cut_short(story, running, random);
        }
        running.settle();
        check(story, &mut running)
    }

    /// The power goes while members are made equal or filled.
    fn cut_short(
        &self,
        story: &'static str,
        mut running: Running<'w>,
        random: &mut Random,
    ) -> Result<(), Violation> {
        running.settle_partly(random);
        let mut again = match running.world.assemble(&self.all_disks(), how(random)) {
            Ok(again) => again,
            // Parity without enough of its members, some of them not filled yet.
            Err(NoStart::DirtyDegraded) => return Ok(()),
            Err(why) => return no_start(story, why),
        };
        again.settle();
        check(story, &mut again)
    }

    /// Whoever was away is added again, if need be in the place of another one that fails.
    fn away_comes_back(&self, settled: &Running<'w>, random: &mut Random) -> Result<(), Violation> {
        let story = "who was away comes back";
        for disk in self.away {
            let mut running = settled.clone();
            // A lockless bitmap takes any former member for one that lacks what is marked alone (kernel.md trap 11).
            let lockless = running
                .bitmap
                .as_ref()
                .is_some_and(|bitmap| bitmap.is_lockless());
            if self.before.has_former && lockless {
                continue;
            }
            if running.degraded() == 0 && !fail_slot_of(&mut running, *disk, random) {
                continue;
            }
            if random.once_in(2) {
                running.write(&some_writes(self.world.map, random));
            }
            running.readd(*disk);
            running.settle();
            check(story, &mut running)?;
        }
        Ok(())
    }

    /// A member fails before anything was made equal.
    fn fails_at_once(&self, random: &mut Random) -> Result<(), Violation> {
        let story = "a member fails at once";
        let Ok(mut running) = self.world.assemble(&self.all_disks(), how(random)) else {
            return Ok(());
        };
        if self.world.map.has_parity() && running.resync != CLEAN {
            return Ok(());
        }
        if self.world.map.has_parity() && has_states_to_sync(&running) {
            return Ok(());
        }
        let Some(disk) = fail_one(&mut running, random) else {
            return Ok(());
        };
        running.settle();
        self.written_and_back(story, running, disk, random)
    }

    /// The array is stopped, and started once more.
    fn stops(&self, settled: &Running<'w>, random: &mut Random) -> Result<(), Violation> {
        let story = "stop and start";
        let mut running = settled.clone();
        if random.once_in(2) {
            running.write(&some_writes(self.world.map, random));
        }
        let mut again = start(story, &running.stop(), &self.all_disks(), random)?;
        again.settle();
        check(story, &mut again)
    }

    /// The power goes once more, and then a member fails and comes back.
    fn crashes_again(&self, settled: &Running<'w>, random: &mut Random) -> Result<(), Violation> {
        let story = "another crash";
        if self.world.map.has_parity() && settled.degraded() > 0 {
            return Ok(());
        }
        let writes = some_writes(self.world.map, random);
        let world = settled.clone().crash_writing(&writes, random);
        let mut again = start(story, &world, &self.all_disks(), random)?;
        if random.once_in(3) {
            return self.cut_short(story, again, random);
        }
        again.settle();
        check(story, &mut again)?;
        match fail_one(&mut again, random) {
            Some(disk) => self.written_and_back(story, again, disk, random),
            None => Ok(()),
        }
    }

    /// One member is not found when the array is started, and comes back later.
    fn one_left_out(&self, random: &mut Random) -> Result<(), Violation> {
        let story = "a member is not found";
        let at = random.below(self.present.len() as u64) as usize;
        let disk = self.present[at];
        // Without those that are away: if they were all there is, old data would be all there is.
        let given: Vec<usize> = self
            .present
            .iter()
            .copied()
            .filter(|other| *other != disk)
            .collect();
        let mut running = match self.world.assemble(&given, how(random)) {
            Ok(running) => running,
            Err(NoStart::Bitmap(why)) => return no_start(story, NoStart::Bitmap(why)),
            Err(_) => return Ok(()),
        };
        let alone = running.members.len() - running.degraded() == 1;
        if self.before.lone_mirror && alone {
            return Ok(());
        }
        running.settle();
        check(story, &mut running)?;
        self.written_and_back(story, running, disk, random)
    }

    /// A member fails, a new disk takes its place, that fails, and the first comes back.
    fn is_replaced(&self, settled: &Running<'w>, random: &mut Random) -> Result<(), Violation> {
        let story = "a member is replaced and comes back";
        let mut running = settled.clone();
        // A lockless bitmap has no answer to this (kernel.md trap 11).
        if running
            .bitmap
            .as_ref()
            .is_some_and(|bitmap| bitmap.is_lockless())
            || !running.spares.is_empty()
        {
            return Ok(());
        }
        let Some(disk) = fail_one(&mut running, random) else {
            return Ok(());
        };
        if random.once_in(2) {
            running.write(&some_writes(self.world.map, random));
        }
        let new = running.world.disks.len();
        let blank = blank(&running.world, new, random);
        running.world.disks.push(blank);
        running.add(new);
        running.settle();
        check(story, &mut running)?;
        if running.degraded() > 0 {
            return Ok(());
        }
        // Without it, the kernel would let the first one back in by its marks (kernel.md trap 10).
        running.write(&some_writes(self.world.map, random));
        running.idle();
        let holds =
            |member: &Option<super::array::Member>| member.is_some_and(|member| member.disk == new);
        if let Some(slot) = running.members.iter().position(holds) {
            running.fail(slot);
            running.readd(disk);
            running.settle();
        }
        check(story, &mut running)
    }
}

fn no_start<T>(story: &'static str, why: NoStart) -> Result<T, Violation> {
    Err(Violation {
        story,
        what: What::NoStart(why),
    })
}

fn check(story: &'static str, running: &mut Running<'_>) -> Result<(), Violation> {
    match running.wrong() {
        Some(wrong) => Err(Violation {
            story,
            what: What::Wrong(wrong),
        }),
        None => {
            running.decide();
            Ok(())
        }
    }
}

fn how(random: &mut Random) -> How {
    How {
        copy: random.below(8) as usize,
        own_roles: random.once_in(2),
        eager: random.once_in(2),
    }
}

fn start<'w>(
    story: &'static str,
    world: &World<'w>,
    given: &[usize],
    random: &mut Random,
) -> Result<Running<'w>, Violation> {
    match world.assemble(given, how(random)) {
        Ok(running) => Ok(running),
        Err(why) => no_start(story, why),
    }
}

fn has_states_to_sync(running: &Running<'_>) -> bool {
    use super::bitmap::state::{NEED_SYNC, SYNCING};
    let bitmap = running
        .bitmap
        .as_ref()
        .filter(|bitmap| bitmap.is_lockless());
    bitmap.is_some_and(|bitmap| {
        bitmap
            .marks
            .iter()
            .any(|mark| matches!(*mark, NEED_SYNC | SYNCING))
    })
}

/// A member in sync that the array can do without fails; its disk.
fn fail_one(running: &mut Running<'_>, random: &mut Random) -> Option<usize> {
    let slots = running.members.len();
    let first = random.below(slots as u64) as usize;
    let slot = (0..slots).map(|at| (first + at) % slots).find(|slot| {
        let without = |other: usize| other != *slot && running.is_in_sync(other);
        running.is_in_sync(*slot) && running.world.map.is_enough(without)
    })?;
    let disk = running.members[slot]?.disk;
    running.fail(slot);
    Some(disk)
}

/// The member fails that holds the slot that a disk held; any other one if that is not possible.
fn fail_slot_of(running: &mut Running<'_>, disk: usize, random: &mut Random) -> bool {
    let role = running.world.disks[disk]
        .sb
        .as_ref()
        .map(|sb| sb.own_role());
    if let Some(Role::Slot(slot)) = role {
        let slot = slot as usize;
        let without = |other: usize| other != slot && running.is_in_sync(other);
        if running.is_in_sync(slot) && running.world.map.is_enough(without) {
            running.fail(slot);
            return true;
        }
    }
    fail_one(running, random).is_some()
}

pub fn some_writes(map: &Map, random: &mut Random) -> Vec<Write> {
    crate::corpus::history::some_writes(map, 3, random)
}

/// A disk that mdadm has just made a spare of the array.
fn blank<'w>(world: &World<'w>, number: usize, random: &mut Random) -> Disk<'w> {
    let of = world.disks.iter().find(|disk| disk.sb.is_some()).cloned();
    let mut disk = of.expect("some disk has a superblock");
    if let Some(sb) = &mut disk.sb {
        sb.number = number as u32;
        sb.events = 0;
        sb.recovery = None;
        sb.device_uuid = [0xbb; 16];
        let len = if sb.kind == Kind::V090 {
            sb.roles.len().max(number + 1)
        } else {
            sb.roles.len()
        };
        sb.roles = vec![Role::Spare; len];
    }
    disk.bitmap = Lying::Nothing;
    disk.data = Arc::new((0..world.map.member_size).map(|_| random.bits()).collect());
    disk
}
