//! Wrong orders and wrong inputs, each of which must be caught: what judges the commands is judged itself.

use crate::commands::{Command, NOW};
use crate::corpus::Base;
use crate::corpus::history::{Away, End, UUID};
use crate::corpus::spec::Has;
use crate::world::bytes::{put, u32_at, u64_at};
use crate::world::superblock::Kind;
use mdbitmap::bitmap::ChunkSet;
use mdbitmap::change::content::Content;
use mdbitmap::change::draft::{Draft, Piece};
use mdbitmap::change::mark::{self, Beside, Edit};
use mdbitmap::change::plan::{Part, Plan, Step};
use mdbitmap::change::replace::{NewBitmap, replace};
use mdbitmap::change::{Knowledge, Known, PlanError, Planned, StoppedArray};
use mdbitmap::commands::clear::{self, ClearOptions};
use mdbitmap::commands::grow::{self, GrowOptions, Wanted};
use mdbitmap::commands::marking::Asked;
use mdbitmap::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use mdbitmap::format::coverage::Coverage;
use mdbitmap::format::placement::ChunkSize;
use mdbitmap::units::{Bytes, ChunkIndex, Events};

/// A wrong way of doing something.
pub struct Mutant {
    pub name: &'static str,
    /// On which arrays it can do harm.
    pub suits: fn(&Base) -> bool,
    /// What is planned.
    pub plan: fn(&Base) -> Command,
    /// What is done to the plan.
    pub tamper: fn(&mut Plan),
    /// The store whose flushes are lost.
    pub unflushed: Option<usize>,
}

fn nothing(_: &mut Plan) {}

