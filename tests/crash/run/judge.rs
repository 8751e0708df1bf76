//! What has to hold for every state that a command can leave.

use super::attempt::{Ended, Tamper, attempt_with};
use super::record::{Digest, Record, superblock_bytes};
use crate::commands::Command;
use crate::corpus::Base;
use crate::corpus::history::Away;
use crate::world::disk::World;
use crate::world::stories::{Before, Stories, Violation};
use mdbitmap::change::undo::{self, UndoFile};
use mdbitmap::device::crash::{Entry, Image, Random, Recorder, hash_of};
use std::collections::HashSet;
use std::sync::Arc;

/// A command on an array, and what is known of both.
pub struct Case<'c> {
    pub base: &'c Base,
    pub command: &'c Command,
    /// The disks that the command is given, in this order.
    pub given: Vec<usize>,
    pub before: Before,
    pub seed: u64,
    pub tamper: Option<&'c Tamper<'c>>,
}

/// What is wrong with a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The world went on to something that must not be.
    World(Violation),
    /// A superblock is neither old nor new nor torn.
    Superblock(usize),
    /// Bytes outside the plan have changed.
    Outside(usize),
    /// Running the command again did not finish it.
    Again(String),
    /// It was not taken back.
    Undo(String),
}

/// What was found out about a case, to judge its states by.
pub struct Knowledge {
    pub record: Record,
    pub digest: Option<Digest>,
    pub undo: Arc<UndoFile>,
    /// What the devices hold once the command is undone.
    pub origin: Vec<Image>,
}

/// Why a command may be refused after it was cut short, when its undo file is lost.
const FORGOTTEN: &[&str] = &[
    // The bitmap whose options were to change is announced no more.
    "no-bitmap",
    // The file or dump was of the event before.
    "file-not-believed",
    "dump-not-of-now",
    // The clustered bitmap that --force was given for may be there or not.
    "clustered",
];

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub torn: u64,
    pub again: u64,
    pub undone: u64,
}

