//! A stopped array as its members show it, before anything about it is changed.
//!
//! Reading is strict: what other verbs describe and work around (a damaged superblock, members of two arrays) is
//! refused here. Whether a change may be made to what was read is for [`super::admission`] to say.

use super::knowledge::{Knowledge, KnowledgeError};
use super::refusal::{PlanError, Refusal};
use crate::array::geometry::{Geometry, GeometryError};
use crate::array::membership::{Membership, NotOneArray, Standing};
use crate::array::overlap::{self, Neighbour};
use crate::array::probe::{FoundSuper, probe};
use crate::array::verdict::{self, Assembly, Reason};
use crate::array::{MemberSuper, MetadataVersion};
use crate::bitmap::{Bitmap, BitmapError, MAX_SLOTS};
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_rules::{self, Rule};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::coverage::Coverage;
use crate::format::md_v1::feature;
use crate::units::{Bytes, Sectors};

/// A device that was given.
pub struct Device<'a> {
    /// Its storage.
    pub store: &'a dyn Store,
    /// Its superblock.
    pub found: FoundSuper,
    /// What it is in the array.
    pub standing: Standing,
}

impl Device<'_> {
    /// What its superblock says.
    pub fn member(&self) -> &MemberSuper {
        &self.found.member
    }
}

/// How far the bits of a copy can be believed (design.md W11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The kernel would work with them as they are.
    Trusted,
    /// The kernel kept them as it should, and a field beside them keeps it from using them again: the field can be put right.
    Mendable(Vec<Reason>),
    /// They say nothing.
    Worthless(Vec<Reason>),
}

/// A member's copy of the bitmap.
pub struct Copy<'a> {
    /// The member, by its place in [`StoppedArray::devices`].
    pub device: usize,
    /// The bitmap, where it can be opened.
    pub bitmap: Result<Bitmap<'a>, BitmapError>,
    /// Whether its bits are to be believed.
    pub trust: Trust,
}

impl<'a> Copy<'a> {
    /// True when the kernel would work with it as it is.
    pub fn is_trusted(&self) -> bool {
        self.trust == Trust::Trusted
    }

    /// Its bitmaps, in an array with so many sectors to count: one, or one for each node of a cluster. Those of a
    /// believed copy can all be opened.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub fn slots(&self, sync_size: Sectors) -> Result<Vec<Bitmap<'a>>, PlanError> {
        match &self.bitmap {
            // Where a slot begins depends on the array's size, not on what the bitmap says of it (reference/kernel.md 1.4).
            Ok(first) => first
                .clone()
                .with_sync_size(sync_size)
                .slots()
                .map(|(_, slot)| slot.map_err(|error| cannot_know(error.into())))
                .collect(),
            Err(error) => Err(PlanError::refuse("bitmap-unreadable", error.to_string())),
        }
    }
}

/// The members of one stopped array.
pub struct StoppedArray<'a> {
    /// What was given: the members in sync by slot, then spares, then what is no part of the array any more.
    pub devices: Vec<Device<'a>>,
    /// The same as one array, by their places in `devices`.
    pub membership: Membership,
    /// Where its sectors lie.
    pub geometry: Geometry,
    /// The copies of the bitmap on members in sync; empty without a bitmap.
    pub copies: Vec<Copy<'a>>,
}

