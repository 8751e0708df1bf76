//! Where the bitmap of a device is: beside an md superblock, at its start, or where the user says.

use super::{Found, Given, GivenOptions, Kind, Problem, ProblemKind, UuidText};
use crate::array::{
    MemberSuper, MetadataFilter, MetadataVersion, NoBitmap, ProbeResult, RejectedSuper, probe,
};
use crate::device::Store;
use crate::format::bitmap_super::BITMAP_MAGIC;
use crate::format::md_v1;
use crate::format::uuid_text::ByteOrder;
use crate::units::{Bytes, SECTOR_BYTES};

/// Fills in where the bitmap is, or why there is none.
pub(in crate::commands) fn locate(device: &mut Given, store: &dyn Store, options: &GivenOptions) {
    let is_block_device = device.is_block_device;
    if let Some(start) = options.offset {
        device.found = Some(bare(start, is_block_device, options));
        return;
    }
    let probed = probe(store, options.metadata);
    for error in &probed.unreadable {
        device
            .problems
            .push(Problem::new(ProblemKind::Read, error.to_string()));
    }
    if probed.newest().is_some() {
        by_newest(device, store, probed);
    } else if let Some(rejected) = probed.rejected.first() {
        by_rejected(device, store, rejected);
    } else {
        let readable = probed.unreadable.is_empty();
        without_superblock(device, store, is_block_device, readable, options);
    }
}

/// A bitmap without an md superblock.
fn bare(start: Bytes, is_block_device: bool, options: &GivenOptions) -> Found {
    let kind = if is_block_device {
        Kind::Device
    } else {
        Kind::File
    };
    // mdadm prints a file's UUID in the words of the metadata that it is told to assume.
    let uuid_text = match options.metadata {
        Some(MetadataFilter::V0_90) => UuidText::Words(NATIVE),
        _ => UuidText::Bytes,
    };
    Found {
        kind,
        metadata: None,
        start,
        announced: true,
        uuid_text,
    }
}

const NATIVE: ByteOrder = if cfg!(target_endian = "big") {
    ByteOrder::Big
} else {
    ByteOrder::Little
};

fn internal(metadata: MetadataVersion, start: Bytes) -> Found {
    let uuid_text = match metadata {
        MetadataVersion::V0_90(order) => UuidText::Words(order),
        _ => UuidText::Bytes,
    };
    Found {
        kind: Kind::Internal,
        metadata: Some(metadata),
        start,
        announced: true,
        uuid_text,
    }
}

/// By the newest superblock that can be believed.
fn by_newest(device: &mut Given, store: &dyn Store, probed: ProbeResult) {
    let name = store.name();
    if probed.found.len() > 1 {
        device.notes.push(several(name, &probed));
    }
    let Some(newest) = probed.found.into_iter().next() else {
        return;
    };
    for refusal in &newest.refusals {
        device.notes.push(format!(
            "{name}: the {} superblock at byte {}: its {refusal}; the kernel would not take this member",
            newest.member.metadata, newest.member.super_start
        ));
    }
    match &newest.member.bitmap {
        Ok(place) => device.found = Some(internal(newest.member.metadata, place.start)),
        Err(none) => {
            device
                .problems
                .push(Problem::new(ProblemKind::NoBitmap, no_bitmap(name, none)));
            if let NoBitmap::NotAnnounced {
                would_be: Some(place),
                ..
            } = none
            {
                let found = internal(newest.member.metadata, place.start);
                device.found = Some(Found {
                    announced: false,
                    ..found
                });
            }
        }
    }
    device.member = Some(newest);
}

