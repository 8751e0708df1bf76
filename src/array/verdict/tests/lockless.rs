//! Version 6.

use super::*;

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
