//! The copies of the bitmap at hand: opened, judged, and made into sources of dirt.

use super::options::ExtentsOptions;
use crate::array::spaces::Source;
use crate::array::verdict::{self, Assembly, Assessment, Scope};
use crate::array::{FoundSuper, MetadataVersion};
use crate::bitmap::{Bitmap, BitmapError, MAX_SLOTS};
use crate::commands::examine::{header_problem, problem_of};
use crate::commands::given::{Found, Given, Problem, ProblemKind};
use crate::format::bitmap_rules::{self, Context, Place};
use crate::units::Sectors;

/// A copy of the bitmap that can be read.
pub(super) struct Copy<'a> {
    /// Which of the devices given it lies on.
    pub index: usize,
    /// Slot 0 of it.
    pub bitmap: Bitmap<'a>,
    /// What it marks, or what would be resynchronised by it.
    pub source: Source<'a>,
    /// Whether the kernel would work with it as it is; `None` without a superblock to judge by.
    pub trusted: Option<bool>,
}

/// Everything that opening and judging copies needs.
pub(super) struct Judge<'a> {
    pub options: &'a ExtentsOptions,
    /// All md superblocks at hand.
    pub supers: Vec<&'a FoundSuper>,
    /// The one that speaks for the array.
    pub freshest: Option<&'a FoundSuper>,
    /// What the bitmap of this array counts, where the superblocks tell.
    pub size: Option<Sectors>,
}

impl<'a> Judge<'a> {
    /// The copy on `given`, when it has one that can be read. What is wrong with it is told.
    pub(super) fn copy(
        &self,
        index: usize,
        given: &'a Given,
        problems: &mut Vec<Problem>,
    ) -> Option<Copy<'a>> {
        // What the md superblock does not announce is no bitmap to the kernel; that was told.
        let found = given.found.as_ref().filter(|found| found.announced)?;
        let bitmap = match given.bitmap() {
            Ok(bitmap) => bitmap?,
            Err(error) => {
                problems.push(problem_of(&error));
                return None;
            }
        };
        if let Some(problem) =
            header_problem(&bitmap, found).or_else(|| self.stranger(&bitmap, found))
        {
            problems.push(problem);
            return None;
        }
        let assessment = self.assess(given, &bitmap);
        let trusted = match &assessment {
            Some(assessment) => self.told_trust(&bitmap, assessment, problems),
            None => self.told_rules(&bitmap, problems),
        };
        let source = match self.options.resync {
            true => resync(&bitmap, assessment, problems),
            false => self.marked(&bitmap, problems),
        }?;
        Some(Copy {
            index,
            bitmap,
            source,
            trusted,
        })
    }

    /// A bitmap of another array.
    fn stranger(&self, bitmap: &Bitmap<'_>, found: &Found) -> Option<Problem> {
        let array = &self.freshest?.member;
        let foreign =
            array.metadata != MetadataVersion::DmRaid && bitmap.raw().uuid != array.array_uuid;
        foreign.then(|| {
            Problem::new(
                ProblemKind::WrongUuid,
                format!(
                    "{}: uuid: the bitmap at byte {} belongs to another array: expected {}, found {}; it is not listed",
                    bitmap.store().name(),
                    bitmap.start(),
                    found.uuid_text.format(&array.array_uuid),
                    found.uuid_text.format(&bitmap.raw().uuid),
                ),
            )
        })
    }

    /// What the kernel would make of it; `None` without an md superblock.
    fn assess(&self, given: &Given, bitmap: &Bitmap<'_>) -> Option<Assessment> {
        let available = bitmap.store().len().checked_sub(bitmap.start());
        let at_hand = || self.supers.iter().copied();
        Some(match &given.member {
            Some(own) => verdict::assess(&Assembly::new(own, at_hand()), bitmap.raw(), available),
            None => {
                let own = self.freshest?;
                verdict::assess_file(&Assembly::new(own, at_hand()), bitmap.raw(), available)
            }
        })
    }

    /// Says why the kernel would not work with it.
    fn told_trust(
        &self,
        bitmap: &Bitmap<'_>,
        assessment: &Assessment,
        problems: &mut Vec<Problem>,
    ) -> Option<bool> {
        if !assessment.trusted && !self.options.resync {
            let name = bitmap.store().name();
            let reasons = assessment
                .reasons
                .iter()
                .map(|reason| reason.sentence.as_str());
            let reasons: Vec<&str> = reasons.collect();
            problems.push(Problem::new(
                ProblemKind::Untrusted,
                format!(
                    "{name}: the kernel would not go by this bitmap: {}; chunks that are not listed may differ as well \
                     (--resync lists what the kernel would resynchronise)",
                    reasons.join("; ")
                ),
            ));
        }
        Some(assessment.trusted)
    }

    /// The same for a bitmap without a superblock to judge by: what it says of itself.
    fn told_rules(&self, bitmap: &Bitmap<'_>, problems: &mut Vec<Problem>) -> Option<bool> {
        let context = Context {
            place: Some(Place::File),
            available: bitmap.store().len().checked_sub(bitmap.start()),
            ..Context::default()
        };
        let violations = bitmap_rules::violations(bitmap.raw(), &context);
        let broken: Vec<String> = violations
            .iter()
            // A file that is too short is told as such, with what is missing.
            .filter(|rule| {
                !rule.consequence.keeps_bits() && rule.rule != bitmap_rules::Rule::FileTooSmall
            })
            .map(ToString::to_string)
            .collect();
        if broken.is_empty() {
            return None;
        }
        problems.push(Problem::new(
            ProblemKind::Untrusted,
            format!(
                "{}: the kernel would not go by this bitmap: {}; chunks that are not listed may differ as well",
                bitmap.store().name(),
                broken.join("; ")
            ),
        ));
        Some(false)
    }

    /// What it marks: itself, the slot that was asked for, or all of its slots.
    fn marked(&self, bitmap: &Bitmap<'a>, problems: &mut Vec<Problem>) -> Option<Source<'a>> {
        let wanted = self.options.slot;
        let count = bitmap.slot_count();
        if let Some(slot) = wanted.filter(|slot| *slot > 0 && *slot >= count) {
            problems.push(no_such_slot(bitmap, slot, count));
            return None;
        }
        if let Some(slot) = wanted {
            return match self.slot(bitmap, slot, problems) {
                Source::All => None,
                source => Some(source),
            };
        }
        if count == 1 {
            return self.one(bitmap.clone(), problems);
        }
        if count > MAX_SLOTS {
            problems.push(Problem::new(
                ProblemKind::BadSlot,
                format!(
                    "{}: nodes: the superblock claims {count} cluster nodes, expected at most {MAX_SLOTS}; everything is listed as \
                     dirty, since slots that are not read may mark anything (--slot lists one)",
                    bitmap.store().name()
                ),
            ));
            return Some(Source::All);
        }
        let slots = (0..count).map(|slot| self.slot(bitmap, slot, problems));
        Some(Source::AnyOf(slots.collect()))
    }

    /// One slot; everything, when it cannot be read.
    fn slot(&self, first: &Bitmap<'a>, slot: u32, problems: &mut Vec<Problem>) -> Source<'a> {
        let name = first.store().name();
        let odd = match first.slot(slot) {
            Ok(bitmap) => {
                let (raw, same) = (bitmap.raw(), first.raw());
                let fits = raw.has_magic()
                    && raw.version == same.version
                    && raw.chunksize == same.chunksize;
                if fits && let Some(source) = self.one(bitmap, problems) {
                    return source;
                }
                format!("{name}: slot {slot} holds no bitmap like that of slot 0")
            }
            Err(error) => error.to_string(),
        };
        problems.push(Problem::new(
            ProblemKind::BadSlot,
            format!("{odd}; what its node marked is unknown, so everything is dirty"),
        ));
        Source::All
    }

    /// A bitmap or one slot, if there are bits to read; what is missing of it is told.
    fn one(&self, bitmap: Bitmap<'a>, problems: &mut Vec<Problem>) -> Option<Source<'a>> {
        let own = bitmap.coverage().map(|coverage| coverage.sync_size());
        let counted = match self.size {
            Some(size) => bitmap.clone().with_sync_size(size.min(own.unwrap_or(size))),
            None => bitmap.clone(),
        };
        match counted.missing_chunks() {
            Ok(0) => {}
            Ok(missing) => problems.push(truncated(&counted, missing)),
            Err(error) => {
                problems.push(problem_of(&error));
                return None;
            }
        }
        if let (Some(size), Some(own)) = (self.size, own)
            && own < size
        {
            problems.push(too_small(&bitmap, own, size));
        }
        Some(Source::Marked(bitmap))
    }
}

/// What the kernel would resynchronise by this bitmap.
fn resync<'a>(
    bitmap: &Bitmap<'a>,
    assessment: Option<Assessment>,
    problems: &mut Vec<Problem>,
) -> Option<Source<'a>> {
    let name = bitmap.store().name();
    let why = match assessment {
        Some(assessment) if assessment.scope != Scope::Unknown => {
            return Some(Source::Resync(bitmap.clone(), assessment.scope));
        }
        Some(assessment) => {
            let reasons = assessment
                .reasons
                .iter()
                .map(|reason| reason.sentence.as_str());
            let reasons: Vec<&str> = std::iter::once(assessment.why.as_str())
                .chain(reasons)
                .collect();
            reasons.join("; ")
        }
        None => "there is no md superblock to judge it by; give a member of its array as well"
            .to_owned(),
    };
    problems.push(Problem::new(
        ProblemKind::Untrusted,
        format!("{name}: what the kernel would resynchronise by this bitmap cannot be told: {why}"),
    ));
    None
}

