//! A bitmap as the dump describes it, in the place of one that is not to be believed, or where there is none
//! (design.md W2, W11, W12).

use super::evidence::unchanged_since;
use super::{RestoreOptions, united};
use crate::array::NoBitmap;
use crate::bitmap::{Bitmap, ChunkSet};
use crate::change::admission::{Demand, admit};
use crate::change::content::Content;
use crate::change::draft::{Draft, Piece, SuperChange};
use crate::change::mark::Beside;
use crate::change::plan::{Part, UNIT};
use crate::change::replace::{NewBitmap, replace_wiping};
use crate::change::stopped::too_many;
use crate::change::superblock::Announce;
use crate::change::told::{after_bitmap, describe, is_alone};
use crate::change::{
    After, Knowledge, Moment, PlanError, Planned, Room, Shape, Spot, StoppedArray,
};
use crate::commands::marking::{amount, told as finished};
use crate::commands::merge::{contribution, told};
use crate::commands::source::MarkSource;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::coverage::Coverage;
use crate::format::placement::ChunkSize;
use crate::format::placement::content::{self, DEFAULT_DELAY_SECONDS, MAX_WRITE_BEHIND};
use crate::units::{Bytes, Events, SECTOR_BYTES};

/// Plans it.
pub(super) fn plan(
    array: &StoppedArray<'_>,
    sources: &[&MarkSource],
    options: &RestoreOptions,
    now: Moment,
) -> Result<Planned, PlanError> {
    // What speaks against any change is worth knowing first.
    admit(array, Demand::of(options.force))?;
    let Some(model) = sources.first() else {
        return Err(PlanError::refuse(
            "dump-empty",
            "the dump has no bitmap of this array",
        ));
    };
    let chunk = chunk(array, model)?;
    let lockless = model.bitmap.raw.is_lockless();
    let coverage = array
        .coverage(chunk.bytes())
        .ok_or_else(|| PlanError::refuse("no-room", "a chunk of 0 bytes covers nothing"))?;
    let found = Found::gather(array, sources, coverage, options)?;
    let marks = match lockless {
        true => found.known.dirty().clone(),
        false => found.known.bits(),
    };
    let counts = !found.asked.is_empty() || lockless && !marks.is_empty();
    let unclean = counts && !is_alone(array);
    let admitted = admit(
        array,
        Demand {
            unclean,
            lockless,
            clears: found.takes_marks_away,
            ..Demand::of(options.force)
        },
    )?;
    let room = Room::of(array)?;
    let shape = match lockless {
        true => Shape::States,
        false => Shape::Bits { slots: 1 },
    };
    let spot = room.place(shape, chunk, present_offset(array))?;
    let bitmap = NewBitmap {
        header: header(array, model, chunk, spot)?,
        offset: spot.offset,
        slot_bytes: spot.slot_sectors.saturating_mul(SECTOR_BYTES),
        known: found.known,
        cleared: found.cleared,
        unclean,
    };
    let mut draft = Draft::new(array, now)?;
    if !admitted.failed.is_empty() {
        draft.superblocks(
            "superblocks: members that were not given have failed, no bitmap",
            &SuperChange {
                announce: Announce::Off,
                unclean,
                failed: admitted.failed.clone(),
            },
        )?;
    }
    replace_wiping(&mut draft, &bitmap, old_headers(array, &room))?;
    let events = draft.events();
    let was_clean = array.array()?.is_clean();
    let planned = Planned {
        after: After {
            array: describe(array),
            events,
            clean: was_clean && !unclean,
            bitmap: Some(after_bitmap(
                &bitmap.header,
                i64::from(bitmap.offset),
                &bitmap.known,
                bitmap.events_cleared(events),
            )),
        },
        plan: draft.finish()?,
        ..Planned::default()
    };
    let mut sentences = Vec::new();
    for source in sources {
        sentences.push(told(source, &source.known()?));
    }
    sentences.push(match announces(array) {
        true => "the bitmap that is there is not one that the kernel would work with on all members; it is made anew as the dump describes it",
        false => "the array has no bitmap; one is made as the dump describes it",
    }.to_owned());
    sentences.push(format!(
        "version {}, chunks of {chunk}, marked: {}; {}",
        bitmap.header.version,
        amount(coverage, &marks),
        found.why
    ));
    let beside = Beside {
        unclean: unclean && was_clean,
        failed: admitted.failed,
    };
    Ok(finished(array, planned, &beside, sentences, Vec::new()))
}

/// What is known of every chunk, and why.
struct Found {
    known: Knowledge,
    /// Chunks that have to be synchronised between members (W4).
    asked: ChunkSet,
    /// When bits were cleared last, by what it was read from (W3).
    cleared: Option<Events>,
    /// A chunk may be clean that nothing but the dump calls so.
    takes_marks_away: bool,
    why: String,
}