fn no_bitmap(name: &str, none: &NoBitmap) -> String {
    let next = match none {
        NoBitmap::NotAnnounced {
            would_be: Some(place),
            ..
        } => {
            format!(
                "what lies at its fixed place, byte {}, is shown, but the kernel ignores it",
                place.start
            )
        }
        NoBitmap::NotAnnounced { would_be: None, .. } => {
            "to look at a place nonetheless, give it with --offset".to_owned()
        }
        NoBitmap::OutsideDevice { .. } => {
            "bitmap_offset is damaged, or this is a truncated image; examine another member"
                .to_owned()
        }
        NoBitmap::Level { .. } => "only arrays with redundancy have one".to_owned(),
    };
    format!("{name}: has no bitmap: {none}; {next}")
}

fn several(name: &str, probed: &ProbeResult) -> String {
    let describe = |member: &MemberSuper| {
        format!(
            "{} at byte {} (events {})",
            member.metadata, member.super_start, member.events
        )
    };
    let all: Vec<String> = probed
        .found
        .iter()
        .map(|found| describe(&found.member))
        .collect();
    format!(
        "{name}: has {} md superblocks: {}; the newest, named first, is used; choose another with -e, and remove the \
         stale one with mdadm --zero-superblock --metadata=VERSION",
        all.len(),
        all.join(", ")
    )
}

/// By a superblock that fails a check. mdadm looks at the bitmap of a 1.x one all the same.
fn by_rejected(device: &mut Given, store: &dyn Store, rejected: &RejectedSuper) {
    let place = if rejected.metadata.is_v1() {
        place_in_damaged(store, rejected)
    } else {
        None
    };
    let next = match place {
        Some(start) => format!("the bitmap that it places at byte {start} is shown"),
        None => {
            "examine another member of the array, or give the place of the bitmap with --offset"
                .to_owned()
        }
    };
    device.problems.push(Problem::new(
        ProblemKind::BadSuperblock,
        format!(
            "{}: {rejected}; the kernel would not take this member; {next}",
            store.name()
        ),
    ));
    device.found = place.map(|start| internal(rejected.metadata, start));
}

/// Where a damaged 1.x superblock places its bitmap, if one with the same UUID is there.
fn place_in_damaged(store: &dyn Store, rejected: &RejectedSuper) -> Option<Bytes> {
    let mut bytes = [0; md_v1::FIXED_BYTES];
    store.read_at(rejected.start, &mut bytes).ok()?;
    let raw = md_v1::RawSuper::from_bytes(&bytes)?;
    if !raw.features().has(md_v1::feature::BITMAP_OFFSET) {
        return None;
    }
    let distance = i64::from(raw.fixed.bitmap_offset).checked_mul(SECTOR_BYTES as i64)?;
    let start = rejected.start.0.checked_add_signed(distance)?;
    let mut head = [0; 24];
    store.read_at(Bytes(start), &mut head).ok()?;
    let (magic, rest) = head.split_first_chunk::<4>()?;
    let matches = u32::from_le_bytes(*magic) == BITMAP_MAGIC
        && rest.get(4..) == Some(&raw.fixed.set_uuid[..]);
    matches.then_some(Bytes(start))
}

/// No md superblock: a bitmap file, a bare device, or nothing of ours. Where not every place of one
/// is `readable`, only the magic number shows that it is no member.
fn without_superblock(
    device: &mut Given,
    store: &dyn Store,
    is_block_device: bool,
    readable: bool,
    options: &GivenOptions,
) {
    if !readable && !starts_with_magic(store) {
        return;
    }
    let found = bare(Bytes(0), is_block_device, options);
    device.found = Some(found);
    if options.metadata.is_some() && !starts_with_magic(store) {
        device.found = None;
        device.problems.push(Problem::new(
            ProblemKind::NoBitmap,
            format!(
                "{}: has no superblock of the metadata asked for, and no bitmap at its start; leave out -e to look for any",
                store.name()
            ),
        ));
    }
}

fn starts_with_magic(store: &dyn Store) -> bool {
    let mut magic = [0; 4];
    store.read_at(Bytes(0), &mut magic).is_ok() && u32::from_le_bytes(magic) == BITMAP_MAGIC
}
