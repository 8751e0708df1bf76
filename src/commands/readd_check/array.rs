//! What was given: the array, its members, the device.

use super::{ReaddOptions, Refusal};
use crate::array::readd::is_in_array;
use crate::array::{Conflict, FoundSuper, Membership, MetadataVersion};
use crate::commands::Status;
use crate::commands::given::{Given, GivenOptions, Problem};
use crate::kernel::arrays::{self, ArrayBitmap, RunningArray};
use crate::kernel::holders::Subject;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A member of the array, or the device that is to return.
pub(super) struct Opened {
    pub given: Given,
    pub found: FoundSuper,
    pub subject: Option<Subject>,
}

impl Opened {
    pub fn name(&self) -> String {
        self.given.name().into_owned()
    }
}

/// What was given.
pub(super) struct AtHand {
    /// The running array, its path.
    pub running: Option<(OsString, RunningArray)>,
    /// Members, without the device.
    pub members: Vec<Opened>,
    pub membership: Membership,
    pub device: Opened,
    pub problems: Vec<Problem>,
    pub notes: Vec<String>,
}

impl AtHand {
    /// The bitmap file of the running array, if it has one.
    pub fn bitmap_file(&self) -> Option<&PathBuf> {
        match &self.running.as_ref()?.1.bitmap {
            Some(ArrayBitmap::File { path }) => path.as_ref(),
            _ => None,
        }
    }

    /// True when the running array is known to have no bitmap, whatever the superblocks say.
    pub fn runs_without_bitmap(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|(_, array)| array.bitmap == Some(ArrayBitmap::None))
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Refused(message.into()))
}

/// Opens everything.
pub(super) fn gather(options: &ReaddOptions) -> Result<AtHand, Refusal> {
    let device = device(&options.member)?;
    let mut problems = Vec::new();
    let mut notes = device.given.notes.clone();
    let mut members = Vec::new();
    let mut running = None;
    for path in &options.paths {
        let given = Given::open(path, &GivenOptions::default());
        match running_array(&given, &mut notes) {
            Some(array) => {
                standing_in(&array, path, &device)?;
                for member in member_paths(&array, path)? {
                    add(
                        Given::open(&member, &GivenOptions::default()),
                        &device,
                        &mut members,
                        &mut problems,
                    );
                }
                running = Some((path.clone(), array));
            }
            None => add(given, &device, &mut members, &mut problems),
        }
    }
    if members.is_empty() {
        return Err(no_members(problems));
    }
    let membership = one_array(&members, &device, running.is_some())?;
    Ok(AtHand {
        running,
        members,
        membership,
        device,
        problems,
        notes,
    })
}

/// The device that is to return.
fn device(path: &OsStr) -> Result<Opened, Refusal> {
    let mut given = Given::open(path, &GivenOptions::default());
    let name = given.name().into_owned();
    let Some(found) = given.member.take() else {
        let gravest = given
            .problems
            .iter()
            .max_by_key(|problem| problem.kind.status());
        return match gravest {
            Some(problem) if problem.kind.status() == Status::Unreadable => {
                Err(Refusal::Unreadable(problem.message.clone()))
            }
            Some(problem) => refused(problem.message.clone()),
            None => refused(format!(
                "{name}: bears no md superblock: it was never a member, or was wiped; mdadm ARRAY --add takes it as a \
                 new member, and everything is copied"
            )),
        };
    };
    if found.member.metadata == MetadataVersion::DmRaid {
        return refused(format!(
            "{name}: is the metadata device of an LVM RAID volume; LVM itself takes legs back (lvchange --refresh)"
        ));
    }
    let subject = Subject::of(Path::new(path)).ok().flatten();
    Ok(Opened {
        given,
        found,
        subject,
    })
}

/// The running array that was given, if it is one.
fn running_array(given: &Given, notes: &mut Vec<String>) -> Option<RunningArray> {
    if !given.is_block_device || given.member.is_some() {
        return None;
    }
    match arrays::running_array(Path::new(&given.path)) {
        Ok(array) => array,
        Err(error) => {
            notes.push(error.to_string());
            None
        }
    }
}

