//! The checks that the kernel itself makes (`format::bitmap_rules`), each as a finding.

use super::repair;
use crate::array::sync_size;
use crate::array::verdict::{self, Assembly};
use crate::bitmap::BitmapError;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, FindingKind, Input, Rule as CheckRule};
use crate::format::bitmap_rules::{self, Consequence, Context, Place, Rule, Violation};
use crate::format::bitmap_super::RawBitmapSuper;
use crate::units::Bytes;

kinds! {
    HEADER_CUT_OFF "header-cut-off" Error LeftOut Move "the device ends before the bitmap's first block does";
    BITMAP_MISSING "bitmap-missing" Error NoStart Rebuild "the md superblock announces a bitmap where there are only zeros";
    BAD_MAGIC "bad-magic" Error NoStart Rebuild "what lies in the bitmap's place is not a bitmap";
    BAD_VERSION "bad-version" Error NoStart Rebuild "the bitmap's version is not 3, 4, 5 or 6";
    BAD_CHUNK_SIZE "bad-chunk-size" Error NoStart Rebuild "the chunk size is below 512 bytes or no power of two";
    ZERO_DAEMON_SLEEP "zero-daemon-sleep" Error NoStart MendHeader "daemon_sleep is 0: the array cannot be assembled any more";
    BAD_WRITE_BEHIND "bad-write-behind" Error NoStart MendHeader "write_behind is above 16383";
    CLUSTERED "clustered" Note None None "the bitmap belongs to a cluster";
    SYNC_SIZE_SMALLER "sync-size-smaller" Warning None Rebuild "sync_size is smaller than the array";
    SYNC_SIZE_LARGER "sync-size-larger" Warning None MendHeader "sync_size is larger than the array";
    UUID_MISMATCH "uuid-mismatch" Error NoStart Rebuild "the bitmap belongs to another array";
    STALE_EVENTS "stale-events" Warning AllDirty Rebuild "the bitmap is older than the array";
    EVENTS_AHEAD "events-ahead" Warning None Rebuild "the bitmap is more than one event ahead of the array";
    MARKED_STALE "marked-stale" Warning AllDirty Rebuild "the bitmap says of itself that it is out of date";
    WRITE_ERROR "write-error" Error NoStart Rebuild "the bitmap says that a write of it failed";
    RESERVED_TOO_SMALL "reserved-space-too-small" Warning None MendHeader "less space is reserved for the bitmap than it needs";
    FILE_TOO_SMALL "file-too-small" Error NoStart Elsewhere "the bitmap file is shorter than its bits";
    LOCKLESS_CHUNK_TOO_SMALL "lockless-chunk-too-small" Error NoStart Rebuild "version 6: the chunks do not cover the array in the space there is";
    LOCKLESS_SYNC_SIZE "lockless-sync-size-too-large" Error NoStart MendHeader "version 6: sync_size is larger than the array, which kernel 7.3 refuses";
    LOCKLESS_JOURNAL "lockless-with-journal" Error NoStart Elsewhere "version 6 on an array with a write journal";
    LOCKLESS_NO_SPACE "lockless-no-space" Error NoStart Elsewhere "version 6 without any space";
    LOCKLESS_PLACE "lockless-wrong-place" Error NoStart Elsewhere "version 6 in a file or on an LVM RAID volume";
    LOCKLESS_OVERRUN "lockless-overrun" Danger Loss Move "version 6: the states reach past the reserved space and overwrite what lies there";
}

/// See the file's comment. FIRST_USE (a rule too) has a file of its own.
pub const RULE: CheckRule = CheckRule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    // The kernel reads the bitmap of a member in sync (reference/kernel.md 4.1).
    let members = case
        .current()
        .flat_map(|(index, input)| of_member(case, index, input));
    let others = case.others.iter().flat_map(|input| of_file(case, input));
    members.chain(others).collect()
}

fn of_member(case: &Case<'_>, index: usize, input: &Input<'_>) -> Vec<Finding> {
    let Some(assembly) = case.assembly(index) else {
        return Vec::new();
    };
    let announced = input.place.is_some_and(|place| place.announced);
    if let Some(finding) = cut_off(case, input).filter(|_| announced) {
        return vec![finding];
    }
    let Some(bitmap) = input.bitmap() else {
        return Vec::new();
    };
    let context = context_of(&assembly, available(input));
    let found = bitmap_rules::violations(bitmap.raw(), &context);
    told(case, input, bitmap.raw(), &found, &context)
}

