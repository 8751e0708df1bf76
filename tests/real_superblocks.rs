//! Superblocks written by real kernels and mdadm: the golden images of `fixtures/`, against what `mdadm --examine`
//! printed of them and what the kernel counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mdbitmap::array::verdict::{LoadAction, LoadModel, Scope, assess};
use mdbitmap::array::{Assembly, FoundSuper, MemberSuper, MetadataVersion, Role, probe, sync_size};
use mdbitmap::bitmap::Bitmap;
use mdbitmap::device::{MemoryStore, Store};
use mdbitmap::format::bit_array::BitOrder;
use mdbitmap::format::lockless::StateCounts;
use mdbitmap::units::Bytes;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

struct Image {
    name: String,
    folder: PathBuf,
    store: MemoryStore,
}

/// Every image of a member in the golden folders whose path contains `part`, one at a time.
fn images(part: &str) -> impl Iterator<Item = Image> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    };
    let folders = entries(&root)
        .into_iter()
        .filter(|folder| folder.join("facts").exists());
    let files: Vec<PathBuf> = folders.flat_map(|folder| entries(&folder)).collect();
    let part = part.to_owned();
    files.into_iter().filter_map(move |file| {
        let stem = file
            .file_name()?
            .to_str()?
            .strip_suffix(".img.gz")?
            .to_owned();
        let folder = file.parent()?.to_owned();
        let name = format!("{}/{stem}", folder.file_name()?.to_str()?);
        if !name.contains(&part) || !folder.join(format!("{stem}.mdadm-E")).exists() {
            return None;
        }
        let bytes = unpack(&file, &folder);
        Some(Image {
            store: MemoryStore::new(name.clone(), bytes),
            folder,
            name,
        })
    })
}

/// The image at its full length. Where the metadata lies at the start, the first MiB is enough; the rest stays zero.
fn unpack(file: &Path, folder: &Path) -> Vec<u8> {
    let packed = fs::read(file).unwrap();
    let len = u32::from_le_bytes(*packed.last_chunk().unwrap()) as usize;
    let facts = fs::read_to_string(folder.join("facts")).unwrap();
    let at_end = facts.contains("metadata=1.0\n") || facts.contains("metadata=0.90\n");
    let wanted = if at_end { len } else { len.min(1 << 20) };
    let mut bytes = vec![0; len];
    flate2::read::GzDecoder::new(&packed[..])
        .read_exact(&mut bytes[..wanted])
        .unwrap();
    bytes
}

impl Image {
    fn found(&self) -> FoundSuper {
        let mut result = probe(&self.store, None);
        assert!(
            result.rejected.is_empty() && result.unreadable.is_empty(),
            "{}: {result:?}",
            self.name
        );
        assert_eq!(result.found.len(), 1, "{}: {:?}", self.name, result.found);
        result.found.remove(0)
    }

    fn is_dm_raid(&self) -> bool {
        self.name.starts_with("dmraid")
    }

    /// The value that `mdadm --examine` printed behind `label :`.
    fn printed(&self, label: &str) -> Option<String> {
        let stem = self.name.split('/').nth(1).unwrap();
        let text = fs::read_to_string(self.folder.join(format!("{stem}.mdadm-E"))).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once(" : "));
        let found = lines.find(|(name, _)| name.trim() == label);
        found.map(|(_, value)| value.trim().to_owned())
    }

    fn number(&self, label: &str) -> Option<u64> {
        self.printed(label)?.split_whitespace().next()?.parse().ok()
    }
}

/// One pass over all images: unpacking them is what takes time.
#[test]
fn every_superblock_is_read_as_mdadm_and_the_kernel_read_it() {
    let (mut natives, mut sizes) = (0, 0);
    for image in images("") {
        let found = image.found();
        assert_encoded_bit_exactly(&image, &found);
        if !image.is_dm_raid() {
            assert_read_as_mdadm_printed(&image, &found.member);
            natives += 1;
        }
        sizes += usize::from(assert_covers_what_the_kernel_wrote(&image, &found.member));
    }
    assert!(
        natives >= 40 && sizes >= 40,
        "only {natives} superblocks, {sizes} sizes"
    );
}

fn assert_encoded_bit_exactly(image: &Image, found: &FoundSuper) {
    assert_eq!(found.refusals, [], "{}", image.name);
    let bytes = found.raw.to_bytes();
    let mut on_disk = vec![0; bytes.len()];
    image
        .store
        .read_at(found.member.super_start, &mut on_disk)
        .unwrap();
    assert!(bytes == on_disk, "{}: the bytes change", image.name);
}

