//! What would happen if an array were assembled from exactly the members at hand.
//!
//! Whose copy of the bitmap the kernel reads: that of the first member in sync in its list, which
//! is the one bound last; mdadm binds the freshest one last, of equals the one in the lowest slot,
//! and the others before it in the order of their slots (reference/kernel.md 4.1). Another program
//! may bind them otherwise, so each copy that could be read is judged.

#[cfg(test)]
mod tests;

use super::membership::{Membership, NotOneArray, Standing};
use super::probe::FoundSuper;
use super::verdict::{self, Assembly, Load, Reason, Scope, Verdict};
use crate::bitmap::{Bitmap, BitmapError, Counts};
use crate::units::{ChunkIndex, SECTOR_BYTES, Sectors};
use std::cmp::Reverse;

/// A member at hand.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// Its superblock.
    pub found: &'a FoundSuper,
    /// Its copy of the bitmap; `None` where there is none or it cannot be opened.
    pub bitmap: Option<&'a Bitmap<'a>>,
    /// The counts of that copy, where they are at hand: they save reading it again.
    pub counts: Option<&'a Counts>,
}

/// A copy of the bitmap that the kernel might read.
#[derive(Debug)]
pub struct Reading {
    /// The member it lies on, by its place in the list given.
    pub member: usize,
    /// What the kernel would do, having read this copy.
    pub verdict: Result<Verdict, BitmapError>,
    /// What it would resynchronise.
    pub scope: Scope,
    /// How it would load the chunks; `None` where the bits decide nothing.
    pub load: Option<Load>,
    /// What it would copy to members that are not in sync, besides.
    pub recoveries: Vec<Recovery>,
}

/// A recovery: the rest of one that was interrupted, or that of a spare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The member that is being brought up to date, by its place in the list given.
    pub member: usize,
    /// Its slot.
    pub slot: u32,
    /// The first sector of its data that is not current.
    pub from: Sectors,
    /// The chunks that would be copied; unknown for raid10, whose recovery goes by the sectors of the
    /// member and not by those of the array.
    pub scope: Scope,
}

/// What assembling the members would lead to.
#[derive(Debug)]
pub struct Assembled {
    /// Which members are current.
    pub membership: Membership,
    /// Why the array does not start, whatever its bitmap; empty when nothing but the bitmap could
    /// be in the way.
    pub obstacles: Vec<Reason>,
    /// The copies of the bitmap, the one that the kernel reads first. The next one is read where that one
    /// cannot be. Empty for an array without a bitmap, or without a member in sync.
    pub readings: Vec<Reading>,
}

impl Assembled {
    /// The copy that the kernel would read after `mdadm --assemble`.
    pub fn reading(&self) -> Option<&Reading> {
        self.readings.iter().find(|reading| reading.verdict.is_ok())
    }

    /// True when the array would start.
    pub fn starts(&self) -> bool {
        let by_bitmap = match self.reading() {
            Some(reading) => reading.verdict.as_ref().is_ok_and(|verdict| verdict.starts),
            // Without a bitmap nothing else is in the way; one that nobody can read is.
            None => self.readings.is_empty(),
        };
        self.obstacles.is_empty() && by_bitmap
    }

    /// The members whose copy would lead to something else than the one that the kernel would read.
    pub fn differing(&self) -> impl Iterator<Item = usize> {
        let first = self.reading();
        let agrees = move |other: &&Reading| match (first, &other.verdict) {
            (Some(first), Ok(verdict)) => first
                .verdict
                .as_ref()
                .is_ok_and(|first| same_effect(first, verdict)),
            _ => false,
        };
        self.readings
            .iter()
            .filter(move |reading| !agrees(reading))
            .map(|reading| reading.member)
    }
}

fn same_effect(a: &Verdict, b: &Verdict) -> bool {
    let of = |verdict: &Verdict| {
        (
            verdict.starts,
            verdict.trusted,
            verdict.resync_bytes,
            verdict.outcomes,
        )
    };
    of(a) == of(b)
}

