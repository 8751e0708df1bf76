//! `--like`: geometry, UUID and events from the md superblocks of members.

use super::{Loop, create, folder, names, sha256, status};
use mdbitmap::format::bitmap_super::RawBitmapSuper;
use mdbitmap::format::level::Level;
use mdbitmap::format::md_v1::{Builder, Minor, feature, role};
use mdbitmap::format::md_v090;
use mdbitmap::format::placement::ChunkSize;
use mdbitmap::format::placement::content::NewBitmap;
use mdbitmap::format::uuid_text;
use mdbitmap::units::{Bytes, Events, Sectors};
use std::fs;
use std::path::{Path, PathBuf};

/// Stands for an array UUID of the test's own: `--clean` looks for members on all block devices,
/// those of tests that run at the same time among them.
const SET_UUID: [u8; 16] = *b"0123456789abcdef";
const DEVICE: u64 = 40000;

fn mirror(minor: Minor) -> Builder {
    Builder {
        set_uuid: SET_UUID,
        events: Events(77),
        bitmap_offset: None,
        ..Builder::mirror(minor, Sectors(DEVICE))
    }
}

/// The array UUID of a test that works in this folder.
fn uuid_of(folder: &Path) -> [u8; 16] {
    let digest = sha256(folder.to_str().unwrap().as_bytes());
    std::array::from_fn(|i| u8::from_str_radix(&digest[2 * i..2 * i + 2], 16).unwrap())
}

/// The image of a member.
fn image(folder: &Path, name: &str, builder: &Builder) -> PathBuf {
    let path = folder.join(name);
    let mut builder = builder.clone();
    if builder.set_uuid == SET_UUID {
        builder.set_uuid = uuid_of(folder);
    }
    let mut bytes = vec![0; DEVICE as usize * 512];
    let start = builder.minor.super_start(builder.device).unwrap().0 as usize * 512;
    let superblock = builder.build().to_bytes();
    bytes[start..start + superblock.len()].copy_from_slice(&superblock);
    fs::write(&path, bytes).unwrap();
    path
}

/// The same with an internal bitmap of 4 KiB chunks and these bits.
fn image_with_bitmap(folder: &Path, name: &str, bits: u8) -> PathBuf {
    let builder = Builder {
        bitmap_offset: Some(8),
        ..mirror(Minor::V2)
    };
    let path = image(folder, name, &builder);
    let bitmap = NewBitmap {
        uuid: uuid_of(folder),
        sync_size: builder.component,
        chunk: ChunkSize::MDADM_SMALLEST,
        delay_seconds: 5,
        write_behind: 0,
        events: Events(77),
        cluster: None,
    };
    let mut bytes = fs::read(&path).unwrap();
    bytes[8192..8448].copy_from_slice(&bitmap.superblock().to_bytes());
    bytes[8500] = bits;
    fs::write(&path, bytes).unwrap();
    path
}

/// Both members of a mirror.
fn both(folder: &Path) -> (PathBuf, PathBuf) {
    let second = Builder {
        dev_number: 1,
        ..mirror(Minor::V2)
    };
    (
        image(folder, "one", &mirror(Minor::V2)),
        image(folder, "two", &second),
    )
}

fn bitmap(path: &Path) -> (RawBitmapSuper, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    (
        RawBitmapSuper::from_bytes(&bytes).unwrap(),
        bytes[256..].to_vec(),
    )
}

fn like(member: &Path) -> String {
    format!("--like={}", member.display())
}

#[test]
fn geometry_and_uuid_come_from_the_member() {
    let raid5 = Builder {
        level: Level::Raid5,
        layout: 2,
        raid_chunk: Sectors(1024),
        raid_disks: 3,
        roles: vec![0, 1, 2],
        ..mirror(Minor::V2)
    };
    let raid10 = Builder {
        level: Level::Raid10,
        layout: 0x102,
        raid_disks: 4,
        roles: vec![0, 1, 2, 3],
        ..raid5.clone()
    };
    let folder = folder();
    for (name, builder, sectors) in [
        ("1.0", mirror(Minor::V0), 39936),
        ("1.1", mirror(Minor::V1), 37888),
        ("1.2", mirror(Minor::V2), 37888),
        // Parity: whole RAID chunks of a member. RAID10: the array.
        ("raid5", raid5, 37888),
        ("raid10", raid10, 2 * 37888),
    ] {
        let member = image(folder.path(), name, &builder);
        let path = folder.path().join(format!("{name}.bitmap"));
        let output = create([&like(&member), "--chunk=4K", path.to_str().unwrap()]);
        status(&output, 0);
        let (raw, bits) = bitmap(&path);
        assert_eq!(raw.sync_size_sectors, sectors, "{name}");
        assert_eq!(raw.uuid, uuid_of(folder.path()));
        // Like mdadm's: no events, so that the kernel trusts nothing in it.
        assert_eq!((raw.events, raw.events_cleared), (0, 0));
        assert_eq!(bits.len() as u64, (sectors / 8).div_ceil(8));
        assert!(bits.iter().all(|&b| b == 0xff));
    }
}

