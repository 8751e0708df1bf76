mod naive;
mod properties;
mod vectors;

use super::*;
use crate::array::probe::probe;
use crate::device::MemoryStore;
use crate::format::md_v1::{Builder, Minor};

type Layout = u32;

/// The geometry that a superblock with these numbers describes.
fn geometry(
    level: Level,
    layout: Layout,
    raid_disks: u32,
    chunk: u64,
    component: u64,
) -> Result<Geometry, GeometryError> {
    let mut builder = Builder::mirror(Minor::V2, Sectors(u64::MAX));
    (builder.level, builder.layout, builder.raid_disks) = (level, layout, raid_disks);
    (builder.raid_chunk, builder.component) = (Sectors(chunk), Sectors(component));
    builder.data_size = Sectors(u64::MAX);
    let mut image = vec![0; 8192];
    let bytes = builder.build().to_bytes();
    image[4096..4096 + bytes.len()].copy_from_slice(&bytes);
    let found = probe(&MemoryStore::new("image", image), None).found;
    let mut member = found.first().expect("a superblock").member.clone();
    // Wherever the data would end, the superblock's number counts here.
    member.areas.data = None;
    Geometry::of(&member)
}

fn at(slot: u32, sector: u64) -> Place {
    Place {
        slot,
        sector: Sectors(sector),
    }
}
