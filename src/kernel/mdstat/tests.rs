use super::*;
use proptest::prelude::*;

fn one(text: &str) -> ArrayStat {
    let mut stat = parse(text);
    assert_eq!(stat.arrays.len(), 1, "{stat:?}");
    stat.arrays.remove(0)
}

#[test]
fn an_idle_mirror_and_what_frames_it() {
    let text = "Personalities : [raid1] [raid6] [raid5] [raid4] \n\
        md0 : active raid1 sdb[1] sda[0]\n      \
        130048 blocks super 1.2 [2/2] [UU]\n      \
        bitmap: 0/1 pages [0KB], 65536KB chunk\n\nunused devices: <none>\n";
    let stat = parse(text);
    assert_eq!(stat.personalities, ["raid1", "raid6", "raid5", "raid4"]);
    let array = stat.array("md0").unwrap();
    assert_eq!(array.state, State::Active);
    assert_eq!(array.read_only, ReadOnly::No);
    assert_eq!(array.level.as_deref(), Some("raid1"));
    assert_eq!(array.blocks_kib, Some(130_048));
    assert_eq!(array.metadata, "1.2");
    assert_eq!(array.geometry, "");
    assert_eq!(array.slots, Some((2, 2)));
    assert_eq!(array.letters.as_deref(), Some("UU"));
    let names: Vec<_> = array.members.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["sdb", "sda"]);
    assert_eq!(array.members[0].number, Some(1));
    let bitmap = array.bitmap.as_ref().unwrap();
    assert_eq!((bitmap.used_pages, bitmap.total_pages), (0, 1));
    assert_eq!((bitmap.memory_kib, bitmap.chunk_bytes), (0, 64 << 20));
    assert_eq!(bitmap.file, None);
    assert_eq!(array.sync, None);
}

#[test]
fn no_array_at_all() {
    let stat = parse("Personalities : \nunused devices: <none>\n");
    assert_eq!(stat, MdStat::default());
    assert_eq!(parse(""), MdStat::default());
}

#[test]
fn a_degraded_parity_array_recovers_beside_a_waiting_one() {
    let text = "Personalities : [raid6] [raid5] [raid4] [raid10]\n\
        md5 : active raid5 vdd[3] vdc[1] vdb[0] vde[4](F)\n      \
        260096 blocks super 1.2 level 5, 64k chunk, algorithm 2 [3/2] [UU_]\n      \
        [==>..................]  recovery = 12.3% (16064/130048) finish=0.1min speed=16064K/sec\n      \
        bitmap: 1/1 pages [4KB], 64KB chunk\n\n\
        md10 : active raid10 vdi[3] vdh[2](W) vdg[1] vdf[0](R)\n      \
        260096 blocks super 1.2 64K chunks 2 near-copies [4/4] [UUUU]\n\
        \tresync=DELAYED\n      \n\
        unused devices: <none>\n";
    let stat = parse(text);
    let parity = stat.array("md5").unwrap();
    assert_eq!(parity.geometry, "level 5, 64k chunk, algorithm 2");
    assert_eq!(parity.slots, Some((3, 2)));
    assert_eq!(parity.letters.as_deref(), Some("UU_"));
    assert_eq!(parity.members[3].flags, ['F']);
    assert_eq!(
        parity.sync,
        Some(SyncStat::Running {
            action: "recovery".into(),
            done_kib: Some((16064, 130_048)),
            remaining: Some(std::time::Duration::from_secs(6)),
            speed_kib: Some(16064),
        })
    );
    assert_eq!(parity.bitmap.as_ref().unwrap().chunk_bytes, 65536);
    let ten = stat.array("md10").unwrap();
    assert_eq!(ten.geometry, "64K chunks 2 near-copies");
    assert_eq!(ten.members[1].flags, ['W']);
    assert_eq!(ten.members[3].flags, ['R']);
    let waiting = SyncStat::Waiting {
        action: "resync".into(),
        why: "DELAYED".into(),
    };
    assert_eq!(ten.sync, Some(waiting));
    assert_eq!(ten.bitmap, None);
}