fn of_file(case: &Case<'_>, input: &Input<'_>) -> Vec<Finding> {
    if !input.is_bitmap_file() || input.is_nothing() {
        return Vec::new();
    }
    if let Some(finding) = cut_off(case, input) {
        return vec![finding];
    }
    let Some(bitmap) = input.bitmap() else {
        return Vec::new();
    };
    let context = Context {
        uuid: case.array().map(|array| array.array_uuid),
        events: case.array().map(|array| array.events),
        resync_max: case
            .array()
            .and_then(|array| sync_size::expected(array).ok()),
        place: Some(Place::File),
        available: Some(available(input)),
        ..Context::default()
    };
    let found = bitmap_rules::violations(bitmap.raw(), &context);
    told(case, input, bitmap.raw(), &found, &context)
}

/// What a member's bitmap is judged against.
fn context_of(assembly: &Assembly<'_>, available: Bytes) -> Context {
    let size = sync_size::expected(&assembly.freshest().member);
    verdict::context(assembly, &size, Some(available))
}

/// Bytes from the bitmap's start to the end of the device.
fn available(input: &Input<'_>) -> Bytes {
    let start = input.place.map_or(Bytes(0), |place| place.start);
    input.store.len().checked_sub(start).unwrap_or(Bytes(0))
}

/// Less than a superblock lies between the start of the bitmap and the end of the device.
fn cut_off(case: &Case<'_>, input: &Input<'_>) -> Option<Finding> {
    let error = input.bitmap_error()?;
    let BitmapError::NoRoom { start, len, .. } = error else {
        return None;
    };
    Some(HEADER_CUT_OFF.found(
        &input.name,
        format!("the bitmap starts at byte {start}, its superblock has 256 bytes, and the device ends at byte {len}"),
        refusal(case, input, "EIO or EINVAL"),
        match input.is_bitmap_file() {
            true => "a truncated file: copy it again; otherwise ".to_owned() + &repair::new_file(),
            false => format!(
                "a truncated image: copy it again; otherwise {}",
                repair::moved(case)
            ),
        },
    ))
}

/// Each broken rule as a finding. After a wrong magic number the other fields mean nothing.
fn told(
    case: &Case<'_>,
    input: &Input<'_>,
    raw: &RawBitmapSuper,
    found: &[Violation],
    context: &Context,
) -> Vec<Finding> {
    let teller = Teller {
        case,
        input,
        raw,
        context,
    };
    let wrong = found.iter().find(|violation| violation.rule == Rule::Magic);
    if let Some(magic) = wrong {
        return teller.tell(magic).into_iter().collect();
    }
    // A chunk size of 0 breaks two rules.
    let mut findings: Vec<Finding> = found
        .iter()
        .filter_map(|violation| teller.tell(violation))
        .collect();
    findings.dedup_by_key(|finding| finding.name);
    findings
}

/// What the kernel does when it refuses a bitmap: it reads the copy of one member.
fn refusal(case: &Case<'_>, input: &Input<'_>, errno: &str) -> String {
    if input.is_bitmap_file() {
        format!("refuses to attach this bitmap file, or to start the array with it ({errno})")
    } else if case.current().count() > 1 {
        format!(
            "reads one member's copy of the bitmap; if it is this one, it refuses to start the array ({errno})"
        )
    } else {
        format!("refuses to start the array with this bitmap ({errno})")
    }
}

struct Teller<'a> {
    case: &'a Case<'a>,
    input: &'a Input<'a>,
    raw: &'a RawBitmapSuper,
    context: &'a Context,
}

