//! Signatures of other people's data on a store: what a new bitmap would destroy.
//!
//! Magic numbers from the formats' own documentation. md superblocks are not looked for here:
//! that is `array::probe`'s work.

#[cfg(test)]
mod tests;

use super::store::{Store, StoreError};
use crate::units::Bytes;

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// What it is, in a few words.
    pub name: &'static str,
    /// First byte of the structure that shows it.
    pub start: Bytes,
    /// First byte after that structure.
    pub end: Bytes,
}

/// Fixed bytes at a fixed place.
struct Magic {
    name: &'static str,
    /// Where the structure starts, and how long it is.
    at: u64,
    len: u64,
    /// Where in it the magic bytes are.
    skip: u64,
    bytes: &'static [u8],
}

const fn magic(name: &'static str, at: u64, len: u64, skip: u64, bytes: &'static [u8]) -> Magic {
    Magic {
        name,
        at,
        len,
        skip,
        bytes,
    }
}

/// The copy of a LUKS2 header lies behind the first one, whose length the user chose.
const fn second_luks2(at: u64) -> Magic {
    magic("second LUKS2 header", at, 4096, 0, b"SKUL\xba\xbe\x00\x02")
}

/// Long or telling enough to need no second look.
const MAGICS: &[Magic] = &[
    magic("xfs file system", 0, 512, 0, b"XFSB"),
    magic("btrfs file system", 65536, 4096, 64, b"_BHRfS_M"),
    magic("LVM physical volume", 0, 512, 0, b"LABELONE"),
    magic("LVM physical volume", 512, 512, 0, b"LABELONE"),
    magic("LVM physical volume", 1024, 512, 0, b"LABELONE"),
    magic("LVM physical volume", 1536, 512, 0, b"LABELONE"),
    magic("LUKS1 header", 0, 592, 0, b"LUKS\xba\xbe\x00\x01"),
    magic("LUKS2 header", 0, 4096, 0, b"LUKS\xba\xbe\x00\x02"),
    second_luks2(0x4000),
    second_luks2(0x8000),
    second_luks2(0x1_0000),
    second_luks2(0x2_0000),
    second_luks2(0x4_0000),
    second_luks2(0x8_0000),
    second_luks2(0x10_0000),
    second_luks2(0x20_0000),
    second_luks2(0x40_0000),
    magic("BitLocker volume", 0, 512, 3, b"-FVE-FS-"),
    magic("GPT partition table", 512, 512, 0, b"EFI PART"),
    magic("GPT partition table", 4096, 512, 0, b"EFI PART"),
    magic("ntfs file system", 0, 512, 3, b"NTFS    "),
    magic("exfat file system", 0, 512, 3, b"EXFAT   "),
    magic("ReFS file system", 0, 512, 3, b"ReFS\0\0\0\0"),
    magic(
        "bcache superblock",
        4096,
        4096,
        24,
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
    ),
    magic(
        "bcachefs file system",
        4096,
        4096,
        24,
        b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
    ),
    magic("iso9660 file system", 32768, 2048, 1, b"CD001"),
    magic("udf file system", 32768, 2048, 1, b"BEA01"),
    magic("f2fs file system", 1024, 1024, 0, b"\x10\x20\xf5\xf2"),
    magic("jfs file system", 32768, 4096, 0, b"JFS1"),
    magic("reiserfs file system", 65536, 4096, 52, b"ReIsEr"),
    magic("reiserfs file system", 8192, 4096, 52, b"ReIsEr"),
    magic("reiser4 file system", 65536, 4096, 0, b"ReIsEr4"),
    magic(
        "gfs2 file system",
        65536,
        512,
        0,
        b"\x01\x16\x19\x70\x00\x00\x00\x01",
    ),
    magic("ocfs2 file system", 1024, 512, 0, b"OCFSV2"),
    magic("ocfs2 file system", 2048, 512, 0, b"OCFSV2"),
    magic("ocfs2 file system", 4096, 512, 0, b"OCFSV2"),
    magic("ocfs2 file system", 8192, 512, 0, b"OCFSV2"),
    magic("erofs file system", 1024, 128, 0, b"\xe2\xe1\xf5\xe0"),
    magic("squashfs file system", 0, 96, 0, b"hsqs"),
    magic("squashfs file system", 0, 96, 0, b"sqsh"),
    magic("cramfs file system", 0, 76, 0, b"\x45\x3d\xcd\x28"),
    magic("apfs container", 0, 4096, 32, b"NXSB"),
    magic("dm-integrity superblock", 0, 4096, 0, b"integrt\0"),
    magic("dm-verity superblock", 0, 512, 0, b"verity\0\0"),
    magic("VDO superblock", 0, 4096, 0, b"dmvdo001"),
    magic("Ceph bluestore", 0, 4096, 0, b"bluestore block device\n"),
    magic("Stratis pool", 512, 512, 4, b"!Stra0tis"),
    magic("Stratis pool", 4608, 512, 4, b"!Stra0tis"),
];