impl Found {
    fn gather(
        array: &StoppedArray<'_>,
        sources: &[&MarkSource],
        coverage: Coverage,
        options: &RestoreOptions,
    ) -> Result<Found, PlanError> {
        let clean = array.array()?.is_clean();
        let own = match (announces(array), clean) {
            (true, _) => array.knowledge()?,
            // Without a bitmap, members are equal if the array was stopped cleanly; else nobody knows where they are not.
            (false, true) => {
                Some(Knowledge::all_clean(coverage).map_err(|error| too_many(&error))?)
            }
            (false, false) => None,
        };
        let own = own.map(|own| own.rescaled(coverage)).transpose();
        let own = own.map_err(|error| too_many(&error))?;
        let same = unchanged_since(array, sources);
        if options.replace {
            return Found::replaced(sources, coverage, &same, clean, options.force);
        }
        match (own, same) {
            (Some(own), _) => Found::added(array, own, sources),
            // Members of a clean and complete array are equal, so what the dump says is enough. In any other case, and with a lockless
            // bitmap in all (W10), a dump that was made while the array ran would lack what was marked later, and no superblock
            // shows that.
            (None, Ok(())) if clean && !is_lockless(sources) && array.open_slots().is_empty() => {
                Ok(Found {
                    why: "what the dump says: the array was not used since it was made".to_owned(),
                    takes_marks_away: true,
                    ..Found::of_dump(sources, coverage)?
                })
            }
            (None, same) => {
                let reason = match same {
                    Err(reason) => reason,
                    Ok(()) => "a dump that was made while the array ran lacks what was marked later; --replace --force \
                               vouches for it"
                        .to_owned(),
                };
                let known = Knowledge::all_dirty(coverage).map_err(|error| too_many(&error))?;
                Ok(Found {
                    asked: known.dirty().clone(),
                    known,
                    cleared: None,
                    takes_marks_away: false,
                    why: format!(
                        "every chunk, because nothing is known of what was marked since ({reason})"
                    ),
                })
            }
        }
    }

    /// `--replace`: what the dump says, and nothing else.
    fn replaced(
        sources: &[&MarkSource],
        coverage: Coverage,
        same: &Result<(), String>,
        clean: bool,
        force: bool,
    ) -> Result<Found, PlanError> {
        if let Err(why) = same {
            return Err(PlanError::refuse(
                "dump-not-of-now",
                format!("{why}; without --replace, what is not known is marked"),
            ));
        }
        if (!clean || is_lockless(sources)) && !force {
            return Err(PlanError::refuse(
                "replace-unproven",
                "what the dump does not mark would be taken for equal at the next start, and a dump that was made while the array ran lacks \
                 what was marked later, which no superblock shows; vouch for the dump with --force, or leave out --replace",
            ));
        }
        Ok(Found {
            why: "what the dump says, and nothing else".to_owned(),
            takes_marks_away: true,
            ..Found::of_dump(sources, coverage)?
        })
    }

    fn of_dump(sources: &[&MarkSource], coverage: Coverage) -> Result<Found, PlanError> {
        let known = united(sources, coverage)?;
        Ok(Found {
            asked: match is_lockless(sources) {
                true => known.dirty().clone(),
                false => known.bits(),
            },
            known,
            cleared: None,
            takes_marks_away: false,
            why: String::new(),
        })
    }

    /// The marks of the dump beside those that are to be believed, or that the superblock's word stands for.
    fn added(
        array: &StoppedArray<'_>,
        own: Knowledge,
        sources: &[&MarkSource],
    ) -> Result<Found, PlanError> {
        let mut known = own.clone();
        let none = ChunkSet::empty(own.coverage().chunks()).map_err(|error| too_many(&error))?;
        let mut asked = none;
        for source in sources {
            asked.add_all(&contribution(&own, &source.known()?)?);
        }
        asked.add_all(&not_in_superblocks(array, &own, is_lockless(sources))?);
        known.add_dirty(&asked);
        let all = array.believed().filter_map(|copy| {
            let raw = copy.bitmap.as_ref().ok()?.raw();
            Some((raw.events_cleared, raw.is_lockless()))
        });
        let all: Vec<(u64, bool)> = all.collect();
        // 0 says nothing, nor does what a lockless one has (W3, reference/kernel.md trap 11).
        let counts = all
            .iter()
            .all(|(cleared, lockless)| *cleared > 0 && !lockless);
        let dumped = sources
            .iter()
            .map(|source| source.bitmap.raw.events_cleared);
        let latest = all.iter().map(|(cleared, _)| *cleared).max();
        let cleared = latest.map(|latest| latest.max(dumped.max().unwrap_or_default()));
        Ok(Found {
            known,
            asked,
            cleared: cleared.filter(|_| counts).map(Events),
            takes_marks_away: false,
            why: match announces(array) {
                true => "what the copies say that are to be believed, and the dump",
                false => "what the dump marks: the array was stopped cleanly",
            }
            .to_owned(),
        })
    }
}

