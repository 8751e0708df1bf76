//! Files beside the members: bitmap files of the array, and dumps. Some are honest, some are out of date.

use crate::corpus::Base;
use crate::corpus::history::UUID;
use crate::world::bitmap::{Copy, Header};
use mdbitmap::commands::dump::{self, DumpOptions};
use mdbitmap::commands::source::{self, MarkSource};
use mdbitmap::device::crash::{Image, Random};
use mdbitmap::report::dump::text::TextDump;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Files that are there as long as a command is.
#[derive(Clone)]
pub struct Folder(Arc<tempfile::TempDir>);

impl Folder {
    pub fn new() -> Folder {
        Folder(Arc::new(tempfile::tempdir().expect("a folder")))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("room for a file");
        path
    }

    /// A bitmap file, as one whose marks are to be merged.
    pub fn source(&self, name: &str, bytes: &[u8]) -> Vec<MarkSource> {
        let path = self.put(name, bytes);
        source::open(&[path.into()]).unwrap_or_else(|failure| panic!("{name}: {failure:?}"))
    }

    /// A dump of these devices or files: written, and read again.
    pub fn dump(&self, name: &str, devices: &[Vec<u8>]) -> Vec<MarkSource> {
        let paths: Vec<OsString> = (0..)
            .zip(devices)
            .map(|(number, bytes)| self.put(&format!("{name}-{number}"), bytes).into())
            .collect();
        let options = DumpOptions {
            paths: paths.clone(),
            ..DumpOptions::default()
        };
        let mut text = Vec::new();
        let mut found = dump::open(&options);
        let mut writer = TextDump::new(&mut text).expect("memory");
        dump::write(&mut found, &mut writer).expect("memory");
        let path = self.put(name, &text);
        source::open_dump(&path.into()).unwrap_or_else(|failure| panic!("{name}: {failure:?}"))
    }

    /// A dump of the members as they are.
    pub fn dump_of_members(&self, base: &Base) -> Vec<MarkSource> {
        let members = base
            .present()
            .into_iter()
            .map(|disk| base.images[disk].to_vec());
        self.dump("now", &members.collect::<Vec<_>>())
    }
}

/// How much a bitmap file knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// All that differs, and more.
    Everything,
    /// Something else: it is of an earlier event.
    What,
}

/// A bitmap file of the array, with chunks of a size of its own.
pub fn bitmap_file(base: &Base, knows: Knows, random: &mut Random) -> Vec<u8> {
    let images: Vec<&Image> = base.images.iter().collect();
    let world = base.world(&images);
    let events = world
        .disks
        .iter()
        .filter_map(|disk| disk.sb.as_ref())
        .map(|sb| sb.events);
    let now = events.max().unwrap_or_default();
    let events = if knows == Knows::Everything {
        now
    } else {
        now - 3
    };
    let header = Header {
        version: 4,
        uuid: UUID,
        events,
        // Nobody who was away before this one is brought up to date by it.
        cleared: events,
        sync_size: base.map.sync_size,
        state: 0,
        chunk: 1 << (2 + random.below(4)),
        sleep: 5,
        write_behind: 0,
        reserved: 0,
        nodes: 0,
    };
    let chunks = header.chunks(base.map.sync_size);
    let mut marks: Vec<u8> = (0..chunks).map(|_| u8::from(random.once_in(6))).collect();
    if knows == Knows::Everything {
        for sector in world.uneven(&base.present()) {
            marks[(sector / header.chunk) as usize] = 1;
        }
    }
    let mut bytes = Copy { header, marks }.to_bytes();
    let len = bytes.len().next_multiple_of(4096);
    bytes.resize(len, 0);
    bytes
}
