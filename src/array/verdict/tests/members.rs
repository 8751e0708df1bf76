//! What the members say: degraded, left out, refused, of every metadata version.

use super::*;

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
fn a_raid10_with_a_lone_copy_after_a_crash_is_noted() {
    let noted = |layout: u32, roles: &[u16], clean: bool| {
        let mut scene = dirty(unclean());
        (scene.md.level, scene.md.layout, scene.md.raid_chunk) =
            (Level::Raid10, layout, Sectors(64));
        scene.md.component = Sectors(COVERED / 2 / 64 * 64);
        (scene.md.raid_disks, scene.md.roles) = (roles.len() as u32, roles.to_vec());
        if clean {
            scene.md.resync_offset = None;
        }
        names(&scene.verdict().notes).contains(&"raid10-lone-copy")
    };
    assert!(noted(0x102, &[0, 0xfffe, 2, 3], false));
    assert!(!noted(0x102, &[0, 0xfffe, 2, 3], true));
    assert!(!noted(0x102, &[0, 1, 2, 3], false));
    assert!(!noted(0x103, &[0, 0xfffe, 2, 3], false));
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