impl<'a> StoppedArray<'a> {
    /// The array of the devices `stores`.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when they are not the members of one array of md's own metadata, or a superblock cannot
    /// be believed; [`PlanError::Store`] when one cannot be read.
    pub fn read(stores: &[&'a dyn Store]) -> Result<StoppedArray<'a>, PlanError> {
        let mut refusals = Vec::new();
        let mut found = Vec::new();
        for store in stores {
            match superblock(*store) {
                Ok(superblock) => found.push((*store, superblock)),
                Err(PlanError::Refused(more)) => refusals.extend(more),
                Err(error) => return Err(error),
            }
        }
        if !refusals.is_empty() {
            return Err(PlanError::Refused(refusals));
        }
        let supers: Vec<&FoundSuper> = found.iter().map(|(_, found)| found).collect();
        let membership = Membership::of(&supers).map_err(|error| not_one(&error, stores))?;
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by_key(|index| rank(membership.standing(*index)));
        let standings: Vec<Standing> = order
            .iter()
            .map(|index| membership.standing(*index))
            .collect();
        let mut found: Vec<Option<_>> = found.into_iter().map(Some).collect();
        let sorted = order
            .iter()
            .filter_map(|index| found.get_mut(*index)?.take());
        let devices: Vec<Device<'a>> = sorted
            .zip(standings)
            .map(|((store, found), standing)| Device {
                store,
                found,
                standing,
            })
            .collect();
        let supers: Vec<&FoundSuper> = devices.iter().map(|device| &device.found).collect();
        let membership = Membership::of(&supers).map_err(|error| not_one(&error, stores))?;
        let freshest = supers.get(membership.freshest());
        let Some(freshest) = freshest else {
            return Err(not_one(&NotOneArray::NoMember, stores));
        };
        let geometry = Geometry::of(&freshest.member).map_err(|error| no_geometry(&error))?;
        let copies = copies(&devices, &membership, &geometry);
        Ok(StoppedArray {
            devices,
            membership,
            geometry,
            copies,
        })
    }

    /// The path of the device at a place; empty where there is none.
    pub fn name(&self, place: usize) -> &str {
        self.devices
            .get(place)
            .map_or("", |device| device.store.name())
    }

    /// The device whose superblock speaks for the array.
    pub fn freshest(&self) -> Option<&Device<'a>> {
        self.devices.get(self.membership.freshest())
    }

    /// What the freshest superblock says.
    ///
    /// # Errors
    /// Never: an array has a member.
    pub fn array(&self) -> Result<&MemberSuper, PlanError> {
        self.freshest()
            .map(Device::member)
            .ok_or_else(|| not_one(&NotOneArray::NoMember, &[]))
    }

    /// The places of the members in sync, by slot.
    pub fn current(&self) -> impl Iterator<Item = usize> + '_ {
        self.membership.current()
    }

    /// The places of the spares.
    pub fn spares(&self) -> impl Iterator<Item = usize> + '_ {
        let all = self.devices.iter().enumerate();
        all.filter(|(_, device)| device.standing == Standing::Spare)
            .map(|(place, _)| place)
    }

    /// Sectors that a bitmap of the array counts.
    pub fn sync_size(&self) -> Sectors {
        self.geometry.sync_size()
    }

    /// True when the freshest superblock announces a bitmap.
    pub fn has_bitmap(&self) -> bool {
        self.freshest()
            .is_some_and(|device| device.member().bitmap.is_ok())
    }

    /// Slots that nothing in sync fills, those that `failed` would leave included.
    pub fn open_slots(&self) -> Vec<u32> {
        let mut open = self.membership.vacant.clone();
        open.extend(&self.membership.missing);
        open.sort_unstable();
        open
    }

    /// The copies that are to be believed, or whose bits are.
    pub fn believed(&self) -> impl Iterator<Item = &Copy<'a>> {
        self.copies
            .iter()
            .filter(|copy| !matches!(copy.trust, Trust::Worthless(_)))
    }

    /// What the believed copies say together, in the smallest chunks that one of them has; `None` when there is none.
    ///
    /// # Errors
    /// [`PlanError`] when one cannot be read, or is too large.
    pub fn knowledge(&self) -> Result<Option<Knowledge>, PlanError> {
        let mut all: Vec<Knowledge> = Vec::new();
        for copy in self.believed() {
            for bitmap in copy.slots(self.sync_size())? {
                all.push(Knowledge::read(&bitmap, self.sync_size()).map_err(cannot_know)?);
            }
        }
        all.sort_by_key(|known| known.coverage().chunk_bytes());
        let mut all = all.into_iter();
        let Some(mut united) = all.next() else {
            return Ok(None);
        };
        for other in all {
            united
                .unite(&other)
                .map_err(|error| PlanError::from(too_many(&error)))?;
        }
        Ok(Some(united))
    }

    /// What a bitmap with chunks of so many bytes covers; `None` for 0.
    pub fn coverage(&self, chunk_bytes: u64) -> Option<Coverage> {
        Coverage::new(self.sync_size(), chunk_bytes)
    }
}

