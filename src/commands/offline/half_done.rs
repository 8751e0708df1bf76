//! What is said of a change that stopped half-way: the state of the array, and what can be done.

use super::{Changed, Failure};
use crate::change::{PlanError, StoppedArray};
use crate::device::Store;

/// Adds to `changed` what `failure` left behind. An undo file of which nothing was needed is removed again.
pub(super) fn explain(changed: &mut Changed, failure: &Failure, stores: &[&dyn Store]) {
    let is_written = match failure {
        Failure::Execute(error) => error.written,
        Failure::Input { .. } => changed.undo_file.is_some(),
        _ => false,
    };
    if !is_written {
        if let Some(path) = changed.undo_file.take() {
            // Nothing was overwritten; if it stays, it says so itself.
            let _ = std::fs::remove_file(path);
        }
        return;
    }
    changed.ways_on.push(state(stores));
    let again = "give the same command again";
    changed.ways_on.push(match &changed.undo_file {
        Some(path) => format!(
            "there are two ways on: {again}, which takes back what was done and begins anew; or take it back with `mdbitmap undo {}`",
            path.display()
        ),
        None => format!(
            "{again} to finish it; nothing was kept to take it back (--no-undo), and marks that only the old bitmap had may be lost, in \
             which case everything is marked"
        ),
    });
}

fn state(stores: &[&dyn Store]) -> String {
    let between = "the array is between its old and its new state, which is safe";
    match StoppedArray::read(stores) {
        Ok(array) => {
            let bitmap = match array.has_bitmap() {
                true => "with a bitmap",
                false => "without a bitmap",
            };
            let clean = array.array().is_ok_and(|member| member.is_clean());
            let resync = match (clean, array.has_bitmap()) {
                (true, _) => "it counts as stopped cleanly, so nothing is synchronised then",
                (false, true) => "it then synchronises what is marked",
                (false, false) => "it then synchronises everything",
            };
            format!("{between}: it can be started as it is, {bitmap}; {resync}")
        }
        Err(PlanError::Refused(reasons)) => {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            format!(
                "{between}, but it should not be started before one of the following is done, since a member would be left out: {}",
                reasons.join("; ")
            )
        }
        Err(PlanError::Store(error)) => {
            format!("{between}; how far it has come cannot be read: {error}")
        }
    }
}