impl Teller<'_> {
    /// Every rule has its finding: the compiler asks for it.
    fn tell(&self, violation: &Violation) -> Option<Finding> {
        Some(match violation.rule {
            // check/member/announcement.rs: a place of 0 is none
            Rule::NoLocation => return None,
            Rule::HeaderCutOff => self.refused(&HEADER_CUT_OFF, violation),
            Rule::Magic => self.magic(violation),
            Rule::Version => self.refused(&BAD_VERSION, violation),
            Rule::ChunkTooSmall | Rule::ChunkNotPowerOfTwo => {
                self.refused(&BAD_CHUNK_SIZE, violation)
            }
            Rule::DaemonSleep => self.poison(violation),
            Rule::WriteBehind => self.write_behind(violation),
            Rule::Cluster => self.cluster(violation),
            Rule::SyncSize => self.sync_size(violation),
            Rule::Uuid => self.refused(&UUID_MISMATCH, violation),
            Rule::EventsStale => self.stale_events(),
            Rule::EventsAhead => self.events_ahead(),
            Rule::Stale => self.marked_stale(violation),
            Rule::WriteError => self.write_error(violation),
            Rule::SpaceTooSmall => self.space(violation),
            Rule::FileTooSmall => self.file_too_small(violation),
            // check/member/first_use.rs
            Rule::FirstUse => return None,
            Rule::ChunkCoversTooLittle => self.refused(&LOCKLESS_CHUNK_TOO_SMALL, violation),
            Rule::SyncSizeTooLarge => self.lockless_sync_size(violation),
            Rule::LocklessJournal => self.refused(&LOCKLESS_JOURNAL, violation),
            Rule::LocklessNoSpace => self.refused(&LOCKLESS_NO_SPACE, violation),
            Rule::LocklessPlace => self.refused(&LOCKLESS_PLACE, violation),
            Rule::LocklessOverrun => self.overrun(violation),
        })
    }

    fn found(
        &self,
        kind: &FindingKind,
        sentence: impl Into<String>,
        kernel: impl Into<String>,
        repair: impl Into<String>,
    ) -> Finding {
        kind.found(&self.input.name, sentence, kernel, repair)
    }

    fn replace(&self) -> String {
        match self.input.is_bitmap_file() {
            true => repair::new_file(),
            false => repair::replace(self.case),
        }
    }

    /// Bits that the kernel believes and nobody should.
    fn distrust(&self) -> String {
        match self.input.is_bitmap_file() || self.case.membership.is_none() {
            true => "do not trust the bits: resynchronise everything".to_owned(),
            false => repair::all_marked(self.case),
        }
    }

    fn mend(&self, what: &str) -> String {
        match self.input.is_bitmap_file() {
            true => format!(
                "the bits themselves are sound, so {what} can be put right; or {}",
                repair::new_file()
            ),
            false => repair::mend(self.case, what),
        }
    }

    fn refused(&self, kind: &FindingKind, violation: &Violation) -> Finding {
        let errno = match violation.rule {
            Rule::HeaderCutOff => "EIO",
            Rule::LocklessJournal => "EBUSY",
            Rule::LocklessNoSpace => "ENOSPC",
            Rule::LocklessPlace => "EOPNOTSUPP",
            _ => "EINVAL",
        };
        let kernel = refusal(self.case, self.input, errno);
        let repair = match violation.rule {
            Rule::LocklessJournal | Rule::LocklessNoSpace | Rule::LocklessPlace
                if !self.input.is_bitmap_file() && !self.case.is_dm_raid() =>
            {
                "start without the bitmap (mdadm --assemble --update=no-bitmap): it cannot be used there".to_owned()
            }
            _ => self.replace(),
        };
        self.found(kind, &violation.message, kernel, repair)
    }

    fn magic(&self, violation: &Violation) -> Finding {
        let start = self.input.place.map_or(Bytes(0), |place| place.start);
        let bytes = self.raw.to_bytes();
        if bytes.iter().all(|byte| *byte == 0) && !self.input.is_bitmap_file() {
            let sentence = format!(
                "the md superblock announces a bitmap at byte {start}, but there are only zeros"
            );
            let kernel = refusal(self.case, self.input, "EINVAL");
            return self.found(&BITMAP_MISSING, sentence, kernel, self.replace());
        }
        let sentence = format!(
            "byte {start} is to be the start of a bitmap; {}",
            violation.message
        );
        let kernel = refusal(self.case, self.input, "EINVAL");
        self.found(&BAD_MAGIC, sentence, kernel, self.replace())
    }

    /// reference/kernel.md trap 7.
    fn poison(&self, violation: &Violation) -> Finding {
        let sentence = format!(
            "{}; a time_base below one second was stored in the running array, and is recorded as 0",
            violation.message
        );
        let kernel = refusal(self.case, self.input, "EINVAL");
        self.found(
            &ZERO_DAEMON_SLEEP,
            sentence,
            kernel,
            self.mend("the field (5 is usual)"),
        )
    }

    fn write_behind(&self, violation: &Violation) -> Finding {
        let kernel = refusal(self.case, self.input, "EINVAL");
        let repair = self.mend("the field (0 is off)");
        self.found(&BAD_WRITE_BEHIND, &violation.message, kernel, repair)
    }

    fn cluster(&self, violation: &Violation) -> Finding {
        self.found(
            &CLUSTERED,
            &violation.message,
            "starts the array only where the cluster's lock manager (DLM) and the module md-cluster answer",
            "none needed in that cluster",
        )
    }

    /// reference/kernel.md 2.1 (never looked at), 2.3 (version 6: smaller is taken for an interrupted grow).
    fn sync_size(&self, violation: &Violation) -> Finding {
        let smaller = self
            .context
            .resync_max
            .is_some_and(|size| self.raw.sync_size() < size);
        let kind = if smaller {
            &SYNC_SIZE_SMALLER
        } else {
            &SYNC_SIZE_LARGER
        };
        let kernel = match (self.raw.is_lockless(), self.raw.sync_size_sectors) {
            (true, 0) => "takes 0 for the array's own size",
            (true, _) => "7.2 ignores the field; 7.3 takes it for an array that was being grown",
            (false, _) => "ignores the field and puts the array's own size in its place",
        };
        let repair = match (self.input.is_bitmap_file(), smaller) {
            (false, true) => self.mend("the field, marks what it did not cover,"),
            (false, false) => self.mend("the field"),
            (true, _) => "none needed: the running kernel writes the right value".to_owned(),
        };
        let repair = format!(
            "{repair}. Programs that count by this field (mdadm -X) show a wrong number of chunks; what lies beyond it counts as \
             dirty here"
        );
        self.found(kind, &violation.message, kernel, repair)
    }

    fn stale_events(&self) -> Finding {
        let array = self.context.events.unwrap_or_default();
        let behind = array.0.saturating_sub(self.raw.events);
        let sentence = format!(
            "the bitmap is {behind} events behind the array: it has {}, the array {array}; writes were made that it did not record",
            self.raw.events
        );
        self.all_dirty(&STALE_EVENTS, sentence)
    }

    fn marked_stale(&self, violation: &Violation) -> Finding {
        self.all_dirty(&MARKED_STALE, violation.message.clone())
    }

    /// What becomes of a bitmap whose bits are not believed: on a clean array, nothing (trap 8).
    fn all_dirty(&self, kind: &FindingKind, sentence: String) -> Finding {
        let clean = self.case.array().map(|array| array.is_clean());
        let membership = self.case.membership.as_ref();
        let degraded = membership.is_some_and(|membership| !membership.vacant.is_empty());
        let kernel = match (self.raw.is_lockless(), clean) {
            (true, _) => "resynchronises every chunk that was ever written to",
            (false, Some(true)) if degraded => {
                "sets every bit: whatever fills the vacant slot is copied completely"
            }
            (false, Some(true)) => {
                "sets every bit, and lets them lapse without a resync, because the array is marked clean"
            }
            (false, Some(false)) => "sets every bit and resynchronises the whole array",
            (false, None) => {
                "sets every bit; an array that is not clean is resynchronised completely"
            }
        };
        let kernel = match self.case.current().count() {
            0 | 1 => kernel.to_owned(),
            _ => format!("reads one member's copy of the bitmap; if it is this one, it {kernel}"),
        };
        let repair = format!(
            "nothing can bring the lost marks back: let the resync finish, or compare the members (echo check > \
             /sys/block/mdX/md/sync_action). Or have no doubt: {}",
            self.replace()
        );
        self.found(kind, sentence, kernel, repair)
    }

    fn events_ahead(&self) -> Finding {
        let array = self.context.events.unwrap_or_default();
        let sentence = format!(
            "the bitmap is {} events ahead of the array: it has {}, the array {array}; one is normal",
            self.raw.events.saturating_sub(array.0),
            self.raw.events
        );
        self.found(
            &EVENTS_AHEAD,
            sentence,
            "accepts it without asking and believes the bits",
            format!(
                "find out why: are the md superblocks older copies, or is a fresher member missing? If it cannot be told: {}",
                self.distrust()
            ),
        )
    }

    fn write_error(&self, violation: &Violation) -> Finding {
        let kernel = match violation.consequence {
            Consequence::RefusesToStart => refusal(self.case, self.input, "EIO"),
            _ => "starts the array, and neither reads nor writes the bitmap: after a crash everything is resynchronised".to_owned(),
        };
        self.found(&WRITE_ERROR, &violation.message, kernel, self.replace())
    }

    fn space(&self, violation: &Violation) -> Finding {
        self.found(
            &RESERVED_TOO_SMALL,
            &violation.message,
            "loads it without looking at the space",
            self.mend("the field"),
        )
    }

    fn file_too_small(&self, violation: &Violation) -> Finding {
        let kernel = refusal(self.case, self.input, "ENOSPC");
        let repair = "a truncated copy? The bits that are missing are unknown, hence dirty: make a new file with all chunks \
                      dirty (mdbitmap create)";
        self.found(&FILE_TOO_SMALL, &violation.message, kernel, repair)
    }

    fn lockless_sync_size(&self, violation: &Violation) -> Finding {
        self.found(
            &LOCKLESS_SYNC_SIZE,
            &violation.message,
            "up to 7.2 ignores the field; from 7.3 on refuses to start the array (EINVAL)",
            self.mend("the field"),
        )
    }

    /// reference/kernel.md trap 3.
    fn overrun(&self, violation: &Violation) -> Finding {
        self.found(
            &LOCKLESS_OVERRUN,
            &violation.message,
            "7.2 and 7.3 write up to 1024 bytes past the space: into the bad-block log or the data, whatever lies there",
            match self.input.is_bitmap_file() {
                true => repair::new_file(),
                false => format!("do not start the array as it is: {}", repair::moved(self.case)),
            },
        )
    }
}