#[test]
fn a_0_90_uuid_keeps_its_words() {
    let folder = folder();
    let builder = md_v090::Builder {
        uuid: SET_UUID,
        ..md_v090::Builder::mirror(Bytes(DEVICE * 512))
    };
    let start = md_v090::super_start(Bytes(DEVICE * 512)).unwrap();
    let mut bytes = vec![0; DEVICE as usize * 512];
    let superblock = builder.build().to_bytes();
    let at = start.0 as usize * 512;
    bytes[at..at + superblock.len()].copy_from_slice(&superblock);
    let member = folder.path().join("member");
    fs::write(&member, bytes).unwrap();
    let path = folder.path().join("bitmap");
    status(&create([&like(&member), path.to_str().unwrap()]), 0);
    let (raw, _) = bitmap(&path);
    assert_eq!(raw.uuid, SET_UUID);
    assert_eq!(raw.sync_size_sectors, 39808);
}

#[test]
fn clean_takes_the_events_of_a_clean_array() {
    let folder = folder();
    let (one, two) = both(folder.path());
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    // Nothing but its own superblock would tell that the other member is being recovered.
    let (_, err) = status(&create([&like(&one), "--clean", target]), 3);
    assert!(
        err.contains("none was found for slots [1]; give --like=MEMBER once for each"),
        "{err}"
    );
    let (out, _) = status(&create([&like(&one), &like(&two), "--clean", target]), 0);
    assert!(out.contains("all clean"), "{out}");
    let (raw, bits) = bitmap(&path);
    assert_eq!((raw.events, raw.events_cleared, raw.state), (77, 77, 0));
    assert!(bits.iter().all(|&b| b == 0));
}

/// Everything that speaks against zero bits: refused, nothing written.
#[test]
fn clean_is_refused_where_members_may_differ() {
    let builder = || mirror(Minor::V2);
    let folder = folder();
    for (name, builder, reason) in [
        (
            "unclean",
            Builder {
                resync_offset: Some(Sectors(0)),
                ..builder()
            },
            "the array is not clean",
        ),
        (
            "vacant",
            Builder {
                roles: vec![0, role::FAULTY],
                ..builder()
            },
            "the array is degraded: slots [1] are vacant",
        ),
        (
            "spare",
            Builder {
                roles: vec![role::SPARE, 0, 1],
                ..builder()
            },
            "holds no slot",
        ),
        (
            "recovering",
            Builder {
                features: feature::RECOVERY_OFFSET,
                ..builder()
            },
            "is being recovered",
        ),
    ] {
        let member = image(folder.path(), name, &builder);
        let path = folder.path().join("bitmap");
        let output = create([&like(&member), "--clean", path.to_str().unwrap()]);
        let (_, err) = status(&output, 3);
        assert!(err.contains("--clean refused: "), "{err}");
        assert!(err.contains(reason), "{name}: {err}");
        assert!(!path.exists());
        // Without --clean there is nothing to object to.
        let output = create([&like(&member), "--dry-run", path.to_str().unwrap()]);
        status(&output, 0);
    }
}

/// A recovery by bitmap that was interrupted leaves nothing in the other members' superblocks;
/// the array's own bitmap still has the bits.
#[test]
fn clean_is_refused_while_the_own_bitmap_has_dirty_chunks() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    let dirty = image_with_bitmap(folder.path(), "dirty", 0x40);
    let (_, err) = status(&create([&like(&dirty), "--clean", target]), 3);
    assert!(
        err.contains("the array's internal bitmap says that 1 of 4736 chunks may differ"),
        "{err}"
    );
    let clean = image_with_bitmap(folder.path(), "clean", 0);
    status(&create([&like(&clean), "--clean", target]), 0);
    // The same for a bitmap file that would be replaced.
    status(&create([&like(&clean), "--force", target]), 0);
    let (_, err) = status(&create([&like(&clean), "--clean", "--force", target]), 3);
    assert!(err.contains("the bitmap to be replaced says that"), "{err}");
}

