//! Versions 3, 4 and 5, in the order of reference/kernel.md 2.1.

use super::common::{self, Findings};
use super::{Consequence, Context, Place, Rule};
use crate::format::bitmap_super::{BITS_OFFSET, RawBitmapSuper};
use crate::format::coverage::Coverage;

/// Outstanding write-behind writes that a chunk's counter can hold.
const MAX_WRITE_BEHIND: u32 = 16383;

const SMALLEST_CHUNK: u32 = 512;

pub fn check(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    if context.offset == Some(0) && context.place != Some(Place::File) {
        found.add(
            Rule::NoLocation,
            Consequence::TreatsAllAsDirty,
            "bitmap offset: found 0; the kernel keeps a bitmap in memory only".to_owned(),
        );
    }
    common::header(context, BITS_OFFSET, found);
    common::magic(raw, found);
    version(raw, found);
    chunk(raw, found);
    common::daemon_sleep(raw, found);
    if raw.write_behind > MAX_WRITE_BEHIND {
        found.refuse(
            Rule::WriteBehind,
            format!(
                "write_behind: found {}, expected at most {MAX_WRITE_BEHIND}",
                raw.write_behind
            ),
        );
    }
    cluster(raw, found);
    sync_size(raw, context, found);
    common::uuid(raw, context, found);
    if !is_clustered(raw) {
        common::events(raw, context, found);
    }
    common::stale(raw, found);
    common::write_error(raw, Consequence::RefusesToStart, found);
    room(raw, context, found);
}

fn version(raw: &RawBitmapSuper, found: &mut Findings) {
    if !(3..=5).contains(&raw.version) {
        found.refuse(
            Rule::Version,
            format!("version: found {}, expected 3, 4, 5 or 6", raw.version),
        );
    }
}

fn chunk(raw: &RawBitmapSuper, found: &mut Findings) {
    if raw.chunksize < SMALLEST_CHUNK {
        found.refuse(
            Rule::ChunkTooSmall,
            format!(
                "chunksize: found {} bytes, expected at least {SMALLEST_CHUNK}",
                raw.chunksize
            ),
        );
    }
    common::not_power_of_two(u64::from(raw.chunksize), "bytes", found);
}

/// 0 nodes make version 5 a plain bitmap.
fn is_clustered(raw: &RawBitmapSuper) -> bool {
    raw.version == 5 && raw.nodes > 0
}

fn cluster(raw: &RawBitmapSuper, found: &mut Findings) {
    if is_clustered(raw) {
        found.add(
            Rule::Cluster,
            Consequence::AsksCluster,
            format!(
                "nodes: found {}; this is a bitmap of cluster \"{}\"",
                raw.nodes,
                raw.cluster_name_text().escape_debug()
            ),
        );
    }
}

/// Never checked by the kernel, which puts the array's size in its place.
fn sync_size(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    if let Some(size) = context.resync_max.filter(|size| *size != raw.sync_size()) {
        found.ignore(
            Rule::SyncSize,
            format!(
                "sync_size: found {} sectors, but the array has {size}",
                raw.sync_size_sectors
            ),
        );
    }
}

/// Whether all bits fit: asked of a file, never of reserved space.
fn room(raw: &RawBitmapSuper, context: &Context, found: &mut Findings) {
    let size = context.resync_max.unwrap_or_else(|| raw.sync_size());
    let Some(coverage) = Coverage::new(size, u64::from(raw.chunksize)) else {
        return;
    };
    let needed = u128::from(BITS_OFFSET) + coverage.chunks_wide().div_ceil(8);
    let recorded = (raw.sectors_reserved > 0).then_some(u64::from(raw.sectors_reserved));
    let known = context
        .space
        .map(|space| space.0)
        .filter(|space| *space > 0);
    let space = match (recorded, known) {
        (Some(recorded), Some(known)) => Some(recorded.min(known)),
        (recorded, known) => recorded.or(known),
    };
    if let Some(space) = space.filter(|space| needed > u128::from(*space) * 512) {
        found.ignore(
            Rule::SpaceTooSmall,
            format!("sectors_reserved: {space} sectors are reserved for the bitmap, which needs {needed} bytes"),
        );
    }
    let short = context
        .available
        .filter(|available| u128::from(available.0) < needed);
    if let Some(available) = short.filter(|_| context.place == Some(Place::File)) {
        found.refuse(
            Rule::FileTooSmall,
            format!("the bitmap file has {available} bytes, expected at least {needed}"),
        );
    }
}
