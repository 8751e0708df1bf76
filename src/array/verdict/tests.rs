//! The verdict, line by line of reference/kernel.md 2.1, 2.3, 3.7, 6.3, 6.6, 7.1 and 7.2.

use super::*;
use crate::array::probe::{FoundSuper, probe};
use crate::device::MemoryStore;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper, state};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor, feature};
use crate::format::{dm_raid, md_v090};
use crate::units::{Events, Sectors};
use proptest::prelude::*;

/// 100 chunks of 64 KiB, the last one half.
const CHUNK: u64 = 65536;
const COVERED: u64 = 99 * 128 + 64;
const UUID: [u8; 16] = *b"an array of ours";

/// A member with its bitmap, described in few words.
struct Scene {
    md: Builder,
    bitmap: RawBitmapSuper,
    /// Bits or states, from where they begin.
    content: Vec<u8>,
}

fn scene() -> Scene {
    let mut md = Builder::mirror(Minor::V2, Sectors(1 << 20));
    (md.set_uuid, md.component, md.events) = (UUID, Sectors(COVERED), Events(12));
    let mut bitmap = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (bitmap.magic, bitmap.version, bitmap.uuid) = (BITMAP_MAGIC, 4, UUID);
    (bitmap.events, bitmap.events_cleared) = (12, 11);
    (
        bitmap.sync_size_sectors,
        bitmap.chunksize,
        bitmap.daemon_sleep_seconds,
    ) = (COVERED, CHUNK as u32, 5);
    Scene {
        md,
        bitmap,
        content: vec![0; 13],
    }
}

/// Not stopped cleanly.
fn unclean() -> Scene {
    let mut scene = scene();
    scene.md.resync_offset = Some(Sectors(0));
    scene
}

/// Chunks 0, 50 and 99 (the half one) dirty: 2.5 chunks.
fn dirty(mut scene: Scene) -> Scene {
    for chunk in [0usize, 50, 99] {
        scene.content[chunk / 8] |= 1 << (chunk % 8);
    }
    scene
}

const DIRTY_BYTES: u64 = CHUNK * 5 / 2;
const COVERED_BYTES: u64 = COVERED * 512;

fn lockless(states: &[u8]) -> Scene {
    let mut scene = scene();
    (
        scene.bitmap.version,
        scene.bitmap.chunksize,
        scene.bitmap.sectors_reserved,
    ) = (6, 128, 256);
    scene.content = states.to_vec();
    scene.content.resize(100, 1);
    scene
}

impl Scene {
    fn store(&self) -> MemoryStore {
        let mut image = vec![0; 1 << 20];
        let sb = self.md.build().to_bytes();
        image[4096..4096 + sb.len()].copy_from_slice(&sb);
        image[8192..8448].copy_from_slice(&self.bitmap.to_bytes());
        let bits = if self.bitmap.version == 6 {
            8192 + 1024
        } else {
            8192 + 256
        };
        image[bits..bits + self.content.len()].copy_from_slice(&self.content);
        MemoryStore::new("member", image)
    }

    fn found(&self) -> FoundSuper {
        probe(&self.store(), None).found.remove(0)
    }

    fn verdict(&self) -> Verdict {
        self.verdict_with(&[])
    }

    fn verdict_with(&self, others: &[FoundSuper]) -> Verdict {
        let store = self.store();
        let own = self.found();
        let assembly = Assembly::new(&own, others);
        let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
        let alone = verdict(&assembly, &bitmap, None).unwrap();
        if let Ok(counts) = bitmap.count() {
            let counted = verdict(&assembly, &bitmap, Some(&counts)).unwrap();
            assert_eq!(alone, counted, "counts at hand must not change the answer");
        }
        alone
    }
}

fn names(reasons: &[Reason]) -> Vec<&str> {
    reasons.iter().map(|reason| reason.name).collect()
}

