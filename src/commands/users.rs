//! Whether a running array uses what is examined: its bitmap on disk then changes at any moment.

use crate::kernel::holders::{Holder, Holders, holders};
use std::ffi::OsStr;
use std::path::Path;

/// Which running arrays use the device or file at `path`, a sentence each, or that this could not be
/// checked.
pub(super) fn of(path: &OsStr) -> Vec<String> {
    let name = path.to_string_lossy();
    match holders(Path::new(path)) {
        Ok(holders) => notes(&name, &holders),
        Err(error) => vec![format!(
            "{name}: could not check whether a running array uses it: {error}"
        )],
    }
}

fn notes(name: &str, holders: &Holders) -> Vec<String> {
    let mut notes: Vec<String> = holders
        .found
        .iter()
        .filter_map(array_of)
        .map(|array| in_use(name, array))
        .collect();
    if notes.is_empty() {
        let unchecked = holders.unchecked.iter();
        notes.extend(unchecked.map(|unchecked| {
            format!("{name}: whether a running array uses it is not known: {unchecked}")
        }));
    }
    notes
}

/// The array that this holder is, however indirectly.
fn array_of(holder: &Holder) -> Option<&str> {
    match holder {
        Holder::Array { name } | Holder::BitmapOf { array: name } => Some(name),
        Holder::Related { holder, .. } => array_of(holder),
        _ => None,
    }
}

fn in_use(name: &str, array: &str) -> String {
    format!(
        "{name}: is in use by md array {array}: what is shown is on disk at this moment, and says what would happen if the \
         machine failed now"
    )
}

#[cfg(test)]
mod tests {
    use super::notes;
    use crate::kernel::holders::{Holder, Holders};

    #[test]
    fn only_arrays_are_told() {
        let array = Holder::Array { name: "md0".into() };
        let related = Holder::Related {
            device: "sda1".into(),
            holder: Box::new(array.clone()),
        };
        let told = |found| {
            notes(
                "sda",
                &Holders {
                    found,
                    unchecked: vec![],
                },
            )
        };
        assert_eq!(
            told(vec![Holder::Swap, Holder::Mounted { at: "/".into() }]),
            Vec::<String>::new()
        );
        for holder in [
            array,
            related,
            Holder::BitmapOf {
                array: "md0".into(),
            },
        ] {
            assert!(told(vec![Holder::Swap, holder])[0].contains("md array md0"));
        }
    }
}
