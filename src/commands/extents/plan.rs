//! What is to be listed: which copies of the bitmap, of which members, in which addresses.

use super::Opened;
use super::copies::{Copy, Judge, own_size};
use super::lists::List;
use super::options::ExtentsOptions;
use super::told;
use crate::array::geometry::Geometry;
use crate::array::spaces::{Dirt, Mapping, Source, Space};
use crate::array::{FoundSuper, Membership, NotOneArray, load};
use crate::commands::Status;
use crate::commands::given::{Given, Problem, ProblemKind};
use crate::units::Sectors;
use std::ffi::OsString;

/// What is to be listed, and what is to be said about it.
pub struct Plan<'a> {
    /// In which addresses.
    pub space: Space,
    /// One for the array, or one for each member.
    pub lists: Vec<List<'a>>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What the reader should know, though nothing is wrong.
    pub notes: Vec<String>,
    /// Why nothing is listed although nothing is wrong with the devices.
    pub refused: Option<String>,
    /// True when the kernel would work with all of the copies listed, false when with one it would
    /// not; `None` where no md superblock says.
    pub trusted: Option<bool>,
    /// True when something that was asked for is not among the lists.
    pub lacking: bool,
}

impl Plan<'_> {
    pub(super) fn refuse(&mut self, why: String) {
        self.lists.clear();
        self.refused = Some(why);
    }

    /// Refuses what a mapfile cannot hold.
    fn fit_mapfile(&mut self) {
        if self.lists.len() > 1 {
            self.refuse(
                "a mapfile describes one device: give one DEVICE, and other members of the array with --member"
                    .to_owned(),
            );
        } else if self.lists.iter().any(|list| list.length > MAPFILE_END) {
            self.refuse(
                "the addresses reach past 2^63 bytes, where those of ddrescue end".to_owned(),
            );
        }
    }

    /// The exit status, should every bit be read.
    pub fn status(&self) -> Status {
        let refused = self.refused.as_ref().map(|_| Status::Refused);
        let problems = self.problems.iter().map(|problem| problem.kind.status());
        refused
            .into_iter()
            .chain(problems)
            .max()
            .unwrap_or_default()
    }
}

/// Sectors that the signed 64-bit byte addresses of ddrescue can tell.
const MAPFILE_END: Sectors = Sectors(1 << 54);

/// Plans the lists of `opened`. No bit is read.
pub fn plan<'a>(opened: &'a Opened, options: &'a ExtentsOptions) -> Plan<'a> {
    let mut plan = Plan {
        space: options.space,
        lists: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
        refused: None,
        trusted: None,
        lacking: false,
    };
    told::devices(opened, &mut plan);
    let members: Vec<Member<'_>> = members(opened);
    let supers: Vec<&FoundSuper> = members.iter().map(|member| member.found).collect();
    let membership = match Membership::of(&supers) {
        Ok(membership) => Some(membership),
        Err(NotOneArray::NoMember) => None,
        Err(error @ NotOneArray::Different { first, other, .. }) => {
            let name = |place: usize| members.get(place).map(|member| member.given.name());
            plan.refuse(format!(
                "{} and {}: {error}",
                name(first).unwrap_or_default(),
                name(other).unwrap_or_default()
            ));
            return plan;
        }
    };
    let array = Array {
        geometry: membership
            .as_ref()
            .and_then(|membership| supers.get(membership.freshest()))
            .map(|found| Geometry::of(&found.member).map_err(|error| error.to_string())),
        members,
        membership,
    };
    array.told_conflicts(&mut plan);
    if plan.refused.is_none() {
        array.list(opened, options, &mut plan);
    }
    if options.mapfile {
        plan.fit_mapfile();
    }
    plan.lacking |= plan.lists.is_empty();
    plan
}

/// A device with an md superblock.
pub(super) struct Member<'a> {
    pub(super) index: usize,
    pub(super) given: &'a Given,
    pub(super) found: &'a FoundSuper,
}