fn truncated(bitmap: &Bitmap<'_>, missing: u64) -> Problem {
    let chunks = bitmap.coverage().map_or(0, |coverage| coverage.chunks());
    Problem::new(
        ProblemKind::Truncated,
        format!(
            "{}: truncated: the bitmap has {chunks} chunks, but the device ends at byte {} and the bits of {missing} chunks are \
             missing; they are listed as dirty",
            bitmap.store().name(),
            bitmap.store().len(),
        ),
    )
}

fn too_small(bitmap: &Bitmap<'_>, own: Sectors, size: Sectors) -> Problem {
    Problem::new(
        ProblemKind::BadGeometry,
        format!(
            "{}: sync_size: found {own} sectors, expected {size}, which is what a bitmap of this array counts; what it does not cover is \
             listed as dirty",
            bitmap.store().name(),
        ),
    )
}

fn no_such_slot(bitmap: &Bitmap<'_>, slot: u32, count: u32) -> Problem {
    let has = match count {
        1 => "is not clustered and has slot 0 alone".to_owned(),
        _ => format!("has slots 0 to {}", count - 1),
    };
    let name = bitmap.store().name();
    let message = format!("{name}: there is no slot {slot}: the bitmap {has}");
    Problem::new(ProblemKind::BadSlot, message)
}

/// What a bitmap counts by itself.
pub(super) fn own_size(bitmap: &Bitmap<'_>) -> Result<Sectors, BitmapError> {
    bitmap.missing_chunks()?;
    Ok(bitmap
        .coverage()
        .map_or(Sectors(0), |coverage| coverage.sync_size()))
}
