//! How far a change has come on its devices.
//!
//! The writes of one step to one device make up a group; a group is begun when the one before it is durable, and taken back
//! in the reverse order. So whatever happens, there is a group that may be done in part, sector by sector, with all groups
//! before it done and none behind it begun. The first group for which that is so is how far the change has come.

use super::open::{FileError, UndoFile};
use super::sweep::{Stretch, sweep, written};
use crate::change::content::PIECE;
use crate::change::plan::{Guard, Part};
use crate::change::words;
use crate::device::{Store, StoreError};
use crate::format::undo::{SECTOR, What};
use crate::units::Bytes;
use std::collections::BTreeSet;
use std::fmt;

/// Foreign places that are told.
const TOLD: usize = 8;

/// What the devices show of a change.
#[derive(Debug)]
pub struct Judgement {
    /// How far it has come.
    pub state: State,
    /// The last group that may have been begun; none when there is nothing to take back.
    pub(super) reach: Option<usize>,
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Everything is as before: it was not begun, or it was taken back.
    Before,
    /// It is done in part, or was taken back in part.
    Half(Reach),
    /// It is done.
    Done,
    /// Something else has changed the devices since: these places first.
    Foreign(Vec<Foreign>),
}

/// How far a change is done that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Steps that are done on all devices,
    pub steps: usize,
    /// of so many.
    pub of: usize,
    /// False when the devices hold a mixture that no crash can leave, as disks do that lose what they were told to keep.
    pub is_consistent: bool,
}

impl State {
    /// True when there is something to take back.
    pub fn is_begun(&self) -> bool {
        matches!(self, State::Half(_) | State::Done)
    }
}

/// A place that holds what neither the change nor what was there before it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Which of the devices.
    pub device: usize,
    /// Its name.
    pub name: String,
    /// First byte.
    pub start: u64,
    /// First byte behind.
    pub end: u64,
    /// What lies there.
    pub part: String,
    /// What is there.
    pub found: String,
    /// What would have to be there.
    pub expected: String,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            start,
            end,
            part,
            found,
            expected,
            ..
        } = self;
        write!(
            f,
            "{name}: bytes {start}..{end} ({part}): found {found}, expected {expected}"
        )
    }
}

/// Why a change could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A device could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The undo file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is of a kind that is not known here.
    #[error(
        "{path}: is the undo file of a resync, which this version of mdbitmap cannot take back"
    )]
    Resync {
        /// The file.
        path: String,
    },
}

/// How far the change of `file` has come on `stores`, which are its devices in their order.
///
/// Superblocks come first, and if one is foreign, nothing else is looked at.
///
/// # Errors
/// [`JudgeError`].
pub fn judge(file: &UndoFile, stores: &[&dyn Store]) -> Result<Judgement, JudgeError> {
    let all: Vec<(usize, &dyn Store)> = stores.iter().copied().enumerate().collect();
    judge_some(file, &all)
}

/// The same as far as it can be told from some of the devices, each with its number. What is whole or untouched on these may
/// not be so on the others; what is done in part is.
///
/// # Errors
/// [`JudgeError`].
pub fn judge_some(
    file: &UndoFile,
    stores: &[(usize, &dyn Store)],
) -> Result<Judgement, JudgeError> {
    if file.about.what == What::Resync {
        let path = file.name().to_owned();
        return Err(JudgeError::Resync { path });
    }
    let mut judge = Judge::new(file);
    for first in [true, false] {
        for (device, store) in stores {
            if !first || judge.length(*device, *store) {
                judge.device(*device, *store, first)?;
            }
        }
        if !judge.foreign.is_empty() {
            break;
        }
    }
    Ok(judge.finish())
}

/// True when a store can be this device of the change, by the sectors of its superblock: these are like no other's.
///
/// # Errors
/// [`JudgeError`].
pub(super) fn is_device(
    file: &UndoFile,
    device: usize,
    store: &dyn Store,
) -> Result<bool, JudgeError> {
    let mut judge = Judge::new(file);
    if judge.length(device, store) {
        judge.device(device, store, true)?;
    }
    Ok(judge.foreign.is_empty())
}

struct Judge<'f> {
    file: &'f UndoFile,
    foreign: Vec<Foreign>,
    /// Every sector so far is as before.
    before: bool,
    /// Every sector so far is as the last write leaves it.
    done: bool,
    /// Groups that every sector so far allows to be the one that is done in part; the number of groups stands for none.
    allowed: Vec<(usize, usize)>,
}