/// Judges the array that `members`, and no others, would become.
///
/// # Errors
/// [`NotOneArray`] when there is no member, or they belong to different arrays.
pub fn load(members: &[Present<'_>]) -> Result<Assembled, NotOneArray> {
    let supers: Vec<&FoundSuper> = members.iter().map(|member| member.found).collect();
    let membership = Membership::of(&supers)?;
    let assembly = |own| Assembly::complete(&supers, &membership, own);
    let obstacles = match assembly(membership.freshest()) {
        Some(assembly) => verdict::obstacles(&assembly),
        None => Vec::new(),
    };
    let mut readings = Vec::new();
    for member in reading_order(&supers, &membership) {
        let present = members.get(member);
        let (Some(assembly), Some(present)) = (assembly(member), present) else {
            continue;
        };
        if let Some(bitmap) = present.bitmap {
            let available = bitmap.store().len().checked_sub(bitmap.start());
            let assessment = verdict::assess(&assembly, bitmap.raw(), available);
            let (scope, load) = (assessment.scope.clone(), assessment.load);
            readings.push(Reading {
                member,
                recoveries: recoveries(&assembly, &membership, load.as_ref()),
                scope,
                load,
                verdict: verdict::measure(assessment, bitmap, present.counts),
            });
        }
    }
    Ok(Assembled {
        obstacles,
        readings,
        membership,
    })
}

/// The members in sync, the one whose copy of the bitmap the kernel reads first in front.
pub fn reading_order(supers: &[&FoundSuper], membership: &Membership) -> Vec<usize> {
    let slot = |member: &usize| membership.standing(*member).slot();
    let events = |member: &usize| supers.get(*member).map(|found| found.member.events);
    let mut order: Vec<usize> = membership.current().collect();
    order.sort_by_key(|member| Reverse(slot(member)));
    let freshest = order
        .iter()
        .enumerate()
        .min_by_key(|(_, member)| (Reverse(events(member)), slot(member)));
    if let Some((place, _)) = freshest {
        let first = order.remove(place);
        order.insert(0, first);
    }
    order
}

/// What goes on being copied to members that were not brought up to date, and what is copied to spares
/// that fill vacant slots: the lowest slot first.
fn recoveries(
    assembly: &Assembly<'_>,
    membership: &Membership,
    load: Option<&Load>,
) -> Vec<Recovery> {
    let mut vacant = assembly.vacant_slots();
    let mut of = |member: usize, standing: &Standing| {
        let (slot, from, by_bitmap) = match *standing {
            Standing::Recovering {
                slot,
                up_to,
                by_bitmap,
            } => (slot, up_to, by_bitmap),
            Standing::Spare => (vacant.next()?, Sectors(0), false),
            _ => return None,
        };
        let scope = recovery_scope(assembly, load, from, by_bitmap);
        Some(Recovery {
            member,
            slot,
            from,
            scope,
        })
    };
    let standings = membership.standings().iter().enumerate();
    standings
        .filter_map(|(member, standing)| of(member, standing))
        .collect()
}

/// The chunks that a recovery from `from` on copies: by bitmap those whose bit demands it
/// (reference/kernel.md 3.6, 7.2), otherwise all.
fn recovery_scope(
    assembly: &Assembly<'_>,
    load: Option<&Load>,
    from: Sectors,
    by_bitmap: bool,
) -> Scope {
    let array = &assembly.freshest().member;
    let Some(Load::Bits(bits)) = load else {
        return Scope::Unknown;
    };
    if array.level == crate::format::level::Level::Raid10 {
        return Scope::Unknown;
    }
    let coverage = bits.coverage;
    let chunk_sectors = (coverage.chunk_bytes() / SECTOR_BYTES).max(1);
    let begun = ChunkIndex((from.0 / chunk_sectors).min(coverage.chunks()));
    let first = match by_bitmap {
        true => begun.max(bits.first_needed),
        false => begun,
    };
    match by_bitmap && !bits.stale {
        true => Scope::SetFrom { first, coverage },
        false => Scope::AllFrom { first, coverage },
    }
}