impl Case<'_> {
    /// All disks, those that were given as in a state.
    pub fn disks<'i>(&'i self, images: &'i [Image]) -> Vec<&'i Image> {
        let mut all: Vec<&Image> = self.base.images.iter().collect();
        for (place, disk) in self.given.iter().enumerate() {
            all[*disk] = &images[place];
        }
        all
    }

    /// The latest event that a disk knows that is away.
    fn away_since(&self) -> u64 {
        let superblocks = self.base.away.iter().filter_map(|disk| {
            crate::world::disk::superblock(&self.base.images[*disk], self.base.spec.kind)
        });
        superblocks.map(|sb| sb.events).max().unwrap_or_default()
    }

    pub fn start(&self) -> Vec<Image> {
        self.given
            .iter()
            .map(|disk| self.base.images[*disk].clone())
            .collect()
    }

    /// Tells the stories of a state.
    pub fn stories(&self, images: &[Image], torn: bool, number: u128) -> Result<(), Fault> {
        let disks = self.disks(images);
        let world = self.base.world(&disks);
        let present = self.base.present();
        let stories = Stories {
            world: &world,
            present: &present,
            away: &self.base.away,
            before: self.before,
            torn,
        };
        let mut random = Random::of(&[self.seed, number as u64, (number >> 64) as u64]);
        stories.all(&mut random).map_err(Fault::World)
    }

    /// Whether some given disk's superblock is not believed; a fault if one is that it never had.
    fn superblocks(&self, known: &Knowledge, images: &[Image]) -> Result<bool, Fault> {
        let mut torn = false;
        for (place, image) in images.iter().enumerate() {
            let bytes = superblock_bytes(self.base, image);
            if known.record.superblocks[place].contains(&bytes) {
                continue;
            }
            if crate::world::disk::superblock(image, self.base.spec.kind).is_some() {
                return Err(Fault::Superblock(place));
            }
            torn = true;
        }
        Ok(torn)
    }

    fn outside(&self, known: &Knowledge, images: &[Image]) -> Result<(), Fault> {
        for (place, image) in images.iter().enumerate() {
            let start = &known.record.log.start()[place];
            let planned = &known.record.planned[place];
            let block = image.block_bytes();
            for number in image.written_blocks() {
                let first = number * block;
                let covered = planned
                    .iter()
                    .any(|range| range.start <= first && first + block <= range.end);
                if covered {
                    continue;
                }
                for (at, (new, old)) in
                    (first..).zip(image.block(number).iter().zip(start.block(number)))
                {
                    if new != old && !planned.iter().any(|range| range.contains(&at)) {
                        return Err(Fault::Outside(place));
                    }
                }
            }
        }
        Ok(())
    }

    /// Judges a state of the devices of the command.
    pub fn judge(
        &self,
        known: &Knowledge,
        images: &[Image],
        ends: &mut HashSet<u128>,
        counts: &mut Counts,
    ) -> Result<(), Fault> {
        let torn = self.superblocks(known, images)?;
        counts.torn += u64::from(torn);
        self.outside(known, images)?;
        let number = hash_of(images);
        self.stories(images, torn, number)?;
        self.again(known, images, torn, ends)?;
        counts.again += 1;
        counts.undone += 1;
        self.undo(known, images)
    }

    /// Running the command again finishes it. With its undo file the program takes the half first that is done (and `undo`
    /// below shows that this gives what there was at first); here there is no undo file, and what the array was like is
    /// known no more than its members tell. Then it may be refused, for a reason that has to do with that.
    fn again(
        &self,
        known: &Knowledge,
        images: &[Image],
        torn: bool,
        ends: &mut HashSet<u128>,
    ) -> Result<(), Fault> {
        if self.tamper.is_some() {
            return Ok(());
        }
        let recorder = Recorder::new(images.to_vec());
        match attempt_with(&recorder, self.command, None, None) {
            Ended::Done(_) => {}
            // What is torn is put back by `undo`.
            Ended::Refused(names) if torn && names.contains(&"superblock-damaged") => return Ok(()),
            Ended::Refused(names) if names.iter().all(|name| FORGOTTEN.contains(name)) => {
                return match recorder
                    .log()
                    .entries()
                    .any(|entry| matches!(entry, Entry::Write { .. }))
                {
                    true => Err(Fault::Again("refused after it had written".to_owned())),
                    false => Ok(()),
                };
            }
            other => return Err(Fault::Again(other.short())),
        }
        let end = recorder.now();
        let number = hash_of(&end);
        if !ends.insert(number) {
            return Ok(());
        }
        let disks = self.disks(&end);
        let world = self.base.world(&disks);
        let digest = Digest::of(&world, &self.given);
        let finished = match (&digest, &known.digest) {
            (Some(mine), Some(theirs)) => {
                mine.finishes(theirs, self.away_since(), self.command.without)
            }
            (None, None) => true,
            _ => false,
        };
        // Nor can one that names no kind of bitmap know which there was.
        let names_kind = !matches!(self.command.name, "grow --chunk");
        // Without its undo file a repair cannot know that there was a bitmap, and leaves the array without one, which then is
        // synchronised wholly.
        let is_forgotten = self.command.name == "check --repair"
            && digest
                .as_ref()
                .is_some_and(|digest| digest.shape.is_none() && !digest.clean);
        let finished = finished || is_forgotten || !names_kind && digest.is_some();
        if !finished {
            return Err(Fault::Again(difference(&digest, &known.digest)));
        }
        self.stories(&end, false, number)
    }

    fn undo(&self, known: &Knowledge, images: &[Image]) -> Result<(), Fault> {
        if self.tamper.is_some() {
            return Ok(());
        }
        let recorder = Recorder::new(images.to_vec());
        if let Err(error) = undo::take_back(&known.undo, &recorder.stores()) {
            return Err(Fault::Undo(error.to_string()));
        }
        let back = recorder.now();
        let differs = back
            .iter()
            .zip(&known.origin)
            .position(|(now, then)| now.hash() != then.hash());
        match differs {
            None => Ok(()),
            Some(place) => Err(Fault::Undo(format!("store {place} is not what it was"))),
        }
    }
}

/// What a kernel makes of the array before the command: how many members come to be in sync.
pub fn before(base: &Base) -> Before {
    let images: Vec<&Image> = base.images.iter().collect();
    let world = base.world(&images);
    Before {
        members: settled_members(&world),
        has_former: base.history.away == Away::Former,
        lone_mirror: Before::is_lone_mirror(&world),
    }
}

fn settled_members(world: &World<'_>) -> usize {
    let given: Vec<usize> = (0..world.disks.len()).collect();
    let how = crate::world::assemble::How {
        copy: 0,
        own_roles: false,
        eager: true,
    };
    let mut running = world
        .assemble(&given, how)
        .expect("the array starts before the command");
    running.settle();
    running.members.len() - running.degraded()
}

/// Where two digests differ.
fn difference(mine: &Option<Digest>, theirs: &Option<Digest>) -> String {
    let (Some(mine), Some(theirs)) = (mine, theirs) else {
        return format!("ends alike: {}, {}", mine.is_some(), theirs.is_some());
    };
    let marked = |digest: &Digest| -> Vec<usize> {
        let of_one = |marks: &Vec<u8>| marks.iter().filter(|mark| **mark != 0).count();
        digest.marks.iter().map(of_one).collect()
    };
    format!(
        "{:?} clean {} marked {:?} cleared {} instead of {:?} clean {} marked {:?} cleared {}, roles alike {}",
        mine.shape,
        mine.clean,
        marked(mine),
        mine.cleared,
        theirs.shape,
        theirs.clean,
        marked(theirs),
        theirs.cleared,
        mine.roles == theirs.roles
    )
}