fn members(opened: &Opened) -> Vec<Member<'_>> {
    let given = opened.given.iter().enumerate();
    given
        .filter_map(|(index, given)| {
            let found = given.member.as_ref()?;
            Some(Member {
                index,
                given,
                found,
            })
        })
        .collect()
}

/// A bitmap file or bare bitmap.
pub(super) fn is_bare(given: &Given) -> bool {
    given.member.is_none() && given.found.is_some()
}

/// The array that was given, as far as there is one.
pub(super) struct Array<'a> {
    pub(super) members: Vec<Member<'a>>,
    pub(super) membership: Option<Membership>,
    /// Its geometry, or why that cannot be told; `None` without a superblock.
    geometry: Option<Result<Geometry, String>>,
}

impl<'a> Array<'a> {
    fn list(&self, opened: &'a Opened, options: &'a ExtentsOptions, plan: &mut Plan<'a>) {
        let freshest = self.membership.as_ref().map(Membership::freshest);
        let judge = Judge {
            options,
            supers: self.members.iter().map(|member| member.found).collect(),
            freshest: freshest.and_then(|place| Some(self.members.get(place)?.found)),
            size: self.size(),
        };
        let mut copies = Vec::new();
        for (index, given) in opened.given.iter().enumerate().take(opened.listed) {
            let copy = judge.copy(index, given, &mut plan.problems);
            // The bitmap of a member beside a bitmap file is that file.
            let expected = given.member.is_none() || !opened.given.iter().any(is_bare);
            plan.lacking |= copy.is_none() && expected;
            copies.extend(copy);
        }
        if copies.is_empty() {
            // Why was told of each device.
            return;
        }
        if options.space.is_of_member() {
            self.list_members(opened, options, &copies, plan);
        } else {
            self.list_array(opened, options, copies, plan);
        }
    }

    /// What the bitmap counts, where the superblocks tell.
    fn size(&self) -> Option<Sectors> {
        match &self.geometry {
            Some(Ok(geometry)) => Some(geometry.sync_size()),
            _ => None,
        }
    }

