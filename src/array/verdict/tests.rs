//! The verdict, line by line of reference/kernel.md 2.1, 2.3, 3.7, 6.3, 6.6, 7.1 and 7.2.

use super::*;
mod classic;
mod lockless;
mod members;
mod outcomes;
mod runs;

use crate::array::probe::{FoundSuper, probe};
use crate::device::MemoryStore;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper, state};
use crate::format::level::Level;
use crate::format::md_v1::{Builder, Minor, feature};
use crate::format::{dm_raid, md_v090};
use crate::units::{Events, Sectors};
use proptest::prelude::*;

/// 100 chunks of 64 KiB, the last one half.
const CHUNK: u64 = 65536;
const COVERED: u64 = 99 * 128 + 64;
const UUID: [u8; 16] = *b"an array of ours";

/// A member with its bitmap, described in few words.
struct Scene {
    md: Builder,
    bitmap: RawBitmapSuper,
    /// Bits or states, from where they begin.
    content: Vec<u8>,
}

fn scene() -> Scene {
    let mut md = Builder::mirror(Minor::V2, Sectors(1 << 20));
    (md.set_uuid, md.component, md.events) = (UUID, Sectors(COVERED), Events(12));
    let mut bitmap = RawBitmapSuper::from_bytes(&[0; 256]).unwrap();
    (bitmap.magic, bitmap.version, bitmap.uuid) = (BITMAP_MAGIC, 4, UUID);
    (bitmap.events, bitmap.events_cleared) = (12, 11);
    (
        bitmap.sync_size_sectors,
        bitmap.chunksize,
        bitmap.daemon_sleep_seconds,
    ) = (COVERED, CHUNK as u32, 5);
    Scene {
        md,
        bitmap,
        content: vec![0; 13],
    }
}

/// Not stopped cleanly.
fn unclean() -> Scene {
    let mut scene = scene();
    scene.md.resync_offset = Some(Sectors(0));
    scene
}

/// Chunks 0, 50 and 99 (the half one) dirty: 2.5 chunks.
fn dirty(mut scene: Scene) -> Scene {
    for chunk in [0usize, 50, 99] {
        scene.content[chunk / 8] |= 1 << (chunk % 8);
    }
    scene
}

const DIRTY_BYTES: u64 = CHUNK * 5 / 2;
const COVERED_BYTES: u64 = COVERED * 512;

fn lockless(states: &[u8]) -> Scene {
    let mut scene = scene();
    (
        scene.bitmap.version,
        scene.bitmap.chunksize,
        scene.bitmap.sectors_reserved,
    ) = (6, 128, 256);
    scene.content = states.to_vec();
    scene.content.resize(100, 1);
    scene
}

impl Scene {
    fn store(&self) -> MemoryStore {
        let mut image = vec![0; 1 << 20];
        let sb = self.md.build().to_bytes();
        image[4096..4096 + sb.len()].copy_from_slice(&sb);
        image[8192..8448].copy_from_slice(&self.bitmap.to_bytes());
        let bits = if self.bitmap.version == 6 {
            8192 + 1024
        } else {
            8192 + 256
        };
        image[bits..bits + self.content.len()].copy_from_slice(&self.content);
        MemoryStore::new("member", image)
    }

    fn found(&self) -> FoundSuper {
        probe(&self.store(), None).found.remove(0)
    }

    fn verdict(&self) -> Verdict {
        self.verdict_with(&[])
    }

    fn verdict_with(&self, others: &[FoundSuper]) -> Verdict {
        let store = self.store();
        let own = self.found();
        let assembly = Assembly::new(&own, others);
        let bitmap = Bitmap::open(&store, Bytes(8192), BitOrder::Little).unwrap();
        let alone = verdict(&assembly, &bitmap, None).unwrap();
        if let Ok(counts) = bitmap.count() {
            let counted = verdict(&assembly, &bitmap, Some(&counts)).unwrap();
            assert_eq!(alone, counted, "counts at hand must not change the answer");
        }
        alone
    }
}

fn names(reasons: &[Reason]) -> Vec<&str> {
    reasons.iter().map(|reason| reason.name).collect()
}

#[track_caller]
fn expect(verdict: &Verdict, starts: bool, trusted: bool, reasons: &[&str], bytes: Option<u64>) {
    assert_eq!(names(&verdict.reasons), reasons, "{verdict:#?}");
    assert_eq!(
        (verdict.starts, verdict.trusted, verdict.resync_bytes),
        (starts, trusted, bytes),
        "{verdict:#?}"
    );
}
