//! `map`: which sector of an array lies where, what a sector of a member holds, and whether the
//! chunk of the bitmap that covers it is dirty.

mod answer;
mod bitmaps;
mod walk;

pub use answer::{Answer, Chunk, ChunkState, Outcome, Role, Spot};
pub use walk::Answers;

use crate::array::geometry::{Geometry, GeometryError};
use crate::array::layout::{Area, Layout};
use crate::array::membership::{Conflict, Membership, NotOneArray, Standing};
use crate::array::verdict::Reason;
use crate::array::{FoundSuper, MemberSuper, MetadataFilter, MetadataVersion};
use crate::commands::Status;
use crate::commands::given::{self, Given, GivenOptions, ProblemKind};
use crate::commands::users;
use crate::units::Sectors;
use bitmaps::Bitmaps;
use std::ffi::OsString;
use std::ops::Range;

/// What `map` is asked for.
#[derive(Debug, Clone, Default)]
pub struct MapOptions {
    /// Members of one array, or a running array, in order.
    pub paths: Vec<OsString>,
    /// The device whose sectors are asked about; the array itself when `None`.
    pub of: Option<OsString>,
    /// What is asked: ranges, of one sector or more. Sectors of the array, or of the device, from
    /// its start.
    pub questions: Vec<Range<Sectors>>,
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
}

/// Why nothing can be mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// What was given is not one array.
    #[error(transparent)]
    NotOneArray(#[from] NotOneArray),
    /// The array's geometry cannot be told.
    #[error("{member}: {source}; nothing can be mapped")]
    Geometry {
        /// The member whose superblock speaks for the array.
        member: String,
        /// Why not.
        source: GeometryError,
    },
    /// The device asked about has no md superblock.
    #[error("{of}: is not a member of the array: it has no md superblock")]
    NoMember {
        /// The device.
        of: String,
    },
}

/// A device that was given and bears a superblock of the array.
pub struct Device {
    /// It.
    pub given: Given,
    /// Its superblock.
    pub found: FoundSuper,
    /// What it is in the array.
    pub standing: Standing,
}

impl Device {
    /// Its superblock in the terms that all metadata share.
    pub fn member(&self) -> &MemberSuper {
        &self.found.member
    }

    /// The slot that it fills, or that its own superblock claims.
    pub fn slot(&self) -> Option<u32> {
        let own = match self.member().role {
            crate::array::Role::Slot(slot) => Some(slot),
            _ => None,
        };
        match self.standing {
            Standing::OutOfDate { slot, .. } => slot,
            Standing::Replacement { slot } => Some(slot),
            standing => standing.slot().or(own),
        }
    }

    /// True when its data lies on another device (LVM RAID).
    pub fn data_is_elsewhere(&self) -> bool {
        self.member().metadata == MetadataVersion::DmRaid
    }
}

/// An array of which sectors can be mapped.
pub struct Mapping {
    /// The members given, in order.
    pub devices: Vec<Device>,
    /// The array's geometry.
    pub geometry: Geometry,
    /// The array's UUID as mdadm writes it; `None` for LVM RAID, which has none.
    pub uuid: Option<String>,
    /// The device asked about, as an index into `devices`, and its areas.
    pub of: Option<(usize, Vec<Area>)>,
    /// What could not be used, with the exit status that it calls for.
    pub problems: Vec<(Status, String)>,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Why the superblocks cannot all be right: then no bitmap is believed.
    pub contradictions: Vec<String>,
    questions: Vec<Range<Sectors>>,
    missing: usize,
    /// Slots that nothing holds, by the freshest superblock.
    vacant: Vec<u32>,
    /// The device that fills each slot, or held it until it failed or was removed.
    by_slot: Vec<Option<usize>>,
}

/// Opens the members and finds the array's geometry.
///
/// # Errors
/// [`MapError`] when there is nothing to map.
pub fn map(options: &MapOptions) -> Result<Mapping, (Vec<(Status, String)>, MapError)> {
    let mut problems = Vec::new();
    build(options, &mut problems).map_err(|error| (problems, error))
}

