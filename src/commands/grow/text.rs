//! What a change of a bitmap comes to, in words and in numbers.

use super::beside::place;
use super::options::GrowOptions;
use super::present::{Family, Present};
use super::source::Source;
use super::target::{Target, write_mostly};
use crate::change::draft::Draft;
use crate::change::planned::PlannedFile;
use crate::change::replace::NewBitmap;
use crate::change::told::{after_bitmap, describe, next_start};
use crate::change::{After, PlanError, Planned, Spot, StoppedArray};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::level::Level;
use crate::format::placement::ChunkSize;
use crate::units::Events;

/// Of a bitmap that lies in a file.
pub(super) const NOWHERE: Spot = Spot {
    offset: 0,
    slot_sectors: 0,
};

/// A bitmap that is made anew.
pub(super) struct Made<'m> {
    pub present: Option<&'m Present<'m>>,
    pub target: &'m Target,
    pub spot: Spot,
    pub bitmap: &'m NewBitmap,
    pub source: &'m Source,
    pub failed: &'m [u32],
    pub options: &'m GrowOptions,
}

/// Everything is as it is to be.
pub(super) fn nothing(
    array: &StoppedArray<'_>,
    present: Option<&Present<'_>>,
) -> Result<Planned, PlanError> {
    let bitmap = match present {
        Some(present) => {
            let known = array.knowledge()?;
            known.map(|known| {
                after_bitmap(
                    &present.header,
                    i64::from(present.offset),
                    &known,
                    Events(present.header.events_cleared),
                )
            })
        }
        None => None,
    };
    let member = array.array()?;
    Ok(Planned {
        after: After {
            array: describe(array),
            events: member.events,
            clean: member.is_clean(),
            bitmap,
        },
        ..Planned::default()
    })
}

/// Delay and write-behind were changed in place.
pub(super) fn edited(
    draft: Draft<'_>,
    present: &Present<'_>,
    target: &Target,
    failed: &[u32],
) -> Result<Planned, PlanError> {
    let array = draft.array();
    let mut planned = nothing(array, Some(present))?;
    if let Some(bitmap) = &mut planned.after.bitmap {
        bitmap.daemon_sleep_seconds = target.delay_seconds;
        bitmap.write_behind = target.write_behind;
    }
    planned.after.events = draft.events();
    planned.sentences = vec![format!(
        "the bitmap stays as it is but for {}",
        fields(Some(&present.header), target)
    )];
    planned.sentences.extend(absent(array, failed));
    planned.sentences.push(next_start(array, &planned.after));
    planned.notes = write_behind_notes(array, target);
    planned.plan = draft.finish()?;
    Ok(planned)
}

/// The bitmap was made anew.
pub(super) fn made(draft: Draft<'_>, made: &Made<'_>) -> Result<Planned, PlanError> {
    let array = draft.array();
    let events = draft.events();
    let (bitmap, target) = (made.bitmap, made.target);
    let after = After {
        array: describe(array),
        events,
        clean: array.array()?.is_clean() && !bitmap.unclean,
        bitmap: Some(after_bitmap(
            &bitmap.header,
            i64::from(bitmap.offset),
            &bitmap.known,
            bitmap.events_cleared(events),
        )),
    };
    let mut sentences = vec![headline(made)];
    sentences.extend(lost(made.present));
    sentences.push(contents(target, bitmap, made.spot));
    sentences.extend(absent(array, made.failed));
    sentences.extend(made_unclean(array, bitmap, made.source)?);
    sentences.push(next_start(array, &after));
    let mut notes = write_behind_notes(array, target);
    notes.extend(kind_notes(target, bitmap));
    Ok(Planned {
        plan: draft.finish()?,
        after,
        sentences,
        notes,
        ..Planned::default()
    })
}

/// The bitmap was removed.
pub(super) fn removed(
    draft: Draft<'_>,
    must_sync: Option<&'static str>,
    failed: &[u32],
) -> Result<Planned, PlanError> {
    let array = draft.array();
    let was_clean = array.array()?.is_clean();
    let after = After {
        array: describe(array),
        events: draft.events(),
        clean: was_clean && must_sync.is_none(),
        bitmap: None,
    };
    let mut sentences = vec![
        "the bitmap is removed: superblocks announce none, and its headers are zeros".to_owned(),
    ];
    sentences.extend(absent(array, failed));
    if let Some(why) = must_sync {
        sentences.push(format!("the array counts as not stopped cleanly: {why}"));
    }
    sentences.push(next_start(array, &after));
    let mut notes = Vec::new();
    if !after.clean {
        notes.push(
            "the array was not stopped cleanly, and nothing tells any more where its members may differ: the next start \
             resynchronises all of it"
                .to_owned(),
        );
    }
    if !array.open_slots().is_empty() {
        notes.push(format!(
            "slot {} is open: a member that comes back will be recovered in full, since nothing tells any more what it has missed",
            slots(array)
        ));
    }
    Ok(Planned {
        plan: draft.finish()?,
        after,
        sentences,
        notes,
        ..Planned::default()
    })
}