/// The recovering member's own superblock tells, wherever it is found.
#[test]
fn clean_is_refused_while_another_member_is_recovered_by_bitmap() {
    let folder = folder();
    let recovering = Builder {
        dev_number: 1,
        features: feature::RECOVERY_OFFSET | feature::RECOVERY_BITMAP,
        ..mirror(Minor::V2)
    };
    let one = image(folder.path(), "one", &mirror(Minor::V2));
    let two = image(folder.path(), "two", &recovering);
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    let (_, err) = status(&create([&like(&one), &like(&two), "--clean", target]), 3);
    assert!(err.contains("is being recovered"), "{err}");
    // Not even a dirty one: the kernel would leave out the rest of the recovery.
    let (_, err) = status(&create([&like(&two), target]), 3);
    assert!(err.contains("let the recovery finish first"), "{err}");
    let Some(device) = Loop::on(&two) else {
        eprintln!("SKIPPED: no loop device can be made here");
        return;
    };
    // Not given, but a block device of this machine.
    let (_, err) = status(&create([&like(&one), "--clean", target]), 3);
    assert!(
        err.contains(&format!("{}: this member is being recovered", device.node)),
        "{err}"
    );
    assert!(!path.exists());
}

#[test]
fn members_on_block_devices_are_found() {
    let folder = folder();
    let (one, two) = both(folder.path());
    let Some(_device) = Loop::on(&two) else {
        eprintln!("SKIPPED: no loop device can be made here");
        return;
    };
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    status(&create([&like(&one), "--clean", target]), 0);
}

#[test]
fn several_members_must_agree() {
    let folder = folder();
    let (one, two) = both(folder.path());
    let second = Builder {
        dev_number: 1,
        ..mirror(Minor::V2)
    };
    let newer = Builder {
        events: Events(78),
        ..second.clone()
    };
    let newer = image(folder.path(), "newer", &newer);
    let other = Builder {
        set_uuid: [1; 16],
        ..second
    };
    let other = image(folder.path(), "other", &other);
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    status(
        &create([&like(&one), &like(&two), "--clean", "--dry-run", target]),
        0,
    );
    let (_, err) = status(&create([&like(&one), &like(&newer), "--clean", target]), 3);
    assert!(err.contains("has event count 78"), "{err}");
    let (_, err) = status(&create([&like(&one), &like(&other), target]), 3);
    assert!(err.contains("belongs to array 01010101:"), "{err}");
    assert!(!path.exists());
}

/// The image would be replaced by a bitmap.
#[test]
fn a_member_is_never_its_own_bitmap() {
    let folder = folder();
    let member = image(folder.path(), "member", &mirror(Minor::V2));
    std::os::unix::fs::symlink("member", folder.path().join("link")).unwrap();
    let before = fs::read(&member).unwrap();
    for target in ["member", "link"] {
        let target = folder.path().join(target);
        let output = create([&like(&member), "--force", target.to_str().unwrap()]);
        let (_, err) = status(&output, 3);
        assert!(err.contains("a bitmap there would destroy it"), "{err}");
    }
    assert!(fs::read(&member).unwrap() == before);
}

#[test]
fn another_uuid_is_warned_of_and_never_vouched_for() {
    let folder = folder();
    let member = image(folder.path(), "member", &mirror(Minor::V2));
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    let uuid = "--uuid=01234567:89abcdef:fedcba98:76543210";
    let (_, err) = status(&create([&like(&member), "--clean", uuid, target]), 3);
    assert!(err.contains("under another one"), "{err}");
    let (_, err) = status(&create([&like(&member), uuid, target]), 0);
    let own = uuid_text::in_byte_order(&uuid_of(folder.path()));
    assert!(err.contains(&format!("the array's UUID is {own}")), "{err}");
    assert_eq!(bitmap(&path).0.uuid[..2], [0x01, 0x23]);
}

#[test]
fn what_is_no_member_is_refused() {
    let folder = folder();
    let empty = folder.path().join("empty");
    fs::write(&empty, vec![0; 1 << 20]).unwrap();
    let path = folder.path().join("bitmap");
    let target = path.to_str().unwrap();
    let (_, err) = status(&create([&like(&empty), target]), 3);
    assert!(err.contains("holds no md superblock; expected"), "{err}");
    let raid0 = Builder {
        level: Level::Raid0,
        raid_chunk: Sectors(1024),
        ..mirror(Minor::V2)
    };
    let raid0 = image(folder.path(), "raid0", &raid0);
    let (_, err) = status(&create([&like(&raid0), target]), 3);
    assert!(err.contains("no bitmap"), "{err}");
    let missing = folder.path().join("missing");
    status(&create([&like(&missing), target]), 1);
    let (_, err) = status(&create(["--array=/dev/null", target]), 3);
    assert!(err.contains("is no running md array"), "{err}");
    assert_eq!(names(folder.path()), ["empty", "raid0"]);
}
