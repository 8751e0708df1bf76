//! Judges bitmaps by the md superblocks at hand.

use super::options::ExamineOptions;
use super::result::{ArrayFacts, Device, JudgedBy};
use crate::array::overlap::{self, Overlap};
use crate::array::verdict::{self, Assembly, Verdict};
use crate::array::{FoundSuper, MetadataVersion, sync_size};
use crate::bitmap::{Bitmap, BitmapError, Counts};
use crate::format::bitmap_rules::{self, Context, Place, Violation};
use crate::format::bitmap_super::RawBitmapSuper;
use std::ffi::OsString;

/// The md superblocks of all devices given, by the number of the device.
pub(super) struct AtHand {
    members: Vec<(OsString, Option<FoundSuper>)>,
}

impl AtHand {
    /// The superblocks of `devices`.
    pub(super) fn new<'a>(devices: impl Iterator<Item = &'a Device>) -> Self {
        AtHand {
            members: devices
                .map(|device| (device.path.clone(), device.member.clone()))
                .collect(),
        }
    }

    fn supers(&self) -> impl Iterator<Item = &FoundSuper> {
        self.members.iter().filter_map(|(_, found)| found.as_ref())
    }

    fn assembly(&self, index: usize) -> Option<Assembly<'_>> {
        let own = self.members.get(index)?.1.as_ref()?;
        Some(Assembly::new(own, self.supers()))
    }

    /// What the freshest superblock of the array of device `index` says.
    pub(super) fn array_of(&self, index: usize) -> Option<ArrayFacts> {
        let member = &self.assembly(index)?.freshest().member;
        Some(ArrayFacts {
            level: member.level.to_string(),
            members: member.raid_disks,
            events: member.events,
            clean: member.is_clean(),
        })
    }

    /// By which superblocks device `index` is judged.
    pub(super) fn judged_by(&self, index: usize) -> Option<JudgedBy> {
        let assembly = self.assembly(index)?;
        let own = assembly.own();
        let path = self.path_of(assembly.freshest())?;
        // dm-raid superblocks do not say which volume they belong to.
        let given = match own.member.metadata {
            MetadataVersion::DmRaid => 1,
            _ => self
                .supers()
                .filter(|other| other.member.same_array(&own.member))
                .count(),
        };
        Some(JudgedBy {
            freshest: path,
            given: u32::try_from(given).unwrap_or(u32::MAX),
        })
    }

    /// Where one of these superblocks was found.
    fn path_of(&self, wanted: &FoundSuper) -> Option<OsString> {
        let is_it = |(_, found): &&(OsString, Option<FoundSuper>)| {
            found
                .as_ref()
                .is_some_and(|found| std::ptr::eq(found, wanted))
        };
        self.members
            .iter()
            .find(is_it)
            .map(|(path, _)| path.clone())
    }

    /// The judge of the bitmaps of device `index`.
    pub(super) fn judge(&self, index: usize, options: &ExamineOptions) -> Judge<'_> {
        let wanted = options.judge && !options.brief;
        let own = self
            .members
            .get(index)
            .and_then(|(_, found)| found.as_ref());
        Judge {
            at_hand: self,
            own,
            assembly: self.assembly(index).filter(|_| wanted),
            wanted,
        }
    }
}

/// Judges the bitmaps of one device.
pub(super) struct Judge<'a> {
    at_hand: &'a AtHand,
    own: Option<&'a FoundSuper>,
    assembly: Option<Assembly<'a>>,
    wanted: bool,
}

impl Judge<'_> {
    /// What the kernel would do with a member's bitmap.
    ///
    /// # Errors
    /// When the bitmap has to be read again and cannot be.
    pub(super) fn verdict(
        &self,
        bitmap: &Bitmap<'_>,
        counts: Option<&Counts>,
    ) -> Result<Option<Verdict>, BitmapError> {
        self.assembly
            .as_ref()
            .map(|assembly| verdict::verdict(assembly, bitmap, counts))
            .transpose()
    }

    /// The rules that a bitmap without an md superblock beside it breaks: by itself, and against a
    /// member of its array, if one was given as well. That member's path is given back with them.
    pub(super) fn broken_rules(&self, bitmap: &Bitmap<'_>) -> (Vec<Violation>, Option<OsString>) {
        if !self.wanted || self.assembly.is_some() {
            return (Vec::new(), None);
        }
        let raw = bitmap.raw();
        let array = self.array_with_uuid(raw);
        let context = Context {
            place: Some(Place::File),
            available: bitmap.store().len().checked_sub(bitmap.start()),
            ..array.as_ref().map(context_of).unwrap_or_default()
        };
        let path = array.and_then(|array| self.at_hand.path_of(array.freshest()));
        (bitmap_rules::violations(raw, &context), path)
    }

    /// What else the member's superblock places where this bitmap lies. mdadm 4.6 puts the bad-block
    /// log of every lockless array there (reference/kernel.md trap 4).
    pub(super) fn overlaps(&self, bitmap: &Bitmap<'_>) -> Vec<Overlap> {
        match self.own {
            Some(own) if bitmap.raw().has_magic() => {
                overlap::overlaps(&own.member, bitmap.raw(), bitmap.start())
            }
            _ => Vec::new(),
        }
    }

    /// The array with this bitmap's UUID, if a member of it was given.
    fn array_with_uuid(&self, raw: &RawBitmapSuper) -> Option<Assembly<'_>> {
        let same = |found: &&FoundSuper| raw.uuid != [0; 16] && found.member.array_uuid == raw.uuid;
        let own = self.at_hand.supers().find(same)?;
        Some(Assembly::new(own, self.at_hand.supers()))
    }
}

/// What the rules of a bitmap superblock ask of its array.
fn context_of(array: &Assembly<'_>) -> Context {
    let freshest = &array.freshest().member;
    Context {
        uuid: Some(freshest.array_uuid),
        events: Some(freshest.events),
        resync_max: sync_size::expected(freshest).ok(),
        ..Context::default()
    }
}
