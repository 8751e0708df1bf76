//! Metadata in words: what the fields of superblocks and bitmap headers say, and which of them differ.

use super::plan::Part;
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper, state as bitmap_state};
use crate::format::md_v1::{self, feature, role};
use crate::format::md_v090::{self, RECOVERED, disk_state, state};
use crate::format::{utc, uuid_text};

/// A field with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// In words.
    pub value: String,
}

/// A field that says something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What it said.
    pub old: String,
    /// What it says.
    pub new: String,
}

/// The fields of what lies at a place, whose bytes begin with its first; none where it has none, or they are not there.
pub fn fields(part: Part, bytes: &[u8]) -> Vec<Field> {
    let mut list = List::default();
    match part {
        Part::Superblock => list.superblock(bytes),
        Part::BitmapHeader => list.bitmap(bytes),
        Part::BadBlockLog | Part::BitmapArea => {}
    }
    list.0
}

/// The fields in which two such places differ. Checksums are left out: they follow from the others.
pub fn differences(part: Part, old: &[u8], new: &[u8]) -> Vec<Difference> {
    let (olds, news) = (fields(part, old), fields(part, new));
    let value = |fields: &[Field], name: &str| {
        let field = fields.iter().find(|field| field.name == name);
        field.map_or_else(|| "-".to_owned(), |field| field.value.clone())
    };
    let gone = olds
        .iter()
        .filter(|old| news.iter().all(|new| new.name != old.name));
    let all = news.iter().chain(gone);
    all.map(|field| Difference {
        name: field.name.clone(),
        old: value(&olds, &field.name),
        new: value(&news, &field.name),
    })
    .filter(|difference| difference.old != difference.new)
    .collect()
}

/// What a sector holds, and what it would have to hold, where it is none of the `known`: in the words of the fields that
/// tell, else the first bytes that differ. `is_first` says that it is the first sector of what lies there.
pub fn found_and_expected(
    part: Part,
    is_first: bool,
    now: &[u8],
    known: &[&[u8]],
) -> (String, String) {
    /// Fields that are told.
    const TOLD: usize = 3;
    let in_words = if is_first {
        fields(part, now)
    } else {
        Vec::new()
    };
    let expected: Vec<Vec<Field>> = known.iter().map(|bytes| fields(part, bytes)).collect();
    let mut told = Vec::new();
    for field in in_words {
        let mut others: Vec<&str> = expected
            .iter()
            .flatten()
            .filter(|other| other.name == field.name)
            .map(|other| other.value.as_str())
            .collect();
        others.dedup();
        if !others.is_empty() && !others.contains(&field.value.as_str()) {
            let others = format!("{} {}", field.name, others.join(" or "));
            told.push((format!("{} {}", field.name, field.value), others));
        }
    }
    told.truncate(TOLD);
    if told.is_empty() {
        return first_bytes(now, known);
    }
    let (found, expected): (Vec<String>, Vec<String>) = told.into_iter().unzip();
    (found.join(", "), expected.join(", "))
}

/// The bytes from the first one on that differs from what is closest.
fn first_bytes(now: &[u8], known: &[&[u8]]) -> (String, String) {
    const TOLD: usize = 8;
    let differs = |other: &&&[u8]| now.iter().zip(**other).position(|(a, b)| a != b);
    let closest = known.iter().max_by_key(differs);
    let at = closest.as_ref().and_then(differs).unwrap_or_default();
    let text = |bytes: &[u8]| {
        let bytes = bytes.iter().skip(at).take(TOLD);
        let all: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        all.join(" ")
    };
    let mut others: Vec<String> = known.iter().map(|bytes| text(bytes)).collect();
    others.dedup();
    (
        format!("{} at byte {at} of them", text(now)),
        others.join(" or "),
    )
}

#[derive(Default)]
struct List(Vec<Field>);

impl List {
    fn add(&mut self, name: impl Into<String>, value: impl ToString) {
        self.0.push(Field {
            name: name.into(),
            value: value.to_string(),
        });
    }

    fn superblock(&mut self, bytes: &[u8]) {
        let Some(raw) = md_v1::RawSuper::from_bytes(bytes) else {
            return;
        };
        if raw.fixed.magic == md_v1::MAGIC && raw.fixed.major_version == 1 {
            return self.v1(&raw);
        }
        // The fields that are in the bytes at hand are those of the array and of the first disks.
        let mut whole = bytes.to_vec();
        whole.resize(md_v090::BYTES, 0);
        if let Some(raw) = md_v090::RawSuper::from_bytes(&whole) {
            self.v090(&raw, bytes.len() >= md_v090::BYTES);
        }
    }