impl<'f> Judge<'f> {
    fn new(file: &'f UndoFile) -> Self {
        Judge {
            file,
            foreign: Vec::new(),
            before: true,
            done: true,
            allowed: vec![(0, file.groups.len())],
        }
    }

    fn finish(self) -> Judgement {
        if !self.foreign.is_empty() {
            return Judgement {
                state: State::Foreign(self.foreign),
                reach: None,
            };
        }
        let groups = &self.file.groups;
        let is_consistent = !self.allowed.is_empty();
        let last = groups.len().saturating_sub(1);
        let (first, up_to) = self.allowed.first().copied().unwrap_or((last, 0));
        let state = match (self.before, self.done) {
            (true, _) => State::Before,
            (false, true) => State::Done,
            (false, false) => State::Half(Reach {
                steps: groups.get(up_to).map_or(0, |group| group.step),
                of: self.file.titles.len(),
                is_consistent,
            }),
        };
        Judgement {
            reach: (!self.before).then_some(first.min(last)),
            state,
        }
    }

    fn length(&mut self, device: usize, store: &dyn Store) -> bool {
        let Some(known) = self.file.devices.get(device) else {
            return false;
        };
        if known.len == store.len() {
            return true;
        }
        self.foreign.push(Foreign {
            device,
            name: store.name().to_owned(),
            start: 0,
            end: store.len().0,
            part: "the device".to_owned(),
            found: format!("{} bytes", store.len()),
            expected: format!("{} bytes", known.len),
        });
        false
    }

    /// Guards and superblocks at `first`, everything else otherwise.
    fn device(&mut self, device: usize, store: &dyn Store, first: bool) -> Result<(), JudgeError> {
        if first {
            self.guards(device, store)?;
        }
        sweep(self.file, device, |mut stretch| {
            let mut layers = stretch.layers.iter();
            let is_super = layers.all(|layer| layer.write.part == Part::Superblock);
            match is_super == first {
                true => self.stretch(device, store, &mut stretch),
                false => Ok(()),
            }
        })
    }

    /// What no write touches has to be as it was.
    fn guards(&mut self, device: usize, store: &dyn Store) -> Result<(), JudgeError> {
        let file = self.file;
        let mut guards = file
            .guards
            .iter()
            .filter(|guard| guard.device == device)
            .peekable();
        if guards.peek().is_none() {
            return Ok(());
        }
        let written = written(file, device);
        let is_written = |at: u64| {
            let behind = written.partition_point(|range| range.end <= at);
            written.get(behind).is_some_and(|range| range.start <= at)
        };
        for guard in guards {
            let mut now = vec![0; guard.bytes.len()];
            store.read_at(guard.start, &mut now)?;
            let sectors = now.chunks(SECTOR).zip(guard.bytes.chunks(SECTOR));
            for (number, (now, before)) in sectors.enumerate() {
                let at = guard
                    .start
                    .0
                    .saturating_add((number as u64).saturating_mul(SECTOR as u64));
                if now != before && !is_written(at) {
                    let spot = Spot {
                        device,
                        store,
                        start: at,
                        part: guarded(guard),
                        is_first: number == 0,
                    };
                    self.tell(&spot, now, &[before]);
                }
            }
        }
        Ok(())
    }

