//! What `-X` should print for given bytes, line by line, written from reference/mdadm.md 4.2-4.4.
//!
//! Slow and plain on purpose. Lines that no class of difference touches are checked against
//! mdadm's own, so the model is itself under test in every case.

use crate::cases::{Case, Container};
use crate::classes;
use crate::synthetic::BitmapSuper;

/// A line of expected output; `class` when it must differ from mdadm's. Empty: we print no such line.
pub struct Line {
    pub text: Vec<u8>,
    pub class: Option<&'static str>,
}

#[derive(Default)]
pub struct Model {
    pub lines: Vec<Line>,
    /// Classes that change the exit status only.
    pub status_classes: Vec<&'static str>,
}

impl Model {
    fn line(&mut self, text: impl Into<Vec<u8>>) {
        self.lines.push(Line {
            text: text.into(),
            class: None,
        });
    }

    fn other(&mut self, class: Option<&'static str>, text: impl Into<Vec<u8>>) {
        self.lines.push(Line {
            text: text.into(),
            class,
        });
    }
}

/// The header at the start of `bytes`, when all of it is there.
pub fn parse(bytes: &[u8]) -> Option<BitmapSuper> {
    let b = bytes.get(..256)?;
    let word = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(b[at..at + 8].try_into().unwrap());
    Some(BitmapSuper {
        magic: word(0),
        version: word(4),
        uuid: b[8..24].try_into().unwrap(),
        events: long(24),
        events_cleared: long(32),
        sync_size: long(40),
        state: word(48),
        chunksize: word(52),
        daemon_sleep: word(56),
        write_behind: word(60),
        sectors_reserved: word(64),
        nodes: word(68),
        cluster_name: b[72..136].try_into().unwrap(),
    })
}

/// True for versions whose superblock is shown in full.
pub fn known_version(header: &BitmapSuper) -> bool {
    (3..=5).contains(&header.version)
}

pub fn model(case: &Case, path: &[u8]) -> Model {
    let mut model = Model::default();
    let store = &case.image[usize::try_from(case.bitmap_at())
        .unwrap()
        .min(case.image.len())..];
    let Some(header) = parse(store) else {
        return model;
    };
    model.line([b"        Filename : ", path].concat());
    model.line(format!("           Magic : {:08x}", header.magic));
    model.line(format!("         Version : {}", header.version as i32));
    if header.magic != crate::synthetic::BITMAP_MAGIC {
        model.status_classes.push(classes::WRONG_MAGIC);
    }
    if !known_version(&header) {
        return model;
    }
    let swapped = matches!(
        case.container,
        Container::Member {
            metadata: "0.90",
            ..
        }
    );
    model.line(format!(
        "            UUID : {}",
        uuid(&header.uuid, swapped)
    ));
    let clustered = header.nodes > 0;
    if !clustered {
        events_and_state(&mut model, &header);
    }
    model.line(format!(
        "       Chunksize : {}",
        chunksize(header.chunksize)
    ));
    model.line(format!(
        "          Daemon : {}s flush period",
        header.daemon_sleep as i32
    ));
    model.line(match header.write_behind {
        0 => "      Write Mode : Normal".to_owned(),
        most => format!("      Write Mode : Allow write behind, max {}", most as i32),
    });
    let large = (header.sync_size > 1 << 46).then_some(classes::LARGE_SIZE);
    model.other(
        large,
        format!(
            "       Sync Size : {}{}",
            header.sync_size / 2,
            human_size(header.sync_size)
        ),
    );
    if clustered {
        slots(&mut model, case, store, &header);
    } else if !case.brief {
        bitmap_line(&mut model, &header, store, None);
    }
    model
}

fn events_and_state(model: &mut Model, header: &BitmapSuper) {
    model.line(format!("          Events : {}", header.events));
    model.line(format!("  Events Cleared : {}", header.events_cleared));
    let class = (!matches!(header.state, 0 | 2)).then_some(classes::STATE_NAME);
    model.other(class, format!("           State : {}", state(header.state)));
}

/// `class`: what the line differs for already.
fn bitmap_line(model: &mut Model, header: &BitmapSuper, store: &[u8], class: Option<&'static str>) {
    let mut class = class;
    // mdadm does not look at the bits of an area of no size.
    let total = if header.sync_size == 0 {
        0
    } else {
        header.bits()
    };
    // Figures end at 2^64-1; only chunks below 512 bytes, which no kernel takes, get there.
    let total = total.min(u128::from(u64::MAX));
    if header.sync_size > 1 << 46 {
        class = Some(classes::LARGE_SIZE);
    }
    if header.chunksize == 0 {
        model.status_classes.push(classes::CHUNK_ZERO);
    }
    let present = store.get(256..).unwrap_or_default();
    let mut dirty = 0;
    for bit in 0..total.min(present.len() as u128 * 8) as usize {
        dirty += u128::from(present[bit / 8] >> (bit % 8) & 1);
    }
    let missing = total.saturating_sub(present.len() as u128 * 8);
    if missing > 0 {
        class = Some(classes::TRUNCATED);
        model.status_classes.push(classes::TRUNCATED);
    }
    dirty += missing;
    let percent = 100.0 * dirty as f64 / total.max(1) as f64;
    model.other(
        class,
        format!("          Bitmap : {total} bits (chunks), {dirty} dirty ({percent:.1}%)"),
    );
}