    fn v1(&mut self, raw: &md_v1::RawSuper) {
        let fixed = &raw.fixed;
        let has = |bit| fixed.feature_map & bit != 0;
        self.add("events", fixed.events);
        self.add("updated", utc::text(raw.updated_seconds()));
        self.add("resync", resync(fixed.resync_offset, u64::MAX));
        let place = match (has(feature::BITMAP_OFFSET), has(feature::CLUSTERED)) {
            (false, _) if has(feature::PPL | feature::MULTIPLE_PPLS) => {
                "none (partial parity log)".to_owned()
            }
            (false, _) => "none".to_owned(),
            (true, false) => sectors_away(fixed.bitmap_offset),
            (true, true) => format!("clustered, {}", sectors_away(fixed.bitmap_offset)),
        };
        self.add("bitmap", place);
        self.add("features", features(fixed.feature_map));
        self.add(
            "bad-block log",
            match fixed.bblog_size {
                0 => "none".to_owned(),
                size => format!("{size} sectors, {}", sectors_away(fixed.bblog_offset)),
            },
        );
        self.add("level", format!("{}, layout {}", fixed.level, fixed.layout));
        self.add("members", fixed.raid_disks);
        self.add("sectors used", fixed.size);
        self.add("data at sector", fixed.data_offset);
        self.add("recovered up to sector", fixed.recovery_offset);
        self.add("array UUID", uuid_text::in_byte_order(&fixed.set_uuid));
        self.add("device UUID", uuid_text::in_byte_order(&fixed.device_uuid));
        self.add("device number", fixed.dev_number);
        for (number, entry) in raw.roles.iter().enumerate() {
            let what = match *entry {
                role::SPARE => "spare or none".to_owned(),
                role::FAULTY => "faulty".to_owned(),
                role::JOURNAL => "journal".to_owned(),
                slot => format!("slot {slot}"),
            };
            self.add(format!("device {number}"), what);
        }
    }

    fn v090(&mut self, raw: &md_v090::RawSuper, whole: bool) {
        self.add("events", raw.events());
        self.add("updated", utc::text(raw.utime().into()));
        let clean = raw.state() & state::CLEAN != 0;
        self.add(
            "resync",
            match clean {
                true => "none, stopped cleanly".to_owned(),
                false => resync(raw.recovery_cp().into(), RECOVERED.into()),
            },
        );
        let bitmap = raw.state() & state::BITMAP_PRESENT != 0;
        self.add("bitmap", if bitmap { "8 sectors behind" } else { "none" });
        self.add("members", raw.raid_disks());
        if !whole {
            return;
        }
        for (number, disk) in raw.disks().iter().enumerate() {
            let has = |bit| disk.state & bit != 0;
            let what = match (has(disk_state::FAULTY), has(disk_state::ACTIVE)) {
                (true, _) => "faulty".to_owned(),
                (false, true) => format!("slot {}", disk.raid_disk),
                (false, false) => "spare or none".to_owned(),
            };
            self.add(format!("device {number}"), what);
        }
        self.add("device number", raw.this_disk().number);
    }

    fn bitmap(&mut self, bytes: &[u8]) {
        let Some(head) = bytes.get(..BITMAP_SUPER_BYTES) else {
            return;
        };
        let raw = match RawBitmapSuper::from_bytes(head) {
            Ok(raw) if raw.has_magic() => raw,
            _ if head.iter().all(|byte| *byte == 0) => return self.add("bitmap", "none (zeros)"),
            _ => return self.add("bitmap", "none (other bytes)"),
        };
        self.add("bitmap", format!("version {}", raw.version));
        self.add("events", raw.events);
        self.add("events cleared", raw.events_cleared);
        let names = bitmap_state::names(raw.state).join(", ");
        self.add(
            "state",
            match names.is_empty() {
                true => "none".to_owned(),
                false => names,
            },
        );
        self.add(
            "chunk",
            raw.chunk_bytes()
                .map_or_else(|| "-".to_owned(), |bytes| format!("{bytes} bytes")),
        );
        self.add("covers", format!("{} sectors", raw.sync_size_sectors));
        self.add("delay", format!("{} s", raw.daemon_sleep_seconds));
        self.add("write-behind", raw.write_behind);
        self.add("reserved", format!("{} sectors", raw.sectors_reserved));
        self.add("nodes", raw.nodes);
        self.add("cluster", raw.cluster_name_text());
        self.add("UUID", uuid_text::in_byte_order(&raw.uuid));
    }
}

fn resync(offset: u64, none: u64) -> String {
    match offset {
        offset if offset == none => "none, stopped cleanly".to_owned(),
        offset => format!("from sector {offset} on, not stopped cleanly"),
    }
}

fn sectors_away(offset: i32) -> String {
    match offset {
        ..0 => format!("{} sectors before", offset.unsigned_abs()),
        _ => format!("{offset} sectors behind"),
    }
}

