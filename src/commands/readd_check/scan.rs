//! Looks for superblocks of the array on every block device of the machine.

use super::Scanned;
use super::array::{AtHand, Opened};
use crate::array::{FoundSuper, MemberSuper, probe};
use crate::device::{CachedStore, DirectStore, OpenMode};
use crate::kernel::holders::Subject;
use crate::kernel::system::{DeviceNumber, System};

/// A superblock that was found on a device that nobody gave.
pub(super) struct Stray {
    pub name: String,
    pub found: FoundSuper,
}

/// Every block device but those given, the array itself, and other names of those given.
pub(super) fn scan(at_hand: &AtHand) -> (Scanned, Vec<Stray>) {
    let system = System::default();
    let mut scanned = Scanned::default();
    let mut strays = Vec::new();
    let mut seen: Vec<DeviceNumber> = given_numbers(at_hand);
    for (path, number) in system.block_nodes() {
        if seen.contains(&number) || !system.opens_harmlessly(number, &path) {
            continue;
        }
        seen.push(number);
        // Under the name that people know it by.
        let path = system.device_path(number).unwrap_or(path);
        let name = path.display().to_string();
        let store = match DirectStore::open(&path, OpenMode::Read) {
            Ok(store) => CachedStore::new(store),
            Err(error) => {
                scanned.unreadable.push(error.to_string());
                continue;
            }
        };
        scanned.looked_at += 1;
        let probed = probe(&store, None);
        let ours = |found: &FoundSuper| found.member.same_array(&at_hand.device.found.member);
        let read_error = probed.unreadable.first().map(ToString::to_string);
        match probed.found.into_iter().find(ours) {
            Some(found) if is_other_name(&system, number, &found.member, at_hand) => {}
            Some(found) => {
                scanned.found.push(name.clone());
                strays.push(Stray { name, found });
            }
            None => scanned.unreadable.extend(read_error),
        }
    }
    (scanned, strays)
}

fn given_numbers(at_hand: &AtHand) -> Vec<DeviceNumber> {
    let members = at_hand.members.iter().chain([&at_hand.device]);
    let mut numbers: Vec<DeviceNumber> = members.filter_map(number_of).collect();
    numbers.extend(at_hand.running.as_ref().map(|(_, array)| array.number));
    numbers
}

fn number_of(opened: &Opened) -> Option<DeviceNumber> {
    match opened.subject {
        Some(Subject::Block(number)) => Some(number),
        _ => None,
    }
}

/// True for the same disk under another name (multipath, a whole device mapped by another): it
/// stands on a device that was given, or the reverse, and says the same.
fn is_other_name(
    system: &System,
    number: DeviceNumber,
    member: &MemberSuper,
    at_hand: &AtHand,
) -> bool {
    let same = |other: &MemberSuper| {
        let identity = |member: &MemberSuper| (member.device_uuid, member.number, member.role);
        identity(member) == identity(other)
    };
    at_hand
        .members
        .iter()
        .chain([&at_hand.device])
        .any(|opened| {
            number_of(opened).is_some_and(|given| {
                let related = system.stands_on(number, given) || system.stands_on(given, number);
                related && same(&opened.found.member)
            })
        })
}