pub const ALL: &[Mutant] = &[
    Mutant {
        name: "events_cleared last",
        suits: |base| base.history.away == Away::Former,
        plan: |_| add(),
        tamper: late_events_cleared,
        unflushed: None,
    },
    Mutant {
        name: "events_cleared 0",
        suits: |base| base.history.away == Away::Former,
        plan: |_| add(),
        tamper: |plan| each_header(plan, |header| put(header, 32, &0_u64.to_le_bytes())),
        unflushed: None,
    },
    Mutant {
        name: "header before bits",
        suits: |base| is_torn(base) && bits(base),
        plan: |base| rechunk(base, 4),
        tamper: |plan| {
            plan.steps.remove(0);
            plan.steps.swap(0, 1);
        },
        unflushed: None,
    },
    Mutant {
        name: "feature bit first",
        suits: |base| is_torn(base),
        plan: |base| rechunk(base, 4),
        tamper: |plan| {
            let last = plan.steps.pop();
            plan.steps.splice(1..1, last);
        },
        unflushed: None,
    },
    Mutant {
        name: "no superblock without bitmap in between",
        suits: |base| is_torn(base) && bits(base),
        plan: |base| rechunk(base, 4),
        tamper: |plan| {
            plan.steps.remove(0);
        },
        unflushed: None,
    },
    Mutant {
        name: "events by two at once",
        suits: |base| base.spec.kind != Kind::V090,
        plan: |_| remove(),
        tamper: |plan| {
            each_super(plan, |sb| {
                put(sb, 200, &(u64_at(sb, 200) + 1).to_le_bytes())
            })
        },
        unflushed: None,
    },
    Mutant {
        name: "v6 to v4, left clean",
        suits: |base| {
            matches!(base.spec.bitmap, Has::States(_)) && base.history.end == End::Stopped
        },
        plan: |base| {
            planner(base, |array, chunk| {
                let known = known_of(array, chunk, |known, _| Ok(known))?;
                made(array, known, Kept::Nothing, false)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "unclean after the bits",
        suits: |base| {
            matches!(base.spec.bitmap, Has::States(_)) && base.history.end == End::Stopped
        },
        plan: |base| rechunk(base, 1),
        tamper: late_unclean,
        unflushed: None,
    },
    Mutant {
        name: "the flushes of one device are lost",
        suits: |_| true,
        plan: |base| rechunk(base, 2),
        tamper: nothing,
        unflushed: Some(0),
    },
    Mutant {
        name: "one member is not written",
        suits: |_| true,
        plan: |base| rechunk(base, 2),
        tamper: |plan| {
            for step in &mut plan.steps {
                step.writes
                    .retain(|write| write.part == Part::Superblock || write.device != 0);
            }
        },
        unflushed: None,
    },
    Mutant {
        name: "coarser by AND",
        suits: |base| is_torn(base) && bits(base),
        plan: |base| {
            planner(base, |array, chunk| {
                let known = known_of(array, chunk * 4, |fine, coarse| {
                    let mut all = fine.rescaled(coarse.coverage())?;
                    for chunk in 0..coarse.coverage().chunks() {
                        let finer = (4 * chunk..4 * chunk + 4).map(ChunkIndex);
                        let all_dirty = finer.map(|c| fine.of(c)).all(|is| is == Known::Dirty);
                        if !all_dirty {
                            all.set(&(ChunkIndex(chunk)..ChunkIndex(chunk + 1)), Known::Clean);
                        }
                    }
                    Ok(all)
                })?;
                made(array, known, Kept::All, false)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "finer, not replicated",
        suits: |base| is_torn(base) && bits(base) && base.spec.size == 128,
        plan: |base| {
            planner(base, |array, chunk| {
                let known = known_of(array, chunk / 4, |coarse, fine| {
                    let mut all = fine;
                    for chunk in 0..coarse.coverage().chunks() {
                        if coarse.of(ChunkIndex(chunk)) == Known::Dirty {
                            all.set(
                                &(ChunkIndex(4 * chunk)..ChunkIndex(4 * chunk + 1)),
                                Known::Dirty,
                            );
                        }
                    }
                    Ok(all)
                })?;
                made(array, known, Kept::All, false)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "unwritten and clean make clean",
        suits: |base| matches!(base.spec.bitmap, Has::States(_)) && base.map.has_parity(),
        plan: |base| {
            planner(base, |array, chunk| {
                let known = known_of(array, chunk * 2, |fine, coarse| {
                    let mut all = coarse;
                    for chunk in 0..all.coverage().chunks() {
                        let finer = (2 * chunk..2 * chunk + 2).map(ChunkIndex);
                        if finer.map(|c| fine.of(c)).any(|is| is == Known::Dirty) {
                            all.set(&(ChunkIndex(chunk)..ChunkIndex(chunk + 1)), Known::Dirty);
                        }
                    }
                    Ok(all)
                })?;
                made(array, known, Kept::Nothing, false)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "unwritten taken for clean bits",
        suits: |base| {
            matches!(base.spec.bitmap, Has::States(_)) && base.history.end == End::Stopped
        },
        plan: |base| {
            planner(base, |array, chunk| {
                let known = known_of(array, chunk, |fine, coarse| {
                    let mut all = coarse;
                    all.add_dirty(fine.dirty());
                    Ok(all)
                })?;
                made(array, known, Kept::Nothing, true)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "clear on a vacant slot, events_cleared kept",
        suits: |base| base.history.away == Away::Absent && bits(base),
        plan: |_| clear_marks(),
        tamper: |plan| {
            plan.steps.retain(|step| step.title == "marks");
            let cleared = plan.steps.iter().flat_map(|step| &step.writes).count();
            assert!(cleared > 0 || plan.steps.is_empty());
        },
        unflushed: None,
    },
    Mutant {
        name: "clear without comparing",
        suits: |base| is_torn(base) && bits(base),
        plan: |_| {
            command("clear --force", |array| {
                let options = ClearOptions {
                    asked: Asked::all(),
                    force: true,
                };
                clear::plan(array, &options, NOW)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "restore replaces newer dirt",
        suits: |base| is_torn(base) && bits(base),
        plan: |base| {
            planner(base, |array, chunk| {
                let coverage = coverage(array, chunk)?;
                let old = Knowledge::all_clean(coverage).map_err(refuse)?;
                let mut draft = Draft::new(array, NOW)?;
                mark::change(&mut draft, &Edit::exactly(old)?, &Beside::default())?;
                planned(draft)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "bits of a stale bitmap kept",
        suits: |base| base.history.stale && base.history.end == End::Writing && bits(base),
        plan: |base| {
            planner(base, |array, _| {
                let mut draft = Draft::new(array, NOW)?;
                let pieces = headers(&draft, |raw| raw.events += 5)?;
                draft.write("bitmap header: events put right", pieces)?;
                planned(draft)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
    Mutant {
        name: "a copy is overwritten by one with fewer marks",
        suits: |base| is_torn(base) && bits(base),
        plan: |base| {
            planner(base, |array, chunk| {
                let coverage = coverage(array, chunk)?;
                let all = ChunkSet::full(coverage.chunks()).map_err(refuse)?;
                let mut draft = Draft::new(array, NOW)?;
                let edit = Edit::clean(coverage, all)?;
                let marks = mark::pieces_on(&draft, array.copies.iter().take(1), &edit)?;
                draft.write("marks of one copy", marks)?;
                planned(draft)
            })
        },
        tamper: nothing,
        unflushed: None,
    },
];

/// A bitmap with chunks twice as large, made by the same means, but rightly.
pub fn right(base: &Base) -> Command {
    planner(base, |array, chunk| {
        let known = array.knowledge()?.ok_or_else(|| refuse("no bitmap"))?;
        let known = known
            .rescaled(coverage(array, chunk * 2)?)
            .map_err(refuse)?;
        made(array, known, Kept::All, !array.array()?.is_clean())
    })
}

pub fn is_right_for(base: &Base) -> bool {
    bits(base) && !base.history.stale && !base.history.short && base.spec.size == 128
}

fn is_torn(base: &Base) -> bool {
    base.history.end == End::Writing && !base.history.stale
}

fn bits(base: &Base) -> bool {
    matches!(base.spec.bitmap, Has::Bits(_))
}

fn refuse(error: impl std::fmt::Display) -> PlanError {
    PlanError::refuse("mutant", error.to_string())
}

fn command(
    name: &'static str,
    plan: impl Fn(&StoppedArray<'_>) -> Result<Planned, PlanError> + Send + Sync + 'static,
) -> Command {
    Command {
        name,
        plan: Box::new(move |array, _| plan(array)),
        without: None,
    }
}

fn planner(
    base: &Base,
    plan: impl Fn(&StoppedArray<'_>, u64) -> Result<Planned, PlanError> + Send + Sync + 'static,
) -> Command {
    let chunk = base.spec.chunk().unwrap_or(8) * 512;
    command("mutant", move |array| plan(array, chunk))
}

fn grown(options: GrowOptions) -> Command {
    command("grow", move |array| grow::plan(array, &options, NOW))
}

/// A new internal bitmap in place of whatever there is: nothing is known of what was cleared when.
fn add() -> Command {
    command("add", |array| {
        let coverage = coverage(array, 8192)?;
        let known = match array.knowledge()? {
            Some(known) => known.rescaled(coverage).map_err(refuse)?,
            None => Knowledge::all_clean(coverage).map_err(refuse)?,
        };
        made(array, known, Kept::Nothing, !array.array()?.is_clean())
    })
}

fn remove() -> Command {
    grown(GrowOptions {
        bitmap: Some(Wanted::None),
        ..GrowOptions::default()
    })
}

fn rechunk(base: &Base, times: u64) -> Command {
    let own = base.spec.chunk().unwrap_or(8);
    grown(GrowOptions {
        bitmap: Some(Wanted::Internal),
        chunk: ChunkSize::new(own * times * 512).ok(),
        ..GrowOptions::default()
    })
}

fn clear_marks() -> Command {
    command("clear", |array| {
        let copy = array
            .copies
            .first()
            .and_then(|copy| copy.bitmap.as_ref().ok());
        let Some(bitmap) = copy else {
            return Err(refuse("no bitmap"));
        };
        let coverage = coverage(array, bitmap.raw().chunk_bytes().unwrap_or(4096))?;
        let all = ChunkSet::full(coverage.chunks()).map_err(refuse)?;
        let mut draft = Draft::new(array, NOW)?;
        mark::change(&mut draft, &Edit::clean(coverage, all)?, &Beside::default())?;
        planned(draft)
    })
}

fn coverage(array: &StoppedArray<'_>, chunk: u64) -> Result<Coverage, PlanError> {
    array.coverage(chunk).ok_or_else(|| refuse("no chunk"))
}

/// What the bitmap says, in chunks of so many bytes, by a wrong way of converting it, which is given what is said, and a clean
/// slate.
fn known_of(
    array: &StoppedArray<'_>,
    chunk: u64,
    convert: impl Fn(Knowledge, Knowledge) -> Result<Knowledge, mdbitmap::bitmap::TooManyChunks>,
) -> Result<Knowledge, PlanError> {
    let known = array.knowledge()?.ok_or_else(|| refuse("no bitmap"))?;
    let slate = Knowledge::all_clean(coverage(array, chunk)?).map_err(refuse)?;
    convert(known, slate).map_err(refuse)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// events_cleared of the old bitmap.
    All,
    Nothing,
}

/// A bitmap of version 4 that says this, by the four steps of W2.
fn made(
    array: &StoppedArray<'_>,
    known: Knowledge,
    kept: Kept,
    unclean: bool,
) -> Result<Planned, PlanError> {
    let mut header = RawBitmapSuper::from_bytes(&[0; 256]).expect("256 bytes");
    header.magic = BITMAP_MAGIC;
    header.version = 4;
    header.uuid = UUID;
    header.sync_size_sectors = array.sync_size().0;
    header.chunksize = known.coverage().chunk_bytes() as u32;
    header.daemon_sleep_seconds = 5;
    let cleared = array.copies.iter().filter_map(|copy| {
        let raw = copy.bitmap.as_ref().ok()?.raw();
        Some(Events(raw.events_cleared))
    });
    let cleared = cleared.max().filter(|_| kept == Kept::All);
    let bytes = 256 + known.coverage().chunks().div_ceil(8);
    let offset = match array.array()?.metadata {
        mdbitmap::array::MetadataVersion::V1_0 => -24,
        _ => 8,
    };
    let mut draft = Draft::new(array, NOW)?;
    let bitmap = NewBitmap {
        header,
        offset,
        slot_bytes: bytes.next_multiple_of(4096),
        known,
        cleared,
        unclean,
    };
    replace(&mut draft, &bitmap)?;
    planned(draft)
}

fn planned(draft: Draft<'_>) -> Result<Planned, PlanError> {
    Ok(Planned {
        plan: draft.finish()?,
        ..Planned::default()
    })
}

/// The first sector of every copy, with its superblock changed.
fn headers(
    draft: &Draft<'_>,
    change: impl Fn(&mut RawBitmapSuper),
) -> Result<Vec<Piece>, PlanError> {
    let mut pieces = Vec::new();
    for copy in &draft.array().copies {
        let Ok(bitmap) = &copy.bitmap else {
            continue;
        };
        let mut sector = vec![0; 512];
        bitmap
            .store()
            .read_at(bitmap.start(), &mut sector)
            .map_err(PlanError::Store)?;
        let mut raw = bitmap.raw().clone();
        change(&mut raw);
        sector[..256].copy_from_slice(&raw.to_bytes());
        pieces.push(Piece {
            device: copy.device,
            start: Bytes(bitmap.start().0),
            part: Part::BitmapHeader,
            new: Content::bytes(sector),
        });
    }
    Ok(pieces)
}

/// Changes the bytes of every header that is written; zeros are none.
fn each_header(plan: &mut Plan, change: impl Fn(&mut [u8])) {
    for write in plan.steps.iter_mut().flat_map(|step| &mut step.writes) {
        let mut bytes = write.new.to_vec();
        if write.part == Part::BitmapHeader && u32_at(&bytes, 0) == BITMAP_MAGIC {
            change(&mut bytes);
            write.new = Content::bytes(bytes);
        }
    }
}

/// Changes every superblock of version 1 that is written, and its checksum.
fn each_super(plan: &mut Plan, change: impl Fn(&mut [u8])) {
    for write in plan.steps.iter_mut().flat_map(|step| &mut step.writes) {
        if write.part == Part::Superblock {
            let mut bytes = write.new.to_vec();
            change(&mut bytes);
            let sum = crate::world::superblock::checksum_1(&bytes);
            put(&mut bytes, 216, &sum.to_le_bytes());
            write.new = Content::bytes(bytes);
        }
    }
}

/// The header says first that nothing was ever cleared, and the truth at the end.
fn late_events_cleared(plan: &mut Plan) {
    let right: Vec<Step> = plan
        .steps
        .iter()
        .filter(|step| step.title == "bitmap header")
        .cloned()
        .collect();
    each_header(plan, |header| put(header, 32, &1_u64.to_le_bytes()));
    plan.steps.extend(right);
}

/// The superblocks call the array clean, and unclean in a step of its own at the end.
fn late_unclean(plan: &mut Plan) {
    let mut last = Plan {
        steps: plan.steps.last().cloned().into_iter().collect(),
        ..Plan::default()
    };
    each_super(&mut last, |sb| {
        put(sb, 200, &(u64_at(sb, 200) + 1).to_le_bytes())
    });
    each_super(plan, |sb| put(sb, 208, &u64::MAX.to_le_bytes()));
    plan.steps.append(&mut last.steps);
}