/// A refusal for a bitmap with more chunks than can be rewritten.
pub fn too_many(error: &crate::bitmap::TooManyChunks) -> Refusal {
    Refusal::new("too-many-chunks", error.to_string())
}

/// What a failure to read a bitmap means for a plan.
pub fn cannot_know(error: KnowledgeError) -> PlanError {
    match error {
        KnowledgeError::Bitmap(BitmapError::Store(error)) => PlanError::Store(error),
        KnowledgeError::Bitmap(error) => PlanError::refuse("bitmap-unreadable", error.to_string()),
        KnowledgeError::TooMany(error) => too_many(&error).into(),
    }
}

/// In which order devices are written to: members in sync by slot, spares last of what is written.
fn rank(standing: Standing) -> (u8, u32) {
    match standing {
        Standing::Current { slot } => (0, slot),
        Standing::Recovering { slot, .. } => (1, slot),
        Standing::Replacement { slot } => (2, slot),
        Standing::Journal => (3, 0),
        Standing::Spare => (4, 0),
        Standing::Faulty => (5, 0),
        Standing::OutOfDate { slot, .. } => (6, slot.unwrap_or(u32::MAX)),
    }
}

/// The one superblock of a device.
fn superblock(store: &dyn Store) -> Result<FoundSuper, PlanError> {
    let name = store.name();
    let mut probed = probe(store, None);
    if let Some(error) = probed.unreadable.pop() {
        return Err(PlanError::Store(error));
    }
    if let Some(rejected) = probed.rejected.first() {
        return Err(PlanError::refuse(
            "superblock-damaged",
            format!(
                "{name}: {rejected}; no array is changed while a superblock cannot be believed: if a command of mdbitmap was \
                 interrupted, `mdbitmap undo` puts it back; otherwise leave this device out, or repair it"
            ),
        ));
    }
    if probed.found.len() > 1 {
        let all: Vec<String> = probed
            .found
            .iter()
            .map(|found| {
                format!(
                    "{} at byte {}",
                    found.member.metadata, found.member.super_start
                )
            })
            .collect();
        return Err(PlanError::refuse(
            "several-superblocks",
            format!(
                "{name}: has {} md superblocks ({}); remove the stale one first (mdadm --zero-superblock --metadata=VERSION)",
                all.len(),
                all.join(", ")
            ),
        ));
    }
    let Some(found) = probed.found.pop() else {
        return Err(PlanError::refuse(
            "no-superblock",
            format!(
                "{name}: has no md superblock, expected a member of an array, or an image of one"
            ),
        ));
    };
    if found.member.metadata == MetadataVersion::DmRaid {
        return Err(PlanError::refuse(
            "dm-raid",
            format!(
                "{name}: is the metadata device of an LVM RAID volume, which is LVM's to change (lvchange, lvconvert)"
            ),
        ));
    }
    if let Some(refusal) = found.refusals.first() {
        return Err(PlanError::refuse(
            "member-refused",
            format!(
                "{name}: its {refusal}; the kernel refuses this member, so nothing is changed with it"
            ),
        ));
    }
    Ok(found)
}

fn not_one(error: &NotOneArray, stores: &[&dyn Store]) -> PlanError {
    let sentence = match error {
        NotOneArray::Different { first, other, .. } => {
            let name = |place: &usize| stores.get(*place).map_or("", |store| store.name());
            format!("{} and {}: {error}", name(first), name(other))
        }
        NotOneArray::NoMember => error.to_string(),
    };
    PlanError::refuse("not-one-array", sentence)
}

fn no_geometry(error: &GeometryError) -> PlanError {
    PlanError::refuse("geometry", format!("this array cannot be changed: {error}"))
}

