//! Version 6, in the order of reference/kernel.md 2.3.

use super::common::{self, Findings};
use super::{Consequence, Context, Place, Rule};
use crate::format::bitmap_super::{RawBitmapSuper, STATES_OFFSET, state};
use crate::units::{SECTOR_BYTES, Sectors};

/// The kernel reads a whole page first.
const FIRST_PAGE: u64 = 4096;

pub fn check(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    support(context, found);
    if context.offset == Some(0) {
        found.refuse(
            Rule::NoLocation,
            "bitmap offset: found 0, expected the distance from the md superblock".to_owned(),
        );
    }
    common::header(context, FIRST_PAGE, found);
    common::magic(raw, found);
    common::uuid(raw, context, found);
    common::write_error(raw, Consequence::ActsAsAbsent, found);
    if raw.is_first_use() {
        return first_use(raw, found);
    }
    common::not_power_of_two(u64::from(raw.chunksize), "sectors", found);
    room(raw, context, found);
    common::daemon_sleep(raw, found);
    common::events(raw, context, found);
    common::stale(raw, found);
}

/// What a lockless bitmap needs of its array.
fn support(context: &Context, found: &mut Findings) {
    if context.journal == Some(true) {
        found.refuse(
            Rule::LocklessJournal,
            "version: found 6, but the array has a journal".to_owned(),
        );
    }
    if context.space == Some(Sectors(0)) && context.default_space == Some(Sectors(0)) {
        found.refuse(
            Rule::LocklessNoSpace,
            "bitmap space: the md superblock leaves 0 sectors, expected some".to_owned(),
        );
    }
    let place = match context.place {
        Some(Place::File) => "a file",
        Some(Place::External) => "an array with external metadata",
        Some(Place::DmRaid) => "an LVM RAID volume",
        Some(Place::Internal) | None => return,
    };
    found.refuse(
        Rule::LocklessPlace,
        format!("version: found 6 on {place}, where the kernel supports 3 to 5 only"),
    );
}

/// After this the kernel looks at nothing else: it chooses everything anew.
fn first_use(raw: &RawBitmapSuper, found: &mut Findings) {
    let what = if raw.has_state(state::CLEAN) {
        "every chunk is to become clean"
    } else {
        "every chunk is to become unwritten, and on raid4, 5 and 6 the data may be zeroed"
    };
    found.add(
        Rule::FirstUse,
        Consequence::Initialises,
        format!(
            "state: found {:#x} with bit 3 (first use) set; {what}",
            raw.state
        ),
    );
}

/// Sectors that the kernel believes to have; `None` when nothing is known.
fn space(raw: &RawBitmapSuper, context: &Context) -> Option<u64> {
    let recorded = Sectors(u64::from(raw.sectors_reserved));
    let candidates = [context.space, Some(recorded), context.default_space];
    let mut known = candidates.into_iter().flatten().map(|space| space.0);
    known.find(|space| *space > 0)
}

fn room(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    let chunk = u64::from(raw.chunksize);
    let bytes = space(raw, context).map(|space| u128::from(space) * u128::from(SECTOR_BYTES));
    let size = context.resync_max.unwrap_or_else(|| raw.sync_size());
    if let Some(bytes) = bytes {
        let least = u128::from(size.0).div_ceil(bytes);
        if u128::from(chunk) < least {
            found.refuse(
                Rule::ChunkCoversTooLittle,
                format!("chunksize: found {chunk} sectors, expected at least {least} for {size} sectors in {bytes} bytes"),
            );
        }
    }
    // Kernels before 7.3 do not look at sync_size; 0 stands for the array's size.
    if let Some(most) = context.resync_max.filter(|most| raw.sync_size() > *most) {
        found.refuse(
            Rule::SyncSizeTooLarge,
            format!("sync_size: found {} sectors, but the array has {most} (checked from kernel 7.3 on)", raw.sync_size_sectors),
        );
    } else if let Some(size) = context.resync_max.filter(|size| raw.sync_size() != *size) {
        found.ignore(
            Rule::SyncSize,
            format!(
                "sync_size: found {} sectors, but the array has {size}",
                raw.sync_size_sectors
            ),
        );
    }
    overrun(raw, bytes, found);
}

/// The kernel compares the number of chunks with the space and forgets the 1024 bytes before the
/// states (reference/kernel.md trap 3).
fn overrun(raw: &RawBitmapSuper, bytes: Option<u128>, found: &mut Findings) {
    let (Some(bytes), Some(coverage)) = (bytes, raw.coverage()) else {
        return;
    };
    let needed = coverage.chunks_wide() + u128::from(STATES_OFFSET);
    if needed > bytes {
        found.ignore(
            Rule::LocklessOverrun,
            format!("sectors_reserved: {bytes} bytes are reserved, but the states end after {needed}; what lies behind is overwritten"),
        );
    }
}