fn slots(model: &mut Model, case: &Case, store: &[u8], first: &BitmapSuper) {
    model.line(format!("   Cluster nodes : {}", first.nodes as i32));
    let mut padded = [b' '; 64];
    let length = first
        .cluster_name
        .iter()
        .position(|b| *b == 0)
        .unwrap_or(64);
    padded[..length].copy_from_slice(&first.cluster_name[..length]);
    model.line([b"    Cluster name : ", padded.as_slice()].concat());
    // mdadm reads the slots of a file wherever its last read of the header ended.
    let class = (case.container == Container::File).then_some(classes::CLUSTER_FILE);
    let slot_bytes = (first.bits().div_ceil(8) + 256).next_multiple_of(4096);
    let mut nodes = first.nodes as i32;
    let mut number = 0;
    if first.nodes > 1024 {
        model.status_classes.push(classes::MANY_NODES);
    }
    while number < nodes {
        let from = u128::from(number as u32) * slot_bytes;
        // Without a chunk size no one knows how long a slot is.
        let known = number == 0 || first.chunksize > 0;
        let from = if known { from } else { u128::MAX };
        let slot = usize::try_from(from)
            .ok()
            .and_then(|from| store.get(from..))
            .unwrap_or_default();
        number += 1;
        let Some(header) = parse(slot) else {
            model.other(
                class,
                format!("   Unable to read bitmap on node: {}", number - 1),
            );
            model.status_classes.push(classes::SLOT_UNREADABLE);
            continue;
        };
        if header.magic != crate::synthetic::BITMAP_MAGIC {
            model.status_classes.push(classes::WRONG_MAGIC);
        }
        if header.nodes != first.nodes {
            model.status_classes.push(classes::SLOT_NODES);
        }
        nodes = header.nodes as i32;
        model.other(class, format!("       Node Slot : {}", number - 1));
        let from = model.lines.len();
        events_and_state(model, &header);
        for line in &mut model.lines[from..] {
            line.class = line.class.or(class);
        }
        if !known_version(&header) {
            model.status_classes.push(classes::SLOT_VERSION);
            if !case.brief {
                model.lines.push(Line {
                    text: Vec::new(),
                    class: Some(classes::SLOT_VERSION),
                });
            }
        } else if !case.brief {
            bitmap_line(model, &header, slot, class);
        }
    }
}

fn uuid(uuid: &[u8; 16], swapped: bool) -> String {
    let words: Vec<String> = uuid
        .chunks_exact(4)
        .map(|w| <[u8; 4]>::try_from(w).unwrap())
        .map(|w| {
            if swapped {
                u32::from_le_bytes(w)
            } else {
                u32::from_be_bytes(w)
            }
        })
        .map(|w| format!("{w:08x}"))
        .collect();
    words.join(":")
}

fn chunksize(mut bytes: u32) -> String {
    let mut unit = 0;
    while bytes >= 1024 {
        bytes /= 1024;
        unit += 1;
    }
    format!("{bytes} {}", ["B", "KB", "MB", "GB"][unit])
}

/// mdadm.md 4.3, computed wide.
fn human_size(sectors: u64) -> String {
    let bytes = u128::from(sectors) * 512;
    let hundredths = |value: u128| format!("{}.{:02}", value / 100, value % 100);
    let binary = |shift: u32| hundredths(((bytes * 200) >> shift).div_ceil(2));
    let decimal = |divisor: u128| hundredths((bytes / divisor).div_ceil(2));
    if bytes < 5000 * 1024 {
        String::new()
    } else if bytes < 2 << 30 {
        format!(" ({} MiB {} MB)", binary(20), decimal(5000))
    } else if bytes < 2 << 40 {
        format!(" ({} GiB {} GB)", binary(30), decimal(5_000_000))
    } else {
        format!(" ({} TiB {} TB)", binary(40), decimal(5_000_000_000))
    }
}

/// mdadm knows 0 and 2 only; the names are those of kernel.md 1.2.
fn state(state: u32) -> String {
    let named = |bit: u32| match bit {
        1 => "stale".to_owned(),
        2 => "write error".to_owned(),
        3 => "first use".to_owned(),
        4 => "clean".to_owned(),
        5 => "daemon busy".to_owned(),
        6 => "shutdown".to_owned(),
        15 => "hostendian".to_owned(),
        _ => format!("bit {bit}"),
    };
    match state {
        0 => "OK".to_owned(),
        2 => "Out of date".to_owned(),
        _ => {
            let set: Vec<String> = (0..32)
                .filter(|bit| state >> bit & 1 == 1)
                .map(named)
                .collect();
            set.join(", ")
        }
    }
}