fn build(options: &MapOptions, problems: &mut Vec<(Status, String)>) -> Result<Mapping, MapError> {
    let mut paths = options.paths.clone();
    if let Some(of) = options.of.as_ref().filter(|of| !paths.contains(of)) {
        paths.push(of.clone());
    }
    let given_options = GivenOptions {
        metadata: options.metadata,
        ..GivenOptions::default()
    };
    let mut all = given::open_all(&paths, &given_options);
    let mut notes = Vec::new();
    for given in &mut all {
        given.reopen();
        notes.append(&mut given.notes);
        problems.extend(problems_of(given));
        if given.is_usable() {
            notes.extend(users::of(&given.path));
        }
    }
    let mut members: Vec<(Given, FoundSuper)> = Vec::new();
    for given in all {
        if let Some(found) = given.member.clone() {
            members.push((given, found));
        }
    }
    let among = |of: &&OsString| members.iter().any(|(given, _)| given.path == **of);
    if let Some(of) = options.of.as_ref().filter(|of| !among(of)) {
        let of = of.to_string_lossy().into_owned();
        return Err(MapError::NoMember { of });
    }
    let supers: Vec<&FoundSuper> = members.iter().map(|(_, found)| found).collect();
    let membership = Membership::of(&supers)?;
    let freshest = members.get(membership.freshest());
    let (name, array) = freshest
        .map(|(given, found)| (given.name(), &found.member))
        .ok_or(NotOneArray::NoMember)?;
    let geometry = Geometry::of(array).map_err(|source| MapError::Geometry {
        member: name.into_owned(),
        source,
    })?;
    let uuid = (array.metadata != MetadataVersion::DmRaid).then(|| array.uuid_text());
    let contradictions: Vec<String> = (membership.conflicts.iter())
        .map(|conflict| contradiction(conflict, &members))
        .collect();
    let standings = membership.standings().to_vec();
    let devices: Vec<Device> = (members.into_iter().zip(standings))
        .map(|((given, found), standing)| Device {
            given,
            found,
            standing,
        })
        .collect();
    let in_slot = |slot| {
        let former = |device: &Device| device.slot() == Some(slot);
        let former = || devices.iter().position(former);
        membership.in_slot(slot).or_else(former)
    };
    Ok(Mapping {
        by_slot: (0..geometry.raid_disks()).map(in_slot).collect(),
        missing: membership.missing.len(),
        vacant: membership.vacant.clone(),
        of: of_device(&devices, options.of.as_ref()),
        devices,
        geometry,
        uuid,
        problems: std::mem::take(problems),
        notes,
        contradictions,
        questions: options.questions.clone(),
    })
}

/// The device asked about, and what lies where on it.
fn of_device(devices: &[Device], of: Option<&OsString>) -> Option<(usize, Vec<Area>)> {
    let of = of?;
    let index = devices.iter().position(|device| device.given.path == *of)?;
    let device = devices.get(index)?;
    let bitmap = device.given.bitmap().ok().flatten();
    let raw = bitmap.as_ref().map(|bitmap| bitmap.raw());
    Some((index, Layout::of_member(device.member(), raw).areas))
}

/// A contradiction between superblocks in words.
fn contradiction(conflict: &Conflict, members: &[(Given, FoundSuper)]) -> String {
    let name = |index: usize| {
        let member = members.get(index);
        member.map_or_else(String::new, |(given, _)| given.name().into_owned())
    };
    let both = |first: usize, second: usize| format!("{} and {}", name(first), name(second));
    match conflict {
        Conflict::SplitBrain { first, second } => format!(
            "{} each went on without the other (split brain)",
            both(*first, *second)
        ),
        Conflict::SameSlot {
            slot,
            first,
            second,
        } => format!("{} both fill slot {slot}", both(*first, *second)),
        Conflict::SameDevice { first, second } => format!(
            "{} have the same device UUID: one is a copy of the other",
            both(*first, *second)
        ),
        Conflict::Geometry {
            member,
            field,
            expected,
            found,
        } => format!(
            "{}: {field} is {found}, the freshest superblock says {expected}",
            name(*member)
        ),
    }
}

/// What keeps a device from being used; that it has no bitmap does not.
fn problems_of(given: &Given) -> Vec<(Status, String)> {
    let is_member = given.member.is_some();
    given
        .problems
        .iter()
        .filter(|problem| !(is_member && problem.kind == ProblemKind::NoBitmap))
        .map(|problem| (problem.kind.status(), problem.message.clone()))
        .collect()
}

impl Mapping {
    /// The answers to all questions, one after the other: one for each stretch that lies in one
    /// piece and in one chunk of the bitmap.
    pub fn answers(&self) -> Answers<'_> {
        Answers::new(self, self.questions.clone())
    }

    /// Slots that a member holds by the freshest superblock given, and that was not given itself.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// True when nothing holds `slot`, by the freshest superblock.
    pub fn is_vacant(&self, slot: u32) -> bool {
        self.vacant.contains(&slot)
    }

    /// Bytes of a bitmap chunk, and why the kernel would not believe the bitmaps; `None` without one.
    pub fn bitmap(&self) -> Option<(u64, Vec<Reason>)> {
        let bitmaps = Bitmaps::of(self);
        Some((bitmaps.chunk_bytes()?, bitmaps.reasons))
    }
}