/// The same, counted back from the end of the store.
const AT_END: &[Magic] = &[
    magic("GPT backup partition table", 512, 512, 0, b"EFI PART"),
    magic("GPT backup partition table", 4096, 512, 0, b"EFI PART"),
    magic("DDF RAID metadata", 512, 512, 0, b"\xde\x11\xde\x11"),
    magic(
        "Intel RAID metadata (IMSM)",
        1024,
        512,
        0,
        b"Intel Raid ISM Cfg Sig. ",
    ),
    magic(
        "Intel RAID metadata (IMSM)",
        8192,
        512,
        0,
        b"Intel Raid ISM Cfg Sig. ",
    ),
    magic("DRBD metadata", 4096, 4096, 60, b"\x83\x74\x02\x6a"),
    magic("DRBD metadata", 4096, 4096, 60, b"\x83\x74\x02\x6b"),
    magic("DRBD metadata", 4096, 4096, 60, b"\x83\x74\x02\x6c"),
    magic("DRBD metadata", 4096, 4096, 60, b"\x83\x74\x02\x6d"),
];

/// Everything recognised, in order of place.
///
/// # Errors
/// Those of reading: a place that cannot be read cannot be called free.
pub fn scan(store: &(impl Store + ?Sized)) -> Result<Vec<Signature>, StoreError> {
    let head = Head::read(store)?;
    let mut found: Vec<Signature> = Vec::new();
    for magic in MAGICS {
        if head.has(store, magic.at + magic.skip, magic.bytes)? {
            add(&mut found, store, magic.name, magic.at, magic.len);
        }
    }
    for magic in AT_END {
        if let Some(at) = store.len().0.checked_sub(magic.at)
            && head.has(store, at + magic.skip, magic.bytes)?
        {
            add(&mut found, store, magic.name, at, magic.len);
        }
    }
    if let Some(name) = ext(head.part(1024, 1024)) {
        add(&mut found, store, name, 1024, 1024);
    }
    if let Some((name, page)) = swap(&head) {
        add(&mut found, store, name, 0, page);
    }
    if let Some(name) = boot_sector(head.part(0, 512)) {
        add(&mut found, store, name, 0, 512);
    }
    let hfs = head.part(1024, 4);
    if matches!(hfs, [b'H', b'+', 0, 4] | [b'H', b'X', 0, 5]) {
        add(&mut found, store, "hfsplus file system", 1024, 512);
    }
    if let Some(at) = zfs(store)? {
        add(&mut found, store, "zfs pool member", at, 1024);
    }
    found.sort_by_key(|signature| (signature.start, signature.end));
    Ok(found)
}

fn add(
    found: &mut Vec<Signature>,
    store: &(impl Store + ?Sized),
    name: &'static str,
    at: u64,
    len: u64,
) {
    let signature = Signature {
        name,
        start: Bytes(at),
        end: Bytes(at.saturating_add(len).min(store.len().0)),
    };
    // On a small store the start and the end are the same place.
    if !found.contains(&signature) {
        found.push(signature);
    }
}

/// The first bytes of a store, read once: most signatures are there.
struct Head(Vec<u8>);

/// Up to the end of the btrfs superblock, behind which only second LUKS2 headers and zfs come.
const HEAD: u64 = 69632;

impl Head {
    fn read(store: &(impl Store + ?Sized)) -> Result<Self, StoreError> {
        let mut bytes = vec![0; store.len().0.min(HEAD) as usize];
        store.read_at(Bytes(0), &mut bytes)?;
        Ok(Self(bytes))
    }

    /// Bytes of the head; empty where it ends before.
    fn part(&self, at: usize, len: usize) -> &[u8] {
        self.0.get(at..at.saturating_add(len)).unwrap_or_default()
    }

    /// True when these bytes are at `at`, in the head or anywhere else on the store.
    fn has(
        &self,
        store: &(impl Store + ?Sized),
        at: u64,
        wanted: &[u8],
    ) -> Result<bool, StoreError> {
        let end = at.saturating_add(wanted.len() as u64);
        if end > store.len().0 {
            return Ok(false);
        }
        if end <= self.0.len() as u64 {
            return Ok(self.part(at as usize, wanted.len()) == wanted);
        }
        let mut bytes = vec![0; wanted.len()];
        store.read_at(Bytes(at), &mut bytes)?;
        Ok(bytes == wanted)
    }
}

fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([u8_at(bytes, at), u8_at(bytes, at + 1)])
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

