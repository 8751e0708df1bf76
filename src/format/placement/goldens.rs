//! The golden hashes of reference/mdadm.md Appendix B: whole bitmap areas, made from parameters.

use super::content::{Cluster, Fill, NewBitmap, piece};
use super::v1::{Kind, Minor};
use super::worked_examples::{created, example_a};
use super::{ChunkSize, area, chunk, clustered, v090};
use crate::units::{Events, Sectors};
use sha2::{Digest, Sha256};

const UUID: [u8; 16] = [
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10,
];

/// 0.90 stores the same UUID as four words of the host.
fn uuid_090() -> [u8; 16] {
    let mut swapped = UUID;
    swapped.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    swapped
}

fn plain(uuid: [u8; 16], sync_size: Sectors, chunk: ChunkSize, delay_seconds: u32) -> NewBitmap {
    NewBitmap {
        uuid,
        sync_size,
        chunk,
        delay_seconds,
        write_behind: 0,
        events: Events(0),
        cluster: None,
    }
}

fn bytes(bitmap: &NewBitmap, fill: Fill, length: u64) -> Vec<u8> {
    let mut whole = vec![0; length as usize];
    piece(&bitmap.superblock().to_bytes(), fill, 0, &mut whole);
    whole
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[test]
fn example_a_with_1_2_metadata() {
    let (member, placement) = example_a(Minor::V2);
    let bitmap = plain(UUID, member.size, placement.chunk, 1);
    assert_eq!(
        placement.on_device(member.super_offset),
        (8192 / 512, 12288 / 512)
    );
    let area = bytes(&bitmap, Fill::Dirty, placement.area.0 * 512);
    assert_eq!(
        area[..64],
        [
            0x62, 0x69, 0x74, 0x6d, 4, 0, 0, 0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
            0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, //
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0x94, 0, 0, 0, 0, 0, 0, //
            0, 0, 0, 0, 0, 0x10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ]
    );
    assert_eq!(
        sha256(&area),
        "68305e7f36352c5a7b39d8eca123e302afac3f1a3961510f7ee03989e10751a2"
    );
}

#[test]
fn example_a_with_1_0_metadata() {
    let (member, placement) = example_a(Minor::V0);
    let bitmap = plain(UUID, member.size, placement.chunk, 1);
    assert_eq!(placement.on_device(member.super_offset).0, 20_463_616 / 512);
    assert_eq!(placement.area, Sectors(8));
    assert_eq!(
        sha256(&bytes(&bitmap, Fill::Dirty, 4096)),
        "b71480c79418fea91cd9a9261e50d92302fffbc30af27a9d6b72c0d877f64eab"
    );
}

#[test]
fn example_a_with_0_90_metadata() {
    let super_offset = v090::super_offset(Sectors(40000)).unwrap();
    let chunk = v090::chunk(super_offset, ChunkSize::new(4096).ok()).unwrap();
    assert_eq!(
        v090::bitmap_start(super_offset).unwrap().0 * 512,
        20_385_792
    );
    assert_eq!(
        sha256(&bytes(
            &plain(uuid_090(), super_offset, chunk, 1),
            Fill::Dirty,
            v090::AREA.0
        )),
        "96128ee3c562e2902ad5babdb8e4fc9c1ccd4522b7bc62e4aa9636b87eafdcf3"
    );
}

/// Synthesised: no cluster can be had where the tests run.
#[test]
fn slots_of_a_clustered_bitmap() {
    let (member, placement) = created(Minor::V2, Sectors(2 << 20), Kind::Classic(None));
    let mut name = [0; 64];
    name[..9].copy_from_slice(b"mycluster");
    let mut bitmap = plain(UUID, member.size, placement.chunk, 5);
    bitmap.cluster = Some(Cluster { nodes: 4, name });
    let start = placement.on_device(member.super_offset).0 as u64;
    for (slot, byte, hash) in [
        (
            0,
            8192,
            "0609b732c5622479e2be34c1b74e7c68989681435d23f93d9cf2c72f6fe9271f",
        ),
        (
            1,
            12288,
            "dde9234d320158ee4d8313393b4cb08d70882ed83cab05af470e1e071ea172f1",
        ),
        (
            2,
            16384,
            "dde9234d320158ee4d8313393b4cb08d70882ed83cab05af470e1e071ea172f1",
        ),
        (
            3,
            20480,
            "dde9234d320158ee4d8313393b4cb08d70882ed83cab05af470e1e071ea172f1",
        ),
    ] {
        let at = clustered::slot_start(Sectors(start), slot, placement.bits).unwrap();
        assert_eq!(at.to_bytes().unwrap().0, byte);
        let area = bytes(&bitmap, Fill::of_slot(slot), placement.area.0 * 512);
        assert_eq!(sha256(&area), hash, "slot {slot}");
    }
}

#[test]
fn bitmap_file_without_uuid() {
    let sync_size = Sectors(39976);
    let chunk = chunk::file_default(sync_size).unwrap();
    let length = area::file_bytes(area::bits(sync_size, chunk));
    assert_eq!(length.0, 881);
    assert_eq!(
        sha256(&bytes(
            &plain([0; 16], sync_size, chunk, 5),
            Fill::Dirty,
            881
        )),
        "fbe2e1c456829f399d0036c6bca13cb911bef7c2a5097142cd6f86a6dc10e2b5"
    );
}