#[track_caller]
fn expect(verdict: &Verdict, starts: bool, trusted: bool, reasons: &[&str], bytes: Option<u64>) {
    assert_eq!(names(&verdict.reasons), reasons, "{verdict:#?}");
    assert_eq!(
        (verdict.starts, verdict.trusted, verdict.resync_bytes),
        (starts, trusted, bytes),
        "{verdict:#?}"
    );
}

#[test]
fn a_clean_array_resyncs_nothing_whatever_its_bits() {
    expect(&dirty(scene()).verdict(), true, true, &[], Some(0));
}

#[test]
fn an_unclean_array_resyncs_the_set_bits_clipped_at_the_end() {
    expect(
        &dirty(unclean()).verdict(),
        true,
        true,
        &[],
        Some(DIRTY_BYTES),
    );
    expect(&unclean().verdict(), true, true, &[], Some(0));
}

#[test]
fn the_example_of_the_design_holds() {
    let mut scene = unclean();
    scene.md.component = Sectors(260_096);
    scene.bitmap.sync_size_sectors = 260_096;
    scene.content = vec![0; 254];
    scene.content[..2].copy_from_slice(&[0xff, 3]);
    let verdict = scene.verdict();
    expect(&verdict, true, true, &[], Some(655_360));
}

#[test]
fn a_checkpoint_spares_chunks_that_end_before_it() {
    // A chunk is needed when its end is not before the checkpoint: also when it ends there.
    let cases = [
        (0, 5),
        (1, 5),
        (128, 5),
        (129, 3),
        (50 * 128, 3),
        (51 * 128, 3),
        (51 * 128 + 1, 1),
        (COVERED, 1),
    ];
    for (offset, halves) in cases {
        let mut scene = dirty(unclean());
        scene.md.resync_offset = Some(Sectors(offset));
        expect(&scene.verdict(), true, true, &[], Some(halves * CHUNK / 2));
    }
    let mut beyond = dirty(unclean());
    beyond.md.resync_offset = Some(Sectors(1 << 50));
    expect(&beyond.verdict(), true, true, &[], Some(0));
}

#[test]
fn a_degraded_array_goes_by_its_checkpoint_only_if_bits_were_cleared_at_its_events() {
    let mut scene = dirty(unclean());
    (scene.md.raid_disks, scene.md.roles) = (3, vec![0, 1, 0xfffe]);
    scene.md.resync_offset = Some(Sectors(129));
    let verdict = scene.verdict();
    expect(&verdict, true, true, &[], Some(DIRTY_BYTES));
    assert!(names(&verdict.notes).contains(&"degraded"));
    scene.bitmap.events_cleared = 12;
    expect(&scene.verdict(), true, true, &[], Some(CHUNK * 3 / 2));
}

#[test]
fn a_mirror_with_one_good_member_resyncs_nothing() {
    let mut scene = dirty(unclean());
    scene.md.roles = vec![0, 0xfffe];
    expect(&scene.verdict(), true, true, &[], Some(0));
}

#[test]
fn a_stale_bitmap_is_everything_if_unclean_and_nothing_if_clean() {
    for (events, flags, name) in [(11, 0, "events-stale"), (12, state::STALE, "stale")] {
        let mut scene = dirty(unclean());
        (scene.bitmap.events, scene.bitmap.state) = (events, flags);
        let verdict = scene.verdict();
        expect(&verdict, true, false, &[name], Some(COVERED_BYTES));
        scene.md.resync_offset = Some(Sectors(98 * 128 + 1));
        expect(&scene.verdict(), true, false, &[name], Some(CHUNK * 3 / 2));
        scene.md.resync_offset = None;
        expect(&scene.verdict(), true, false, &[name], Some(0));
    }
    let mut scene = unclean();
    scene.bitmap.events = 10;
    let sentence = &scene.verdict().reasons[0].sentence;
    assert!(
        sentence.contains("10") && sentence.contains("12"),
        "{sentence}"
    );
}

