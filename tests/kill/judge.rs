//! What a kernel would synchronise of an array whose members hold these bytes: written from the rules alone
//! (reference/kernel.md 3, 6, 7), without a line of the library, so that it cannot share a mistake with it.

use crate::images::CHUNK;

const SUPER: usize = 4096;
const NO_RESYNC: u64 = u64::MAX;

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// What decides in a superblock of 1.2.
struct Super {
    events: u64,
    resync_offset: u64,
    /// Sectors from the superblock.
    bitmap: Option<i64>,
    array: Vec<u8>,
}

fn superblock(image: &[u8]) -> Result<Super, String> {
    let bytes = &image[SUPER..];
    if u32_at(bytes, 0) != 0xa92b_4efc {
        return Err("no md superblock".to_owned());
    }
    let roles = u32_at(bytes, 220) as usize;
    let length = 256 + 2 * roles;
    let mut sum = 0_u64;
    for at in (0..length - length % 4).step_by(4).filter(|at| *at != 216) {
        sum += u64::from(u32_at(bytes, at));
    }
    if length % 4 == 2 {
        sum += u64::from(u16_at(bytes, length - 2));
    }
    let sum = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
    if sum != u32_at(bytes, 216) {
        return Err(format!("checksum {:x}, not {sum:x}", u32_at(bytes, 216)));
    }
    let number = u32_at(bytes, 160) as usize;
    if u16_at(bytes, 256 + 2 * number) >= 0xfff0 {
        return Err("a member that is not active".to_owned());
    }
    Ok(Super {
        events: u64_at(bytes, 200),
        resync_offset: u64_at(bytes, 208),
        bitmap: (u32_at(bytes, 8) & 1 != 0).then(|| i64::from(u32_at(bytes, 96) as i32)),
        array: bytes[16..32].to_vec(),
    })
}

/// Of each [`CHUNK`] of an array, whether the kernel would synchronise it, with this superblock to decide and this copy of
/// the bitmap. `None`: it does not start the array.
fn synchronised(by: &Super, image: &[u8], chunks: u64) -> Option<Vec<bool>> {
    let all = |answer| Some(vec![answer; chunks as usize]);
    let unclean = by.resync_offset != NO_RESYNC;
    let Some(bitmap) = by.bitmap else {
        return all(unclean);
    };
    let bytes = &image[(SUPER as i64 + bitmap * 512) as usize..];
    let version = u32_at(bytes, 4);
    let (size, sleep) = (u64_at(bytes, 40), u32_at(bytes, 56));
    let raw_chunk = u64::from(u32_at(bytes, 52));
    let chunk = if version == 6 {
        raw_chunk
    } else {
        raw_chunk / 512
    };
    let usable = u32_at(bytes, 0) == 0x6d74_6962
        && [3, 4, 5, 6].contains(&version)
        && bytes[8..24] == by.array
        && chunk.is_power_of_two()
        && sleep > 0;
    if !usable {
        return None;
    }
    // Stale, or a write of it failed.
    if u64_at(bytes, 24) < by.events || u32_at(bytes, 48) & 6 != 0 {
        return all(version == 6 || unclean);
    }
    let answer = (0..chunks).map(|number| {
        // Of the chunks of this bitmap that hold some of it, each one is wanted.
        let (start, end) = (number * CHUNK, (number + 1) * CHUNK);
        (start / chunk..end.div_ceil(chunk)).all(|index| {
            let index = index as usize;
            let covered = (index as u64 + 1) * chunk <= size.next_multiple_of(chunk);
            match version {
                6 => covered && !matches!(bytes[1024 + index], 0 | 1 | 7),
                // A bitmap of a cluster: what is on disk is resynchronised by whichever node was up.
                _ => covered && unclean && bytes[256 + index / 8] >> (index % 8) & 1 == 1,
            }
        })
    });
    Some(answer.collect())
}

/// Nothing that has to be synchronised is left out, whichever of the freshest superblocks decides, and whichever copy of
/// the bitmap is read.
pub(crate) fn judge(images: &[Vec<u8>], chunks: u64, required: &[u64]) -> Result<(), String> {
    let mut supers = Vec::new();
    for (number, image) in images.iter().enumerate() {
        supers.push(superblock(image).map_err(|why| format!("member {number}: {why}"))?);
    }
    let newest = supers.iter().map(|one| one.events).max().unwrap();
    // Otherwise a member is left out (W1).
    if let Some(late) = supers.iter().find(|one| one.events + 1 < newest) {
        return Err(format!(
            "a member at event {}, another at {newest}",
            late.events
        ));
    }
    for by in supers.iter().filter(|one| one.events == newest) {
        for (number, image) in images.iter().enumerate() {
            let Some(synchronised) = synchronised(by, image, chunks) else {
                continue;
            };
            let left: Vec<_> = required
                .iter()
                .filter(|chunk| !synchronised[**chunk as usize])
                .collect();
            if !left.is_empty() {
                return Err(format!(
                    "chunks {left:?} are not synchronised by the bitmap of member {number} at event {newest}"
                ));
            }
        }
    }
    Ok(())
}

/// The judge judges: what is wrong on purpose is found.
#[test]
fn what_is_wrong_is_found() {
    let array = crate::images::Array {
        dirty: vec![3, 9],
        ..crate::images::all(4)[0].clone()
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    array.write(folder.path());
    let images: Vec<Vec<u8>> = array
        .names()
        .iter()
        .map(|name| std::fs::read(folder.path().join(name)).unwrap())
        .collect();
    let judged = |edit: &dyn Fn(&mut Vec<Vec<u8>>), required: &[u64]| {
        let mut images = images.clone();
        edit(&mut images);
        judge(&images, array.chunks(), required)
    };
    let seal = |image: &mut Vec<u8>| {
        let mut raw =
            mdbitmap::format::md_v1::RawSuper::from_bytes(&image[SUPER..SUPER + 4096]).unwrap();
        assert!(raw.seal());
        let bytes = raw.to_bytes();
        image[SUPER..SUPER + bytes.len()].copy_from_slice(&bytes);
    };
    assert_eq!(judged(&|_| {}, &[3, 9]), Ok(()));
    assert!(judged(&|_| {}, &[3, 4]).is_err());
    // One copy alone that lacks a mark; unless it is stale.
    let lost = |images: &mut Vec<Vec<u8>>| images[1][8192 + 256] = 0;
    assert!(judged(&lost, &[3, 9]).is_err());
    let stale = |images: &mut Vec<Vec<u8>>| {
        lost(images);
        images[1][8192 + 24] -= 1;
    };
    assert_eq!(judged(&stale, &[3, 9]), Ok(()));
    // One member that says that the array is clean, and is as fresh as the other.
    let clean = |images: &mut Vec<Vec<u8>>| {
        images[0][SUPER + 208..SUPER + 216].fill(255);
        seal(&mut images[0]);
    };
    assert!(judged(&clean, &[3, 9]).is_err());
    assert_eq!(judged(&clean, &[]), Ok(()));
    let two_events = |images: &mut Vec<Vec<u8>>| {
        images[0][SUPER + 200] += 2;
        seal(&mut images[0]);
    };
    assert!(judged(&two_events, &[]).is_err());
    assert!(judged(&|images| images[0][SUPER + 200] += 1, &[]).is_err());
}
