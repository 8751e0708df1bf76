//! Versions 3 to 5: the superblock's rules, the bits, staleness.

use super::*;

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

#[test]
fn a_first_page_in_the_data_refuses_to_start() {
    let mut scene = dirty(unclean());
    // The bitmap lies in sector 16.
    scene.md.data_offset = Sectors(17);
    assert!(scene.verdict().starts);
    scene.md.data_offset = Sectors(16);
    expect(&scene.verdict(), false, false, &["overlaps-data"], None);
    // Version 6 is not checked.
    let mut scene = lockless(&[]);
    scene.md.data_offset = Sectors(16);
    let verdict = scene.verdict();
    assert!(verdict.starts && names(&verdict.notes).contains(&"overlaps-data"));
}
