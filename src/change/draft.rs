//! A plan while it is made: what the devices will hold after each of its steps is known here, and the rules that
//! hold for every plan are kept here.
//!
//! W1: the event counts of members in sync never lie more than one apart. A crash may have left them one apart
//! already; then the first step brings the older ones up to the freshest, and each later step moves all by one.
//! W16: of md superblocks only the sectors that change are written, one device after the other.

use super::content::Content;
use super::plan::{Guard, Old, Part, Plan, PlanDevice, Step, UNIT, Write, old_content};
use super::refusal::PlanError;
use super::stopped::{Device, StoppedArray};
use super::superblock::{Announce, Moment, SuperEdit, SuperImage, edited};
use crate::array::membership::Standing;
use crate::array::probe::RawSuper;
use crate::device::{Store, StoreError};
use crate::format::bitmap_super::BITMAP_SUPER_BYTES;
use crate::units::{Bytes, Events};

/// What a step changes in all superblocks, beside the event count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuperChange {
    /// The bitmap.
    pub announce: Announce,
    /// The array becomes one that was not stopped cleanly (W4).
    pub unclean: bool,
    /// Device numbers that become faulty (W7).
    pub failed: Vec<u32>,
}

impl SuperChange {
    /// The event count alone.
    pub fn nothing() -> SuperChange {
        SuperChange {
            announce: Announce::AsItIs,
            unclean: false,
            failed: Vec::new(),
        }
    }
}

/// Bytes to be written to one device.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Its place in [`StoppedArray::devices`].
    pub device: usize,
    /// First byte.
    pub start: Bytes,
    /// What lies there.
    pub part: Part,
    /// What it is to hold.
    pub new: Content,
}

/// A plan for a stopped array, step by step.
pub struct Draft<'d> {
    array: &'d StoppedArray<'d>,
    updated: Moment,
    /// The superblock that speaks for the array, after the steps so far.
    freshest: RawSuper,
    events: Events,
    /// The superblocks of the devices, likewise.
    supers: Vec<(RawSuper, SuperImage)>,
    plan: Plan,
}

