//! /proc/mdstat, as far as the kernel writes it (reference/kernel.md 8).

#[cfg(test)]
mod tests;

use super::system::unescape;
use crate::units::decimal_seconds;
use std::time::Duration;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MdStat {
    /// Levels that the kernel can run, without brackets.
    pub personalities: Vec<String>,
    /// Every array, in the order of the file.
    pub arrays: Vec<ArrayStat>,
}

/// One array.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrayStat {
    /// `md0`, `md_d1`, `md127`, ...
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// Whether it may be written.
    pub read_only: ReadOnly,
    /// `raid1`, ...; inactive arrays have none.
    pub level: Option<String>,
    /// Members, in the order of the file.
    pub members: Vec<MemberStat>,
    /// Length in KiB.
    pub blocks_kib: Option<u64>,
    /// `1.2`, `external:...`, `non-persistent`; `0.90` is what the kernel does not mention.
    pub metadata: String,
    /// What the personality says of itself, the counts and letters of the slots excluded.
    pub geometry: String,
    /// Slots of the array and how many of them work, from `[n/m]`.
    pub slots: Option<(u32, u32)>,
    /// A letter for each slot, `U` or `_`, from `[UU_]`.
    pub letters: Option<String>,
    /// A resync, recovery, check, reshape in progress or waiting.
    pub sync: Option<SyncStat>,
    /// The bitmap, if there is one.
    pub bitmap: Option<BitmapStat>,
}

/// What an array is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// Running.
    #[default]
    Active,
    /// Not started.
    Inactive,
    /// Running, but too many members have failed.
    Broken,
    /// A word of a kernel newer than us.
    Other(String),
}

/// Whether an array may be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadOnly {
    /// It may.
    #[default]
    No,
    /// It may not.
    Yes,
    /// It may not yet: the first write makes it writable.
    Auto,
}

/// One member, such as `sdb1[2](W)(F)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberStat {
    /// The kernel's name of the device, `!` standing for `/`.
    pub name: String,
    /// Its number in the array's own list (not its slot).
    pub number: Option<u32>,
    /// `W` write-mostly, `J` journal, `F` faulty, `S` spare, `R` replacement.
    pub flags: Vec<char>,
}

/// A resync or the like.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncStat {
    /// At work.
    Running {
        /// `resync`, `recovery`, `reshape`, `check`, `repair`.
        action: String,
        /// KiB done and KiB in all.
        done_kib: Option<(u64, u64)>,
        /// Time left, in tenths of minutes.
        remaining: Option<Duration>,
        /// KiB a second.
        speed_kib: Option<u64>,
    },
    /// Not begun: `PENDING`, `DELAYED` or `REMOTE`.
    Waiting {
        /// `resync`, ...
        action: String,
        /// The word in capitals.
        why: String,
    },
}

/// The line about the bitmap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BitmapStat {
    /// Counter pages in memory; version 6: all pages.
    pub used_pages: u64,
    /// Counter pages there could be.
    pub total_pages: u64,
    /// Memory of the pages in KiB.
    pub memory_kib: u64,
    /// Bytes of a chunk as printed: wrong for version 6 (0, or a count of sectors).
    pub chunk_bytes: u64,
    /// Path of a bitmap file.
    pub file: Option<String>,
}

impl MdStat {
    /// The array of this name.
    pub fn array(&self, name: &str) -> Option<&ArrayStat> {
        self.arrays.iter().find(|array| array.name == name)
    }
}

/// Reads the text of /proc/mdstat. Nothing is an error: lines that are not understood (of newer
/// kernels, of personalities with more to say) are passed over.
pub fn parse(text: &str) -> MdStat {
    let mut stat = MdStat::default();
    let mut current: Option<ArrayStat> = None;
    for line in text.lines() {
        let indented = line.starts_with([' ', '\t']);
        if !indented && !line.is_empty() {
            stat.arrays.extend(current.take());
            if let Some(list) = line.strip_prefix("Personalities :") {
                let words = list.split_whitespace();
                stat.personalities
                    .extend(words.map(|word| word.trim_matches(['[', ']']).to_owned()));
            } else if !line.starts_with("unused devices:") {
                current = head_line(line);
            }
        } else if let Some(array) = &mut current {
            detail_line(array, line.trim());
        }
    }
    stat.arrays.extend(current);
    stat
}

/// `md0 : active (read-only) raid1 sdb[1] sda[0](F)`
fn head_line(line: &str) -> Option<ArrayStat> {
    let (name, rest) = line.split_once(" : ")?;
    let mut array = ArrayStat {
        name: name.trim().to_owned(),
        metadata: "0.90".to_owned(),
        ..ArrayStat::default()
    };
    for (place, word) in rest.split_whitespace().enumerate() {
        match word {
            _ if place == 0 => {
                array.state = match word {
                    "active" => State::Active,
                    "inactive" => State::Inactive,
                    "broken" => State::Broken,
                    other => State::Other(other.to_owned()),
                }
            }
            "(read-only)" => array.read_only = ReadOnly::Yes,
            "(auto-read-only)" => array.read_only = ReadOnly::Auto,
            _ if word.contains('[') => array.members.push(member(word)),
            _ if array.level.is_none() => array.level = Some(word.to_owned()),
            _ => {}
        }
    }
    Some(array)
}

