//! Metadata in words: what the fields of superblocks and bitmap headers say, and which of them differ.

use super::plan::{Guard, Part};
use crate::format::bitmap_super::{
    BITMAP_MAGIC, BITMAP_SUPER_BYTES, RawBitmapSuper, state as bitmap_state,
};
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
    let is_header = |bytes: &[u8]| bytes.starts_with(&BITMAP_MAGIC.to_le_bytes());
    // The area of a bitmap begins with its header, while it has one.
    let part = match part {
        Part::BitmapArea if is_header(old) || is_header(new) => Part::BitmapHeader,
        part => part,
    };
    let (olds, news) = (fields(part, old), fields(part, new));
    if part == Part::BitmapHeader && is_header(old) && !is_header(new) {
        // What it said is of no interest any more.
        let bitmap = |fields: &[Field]| fields.first().map(|field| field.value.clone());
        return vec![Difference {
            name: "bitmap".to_owned(),
            old: bitmap(&olds).unwrap_or_default(),
            new: bitmap(&news).unwrap_or_else(|| "none".to_owned()),
        }];
    }
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

/// The superblocks and bitmap headers of some devices, while a plan goes on: what each of its writes changes, in words.
#[derive(Debug, Clone)]
pub struct Images(Vec<Guard>);

impl Images {
    /// What is there before the first write.
    pub fn new(guards: &[Guard]) -> Images {
        Images(guards.to_vec())
    }

    /// Puts `new` in the place of `old`; the fields that this changes. `old` is only asked where no guard has it.
    pub fn write(
        &mut self,
        part: Part,
        device: usize,
        start: u64,
        old: Option<&[u8]>,
        new: &[u8],
    ) -> Vec<Difference> {
        let end = start.saturating_add(new.len() as u64);
        let mut told = None;
        for guard in self.0.iter_mut().filter(|guard| guard.device == device) {
            let guard_end = guard.start.0.saturating_add(guard.bytes.len() as u64);
            let (from, to) = (start.max(guard.start.0), end.min(guard_end));
            if from >= to {
                continue;
            }
            let before = guard.bytes.clone();
            let place = |at: u64, base: u64| usize::try_from(at - base).unwrap_or(usize::MAX);
            let into = guard
                .bytes
                .get_mut(place(from, guard.start.0)..place(to, guard.start.0));
            let with = new.get(place(from, start)..place(to, start));
            if let (Some(into), Some(with)) = (into, with) {
                into.copy_from_slice(with);
            }
            // A header that is written where another one lay begins where that one began.
            let is_bitmap = guard.start.0 == start && part != Part::BadBlockLog;
            if part == Part::Superblock || is_bitmap {
                told = Some(differences(part, &before, &guard.bytes));
            }
        }
        told.unwrap_or_else(|| differences(part, old.unwrap_or_default(), new))
    }
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
        // The kernel records no microseconds, mdbitmap does.
        let second = utc::text(raw.updated_seconds());
        let moment = match (second.strip_suffix(" UTC"), fixed.utime >> 40) {
            (Some(second), micros @ 1..) => format!("{second}.{micros:06} UTC"),
            _ => second,
        };
        self.add("updated", moment);
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
        if !raw.cluster_name_text().is_empty() {
            self.add("cluster", raw.cluster_name_text());
        }
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
    // Those of the bitmap are told with it.
    const OF_BITMAP: u32 = feature::BITMAP_OFFSET | feature::CLUSTERED;
    let map = map & !OF_BITMAP;
    const NAMES: [(u32, &str); 11] = [
        (feature::RECOVERY_OFFSET, "recovery offset"),
        (feature::RESHAPE_ACTIVE, "reshape"),
        (feature::BAD_BLOCKS, "bad blocks"),
        (feature::REPLACEMENT, "replacement"),
        (feature::RESHAPE_BACKWARDS, "reshape backwards"),
        (feature::NEW_OFFSET, "new offset"),
        (feature::RECOVERY_BITMAP, "recovery by bitmap"),
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
                "features: none -> bad blocks",
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
        assert_eq!(
            told(Part::BitmapArea, &new, &none),
            ["bitmap: version 4 -> none (zeros)"]
        );
        let all = told(Part::BitmapHeader, &none, &old);
        assert!(all.contains(&"bitmap: none (zeros) -> version 4".to_owned()));
        assert!(all.contains(&"chunk: - -> 4096 bytes".to_owned()));
    }

    #[test]
    fn what_a_write_changes_is_told_by_all_of_what_lies_there() {
        let mut builder = md_v1::Builder::mirror(Minor::V2, Sectors(1 << 20));
        builder.roles = vec![0xffff; 400];
        let mut old = builder.build().to_bytes();
        builder.roles[300] = 0xfffe;
        let mut new = builder.build().to_bytes();
        old.resize(1536, 0);
        new.resize(1536, 0);
        let guard = Guard {
            device: 1,
            start: Bytes(4096),
            bytes: old.clone(),
        };
        let mut images = Images::new(&[guard]);
        let told = images.write(Part::Superblock, 1, 4608, None, &new[512..1024]);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].name.as_str(), told[0].new.as_str()),
            ("device 300", "faulty")
        );
        // Back, and on another device, of which nothing is known.
        let told = images.write(Part::Superblock, 1, 4608, None, &old[512..1024]);
        assert_eq!(told[0].old, "faulty");
        let told = images.write(Part::Superblock, 0, 4096, Some(&old[..512]), &new[..512]);
        assert!(told.is_empty());
        let told = images.write(Part::Superblock, 0, 4096, Some(&[0; 512]), &new[..512]);
        assert!(told.iter().any(|it| it.name == "events" && it.old == "-"));
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