/// The copies of the bitmap that members in sync have. Where it lies, the freshest superblock says for all of them, as it
/// does to the kernel: a member that is one event behind may not announce it yet.
fn copies<'a>(
    devices: &[Device<'a>],
    membership: &Membership,
    geometry: &Geometry,
) -> Vec<Copy<'a>> {
    let supers: Vec<&FoundSuper> = devices.iter().map(|device| &device.found).collect();
    let freshest = devices.get(membership.freshest()).map(Device::member);
    let distance = freshest.and_then(|freshest| {
        let place = freshest.bitmap.as_ref().ok()?;
        i64::try_from(i128::from(place.start.0) - i128::from(freshest.super_start.0)).ok()
    });
    let Some(distance) = distance else {
        return Vec::new();
    };
    let of = |place: usize| {
        let device = devices.get(place)?;
        let start = device.member().super_start.0.checked_add_signed(distance);
        let start = Bytes(start.unwrap_or(u64::MAX));
        let bitmap = Bitmap::open(device.store, start, BitOrder::Little);
        let trust = match &bitmap {
            Ok(bitmap) => {
                let assembly = Assembly::with_missing(&supers, membership, place)?;
                trust(&assembly, bitmap, geometry)
            }
            Err(error) => Trust::Worthless(vec![Reason::new("unreadable", error.to_string())]),
        };
        Some(Copy {
            device: place,
            bitmap,
            trust,
        })
    };
    membership.current().filter_map(of).collect()
}

/// Why the slots of a clustered bitmap do not make up one bitmap: each node has marked its own writes in its own.
fn unlike_slots(first: &Bitmap<'_>, geometry: &Geometry) -> Option<Reason> {
    let first = first.clone().with_sync_size(geometry.sync_size());
    let count = first.slot_count();
    if count > MAX_SLOTS {
        let sentence = format!("nodes: found {count}, more than the {MAX_SLOTS} that are read");
        return Some(Reason::new("too-many-slots", sentence));
    }
    let of_array = |raw: &RawBitmapSuper| (raw.magic, raw.version, raw.uuid, raw.chunksize);
    let expected = of_array(first.raw());
    first.slots().find_map(|(number, slot)| {
        let sentence = match slot {
            Ok(slot) if of_array(slot.raw()) == expected => return None,
            Ok(_) => format!("the bitmap of slot {number} is not like that of slot 0"),
            Err(error) => format!("the bitmap of slot {number}: {error}"),
        };
        Some(Reason::new("slot-unlike", sentence))
    })
}

/// Whether the bits of a member's copy are to be believed.
fn trust(assembly: &Assembly<'_>, bitmap: &Bitmap<'_>, geometry: &Geometry) -> Trust {
    let available = bitmap.store().len().checked_sub(bitmap.start());
    let context = verdict::context(assembly, &Ok(geometry.sync_size()), available);
    let mut worthless = Vec::new();
    let mut mendable = Vec::new();
    for violation in bitmap_rules::violations(bitmap.raw(), &context) {
        if violation.consequence.keeps_bits() {
            continue;
        }
        let reason = Reason::new(violation.rule.name(), violation.to_string());
        match violation.rule {
            Rule::DaemonSleep | Rule::WriteBehind | Rule::SyncSizeTooLarge => mendable.push(reason),
            _ => worthless.push(reason),
        }
    }
    let own = &assembly.own().member;
    for overlap in overlap::overlaps(own, bitmap.raw(), bitmap.start()) {
        // A log that was never used has left the bitmap alone (reference/kernel.md trap 4).
        let in_use = own.features & feature::BAD_BLOCKS != 0;
        if overlap.with != Neighbour::BadBlockLog || in_use {
            worthless.push(Reason::new(
                overlap.with.overlap_name(),
                overlap.to_string(),
            ));
        }
    }
    worthless.extend(unlike_slots(bitmap, geometry));
    match (worthless.is_empty(), mendable.is_empty()) {
        (true, true) => Trust::Trusted,
        (true, false) => Trust::Mendable(mendable),
        (false, _) => Trust::Worthless(worthless),
    }
}
