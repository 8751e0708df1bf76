//! Every writer of stopped arrays, with its options, as a planner.

mod files;

use crate::corpus::Base;
use crate::corpus::spec::Has;
use crate::world::superblock::Kind;
use files::{Folder, Knows, bitmap_file};
use mdbitmap::array::spaces::Space;
use mdbitmap::change::{Moment, PlanError, Planned, StoppedArray};
use mdbitmap::commands::check::repair::{self, RepairOptions};
use mdbitmap::commands::clear::{self, ClearOptions};
use mdbitmap::commands::grow::{self, FileWanted, GrowOptions, Wanted};
use mdbitmap::commands::marking::{Asked, What};
use mdbitmap::commands::merge::{self, MergeOptions};
use mdbitmap::commands::restore::{self, RestoreOptions};
use mdbitmap::commands::set::{self, SetOptions};
use mdbitmap::commands::source::MarkSource;
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
    let folder = Folder::new();
    let mut all = grows(base, random);
    all.extend(merges(base, &folder, random));
    all.extend(marks(base, random));
    // No node of a cluster is up.
    let force = is_clustered(base);
    all.push(command("check --repair", move |array, now| {
        repair::plan(array, RepairOptions { force }, now)
    }));
    all.extend(restores(base, &folder, random));
    all.extend(forced(base, random));
    all
}

fn is_clustered(base: &Base) -> bool {
    matches!(base.spec.bitmap, Has::Clustered(_))
}

fn grows(base: &Base, random: &mut Random) -> Vec<Command> {
    let own = base.spec.chunk().unwrap_or(8);
    let plain = GrowOptions {
        force: is_clustered(base),
        ..GrowOptions::default()
    };
    let internal = GrowOptions {
        bitmap: Some(Wanted::Internal),
        ..plain.clone()
    };
    let with = |options: &GrowOptions, sectors: u64| GrowOptions {
        chunk: chunk(sectors),
        ..options.clone()
    };
    let lockless = GrowOptions {
        bitmap: Some(Wanted::Lockless),
        ..plain.clone()
    };
    let clustered = GrowOptions {
        bitmap: Some(Wanted::Clustered),
        nodes: Some(2),
        ..plain.clone()
    };
    let finer = (own / 2).max(1);
    vec![
        grow_to("grow --bitmap=internal", internal.clone()),
        grow_to(
            "grow --bitmap=internal --chunk=coarser",
            with(&internal, own * 2),
        ),
        grow_to(
            "grow --bitmap=internal --chunk=finer",
            with(&internal, finer),
        ),
        grow_to("grow --bitmap=lockless", lockless.clone()),
        grow_to(
            "grow --bitmap=lockless --chunk",
            with(&lockless, 128 << random.below(2)),
        ),
        grow_to("grow --bitmap=clustered", clustered.clone()),
        grow_to("grow --bitmap=clustered --chunk", with(&clustered, own * 2)),
        grow_to(
            "grow --bitmap=none",
            GrowOptions {
                bitmap: Some(Wanted::None),
                ..plain.clone()
            },
        ),
        grow_to("grow --chunk", with(&plain, 1 << (1 + random.below(7)))),
        grow_to(
            "grow --delay --write-behind",
            GrowOptions {
                delay_seconds: Some(7),
                write_behind: Some(256),
                ..plain.clone()
            },
        ),
        grow_to(
            "grow --bitmap=FILE",
            GrowOptions {
                bitmap: Some(Wanted::File(FileWanted {
                    path: PathBuf::from("/nowhere/bitmap"),
                    existing: None,
                })),
                ..plain.clone()
            },
        ),
    ]
}

/// The marks of files.
fn merges(base: &Base, folder: &Folder, random: &mut Random) -> Vec<Command> {
    let now = bitmap_file(base, Knows::Everything, random);
    let old = bitmap_file(base, Knows::What, random);
    let internal = GrowOptions {
        bitmap: Some(Wanted::Internal),
        force: is_clustered(base),
        ..GrowOptions::default()
    };
    let grown = |name, bytes: &[u8], sectors| {
        let file: Arc<dyn Store> = Arc::new(MemoryStore::new("file", bytes.to_vec()));
        let options = GrowOptions {
            merge: Some(file),
            chunk: chunk(sectors),
            ..internal.clone()
        };
        grow_to(name, options)
    };
    let own = base.spec.chunk().unwrap_or(8);
    let merged = |name, sources: Vec<MarkSource>| {
        let options = MergeOptions {
            sources,
            force: is_clustered(base),
        };
        command(name, move |array, now| merge::plan(array, &options, now))
    };
    vec![
        grown("grow --bitmap=internal --merge=FILE", &now, own),
        grown("grow --bitmap=internal --merge=OLD", &old, own * 2),
        merged("merge FILE", folder.source("file", &now)),
        merged(
            "merge FILE OLD",
            [folder.source("file", &now), folder.source("old", &old)].concat(),
        ),
    ]
}

/// Dumps of now, of an older event, and with other chunks.
fn restores(base: &Base, folder: &Folder, random: &mut Random) -> Vec<Command> {
    let restored = |name, dump: Vec<MarkSource>, replace| {
        // The folder stays as long as the dump.
        let folder = folder.clone();
        let options = RestoreOptions {
            dump,
            replace,
            force: is_clustered(base),
            ..RestoreOptions::default()
        };
        command(name, move |array, now| {
            let _ = &folder;
            restore::plan(array, &options, now)
        })
    };
    let other = bitmap_file(base, Knows::Everything, random);
    let old = bitmap_file(base, Knows::What, random);
    let mut all = vec![
        restored("restore OTHER-CHUNK", folder.dump("other", &[other]), false),
        restored("restore OLD", folder.dump("former", &[old]), false),
    ];
    if base.spec.bitmap != Has::Nothing {
        let now = folder.dump_of_members(base);
        all.push(restored("restore", now.clone(), false));
        all.push(restored("restore --replace", now, true));
    }
    all
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
            force: is_clustered(base),
        };
        command(name, move |array, now| set::plan(array, &options, now))
    };
    let clear = |name, asked| {
        // --force would leave out the comparison as well.
        let options = ClearOptions {
            asked,
            force: false,
        };
        command(name, move |array, now| clear::plan(array, &options, now))
    };
    vec![
        set("set --range", some_range(base, random)),
        set("set --all", Asked::all()),
        clear("clear --range", some_range(base, random)),
        clear("clear --all", Asked::all()),
    ]
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
        grow_to(
            "grow --bitmap=internal --force, one not given",
            with_force(Some(Wanted::Internal)),
        ),
        grow_to(
            "grow --bitmap=none --force, one not given",
            with_force(Some(Wanted::None)),
        ),
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
