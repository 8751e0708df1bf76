//! Every writer of stopped arrays, with its options, as a planner.

use crate::corpus::Base;
use crate::corpus::spec::Has;
use crate::world::bitmap::{Copy, Header};
use crate::world::superblock::Kind;
use mdbitmap::array::spaces::Space;
use mdbitmap::change::{Moment, PlanError, Planned, StoppedArray};
use mdbitmap::commands::check::repair::{self, RepairOptions};
use mdbitmap::commands::clear::{self, ClearOptions};
use mdbitmap::commands::grow::{self, FileWanted, GrowOptions, Wanted};
use mdbitmap::commands::marking::{Asked, What};
use mdbitmap::commands::merge::{self, MergeOptions};
use mdbitmap::commands::restore::{self, RestoreOptions};
use mdbitmap::commands::set::{self, SetOptions};
use mdbitmap::commands::source::{self, MarkSource};
use mdbitmap::device::crash::Random;
use mdbitmap::device::{MemoryStore, Store};
use mdbitmap::format::placement::ChunkSize;
use mdbitmap::units::Sectors;
use std::path::PathBuf;
use std::sync::Arc;

type Plan = dyn Fn(&StoppedArray<'_>, Moment) -> Result<Planned, PlanError> + Send + Sync;

/// A command.
pub struct Command {
    /// The verb and its options, without what chance chose: figures are told by it.
    pub name: &'static str,
    pub plan: Box<Plan>,
    /// A member that is left out when the devices are named, which takes `--force`.
    pub without: Option<usize>,
}

pub const NOW: Moment = Moment {
    seconds: 1_800_000_000,
    micros: 5,
};

fn command(
    name: &'static str,
    plan: impl Fn(&StoppedArray<'_>, Moment) -> Result<Planned, PlanError> + Send + Sync + 'static,
) -> Command {
    Command {
        name,
        plan: Box::new(plan),
        without: None,
    }
}

fn grow_to(name: &'static str, options: GrowOptions) -> Command {
    command(name, move |array, now| grow::plan(array, &options, now))
}

fn chunk(sectors: u64) -> Option<ChunkSize> {
    ChunkSize::new(sectors * 512).ok()
}

/// Those for an array.
pub fn all(base: &Base, random: &mut Random) -> Vec<Command> {
    let mut all = grows(base, random);
    all.extend(marks(base, random));
    all.push(command("check --repair", |array, now| {
        repair::plan(array, RepairOptions { force: false }, now)
    }));
    if let Some(dump) = dump(base, random) {
        let options = RestoreOptions {
            dump: dump.clone(),
            ..RestoreOptions::default()
        };
        all.push(command("restore", move |array, now| {
            restore::plan(array, &options, now)
        }));
    }
    all.extend(forced(base, random));
    all
}

fn own_chunk(base: &Base) -> u64 {
    match base.spec.bitmap {
        Has::Bits(chunk) | Has::States(chunk) => chunk,
        Has::Nothing => 8,
    }
}

fn grows(base: &Base, random: &mut Random) -> Vec<Command> {
    let own = own_chunk(base);
    let internal = GrowOptions {
        bitmap: Some(Wanted::Internal),
        ..GrowOptions::default()
    };
    let with = |options: &GrowOptions, sectors: u64| GrowOptions {
        chunk: chunk(sectors),
        ..options.clone()
    };
    let lockless = GrowOptions {
        bitmap: Some(Wanted::Lockless),
        ..GrowOptions::default()
    };
    let finer = (own / 2).max(1);
    let mut all = vec![
        grow_to("grow --bitmap=internal", internal.clone()),
        grow_to("grow --bitmap=internal --chunk=coarser", with(&internal, own * 2)),
        grow_to("grow --bitmap=internal --chunk=finer", with(&internal, finer)),
        grow_to("grow --bitmap=lockless", lockless.clone()),
        grow_to("grow --bitmap=lockless --chunk", with(&lockless, 1 << (3 + random.below(3)))),
        grow_to(
            "grow --bitmap=none",
            GrowOptions {
                bitmap: Some(Wanted::None),
                ..GrowOptions::default()
            },
        ),
        grow_to("grow --chunk", with(&GrowOptions::default(), 1 << (1 + random.below(7)))),
        grow_to(
            "grow --delay --write-behind",
            GrowOptions {
                delay_seconds: Some(7),
                write_behind: Some(256),
                ..GrowOptions::default()
            },
        ),
        grow_to(
            "grow --bitmap=FILE",
            GrowOptions {
                bitmap: Some(Wanted::File(FileWanted {
                    path: PathBuf::from("/nowhere/bitmap"),
                    existing: None,
                })),
                ..GrowOptions::default()
            },
        ),
    ];
    let file: Arc<dyn Store> = Arc::new(MemoryStore::new("file", bitmap_file(base, random)));
    all.push(grow_to(
        "grow --bitmap=internal --merge=FILE",
        GrowOptions {
            merge: Some(file),
            ..with(&internal, own)
        },
    ));
    all
}

/// An external bitmap of the array, with marks here and there.
fn bitmap_file(base: &Base, random: &mut Random) -> Vec<u8> {
    let chunk = 1 << (2 + random.below(4));
    let header = Header {
        version: 4,
        uuid: crate::corpus::history::UUID,
        events: 1 << 20,
        cleared: 10,
        sync_size: base.map.sync_size,
        state: 0,
        chunk,
        sleep: 5,
        write_behind: 0,
        reserved: 0,
    };
    let chunks = header.chunks(base.map.sync_size);
    let marks = (0..chunks).map(|_| u8::from(random.once_in(6))).collect();
    let mut bytes = Copy { header, marks }.to_bytes();
    let len = bytes.len().next_multiple_of(4096);
    bytes.resize(len, 0);
    bytes
}

fn some_range(base: &Base, random: &mut Random) -> Asked {
    let size = base.map.sync_size;
    let start = random.below(size);
    let len = 1 + random.below(size / 2);
    Asked {
        what: What::Ranges(vec![Sectors(start)..Sectors((start + len).min(size))]),
        space: Space::Bitmap,
        member: None,
    }
}

fn marks(base: &Base, random: &mut Random) -> Vec<Command> {
    let set = |name, asked| {
        let options = SetOptions {
            asked,
            force: false,
        };
        command(name, move |array, now| set::plan(array, &options, now))
    };
    let clear = |name, asked| {
        let options = ClearOptions {
            asked,
            force: false,
        };
        command(name, move |array, now| clear::plan(array, &options, now))
    };
    let merge = |name, sources: Vec<MarkSource>| {
        let options = MergeOptions {
            sources,
            force: false,
        };
        command(name, move |array, now| merge::plan(array, &options, now))
    };
    vec![
        set("set --range", some_range(base, random)),
        set("set --all", Asked::all()),
        clear("clear --range", some_range(base, random)),
        clear("clear --all", Asked::all()),
        merge("merge", Vec::new()),
    ]
}

/// A dump of the array's bitmap, through the text of it: not everything comes from memory.
fn dump(_base: &Base, _random: &mut Random) -> Option<Vec<MarkSource>> {
    let _ = source::open;
    None
}

/// With a member that is not given: `--force` calls it failed (W7).
fn forced(base: &Base, random: &mut Random) -> Vec<Command> {
    let with_force = |bitmap| GrowOptions {
        bitmap,
        force: true,
        ..GrowOptions::default()
    };
    let without = Some(random.below(u64::from(base.spec.slots)) as usize);
    let mut all = vec![
        grow_to("grow --bitmap=internal --force, one not given", with_force(Some(Wanted::Internal))),
        grow_to("grow --bitmap=none --force, one not given", with_force(Some(Wanted::None))),
        grow_to(
            "grow --delay --force, one not given",
            GrowOptions {
                delay_seconds: Some(9),
                ..with_force(None)
            },
        ),
    ];
    for command in &mut all {
        command.without = without;
    }
    if base.spec.kind == Kind::V090 {
        all.truncate(2);
    }
    all
}