/// Headers that nothing announces were wiped, if there were any.
pub(super) fn stale_headers(draft: Draft<'_>) -> Result<Planned, PlanError> {
    let mut planned = nothing(draft.array(), None)?;
    planned.plan = draft.finish()?;
    if !planned.plan.is_empty() {
        planned.sentences = vec![
            "the array has no bitmap; what is left of a former one becomes zeros, which mdadm -X would take for one".to_owned(),
        ];
    }
    Ok(planned)
}

/// The bitmap goes into a file.
pub(super) fn in_file(
    draft: Draft<'_>,
    present: Option<&Present<'_>>,
    bitmap: &NewBitmap,
    source: &Source,
    failed: &[u32],
    file: PlannedFile,
) -> Result<Planned, PlanError> {
    let array = draft.array();
    let after = After {
        array: describe(array),
        events: draft.events(),
        clean: array.array()?.is_clean() && !bitmap.unclean,
        bitmap: None,
    };
    let name = file.path.display();
    let all = chunks(bitmap.known.coverage().chunks());
    let dirty = bitmap.known.bits().count();
    let mut sentences = vec![match present {
        Some(_) => format!("the bitmap goes into the file {name}; superblocks announce none"),
        None => format!("a bitmap is made in the file {name}"),
    }];
    sentences.extend(lost(present));
    sentences.push(format!(
        "{name}: {all} of {} bytes, {dirty} dirty; of the array at event {}",
        bitmap.known.coverage().chunk_bytes(),
        after.events
    ));
    sentences.extend(absent(array, failed));
    sentences.extend(made_unclean(array, bitmap, source)?);
    sentences.push(format!(
        "the superblocks do not say where the file is: start the array with mdadm --assemble --bitmap={name} DEVICE MEMBER... every \
         time (mdadm up to 4.3, kernels before 6.18); once it has run without, the file is out of date"
    ));
    Ok(Planned {
        plan: draft.finish()?,
        after,
        sentences,
        notes: vec![
            "kernels 6.18 and later attach no bitmap file, and mdadm 4.4 and later know of none"
                .to_owned(),
        ],
        file: Some(file),
        ..Planned::default()
    })
}

fn kind(raw: &RawBitmapSuper) -> &'static str {
    match Family::of(raw) {
        Family::Classic => "internal",
        Family::Clustered => "clustered",
        Family::Lockless => "lockless",
    }
}

/// What becomes another bitmap, and in what it is another.
fn headline(made: &Made<'_>) -> String {
    let new = &made.bitmap.header;
    let Some(present) = made.present else {
        let added = match (made.options.bitmap.is_none(), made.options.merge.is_some()) {
            (true, _) => " (the array had none)",
            (false, true) => " with the marks of the file",
            (false, false) => "",
        };
        let article = match Family::of(new) {
            Family::Classic => "an",
            _ => "a",
        };
        return format!("{article} {} bitmap is added{added}", kind(new));
    };
    let old = &present.header;
    let mut changes = Vec::new();
    if kind(old) != kind(new) {
        changes.push(format!("{} becomes {}", kind(old), kind(new)));
    }
    if old.chunk_bytes() != new.chunk_bytes() {
        let size = |raw: &RawBitmapSuper| match raw.chunk_bytes().map(ChunkSize::new) {
            Some(Ok(size)) => size.to_string(),
            _ => "an unusable size".to_owned(),
        };
        let why = if made.target.chunk_forced {
            " (the smallest that fits)"
        } else {
            ""
        };
        changes.push(format!(
            "chunks of {} become chunks of {}{why}",
            size(old),
            size(new)
        ));
    }
    if old.sync_size_sectors != new.sync_size_sectors {
        changes.push(format!(
            "{} sectors covered become {}",
            old.sync_size_sectors, new.sync_size_sectors
        ));
    }
    if present.offset != made.bitmap.offset {
        changes.push(format!(
            "it moves from {} to {}",
            place(present.offset, None),
            place(made.bitmap.offset, None)
        ));
    }
    if !made.target.is_exactly(old) {
        changes.push(fields(Some(old), made.target));
    }
    if made.options.merge.is_some() {
        changes.push("the marks of the file are added".to_owned());
    }
    match (changes.is_empty(), Family::of(old), Family::of(new)) {
        (true, Family::Clustered, Family::Clustered) => {
            "the bitmap is written anew: nodes or name of the cluster".to_owned()
        }
        (true, ..) => "the bitmap is written anew, the same on all members".to_owned(),
        (false, ..) => format!("the bitmap is written anew: {}", changes.join(", ")),
    }
}

