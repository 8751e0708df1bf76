//! What lies where on a device, as a picture to scale and a table.
//!
//! The picture is a line of letters, one for each stretch of bytes of equal length. Data, gaps and
//! other long stretches that hold no metadata are cut short (`//`); whatever is shorter than a
//! column gets one. Areas that share bytes are drawn below one another.

use crate::array::layout::{Area, Content, Layout};
use crate::commands::examine::result::Device;
use crate::report::number::prose_size;
use std::io::{self, Write};
use std::ops::Range;

/// The shortest stretch that a column stands for: areas of a member are whole sectors.
const SECTOR: u64 = 512;
/// The same for a bitmap file, whose superblock has 256 bytes.
const PART_OF_SECTOR: u64 = 16;
/// A stretch without metadata that would take more columns than this is cut short.
const WHOLE: u64 = 10;
/// Columns on either side of the cut.
const BESIDE_CUT: usize = 3;

/// Writes the layout of a device, an empty line before it; nothing when none is known.
///
/// # Errors
/// What `out` reports.
pub fn write_device(out: &mut dyn Write, device: &Device, width: usize) -> io::Result<()> {
    let Some(layout) = &device.layout else {
        return Ok(());
    };
    let path = device.path.to_string_lossy();
    let length = size(layout.device.0);
    // Two columns before the picture, and its brackets.
    let picture = Picture::new(layout, width.saturating_sub(4));
    writeln!(out, "\n{path}: layout of {length}{}", picture.scale_text())?;
    picture.write(out)?;
    write_table(out, layout)?;
    if layout.mdadm_lockless_defect {
        writeln!(
            out,
            "  mdadm 4.6 places the bad-block log of every array with a lockless bitmap there, inside the bitmap."
        )?;
    }
    Ok(())
}

/// `262144 bytes (256 KiB)`.
fn size(bytes: u64) -> String {
    match prose_size(bytes.into()) {
        text if bytes < 1024 => text,
        text => format!("{bytes} bytes ({text})"),
    }
}

/// The letter of an area in picture and table.
fn letter(content: Content) -> char {
    match content {
        Content::Superblock | Content::BitmapSuperblock => 'S',
        Content::Bitmap { slot: None } | Content::Bits | Content::States => 'B',
        Content::Bitmap { slot: Some(slot) } => char::from_digit(slot % 10, 10).unwrap_or('B'),
        Content::MoreBitmaps { .. } => 'B',
        Content::BadBlockLog => 'L',
        Content::Ppl => 'P',
        Content::Data => 'D',
        Content::Hole => 'o',
        Content::Unfit => 'x',
        Content::Gap | Content::End => '.',
    }
}

/// True for what may be cut short.
fn is_plain(content: Content) -> bool {
    match content {
        Content::Data | Content::Gap | Content::End | Content::Hole | Content::Unfit => true,
        Content::Bits | Content::States | Content::MoreBitmaps { .. } => true,
        Content::Superblock | Content::BitmapSuperblock | Content::Bitmap { .. } => false,
        Content::BadBlockLog | Content::Ppl => false,
    }
}

/// A stretch of the device on which no area begins or ends.
struct Stretch {
    bytes: Range<u64>,
    plain: bool,
    /// Columns of the picture that it takes, and whether it is cut short.
    columns: Range<usize>,
    cut: bool,
}

struct Picture<'a> {
    layout: &'a Layout,
    stretches: Vec<Stretch>,
    /// Bytes that a column stands for.
    unit: u64,
}

impl<'a> Picture<'a> {
    /// The picture with the finest scale at which it fits into `width` columns.
    fn new(layout: &'a Layout, width: usize) -> Self {
        let mut picture = Picture {
            layout,
            stretches: stretches(layout),
            unit: match in_sectors(layout) {
                true => SECTOR,
                false => PART_OF_SECTOR,
            },
        };
        // Ends: from a unit as long as the device on, each stretch takes one column.
        while picture.place() > width && picture.unit < layout.device.0 {
            picture.unit = picture.unit.saturating_mul(2);
        }
        picture
    }

    /// Gives each stretch its columns; how many that are in all.
    fn place(&mut self) -> usize {
        let mut column = 0_usize;
        for stretch in &mut self.stretches {
            let wanted = (stretch.bytes.end - stretch.bytes.start).div_ceil(self.unit);
            stretch.cut = stretch.plain && wanted > WHOLE;
            let columns = match stretch.cut {
                true => 2 * BESIDE_CUT + 2,
                // Too many to count are too many to draw: the unit grows until they fit.
                false => usize::try_from(wanted).unwrap_or(usize::MAX),
            };
            stretch.columns = column..column.saturating_add(columns);
            column = stretch.columns.end;
        }
        column
    }