    /// The size that these copies are listed over.
    fn size_of(&self, copies: &[Copy<'_>]) -> Sectors {
        let own = || {
            copies
                .iter()
                .filter_map(|copy| own_size(&copy.bitmap).ok())
                .max()
        };
        self.size().or_else(own).unwrap_or_default()
    }

    /// One list: the union of the copies that count.
    fn list_array(
        &self,
        opened: &'a Opened,
        options: &ExtentsOptions,
        copies: Vec<Copy<'a>>,
        plan: &mut Plan<'a>,
    ) {
        let size = self.size_of(&copies);
        let mut counting = self.counting(opened, copies, plan);
        if options.resync && counting.len() > 1 {
            counting = self.read_first(opened, counting, size, plan);
        }
        plan.trusted = trusted(&counting);
        let names: Vec<OsString> = counting
            .iter()
            .filter_map(|copy| Some(opened.given.get(copy.index)?.path.clone()))
            .collect();
        let path = match names.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        let sources: Vec<Source<'a>> = counting.into_iter().map(|copy| copy.source).collect();
        let dirt = Dirt::new(sources, size);
        let mapping = match options.space {
            Space::Bitmap => Mapping::bitmap(size),
            _ => match self.geometry_for(options.space, &names) {
                Ok(geometry) => match Mapping::array(geometry, &dirt) {
                    Ok(mapping) => mapping,
                    Err(error) => {
                        plan.refuse(format!("--space=array: {error}"));
                        return;
                    }
                },
                Err(refusal) => {
                    plan.refuse(refusal);
                    return;
                }
            },
        };
        plan.lists.push(List {
            path,
            length: mapping.end(),
            copies: names,
            dirt,
            mapping,
        });
    }

    /// The copies that count for the array: those of current members, and bitmap files. Where there
    /// are none, all: better dirt of an outdated copy than none.
    fn counting(
        &self,
        opened: &Opened,
        copies: Vec<Copy<'a>>,
        plan: &mut Plan<'_>,
    ) -> Vec<Copy<'a>> {
        let counts = |copy: &Copy<'_>| {
            let place = self
                .members
                .iter()
                .position(|member| member.index == copy.index);
            match (place, &self.membership) {
                (Some(place), Some(membership)) => membership.standing(place).is_current(),
                // A bitmap file; or a member whose superblock is damaged, which no one vouches for.
                _ => {
                    !opened.given.get(copy.index).is_some_and(is_damaged) || self.members.is_empty()
                }
            }
        };
        if !copies.iter().any(counts) {
            return copies;
        }
        let (counting, others): (Vec<_>, Vec<_>) = copies.into_iter().partition(counts);
        for other in others {
            let given = opened.given.get(other.index);
            plan.notes.push(format!(
                "{}: is not a current member of the array: its copy of the bitmap does not count",
                given.map(Given::name).unwrap_or_default()
            ));
        }
        counting
    }

    /// The copy that the kernel reads, of several that would count. Whether the others say otherwise
    /// is looked up, for which all of them are read.
    fn read_first(
        &self,
        opened: &Opened,
        copies: Vec<Copy<'a>>,
        size: Sectors,
        plan: &mut Plan<'_>,
    ) -> Vec<Copy<'a>> {
        let (Some(membership), supers) = (&self.membership, &self.members) else {
            return copies;
        };
        let supers: Vec<&FoundSuper> = supers.iter().map(|member| member.found).collect();
        let order = load::reading_order(&supers, membership);
        let rank = |copy: &Copy<'_>| {
            let place = self
                .members
                .iter()
                .position(|member| member.index == copy.index);
            // A bitmap file comes before all: an array with one reads no member's copy.
            place.map_or(0, |place| {
                let at = order.iter().position(|other| *other == place);
                at.map_or(usize::MAX, |at| at + 1)
            })
        };
        let sources = copies.iter().map(|copy| copy.source.clone());
        let agree = Dirt::new(sources.collect(), size).agree();
        let Some(first) = copies.into_iter().min_by_key(rank) else {
            return Vec::new();
        };
        let name = opened
            .given
            .get(first.index)
            .map(Given::name)
            .unwrap_or_default();
        match agree {
            Ok(true) => {}
            Ok(false) => plan.notes.push(format!(
                "the members' copies of the bitmap would lead to different resyncs; listed is that by the copy of {name}, which the kernel \
                 reads when mdadm assembles these members"
            )),
            Err(error) => plan.problems.push(crate::commands::examine::problem_of(&error)),
        }
        vec![first]
    }

    /// The geometry, or why there is none.
    pub(super) fn geometry_for(
        &self,
        space: Space,
        names: &[OsString],
    ) -> Result<&Geometry, String> {
        match &self.geometry {
            Some(Ok(geometry)) => Ok(geometry),
            Some(Err(error)) => Err(format!("--space={space}: {error}; use --space=bitmap")),
            None => {
                let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
                Err(format!(
                    "--space={space}: {}: a bitmap without an md superblock does not say what its chunks are on the members; give a \
                     member of the array as well, or use --space=bitmap",
                    names.join(", ")
                ))
            }
        }
    }
}

/// A member whose own superblock fails a check.
fn is_damaged(given: &Given) -> bool {
    let damaged = |problem: &Problem| problem.kind == ProblemKind::BadSuperblock;
    given.problems.iter().any(damaged)
}

fn trusted(copies: &[Copy<'_>]) -> Option<bool> {
    all_trusted(copies.iter().map(|copy| copy.trusted).collect())
}

/// False if one is, `None` when of one it is not known, else true.
pub(super) fn all_trusted(copies: Vec<Option<bool>>) -> Option<bool> {
    match copies.contains(&Some(false)) {
        true => Some(false),
        false if copies.is_empty() => None,
        false => copies
            .into_iter()
            .collect::<Option<Vec<bool>>>()
            .map(|_| true),
    }
}