impl<'d> Draft<'d> {
    /// A plan that begins by bringing members whose superblocks are one event behind up to the freshest.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(array: &'d StoppedArray<'d>, updated: Moment) -> Result<Draft<'d>, PlanError> {
        let mut supers = Vec::new();
        for device in &array.devices {
            let (store, found) = (device.store, &device.found);
            let image = SuperImage::read(store, found.member.super_start, &found.raw)?;
            supers.push((found.raw.clone(), image));
        }
        let freshest = array.freshest().ok_or_else(|| no_member(array))?;
        let mut draft = Draft {
            array,
            updated,
            freshest: freshest.found.raw.clone(),
            events: freshest.member().events,
            supers,
            plan: Plan {
                devices: array.devices.iter().map(plan_device).collect(),
                steps: Vec::new(),
                guards: guards(array)?,
            },
        };
        draft.level()?;
        Ok(draft)
    }

    /// The event count after the steps so far.
    pub fn events(&self) -> Events {
        self.events
    }

    /// The event count that the next step of superblocks will leave, and the one after `steps` such steps.
    ///
    /// # Errors
    /// [`PlanError::Refused`] where it would not fit its 64 bits.
    pub fn events_after(&self, steps: u64) -> Result<Events, PlanError> {
        self.events.checked_add(Events(steps)).ok_or_else(|| {
            PlanError::refuse(
                "events-at-limit",
                format!(
                    "the event count of the array is {}: it cannot be raised",
                    self.events
                ),
            )
        })
    }

    /// The array that is planned for.
    pub fn array(&self) -> &'d StoppedArray<'d> {
        self.array
    }

    /// Members that are one event behind get what the freshest superblock says: the kernel takes them for current,
    /// and would not any more if the others moved on by another one (W1).
    fn level(&mut self) -> Result<(), PlanError> {
        let events = self.events;
        let behind: Vec<usize> = self
            .array
            .current()
            .filter(|place| {
                let device = self.array.devices.get(*place);
                device.is_some_and(|device| device.member().events != events)
            })
            .collect();
        let edit = self.edit(events, &SuperChange::nothing());
        self.write_supers(
            "bring superblocks that are one event behind up to the others",
            &behind,
            &edit,
        )
    }

    fn edit(&self, events: Events, change: &SuperChange) -> SuperEdit {
        SuperEdit {
            events,
            announce: change.announce,
            unclean: change.unclean,
            failed: change.failed.clone(),
            updated: self.updated,
        }
    }

    /// A step that changes the superblocks of all members in sync and spares, and moves the event count by one.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn superblocks(&mut self, title: &str, change: &SuperChange) -> Result<Events, PlanError> {
        let events = self.events_after(1)?;
        let edit = self.edit(events, change);
        let all: Vec<usize> = self.array.current().chain(self.array.spares()).collect();
        let freshest = edited(&self.freshest, &self.freshest, &edit);
        self.write_supers(title, &all, &edit)?;
        self.freshest =
            freshest.map_err(|error| self.cannot_edit(self.array.membership.freshest(), &error))?;
        self.events = events;
        Ok(events)
    }

    fn cannot_edit(&self, place: usize, error: &super::superblock::EditError) -> PlanError {
        let name = self
            .array
            .devices
            .get(place)
            .map_or("", |device| device.store.name());
        PlanError::refuse("superblock-unfit", format!("{name}: {error}"))
    }

    fn write_supers(
        &mut self,
        title: &str,
        places: &[usize],
        edit: &SuperEdit,
    ) -> Result<(), PlanError> {
        let mut writes = Vec::new();
        for &place in places {
            let Some((own, image)) = self.supers.get(place) else {
                continue;
            };
            let new = edited(own, &self.freshest, edit)
                .map_err(|error| self.cannot_edit(place, &error))?;
            let new_image = image.with(&new);
            writes.extend(image.writes(place, &new_image));
            if let Some(entry) = self.supers.get_mut(place) {
                *entry = (new, new_image);
            }
        }
        self.push(title, writes);
        Ok(())
    }

    /// A step that writes other things than superblocks.
    ///
    /// # Errors
    /// [`PlanError::Store`] when the place cannot be read.
    pub fn write(&mut self, title: &str, pieces: Vec<Piece>) -> Result<(), PlanError> {
        let mut writes = Vec::new();
        for piece in pieces {
            let Some(device) = self.array.devices.get(piece.device) else {
                continue;
            };
            let old = self.content_now(device.store, piece.device, piece.start, piece.new.len())?;
            let write = Write {
                device: piece.device,
                start: piece.start,
                part: piece.part,
                old,
                new: piece.new,
            };
            if !is_in_place(&write) {
                writes.push(write);
            }
        }
        writes.sort_by_key(|write| (write.device, write.start));
        self.push(title, writes);
        Ok(())
    }

    /// The bytes of a range of at most [`super::plan::SHOWN_BYTES`] when the next step begins.
    ///
    /// # Errors
    /// [`PlanError::Store`] when the place cannot be read.
    pub fn read_now(&self, device: usize, start: Bytes, len: u64) -> Result<Vec<u8>, PlanError> {
        let Some(on) = self.array.devices.get(device) else {
            return Ok(Vec::new());
        };
        match self.content_now(on.store, device, start, len)? {
            Old::Bytes(bytes) => Ok(bytes),
            Old::Long(_) => Err(PlanError::refuse(
                "plan-flawed",
                "the plan edits too much at a time, which is a fault of this program",
            )),
        }
    }

    /// What a range will hold when the next step begins: what is there, with the steps so far over it. Long ranges
    /// must not lie on earlier writes, which [`Plan::flaw`] sees to.
    fn content_now(
        &self,
        store: &dyn Store,
        device: usize,
        start: Bytes,
        len: u64,
    ) -> Result<Old, StoreError> {
        let mut old = old_content(store, start, len)?;
        let Old::Bytes(bytes) = &mut old else {
            return Ok(old);
        };
        let earlier = self.plan.steps.iter().flat_map(|step| &step.writes);
        for write in earlier.filter(|write| write.device == device) {
            let range = write.range();
            let from = range.start.max(start.0);
            let to = range.end.min(start.0.saturating_add(len));
            if from >= to {
                continue;
            }
            let (at, end) = (from - start.0, to - start.0);
            let ends = usize::try_from(at).ok().zip(usize::try_from(end).ok());
            if let Some(part) = ends.and_then(|(at, end)| bytes.get_mut(at..end)) {
                write.new.read(from - range.start, part);
            }
        }
        Ok(old)
    }

    fn push(&mut self, title: &str, writes: Vec<Write>) {
        if !writes.is_empty() {
            self.plan.steps.push(Step {
                title: title.to_owned(),
                writes,
            });
        }
    }

    /// The plan.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when it contradicts itself: that would be a fault of this program, and nothing is
    /// written then.
    pub fn finish(self) -> Result<Plan, PlanError> {
        match self.plan.flaw() {
            None => Ok(self.plan),
            Some(flaw) => Err(PlanError::refuse(
                "plan-flawed",
                format!("the plan is flawed, which is a fault of this program: {flaw}"),
            )),
        }
    }
}

/// True when the place holds already what it is to hold.
fn is_in_place(write: &Write) -> bool {
    match &write.old {
        Old::Bytes(old) => write.new.to_vec() == *old,
        Old::Long(_) => false,
    }
}

fn no_member(array: &StoppedArray<'_>) -> PlanError {
    let given = array.devices.len();
    PlanError::refuse(
        "not-one-array",
        format!("none of the {given} devices is a member of the array"),
    )
}

fn plan_device(device: &Device<'_>) -> PlanDevice {
    PlanDevice {
        name: device.store.name().to_owned(),
        len: device.store.len(),
        uuid: device.member().device_uuid,
    }
}

/// The superblock of every device, and the header of every bitmap that one of them announces or may have.
fn guards(array: &StoppedArray<'_>) -> Result<Vec<Guard>, PlanError> {
    let mut guards = Vec::new();
    for (place, device) in array.devices.iter().enumerate() {
        let member = device.member();
        let image = SuperImage::read(device.store, member.super_start, &device.found.raw)?;
        guards.push(Guard {
            device: place,
            start: image.start(),
            bytes: image.bytes().to_vec(),
        });
        let header = member.bitmap.as_ref().ok().map(|bitmap| bitmap.start);
        let on_device = |start: &Bytes| {
            start.0.is_multiple_of(UNIT) && start.0.saturating_add(UNIT) <= device.store.len().0
        };
        // Of a device that is out of the array, the superblock is enough.
        let counts = device.standing != Standing::Faulty;
        if let Some(start) = header.filter(on_device).filter(|_| counts) {
            let mut bytes = vec![0; (BITMAP_SUPER_BYTES as u64).next_multiple_of(UNIT) as usize];
            device.store.read_at(start, &mut bytes)?;
            guards.push(Guard {
                device: place,
                start,
                bytes,
            });
        }
    }
    Ok(guards)
}