    fn scale_text(&self) -> String {
        let cut = match self.stretches.iter().any(|stretch| stretch.cut) {
            true => ", // leaves some out",
            false => "",
        };
        format!("; a column is {}{cut}", prose_size(self.unit.into()))
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let lanes = lanes(self.layout);
        for (number, lane) in lanes.iter().enumerate() {
            let (open, close) = if number == 0 { ("[", "]") } else { (" ", "") };
            let line = self.lane(lane);
            let line = if number == 0 { &line } else { line.trim_end() };
            writeln!(out, "  {open}{line}{close}")?;
        }
        let shared = self.shared();
        if shared.trim_end().is_empty() {
            return Ok(());
        }
        writeln!(out, "   {} overlap", shared.trim_end())
    }

    /// The areas of one lane, blanks between them.
    fn lane(&self, lane: &[&Area]) -> String {
        let mut line = String::new();
        for stretch in &self.stretches {
            let covering = lane.iter().find(|area| covers(area, stretch));
            let letter = covering.map_or(' ', |area| letter(area.content));
            let columns = stretch.columns.len();
            let columns = if stretch.cut { BESIDE_CUT } else { columns };
            let part: String = std::iter::repeat_n(letter, columns).collect();
            line.push_str(&part);
            if stretch.cut {
                line.push_str(if letter == ' ' { "  " } else { "//" });
                line.push_str(&part);
            }
        }
        line
    }

    /// Marks under what more than one area takes.
    fn shared(&self) -> String {
        let mark = |stretch: &Stretch| {
            let shares = |area: &&Area| covers(area, stretch) && !area.overlaps.is_empty();
            let shared = self.layout.areas.iter().filter(shares).count() > 1;
            std::iter::repeat_n(if shared { '^' } else { ' ' }, stretch.columns.len())
        };
        self.stretches.iter().flat_map(mark).collect()
    }
}

/// True when no area that is drawn begins or ends inside a sector.
fn in_sectors(layout: &Layout) -> bool {
    let ends = layout.areas.iter();
    let mut ends = ends.flat_map(|area| [area.range.start, area.range.end]);
    ends.all(|at| at >= layout.device.0 || at.is_multiple_of(SECTOR))
}

fn covers(area: &Area, stretch: &Stretch) -> bool {
    area.range.start <= stretch.bytes.start && stretch.bytes.end <= area.range.end
}

/// The device cut where an area begins or ends; what lies past its end is not drawn.
fn stretches(layout: &Layout) -> Vec<Stretch> {
    let device = layout.device.0;
    let ends = layout.areas.iter();
    let ends = ends.flat_map(|area| [area.range.start, area.range.end]);
    let mut cuts: Vec<u64> = ends
        .filter(|cut| *cut < device)
        .chain([0, device])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let between = cuts.iter().zip(cuts.iter().skip(1));
    between
        .map(|(start, end)| {
            let mut stretch = Stretch {
                bytes: *start..*end,
                plain: false,
                columns: 0..0,
                cut: false,
            };
            let mut covering = layout.areas.iter().filter(|area| covers(area, &stretch));
            stretch.plain = covering.all(|area| is_plain(area.content));
            stretch
        })
        .collect()
}

/// Areas by the line that they are drawn on: each on the first one where it covers no other.
fn lanes(layout: &Layout) -> Vec<Vec<&Area>> {
    let mut lanes: Vec<Vec<&Area>> = vec![Vec::new()];
    let on_device = |area: &&Area| area.range.start < layout.device.0;
    for area in layout.areas.iter().filter(on_device) {
        let free = |lane: &&mut Vec<&Area>| {
            let last = lane.last();
            last.is_none_or(|last| last.range.end <= area.range.start)
        };
        match lanes.iter_mut().find(free) {
            Some(lane) => lane.push(area),
            None => lanes.push(vec![area]),
        }
    }
    lanes
}