    fn stretch(
        &mut self,
        device: usize,
        store: &dyn Store,
        stretch: &mut Stretch<'_, '_>,
    ) -> Result<(), JudgeError> {
        let bytes = stretch.bytes.clone();
        let most = usize::try_from(bytes.end - bytes.start).unwrap_or(PIECE);
        let mut now = vec![0; PIECE.min(most)];
        let (mut version, mut replaced) = (now.clone(), now.clone());
        let mut seen: BTreeSet<u128> = BTreeSet::new();
        let mut at = bytes.start;
        while at < bytes.end {
            let len = usize::try_from(bytes.end - at).unwrap_or(PIECE).min(PIECE);
            let now = now.get_mut(..len).unwrap_or_default();
            let version = version.get_mut(..len).unwrap_or_default();
            let replaced = replaced.get_mut(..len).unwrap_or_default();
            store.read_at(Bytes(at), now)?;
            let mut matches = vec![0u128; len.div_ceil(SECTOR)];
            for number in 0..stretch.versions() {
                stretch.read(number, at, version)?;
                // Putting back step by step leads to the beginning only then.
                if number > 0 && stretch.replaced(number, at, replaced)? && version != replaced {
                    return Err(self.file.contradicts(device, at).into());
                }
                let sectors = now.chunks(SECTOR).zip(version.chunks(SECTOR));
                for (found, (now, version)) in matches.iter_mut().zip(sectors) {
                    *found |= u128::from(now == version) << number;
                }
            }
            for (number, found) in matches.iter().enumerate() {
                if *found == 0 && self.foreign.len() < TOLD {
                    self.unknown(device, store, stretch, at, number, now)?;
                } else if *found != 0 {
                    seen.insert(*found);
                }
            }
            at = at.saturating_add(len as u64);
        }
        let layers = stretch.layers.iter();
        let groups: Vec<usize> = layers.map(|layer| layer.group).collect();
        for found in seen {
            self.sector(&groups, found);
        }
        Ok(())
    }

    /// Sectors that these groups write, and that hold these versions.
    fn sector(&mut self, groups: &[usize], found: u128) {
        self.before &= found & 1 != 0;
        self.done &= (found >> groups.len()) & 1 != 0;
        // After the group that wrote it, up to that which writes the next one.
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for version in (0..=groups.len()).filter(|version| (found >> version) & 1 != 0) {
            let before = version.checked_sub(1).and_then(|number| groups.get(number));
            let from = before.copied().unwrap_or_default();
            let to = groups.get(version).copied();
            let to = to.unwrap_or(self.file.groups.len());
            match spans.last_mut() {
                Some((_, end)) if *end >= from => *end = to,
                _ => spans.push((from, to)),
            }
        }
        self.allowed = common(&self.allowed, &spans);
    }

    fn unknown(
        &mut self,
        device: usize,
        store: &dyn Store,
        stretch: &mut Stretch<'_, '_>,
        at: u64,
        number: usize,
        now: &[u8],
    ) -> Result<(), JudgeError> {
        let start = at.saturating_add((number as u64).saturating_mul(SECTOR as u64));
        let now = now.chunks(SECTOR).nth(number).unwrap_or_default();
        let mut versions = Vec::new();
        for number in 0..stretch.versions() {
            let mut version = vec![0; SECTOR];
            stretch.read(number, start, &mut version)?;
            versions.push(version);
        }
        let known: Vec<&[u8]> = versions.iter().map(Vec::as_slice).collect();
        let first = stretch.layers.first();
        let part = first.map_or(Part::BitmapArea, |layer| layer.write.part);
        let mut guards = self.file.guards.iter();
        let spot = Spot {
            device,
            store,
            start,
            part,
            is_first: guards.any(|guard| (guard.device, guard.start.0) == (device, start)),
        };
        self.tell(&spot, now, &known);
        Ok(())
    }

    fn tell(&mut self, spot: &Spot<'_>, now: &[u8], known: &[&[u8]]) {
        if self.foreign.len() >= TOLD {
            return;
        }
        let (found, expected) = words::found_and_expected(spot.part, spot.is_first, now, known);
        self.foreign.push(Foreign {
            device: spot.device,
            name: spot.store.name().to_owned(),
            start: spot.start,
            end: spot.start.saturating_add(now.len() as u64),
            part: spot.part.to_string(),
            found,
            expected,
        });
    }
}

/// What a guard keeps.
fn guarded(guard: &Guard) -> Part {
    match guard.bytes.starts_with(b"bitm") {
        true => Part::BitmapHeader,
        false => Part::Superblock,
    }
}

/// A sector that is looked at.
struct Spot<'s> {
    device: usize,
    store: &'s dyn Store,
    start: u64,
    part: Part,
    /// The first sector of what lies there.
    is_first: bool,
}

/// What two ascending lists of spans, ends included, have in common.
fn common(one: &[(usize, usize)], other: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut common = Vec::new();
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    while let (Some((from, to)), Some((start, end))) = (ones.peek(), others.peek()) {
        if from.max(start) <= to.min(end) {
            common.push((*from.max(start), *to.min(end)));
        }
        match to < end {
            true => ones.next(),
            false => others.next(),
        };
    }
    common
}
