//! What every plan has to lead to, looked at before its first byte is written: superblocks and bitmaps that say what
//! was announced, and that the kernel would work with.

use super::plan::{Part, Plan};
use super::planned::{After, AfterBitmap, Planned};
use super::preview::preview;
use super::refusal::{PlanError, Refusal};
use super::stopped::{Copy, StoppedArray, Trust};
use crate::device::Store;
use crate::units::SECTOR_BYTES;

/// Judges what `planned` makes of `array` as if its members had been read afterwards.
///
/// # Errors
/// [`PlanError::Refused`] when that is not what it was to be, which is a fault of this program; nothing has been
/// written then. [`PlanError::Store`] when something cannot be read.
pub fn check(array: &StoppedArray<'_>, planned: &Planned) -> Result<(), PlanError> {
    if planned.plan.is_empty() {
        return Ok(());
    }
    let stores: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    let previews = preview(&planned.plan, &stores);
    let views: Vec<&dyn Store> = previews.iter().map(|view| view as &dyn Store).collect();
    let result = match StoppedArray::read(&views) {
        Ok(result) => result,
        Err(PlanError::Refused(reasons)) => {
            let told = PlanError::Refused(reasons).to_string();
            return Err(fault(vec![told]));
        }
        Err(error) => return Err(error),
    };
    let mut faults = announced(&result, &planned.after)?;
    faults.extend(distrusted(array, &result, &planned.plan));
    match faults.is_empty() {
        true => Ok(()),
        false => Err(fault(faults)),
    }
}

fn fault(found: Vec<String>) -> PlanError {
    let refuse = |found: String| {
        Refusal::new(
            "plan-flawed",
            format!(
                "the plan does not lead to what it says, which is a fault of this program: {found}"
            ),
        )
    };
    PlanError::Refused(found.into_iter().map(refuse).collect())
}

/// Where superblocks and bitmaps would not be as announced.
fn announced(result: &StoppedArray<'_>, after: &After) -> Result<Vec<String>, PlanError> {
    let mut faults = Vec::new();
    let found = result.array()?;
    if found.events != after.events {
        faults.push(format!(
            "events {}, announced {}",
            found.events, after.events
        ));
    }
    if found.is_clean() != after.clean {
        faults.push(format!(
            "clean {}, announced {}",
            found.is_clean(),
            after.clean
        ));
    }
    if let Some(place) = result.current().find(|place| {
        let device = result.devices.get(*place);
        device.is_some_and(|device| device.member().events != found.events)
    }) {
        faults.push(format!("{}: other events", name(result, place)));
    }
    if result.has_bitmap() != after.bitmap.is_some() {
        faults.push(format!("a bitmap is announced: {}", result.has_bitmap()));
    }
    if let Some(bitmap) = &after.bitmap {
        let missing = result
            .current()
            .filter(|place| result.copies.iter().all(|copy| copy.device != *place));
        faults.extend(missing.map(|place| format!("{}: has no bitmap", name(result, place))));
        let differing = result
            .copies
            .iter()
            .filter(|copy| !is_like(result, copy, bitmap));
        faults.extend(
            differing.map(|copy| format!("{}: has another bitmap", name(result, copy.device))),
        );
    }
    Ok(faults)
}

fn name<'a>(array: &'a StoppedArray<'_>, place: usize) -> &'a str {
    let device = array.devices.get(place);
    device.map_or("", |device| device.store.name())
}

/// Whether a copy has the place and the geometry announced; one that is not to be believed has none.
fn is_like(array: &StoppedArray<'_>, copy: &Copy<'_>, after: &AfterBitmap) -> bool {
    let (Ok(bitmap), Trust::Trusted) = (&copy.bitmap, &copy.trust) else {
        return true;
    };
    let start = array.devices.get(copy.device).map(|device| {
        let distance = i128::from(bitmap.start().0) - i128::from(device.member().super_start.0);
        distance / i128::from(SECTOR_BYTES)
    });
    let raw = bitmap.raw();
    start == Some(i128::from(after.offset_sectors))
        && raw.version == after.version
        && raw.chunk_bytes() == Some(after.chunk_bytes)
}