#[test]
fn version_6_prints_wrong_chunks_and_small_chunks_are_in_bytes() {
    for (line, pages, chunk) in [
        ("19/19 pages [76KB], 0B chunk", 19, 0),
        ("32/32 pages [128KB], 128B chunk", 32, 128),
        ("1/1 pages [4KB], 512B chunk", 1, 512),
        ("1/1 pages [4KB], 1KB chunk", 1, 1024),
    ] {
        let text = format!("md0 : active raid1 a[0]\n      9 blocks\n      bitmap: {line}\n\n");
        let bitmap = one(&text).bitmap.unwrap();
        assert_eq!((bitmap.total_pages, bitmap.chunk_bytes), (pages, chunk));
    }
}

#[test]
fn file_bitmaps_name_their_file() {
    let text = "md0 : active raid1 sdb1[1] sda1[0]\n      \
        130048 blocks [2/2] [UU]\n      \
        bitmap: 2/4 pages [8KB], 4KB chunk, file: /mnt/my\\040bitmap\n\n";
    let array = one(text);
    assert_eq!(array.metadata, "0.90");
    let bitmap = array.bitmap.unwrap();
    assert_eq!(bitmap.file.as_deref(), Some("/mnt/my bitmap"));
    assert_eq!(bitmap.used_pages, 2);
}

#[test]
fn read_only_inactive_broken_and_foreign_ones() {
    let text = "md0 : active (read-only) raid1 a[0]\n      8 blocks super 1.0 [2/1] [U_]\n      \n\
        md1 : active (auto-read-only) raid1 a[0]\n      8 blocks super 1.0 [1/1] [U]\n\
        \tresync=PENDING\n      \n\
        md2 : inactive sdc1[0](S) sdd1[3](S)\n      8 blocks super 1.2\n       \n\
        md3 : broken raid0 sde[0]\n      8 blocks super external:/md127/0 512k chunks\n      \n\
        md127 : inactive sdf[0](S)\n      8 blocks super external:imsm\n       \n\
        md_d4 : active raid1 cciss!c0d0[1](J) x[0]\n      8 blocks super non-persistent [2/2] [UU]\n\n\
        unused devices: <none>\n";
    let stat = parse(text);
    let names: Vec<_> = stat.arrays.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["md0", "md1", "md2", "md3", "md127", "md_d4"]);
    let [zero, one, two, three, container, four] = &stat.arrays[..] else {
        panic!();
    };
    assert_eq!(zero.read_only, ReadOnly::Yes);
    assert_eq!(zero.level.as_deref(), Some("raid1"));
    assert_eq!(one.read_only, ReadOnly::Auto);
    let pending = one.sync.as_ref().unwrap();
    assert!(matches!(pending, SyncStat::Waiting { why, .. } if why == "PENDING"));
    assert_eq!(two.state, State::Inactive);
    assert_eq!(two.level, None);
    assert_eq!(two.members.len(), 2);
    assert_eq!(two.members[1].flags, ['S']);
    assert_eq!(two.blocks_kib, Some(8));
    assert_eq!(three.state, State::Broken);
    assert_eq!(three.metadata, "external:/md127/0");
    assert_eq!(container.metadata, "external:imsm");
    assert_eq!(four.metadata, "non-persistent");
    assert_eq!(four.members[0].name, "cciss!c0d0");
    assert_eq!(four.members[0].flags, ['J']);
}

#[test]
fn damaged_text_is_passed_over() {
    let text = "md0 : \n      99999999999999999999999 blocks super\n      \
        bitmap: 1/x pages [KB], 99999999999999999999KB chunk\n      \
        [=  resync = nan\n      \
        bitmap: pages\n  = \n[\n : \n";
    let stat = parse(text);
    assert_eq!(stat.arrays[0].blocks_kib, None);
    assert_eq!(stat.arrays[0].bitmap, None);
}

proptest! {
    #[test]
    fn no_text_makes_it_fail(text in "[a-z0-9 \\[\\]()/:=%,.\n\t_UKBmd-]*") {
        let _ = parse(&text);
        let _ = parse(&format!("md0 : active raid1 a[0]\n      {text}"));
        let _ = parse(&format!("md0 : active raid1 a[0]\n      bitmap: {text}"));
    }
}
