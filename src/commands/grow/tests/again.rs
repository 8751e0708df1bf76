//! Interrupted at every write: nothing that may differ counts as equal, no absent member is taken for current or re-added
//! without what it lacks, and the same command finishes the job (promise 1, W1 to W4, W7, W10).

use super::*;
use crate::change::plan::{Plan, Step};
use crate::change::stopped::Trust;
use crate::units::Sectors;

/// What was so before the change, whatever the metadata says afterwards.
pub(super) struct Truth {
    /// Sectors in which members in sync may differ.
    pub differ: Vec<u64>,
    /// A member that is away: its event count, and the sectors that it lacks.
    pub absent: Option<(u64, Vec<u64>)>,
}

/// The first `steps` steps of a plan, and so many writes of the next.
fn prefix(plan: &Plan, steps: usize, writes: usize) -> Plan {
    let mut part = plan.clone();
    part.steps.truncate(steps + 1);
    if let Some(step) = part.steps.get_mut(steps) {
        step.writes.truncate(writes);
    }
    part.steps.retain(|step: &Step| !step.writes.is_empty());
    part
}

fn marks(copy: &crate::change::stopped::Copy<'_>, size: Sectors) -> Vec<Knowledge> {
    let slots = copy.slots(size).unwrap();
    slots
        .iter()
        .map(|slot| Knowledge::read(slot, size).unwrap())
        .collect()
}

fn covers(known: &[Knowledge], sectors: &[u64]) -> bool {
    sectors.iter().all(|sector| {
        known.iter().any(|known| {
            let chunk = sector * 512 / known.coverage().chunk_bytes();
            known.bits().contains(ChunkIndex(chunk))
        })
    })
}

/// Whether the kernel, which reads any one copy, makes good for everything that was so.
pub(super) fn is_safe(stores: &[MemoryStore], truth: &Truth) -> Result<(), String> {
    let array = read(stores);
    let member = array.array().unwrap();
    let clean = member.is_clean();
    if !array.has_bitmap() {
        if clean && !truth.differ.is_empty() {
            return Err("clean and without bitmap".to_owned());
        }
        // No re-add without a bitmap; but nobody may be taken for current.
        return absent_is_out(&array, truth);
    }
    for copy in &array.copies {
        let raw = copy.bitmap.as_ref().map(|bitmap| bitmap.raw().clone());
        if matches!(copy.trust, Trust::Worthless(_)) {
            // It starts with all dirty or not at all.
            if clean && !truth.differ.is_empty() {
                return Err("clean and with a bitmap that is lost".to_owned());
            }
            continue;
        }
        let raw = raw.unwrap();
        let known = marks(copy, array.sync_size());
        let counts = !clean || raw.is_lockless() || raw.nodes > 0;
        let synced = counts && covers(&known, &truth.differ);
        if !synced && !truth.differ.is_empty() {
            return Err(format!(
                "m{} does not mark what differs (clean: {clean})",
                copy.device
            ));
        }
        let checkpoint = member.resync_offset.map_or(0, |at| at.0);
        if !raw.is_lockless()
            && truth
                .differ
                .iter()
                .any(|sector| *sector + raw.chunksize as u64 / 512 <= checkpoint)
        {
            return Err(format!(
                "m{} marks what lies before the checkpoint {checkpoint}",
                copy.device
            ));
        }
        if let Some((events, lacks)) = &truth.absent
            && *events >= raw.events_cleared
            && !covers(&known, lacks)
        {
            return Err(format!(
                "m{} lets the absent member in without what it lacks",
                copy.device
            ));
        }
    }
    absent_is_out(&array, truth)
}

fn absent_is_out(array: &StoppedArray<'_>, truth: &Truth) -> Result<(), String> {
    let Some((events, _)) = truth.absent else {
        return Ok(());
    };
    let member = array.array().unwrap();
    let last = member.raid_disks - 1;
    let named = member.vacant_slots().contains(&last);
    match named || events + 1 < member.events.0 {
        true => Ok(()),
        false => Err("the absent member would be taken for current".to_owned()),
    }
}

/// Every prefix of what a plan writes; the store set is made anew for each.
fn interrupt(make: &dyn Fn() -> Vec<MemoryStore>, options: &GrowOptions, truth: &Truth) -> usize {
    let whole = planned(&make(), options).unwrap_or_else(|error| panic!("{error}"));
    let mut states = 0;
    for (number, step) in whole.plan.steps.iter().enumerate() {
        for writes in 0..=step.writes.len() {
            let stores = make();
            let part = prefix(&whole.plan, number, writes);
            if !part.steps.is_empty() {
                let array = read(&stores);
                let in_order: Vec<&dyn Store> =
                    array.devices.iter().map(|device| device.store).collect();
                execute(&part, &in_order, |_, _| {}).unwrap();
            }
            let at = format!("step {number} ({}), {writes} writes", step.title);
            if let Err(why) = is_safe(&stores, truth) {
                panic!("{at}: {why}");
            }
            // The same command again, which need not know of what it began.
            let again = planned(&stores, options).unwrap_or_else(|error| panic!("{at}: {error}"));
            run(&again, &stores, again.plan.steps.len());
            is_as_announced(&stores, &again);
            if let Err(why) = is_safe(&stores, truth) {
                panic!("{at}, then again: {why}");
            }
            assert!(
                plan(&read(&stores), options, NOW).unwrap().is_nothing(),
                "{at}"
            );
            let kind = |planned: &Planned| planned.after.bitmap.as_ref().map(|b| b.version);
            assert_eq!(kind(&again), kind(&whole), "{at}");
            states += 1;
        }
    }
    states
}