/// Copies that would be believed less than they are now, and copies made or made anew that would not be believed.
fn distrusted(array: &StoppedArray<'_>, result: &StoppedArray<'_>, plan: &Plan) -> Vec<String> {
    let is_written = |device: usize| {
        let mut writes = plan.steps.iter().flat_map(|step| &step.writes);
        writes.any(|write| write.device == device && write.part == Part::BitmapHeader)
    };
    let suffices = |copy: &Copy<'_>| {
        let before = array.copies.iter().find(|old| old.device == copy.device);
        match (before.map(|before| &before.trust), &copy.trust) {
            (_, Trust::Trusted) => true,
            (Some(Trust::Mendable(_)), Trust::Mendable(_)) => true,
            (Some(Trust::Worthless(_)) | None, _) => !is_written(copy.device),
            _ => false,
        }
    };
    let told = |copy: &Copy<'_>| match &copy.trust {
        Trust::Trusted => None,
        Trust::Mendable(reasons) | Trust::Worthless(reasons) => {
            let reasons: Vec<&str> = reasons.iter().map(|r| r.sentence.as_str()).collect();
            Some(format!(
                "{}: the bitmap would not be believed: {}",
                name(result, copy.device),
                reasons.join("; ")
            ))
        }
    };
    let copies = result.copies.iter();
    copies
        .filter(|copy| !suffices(copy))
        .filter_map(told)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::content::Content;
    use crate::change::draft::{Draft, Piece, SuperChange};
    use crate::change::superblock::Moment;
    use crate::change::testing::{TestArray, read, reasons};
    use crate::device::MemoryStore;
    use crate::units::{Bytes, Events, Sectors};

    const NOW: Moment = Moment {
        seconds: 1_800_000_000,
        micros: 5,
    };

    /// A mirror whose bitmap has chunk 3 marked, and what it is announced as.
    fn sound() -> (Vec<MemoryStore>, After) {
        let after = After {
            events: Events(41),
            clean: true,
            bitmap: Some(AfterBitmap {
                version: 4,
                offset_sectors: 8,
                chunk_bytes: 4096,
                chunks: 128,
                dirty_chunks: 1,
                dirty_bytes: Bytes(4096),
                unwritten_chunks: 0,
                sync_size: Sectors(1024),
                daemon_sleep_seconds: 5,
                write_behind: 0,
                events_cleared: Events(39),
                nodes: 0,
            }),
            ..After::default()
        };
        (TestArray::mirror().with_bitmap(&[3]).stores(), after)
    }

    /// A step that writes headers with these events, then one of superblocks.
    fn planned(array: &StoppedArray<'_>, events: u64, after: After) -> Planned {
        let mut draft = Draft::new(array, NOW).unwrap();
        let pieces = array.copies.iter().map(|copy| {
            let bitmap = copy.bitmap.as_ref().unwrap();
            let mut sector = vec![0; 512];
            bitmap.store().read_at(bitmap.start(), &mut sector).unwrap();
            let mut raw = bitmap.raw().clone();
            raw.events = events;
            sector[..256].copy_from_slice(&raw.to_bytes());
            Piece {
                device: copy.device,
                start: bitmap.start(),
                part: Part::BitmapHeader,
                new: Content::bytes(sector),
            }
        });
        draft.write("headers", pieces.collect()).unwrap();
        let change = SuperChange::nothing();
        draft.superblocks("superblocks", &change).unwrap();
        Planned {
            plan: draft.finish().unwrap(),
            after,
            ..Planned::default()
        }
    }

    #[test]
    fn a_right_plan_passes() {
        let (stores, after) = sound();
        let array = read(&stores);
        check(&array, &planned(&array, 41, after)).unwrap();
        check(&array, &Planned::default()).unwrap();
    }

    #[test]
    fn a_plan_that_leaves_a_stale_bitmap_does_not() {
        let (stores, after) = sound();
        let array = read(&stores);
        let error = check(&array, &planned(&array, 40, after)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("would not be believed: events: found 40"),
            "{error}"
        );
        assert_eq!(reasons::<()>(Err(error)), ["plan-flawed"; 2]);
    }

    /// A field that is wrong beside the bits may stay wrong where something else is changed.
    #[test]
    fn a_copy_that_can_be_mended_may_stay_so_and_no_worse() {
        let (stores, after) = sound();
        for store in &stores {
            // daemon_sleep
            store.write_at(Bytes(8192 + 56), &[0; 4]).unwrap();
        }
        let array = read(&stores);
        check(&array, &planned(&array, 41, after.clone())).unwrap();
        let error = check(&array, &planned(&array, 40, after)).unwrap_err();
        assert_eq!(reasons::<()>(Err(error)), ["plan-flawed"; 2]);
    }

    #[test]
    fn a_plan_that_leads_elsewhere_than_it_says_does_not() {
        let (stores, after) = sound();
        let array = read(&stores);
        type Change = fn(&mut After);
        let wrong: [(Change, &str); 5] = [
            (|after| after.events.0 += 1, "events 41, announced 42"),
            (|after| after.clean = false, "clean true"),
            (|after| after.bitmap = None, "a bitmap is announced: true"),
            (
                |after| after.bitmap.as_mut().unwrap().chunk_bytes *= 2,
                "another bitmap",
            ),
            (
                |after| after.bitmap.as_mut().unwrap().offset_sectors = 16,
                "another bitmap",
            ),
        ];
        for (change, told) in wrong {
            let mut after = after.clone();
            change(&mut after);
            let error = check(&array, &planned(&array, 41, after)).unwrap_err();
            assert!(error.to_string().contains(told), "{told}: {error}");
        }
    }
}
