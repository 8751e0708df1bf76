//! Whether a change may be made to a stopped array (design.md W5, W7, W10, W17, W18).

use super::refusal::{PlanError, Refusal};
use super::stopped::{Device, StoppedArray};
use crate::array::membership::{Conflict, Standing};
use crate::array::verdict::Assembly;
use crate::array::{FoundSuper, Role};
use crate::format::level::Level;
use crate::format::md_v1::feature;

/// What a change does to the array, as far as not every array can bear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Marks are cleared, which makes what they said forgotten.
    pub clears: bool,
    /// The array is marked as not stopped cleanly, so that dirty chunks are synchronised (W4).
    pub unclean: bool,
    /// The bitmap becomes a lockless one (W10).
    pub lockless: bool,
    /// `--force`: members that were not given are out of the array, and no node of a cluster is up.
    pub force: bool,
}

impl Demand {
    /// Nothing of the kind, with or without `--force`.
    pub fn of(force: bool) -> Demand {
        Demand {
            force,
            ..Demand::default()
        }
    }
}

/// What has to be done before the change itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admitted {
    /// Device numbers of members that were not given and that become faulty (W7).
    pub failed: Vec<u32>,
}

/// Every reason not to make such a change to `array`.
///
/// # Errors
/// [`PlanError::Refused`], with all reasons.
pub fn admit(array: &StoppedArray<'_>, demand: Demand) -> Result<Admitted, PlanError> {
    let case = Case { array, demand };
    let mut refusals = Vec::new();
    refusals.extend(case.conflicts());
    refusals.extend(
        array
            .devices
            .iter()
            .filter_map(|device| case.features(device)),
    );
    refusals.extend(array.devices.iter().filter_map(recovering));
    refusals.extend(case.clustered());
    refusals.extend(case.missing());
    refusals.extend(case.too_few());
    refusals.extend(case.dirty_degraded());
    refusals.extend(case.open_slots());
    if !refusals.is_empty() {
        return Err(PlanError::Refused(refusals));
    }
    Ok(Admitted {
        failed: case.numbers_of_missing(),
    })
}

struct Case<'a> {
    array: &'a StoppedArray<'a>,
    demand: Demand,
}