/// ext2, ext3, ext4 and their journal devices: magic of 16 bits only, so the block size and the
/// revision must make sense too.
fn ext(superblock: &[u8]) -> Option<&'static str> {
    let plausible = le16(superblock, 0x38) == 0xef53
        && le32(superblock, 0x18) <= 6
        && le32(superblock, 0x4c) <= 1
        && le32(superblock, 0x04) != 0;
    if !plausible {
        return None;
    }
    let (compatible, incompatible) = (le32(superblock, 0x5c), le32(superblock, 0x60));
    let read_only_compatible = le32(superblock, 0x64);
    Some(if incompatible & 0x8 != 0 {
        "ext4 journal device"
    } else if incompatible & !0x17 != 0 || read_only_compatible & !0x7 != 0 {
        // Features that ext3 does not have.
        "ext4 file system"
    } else if compatible & 0x4 != 0 {
        "ext3 file system"
    } else {
        "ext2 file system"
    })
}

/// Swap space and hibernation images: the last ten bytes of the first page, whatever its size.
fn swap(head: &Head) -> Option<(&'static str, u64)> {
    const KINDS: [(&[u8], &str); 6] = [
        (b"SWAPSPACE2", "swap space"),
        (b"SWAP-SPACE", "swap space"),
        (b"S1SUSPEND\0", "hibernation image"),
        (b"S2SUSPEND\0", "hibernation image"),
        (b"ULSUSPEND\0", "hibernation image"),
        (b"LINHIB0001", "hibernation image"),
    ];
    [4096_usize, 8192, 16384, 32768, 65536]
        .into_iter()
        .find_map(|page| {
            let last = head.part(page - 10, 10);
            let kind = KINDS.iter().find(|(bytes, _)| *bytes == last)?;
            Some((kind.1, page as u64))
        })
}

/// FAT and MBR partition tables share the mark 55 AA at the end of the first sector.
fn boot_sector(sector: &[u8]) -> Option<&'static str> {
    if sector.get(510..512) != Some(&[0x55, 0xaa]) {
        return None;
    }
    if is_fat(sector) {
        return Some("fat file system");
    }
    let entries = sector.get(446..510)?.chunks_exact(16);
    let (mut used, mut protective) = (false, false);
    for entry in entries {
        // Status is 0 or 80h: anything else is boot code or text, not a table.
        if u8_at(entry, 0) & 0x7f != 0 {
            return None;
        }
        let kind = u8_at(entry, 4);
        used |= kind != 0 && le32(entry, 12) != 0;
        protective |= kind == 0xee;
    }
    match (used, protective) {
        (_, true) => Some("MBR partition table (protecting a GPT)"),
        (true, false) => Some("MBR partition table"),
        (false, false) => None,
    }
}

fn is_fat(sector: &[u8]) -> bool {
    let named = sector.get(54..59) == Some(b"FAT12")
        || sector.get(54..59) == Some(b"FAT16")
        || sector.get(82..87) == Some(b"FAT32");
    let sector_bytes = le16(sector, 11);
    let cluster = u8_at(sector, 13);
    let fits = sector_bytes.is_power_of_two()
        && (512..=4096).contains(&sector_bytes)
        && cluster.is_power_of_two()
        && le16(sector, 14) != 0
        && matches!(u8_at(sector, 16), 1 | 2)
        && u8_at(sector, 21) >= 0xf0;
    let jump = matches!(u8_at(sector, 0), 0xeb | 0xe9);
    fits && (named || jump)
}

/// zfs keeps four labels of 256 KiB, two at each end; the second half of a label is a ring of
/// uberblocks, of which any one tells.
fn zfs(store: &(impl Store + ?Sized)) -> Result<Option<u64>, StoreError> {
    const LABEL: u64 = 256 << 10;
    const RING: u64 = 128 << 10;
    let len = store.len().0;
    let last = (len - len % LABEL).checked_sub(LABEL);
    let labels = [
        Some(0),
        Some(LABEL),
        last,
        last.and_then(|at| at.checked_sub(LABEL)),
    ];
    let mut ring = vec![0; RING as usize];
    for label in labels.into_iter().flatten() {
        let start = label + RING;
        if start + RING > len {
            continue;
        }
        store.read_at(Bytes(start), &mut ring)?;
        for (slot, block) in ring.chunks_exact(1024).enumerate() {
            let magic = block.get(..8).unwrap_or_default();
            let version = block.get(8..16).unwrap_or_default();
            let (little, big) = match magic {
                [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0] => (true, false),
                [0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c] => (false, true),
                _ => (false, false),
            };
            let version: [u8; 8] = version.try_into().unwrap_or_default();
            let version = if little {
                u64::from_le_bytes(version)
            } else {
                u64::from_be_bytes(version)
            };
            if (little || big) && (1..=5000).contains(&version) {
                return Ok(Some(start + slot as u64 * 1024));
            }
        }
    }
    Ok(None)
}