#[test]
fn a_stale_bitmap_of_a_degraded_array_goes_by_the_checkpoint() {
    // Being stale sets events_cleared to the array's events before the checkpoint is looked at.
    let mut scene = dirty(unclean());
    (scene.md.raid_disks, scene.md.roles) = (3, vec![0, 1, 0xfffe]);
    scene.md.resync_offset = Some(Sectors(98 * 128 + 1));
    scene.bitmap.events = 3;
    expect(
        &scene.verdict(),
        true,
        false,
        &["events-stale"],
        Some(CHUNK * 3 / 2),
    );
}

#[test]
fn events_ahead_are_accepted() {
    for events in [13, 52] {
        let mut scene = dirty(unclean());
        scene.bitmap.events = events;
        expect(&scene.verdict(), true, true, &[], Some(DIRTY_BYTES));
    }
}

#[test]
fn each_broken_rule_of_the_superblock_keeps_the_array_from_starting() {
    type Case = (fn(&mut RawBitmapSuper), &'static str);
    let cases: [Case; 9] = [
        (|bitmap| bitmap.magic = 1, "magic"),
        (|bitmap| bitmap.version = 2, "version"),
        (|bitmap| bitmap.version = 7, "version"),
        (|bitmap| bitmap.chunksize = 256, "chunk-too-small"),
        (|bitmap| bitmap.chunksize = 65537, "chunk-not-power-of-two"),
        (|bitmap| bitmap.daemon_sleep_seconds = 0, "daemon-sleep"),
        (|bitmap| bitmap.write_behind = 16384, "write-behind"),
        (|bitmap| bitmap.uuid[0] ^= 1, "uuid"),
        (|bitmap| bitmap.state = state::WRITE_ERROR, "write-error"),
    ];
    for (change, name) in cases {
        let mut scene = dirty(unclean());
        change(&mut scene.bitmap);
        expect(&scene.verdict(), false, false, &[name], None);
    }
}

#[test]
fn what_the_kernel_ignores_is_a_note() {
    let mut scene = dirty(unclean());
    scene.bitmap.sync_size_sectors = 128;
    let verdict = scene.verdict();
    // The kernel counts over the array's own size.
    expect(&verdict, true, true, &[], Some(DIRTY_BYTES));
    assert!(names(&verdict.notes).contains(&"sync-size"));
    scene.bitmap.sectors_reserved = 1;
    scene.bitmap.chunksize = 512;
    assert!(names(&scene.verdict().notes).contains(&"space-too-small"));
}

#[test]
fn what_the_bitmap_lies_on_is_a_note() {
    let mut scene = dirty(unclean());
    scene.md.bad_block_log = Some((8, 8));
    let verdict = scene.verdict();
    expect(&verdict, true, true, &[], Some(DIRTY_BYTES));
    assert!(names(&verdict.notes).contains(&"overlaps-bad-block-log"));
}

/// reference/kernel.md 10, "golden image": writes at 0 and 4000 KiB, then a crash; the kernel
/// resynchronised exactly chunks 0 and 62.
#[test]
fn the_golden_image_of_the_reference() {
    let mut scene = unclean();
    (scene.md.component, scene.md.events) = (Sectors(120_000), Events(11));
    (
        scene.bitmap.events,
        scene.bitmap.events_cleared,
        scene.bitmap.sync_size_sectors,
    ) = (11, 10, 120_000);
    scene.content = vec![0; 938usize.div_ceil(8)];
    (scene.content[0], scene.content[7]) = (0x01, 0x40);
    expect(&scene.verdict(), true, true, &[], Some(2 * CHUNK));
}

#[test]
fn in_a_cluster_the_nodes_decide() {
    let mut scene = dirty(unclean());
    (
        scene.bitmap.version,
        scene.bitmap.nodes,
        scene.bitmap.events,
    ) = (5, 4, 1);
    let verdict = scene.verdict();
    expect(&verdict, true, true, &[], None);
    assert!(names(&verdict.notes).contains(&"cluster"));
    // Version 5 without nodes is a plain bitmap.
    (scene.bitmap.nodes, scene.bitmap.events) = (0, 12);
    expect(&scene.verdict(), true, true, &[], Some(DIRTY_BYTES));
}

#[test]
fn a_dirty_degraded_parity_array_does_not_start() {
    let parity = |level: Level, roles: &[u16]| {
        let mut scene = dirty(unclean());
        (scene.md.level, scene.md.layout, scene.md.raid_chunk) = (level, 2, Sectors(8));
        (scene.md.raid_disks, scene.md.roles) = (roles.len() as u32, roles.to_vec());
        scene
    };
    let mut raid5 = parity(Level::Raid5, &[0, 1, 2]);
    expect(&raid5.verdict(), true, true, &[], Some(DIRTY_BYTES));
    raid5 = parity(Level::Raid5, &[0, 1, 0xfffe]);
    expect(&raid5.verdict(), false, false, &["dirty-degraded"], None);
    raid5.md.resync_offset = None;
    expect(&raid5.verdict(), true, true, &[], Some(0));
    let lost = parity(Level::Raid5, &[0, 0xfffe, 0xfffe]);
    expect(&lost.verdict(), false, false, &["not-enough-members"], None);
    let raid6 = parity(Level::Raid6, &[0, 1, 0xfffe, 0xfffe]);
    expect(&raid6.verdict(), false, false, &["dirty-degraded"], None);
    let lost = parity(Level::Raid6, &[0, 0xfffe, 0xfffe, 0xfffe]);
    expect(&lost.verdict(), false, false, &["not-enough-members"], None);
    let mut strange = parity(Level::Raid6, &[0, 1, 2, 3]);
    strange.md.layout = 7;
    expect(&strange.verdict(), false, false, &["geometry"], None);
}

#[test]
fn raid10_starts_while_each_group_of_copies_has_a_member() {
    let raid10 = |layout, roles: [u16; 4]| {
        let mut scene = dirty(unclean());
        (scene.md.level, scene.md.layout, scene.md.raid_chunk) =
            (Level::Raid10, layout, Sectors(64));
        (scene.md.raid_disks, scene.md.roles, scene.md.component) =
            (4, roles.to_vec(), Sectors(COVERED / 2 / 64 * 64));
        scene.verdict().starts
    };
    let gone = 0xfffe;
    assert!(raid10(0x102, [0, gone, 2, gone]));
    assert!(!raid10(0x102, [gone, gone, 2, 3]));
    assert!(raid10(0x102, [0, gone, gone, 3]));
    assert!(!raid10(0x201, [0, gone, gone, 3]));
    assert!(!raid10(0x201, [gone, 1, 2, gone]));
    assert!(raid10(0x201, [0, gone, 2, gone]));
}

#[test]
fn a_journal_and_a_bitmap_exclude_each_other() {
    let mut scene = dirty(unclean());
    scene.md.features = feature::JOURNAL;
    expect(&scene.verdict(), false, false, &["journal"], None);
    let mut scene = lockless(&[2]);
    scene.md.features = feature::JOURNAL;
    expect(&scene.verdict(), false, false, &["lockless-journal"], None);
}

#[test]
fn a_reshape_goes_on_instead() {
    let mut scene = dirty(unclean());
    scene.md.features = feature::RESHAPE_ACTIVE;
    expect(&scene.verdict(), true, true, &[], None);
}

#[test]
fn a_member_that_the_kernel_refuses_does_not_start() {
    let mut scene = dirty(unclean());
    scene.md.features = 0x2000;
    expect(&scene.verdict(), false, false, &["member-refused"], None);
}

#[test]
fn a_truncated_image_is_judged_as_if_it_were_whole() {
    // All scenes are truncated: the images are smaller than their data size.
    let verdict = dirty(unclean()).verdict();
    assert!(names(&verdict.notes).contains(&"device-too-small"));
    assert!(verdict.trusted);
}

#[test]
fn only_members_in_sync_lend_their_bitmap() {
    for (role, name) in [
        (0xffff, "member-not-active"),
        (0xfffe, "member-not-active"),
        (0xfffd, "member-not-active"),
    ] {
        let mut scene = dirty(unclean());
        (scene.md.raid_disks, scene.md.roles) = (2, vec![role, 0, 1]);
        expect(&scene.verdict(), true, false, &[name], None);
    }
    let mut scene = dirty(unclean());
    scene.md.features = feature::RECOVERY_OFFSET;
    expect(&scene.verdict(), true, false, &["member-recovering"], None);
}

#[test]
fn the_freshest_superblock_at_hand_speaks_for_the_array() {
    let own = dirty(unclean());
    let mut other = dirty(unclean());
    other.md.dev_number = 1;
    // One event apart is accepted; the bitmap is then stale all the same.
    other.md.events = Events(13);
    expect(
        &own.verdict_with(&[other.found()]),
        true,
        false,
        &["events-stale"],
        Some(COVERED_BYTES),
    );
    let mut own_ahead = dirty(unclean());
    own_ahead.bitmap.events = 13;
    expect(
        &own_ahead.verdict_with(&[other.found()]),
        true,
        true,
        &[],
        Some(DIRTY_BYTES),
    );
    // The freshest says that this member failed.
    other.md.roles = vec![0xfffe, 1];
    expect(
        &own_ahead.verdict_with(&[other.found()]),
        true,
        false,
        &["member-not-active"],
        None,
    );
    // Two events apart: left out.
    (other.md.events, other.md.roles) = (Events(14), vec![0, 1]);
    own_ahead.bitmap.events = 14;
    expect(
        &own_ahead.verdict_with(&[other.found()]),
        true,
        false,
        &["member-out-of-date"],
        None,
    );
    // A spare's count does not matter, nor another array's.
    other.md.roles = vec![0, 0xffff, 1];
    expect(
        &own.verdict_with(&[other.found()]),
        true,
        true,
        &[],
        Some(DIRTY_BYTES),
    );
    (other.md.roles, other.md.set_uuid) = (vec![0, 1], [9; 16]);
    expect(
        &own.verdict_with(&[other.found()]),
        true,
        true,
        &[],
        Some(DIRTY_BYTES),
    );
}

#[test]
fn version_6_resyncs_what_needs_sync_even_if_clean() {
    expect(&lockless(&[2]).verdict(), true, true, &[], Some(CHUNK));
    expect(
        &lockless(&[1, 3, 4]).verdict(),
        true,
        true,
        &[],
        Some(98 * CHUNK + CHUNK / 2),
    );
    // 3 alone is not written, so nothing spreads; nor does it from 0, 5, 6, 7.
    expect(
        &lockless(&[0, 3, 7]).verdict(),
        true,
        true,
        &[],
        Some(CHUNK),
    );
    expect(&lockless(&[0, 5, 6, 7]).verdict(), true, true, &[], Some(0));
    expect(&lockless(&[9]).verdict(), true, true, &[], Some(CHUNK));
}

#[test]
fn two_dirty_states_of_one_block_need_the_rest_of_it() {
    // Chunks 10 and 20 dirty: from 10 on all that follow, the half last chunk included.
    let mut states = vec![1; 100];
    (states[10], states[20]) = (2, 2);
    expect(
        &lockless(&states).verdict(),
        true,
        true,
        &[],
        Some(89 * CHUNK + CHUNK / 2),
    );
    // On a degraded array nothing spreads, and a clean one waits.
    let mut degraded = lockless(&states);
    (degraded.md.raid_disks, degraded.md.roles) = (3, vec![0, 1, 0xfffe]);
    expect(&degraded.verdict(), true, true, &[], Some(0));
    degraded.md.resync_offset = Some(Sectors(0));
    expect(&degraded.verdict(), true, true, &[], Some(2 * CHUNK));
}

#[test]
fn the_block_of_states_is_the_arrays_logical_block() {
    // 512-byte blocks: chunk 0 and chunk 600 are apart. 4096: with the header, they share one.
    let mut scene = lockless(&[]);
    scene.content = vec![1; 1000];
    scene.md.component = Sectors(1000 * 128);
    scene.bitmap.sync_size_sectors = 1000 * 128;
    (scene.content[0], scene.content[600]) = (2, 2);
    expect(&scene.verdict(), true, true, &[], Some(2 * CHUNK));
    let store = scene.store().with_blocks(4096, 4096);
    let found = probe(&store, None).found.remove(0);
    let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
    let verdict = verdict(&Assembly::new(&found, []), &bitmap, None).unwrap();
    expect(&verdict, true, true, &[], Some(1000 * CHUNK));
}

#[test]
fn a_stale_version_6_needs_all_but_what_was_never_written() {
    let mut scene = lockless(&[0, 5, 6, 7]);
    scene.bitmap.events = 3;
    let verdict = scene.verdict();
    // 0, 5, 6, 7 come first in their block: the spreading makes them dirty, which is skipped.
    expect(
        &verdict,
        true,
        false,
        &["events-stale"],
        Some(COVERED_BYTES - 4 * CHUNK),
    );
    (
        scene.md.level,
        scene.md.layout,
        scene.md.raid_chunk,
        scene.md.raid_disks,
    ) = (Level::Raid5, 2, Sectors(8), 3);
    scene.md.roles = vec![0, 1, 2];
    expect(
        &scene.verdict(),
        true,
        false,
        &["events-stale"],
        Some(COVERED_BYTES),
    );
}

#[test]
fn first_use_makes_a_new_bitmap() {
    for flags in [state::FIRST_USE, state::FIRST_USE | state::CLEAN] {
        let mut scene = lockless(&[2; 100]);
        scene.bitmap.state = flags;
        scene.md.resync_offset = Some(Sectors(0));
        expect(&scene.verdict(), true, false, &["first-use"], Some(0));
    }
}

#[test]
fn a_write_error_takes_version_6_out_of_use() {
    let mut scene = lockless(&[2; 100]);
    scene.bitmap.state = state::WRITE_ERROR;
    expect(&scene.verdict(), true, false, &["write-error"], Some(0));
    scene.md.resync_offset = Some(Sectors(0));
    expect(
        &scene.verdict(),
        true,
        false,
        &["write-error"],
        Some(COVERED_BYTES),
    );
}

#[test]
fn states_past_the_end_of_the_image_need_sync() {
    let scene = lockless(&[0; 100]);
    let mut image = scene.store().into_contents();
    image.truncate(8192 + 1024 + 98);
    let store = MemoryStore::new("member", image);
    let found = probe(&store, None).found.remove(0);
    let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
    let assessed = assess(&Assembly::new(&found, []), bitmap.raw(), None);
    assert_eq!(
        assessed.scope.measure(&bitmap, None).unwrap(),
        Some(u128::from(CHUNK * 3 / 2))
    );
}

#[test]
fn dm_raid_compares_events_with_its_own_superblock_and_a_zero_uuid() {
    let mut raw = dm_raid::RawSuper::mirror(2, COVERED);
    (raw.events, raw.array_resync_offset) = (20, 0);
    let mut bitmap = scene().bitmap;
    (bitmap.uuid, bitmap.events) = ([0; 16], 20);
    let judged = |raw: &dm_raid::RawSuper, bitmap: &RawBitmapSuper| {
        let mut image = raw.to_bytes();
        image.resize(4096, 0);
        image.extend(bitmap.to_bytes());
        image.extend([0xff; 1000]);
        let store = MemoryStore::new("rmeta", image);
        let found = probe(&store, None).found.remove(0);
        let bitmap = Bitmap::open(&store, Bytes(4096), BitOrder::Little).unwrap();
        verdict(&Assembly::new(&found, []), &bitmap, None).unwrap()
    };
    expect(&judged(&raw, &bitmap), true, true, &[], Some(COVERED_BYTES));
    bitmap.events = 19;
    expect(
        &judged(&raw, &bitmap),
        true,
        false,
        &["events-stale"],
        Some(COVERED_BYTES),
    );
    (bitmap.events, bitmap.uuid) = (20, UUID);
    expect(&judged(&raw, &bitmap), false, false, &["uuid"], None);
    bitmap.uuid = [0; 16];
    raw.array_resync_offset = u64::MAX;
    expect(&judged(&raw, &bitmap), true, true, &[], Some(0));
}

#[test]
fn a_090_member_is_judged_alike() {
    let mut builder = md_v090::Builder::mirror(Bytes(1 << 24));
    (builder.uuid, builder.size_kib, builder.events) = (UUID, COVERED as u32 / 2, Events(12));
    builder.resync_offset = Some(Sectors(0));
    let mut image = vec![0; 1 << 24];
    let start = (1 << 24) - 65536;
    image[start..start + 4096].copy_from_slice(&builder.build().to_bytes());
    image[start + 4096..start + 4352].copy_from_slice(&scene().bitmap.to_bytes());
    image[start + 4352] = 7;
    let store = MemoryStore::new("member", image);
    let found = probe(&store, None).found.remove(0);
    let place = found.member.bitmap.clone().unwrap();
    let bitmap = Bitmap::open(&store, place.start, BitOrder::Little).unwrap();
    let verdict = verdict(&Assembly::new(&found, []), &bitmap, None).unwrap();
    expect(&verdict, true, true, &[], Some(3 * CHUNK));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the bitmap superblock holds: an answer, at once.
    #[test]
    fn any_bitmap_superblock_is_judged(mut bytes in proptest::collection::vec(any::<u8>(), 256), tame: u8, version in 3u8..7) {
        // Some of the time, let the checks that come first hold.
        if tame & 1 != 0 { bytes[..4].copy_from_slice(b"bitm") }
        if tame & 2 != 0 { bytes[4..8].copy_from_slice(&[version, 0, 0, 0]) }
        if tame & 4 != 0 { bytes[8..24].copy_from_slice(&UUID) }
        if tame & 8 != 0 { let chunk = (1u32 << (bytes[52] % 32)).to_le_bytes(); bytes[52..56].copy_from_slice(&chunk) }
        if tame & 16 != 0 { bytes[56..64].copy_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0]) }
        let mut scene = dirty(unclean());
        scene.bitmap = RawBitmapSuper::from_bytes(&bytes).unwrap();
        let store = scene.store();
        let own = scene.found();
        let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
        let verdict = verdict(&Assembly::new(&own, []), &bitmap, None).unwrap();
        prop_assert_eq!(verdict.trusted, verdict.reasons.is_empty());
        prop_assert!(verdict.starts || verdict.resync_bytes.is_none());
        if let Some(bytes) = verdict.resync_bytes {
            prop_assert!(bytes <= COVERED_BYTES);
        }
    }

    /// The classic rule, chunk by chunk.
    #[test]
    fn set_bits_are_summed_as_the_kernel_would(content in proptest::collection::vec(any::<u8>(), 13), offset in 0u64..COVERED + 200) {
        let mut scene = unclean();
        (scene.content, scene.md.resync_offset) = (content, Some(Sectors(offset)));
        let chunks = (0..100u64).filter(|chunk| scene.content[*chunk as usize / 8] >> (chunk % 8) & 1 == 1);
        let needed = chunks.filter(|chunk| (chunk + 1) * 128 >= offset);
        let bytes: u64 = needed.map(|chunk| (COVERED_BYTES - chunk * CHUNK).min(CHUNK)).sum();
        prop_assert_eq!(scene.verdict().resync_bytes, Some(bytes));
    }
}
