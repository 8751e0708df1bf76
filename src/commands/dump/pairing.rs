//! Which device of a dump is which of the devices at hand.

use crate::format::dump_text::{DeviceFacts, MdFacts, Metadata};

/// For each of `given` its place among `dumped`, each of which is taken once at most.
///
/// A device is known by its own UUID; by its number in the same array where the metadata has no
/// such UUID; by its path; and, where nothing speaks against it, because one is left on both sides.
pub fn pair(dumped: &[&DeviceFacts], given: &[Option<&DeviceFacts>]) -> Vec<Option<usize>> {
    let mut pairs = vec![None; given.len()];
    let rules: [fn(&DeviceFacts, &DeviceFacts) -> bool; 3] = [same_device, same_number, same_path];
    for rule in rules {
        for (place, facts) in given.iter().enumerate() {
            let free = |other: usize| !pairs.contains(&Some(other));
            let found = facts.and_then(|facts| {
                let all = dumped.iter().enumerate();
                let mut free = all.filter(|(other, _)| free(*other));
                free.find(|(_, other)| rule(other, facts))
            });
            let found = found.map(|(other, _)| other);
            if let Some(pair) = pairs.get_mut(place).filter(|pair| pair.is_none()) {
                *pair = found;
            }
        }
    }
    let left: Vec<usize> = (0..dumped.len())
        .filter(|at| !pairs.contains(&Some(*at)))
        .collect();
    let unpaired = |place: &usize| pairs.get(*place) == Some(&None);
    let alone: Vec<usize> = (0..given.len()).filter(unpaired).collect();
    if let (&[other], &[place]) = (left.as_slice(), alone.as_slice())
        && let (Some(a), Some(Some(b))) = (dumped.get(other), given.get(place))
        && !contradict(a, b)
        && let Some(pair) = pairs.get_mut(place)
    {
        *pair = Some(other);
    }
    pairs
}

fn device_uuid(facts: &DeviceFacts) -> Option<[u8; 16]> {
    let uuid = facts.md.as_ref().and_then(|md| md.device_uuid);
    uuid.filter(|uuid| *uuid != [0; 16])
}

fn same_device(a: &DeviceFacts, b: &DeviceFacts) -> bool {
    device_uuid(a).is_some() && device_uuid(a) == device_uuid(b)
}

/// Metadata 0.90 and dm-raid: the same number in the same array.
fn same_number(a: &DeviceFacts, b: &DeviceFacts) -> bool {
    match (&a.md, &b.md) {
        (Some(a), Some(b)) => {
            matches!(a.metadata, Metadata::V0_90(_) | Metadata::DmRaid)
                && array(a) == array(b)
                && a.number == b.number
        }
        _ => false,
    }
}

fn array(md: &MdFacts) -> (&'static str, [u8; 16], u32, i32) {
    (
        md.metadata.name(),
        md.array_uuid,
        md.raid_disks,
        md.level.number(),
    )
}

fn same_path(a: &DeviceFacts, b: &DeviceFacts) -> bool {
    a.path == b.path && !contradict(a, b)
}

/// True when they cannot be the same device.
fn contradict(a: &DeviceFacts, b: &DeviceFacts) -> bool {
    let different = device_uuid(a)
        .zip(device_uuid(b))
        .is_some_and(|(a, b)| a != b);
    different || a.md.is_some() != b.md.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(path: &str) -> DeviceFacts {
        DeviceFacts {
            path: path.into(),
            device_bytes: 1,
            md: None,
        }
    }

    #[test]
    fn paths_decide_and_then_what_is_left() {
        let (a, b, c) = (bare("a"), bare("b"), bare("c"));
        assert_eq!(pair(&[&a, &b], &[Some(&b), Some(&a)]), [Some(1), Some(0)]);
        assert_eq!(pair(&[&a, &b], &[Some(&c), Some(&a)]), [Some(1), Some(0)]);
        // Two are left: which is which cannot be told.
        assert_eq!(pair(&[&a, &b], &[Some(&c), None]), [None, None]);
        assert_eq!(pair(&[&a], &[Some(&a), Some(&a)]), [Some(0), None]);
        assert_eq!(pair(&[], &[Some(&a)]), [None]);
    }
}