/// Own marks that count whatever the superblocks say of the array, and that the new bitmap has to have said by them (W4): those
/// of a cluster, and of a lockless bitmap that becomes another one everything that is not clean (W10).
fn not_in_superblocks(
    array: &StoppedArray<'_>,
    own: &Knowledge,
    stays_lockless: bool,
) -> Result<ChunkSet, PlanError> {
    let believed = || {
        array
            .believed()
            .filter_map(|copy| copy.bitmap.as_ref().ok())
    };
    if !stays_lockless && believed().any(|bitmap| bitmap.raw().is_lockless()) {
        return Ok(own.bits());
    }
    let of_cluster = |raw: &RawBitmapSuper| raw.version == 5 && raw.nodes > 0;
    if believed().any(|bitmap| of_cluster(bitmap.raw())) {
        return Ok(own.dirty().clone());
    }
    ChunkSet::empty(own.coverage().chunks()).map_err(|error| too_many(&error).into())
}

/// True when the superblock speaks of a bitmap, be it where the device has ended.
fn announces(array: &StoppedArray<'_>) -> bool {
    let bitmap = array.array().map(|member| &member.bitmap);
    matches!(bitmap, Ok(Ok(_) | Err(NoBitmap::OutsideDevice { .. })))
}

fn is_lockless(sources: &[&MarkSource]) -> bool {
    sources.iter().any(|source| source.bitmap.raw.is_lockless())
}

/// The chunk of the dump, which a kernel has to take.
fn chunk(array: &StoppedArray<'_>, model: &MarkSource) -> Result<ChunkSize, PlanError> {
    let raw = &model.bitmap.raw;
    if raw.version == 5 && raw.nodes > 0 {
        return Err(PlanError::refuse(
            "clustered-dump",
            format!(
                "{}: is of a cluster of {} nodes; make such a bitmap with mdbitmap grow --bitmap=clustered first, and restore into that",
                model.name, raw.nodes
            ),
        ));
    }
    let metadata = array.array()?.metadata;
    let has_room = metadata == crate::array::MetadataVersion::V1_1
        || metadata == crate::array::MetadataVersion::V1_2;
    if raw.is_lockless() && !has_room {
        return Err(PlanError::refuse(
            "lockless-metadata",
            format!("a lockless bitmap needs 1.1 or 1.2 metadata, and the array has {metadata}"),
        ));
    }
    let bytes = model.coverage().map_or(0, Coverage::chunk_bytes);
    ChunkSize::new(bytes).map_err(|error| {
        PlanError::refuse(
            "chunk-unfit",
            format!(
                "{}: its chunks of {bytes} bytes are for no kernel: {error}",
                model.name
            ),
        )
    })
}

/// The superblock that the dump describes, but for what is the array's.
fn header(
    array: &StoppedArray<'_>,
    model: &MarkSource,
    chunk: ChunkSize,
    spot: Spot,
) -> Result<RawBitmapSuper, PlanError> {
    let raw = &model.bitmap.raw;
    let classic = content::NewBitmap {
        uuid: array.array()?.array_uuid,
        sync_size: array.sync_size(),
        chunk,
        delay_seconds: match raw.daemon_sleep_seconds {
            0 => DEFAULT_DELAY_SECONDS,
            seconds => seconds,
        },
        write_behind: match raw.write_behind {
            fits @ 0..=MAX_WRITE_BEHIND => fits,
            _ => 0,
        },
        events: Events(0),
        cluster: None,
    };
    let header = classic.superblock();
    Ok(match raw.is_lockless() {
        false => header,
        // The chunk is in sectors (reference/kernel.md trap 1); never FIRST_USE (W10).
        true => RawBitmapSuper {
            version: 6,
            chunksize: u32::try_from(chunk.bytes() / SECTOR_BYTES).unwrap_or(u32::MAX),
            sectors_reserved: u32::try_from(spot.slot_sectors).unwrap_or(u32::MAX),
            ..header
        },
    })
}

/// Sectors from the superblocks to the bitmap that they announce.
fn present_offset(array: &StoppedArray<'_>) -> Option<i32> {
    let member = array.array().ok()?;
    let start = member.bitmap.as_ref().ok()?.start;
    let distance = i128::from(start.0) - i128::from(member.super_start.0);
    i32::try_from(distance / i128::from(SECTOR_BYTES)).ok()
}

/// The headers that are there, as zeros: what nothing announces any more is not to be taken for a bitmap. Those that lie on
/// something else are left alone.
fn old_headers(array: &StoppedArray<'_>, room: &Room) -> Vec<Piece> {
    let wipe = |device: usize, bitmap: &Bitmap<'_>| {
        let member = array.devices.get(device)?.member();
        let start: Bytes = bitmap.start();
        let distance = i128::from(start.0) - i128::from(member.super_start.0);
        let offset = i64::try_from(distance / i128::from(SECTOR_BYTES)).ok()?;
        let free = start.0.is_multiple_of(UNIT) && room.is_free(offset, UNIT / SECTOR_BYTES);
        free.then(|| Piece {
            device,
            start,
            part: Part::BitmapHeader,
            new: Content::bytes(vec![0; usize::try_from(UNIT).unwrap_or_default()]),
        })
    };
    let copies = array.copies.iter();
    copies
        .filter_map(|copy| wipe(copy.device, copy.bitmap.as_ref().ok()?))
        .collect()
}
