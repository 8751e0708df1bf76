//! What a change leads to, in words and numbers that all verbs share.

use super::knowledge::Knowledge;
use super::planned::{After, AfterBitmap};
use super::stopped::StoppedArray;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::format::level::Level;
use crate::units::{Bytes, Events, Sectors};

/// Level, layout and UUID of an array.
pub fn describe(array: &StoppedArray<'_>) -> String {
    let geometry = &array.geometry;
    let layout = match geometry.layout_name() {
        name if name.is_empty() => String::new(),
        name => format!(" ({name})"),
    };
    let uuid = array.array().map(|member| member.uuid_text());
    format!(
        "{}{layout} of {} members, {}",
        geometry.level(),
        geometry.raid_disks(),
        uuid.unwrap_or_default()
    )
}

/// A bitmap with this superblock, so many sectors from the md superblock, that says this.
pub fn after_bitmap(
    header: &RawBitmapSuper,
    offset_sectors: i64,
    known: &Knowledge,
    events_cleared: Events,
) -> AfterBitmap {
    let lockless = header.is_lockless();
    let coverage = known.coverage();
    AfterBitmap {
        version: header.version,
        offset_sectors,
        chunk_bytes: coverage.chunk_bytes(),
        chunks: coverage.chunks(),
        dirty_chunks: match lockless {
            true => known.dirty().count(),
            false => known.bits().count(),
        },
        dirty_bytes: Bytes(u64::try_from(known.dirty_bytes(!lockless)).unwrap_or(u64::MAX)),
        unwritten_chunks: match lockless {
            true => known.unwritten().count(),
            false => 0,
        },
        sync_size: Sectors(header.sync_size_sectors),
        daemon_sleep_seconds: header.daemon_sleep_seconds,
        write_behind: header.write_behind,
        events_cleared,
        nodes: header.nodes,
    }
}

/// True for a mirror with one member: there is nothing to synchronise it with.
pub fn is_alone(array: &StoppedArray<'_>) -> bool {
    array.geometry.level() == Level::Raid1 && array.current().count() <= 1
}

/// What the kernel will do when the array is started next. What a lockless bitmap marks is synchronised whatever the
/// superblock says (reference/kernel.md trap 8).
pub fn next_start(array: &StoppedArray<'_>, after: &After) -> String {
    let nothing = "the next start synchronises nothing";
    let lockless = after
        .bitmap
        .as_ref()
        .is_some_and(|bitmap| bitmap.version == 6);
    match &after.bitmap {
        _ if is_alone(array) => format!("{nothing}: there is one member alone"),
        _ if after.clean && !lockless => format!("{nothing}: the array was stopped cleanly"),
        None => {
            "the next start synchronises the whole array: it was not stopped cleanly".to_owned()
        }
        Some(bitmap) if bitmap.dirty_chunks == 0 => format!("{nothing}: no chunk is marked"),
        Some(bitmap) => format!(
            "the next start synchronises the marked chunks: {} of {}, {} bytes",
            bitmap.dirty_chunks, bitmap.chunks, bitmap.dirty_bytes
        ),
    }
}
