//! Sources at hand, and those of files and dumps.

use super::*;
use crate::change::testing::UUID;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::units::ChunkIndex;

/// A source that says this, of the arrays of `change::testing` at an event.
pub(in crate::commands) fn ready(version: u32, events: u64, known: &Knowledge) -> MarkSource {
    let coverage = known.coverage();
    let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (raw.magic, raw.version, raw.uuid) = (BITMAP_MAGIC, version, UUID);
    (raw.events, raw.events_cleared) = (events, events - 1);
    raw.sync_size_sectors = coverage.sync_size().0;
    raw.chunksize = match version {
        6 => coverage.chunk_bytes() / 512,
        _ => coverage.chunk_bytes(),
    } as u32;
    raw.daemon_sleep_seconds = 7;
    MarkSource {
        given: OsString::from("source"),
        name: "source".to_owned(),
        bitmap: BitmapFacts {
            slot: 0,
            start_bytes: 0,
            raw,
            order: BitOrder::Little,
            has_runs: true,
        },
        md: None,
        device_bytes: 1 << 20,
        place: Place::Ready(Box::new(known.clone())),
    }
}

fn bitmap_file(version: u32, cells: &[u8]) -> Vec<u8> {
    let coverage = Coverage::new(Sectors(128), 4096).unwrap();
    let source = ready(version, 40, &Knowledge::all_clean(coverage).unwrap());
    let mut bytes = source.bitmap.raw.to_bytes().to_vec();
    bytes.resize(if version == 6 { 1024 } else { 256 }, 0);
    bytes.extend(cells);
    bytes
}

fn dirty(source: &MarkSource) -> Vec<u64> {
    let known = source.known().unwrap();
    known
        .dirty()
        .runs()
        .flat_map(|run| run.start.0..run.end.0)
        .collect()
}

#[test]
fn files_and_dumps_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string();
    std::fs::write(path("v4"), bitmap_file(4, &[0b1001, 0x80])).unwrap();
    std::fs::write(
        path("v6"),
        bitmap_file(6, &[1, 2, 3, 0, 7, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]),
    )
    .unwrap();
    // Ends within its bits: what is not there is dirty.
    std::fs::write(path("short"), bitmap_file(4, &[0])).unwrap();
    let sources = open(&[path("v4"), path("v6"), path("short")]).unwrap();
    assert_eq!(dirty(&sources[0]), [0, 3, 15]);
    assert_eq!(dirty(&sources[1]), [1, 2, 5, 15]);
    let known = sources[1].known().unwrap();
    let unwritten: Vec<u64> = known.unwritten().runs().map(|run| run.start.0).collect();
    assert_eq!(unwritten, [3]);
    assert!(known.unwritten().contains(ChunkIndex(4)));
    assert_eq!(dirty(&sources[2]), [8, 9, 10, 11, 12, 13, 14, 15]);
    assert!(sources.iter().all(|source| source.is_of(&UUID)));
    // The same as a dump.
    let text = "mdbitmap-dump 1\n\ndevice \"/dev/x\"\ndevice_bytes 8192\n\nbitmap 0\nstart_bytes 0\nversion 4\n\
        uuid 6d646269:746d6170:2d746573:74696e67\nevents 39\nevents_cleared 38\nsync_size_sectors 64\nstate 0\nchunk_bytes 4096\n\
        daemon_sleep_seconds 5\nwrite_behind 0\nsectors_reserved 0\nnodes 0\ncluster_name \"\"\nruns\n2-3\n7 missing\nend-runs\n\nend-dump\n";
    std::fs::write(path("dump"), text).unwrap();
    let sources = open(&[path("dump")]).unwrap();
    assert_eq!(dirty(&sources[0]), [2, 3, 7]);
    assert_eq!(sources[0].device_path(), "/dev/x");
    assert!(sources[0].name.ends_with("dump: /dev/x"));
    let doubts = sources[0].doubts(Events(40), Sectors(128)).join("\n");
    assert!(
        doubts.contains("is of event 39") && doubts.contains("covers 64 of 128 sectors"),
        "{doubts}"
    );
    assert!(sources[0].doubts(Events(39), Sectors(64)).is_empty());
}

