//! A list for each member, in addresses of its own.

use super::Opened;
use super::copies::Copy;
use super::lists::List;
use super::options::ExtentsOptions;
use super::plan::{Array, Member, Plan, all_trusted, is_bare};
use crate::array::geometry::Geometry;
use crate::array::spaces::{Dirt, Mapping, Space};
use crate::array::{MetadataVersion, Role, Standing};
use std::ffi::OsString;

impl<'a> Array<'a> {
    /// A list for each member, by its own copy or, where it has none, by the bitmap files.
    pub(super) fn list_members(
        &self,
        opened: &'a Opened,
        options: &ExtentsOptions,
        copies: &[Copy<'a>],
        plan: &mut Plan<'a>,
    ) {
        let names: Vec<OsString> = copies
            .iter()
            .filter_map(|copy| Some(opened.given.get(copy.index)?.path.clone()))
            .collect();
        let geometry = match self.geometry_for(options.space, &names) {
            Ok(geometry) => geometry,
            Err(refusal) => {
                plan.refuse(refusal);
                return;
            }
        };
        let is_file = |copy: &&Copy<'_>| opened.given.get(copy.index).is_some_and(is_bare);
        let listed = |member: &&Member<'_>| member.index < opened.listed;
        // Those given beside a bitmap file are what it is about.
        let all = !self.members.iter().any(|member| listed(&member));
        let mut trusted = Vec::new();
        for (place, member) in self.members.iter().enumerate() {
            if !all && !listed(&member) {
                continue;
            }
            let own = copies.iter().filter(|copy| copy.index == member.index);
            let mut counting: Vec<&Copy<'a>> = own.collect();
            if counting.is_empty() {
                counting = copies.iter().filter(is_file).collect();
            }
            if counting.is_empty() {
                // Why was told when its copy was looked for.
                continue;
            }
            match self.list_of(member, place, geometry, options.space, &counting) {
                Ok(list) => plan.lists.push(list),
                Err(refusal) => {
                    plan.refuse(refusal);
                    return;
                }
            }
            plan.notes
                .extend(note(member, options.space, plan.lists.last()));
            trusted.extend(counting.iter().map(|copy| copy.trusted));
        }
        plan.trusted = all_trusted(trusted);
    }

    /// What `copies` mark on one member.
    fn list_of(
        &self,
        member: &Member<'a>,
        place: usize,
        geometry: &Geometry,
        space: Space,
        copies: &[&Copy<'a>],
    ) -> Result<List<'a>, String> {
        let md = &member.found.member;
        let standing = self
            .membership
            .as_ref()
            .map(|membership| membership.standing(place));
        let slot = standing.and_then(Standing::slot).or(match md.role {
            Role::Slot(slot) => Some(slot),
            _ => None,
        });
        let mapping = Mapping::of_member(space, geometry, md, slot)
            .map_err(|error| format!("--space={space}: {}: {error}", member.given.name()))?;
        let length = match space {
            Space::Device => mapping.end().max(md.device_bytes.sectors_ceil()),
            _ => mapping.end(),
        };
        let sources = copies.iter().map(|copy| copy.source.clone()).collect();
        Ok(List {
            path: Some(member.given.path.clone()),
            length,
            copies: Vec::new(),
            dirt: Dirt::new(sources, geometry.sync_size()),
            mapping,
        })
    }
}

/// What the reader of a member's list should know.
fn note(member: &Member<'_>, space: Space, list: Option<&List<'_>>) -> Option<String> {
    let (md, name) = (&member.found.member, member.given.name());
    if md.metadata == MetadataVersion::DmRaid {
        return Some(format!(
            "{name}: is the metadata device of an LVM RAID volume; the addresses are those of its data device"
        ));
    }
    let (device, end) = (md.device_bytes.sectors_ceil(), list?.mapping.end());
    (space == Space::Device && device < end).then(|| {
        format!(
            "{name}: the device ends at sector {device}, before the data of the array does (sector {end}); is this a truncated image?"
        )
    })
}