/// `sdb1[2](W)(F)`
fn member(word: &str) -> MemberStat {
    let (name, rest) = word.split_once('[').unwrap_or((word, ""));
    let (number, flags) = rest.split_once(']').unwrap_or((rest, ""));
    MemberStat {
        name: name.to_owned(),
        number: number.parse().ok(),
        flags: flags.chars().filter(|c| c.is_alphabetic()).collect(),
    }
}

fn detail_line(array: &mut ArrayStat, line: &str) {
    if let Some(rest) = line.strip_prefix("bitmap: ") {
        array.bitmap = bitmap_line(rest).or(array.bitmap.take());
    } else if array.blocks_kib.is_none()
        && let Some((blocks, rest)) = line.split_once(" blocks")
    {
        array.blocks_kib = blocks.trim().parse().ok();
        blocks_line(array, rest);
    } else if let Some(sync) = sync_line(line) {
        array.sync = Some(sync);
    }
}

/// ` super 1.2 level 5, 64k chunk, algorithm 2 [3/2] [UU_]`
fn blocks_line(array: &mut ArrayStat, rest: &str) {
    let mut geometry = Vec::new();
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        let bracketed = word.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
        match bracketed {
            Some(inner) if inner.contains('/') => {
                array.slots = inner
                    .split_once('/')
                    .and_then(|(n, m)| Some((n.parse().ok()?, m.parse().ok()?)));
            }
            Some(inner) if !inner.is_empty() && inner.chars().all(|c| "U_R".contains(c)) => {
                array.letters = Some(inner.to_owned());
            }
            _ if word == "super" => {
                if let Some(version) = words.next() {
                    array.metadata = version.to_owned();
                }
            }
            _ => geometry.push(word),
        }
    }
    array.geometry = geometry.join(" ");
}

/// `[==>....]  resync = 12.3% (1/8) finish=0.1min speed=5K/sec`, or `resync=PENDING`.
fn sync_line(line: &str) -> Option<SyncStat> {
    let after_bar = match line.strip_prefix('[') {
        Some(bar) => bar.split_once(']')?.1.trim(),
        None => line,
    };
    let (action, value) = after_bar.split_once('=')?;
    let (action, value) = (action.trim(), value.trim());
    if action.is_empty() || !action.chars().all(|c| c.is_ascii_lowercase()) {
        return None;
    }
    if value.chars().all(|c| c.is_ascii_uppercase()) && !value.is_empty() {
        return Some(SyncStat::Waiting {
            action: action.to_owned(),
            why: value.to_owned(),
        });
    }
    let mut words = value.split_whitespace();
    // The percentage says nothing that the pair behind it does not.
    words.next()?.strip_suffix('%')?;
    let (mut done_kib, mut remaining, mut speed_kib) = (None, None, None);
    for word in words {
        if let Some(pair) = word.strip_prefix('(') {
            done_kib = pair
                .trim_end_matches(')')
                .split_once('/')
                .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        } else if let Some(minutes) = word.strip_prefix("finish=") {
            remaining = decimal_seconds(minutes.trim_end_matches("min"))
                .and_then(|sixtieth| sixtieth.checked_mul(60));
        } else if let Some(speed) = word.strip_prefix("speed=") {
            speed_kib = speed.trim_end_matches("K/sec").parse().ok();
        }
    }
    Some(SyncStat::Running {
        action: action.to_owned(),
        done_kib,
        remaining,
        speed_kib,
    })
}

/// `1/8 pages [4KB], 65536KB chunk, file: /boot/bitmap`
fn bitmap_line(rest: &str) -> Option<BitmapStat> {
    let (pages, rest) = rest.split_once(" pages ")?;
    let (used, total) = pages.trim().split_once('/')?;
    let (memory, rest) = rest.strip_prefix('[')?.split_once("KB], ")?;
    let (chunk, rest) = rest.split_once(" chunk")?;
    let chunk_bytes = match chunk.strip_suffix("KB") {
        Some(kib) => kib.parse::<u64>().ok()?.checked_mul(1024)?,
        None => chunk.strip_suffix('B')?.parse().ok()?,
    };
    Some(BitmapStat {
        used_pages: used.parse().ok()?,
        total_pages: total.parse().ok()?,
        memory_kib: memory.parse().ok()?,
        chunk_bytes,
        file: rest.strip_prefix(", file: ").map(unescape),
    })
}