fn write_table(out: &mut dyn Write, layout: &Layout) -> io::Result<()> {
    let starts = layout.areas.iter().map(|area| area.range.start);
    let lengths = layout.areas.iter().map(length_of);
    let start = digits(starts, "start");
    let length = digits(lengths, "length");
    writeln!(out, "  {:>start$}  {:>length$}", "start", "length")?;
    for area in &layout.areas {
        let (letter, content) = (letter(area.content), area.content);
        write!(
            out,
            "  {:>start$}  {:>length$}  {letter} {content}",
            area.range.start,
            length_of(area)
        )?;
        if !area.detail.is_empty() {
            write!(out, " ({})", area.detail)?;
        }
        for (with, shared) in &area.overlaps {
            let other = layout.areas.get(*with).map(|other| other.content);
            let other = other.map_or_else(String::new, |content| content.to_string());
            write!(
                out,
                ", OVERLAPS {other} (bytes {} to {})",
                shared.start, shared.end
            )?;
        }
        match layout.past_end(area) {
            0 => writeln!(out)?,
            _ if area.range.start >= layout.device.0 => {
                writeln!(out, ", LIES PAST THE END of the device")?;
            }
            past => writeln!(out, ", ENDS {past} bytes PAST THE END of the device")?,
        }
    }
    Ok(())
}

fn length_of(area: &Area) -> u64 {
    area.range.end - area.range.start
}

/// Columns that the longest number takes, a heading included.
fn digits(numbers: impl Iterator<Item = u64>, heading: &str) -> usize {
    let longest = numbers.max().unwrap_or_default().to_string().len();
    longest.max(heading.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;
    use proptest::prelude::*;

    fn area(content: Content, range: Range<u64>) -> Area {
        Area {
            content,
            range,
            detail: String::new(),
            overlaps: Vec::new(),
        }
    }

    fn layout(device: u64, areas: Vec<Area>) -> Layout {
        Layout {
            device: Bytes(device),
            areas,
            mdadm_lockless_defect: false,
        }
    }

    fn drawn(layout: &Layout, width: usize) -> Vec<String> {
        let mut out = Vec::new();
        Picture::new(layout, width).write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_scale_is_the_finest_that_fits() {
        let areas = vec![
            area(Content::Superblock, 0..4096),
            area(Content::Bitmap { slot: None }, 4096..4096 + 65536),
            area(Content::Data, 69632..1 << 40),
        ];
        let layout = layout(1 << 40, areas);
        for (width, columns) in [(200, 136), (100, 68), (40, 17)] {
            let unit = 69632 / columns as u64;
            assert_eq!(Picture::new(&layout, width).unit, unit, "{width}");
            let bitmap = "B".repeat(columns / 17 * 16);
            let superblock = "S".repeat(columns / 17);
            let line = format!("  [{superblock}{bitmap}DDD//DDD]");
            assert_eq!(drawn(&layout, width), [line]);
        }
    }

    #[test]
    fn an_empty_device_and_areas_past_the_end() {
        assert_eq!(drawn(&layout(0, vec![]), 80), ["  []"]);
        let past = layout(
            1024,
            vec![
                area(Content::Superblock, 0..512),
                area(Content::Data, 512..u64::MAX),
                area(Content::Ppl, 4096..8192),
            ],
        );
        assert_eq!(drawn(&past, 80), ["  [SD]"]);
        let mut out = Vec::new();
        write_table(&mut out, &past).unwrap();
        let table = String::from_utf8(out).unwrap();
        let told = format!("D data, ENDS {} bytes PAST THE END", u64::MAX - 1024);
        assert!(table.contains(&told), "{table}");
        let told = "P partial parity log, LIES PAST THE END of the device";
        assert!(table.contains(told), "{table}");
    }

    proptest! {
        /// Any areas: a picture that fits, in which none of those on the device is left out.
        #[test]
        fn nothing_is_left_out(
            device in prop_oneof![1u64..100_000, 1u64..],
            ranges in proptest::collection::vec(prop_oneof![
                (0u64..100_000, 1u64..50_000), (any::<u64>(), 1u64..)], 0..6),
            width in 60usize..300,
        ) {
            let letters = [
                Content::Superblock, Content::Bitmap { slot: None }, Content::BadBlockLog,
                Content::Ppl, Content::Data, Content::Hole,
            ];
            let mut areas: Vec<Area> = ranges.iter().zip(letters)
                .map(|((start, len), content)| area(content, *start..start.saturating_add(*len)))
                .filter(|area| !area.range.is_empty())
                .collect();
            areas.sort_by_key(|area| area.range.start);
            let layout = layout(device, areas);
            let lines = drawn(&layout, width);
            for line in &lines {
                prop_assert!(line.chars().count() <= width + 4, "{width}: {line}");
            }
            for area in layout.areas.iter().filter(|area| area.range.start < device) {
                let letter = letter(area.content);
                prop_assert!(lines.iter().any(|line| line.contains(letter)), "{letter}: {lines:?}");
            }
        }
    }
}