/// Refuses a device that is in the running array at this moment.
fn standing_in(array: &RunningArray, path: &OsStr, device: &Opened) -> Result<(), Refusal> {
    let Some(Subject::Block(number)) = device.subject else {
        return Ok(());
    };
    let Some(member) = array.members.iter().find(|member| member.number == number) else {
        return Ok(());
    };
    let (name, array) = (device.name(), path.to_string_lossy());
    if member.state.faulty {
        refused(format!(
            "{name}: is still in {array}, as a failed member; take it out first: mdadm {array} --remove {name}"
        ))
    } else if member.slot.is_some() {
        refused(format!(
            "{name}: is a current member of {array} already (slot {}); there is nothing to re-add",
            member.slot.unwrap_or_default()
        ))
    } else {
        refused(format!("{name}: is a spare of {array} already"))
    }
}

/// The members of a running array that hold a slot and work.
fn member_paths(array: &RunningArray, path: &OsStr) -> Result<Vec<OsString>, Refusal> {
    let current = array
        .members
        .iter()
        .filter(|member| member.slot.is_some() && !member.state.faulty && !member.state.journal);
    let paths: Vec<OsString> = current
        .filter_map(|member| member.path.clone().map(OsString::from))
        .collect();
    if paths.is_empty() {
        return refused(format!(
            "{}: no node under /dev was found for any of its members; give the members themselves",
            path.to_string_lossy()
        ));
    }
    Ok(paths)
}

/// Adds a member, unless it is the device itself (all members may be given) or none at all.
fn add(mut given: Given, device: &Opened, members: &mut Vec<Opened>, problems: &mut Vec<Problem>) {
    let subject = Subject::of(Path::new(&given.path)).ok().flatten();
    let given_already = |other: &Opened| subject.is_some() && other.subject == subject;
    if given_already(device) || members.iter().any(given_already) {
        return;
    }
    let Some(found) = given.member.take() else {
        if given.problems.is_empty() {
            problems.push(Problem::new(
                crate::commands::given::ProblemKind::BadSuperblock,
                format!(
                    "{}: bears no md superblock, and is no running array",
                    given.name()
                ),
            ));
        }
        problems.append(&mut given.problems);
        return;
    };
    // Whether it has a bitmap is judged for the array as a whole.
    given
        .problems
        .retain(|problem| problem.kind.status() == Status::Unreadable);
    problems.append(&mut given.problems);
    members.push(Opened {
        given,
        found,
        subject,
    });
}

fn no_members(problems: Vec<Problem>) -> Refusal {
    let gravest = problems
        .into_iter()
        .max_by_key(|problem| problem.kind.status());
    match gravest {
        Some(problem) if problem.kind.status() == Status::Unreadable => {
            Refusal::Unreadable(problem.message)
        }
        Some(problem) => Refusal::Refused(problem.message),
        None => Refusal::Refused(
            "the device itself was given as its array; give the array, or the members that are in it".to_owned(),
        ),
    }
}

/// The array of the members, of which the device must have been one and must not be one now (which
/// the driver has said already of an array that `runs`).
fn one_array(members: &[Opened], device: &Opened, runs: bool) -> Result<Membership, Refusal> {
    let found: Vec<&FoundSuper> = members.iter().map(|member| &member.found).collect();
    let membership = Membership::of(&found).map_err(|error| Refusal::Refused(error.to_string()))?;
    let name_of = |index: usize| members.get(index).map(Opened::name).unwrap_or_default();
    let Some(array) = members.get(membership.freshest()) else {
        return refused("no member was given");
    };
    if membership.current().next().is_none() {
        return refused(
            "none of the devices given is a current member of an array; give the array, or its members",
        );
    }
    let (name, own) = (device.name(), &device.found.member);
    if !own.same_array(&array.found.member) {
        return refused(format!(
            "{name}: belongs to array {}, but {} to array {}",
            own.uuid_text(),
            array.name(),
            array.found.member.uuid_text()
        ));
    }
    for conflict in &membership.conflicts {
        let (what, first, second) = match conflict {
            Conflict::SplitBrain { first, second } => {
                ("each went on without the other", *first, *second)
            }
            Conflict::SameSlot { first, second, .. } => {
                ("both fill the same slot", *first, *second)
            }
            _ => continue,
        };
        return refused(format!(
            "{} and {} contradict each other: {what}; choose one of the two sides, and give its members alone",
            name_of(first),
            name_of(second)
        ));
    }
    if !runs && is_in_array(&array.found.member, own) {
        return refused(format!(
            "{name}: is a current member already: {} lists it in its slot, and it has seen event {} of {}; there is \
             nothing to re-add",
            array.name(),
            own.events,
            array.found.member.events
        ));
    }
    Ok(membership)
}
