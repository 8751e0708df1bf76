//! An array as sysfs shows it (reference/kernel.md 5.2 to 5.4).

use super::{ArrayBitmap, ArrayMember, MemberState, RunningArray, Unchecked, sort};
use crate::kernel::mdstat;
use crate::kernel::system::{DeviceNumber, System, attribute, names, read_text};
use crate::units::Sectors;
use std::path::{Path, PathBuf};

impl System {
    /// `None` when the array is not running (or went away meanwhile).
    pub(super) fn array_from_sysfs(
        &self,
        number: DeviceNumber,
        folder: &Path,
    ) -> Option<RunningArray> {
        let md = folder.join("md");
        let state = attribute(&md, "array_state")?;
        if matches!(state.as_str(), "clear" | "inactive") {
            return None;
        }
        let name = self
            .kernel_name(number)
            .unwrap_or_else(|| format!("md{}", number.minor));
        let text = |attr: &str| attribute(&md, attr).filter(|text| !text.is_empty());
        let mut unchecked = Vec::new();
        let mut members = match names(&md) {
            Ok(entries) => entries
                .iter()
                .filter(|entry| entry.starts_with("dev-"))
                .filter_map(|entry| self.member(&md.join(entry)))
                .collect(),
            Err(error) => {
                unchecked.push(Unchecked::new("members of the array", &md, &error));
                Vec::new()
            }
        };
        sort(&mut members);
        let metadata = text("metadata_version").map(|version| match version.as_str() {
            // sysfs prints 0.90 as major.minor, and so does everyone else.
            "0.90" | "0.91" => "0.90".to_owned(),
            _ => version,
        });
        let bitmap = self.bitmap(&md, &name, &mut unchecked);
        Some(RunningArray {
            name,
            number,
            level: text("level"),
            state: Some(state),
            metadata,
            layout: text("layout").and_then(|text| first_number(&text)),
            chunk_bytes: text("chunk_size").and_then(|text| first_number(&text)),
            raid_disks: text("raid_disks").and_then(|text| first_number(&text)),
            // In KiB.
            component_size: text("component_size")
                .and_then(|text| first_number::<u64>(&text)?.checked_mul(2))
                .map(Sectors),
            array_size: attribute(folder, "size")
                .and_then(|text| text.parse().ok())
                .map(Sectors),
            uuid: text("uuid")
                .and_then(|text| uuid::Uuid::parse_str(&text).ok())
                .map(uuid::Uuid::into_bytes),
            consistency_policy: text("consistency_policy"),
            bitmap,
            members,
            unchecked,
        })
    }

    fn member(&self, folder: &Path) -> Option<ArrayMember> {
        let number = DeviceNumber::parse(&attribute(&folder.join("block"), "dev")?)?;
        let words = attribute(folder, "state").unwrap_or_default();
        let has = |word: &str| words.split(',').any(|found| found.trim() == word);
        let slot = attribute(folder, "slot").unwrap_or_default();
        Some(ArrayMember {
            number,
            path: self.device_path(number),
            slot: slot.parse().ok(),
            state: MemberState {
                faulty: has("faulty"),
                in_sync: has("in_sync"),
                write_mostly: has("write_mostly"),
                spare: has("spare"),
                journal: has("journal") || slot == "journal",
                replacement: has("replacement"),
            },
            data_offset: attribute(folder, "offset")
                .and_then(|text| text.parse().ok())
                .map(Sectors),
        })
    }

    fn bitmap(&self, md: &Path, name: &str, unchecked: &mut Vec<Unchecked>) -> Option<ArrayBitmap> {
        if md.join("llbitmap").exists() {
            let lockless = Some(true);
            let offset = attribute(&md.join("llbitmap"), "metadata").and_then(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("offset "));
                line?.trim().parse::<u64>().ok().map(u64::cast_signed)
            });
            return Some(ArrayBitmap::Internal { offset, lockless });
        }
        let location = attribute(&md.join("bitmap"), "location");
        match location.as_deref() {
            Some("none") => Some(ArrayBitmap::None),
            Some(place) if place.starts_with("file") => Some(ArrayBitmap::File {
                path: self.bitmap_path(name, unchecked),
            }),
            Some(place) => Some(ArrayBitmap::Internal {
                offset: place.trim_start_matches('+').parse().ok(),
                lockless: Some(false),
            }),
            // Levels without resync have no such folder.
            None => attribute(md, "level").map(|_| ArrayBitmap::None),
        }
    }

    fn bitmap_path(&self, name: &str, unchecked: &mut Vec<Unchecked>) -> Option<PathBuf> {
        let path = self.proc.join("mdstat");
        match read_text(&path) {
            Ok(text) => {
                let stat = mdstat::parse(&text);
                let file = stat.array(name)?.bitmap.as_ref()?.file.as_ref()?;
                Some(PathBuf::from(file))
            }
            Err(error) => {
                unchecked.push(Unchecked::new("the path of the bitmap file", &path, &error));
                None
            }
        }
    }
}

/// The first number of an attribute; during a reshape the old value follows in brackets.
fn first_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.split_whitespace().next()?.parse().ok()
}