fn sectors_of_chunks(chunks: &[u64], sectors: u64) -> Vec<u64> {
    let of = |chunk: &u64| chunk * sectors..(chunk + 1) * sectors;
    chunks.iter().flat_map(of).collect()
}

fn changes() -> Vec<GrowOptions> {
    vec![
        GrowOptions {
            chunk: chunk(8192),
            ..GrowOptions::default()
        },
        GrowOptions {
            chunk: chunk(1024),
            ..asked(Wanted::Internal)
        },
        GrowOptions {
            delay_seconds: Some(60),
            ..GrowOptions::default()
        },
        asked(Wanted::None),
    ]
}

#[test]
fn after_a_crash_of_the_array() {
    let mut states = 0;
    for mut array in all(&[0, 33, 127]) {
        array.resync_offset = Some(0);
        let truth = Truth {
            differ: sectors_of_chunks(&[0, 33, 127], 8),
            absent: None,
        };
        for options in changes() {
            states += interrupt(&|| array.stores(), &options, &truth);
        }
        let mut bare = array.clone();
        bare.bitmap = None;
        let options = GrowOptions {
            chunk: chunk(4096),
            ..asked(Wanted::Internal)
        };
        states += interrupt(&|| bare.stores(), &options, &truth);
    }
    assert!(states > 400, "{states}");
}

#[test]
fn while_a_member_is_away() {
    for level in [TestArray::mirror(), TestArray::raid5()] {
        for minor in [Some(Minor::V0), Some(Minor::V1), Some(Minor::V2), None] {
            for last_events in [37, 38, 39] {
                let mut array = level.clone().with_bitmap(&[5, 90]);
                array.minor = minor;
                array.vacant = vec![array.members - 1];
                let bitmap = array.bitmap.as_mut().unwrap();
                bitmap.events_cleared = 37;
                if minor == Some(Minor::V0) {
                    bitmap.offset = -16;
                }
                let truth = Truth {
                    differ: Vec::new(),
                    absent: Some((last_events, sectors_of_chunks(&[5, 90], 8))),
                };
                for options in changes() {
                    interrupt(&|| array.stores(), &options, &truth);
                }
            }
        }
    }
}

#[test]
fn while_a_member_was_not_given_w7() {
    for level in [
        TestArray {
            members: 3,
            ..TestArray::mirror()
        },
        TestArray::raid5(),
    ] {
        for minor in [Some(Minor::V2), None] {
            let mut array = level.clone().with_bitmap(&[5]);
            array.minor = minor;
            // It lacks nothing so far; from the first step on it may.
            let truth = Truth {
                differ: Vec::new(),
                absent: Some((array.events, Vec::new())),
            };
            let make = || {
                let mut stores = array.stores();
                stores.pop();
                stores
            };
            let forced = changes().into_iter().map(|options| GrowOptions {
                force: true,
                ..options
            });
            for options in forced {
                let whole = planned(&make(), &options).unwrap();
                for steps in 1..=whole.plan.steps.len() {
                    let stores = make();
                    run(&whole, &stores, steps);
                    // Until a superblock says so, it is a member like the others.
                    if !read(&stores).membership.missing.is_empty() {
                        continue;
                    }
                    is_safe(&stores, &truth).unwrap();
                    let again = planned(&stores, &options).unwrap();
                    run(&again, &stores, again.plan.steps.len());
                    is_safe(&stores, &truth).unwrap();
                }
            }
        }
    }
}

#[test]
fn between_lockless_and_classic() {
    for level in [TestArray::mirror(), TestArray::raid5()] {
        for resync_offset in [None, Some(0)] {
            let mut array = level.clone();
            (array.data_offset, array.device_sectors) = (2048, 4096);
            array.resync_offset = resync_offset;
            let mut lockless = array.clone();
            lockless.bitmap = Some(TestBitmap {
                version: 6,
                chunk_bytes: 65536,
                offset: 8,
                events: array.events,
                events_cleared: 0,
                dirty: vec![1, 7],
                sync_size: 1024,
            });
            // Whatever the superblock says.
            let truth = Truth {
                differ: sectors_of_chunks(&[1, 7], 128),
                absent: None,
            };
            let rechunk = GrowOptions {
                chunk: chunk(131_072),
                ..asked(Wanted::Lockless)
            };
            for options in [asked(Wanted::Internal), asked(Wanted::None), rechunk] {
                interrupt(&|| lockless.stores(), &options, &truth);
            }
            let classic = array.with_bitmap(&[16, 127]);
            let truth = Truth {
                differ: match resync_offset {
                    None => Vec::new(),
                    Some(_) => sectors_of_chunks(&[16, 127], 8),
                },
                absent: None,
            };
            interrupt(&|| classic.stores(), &asked(Wanted::Lockless), &truth);
        }
    }
}

#[test]
fn members_one_event_apart_are_brought_together_first_w1() {
    for minor in [Some(Minor::V1), Some(Minor::V2), None] {
        let mut array = TestArray::mirror().with_bitmap(&[64]);
        array.minor = minor;
        array.resync_offset = Some(0);
        let make = || {
            let mut stores = array.stores();
            let mut behind = array.clone();
            behind.events -= 1;
            behind.resync_offset = None;
            stores[0] = behind.stores().remove(0);
            // The bitmap is as new as the array.
            let at = read(&stores).copies[1].bitmap.as_ref().unwrap().start();
            stores[0]
                .write_at(Bytes(at.0 + 24), &40u64.to_le_bytes())
                .unwrap();
            stores
        };
        let truth = Truth {
            differ: sectors_of_chunks(&[64], 8),
            absent: None,
        };
        for options in changes() {
            interrupt(&make, &options, &truth);
        }
    }
}
