//! A running array given by mistake: its members are examined in its place.

use super::Subject;
use super::options::ExamineOptions;
use super::result::{Problem, ProblemKind};
use crate::kernel::arrays::{self, ArrayBitmap, ArrayMember, RunningArray};
use std::ffi::OsString;
use std::path::Path;

/// The members of a running array without an md superblock of its own, or its bitmap file; the
/// subject itself when it is anything else. With `--offset` the user means the device itself.
pub(super) fn running_array(mut subject: Subject, options: &ExamineOptions) -> Vec<Subject> {
    let is_block_device = subject
        .store
        .as_ref()
        .is_some_and(|store| store.inner().is_block_device());
    if !is_block_device || subject.device.member.is_some() || options.offset.is_some() {
        return vec![subject];
    }
    let path = subject.device.path.clone();
    match arrays::running_array(Path::new(&path)) {
        Ok(Some(array)) => in_its_place(subject, &array, options),
        Ok(None) => vec![subject],
        Err(error) => {
            subject.device.notes.push(error.to_string());
            vec![subject]
        }
    }
}

fn in_its_place(
    mut subject: Subject,
    array: &RunningArray,
    options: &ExamineOptions,
) -> Vec<Subject> {
    let name = subject.device.path.to_string_lossy().into_owned();
    let unchecked = array
        .unchecked
        .iter()
        .map(|unchecked| format!("{name}: {unchecked}"));
    subject.device.notes.extend(unchecked);
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
            subject.device.found = None;
            let message = format!("{name}: is a running array, not a member, and {why}");
            subject
                .device
                .problems
                .push(Problem::new(ProblemKind::NoBitmap, message));
            return vec![subject];
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
    notes.append(&mut subject.device.notes);
    let mut members: Vec<Subject> = paths.iter().map(|path| Subject::open(path)).collect();
    members.iter_mut().for_each(|member| member.locate(options));
    if let Some(first) = members.first_mut() {
        notes.append(&mut first.device.notes);
        first.device.notes = notes;
    }
    members
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
