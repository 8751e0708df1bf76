//! Resync and recovery (kernel.md 6.6, 7.1, 7.3), as 7.2 and later do them: what has to be equal is made so first, then what is
//! missing is filled.

use super::array::{Member, Running};
use super::bitmap::state;
use super::cells::{belongs, on_slot, solve};
use super::map::Cell;
use super::superblock::{CLEAN, Role};
use mdbitmap::device::crash::Random;

impl Running<'_> {
    /// All that the kernel does of itself after a start, or once a member was added.
    pub fn settle(&mut self) {
        if self.resync != CLEAN {
            self.resynchronise();
        }
        self.fill_slots();
        if self
            .bitmap
            .as_ref()
            .is_some_and(|bitmap| bitmap.is_lockless())
        {
            self.synchronise_states();
        }
        self.recover();
    }

    /// The same, and the power goes meanwhile: any part of what would be copied is.
    pub fn settle_partly(&mut self, random: &mut Random) {
        let degraded = self.degraded() > 0;
        if self.resync != CLEAN {
            for cell in &self.world.map.cells {
                if random.once_in(2) && self.is_due(cell.bitmap, degraded) {
                    self.equalise(cell);
                }
            }
            return;
        }
        let open = |member: &Option<Member>| member.is_some_and(|member| !member.in_sync);
        let Some(slot) = self.members.iter().position(open) else {
            return;
        };
        for cell in &self.world.map.cells {
            if random.once_in(2) && self.is_recovered(cell, slot) {
                self.rebuild(cell, slot);
            }
        }
    }

    /// Members in sync are made equal where the bitmap says that they may not be; without bitmap, everywhere.
    fn resynchronise(&mut self) {
        let degraded = self.degraded() > 0;
        let from = if self.bitmap.is_some() {
            0
        } else {
            self.resync
        };
        let cells = self.world.map.cells.iter();
        for cell in cells.filter(|cell| cell.bitmap >= from) {
            if self.is_due(cell.bitmap, degraded) {
                self.equalise(cell);
            }
        }
        self.end_sync(degraded);
        self.resync = CLEAN;
        self.commit();
    }

    /// Whether a sector is copied by what goes by the bitmap.
    fn is_due(&self, sector: u64, degraded: bool) -> bool {
        let Some(bitmap) = &self.bitmap else {
            return true;
        };
        let chunk = bitmap.chunk_of(sector);
        match bitmap.is_lockless() {
            false => bitmap.needed[chunk],
            true => match bitmap.marks[chunk] {
                state::NEED_SYNC | state::SYNCING => true,
                state::DIRTY => degraded,
                _ => false,
            },
        }
    }

    /// What was copied is dirty no more, unless a slot still lacks it.
    fn end_sync(&mut self, still_degraded: bool) {
        let Some(bitmap) = &mut self.bitmap else {
            return;
        };
        if bitmap.is_lockless() {
            for mark in &mut bitmap.marks {
                if matches!(*mark, state::NEED_SYNC | state::SYNCING) {
                    *mark = state::DIRTY;
                }
            }
        } else if !still_degraded {
            bitmap.needed.fill(false);
        }
    }

    fn equalise(&mut self, cell: &Cell) {
        if !self.world.map.has_parity() {
            // The lowest slot, or the first copy in the kernel's order.
            let source = cell.data.iter().find_map(|at| self.word(*at));
            if let Some(word) = source {
                for at in &cell.data {
                    if self.is_in_sync(at.0) {
                        self.put(*at, word);
                    }
                }
            }
            return;
        }
        // Parity follows data.
        if let Some(data) = solve(self, cell) {
            for at in cell.p.into_iter().chain(cell.q) {
                if self.is_in_sync(at.0) {
                    self.put(at, belongs(cell, &data, at));
                }
            }
        }
    }

    /// Spares fill slots that nothing fills. raid10 takes none while it is to be resynchronised (kernel.md 7.2).
    fn fill_slots(&mut self) {
        while let Some(slot) = self.members.iter().position(Option::is_none) {
            let Some(disk) = self.spares.pop() else {
                return;
            };
            self.members[slot] = Some(Member {
                disk,
                in_sync: false,
                by_bitmap: false,
            });
            self.commit();
        }
    }

    /// A lockless bitmap has its chunks synchronised whatever the superblocks say. With parity it is the member of the
    /// highest slot that is rebuilt from the others (kernel.md 6.6), if none is missing.
    fn synchronise_states(&mut self) {
        let degraded = self.degraded() > 0;
        if degraded {
            return;
        }
        let last = self.members.len() - 1;
        for cell in &self.world.map.cells {
            if !self.is_due(cell.bitmap, false) {
                continue;
            }
            match self.world.map.has_parity() {
                false => self.equalise(cell),
                true => self.rebuild(cell, last),
            }
        }
        self.end_sync(false);
    }

    /// What belongs on the member of a slot, from the others.
    fn rebuild(&mut self, cell: &Cell, slot: usize) {
        let Some(at) = on_slot(cell, slot) else {
            return;
        };
        let was = self.members[slot];
        if let Some(member) = &mut self.members[slot] {
            member.in_sync = false;
        }
        let word = match self.world.map.has_parity() {
            true => solve(self, cell).map(|data| belongs(cell, &data, at)),
            false => cell.data.iter().find_map(|at| self.word(*at)),
        };
        let data = match self.world.map.level {
            6 => solve(self, cell),
            _ => None,
        };
        self.members[slot] = was;
        if let Some(word) = word {
            self.put(at, word);
        }
        // raid6 mends its other parity with it (FINDINGS).
        if let Some(data) = data {
            for at in cell.p.into_iter().chain(cell.q) {
                self.put(at, belongs(cell, &data, at));
            }
        }
    }

    /// Members that are not in sync get what they lack, one after the other.
    fn recover(&mut self) {
        loop {
            let open = |member: &Option<Member>| member.is_some_and(|member| !member.in_sync);
            let Some(slot) = self.members.iter().position(open) else {
                return;
            };
            for cell in &self.world.map.cells {
                if self.is_recovered(cell, slot) {
                    self.rebuild(cell, slot);
                }
            }
            if let Some(member) = &mut self.members[slot] {
                member.in_sync = true;
            }
            let still = self.degraded() > 0;
            self.end_sync(still);
            self.commit();
        }
    }

    /// Whether the recovery of the member of a slot copies a cell to it.
    fn is_recovered(&self, cell: &Cell, slot: usize) -> bool {
        let by_bitmap = self.members[slot].is_some_and(|member| member.by_bitmap);
        match (&self.bitmap, by_bitmap) {
            // Nothing says what it lacks: nothing is copied (FINDINGS: an interrupted re-add is forgotten).
            (None, true) => false,
            (None, false) => true,
            (Some(_), true) => self.is_due(cell.bitmap, true),
            (Some(bitmap), false) => !bitmap.is_unwritten(cell.bitmap),
        }
    }

    /// A member comes back (kernel.md 7.2): by the bitmap, if nothing was cleared since it was away. False when no slot is free
    /// for it.
    pub fn readd(&mut self, disk: usize) -> bool {
        let Some(sb) = self.world.disks[disk].sb.clone() else {
            return false;
        };
        let own = match sb.own_role() {
            Role::Slot(slot) => Some(slot as usize),
            _ => None,
        };
        let knows = match &self.bitmap {
            None => sb.events >= self.events,
            Some(bitmap) => sb.events >= bitmap.header.cleared,
        };
        let is_open = |slot: &usize| self.members[*slot].is_none();
        let own_open = own.filter(is_open);
        let any_open = (0..self.members.len()).find(is_open);
        let Some(slot) = own_open.or(any_open) else {
            return false;
        };
        // A mirror's members are all alike; elsewhere it has to be its own slot.
        let kept = own.is_some() && (self.world.map.level == 1 || own_open.is_some());
        self.members[slot] = Some(Member {
            disk,
            in_sync: false,
            by_bitmap: knows && kept,
        });
        self.commit();
        true
    }

    /// A new disk fills an open slot.
    pub fn add(&mut self, disk: usize) {
        self.spares.push(disk);
        self.fill_slots();
    }
}
