//! The bitmap in a file: from the superblocks into it, or a first one.
//!
//! Nothing may be attached while the internal bitmap is in use, or after the array has run without either. So the members
//! lose theirs first, and only then the file gets its header and its name; what it says is of the event count that
//! the members then have.

use super::beside::{coverage, first_look};
use super::none;
use super::options::{FileWanted, GrowOptions};
use super::present::{Present, has_bitmap};
use super::source::{Source, believed_file};
use super::target::Target;
use super::{fail_absent, text};
use crate::change::admission::{Admitted, Demand, admit};
use crate::change::content::Content;
use crate::change::draft::{Draft, SuperChange};
use crate::change::planned::PlannedFile;
use crate::change::replace::NewBitmap;
use crate::change::stopped::too_many;
use crate::change::superblock::Announce;
use crate::change::{Moment, PlanError, Planned, Room, StoppedArray};
use crate::format::placement::{ChunkSize, area, chunk};
use std::sync::Arc;

/// The plan of a bitmap file.
pub(super) fn plan(
    array: &StoppedArray<'_>,
    options: &GrowOptions,
    wanted: &FileWanted,
    now: Moment,
) -> Result<Planned, PlanError> {
    first_look(array, options)?;
    let name = wanted.path.display().to_string();
    if let Some(existing) = &wanted.existing {
        if has_bitmap(array) {
            return Err(PlanError::refuse(
                "file-exists",
                format!(
                    "{name}: exists already, and the array still has an internal bitmap; name a file that is not there yet"
                ),
            ));
        }
        let judged = believed_file(array, existing.as_ref());
        return match judged.and_then(|bitmap| is_as_wanted(bitmap.raw(), options, &name)) {
            Ok(()) => text::nothing(array, None),
            Err(why) => Err(PlanError::refuse(
                "file-exists",
                format!(
                    "{why}; it exists already and is not the bitmap that is asked for: name a file that is not there yet"
                ),
            )),
        };
    }
    let present = Present::of(array)?;
    let target = target(array, present.as_ref(), options)?;
    let coverage = coverage(array, target.chunk)?;
    let source = Source::gather(array, present.as_ref(), None, coverage)?;
    let known = source
        .known
        .rescaled(coverage)
        .map_err(|error| too_many(&error))?;
    let unclean = source.must_sync.is_some();
    let Admitted { failed } = admit(
        array,
        Demand {
            unclean,
            ..Demand::of(options.force)
        },
    )?;
    let mut draft = Draft::new(array, now)?;
    fail_absent(&mut draft, &failed, unclean)?;
    if has_bitmap(array) || !failed.is_empty() {
        draft.superblocks(
            "superblocks: no bitmap",
            &SuperChange {
                announce: Announce::Off,
                unclean,
                failed: Vec::new(),
            },
        )?;
        let room = Room::of(array)?;
        let places = array.current();
        let headers = places.flat_map(|place| none::headers_of(array, &room, place));
        draft.write("bitmap headers", headers.collect())?;
    }
    let bitmap = NewBitmap {
        header: target.header(array.array()?, array.sync_size(), text::NOWHERE),
        offset: 0,
        slot_bytes: area::file_bytes(coverage.chunks()).0,
        known,
        cleared: source.cleared,
        unclean,
    };
    let file = PlannedFile {
        path: wanted.path.clone(),
        bits: Content::bits(None, Arc::new(bitmap.known.bits()), bitmap.slot_bytes),
        header: bitmap.header_at(draft.events()),
    };
    text::in_file(draft, present.as_ref(), &bitmap, &source, &failed, file)
}

/// A classic bitmap with the chunk that was asked for, is there, or is usual in a file.
fn target(
    array: &StoppedArray<'_>,
    present: Option<&Present<'_>>,
    options: &GrowOptions,
) -> Result<Target, PlanError> {
    let kept = || ChunkSize::new(present?.header.chunk_bytes()?).ok();
    let usual = || chunk::file_default(array.sync_size());
    let chunk = options.chunk.or_else(kept).or_else(usual).ok_or_else(|| {
        PlanError::refuse(
            "no-room",
            "the array is too large for a bitmap file with chunks of 2G",
        )
    })?;
    Ok(Target::classic(present, options, chunk))
}

fn is_as_wanted(
    raw: &crate::format::bitmap_super::RawBitmapSuper,
    options: &GrowOptions,
    name: &str,
) -> Result<(), String> {
    let differs = |what: &str| {
        Err(format!(
            "{name}: is the array's bitmap, with another {what}"
        ))
    };
    let is = |wanted: Option<u64>, found: u64| wanted.is_none_or(|wanted| wanted == found);
    if !is(
        options.chunk.map(ChunkSize::bytes),
        u64::from(raw.chunksize),
    ) {
        return differs("chunk size");
    }
    if !is(
        options.delay_seconds.map(u64::from),
        u64::from(raw.daemon_sleep_seconds),
    ) {
        return differs("delay");
    }
    if !is(
        options.write_behind.map(u64::from),
        u64::from(raw.write_behind),
    ) {
        return differs("write-behind");
    }
    Ok(())
}