fn fields(old: Option<&RawBitmapSuper>, target: &Target) -> String {
    let mut changes = Vec::new();
    if old.is_none_or(|old| old.daemon_sleep_seconds != target.delay_seconds) {
        changes.push(format!("delay {} s", target.delay_seconds));
    }
    if old.is_none_or(|old| old.write_behind != target.write_behind) {
        changes.push(format!("write-behind {}", target.write_behind));
    }
    match changes.is_empty() {
        true => "copies that differ in delay or write-behind".to_owned(),
        false => changes.join(", "),
    }
}

fn lost(present: Option<&Present<'_>>) -> Option<String> {
    let reason = present?.lost.as_ref()?;
    Some(format!(
        "what the former bitmap said is lost, every chunk is dirty: {reason}"
    ))
}

fn chunks(number: u64) -> String {
    match number {
        1 => "1 chunk".to_owned(),
        number => format!("{number} chunks"),
    }
}

/// Chunks and place of a new bitmap.
fn contents(target: &Target, bitmap: &NewBitmap, spot: Spot) -> String {
    let known = &bitmap.known;
    let lockless = bitmap.header.is_lockless();
    let dirty = if lockless {
        known.dirty().count()
    } else {
        known.bits().count()
    };
    let unwritten = match lockless && !known.unwritten().is_empty() {
        true => format!(", {} never written", known.unwritten().count()),
        false => String::new(),
    };
    let nodes = match &target.cluster {
        Some(cluster) => format!(" for each of {} nodes", cluster.nodes),
        None => String::new(),
    };
    format!(
        "version {}{nodes}: {} of {}, {dirty} dirty ({} bytes){unwritten}; {}",
        bitmap.header.version,
        chunks(known.coverage().chunks()),
        target.chunk,
        known.dirty_bytes(!lockless),
        place(bitmap.offset, Some(spot))
    )
}

fn slots(array: &StoppedArray<'_>) -> String {
    let slots: Vec<String> = array.open_slots().iter().map(u32::to_string).collect();
    slots.join(", ")
}

fn absent(array: &StoppedArray<'_>, failed: &[u32]) -> Option<String> {
    (!failed.is_empty()).then(|| {
        format!(
            "slot {}: the member that was not given has failed, and has to be added anew",
            slots(array)
        )
    })
}

fn made_unclean(
    array: &StoppedArray<'_>,
    bitmap: &NewBitmap,
    source: &Source,
) -> Result<Option<String>, PlanError> {
    let was_clean = array.array()?.is_clean();
    Ok((bitmap.unclean && was_clean).then(|| {
        let why = source
            .must_sync
            .unwrap_or("dirty chunks of a lockless bitmap are synchronised");
        format!("the array counts as not stopped cleanly from now on: {why}")
    }))
}

fn write_behind_notes(array: &StoppedArray<'_>, target: &Target) -> Vec<String> {
    if target.write_behind == 0 {
        return Vec::new();
    }
    let why = match array.geometry.level() {
        _ if target.family == Family::Lockless => "a lockless bitmap does none".to_owned(),
        Level::Raid1 if write_mostly(array).is_empty() => "no member is write-mostly".to_owned(),
        Level::Raid1 => return Vec::new(),
        level => format!("this is {level}, and raid1 alone does it"),
    };
    vec![format!(
        "write-behind {} will have no effect: {why}",
        target.write_behind
    )]
}

fn kind_notes(target: &Target, bitmap: &NewBitmap) -> Vec<String> {
    match target.family {
        Family::Classic => Vec::new(),
        Family::Lockless => {
            let mut notes = vec![
                "only kernels built with lockless bitmaps (CONFIG_MD_LLBITMAP, which Debian's are not) start this array".to_owned(),
            ];
            if !bitmap.known.dirty().is_empty() {
                notes.push(
                    "kernels before 7.3 may leave out chunks of a lockless bitmap when they resynchronise: start the array on 7.3 or later, \
                     or let it be resynchronised before it is converted"
                        .to_owned(),
                );
            }
            notes
        }
        Family::Clustered => {
            let unnamed = target
                .cluster
                .as_ref()
                .is_some_and(|cluster| cluster.name == [0; 64]);
            let mut notes =
                vec!["only a node of a running cluster (dlm) starts this array".to_owned()];
            if unnamed {
                notes.push("the bitmap names no cluster: --home-cluster gives it the name that corosync has".to_owned());
            }
            notes
        }
    }
}
