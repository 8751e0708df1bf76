//! A running array given by mistake: its members are examined in its place.

use super::{Given, GivenOptions, Problem, ProblemKind};
use crate::kernel::arrays::{self, ArrayBitmap, ArrayMember, RunningArray};
use std::ffi::OsString;
use std::path::Path;

/// The members of a running array without an md superblock of its own, or its bitmap file; the
/// given itself when it is anything else. With `--offset` the user means the device itself.
pub(super) fn running_array(mut given: Given, options: &GivenOptions) -> Vec<Given> {
    if !given.is_block_device || given.member.is_some() || options.offset.is_some() {
        return vec![given];
    }
    let path = given.path.clone();
    match arrays::running_array(Path::new(&path)) {
        Ok(Some(array)) => in_its_place(given, &array, options),
        Ok(None) => vec![given],
        Err(error) => {
            given.notes.push(error.to_string());
            vec![given]
        }
    }
}

fn in_its_place(mut given: Given, array: &RunningArray, options: &GivenOptions) -> Vec<Given> {
    let name = given.path.to_string_lossy().into_owned();
    let unchecked = array
        .unchecked
        .iter()
        .map(|unchecked| format!("{name}: {unchecked}"));
    given.notes.extend(unchecked);
    let paths = match &array.bitmap {
        Some(ArrayBitmap::None) => {
            Err("has no bitmap; add one with mdadm --grow --bitmap=internal".to_owned())
        }
        Some(ArrayBitmap::File { path: Some(file) }) => Ok(vec![OsString::from(file)]),
        Some(ArrayBitmap::File { path: None }) => Err(
            "has its bitmap in a file that the kernel does not name; give the file itself"
                .to_owned(),
        ),
        Some(ArrayBitmap::Internal { .. }) | None => member_paths(array),
    };
    let paths = match paths {
        Ok(paths) => paths,
        Err(why) => {
            given.found = None;
            let message = format!("{name}: is a running array, not a member, and {why}");
            given
                .problems
                .push(Problem::new(ProblemKind::NoBitmap, message));
            return vec![given];
        }
    };
    let names: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    let mut notes = vec![format!(
        "{name}: is a running array, not a member: {} shown instead",
        match names.as_slice() {
            [one] => format!("{one} is"),
            several => format!("its members {} are", several.join(", ")),
        }
    )];
    notes.append(&mut given.notes);
    let mut members: Vec<Given> = paths
        .iter()
        .map(|path| Given {
            running_array: Some(given.path.clone()),
            ..Given::open(path, options)
        })
        .collect();
    if let Some(first) = members.first_mut() {
        notes.append(&mut first.notes);
        first.notes = notes;
    }
    members
}

/// The members of the running array whose bitmap file `given` is, or which it is itself where it has no
/// bitmap: for verbs that look at members even then.
pub(in crate::commands) fn members_of_array(given: &Given, options: &GivenOptions) -> Vec<Given> {
    let without_bitmap = given.is_block_device
        && given.member.is_none()
        && given
            .problems
            .iter()
            .any(|problem| problem.kind == ProblemKind::NoBitmap);
    let array = match &given.running_array {
        Some(array) if !given.is_block_device => array,
        _ if without_bitmap => &given.path,
        _ => return Vec::new(),
    };
    let Ok(Some(running)) = arrays::running_array(Path::new(array)) else {
        return Vec::new();
    };
    let paths = member_paths(&running).unwrap_or_default();
    paths
        .iter()
        .map(|path| Given {
            running_array: Some(array.clone()),
            ..Given::open(path, options)
        })
        .collect()
}

/// Members that hold a slot and work; the others have no current bitmap.
fn member_paths(array: &RunningArray) -> Result<Vec<OsString>, String> {
    let current = |member: &&ArrayMember| {
        member.slot.is_some() && !member.state.faulty && !member.state.journal
    };
    let paths: Vec<OsString> = array
        .members
        .iter()
        .filter(current)
        .filter_map(|member| member.path.clone().map(OsString::from))
        .collect();
    if paths.is_empty() {
        return Err(
            "no node under /dev was found for any of its members; give a member itself".to_owned(),
        );
    }
    Ok(paths)
}