impl Case<'_> {
    fn name(&self, place: usize) -> &str {
        self.array
            .devices
            .get(place)
            .map_or("", |device| device.store.name())
    }

    fn events(&self, place: usize) -> u64 {
        let device = self.array.devices.get(place);
        device.map_or(0, |device| device.member().events.0)
    }

    fn found(&self) -> Option<&FoundSuper> {
        self.array.freshest().map(|device| &device.found)
    }

    fn is_clean(&self) -> bool {
        self.found().is_some_and(|found| found.member.is_clean())
    }

    fn level(&self) -> Level {
        self.array.geometry.level()
    }

    /// W17: nothing is chosen between members that contradict each other.
    fn conflicts(&self) -> Vec<Refusal> {
        let conflicts = self.array.membership.conflicts.iter();
        conflicts.map(|conflict| self.conflict(conflict)).collect()
    }

    fn conflict(&self, conflict: &Conflict) -> Refusal {
        match conflict {
            Conflict::SplitBrain { first, second } => Refusal::new(
                "split-brain",
                format!(
                    "{} (events {}) and {} (events {}) each say that the other has failed: the array went on on both, apart; \
                     decide which one holds the data that counts, and leave the other out (later: --zero-superblock and --add it)",
                    self.name(*first),
                    self.events(*first),
                    self.name(*second),
                    self.events(*second)
                ),
            ),
            Conflict::SameSlot {
                slot,
                first,
                second,
            } => Refusal::new(
                "same-slot",
                format!(
                    "{} and {} both hold slot {slot}; leave out the one that is not to be used",
                    self.name(*first),
                    self.name(*second)
                ),
            ),
            Conflict::SameDevice { first, second } => Refusal::new(
                "member-copied",
                format!(
                    "{} and {} bear the same device UUID: one is a copy of the other, or both are names of one device; give it once",
                    self.name(*first),
                    self.name(*second)
                ),
            ),
            Conflict::Geometry {
                member,
                field,
                expected,
                found,
            } => Refusal::new(
                "geometry-differs",
                format!(
                    "{}: its superblock says {field} {found}, the freshest one {expected}: they do not describe the same array",
                    self.name(*member)
                ),
            ),
        }
    }

    /// W18: what is under way, or has rules of its own.
    fn features(&self, device: &Device<'_>) -> Option<Refusal> {
        if !in_use(device.standing) {
            return None;
        }
        let has =
            |bit: u32| device.member().metadata.is_v1() && device.member().features & bit != 0;
        let name = device.store.name();
        let (kind, what) = if has(feature::JOURNAL) || device.standing == Standing::Journal {
            (
                "journal",
                "the array has a write journal, beside which there is no bitmap",
            )
        } else if has(feature::PPL | feature::MULTIPLE_PPLS) {
            (
                "ppl",
                "the array has a partial parity log, which excludes a bitmap (mdadm --grow --consistency-policy=resync first)",
            )
        } else if has(feature::REPLACEMENT)
            || matches!(device.standing, Standing::Replacement { .. })
        {
            (
                "replacing",
                "a member is being replaced; start the array and let that finish first",
            )
        } else if has(feature::RESHAPE_ACTIVE | feature::RESHAPE_BACKWARDS | feature::NEW_OFFSET) {
            (
                "reshape",
                "a reshape is unfinished; start the array and let it finish first",
            )
        } else {
            return None;
        };
        Some(Refusal::new(kind, format!("{name}: {what}")))
    }

    fn clustered(&self) -> Option<Refusal> {
        if self.demand.force {
            return None;
        }
        let copies = self.array.copies.iter();
        let mut nodes = copies.filter_map(|copy| {
            let raw = copy.bitmap.as_ref().ok()?.raw();
            (raw.version == 5 && raw.nodes > 0).then_some((copy.device, raw.nodes))
        });
        let (device, nodes) = nodes.next()?;
        Some(Refusal::new(
            "clustered",
            format!(
                "{}: the bitmap belongs to a cluster of {nodes} nodes, any of which may be using the array: make sure that no node \
                 is up, then give --force",
                self.name(device)
            ),
        ))
    }

    /// W7: what was not given may be the freshest of all.
    fn missing(&self) -> Vec<Refusal> {
        let missing = &self.array.membership.missing;
        if self.demand.force && self.is_clean() {
            return Vec::new();
        }
        let what = match (self.demand.force, self.is_clean()) {
            (true, _) => {
                "--force would call it failed, which is possible on an array that was stopped cleanly alone"
            }
            (false, true) => {
                "give it too, or --force to call it failed (it then has to be added anew)"
            }
            (false, false) => "give it too",
        };
        let refuse = |slot: &u32| match self.out_of_date(*slot) {
            Some((name, behind)) => Refusal::new(
                "member-out-of-date",
                format!(
                    "{name}: holds slot {slot} and is {behind} events behind the freshest superblock, which still calls it active: the \
                     kernel would leave it out; {}",
                    what.replace("give it too, or --force", "give --force")
                        .replace(
                            "give it too",
                            "start the array without it first (mdadm --assemble --run)"
                        )
                ),
            ),
            None => Refusal::new(
                "member-missing",
                format!(
                    "slot {slot} is in use, and the member that holds it was not given: {what}"
                ),
            ),
        };
        missing.iter().map(refuse).collect()
    }

    /// A member that was given and holds the slot by its own word, but is too old.
    fn out_of_date(&self, slot: u32) -> Option<(&str, u64)> {
        self.array
            .devices
            .iter()
            .find_map(|device| match device.standing {
                Standing::OutOfDate { slot: own, behind } if own == Some(slot) => {
                    Some((device.store.name(), behind))
                }
                _ => None,
            })
    }

    fn numbers_of_missing(&self) -> Vec<u32> {
        let missing = &self.array.membership.missing;
        let Some(found) = self.found() else {
            return Vec::new();
        };
        (0..)
            .zip(&found.member.devices)
            .filter(|(_, role)| matches!(role, Role::Slot(slot) if missing.contains(slot)))
            .map(|(number, _)| number)
            .collect()
    }

    fn too_few(&self) -> Option<Refusal> {
        let open = self.array.open_slots();
        let (devices, membership) = (&self.array.devices, &self.array.membership);
        let supers: Vec<&FoundSuper> = devices.iter().map(|device| &device.found).collect();
        let assembly = Assembly::complete(&supers, membership, membership.freshest());
        let enough = assembly.is_some_and(|assembly| assembly.has_enough());
        (!enough).then(|| {
            let slots: Vec<String> = open.iter().map(u32::to_string).collect();
            Refusal::new(
                "not-enough-members",
                format!(
                    "this {} does not start without the members of slots {}; give those that still exist",
                    self.level(),
                    slots.join(", ")
                ),
            )
        })
    }

    fn dirty_degraded(&self) -> Option<Refusal> {
        let dirty =
            !self.is_clean() && self.level().has_parity() && !self.array.open_slots().is_empty();
        dirty.then(|| {
            Refusal::new(
                "dirty-degraded",
                format!(
                    "the {} is degraded and was not stopped cleanly: what is on the missing member may be lost (write hole), and no \
                     kernel starts it as it is; start it with mdadm --assemble --force first, if that is acceptable",
                    self.level()
                ),
            )
        })
    }

    /// W4, W7, W10: what may not be done while a slot is not filled.
    fn open_slots(&self) -> Option<Refusal> {
        let open = self.array.open_slots();
        let slot = open.first()?;
        let needs = |what: &str| {
            format!(
                "nothing in sync fills slot {slot}: {what}; add a member and let it be recovered first"
            )
        };
        if self.demand.clears {
            return Some(Refusal::new(
                "degraded",
                needs(
                    "marks are the only record of what a returning member lacks, so none is cleared",
                ),
            ));
        }
        if self.demand.lockless {
            return Some(Refusal::new(
                "degraded",
                needs(
                    "a lockless bitmap does not record since when a member is away, so an old member would be re-added without what \
                     it missed",
                ),
            ));
        }
        // A mirror with one member has nothing to be synchronised with.
        let alone = self.level() == Level::Raid1 && self.array.current().count() <= 1;
        (self.demand.unclean && !alone && self.is_clean()).then(|| {
            Refusal::new(
                "degraded",
                needs(
                    "the array would have to be marked as not stopped cleanly, and a degraded one that is may not start, or may \
                     forget what is to be synchronised",
                ),
            )
        })
    }
}

fn in_use(standing: Standing) -> bool {
    !matches!(standing, Standing::Faulty | Standing::OutOfDate { .. })
}

/// What is being recovered by the bitmap would be forgotten if the bitmap were another one (tests/vm/FINDINGS.md,
/// scenario interrupted-recovery), so nothing is changed meanwhile.
fn recovering(device: &Device<'_>) -> Option<Refusal> {
    let Standing::Recovering { slot, up_to, .. } = device.standing else {
        return None;
    };
    Some(Refusal::new(
        "recovering",
        format!(
            "{}: is being recovered for slot {slot}, up to sector {up_to} so far; start the array and let the recovery finish first",
            device.store.name()
        ),
    ))
}
