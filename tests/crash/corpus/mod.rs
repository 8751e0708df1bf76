//! Arrays with a history, as images of their members.

pub mod history;
pub mod spec;

use crate::world::disk::{Disk, Lying, Truth, World, superblock};
use crate::world::map::{Cell, Map};
use history::{History, live};
use mdbitmap::array::geometry::Geometry;
use mdbitmap::array::probe;
use mdbitmap::device::MemoryStore;
use mdbitmap::device::crash::{Image, Random};
use spec::{Has, Spec};
use std::sync::Arc;

/// An array that a command is given.
pub struct Base {
    /// Its number, from which it is made again.
    pub number: u64,
    pub spec: Spec,
    pub history: History,
    pub map: Map,
    /// All disks that belong to the array or belonged to it, by device number.
    pub images: Vec<Image>,
    pub data: Vec<Arc<Vec<u64>>>,
    pub truth: Arc<Vec<Truth>>,
    pub excused: Arc<Vec<bool>>,
    /// Those that are away.
    pub away: Vec<usize>,
}

impl Base {
    /// The array of this number.
    pub fn new(seed: u64, number: u64) -> Base {
        let mut random = Random::of(&[seed, number, 0x6261_7365]);
        let spec = Spec::new(number, &mut random);
        let history = History::new(&spec, &mut random);
        let map = map_of(&spec);
        let (world, away) = live(&spec, &history, &map, &mut random);
        let images = (0..)
            .zip(&world.disks)
            .map(|(number, disk)| image(&spec, number, disk))
            .collect();
        let data = world
            .disks
            .iter()
            .map(|disk| Arc::clone(&disk.data))
            .collect();
        let excused = excused(&spec, &world);
        let truth = world.truth;
        let base = Base {
            number,
            spec,
            history,
            images,
            data,
            truth,
            excused: Arc::new(excused),
            away,
            map: map.clone(),
        };
        base.assert_faithful(&world.disks);
        base
    }

    pub fn name(&self) -> String {
        format!("{} [{}]", self.spec.name(), self.history.name())
    }

    /// The superblocks say that the array is a raid0, which has no bitmaps.
    pub fn make_raid0(&mut self) {
        self.spec.level = 0;
        for image in &mut self.images {
            let mut sb = superblock(image, self.spec.kind).expect("a superblock that is believed");
            sb.level = 0;
            let sectors = image.len() / 512;
            let start = self.spec.kind.start(sectors) * 512;
            let mut bytes = image.to_vec();
            let new = sb.to_bytes(sectors);
            bytes[start as usize..start as usize + new.len()].copy_from_slice(&new);
            *image = Image::new(image.name(), bytes).with_block_bytes(self.spec.block);
        }
    }

    /// What its members say, for whoever looks at a violation.
    pub fn describe(&self) -> String {
        let mut text = self.name();
        let images: Vec<&Image> = self.images.iter().collect();
        for (number, disk) in self.world(&images).disks.iter().enumerate() {
            let Some(sb) = &disk.sb else {
                continue;
            };
            let copy = sb.bitmap.map(|offset| disk.bitmap(offset, &self.map, sb));
            text += &format!(
                "\n  disk {number}: {:?}, events {}, resync {:#x}, bitmap {copy:?}",
                sb.own_role(),
                sb.events,
                sb.resync
            );
        }
        text
    }

    /// The disks that are part of the array.
    pub fn present(&self) -> Vec<usize> {
        (0..self.images.len())
            .filter(|disk| !self.away.contains(disk))
            .collect()
    }

    /// The world in which the disks hold these images.
    pub fn world<'w>(&'w self, images: &[&'w Image]) -> World<'w> {
        let pairs = images.iter().zip(&self.data);
        World {
            map: &self.map,
            disks: pairs
                .map(|(image, data)| Disk::of(image, self.spec.kind, data))
                .collect(),
            truth: Arc::clone(&self.truth),
            excused: Arc::clone(&self.excused),
        }
    }

    /// What was written is what is read, and the library believes it.
    fn assert_faithful(&self, disks: &[Disk<'_>]) {
        for (image, disk) in self.images.iter().zip(disks) {
            let read = superblock(image, self.spec.kind).expect("a superblock that is believed");
            let mut expected = disk.sb.clone().expect("every disk has a superblock");
            expected
                .roles
                .resize(read.roles.len(), crate::world::superblock::Role::Spare);
            if expected.kind == crate::world::superblock::Kind::V090 {
                expected.device_uuid = [0; 16];
            }
            assert_eq!(read, expected, "{}", self.name());
        }
    }
}

/// Mirrored sectors that were never written to, in chunks that no copy of a lockless bitmap calls unwritten.
fn excused(spec: &Spec, world: &World<'_>) -> Vec<bool> {
    let map = world.map;
    let Has::States(chunk) = spec.bitmap else {
        return vec![false; map.cells.len()];
    };
    let copies: Vec<_> = world
        .disks
        .iter()
        .filter_map(|disk| match &disk.bitmap {
            Lying::Written(_, copy) => Some(copy),
            _ => None,
        })
        .collect();
    let is_excused = |cell: &Cell| {
        let marks = copies
            .iter()
            .map(|copy| copy.marks[(cell.bitmap / chunk) as usize]);
        let mut unwritten = marks.map(|mark| matches!(mark, 0 | 5..=7));
        !map.has_parity() && world.truth[cell.array[0]] == Truth::Any && !unwritten.all(|is| is)
    };
    map.cells.iter().map(is_excused).collect()
}

fn image(spec: &Spec, number: usize, disk: &Disk<'_>) -> Image {
    let mut bytes = vec![0; spec.sectors() as usize * 512];
    let mut put = |sector: u64, part: &[u8]| {
        let start = sector as usize * 512;
        bytes[start..start + part.len()].copy_from_slice(part);
    };
    for (sector, word) in (spec.data_offset()..).zip(disk.data.iter()) {
        put(sector, &word.to_le_bytes().repeat(64));
    }
    let sb = disk.sb.as_ref().expect("every disk has a superblock");
    let start = spec.kind.start(disk.sectors);
    put(start, &sb.to_bytes(disk.sectors));
    if let Lying::Written(offset, copy) = &disk.bitmap {
        put(
            start.checked_add_signed(*offset).expect("on the disk"),
            &copy.to_bytes(),
        );
    }
    Image::new(&format!("disk{number}"), bytes).with_block_bytes(spec.block)
}

/// The geometry comes from the library, which takes it from a superblock.
fn map_of(spec: &Spec) -> Map {
    let sectors = spec.sectors();
    let mut bytes = vec![0; sectors as usize * 512];
    let sb = history::superblock(spec, 0, spec.slots).to_bytes(sectors);
    let start = spec.kind.start(sectors) as usize * 512;
    bytes[start..start + sb.len()].copy_from_slice(&sb);
    let found = probe(&MemoryStore::new("geometry", bytes), None);
    assert_eq!(
        found.found.len(),
        1,
        "{}: {:?}",
        spec.name(),
        found.rejected
    );
    let geometry = Geometry::of(&found.found[0].member).expect("a geometry");
    assert_eq!(geometry.member_size().0, spec.size, "{}", spec.name());
    Map::new(spec.level, &geometry)
}