fn features(map: u32) -> String {
    const NAMES: [(u32, &str); 13] = [
        (feature::BITMAP_OFFSET, "bitmap"),
        (feature::RECOVERY_OFFSET, "recovery offset"),
        (feature::RESHAPE_ACTIVE, "reshape"),
        (feature::BAD_BLOCKS, "bad blocks"),
        (feature::REPLACEMENT, "replacement"),
        (feature::RESHAPE_BACKWARDS, "reshape backwards"),
        (feature::NEW_OFFSET, "new offset"),
        (feature::RECOVERY_BITMAP, "recovery by bitmap"),
        (feature::CLUSTERED, "clustered"),
        (feature::JOURNAL, "journal"),
        (feature::PPL, "PPL"),
        (feature::MULTIPLE_PPLS, "multiple PPLs"),
        (feature::RAID0_LAYOUT, "raid0 layout"),
    ];
    let mut names: Vec<String> = NAMES
        .iter()
        .filter(|(bit, _)| map & bit != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    match map & !feature::KNOWN {
        0 => {}
        unknown => names.push(format!("unknown {unknown:#x}")),
    }
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bitmap_super::BITMAP_MAGIC;
    use crate::format::md_v1::Minor;
    use crate::units::{Bytes, Events, Sectors};

    fn told(part: Part, old: &[u8], new: &[u8]) -> Vec<String> {
        let all = differences(part, old, new).into_iter();
        all.map(|it| format!("{}: {} -> {}", it.name, it.old, it.new))
            .collect()
    }

    #[test]
    fn a_superblock_says_what_changed() {
        let mut builder = md_v1::Builder::mirror(Minor::V2, Sectors(1 << 20));
        builder.events = Events(40);
        builder.roles = vec![0, 1, 0xffff];
        builder.bitmap_offset = None;
        let old = builder.build().to_bytes();
        builder.events = Events(41);
        builder.resync_offset = Some(Sectors(0));
        builder.bitmap_offset = Some(-16);
        builder.bad_block_log = Some((24, 8));
        builder.roles = vec![0, 0xfffe, 0xffff];
        let new = builder.build().to_bytes();
        assert_eq!(
            told(Part::Superblock, &old, &new),
            [
                "events: 40 -> 41",
                "resync: none, stopped cleanly -> from sector 0 on, not stopped cleanly",
                "bitmap: none -> 16 sectors before",
                "features: none -> bitmap, bad blocks",
                "bad-block log: none -> 8 sectors, 24 sectors behind",
                "device 1: slot 1 -> faulty",
            ]
        );
        assert!(told(Part::Superblock, &old, &old).is_empty());
        assert!(told(Part::BitmapArea, &old, &new).is_empty());
        // The first sector alone says the same of all but the table.
        let fields = fields(Part::Superblock, &new[..256]);
        assert!(fields.iter().any(|field| field.name == "bitmap"));
    }

    #[test]
    fn a_090_superblock_says_it_too() {
        let mut builder = md_v090::Builder::mirror(Bytes(20 << 20));
        builder.events = Events(7);
        builder.bitmap = false;
        let old = builder.build().to_bytes();
        builder.events = Events(8);
        builder.bitmap = true;
        builder.resync_offset = Some(Sectors(64));
        builder.vacant = vec![1];
        let new = builder.build().to_bytes();
        let all = told(Part::Superblock, &old, &new);
        assert_eq!(
            all[..3],
            [
                "events: 7 -> 8",
                "resync: none, stopped cleanly -> from sector 64 on, not stopped cleanly",
                "bitmap: none -> 8 sectors behind",
            ]
        );
        assert!(all[3].starts_with("device 1: slot 1 -> "), "{all:?}");
    }

    #[test]
    fn a_bitmap_header_says_it_too() {
        let mut raw = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
        let none = raw.to_bytes();
        raw.magic = BITMAP_MAGIC;
        raw.version = 4;
        raw.events = 41;
        raw.chunksize = 4096;
        let old = raw.to_bytes();
        raw.events = 43;
        raw.daemon_sleep_seconds = 9;
        raw.state = bitmap_state::STALE;
        let new = raw.to_bytes();
        assert_eq!(
            told(Part::BitmapHeader, &old, &new),
            [
                "events: 41 -> 43",
                "state: none -> stale",
                "delay: 0 s -> 9 s"
            ]
        );
        let all = told(Part::BitmapHeader, &none, &old);
        assert!(all.contains(&"bitmap: none (zeros) -> version 4".to_owned()));
        assert!(all.contains(&"chunk: - -> 4096 bytes".to_owned()));
    }

    #[test]
    fn what_is_foreign_is_told_by_what_tells_most() {
        let mut builder = md_v1::Builder::mirror(Minor::V2, Sectors(1 << 20));
        let bytes = [40, 41, 45].map(|events| {
            builder.events = Events(events);
            let mut bytes = builder.build().to_bytes();
            bytes.resize(512, 0);
            bytes
        });
        let known: Vec<&[u8]> = bytes[..2].iter().map(Vec::as_slice).collect();
        assert_eq!(
            found_and_expected(Part::Superblock, true, &bytes[2], &known),
            ("events 45".to_owned(), "events 40 or 41".to_owned())
        );
        let mut other = bytes[0].clone();
        other[500] = 7;
        let (found, expected) = found_and_expected(Part::Superblock, true, &other, &known);
        assert_eq!(found, "07 00 00 00 00 00 00 00 at byte 500 of them");
        assert_eq!(expected, "00 00 00 00 00 00 00 00");
        let (found, _) = found_and_expected(Part::BitmapArea, true, &[1; 512], &[&[0; 512]]);
        assert!(found.starts_with("01 01"), "{found}");
    }
}
