//! What is judged together: the members of one array, with bitmap files of it; or a bitmap alone.

use super::input::Input;
use crate::array::verdict::Assembly;
use crate::array::{FoundSuper, MemberSuper, Membership, MetadataVersion};

/// The members of one array that are at hand, and what was given beside them.
pub struct Case<'a> {
    /// Devices with an md superblock of the array, in the order given: the order of `membership`.
    pub members: Vec<Input<'a>>,
    /// Bitmap files of the array, and devices whose superblock cannot be believed.
    pub others: Vec<Input<'a>>,
    /// The array; `None` without a member.
    pub membership: Option<Membership>,
    /// Names of the members of other arrays that were given as well.
    pub strangers: Vec<String>,
}

impl<'a> Case<'a> {
    /// Groups `inputs` into arrays, in the order of their first member.
    ///
    /// What bears no md superblock joins the array whose UUID its bitmap has, or the only array
    /// there is; else it stands alone.
    pub fn group(inputs: Vec<Input<'a>>) -> Vec<Case<'a>> {
        let mut groups: Vec<Vec<Input<'a>>> = Vec::new();
        let mut rest = Vec::new();
        for input in inputs {
            match input.member.is_some() {
                true => add_member(&mut groups, input),
                false => rest.push(input),
            }
        }
        let mut cases: Vec<Case<'a>> = groups.into_iter().map(Case::of_members).collect();
        for input in rest {
            match home_of(&input, &cases).and_then(|home| cases.get_mut(home)) {
                Some(case) => case.others.push(input),
                None => cases.push(Case {
                    members: Vec::new(),
                    others: vec![input],
                    membership: None,
                    strangers: Vec::new(),
                }),
            }
        }
        introduce(&mut cases);
        cases
    }

    fn of_members(members: Vec<Input<'a>>) -> Case<'a> {
        let supers: Vec<&FoundSuper> = members
            .iter()
            .filter_map(|input| input.member.as_ref())
            .collect();
        let membership = Membership::of(&supers).ok();
        Case {
            members,
            others: Vec::new(),
            membership,
            strangers: Vec::new(),
        }
    }

    /// Members first, then the others.
    pub fn inputs(&self) -> impl Iterator<Item = &Input<'a>> {
        self.members.iter().chain(&self.others)
    }

    /// The superblock that speaks for the array.
    pub fn array(&self) -> Option<&MemberSuper> {
        let freshest = self.membership.as_ref()?.freshest();
        self.members.get(freshest)?.super_of()
    }

    /// Member `index` in the light of the freshest superblock.
    pub fn assembly(&self, index: usize) -> Option<Assembly<'_>> {
        let own = self.members.get(index)?.member.as_ref()?;
        let all = self
            .members
            .iter()
            .filter_map(|input| input.member.as_ref());
        Some(Assembly::new(own, all))
    }

    /// True where member `index` is in sync: its bitmap and its data count.
    pub fn is_current(&self, index: usize) -> bool {
        self.membership
            .as_ref()
            .is_some_and(|membership| membership.standing(index).is_current())
    }

    /// The members in sync, with their place in `members`.
    pub fn current(&self) -> impl Iterator<Item = (usize, &Input<'a>)> {
        let all = self.members.iter().enumerate();
        all.filter(|(index, _)| self.is_current(*index))
    }

    /// True for the metadata devices of an LVM RAID volume.
    pub fn is_dm_raid(&self) -> bool {
        self.array()
            .is_some_and(|array| array.metadata == MetadataVersion::DmRaid)
    }

    /// What the findings about the array as a whole are about.
    pub fn title(&self) -> String {
        match self.array() {
            Some(array) if array.metadata == MetadataVersion::DmRaid => {
                format!("LVM {} of {} legs", array.level, array.raid_disks)
            }
            Some(array) => format!(
                "{} of {} members, uuid {}",
                array.level,
                array.raid_disks,
                array.uuid_text()
            ),
            None => self
                .others
                .first()
                .map_or_else(String::new, |input| input.name.clone()),
        }
    }
}

/// Tells each array of the members of the others.
fn introduce(cases: &mut [Case<'_>]) {
    let names = |case: &Case<'_>| -> Vec<String> {
        let members = case.members.iter();
        members.map(|input| input.name.clone()).collect()
    };
    let all: Vec<Vec<String>> = cases.iter().map(names).collect();
    for (own, case) in cases.iter_mut().enumerate() {
        let others = all.iter().enumerate().filter(|(index, _)| *index != own);
        case.strangers = others.flat_map(|(_, names)| names.clone()).collect();
    }
}

/// Adds a member to its array. dm-raid superblocks bear no UUID: two of one position are certainly
/// of different volumes.
fn add_member<'a>(groups: &mut Vec<Vec<Input<'a>>>, input: Input<'a>) {
    let belongs = |group: &&mut Vec<Input<'a>>| {
        let (Some(own), Some(first)) = (input.super_of(), group.first().and_then(|i| i.super_of()))
        else {
            return false;
        };
        let taken = || {
            let mut positions = group.iter().filter_map(Input::super_of);
            positions.any(|member| member.number == own.number)
        };
        own.same_array(first) && (own.metadata != MetadataVersion::DmRaid || !taken())
    };
    match groups.iter_mut().find(belongs) {
        Some(group) => group.push(input),
        None => groups.push(vec![input]),
    }
}

/// The array that something without an md superblock belongs to.
fn home_of(input: &Input<'_>, cases: &[Case<'_>]) -> Option<usize> {
    let uuid = input.bitmap_super().map(|raw| raw.uuid);
    let same = |case: &Case<'_>| {
        let array = case.array().map(|array| array.array_uuid);
        array.is_some() && array == uuid && array != Some([0; 16])
    };
    let arrays = || {
        cases
            .iter()
            .filter(|case| case.membership.is_some())
            .count()
    };
    let only = || {
        if input.is_nothing() {
            return None;
        }
        let of_array = |case: &Case<'_>| case.membership.is_some();
        (arrays() == 1).then(|| cases.iter().position(of_array))?
    };
    cases.iter().position(same).or_else(only)
}