/// Each node marks its own writes in its own slot: all of them count, and one that cannot be opened is an error.
#[test]
fn all_slots_of_a_cluster_are_sources() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster").into_os_string();
    let slot = |cells: &[u8]| {
        let mut bytes = bitmap_file(5, cells);
        bytes[68] = 3;
        bytes.resize(4096, 0);
        bytes
    };
    let whole = [slot(&[1, 0]), slot(&[0, 2]), slot(&[4, 0])].concat();
    std::fs::write(&path, &whole).unwrap();
    let sources = open(std::slice::from_ref(&path)).unwrap();
    let all: Vec<Vec<u64>> = sources.iter().map(dirty).collect();
    assert_eq!(all, [[0], [9], [2]]);
    assert!(sources[2].name.ends_with("slot 2"));
    std::fs::write(&path, &whole[..8192]).unwrap();
    assert!(open(&[path]).is_err());
}

#[test]
fn what_is_no_bitmap_is_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string();
    std::fs::write(path("zeros"), [0; 8192]).unwrap();
    std::fs::write(path("first"), {
        let mut bytes = bitmap_file(6, &[0; 16]);
        bytes[48] = 8;
        bytes
    })
    .unwrap();
    assert!(
        open(&[path("zeros")])
            .unwrap_err()
            .to_string()
            .contains("magic")
    );
    assert!(
        open(&[path("nothing")])
            .unwrap_err()
            .to_string()
            .contains("cannot open")
    );
    // Nothing is known of chunks that the kernel has still to choose.
    let sources = open(&[path("first")]).unwrap();
    let error = sources[0].known().unwrap_err().to_string();
    assert!(
        error.contains("what its chunks are cannot be told"),
        "{error}"
    );
    // Changed since it was found.
    std::fs::write(path("v4"), bitmap_file(4, &[1, 0])).unwrap();
    let sources = open(&[path("v4")]).unwrap();
    let mut bytes = bitmap_file(4, &[0, 0]);
    bytes[24] = 41;
    std::fs::write(path("v4"), bytes).unwrap();
    assert!(
        sources[0]
            .known()
            .unwrap_err()
            .to_string()
            .contains("was changed")
    );
}

#[test]
fn one_of_each_thing_given_must_be_of_the_array() {
    let coverage = Coverage::new(Sectors(128), 4096).unwrap();
    let own = ready(4, 40, &Knowledge::all_clean(coverage).unwrap());
    let mut other = own.clone();
    other.bitmap.raw.uuid = [7; 16];
    let both = [own.clone(), other.clone()];
    assert_eq!(of_array(&both, &UUID).unwrap().len(), 1);
    other.given = OsString::from("elsewhere");
    let error = of_array(&[own, other], &UUID).unwrap_err().to_string();
    assert!(error.contains("is that of the array 07070707"), "{error}");
}

/// What a dump of this member says of its superblock, as far as it is looked at.
pub(in crate::commands) fn md_of(member: &crate::array::MemberSuper) -> MdFacts {
    use crate::format::dump_text::{Metadata, Role};
    MdFacts {
        metadata: Metadata::V1_2,
        super_start_bytes: member.super_start.0,
        array_uuid: member.array_uuid,
        device_uuid: member.device_uuid,
        array_name: None,
        created_seconds: member.created,
        updated_seconds: member.updated,
        level: member.level,
        layout: member.layout,
        raid_chunk_sectors: member.raid_chunk.0,
        raid_disks: member.raid_disks,
        number: member.number,
        role: Role::Slot(member.number),
        events: member.events.0,
        resync_offset_sectors: member.resync_offset.map(|offset| offset.0),
        recovery_offset_sectors: None,
        component_sectors: None,
        array_sectors: None,
        data_offset_sectors: member.data_offset.0,
        features: member.features,
        reshaping: false,
        logical_block_bytes: 512,
        vacant_slots: Vec::new(),
        device_roles: Vec::new(),
    }
}

impl MarkSource {
    /// The same, and this is what it says.
    pub(in crate::commands) fn with_known(self, known: Knowledge) -> MarkSource {
        MarkSource {
            place: Place::Ready(Box::new(known)),
            ..self
        }
    }
}