fn assert_read_as_mdadm_printed(image: &Image, member: &MemberSuper) {
    let name = &image.name;
    let says = |label: &str| {
        image
            .printed(label)
            .unwrap_or_else(|| panic!("{name}: no {label}"))
    };
    assert_eq!(
        says("Version").replace("0.90.00", "0.90"),
        member.metadata.to_string(),
        "{name}"
    );
    assert_eq!(says("Raid Level"), member.level.to_string(), "{name}");
    assert_eq!(
        image.number("Raid Devices"),
        Some(u64::from(member.raid_disks)),
        "{name}"
    );
    assert_eq!(image.number("Events"), Some(member.events.0), "{name}");
    let clean = says("State");
    let shown = if member.is_clean() { "clean" } else { "active" };
    assert!(clean.starts_with(shown), "{name}: {clean}");
    // Printed where it differs from what is available.
    let used = image.number("Used Dev Size");
    match member.metadata {
        MetadataVersion::V0_90(_) => {
            assert_eq!(says("UUID"), member.uuid_text(), "{name}");
            assert_eq!(member.component.map(|used| used.0 / 2), used, "{name}");
        }
        _ => {
            assert_eq!(says("Array UUID"), member.uuid_text(), "{name}");
            let used = used.or(image.number("Avail Dev Size"));
            assert_eq!(member.component.map(|used| used.0), used, "{name}");
            assert_eq!(
                image.number("Super Offset"),
                Some(member.super_start.0 / 512),
                "{name}"
            );
            let role = says("Device Role");
            let expected = match member.role {
                Role::Slot(slot) => format!("Active device {slot}"),
                Role::Spare => "spare".to_owned(),
                other => panic!("{name}: {other}"),
            };
            assert_eq!(role, expected, "{name}");
            let state = says("Array State");
            let vacant: Vec<u32> = (0..)
                .zip(state.chars().take_while(|c| *c != ' '))
                .filter(|(_, c)| *c == '.')
                .map(|(n, _)| n)
                .collect();
            assert_eq!(vacant, member.vacant_slots(), "{name}");
        }
    }
    if let Some(offset) = image.printed("Internal Bitmap") {
        let place = member.bitmap.as_ref().unwrap();
        let sectors = (place.start.0 as i64 - member.super_start.0 as i64) / 512;
        let printed = offset
            .split(' ')
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap_or(8);
        assert_eq!(sectors, printed, "{name}");
    } else {
        assert!(member.bitmap.is_err(), "{name}");
    }
}

/// The kernel puts its own size into the bitmap superblock whenever it writes that.
fn assert_covers_what_the_kernel_wrote(image: &Image, member: &MemberSuper) -> bool {
    let Ok(place) = &member.bitmap else {
        return false;
    };
    let bitmap = Bitmap::open(&image.store, place.start, BitOrder::Little).unwrap();
    // Before the first write by a kernel it is what mdadm thought.
    let written = bitmap.raw().has_magic() && bitmap.raw().events > 0;
    if written {
        assert_eq!(
            sync_size::expected(member),
            Ok(bitmap.raw().sync_size()),
            "{}",
            image.name
        );
    }
    written
}

/// `md/llbitmap/bits` after the array was assembled read-only from these very members.
#[test]
fn version_6_is_loaded_as_the_kernel_loads_it() {
    let mut compared = 0;
    for image in images("lockless") {
        let Ok(expected) = fs::read_to_string(image.folder.join("expected.bits-after-load")) else {
            continue;
        };
        let found = image.found();
        let place = found.member.bitmap.clone().unwrap();
        let bitmap = Bitmap::open(&image.store, place.start, BitOrder::Little).unwrap();
        let folder = image.folder.file_name().unwrap().to_str().unwrap();
        let members: Vec<FoundSuper> = images(&format!("{folder}/"))
            .map(|other| other.found())
            .collect();
        let assembly = Assembly::new(&found, &members);
        if assembly.is_left_out() || !matches!(assembly.own_role(), Role::Slot(_)) {
            continue;
        }
        let assessment = assess(&assembly, bitmap.raw(), None);
        let model = match assessment.scope {
            Scope::States(states) => states.model,
            // Degraded and clean: nothing is resynchronised, and nothing spreads.
            _ => LoadModel {
                action: LoadAction::Reload,
                degraded: true,
                parity: found.member.level.has_parity(),
            },
        };
        let chunks = bitmap
            .coverage()
            .unwrap()
            .with_sync_size(sync_size::expected(&found.member).unwrap())
            .chunks();
        let mut counts = StateCounts::default();
        let end = 1024 + chunks as usize;
        for unit in (0..end.next_multiple_of(512)).step_by(512) {
            let mut bytes = [0; 512];
            image
                .store
                .read_at(Bytes(place.start.0 + unit as u64), &mut bytes)
                .unwrap();
            let inside = 1024usize.saturating_sub(unit).min(512)..end.saturating_sub(unit).min(512);
            model.load_unit(&mut bytes, inside.clone());
            counts.add(&StateCounts::of(&bytes[inside]));
        }
        let counted = format!(
            "unwritten {}\nclean {}\ndirty {}\nneed sync {}\nsyncing {}\nneed sync unwritten {}\nsyncing unwritten {}\nclean unwritten {}\n",
            counts.unwritten,
            counts.clean,
            counts.dirty,
            counts.need_sync,
            counts.syncing,
            counts.need_sync_unwritten,
            counts.syncing_unwritten,
            counts.clean_unwritten,
        );
        assert_eq!(counted, expected, "{}", image.name);
        compared += 1;
    }
    assert!(compared >= 8, "only {compared}");
}
